//! One alert as a value: what every channel writes in its own way.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use unreserve_engine::report::health::{Change, Digest, Over, Problem, Severity};
use uuid::Uuid;

/// Why a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Something new is wrong, or something got worse.
    #[serde(rename = "alert.opened")]
    Opened,
    /// What was told lasts.
    #[serde(rename = "alert.repeated")]
    Repeated,
    /// Something is over.
    #[serde(rename = "alert.resolved")]
    Resolved,
    /// Somebody tries whether messages arrive.
    #[serde(rename = "alert.test")]
    Test,
}

impl Kind {
    /// The word in every format.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Opened => "alert.opened",
            Self::Repeated => "alert.repeated",
            Self::Resolved => "alert.resolved",
            Self::Test => "alert.test",
        }
    }
}

/// A message, the same for every channel and at every try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// What tells it from every other one; it stays the same when it is sent again.
    pub(crate) id: String,
    /// Why it is sent.
    pub(crate) kind: Kind,
    /// When it was made, by the process's clock.
    pub(crate) at: Timestamp,
    /// What it is about.
    pub(crate) about: About,
    /// Every problem that stands, the worst first.
    pub(crate) problems: Vec<Problem>,
    /// What is over.
    pub(crate) over: Vec<Over>,
}

/// Where a message comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// The shop's name in the settings; nothing where it has none.
    pub(crate) shop: Option<String>,
    /// Its profile.
    pub(crate) profile: String,
    /// The machine that tells it.
    pub(crate) host: String,
    /// The program's version.
    pub(crate) version: String,
}

impl About {
    /// What the shop is called in a sentence.
    pub(crate) fn shop(&self) -> &str {
        self.shop.as_deref().unwrap_or(&self.profile)
    }
}

impl Message {
    /// Tells a digest.
    pub(crate) fn of(digest: Digest, about: About, at: Timestamp) -> Self {
        let news = |change| digest.problems.iter().any(|problem| problem.change == change);
        let kind = if news(Change::New) || news(Change::Worse) {
            Kind::Opened
        } else if digest.over.is_empty() {
            Kind::Repeated
        } else {
            Kind::Resolved
        };
        Self { id: new_id(), kind, at, about, problems: digest.problems, over: digest.over }
    }

    /// Tries whether messages arrive.
    pub(crate) fn test(about: About, at: Timestamp) -> Self {
        Self { id: new_id(), kind: Kind::Test, at, about, problems: Vec::new(), over: Vec::new() }
    }

    /// The worst that stands; nothing where nothing does.
    pub(crate) fn severity(&self) -> Option<Severity> {
        self.problems.iter().map(|problem| problem.severity).max()
    }

    /// The word for how it is now: `ok`, `warning` or `critical`.
    pub(crate) fn status(&self) -> &'static str {
        self.severity().map_or("ok", Severity::word)
    }

    /// One line that says it all to whoever reads no further.
    pub(crate) fn title(&self) -> String {
        let shop = self.about.shop();
        let names = |checks: Vec<&str>| checks.join(", ");
        let standing = names(self.problems.iter().map(|problem| problem.check.word()).collect());
        let status = self.status().to_uppercase();
        match self.kind {
            Kind::Test => format!("{shop}: this is a test of unreserve's alerts"),
            Kind::Opened => format!("{shop} {status}: {standing}"),
            Kind::Repeated => format!("{shop} still {status}: {standing}"),
            Kind::Resolved => {
                let over = names(self.over.iter().map(|over| over.check.word()).collect());
                let left = if standing.is_empty() { String::new() } else { format!("; still {status}: {standing}") };
                format!("{shop} RESOLVED: {over}{left}")
            }
        }
    }

    /// The paragraphs behind the title: each problem with what to do, and what is over.
    pub(crate) fn paragraphs(&self) -> Vec<String> {
        let problems = self.problems.iter().map(|problem| {
            let mark = match problem.change {
                Change::New => "new",
                Change::Worse => "got worse",
                Change::Repeated | Change::Known => "goes on",
            };
            let since = seconds(problem.began_at);
            let (severity, check) = (problem.severity.word().to_uppercase(), problem.check.word());
            let todo =
                problem.remedy.as_ref().map_or_else(String::new, |remedy| format!("\nWhat to do: {}", plain(remedy)));
            format!("{severity} {check} ({mark}, since {since}): {}{todo}", plain(&problem.says))
        });
        let over = self.over.iter().map(|over| {
            let (from, to) = (seconds(over.began_at), seconds(over.ended_at));
            format!(
                "RESOLVED {} (was {}, {from} to {to}): {}",
                over.check.word(),
                over.severity.word(),
                plain(&over.says)
            )
        });
        let test = (self.kind == Kind::Test).then(|| "If you can read this, alerts arrive here.".to_owned());
        test.into_iter().chain(problems).chain(over).collect()
    }

    /// Where it comes from, in one line.
    pub(crate) fn footer(&self) -> String {
        let About { profile, host, version, .. } = &self.about;
        format!("unreserve {version} on {host}, profile {profile}, {}", seconds(self.at))
    }

    /// All of it as plain text.
    pub(crate) fn text(&self) -> String {
        format!("{}\n\n{}\n\n-- \n{}\n", self.title(), self.paragraphs().join("\n\n"), self.footer())
    }
}

