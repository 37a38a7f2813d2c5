//! What stands where a service is to be installed: another shop's service is never replaced, nor what we have not written.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::service::background;
use crate::service::cron;
use crate::service::kind::{Kind, Scope};
use crate::service::launch::{Launch, SecretPlace};
use crate::service::machine::Machine;
use crate::service::managing::Wanted;
use crate::service::steps::Step;

/// Whom a service works for, as its own text says it: quoted as its kind quotes, so that two of one kind can be compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Purpose {
    subject: Option<String>,
    directory: Option<String>,
    config: Option<String>,
    env_file: Option<String>,
    address: Option<String>,
}

impl Purpose {
    /// What a unit, a property list or the lines of a crontab say.
    fn written_in(text: &str) -> Self {
        let text = &text.replace('\t', "");
        let first = |places: &[(&str, &[&str])]| places.iter().find_map(|(start, ends)| between(text, start, ends));
        let option = |name: &str| {
            let (word, element) = (format!("{name} "), format!("<string>{name}</string>\n<string>"));
            first(&[(&word, &[" --", "\n"]), (&element, &["</string>"])])
        };
        Self {
            subject: first(&[
                ("`unreserve service install`: ", &[" -->"]),
                ("unpaid orders still hold (", &[")\n"]),
                ("removes it)\n# ", &["\n"]),
            ]),
            directory: first(&[
                ("WorkingDirectory=-", &["\n"]),
                ("<key>WorkingDirectory</key>\n<string>", &["</string>"]),
                (" cd ", &[" && "]),
            ]),
            config: option("--config"),
            env_file: first(&[("LoadCredential=env:", &["\n"])]).or_else(|| option("--env-file")),
            address: first(&[
                ("LoadCredential=database_url:", &["\n"]),
                ("DATABASE_URL_FILE=", &[" ", "\n"]),
                ("DATABASE_URL_FILE</key>\n<string>", &["</string>"]),
            ]),
        }
    }

    /// What the record of a process of our own says.
    fn recorded(record: &background::Record) -> Self {
        let option = |name: &str| {
            let mut words = record.words.iter().skip_while(|word| *word != name);
            words.nth(1).cloned()
        };
        let address = record.variables.iter().find(|(name, _)| name.ends_with("DATABASE_URL_FILE"));
        Self {
            subject: Some(record.subject.clone()).filter(|subject| !subject.is_empty()),
            directory: Some(record.directory.display().to_string()),
            config: option("--config"),
            env_file: option("--env-file"),
            address: address.map(|(_, value)| value.clone()),
        }
    }

    /// Whether both work for the same shops: the same files from the same directory, whatever they say now; or the same
    /// database by the same settings file, or from the same directory.
    fn is_for_the_same_as(&self, other: &Self) -> bool {
        let same_directory = self.directory == other.directory;
        let same_files =
            (&self.config, &self.env_file, &self.address) == (&other.config, &other.env_file, &other.address);
        let same_settings = self.config.is_some() && self.config == other.config;
        let same_subject = self.subject.is_some() && self.subject == other.subject;
        (same_directory && same_files) || (same_subject && (same_directory || same_settings))
    }

    /// As a person tells it from another.
    fn shown(&self) -> String {
        let mut text = self.subject.clone().unwrap_or_else(|| "a shop".to_owned());
        let mut add = |what: &str, value: &Option<String>| {
            if let Some(value) = value {
                text.push_str(&format!(", {what} {value}"));
            }
        };
        add("settings file", &self.config);
        add("env file", &self.env_file);
        add("directory", &self.directory);
        text
    }
}

/// The text between a start and the nearest of the ends.
fn between(text: &str, start: &str, ends: &[&str]) -> Option<String> {
    let (_, rest) = text.split_once(start)?;
    let end = ends.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
    rest.get(..end).map(str::to_owned)
}

/// What stands in every file of ours that lies among a system's own.
const MARK: &str = "ritten by `unreserve service install`";

/// Whether a text was written by us.
pub(crate) fn is_ours(text: &str) -> bool {
    text.contains(MARK)
}

