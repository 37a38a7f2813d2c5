//! Steps at which a test halts the program, to kill it there; nothing at all without the feature `mutants`.

/// `step:batch:file` in `UNRESERVE_HALT_AT` halts for ever at that step of that batch, and makes the file to say so.
#[cfg(feature = "mutants")]
pub(crate) fn reach(step: &str) {
    use std::sync::atomic::{AtomicU64, Ordering};

    static BATCH: AtomicU64 = AtomicU64::new(0);

    let Ok(place) = std::env::var("UNRESERVE_HALT_AT") else { return };
    if step == "begun" {
        BATCH.fetch_add(1, Ordering::Relaxed);
    }
    let mut parts = place.splitn(3, ':');
    let batch = BATCH.load(Ordering::Relaxed).to_string();
    if parts.next() != Some(step) || parts.next() != Some(batch.as_str()) {
        return;
    }
    let told = parts.next().map(|file| std::fs::write(file, step));
    while told.is_some() {
        std::thread::park();
    }
}

/// Nothing is halted in a release.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn reach(_: &str) {}
