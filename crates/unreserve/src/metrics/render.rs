//! The text of the metrics, in the format that the reader asks for.

use std::sync::Arc;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use super::Metrics;
use super::table::METRICS;

/// The text, and what it says of itself in `Content-Type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rendered {
    /// The media type.
    pub(crate) content_type: &'static str,
    /// The text.
    pub(crate) body: String,
}

const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Renders the metrics for whoever sends this `Accept`: as OpenMetrics where it is asked for, else in the older format
/// that every reader knows.
pub(crate) fn render(metrics: &Arc<Metrics>, accept: Option<&str>) -> Rendered {
    let open = open_metrics(metrics);
    if accept.is_some_and(wants_open_metrics) {
        Rendered { content_type: OPEN_METRICS, body: open }
    } else {
        Rendered { content_type: PLAIN, body: plain(&open) }
    }
}

fn open_metrics(metrics: &Arc<Metrics>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Arc::clone(metrics)));
    let mut text = String::new();
    // Writing to a text cannot fail, and nothing of ours refuses to be encoded.
    let written = text::encode(&mut text, &registry);
    debug_assert!(written.is_ok(), "metrics cannot be encoded");
    text
}

/// The same in the older format: there a counter is described under the name of its samples, and nothing says that the
/// end was reached.
fn plain(open: &str) -> String {
    let lines = open.lines().filter(|line| *line != "# EOF").map(|line| {
        let described = ["# HELP ", "# TYPE "].into_iter().find_map(|begin| {
            let (family, rest) = line.strip_prefix(begin)?.split_once(' ')?;
            let metric = METRICS.iter().find(|metric| metric.family() == family)?;
            Some(format!("{begin}{} {rest}\n", metric.name))
        });
        described.unwrap_or_else(|| format!("{line}\n"))
    });
    lines.collect()
}

/// Whether OpenMetrics is asked for, and nothing of the older format more than that.
fn wants_open_metrics(accept: &str) -> bool {
    let weight = |wanted: &str| {
        let ranges = accept.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next()?;
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1_000), thousandths);
            name.eq_ignore_ascii_case(wanted).then_some(weight?)
        });
        ranges.max().unwrap_or(0)
    };
    let open = weight("application/openmetrics-text");
    open > 0 && open >= weight("text/plain")
}

/// A weight between 0 and 1, with at most three digits behind the point, in thousandths.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let part: u32 = format!("{part:0<3}").get(..3)?.parse().ok()?;
    let whole: u32 = whole.parse().ok()?;
    Some(whole.saturating_mul(1_000).saturating_add(part).min(1_000))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use unreserve_engine::shop::Outlook;

    use super::*;
    use crate::daemon::record::Standing;
    use crate::hub::{Hub, Line, Listener, News};

    #[test]
    fn the_reader_chooses_the_format() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let cases = [
            (prometheus, true),
            (browser, false),
            ("application/openmetrics-text", true),
            ("Application/OpenMetrics-Text; version=1.0.0; q=0.9, text/plain; q=0.5", true),
            ("application/openmetrics-text;q=0.3,text/plain;q=0.5", false),
            ("application/openmetrics-text;q=0", false),
            ("application/openmetrics-text;q=nonsense", false),
            ("*/*", false),
            ("", false),
        ];
        for (accept, expected) in cases {
            assert_eq!(wants_open_metrics(accept), expected, "{accept}");
        }
        let metrics = Arc::new(Metrics::default());
        assert_eq!(render(&metrics, None).content_type, PLAIN);
        assert_eq!(render(&metrics, Some(prometheus)).content_type, OPEN_METRICS);
    }

    #[test]
    fn every_shop_has_its_series_until_it_leaves() {
        let metrics = Arc::new(Metrics::default());
        let hub = Hub::new(vec![Arc::clone(&metrics) as Arc<dyn Listener>]);
        let lines = ["blue", "red"].map(|shop| hub.join(Some(shop), Duration::from_secs(90)));
        let text = || render(&metrics, None).body;
        let build = format!("\nunreserve_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"));
        let of = |shop: &str| format!("\nunreserve_interval_seconds{{shop=\"{shop}\"}} 90.0\n");
        let both = text();
        assert!([build.as_str(), &of("blue"), &of("red")].iter().all(|line| both.contains(line)), "{both}");
        lines.iter().for_each(Line::leave);
        let none = text();
        assert!(none.contains(&build) && !none.contains("shop="), "{none}");
        hub.join(None, Duration::from_secs(90));
        assert!(text().contains("\nunreserve_interval_seconds 90.0\n"), "{}", text());
    }

    #[test]
    fn whoever_stands_by_does_not_tell_what_it_saw_on_duty() {
        let metrics = Arc::new(Metrics::default());
        let hub = Hub::new(vec![Arc::clone(&metrics) as Arc<dyn Listener>]);
        let line = hub.join(None, Duration::from_secs(90));
        let now = jiff::Timestamp::UNIX_EPOCH;
        let seen = "\nunreserve_oldest_overdue_seconds 400.0\n";
        line.tell(News::Looked(Outlook { now, due_orders: 7, oldest_overdue_micros: 400_000_000, next_expiry: None }));
        line.stands(Standing::Waiting, "waits", None);
        assert!(render(&metrics, None).body.contains(seen));
        line.stands(Standing::Standby, "stands by", None);
        let text = render(&metrics, None).body;
        assert!(!text.contains("\nunreserve_oldest_overdue_seconds "), "{text}");
        assert!(text.contains("\nunreserve_standing{standing=\"standby\"} 1\n"), "{text}");
    }
}
