//! What goes on in the shop: customers who reserve, pay, pay late and cancel; staff who restock and edit.

use std::sync::Arc;

use unreserve_engine::model::Key;
use unreserve_engine::shop::ShopError;

use super::choices::Choices;
use super::client::Client;
use super::journal::Note;
use super::locks::{RowId, TxId};
use super::store::Values;
use super::value::Datum;
use super::world::{STOCK, World};
use crate::shops::{ORDERS, PAYMENTS, Pool, RESERVATIONS};

/// How long the shop waits for a lock.
const PATIENCE: i64 = 20_000_000;

fn text(text: &str) -> Datum {
    Datum::text_of(text)
}

/// Somebody of the shop, with a connection of his own.
pub(super) struct Person {
    world: Arc<World>,
    client: Client,
    choices: Choices,
    name: String,
}

/// One reservation as its row tells.
struct Held {
    key: Key,
    pool: Pool,
    item: i64,
    quantity: i64,
}

impl Person {
    /// Somebody comes in.
    #[must_use]
    pub(super) fn new(world: &Arc<World>, name: &str) -> Self {
        let mut client = Client::new(&world.database);
        client.lock_timeout = Some(PATIENCE);
        Self { world: Arc::clone(world), client, choices: world.choices.stream(), name: name.to_owned() }
    }

    fn now(&self) -> i64 {
        self.world.database.time.database_now()
    }

    /// A customer: order after order.
    pub(super) async fn shop(mut self) {
        while !self.world.is_closing() {
            self.world.ponder(&self.choices, &[10_000, 1_000, 40_000, 200_000]).await;
            let lifetime = self.choices.one_of(&[80_000_i64, 20_000, 300_000, 1_200_000]);
            let lifetime = lifetime.saturating_mul(self.world.crew().slowness);
            let Ok(Some(order)) = self.check_out(lifetime).await else {
                self.client.rollback().await;
                continue;
            };
            self.decide(&order, lifetime).await;
        }
    }

    /// One who orders something that is there, and is not seen again.
    pub(super) async fn order_once(mut self, lifetime: i64) {
        for _ in 0..20 {
            if self.restock_one(0).await.is_ok() && matches!(self.check_out(lifetime).await, Ok(Some(_))) {
                return;
            }
            self.client.rollback().await;
        }
    }

    async fn decide(&mut self, order: &str, lifetime: i64) {
        let early = lifetime.checked_div(2).unwrap_or(0);
        let late = lifetime.saturating_add(self.choices.one_of(&[0, 1_000, 20_000, 400_000]));
        let act = self.choices.pick(8);
        self.world.sleep(if matches!(act, 1 | 2) { early } else { late }).await;
        if act == 0 || act == 7 {
            self.world.trace(|| format!("{} abandons {order}", self.name));
            return;
        }
        // The worst moment to pay is the one in which a batch is at this very order.
        let style = if act == 6 && self.wait_for_a_batch(order).await { 0 } else { self.choices.pick(4) };
        for _ in 0..3 {
            let done = match act {
                5 => self.cancel(order, style).await,
                _ => self.pay(order, style).await,
            };
            match done {
                Ok(what) => return self.world.trace(|| format!("{}: {order} {what}", self.name)),
                Err(error) => self.world.trace(|| format!("{}: {order} fails: {error}", self.name)),
            }
            self.client.rollback().await;
        }
    }

    /// Waits a while until a batch has locked the order, and a little longer.
    async fn wait_for_a_batch(&self, order: &str) -> bool {
        for _ in 0..40 {
            if self.is_held(order) {
                self.world.think(&self.choices, &[500, 1_000, 2_000, 4_000]).await;
                return true;
            }
            self.world.sleep(2_000).await;
        }
        false
    }

    fn is_held(&self, order: &str) -> bool {
        let state = self.world.database.state();
        let Some(table) = state.table(ORDERS) else { return false };
        let row = RowId { table, key: Key::single(order) };
        let ours = |id: &TxId| state.txs.get(id).is_some_and(|tx| tx.ours);
        state.locks.holders(&row).any(|id| ours(&id))
    }

