//! One message to the server: statements that are answered together, in one round trip.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::PgRow;
use unreserve_engine::model::{Mutant, planted};
use unreserve_engine::shop::ShopError;

use super::fragments::Statement;
use super::literal::with_values;
use super::values::Parameters;

/// What a statement answered.
#[derive(Default)]
pub(super) struct Reply {
    /// Its rows.
    pub(super) rows: Vec<PgRow>,
    /// How many rows it changed.
    pub(super) affected: u64,
}

/// A statement with its parameters.
pub(super) struct Call<'a> {
    pub(super) name: &'static str,
    pub(super) sql: &'a str,
    /// As [`super::values::Parameters::finish`] gives them.
    pub(super) parameters: Vec<String>,
    /// The slot under which this connection has it prepared, if it has.
    pub(super) slot: Option<usize>,
}

impl<'a> Call<'a> {
    /// A statement that is not kept prepared.
    pub(super) fn once(name: &'static str, sql: &'a str, parameters: Parameters) -> Result<Self, ShopError> {
        Ok(Self { name, sql, parameters: parameters.finish()?, slot: None })
    }

    /// A statement of the plan, the same way.
    pub(super) fn of(statement: &'a Statement, parameters: Parameters) -> Result<Self, ShopError> {
        Self::once(statement.name, &statement.sql, parameters)
    }
}

/// A name that this process has not used before.
fn once(names: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{names}_once_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// How a transaction begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Transaction {
    /// It reads.
    Read,
    /// It reads with several statements what has to fit together: all of them see one moment.
    Snapshot,
    /// It writes our own tables.
    Write,
    /// It writes our own tables, waits for a batch of ours that is still under way, and its commit need not wait for the disk.
    Lease,
    /// A batch: how long a lock may be waited for.
    Batch(Duration),
}

impl Transaction {
    fn lock_wait(self) -> Duration {
        match self {
            Self::Read | Self::Snapshot | Self::Write => Duration::from_secs(1),
            Self::Lease => Duration::from_secs(3),
            Self::Batch(wait) => wait,
        }
    }
}

/// Statements to be sent together. The first that fails keeps the rest from being run.
#[derive(Default)]
pub(super) struct Message {
    text: String,
    names: Vec<&'static str>,
    wanted: Vec<usize>,
    prepares: bool,
}

impl Message {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Opens a transaction. The settings end with it. A process that was stopped in mid-batch must not keep the shop's
    /// rows for long; and a policy that hides rows must be an error, since a payment that cannot be seen protects nothing.
    pub(super) fn opening(transaction: Transaction, statement_timeout: Duration) -> Self {
        let mode = match transaction {
            Transaction::Read => "READ COMMITTED READ ONLY",
            Transaction::Snapshot => "REPEATABLE READ READ ONLY",
            _ => "READ COMMITTED READ WRITE",
        };
        let begin = format!("BEGIN ISOLATION LEVEL {mode}");
        let (wait, limit) = (transaction.lock_wait().as_millis().max(1), statement_timeout.as_millis().max(1));
        let settings = [
            ("lock_timeout", wait.to_string()),
            ("statement_timeout", limit.to_string()),
            ("idle_in_transaction_session_timeout", "2000".to_owned()),
            ("plan_cache_mode", "force_custom_plan".to_owned()),
            ("row_security", "off".to_owned()),
            ("jit", "off".to_owned()),
            ("TimeZone", "'UTC'".to_owned()),
            ("DateStyle", "'ISO, YMD'".to_owned()),
        ];
        // The database's own operators and types come first, and no temporary table of the session stands for one of the shop's.
        // A database that checks no encoding must not refuse to send what is no text in ours: one order would stop all.
        let path = "SELECT pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ', 'pg_catalog', \
            (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(s), ', ') FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) AS s), \
            'pg_temp'), true), \
            pg_catalog.set_config('client_encoding', CASE pg_catalog.current_setting('server_encoding') \
            WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE pg_catalog.current_setting('client_encoding') END, true)";
        let stale = planted(Mutant::RepeatableRead) && matches!(transaction, Transaction::Batch(_));
        let begin = if stale { begin.replace("READ COMMITTED", "REPEATABLE READ") } else { begin };
        let mut message = Self::new().command("begin", &begin);
        for (name, value) in settings {
            message = message.command("begin", &format!("SET LOCAL {name} = {value}"));
        }
        message = message.command("begin", path);
        if matches!(transaction, Transaction::Lease) {
            message = message.command("begin", "SET LOCAL synchronous_commit = off");
        }
        message
    }

    /// Adds a command whose answer nobody wants.
    pub(super) fn command(mut self, name: &'static str, sql: &str) -> Self {
        self.text.push_str(sql);
        self.text.push_str(";\n");
        self.names.push(name);
        self
    }

