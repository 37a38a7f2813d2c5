//! The one place where a test waits: it looks again and again, a bounded number of times.

use std::time::Duration;

use crate::failure::{Failure, Wait};

/// How often is looked: twenty seconds' worth.
const LOOKS_MAX: u32 = 4_000;

/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until `look` finds what it looks for.
///
/// # Errors
/// A look failed, or it was not to be found within about twenty seconds.
pub async fn wait_until<'a>(what: &str, mut look: impl FnMut() -> Wait<'a, bool>) -> Result<(), Failure> {
    for _ in 0..LOOKS_MAX {
        if look().await? {
            return Ok(());
        }
        #[expect(clippy::disallowed_methods, reason = "between two looks at the database others must get their turn")]
        tokio::time::sleep(LOOK).await;
    }
    Err(Failure::new(format!("waited in vain until {what}")))
}
