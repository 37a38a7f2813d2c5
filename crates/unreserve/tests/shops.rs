//! Several shops in one settings file: who is meant, what holds for which, and what is refused.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of a test may fail it")]

mod place;

use std::process::Output;

use place::{Place, URL, stderr, stdout};
use serde_json::Value;

const TWO: &str = "\
profile = \"malikli\"
grace = \"1m\"
interval = \"2m\"

[[shop]]
name = \"blue\"
database_url = \"sqlite:blue.db\"
grace = \"5s\"
interval = \"10s\"

[[shop]]
name = \"red\"
database_url_env = \"RED_URL\"
profile = \"profiles/red.toml\"
timeout = \"90s\"
batch_size = 7
max_orders = 8
";

/// `settings show` as JSON: each key's value and origin, as `value < origin`.
fn shown(output: &Output) -> Vec<std::collections::BTreeMap<String, String>> {
    let text = stdout(output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(output));
    let object: Value = serde_json::from_str(&text).unwrap();
    let shops = object.get("shops").and_then(Value::as_array).cloned().unwrap_or(vec![object]);
    let of_one = |shop: &Value| {
        let shop = shop.as_object().unwrap_or_else(|| panic!("no object: {text}"));
        let entry = |(key, entry): (&String, &Value)| {
            (key.clone(), format!("{} < {}", entry["value"].as_str().unwrap_or("-"), entry["origin"].as_str().unwrap()))
        };
        shop.iter().map(entry).collect()
    };
    shops.iter().map(of_one).collect()
}

fn show(place: &Place, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    place.run(variables, &[&["settings", "show", "--origin", "--format", "json"], arguments].concat())
}

const RED: (&str, &str) = ("RED_URL", "sqlite:red.db");

#[test]
fn each_shop_has_its_own_and_what_its_table_does_not_say_from_the_top() {
    let place = Place::new();
    place.file("unreserve.toml", TWO);
    let shops = shown(&show(&place, &[RED], &[]));
    let of = |key: &str| shops.iter().map(|shop| shop[key].as_str()).collect::<Vec<_>>();
    assert_eq!(of("shop"), ["blue < unreserve.toml line 6", "red < unreserve.toml line 12"]);
    assert_eq!(of("database_url"), ["sqlite:blue.db < unreserve.toml line 7", "sqlite:red.db < environment RED_URL"]);
    assert_eq!(of("profile"), ["malikli < unreserve.toml line 1", "profiles/red.toml < unreserve.toml line 14"]);
    assert_eq!(of("grace"), ["5s < unreserve.toml line 8", "1m < unreserve.toml line 2"]);
    assert_eq!(of("interval"), ["10s < unreserve.toml line 9", "2m < unreserve.toml line 3"]);
    assert_eq!(of("timeout"), ["- < default", "1m30s < unreserve.toml line 15"]);
    assert_eq!(of("batch_size"), ["- < default", "7 < unreserve.toml line 16"]);
    assert_eq!(of("max_orders"), ["- < default", "8 < unreserve.toml line 17"]);
    let text = stdout(&place.run(&[RED], &["settings", "show"]));
    let names: Vec<&str> = text.lines().filter(|line| line.starts_with("shop ")).map(|line| line[5..].trim()).collect();
    assert_eq!(names, ["blue", "red"], "{text}");
}

#[test]
fn a_flag_wins_then_the_shops_table_then_the_environment_then_the_top_of_the_file() {
    let place = Place::new();
    place.file("unreserve.toml", TWO).file(".env", "UNRESERVE_BATCH_SIZE=3\n");
    let ambient = [RED, ("UNRESERVE_GRACE", "3s"), ("UNRESERVE_PROFILE", "ambient"), ("UNRESERVE_INTERVAL", "1h")];
    let shops = shown(&show(&place, &ambient, &[]));
    let of = |key: &str| shops.iter().map(|shop| shop[key].as_str()).collect::<Vec<_>>();
    assert_eq!(of("grace"), ["5s < unreserve.toml line 8", "3s < environment UNRESERVE_GRACE"]);
    assert_eq!(
        of("profile"),
        ["ambient < environment UNRESERVE_PROFILE", "profiles/red.toml < unreserve.toml line 14"]
    );
    assert_eq!(of("interval"), ["10s < unreserve.toml line 9", "1h < environment UNRESERVE_INTERVAL"]);
    assert_eq!(of("batch_size"), ["3 < .env line 1", "7 < unreserve.toml line 16"]);
    let flags = ["--shop", "red", "--profile", "x", "--database-url", "sqlite:flag.db"];
    let [red] = &shown(&show(&place, &ambient, &flags))[..] else { panic!("one shop") };
    assert_eq!(red["shop"], "red < flag --shop");
    assert_eq!(red["profile"], "x < flag --profile");
    assert_eq!(red["database_url"], "sqlite:flag.db < flag --database-url");
    // Flags of `sweep` win as well: what they say is out of bounds, and so seen.
    let output = place.run(&[RED], &["sweep", "--shop", "red", "--batch-size", "0"]);
    assert_eq!(stderr(&output), "error: --batch-size: 0 is too small, at least 1 is needed\n");
}

