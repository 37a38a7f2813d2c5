//! The live demo's checkout: what its customers and its staff write, each step one transaction, as a shop's own code would.

use std::path::Path;
use std::time::Duration;

use unreserve_engine::shop::ShopError;

use super::connect::Link;
use super::demo::{DemoShop, Filling, create_filled, link_to};
pub use super::demo_past::{PAST_DAYS, remember};
use super::values::{Parameters, only_row, read, read_sum};

/// How long a customer's transaction waits for the file before it fails: what the frameworks wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// Now, as the shop writes instants.
macro_rules! now {
    () => {
        "strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'"
    };
}

/// A product of the live demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// Its name; no two have the same.
    pub name: &'static str,
    /// Pieces on the shelf when it is full.
    pub pieces: i64,
    /// What one piece costs, in hundredths.
    pub cents: i64,
    /// Which of the shop's two pools of stock it is in.
    pool: Pool,
    /// Its number there.
    id: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pool {
    Variants,
    Drops,
}

const fn variant(id: i64, name: &'static str, pieces: i64, cents: i64) -> Product {
    Product { name, pieces, cents, pool: Pool::Variants, id }
}

const fn drop_product(id: i64, name: &'static str, pieces: i64, cents: i64) -> Product {
    Product { name, pieces, cents, pool: Pool::Drops, id }
}

/// What is sold, by its place in this list.
pub const PRODUCTS: [Product; 9] = [
    variant(1, "Sourdough loaf", 4, 650),
    variant(2, "Olive oil 0.5 l", 40, 1290),
    variant(3, "Espresso beans 1 kg", 30, 2190),
    variant(4, "Set of espresso cups", 12, 3400),
    variant(5, "Linen apron", 10, 4200),
    variant(6, "Chestnut honey", 24, 980),
    drop_product(1, "Signed poster", 8, 3500),
    drop_product(2, "Glazed bowl", 6, 5800),
    drop_product(3, "Anniversary tin", 6, 1950),
];

/// Makes the shop, with full shelves. An earlier file made here is replaced, and no other.
///
/// # Errors
/// `Refused` where another file is in the way or the place cannot be written.
pub async fn create(path: &Path) -> Result<DemoShop, ShopError> {
    create_filled(path, Filling::Shelves).await
}

/// Puts the products on the shelves; inside a transaction that is open already.
pub(super) async fn fill_shelves(link: &mut Link) -> Result<(), ShopError> {
    const VARIANT: &str = concat!(
        "INSERT INTO products_productvariant (id, name, stock_quantity, reserved_quantity, updated_at) VALUES (?1, ?2, ?3, 0, ",
        now!(),
        ")"
    );
    const DROP: &str = concat!(
        "INSERT INTO drops_dropproduct (id, name, current_stock_quantity, reserved_quantity, updated_at) VALUES (?1, ?2, ?3, 0, ",
        now!(),
        ")"
    );
    link.simple("demo_live", include_str!("demo_live.sql")).await?;
    for product in PRODUCTS {
        let sql = match product.pool {
            Pool::Variants => VARIANT,
            Pool::Drops => DROP,
        };
        let parameters = Parameters::new().with(product.id).with(product.name).with(product.pieces);
        link.execute("demo_shelves", sql, parameters.plain()?).await?;
    }
    Ok(())
}

/// An order that a customer places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// The number people know it by.
    pub number: String,
    /// Products and how many of each; each product once.
    pub basket: Vec<(Product, i64)>,
    /// How long ago it was placed: the first ones of a demo came before it began.
    pub age: Duration,
    /// How long after that its reservations expire.
    pub keeps: Duration,
}

/// What came of placing an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// Everything is reserved.
    Reserved,
    /// A product was not there in that number, and nothing was written.
    SoldOut {
        /// The first such product.
        product: Product,
        /// Pieces of it that reservations hold whose time is over and that nobody has paid: those a sweep had to give back.
        held_in_vain: i64,
    },
}

