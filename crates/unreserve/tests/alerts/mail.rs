//! Mail, to a real mail server: encrypted, logged in, and refused where it is not who it should be.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::Value;
use unreserve_testkit::servers::find_aiosmtpd;

use crate::certificates::{self, Certificates};
use crate::place::stdout;
use crate::shop::Shop;

/// How long a letter may take.
const LETTER: Duration = Duration::from_secs(30);

/// A server that ends with this value, and with this process.
struct MailServer {
    child: Child,
    _stdin: ChildStdin,
    port: String,
    letters: Receiver<String>,
}

impl MailServer {
    fn start(mode: &str, certificates: &Certificates) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = (directory.path().join("certificate"), directory.path().join("key"));
        std::fs::write(&certificate, &certificates.certificate).unwrap();
        std::fs::write(&key, &certificates.key).unwrap();
        let python = find_aiosmtpd().unwrap();
        let mut child = Command::new(python)
            .args(["-c", include_str!("mail_server.py"), mode])
            .args([&certificate, &key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap();
        let (tell, letters) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                drop(tell.send(line));
            }
        });
        Self { child, _stdin: stdin, port, letters }
    }

    fn letter(&self) -> Value {
        serde_json::from_str(&self.letters.recv_timeout(LETTER).unwrap()).unwrap()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn channel(server: &MailServer, mode: &str, password: &str) -> String {
    format!(
        "[[alerts.channel]]\nname = \"mail\"\nkind = \"email\"\nhost = \"localhost\"\nport = {}\ntls = \"{mode}\"\n\
         user = \"shop\"\npassword_file = \"{password}\"\nfrom = \"Shop <shop@example.org>\"\n\
         to = [\"ops@example.org\", \"owner@example.org\"]\nca_file = \"ca.pem\"\n",
        server.port
    )
}

/// What `alert test` says of a letter that does not arrive, encrypted in that mode.
fn refused(server: &MailServer, mode: &str, password: &str, authority: &str) -> String {
    let shop = Shop::new("");
    shop.place.file("password", &format!("{password}\n")).file("ca.pem", authority);
    shop.settings(&channel(server, mode, "password"));
    let output = shop.run(&["alert", "test"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(server.letters.try_recv().is_err(), "a letter has arrived");
    stdout(&output)
}

#[test]
fn a_letter_arrives_over_an_encrypted_connection_of_either_kind() {
    let certificates = certificates::make();
    for mode in ["implicit", "starttls"] {
        let server = MailServer::start(mode, &certificates);
        let shop = Shop::new("");
        shop.place.file("password", "hunter2\n").file("ca.pem", &certificates.authority);
        shop.settings(&channel(&server, mode, "password"));
        shop.send_alerts();
        let letter = server.letter();
        assert_eq!(letter["user"], "shop", "{mode}");
        assert_eq!(letter["from"], "shop@example.org");
        assert_eq!(letter["to"], Value::from(vec!["ops@example.org", "owner@example.org"]));
        let text = letter["text"].as_str().unwrap();
        assert!(text.contains("Subject: [unreserve] malikli WARNING: drift\r\n"), "{text}");
        assert!(text.contains("Auto-Submitted: auto-generated\r\n"), "{text}");
        assert_eq!(shop.channel("mail")["last_try"]["result"], "delivered");
        shop.assert_no_secret_is_kept();
    }
}

#[test]
fn a_server_that_nobody_vouches_for_gets_neither_letter_nor_password() {
    let server = MailServer::start("implicit", &certificates::make());
    let says = refused(&server, "implicit", "hunter2", &certificates::make().authority);
    assert!(says.contains("invalid peer certificate"), "{says}");
}

#[test]
fn a_wrong_password_is_told_without_it() {
    let certificates = certificates::make();
    let server = MailServer::start("starttls", &certificates);
    let says = refused(&server, "starttls", "hunter22", &certificates.authority);
    assert!(says.contains("535"), "{says}");
}

#[test]
fn a_server_without_starttls_gets_nothing() {
    let certificates = certificates::make();
    let server = MailServer::start("plain", &certificates);
    let says = refused(&server, "starttls", "hunter2", &certificates.authority);
    assert!(says.contains("STARTTLS"), "{says}");
}

#[test]
fn one_mailbox_that_is_gone_keeps_the_letter_from_nobody_else() {
    let certificates = certificates::make();
    let server = MailServer::start("implicit", &certificates);
    let shop = Shop::new("");
    shop.place.file("password", "hunter2\n").file("ca.pem", &certificates.authority);
    let to = |to: &str| channel(&server, "implicit", "password").replace("\"ops@example.org\"", to);
    shop.settings(&to("\"gone@example.org\", \"ops@example.org\", \"gone2@example.org\""));
    shop.send_alerts();
    let taken: Vec<Value> = (0..2).map(|_| server.letter()).collect();
    assert_eq!(
        taken.iter().map(|letter| letter["to"][0].as_str().unwrap()).collect::<Vec<_>>(),
        ["ops@example.org", "owner@example.org"]
    );
    assert_eq!(taken[0]["text"], taken[1]["text"], "everybody sees to whom it went, and a client that it is the same");
    let last = shop.channel("mail")["last_try"].clone();
    assert_eq!(last["result"], "delivered");
    let says = last["says"].as_str().unwrap();
    assert!(says.starts_with("2 of 4 took it; not gone@example.org: ") && says.contains("550"), "{last}");
    assert!(says.contains("gone2@example.org"), "{last}");
    // Where nobody takes it, it is tried again.
    shop.settings(&to("\"gone@example.org\"").replace("owner@", "gone2@"));
    let output = shop.run(&["alert", "test"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("nobody took it: gone@example.org: "), "{}", stdout(&output));
    assert!(server.letters.try_recv().is_err());
}
