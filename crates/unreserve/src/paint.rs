//! Colours for people: the printer takes them out where they do not belong.

use anstyle::{AnsiColor, Style};

const HEADING: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const ALARM: Style = AnsiColor::Red.on_default().bold();
const CAUTION: Style = AnsiColor::Yellow.on_default().bold();

/// The title of a part.
pub(crate) fn heading(text: &str) -> String {
    format!("{HEADING}{text}{HEADING:#}")
}

/// All is well.
pub(crate) fn good(text: &str) -> String {
    format!("{GOOD}{text}{GOOD:#}")
}

/// Something wants to be looked at now.
pub(crate) fn alarm(text: &str) -> String {
    format!("{ALARM}{text}{ALARM:#}")
}

/// Something wants to be looked at.
pub(crate) fn caution(text: &str) -> String {
    format!("{CAUTION}{text}{CAUTION:#}")
}
