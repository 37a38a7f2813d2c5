//! launchd: a service of macOS that is kept running.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::service::account::{Account, state_directory};
use crate::service::kind::{Installed, Kind, Scope};
use crate::service::launch::Launch;
use crate::service::machine::Machine;
use crate::service::quote::xml;
use crate::service::steps::{Call, Step, Written};
use crate::service::{daemon_words, earlier, output_file};

/// Where a system's own services lie.
const SYSTEM: &str = "/Library/LaunchDaemons";

/// What launchd calls it.
pub(crate) fn label(shop: Option<&str>) -> String {
    shop.map_or_else(|| "unreserve".to_owned(), |shop| format!("unreserve.{shop}"))
}

fn directory(scope: Scope, machine: &Machine) -> Result<PathBuf, Failure> {
    match scope {
        Scope::System => Ok(PathBuf::from(SYSTEM)),
        Scope::User => machine.home.as_ref().map(|home| home.join("Library/LaunchAgents")).ok_or_else(|| {
            Failure::usage("this user has no home directory, so there is no place for a service of their own")
        }),
    }
}

fn file(scope: Scope, shop: Option<&str>, machine: &Machine) -> Result<PathBuf, Failure> {
    Ok(directory(scope, machine)?.join(format!("{}.plist", label(shop))))
}

/// The part of launchd that runs it: the system's, or the user's session.
fn domain(scope: Scope, machine: &Machine) -> String {
    match (scope, machine.user_id) {
        (Scope::User, Some(id)) => format!("gui/{id}"),
        _ => "system".to_owned(),
    }
}

fn target(installed: &Installed, machine: &Machine) -> String {
    format!("{}/{}", domain(installed.scope, machine), label(installed.shop.as_deref()))
}

/// Everything that installs it.
///
/// # Errors
/// The user has no home directory, or the state directory belongs to somebody else.
pub(crate) fn install(
    scope: Scope,
    account: &Account,
    launch: &Launch,
    machine: &Machine,
) -> Result<Vec<Step>, Failure> {
    let file = file(scope, launch.shop.as_deref(), machine)?;
    let domain = domain(scope, machine);
    let label = label(launch.shop.as_deref());
    let mut steps = state_directory(account, launch, machine)?;
    steps.extend([
        Step::Write(Written::new(file.clone(), plist(account, launch))),
        Step::Run(Call::new(["launchctl", "bootout", &format!("{domain}/{label}")]).going_on()),
        Step::Run(Call::new(["launchctl", "bootstrap", &domain, &file.display().to_string()])),
    ]);
    Ok(steps)
}

/// Everything that removes it.
pub(crate) fn uninstall(installed: &Installed, machine: &Machine) -> Result<Vec<Step>, Failure> {
    Ok(vec![
        Step::Run(Call::new(["launchctl", "bootout", &target(installed, machine)]).going_on()),
        Step::Remove(file(installed.scope, installed.shop.as_deref(), machine)?),
    ])
}

/// `start`, `stop` or `restart`.
pub(crate) fn control(installed: &Installed, verb: &str, machine: &Machine) -> Result<Vec<Step>, Failure> {
    let target = target(installed, machine);
    let file = file(installed.scope, installed.shop.as_deref(), machine)?;
    let bootstrap = || {
        let domain = domain(installed.scope, machine);
        Call::new(["launchctl", "bootstrap", &domain, &file.display().to_string()])
    };
    Ok(match verb {
        "stop" => vec![Step::Run(Call::new(["launchctl", "bootout", &target]))],
        // It may be there already: then it is only told to run.
        "start" => vec![Step::Run(bootstrap().going_on()), Step::Run(Call::new(["launchctl", "kickstart", &target]))],
        _ => vec![Step::Run(Call::new(["launchctl", "bootout", &target]).going_on()), Step::Run(bootstrap())],
    })
}

/// Our services that lie where such services lie.
pub(crate) fn find(scope: Scope, machine: &Machine) -> Vec<Installed> {
    let files = directory(scope, machine).map(|directory| machine.list(&directory)).unwrap_or_default();
    let found = files.into_iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?.strip_suffix(".plist")?;
        let shop = match name {
            "unreserve" => None,
            _ => Some(name.strip_prefix("unreserve.")?.to_owned()),
        };
        // What is not ours is nothing to start, stop or remove.
        let ours = earlier::is_ours(&machine.read_text(&path)?);
        ours.then(|| Installed { kind: Kind::Launchd, scope, shop, place: path.display().to_string() })
    });
    found.collect()
}

/// How it stands, in launchd's own words.
pub(crate) fn state(installed: &Installed, machine: &Machine) -> String {
    let said = machine.ask(["launchctl", "print", &target(installed, machine)]);
    let line = said.as_deref().and_then(|text| text.lines().find_map(|line| line.trim().strip_prefix("state = ")));
    line.map_or_else(|| "not loaded".to_owned(), str::to_owned)
}

/// The command that shows how it stands.
pub(crate) fn status_command(installed: &Installed, machine: &Machine) -> Call {
    Call::new(["launchctl", "print", &target(installed, machine)])
}

