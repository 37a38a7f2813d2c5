//! cron: a sweep every five minutes, in a file for `/etc/cron.d` or as a marked block in the user's crontab.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::service::account::{Account, state_directory};
use crate::service::kind::{Installed, Kind, Scope};
use crate::service::launch::Launch;
use crate::service::machine::Machine;
use crate::service::quote::crontab;
use crate::service::steps::{Call, Step, Written};

/// Where root's files for cron lie.
pub(crate) const DIRECTORY: &str = "/etc/cron.d";

/// Debian's cron cuts a longer command off without a word.
const COMMAND_MAX: usize = 990;

/// What stands before the line of a block that was stopped.
const STOPPED: &str = "#stopped# ";

/// The search path of a sweep: it starts no other program, and cron's own is not to be relied on.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Whether a cron works on this machine.
pub(crate) fn is_running(machine: &Machine) -> bool {
    let names =
        machine.list(Path::new("/proc")).into_iter().filter_map(|process| machine.read_text(&process.join("comm")));
    names.map(|name| name.trim().to_owned()).any(|name| name == "cron" || name == "crond")
}

/// Where the entry goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// A file of its own, which names the account.
    File,
    /// The crontab of the user who installs it.
    Crontab,
}

fn target(scope: Scope, machine: &Machine) -> Target {
    let file = scope == Scope::System && machine.is_root() && machine.exists(Path::new(DIRECTORY));
    if file { Target::File } else { Target::Crontab }
}

/// Everything that installs the launches, one line each.
///
/// # Errors
/// The crontab cannot be read, its block is damaged, or a command is too long for cron.
pub(crate) fn install(
    scope: Scope,
    account: &Account,
    shop: Option<&str>,
    launches: &[Launch],
    machine: &Machine,
) -> Result<Vec<Step>, Failure> {
    match target(scope, machine) {
        Target::File => {
            let block = block(shop, launches, Some(account.or_root()))?;
            let mut steps = match launches.first() {
                Some(launch) => state_directory(account, launch, machine)?,
                None => Vec::new(),
            };
            steps.push(Step::Write(Written::new(file(shop), block)));
            Ok(steps)
        }
        Target::Crontab => {
            let old = read(machine)?;
            let new = format!("{}{}", without_block(&old, shop)?, block(shop, launches, None)?);
            Ok(vec![replace(&new)])
        }
    }
}

/// Everything that removes it.
///
/// # Errors
/// The crontab cannot be read, or its block is damaged.
pub(crate) fn uninstall(installed: &Installed, machine: &Machine) -> Result<Vec<Step>, Failure> {
    let shop = installed.shop.as_deref();
    if installed.scope == Scope::System {
        return Ok(vec![Step::Remove(file(shop))]);
    }
    let rest = without_block(&read(machine)?, shop)?;
    Ok(vec![if rest.trim().is_empty() { Step::Run(Call::new(["crontab", "-r"])) } else { replace(&rest) }])
}

/// Puts the lines out of action, or back into it.
///
/// # Errors
/// The crontab cannot be read.
pub(crate) fn set_active(installed: &Installed, active: bool, machine: &Machine) -> Result<Vec<Step>, Failure> {
    let shop = installed.shop.as_deref();
    if installed.scope == Scope::System {
        let old = machine.read_text(&file(shop)).unwrap_or_default();
        return Ok(vec![Step::Write(Written::new(file(shop), with_active(&old, shop, active)?))]);
    }
    Ok(vec![replace(&with_active(&read(machine)?, shop, active)?)])
}

/// Our blocks: files in cron's directory, or in the user's crontab.
pub(crate) fn find(scope: Scope, machine: &Machine) -> Vec<Installed> {
    let found = |shop, place| Installed { kind: Kind::Cron, scope, shop, place };
    match scope {
        Scope::System => {
            let files = machine.list(Path::new(DIRECTORY)).into_iter().filter(|path| {
                path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("unreserve"))
            });
            let with_text = files.filter_map(|path| Some((machine.read_text(&path)?, path)));
            with_text
                .filter_map(|(text, path)| Some(found(shops_in(&text).into_iter().next()?, path.display().to_string())))
                .collect()
        }
        Scope::User => {
            let text = machine.ask(["crontab", "-l"]).unwrap_or_default();
            shops_in(&text)
                .into_iter()
                .map(|shop| found(shop, "the user's crontab (`crontab -l`)".to_owned()))
                .collect()
        }
    }
}

