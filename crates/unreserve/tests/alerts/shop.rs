//! A shop in a file, whose settings say whom to tell.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::place::{Place, stderr, stdout};
use crate::wait::{Running, until};

/// The index that a sweep wants.
pub(crate) const INDEX: &str =
    "CREATE INDEX best ON orders_inventoryreservation (expires_at, reservation_id) WHERE is_active = 1";

/// A directory with a shop and its settings.
pub(crate) struct Shop {
    pub(crate) place: Place,
}

impl Shop {
    /// A demo shop with the index that a sweep wants, so that only its drift is amiss.
    pub(crate) fn new(settings: &str) -> Self {
        let place = Place::new();
        let made = place.run(&[], &["demo", "--orders", "20"]);
        assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
        let shop = Self { place };
        shop.settings(settings);
        shop.sql(INDEX);
        shop
    }

    /// Writes the settings anew.
    pub(crate) fn settings(&self, settings: &str) {
        let own = "database_url = \"sqlite:unreserve-demo/shop.db\"\nprofile = \"malikli\"\nstate_dir = \"state\"\n";
        self.place.file("unreserve.toml", &format!("{own}{settings}"));
    }

    /// Runs SQL on the shop's file.
    pub(crate) fn sql(&self, sql: &str) {
        let url = format!("sqlite:{}", self.place.path().join("unreserve-demo/shop.db").display());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            use sqlx::{ConnectOptions, Connection, Executor};
            let options: sqlx::sqlite::SqliteConnectOptions = url.parse().unwrap();
            let mut connection = options.connect().await.unwrap();
            connection.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.unwrap();
            connection.close().await.unwrap();
        });
    }

    /// Starts the daemon, and waits until it watches the shop.
    pub(crate) fn watch(&self) -> Running {
        let daemon = Running::start(&mut self.command(&["daemon", "--interval", "1s"]));
        let state = self.place.path().join("state");
        let watches = |path: &Path| {
            path.extension().is_some_and(|ending| ending == "json")
                && std::fs::read_to_string(path).is_ok_and(|text| text.contains("\"standing\":\"waiting\""))
        };
        until("the daemon watches", Duration::from_secs(30), || {
            std::fs::read_dir(&state).is_ok_and(|files| files.flatten().any(|file| watches(&file.path())))
        });
        daemon
    }

    /// Makes the profile fit no longer, or again.
    pub(crate) fn break_schema(&self) {
        self.sql("ALTER TABLE orders_order RENAME COLUMN order_status TO status");
    }

    /// Puts it right.
    pub(crate) fn mend_schema(&self) {
        self.sql("ALTER TABLE orders_order RENAME COLUMN status TO order_status");
    }

    /// Runs the program there. The secret that every test's address has is never shown.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let output = self.place.run(&[], arguments);
        let (out, err) = (stdout(&output), stderr(&output));
        assert!(!out.contains("hunter2") && !err.contains("hunter2"), "{out}\n{err}");
        output
    }

    /// Looks how the shop is, and tells.
    pub(crate) fn send_alerts(&self) -> Output {
        self.run(&["health", "--send-alerts"])
    }

    /// The program as a command, to be started there.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unreserve"));
        command.env_clear().env("HOME", self.place.path()).current_dir(self.place.path()).args(arguments);
        command
    }

    /// What `alert show` says of one channel.
    pub(crate) fn channel(&self, name: &str) -> Value {
        let output = self.run(&["alert", "show", "--format", "json"]);
        let shown: Value = serde_json::from_str(&stdout(&output)).unwrap();
        let channels = shown["channels"].as_array().unwrap();
        channels.iter().find(|channel| channel["channel"] == name).unwrap().clone()
    }

    /// No file of ours in the state directory holds the secret.
    pub(crate) fn assert_no_secret_is_kept(&self) {
        let files = std::fs::read_dir(self.place.path().join("state")).unwrap();
        let paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        assert!(paths.iter().any(|path| is_alerts(path)), "{paths:?}");
        for path in paths {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains("hunter2"), "{}: {text}", path.display());
        }
    }
}

fn is_alerts(path: &Path) -> bool {
    path.file_name().unwrap().to_string_lossy().starts_with("alerts-")
}

/// A webhook channel that leads to this address.
pub(crate) fn webhook(url: &str) -> String {
    format!("[[alerts.channel]]\nname = \"ops\"\nkind = \"webhook\"\nurl = \"{url}\"\n")
}
