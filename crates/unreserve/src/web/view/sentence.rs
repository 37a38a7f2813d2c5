//! The one sentence that says how it is.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::sweep_text::seconds;

use super::{CheckView, DueView, StatusWord};

/// How it is, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Sentence {
    /// How it sounds.
    pub(crate) mood: Mood,
    /// The sentence, without a full stop.
    #[schema(example = "All quiet: nothing overdue, next expiry in 0:42")]
    pub(crate) text: String,
    /// The instant that the sentence counts down to, where it does, so that whoever shows it can go on counting.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) counts_down_to: Option<Timestamp>,
}

/// How a sentence sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mood {
    /// Nothing has to be done.
    Quiet,
    /// Stock is coming back right now, as it should.
    Busy,
    /// Something wants to be looked at.
    Attention,
    /// Something wants to be looked at now.
    Alarm,
    /// It is not known how it is.
    Unknown,
}

/// So many letters of a problem are told in the sentence; the list of problems has all of it.
const PROBLEM_LETTERS: usize = 120;

/// Says it. Whatever wants a person comes first; where nothing does, what comes next.
pub(super) fn say(now: Option<Timestamp>, due: Option<&DueView>, problems: &[CheckView]) -> Sentence {
    let of = |status: StatusWord| problems.iter().filter(move |check| check.status == status);
    let told = |mood: Mood, text: String| Sentence { mood, text, counts_down_to: None };
    if let Some(worst) = of(StatusWord::Critical).next() {
        return told(Mood::Alarm, format!("Act now: {}{}", short(&worst.says), and_more(problems.len())));
    }
    let (Some(now), Some(due)) = (now, due) else {
        let why = problems.first().map_or_else(String::new, |check| format!(": {}", short(&check.says)));
        return told(Mood::Unknown, format!("It is not known how it is{why}"));
    };
    let overdue = overdue(due);
    if let Some(worst) = of(StatusWord::Unknown).chain(of(StatusWord::Warning)).next() {
        let text = format!("{overdue}, but look at this: {}{}", short(&worst.says), and_more(problems.len()));
        return told(Mood::Attention, capital(&text));
    }
    if due.orders > 0 {
        return told(Mood::Busy, format!("Stock is coming back: {overdue}"));
    }
    let (next, counts_down_to) = match due.next_expiry_at {
        Some(at) => (format!("next expiry in {}", countdown(now, at)), Some(at)),
        None => ("nothing is waiting to expire".to_owned(), None),
    };
    Sentence { mood: Mood::Quiet, text: format!("All quiet: {overdue}, {next}"), counts_down_to }
}

fn overdue(due: &DueView) -> String {
    let at_least = if due.at_least { "at least " } else { "" };
    match due.orders {
        0 => "nothing overdue".to_owned(),
        1 => format!("{at_least}1 order is due, for {}", seconds(due.oldest_overdue_seconds)),
        orders => format!("{at_least}{orders} orders are due, the oldest for {}", seconds(due.oldest_overdue_seconds)),
    }
}

/// The beginning of a long text, to the end of a word.
fn short(text: &str) -> String {
    let mut lines = text.lines();
    let line = lines.next().unwrap_or_default();
    if line.chars().count() <= PROBLEM_LETTERS {
        return if lines.next().is_some() { format!("{line} …") } else { line.to_owned() };
    }
    let beginning: String = line.chars().take(PROBLEM_LETTERS).collect();
    let words = beginning.rsplit_once(' ').map_or(beginning.as_str(), |(words, _)| words);
    format!("{} …", words.trim_end_matches([',', ';', ':', ' ']))
}

fn and_more(problems: usize) -> String {
    match problems.saturating_sub(1) {
        0 => String::new(),
        1 => ", and one more".to_owned(),
        more => format!(", and {more} more"),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// `0:42`, `17:03`, `2:05:00`, and whole days where it takes longer.
fn countdown(now: Timestamp, at: Timestamp) -> String {
    let seconds = at.as_second().saturating_sub(now.as_second()).max(0);
    let part = |unit: i64, of: i64| seconds.div_euclid(unit).rem_euclid(of);
    let (hours, minutes, seconds_left) = (seconds.div_euclid(3_600), part(60, 60), part(1, 60));
    match hours {
        0 => format!("{minutes}:{seconds_left:02}"),
        1..=47 => format!("{hours}:{minutes:02}:{seconds_left:02}"),
        _ => format!("{} days", seconds.div_euclid(86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: StatusWord, says: &str) -> CheckView {
        CheckView {
            check: "overdue",
            status,
            says: says.to_owned(),
            remedy: None,
            figure: None,
            unit: None,
            warning_above: None,
            critical_above: None,
            more: Vec::new(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn due(orders: u64, next: Option<i64>) -> DueView {
        DueView { orders, at_least: false, oldest_overdue_seconds: 3, next_expiry_at: next.map(at) }
    }

    #[test]
    fn says_what_a_person_has_to_know_first() {
        let warning = || check(StatusWord::Warning, "an index is missing");
        let critical = || check(StatusWord::Critical, "120 orders are due");
        let unknown = || check(StatusWord::Unknown, "not known: the database was not reached");
        for (due, problems, mood, text) in [
            (Some(due(0, Some(142))), vec![], Mood::Quiet, "All quiet: nothing overdue, next expiry in 0:42"),
            (Some(due(0, None)), vec![], Mood::Quiet, "All quiet: nothing overdue, nothing is waiting to expire"),
            (Some(due(2, Some(142))), vec![], Mood::Busy, "Stock is coming back: 2 orders are due, the oldest for 3s"),
            (
                Some(due(0, Some(142))),
                vec![warning()],
                Mood::Attention,
                "Nothing overdue, but look at this: an index is missing",
            ),
            (
                Some(due(1, None)),
                vec![warning(), unknown()],
                Mood::Attention,
                "1 order is due, for 3s, but look at this: not known: the database was not reached, and one more",
            ),
            (
                Some(due(120, None)),
                vec![warning(), critical(), unknown()],
                Mood::Alarm,
                "Act now: 120 orders are due, and 2 more",
            ),
            (None, vec![critical()], Mood::Alarm, "Act now: 120 orders are due"),
            (None, vec![], Mood::Unknown, "It is not known how it is"),
        ] {
            let said = say(Some(at(100)), due.as_ref(), &problems);
            assert_eq!((said.mood, said.text.as_str()), (mood, text));
        }
        assert_eq!(say(Some(at(100)), Some(&due(0, Some(142))), &[]).counts_down_to, Some(at(142)));
    }

    #[test]
    fn a_long_problem_is_told_by_its_beginning() {
        let exact = "x".repeat(PROBLEM_LETTERS);
        assert_eq!(short(&exact), exact);
        assert_eq!(short("one line\nand another"), "one line …");
        let long = format!("the plan does not fit: {}", "column `a` is gone; ".repeat(20));
        let told = short(&long);
        assert!(told.chars().count() <= PROBLEM_LETTERS + 2 && told.ends_with(" …"), "{told}");
        let words = told.trim_end_matches(" …");
        assert!(long.starts_with(words) && long[words.len()..].starts_with([';', ' ']), "{told}");
        assert_eq!(short(&"y".repeat(500)), format!("{exact} …").replace('x', "y"));
    }

    #[test]
    fn counts_down_as_a_clock_does() {
        for (seconds, expected) in [
            (-5, "0:00"),
            (42, "0:42"),
            (1_023, "17:03"),
            (7_500, "2:05:00"),
            (172_799, "47:59:59"),
            (172_800, "2 days"),
        ] {
            assert_eq!(countdown(at(0), at(seconds)), expected);
        }
    }
}