/// What came of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paid {
    /// The order is paid, and so many units have left the shelf.
    Yes {
        /// The units.
        units: i64,
        /// Microseconds that were left until its reservations expired by the database's clock; negative after that.
        left_micros: i64,
    },
    /// The order was cancelled before: the money goes back.
    TooLate,
    /// There is no such order, or it was paid before.
    Nothing,
}

/// The shop's own code, on a connection of its own.
pub struct Checkout {
    link: Link,
}

impl Checkout {
    /// Opens the shop. From here on readers and the writer do not wait for each other.
    ///
    /// # Errors
    /// The file is not there or cannot be written.
    pub async fn open(path: &Path) -> Result<Self, ShopError> {
        let mut link = link_to(path);
        link.simple("demo_log", "PRAGMA journal_mode = WAL").await?;
        Ok(Self { link })
    }

    /// Places an order and reserves what is in its basket: everything or nothing.
    ///
    /// # Errors
    /// The file was not to be had in time, or cannot be written; nothing was.
    pub async fn place(&mut self, order: &NewOrder) -> Result<Placed, ShopError> {
        self.link.begin_write(Some(PATIENCE)).await?;
        let outcome = try_place(&mut self.link, order).await;
        match outcome {
            Ok(Placed::SoldOut { .. }) => {
                self.link.rollback().await?;
                outcome
            }
            outcome => self.link.end(outcome).await,
        }
    }

    /// The money has arrived, and the order does not say so yet. Whether there was such an order that nobody has paid.
    ///
    /// # Errors
    /// As for [`Self::place`].
    pub async fn receive(&mut self, number: &str) -> Result<bool, ShopError> {
        self.link.begin_write(Some(PATIENCE)).await?;
        let outcome = try_receive(&mut self.link, number).await;
        self.link.end(outcome).await
    }

    /// Pays an order: what it holds leaves the shelf. Money for an order that is cancelled goes back.
    ///
    /// # Errors
    /// As for [`Self::place`].
    pub async fn pay(&mut self, number: &str) -> Result<Paid, ShopError> {
        self.link.begin_write(Some(PATIENCE)).await?;
        let outcome = try_pay(&mut self.link, number).await;
        self.link.end(outcome).await
    }

    /// The customer cancels: the shop gives back what the order holds. Gives the units; nothing where it was too late.
    ///
    /// # Errors
    /// As for [`Self::place`].
    pub async fn cancel(&mut self, number: &str) -> Result<Option<i64>, ShopError> {
        self.link.begin_write(Some(PATIENCE)).await?;
        let outcome = try_cancel(&mut self.link, number).await;
        self.link.end(outcome).await
    }

    /// Fills the shelf of a product up. Gives how many pieces came.
    ///
    /// # Errors
    /// As for [`Self::place`].
    pub async fn deliver(&mut self, product: Product) -> Result<i64, ShopError> {
        self.link.begin_write(Some(PATIENCE)).await?;
        let outcome = try_deliver(&mut self.link, product).await;
        self.link.end(outcome).await
    }

    /// Somebody sets the counter of a product to nothing, though orders hold some of it. Gives by how much it is wrong now.
    ///
    /// # Errors
    /// As for [`Self::place`].
    pub async fn miscount(&mut self, product: Product) -> Result<i64, ShopError> {
        self.link.begin_write(Some(PATIENCE)).await?;
        let outcome = try_miscount(&mut self.link, product).await;
        self.link.end(outcome).await
    }

    /// Accounting freezes an order: from here on every change of its row is refused. Whether there is such an order.
    ///
    /// # Errors
    /// As for [`Self::place`].
    pub async fn freeze(&mut self, number: &str) -> Result<bool, ShopError> {
        const SQL: &str = "/* demo freeze */
INSERT INTO accounting_freeze (order_id)
SELECT order_id FROM orders_order WHERE order_number = ?1 AND payment_status = 'pending'";
        self.alone("demo_freeze", SQL, number).await.map(|rows| rows > 0)
    }

