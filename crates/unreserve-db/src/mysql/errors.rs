//! Sorts the driver's errors by what to do about them.

use sqlx::Error;
use sqlx::mysql::MySqlDatabaseError;
use unreserve_engine::shop::{ShopError, ShopErrorKind};

/// A lock that was not to be had: after a wait, or at once where none was allowed.
pub(super) const LOCK_WAIT: [&str; 2] = ["1205", "3572"];

/// An error of one statement.
pub(super) fn statement_error(error: &Error, statement: &'static str) -> ShopError {
    const SEARCHES: [&str; 9] = [
        "outlook",
        "clock_evidence",
        "guarded",
        "unseen",
        "find_due",
        "find_due_after",
        "find_due_of",
        "examine_orders",
        "examine_reservations",
    ];
    let sorted = sort(error).during(statement);
    if matches!(sorted.code.as_deref(), Some("1969" | "3024")) && SEARCHES.contains(&statement) {
        return sorted.hint(
            "an index may be missing: `unreserve profile check` prints the statements that create those a sweep needs",
        );
    }
    sorted
}

/// An error while connecting: whatever the server refuses then is a matter of the settings.
pub(super) fn connect_error(error: &Error) -> ShopError {
    let sorted = sort(error);
    let (kind, hint) = match (sorted.kind, sorted.code.as_deref()) {
        (_, Some("1045" | "1698" | "1524" | "2059")) => (
            ShopErrorKind::Refused,
            "check the user name and the password in the database address, and from which hosts that user may connect",
        ),
        (_, Some("1044")) => {
            (ShopErrorKind::Refused, "check the database's name in the address, and what the user was granted")
        }
        (_, Some("1049")) => (ShopErrorKind::Refused, "check the database's name in the address"),
        (_, Some("1040" | "1203" | "1226")) => {
            (ShopErrorKind::Disconnected, "the server has no connection left; unreserve needs one")
        }
        (ShopErrorKind::Disconnected, _) => (
            ShopErrorKind::Disconnected,
            "is the server running, and are host and port right? a firewall may be in the way",
        ),
        (ShopErrorKind::Refused, _) => {
            (ShopErrorKind::Refused, "check the database address: mysql://user:password@host:port/database")
        }
        _ => return sorted,
    };
    ShopError { kind, ..sorted }.hint(hint)
}

