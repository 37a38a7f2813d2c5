//! The task's text against the elements and the order that Microsoft documents, and the commands against a stand-in.

use super::*;
use crate::service::launch::testing::{awkward, launch};
use crate::service::machine::testing::Desk;
use crate::service::steps::Repair;

/// A launch on Windows.
fn on_windows() -> Launch {
    Launch {
        program: r"C:\Program Files\unreserve\unreserve.exe".to_owned(),
        config: Some(r"C:\ProgramData\unreserve\unreserve.toml".to_owned()),
        env_file: None,
        state_dir: r"C:\ProgramData\unreserve\my state\".to_owned(),
        directory: r"C:\ProgramData\unreserve".to_owned(),
        variables: Vec::new(),
        ..launch()
    }
}

/// What may stand in an element, from Microsoft's "Task Scheduler Schema": its children in
/// their order where the type is a sequence, and any order where it is `xs:all`. `!` marks a child that must be there.
const SCHEMA: &[(&str, bool, &[&str])] = &[
    ("Task", false, &["RegistrationInfo", "Triggers", "Principals", "Settings", "Data", "Actions!"]),
    (
        "RegistrationInfo",
        false,
        &["Date", "Author", "Version", "Description", "Documentation", "URI", "SecurityDescriptor", "Source"],
    ),
    (
        "Triggers",
        true,
        &[
            "BootTrigger",
            "RegistrationTrigger",
            "IdleTrigger",
            "TimeTrigger",
            "EventTrigger",
            "LogonTrigger",
            "SessionStateChangeTrigger",
            "CalendarTrigger",
        ],
    ),
    (
        "TimeTrigger",
        false,
        &["Enabled", "StartBoundary!", "EndBoundary", "Repetition", "ExecutionTimeLimit", "RandomDelay"],
    ),
    ("Repetition", true, &["Interval!", "Duration", "StopAtDurationEnd"]),
    ("Principals", false, &["Principal!"]),
    (
        "Principal",
        true,
        &["UserId", "LogonType", "GroupId", "DisplayName", "RunLevel", "ProcessTokenSidType", "RequiredPrivileges"],
    ),
    (
        "Settings",
        true,
        &[
            "AllowStartOnDemand",
            "RestartOnFailure",
            "MultipleInstancesPolicy",
            "DisallowStartIfOnBatteries",
            "StopIfGoingOnBatteries",
            "AllowHardTerminate",
            "StartWhenAvailable",
            "NetworkProfileName",
            "RunOnlyIfNetworkAvailable",
            "WakeToRun",
            "Enabled",
            "Hidden",
            "DeleteExpiredTaskAfter",
            "IdleSettings",
            "NetworkSettings",
            "ExecutionTimeLimit",
            "Priority",
            "RunOnlyIfIdle",
            "UseUnifiedSchedulingEngine",
            "DisallowStartOnRemoteAppSession",
        ],
    ),
    ("RestartOnFailure", true, &["Interval!", "Count!"]),
    ("Actions", true, &["Exec!", "ComHandler", "SendEmail", "ShowMessage"]),
    ("Exec", true, &["Command!", "Arguments", "WorkingDirectory"]),
];

/// What the values of some elements may be.
const VALUES: &[(&str, &[&str])] = &[
    ("LogonType", &["S4U", "Password", "InteractiveToken", "InteractiveTokenOrPassword"]),
    ("RunLevel", &["LeastPrivilege", "HighestAvailable"]),
    ("MultipleInstancesPolicy", &["Parallel", "Queue", "IgnoreNew", "StopExisting"]),
];

/// Every breach of the schema.
fn breaches(text: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(text).unwrap();
    let root = document.root_element();
    let mut found = Vec::new();
    if root.tag_name().namespace() != Some("http://schemas.microsoft.com/windows/2004/02/mit/task") {
        found.push("wrong namespace".to_owned());
    }
    for element in root.descendants().filter(roxmltree::Node::is_element) {
        let name = element.tag_name().name();
        let children: Vec<&str> =
            element.children().filter(roxmltree::Node::is_element).map(|child| child.tag_name().name()).collect();
        let Some((_, any_order, allowed)) = SCHEMA.iter().find(|(known, ..)| *known == name) else {
            if !children.is_empty() {
                found.push(format!("{name} is not known"));
            }
            let text = element.text().unwrap_or_default();
            if VALUES.iter().any(|(known, values)| *known == name && !values.contains(&text)) {
                found.push(format!("{name} is {text}"));
            }
            continue;
        };
        let place = |child: &str| allowed.iter().position(|known| known.trim_end_matches('!') == child);
        let places: Vec<usize> = children.iter().filter_map(|child| place(child)).collect();
        if places.len() != children.len() {
            found.push(format!("{name} holds what is not known: {children:?}"));
        }
        if !any_order && !places.is_sorted() {
            found.push(format!("{name} holds its elements in the wrong order: {children:?}"));
        }
        let missing =
            allowed.iter().filter_map(|known| known.strip_suffix('!')).filter(|known| !children.contains(known));
        found.extend(missing.map(|known| format!("{name} lacks {known}")));
    }
    found
}