    /// Accounting lets go of an order. Whether it was frozen.
    ///
    /// # Errors
    /// As for [`Self::place`].
    pub async fn thaw(&mut self, number: &str) -> Result<bool, ShopError> {
        const SQL: &str = "/* demo thaw */
DELETE FROM accounting_freeze WHERE order_id = (SELECT order_id FROM orders_order WHERE order_number = ?1)";
        self.alone("demo_thaw", SQL, number).await.map(|rows| rows > 0)
    }

    /// Closes the file, so that its log goes into it.
    pub async fn close(&mut self) {
        self.link.close().await;
    }

    async fn alone(&mut self, name: &'static str, sql: &str, number: &str) -> Result<u64, ShopError> {
        self.link.begin_write(Some(PATIENCE)).await?;
        let outcome = self.link.execute(name, sql, of(number).plain()?).await;
        self.link.end(outcome).await
    }
}

fn of(number: &str) -> Parameters {
    Parameters::new().with(number.to_owned())
}

/// A span as the database adds it to an instant.
fn seconds(sign: &str, span: Duration) -> String {
    format!("{sign}{}.{:03} seconds", span.as_secs(), span.subsec_millis())
}

async fn try_place(link: &mut Link, order: &NewOrder) -> Result<Placed, ShopError> {
    const ORDER: &str = concat!(
        "/* demo order */
INSERT INTO orders_order (order_id, order_number, order_status, payment_status, total_amount, created_at, updated_at)
VALUES (lower(hex(randomblob(16))), ?1, 'pending_payment', 'pending', ?3 / 100.0, strftime('%Y-%m-%d %H:%M:%f', 'now', ?2) || '000', ",
        now!(),
        ")"
    );
    const RESERVATION: &str = "/* demo reservation */
INSERT INTO orders_inventoryreservation
    (reservation_id, order_id, product_variant_id, drop_product_id, reservation_type, quantity, expires_at, is_active, created_at)
SELECT lower(hex(randomblob(16))), o.order_id, ?2, ?3, 'checkout', ?4, strftime('%Y-%m-%d %H:%M:%f', 'now', ?5, ?6) || '000', 1, o.created_at
FROM orders_order AS o WHERE o.order_number = ?1";
    const HOLD_VARIANT: &str = concat!(
        "/* demo hold */ UPDATE products_productvariant SET reserved_quantity = reserved_quantity + ?2, updated_at = ",
        now!(),
        " WHERE id = ?1 AND stock_quantity - reserved_quantity >= ?2"
    );
    const HOLD_DROP: &str = concat!(
        "/* demo hold */ UPDATE drops_dropproduct SET reserved_quantity = reserved_quantity + ?2, updated_at = ",
        now!(),
        " WHERE id = ?1 AND current_stock_quantity - reserved_quantity >= ?2"
    );
    let age = seconds("-", order.age);
    let cents = order.basket.iter().map(|(product, pieces)| product.cents.saturating_mul(*pieces));
    let cents = cents.fold(0_i64, i64::saturating_add);
    link.execute("demo_order", ORDER, of(&order.number).with(age.clone()).with(cents).plain()?).await?;
    for (product, quantity) in &order.basket {
        let (hold, variant, drop) = match product.pool {
            Pool::Variants => (HOLD_VARIANT, Some(product.id), None),
            Pool::Drops => (HOLD_DROP, None, Some(product.id)),
        };
        let parameters = Parameters::new().with(product.id).with(*quantity).plain()?;
        if link.execute("demo_hold", hold, parameters).await? == 0 {
            return Ok(Placed::SoldOut { product: *product, held_in_vain: held_in_vain(link, product).await? });
        }
        let parameters = of(&order.number).with(variant).with(drop).with(*quantity).with(age.clone());
        let parameters = parameters.with(seconds("+", order.keeps)).plain()?;
        link.execute("demo_reservation", RESERVATION, parameters).await?;
    }
    Ok(Placed::Reserved)
}

/// Pieces of a product that a sweep had to give back by now.
async fn held_in_vain(link: &mut Link, product: &Product) -> Result<i64, ShopError> {
    const SQL: &str = concat!(
        "/* demo held_in_vain */
SELECT sum(r.quantity) FROM orders_inventoryreservation AS r JOIN orders_order AS o ON o.order_id = r.order_id
WHERE r.is_active AND r.expires_at <= ",
        now!(),
        " AND r.product_variant_id IS ?1 AND r.drop_product_id IS ?2 AND o.payment_status IN ('pending', 'failed')
  AND NOT EXISTS (SELECT 1 FROM orders_payment AS p WHERE p.order_id = o.order_id AND p.status = 'succeeded')
  AND NOT EXISTS (SELECT 1 FROM accounting_freeze AS f WHERE f.order_id = o.order_id)"
    );
    let (variant, drop) = match product.pool {
        Pool::Variants => (Some(product.id), None),
        Pool::Drops => (None, Some(product.id)),
    };
    let cell = "demo_held_in_vain";
    let rows = link.rows(cell, SQL, Parameters::new().with(variant).with(drop).plain()?).await?;
    read_sum(&only_row(rows, cell)?, 0, cell)
}

async fn try_receive(link: &mut Link, number: &str) -> Result<bool, ShopError> {
    // Money that has arrived is not received again.
    const SQL: &str = concat!(
        "/* demo money */
INSERT INTO orders_payment (payment_id, order_id, status, gateway_transaction_id, created_at)
SELECT lower(hex(randomblob(16))), o.order_id, 'succeeded', 'demo_' || lower(o.order_number), ",
        now!(),
        " FROM orders_order AS o WHERE o.order_number = ?1 AND o.payment_status IN ('pending', 'failed')
  AND NOT EXISTS (SELECT 1 FROM orders_payment AS p WHERE p.order_id = o.order_id AND p.status = 'succeeded')"
    );
    link.execute("demo_money", SQL, of(number).plain()?).await.map(|rows| rows > 0)
}

async fn try_pay(link: &mut Link, number: &str) -> Result<Paid, ShopError> {
    const FOUND: &str = "/* demo order_to_pay */
SELECT o.payment_status, sum(r.quantity),
       CAST((julianday(min(r.expires_at)) - julianday('now')) * 86400000 AS INTEGER) * 1000
FROM orders_order AS o
LEFT JOIN orders_inventoryreservation AS r ON r.order_id = o.order_id AND r.is_active
WHERE o.order_number = ?1 GROUP BY o.order_id";
    const REFUND: &str = concat!(
        "/* demo refund */
INSERT INTO orders_payment (payment_id, order_id, status, gateway_transaction_id, created_at)
SELECT lower(hex(randomblob(16))), order_id, 'refunded', 'demo_' || lower(order_number), ",
        now!(),
        " FROM orders_order WHERE order_number = ?1"
    );
    const MARK: &str = concat!(
        "/* demo paid */ UPDATE orders_order SET order_status = 'processing', payment_status = 'paid', updated_at = ",
        now!(),
        " WHERE order_number = ?1"
    );
    const FULFIL: &str = concat!(
        "/* demo fulfil */ UPDATE orders_inventoryreservation SET is_active = 0, fulfilled_at = ",
        now!(),
        " WHERE is_active AND order_id = (SELECT order_id FROM orders_order WHERE order_number = ?1)"
    );
    let cell = "demo_order_to_pay";
    let rows = link.rows(cell, FOUND, of(number).plain()?).await?;
    let Some(row) = rows.first() else { return Ok(Paid::Nothing) };
    let status: String = read(row, 0, cell)?;
    let units = read_sum(row, 1, cell)?;
    match status.as_str() {
        "pending" | "failed" if units > 0 => {}
        "cancelled" => {
            link.execute("demo_refund", REFUND, of(number).plain()?).await?;
            return Ok(Paid::TooLate);
        }
        _ => return Ok(Paid::Nothing),
    }
    let left_micros = read_sum(row, 2, cell)?;
    try_receive(link, number).await?;
    take_off(link, number, Shelf::Sold).await?;
    link.execute("demo_fulfil", FULFIL, of(number).plain()?).await?;
    link.execute("demo_paid", MARK, of(number).plain()?).await?;
    Ok(Paid::Yes { units, left_micros })
}

/// Whether what an order held leaves the shelf or stays on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shelf {
    Sold,
    Kept,
}

