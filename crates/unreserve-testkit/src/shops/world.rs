//! A Malikli shop that a test fills, sweeps and looks at.

use std::collections::BTreeMap;
use std::time::Duration;

use unreserve_engine::ledger::SweepStart;
use unreserve_engine::model::{BatchId, Holder, Key, SweepId};
use unreserve_engine::plan::{Plan, Policy, request, resolve};
use unreserve_engine::profile::{Profile, check, parse};
use unreserve_engine::shop::{BatchStart, CheckedShop, InstallState, Shop};
use uuid::Uuid;

use super::malikli::{ORDERS, PAYMENTS, RESERVATIONS, Rules, malikli_tables};
use super::seen::{Pool, Snapshot, snapshot};
use super::table::{Cell, Row};
use super::{Access, MakeShop, Session, TestShop};
use crate::failure::{Failure, equal, present};

/// How long a statement may take where a test does not say otherwise.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a lock may be waited for, as the program does.
pub const LOCK_WAIT: Duration = Duration::from_millis(300);

/// The profile as it ships.
const MALIKLI: &str = include_str!("../../../../profiles/malikli.toml");

/// What state a reservation is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It holds stock.
    Active,
    /// It was fulfilled.
    Fulfilled,
}

/// A reservation to add.
#[derive(Debug, Clone, Copy)]
pub struct NewReservation {
    /// Which pool it holds.
    pub pool: Pool,
    /// Which row of it.
    pub item: i64,
    /// How much.
    pub quantity: i64,
    /// When it expires, in seconds from the database's now.
    pub expires_in: i64,
    /// When it was created, in seconds from the database's now.
    pub created_in: i64,
    /// What state it is in.
    pub state: State,
}

impl NewReservation {
    /// One that expires so many seconds from now (in the past where it is negative), created a quarter of an hour before.
    #[must_use]
    pub fn variant(item: i64, quantity: i64, expires_in: i64) -> Self {
        let created_in = expires_in.min(0).saturating_sub(900);
        Self { pool: Pool::Variant, item, quantity, expires_in, created_in, state: State::Active }
    }

    /// The same of the other pool.
    #[must_use]
    pub fn drop(item: i64, quantity: i64, expires_in: i64) -> Self {
        Self { pool: Pool::Drop, ..Self::variant(item, quantity, expires_in) }
    }
}

/// A shop, a session of its own, and the names of its orders.
pub struct World {
    /// The database.
    pub shop: Box<dyn TestShop>,
    /// The shop's own connection.
    pub session: Box<dyn Session>,
    /// The profile's text: the shipped one, unless a test has set another.
    pub profile: String,
    keys: BTreeMap<String, String>,
    payments: i64,
}

