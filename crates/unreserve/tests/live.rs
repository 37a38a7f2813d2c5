//! `demo --live`: customers come, pay and leave, what they leave comes back, nobody who has paid loses anything, and it
//! ends when it is told to.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of a test may fail it"
)]

mod place;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use place::{Place, URL, stderr, stdout};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use unreserve_db::demo_live::PRODUCTS;

/// Everything is waited for so long on a busy machine, and a line for so long.
const LONG: Duration = Duration::from_secs(60);

/// A live demo that runs. It is killed where the test ends before it does.
struct Live {
    process: Child,
    lines: Receiver<String>,
    /// Every line that was read.
    heard: Vec<String>,
}

impl Live {
    /// Starts one at a high speed, in `shop` of this place.
    fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_unreserve"))
            .env_clear()
            .env("HOME", place.path())
            // Nothing of the environment leads a demo to another shop.
            .env("DATABASE_URL", URL)
            .current_dir(place.path())
            .args(["demo", "--live", "--dir", "shop"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = lines_of(process.stdout.take().unwrap());
        Self { process, lines, heard: Vec::new() }
    }

    /// Waits for a line with this in it, among those that were read already too.
    #[track_caller]
    fn until(&mut self, words: &str) -> String {
        let known = self.heard.iter().find(|line| line.contains(words)).cloned();
        known.unwrap_or_else(|| self.next(words))
    }

    /// Waits for another line with this in it.
    #[track_caller]
    fn next(&mut self, words: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(LONG) else {
                panic!("nothing about `{words}` in:\n{}", self.heard.join("\n"));
            };
            self.heard.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Where its page is.
    #[track_caller]
    fn address(&mut self) -> SocketAddr {
        let line = self.until("The page: http://");
        let address = line.split_once("http://").and_then(|(_, rest)| rest.strip_suffix('/'));
        address.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("no address in: {line}"))
    }

    /// Sends it a signal, and gives how it ended, with everything that it said.
    #[track_caller]
    fn end(mut self, signal: &str) -> (ExitStatus, Vec<String>) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.process.id().to_string()]).status();
        assert!(sent.unwrap().success());
        loop {
            match self.lines.recv_timeout(LONG) {
                Ok(line) => self.heard.push(line),
                // It has closed its stdout, and so has ended or is about to.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it goes on after {signal}:\n{}", self.heard.join("\n")),
            }
        }
        (self.process.wait().unwrap(), std::mem::take(&mut self.heard))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Reads lines on a thread of its own, so that they can be waited for with a bound.
fn lines_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            if sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    lines
}

/// Asks the page for something, and gives the connection, the first line of the answer read.
#[track_caller]
fn ask(address: SocketAddr, path: &str) -> (String, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect_timeout(&address, LONG).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    (line, reader)
}

/// The rows of a statement on the shop's file, each value as text.
fn rows(place: &Place, sql: &str) -> Vec<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(place.path().join("shop").join("shop.db"));
        let mut connection = options.connect().await.unwrap();
        let found = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
        connection.close().await.unwrap();
        let text = |row: &sqlx::sqlite::SqliteRow, at| row.try_get_unchecked::<Option<String>, _>(at).unwrap();
        found.iter().map(|row| (0..row.len()).map(|at| text(row, at).unwrap_or_default()).collect()).collect()
    })
}

/// How many pieces of each product were brought, from what was said.
fn brought(heard: &[String], product: &str) -> i64 {
    let deliveries = heard.iter().filter_map(|line| {
        let (_, rest) = line.split_once("from the oven: ").or_else(|| line.split_once("delivered: "))?;
        let (pieces, name) = rest.split_once(" × ")?;
        (name == product).then(|| pieces.parse::<i64>().unwrap())
    });
    deliveries.sum()
}