/// Refuses to put these steps in the place of a service that works for other shops, or of a file that is not ours.
///
/// # Errors
/// Such a service is installed, or such a file is there.
pub(crate) fn check(wanted: &Wanted, steps: &[Step], machine: &Machine) -> Result<(), Failure> {
    if let Some(path) = not_ours(wanted, steps, machine) {
        return Err(Failure::usage(format!("`{}` is there and was not written by this program", path.display()))
            .hint("move it away or remove it, if it is of no more use, and install again")
            .hint(
                "or give this one another name or place: `--kind KIND`, or `--shop NAME` where the settings have shops",
            ));
    }
    for (place, old, new) in pairs(wanted, steps, machine) {
        if !old.is_for_the_same_as(&new) {
            return Err(another(wanted, &place, &old));
        }
    }
    Ok(())
}

/// The first file that these steps would replace and that we have not written.
fn not_ours<'a>(wanted: &Wanted, steps: &'a [Step], machine: &Machine) -> Option<&'a Path> {
    // A task's text is written for a moment only, into our own directory.
    if wanted.kind == Kind::TaskScheduler {
        return None;
    }
    steps.iter().find_map(|step| match step {
        Step::Write(file) => {
            let there = machine.read(&file.path)?;
            (!is_ours(&String::from_utf8_lossy(&there))).then_some(file.path.as_path())
        }
        Step::Remove(_) | Step::RemoveEmpty(_) | Step::Run(_) => None,
    })
}

/// What is installed and what would replace it, with the place of both.
fn pairs(wanted: &Wanted, steps: &[Step], machine: &Machine) -> Vec<(String, Purpose, Purpose)> {
    match wanted.kind {
        Kind::Background => {
            let pair = |launch: &Launch| {
                let state_dir = Path::new(&launch.state_dir);
                let old = background::read(state_dir, launch.shop.as_deref())?;
                let place = background::record_file(state_dir, launch.shop.as_deref()).display().to_string();
                let new = Purpose::recorded(&background::Record::of(launch));
                Some((place, Purpose::recorded(&old), new))
            };
            wanted.launches.iter().filter_map(pair).collect()
        }
        Kind::Cron | Kind::Systemd | Kind::SystemdTimer | Kind::Launchd => {
            let texts = steps.iter().filter_map(|step| match step {
                Step::Write(file) => {
                    let old = machine.read_text(&file.path)?;
                    Some((file.path.display().to_string(), old, file.text.clone()))
                }
                Step::Run(call) => {
                    let new = cron::own_block(call.input.as_deref()?, wanted.shop.as_deref())?;
                    let old = cron::own_block(&machine.ask(["crontab", "-l"])?, wanted.shop.as_deref())?;
                    Some(("the user's crontab".to_owned(), old, new))
                }
                Step::Remove(_) | Step::RemoveEmpty(_) => None,
            });
            let pairs = texts.map(|(place, old, new)| (place, Purpose::written_in(&old), Purpose::written_in(&new)));
            // A timer says nothing of it: its service does.
            pairs.filter(|(_, old, new)| old.directory.is_some() && new.directory.is_some()).collect()
        }
        Kind::TaskScheduler | Kind::Kubernetes => Vec::new(),
    }
}

fn another(wanted: &Wanted, place: &str, old: &Purpose) -> Failure {
    let kind = wanted.kind.word();
    let user = if wanted.scope == Scope::User && wanted.kind != Kind::Background { " --user" } else { "" };
    let shop = wanted.shop.as_ref().map_or_else(String::new, |shop| format!(" --shop {shop}"));
    let mut failure = Failure::usage(format!(
        "a service for another shop is installed at {place} ({}), and this one would replace it",
        old.shown()
    ))
    .hint("put both shops into one settings file, a `[[shop]]` each: one service then works for both");
    if wanted.shop.is_none() {
        failure =
            failure.hint("or give each shop a service of its own: `--shop NAME`, with a name in each settings file");
    }
    if wanted.kind == Kind::Background {
        failure = failure.hint("or give this one a state directory of its own: `--state-dir DIR`");
    }
    failure.hint(format!(
        "or remove that one first: `unreserve service uninstall --kind {kind}{user}{shop}`, with its settings"
    ))
}

