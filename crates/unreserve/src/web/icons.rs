//! The few pictures of the page, drawn in lines that take the colour of the text beside them.

/// Opens a picture of 24 by 24 that screen readers pass over.
macro_rules! drawn {
    ($lines:literal) => {
        concat!(
            r#"<svg viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">"#,
            $lines,
            "</svg>"
        )
    };
}

/// A box that goes back to its shelf.
pub(crate) const BRAND: &str = drawn!(
    r#"<path d="M3 20h18"/><path d="M6 20v-7h7v7"/><path d="M9.5 9a5 5 0 0 1 9 3v3.5"/><path d="m15.5 13 3 3 3-3"/>"#
);
/// Half light, half dark.
pub(crate) const THEME: &str =
    drawn!(r#"<circle cx="12" cy="12" r="8.5"/><path d="M12 3.5v17a8.5 8.5 0 0 0 0-17Z" fill="currentColor"/>"#);
/// As it should be.
pub(crate) const OK: &str = drawn!(r#"<path d="m5.5 12.5 4.5 4.5 8.5-9.5"/>"#);
/// Stock comes back.
pub(crate) const BUSY: &str = drawn!(
    r#"<path d="M5 12a7 7 0 0 1 12-5l2 2"/><path d="M19 4.5V9h-4.5"/><path d="M19 12a7 7 0 0 1-12 5l-2-2"/><path d="M5 19.5V15h4.5"/>"#
);
/// It wants to be looked at.
pub(crate) const WARNING: &str = drawn!(r#"<path d="M12 5.5v8"/><path d="M12 17.8v.2"/>"#);
/// It wants to be looked at now.
pub(crate) const CRITICAL: &str = drawn!(r#"<path d="m7 7 10 10"/><path d="M17 7 7 17"/>"#);
/// It is not known.
pub(crate) const UNKNOWN: &str =
    drawn!(r#"<path d="M8.8 9.2a3.3 3.3 0 1 1 4.6 3c-.9.4-1.4 1-1.4 1.8"/><path d="M12 17.5v.2"/>"#);
/// Something protects it.
pub(crate) const SHIELD: &str = drawn!(r#"<path d="M12 4.5 6 7v5c0 3.8 2.5 6.3 6 7.5 3.5-1.2 6-3.7 6-7.5V7Z"/>"#);
/// A box.
pub(crate) const BOX: &str =
    drawn!(r#"<path d="M5 8.5 12 5l7 3.5v7L12 19l-7-3.5Z"/><path d="M5 8.5 12 12l7-3.5"/><path d="M12 12v7"/>"#);
/// A clock.
pub(crate) const CLOCK: &str = drawn!(r#"<circle cx="12" cy="12" r="7.5"/><path d="M12 8v4.3l2.8 1.7"/>"#);
/// A gauge.
pub(crate) const OVERVIEW: &str = drawn!(r#"<path d="M4 17a8 8 0 1 1 16 0"/><path d="m12 17 3.5-5.5"/>"#);
/// Lines of a ledger.
pub(crate) const SWEEPS: &str =
    drawn!(r#"<path d="M5 6h14"/><path d="M5 11h14"/><path d="M5 16h9"/><path d="m16 18 2 2 3.5-4"/>"#);
/// A lens.
pub(crate) const ORDERS: &str = drawn!(r#"<circle cx="10.5" cy="10.5" r="6"/><path d="m15 15 5 5"/>"#);
/// Boxes on a shelf.
pub(crate) const STOCK: &str =
    drawn!(r#"<path d="M3 20h18"/><path d="M5 20v-6h6v6"/><path d="M13 20v-6h6v6"/><path d="M9 14V8h6v6"/>"#);
/// A pulse.
pub(crate) const HEALTH: &str = drawn!(r#"<path d="M3 12.5h4l2.5-6 4.5 12 2.5-6H21"/>"#);
/// Two sliders.
pub(crate) const SETTINGS: &str = drawn!(
    r#"<path d="M4 8h9"/><path d="M19 8h1"/><circle cx="16" cy="8" r="2.5"/><path d="M4 16h1"/><path d="M11 16h9"/><circle cx="8" cy="16" r="2.5"/>"#
);