/// What is wrong with the shop, however it went.
fn complaints(place: &Place, heard: &[String]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut complain = |what: &str, sql: &str| {
        complaints.extend(rows(place, sql).into_iter().map(|row| format!("{what}: {}", row[0])));
    };
    complain(
        "paid, and cancelled",
        "SELECT o.order_number FROM orders_order AS o JOIN orders_payment AS p ON p.order_id = o.order_id
         WHERE p.status = 'succeeded' AND (o.order_status = 'cancelled' OR o.payment_status = 'cancelled')",
    );
    complain(
        "paid, and taken from",
        "SELECT e.order_number FROM unreserve_entry AS e JOIN orders_payment AS p ON p.order_id = e.order_key
         WHERE p.status = 'succeeded'",
    );
    complain(
        "the ledger says what the shop does not",
        "SELECT e.order_number FROM unreserve_entry AS e
         LEFT JOIN orders_inventoryreservation AS r ON r.reservation_id = e.reservation_key
         LEFT JOIN orders_order AS o ON o.order_id = e.order_key
         WHERE CASE e.kind WHEN 'release' THEN r.is_active OR r.quantity <> e.quantity OR r.fulfilled_at IS NOT NULL
                           ELSE o.payment_status <> 'cancelled' END IS NOT FALSE",
    );
    let cancelled = "SELECT order_number FROM orders_order AS o WHERE payment_status = 'cancelled' AND order_number >= 'M-3000'
                     AND NOT EXISTS (SELECT 1 FROM unreserve_entry AS e WHERE e.order_key = o.order_id AND e.kind = 'cancel')";
    for order in rows(place, cancelled) {
        let by_customer = format!("{} is cancelled by its customer", order[0]);
        if !heard.iter().any(|line| line.contains(&by_customer)) {
            complaints.push(format!("nobody has cancelled {}", order[0]));
        }
    }
    complaints.extend(units_lost_or_found(place, heard));
    complaints
}

/// What is there, what was sold and what was brought: no unit is lost, none comes from nowhere, and none is counted wrong.
fn units_lost_or_found(place: &Place, heard: &[String]) -> Vec<String> {
    let stock = "SELECT p.name, p.stock, p.reserved, coalesce(sum(r.quantity) FILTER (WHERE r.is_active), 0),
                        coalesce(sum(r.quantity) FILTER (WHERE r.fulfilled_at IS NOT NULL AND o.order_number >= 'M-3000'), 0)
                 FROM (SELECT name, stock_quantity AS stock, reserved_quantity AS reserved, id AS variant, NULL AS drops FROM products_productvariant
                       UNION ALL SELECT name, current_stock_quantity, reserved_quantity, NULL, id FROM drops_dropproduct) AS p
                 LEFT JOIN orders_inventoryreservation AS r ON r.product_variant_id = p.variant OR r.drop_product_id = p.drops
                 LEFT JOIN orders_order AS o ON o.order_id = r.order_id
                 GROUP BY p.name ORDER BY p.name";
    let stock = rows(place, stock);
    assert_eq!(stock.len(), PRODUCTS.len());
    let mut complaints = Vec::new();
    for row in stock {
        let number = |at: usize| row[at].parse::<i64>().unwrap();
        let (there, counted, held, sold) = (number(1), number(2), number(3), number(4));
        let product = PRODUCTS.into_iter().find(|product| product.name == row[0]).unwrap();
        if counted != held {
            complaints.push(format!("{}: {counted} are counted as reserved, and {held} are", row[0]));
        }
        if there + sold != product.pieces + brought(heard, product.name) {
            complaints.push(format!("{}: {there} are there and {sold} were sold", row[0]));
        }
    }
    complaints
}

