//! What is asked of the page, whether it was reached, and the document that tells it.

use std::fmt::Write;
use std::time::Duration;

use super::{Asked, Scale, Seen};
use crate::bench::goals::{Goal, Verdict};
use crate::bench::machine::Machine;

const ANSWER: Duration = Duration::from_millis(200);
const FIRST_LOAD_BYTES: usize = 150_000;

/// So many hundredths took no longer; nothing where there are none.
fn share(took: &[Duration], hundredths: usize) -> Option<Duration> {
    let mut took = took.to_vec();
    took.sort_unstable();
    took.get(took.len().saturating_mul(hundredths).div_ceil(100).saturating_sub(1)).copied()
}

fn millis(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1_000.0)
}

fn limit<T: PartialOrd + Copy>(text: String, measured: Option<T>, most: T, shown: impl Fn(T) -> String) -> Goal {
    let verdict = match measured {
        None => Verdict::NotMeasured,
        Some(value) if value <= most => Verdict::Reached,
        Some(_) => Verdict::Missed,
    };
    Goal { text, measured: measured.map(shown), verdict }
}

/// Judges every goal.
pub(super) fn judge(seen: &[Seen]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for one in seen {
        let slowest = |asked: &Asked| share(&asked.took, 95).map(|took| (took, asked.name.clone()));
        let slowest = one.asked.iter().filter_map(slowest).max();
        let text = format!("{}: every answer at most {} ms at p95", one.name, ANSWER.as_millis());
        let which = slowest.as_ref().map_or_else(String::new, |(_, name)| format!(", `{name}`"));
        goals.push(limit(text, slowest.map(|(took, _)| took), ANSWER, |took| format!("{}{which}", millis(took))));
        let text = format!("{}: the first load at most {} kB", one.name, FIRST_LOAD_BYTES.div_euclid(1_000));
        let kilobytes = |bytes: usize| format!("{:.1} kB", bytes as f64 / 1_000.0);
        goals.push(limit(text, one.first_load, FIRST_LOAD_BYTES, kilobytes));
    }
    goals
}

/// The tables.
pub(super) fn tables(seen: &[Seen], goals: &[Goal]) -> String {
    let mut text = String::new();
    for one in seen {
        let _ = write!(
            text,
            "## {}\n\n| address | first | p50 | p95 | longest | compressed |\n|---|---:|---:|---:|---:|---:|\n",
            one.name
        );
        for asked in &one.asked {
            let at = |hundredths| share(&asked.took, hundredths).map_or_else(|| "–".to_owned(), millis);
            let kilobytes = asked.bytes as f64 / 1_000.0;
            let (first, half, most, longest) = (millis(asked.first), at(50), at(95), at(100));
            let _ = writeln!(text, "| `{}` | {first} | {half} | {most} | {longest} | {kilobytes:.1} kB |", asked.name);
        }
        text.push('\n');
    }
    text.push_str("## Goals\n\n| goal | measured | |\n|---|---:|---|\n");
    for goal in goals {
        let measured = goal.measured.as_deref().unwrap_or("–");
        let _ = writeln!(text, "| {} | {measured} | {} |", goal.text, goal.verdict.text());
    }
    text
}

/// The whole document.
pub(super) fn document(machine: &Machine, scale: Scale, seen: &[Seen], goals: &[Goal]) -> String {
    format!(
        "# Benchmarks of the page

Written by `cargo xtask bench page`; do not edit. {date}, commit `{commit}`, PostgreSQL {postgres} on the same machine ({processor}, {memory}), with its own defaults.

{tables}
The ledger has {entries} entries: {sweeps} sweeps over 90 days with a batch of 25 entries each, and one sweep with {large} batches of 100. The shop has {old} orders that are over; in the file some hundreds of reservations wait. `unreserve dashboard` serves it, and one client asks for one address after the other; a time is from the request to the last byte of the answer, so it is the server's and the database's together. Each answer is asked for when the one that is kept has grown old: figures after 1 s, stock after 5 s, health after 10 s; `first` is the first answer of that address, on connections that were not there yet where it is the first of all. The first load is the overview with everything it loads.
",
        date = machine.date,
        commit = machine.commit,
        postgres = machine.postgres,
        processor = machine.processor,
        memory = machine.memory,
        tables = tables(seen, goals),
        entries = scale.entries(),
        sweeps = scale.sweeps,
        large = scale.large,
        old = scale.old,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(millis: u32, bytes: usize) -> Seen {
        let one = Duration::from_millis(millis.into()).checked_div(100).unwrap_or_default();
        let took = (1..=100).map(|part| one.saturating_mul(part)).collect();
        let asked = Asked { name: "/".to_owned(), first: Duration::ZERO, took, bytes: 1 };
        Seen { name: "a".to_owned(), asked: vec![asked], first_load: Some(bytes) }
    }

    #[test]
    fn a_goal_is_judged_by_what_95_of_100_answers_took() {
        let verdicts = |seen: Seen| judge(&[seen]).into_iter().map(|goal| goal.verdict).collect::<Vec<_>>();
        assert_eq!(verdicts(seen(200, 150_000)), [Verdict::Reached, Verdict::Reached]);
        assert_eq!(verdicts(seen(210, 150_000)), [Verdict::Reached, Verdict::Reached]);
        assert_eq!(verdicts(seen(220, 150_001)), [Verdict::Missed, Verdict::Missed]);
        let unseen = Seen { asked: Vec::new(), first_load: None, ..seen(1, 1) };
        assert_eq!(verdicts(unseen), [Verdict::NotMeasured, Verdict::NotMeasured]);
    }
}