    /// Adds a statement whose answer is wanted. What is kept prepared has a name that nobody else can have, so whatever a
    /// pooler does, another's statement is never run in its place. What is not kept is not prepared at all: a statement that
    /// fails would leave its name behind in the session, for whoever gets that from the pooler next.
    pub(super) fn call(mut self, names: &str, call: Call<'_>) -> Self {
        let Call { name, sql, parameters, slot } = call;
        self.wanted.push(self.names.len());
        match slot {
            None => self.command(name, &with_values(sql, &parameters)),
            Some(slot) => {
                let values = parameters.join(", ");
                let values = if values.is_empty() { values } else { format!("({values})") };
                self.command(name, &format!("/* unreserve {name} */ EXECUTE {names}_{slot}{values}"))
            }
        }
    }

    /// Adds statements to be kept prepared under their slots, for as long as the connection lasts.
    pub(super) fn prepare(mut self, names: &str, statements: &[&Statement]) -> Self {
        for statement in statements {
            let Some(slot) = statement.slot else { continue };
            self = self.command(statement.name, &format!("PREPARE {names}_{slot} AS {}", statement.sql));
        }
        self.prepares = true;
        self
    }

    /// Adds statements to be prepared only to see whether the database takes them.
    pub(super) fn try_out(mut self, names: &str, statements: &[&Statement]) -> Self {
        for statement in statements {
            let once = once(names);
            let sql = format!("PREPARE {once} AS {};\nDEALLOCATE {once}", statement.sql);
            self = self.command(statement.name, &sql);
            self.names.push(statement.name);
        }
        self
    }

    /// Whether it prepares statements that are to be kept.
    pub(super) fn prepares(&self) -> bool {
        self.prepares
    }

    /// This one, then another.
    pub(super) fn then(mut self, other: Self) -> Self {
        let before = self.names.len();
        self.prepares |= other.prepares;
        self.text.push_str(&other.text);
        self.names.extend(other.names);
        self.wanted.extend(other.wanted.into_iter().map(|index| index.saturating_add(before)));
        self
    }

    pub(super) fn text(&self) -> String {
        self.text.clone()
    }

    /// How many answers are wanted.
    pub(super) fn calls(&self) -> usize {
        self.wanted.len()
    }

    /// The name of the command at that place.
    pub(super) fn name_of(&self, index: usize) -> &'static str {
        self.names.get(index).or(self.names.last()).copied().unwrap_or("message")
    }

    /// The name of the last command.
    pub(super) fn last_name(&self) -> &'static str {
        self.name_of(usize::MAX)
    }

    /// The answers that are wanted, of those that came.
    pub(super) fn wanted(&self, replies: Vec<Reply>) -> Vec<Reply> {
        let mut wanted = self.wanted.iter().peekable();
        let mut kept = Vec::with_capacity(self.wanted.len());
        for (index, reply) in replies.into_iter().enumerate() {
            if wanted.next_if(|place| **place == index).is_some() {
                kept.push(reply);
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call<'a>(sql: &'a str, parameters: &[&str], slot: Option<usize>) -> Call<'a> {
        Call { name: "x", sql, parameters: parameters.iter().map(|&text| text.to_owned()).collect(), slot }
    }

    #[test]
    fn no_two_statements_share_the_part_of_a_name_that_the_server_keeps() {
        let statement = Statement { name: "x", sql: "SELECT 1".to_owned(), slot: None };
        let tried = || Message::new().try_out("unreserve_0123456789abcdef", &[&statement]).text();
        let (text, other) = (tried(), tried());
        let name = |text: &str| text.split_whitespace().nth(1).unwrap().to_owned();
        assert!(name(&text).len() < 60, "{text}");
        assert_ne!(name(&text), name(&other));
    }

    #[test]
    fn the_answers_that_are_wanted_are_told_from_the_rest() {
        let message = Message::opening(Transaction::Read, Duration::from_secs(1))
            .then(Message::new().call("n", call("SELECT 1", &[], None)).call("n", call("SELECT $1", &["1"], None)))
            .then(Message::new().call("n", call("", &["'a'"], Some(3))).command("commit", "COMMIT"));
        let commands = message.names.len();
        let replies = (0..=commands).map(|index| Reply { rows: Vec::new(), affected: u64::try_from(index).unwrap() });
        let wanted: Vec<u64> = message.wanted(replies.collect()).iter().map(|reply| reply.affected).collect();
        let first = u64::try_from(commands).unwrap() - 4;
        assert_eq!(wanted, [first, first + 1, first + 2]);
        assert!(message.text().contains("EXECUTE n_3('a');"), "{}", message.text());
        assert_eq!((message.name_of(0), message.last_name(), message.calls()), ("begin", "commit", 3));
    }
}
