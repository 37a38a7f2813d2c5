//! The shop in memory as a test shop, a peer of the databases.

use std::sync::Arc;
use std::time::Duration;

use unreserve_engine::shop::{Answer, Shop};

use super::client::Client;
use super::database::{Calm, Database};
use super::own::{HOUR, Own};
use super::shop::MemoryShop;
use super::store::Trigger;
use super::time::Pace;
use super::value::Datum;
use crate::failure::{Failure, Wait, present};
use crate::shops::{Access, Code, Fault, Row, Session, Source, Table, TestShop};

/// A shop in memory, in which whoever waits moves the time.
pub struct SimulatedShop(Database);

impl SimulatedShop {
    /// Makes an empty shop.
    ///
    /// # Errors
    /// Never; a database may.
    pub fn make() -> Result<Box<dyn TestShop>, Failure> {
        Ok(Box::new(Self(Database::new(Pace::Free, Arc::new(Calm)))))
    }
}

fn owned(text: &str) -> String {
    text.to_owned()
}

impl TestShop for SimulatedShop {
    fn profile_preamble(&self) -> &'static str {
        ""
    }

    fn connect(&self, access: Access, statement_timeout: Duration) -> Answer<'static, Box<dyn Shop>> {
        let shop = MemoryShop::connect(&self.0, access, statement_timeout);
        Box::pin(async move { Ok(Box::new(shop) as Box<dyn Shop>) })
    }

    fn session(&self) -> Wait<'_, Box<dyn Session>> {
        let client = Client::new(&self.0);
        Box::pin(async move { Ok(Box::new(MemorySession(client)) as Box<dyn Session>) })
    }

    fn code(&self, code: Code) -> &'static str {
        match code {
            Code::Deadlock => "40P01",
            Code::LockedTooLong => "57014",
        }
    }

    fn waiting_sessions(&self) -> Wait<'_, u64> {
        let waiting = self.0.state().txs.values().filter(|tx| tx.waiting.is_some()).count();
        Box::pin(async move { Ok(u64::try_from(waiting)?) })
    }

    fn provoke<'a>(&'a self, fault: Fault<'a>) -> Wait<'a, ()> {
        Box::pin(async move {
            if matches!(fault, Fault::CutConnections) {
                self.0.cut_ours();
                return Ok(());
            }
            let now = self.0.time.database_now();
            let mut state = self.0.state();
            let trigger = match fault {
                Fault::Refuse { table, column, value } => {
                    let known = state.table(table).and_then(|table| state.tables.get(table));
                    let kind = known.and_then(|table| table.columns.iter().find(|known| known.name == column));
                    let kind = present(kind, column)?.kind;
                    let value = present(Datum::of_cell(&value, kind, now), "value that the column can hold")?;
                    Trigger::Refuse(owned(table), owned(column), value)
                }
                Fault::RefuseCommit { table } => Trigger::RefuseCommit(owned(table)),
                Fault::Meddle { table, column } => Trigger::Meddle(owned(table), owned(column)),
                Fault::FindDeadlocks { table } => Trigger::FindDeadlocks(owned(table)),
                Fault::TurnReadOnly { table } => Trigger::TurnReadOnly(owned(table)),
                Fault::RenameColumn { table, from, to } => {
                    let place = present(state.table(table), table)?;
                    let table = present(state.tables.get_mut(place), table)?;
                    let column = table.columns.iter_mut().find(|column| column.name == from);
                    present(column, from)?.name = owned(to);
                    state.schema_version = state.schema_version.saturating_add(1);
                    return Ok(());
                }
                Fault::LeaseFellSilent => {
                    for lease in state.own.leases.values_mut() {
                        lease.heard_at = now.saturating_sub(HOUR);
                    }
                    return Ok(());
                }
                Fault::SetAsideRipened => {
                    for row in state.own.set_aside.values_mut() {
                        row.retry_at = now.saturating_sub(1);
                    }
                    return Ok(());
                }
                Fault::LongWaits => {
                    state.deadlock_timeout = Some(60_000_000);
                    return Ok(());
                }
                Fault::CutConnections => return Ok(()),
            };
            state.triggers.push(trigger);
            Ok(())
        })
    }
}

struct MemorySession(Client);

impl MemorySession {
    fn row<'r>(&self, table: &str, row: Row<'r>) -> Result<Vec<(&'r str, Datum)>, Failure> {
        let now = self.0.database.time.database_now();
        let state = self.0.database.state();
        let known = present(state.table(table).and_then(|table| state.tables.get(table)), table)?;
        let mut data = Vec::new();
        for (name, cell) in row {
            let column = present(known.columns.iter().find(|column| column.name == *name), name)?;
            let value = Datum::of_cell(cell, column.kind, now);
            data.push((*name, present(value, &format!("place for {cell:?} in `{table}.{name}`"))?));
        }
        Ok(data)
    }
}

impl Session for MemorySession {
    fn create<'a>(&'a mut self, tables: &'a [Table]) -> Wait<'a, ()> {
        Box::pin(async move {
            let mut state = self.0.database.state();
            tables.iter().try_for_each(|table| state.create(table).map_err(Failure::new))
        })
    }

