//! Settings of alerts that are refused: with exit 2, the place, the remedy, and no secret.

use crate::place::{Place, URL, stderr, stdout};

#[track_caller]
fn refused(settings: &str, expected: &str) {
    let place = Place::new();
    place.file("unreserve.toml", settings);
    let output = place.run(&[("DATABASE_URL", URL)], &["settings", "show"]);
    let text = stderr(&output);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""), "{text}");
    let lines: Vec<&str> =
        text.lines().filter(|line| line.starts_with("error: ") || line.starts_with("hint: ")).collect();
    assert_eq!(lines.join("\n"), expected, "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

fn channel(kind: &str, rest: &str) -> String {
    format!("[[alerts.channel]]\nname = \"ops\"\nkind = \"{kind}\"\n{rest}\n")
}

#[test]
fn what_is_wrong_with_a_channel_is_told_at_its_place() {
    refused(
        &channel("slack", "urll = \"https://h/hunter2\""),
        "error: unreserve.toml:4:1: unknown key `alerts.channel.urll`\nhint: did you mean `alerts.channel.url`?",
    );
    refused(
        &channel("pigeon", ""),
        "error: unreserve.toml:3:8: there is no such kind of channel\n\
         hint: write one of: email, slack, discord, teams, webhook, command",
    );
    refused(
        "[[alerts.channel]]\nkind = \"slack\"\n",
        "error: unreserve.toml:1:1: a channel needs a `name`\n\
         hint: give each `[[alerts.channel]]` a name of its own: `name = \"ops\"`",
    );
    refused(
        &channel("slack", "").repeat(2),
        "error: unreserve.toml:6:8: two channels are called `ops`\n\
         hint: give each `[[alerts.channel]]` a name of its own: `name = \"ops\"`",
    );
    refused(
        &channel("slack", "password = \"hunter2\""),
        "error: unreserve.toml:4:12: a channel of kind `slack` has no `password`\nhint: it stands in channels of kind email",
    );
    let lacks = |kind, key, line| {
        format!(
            "error: unreserve.toml:{line}: alerts.channel.kind: channel `ops` of kind `{kind}` has no `{key}`\n\
             hint: add `{key}` to its table `[[alerts.channel]]`; docs/alerts.md has an example of each kind"
        )
    };
    refused(&channel("slack", ""), &lacks("slack", "url", 3));
    refused(&channel("command", ""), &lacks("command", "command", 3));
    refused(&channel("email", "host = \"h\"\nuser = \"x\""), &lacks("email", "password", 3));
    refused(
        &channel("slack", "url = \"http://example.org/hunter2\""),
        "error: unreserve.toml:4: alerts.channel.url: this web address is not encrypted\n\
         hint: write the whole address, as `https://host/path`",
    );
    refused(
        &channel("webhook", "url = \"https://h/x\"\nsecret = \"hunter2\""),
        "error: unreserve.toml:5: alerts.channel.secret: this is no key of Standard Webhooks\n\
         hint: write `whsec_` and 24 to 64 random bytes in base64: `echo whsec_$(openssl rand -base64 32)`",
    );
    refused(
        &channel("email", "host = \"h\"\ntls = \"none\""),
        "error: unreserve.toml:5: alerts.channel.tls: mail to another machine has to be encrypted\n\
         hint: write `implicit` or `starttls`",
    );
    refused(
        &channel("email", "host = \"h\"\nfrom = \"hunter2\"\nto = \"a@b.example\""),
        "error: unreserve.toml:5: alerts.channel.from: this is no mail address\n\
         hint: write for example `ops@example.org` or `Shop <shop@example.org>`",
    );
    refused(
        "[alerts]\nignore = [\"indx\"]\n",
        "error: unreserve.toml:2: alerts.ignore: there is no such check\n\
         hint: the checks are: database, version, writable, plan, clock, overdue, oldest_overdue, last_sweep, \
         sweep_duration, lease, daemon, set_aside, drift, ledger, index, protection",
    );
    refused(
        "[alerts]\nrepeat = \"1m\"\n",
        "error: unreserve.toml:2: alerts.repeat: 1m is too small, at least 5m is needed",
    );
}

#[test]
fn a_secret_that_everybody_can_read_is_refused() {
    let place = Place::new();
    for (settings, secret) in [
        (channel("slack", "url = \"https://h/hunter2\""), None),
        ("[heartbeat]\nurl = \"https://h/hunter2\"\n".to_owned(), None),
        (channel("slack", "url_file = \"url\""), Some("url")),
        ("[heartbeat]\nurl_file = \"url\"\n".to_owned(), Some("url")),
    ] {
        place.file("unreserve.toml", &settings).file("url", "https://h/hunter2\n");
        let show = |code| {
            let output = place.run(&[], &["settings", "show"]);
            assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
            assert!(!stdout(&output).contains("hunter2") && !stderr(&output).contains("hunter2"));
            stderr(&output) + &stdout(&output)
        };
        assert!(show(0).contains("https://h/***"));
        let file = secret.unwrap_or("unreserve.toml");
        place.mode(file, 0o644);
        let text = show(2);
        assert!(text.contains("holds a secret and can be read by everyone (mode 0644)"), "{text}");
        assert!(text.contains(&format!("run `chmod 600 {file}`, or keep the secret elsewhere")), "{text}");
    }
}

#[test]
fn a_secret_may_come_from_a_variable_or_a_credential() {
    let place = Place::new();
    place.file("unreserve.toml", &channel("slack", "url_env = \"OPS_URL\""));
    let output = place.run(&[("OPS_URL", "https://h/hunter2")], &["settings", "show", "--origin"]);
    assert!(stdout(&output).contains("environment OPS_URL"), "{}", stdout(&output));
    let output = place.run(&[], &["settings", "show"]);
    assert!(stderr(&output).contains("`OPS_URL` is not set in the environment"), "{}", stderr(&output));
    place.file("unreserve.toml", &channel("slack", "")).file("credentials/alerts.ops.url", "https://h/hunter2");
    let directory = place.path().join("credentials");
    let variables = [("CREDENTIALS_DIRECTORY", directory.to_str().unwrap())];
    let output = place.run(&variables, &["settings", "show", "--origin"]);
    assert!(stdout(&output).contains("credential alerts.ops.url"), "{}{}", stdout(&output), stderr(&output));
}

#[test]
fn one_heartbeat_cannot_stand_for_several_shops() {
    let place = Place::new();
    let shop = |name: &str| {
        format!("[[shop]]\nname = \"{name}\"\ndatabase_url = \"sqlite:{name}.db\"\nprofile = \"malikli\"\n")
    };
    place.file("unreserve.toml", &format!("[heartbeat]\nurl = \"https://h/hunter2\"\n{}{}", shop("blue"), shop("red")));
    let output = place.run(&[], &["daemon"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).starts_with("error: shops `blue` and `red` have the same heartbeat\n"),
        "{}",
        stderr(&output)
    );
}
