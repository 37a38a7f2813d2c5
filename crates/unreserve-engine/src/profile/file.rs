//! The profile as it is written: TOML → [`ProfileFile`].

use std::collections::BTreeMap;

use serde::Deserialize;

use super::problem::{Problem, Problems};
use super::value::{Conditions, ReleaseAct, Sets, TimeColumn};
use super::{Text, nearest};

/// A profile file, with the place of everything in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileFile {
    /// See [`FIELDS`], like every field below.
    pub name: Text,
    /// What kind of shop it is for.
    pub description: Option<String>,
    /// The zone of date-time columns that carry none.
    pub time_zone: Option<Text>,
    /// The orders.
    pub order: OrderSection,
    /// What means that money has come or may be coming.
    #[serde(default)]
    pub guard: Vec<GuardSection>,
    /// The reservations.
    pub reservation: ReservationSection,
    /// The stock that reservations hold.
    #[serde(default)]
    pub stock: Vec<StockSection>,
}

/// `[order]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderSection {
    /// The table.
    pub table: Text,
    /// The key column.
    pub key: Text,
    /// The column with the number people use.
    pub number: Option<Text>,
    /// The statuses that mean unpaid.
    pub unpaid: Conditions,
    /// The statuses that mean cancelled already.
    #[serde(default)]
    pub cancelled: Conditions,
    /// What cancelling writes.
    #[serde(default)]
    pub cancel: Sets,
    /// The column with the instant of expiry, where it stands on the order.
    pub expires_at: Option<TimeColumn>,
    /// The column with the instant of creation, where it stands on the order.
    pub created_at: Option<TimeColumn>,
    /// The statuses that mean paid.
    #[serde(default)]
    pub paid: Conditions,
    /// The column with the instant of payment, where it stands on the order.
    pub paid_at: Option<TimeColumn>,
    /// The column with what the order is worth.
    pub amount: Option<Text>,
    /// The digits of an amount after the decimal point.
    #[serde(default = "amount_scale")]
    pub amount_scale: u8,
    /// The column with the currency of the amount.
    pub currency: Option<Text>,
    /// The currency of every amount.
    pub currency_code: Option<Text>,
}

/// Most currencies have a hundred small units.
fn amount_scale() -> u8 {
    2
}

/// `[[guard]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardSection {
    /// What reports call it.
    pub name: Text,
    /// The table; the order's own where it is left out.
    pub table: Option<Text>,
    /// The column that holds the order's key.
    pub order: Option<Text>,
    /// What a row must hold to protect its order.
    #[serde(rename = "where")]
    pub conditions: Conditions,
    /// The column of its row with the instant of payment.
    pub paid_at: Option<TimeColumn>,
}

/// `[reservation]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReservationSection {
    /// The table.
    pub table: Text,
    /// The key column or columns.
    pub key: Columns,
    /// The column that holds the order's key.
    pub order: Text,
    /// The column with the quantity.
    pub quantity: Text,
    /// The digits after the decimal point.
    #[serde(default)]
    pub quantity_scale: u8,
    /// The column with the instant of expiry.
    pub expires_at: Option<TimeColumn>,
    /// The column with the instant of creation.
    pub created_at: Option<TimeColumn>,
    /// How long after its creation a reservation expires.
    pub timeout: Option<Text>,
    /// What a row holds while it holds stock.
    #[serde(default)]
    pub active: Conditions,
    /// What a row holds once its stock was sold.
    #[serde(default)]
    pub fulfilled: Conditions,
    /// What a release does to the row.
    pub release: ReleaseAct,
}

/// `[[stock]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockSection {
    /// The table.
    pub table: Text,
    /// Its key columns, each with the reservation's column that holds its value.
    pub key: BTreeMap<Text, Text>,
    /// The counter that goes down.
    pub reserved: Option<Text>,
    /// The counter that goes up.
    pub on_hand: Option<Text>,
    /// What else a release writes.
    #[serde(default)]
    pub set: Sets,
}

/// One column or several.
#[derive(Debug, Clone)]
pub enum Columns {
    /// One column.
    One(Text),
    /// Several columns, in this order.
    Several(Vec<Text>),
}

impl Columns {
    /// The columns in order.
    #[must_use]
    pub fn list(&self) -> Vec<&Text> {
        match self {
            Self::One(column) => vec![column],
            Self::Several(columns) => columns.iter().collect(),
        }
    }
}

