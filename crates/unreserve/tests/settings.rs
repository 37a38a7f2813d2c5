//! Settings through the whole program: who wins, and that every value knows where it came from.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of a test may fail it")]

mod place;

use std::fs;
use std::process::Output;

use place::{Place, URL, stderr, stdout};

/// The line of `settings show --origin` for a key, its columns separated by one blank.
fn shown(output: &Output, key: &str) -> String {
    let text = stdout(output);
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(key));
    let line = line.unwrap_or_else(|| panic!("no {key} in {text}{}", stderr(output)));
    line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
}

/// One row: which sources speak, and what is effective.
struct Row {
    key: &'static str,
    file: &'static str,
    env_file: &'static str,
    variables: Pairs,
    flags: Words,
    expected: &'static str,
}

fn check(row: &Row) {
    let place = Place::new();
    if !row.file.is_empty() {
        place.file("unreserve.toml", row.file);
    }
    if !row.env_file.is_empty() {
        place.file(".env", row.env_file);
    }
    place.file("secrets/one", "sqlite://one.db\n").file("secrets/database_url", "sqlite://credential.db\n");
    let arguments = [row.flags, &["settings", "show", "--origin"]].concat();
    let output = place.run(row.variables, &arguments);
    assert_eq!(shown(&output, row.key), row.expected, "{}{}", stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(0));
}

type Pairs = &'static [(&'static str, &'static str)];
type Words = &'static [&'static str];

const FILE: &str = "\ndatabase_url = \"sqlite://file.db\"\n";
const ENV_FILE: &str = "# ours\nexport UNRESERVE_DATABASE_URL=sqlite://env-file.db\n";
const THEIRS: (&str, &str) = ("DATABASE_URL", "sqlite://theirs.db");
const OURS: (&str, &str) = ("UNRESERVE_DATABASE_URL", "sqlite://ours.db");
const OURS_IN_A_FILE: (&str, &str) = ("UNRESERVE_DATABASE_URL_FILE", "secrets/one");
const CREDENTIAL: (&str, &str) = ("CREDENTIALS_DIRECTORY", "secrets");

/// Settings file, env file, environment, flags, and the database URL that is effective, with its origin.
const PRECEDENCE: &[(&str, &str, Pairs, Words, &str)] = &[
    (FILE, ENV_FILE, &[OURS, THEIRS], &["--database-url", "sqlite://flag.db"], "sqlite://flag.db flag --database-url"),
    (FILE, ENV_FILE, &[OURS, THEIRS], &[], "sqlite://ours.db environment UNRESERVE_DATABASE_URL"),
    (FILE, ENV_FILE, &[THEIRS], &[], "sqlite://theirs.db environment DATABASE_URL"),
    (FILE, ENV_FILE, &[("DATABASE_URL", "")], &[], "sqlite://env-file.db .env line 2"),
    (FILE, ENV_FILE, &[OURS_IN_A_FILE, THEIRS], &[], "sqlite://one.db environment UNRESERVE_DATABASE_URL_FILE"),
    (FILE, ENV_FILE, &[("DATABASE_URL_FILE", "secrets/one")], &[], "sqlite://one.db environment DATABASE_URL_FILE"),
    (FILE, ENV_FILE, &[CREDENTIAL], &[], "sqlite://credential.db credential database_url"),
    (FILE, ENV_FILE, &[CREDENTIAL, THEIRS], &[], "sqlite://theirs.db environment DATABASE_URL"),
    (FILE, ENV_FILE, &[("CREDENTIALS_DIRECTORY", "nowhere")], &[], "sqlite://env-file.db .env line 2"),
    (FILE, "DATABASE_URL_FILE='secrets/one'", &[], &[], "sqlite://one.db .env line 1"),
    (
        FILE,
        "DATABASE_URL='sqlite://a$b.db' # one\nDATABASE_URL=sqlite://two.db",
        &[],
        &[],
        "sqlite://a$b.db .env line 1",
    ),
    (FILE, "", &[], &[], "sqlite://file.db unreserve.toml line 2"),
    ("", "", &[], &[], "(not set) default"),
];

