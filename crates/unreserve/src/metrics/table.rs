//! Every metric, said once: its name, meaning, unit and label. What is rendered, the help and the reference page read this.

use super::figures::{Counts, Deliveries, Figures, Histogram};
use crate::daemon::record::Standing;

/// What a metric is made of: the place of its number in the figures of a shop.
pub(super) enum Cell<'a> {
    /// One that only grows.
    Counter(&'a mut u64),
    /// One that only grows, for each word of the label.
    Counts(&'a mut Counts),
    /// One for each channel and each way a delivery ends.
    Deliveries(&'a mut Deliveries),
    /// A number as it is now.
    Number(&'a mut Option<i64>),
    /// A span or an instant as it is now, in microseconds.
    Micros(&'a mut Option<i64>),
    /// How often something took at most so long.
    Histogram(&'a mut Histogram),
    /// 1 for the word that holds now, 0 for the others; nothing where no daemon runs.
    Standing(&'a mut Option<Standing>),
    /// Always 1; its label says which build it is.
    Build,
}

/// What kind of metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows while the process lives.
    Counter,
    /// It is as it is now.
    Gauge,
    /// Counts by how large a value was.
    Histogram,
}

/// What is known of one metric.
pub(super) struct Metric {
    /// Its name; that of a counter ends in `_total`.
    pub(super) name: &'static str,
    /// What kind it is.
    pub(super) kind: Kind,
    /// What it counts or measures in.
    pub(super) unit: &'static str,
    /// Its labels beside `shop`.
    pub(super) labels: &'static [&'static str],
    /// What it means, in one sentence.
    pub(super) help: &'static str,
    /// What is worth knowing beside that.
    pub(super) more: &'static str,
    /// Where its number is.
    pub(super) cell: fn(&mut Figures) -> Cell<'_>,
}

const COUNTER: Metric = Metric {
    name: "",
    kind: Kind::Counter,
    unit: "",
    labels: &[],
    help: "",
    more: "",
    cell: |figures| Cell::Counter(&mut figures.reservations_released),
};

const GAUGE: Metric = Metric { kind: Kind::Gauge, ..COUNTER };

const HISTOGRAM: Metric = Metric { kind: Kind::Histogram, unit: "seconds", ..COUNTER };

/// Every metric, in the order in which they are rendered.
pub(super) static METRICS: [Metric; 21] = [
    Metric {
        name: "unreserve_build_info",
        labels: &["version"],
        help: "Always 1; the label says which version this is",
        cell: |_| Cell::Build,
        ..GAUGE
    },
    Metric {
        name: "unreserve_sweeps_total",
        unit: "sweeps",
        labels: &["result"],
        help: "Sweeps, by how they ended",
        more: "`done`; `problems`: it came to its end, and orders were set aside; `too_many`: more was due than the size bound allows, and nothing was written; `held`: another instance was sweeping; `failed`: it could not begin, or stopped on an error",
        cell: |figures| Cell::Counts(&mut figures.sweeps),
        ..COUNTER
    },
    Metric {
        name: "unreserve_sweep_duration_seconds",
        help: "How long sweeps took, of those with a report",
        cell: |figures| Cell::Histogram(&mut figures.sweep_duration),
        ..HISTOGRAM
    },
    Metric {
        name: "unreserve_batches_total",
        unit: "batches",
        labels: &["result"],
        help: "Batches, by how they ended",
        more: "`committed`; `failed`: it was rolled back, and tried again in another form",
        cell: |figures| Cell::Counts(&mut figures.batches),
        ..COUNTER
    },
    Metric {
        name: "unreserve_batch_duration_seconds",
        help: "How long committed batches took, from their beginning to the end of their commit",
        more: "a batch is kept below 50 ms",
        cell: |figures| Cell::Histogram(&mut figures.batch_duration),
        ..HISTOGRAM
    },
    Metric {
        name: "unreserve_reservations_released_total",
        unit: "reservations",
        help: "Reservations that were released",
        cell: |figures| Cell::Counter(&mut figures.reservations_released),
        ..COUNTER
    },
    Metric {
        name: "unreserve_units_released_total",
        unit: "units",
        help: "Units that were given back, drift included",
        cell: |figures| Cell::Counter(&mut figures.units_released),
        ..COUNTER
    },
    Metric {
        name: "unreserve_orders_cancelled_total",
        unit: "orders",
        help: "Orders that were cancelled because nothing of them stayed reserved",
        cell: |figures| Cell::Counter(&mut figures.orders_cancelled),
        ..COUNTER
    },
    Metric {
        name: "unreserve_orders_protected_total",
        unit: "orders",
        labels: &["reason"],
        help: "Orders that sweeps left alone although something of them had expired, by reason",
        more: "each sweep counts an order that stays. A reason is the name of a payment guard of the profile, or `status`, `not_due`, `busy`, `locked`, `not_tried`, `no_order` (reservations without their order), `unreadable`",
        cell: |figures| Cell::Counts(&mut figures.orders_protected),
        ..COUNTER
    },
    Metric {
        name: "unreserve_errors_total",
        unit: "errors",
        labels: &["class"],
        help: "Errors, by class: failed batches, and whatever kept a shop from being swept",
        more: "a batch that fails and then ends its sweep counts as both",
        cell: |figures| Cell::Counts(&mut figures.errors),
        ..COUNTER
    },
    Metric {
        name: "unreserve_overdue_reservations",
        unit: "orders",
        help: "Orders with reservations that have expired and wait to be released, at the last look",
        more: "counted up to 1,000 by the daemon, and up to 10,000 at the end of a sweep. Orders that a guard protects are not among them",
        cell: |figures| Cell::Number(&mut figures.overdue),
        ..GAUGE
    },
    Metric {
        name: "unreserve_oldest_overdue_seconds",
        unit: "seconds",
        help: "How long ago the oldest of them expired, by the database's clock; 0 where there is none",
        cell: |figures| Cell::Micros(&mut figures.oldest_overdue),
        ..GAUGE
    },
    Metric {
        name: "unreserve_release_lag_seconds",
        help: "How long after their expiry reservations were released, by the database's clock",
        more: "of every single reservation: from its expiry to the cutoff of the batch that released it",
        cell: |figures| Cell::Histogram(&mut figures.release_lag),
        ..HISTOGRAM
    },
    Metric {
        name: "unreserve_next_expiry_timestamp_seconds",
        unit: "seconds since 1970",
        help: "When something expires next, by the database's clock; left out where nothing is reserved",
        cell: |figures| Cell::Micros(&mut figures.next_expiry),
        ..GAUGE
    },
    Metric {
        name: "unreserve_last_success_timestamp_seconds",
        unit: "seconds since 1970",
        help: "When a sweep came to its end last, by this machine's clock; 0 where none has yet",
        cell: |figures| Cell::Micros(&mut figures.last_success),
        ..GAUGE
    },
    Metric {
        name: "unreserve_last_attempt_timestamp_seconds",
        unit: "seconds since 1970",
        help: "When a sweep was tried last, or the database while it could not be reached, by this machine's clock",
        cell: |figures| Cell::Micros(&mut figures.last_attempt),
        ..GAUGE
    },
    Metric {
        name: "unreserve_interval_seconds",
        unit: "seconds",
        help: "How often a sweep is to come: the setting interval",
        cell: |figures| Cell::Micros(&mut figures.interval),
        ..GAUGE
    },
    Metric {
        name: "unreserve_set_aside_orders",
        unit: "orders",
        help: "Orders that were set aside at the end of the last sweep: their release failed for their own reasons",
        cell: |figures| Cell::Number(&mut figures.set_aside),
        ..GAUGE
    },
    Metric {
        name: "unreserve_drift_units",
        unit: "units",
        help: "What counters lacked, in all sweeps since counting began",
        more: "it can only grow, except where counting begins anew; `delta()` says how much came in some time",
        cell: |figures| Cell::Number(&mut figures.drift),
        ..GAUGE
    },
    Metric {
        name: "unreserve_standing",
        labels: &["standing"],
        help: "How the daemon stands with the shop: 1 for the standing that holds, 0 for the others",
        more: "`opening`, `waiting`, `sweeping`, `standby`, `backing_off`, `halted`, `stopped`; a sweep that a timer starts has none",
        cell: |figures| Cell::Standing(&mut figures.standing),
        ..GAUGE
    },
    Metric {
        name: "unreserve_alert_deliveries_total",
        unit: "tries",
        labels: &["channel", "result"],
        help: "Tries to deliver an alert, by channel and by how they ended",
        more: "`delivered`; `failed`: it is tried again; `given_up`: it is not. Only a daemon has it: what a sweep from cron \
               or `health --send-alerts` tried, `unreserve alert show` tells",
        cell: |figures| Cell::Deliveries(&mut figures.deliveries),
        ..COUNTER
    },
];

impl Metric {
    /// Its name without the ending that only the samples of a counter have.
    pub(super) fn family(&self) -> &'static str {
        match self.kind {
            Kind::Counter => self.name.strip_suffix("_total").unwrap_or(self.name),
            Kind::Gauge | Kind::Histogram => self.name,
        }
    }
}

/// The reference page's table of metrics, as Markdown.
pub(crate) fn reference_markdown() -> String {
    let mut text = String::from("| metric | kind | unit | labels | meaning |\n|---|---|---|---|---|\n");
    for metric in &METRICS {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let more = if metric.more.is_empty() { String::new() } else { format!(". {}", in_a_sentence(metric.more)) };
        let (name, unit, help) = (metric.name, metric.unit, metric.help);
        text.push_str(&format!("| `{name}` | {kind} | {unit} | {} | {help}{more} |\n", labels.join(", ")));
    }
    text
}

/// A sentence begins with a capital, but a word of code stays as it is.
fn in_a_sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_metrics() {
        let mut names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
        for metric in &METRICS {
            let name = metric.name;
            assert!(name.starts_with("unreserve_"), "{name}");
            assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
            assert_eq!(metric.unit.starts_with("seconds"), name.ends_with("_seconds"), "{name}");
            assert!(!metric.help.is_empty() && !metric.help.ends_with('.'), "{name}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
    }
}