/// Takes what an order holds off the counters.
async fn take_off(link: &mut Link, number: &str, shelf: Shelf) -> Result<(), ShopError> {
    const VARIANTS: &str = concat!(
        "/* demo take_off */
UPDATE products_productvariant AS p SET stock_quantity = p.stock_quantity - h.units * ?2,
       reserved_quantity = max(0, p.reserved_quantity - h.units), updated_at = ",
        now!(),
        " FROM (SELECT r.product_variant_id AS id, sum(r.quantity) AS units
      FROM orders_inventoryreservation AS r JOIN orders_order AS o ON o.order_id = r.order_id
      WHERE o.order_number = ?1 AND r.is_active GROUP BY r.product_variant_id) AS h
WHERE h.id = p.id"
    );
    const DROPS: &str = concat!(
        "/* demo take_off */
UPDATE drops_dropproduct AS p SET current_stock_quantity = p.current_stock_quantity - h.units * ?2,
       reserved_quantity = max(0, p.reserved_quantity - h.units), updated_at = ",
        now!(),
        " FROM (SELECT r.drop_product_id AS id, sum(r.quantity) AS units
      FROM orders_inventoryreservation AS r JOIN orders_order AS o ON o.order_id = r.order_id
      WHERE o.order_number = ?1 AND r.is_active GROUP BY r.drop_product_id) AS h