    /// Places an order, if everything of it is there.
    async fn check_out(&mut self, lifetime: i64) -> Result<Option<String>, ShopError> {
        let id = self.world.number();
        let order = format!("o{id}");
        let mut items: Vec<(Pool, i64, i64)> = Vec::new();
        for _ in 0..=self.choices.pick(3) {
            let place = self.choices.pick(STOCK.len());
            let quantity = i64::try_from(self.choices.pick(3)).unwrap_or(0).saturating_add(1);
            if let Some((pool, item)) = STOCK.get(place) {
                items.push((*pool, *item, quantity));
            }
        }
        items.sort_unstable();
        items.dedup_by_key(|(pool, item, _)| (*pool, *item));
        self.client.begin().await?;
        self.insert_order(&order, id).await?;
        for (index, (pool, item, quantity)) in items.into_iter().enumerate() {
            let row = [("id", Datum::Integer(item))];
            let locked = self.client.lock(pool.table(), &row).await?;
            let free = locked.first().map_or(0, |(_, row)| free_of(row));
            if free < quantity {
                self.client.rollback().await;
                return Ok(None);
            }
            self.client.add(pool.table(), &[("reserved_quantity", quantity)], &row).await?;
            self.insert_reservation(&order, (id, index), (pool, item, quantity), lifetime).await?;
        }
        self.client.commit().await?;
        self.world.trace(|| format!("{} orders {order}, to be paid within {} ms", self.name, lifetime / 1_000));
        Ok(Some(order))
    }

    async fn insert_order(&mut self, order: &str, id: u64) -> Result<(), ShopError> {
        let now = Datum::Instant(self.now());
        let row = [
            ("order_id", text(order)),
            ("order_number", text(&format!("N{id}"))),
            ("order_status", text("pending_payment")),
            ("payment_status", text("pending")),
            ("created_at", now.clone()),
            ("updated_at", now),
        ];
        self.client.insert(ORDERS, &row).await
    }

    async fn insert_reservation(
        &mut self,
        order: &str,
        (id, index): (u64, usize),
        (pool, item, quantity): (Pool, i64, i64),
        lifetime: i64,
    ) -> Result<(), ShopError> {
        let now = self.now();
        let row = [
            ("reservation_id", text(&format!("r{id}-{index}"))),
            ("order_id", text(order)),
            (pool.column(), Datum::Integer(item)),
            ("reservation_type", text("standard")),
            ("quantity", Datum::Integer(quantity)),
            ("expires_at", Datum::Instant(now.saturating_add(lifetime))),
            ("is_active", Datum::Boolean(true)),
            ("created_at", Datum::Instant(now)),
        ];
        self.client.insert(RESERVATIONS, &row).await
    }

