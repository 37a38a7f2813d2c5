//! How a shop is, for people.

use unreserve_engine::report::health::{Check, Episode, HealthReport, Run, Status};

use crate::paint::{alarm, caution, good, heading};
use crate::table::{Table, visible};

/// A report: one sentence, every check in a line, and what to do about each that is not well.
pub(crate) fn render(name: Option<&str>, report: &HealthReport) -> String {
    let mut text = name.map_or_else(String::new, |name| format!("{}\n", heading(&format!("Shop {name}"))));
    text.push_str(&painted(report.status, &sentence(report)));
    text.push_str("\n\n");
    let mut table = Table::new(&["check", "status", "what was found"]);
    for check in &report.checks {
        table.row([check.check.word(), check.status.word(), check.says.as_str()]);
    }
    text.push_str(table.render().trim_end());
    text.push('\n');
    let findings: Vec<&Check> = report.checks.iter().filter(|check| check.status != Status::Ok).collect();
    if findings.iter().any(|check| check.remedy.is_some()) {
        text.push_str(&format!("\n{}\n", heading("What to do")));
        for check in findings {
            let Some(remedy) = &check.remedy else { continue };
            text.push_str(&format!("  {}{}: {}\n", check.check.word(), figures(check), visible(remedy)));
        }
    }
    text
}

fn painted(status: Status, text: &str) -> String {
    match status {
        Status::Ok => good(text),
        Status::Warning => caution(text),
        Status::Unknown | Status::Critical => alarm(text),
    }
}

fn sentence(report: &HealthReport) -> String {
    let count = |status| report.checks.iter().filter(|check| check.status == status).count();
    let all = report.checks.len();
    if report.status == Status::Ok {
        return format!("OK: {}", if all == 1 { "1 check".to_owned() } else { format!("all {all} checks") });
    }
    let parts = [Status::Critical, Status::Unknown, Status::Warning].map(|status| (count(status), status.word()));
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    format!("{}: {} of {all} checks", report.status.word().to_uppercase(), parts.join(" and "))
}

/// The figure with its thresholds, in parentheses.
fn figures(check: &Check) -> String {
    let (Some(figure), Some(unit)) = (check.figure, check.unit) else { return String::new() };
    let mut text = format!(" ({figure} {}", unit.of(figure));
    for (word, threshold) in [("warning", check.threshold.warning), ("critical", check.threshold.critical)] {
        if let Some(threshold) = threshold {
            text.push_str(&format!(", {word} above {threshold}"));
        }
    }
    text.push(')');
    text
}

/// One line for a watch that nobody sees repainted.
pub(crate) fn line(name: Option<&str>, report: &HealthReport, at: jiff::Timestamp) -> String {
    let at = at.round(jiff::Unit::Second).unwrap_or(at);
    let name = name.map_or_else(String::new, |name| format!(" {name}"));
    format!("{at}{name} {}", summary(report))
}

/// The status, and what is not well.
pub(crate) fn summary(report: &HealthReport) -> String {
    let not_well = report.checks.iter().filter(|check| check.status != Status::Ok);
    // The worst first; what is not known because of something else is no news beside it.
    let mut not_well: Vec<&Check> =
        not_well.filter(|check| check.status != Status::Unknown || report.status == Status::Unknown).collect();
    not_well.sort_by_key(|check| std::cmp::Reverse(check.status));
    let said: Vec<String> =
        not_well.iter().map(|check| format!("{}: {}", check.check.word(), visible(&check.says))).collect();
    if said.is_empty() {
        sentence(report)
    } else {
        format!("{}: {}", report.status.word().to_uppercase(), said.join("; "))
    }
}

/// The episodes of past runs.
pub(crate) fn history(name: Option<&str>, runs: &[Run], episodes: &[Episode]) -> String {
    let mut text = name.map_or_else(String::new, |name| format!("{}\n", heading(&format!("Shop {name}"))));
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
        return text + "No run of `unreserve health` is kept on this machine yet.\n";
    };
    let short = |at: jiff::Timestamp| at.round(jiff::Unit::Second).unwrap_or(at).to_string();
    let kept = if runs.len() == 1 { "1 run".to_owned() } else { format!("{} runs", runs.len()) };
    text.push_str(&format!("{kept} from {} to {}.\n", short(first.at), short(last.at)));
    if episodes.is_empty() {
        return text + "None of them found a problem.\n";
    }
    let mut table = Table::new(&["check", "worst", "began", "ended", "what was found last"]);
    for episode in episodes {
        let began = if episode.may_be_older {
            format!("{} or before", short(episode.began_at))
        } else {
            short(episode.began_at)
        };
        table.row([
            episode.check.word(),
            episode.status.word(),
            &began,
            &episode.ended_at.map_or_else(|| "goes on".to_owned(), short),
            &episode.says,
        ]);
    }
    format!("{text}\n{}\n", table.render().trim_end())
}
