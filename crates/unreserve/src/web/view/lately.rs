//! What came back of late. Days that are over hardly change, so only today is read again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::Mutex;
use unreserve_engine::ledger::{DayTally, Lately, LatelyQuery};
use unreserve_engine::shop::CheckedShop;
use unreserve_engine::sweep::Clock;

use super::Problem;
use super::shop::unreadable;
use crate::clock::ProcessClock;

/// So many days are told, today included.
pub(super) const DAYS: u32 = 30;

/// Lags and stock rows are of at most so many of the newest releases.
const RELEASES_MAX: u32 = 5_000;

/// So many stock rows are told.
const STOCK_MAX: u32 = 20;

/// The days that are over are read again after so long: a sweep of yesterday may have ended only today.
const PAST_OLDEST: Duration = Duration::from_secs(600);

/// The days that are over, and when they were read.
#[derive(Default)]
pub(super) struct LatelyKept {
    past: Option<Past>,
}

struct Past {
    /// The day that was today, counted from 1970.
    today: i64,
    read_at: Duration,
    days: BTreeMap<i64, DayTally>,
}

/// What came back of late, today read anew.
pub(super) async fn read(
    shop: &mut dyn CheckedShop,
    clock: &ProcessClock,
    kept: &Mutex<LatelyKept>,
) -> Result<Lately, Problem> {
    let mut kept = kept.lock().await;
    let now = clock.elapsed();
    let past = kept.past.take().filter(|past| now.saturating_sub(past.read_at) < PAST_OLDEST);
    let profile = shop.plan().profile.clone();
    let query = |days| LatelyQuery {
        profile: profile.clone(),
        days,
        release_days: DAYS,
        releases_max: RELEASES_MAX,
        stock_max: STOCK_MAX,
    };
    let mut attempt = async |query: &LatelyQuery| {
        let lately = shop.lately(query).await;
        lately.map_err(|error| unreadable(&error, "the ledger cannot be read"))
    };
    let day_of = |lately: &Lately| lately.now.as_second().div_euclid(86_400);
    if let Some(past) = past {
        let mut lately = attempt(&query(1)).await?;
        if day_of(&lately) == past.today {
            let over = past.days.iter().filter(|(day, _)| **day < past.today);
            lately.days.extend(over.map(|(day, tally)| (*day, *tally)));
            kept.past = Some(past);
            return Ok(lately);
        }
    }
    let lately = attempt(&query(DAYS)).await?;
    kept.past = Some(Past { today: day_of(&lately), read_at: now, days: lately.days.clone() });
    Ok(lately)
}
