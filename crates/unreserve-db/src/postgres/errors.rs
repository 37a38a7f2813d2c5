//! Sorts the driver's errors by what to do about them.

use sqlx::Error;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};
use unreserve_engine::shop::{ShopError, ShopErrorKind};

/// An error of one statement.
pub(super) fn statement_error(error: &Error, statement: &'static str) -> ShopError {
    const SEARCHES: [&str; 8] = [
        "outlook",
        "clock_evidence",
        "guarded",
        "unseen",
        "survey",
        "lock_due",
        "examine_orders",
        "examine_reservations",
    ];
    let sorted = sort(error).during(statement);
    if sorted.code.as_deref() == Some("57014") && SEARCHES.contains(&statement) {
        return sorted.hint(
            "an index may be missing: `unreserve profile check` prints the statements that create those a sweep needs",
        );
    }
    sorted
}

/// An error while connecting: whatever the server refuses then is a matter of the settings.
pub(super) fn connect_error(error: &Error) -> ShopError {
    let sorted = sort(error);
    let hint = match (sorted.kind, sorted.code.as_deref()) {
        (_, Some("28P01" | "28000")) => {
            "check the user name and the password in the database address, and the server's pg_hba.conf"
        }
        (_, Some("3D000")) => "check the database's name in the address",
        (_, Some("53300")) => "the server has no connection left; unreserve needs one",
        (ShopErrorKind::Disconnected, _) => {
            "is the server running, and are host and port right? a firewall may be in the way"
        }
        (ShopErrorKind::Refused, _) => "check the database address: postgres://user:password@host:port/database",
        _ => return sorted,
    };
    sorted.hint(hint)
}

fn sort(error: &Error) -> ShopError {
    match error {
        Error::Database(error) => database_error(error.as_ref()),
        Error::Configuration(source) => {
            ShopError::new(ShopErrorKind::Refused, format!("the database address is not valid: {source}"))
        }
        Error::Tls(source) => {
            ShopError::new(ShopErrorKind::Refused, format!("no encrypted connection came about: {source}"))
                .hint("set `sslmode` and `sslrootcert` in the database address as the server needs it")
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
        other => ShopError::new(ShopErrorKind::Other, other.to_string()),
    }
}

/// The message of the server, without its DETAIL, which may hold a customer's data.
fn database_error(error: &dyn DatabaseError) -> ShopError {
    let code = error.code().map(|code| code.to_string()).unwrap_or_default();
    let kind = match kind_of(&code) {
        // Only a fatal error ends the connection; a trigger or a foreign server may report the same code and go on.
        ShopErrorKind::Disconnected if !ends_connection(error) => ShopErrorKind::Other,
        kind => kind,
    };
    let sorted = ShopError { kind, code: Some(code), message: error.message().to_owned(), statement: None, hint: None };
    match kind {
        ShopErrorKind::Permission if sorted.message.contains("row-level security") => {
            sorted.hint("a policy hides rows from this role, so nobody could say what is paid: give the role BYPASSRLS")
        }
        ShopErrorKind::Permission => sorted.hint("`unreserve setup --print-grants` prints what the role needs"),
        ShopErrorKind::Full => sorted.hint("make room on the database's disk; nothing of the batch was kept"),
        ShopErrorKind::ReadOnly => sorted.hint("connect to the primary server, with a role that may write"),
        ShopErrorKind::SchemaChanged => {
            sorted.hint("`unreserve profile check` compares the profile with the live schema")
        }
        _ => sorted,
    }
}

fn ends_connection(error: &dyn DatabaseError) -> bool {
    let severity = error.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::severity);
    severity.is_none_or(|severity| matches!(severity, PgSeverity::Fatal | PgSeverity::Panic))
}

/// The SQLSTATE classes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn kind_of(code: &str) -> ShopErrorKind {
    match code {
        // A pooler has thrown away what was prepared: it is prepared again.
        "40P01" | "40001" | "26000" => ShopErrorKind::Retry,
        // A statement that ran into its own timeout did so behind a lock, or had too much to do: less helps in both.
        "55P03" | "57014" => ShopErrorKind::LockTimeout,
        "25006" => ShopErrorKind::ReadOnly,
        "42501" => ShopErrorKind::Permission,
        "53100" => ShopErrorKind::Full,
        "53300" | "25P03" | "25P04" => ShopErrorKind::Disconnected,
        "3D000" => ShopErrorKind::Refused,
        "0A000" => ShopErrorKind::SchemaChanged,
        _ => match code.get(..2) {
            Some("08" | "57" | "58") => ShopErrorKind::Disconnected,
            Some("28") => ShopErrorKind::Refused,
            Some("42" | "3F") => ShopErrorKind::SchemaChanged,
            // Constraints, bad values, RAISE EXCEPTION, triggers and views with a check: one order's own trouble.
            Some("21" | "22" | "23" | "27" | "38" | "39" | "44" | "P0") => ShopErrorKind::Constraint,
            _ => ShopErrorKind::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_leads_to_the_right_act() {
        let rows = [
            ("40P01", ShopErrorKind::Retry),
            ("55P03", ShopErrorKind::LockTimeout),
            ("57014", ShopErrorKind::LockTimeout),
            ("57P01", ShopErrorKind::Disconnected),
            ("08006", ShopErrorKind::Disconnected),
            ("23514", ShopErrorKind::Constraint),
            ("P0001", ShopErrorKind::Constraint),
            ("22003", ShopErrorKind::Constraint),
            ("42703", ShopErrorKind::SchemaChanged),
            ("42501", ShopErrorKind::Permission),
            ("25006", ShopErrorKind::ReadOnly),
            ("53100", ShopErrorKind::Full),
            ("28P01", ShopErrorKind::Refused),
            ("XX000", ShopErrorKind::Other),
            ("", ShopErrorKind::Other),
        ];
        for (code, kind) in rows {
            assert_eq!(kind_of(code), kind, "{code}");
        }
    }
}
