//! Mail: plain text, over an encrypted connection.

use std::error::Error;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::ExposeSecret;

use super::http::in_one_line;
use super::trust;
use crate::alerts::message::Message;
use crate::alerts::outbox::Answer;
use crate::failure::chain;
use crate::settings::{Email, MailTls};

/// How long each step of the conversation may take.
const STEP: Duration = Duration::from_secs(10);

type Failed = Box<dyn Error + Send + Sync>;

/// Sends it once, and says what became of it.
pub(super) async fn send(email: &Email, ca: Option<&[u8]>, message: &Message) -> Answer {
    match try_to_send(email, ca, message).await {
        Ok(says) => Answer::Delivered { says },
        Err(error) => Answer::Later { says: told(error.as_ref()), asked: None },
    }
}

async fn try_to_send(email: &Email, ca: Option<&[u8]>, message: &Message) -> Result<String, Failed> {
    let letter = letter(email, message)?;
    let hello = gethostname::gethostname().to_string_lossy().into_owned();
    let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&email.host)
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
    let answer = server.build::<Tokio1Executor>().send(letter).await?;
    let lines: Vec<&str> = answer.message().collect();
    Ok(in_one_line(&format!("{} {}", answer.code(), lines.join(" "))))
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
