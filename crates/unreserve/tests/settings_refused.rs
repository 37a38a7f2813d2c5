//! Settings that are refused: with exit 2, the place, the remedy, and no password.
#![expect(clippy::unwrap_used, reason = "helpers of a test may fail it")]

mod place;

use place::{Place, URL, stderr, stdout};

/// What is refused: exit 2, nothing on stdout, this text on stderr, and the password nowhere.
fn refused(place: &Place, variables: &[(&str, &str)], arguments: &[&str], expected: &str) {
    let output = place.run(variables, arguments);
    let text = stderr(&output).replace(&place.path().display().to_string(), "[DIR]");
    assert_eq!(text, expected);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert_eq!(stdout(&output), "");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_named_file_must_exist() {
    let place = Place::new();
    refused(
        &place,
        &[],
        &["settings", "show", "--config", "no.toml"],
        "error: flag --config: `no.toml` does not exist\nhint: check the path, or leave it out\n",
    );
    refused(
        &place,
        &[("UNRESERVE_ENV_FILE", "no.env")],
        &["settings", "show"],
        "error: environment UNRESERVE_ENV_FILE: `no.env` does not exist\nhint: check the path, or leave it out\n",
    );
    refused(
        &place,
        &[("DATABASE_URL_FILE", "no")],
        &["settings", "show"],
        "error: environment DATABASE_URL_FILE: `no` does not exist\nhint: check the path, or leave it out\n",
    );
    place.file("d/x", "");
    refused(
        &place,
        &[],
        &["settings", "show", "--config", "d"],
        "error: cannot read settings file `d`\n  caused by: Is a directory (os error 21)\n",
    );
    refused(
        &place,
        &[("DATABASE_URL", URL), ("DATABASE_URL_FILE", "d/x")],
        &["settings", "show"],
        "error: `DATABASE_URL` and `DATABASE_URL_FILE` are both set\nhint: unset `DATABASE_URL` or `DATABASE_URL_FILE`\n",
    );
}

#[test]
fn what_is_wrong_in_the_settings_file_is_shown_where_it_is() {
    let check = |text: &str| {
        let place = Place::new();
        place.file("unreserve.toml", text);
        let output = place.run(&[], &["settings", "show"]);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(stdout(&output), "");
        assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
        stderr(&output)
    };
    insta::assert_snapshot!(
        "unknown_key",
        check(&format!("profile = \"malikli\"\ndatabse_url = \"{URL}\"\ngrace = \"0s\"\n"))
    );
    insta::assert_snapshot!("unknown_key_in_log", check("[log]\nlevl = \"info\"\n"));
    insta::assert_snapshot!("key_of_another_section", check("format = \"json\"\n"));
    insta::assert_snapshot!("key_of_no_kind", check("zebra = 1\n"));
    insta::assert_snapshot!("wrong_type", check("batch_size = \"many\"\n"));
    insta::assert_snapshot!("text_for_a_section", check(&format!("log = \"{URL}\"\n")));
    insta::assert_snapshot!("bare_number", check("timeout = 15\n"));
    insta::assert_snapshot!("too_large", check("\n[log]\nkeep = 9999 # years\n"));
    insta::assert_snapshot!("not_a_word", check("log.level = \"loud\"\n"));
    insta::assert_snapshot!("not_toml", check(&format!("database_url = {URL}\n")));
    insta::assert_snapshot!("set_twice", check("grace = \"1s\"\ngrace = \"2s\"\n"));
}

/// Flags of a sweep, and what is said of them.
const OUT_OF_LIMITS: &[(&[&str], &str)] = &[
    (&["--batch-size", "90000"], "error: --batch-size: 90000 is too large, at most 5000 is allowed\n"),
    (&["--batch-size", "0"], "error: --batch-size: 0 is too small, at least 1 is needed\n"),
    (&["--batch-size", "-5"], "error: --batch-size: -5 is too small, at least 1 is needed\n"),
    (&["--batch-size", "many"], "error: --batch-size: `many` is not a whole number\n"),
    (&["--max-orders", "10000001"], "error: --max-orders: 10000001 is too large, at most 10000000 is allowed\n"),
    (&["--timeout", "0s"], "error: --timeout: 0s is too small, at least 1s is needed\n"),
    (&["--grace", "366d"], "error: --grace: 366d is too large, at most 365d is allowed\n"),
    (&["--max-age-minutes", "0"], "error: --max-age-minutes: 0 is too small, at least 1 is needed\n"),
    (&["--max-age-minutes", "5256001"], "error: --max-age-minutes: 5256001 is too large, at most 5256000 is allowed\n"),
    (&["--profile", ""], "error: --profile: the value is empty\n"),
];

#[test]
fn a_value_out_of_its_limits_names_flag_value_and_bound() {
    let place = Place::new();
    for (flags, expected) in OUT_OF_LIMITS {
        refused(&place, &[], &[&["sweep"], *flags].concat(), expected);
    }
}

#[test]
fn a_wrong_value_names_its_variable_or_its_line() {
    let place = Place::new();
    let show = &["settings", "show"];
    refused(
        &place,
        &[("UNRESERVE_BATCH_SIZE", "0")],
        show,
        "error: UNRESERVE_BATCH_SIZE: 0 is too small, at least 1 is needed\n",
    );
    refused(
        &place,
        &[("UNRESERVE_LOG_LEVEL", "loud")],
        show,
        "error: UNRESERVE_LOG_LEVEL: `loud` is unknown\nhint: write one of: off, error, warn, info, debug, trace\n",
    );
    place.file(".env", "\nUNRESERVE_GRACE=soon\n");
    refused(
        &place,
        &[],
        show,
        "error: .env:2: UNRESERVE_GRACE: `soon` is not a span of time\nhint: write for example `90s`, `15m`, `1h30m` or `2d`\n",
    );
    place.file(".env", "A=1\nhunter2 is no assignment\n");
    refused(
        &place,
        &[],
        show,
        "error: .env:2: this line is not `NAME=value`\nhint: it is not shown, since it may hold a secret; quote a value with blanks or `#`\n",
    );
}

#[test]
fn an_old_timeout_and_a_new_one_exclude_each_other() {
    let output = Place::new().run(&[], &["sweep", "--timeout", "15m", "--max-age-minutes", "15"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("cannot be used with"), "{}", stderr(&output));
}

#[test]
fn a_password_in_a_file_that_everyone_can_read_is_refused() {
    let place = Place::new();
    place.file("unreserve.toml", &format!("database_url = \"{URL}\"\n")).mode("unreserve.toml", 0o644);
    let text = |what: &str, file: &str, mode: &str| {
        format!(
            "error: {what} `{file}` holds a password and can be read by everyone (mode {mode})\n\
             hint: run `chmod 600 {file}`, or keep the password elsewhere\n"
        )
    };
    let show = &["settings", "show", "--origin"];
    refused(&place, &[], show, &text("settings file", "unreserve.toml", "0644"));
    refused(&place, &[("DATABASE_URL", "sqlite://x.db")], show, &text("settings file", "unreserve.toml", "0644"));
    place.mode("unreserve.toml", 0o640);
    let effective = || {
        let output = place.run(&[], &["settings", "show", "--origin", "--format", "json"]);
        let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        object["database_url"].to_string()
    };
    let private = r#"{"origin":"unreserve.toml line 1","value":"postgres://shop:***@host/db"}"#;
    assert_eq!(effective(), private);
    place.file(".env", "").file("url", &format!("{URL}\n")).mode("url", 0o644);
    for variable in ["DATABASE_URL_FILE", "UNRESERVE_DATABASE_URL_FILE"] {
        refused(&place, &[(variable, "url")], show, &text("secret file", "url", "0644"));
    }
    place.file(".env", "DATABASE_URL_FILE=url\n");
    refused(&place, &[], show, &text("secret file", "url", "0644"));
    // Whoever hands credentials over chooses their mode.
    let (url, directory) = (place.path().join("url").display().to_string(), place.path().display().to_string());
    let output = place.run(&[("CREDENTIALS_DIRECTORY", &directory), ("DATABASE_URL_FILE", &url)], show);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    place.file("url", "postgres://shop@host/db").mode("url", 0o644);
    assert_eq!(place.run(&[], show).status.code(), Some(0));
    place.file(".env", &format!("DATABASE_URL={URL}\n")).mode(".env", 0o604);
    refused(&place, &[], show, &text("env file", ".env", "0604"));
    place.file(".env", "DATABASE_URL=postgres://shop@host/db\n").mode(".env", 0o644);
    let open = r#"{"origin":".env line 1","value":"postgres://shop@host/db"}"#;
    assert_eq!(effective(), open);
}
