//! What the log says of a sweep, and what it keeps to itself.
#![expect(clippy::unwrap_used, reason = "helpers of a test may fail it")]

mod place;

use std::fs;

use place::{Place, URL, stderr, stdout};
use serde_json::Value;

/// A shop whose expired orders can be swept with `--timeout 1s`.
fn shop() -> Place {
    let place = Place::new();
    assert_eq!(place.run(&[], &["demo", "--orders", "20"]).status.code(), Some(0));
    place.file(
        "unreserve.toml",
        "state_dir = \"state\"\ndatabase_url = \"sqlite:unreserve-demo/shop.db\"\nprofile = \"malikli\"\n",
    );
    place
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_sweep_is_one_line_at_info_with_its_figures_and_no_order() {
    let place = shop();
    let output = place.run(&[], &["sweep", "--timeout", "1s", "--log-level", "info", "--format", "json"]);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert!(report["reservations_released"].as_u64() > Some(0), "{report}");
    let lines = lines(&stderr(&output));
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&line["level"], &line["msg"], &line["event"]), (&"info".into(), &"sweep done".into(), &"sweep".into()));
    assert!(line["ts"].as_str().is_some_and(|ts| ts.ends_with('Z')), "{line}");
    for field in [
        "sweep_id",
        "dry_run",
        "reservations_released",
        "units_released",
        "orders_cancelled",
        "orders_set_aside",
        "drift_units",
        "batches",
        "duration_ms",
    ] {
        assert!(!report[field].is_null() && line[field] == report[field], "{field}: {line} {report}");
    }
    assert!(!stderr(&output).contains("M-"), "{}", stderr(&output));
}

#[test]
fn nothing_is_written_on_success_with_quiet() {
    let place = shop();
    let output = place.run(&[], &["sweep", "--timeout", "1s", "--quiet"]);
    assert_eq!((output.status.code(), stdout(&output), stderr(&output)), (Some(0), String::new(), String::new()));
}

#[test]
fn a_log_file_is_followed_by_the_next_when_it_is_full_and_the_newest_are_kept() {
    let place = shop();
    let variables = [("UNRESERVE_LOG_MAX_SIZE", "10kB"), ("UNRESERVE_LOG_KEEP", "2")];
    let files = || {
        let entries = place.path().join("logs").read_dir().unwrap().map(Result::unwrap);
        let mut sizes: Vec<u64> = entries.map(|entry| entry.metadata().unwrap().len()).collect();
        sizes.sort_unstable();
        sizes
    };
    let mut most = 0;
    for _ in 0..40 {
        let arguments = ["sweep", "--dry-run", "--log-level", "trace", "--log-file", "logs/x.log", "--format", "json"];
        assert_eq!(place.run(&variables, &arguments).status.code(), Some(0));
        most = most.max(files().len());
        if most == 2 && files().iter().sum::<u64>() > 12_000 {
            break;
        }
    }
    assert_eq!(most, 2);
    assert!(files().iter().all(|size| *size <= 10_000), "{:?}", files());
    let texts = place.path().join("logs").read_dir().unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()));
    assert!(texts.map(Result::unwrap).all(|text| !lines(&text).is_empty()));
}

#[test]
fn a_log_that_cannot_be_written_changes_nothing_but_its_own_start() {
    let place = shop();
    let output = place.run(&[], &["sweep", "--timeout", "1s", "-v", "--log-file", "/dev/null/x.log"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
    assert!(stderr(&output).starts_with("error: cannot open the log file `/dev/null/x.log`\n"), "{}", stderr(&output));
    assert!(stderr(&output).contains("\nhint: `--log-file` takes the path of a file"), "{}", stderr(&output));
}

#[test]
fn no_command_shows_the_password_of_a_database_that_cannot_be_reached() {
    let place = Place::new();
    let url = URL.replace("@host", "@127.0.0.1:1");
    let commands: [&[&str]; 8] = [
        &["sweep"],
        &["sweep", "--dry-run", "--format", "json"],
        &["setup"],
        &["setup", "--print-grants"],
        &["explain", "1"],
        &["history"],
        &["history", "show", "1"],
        &["profile", "check"],
    ];
    let files = [
        format!("database_url = \"{url}\"\nprofile = \"malikli\"\n"),
        format!("[[shop]]\nname = \"blue\"\ndatabase_url = \"{url}\"\nprofile = \"malikli\"\n"),
    ];
    for (file, prefix) in files.iter().zip(["error: ", "error: shop `blue`: "]) {
        place.file("unreserve.toml", file);
        for command in commands {
            let output = place.run(&[], &[command, &["--log-level", "trace"]].concat());
            let all = stdout(&output) + &stderr(&output);
            assert_eq!(output.status.code(), Some(4), "{command:?}: {all}");
            let expected = format!("{prefix}cannot use the database postgres://shop:***@127.0.0.1:1/db\n");
            assert!(all.contains(&expected) && !all.contains("hunter2"), "{command:?}: {all}");
        }
    }
}