#[test]
fn a_live_shop_gives_back_what_is_left_and_takes_nothing_from_who_has_paid() {
    let place = Place::new();
    let mut live = Live::start(&place, &["--speed", "300", "--listen", "127.0.0.1:0"]);
    for path in ["/", "/sweeps", "/orders", "/stock", "/health", "/settings"] {
        assert_eq!(ask(live.address(), path).0.trim_end(), "HTTP/1.1 200 OK", "{path}");
    }
    for words in [
        "A live shop in shop/shop.db",
        " reserves ",
        " is paid: ",
        " expired unpaid: ",
        " left and stays: ",
        " is paid too late: it is cancelled, the money goes back",
        "its money came in time, nothing was taken",
        " is cancelled by its customer",
        " sold out",
        " can be bought again",
        "from the oven: ",
        "the counter was 2 too low: drift",
        "M-3002 is set aside, all others go on: accounting has frozen this order",
        "accounting has found the money for M-3002",
        "M-3002 is booked as paid",
    ] {
        live.until(words);
    }
    // Whoever looks at the page keeps nobody from ending.
    let (_, _watching) = ask(live.address(), "/events");
    let (status, heard) = live.end("INT");
    assert_eq!(status.code(), Some(0));
    assert_eq!(complaints(&place, &heard), [""; 0]);
    let mut known = 0;
    for wrong in [
        "UPDATE products_productvariant SET stock_quantity = stock_quantity + 1 WHERE id = 3",
        "UPDATE products_productvariant SET stock_quantity = stock_quantity + 9, reserved_quantity = reserved_quantity + 9 WHERE id = 4",
        "UPDATE orders_inventoryreservation SET quantity = quantity + 1
         WHERE reservation_id = (SELECT max(reservation_key) FROM unreserve_entry)",
        "UPDATE orders_order SET payment_status = 'cancelled' WHERE order_number = 'M-3002'",
        "INSERT INTO orders_payment SELECT 'late', max(order_key), 'succeeded', 'late', '' FROM unreserve_entry",
    ] {
        rows(&place, wrong);
        let complaints = complaints(&place, &heard).len();
        assert!(complaints > known, "nobody sees: {wrong}");
        known = complaints;
    }
    let ended = heard.iter().position(|line| line == "Ended.").unwrap();
    let told = heard[ended..].join("\n");
    for words in ["no paid order was cancelled", "0 failed", "drift 2"] {
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn a_demo_that_runs_is_left_alone_and_one_that_has_ended_is_replaced() {
    let place = Place::new();
    let mut first = Live::start(&place, &["--listen", "127.0.0.1:0"]);
    first.until("A live shop");
    for arguments in [&["demo", "--live", "--dir", "shop"][..], &["demo", "--dir", "shop"]] {
        let refused = place.run(&[], arguments);
        assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(75), ""), "{}", stderr(&refused));
        assert!(stderr(&refused).contains("another demo runs in this directory"), "{}", stderr(&refused));
    }
    assert_eq!(first.end("TERM").0.code(), Some(0));
    let mut second = Live::start(&place, &["--speed", "600", "--listen", "127.0.0.1:0"]);
    second.until(" reserves ");
    // Killed as it never is by a person who closes a window: nothing of it is in the way either.
    drop(second);
    let mut third = Live::start(&place, &["--listen", "127.0.0.1:0"]);
    third.until(" reserves ");
    assert_eq!(third.end("INT").0.code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_told_where_it_was_asked_for_and_else_another_is_taken() {
    let place = Place::new();
    // It is taken now, by this test or by somebody else.
    let _taken = TcpListener::bind("127.0.0.1:8420");
    let mut live = Live::start(&place, &[]);
    let address = live.address();
    assert_ne!(address.port(), 8420);
    assert_eq!(ask(address, "/livez").0.trim_end(), "HTTP/1.1 200 OK");
    let there = address.to_string();
    let refused = place.run(&[], &["demo", "--live", "--dir", "other", "--listen", &there]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    let expected = format!("the page cannot listen on {address}");
    assert!(stderr(&refused).contains(&expected), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("leave `--listen` out"), "{}", stderr(&refused));
    assert!(!place.path().join("other").join("shop.db").exists());
    assert_eq!(live.end("INT").0.code(), Some(0));
}

#[test]
fn what_is_no_demo_is_not_overwritten_and_what_cannot_be_is_refused() {
    let place = Place::new();
    place.file("shop/shop.db", "somebody's own");
    let refused = place.run(&[], &["demo", "--live", "--dir", "shop"]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("is not a demo shop, so it is left alone"), "{}", stderr(&refused));
    assert_eq!(std::fs::read_to_string(place.path().join("shop").join("shop.db")).unwrap(), "somebody's own");
    for arguments in [
        &["--live", "--speed", "0"][..],
        &["--live", "--speed", "601"],
        &["--live", "--orders", "50"],
        &["--speed", "60"],
        &["--listen", "127.0.0.1:9000"],
        &["--live", "--listen", "here"],
        &["--live", "--listen", "0.0.0.0:8420"],
    ] {
        let refused = place.run(&[], &[&["demo", "--dir", "other"], arguments].concat());
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {}", stderr(&refused));
        assert!(!place.path().join("other").exists(), "{arguments:?}");
    }
}
