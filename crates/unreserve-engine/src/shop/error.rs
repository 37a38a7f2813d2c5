//! What can go wrong at a database, sorted by what to do about it.

use std::fmt;

/// What to do about an error. Each dialect sorts its driver's errors into these, because the same number means
/// opposite things in two products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShopErrorKind {
    /// A deadlock or a serialization failure: roll back, try again.
    Retry,
    /// A lock was not to be had in time: roll back, shrink, try again.
    LockTimeout,
    /// No connection, or one that was cut off: drop it, connect again.
    Disconnected,
    /// The role may not do this: stop.
    Permission,
    /// The database takes no writes: stop.
    ReadOnly,
    /// There is no room left: stop.
    Full,
    /// A table or column is gone or changed: stop.
    SchemaChanged,
    /// A constraint or a trigger refused one order's change: isolate the order.
    Constraint,
    /// A count or a guard did not hold: roll back, isolate the order.
    Invariant,
    /// The fence is gone: another instance has taken over. Stop.
    Fenced,
    /// The address or the credentials are wrong: stop.
    Refused,
    /// Several orders go by the name that was given: stop.
    Ambiguous,
    /// Anything else: stop.
    Other,
}

impl ShopErrorKind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Retry,
        Self::LockTimeout,
        Self::Disconnected,
        Self::Permission,
        Self::ReadOnly,
        Self::Full,
        Self::SchemaChanged,
        Self::Constraint,
        Self::Invariant,
        Self::Fenced,
        Self::Refused,
        Self::Ambiguous,
        Self::Other,
    ];

    /// The word in logs and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::LockTimeout => "lock_timeout",
            Self::Disconnected => "disconnected",
            Self::Permission => "permission",
            Self::ReadOnly => "read_only",
            Self::Full => "full",
            Self::SchemaChanged => "schema_changed",
            Self::Constraint => "constraint",
            Self::Invariant => "invariant",
            Self::Fenced => "fenced",
            Self::Refused => "refused",
            Self::Ambiguous => "ambiguous",
            Self::Other => "other",
        }
    }
}

/// An error of a shop's database. It never holds a password or a customer's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopError {
    /// What to do about it.
    pub kind: ShopErrorKind,
    /// The database's own code.
    pub code: Option<String>,
    /// What happened, in one line.
    pub message: String,
    /// The statement it happened in, by name.
    pub statement: Option<&'static str>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ShopError {
    /// An error with no code of the database's own.
    #[must_use]
    pub fn new(kind: ShopErrorKind, message: impl Into<String>) -> Self {
        Self { kind, code: None, message: message.into(), statement: None, hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the name of the statement.
    #[must_use]
    pub fn during(mut self, statement: &'static str) -> Self {
        self.statement = Some(statement);
        self
    }
}

impl fmt::Display for ShopError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        if let Some(code) = &self.code {
            write!(formatter, " (code {code})")?;
        }
        if let Some(statement) = self.statement {
            write!(formatter, " in statement `{statement}`")?;
        }
        Ok(())
    }
}

impl std::error::Error for ShopError {}