#[test]
fn the_flag_wins_then_the_environment_then_the_env_file_then_the_settings_file() {
    for (file, env_file, variables, flags, expected) in PRECEDENCE {
        check(&Row { key: "database_url", file, env_file, variables, flags, expected });
    }
}

const EVERY_KEY: &str = "\
profile = \"malikli\"
state_dir = \"/a\"
timeout = \"90s\"
grace = \"2d\"
batch_size = 7
max_orders = 8
[log]
format = \"json\"
level = \"debug\"
file = \"a.log\"
keep = 3
max_size = \"2000kB\"
";

const EVERY_VARIABLE: Pairs = &[
    ("UNRESERVE_PROFILE", "shop.toml"),
    ("UNRESERVE_STATE_DIR", "/b"),
    ("STATE_DIRECTORY", "/c"),
    ("UNRESERVE_TIMEOUT", "15m"),
    ("UNRESERVE_GRACE", "0s"),
    ("UNRESERVE_BATCH_SIZE", "9"),
    ("UNRESERVE_MAX_ORDERS", "10"),
    ("UNRESERVE_LOG_FORMAT", "text"),
    ("UNRESERVE_LOG_LEVEL", "error"),
    ("UNRESERVE_LOG_FILE", "b.log"),
    ("UNRESERVE_LOG_KEEP", "4"),
    ("UNRESERVE_LOG_MAX_SIZE", "1 gb"),
    ("UNRESERVE_INTERVAL", "1h"),
];

const EVERY_FLAG: Words =
    &["--profile", "x", "--state-dir", "/d", "--log-format", "text", "--log-level", "off", "--log-file", "c.log"];

/// The key, and what is effective if only the settings file, also the environment, and also the flags speak.
const ORIGINS: &[(&str, &str, &str, &str)] = &[
    ("profile", "malikli unreserve.toml line 1", "shop.toml environment UNRESERVE_PROFILE", "x flag --profile"),
    ("state_dir", "/a unreserve.toml line 2", "/b environment UNRESERVE_STATE_DIR", "/d flag --state-dir"),
    ("timeout", "1m30s unreserve.toml line 3", "15m environment UNRESERVE_TIMEOUT", ""),
    ("grace", "2d unreserve.toml line 4", "0s environment UNRESERVE_GRACE", ""),
    ("batch_size", "7 unreserve.toml line 5", "9 environment UNRESERVE_BATCH_SIZE", ""),
    ("max_orders", "8 unreserve.toml line 6", "10 environment UNRESERVE_MAX_ORDERS", ""),
    ("log.format", "json unreserve.toml line 8", "text environment UNRESERVE_LOG_FORMAT", "text flag --log-format"),
    ("log.level", "debug unreserve.toml line 9", "error environment UNRESERVE_LOG_LEVEL", "off flag --log-level"),
    ("log.file", "a.log unreserve.toml line 10", "b.log environment UNRESERVE_LOG_FILE", "c.log flag --log-file"),
    ("log.keep", "3 unreserve.toml line 11", "4 environment UNRESERVE_LOG_KEEP", ""),
    ("log.max_size", "2MB unreserve.toml line 12", "1GB environment UNRESERVE_LOG_MAX_SIZE", ""),
    ("interval", "(5m) default", "1h environment UNRESERVE_INTERVAL", ""),
];

#[test]
fn every_setting_knows_its_origin() {
    for (key, from_file, from_environment, from_flags) in ORIGINS {
        let row = Row { key, file: EVERY_KEY, env_file: "", variables: &[], flags: &[], expected: from_file };
        check(&row);
        check(&Row { variables: EVERY_VARIABLE, expected: from_environment, ..row });
        if !from_flags.is_empty() {
            check(&Row { variables: EVERY_VARIABLE, flags: EVERY_FLAG, expected: from_flags, ..row });
        }
    }
}