#[test]
fn the_text_of_a_task() {
    let text = task(Scope::System, Some(r"SHOP\jo & co"), &on_windows()).unwrap();
    insta::assert_snapshot!(text);
    assert_eq!(breaches(&text), [""; 0]);
    let document = roxmltree::Document::parse(&text).unwrap();
    let value = |name: &str| {
        document
            .descendants()
            .find(|node| node.has_tag_name(("http://schemas.microsoft.com/windows/2004/02/mit/task", name)))
            .unwrap()
            .text()
            .unwrap()
    };
    for (name, expected) in [
        ("MultipleInstancesPolicy", "IgnoreNew"),
        ("DisallowStartIfOnBatteries", "false"),
        ("StopIfGoingOnBatteries", "false"),
        ("StartWhenAvailable", "true"),
        ("ExecutionTimeLimit", "PT5M"),
        ("UserId", r"SHOP\jo & co"),
        ("Command", r"C:\Program Files\unreserve\unreserve.exe"),
        (
            "Arguments",
            r#"sweep --quiet --config C:\ProgramData\unreserve\unreserve.toml --state-dir "C:\ProgramData\unreserve\my state\\" --log-file "C:\ProgramData\unreserve\my state\/service.log""#,
        ),
    ] {
        assert_eq!(value(name), expected, "{name}");
    }
    assert!(text.contains("<Interval>PT1M</Interval>\n      <Count>3</Count>"));
}

#[test]
fn the_check_of_the_text_finds_what_is_wrong() {
    let good = task(Scope::User, None, &on_windows()).unwrap();
    assert_eq!(breaches(&good), [""; 0]);
    for (from, to, expected) in [
        ("<Principals>", "<Surprise/><Principals>", "Task holds what is not known"),
        ("<Interval>PT1M</Interval>", "", "RestartOnFailure lacks Interval"),
        ("InteractiveToken", "Interactive", "LogonType is Interactive"),
        (
            "<Enabled>true</Enabled>\n      <StartBoundary>2020-01-01T00:00:00</StartBoundary>",
            "<StartBoundary/><Enabled/>",
            "TimeTrigger holds its elements in the wrong order",
        ),
        ("mit/task\"", "mit/tusk\"", "wrong namespace"),
    ] {
        assert!(good.contains(from), "{from}");
        let found = breaches(&good.replacen(from, to, 1));
        assert!(found.iter().any(|breach| breach.starts_with(expected)), "{expected}: {found:?}");
    }
}

#[test]
fn what_a_task_would_not_have_or_would_misread_is_refused() {
    let failure = task(Scope::System, None, &awkward()).unwrap_err();
    assert_eq!(failure.message, "`UNRESERVE_GRACE` stands in the environment, which a task does not have");
    let percent = Launch { directory: r"C:\100%".to_owned(), ..on_windows() };
    assert!(task(Scope::System, None, &percent).unwrap_err().message.contains(r"take `%` in `C:\100%`"));
}

#[test]
fn a_stand_in_for_schtasks_gets_the_text_in_sixteen_bits_and_every_command() {
    let desk = Desk::new();
    let xml = desk.machine.on_disk(Path::new("/state/unreserve.xml"));
    desk.program(
        "schtasks",
        &format!("echo \"$@\" >> \"$LOG\"; [ \"$1\" != /create ] || /bin/cp {} \"$LOG.xml\"; [ \"$1\" != /query ] || echo '\"unreserve\",\"Ready\"'", xml.display()),
    );
    let launch = Launch { state_dir: "/state".to_owned(), ..on_windows() };
    for _ in 0..2 {
        let steps = install(Scope::System, Some("jo"), &launch).unwrap();
        crate::service::steps::run(&steps, &Repair::default(), &desk.machine).unwrap();
    }
    assert_eq!(desk.files(), [""; 0], "the text stays behind");
    let bytes = std::fs::read(desk.log_path().with_extension("xml")).unwrap();
    assert_eq!(bytes[..2], [0xFF, 0xFE]);
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let text = String::from_utf16(&units[1..]).unwrap();
    assert_eq!(text.replace("\r\n", "\n"), task(Scope::System, Some("jo"), &launch).unwrap());
    let found = find(&[None], &desk.machine);
    assert_eq!(state(&found[0], &desk.machine), "unreserve,Ready");
    for steps in [control(&found[0], "stop"), control(&found[0], "start"), uninstall(&found[0])] {
        crate::service::steps::run(&steps, &Repair::default(), &desk.machine).unwrap();
    }
    assert_eq!(
        desk.log(),
        [
            "/create /f /tn unreserve /xml /state/unreserve.xml",
            "/create /f /tn unreserve /xml /state/unreserve.xml",
            "/query /tn unreserve",
            "/query /tn unreserve /fo csv /nh",
            "/change /tn unreserve /disable",
            "/end /tn unreserve",
            "/end /tn unreserve",
            "/change /tn unreserve /enable",
            "/run /tn unreserve",
            "/end /tn unreserve",
            "/delete /f /tn unreserve",
        ]
    );
}