/// The files that a service reads itself; what the manager hands over is not among them.
pub(crate) fn read_by_itself(launch: &Launch, manager_hands_over: bool) -> Vec<PathBuf> {
    let handed = |file: &Path| {
        launch.secrets.iter().any(|secret| matches!(secret, SecretPlace::Own { path, .. } if path == file))
    };
    launch.files().into_iter().filter(|file| !(manager_hands_over && handed(file))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::launch::testing::{awkward, launch};
    use crate::service::machine::testing::Desk;
    use crate::service::managing;
    use crate::service::steps::{self, Repair};

    const KINDS: [Kind; 4] = [Kind::Cron, Kind::Systemd, Kind::SystemdTimer, Kind::Launchd];

    /// One with names that every format has to quote.
    fn quoted() -> Launch {
        Launch { state_dir: "/var/lib/unreserve".to_owned(), ..awkward() }
    }

    fn wanted(kind: Kind, launch: Launch) -> Wanted {
        Wanted {
            kind,
            scope: Scope::System,
            shop: launch.shop.clone(),
            launches: vec![launch],
            run_as: None,
            workloads: Vec::new(),
        }
    }

    fn install(desk: &Desk, wanted: &Wanted) -> Result<(), Failure> {
        let steps = managing::install(wanted, &desk.machine)?;
        check(wanted, &steps, &desk.machine)?;
        steps::run(&steps, &Repair::default(), &desk.machine)
    }

    fn desk() -> Desk {
        let desk = Desk::new();
        for program in ["systemctl", "launchctl", "install"] {
            desk.program(program, "exit 0");
        }
        desk.machine.write(Path::new("/etc/cron.d/theirs"), b"", 0o644).unwrap();
        desk
    }

    #[test]
    fn the_same_again_and_a_change_of_it_are_no_other_shop() {
        for kind in KINDS {
            for one in [launch(), quoted()] {
                let desk = desk();
                install(&desk, &wanted(kind, one.clone())).unwrap();
                install(&desk, &wanted(kind, one.clone())).unwrap();
                let moved = Launch { subject: "malikli at postgres://elsewhere/shop".to_owned(), ..one.clone() };
                install(&desk, &wanted(kind, moved.clone())).unwrap();
                let options = vec!["--grace".to_owned(), "5m".to_owned()];
                install(&desk, &wanted(kind, Launch { options, ..moved })).unwrap();
            }
        }
    }

    #[test]
    fn a_file_that_we_have_not_written_is_not_replaced_and_is_none_of_ours() {
        for kind in KINDS {
            // A mask of systemd's is an empty file; what is no text is nobody's but its owner's.
            for theirs in [&b"[Unit]\nDescription=mine\n"[..], b"", b"\xff\xfe"] {
                let desk = desk();
                let wanted = wanted(kind, launch());
                let steps = managing::install(&wanted, &desk.machine).unwrap();
                let written = steps.iter().filter_map(|step| match step {
                    Step::Write(file) => Some(file.path.clone()),
                    _ => None,
                });
                for path in written {
                    desk.machine.write(&path, theirs, 0o644).unwrap();
                    let failure = install(&desk, &wanted).unwrap_err();
                    let expected = format!("`{}` is there and was not written by this program", path.display());
                    assert_eq!(failure.message, expected, "{kind:?}");
                    assert_eq!(desk.machine.read(&path).unwrap(), theirs);
                    let search = managing::Search {
                        shops: vec![None],
                        state_dir: PathBuf::from("/var/lib/unreserve"),
                        kind: Some(kind),
                        user_only: false,
                    };
                    assert_eq!(managing::find(&search, &desk.machine), [], "{kind:?}");
                    desk.machine.remove(&path).unwrap();
                }
                install(&desk, &wanted).unwrap();
                install(&desk, &wanted).unwrap();
            }
        }
    }

    #[test]
    fn another_shops_service_is_not_replaced() {
        for kind in KINDS {
            for one in [launch(), quoted()] {
                let desk = desk();
                install(&desk, &wanted(kind, one.clone())).unwrap();
                let before = desk.files();
                let subject = "malikli at postgres://db/second".to_owned();
                let elsewhere = Launch { directory: "/srv/second".to_owned(), subject: subject.clone(), ..one.clone() };
                let other = Some("/etc/unreserve/second.toml".to_owned());
                let settings = Launch { config: other, subject, ..one };
                for second in [elsewhere, settings] {
                    let failure = install(&desk, &wanted(kind, second)).unwrap_err();
                    assert!(
                        failure.message.contains("a service for another shop is installed at /"),
                        "{}",
                        failure.message
                    );
                    assert!(!failure.message.contains("(a shop"), "{kind:?}: {}", failure.message);
                    assert!(failure.message.contains("settings file "), "{kind:?}: {}", failure.message);
                    assert_eq!(desk.files(), before);
                }
            }
        }
    }
}