fn sort(error: &Error) -> ShopError {
    match error {
        Error::Database(error) => match error.try_downcast_ref::<MySqlDatabaseError>() {
            Some(error) => database_error(error.number(), error.code().unwrap_or(""), error.message()),
            None => ShopError::new(ShopErrorKind::Other, one_line(error.message())),
        },
        Error::Configuration(source) => {
            ShopError::new(ShopErrorKind::Refused, format!("the database address is not valid: {source}"))
        }
        Error::Tls(source) => {
            ShopError::new(ShopErrorKind::Refused, format!("no encrypted connection came about: {source}"))
                .hint("set `ssl-mode` and `ssl-ca` in the database address as the server needs it")
        }
        Error::Io(source) => {
            ShopError::new(ShopErrorKind::Disconnected, format!("the connection to the database failed: {source}"))
        }
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

fn database_error(number: u16, state: &str, message: &str) -> ShopError {
    let kind = kind_of(number, state);
    let code = Some(number.to_string());
    let sorted = ShopError { kind, code, message: one_line(message), statement: None, hint: None };
    match (kind, number) {
        (_, 1665) => sorted.hint(
            "the binary log is written as statements, which does not go with READ COMMITTED: set binlog_format to ROW or MIXED",
        ),
        (_, 1267) => sorted.hint("two columns that the profile compares have collations that do not go together"),
        (ShopErrorKind::Permission, _) => {
            sorted.hint("`unreserve setup --print-grants` prints what the account needs")
        }
        (ShopErrorKind::Full, _) => sorted.hint("make room on the database's disk; nothing of the batch was kept"),
        (ShopErrorKind::ReadOnly, _) => sorted.hint("connect to the primary server, with an account that may write"),
        (ShopErrorKind::SchemaChanged, _) => {
            sorted.hint("`unreserve profile check` compares the profile with the live schema")
        }
        _ => sorted,
    }
}

/// The error numbers: <https://mariadb.com/kb/en/mariadb-error-codes/>,
/// <https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html>.
fn kind_of(number: u16, state: &str) -> ShopErrorKind {
    match number {
        // A deadlock (on Galera also a refused certification), a row that changed since it was read.
        1213 | 1020 | 1614 => ShopErrorKind::Retry,
        // 1205 rolls back the statement alone, and some servers the transaction: whoever gets it rolls back everything.
        1205 | 3572 | 1206 => ShopErrorKind::LockTimeout,
        // A statement that ran into its own timeout did so behind a lock, or had too much to do: less helps in both.
        1969 | 3024 | 1317 => ShopErrorKind::LockTimeout,
        1290 | 1792 | 1836 | 1874 | 3100 => ShopErrorKind::ReadOnly,
        1021 | 1114 | 1041 | 1037 | 1038 => ShopErrorKind::Full,
        1044 | 1045 | 1095 | 1142 | 1143 | 1227 | 1370 | 1698 => ShopErrorKind::Permission,
        1049 | 1665 => ShopErrorKind::Refused,
        // Shutting down, killed, too many connections, packets out of order, a Galera node that is not ready, and a commit
        // that failed for a reason not told: its outcome is unknown, and the ledger knows.
        1040 | 1047 | 1053 | 1077 | 1079 | 1152..=1161 | 1184 | 1180 | 1203 | 1226 | 1927 | 4031 | 2006 | 2013 => {
            ShopErrorKind::Disconnected
        }
        // Syntax, unknown tables, columns, functions; types and collations that do not go together.
        1051 | 1054 | 1060 | 1064 | 1091 | 1109 | 1146 | 1176 | 1210 | 1267 | 1271 | 1305 | 1306 | 1356 | 1412
        | 1932 | 4078 => ShopErrorKind::SchemaChanged,
        // Constraints, values that do not fit, and what triggers SIGNAL.
        1022 | 1048 | 1062 | 1136 | 1169 | 1216 | 1217 | 1242 | 1264 | 1265 | 1292 | 1364 | 1366 | 1367 | 1369
        | 1406 | 1411 | 1441 | 1451 | 1452 | 1557 | 1586 | 1644 | 1690 | 3819 | 4025 => ShopErrorKind::Constraint,
        _ => match state.get(..2) {
            Some("08") => ShopErrorKind::Disconnected,
            Some("40") => ShopErrorKind::Retry,
            Some("42") => ShopErrorKind::SchemaChanged,
            // A trigger may SIGNAL any state: 45 is the one for that, 22 and 23 are bad values and constraints.
            Some("21" | "22" | "23" | "27" | "44" | "45") => ShopErrorKind::Constraint,
            _ => ShopErrorKind::Other,
        },
    }
}

/// A trigger may SIGNAL any text: the ledger and the logs take one line of it.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_leads_to_the_right_act() {
        let rows = [
            (1205, "HY000", ShopErrorKind::LockTimeout),
            (3572, "HY000", ShopErrorKind::LockTimeout),
            (1969, "70100", ShopErrorKind::LockTimeout),
            (3024, "HY000", ShopErrorKind::LockTimeout),
            (1213, "40001", ShopErrorKind::Retry),
            (1020, "HY000", ShopErrorKind::Retry),
            (1290, "HY000", ShopErrorKind::ReadOnly),
            (1836, "HY000", ShopErrorKind::ReadOnly),
            (1792, "25006", ShopErrorKind::ReadOnly),
            (1021, "HY000", ShopErrorKind::Full),
            (1114, "HY000", ShopErrorKind::Full),
            (1142, "42000", ShopErrorKind::Permission),
            (1143, "42000", ShopErrorKind::Permission),
            (1227, "42000", ShopErrorKind::Permission),
            (1049, "42000", ShopErrorKind::Refused),
            (1665, "HY000", ShopErrorKind::Refused),
            (1054, "42S22", ShopErrorKind::SchemaChanged),
            (1146, "42S02", ShopErrorKind::SchemaChanged),
            (1064, "42000", ShopErrorKind::SchemaChanged),
            (1062, "23000", ShopErrorKind::Constraint),
            (1451, "23000", ShopErrorKind::Constraint),
            (1452, "23000", ShopErrorKind::Constraint),
            (3819, "HY000", ShopErrorKind::Constraint),
            (4025, "23000", ShopErrorKind::Constraint),
            (1264, "22003", ShopErrorKind::Constraint),
            (1690, "22003", ShopErrorKind::Constraint),
            (1644, "45000", ShopErrorKind::Constraint),
            (30_001, "45000", ShopErrorKind::Constraint),
            (1047, "08S01", ShopErrorKind::Disconnected),
            (1180, "HY000", ShopErrorKind::Disconnected),
            (1053, "08S01", ShopErrorKind::Disconnected),
            (1927, "70100", ShopErrorKind::Disconnected),
            (9_999, "HY000", ShopErrorKind::Other),
            (0, "", ShopErrorKind::Other),
        ];
        for (number, state, kind) in rows {
            assert_eq!(kind_of(number, state), kind, "{number}");
        }
    }

    #[test]
    fn a_message_is_one_line_and_not_endless() {
        let error = database_error(1644, "45000", &format!("no\n\tway {}", "x".repeat(1_000)));
        assert!(error.message.starts_with("no way x") && error.message.chars().count() == 300);
    }
}
