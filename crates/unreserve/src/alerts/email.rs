//! Mail: plain text, over an encrypted connection.

use std::error::Error;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{self, response::Response};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::ExposeSecret;
use unreserve_engine::sweep::Clock;

use super::http::in_one_line;
use super::trust;
use crate::alerts::message::Message;
use crate::alerts::outbox::Answer;
use crate::clock::ProcessClock;
use crate::failure::chain;
use crate::settings::{Email, MailTls};

/// How long each step of the conversation may take.
const STEP: Duration = Duration::from_secs(10);

/// After so long no further addressee is waited for, so that what was taken is not sent again.
const EACH: Duration = Duration::from_secs(18);

type Failed = Box<dyn Error + Send + Sync>;

type Server = AsyncSmtpTransport<Tokio1Executor>;

/// Sends it once, or once to each where the server refuses one of them, and says what became of it.
pub(super) async fn send(email: &Email, ca: Option<&[u8]>, message: &Message) -> Answer {
    match try_to_send(email, ca, message).await {
        Ok(says) => Answer::Delivered { says },
        Err(error) => Answer::Later { says: told(error.as_ref()), asked: None },
    }
}

async fn try_to_send(email: &Email, ca: Option<&[u8]>, message: &Message) -> Result<String, Failed> {
    let clock = ProcessClock::new();
    let letter = letter(email, message)?;
    let hello = gethostname::gethostname().to_string_lossy().into_owned();
    let mut server = Server::builder_dangerous(&email.host)
        .port(email.port)
        .timeout(Some(STEP))
        .hello_name(ClientId::Domain(hello))
        .tls(match email.tls {
            MailTls::Implicit => Tls::Wrapper(parameters(&email.host, ca)?),
            MailTls::StartTls => Tls::Required(parameters(&email.host, ca)?),
            MailTls::None => Tls::None,
        });
    if let Some((user, password)) = &email.login {
        server = server.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
    }
    let (server, text) = (server.build::<Tokio1Executor>(), letter.formatted());
    match server.send_raw(letter.envelope(), &text).await {
        Ok(answer) => Ok(in_one_line(&in_words(&answer))),
        // One mailbox that is gone keeps the letter from all of them: the conversation ends at the first refusal.
        Err(error) if refuses_an_address(&error) && letter.envelope().to().len() > 1 => {
            send_to_each(&server, letter.envelope(), &text, &clock).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the server will never take this letter for somebody, as opposed to us: a wrong password must not be tried again
/// and again.
fn refuses_an_address(error: &smtp::Error) -> bool {
    let code = error.status().map_or(0, u16::from);
    error.is_permanent() && matches!(code, 550..=554)
}

/// Sends it to each addressee on its own. It has arrived where any of them has it; who does not is told.
async fn send_to_each(server: &Server, whole: &Envelope, text: &[u8], clock: &ProcessClock) -> Result<String, Failed> {
    let (mut taken, mut refused) = (0_usize, Vec::new());
    for to in whole.to() {
        let envelope = Envelope::new(whole.from().cloned(), vec![to.clone()])?;
        let left = EACH.saturating_sub(clock.elapsed());
        let sent = tokio::select! {
            sent = server.send_raw(&envelope, text) => sent.map_err(|error| told(&error)),
            () = clock.sleep(left) => Err("not sent in time".to_owned()),
        };
        match sent {
            Ok(_) => taken = taken.saturating_add(1),
            Err(says) => refused.push(format!("{to}: {says}")),
        }
    }
    let refused = refused.join("; ");
    if taken == 0 {
        return Err(format!("nobody took it: {refused}").into());
    }
    let whom = format!("{taken} of {} took it", whole.to().len());
    if refused.is_empty() {
        return Ok(whom);
    }
    tracing::warn!(event = "alert_address_refused", "a mail did not reach everybody: {}", in_one_line(&refused));
    Ok(in_one_line(&format!("{whom}; not {refused}")))
}

fn in_words(answer: &Response) -> String {
    let lines: Vec<&str> = answer.message().collect();
    format!("{} {}", answer.code(), lines.join(" "))
}

fn parameters(host: &str, ca: Option<&[u8]>) -> Result<TlsParameters, Failed> {
    let mut parameters = TlsParameters::builder(host.to_owned());
    for certificate in ca.and_then(trust::certificates).unwrap_or_default() {
        parameters = parameters.add_root_certificate(Certificate::from_der(certificate.to_vec())?);
    }
    Ok(parameters.build_rustls()?)
}

/// The letter: the same at every try, so that a mail server can see that it has it already.
fn letter(email: &Email, message: &Message) -> Result<lettre::Message, Failed> {
    let id = format!("<{}@{}>", message.id, plain(&message.about.host));
    let mut letter = lettre::Message::builder()
        .from(email.from.parse::<Mailbox>()?)
        .subject(in_one_line(&format!("[unreserve] {}", message.title())))
        .message_id(Some(id))
        .date(std::time::SystemTime::from(message.at))
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .header(ContentType::TEXT_PLAIN);
    for to in &email.to {
        letter = letter.to(to.parse::<Mailbox>()?);
    }
    Ok(letter.body(message.text())?)
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect()
}

fn told(error: &(dyn Error + Send + Sync + 'static)) -> String {
    in_one_line(&chain(Some(error)).join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::message::samples;

    #[test]
    fn a_text_of_the_shops_becomes_no_header() {
        let email = Email {
            host: "localhost".to_owned(),
            port: 25,
            tls: MailTls::None,
            login: None,
            from: "Shop <shop@example.org>".to_owned(),
            to: vec!["a@example.org".to_owned(), "b@example.org".to_owned()],
        };
        let mut message = samples::hostile();
        message.about.shop = Some("berlin\r\nBcc: x@y".to_owned());
        let text = String::from_utf8(letter(&email, &message).unwrap().formatted()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        for line in [
            "From: Shop <shop@example.org>",
            "To: a@example.org, b@example.org",
            "Subject: [unreserve] berlin  Bcc: x@y CRITICAL: plan, index",
            "Message-ID: <msg_1@shop1>",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(head.lines().any(|found| found == line), "{line} is not in\n{head}");
        }
        assert!(body.contains("What to do:"), "{body}");
    }
}