    /// Pays. Money is evidence from its commit on, in whichever order the shop writes.
    async fn pay(&mut self, order: &str, style: usize) -> Result<&'static str, ShopError> {
        let payment = self.world.number();
        let row = [
            ("id", Datum::Integer(i64::try_from(payment).unwrap_or(0))),
            ("order_id", text(order)),
            ("status", text("succeeded")),
            ("gateway_transaction_id", text(&format!("ch_{payment}"))),
        ];
        match style {
            // The gateway's message comes first, the shop's own work in another transaction.
            0 => {
                self.client.insert(PAYMENTS, &row).await?;
                self.world.think(&self.choices, &[5_000, 0, 60_000]).await;
                self.client.begin().await?;
            }
            1 => {
                self.client.begin().await?;
                self.client.insert(PAYMENTS, &row).await?;
            }
            // The stock first: whoever holds an order and wants stock stands in the way.
            2 => {
                self.client.begin().await?;
                for (pool, item) in STOCK {
                    self.client.lock(pool.table(), &[("id", Datum::Integer(item))]).await?;
                }
                self.client.insert(PAYMENTS, &row).await?;
            }
            _ => {
                self.client.begin().await?;
                let order = self.client.lock(ORDERS, &[("order_id", text(order))]).await?;
                if !order.first().is_some_and(|(_, row)| is_open(row)) {
                    self.client.rollback().await;
                    return Ok("is closed and cannot be paid");
                }
                self.client.insert(PAYMENTS, &row).await?;
            }
        }
        self.fulfil(order).await
    }

    /// What the shop does once money has come: nothing where the order was cancelled meanwhile.
    async fn fulfil(&mut self, order: &str) -> Result<&'static str, ShopError> {
        let rows = [("order_id", text(order))];
        let locked = self.client.lock(ORDERS, &rows).await?;
        if !locked.first().is_some_and(|(_, row)| is_open(row)) {
            self.client.commit().await?;
            return Ok("was paid late");
        }
        let paid = [("payment_status", text("paid")), ("order_status", text("processing"))];
        self.client.update(ORDERS, &paid, &rows).await?;
        let now = Datum::Instant(self.now());
        for held in self.active_of(order).await? {
            let ended = [("is_active", Datum::Boolean(false)), ("fulfilled_at", now.clone())];
            self.client.update(RESERVATIONS, &ended, &[("reservation_id", text(&held.key.to_string()))]).await?;
            let sums = [
                ("reserved_quantity", held.quantity.saturating_neg()),
                (held.pool.on_hand(), held.quantity.saturating_neg()),
            ];
            self.client.add(held.pool.table(), &sums, &[("id", Datum::Integer(held.item))]).await?;
            self.note(|table| Note::Sold(table, Key::single(held.item.to_string()), held.quantity), held.pool);
        }
        self.client.commit().await?;
        Ok("was paid")
    }

    /// Cancels, and gives the stock back, or forgets to.
    async fn cancel(&mut self, order: &str, style: usize) -> Result<&'static str, ShopError> {
        let rows = [("order_id", text(order))];
        self.client.begin().await?;
        let locked = self.client.lock(ORDERS, &rows).await?;
        if !locked.first().is_some_and(|(_, row)| is_open(row)) {
            self.client.rollback().await;
            return Ok("is closed and cannot be cancelled");
        }
        let set = [("payment_status", text("cancelled")), ("order_status", text("cancelled"))];
        self.client.update(ORDERS, &set, &rows).await?;
        if style == 3 {
            self.client.commit().await?;
            return Ok("is cancelled, and its stock forgotten");
        }
        for held in self.active_of(order).await? {
            let ended = [("is_active", Datum::Boolean(false))];
            self.client.update(RESERVATIONS, &ended, &[("reservation_id", text(&held.key.to_string()))]).await?;
            let sums = [("reserved_quantity", held.quantity.saturating_neg())];
            self.client.add(held.pool.table(), &sums, &[("id", Datum::Integer(held.item))]).await?;
        }
        self.client.commit().await?;
        Ok("is cancelled by its customer")
    }

    async fn active_of(&mut self, order: &str) -> Result<Vec<Held>, ShopError> {
        let rows = [("order_id", text(order)), ("is_active", Datum::Boolean(true))];
        let locked = self.client.lock(RESERVATIONS, &rows).await?;
        Ok(locked.into_iter().filter_map(|(key, row)| held(key, &row)).collect())
    }

    fn note(&self, note: impl FnOnce(usize) -> Note, pool: Pool) {
        let mut state = self.world.database.state();
        let table = state.table(pool.table());
        if let (Some(table), Some(tx)) = (table, self.client.tx())
            && let Some(tx) = state.txs.get_mut(&tx)
        {
            tx.notes.push(note(table));
        }
    }

    /// Somebody of the staff: one thing after the other.
    pub(super) async fn work(mut self) {
        while !self.world.is_closing() {
            self.world.ponder(&self.choices, &[80_000, 5_000, 300_000, 2_000_000]).await;
            let act = self.choices.pick(7);
            let done = match act {
                0 => Ok(()),
                6 => self.restock().await,
                1 => self.extend().await,
                2 => self.resize().await,
                3 => self.edit("authorised").await,
                4 => self.edit("pending").await,
                _ => self.count_stock().await,
            };
            if let Err(error) = done {
                self.world.trace(|| format!("{} fails at {act}: {error}", self.name));
                self.client.rollback().await;
            }
        }
    }

    async fn restock(&mut self) -> Result<(), ShopError> {
        let place = self.choices.pick(STOCK.len());
        self.restock_one(place).await
    }

    async fn restock_one(&mut self, place: usize) -> Result<(), ShopError> {
        let Some((pool, item)) = STOCK.get(place).copied() else { return Ok(()) };
        self.client.begin().await?;
        self.client.add(pool.table(), &[(pool.on_hand(), 7)], &[("id", Datum::Integer(item))]).await?;
        self.note(|table| Note::Restocked(table, Key::single(item.to_string()), 7), pool);
        self.client.commit().await?;
        self.world.trace(|| format!("{} restocks {}", self.name, pool.label(item)));
        Ok(())
    }

    /// Some row of a table, whatever stands in it; nothing where there is none.
    fn some_row(&self, table: &str, wanted: impl Fn(&Values) -> bool) -> Option<(Key, Values)> {
        let state = self.world.database.state();
        let table = state.table(table)?;
        let rows: Vec<(&Key, &Values)> = state.rows(table, None).filter(|(_, row)| wanted(row)).collect();
        let (key, row) = rows.get(self.choices.pick(rows.len()))?;
        Some(((*key).clone(), Arc::clone(row)))
    }

    /// Gives somebody more time, without a look at the order.
    async fn extend(&mut self) -> Result<(), ShopError> {
        let Some((key, row)) = self.some_row(RESERVATIONS, |row| row.get(7) == Some(&Datum::Boolean(true))) else {
            return Ok(());
        };
        // Counted from the old expiry: where the database's clock went back, one counted from now may lie before the
        // creation, and a sweep that sees nothing else refuses to begin.
        let Some(Datum::Instant(expires_at)) = row.get(6) else { return Ok(()) };
        let later = [("expires_at", Datum::Instant(self.now().max(*expires_at).saturating_add(800_000)))];
        let rows = [("reservation_id", text(&key.to_string())), ("is_active", Datum::Boolean(true))];
        let changed = self.client.update(RESERVATIONS, &later, &rows).await?;
        self.world.trace(|| format!("{} gives {changed} more time: {key}", self.name));
        Ok(())
    }

    /// Somebody wants one more, or one less.
    async fn resize(&mut self) -> Result<(), ShopError> {
        let Some((key, _)) = self.some_row(RESERVATIONS, |row| row.get(7) == Some(&Datum::Boolean(true))) else {
            return Ok(());
        };
        self.client.begin().await?;
        let rows = [("reservation_id", text(&key.to_string())), ("is_active", Datum::Boolean(true))];
        let locked = self.client.lock(RESERVATIONS, &rows).await?;
        if let Some(held) = locked.first().and_then(|(key, row)| held(key.clone(), row)) {
            let step = if held.quantity > 1 { -1 } else { 1 };
            let stock = [("id", Datum::Integer(held.item))];
            let free = self.client.lock(held.pool.table(), &stock).await?.first().map_or(0, |(_, row)| free_of(row));
            if free >= step {
                self.client.add(held.pool.table(), &[("reserved_quantity", step)], &stock).await?;
                self.client.add(RESERVATIONS, &[("quantity", step)], &rows).await?;
            }
        }
        self.client.commit().await?;
        self.world.trace(|| format!("{} resizes {key}", self.name));
        Ok(())
    }

    /// Looks at an order for a while, and gives it a status.
    async fn edit(&mut self, status: &str) -> Result<(), ShopError> {
        let known =
            |row: &Values| matches!(row.get(3), Some(Datum::Text(text)) if matches!(&**text, "pending" | "authorised"));
        let Some((key, _)) = self.some_row(ORDERS, known) else { return Ok(()) };
        let rows = [("order_id", text(&key.to_string()))];
        self.client.begin().await?;
        let locked = self.client.lock(ORDERS, &rows).await?;
        self.world.think(&self.choices, &[10_000, 100_000, 700_000]).await;
        if locked.first().is_some_and(|(_, row)| known(row)) {
            self.client.update(ORDERS, &[("payment_status", text(status))], &rows).await?;
        }
        self.client.commit().await?;
        self.world.trace(|| format!("{} makes {key} {status}", self.name));
        Ok(())
    }

    /// Counts what is there, and holds the rows meanwhile.
    async fn count_stock(&mut self) -> Result<(), ShopError> {
        let Some((pool, item)) = STOCK.get(self.choices.pick(STOCK.len())).copied() else { return Ok(()) };
        self.client.begin().await?;
        self.client.lock(pool.table(), &[("id", Datum::Integer(item))]).await?;
        self.world.think(&self.choices, &[20_000, 200_000, 1_500_000, 6_000_000]).await;
        self.client.commit().await?;
        self.world.trace(|| format!("{} has counted {}", self.name, pool.label(item)));
        Ok(())
    }
}

/// Whether an order is neither paid nor cancelled, whatever else somebody wrote.
fn is_open(row: &Values) -> bool {
    matches!(row.get(3), Some(Datum::Text(status)) if matches!(&**status, "pending" | "failed" | "authorised"))
}

/// What can still be sold of a stock row.
fn free_of(row: &Values) -> i64 {
    match (row.get(1), row.get(2)) {
        (Some(Datum::Integer(on_hand)), Some(Datum::Integer(reserved))) => on_hand.saturating_sub(*reserved),
        _ => 0,
    }
}

fn held(key: Key, row: &Values) -> Option<Held> {
    let number = |place: usize| match row.get(place) {
        Some(Datum::Integer(number)) => Some(*number),
        _ => None,
    };
    let (pool, item) = match (number(2), number(3)) {
        (Some(item), _) => (Pool::Variant, item),
        (None, item) => (Pool::Drop, item?),
    };
    Some(Held { key, pool, item, quantity: number(5)? })
}