/// The text of the service. It is kept running, but not where it ended well, and not more often than every ten seconds.
fn plist(account: &Account, launch: &Launch) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n",
    );
    // Two dashes may not stand in a comment.
    let subject = xml(&launch.subject).replace("--", "- -");
    text.push_str(&format!(
        "<!-- Written by `unreserve service install`: {subject} -->\n<plist version=\"1.0\">\n<dict>\n"
    ));
    let string = |text: &str| format!("<string>{}</string>", xml(text));
    let mut key = |name: &str, value: String| text.push_str(&format!("\t<key>{name}</key>\n\t{value}\n"));
    key("Label", string(&label(launch.shop.as_deref())));
    if let Account::Named(name) = account {
        key("UserName", string(name));
    }
    let output = output_file(launch).display().to_string();
    let words: Vec<String> = daemon_words(launch).iter().map(|word| format!("\t\t{}\n", string(word))).collect();
    key("ProgramArguments", format!("<array>\n{}\t</array>", words.concat()));
    let variables =
        launch.variables.iter().map(|(name, value)| format!("\t\t<key>{}</key>\n\t\t{}\n", xml(name), string(value)));
    key("EnvironmentVariables", format!("<dict>\n{}\t</dict>", variables.collect::<String>()));
    key("WorkingDirectory", string(&launch.directory));
    key("RunAtLoad", "<true/>".to_owned());
    key("KeepAlive", "<dict>\n\t\t<key>SuccessfulExit</key>\n\t\t<false/>\n\t</dict>".to_owned());
    key("ThrottleInterval", "<integer>10</integer>".to_owned());
    key("ExitTimeOut", "<integer>20</integer>".to_owned());
    key("ProcessType", string("Background"));
    // launchd reads it as a number in base ten: 077.
    key("Umask", "<integer>63</integer>".to_owned());
    key("StandardOutPath", string(&output));
    key("StandardErrorPath", string(&output));
    text.push_str("</dict>\n</plist>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::launch::testing::{awkward, launch};
    use crate::service::machine::testing::Desk;
    use crate::service::steps::Repair;

    #[test]
    fn the_text_of_a_service() {
        insta::assert_snapshot!(plist(&Account::Named("shop".to_owned()), &launch()));
    }

    #[test]
    fn every_word_comes_back_from_a_parser_of_such_files() {
        for launch in [launch(), awkward()] {
            let value = ::plist::Value::from_reader_xml(plist(&Account::Caller, &launch).as_bytes()).unwrap();
            let service = value.as_dictionary().unwrap();
            let text = |key: &str| service.get(key).unwrap().as_string().unwrap();
            let words: Vec<&str> = service
                .get("ProgramArguments")
                .unwrap()
                .as_array()
                .unwrap()
                .iter()
                .map(|word| word.as_string().unwrap())
                .collect();
            assert_eq!(words, daemon_words(&launch));
            assert_eq!(text("Label"), label(launch.shop.as_deref()));
            assert_eq!(text("WorkingDirectory"), launch.directory);
            assert!(text("StandardErrorPath").starts_with(&launch.state_dir));
            let variables = service.get("EnvironmentVariables").unwrap().as_dictionary().unwrap();
            let variables: Vec<(String, String)> =
                variables.iter().map(|(name, value)| (name.clone(), value.as_string().unwrap().to_owned())).collect();
            assert_eq!(variables, launch.variables);
            assert_eq!(service.get("RunAtLoad").unwrap().as_boolean(), Some(true));
            let keep = service.get("KeepAlive").unwrap().as_dictionary().unwrap();
            assert_eq!(keep.get("SuccessfulExit").unwrap().as_boolean(), Some(false));
            assert!(service.get("ThrottleInterval").unwrap().as_unsigned_integer().unwrap() >= 10);
        }
    }

    #[test]
    fn is_installed_twice_as_once_and_removed_without_a_trace() {
        let desk = Desk::new();
        desk.program("launchctl", "echo \"$@\" >> \"$LOG\"");
        for scope in [Scope::System, Scope::User] {
            for _ in 0..2 {
                let steps = install(scope, &Account::Caller, &launch(), &desk.machine).unwrap();
                crate::service::steps::run(&steps, &Repair::default(), &desk.machine).unwrap();
                assert_eq!(desk.files().len(), 1);
            }
            let found = find(scope, &desk.machine);
            assert_eq!(found.len(), 1);
            let steps = uninstall(&found[0], &desk.machine).unwrap();
            crate::service::steps::run(&steps, &Repair::default(), &desk.machine).unwrap();
            assert_eq!(desk.files(), [""; 0]);
        }
        let file = "/users/jo/Library/LaunchAgents/unreserve.plist";
        let user: Vec<String> =
            desk.log().into_iter().filter(|line| line.contains("gui/") || line.contains(file)).collect();
        let once = ["bootout gui/0/unreserve".to_owned(), format!("bootstrap gui/0 {file}")];
        assert_eq!(user, [&once[..], &once[..], &once[..1]].concat());
    }
}
