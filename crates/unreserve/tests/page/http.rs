//! The page over plain HTTP: who is let in, what every answer has, and what happens where it cannot be shown.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use crate::place::{Shop, Shown, until};

const TOKEN: &str = "correct-horse-battery-staple";

/// The whole answer to one request, head and all.
fn answer(mut stream: impl Read + Write, head: &str) -> String {
    stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Asks for a path, with these lines in the request's head.
pub(crate) fn get(shown: &Shown, path: &str, lines: &[&str]) -> String {
    ask(shown, "GET", path, lines)
}

fn ask(shown: &Shown, method: &str, path: &str, lines: &[&str]) -> String {
    let host = shown.url.trim_start_matches("http://").trim_end_matches('/');
    let mut head = format!("{method} {path} HTTP/1.1");
    if !lines.iter().any(|line| line.starts_with("Host:")) {
        head.push_str(&format!("\r\nHost: {host}"));
    }
    for line in lines {
        head.push_str(&format!("\r\n{line}"));
    }
    answer(std::net::TcpStream::connect(host).unwrap(), &head)
}

/// The number of an answer, such as 200.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer}"))
}

#[test]
fn every_answer_keeps_others_out_of_the_page() {
    let shop = Shop::new();
    let shown = shop.show(&["dashboard", "--listen", "127.0.0.1:0"]);
    for path in ["/", "/sweeps", "/orders?order=M-7", "/stock", "/health", "/settings", "/nowhere", "/livez"] {
        let answer = get(&shown, path, &[]).to_lowercase();
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(answer.contains(header), "{path} has no {header}: {answer}");
        }
        assert!(!answer.contains("<script>") && !answer.contains(" style=") && !answer.contains("onclick"), "{path}");
    }
    let page = get(&shown, "/", &[]);
    let style = page.split("href=\"").find_map(|rest| rest.split_once(".css\"")).unwrap().0;
    let asset = get(&shown, &format!("{style}.css"), &["Accept-Encoding: gzip"]);
    assert!(asset.contains("immutable") && asset.contains("content-encoding: gzip"), "{}", &asset[..600]);
    assert_eq!(status(&get(&shown, "/nowhere", &[])), 404);
    assert_eq!(status(&ask(&shown, "HEAD", "/", &[])), 200);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        assert_eq!(status(&ask(&shown, method, "/", &["Content-Length: 0"])), 405, "{method}");
    }
}

#[test]
fn a_name_that_points_here_from_elsewhere_is_refused() {
    let shop = Shop::new();
    let shown = shop.show(&["dashboard", "--listen", "127.0.0.1:0"]);
    assert_eq!(status(&get(&shown, "/", &["Host: evil.example"])), 421);
    assert_eq!(status(&get(&shown, "/livez", &["Host: evil.example"])), 421);
    assert_eq!(status(&get(&shown, "/", &["Host: localhost"])), 200);
    assert_eq!(status(&get(&shown, "/events", &["Sec-Fetch-Site: cross-site"])), 403);
}

#[test]
fn the_token_is_asked_for_everywhere_but_where_nothing_is_told() {
    let shop = Shop::new();
    shop.set(&format!("[web]\ntoken = \"{TOKEN}\""));
    let shown = shop.show(&["--config", "unreserve.toml", "daemon", "--listen", "127.0.0.1:0"]);
    for path in ["/", "/sweeps", "/settings", "/nowhere"] {
        let answer = get(&shown, path, &[]);
        assert_eq!(status(&answer), 303, "{path}");
        assert!(answer.contains("location: /login?next=%2F"), "{answer}");
    }
    for path in ["/metrics", "/events", "/api/v1/overview"] {
        let answer = get(&shown, path, &[]);
        assert_eq!(status(&answer), 401, "{path}");
        assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
    }
    for path in ["/livez", "/login"] {
        assert_eq!(status(&get(&shown, path, &[])), 200, "{path}");
    }
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let metrics = get(&shown, "/metrics", &[&bearer]);
    assert_eq!(status(&metrics), 200);
    assert!(metrics.contains("unreserve_build_info"), "{metrics}");
    assert_eq!(status(&get(&shown, "/metrics", &["Authorization: Bearer correct-horse-battery-stapl"])), 401);
    let settings = get(&shown, "/settings", &[&bearer]);
    assert_eq!(status(&settings), 200);
    assert!(!settings.contains(TOKEN), "the token is shown");
}