WHERE h.id = p.id"
    );
    let leaves = i64::from(shelf == Shelf::Sold);
    for sql in [VARIANTS, DROPS] {
        link.execute("demo_take_off", sql, of(number).with(leaves).plain()?).await?;
    }
    Ok(())
}

async fn try_cancel(link: &mut Link, number: &str) -> Result<Option<i64>, ShopError> {
    const HELD: &str = "/* demo order_to_cancel */
SELECT sum(r.quantity) FROM orders_order AS o
JOIN orders_inventoryreservation AS r ON r.order_id = o.order_id AND r.is_active
WHERE o.order_number = ?1 AND o.payment_status IN ('pending', 'failed')";
    const END: &str = concat!(
        "/* demo end */ UPDATE orders_inventoryreservation SET is_active = 0, cancelled_at = ",
        now!(),
        " WHERE is_active AND order_id = (SELECT order_id FROM orders_order WHERE order_number = ?1)"
    );
    const CANCEL: &str = concat!(
        "/* demo cancel */ UPDATE orders_order SET order_status = 'cancelled', payment_status = 'cancelled', updated_at = ",
        now!(),
        " WHERE order_number = ?1"
    );
    let cell = "demo_order_to_cancel";
    let units = read_sum(&only_row(link.rows(cell, HELD, of(number).plain()?).await?, cell)?, 0, cell)?;
    if units == 0 {
        return Ok(None);
    }
    take_off(link, number, Shelf::Kept).await?;
    link.execute("demo_end", END, of(number).plain()?).await?;
    link.execute("demo_cancel", CANCEL, of(number).plain()?).await?;
    Ok(Some(units))
}