    fn begin(&mut self) -> Wait<'_, ()> {
        Box::pin(async { Ok(self.0.begin().await?) })
    }

    fn commit(&mut self) -> Wait<'_, ()> {
        Box::pin(async { Ok(self.0.commit().await?) })
    }

    fn rollback(&mut self) -> Wait<'_, ()> {
        Box::pin(async {
            self.0.rollback().await;
            Ok(())
        })
    }

    fn insert<'a>(&'a mut self, table: &'a str, row: Row<'a>) -> Wait<'a, ()> {
        Box::pin(async move {
            let row = self.row(table, row)?;
            Ok(self.0.insert(table, &row).await?)
        })
    }

    fn update<'a>(&'a mut self, table: &'a str, set: Row<'a>, rows: Row<'a>) -> Wait<'a, u64> {
        Box::pin(async move {
            let (set, rows) = (self.row(table, set)?, self.row(table, rows)?);
            Ok(u64::try_from(self.0.update(table, &set, &rows).await?)?)
        })
    }

    fn delete<'a>(&'a mut self, table: &'a str, rows: Row<'a>) -> Wait<'a, u64> {
        Box::pin(async move {
            let rows = self.row(table, rows)?;
            Ok(u64::try_from(self.0.delete(table, &rows).await?)?)
        })
    }

    fn lock<'a>(&'a mut self, table: &'a str, rows: Row<'a>) -> Wait<'a, u64> {
        Box::pin(async move {
            let rows = self.row(table, rows)?;
            Ok(u64::try_from(self.0.lock(table, &rows).await?.len())?)
        })
    }

    fn read<'a>(&'a mut self, table: Source<'a>, columns: &'a [&'a str]) -> Wait<'a, Vec<Vec<Option<String>>>> {
        Box::pin(async move {
            let state = self.0.database.state();
            let name = match table {
                Source::Own(name) => return own_rows(&state.own, name, columns),
                Source::Shop(name) => name,
            };
            let place = present(state.table(name), name)?;
            let known = present(state.tables.get(place), name)?;
            let mut places = Vec::new();
            for column in columns {
                places.push(present(known.place(column), column)?);
            }
            let cells = |row: &[Datum]| places.iter().map(|place| row.get(*place).and_then(Datum::text)).collect();
            Ok(state.rows(place, self.0.tx()).map(|(_, row)| cells(row)).collect())
        })
    }
}

/// Our own tables, as their columns are called in the databases.
fn own_rows(own: &Own, name: &str, columns: &[&str]) -> Result<Vec<Vec<Option<String>>>, Failure> {
    let some = |text: String| Some(text);
    let rows: Vec<Vec<(&str, Option<String>)>> = match name {
        "sweep" => own.sweeps.iter().map(|(start, _)| vec![("sweep_id", some(start.sweep_id.to_string()))]).collect(),
        "sweep_end" => {
            let row = |end: &unreserve_engine::ledger::SweepEnd| {
                vec![("sweep_id", some(end.sweep_id.to_string())), ("ending", some(end.ending.word().to_owned()))]
            };
            own.ends.values().map(|(end, _)| row(end)).collect()
        }
        "batch" => own
            .batches
            .iter()
            .map(|batch| {
                vec![
                    ("batch_id", some(batch.record.batch_id.to_string())),
                    ("sweep_id", some(batch.sweep_id.to_string())),
                    ("reservations", some(batch.record.reservations.to_string())),
                    ("units", some(batch.record.units.to_string())),
                    ("orders_cancelled", some(batch.record.orders_cancelled.to_string())),
                    ("drift", some(batch.record.drift.to_string())),
                ]
            })
            .collect(),
        "entry" => own
            .batches
            .iter()
            .flat_map(|batch| batch.entries.iter().map(|entry| (batch.record.batch_id, entry)))
            .map(|(batch_id, entry)| {
                vec![
                    ("kind", some(entry.kind.word().to_owned())),
                    ("order_number", entry.number.clone()),
                    ("order_key", some(entry.order.to_string())),
                    ("reservation_key", entry.reservation.as_ref().map(ToString::to_string)),
                    ("stock", entry.stock.clone()),
                    ("quantity", some(entry.quantity.to_string())),
                    ("drift", some(entry.drift.to_string())),
                    ("batch_id", some(batch_id.to_string())),
                ]
            })
            .collect(),
        "set_aside" => own
            .set_aside
            .iter()
            .map(|((_, key), row)| {
                vec![
                    ("order_key", some(key.clone())),
                    ("order_number", row.aside.number.clone()),
                    ("reason", some(row.aside.reason.clone())),
                    ("attempts", some(row.attempts.to_string())),
                ]
            })
            .collect(),
        other => return Err(Failure::new(format!("there is no table `{other}` of our own"))),
    };
    let mut read = Vec::new();
    for row in rows {
        let cell = |column: &&str| row.iter().find(|(name, _)| name == column).map(|(_, value)| value.clone());
        let cells: Option<Vec<Option<String>>> = columns.iter().map(cell).collect();
        read.push(present(cells, &format!("column of {columns:?} in `{name}`"))?);
    }
    Ok(read)
}