impl World {
    /// Makes an empty Malikli shop.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn new(make: MakeShop, rules: Rules) -> Result<Self, Failure> {
        let world = Self::bare(make).await?;
        Self::with_tables(world, rules).await
    }

    /// Makes a database without a table.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn bare(make: MakeShop) -> Result<Self, Failure> {
        let shop = make()?;
        let session = shop.session().await?;
        let mut world = Self { shop, session, profile: String::new(), keys: BTreeMap::new(), payments: 0 };
        world.set_profile(MALIKLI);
        Ok(world)
    }

    /// Sweeps by another profile from now on; what this database needs in it is added where the profile does not say it.
    pub fn set_profile(&mut self, text: &str) {
        let declared = text.lines().any(|line| line.starts_with("time_zone"));
        let preamble = if declared { "" } else { self.shop.profile_preamble() };
        self.profile = format!("{preamble}{text}");
    }

    async fn with_tables(mut self, rules: Rules) -> Result<Self, Failure> {
        self.session.create(&malikli_tables(rules)).await?;
        Ok(self)
    }

    /// Adds a stock row.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn add_stock(&mut self, pool: Pool, id: i64, on_hand: i64, reserved: Option<i64>) -> Result<(), Failure> {
        let reserved = reserved.map_or(Cell::Null, Cell::Integer);
        let row = [
            ("id", Cell::Integer(id)),
            (pool.on_hand(), Cell::Integer(on_hand)),
            ("reserved_quantity", reserved),
            ("updated_at", Cell::FromNow(-86_400)),
        ];
        self.session.insert(pool.table(), &row).await
    }

    /// Adds an order, and gives its key.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn add_order(&mut self, number: &str, payment_status: &str) -> Result<String, Failure> {
        let order_status = match payment_status {
            "paid" => "processing",
            "cancelled" => "cancelled",
            _ => "pending_payment",
        };
        self.add_order_with(number, payment_status, order_status).await
    }

    /// Adds an order with both its statuses, and gives its key.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn add_order_with(
        &mut self,
        number: &str,
        payment_status: &str,
        order_status: &str,
    ) -> Result<String, Failure> {
        let key = Uuid::new_v4().to_string();
        let row = [
            ("order_id", Cell::text(&key)),
            ("order_number", Cell::text(number)),
            ("order_status", Cell::text(order_status)),
            ("payment_status", Cell::text(payment_status)),
            ("created_at", Cell::FromNow(-86_400)),
            ("updated_at", Cell::FromNow(-86_400)),
        ];
        self.session.insert(ORDERS, &row).await?;
        self.keys.insert(number.to_owned(), key.clone());
        Ok(key)
    }

    /// Adds a reservation, and gives its key.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn add_reservation(&mut self, order: &str, new: NewReservation) -> Result<String, Failure> {
        let order = Cell::text(self.order_key(order)?);
        self.reserve(order, new).await
    }

    /// Adds a reservation of no order, and gives its key.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn add_reservation_without_order(&mut self, new: NewReservation) -> Result<String, Failure> {
        self.reserve(Cell::Null, new).await
    }

    async fn reserve(&mut self, order: Cell, new: NewReservation) -> Result<String, Failure> {
        let key = Uuid::new_v4().to_string();
        let other = if new.pool == Pool::Variant { Pool::Drop } else { Pool::Variant };
        let active = new.state == State::Active;
        let fulfilled_at = if active { Cell::Null } else { Cell::FromNow(new.expires_in.min(0)) };
        let kind = if new.pool == Pool::Variant { "standard" } else { "drop" };
        let row = [
            ("reservation_id", Cell::text(&key)),
            ("order_id", order),
            (new.pool.column(), Cell::Integer(new.item)),
            (other.column(), Cell::Null),
            ("reservation_type", Cell::text(kind)),
            ("quantity", Cell::Integer(new.quantity)),
            ("expires_at", Cell::FromNow(new.expires_in)),
            ("is_active", Cell::Boolean(active)),
            ("fulfilled_at", fulfilled_at),
            ("cancelled_at", Cell::Null),
            ("created_at", Cell::FromNow(new.created_in)),
        ];
        self.session.insert(RESERVATIONS, &row).await?;
        Ok(key)
    }

    /// Adds a payment, and gives its key.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn add_payment(&mut self, order: &str, status: &str) -> Result<i64, Failure> {
        self.payments = self.payments.saturating_add(1);
        let row = [
            ("id", Cell::Integer(self.payments)),
            ("order_id", Cell::text(self.order_key(order)?)),
            ("status", Cell::text(status)),
            ("gateway_transaction_id", Cell::text(format!("ch_{}", self.payments))),
        ];
        self.session.insert(PAYMENTS, &row).await?;
        Ok(self.payments)
    }

    /// Stock with plenty on hand, and orders that each hold one unit of it, overdue by so many minutes.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn add_due_orders(&mut self, orders: &[(&str, i64)]) -> Result<(), Failure> {
        let count = i64::try_from(orders.len())?;
        self.add_stock(Pool::Variant, 1, 100, Some(count)).await?;
        for (number, minutes) in orders {
            self.add_order(number, "pending").await?;
            let due = NewReservation::variant(1, 1, minutes.saturating_mul(-60));
            self.add_reservation(number, due).await?;
        }
        Ok(())
    }

    /// The key of an order.
    ///
    /// # Errors
    /// No such order was added.
    pub fn order_key(&self, number: &str) -> Result<String, Failure> {
        present(self.keys.get(number).cloned(), &format!("order {number}"))
    }

    /// The same as the port takes it.
    ///
    /// # Errors
    /// No such order was added.
    pub fn key(&self, number: &str) -> Result<Key, Failure> {
        self.order_key(number).map(Key::single)
    }

    /// Changes one order's row.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn change_order(&mut self, number: &str, set: Row<'_>) -> Result<(), Failure> {
        let rows = [("order_id", Cell::text(self.order_key(number)?))];
        let changed = self.session.update(ORDERS, set, &rows).await?;
        equal(&changed, &1, "rows changed")
    }

    /// Connects as the owner, and installs our own tables.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn install(&self) -> Result<Box<dyn Shop>, Failure> {
        let mut shop = self.shop.connect(Access::Owner, STATEMENT_TIMEOUT).await?;
        equal(&shop.install().await?, &InstallState::Current, "what was installed")?;
        Ok(shop)
    }

    /// Installs, and checks the profile's plan.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn open(&self) -> Result<Box<dyn CheckedShop>, Failure> {
        self.open_with(Policy::default()).await
    }

    /// The same with another timeout or grace.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn open_with(&self, policy: Policy) -> Result<Box<dyn CheckedShop>, Failure> {
        let mut shop = self.install().await?;
        let plan = self.plan(shop.as_mut(), policy).await?;
        Ok(shop.check(plan).await?)
    }

    /// Connects without installing, as somebody.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn open_as(&self, access: Access, timeout: Duration) -> Result<Box<dyn CheckedShop>, Failure> {
        let mut shop = self.shop.connect(access, timeout).await?;
        let plan = self.plan(shop.as_mut(), Policy::default()).await?;
        Ok(shop.check(plan).await?)
    }

    /// Resolves the profile against the live schema.
    ///
    /// # Errors
    /// It does not fit.
    pub async fn plan(&self, shop: &mut dyn Shop, policy: Policy) -> Result<Plan, Failure> {
        let profile: Profile = check(parse(&self.profile)?)?;
        let schema = shop.schema(&request(&profile)).await?;
        Ok(resolve(&profile, &schema, policy)?)
    }

    /// Everything that stands in the shop and, where it is installed, in the ledger.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn look(&mut self) -> Result<Snapshot, Failure> {
        snapshot(self.session.as_mut(), true).await
    }

    /// The same before our tables are installed.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn look_without_ledger(&mut self) -> Result<Snapshot, Failure> {
        snapshot(self.session.as_mut(), false).await
    }
}

/// One who sweeps, with the sweep under way.
#[derive(Debug, Clone)]
pub struct Sweeper {
    /// Who.
    pub holder: Holder,
    /// The sweep.
    pub start: SweepStart,
}

impl Sweeper {
    /// A sweeper in a place of its own.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let sweep_id = SweepId::new();
        let holder = Holder {
            token: format!("{name}-{sweep_id}"),
            host: name.to_owned(),
            process_id: 7,
            lock_file: format!("/var/lib/{name}"),
        };
        let start = SweepStart {
            sweep_id,
            profile: "malikli".to_owned(),
            version: "test".to_owned(),
            holder: holder.to_string(),
        };
        Self { holder, start }
    }

    /// What a batch of it begins with.
    #[must_use]
    pub fn batch(&self) -> BatchStart<'_> {
        BatchStart {
            batch_id: BatchId::new(),
            sweep_id: self.start.sweep_id,
            token: &self.holder.token,
            lock_wait: LOCK_WAIT,
        }
    }
}
