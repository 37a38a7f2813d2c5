//! One line with performance data, as monitoring plugins write it.

use unreserve_engine::report::health::{Check, HealthReport, Status, Unit};

use super::text;

/// What comes before the bar is cut here: more is shown by nobody.
const LETTERS_MAX: usize = 1_500;

/// The reports of one or several shops in one line; the worst counts.
pub(crate) fn render(shops: &[(Option<&str>, &HealthReport)]) -> String {
    let worst = shops.iter().map(|(_, report)| report.status).max().unwrap_or(Status::Unknown);
    let said: Vec<String> = shops
        .iter()
        .map(|(name, report)| match name {
            Some(name) => format!("{name} {}", text::summary(report)),
            None => without_status(&text::summary(report), report.status),
        })
        .collect();
    let data: Vec<String> =
        shops.iter().flat_map(|(name, report)| report.checks.iter().flat_map(|check| measures(*name, check))).collect();
    let said = plain(&said.join(" - "));
    // Where there is no figure, nothing is to stand behind a bar either.
    let data = if data.is_empty() { String::new() } else { format!(" | {}", data.join(" ")) };
    format!("UNRESERVE {} - {said}{data}", worst.word().to_uppercase())
}

/// What a plugin says that could not look.
pub(crate) fn refused(message: &str) -> String {
    format!("UNRESERVE UNKNOWN - {}", plain(message))
}

fn without_status(summary: &str, status: Status) -> String {
    let status = format!("{}: ", status.word().to_uppercase());
    summary.strip_prefix(&status).unwrap_or(summary).to_owned()
}

/// A bar begins the data and a line's end ends it: neither may stand in the text.
fn plain(text: &str) -> String {
    let plain = text.chars().map(|c| {
        if c == '|' {
            '/'
        } else if c.is_control() {
            ' '
        } else {
            c
        }
    });
    plain.take(LETTERS_MAX).collect()
}

/// `'label'=figure[unit];warning;critical;least`, one for each figure of the check.
fn measures(name: Option<&str>, check: &Check) -> Vec<String> {
    let (Some(figure), Some(unit)) = (check.figure, check.unit) else { return Vec::new() };
    let unit = match unit {
        Unit::Milliseconds => "ms",
        Unit::Seconds => "s",
        Unit::Orders | Unit::Units | Unit::Batches | Unit::Indexes => "",
    };
    let number = |threshold: Option<i64>| threshold.map_or_else(String::new, |threshold| threshold.to_string());
    let (warning, critical) = (number(check.threshold.warning), number(check.threshold.critical));
    let label = |figure: &str| {
        let name = name.map_or_else(String::new, |name| format!("{name} "));
        format!("'{}'", format!("{name}{}{figure}", check.check.word()).replace(['\'', '='], "_"))
    };
    let mut all = vec![format!("{}={figure}{unit};{warning};{critical};0", label(""))];
    let more = check.more.iter().map(|more| format!("{}={}{unit};;;0", label(&format!(" {}", more.name)), more.figure));
    all.extend(more);
    all
}

#[cfg(test)]
mod tests {
    use unreserve_engine::report::health::{CheckId, Measure, Threshold};

    use super::*;

    fn check(check: CheckId, status: Status, figure: Option<i64>, says: &str) -> Check {
        Check {
            check,
            status,
            figure,
            unit: figure.map(|_| Unit::Seconds),
            threshold: Threshold::of(600, 1_500),
            says: says.to_owned(),
            remedy: None,
            more: Vec::new(),
        }
    }

    #[test]
    fn nothing_that_is_said_can_break_the_line() {
        let mut slow = check(CheckId::SweepDuration, Status::Warning, Some(700), "x");
        slow.more = vec![Measure { name: "max", figure: 9 }];
        let checks = vec![
            check(CheckId::Plan, Status::Critical, None, "column `a|b`\nis \u{1b}[2J gone"),
            check(CheckId::LastSweep, Status::Ok, Some(3), "x"),
            slow,
        ];
        let report = HealthReport { status: Status::Critical, checks };
        let data = "'last_sweep'=3s;600;1500;0 'sweep_duration'=700s;600;1500;0 'sweep_duration max'=9s;;;0";
        assert_eq!(
            render(&[(None, &report)]),
            format!("UNRESERVE CRITICAL - plan: column `a/b`\\nis \\u{{1b}}[2J gone; sweep_duration: x | {data}")
        );
        let both = render(&[(Some("red"), &report), (Some("blue"), &report)]);
        assert!(both.starts_with("UNRESERVE CRITICAL - red CRITICAL: plan: "), "{both}");
        assert!(
            both.contains(" - blue CRITICAL: plan: ") && both.contains("'blue sweep_duration max'=9s;;;0"),
            "{both}"
        );
        assert_eq!((both.matches('|').count(), both.lines().count()), (1, 1));
        assert_eq!(refused("no | such\nthing"), "UNRESERVE UNKNOWN - no / such thing");
        assert!(refused(&"x".repeat(9_000)).len() < 2_000);
    }
}