/// How it stands.
pub(crate) fn state(installed: &Installed, machine: &Machine) -> String {
    let text = match installed.scope {
        Scope::System => machine.read_text(&file(installed.shop.as_deref())).unwrap_or_default(),
        Scope::User => machine.ask(["crontab", "-l"]).unwrap_or_default(),
    };
    let stopped = lines_of(&text, installed.shop.as_deref()).any(|line| line.starts_with(STOPPED));
    match (stopped, is_running(machine)) {
        (true, _) => "stopped: `unreserve service start` starts it".to_owned(),
        (false, true) => "every five minutes".to_owned(),
        (false, false) => {
            "cron does not run on this machine, so nothing happens: start it, for example with `service cron start`"
                .to_owned()
        }
    }
}

/// The file in cron's directory. cron takes no file with a dot in its name.
fn file(shop: Option<&str>) -> PathBuf {
    Path::new(DIRECTORY).join(shop.map_or_else(|| "unreserve".to_owned(), |shop| format!("unreserve-{shop}")))
}

fn marks(shop: Option<&str>) -> (String, String) {
    let name = shop.map_or_else(|| "unreserve".to_owned(), |shop| format!("unreserve@{shop}"));
    (
        format!("# BEGIN {name} (written by `unreserve service install`; `unreserve service uninstall` removes it)"),
        format!("# END {name}"),
    )
}

/// The block, with its last line's end, without which cron does not read it.
fn block(shop: Option<&str>, launches: &[Launch], account: Option<&str>) -> Result<String, Failure> {
    let (begin, end) = marks(shop);
    let mut text = format!("{begin}\n");
    for launch in launches {
        text.push_str(&format!("# {}\n", launch.subject));
        let account = account.map_or_else(String::new, |account| format!("{account} "));
        text.push_str(&format!("*/5 * * * * {account}{}\n", command(launch)?));
    }
    Ok(format!("{text}{end}\n"))
}

/// The command, through `env`, so that it means the same in whatever shell cron starts.
fn command(launch: &Launch) -> Result<String, Failure> {
    let mut words = vec!["/usr/bin/env".to_owned(), format!("PATH={PATH}")];
    words.extend(launch.variables.iter().map(|(name, value)| format!("{name}={value}")));
    words.extend(launch.words(&["sweep", "--quiet"]));
    let words: Vec<String> = words.iter().map(|word| crontab(word)).collect();
    let command = format!("cd {} && {}", crontab(&launch.directory), words.join(" "));
    if command.len() > COMMAND_MAX {
        return Err(Failure::usage(format!(
            "the command is {} bytes long, and cron takes at most {COMMAND_MAX}",
            command.len()
        ))
        .hint(
            "put what stands on the command line and in the environment into the settings file, or use shorter paths",
        ));
    }
    Ok(command)
}

/// The user's crontab; nothing where there is none.
fn read(machine: &Machine) -> Result<String, Failure> {
    // Nothing is installed where it is missing; what would be is shown.
    if machine.find("crontab").is_none() {
        return Ok(String::new());
    }
    let said = machine.run(&Call::new(["crontab", "-l"]))?;
    if said.success && said.stdout.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Failure::usage("the user's crontab is not in UTF-8, and would not come back as it was")
            .hint("write it in UTF-8 first, or take another kind: `--kind background`"));
    }
    if said.success {
        return Ok(said.stdout);
    }
    if said.stderr.contains("no crontab for") {
        return Ok(String::new());
    }
    let mut failure = Failure::usage("cannot read the user's crontab");
    failure.causes.extend(said.stderr.lines().take(5).map(str::to_owned));
    Err(failure)
}

fn replace(text: &str) -> Step {
    Step::Run(Call::new(["crontab", "-"]).reading(text))
}

/// A shop's block in a text, with its first line.
pub(crate) fn own_block(text: &str, shop: Option<&str>) -> Option<String> {
    let (begin, _) = marks(shop);
    let lines: Vec<&str> = lines_of(text, shop).collect();
    text.lines().any(|line| line.trim_end() == begin).then(|| format!("{begin}\n{}\n", lines.join("\n")))
}

/// The shops of the blocks in a text.
fn shops_in(text: &str) -> Vec<Option<String>> {
    let names = text.lines().filter_map(|line| line.strip_prefix("# BEGIN unreserve")?.split_once(" (written by"));
    names
        .filter_map(
            |(name, _)| {
                if name.is_empty() { Some(None) } else { name.strip_prefix('@').map(|shop| Some(shop.to_owned())) }
            },
        )
        .collect()
}

