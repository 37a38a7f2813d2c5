//! A database that does not fit, takes no writes, is full, or has another clock.

use crate::bad_input::{PROFILE, check, shop_with_due_orders};
use crate::grants::Role;
use crate::shop::{Ended, Shop};
use crate::{audit, wait};

/// A change of the shop's schema, and what is said of it.
const OTHER_SCHEMAS: &[(&str, &[&str])] = &[
    (
        "ALTER TABLE orders_payment RENAME TO orders_payments",
        &[
            "table `orders_payment` named by profile `malikli` does not exist",
            "there is a table `orders_payments`; did you mean that?",
        ],
    ),
    (
        "ALTER TABLE orders_inventoryreservation RENAME expires_at TO expires_on",
        &[
            "column `orders_inventoryreservation.expires_at` named by profile `malikli` does not exist",
            "the table has `expires_on`; did you mean that?",
        ],
    ),
    (
        "ALTER TABLE orders_inventoryreservation DROP CONSTRAINT orders_inventoryreservation_quantity_check;
         ALTER TABLE orders_inventoryreservation ALTER quantity TYPE text",
        &["column `orders_inventoryreservation.quantity` has type `text`, which is not a quantity"],
    ),
    (
        "ALTER TABLE orders_inventoryreservation DROP CONSTRAINT orders_inventoryreservation_order_id_fkey;
         ALTER TABLE orders_inventoryreservation ALTER order_id TYPE text",
        &["column `order_id` has type `text`, but the key `orders_order.order_id` it refers to has type `uuid`"],
    ),
    (
        "ALTER TABLE orders_inventoryreservation ALTER expires_at TYPE text",
        &["column `expires_at` holds instants as text, which cannot be compared safely in this database"],
    ),
    (
        "ALTER TABLE orders_inventoryreservation ALTER is_active DROP DEFAULT, ALTER is_active TYPE text",
        &["column `orders_inventoryreservation.is_active` has type `text` and cannot hold"],
    ),
    (
        "ALTER TABLE orders_order RENAME TO orders; CREATE VIEW orders_order AS SELECT * FROM orders",
        &["`orders_order` is not a table but a view, whose rows cannot be locked"],
    ),
];

#[test]
fn a_schema_that_the_profile_does_not_fit_is_told_column_by_column() {
    for (change, says) in OTHER_SCHEMAS {
        eprintln!("{change}");
        let shop = shop_with_due_orders();
        shop.session().run(change);
        for arguments in [&["sweep"] as &[&str], &["sweep", "--dry-run"], &["profile", "check"]] {
            check(&shop, &mut shop.command(arguments), 2, says);
        }
    }
}

#[test]
fn a_profile_for_another_shop_names_the_tables_that_are_not_there() {
    let shop = Shop::without_tables();
    shop.session().run("CREATE TABLE customers (id int)");
    let says = [
        "table `orders_order` named by profile `malikli` does not exist",
        "table `orders_inventoryreservation` named by profile `malikli` does not exist",
        "is this the right database, and the right profile for it?",
    ];
    for arguments in [&["sweep"] as &[&str], &["sweep", "--dry-run"], &["profile", "check"], &["explain", "a-1"]] {
        check(&shop, &mut shop.command(arguments), 2, &says);
    }
}

#[test]
fn a_database_that_takes_no_writes_ends_with_4_and_can_be_looked_at() {
    let shop = shop_with_due_orders();
    let role = Role::new(&shop, "SUPERUSER");
    shop.session().run(&format!("ALTER ROLE {} SET default_transaction_read_only = on", role.name));
    let command = |arguments: &[&str]| shop.command_in("state", &shop.url_as(&role.name), arguments);
    let says = ["the database is read-only: default_transaction_read_only is on"];
    check(&shop, &mut command(&["sweep"]), 4, &[says[0], "`--dry-run` works on this one"]);
    check(&shop, &mut command(&["setup"]), 4, &says);
    let before = shop.dump();
    let dry = Ended::new(&command(&["sweep", "--dry-run", "--format", "json"]).output().unwrap()).expect(0).json();
    assert_eq!(dry["orders_cancelled"], 5);
    for arguments in [&["profile", "check"] as &[&str], &["history"]] {
        Ended::new(&command(arguments).output().unwrap()).expect(0);
    }
    shop.expect_unchanged(&before);
}

/// The ledger's or the shop's table refuses every row as a full disk would.
fn fill_the_disk_of(shop: &Shop, table: &str) {
    shop.session().run(&format!(
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'could not extend file: No space left on device'; END $$;
         CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION no_room()"
    ));
}