/// What the reference says of one field of a profile.
#[derive(Debug, Clone, Copy)]
pub struct FieldDoc {
    /// Where it stands: `order.key`, `guard.where`.
    pub field: &'static str,
    /// Whether it must be there, and its default where not.
    pub need: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

const fn field(field: &'static str, need: &'static str, meaning: &'static str) -> FieldDoc {
    FieldDoc { field, need, meaning }
}

/// Every field of a profile: the reference page is made of this.
pub const FIELDS: &[FieldDoc] = &[
    field("name", "required", "What reports call this shop: letters, digits, `-` and `_`."),
    field("description", "optional", "What kind of shop it is for; shown by `profile list`."),
    field(
        "time_zone",
        "optional",
        "The zone of date-time columns that carry none, as `UTC`, `+02:00` or a name such as `Europe/Vienna`. Without it such columns must prove themselves: the newest row has to lie within the last ten minutes when read as UTC.",
    ),
    field("order.table", "required", "The orders' table, as `table` or `schema.table`."),
    field("order.key", "required", "Its key column."),
    field("order.number", "optional", "The column with the number that people know an order by."),
    field(
        "order.unpaid",
        "required",
        "Columns and the values that mean unpaid; all must hold. Any other value protects the order.",
    ),
    field(
        "order.cancelled",
        "optional",
        "Columns and the values that mean cancelled already: the order's stock is given back, its row is not written.",
    ),
    field("order.cancel", "optional", "What cancelling writes to the order. Without it orders are never written."),
    field("order.expires_at", "optional", "The column with the instant of expiry, where it stands on the order."),
    field(
        "order.created_at",
        "optional",
        "The column with the instant of the order's creation. `report` counts orders by it; expiry is counted from it where the reservation has no `created_at`.",
    ),
    field(
        "order.paid",
        "optional",
        "Columns and the values that mean paid, also where the money was given back later. Only `report` reads it: to count paid orders.",
    ),
    field(
        "order.paid_at",
        "optional",
        "The column with the instant of payment, where it stands on the order; NULL while it is not paid. Only `report` reads it: to tell the time from order to payment. It needs `order.created_at`.",
    ),
    field(
        "order.amount",
        "optional",
        "The column with what the order is worth: a decimal number, or a whole number of the smallest unit (cents). Only `report` reads it.",
    ),
    field("order.amount_scale", "default: 2", "Digits of an amount after the decimal point, 0 to 6."),
    field("order.currency", "optional", "The column with the amount's currency."),
    field("order.currency_code", "optional", "The currency of every amount, such as `EUR`, where no column says it."),
    field(
        "guard",
        "optional, repeated",
        "What means that money has come or may be coming. Any guard that holds protects the order.",
    ),
    field("guard.name", "required", "What reports call it: `payment`."),
    field("guard.table", "default: the order's table", "The table whose rows are the evidence."),
    field("guard.order", "required with `guard.table`", "The column of that table that holds the order's key."),
    field("guard.where", "required", "Columns and values; a row that holds all of them protects its order."),
    field(
        "guard.paid_at",
        "optional",
        "The column of that row with the instant of payment; where an order has several such rows, the earliest counts. Only `report` reads it, and only one guard may name it.",
    ),
    field("reservation.table", "required", "The reservations' table."),
    field("reservation.key", "required", "Its key column, or a list of columns."),
    field("reservation.order", "required", "The column that holds the order's key."),
    field("reservation.quantity", "required", "The column with the quantity held."),
    field(
        "reservation.quantity_scale",
        "default: 0",
        "Digits after the decimal point that quantities and counters keep, 0 to 6.",
    ),
    field(
        "reservation.expires_at",
        "see below",
        "The column with the instant of expiry: a name, or `{ column = \"…\", time = \"…\" }` where `time` is `UTC`, a zone, `epoch_seconds` or `epoch_milliseconds`.",
    ),
    field(
        "reservation.created_at",
        "see below",
        "The column with the instant of creation; needed for `timeout` and for `--timeout`.",
    ),
    field(
        "reservation.timeout",
        "default: 15m",
        "How long after its creation a reservation expires, where no column holds the expiry.",
    ),
    field(
        "reservation.active",
        "optional",
        "Columns and the values that mean the row still holds stock. Without it every row does.",
    ),
    field(
        "reservation.fulfilled",
        "optional",
        "Columns and the values that mean the row's stock was sold. Only `report` reads it: to tell fulfilled reservations from others that the shop ended itself.",
    ),
    field(
        "reservation.release",
        "required",
        "`\"delete\"`, or what a release writes to the row; afterwards the row must no longer be active.",
    ),
    field(
        "stock",
        "optional, repeated",
        "A table with counters that a release moves. A reservation holds the row whose key it names; where its columns are NULL it holds nothing there.",
    ),
    field("stock.table", "required", "The table."),
    field("stock.key", "required", "Its key columns, each with the reservation's column that holds its value."),
    field(
        "stock.reserved",
        "one of the two",
        "The counter that goes down by the quantity, never below 0; what it lacks is recorded as drift.",
    ),
    field("stock.on_hand", "one of the two", "The counter that goes up by the quantity."),
    field("stock.set", "optional", "What else a release writes to the row, such as `{ updated_at = \"$now\" }`."),
];

/// Reads a profile's text.
///
/// # Errors
/// The text is not TOML, or has unknown, missing or wrongly typed fields; each with its place.
pub fn parse(text: &str) -> Result<ProfileFile, Problems> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let message = error.message().trim_end().replace('\n', ", ");
        let hint = unknown_field(&message);
        let problem = Problem { message, span: error.span(), hint };
        Problems::from(problem)
    })
}

/// For `unknown field` errors: the field that was probably meant.
fn unknown_field(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field `")?;
    let (wanted, rest) = rest.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2);
    nearest(wanted, known).map(|name| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_names_its_place_and_the_likely_one() {
        let text = "name = \"x\"\n[order]\ntabel = \"orders\"\n";
        let problems = parse(text).unwrap_err();
        let problem = &problems.0[0];
        assert!(problem.message.starts_with("unknown field `tabel`"), "{}", problem.message);
        assert_eq!(&text[problem.span.clone().unwrap()], "tabel");
        assert_eq!(problem.hint.as_deref(), Some("did you mean `table`?"));
    }
}
