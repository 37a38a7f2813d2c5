//! Where a demo's files are, and how a command for its shop is typed.

use std::path::{Path, PathBuf};

use unreserve_db::demo;

use crate::app::Context;
use crate::failure::Failure;
use crate::lock::{Lock, Purpose};
use crate::service::quote::shell;
use crate::settings::{DatabaseUrl, Environment, Flags, Settings};

/// What the settings file of a demo begins with.
const WRITTEN: &str = "# Written by `unreserve demo`.";

/// Nobody's own settings are written over.
fn refuse_others(settings_file: &Path) -> Result<(), Failure> {
    let own = match std::fs::read(settings_file) {
        Ok(text) => text.starts_with(WRITTEN.as_bytes()),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if own {
        return Ok(());
    }
    let refused = format!("`{}` is there already, and no demo has written it", settings_file.display());
    Err(Failure::usage(refused).hint("name another directory: --dir DIR"))
}

/// Where the demo's files are. As long as it lives, no other demo takes them.
pub(super) struct Place {
    pub(super) database: PathBuf,
    settings_file: PathBuf,
    _lock: Lock,
}

impl Place {
    /// Makes the directory.
    ///
    /// # Errors
    /// It cannot be written, or another demo runs in it.
    pub(super) fn make(dir: &Path) -> Result<Self, Failure> {
        let failed = |error: &std::io::Error| {
            Failure::usage(format!("cannot use the directory `{}`", dir.display()))
                .because(error)
                .hint("name one that can be written: --dir DIR")
        };
        std::fs::create_dir_all(dir).map_err(|error| failed(&error))?;
        let settings_file = dir.join("unreserve.toml");
        refuse_others(&settings_file)?;
        let whole = dir.canonicalize().map_err(|error| failed(&error))?;
        let lock = Lock::take(Purpose::Demo, dir, &whole.to_string_lossy(), "demo")
            .map_err(|failure| failure.hint("or name another directory: --dir DIR"))?;
        Ok(Self { database: dir.join("shop.db"), settings_file, _lock: lock })
    }

    /// Writes the settings file that the next commands use, and reads it back as they will: nothing of this
    /// process's environment leads the demo to another database.
    pub(super) fn settings(&self, url: &str) -> Result<Settings, Failure> {
        let url = self
            .database
            .canonicalize()
            .ok()
            .and_then(|path| path.to_str().map(demo::url_of))
            .unwrap_or_else(|| url.to_owned());
        let text = format!(
            "{WRITTEN}\ndatabase_url = {url:?}\nprofile = \"malikli\"\nstate_dir = \".\"\nmax_orders = 1000000\n"
        );
        std::fs::write(&self.settings_file, text).map_err(|error| {
            Failure::usage(format!("cannot write `{}`", self.settings_file.display())).because(&error)
        })?;
        let flags = Flags {
            config: Some(self.settings_file.clone()),
            database_url: Some(DatabaseUrl::new(url)),
            profile: Some("malikli".to_owned()),
            ..Flags::default()
        };
        Ok(Settings::load(&flags, &Environment::from_variables([]))?)
    }

    /// How a command for this shop begins, as it can be typed here. Where the environment names a database, it would
    /// outrank the demo's settings file: the demo's is then named in the command.
    pub(super) fn command(&self, context: &Context) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        let program = std::env::current_exe().ok();
        let mut start = program.as_deref().map_or_else(
            || "unreserve".to_owned(),
            |path| path.strip_prefix(&here).unwrap_or(path).display().to_string(),
        );
        start.push_str(&format!(" --config {}", shell(&self.settings_file.to_string_lossy())));
        if context.settings.database_url.is_some() {
            let url = demo::url_of(&self.database.to_string_lossy());
            start.push_str(&format!(" --database-url {}", shell(&url)));
        }
        if context.settings.profile.is_some() {
            start.push_str(" --profile malikli");
        }
        start
    }
}
