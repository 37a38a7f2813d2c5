//! The token that opens the page, and the sign of having shown it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// How long a browser stays signed in, in seconds: a week.
pub(super) const STAYS_SECONDS: i64 = 7 * 86_400;

/// What a sign is made of beside the token, so that it is of no use elsewhere.
const PURPOSE: &str = "unreserve page, signed in until ";

/// The token of the settings.
#[derive(Clone)]
pub(super) struct Token(SecretString);

impl Token {
    /// This one.
    pub(super) fn new(secret: SecretString) -> Self {
        Self(secret)
    }

    /// Whether this is it, in a time that says nothing of how much of it is right.
    pub(super) fn is(&self, given: &str) -> bool {
        // Both are made equally long and unforeseeable first, so that not even the length is told.
        let digest = |text: &str| self.digest(text.as_bytes());
        let Some(ours) = digest(self.0.expose_secret()) else { return false };
        let Some(theirs) = digest(given) else { return false };
        theirs.verify_slice(&ours.finalize().into_bytes()).is_ok()
    }

    /// A sign of having shown the token, good for a week. It cannot be made without the token, and not be used for longer.
    pub(super) fn sign(&self, now: Timestamp) -> Option<String> {
        let until = now.as_second().saturating_add(STAYS_SECONDS);
        let seal = self.digest(format!("{PURPOSE}{until}").as_bytes())?.finalize().into_bytes();
        Some(format!("{until}.{}", URL_SAFE_NO_PAD.encode(seal)))
    }

    /// Whether a sign is ours, and still good.
    pub(super) fn knows(&self, sign: &str, now: Timestamp) -> bool {
        let Some((until, seal)) = sign.split_once('.') else { return false };
        let (Ok(ends), Ok(seal)) = (until.parse::<i64>(), URL_SAFE_NO_PAD.decode(seal)) else { return false };
        let digest = self.digest(format!("{PURPOSE}{ends}").as_bytes());
        ends > now.as_second() && digest.is_some_and(|digest| digest.verify_slice(&seal).is_ok())
    }

    fn digest(&self, text: &[u8]) -> Option<Hmac<Sha256>> {
        let mut digest = Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes()).ok()?;
        digest.update(text);
        Some(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token::new(SecretString::from(text.to_owned()))
    }

    #[test]
    fn only_the_token_is_the_token() {
        let ours = token("correct horse battery");
        assert!(ours.is("correct horse battery"));
        for wrong in ["", "correct horse", "correct horse battery ", "Correct horse battery"] {
            assert!(!ours.is(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_sign_is_good_for_a_week_and_for_this_token_only() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let later = |seconds: i64| Timestamp::from_second(now.as_second() + seconds).unwrap();
        let ours = token("correct horse battery");
        let sign = ours.sign(now).unwrap();
        assert!(ours.knows(&sign, now));
        assert!(ours.knows(&sign, later(STAYS_SECONDS - 1)));
        assert!(!ours.knows(&sign, later(STAYS_SECONDS)));
        assert!(!token("another horse battery").knows(&sign, now));
        let (until, seal) = sign.split_once('.').unwrap();
        let longer = until.parse::<i64>().unwrap() + 1;
        for forged in [
            format!("{longer}.{seal}"),
            format!("{until}."),
            until.to_owned(),
            String::new(),
            format!("+{until}.{seal}x"),
        ] {
            assert!(!ours.knows(&forged, now), "{forged}");
        }
    }
}