#[test]
fn the_page_goes_by_the_settings_thresholds_shows_the_channels_and_keeps_what_it_saw() {
    let shop = Shop::new();
    let channel = "[[alerts.channel]]\nname = \"ops\"\nkind = \"command\"\ncommand = [\"/bin/true\"]";
    shop.set(&format!("[alerts]\nthreshold = 7\n{channel}"));
    let shown = shop.show(&["--config", "unreserve.toml", "dashboard", "--listen", "127.0.0.1:0"]);
    let health = || -> serde_json::Value {
        let answer = get(&shown, "/api/v1/health", &[]);
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    let seen = health();
    let checks = seen.pointer("/checks").unwrap().as_array().unwrap();
    let overdue = checks.iter().find(|check| check.pointer("/check").unwrap() == "overdue").unwrap();
    assert_eq!(overdue.pointer("/warning_above").unwrap(), 7);
    assert_eq!(seen.pointer("/runs_kept").unwrap(), 1, "the look itself is kept");
    let settings = get(&shown, "/settings", &[]);
    assert!(settings.contains("alerts.channel.ops.command"), "{settings}");
}

#[test]
fn a_daemon_says_whether_it_lives_and_reaches_its_database() {
    let shop = Shop::new();
    let shown = shop.show(&["--config", "unreserve.toml", "daemon", "--listen", "127.0.0.1:0"]);
    assert_eq!(status(&get(&shown, "/livez", &[])), 200);
    until("it is ready", || status(&get(&shown, "/readyz", &[])) == 200);
    let nowhere = "postgres://nobody@127.0.0.1:1/nowhere";
    let lost = shop.show(&["--database-url", nowhere, "daemon", "--listen", "127.0.0.1:0", "--state-dir", "lost"]);
    assert_eq!(status(&get(&lost, "/readyz", &[])), 503);
    // It lives all the same, and shows a page that says what is wrong.
    assert_eq!(status(&get(&lost, "/livez", &[])), 200);
    let page = get(&lost, "/", &[]);
    assert!(page.contains("Open problems") && page.contains("What to do:"), "{page}");
}

#[test]
fn a_socket_is_its_owners_alone_and_goes_with_the_process() {
    let shop = Shop::new();
    shop.set(&format!("[web]\nsocket = \"page.sock\"\ntoken = \"{TOKEN}\""));
    let path = shop.path().join("page.sock");
    // Somebody's who was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let shown = shop.show(&["--config", "unreserve.toml", "dashboard", "--listen", "127.0.0.1:0"]);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    // Who can open it needs no token.
    let page = answer(UnixStream::connect(&path).unwrap(), "GET /settings HTTP/1.1\r\nHost: shop.example");
    assert_eq!(status(&page), 200);
    let second = shop.run(&["--config", "unreserve.toml", "dashboard", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(2));
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(text.contains("page.sock") && text.contains("another program listens there"), "{text}");
    let ended = std::process::Command::new("kill").arg("-TERM").arg(shown.id().to_string()).status().unwrap();
    assert!(ended.success());
    until("the socket is gone", || !path.exists());
}

#[test]
fn who_takes_every_place_of_the_address_takes_none_of_the_sockets() {
    let shop = Shop::new();
    shop.set("[web]\nsocket = \"page.sock\"");
    let shown = shop.show(&["--config", "unreserve.toml", "dashboard", "--listen", "127.0.0.1:0"]);
    let host = shown.url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    // Nobody says anything on them, so that each keeps its place until it is hung up on.
    let idle: Vec<_> = (0..128).map(|_| std::net::TcpStream::connect(&host).unwrap()).collect();
    for _ in 0..3 {
        let alive =
            answer(UnixStream::connect(shop.path().join("page.sock")).unwrap(), "GET /livez HTTP/1.1\r\nHost: x");
        assert_eq!(status(&alive), 200);
    }
    for mut stream in idle {
        stream.set_nonblocking(true).unwrap();
        let read = stream.read(&mut [0]);
        assert!(
            read.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
            "the socket had to wait for a place of the address: {read:?}"
        );
    }
}

#[test]
fn what_cannot_be_shown_is_told_before_anything_begins() {
    let shop = Shop::new();
    let refused = |arguments: &[&str], expected: &[&str]| {
        let ended = shop.run(arguments);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}");
        let text = String::from_utf8_lossy(&ended.stderr).into_owned();
        for part in expected {
            assert!(text.contains(part), "{arguments:?}: {text}");
        }
        assert!(!text.contains("daemon has started"), "{text}");
    };
    let config = ["--config", "unreserve.toml"];
    let with = |rest: &[&'static str]| [&config[..], rest].concat();
    refused(
        &with(&["daemon", "--listen", "0.0.0.0:0"]),
        &["--listen", "can be reached from other machines", "web.token"],
    );
    refused(&with(&["dashboard", "--listen", "shop.example:80"]), &["is no address with a port"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(
        &["--config", "unreserve.toml", "daemon", "--listen", &address],
        &["the page cannot listen on", "another program listens there"],
    );
    shop.set("[web]\ntoken = \"short\"");
    refused(&with(&["daemon", "--listen", "127.0.0.1:0"]), &["web.token", "fewer than 16 characters"]);
}