#[test]
fn no_ambient_database_stands_in_for_a_shops_own() {
    let everywhere = [("DATABASE_URL", "sqlite:ambient.db"), ("UNRESERVE_DATABASE_URL", "sqlite:ambient.db")];
    let place = Place::new();
    place.file(".env", "DATABASE_URL=sqlite:ambient.db\n").file("secrets/database_url", "sqlite:ambient.db");
    let credential = ("CREDENTIALS_DIRECTORY", "secrets");
    place.file("unreserve.toml", "database_url = \"sqlite:top.db\"\n[[shop]]\nname = \"blue\"\n");
    for variables in [&everywhere[..], &[credential], &[]] {
        let output = show(&place, variables, &[]);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).starts_with("error: unreserve.toml:3:8: shop `blue` has no database\n"),
            "{}",
            stderr(&output)
        );
    }
    place.file("unreserve.toml", &format!("database_url = \"sqlite:top.db\"\n{TWO}"));
    let output = show(&place, &[&everywhere[..], &[credential, RED]].concat(), &[]);
    let urls: Vec<String> = shown(&output).iter().map(|shop| shop["database_url"].clone()).collect();
    assert_eq!(urls, ["sqlite:blue.db < unreserve.toml line 8", "sqlite:red.db < environment RED_URL"]);
    let warning: Value = serde_json::from_str(&stderr(&output)).unwrap();
    assert_eq!(warning["msg"], "unreserve.toml line 1: `database_url` is not used, since every `[[shop]]` has its own");
}

#[test]
fn a_shops_database_may_stand_in_a_variable_or_in_a_file() {
    let place = Place::new();
    place.file(
        "etc/shops.toml",
        "[[shop]]\nname = \"a\"\ndatabase_url_file = \"secrets/a\"\n[[shop]]\nname = \"b\"\ndatabase_url_env = \"B\"\n",
    );
    place.file("etc/secrets/a", &format!("{URL}\n")).file(".env", "B=sqlite:b.db\n");
    let output = show(&place, &[("UNRESERVE_CONFIG", "etc/shops.toml")], &[]);
    let urls: Vec<String> = shown(&output).iter().map(|shop| shop["database_url"].clone()).collect();
    assert_eq!(urls, ["postgres://shop:***@host/db < etc/shops.toml line 3", "sqlite:b.db < .env line 1"]);
}

/// What is refused: exit 2, nothing on stdout, and the password nowhere.
fn refused(text: &str, variables: &[(&str, &str)], arguments: &[&str]) -> String {
    let place = Place::new();
    place.file("unreserve.toml", text).file("empty", "");
    let output = place.run(variables, arguments);
    let shown = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{shown}");
    assert_eq!(stdout(&output), "");
    assert!(!shown.contains("hunter2"), "{shown}");
    shown
}

#[test]
fn a_command_that_works_on_one_shop_has_to_know_which() {
    let commands: [&[&str]; 7] = [
        &["sweep"],
        &["sweep", "--dry-run"],
        &["explain", "1"],
        &["history"],
        &["history", "show", "1"],
        &["setup"],
        &["profile", "check"],
    ];
    for command in commands {
        assert_eq!(
            refused(TWO, &[RED], command),
            "error: `unreserve.toml` has several shops, and nobody says which one is meant\n\
             hint: say it with `--shop NAME` or `UNRESERVE_SHOP`; the shops are: blue, red\n",
            "{command:?}"
        );
    }
    let show = ["settings", "show"];
    assert_eq!(
        refused(TWO, &[], &[&show[..], &["--shop", "rad"]].concat()),
        "error: --shop: no shop of `unreserve.toml` has this name\nhint: did you mean `red`?\n"
    );
    assert_eq!(
        refused(TWO, &[("UNRESERVE_SHOP", "yellow")], &["sweep"]),
        "error: UNRESERVE_SHOP: no shop of `unreserve.toml` has this name\nhint: its shops are: blue, red\n"
    );
    assert_eq!(
        refused("profile = \"malikli\"\n", &[], &["sweep", "--shop", "blue"]),
        "error: --shop: settings file `unreserve.toml` has no `[[shop]]`\n\
         hint: leave it out, or give each shop a table `[[shop]]` with its `name`\n"
    );
    for (flag, value) in [("--database-url", "sqlite:x.db"), ("--profile", "x")] {
        assert_eq!(
            refused(TWO, &[RED], &[&show[..], &[flag, value]].concat()),
            format!(
                "error: {flag}: this cannot hold for several shops\nhint: say which one with `--shop NAME`: blue, red\n"
            )
        );
    }
}