#[test]
fn a_full_disk_ends_with_4_and_keeps_nothing_of_the_batch() {
    for table in [
        "unreserve.entry",
        "orders_inventoryreservation",
        "products_productvariant",
        "unreserve.sweep",
        "unreserve.sweep_end",
    ] {
        eprintln!("{table}");
        let shop = shop_with_due_orders();
        let mut session = shop.session();
        fill_the_disk_of(&shop, table);
        let ended = shop.run(&["sweep"]).expect(4);
        for text in ["No space left on device", "53100", "hint: make room on the database's disk"] {
            assert!(ended.stderr.contains(text), "`{text}` is not in:\n{}", ended.stderr);
        }
        let at_the_end = table == "unreserve.sweep_end";
        assert_eq!(audit::due(&mut session), if at_the_end { 0 } else { 5 });
        audit::all_holds(&mut session);
        assert_eq!(session.number("SELECT count(*)::text FROM unreserve.set_aside"), 0);
        session.run(&format!("DROP TRIGGER full_disk ON {table}"));
        shop.sweep(&[]);
        assert_eq!(audit::due(&mut session), 0);
        audit::all_holds(&mut session);
    }
}

/// The shipped profile without what it says of time zones.
fn undeclared() -> String {
    PROFILE.lines().filter(|line| !line.contains("time_zone")).fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn naive_times_of_another_zone_stop_the_sweep_before_its_first_write() {
    // East of Greenwich the rows seem to come from the future; west of it nothing proves the zone.
    let zones: [(&str, &[&str]); 2] = [
        ("Asia/Tokyo", &["was created 32", "s after the database's now, by column `created_at`", "time_zone"]),
        (
            "America/Lima",
            &["column `expires_at` carries no time zone, and nothing shows which one it is in", "time_zone = \"UTC\""],
        ),
    ];
    for (zone, says) in zones {
        let shop = shop_with_due_orders();
        let mut session = shop.session();
        // A checkout of this moment, which is far from its expiry.
        session.run(
            "UPDATE orders_inventoryreservation SET created_at = now(), expires_at = now() + interval '15 minutes'
                     WHERE order_id = (SELECT order_id FROM orders_order WHERE order_number = 'a-5')",
        );
        for column in ["created_at", "expires_at"] {
            session.run(&format!(
                "ALTER TABLE orders_inventoryreservation ALTER {column} DROP DEFAULT, ALTER {column} TYPE timestamp USING {column} AT TIME ZONE '{zone}'"
            ));
        }
        let all =
            [&["the shop's clock and the database's clock do not fit together; nothing was written"], says].concat();
        let profile = shop.path().join("shop.toml");
        std::fs::write(&profile, undeclared()).unwrap();
        for arguments in [&["sweep"] as &[&str], &["sweep", "--dry-run"]] {
            let arguments = [arguments, &["--profile", "shop.toml", "--state-dir", "state"]].concat();
            check(&shop, &mut shop.bare(&shop.url(), &arguments), 3, &all);
        }
    }
}

#[test]
fn an_order_that_the_database_refuses_is_set_aside_and_blocks_nobody() {
    let shop = shop_with_due_orders();
    let mut session = shop.session();
    session.run(
        "ALTER TABLE orders_order ADD CONSTRAINT never CHECK (order_number <> 'a-3' OR payment_status <> 'cancelled')",
    );
    let ended = shop.run(&["sweep", "--format", "json"]).expect(1);
    assert_eq!(ended.json()["orders_cancelled"], 4);
    assert_eq!(ended.json()["orders_set_aside"], 1);
    for arguments in [&["explain", "a-3"] as &[&str], &["history"]] {
        let shown = shop.run(arguments).expect(0).stdout;
        assert!(shown.contains("violates check constraint \"never\""), "{shown}");
    }
    // It is kept out of the way, then tried again after an hour.
    session.run("ALTER TABLE orders_order DROP CONSTRAINT never");
    assert_eq!(shop.run(&["sweep", "--format", "json"]).expect(1).json()["orders_cancelled"], 0);
    session.run("UPDATE unreserve.set_aside SET retry_at = now() - interval '1 second'");
    assert_eq!(shop.sweep(&[])["orders_cancelled"], 1);
    audit::all_holds(&mut session);
}

#[test]
fn a_connection_that_is_cut_in_the_middle_is_made_again_and_the_sweep_goes_on() {
    let shop = Shop::new();
    let mut session = shop.session();
    shop.fill(&mut session, "a", 400);
    let mut running = shop.start("state", &["sweep", "--batch-size", "5", "--format", "json"]);
    for batches in [5, 20, 40] {
        wait::until("some batches are committed", std::time::Duration::from_secs(20), || {
            session.number("SELECT count(*)::text FROM unreserve.batch") >= batches
        });
        assert!(!running.has_ended(), "the backlog is too small to be cut in the middle");
        session.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'unreserve'");
    }
    let report = Ended::new(&running.output()).expect(0).json();
    assert_eq!(report["orders_cancelled"], 400);
    assert_eq!(audit::due(&mut session), 0);
    audit::all_holds(&mut session);
}