/// The text without the block. What is not ours stays as it is, to the byte.
fn without_block(text: &str, shop: Option<&str>) -> Result<String, Failure> {
    let (begin, end) = marks(shop);
    let mut rest = String::with_capacity(text.len());
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        match line.trim_end() {
            line if line == begin => inside = true,
            line if inside && line == end => inside = false,
            _ if inside => {}
            _ => rest.push_str(line),
        }
    }
    if inside {
        return Err(Failure::usage(format!("the crontab's block of ours has no end: the line `{end}` is missing"))
            .hint("put it back, or take the block out by hand, with `crontab -e`"));
    }
    if !rest.is_empty() && !rest.ends_with('\n') {
        rest.push('\n');
    }
    Ok(rest)
}

fn lines_of<'a>(text: &'a str, shop: Option<&str>) -> impl Iterator<Item = &'a str> {
    let (begin, end) = marks(shop);
    text.lines().skip_while(move |line| line.trim_end() != begin).skip(1).take_while(move |line| line.trim_end() != end)
}

fn with_active(text: &str, shop: Option<&str>, active: bool) -> Result<String, Failure> {
    // A block without its end would take everything behind it along.
    without_block(text, shop)?;
    let (begin, end) = marks(shop);
    let mut inside = false;
    let mut new = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        inside = match line.trim_end() {
            line if line == begin => true,
            line if line == end => false,
            _ => inside,
        };
        let plain = line.strip_prefix(STOPPED).unwrap_or(line);
        match (inside, active) {
            (true, true) => new.push_str(plain),
            (true, false) if !plain.starts_with('#') => {
                new.push_str(STOPPED);
                new.push_str(plain);
            }
            _ => new.push_str(line),
        }
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::launch::testing::{awkward, launch};
    use crate::service::machine::testing::Desk;
    use crate::service::steps::Repair;

    #[test]
    fn the_file_for_crons_directory() {
        let text = block(None, &[launch()], Some("shop")).unwrap();
        insta::assert_snapshot!(text, @r"
        # BEGIN unreserve (written by `unreserve service install`; `unreserve service uninstall` removes it)
        # malikli at postgres://shop:***@db/shop
        */5 * * * * shop cd /etc/unreserve && /usr/bin/env PATH=/usr/local/bin:/usr/bin:/bin /usr/local/bin/unreserve sweep --quiet --config /etc/unreserve/unreserve.toml --env-file /etc/unreserve/env --state-dir /var/lib/unreserve
        # END unreserve
        ");
        assert!(text.ends_with('\n'));
        assert!(!file(Some("eu")).display().to_string().contains('.') || DIRECTORY.contains('.'));
        assert_eq!(file(Some("eu")).file_name().unwrap(), "unreserve-eu");
    }

    #[test]
    fn a_users_block_names_the_shop_and_escapes_what_cron_would_cut_at() {
        let text = block(Some("eu"), &[awkward()], None).unwrap();
        insta::assert_snapshot!(text);
        let bare = text
            .lines()
            .filter(|line| line.starts_with("*/5"))
            .flat_map(|line| line.match_indices('%').map(move |(at, _)| &line[..at]));
        for before in bare {
            assert!(before.ends_with('\\'), "{before}");
        }
    }

    #[test]
    fn a_command_that_cron_would_cut_off_is_refused() {
        let long = Launch { directory: "/srv/".to_owned() + &"a".repeat(1_000), ..launch() };
        let failure = block(None, &[long], None).unwrap_err();
        assert!(failure.message.contains("cron takes at most 990"), "{}", failure.message);
    }

    /// A `crontab` that keeps its text in a file.
    const CRONTAB: &str = r#"tab="$LOG.tab"
case "$1" in
-l) [ -f "$tab" ] && exec /bin/cat "$tab"; echo "no crontab for jo" >&2; exit 1 ;;
-r) exec /bin/rm "$tab" ;;
-) exec /bin/cat > "$tab" ;;
esac"#;

    fn table(desk: &Desk) -> Option<String> {
        desk.machine.ask(["crontab", "-l"])
    }

    fn done(desk: &Desk, steps: &[Step]) {
        crate::service::steps::run(steps, &Repair::default(), &desk.machine).unwrap();
    }

    fn install_for_user(desk: &Desk) {
        done(desk, &install(Scope::User, &Account::Caller, None, &[launch()], &desk.machine).unwrap());
    }

    #[test]
    fn a_block_comes_once_and_goes_without_a_trace() {
        let desk = Desk::new();
        desk.program("crontab", CRONTAB);
        for theirs in [None, Some("MAILTO=jo\n# mine\n@daily  /bin/true\n")] {
            if let Some(text) = theirs {
                desk.machine.run(&Call::new(["crontab", "-"]).reading(text)).unwrap();
            }
            assert_eq!(find(Scope::User, &desk.machine), []);
            install_for_user(&desk);
            let once = table(&desk).unwrap();
            assert!(once.starts_with(theirs.unwrap_or_default()) && once.ends_with("# END unreserve\n"), "{once}");
            install_for_user(&desk);
            assert_eq!(table(&desk).unwrap(), once);
            let found = find(Scope::User, &desk.machine);
            assert_eq!(found.len(), 1);
            done(&desk, &set_active(&found[0], false, &desk.machine).unwrap());
            let stopped = table(&desk).unwrap();
            assert!(stopped.contains("\n#stopped# */5 * * * * cd ") && !stopped.contains("\n*/5"), "{stopped}");
            assert!(state(&found[0], &desk.machine).starts_with("stopped"));
            done(&desk, &set_active(&found[0], true, &desk.machine).unwrap());
            assert_eq!(table(&desk).unwrap(), once);
            done(&desk, &uninstall(&found[0], &desk.machine).unwrap());
            assert_eq!(table(&desk).as_deref(), theirs);
        }
    }

    #[test]
    fn without_a_crontab_command_it_can_be_shown_and_is_not_installed() {
        let desk = Desk::new();
        let steps = install(Scope::User, &Account::Caller, None, &[launch()], &desk.machine).unwrap();
        assert!(crate::service::steps::shown(&steps).contains("*/5 * * * *"));
        // Cron's directory is root's; a user's own block needs the command.
        desk.machine.write(Path::new("/etc/cron.d/theirs"), b"", 0o644).unwrap();
        Kind::Cron.check_manager(Scope::System, &desk.machine).unwrap();
        let failure = Kind::Cron.check_manager(Scope::User, &desk.machine).unwrap_err();
        assert!(failure.hints.iter().any(|hint| hint.contains("install -y cron")), "{:?}", failure.hints);
        assert!(failure.hints.iter().any(|hint| hint.contains("--kind background")), "{:?}", failure.hints);
    }

    #[test]
    fn a_damaged_block_is_left_alone() {
        let desk = Desk::new();
        desk.program("crontab", CRONTAB);
        install_for_user(&desk);
        let cut = table(&desk).unwrap().replace("# END unreserve\n", "@daily mine\n");
        desk.machine.run(&Call::new(["crontab", "-"]).reading(cut.clone())).unwrap();
        let failure = install(Scope::User, &Account::Caller, None, &[launch()], &desk.machine).unwrap_err();
        assert!(failure.message.contains("`# END unreserve` is missing"), "{}", failure.message);
        assert!(with_active(&cut, None, false).is_err(), "the lines behind it would be stopped as well");
        assert_eq!(table(&desk).unwrap(), cut);
    }

    #[test]
    fn a_crontab_that_is_no_utf_8_is_not_replaced() {
        let desk = Desk::new();
        desk.program("crontab", r"printf '@daily /srv/b\344ckup\n'");
        let failure = install(Scope::User, &Account::Caller, None, &[launch()], &desk.machine).unwrap_err();
        assert!(failure.message.contains("not in UTF-8"), "{}", failure.message);
    }

    #[test]
    fn a_crontab_that_cannot_be_read_is_not_replaced() {
        let desk = Desk::new();
        desk.program("crontab", "echo 'not allowed' >&2; exit 1");
        let failure = install(Scope::User, &Account::Caller, None, &[launch()], &desk.machine).unwrap_err();
        assert_eq!(
            (failure.message.as_str(), failure.causes.join("").as_str()),
            ("cannot read the user's crontab", "not allowed")
        );
    }

    #[test]
    fn roots_file_is_found_stopped_and_removed() {
        let desk = Desk::new();
        desk.machine.write(Path::new("/etc/cron.d/theirs"), b"# mine\n", 0o644).unwrap();
        let account = Account::Named("shop".to_owned());
        desk.program("install", "echo \"$@\" >> \"$LOG\"");
        done(&desk, &install(Scope::System, &account, Some("eu"), &[awkward()], &desk.machine).unwrap());
        let found = find(Scope::System, &desk.machine);
        assert_eq!(
            found.iter().map(|one| (one.shop.as_deref(), one.place.as_str())).collect::<Vec<_>>(),
            [(Some("eu"), "/etc/cron.d/unreserve-eu")]
        );
        done(&desk, &set_active(&found[0], false, &desk.machine).unwrap());
        assert!(state(&found[0], &desk.machine).starts_with("stopped"));
        done(&desk, &uninstall(&found[0], &desk.machine).unwrap());
        assert_eq!(desk.files(), ["/etc/cron.d/theirs"]);
        assert_eq!(desk.log(), ["-d -m 0700 -o shop /srv/it's <here>"]);
    }
}
