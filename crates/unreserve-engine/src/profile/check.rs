//! What a profile must get right by itself, before any database is asked: [`ProfileFile`] → [`Profile`].

use std::time::Duration;

use super::Text;
use super::file::{Columns, GuardSection, OrderSection, ProfileFile, ReservationSection, StockSection};
use super::problem::{Problem, Problems};
use super::value::{ConditionValue, ReleaseAct, SetValue, TimeColumn};
use crate::model::parse_duration;

/// A profile that makes sense by itself.
#[derive(Debug, Clone)]
pub struct Profile {
    /// What reports call the shop.
    pub name: String,
    /// What kind of shop it is for.
    pub description: Option<String>,
    /// The zone of date-time columns that carry none.
    pub time_zone: Option<Text>,
    /// The orders.
    pub order: OrderSection,
    /// What protects an order.
    pub guards: Vec<GuardSection>,
    /// The reservations.
    pub reservation: ReservationSection,
    /// The stock that reservations hold.
    pub stock: Vec<StockSection>,
    /// When a reservation expires.
    pub expiry: Expiry,
}

/// Which table an instant stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryHome {
    /// The reservation's.
    Reservation,
    /// The order's.
    Order,
}

/// When a reservation expires, as the profile says it.
#[derive(Debug, Clone)]
pub struct Expiry {
    /// The column with the instant of expiry.
    pub expires_at: Option<(ExpiryHome, TimeColumn)>,
    /// The column with the instant of creation.
    pub created_at: Option<(ExpiryHome, TimeColumn)>,
    /// How long after its creation a reservation expires, where no column holds the expiry.
    pub timeout: Duration,
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Checks what can be checked without a database.
///
/// # Errors
/// Everything that is wrong, each with its place.
pub fn check(file: ProfileFile) -> Result<Profile, Problems> {
    let mut problems = Vec::new();
    check_name(&file.name, &mut problems);
    if file.order.unpaid.is_empty() {
        problems.push(
            Problem::at(file.order.table.span(), "`order.unpaid` names no status, so nothing could ever be released")
                .hint("for example: unpaid = { status = [\"pending\"] }"),
        );
    }
    check_guards(&file.guard, &mut problems);
    check_reported(&file, &mut problems);
    check_reservation(&file.reservation, &mut problems);
    for (index, stock) in file.stock.iter().enumerate() {
        check_stock(stock, &mut problems);
        if file.stock.iter().take(index).any(|earlier| earlier.table == stock.table) {
            let message = format!("stock table `{}` is named twice", stock.table.get_ref());
            problems
                .push(Problem::at(stock.table.span(), message).hint("a reservation can hold one row of each table"));
        }
    }
    let expiry = expiry(&file, &mut problems);
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    Ok(Profile {
        name: file.name.into_inner(),
        description: file.description,
        time_zone: file.time_zone,
        order: file.order,
        guards: file.guard,
        reservation: file.reservation,
        stock: file.stock,
        expiry,
    })
}

fn check_name(name: &Text, problems: &mut Vec<Problem>) {
    let text = name.get_ref();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.is_empty() || text.len() > 60 || !text.chars().all(plain) {
        problems.push(Problem::at(
            name.span(),
            format!("`name` is `{text}`: 1 to 60 letters, digits, `-` and `_` are allowed"),
        ));
    }
}

fn check_guards(guards: &[GuardSection], problems: &mut Vec<Problem>) {
    const TAKEN: [&str; 6] = ["status", "locked", "busy", "not_due", "set_aside", "unreadable"];
    for (index, guard) in guards.iter().enumerate() {
        let name = guard.name.get_ref();
        if name.is_empty() || TAKEN.contains(&name.as_str()) {
            problems.push(Problem::at(
                guard.name.span(),
                format!("a guard cannot be called `{name}`: reports use that word for something else"),
            ));
        }
        if guards.iter().take(index).any(|earlier| earlier.name == guard.name) {
            problems.push(Problem::at(guard.name.span(), format!("two guards are called `{name}`")));
        }
        if guard.conditions.is_empty() {
            problems.push(
                Problem::at(
                    guard.name.span(),
                    format!("guard `{name}` has no condition in `where`, so it would protect every order with a row"),
                )
                .hint("if that is meant, name a condition that always holds, such as { id = \"$not_null\" }"),
            );
        }
        match (&guard.table, &guard.order) {
            (Some(table), None) => problems.push(
                Problem::at(
                    table.span(),
                    format!("guard `{name}` names a table but not the column that holds the order's key"),
                )
                .hint("add order = \"…\""),
            ),
            (None, Some(order)) => problems.push(
                Problem::at(order.span(), format!("guard `{name}` names the order's column but no table"))
                    .hint("add table = \"…\", or leave `order` out to test the order's own columns"),
            ),
            _ => {}
        }
    }
}

/// What only the report reads.
fn check_reported(file: &ProfileFile, problems: &mut Vec<Problem>) {
    let order = &file.order;
    let mut paid_at = order.paid_at.iter().chain(file.guard.iter().filter_map(|guard| guard.paid_at.as_ref()));
    if let (Some(first), true) = (paid_at.next(), order.created_at.is_none()) {
        problems.push(
            Problem::at(first.column.span(), "`paid_at` tells nothing without `order.created_at` to count from")
                .hint("add created_at = \"…\" under [order], or leave `paid_at` out"),
        );
    }
    if let Some(second) = paid_at.next() {
        problems.push(
            Problem::at(second.column.span(), "`paid_at` is named twice")
                .hint("name it once: under [order], or under the guard whose rows tell it"),
        );
    }
    if let (Some(amount), true) = (&order.amount, order.amount_scale > 6) {
        let message = format!("`amount_scale` is {}, at most 6 is allowed", order.amount_scale);
        problems.push(Problem::at(amount.span(), message));
    }
    let currency = order.currency.as_ref().or(order.currency_code.as_ref());
    if let (Some(currency), None) = (currency, &order.amount) {
        problems.push(
            Problem::at(currency.span(), "a currency is named, but no `amount`")
                .hint("add amount = \"…\" under [order]"),
        );
    }
    if let Some(code) = &order.currency_code {
        if order.currency.is_some() {
            problems.push(
                Problem::at(code.span(), "`currency_code` has no meaning beside `currency`, which names a column")
                    .hint("leave one of the two out"),
            );
        }
        let text = code.get_ref();
        if text.is_empty() || text.len() > 10 || !text.chars().all(|letter| letter.is_ascii_alphanumeric()) {
            let message = format!("`currency_code` is `{text}`: 1 to 10 letters and digits are allowed, such as `EUR`");
            problems.push(Problem::at(code.span(), message));
        }
    }
}

fn check_reservation(reservation: &ReservationSection, problems: &mut Vec<Problem>) {
    if let Columns::Several(columns) = &reservation.key
        && columns.is_empty()
    {
        problems.push(Problem::at(reservation.table.span(), "`reservation.key` names no column"));
    }
    if reservation.quantity_scale > 6 {
        problems.push(Problem::at(
            reservation.quantity.span(),
            format!("`quantity_scale` is {}, at most 6 is allowed", reservation.quantity_scale),
        ));
    }
    let ReleaseAct::Mark(sets) = &reservation.release else { return };
    let ends = sets.iter().any(|(column, value)| {
        reservation.active.get(column).is_some_and(|active| !still_holds(active.get_ref(), value.get_ref()))
    });
    if !ends {
        problems.push(
            Problem::at(
                reservation.table.span(),
                "after `reservation.release` the row would still be active, so it would be released again and again",
            )
            .hint("`release` must set a column of `active` to a value that is not active, or be \"delete\""),
        );
    }
}

/// Whether a column that was set so still meets the condition.
fn still_holds(condition: &ConditionValue, value: &SetValue) -> bool {
    match (condition, value) {
        (ConditionValue::OneOf(values), SetValue::Literal(literal)) => values.contains(literal),
        (ConditionValue::OneOf(_), SetValue::Now | SetValue::Null) => false,
        (ConditionValue::Null, value) => *value == SetValue::Null,
        (ConditionValue::NotNull, value) => *value != SetValue::Null,
    }
}

fn check_stock(stock: &StockSection, problems: &mut Vec<Problem>) {
    let table = stock.table.get_ref();
    if stock.key.is_empty() {
        problems.push(
            Problem::at(stock.table.span(), format!("stock table `{table}` has no key"))
                .hint("for example: key = { id = \"variant_id\" } (stock column = reservation column)"),
        );
    }
    if stock.reserved.is_none() && stock.on_hand.is_none() {
        problems.push(
            Problem::at(stock.table.span(), format!("stock table `{table}` names no counter"))
                .hint("name `reserved` (goes down) or `on_hand` (goes up), or leave the table out"),
        );
    }
    for column in stock.set.keys() {
        let counter = [&stock.reserved, &stock.on_hand].into_iter().flatten().any(|counter| counter == column);
        if counter || stock.key.contains_key(column) {
            problems.push(Problem::at(
                column.span(),
                format!("`stock.set` writes `{}`, which is a counter or a key of the table", column.get_ref()),
            ));
        }
    }
}

fn expiry(file: &ProfileFile, problems: &mut Vec<Problem>) -> Expiry {
    let OrderSection { expires_at: on_order, created_at: born_on_order, .. } = &file.order;
    let reservation = &file.reservation;
    let home = |own: &Option<TimeColumn>, orders: &Option<TimeColumn>| match (own, orders) {
        (Some(column), _) => Some((ExpiryHome::Reservation, column.clone())),
        (None, Some(column)) => Some((ExpiryHome::Order, column.clone())),
        (None, None) => None,
    };
    let expires_at = home(&reservation.expires_at, on_order);
    let created_at = home(&reservation.created_at, born_on_order);
    if expires_at.is_none() && created_at.is_none() {
        problems.push(
            Problem::at(reservation.table.span(), "the profile does not say when a reservation expires")
                .hint("name `expires_at`, or `created_at` (with `timeout`, 15m by default)"),
        );
    }
    let timeout = match &reservation.timeout {
        None => DEFAULT_TIMEOUT,
        Some(text) => parse_duration(text.get_ref()).unwrap_or_else(|error| {
            problems.push(Problem::at(text.span(), error.to_string()));
            DEFAULT_TIMEOUT
        }),
    };
    if let (Some(text), true) = (&reservation.timeout, expires_at.is_some()) {
        problems.push(
            Problem::at(
                text.span(),
                "`timeout` has no meaning beside `expires_at`, which says when a reservation expires",
            )
            .hint("leave one of the two out"),
        );
    }
    Expiry { expires_at, created_at, timeout }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::parse;

    const PROFILE: &str = r#"
name = "x"
[order]
table = "orders"
key = "id"
unpaid = { state = 1 }
ORDER
[[guard]]
name = "payment"
table = "payments"
order = "order_id"
where = { state = 1 }
GUARD
[reservation]
table = "held"
key = "id"
order = "order_id"
quantity = "pieces"
expires_at = "until"
release = "delete"
"#;

    fn told(order: &str, guard: &str) -> Vec<String> {
        let text = PROFILE.replace("ORDER", order).replace("GUARD", guard);
        match check(parse(&text).unwrap()) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.0.into_iter().map(|problem| problem.message).collect(),
        }
    }

    #[test]
    fn what_only_the_report_reads_must_make_sense_by_itself() {
        let paid = "paid_at = \"paid\"";
        assert_eq!(told("created_at = \"made\"", paid), [""; 0]);
        assert_eq!(told("amount = \"total\"\namount_scale = 6\ncurrency_code = \"EUR\"", ""), [""; 0]);
        for (order, guard, says) in [
            ("", paid, "`paid_at` tells nothing without `order.created_at`"),
            (paid, "", "`paid_at` tells nothing"),
            ("created_at = \"made\"\npaid_at = \"paid\"", paid, "`paid_at` is named twice"),
            ("amount = \"total\"\namount_scale = 7", "", "`amount_scale` is 7, at most 6"),
            ("currency = \"money\"", "", "a currency is named, but no `amount`"),
            ("amount = \"total\"\ncurrency_code = \"E R\"", "", "`currency_code` is `E R`"),
            ("amount = \"total\"\ncurrency = \"money\"\ncurrency_code = \"EUR\"", "", "no meaning beside `currency`"),
        ] {
            let told = told(order, guard);
            assert!(told.len() == 1 && told[0].contains(says), "{order} {guard}: {told:?}");
        }
    }
}