#[test]
fn the_state_directory_is_systemds_or_roots_or_the_users() {
    let plain = Row { key: "state_dir", file: "", env_file: "", variables: &[], flags: &[], expected: "" };
    check(&Row {
        variables: &[("STATE_DIRECTORY", "/s/a:/s/b")],
        expected: "/s/a environment STATE_DIRECTORY",
        ..plain
    });
    let place = Place::new();
    let output = place.run(&[("XDG_STATE_HOME", "/xdg")], &["settings", "show", "--origin"]);
    let found = shown(&output, "state_dir");
    assert!(["/var/lib/unreserve default", "/xdg/unreserve default"].contains(&found.as_str()), "{found}");
}

#[test]
fn paths_in_the_settings_file_start_from_its_directory() {
    let place = Place::new();
    place.file("etc/shop.toml", "profile = \"profiles/a.toml\"\nstate_dir = \"state\"\n[log]\nfile = \"logs/x.log\"\n");
    let output = place.run(&[], &["settings", "show", "--config", "etc/shop.toml", "--log-file", "y.log"]);
    assert_eq!(shown(&output, "config"), "etc/shop.toml");
    assert_eq!(shown(&output, "profile"), "etc/profiles/a.toml");
    assert_eq!(shown(&output, "state_dir"), "etc/state");
    assert_eq!(shown(&output, "log.file"), "y.log");
}

#[test]
fn a_password_on_the_command_line_is_taken_with_a_warning() {
    let place = Place::new();
    let show = ["settings", "show", "--log-format", "text"];
    let output = place.run(&[], &[&show[..], &["--database-url", URL]].concat());
    assert_eq!(shown(&output, "database_url"), "postgres://shop:***@host/db");
    assert!(
        stderr(&output).contains("WARN the password in `--database-url` can be read by everyone"),
        "{}",
        stderr(&output)
    );
    let output = place.run(&[("DATABASE_URL", URL)], &show);
    assert_eq!(
        (shown(&output, "database_url").as_str(), stderr(&output).as_str()),
        ("postgres://shop:***@host/db", "")
    );
}

#[test]
fn a_misspelt_variable_is_pointed_out_and_a_strange_one_is_not() {
    let place = Place::new();
    let variables =
        [("UNRESERVE_DATBASE_URL", "x"), ("UNRESERVE_PORT_8080_TCP_ADDR", "10.0.0.1"), ("UNRESERVE_COMMIT", "x")];
    let output = place.run(&variables, &["settings", "show", "--log-format", "json"]);
    let line: serde_json::Value = serde_json::from_str(&stderr(&output)).expect("one line");
    assert_eq!(line["msg"], "`UNRESERVE_DATBASE_URL` is no setting; did you mean `UNRESERVE_DATABASE_URL`?");
    assert_eq!(line["level"], "warn");
}

#[test]
fn the_settings_come_as_json_too() {
    let place = Place::new();
    let output = place.run(&[("DATABASE_URL", URL)], &["settings", "show", "--format", "json", "--origin"]);
    let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(object["database_url"]["value"], "postgres://shop:***@host/db");
    assert_eq!(object["database_url"]["origin"], "environment DATABASE_URL");
    assert_eq!(object["timeout"]["value"], serde_json::Value::Null);
}

#[test]
fn log_lines_go_to_a_file_where_one_is_named() {
    let place = Place::new();
    let output = place.run(&[], &["settings", "show", "--database-url", URL, "--log-file", "logs/unreserve.log"]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let entry = place.path().join("logs").read_dir().unwrap().next().unwrap().unwrap();
    let text = fs::read_to_string(entry.path()).unwrap();
    assert!(text.contains("\"level\":\"warn\"") && !text.contains("hunter2"), "{text}");
    place.file("plain", "");
    let output = place.run(&[], &["settings", "show", "--log-file", "plain/x.log"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("error: cannot open the log file `plain/x.log`\n"), "{}", stderr(&output));
}