/// A text of the shop's or the database's is one line, whatever it holds.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn seconds(at: Timestamp) -> String {
    at.round(jiff::Unit::Second).unwrap_or(at).to_string()
}

fn new_id() -> String {
    format!("msg_{}", Uuid::now_v7().simple())
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "helpers of a test may fail it")]
pub(super) mod samples {
    use unreserve_engine::report::health::CheckId;

    use super::*;

    pub(crate) fn about() -> About {
        let text = |text: &str| text.to_owned();
        About { shop: Some(text("berlin")), profile: text("malikli"), host: text("shop1"), version: text("0.1.0") }
    }

    pub(crate) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    /// A message with a new problem, a known one, and one that is over, whose texts try to be more than text.
    pub(crate) fn hostile() -> Message {
        let problem = |check, severity, change, says: &str, remedy: Option<&str>| Problem {
            check,
            severity,
            change,
            began_at: at(0),
            says: says.to_owned(),
            remedy: remedy.map(str::to_owned),
        };
        let digest = Digest {
            problems: vec![
                problem(
                    CheckId::Plan,
                    Severity::Critical,
                    Change::New,
                    "column `a<b>&c` is *gone* @everyone <!channel>\r\nBcc: x@y",
                    Some("see <https://evil.example|here>"),
                ),
                problem(CheckId::Index, Severity::Warning, Change::Known, "1 index is missing", None),
            ],
            over: vec![Over {
                check: CheckId::Overdue,
                severity: Severity::Warning,
                began_at: at(-600),
                ended_at: at(0),
                says: "nothing is due".to_owned(),
            }],
        };
        Message { id: "msg_1".to_owned(), ..Message::of(digest, about(), at(60)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_says_what_is_new_what_lasts_and_what_is_over() {
        let hostile = samples::hostile();
        let title = |kind, problems: usize, over: usize| {
            let mut message = Message { kind, ..hostile.clone() };
            message.problems.truncate(problems);
            message.over.truncate(over);
            message.title()
        };
        assert_eq!(title(Kind::Opened, 2, 1), "berlin CRITICAL: plan, index");
        assert_eq!(title(Kind::Repeated, 1, 0), "berlin still CRITICAL: plan");
        assert_eq!(title(Kind::Resolved, 0, 1), "berlin RESOLVED: overdue");
        assert_eq!(title(Kind::Resolved, 2, 1), "berlin RESOLVED: overdue; still CRITICAL: plan, index");
        assert_eq!(title(Kind::Test, 0, 0), "berlin: this is a test of unreserve's alerts");
        assert_eq!(hostile.kind, Kind::Opened);
    }

    #[test]
    fn the_text_has_every_problem_with_its_remedy() {
        insta::assert_snapshot!(samples::hostile().text());
    }
}
