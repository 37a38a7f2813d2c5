//! Whatever stands in a settings file: no panic, every refusal names its place, and no secret is shown.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::failure::{Failure, render};

const NAME: &str = "unreserve.toml";

/// A file that says everything, with a password wherever one can stand.
const VALID: &str = "\
# Two shops.
database_url = \"postgres://top:hunter2@h/top?sslmode=require\"
profile = \"malikli\"
state_dir = \"state\"
timeout = \"15m\"
grace = \"0s\"
batch_size = 7
max_orders = 8
interval = \"1m\"

[log]
format = \"json\"
level = \"info\"
file = \"x.log\"
max_size = \"1MB\"
keep = 3

[alerts]
severity = \"critical\"
after = \"2m\"
repeat = \"1h\"
threshold = 50
ignore = [\"index\", \"protection\"]

[[alerts.channel]]
name = \"ops\"
kind = \"slack\"
severity = \"warning\"
url = \"https://hooks.slack.com/services/hunter2/hunter2\"

[[alerts.channel]]
name = \"mail\"
kind = \"email\"
host = \"mail.example.org\"
tls = \"starttls\"
port = 587
from = \"Shop of Berlin and of other cities <shop@example.org>\"
to = [\"ops@example.org\", \"owner@example.org\"]
user = \"a user with a long name, so that no one slip joins it\"
password = \"hunter2\"

[[alerts.channel]]
name = \"pager\"
kind = \"command\"
command = [\"/usr/bin/page\", \"--now\"]
timeout = \"5s\"

[heartbeat]
url = \"https://hc-ping.com/a-long-way-so-that-no-slip-of-sixty-letters-leaves-the-end-alone/hunter2\"

[[shop]]
name = \"blue\"
database_url = \"postgres://shop:hunter2@h/blue?sslmode=require\"
grace = \"1m\"
heartbeat_url = \"https://hc-ping.com/a-long-way-so-that-no-slip-of-sixty-letters-leaves-the-end-alone/hunter2\"

[[shop]]
name = \"grün\"
database_url_env = \"GREEN_URL\"
profile = \"profiles/green.toml\"
timeout = \"1h\"
batch_size = 9
max_orders = 10
interval = \"10s\"
";

/// A piece of text that means something in such a file.
fn piece() -> impl Strategy<Value = String> {
    let tokens = select(vec![
        "\n",
        "\"",
        "'",
        "\"\"\"",
        "[",
        "]",
        "[[shop]]\n",
        "[log]\n",
        "[[alerts.channel]]\n",
        "kind = \"webhook\"\n",
        "channel = 1\n",
        "to = [1]\n",
        "{",
        "}",
        ",",
        "=",
        "#",
        ".",
        "-",
        "1",
        "\\",
        "\u{0}",
        "é",
        "name = \"blue\"\n",
        "shop = 1\n",
        "shop = []\n",
        "shop = [{name = \"x\"}]\n",
        "database_url_file = \"x\"\n",
        "9999999999999999999",
    ]);
    prop_oneof![tokens.prop_map(str::to_owned), any::<char>().prop_map(String::from)]
}

/// A change of a text: from a place on, so many characters are replaced.
#[derive(Debug, Clone)]
struct Change {
    at: prop::sample::Index,
    removed: usize,
    added: String,
}

fn change() -> impl Strategy<Value = Change> {
    let added = prop_oneof![Just(String::new()), piece()];
    (any::<prop::sample::Index>(), 0..60_usize, added).prop_map(|(at, removed, added)| Change { at, removed, added })
}

fn changed(text: &str, change: &Change) -> String {
    let letters: Vec<char> = text.chars().collect();
    let at = change.at.index(letters.len().saturating_add(1));
    let rest = letters.iter().skip(at.saturating_add(change.removed));
    letters.iter().take(at).copied().chain(change.added.chars()).chain(rest.copied()).collect()
}

/// Every way to use a file with this text; what each refusal looks like.
fn refusals(text: &str, flags: &Flags) -> Vec<String> {
    let environment = Environment::from_variables([(
        OsString::from("GREEN_URL"),
        OsString::from("postgres://green:hunter2@h/green"),
    )]);
    let file = match SettingsFile::parse(Path::new(NAME), text) {
        Ok(file) => file,
        Err(error) => {
            let SettingsError::SettingsFile { source_text, .. } = &error else { panic!("{error}") };
            for spot in &source_text.spots {
                assert!(text.get(spot.span.clone()).is_some(), "{:?} is no place of {text:?}", spot.span);
            }
            return vec![shown(error)];
        }
    };
    let config = Sourced::new(PathBuf::from(NAME), Origin::Default);
    let env_file = Sourced::new(PathBuf::from(".env"), Origin::Default);
    let sources = Sources { flags, environment: &environment, env_file: None, config, file: Some(file) };
    let mut refusals = Vec::new();
    refusals.extend(sources.only_one().err());
    refusals.extend(sources.refuse_twins().err());
    let shops = match sources.one_or_all() {
        Ok(shops) => shops.into_iter().map(Some).chain([None]).collect(),
        Err(error) => {
            refusals.push(error);
            vec![None]
        }
    };
    refusals.extend(shops.into_iter().filter_map(|shop| Settings::of(&sources, &env_file, shop).err()));
    refusals.into_iter().map(shown).collect()
}

fn shown(error: SettingsError) -> String {
    render::render(&Failure::from(error), false)
}

/// The first line tells the file, and the line in it where there is one to tell.
fn names_its_place(refusal: &str) -> bool {
    let first = refusal.lines().next().unwrap_or_default();
    let behind =
        |mark: &str| first.split_once(mark).is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
    behind("unreserve.toml:") || behind("unreserve.toml line ") || first.contains("`unreserve.toml` has several shops")
}

#[test]
fn the_file_that_is_changed_below_is_refused_for_nothing_but_its_one_wrong_name() {
    let refused = refusals(VALID, &Flags::default());
    assert_eq!(refused.len(), 1);
    assert!(refused[0].contains("unreserve.toml:58:8: this cannot be a shop's name"), "{}", refused[0]);
    let right = VALID.replace("grün", "green");
    let refused = refusals(&right, &Flags::default());
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].contains("has several shops"), "{}", refused[0]);
    let flags = Flags { shop: Some("green".to_owned()), ..Flags::default() };
    assert_eq!(refusals(&right, &flags), Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn any_text_is_taken_or_refused_at_a_place(pieces in prop::collection::vec(piece(), 0..40)) {
        for refusal in refusals(&pieces.concat(), &Flags::default()) {
            prop_assert!(names_its_place(&refusal), "{}", refusal);
        }
    }

    #[test]
    fn a_file_with_slips_is_taken_or_refused_at_a_place(changes in prop::collection::vec(change(), 1..5)) {
        let text = changes.iter().fold(VALID.replace("grün", "green"), |text, change| changed(&text, change));
        for refusal in refusals(&text, &Flags::default()) {
            prop_assert!(names_its_place(&refusal), "{}", refusal);
        }
    }

    #[test]
    fn one_slip_never_shows_the_password(change in change(), umlaut in any::<bool>()) {
        let text = if umlaut { VALID.to_owned() } else { VALID.replace("grün", "green") };
        for refusal in refusals(&changed(&text, &change), &Flags::default()) {
            prop_assert!(!refusal.contains("hunter2"), "{}", refusal);
        }
    }
}
