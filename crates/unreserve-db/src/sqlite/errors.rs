//! Sorts the driver's errors by what to do about them.

use std::path::Path;

use sqlx::Error;
use sqlx::error::DatabaseError;
use unreserve_engine::shop::{ShopError, ShopErrorKind};

/// An error of one statement.
pub(super) fn statement_error(error: &Error, statement: &'static str) -> ShopError {
    sort(error).during(statement)
}

/// An error while opening the file: what is refused then is a matter of the settings.
pub(super) fn connect_error(error: &Error, path: &Path) -> ShopError {
    let sorted = sort(error);
    let kind = match sorted.kind {
        ShopErrorKind::LockTimeout | ShopErrorKind::Retry | ShopErrorKind::Disconnected => sorted.kind,
        _ => ShopErrorKind::Refused,
    };
    ShopError {
        kind,
        message: format!("the database file `{}` cannot be opened: {}", path.display(), sorted.message),
        ..sorted
    }
}

fn sort(error: &Error) -> ShopError {
    match error {
        Error::Database(error) => database_error(error.as_ref()),
        Error::Io(source) => ShopError::new(
            ShopErrorKind::Disconnected,
            format!("the database file cannot be read or written: {source}"),
        ),
        Error::Protocol(_) | Error::WorkerCrashed | Error::PoolClosed | Error::PoolTimedOut => {
            ShopError::new(ShopErrorKind::Disconnected, "the connection to the database broke off")
        }
        Error::ColumnDecode { index, source } => ShopError::new(
            ShopErrorKind::SchemaChanged,
            format!("column {index} of the answer has an unexpected type: {source}"),
        ),
        other => ShopError::new(ShopErrorKind::Other, one_line(&other.to_string())),
    }
}

fn database_error(error: &dyn DatabaseError) -> ShopError {
    let code = error.code().map(|code| code.to_string()).unwrap_or_default();
    let kind = kind_of(code.parse().unwrap_or(-1), error.message());
    let sorted = ShopError { kind, code: Some(code), message: one_line(error.message()), statement: None, hint: None };
    match kind {
        ShopErrorKind::Full => sorted.hint("make room on the disk of the database file; nothing of the batch was kept"),
        ShopErrorKind::ReadOnly => {
            sorted.hint("the file and its directory must be writable, since the journal stands beside the file")
        }
        ShopErrorKind::SchemaChanged => {
            sorted.hint("`unreserve profile check` compares the profile with the live schema")
        }
        ShopErrorKind::LockTimeout => sorted.hint("another program holds the file's only write lock"),
        ShopErrorKind::Refused => sorted.hint("is this the shop's database file?"),
        _ => sorted,
    }
}

/// The result codes: <https://www.sqlite.org/rescode.html>. The low byte is the family, the rest tells more.
fn kind_of(code: i32, message: &str) -> ShopErrorKind {
    match code {
        // BUSY_RECOVERY, BUSY_SNAPSHOT, PROTOCOL, SCHEMA: the same again will do.
        261 | 517 | 15 | 17 => return ShopErrorKind::Retry,
        // IOERR_WRITE and IOERR_SHMSIZE: what a quota or a full disk comes to where FULL is not said.
        778 | 4_874 => return ShopErrorKind::Full,
        // READONLY_DBMOVED: the file at this path is another one now; open that.
        1_032 => return ShopErrorKind::Disconnected,
        _ => {}
    }
    match code & 0xff {
        1 => general(message),
        3 | 23 => ShopErrorKind::Permission,
        5 | 6 => ShopErrorKind::LockTimeout,
        8 | 14 => ShopErrorKind::ReadOnly,
        // INTERRUPT is our own doing, after a deadline.
        9 | 10 => ShopErrorKind::Disconnected,
        13 => ShopErrorKind::Full,
        // TOOBIG, CONSTRAINT (triggers that raise included), MISMATCH: one order's own trouble.
        18..=20 => ShopErrorKind::Constraint,
        26 => ShopErrorKind::Refused,
        _ => ShopErrorKind::Other,
    }
}

/// Code 1 says nothing: the text has to.
fn general(message: &str) -> ShopErrorKind {
    let says = |words: &str| message.contains(words);
    if says("no such table") || says("no such column") || says("has no column named") || says("no such function") {
        ShopErrorKind::SchemaChanged
    } else if says("integer overflow") || says("malformed JSON") {
        ShopErrorKind::Constraint
    } else {
        ShopErrorKind::Other
    }
}

/// A trigger may raise any text: the ledger and the logs take one line of it.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_leads_to_the_right_act() {
        let rows = [
            (5, "database is locked", ShopErrorKind::LockTimeout),
            (6, "database table is locked", ShopErrorKind::LockTimeout),
            (773, "database is locked", ShopErrorKind::LockTimeout),
            (261, "database is locked", ShopErrorKind::Retry),
            (517, "database is locked", ShopErrorKind::Retry),
            (13, "database or disk is full", ShopErrorKind::Full),
            (778, "disk I/O error", ShopErrorKind::Full),
            (10, "disk I/O error", ShopErrorKind::Disconnected),
            (266, "disk I/O error", ShopErrorKind::Disconnected),
            (9, "interrupted", ShopErrorKind::Disconnected),
            (8, "attempt to write a readonly database", ShopErrorKind::ReadOnly),
            (1_544, "attempt to write a readonly database", ShopErrorKind::ReadOnly),
            (1_032, "attempt to write a readonly database", ShopErrorKind::Disconnected),
            (14, "unable to open database file", ShopErrorKind::ReadOnly),
            (275, "CHECK constraint failed: reserved", ShopErrorKind::Constraint),
            (1_811, "the trigger says no", ShopErrorKind::Constraint),
            (787, "FOREIGN KEY constraint failed", ShopErrorKind::Constraint),
            (1, "integer overflow", ShopErrorKind::Constraint),
            (1, "no such table: orders", ShopErrorKind::SchemaChanged),
            (1, "no such column: o.paid", ShopErrorKind::SchemaChanged),
            (1, "near \"X\": syntax error", ShopErrorKind::Other),
            (26, "file is not a database", ShopErrorKind::Refused),
            (11, "database disk image is malformed", ShopErrorKind::Other),
            (-1, "", ShopErrorKind::Other),
        ];
        for (code, message, kind) in rows {
            assert_eq!(kind_of(code, message), kind, "{code} {message}");
        }
    }
}
