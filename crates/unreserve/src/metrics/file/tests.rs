//! What a file says goes on in the next one, and nothing that it cannot mean.

use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use unreserve_engine::ledger::BatchRecord;
use unreserve_engine::model::BatchId;
use unreserve_engine::shop::Outlook;
use unreserve_engine::watch::{Trouble, TroubleKind};

use super::*;
use crate::hub::{News, SweepResult, Swept, Told};

const NOW: i64 = 1_780_000_000;

fn told(news: News) -> Told {
    Told { at: Timestamp::from_second(NOW).unwrap(), shop: "blue".into(), news }
}

fn eventful() -> Vec<News> {
    let record = BatchRecord {
        batch_id: BatchId::new(),
        reservations: 3,
        units: 7,
        stock_rows: 2,
        orders_cancelled: 2,
        drift: 1,
    };
    let now = Timestamp::from_second(NOW).unwrap();
    let next_expiry = Timestamp::from_microsecond((NOW + 42) * 1_000_000 + 500_000).ok();
    vec![
        News::Joined { interval: Duration::from_secs(300) },
        News::Opened { guards: Arc::new(["paid \"in full\"\\\nor so".to_owned()]) },
        News::Looked(Outlook { now, due_orders: 12, oldest_overdue_micros: 3_250_000, next_expiry }),
        News::SweepBegan,
        News::Committed { record, took: Duration::from_micros(12_345) },
        News::BatchFailed { class: "lock_timeout" },
        News::Swept(Arc::new(Swept { result: SweepResult::Failed, report: None, error: None })),
        News::Troubled(Arc::new(Trouble::new(TroubleKind::Passing, "disconnected", "gone"))),
        News::Channels(Arc::new(["mail".to_owned(), "chat, \"loud\"".to_owned()])),
        News::Delivery { channel: "mail".into(), result: Delivery::GivenUp },
    ]
}

#[test]
fn what_one_sweep_counted_goes_on_in_the_next() {
    let mut figures = Figures::default();
    eventful().into_iter().for_each(|news| figures.learn(&told(news)));
    figures.released(&[0, 40_000, 61_000_000, 400_000_000_000]);
    for shop in ["", "blue"] {
        let metrics = Arc::new(Metrics::going_on(shop, figures.clone()));
        let text = render(&metrics, None).body;
        assert_eq!(figures_of(&text), figures, "{text}");
    }
    let mut twice = figures_of(&render(&Arc::new(Metrics::going_on("blue", figures.clone())), None).body);
    eventful().into_iter().for_each(|news| twice.learn(&told(news)));
    assert_eq!((figures.reservations_released, twice.reservations_released), (3, 6));
    let committed = |figures: &Figures| figures.batches.iter().next().map(|(_, count)| count);
    assert_eq!((committed(&figures), committed(&twice)), (Some(1), Some(2)));
}

/// A histogram with other bounds, from another version, cannot be gone on with; everything else can.
#[test]
fn a_histogram_that_is_not_ours_begins_anew() {
    let mut figures = Figures::default();
    figures.released(&[1, 2, 3]);
    figures.reservations_released = 3;
    let text = render(&Arc::new(Metrics::going_on("", figures)), None).body;
    for (from, to) in [
        ("unreserve_release_lag_seconds_bucket{le=\"0.5\"} 3\n", ""),
        ("unreserve_release_lag_seconds_bucket{le=\"0.5\"}", "unreserve_release_lag_seconds_bucket{le=\"0.6\"}"),
        ("unreserve_release_lag_seconds_bucket{le=\"0.5\"} 3", "unreserve_release_lag_seconds_bucket{le=\"0.5\"} 2"),
        ("unreserve_release_lag_seconds_sum", "another_sum"),
    ] {
        assert!(text.contains(from), "{text}");
        let changed = figures_of(&text.replace(from, to));
        assert_eq!((changed.release_lag.count(), changed.reservations_released), (0, 3), "{from}");
    }
    assert_eq!(figures_of(&text).release_lag.count(), 3);
}

#[test]
fn a_shops_file_has_its_name_before_the_ending() {
    for (path, expected) in [
        ("/var/lib/metrics/unreserve.prom", "/var/lib/metrics/unreserve.blue.prom"),
        ("unreserve", "unreserve.blue"),
        ("a.b/metrics.v2.prom", "a.b/metrics.v2.blue.prom"),
    ] {
        assert_eq!(of_shop(Path::new(path), "blue"), Path::new(expected));
    }
}

#[cfg(unix)]
#[test]
fn the_file_is_readable_by_all_and_nothing_is_left_beside_it() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("unreserve.prom");
    let file = MetricsFile::of(&path, None, Scope::Shop);
    eventful().into_iter().for_each(|news| file.listener().hear(&Told { shop: "".into(), ..told(news) }));
    file.write();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    MetricsFile::of(&path, None, Scope::Shop).write();
    assert!(std::fs::read_to_string(&path).unwrap().contains("\nunreserve_units_released_total 7\n"));
    let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["unreserve.prom"]);
    // Where it cannot be written, nothing happens but a line in the log.
    let nowhere = MetricsFile::of(&directory.path().join("none").join("unreserve.prom"), None, Scope::Shop);
    nowhere.write();
}

proptest! {
    /// Whatever somebody wrote into the file: it is read without a panic, and what is written of it can be read again.
    #[test]
    fn any_text_is_survived(text in "(unreserve_[a-z_]{3,30}(\\{[a-z]{1,7}=\"[^\\n]{0,9}\"?\\}?)? ?-?[0-9+Ifn.e]{0,25}\\n?){0,9}") {
        let figures = figures_of(&text);
        let again = render(&Arc::new(Metrics::going_on("", figures.clone())), None).body;
        prop_assert_eq!(figures_of(&again), figures);
    }
}
