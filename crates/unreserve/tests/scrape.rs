//! A real Prometheus that scrapes a real daemon: what it collects, its rules, and every query of the dashboard.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "helpers of a test may fail it, and wait for something with a bound"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use unreserve_testkit::servers::find_prometheus;

fn monitoring() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../monitoring")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(monitoring().join(name)).unwrap()
}

fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// A process that ends with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A port that nobody listens at.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The body of an answer with status 200; nothing where there is none yet.
fn get(port: u16, path: &str, accept: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.lines().next()?.contains(" 200 ").then(|| body.to_owned())
}

/// What a query gives, as Prometheus tells it.
fn query(port: u16, expression: &str) -> Option<Value> {
    let encoded: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let answer: Value = serde_json::from_str(&get(port, &format!("/api/v1/query?query={encoded}"), "*/*")?).unwrap();
    assert_eq!(answer["status"], "success", "{expression}: {answer}");
    Some(answer["data"]["result"].clone())
}

fn is_empty(result: &Value) -> bool {
    result.as_array().unwrap().is_empty()
}

/// Looks until it is so.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The expression as the dashboard sends it once somebody looks at everything.
fn filled_in(expression: &str) -> String {
    let filled =
        ["$job", "$instance", "$shop"].iter().fold(expression.to_owned(), |text, name| text.replace(name, ".*"));
    let filled = filled.replace("$__rate_interval", "1m");
    assert!(!filled.contains('$'), "{filled}");
    filled
}

/// What can give nothing in a shop in which all is well and nobody is alerted.
const MAY_BE_EMPTY: [&str; 2] = ["unreserve_errors_total", "unreserve_alert_deliveries_total"];

/// Lets one of the reservations that still hold stock expire, 90 seconds ago.
fn expire_one(file: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
        let changed = connection.execute(sqlx::raw_sql(AssertSqlSafe(
            "UPDATE orders_inventoryreservation SET created_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '-20 minutes') || '000', \
             expires_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '-90 seconds') || '000' WHERE reservation_id IN \
             (SELECT r.reservation_id FROM orders_inventoryreservation r JOIN orders_order o USING (order_id) WHERE r.is_active \
             AND o.payment_status = 'pending' AND r.order_id NOT IN (SELECT order_id FROM orders_payment) LIMIT 1)",
        )));
        assert_eq!(changed.await.unwrap().rows_affected(), 1);
        connection.close().await.unwrap();
    });
}

#[test]
fn a_real_prometheus_scrapes_a_real_daemon_and_answers_every_query_of_the_dashboard() {
    let directory = tempfile::tempdir().unwrap();
    let (page, port) = (free_port(), free_port());
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unreserve"));
        command.env_clear().current_dir(directory.path());
        command
    };
    let made = program().args(["demo", "--orders", "40", "--dir", "blue"]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let settings = format!(
        "state_dir = \"state\"\ninterval = \"1s\"\n[web]\nlisten = \"127.0.0.1:{page}\"\n\
         [[shop]]\nname = \"blue\"\ndatabase_url = \"sqlite:blue/shop.db\"\nprofile = \"malikli\"\n"
    );
    std::fs::write(directory.path().join("unreserve.toml"), settings).unwrap();
    let _daemon = Running::start(program().arg("daemon"));
    let scraped = || get(page, "/metrics", "text/plain").unwrap_or_default();
    wait_until("the daemon has swept", || {
        scraped().lines().any(|line| {
            line.starts_with("unreserve_sweeps_total{shop=\"blue\",result=\"done\"}") && !line.ends_with(" 0")
        })
    });
    assert_eq!(judged(&scraped()), "", "in the older format");
    assert!(get(page, "/metrics", "application/openmetrics-text").unwrap().ends_with("\n# EOF\n"));
    let config = format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [\"{}\"]\nscrape_configs:\n  \
         - {{ job_name: unreserve, static_configs: [{{ targets: [\"127.0.0.1:{page}\"] }}] }}\n",
        monitoring().join("alerts.yml").canonicalize().unwrap().display()
    );
    std::fs::write(directory.path().join("prometheus.yml"), config).unwrap();
    let mut prometheus = Command::new(find_prometheus().unwrap().prometheus);
    prometheus.current_dir(directory.path()).args([
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        &format!("--web.listen-address=127.0.0.1:{port}"),
    ]);
    let _prometheus = Running::start(&mut prometheus);
    let rate = "rate(unreserve_sweeps_total{result=\"done\"}[1m]) > 0";
    wait_until("Prometheus has scraped it twice", || query(port, rate).is_some_and(|result| !is_empty(&result)));
    // Something happens while it is watched.
    expire_one(&directory.path().join("blue").join("shop.db"));
    let lag = "histogram_quantile(0.5, rate(unreserve_release_lag_seconds_bucket[1m])) > 60 < 120";
    wait_until("the release was scraped", || query(port, lag).is_some_and(|result| !is_empty(&result)));
    let dashboard: Value = serde_json::from_str(&read("grafana.json")).unwrap();
    let expressions = expressions(&dashboard);
    assert!(expressions.len() > 20, "{}", expressions.len());
    for expression in &expressions {
        let filled = filled_in(expression);
        let result = query(port, &filled).unwrap();
        let may_be_empty = MAY_BE_EMPTY.iter().any(|metric| expression.contains(metric));
        assert!(may_be_empty || !is_empty(&result), "nothing for {filled}");
    }
    let rules: Value = serde_json::from_str(&get(port, "/api/v1/rules", "*/*").unwrap()).unwrap();
    let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), read("alerts.yml").matches("alert: ").count());
    wait_until("every rule was asked", || {
        let rules: Value = serde_json::from_str(&get(port, "/api/v1/rules", "*/*").unwrap()).unwrap();
        let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap().clone();
        rules.iter().all(|rule| rule["health"] == "ok" && rule["state"] == "inactive")
    });
}

/// What Prometheus' own tool says of a text; nothing where it has nothing to say.
fn judged(text: &str) -> String {
    let mut tool = Command::new(find_prometheus().unwrap().promtool);
    tool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = tool.spawn().unwrap();
    running.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}
