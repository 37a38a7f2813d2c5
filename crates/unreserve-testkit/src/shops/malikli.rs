//! The tables of the Malikli shop: reservations of product variants and of drops, orders and payments.

use super::table::{Column, ColumnKind, Reference, Table};

/// The orders.
pub const ORDERS: &str = "orders_order";
/// The payments.
pub const PAYMENTS: &str = "orders_payment";
/// The reservations.
pub const RESERVATIONS: &str = "orders_inventoryreservation";
/// The first pool of stock.
pub const VARIANTS: &str = "products_productvariant";
/// The second pool of stock.
pub const DROPS: &str = "drops_dropproduct";

/// Which rules of its own the database keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether a reservation's stock row must exist.
    pub stock_keys: bool,
    /// Whether counters and quantities are checked.
    pub checks: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { stock_keys: true, checks: true }
    }
}

/// The tables, those that others point at first. The counters may be NULL here, so that this can be tested too.
#[must_use]
pub fn malikli_tables(rules: Rules) -> Vec<Table> {
    let mut reservation = reservations();
    if rules.stock_keys {
        reservation.references.push(Reference { column: "product_variant_id", table: VARIANTS, to: "id" });
        reservation.references.push(Reference { column: "drop_product_id", table: DROPS, to: "id" });
    }
    let mut tables = vec![
        stock(VARIANTS, "stock_quantity"),
        stock(DROPS, "current_stock_quantity"),
        orders(),
        reservation,
        payments(),
    ];
    if !rules.checks {
        for table in &mut tables {
            table.checks.clear();
        }
    }
    tables
}

fn stock(name: &'static str, on_hand: &'static str) -> Table {
    let checks = if name == VARIANTS {
        vec!["stock_quantity >= 0", "reserved_quantity >= 0", "reserved_quantity <= stock_quantity"]
    } else {
        vec!["current_stock_quantity >= 0", "reserved_quantity >= 0", "reserved_quantity <= current_stock_quantity"]
    };
    Table {
        name,
        columns: vec![
            Column::new("id", ColumnKind::BigInteger),
            Column::new(on_hand, ColumnKind::Integer),
            Column::nullable("reserved_quantity", ColumnKind::Integer),
            Column::new("updated_at", ColumnKind::Instant),
        ],
        key: vec!["id"],
        references: Vec::new(),
        checks,
    }
}

fn orders() -> Table {
    Table {
        name: ORDERS,
        columns: vec![
            Column::new("order_id", ColumnKind::Uuid),
            Column::new("order_number", ColumnKind::Varchar(50)),
            Column::new("order_status", ColumnKind::Varchar(50)),
            Column::new("payment_status", ColumnKind::Varchar(50)),
            // Only the report reads it.
            Column::nullable("total_amount", ColumnKind::Decimal(10, 2)),
            Column::new("created_at", ColumnKind::Instant),
            Column::new("updated_at", ColumnKind::Instant),
        ],
        key: vec!["order_id"],
        references: Vec::new(),
        checks: vec![
            "order_status IN ('pending_payment', 'processing', 'shipped', 'delivered', 'cancelled', 'refunded', 'failed')",
        ],
    }
}

fn reservations() -> Table {
    Table {
        name: RESERVATIONS,
        columns: vec![
            Column::new("reservation_id", ColumnKind::Uuid),
            // A cart reserves before there is an order.
            Column::nullable("order_id", ColumnKind::Uuid),
            Column::nullable("product_variant_id", ColumnKind::BigInteger),
            Column::nullable("drop_product_id", ColumnKind::BigInteger),
            Column::new("reservation_type", ColumnKind::Varchar(20)),
            Column::new("quantity", ColumnKind::Integer),
            Column::new("expires_at", ColumnKind::Instant),
            Column::new("is_active", ColumnKind::Boolean),
            Column::nullable("fulfilled_at", ColumnKind::Instant),
            Column::nullable("cancelled_at", ColumnKind::Instant),
            Column::new("created_at", ColumnKind::Instant),
        ],
        key: vec!["reservation_id"],
        references: vec![Reference { column: "order_id", table: ORDERS, to: "order_id" }],
        checks: vec!["quantity > 0", "(product_variant_id IS NULL) <> (drop_product_id IS NULL)"],
    }
}

fn payments() -> Table {
    Table {
        name: PAYMENTS,
        columns: vec![
            Column::new("id", ColumnKind::BigInteger),
            Column::new("order_id", ColumnKind::Uuid),
            Column::new("status", ColumnKind::Varchar(50)),
            Column::new("gateway_transaction_id", ColumnKind::Varchar(255)),
            // Only the report reads it.
            Column::nullable("created_at", ColumnKind::Instant),
        ],
        key: vec!["id"],
        references: vec![Reference { column: "order_id", table: ORDERS, to: "order_id" }],
        checks: vec!["status IN ('pending', 'succeeded', 'failed', 'refunded')"],
    }
}