#[test]
fn the_only_shop_needs_not_be_named_and_commands_without_a_shop_ask_for_none() {
    let place = Place::new();
    place.file(
        "unreserve.toml",
        "state_dir = \"state\"\n[[shop]]\nname = \"blue\"\ndatabase_url = \"sqlite:no.db\"\nprofile = \"malikli\"\n",
    );
    let output = place.run(&[], &["sweep", "--log-level", "error"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).starts_with("error: shop `blue`: cannot use the database sqlite:no.db\n"),
        "{}",
        stderr(&output)
    );
    place.file("unreserve.toml", TWO);
    let without: [&[&str]; 6] = [
        &["profile", "list"],
        &["profile", "show", "malikli"],
        &["completions", "bash"],
        &["man"],
        &["settings", "reference"],
        &["demo", "--orders", "20"],
    ];
    for command in without {
        let output = place.run(&[], command);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{command:?}");
    }
}

#[test]
fn what_is_reported_names_its_shop() {
    let place = Place::new();
    assert_eq!(place.run(&[], &["demo", "--orders", "20"]).status.code(), Some(0));
    let table = "state_dir = \"state\"\n[[shop]]\nname = \"blue\"\ndatabase_url = \"sqlite:unreserve-demo/shop.db\"\nprofile = \"malikli\"\n";
    place.file("unreserve.toml", table);
    let commands: [(&[&str], &str); 4] = [
        (&["sweep", "--verbose", "--timeout", "1s"], "sweep_id"),
        (&["history"], "sweeps"),
        (&["explain", "M-7"], "verdict"),
        (&["profile", "check"], "fits"),
    ];
    for (command, field) in commands {
        let output = place.run(&[], &[command, &["--format", "json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{command:?}: {}", stderr(&output));
        let result: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(
            (result["shop"].as_str(), result.get(field).is_some()),
            (Some("blue"), true),
            "{command:?}: {result}"
        );
        let lines: Vec<Value> = stderr(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.is_empty(), command[0] != "sweep", "{lines:?}");
        assert!(lines.iter().all(|line| line["shop"] == "blue"), "{lines:?}");
    }
    let text = stdout(&place.run(&[], &["sweep"]));
    assert!(text.starts_with("Shop blue\nSweep "), "{text}");
    // Nothing is named where there is no name.
    place.file("unreserve.toml", &table.replace("[[shop]]\nname = \"blue\"\n", ""));
    let output = place.run(&[], &["sweep", "--verbose", "--format", "json"]);
    let both = stdout(&output) + &stderr(&output);
    assert!(both.contains("sweep_id") && !both.contains("\"shop\""), "{both}");
}

#[test]
fn whatever_is_wrong_with_a_shop_is_shown_where_it_is() {
    let check = |text: &str| refused(text, &[], &["settings", "show"]);
    let blue = "[[shop]]\nname = \"blue\"\n";
    let whole = format!("{blue}database_url = \"{URL}\"\n");
    insta::assert_snapshot!("unknown_key", check(&format!("{blue}databse_url = \"{URL}\"\n")));
    insta::assert_snapshot!("key_of_the_whole_file", check(&format!("{whole}state_dir = \"/x\"\n")));
    insta::assert_snapshot!("section_of_the_whole_file", check(&format!("{whole}[shop.log]\nlevel = \"info\"\n")));
    insta::assert_snapshot!("no_name", check("[[shop]]\ndatabase_url = \"sqlite:x.db\"\n"));
    insta::assert_snapshot!("bad_name", check("[[shop]]\nname = \"My Shop\"\n"));
    insta::assert_snapshot!("name_twice", check(&format!("{whole}\n{blue}database_url = \"sqlite:x.db\"\n")));
    insta::assert_snapshot!("one_table", check("[shop]\nname = \"blue\"\n"));
    insta::assert_snapshot!("no_list", check("shop = \"blue\"\n"));
    insta::assert_snapshot!("no_shop", check("shop = []\n"));
    insta::assert_snapshot!("no_table", check("shop = [\"blue\"]\n"));
    insta::assert_snapshot!("misnamed_list", check("[[shops]]\nname = \"blue\"\n"));
    insta::assert_snapshot!("two_databases", check(&format!("{whole}database_url_env = \"BLUE\"\n")));
    insta::assert_snapshot!("no_database", check(blue));
    insta::assert_snapshot!("empty_database", check(&format!("{blue}database_url = \"\"\n")));
    insta::assert_snapshot!("unset_variable", check(&format!("{blue}database_url_env = \"BLUE_URL\"\n")));
    insta::assert_snapshot!("url_for_a_variable", check(&format!("{blue}database_url_env = \"{URL}\"\n")));
    insta::assert_snapshot!("missing_file", check(&format!("{blue}database_url_file = \"no/url\"\n")));
    insta::assert_snapshot!("empty_file", check(&format!("{blue}database_url_file = \"empty\"\n")));
    insta::assert_snapshot!("too_long", check(&format!("{whole}interval = \"2d\"\n")));
    insta::assert_snapshot!("wrong_type", check(&format!("{whole}batch_size = \"{URL}\"\n")));
    insta::assert_snapshot!(
        "second_of_one_line",
        check(
            "shop = [{name = \"a\", database_url = \"sqlite:a\", grace = \"1s\"}, {name = \"b\", database_url = \"sqlite:b\", grace = \"x\"}]\n"
        )
    );
}

#[test]
fn two_shops_of_one_database_and_profile_are_refused() {
    let twins = |one: &str, other: &str| {
        format!("profile = \"malikli\"\n[[shop]]\nname = \"a\"\n{one}\n[[shop]]\nname = \"b\"\n{other}\n")
    };
    let same = [
        ("database_url = \"postgres://x:1@h/db\"", "database_url = \"postgresql://y:2@H:5432/db\""),
        ("database_url = \"sqlite:x.db\"", "database_url = \"sqlite://x.db?mode=ro\"\nprofile = \"malikli\""),
        ("database_url = \"sqlite:x.db\"", "database_url_env = \"X\""),
    ];
    for (one, other) in same {
        // Also where only one of them is worked on.
        for arguments in [&["settings", "show"][..], &["sweep", "--shop", "a"]] {
            let shown = refused(&twins(one, other), &[("X", "sqlite:x.db")], arguments);
            assert!(
                shown.starts_with(
                    "error: unreserve.toml:6:8: shops `a` and `b` have the same database and the same profile\n"
                ),
                "{shown}"
            );
        }
    }
    let place = Place::new();
    let different = [
        ("database_url = \"sqlite:x.db\"", "database_url = \"sqlite:y.db\""),
        ("database_url = \"sqlite:x.db\"", "database_url = \"sqlite:x.db\"\nprofile = \"other.toml\""),
    ];
    for (one, other) in different {
        place.file("unreserve.toml", &twins(one, other));
        assert_eq!(shown(&show(&place, &[], &[])).len(), 2);
    }
    // What another shop lacks here is that shop's business.
    place.file("unreserve.toml", &twins("database_url = \"sqlite:x.db\"", "database_url_env = \"NOT_SET\""));
    assert_eq!(shown(&show(&place, &[], &["--shop", "a"])).len(), 1);
    assert_eq!(show(&place, &[], &[]).status.code(), Some(2));
}

#[test]
fn a_password_of_a_shop_in_a_file_that_everyone_can_read_is_refused() {
    let place = Place::new();
    let text = |what: &str, file: &str| {
        format!(
            "error: {what} `{file}` holds a password and can be read by everyone (mode 0644)\n\
             hint: run `chmod 600 {file}`, or keep the password elsewhere\n"
        )
    };
    let other = "[[shop]]\nname = \"a\"\ndatabase_url = \"sqlite:a.db\"\n";
    place.file("unreserve.toml", &format!("{other}[[shop]]\nname = \"b\"\ndatabase_url = \"{URL}\"\n"));
    place.mode("unreserve.toml", 0o644);
    // Also where another shop is meant.
    let output = show(&place, &[], &["--shop", "a"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(2), text("settings file", "unreserve.toml")));
    place.mode("unreserve.toml", 0o600);
    assert_eq!(shown(&show(&place, &[], &[])).len(), 2);
    place.file("unreserve.toml", &format!("{other}[[shop]]\nname = \"b\"\ndatabase_url_env = \"B\"\n"));
    place.mode("unreserve.toml", 0o644);
    place.file(".env", &format!("B={URL}\n")).mode(".env", 0o644);
    let output = show(&place, &[], &[]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(2), text("env file", ".env")));
    place.mode(".env", 0o600);
    assert_eq!(shown(&show(&place, &[], &[])).len(), 2);
}
