//! Windows Task Scheduler: a task that sweeps every five minutes.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::service::kind::{Installed, Kind, Scope};
use crate::service::launch::Launch;
use crate::service::machine::Machine;
use crate::service::own_log;
use crate::service::quote::{windows, xml};
use crate::service::steps::{Call, Encoding, Step, Written};

/// The task's name.
pub(crate) fn task_name(shop: Option<&str>) -> String {
    shop.map_or_else(|| "unreserve".to_owned(), |shop| format!("unreserve-{shop}"))
}

/// Where the task's text lies while it is taken in.
fn file(launch: &Launch) -> PathBuf {
    Path::new(&launch.state_dir).join(format!("{}.xml", task_name(launch.shop.as_deref())))
}

/// Everything that installs it. A task of the same name is replaced.
///
/// # Errors
/// A word holds what the Task Scheduler would take for a variable, or a setting stands only in the environment, which a
/// task does not have.
pub(crate) fn install(scope: Scope, user: Option<&str>, launch: &Launch) -> Result<Vec<Step>, Failure> {
    let file = file(launch);
    let words =
        ["schtasks", "/create", "/f", "/tn", &task_name(launch.shop.as_deref()), "/xml", &file.display().to_string()]
            .map(str::to_owned);
    let text = task(scope, user, launch)?;
    Ok(vec![
        Step::Write(Written { encoding: Encoding::Utf16, mode: 0o600, ..Written::new(file.clone(), text) }),
        Step::Run(Call::new(words)),
        Step::Remove(file),
    ])
}

/// Everything that removes it.
pub(crate) fn uninstall(installed: &Installed) -> Vec<Step> {
    let name = task_name(installed.shop.as_deref());
    vec![
        Step::Run(Call::new(["schtasks", "/end", "/tn", &name]).going_on()),
        Step::Run(Call::new(["schtasks", "/delete", "/f", "/tn", &name])),
    ]
}

/// `start`, `stop` or `restart`.
pub(crate) fn control(installed: &Installed, verb: &str) -> Vec<Step> {
    let name = task_name(installed.shop.as_deref());
    let end = Step::Run(Call::new(["schtasks", "/end", "/tn", &name]).going_on());
    let change = |how: &str| Step::Run(Call::new(["schtasks", "/change", "/tn", &name, how]));
    match verb {
        "stop" => vec![change("/disable"), end],
        _ => vec![end, change("/enable"), Step::Run(Call::new(["schtasks", "/run", "/tn", &name]))],
    }
}

/// Our tasks. Only those of the named shops are looked for: the list of all tasks is in the system's own language.
pub(crate) fn find(shops: &[Option<String>], machine: &Machine) -> Vec<Installed> {
    let there =
        |shop: &&Option<String>| machine.ask(["schtasks", "/query", "/tn", &task_name(shop.as_deref())]).is_some();
    let found = shops.iter().filter(there).map(|shop| Installed {
        kind: Kind::TaskScheduler,
        scope: Scope::System,
        shop: shop.clone(),
        place: format!("task `{}`", task_name(shop.as_deref())),
    });
    found.collect()
}

/// How it stands, in the system's own words.
pub(crate) fn state(installed: &Installed, machine: &Machine) -> String {
    let said = machine.ask(["schtasks", "/query", "/tn", &task_name(installed.shop.as_deref()), "/fo", "csv", "/nh"]);
    said.map_or_else(|| "the Task Scheduler does not answer".to_owned(), |text| text.trim().replace('"', ""))
}

/// The command that shows how it stands.
pub(crate) fn status_command(installed: &Installed) -> Call {
    Call::new(["schtasks", "/query", "/v", "/fo", "list", "/tn", &task_name(installed.shop.as_deref())])
}

/// How the task is run: never twice at once, on battery as well, made up for where a start was missed, and not for ever.
const SETTINGS: &str = r"  <Settings>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>3</Count>
    </RestartOnFailure>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>
    <WakeToRun>false</WakeToRun>
    <Enabled>true</Enabled>
    <Hidden>false</Hidden>
    <ExecutionTimeLimit>PT5M</ExecutionTimeLimit>
    <RunOnlyIfIdle>false</RunOnlyIfIdle>
  </Settings>
";

/// The text of the task. Its elements stand in the order in which Microsoft documents them.
fn task(scope: Scope, user: Option<&str>, launch: &Launch) -> Result<String, Failure> {
    let user = user.map_or_else(String::new, |user| format!("\n      <UserId>{}</UserId>", xml(user)));
    // Whether or not the user is logged on, without a password that would have to be kept; or only while they are.
    let logon = if scope == Scope::System { "S4U" } else { "InteractiveToken" };
    let mut words = launch.words(&["sweep", "--quiet"]);
    if launch.log_file.is_none() {
        words.extend(["--log-file".to_owned(), own_log(launch).display().to_string()]);
    }
    if let Some((name, _)) = launch.variables.first() {
        return Err(Failure::usage(format!("`{name}` stands in the environment, which a task does not have"))
            .hint("put it into the settings file or the `.env` file, and unset the variable"));
    }
    if let Some(word) = words.iter().chain([&launch.directory]).find(|word| word.contains('%')) {
        return Err(Failure::usage(format!("the Task Scheduler would take `%` in `{word}` for a variable"))
            .hint("rename the file or directory"));
    }
    let arguments: Vec<String> = words.iter().skip(1).map(|word| windows(word)).collect();
    Ok(format!(
        r#"<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Author>unreserve</Author>
    <Description>Gives back the stock that unpaid orders still hold: {subject}. Written by `unreserve service install`.</Description>
    <URI>\{name}</URI>
  </RegistrationInfo>
  <Triggers>
    <TimeTrigger>
      <Enabled>true</Enabled>
      <StartBoundary>2020-01-01T00:00:00</StartBoundary>
      <Repetition>
        <Interval>PT5M</Interval>
        <StopAtDurationEnd>false</StopAtDurationEnd>
      </Repetition>
    </TimeTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">{user}
      <LogonType>{logon}</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
{SETTINGS}  <Actions Context="Author">
    <Exec>
      <Command>{program}</Command>
      <Arguments>{arguments}</Arguments>
      <WorkingDirectory>{directory}</WorkingDirectory>
    </Exec>
  </Actions>
</Task>
"#,
        subject = xml(&launch.subject),
        name = xml(&task_name(launch.shop.as_deref())),
        program = xml(&launch.program),
        arguments = xml(&arguments.join(" ")),
        directory = xml(&launch.directory),
    ))
}

#[cfg(test)]
mod tests;
