//! The generic webhook, as Standard Webhooks 1.0.0 writes it: an id, the time, and a signature over both and the body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::alerts::message::Message;

/// The bytes of a key that is written as `whsec_` and base64; the prefix may be missing.
pub(crate) fn key_of(secret: &str) -> Option<Vec<u8>> {
    STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok()
}

/// The header `webhook-signature` of a body. Nothing where the key is none.
pub(super) fn signature(secret: &str, id: &str, second: i64, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key_of(secret)?).ok()?;
    mac.update(format!("{id}.{second}.{body}").as_bytes());
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// The body: also what a command reads on its stdin.
pub(super) fn body(message: &Message) -> Value {
    json!({
        "type": message.kind.word(),
        "timestamp": message.at.to_string(),
        "data": {
            "id": message.id,
            "shop": message.about.shop,
            "profile": message.about.profile,
            "host": message.about.host,
            "version": message.about.version,
            "status": message.status(),
            "title": message.title(),
            "text": message.text(),
            "problems": message.problems,
            "resolved": message.over,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::message::samples;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_reference_library_makes_the_same_signature() {
        let body = body(&samples::hostile()).to_string();
        let expected = standardwebhooks::Webhook::new(SECRET).unwrap().sign("msg_1", 1_795_000_060, body.as_bytes());
        assert_eq!(signature(SECRET, "msg_1", 1_795_000_060, &body), expected.ok());
        // Another body has another one, so that the comparison above says something.
        assert_ne!(signature(SECRET, "msg_1", 1_795_000_060, &body), signature(SECRET, "msg_1", 1_795_000_060, "{}"));
        assert_eq!(signature("whsec_?", "msg_1", 1, "{}"), None);
    }

    #[test]
    fn the_body() {
        insta::assert_json_snapshot!(body(&samples::hostile()));
    }
}