async fn try_deliver(link: &mut Link, product: Product) -> Result<i64, ShopError> {
    const VARIANT: &str = "/* demo shelf */ SELECT ?2 - stock_quantity FROM products_productvariant WHERE id = ?1";
    const DROP: &str = "/* demo shelf */ SELECT ?2 - current_stock_quantity FROM drops_dropproduct WHERE id = ?1";
    const FILL_VARIANT: &str = concat!(
        "/* demo deliver */ UPDATE products_productvariant SET stock_quantity = stock_quantity + ?2, updated_at = ",
        now!(),
        " WHERE id = ?1"
    );
    const FILL_DROP: &str = concat!(
        "/* demo deliver */ UPDATE drops_dropproduct SET current_stock_quantity = current_stock_quantity + ?2, updated_at = ",
        now!(),
        " WHERE id = ?1"
    );
    let (shelf, fill) = match product.pool {
        Pool::Variants => (VARIANT, FILL_VARIANT),
        Pool::Drops => (DROP, FILL_DROP),
    };
    let cell = "demo_shelf";
    let rows = link.rows(cell, shelf, Parameters::new().with(product.id).with(product.pieces).plain()?).await?;
    let missing = read_sum(&only_row(rows, cell)?, 0, cell)?;
    if missing > 0 {
        link.execute("demo_deliver", fill, Parameters::new().with(product.id).with(missing).plain()?).await?;
    }
    Ok(missing.max(0))
}

