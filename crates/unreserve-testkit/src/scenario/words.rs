//! The words of one line, from left to right.

use unreserve_engine::model::parse_duration;

/// A line's words; commas and colons only part them.
pub(super) struct Words<'a> {
    words: Vec<&'a str>,
    place: usize,
}

impl<'a> Words<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        let words =
            line.split_whitespace().map(|word| word.trim_end_matches([',', ':'])).filter(|word| !word.is_empty());
        Self { words: words.collect(), place: 0 }
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.place).copied();
        if word.is_some() {
            self.place = self.place.saturating_add(1);
        }
        word
    }

    /// Takes the words if they come next.
    pub(super) fn take(&mut self, words: &str) -> bool {
        let wanted: Vec<&str> = words.split(' ').collect();
        let end = self.place.saturating_add(wanted.len());
        if self.words.get(self.place..end) == Some(wanted.as_slice()) {
            self.place = end;
            return true;
        }
        false
    }

    /// The words must come next.
    pub(super) fn must(&mut self, words: &str) -> Result<(), String> {
        if self.take(words) { Ok(()) } else { Err(format!("expected `{words}` {}", self.instead())) }
    }

    pub(super) fn word(&mut self, what: &str) -> Result<&'a str, String> {
        let instead = self.instead();
        self.next().ok_or_else(|| format!("expected {what} {instead}"))
    }

    pub(super) fn number(&mut self, what: &str) -> Result<i64, String> {
        let word = self.word(what)?;
        word.parse().map_err(|_| format!("expected {what}, which is a whole number, instead of `{word}`"))
    }

    pub(super) fn count(&mut self, what: &str) -> Result<u64, String> {
        u64::try_from(self.number(what)?).map_err(|_| format!("{what} cannot be negative"))
    }

    /// A number, or `null`.
    pub(super) fn maybe(&mut self, what: &str) -> Result<Option<i64>, String> {
        if self.take("null") { Ok(None) } else { self.number(what).map(Some) }
    }

    /// A span such as `30m`, `1h30m` or `10y`, in seconds.
    pub(super) fn seconds(&mut self, what: &str) -> Result<i64, String> {
        let word = self.word(what)?;
        let seconds = match word.strip_suffix('y') {
            Some(years) => years.parse::<i64>().ok().and_then(|years| years.checked_mul(365 * 86_400)),
            None => parse_duration(word).ok().and_then(|span| i64::try_from(span.as_secs()).ok()),
        };
        seconds.ok_or_else(|| format!("expected {what}, such as `30m` or `10y`, instead of `{word}`"))
    }

    /// Nothing may follow.
    pub(super) fn end(&mut self) -> Result<(), String> {
        if self.place < self.words.len() { Err(format!("expected nothing more {}", self.instead())) } else { Ok(()) }
    }

    fn instead(&self) -> String {
        match self.words.get(self.place) {
            Some(word) => format!("instead of `{word}`"),
            None => "at the end of the line".to_owned(),
        }
    }
}
