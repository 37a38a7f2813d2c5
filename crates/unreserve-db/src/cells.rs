//! Reads the cells of an answer's row, whatever the driver.

use jiff::Timestamp;
use unreserve_engine::model::Key;
use unreserve_engine::shop::{ShopError, ShopErrorKind};

/// A row, as each dialect reads it. An error names the statement.
pub(crate) trait Cells {
    /// A text; nothing for NULL.
    fn text(&self, index: usize, statement: &'static str) -> Result<Option<String>, ShopError>;

    /// A text that people see and nothing is looked up by; nothing for NULL. Bytes that are no text are replaced: what an
    /// order is called must not keep it, and all that are locked with it, from being dealt with.
    fn shown(&self, index: usize, statement: &'static str) -> Result<Option<String>, ShopError> {
        self.text(index, statement)
    }

    /// A whole number; nothing for NULL.
    fn integer(&self, index: usize, statement: &'static str) -> Result<Option<i64>, ShopError>;

    /// Whether a condition holds; NULL does not.
    fn is_true(&self, index: usize, statement: &'static str) -> Result<bool, ShopError>;

    /// An instant as this dialect sends it; nothing for NULL, and where no calendar reaches.
    fn instant(&self, index: usize, statement: &'static str) -> Result<Option<Timestamp>, ShopError>;
}

/// A condition's value; NULL is not true.
pub(crate) fn read_flag(row: &impl Cells, index: usize, statement: &'static str) -> Result<bool, ShopError> {
    row.is_true(index, statement)
}

/// A key of `columns` parts that begins at `index`; nothing where a part is NULL.
pub(crate) fn read_key(
    row: &impl Cells,
    index: usize,
    columns: usize,
    statement: &'static str,
) -> Result<Option<Key>, ShopError> {
    let mut parts = Vec::with_capacity(columns);
    for column in index..index.saturating_add(columns) {
        match row.text(column, statement)? {
            Some(part) => parts.push(part),
            None => return Ok(None),
        }
    }
    Ok(Some(Key::of(parts)))
}

/// A key that cannot be NULL.
pub(crate) fn read_whole_key(
    row: &impl Cells,
    index: usize,
    columns: usize,
    statement: &'static str,
) -> Result<Key, ShopError> {
    read_key(row, index, columns, statement)?
        .ok_or_else(|| ShopError::new(ShopErrorKind::Constraint, "a key column is NULL").during(statement))
}

/// An instant; nothing for NULL.
pub(crate) fn read_instant(
    row: &impl Cells,
    index: usize,
    statement: &'static str,
) -> Result<Option<Timestamp>, ShopError> {
    row.instant(index, statement)
}

/// An instant that cannot be NULL.
pub(crate) fn read_own_instant(
    row: &impl Cells,
    index: usize,
    statement: &'static str,
) -> Result<Timestamp, ShopError> {
    row.instant(index, statement)?
        .ok_or_else(|| ShopError::new(ShopErrorKind::Other, "the answer holds no instant").during(statement))
}

/// A count, which the database keeps signed.
pub(crate) fn read_count(row: &impl Cells, index: usize, statement: &'static str) -> Result<u64, ShopError> {
    Ok(u64::try_from(read_sum(row, index, statement)?).unwrap_or(0))
}

/// A sum, which is NULL over no rows.
pub(crate) fn read_sum(row: &impl Cells, index: usize, statement: &'static str) -> Result<i64, ShopError> {
    Ok(row.integer(index, statement)?.unwrap_or(0))
}

/// A count as a database keeps it.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The one row of a statement that gives exactly one.
pub(crate) fn only_row<R>(rows: Vec<R>, statement: &'static str) -> Result<R, ShopError> {
    rows.into_iter()
        .next()
        .ok_or_else(|| ShopError::new(ShopErrorKind::Other, "the database gave no row").during(statement))
}