async fn try_miscount(link: &mut Link, product: Product) -> Result<i64, ShopError> {
    const VARIANT: &str = "/* demo counter */ SELECT reserved_quantity FROM products_productvariant WHERE id = ?1";
    const DROP: &str = "/* demo counter */ SELECT reserved_quantity FROM drops_dropproduct WHERE id = ?1";
    const CLEAR_VARIANT: &str =
        "/* demo miscount */ UPDATE products_productvariant SET reserved_quantity = 0 WHERE id = ?1";
    const CLEAR_DROP: &str = "/* demo miscount */ UPDATE drops_dropproduct SET reserved_quantity = 0 WHERE id = ?1";
    let (counter, clear) = match product.pool {
        Pool::Variants => (VARIANT, CLEAR_VARIANT),
        Pool::Drops => (DROP, CLEAR_DROP),
    };
    let cell = "demo_counter";
    let parameters = || Parameters::new().with(product.id).plain();
    let wrong = read_sum(&only_row(link.rows(cell, counter, parameters()?).await?, cell)?, 0, cell)?;
    link.execute("demo_miscount", clear, parameters()?).await?;
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::demo::stock_levels;

    const BREAD: Product = PRODUCTS[0];
    const POSTER: Product = PRODUCTS[6];

    struct Shop {
        directory: tempfile::TempDir,
        checkout: Checkout,
    }

    impl Shop {
        async fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("shop.db");
            create(&path).await.unwrap();
            let checkout = Checkout::open(&path).await.unwrap();
            Self { directory, checkout }
        }

        async fn place(&mut self, number: &str, basket: &[(Product, i64)], age: u64) -> Placed {
            let order = NewOrder {
                number: number.to_owned(),
                basket: basket.to_vec(),
                age: Duration::from_secs(age),
                keeps: Duration::from_secs(900),
            };
            self.checkout.place(&order).await.unwrap()
        }

        /// What is there and what is reserved of bread and of the poster.
        async fn levels(&self) -> [(i64, i64); 2] {
            let levels = stock_levels(&self.directory.path().join("shop.db")).await.unwrap();
            let of = |product: Product| {
                let level = levels.iter().find(|level| level.name == product.name).unwrap();
                (level.stock, level.reserved)
            };
            [of(BREAD), of(POSTER)]
        }
    }

    #[tokio::test]
    async fn an_order_reserves_everything_or_nothing_and_says_what_held_it_in_vain() {
        let mut shop = Shop::new().await;
        assert_eq!(shop.place("M-1", &[(BREAD, 3), (POSTER, 2)], 0).await, Placed::Reserved);
        assert_eq!(shop.levels().await, [(4, 3), (8, 2)]);
        let sold_out = Placed::SoldOut { product: BREAD, held_in_vain: 0 };
        assert_eq!(shop.place("M-2", &[(POSTER, 1), (BREAD, 2)], 0).await, sold_out);
        assert_eq!(shop.levels().await, [(4, 3), (8, 2)], "nothing of it was written");
        // Older than its reservation keeps, and nobody has given it back.
        assert_eq!(shop.place("M-3", &[(BREAD, 1)], 1_000).await, Placed::Reserved);
        let in_vain = Placed::SoldOut { product: BREAD, held_in_vain: 1 };
        assert_eq!(shop.place("M-4", &[(BREAD, 1)], 0).await, in_vain);
        // Money protects it: it is not held in vain.
        assert!(shop.checkout.receive("M-3").await.unwrap());
        assert_eq!(shop.place("M-4", &[(BREAD, 1)], 0).await, sold_out);
    }

    #[tokio::test]
    async fn what_is_paid_leaves_the_shelf_once_and_what_is_cancelled_stays_on_it() {
        let mut shop = Shop::new().await;
        shop.place("M-1", &[(BREAD, 2), (POSTER, 1)], 600).await;
        shop.place("M-2", &[(BREAD, 2)], 0).await;
        let paid = shop.checkout.pay("M-1").await.unwrap();
        assert!(matches!(paid, Paid::Yes { units: 3, left_micros: 200_000_000..=300_000_000 }), "{paid:?}");
        assert_eq!(shop.levels().await, [(2, 2), (7, 0)]);
        assert_eq!(shop.checkout.pay("M-1").await.unwrap(), Paid::Nothing);
        assert_eq!(shop.checkout.pay("M-9").await.unwrap(), Paid::Nothing);
        assert_eq!(shop.checkout.cancel("M-1").await.unwrap(), None);
        assert_eq!(shop.checkout.cancel("M-2").await.unwrap(), Some(2));
        assert_eq!(shop.levels().await, [(2, 0), (7, 0)]);
        assert_eq!(shop.checkout.pay("M-2").await.unwrap(), Paid::TooLate);
        assert!(!shop.checkout.receive("M-2").await.unwrap());
        assert_eq!(shop.levels().await, [(2, 0), (7, 0)]);
        assert_eq!(shop.checkout.deliver(BREAD).await.unwrap(), 2);
        assert_eq!(shop.checkout.deliver(BREAD).await.unwrap(), 0);
        assert_eq!(shop.levels().await, [(4, 0), (7, 0)]);
    }

    #[tokio::test]
    async fn a_frozen_order_refuses_every_change_until_it_is_let_go() {
        let mut shop = Shop::new().await;
        shop.place("M-1", &[(POSTER, 2)], 0).await;
        assert!(shop.checkout.freeze("M-1").await.unwrap());
        assert!(!shop.checkout.freeze("M-9").await.unwrap());
        let refused = shop.checkout.pay("M-1").await.unwrap_err();
        assert!(refused.message.contains("accounting has frozen this order"), "{refused}");
        assert_eq!(shop.levels().await, [(4, 0), (8, 2)], "nothing of the payment stands");
        assert!(shop.checkout.thaw("M-1").await.unwrap());
        assert!(matches!(shop.checkout.pay("M-1").await.unwrap(), Paid::Yes { units: 2, .. }));
        assert_eq!(shop.checkout.miscount(POSTER).await.unwrap(), 0);
        shop.place("M-2", &[(POSTER, 2)], 0).await;
        assert_eq!(shop.checkout.miscount(POSTER).await.unwrap(), 2);
        assert_eq!(shop.levels().await, [(4, 0), (6, 0)]);
    }
}
