//! What a service runs: this program with absolute paths, and never with a secret.

use std::path::{Path, PathBuf};

use crate::cli::settings::{format_word, level_word};
use crate::failure::Failure;
use crate::settings::{Environment, Origin, Settings, Sourced};

/// Where the database's address stands, for a service to read it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretPlace {
    /// The settings file.
    Settings(PathBuf),
    /// The env file.
    Env(PathBuf),
    /// A file of its own, which this variable names.
    Own {
        /// The variable, such as `DATABASE_URL_FILE`.
        variable: String,
        /// The file.
        path: PathBuf,
    },
}

impl SecretPlace {
    /// The file, whichever it is.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Settings(path) | Self::Env(path) | Self::Own { path, .. } => path,
        }
    }
}

/// What a service runs. Every path is absolute, and no text holds a control character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Launch {
    /// The shop's name, where the service is for one of several.
    pub(crate) shop: Option<String>,
    /// Which shops it is for, as a person says it.
    pub(crate) subject: String,
    /// This executable.
    pub(crate) program: String,
    /// The settings file, where there is one.
    pub(crate) config: Option<String>,
    /// The env file, where there is one.
    pub(crate) env_file: Option<String>,
    /// The directory for our own files.
    pub(crate) state_dir: String,
    /// The other global options.
    pub(crate) options: Vec<String>,
    /// Settings that stood in the environment; none is a secret.
    pub(crate) variables: Vec<(String, String)>,
    /// The working directory, from which the env file's relative paths start.
    pub(crate) directory: String,
    /// The log file of the settings.
    pub(crate) log_file: Option<PathBuf>,
    /// The metrics file of the settings.
    pub(crate) metrics_file: Option<PathBuf>,
    /// Where the addresses of the shops' databases stand.
    pub(crate) secrets: Vec<SecretPlace>,
    /// Whether one of those files only names the file with the address.
    pub(crate) names_other_files: bool,
    /// Profile files.
    pub(crate) profiles: Vec<PathBuf>,
    /// Databases that are files.
    pub(crate) databases: Vec<PathBuf>,
}

/// Which program runs where.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// This executable.
    pub(crate) program: PathBuf,
    /// The working directory.
    pub(crate) directory: PathBuf,
}

impl Place {
    /// This process's.
    ///
    /// # Errors
    /// The system does not say where the program or the working directory is.
    pub(crate) fn of_process() -> Result<Self, Failure> {
        let failed = |what: &str| Failure::usage(format!("cannot find {what}"));
        let program = std::env::current_exe().map_err(|error| failed("this program's own path").because(&error))?;
        let directory = std::env::current_dir().map_err(|error| failed("the working directory").because(&error))?;
        Ok(Self { program, directory })
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        // `a/./b` is `a/b`; `..` stays, since a link may stand before it.
        self.directory.join(path).components().collect()
    }
}

impl Launch {
    /// What a service for these shops runs. The shops share one state directory, one settings file and one env file.
    ///
    /// # Errors
    /// No database is set, its address stands nowhere a service could read it, or a path cannot be written into a unit.
    pub(crate) fn gather(shops: &[Settings], environment: &Environment, place: &Place) -> Result<Self, Failure> {
        let [first, ..] = shops else {
            return Err(Failure::usage("no shop is set"));
        };
        let mut launch = Self {
            subject: subject(shops),
            config: existing(&first.config, place)?,
            env_file: existing(&first.env_file, place)?,
            ..Self::for_log(first, None, place)?
        };
        for settings in shops {
            launch.add_secret(settings, environment, place)?;
            launch.add_profile(settings, place);
            launch.carry(settings, place)?;
        }
        launch.check_texts()?;
        Ok(launch)
    }

    /// As much of it as says where the log is.
    ///
    /// # Errors
    /// A path is not valid UTF-8.
    pub(crate) fn for_log(settings: &Settings, shop: Option<String>, place: &Place) -> Result<Self, Failure> {
        Ok(Self {
            shop,
            subject: String::new(),
            program: text(&place.program)?,
            config: None,
            env_file: None,
            state_dir: text(&place.absolute(&settings.state_dir.value))?,
            options: Vec::new(),
            variables: Vec::new(),
            directory: text(&place.directory)?,
            log_file: settings.log.file.as_ref().map(|file| place.absolute(&file.value)),
            metrics_file: settings.metrics_file.as_ref().map(|file| place.absolute(&file.value)),
            secrets: Vec::new(),
            names_other_files: false,
            profiles: Vec::new(),
            databases: Vec::new(),
        })
    }

    /// The same for one shop of several, which the command names.
    pub(crate) fn for_shop(mut self, shop: Option<String>) -> Self {
        if let Some(name) = &shop {
            self.options.extend(["--shop".to_owned(), name.clone()]);
        }
        self.shop = shop;
        self
    }

    /// The words of the command, this program first: `sweep --quiet` with the global options behind it.
    pub(crate) fn words(&self, command: &[&str]) -> Vec<String> {
        let mut words = vec![self.program.clone()];
        words.extend(command.iter().map(|word| (*word).to_owned()));
        words.extend(self.global_options());
        words
    }

    /// The global options.
    pub(crate) fn global_options(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut option = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                words.extend([name.to_owned(), value.clone()]);
            }
        };
        option("--config", &self.config);
        option("--env-file", &self.env_file);
        option("--state-dir", &Some(self.state_dir.clone()));
        words.extend(self.options.iter().cloned());
        words
    }

    /// The files that the service reads, this program included.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let named = [Some(&self.program), self.config.as_ref(), self.env_file.as_ref()];
        let mut files: Vec<PathBuf> = named.into_iter().flatten().map(PathBuf::from).collect();
        files.extend(self.secrets.iter().map(|secret| secret.path().to_owned()));
        files.extend(self.profiles.iter().cloned());
        let mut seen = Vec::new();
        for file in files {
            if !seen.contains(&file) {
                seen.push(file);
            }
        }
        seen
    }

    fn add_secret(&mut self, settings: &Settings, environment: &Environment, place: &Place) -> Result<(), Failure> {
        let Some(Sourced { value: url, origin }) = &settings.database_url else {
            let of = settings.shop.as_ref().map_or_else(String::new, |shop| format!(" of shop `{shop}`"));
            return Err(Failure::usage(format!("no database{of} is set, so a service would have nothing to do"))
                .hint("put `database_url` into unreserve.toml, or DATABASE_URL into a `.env` file that only its user can read"));
        };
        let secret = match origin {
            Origin::File { path, key, .. } => {
                self.names_other_files |= *key == "database_url_file";
                SecretPlace::Settings(place.absolute(path))
            }
            Origin::EnvFile { path, variable, .. } => {
                self.names_other_files |= variable.ends_with("_FILE");
                SecretPlace::Env(place.absolute(path))
            }
            Origin::Environment(variable) if variable.ends_with("_FILE") => {
                let path = place.absolute(Path::new(environment.text(variable).unwrap_or_default()));
                let value = text(&path)?;
                if !self.variables.iter().any(|(name, _)| name == variable) {
                    self.variables.push((variable.clone(), value));
                }
                SecretPlace::Own { variable: variable.clone(), path }
            }
            Origin::Environment(_) | Origin::Flag(_) | Origin::Credential(_) | Origin::Default => {
                return Err(nowhere_to_read(origin, settings.shop.as_deref()));
            }
        };
        if !self.secrets.contains(&secret) {
            self.secrets.push(secret);
        }
        if let Some(file) = unreserve_db::file_of(url.expose()) {
            let file = place.absolute(&file);
            if !self.databases.contains(&file) {
                self.databases.push(file);
            }
        }
        Ok(())
    }

    fn add_profile(&mut self, settings: &Settings, place: &Place) {
        let named = settings.profile.as_ref().map(|profile| &profile.value);
        let is_shipped = |name: &&String| crate::profiles::SHIPPED.iter().any(|shipped| shipped.name == **name);
        if let Some(file) = named.filter(|name| !is_shipped(name)) {
            let file = place.absolute(Path::new(file));
            if !self.profiles.contains(&file) {
                self.profiles.push(file);
            }
        }
    }

    /// Takes along what only this command line or this environment says: a service has neither.
    fn carry(&mut self, settings: &Settings, place: &Place) -> Result<(), Failure> {
        let log = &settings.log;
        if let Some(profile) = &settings.profile {
            let file = place.absolute(Path::new(&profile.value));
            let file = self.profiles.iter().find(|known| **known == file);
            let value = file.map_or_else(|| Ok(profile.value.clone()), |file| text(file))?;
            self.carry_one(&profile.origin, value);
        }
        for file in [&log.file, &settings.metrics_file].into_iter().flatten() {
            let value = text(&place.absolute(&file.value))?;
            self.carry_one(&file.origin, value);
        }
        let write = |span: &std::time::Duration| unreserve_engine::model::write_duration(*span);
        self.carry_optional(settings.timeout.as_ref(), write);
        self.carry_optional(settings.grace.as_ref(), write);
        self.carry_optional(settings.batch_size.as_ref(), ToString::to_string);
        self.carry_optional(settings.max_orders.as_ref(), ToString::to_string);
        self.carry_optional(settings.interval.as_ref(), write);
        self.carry_optional(log.format.as_ref(), |format| format_word(*format).to_owned());
        self.carry_optional(log.level.as_ref(), |level| level_word(*level).to_owned());
        self.carry_optional(Some(&log.keep), ToString::to_string);
        Ok(())
    }

    fn carry_optional<T>(&mut self, setting: Option<&Sourced<T>>, write: impl Fn(&T) -> String) {
        if let Some(setting) = setting {
            self.carry_one(&setting.origin, write(&setting.value));
        }
    }

    fn carry_one(&mut self, origin: &Origin, value: String) {
        match origin {
            // Each shop says it again.
            Origin::Flag(flag) if !self.options.iter().any(|option| option == flag) => {
                self.options.extend([(*flag).to_owned(), value]);
            }
            Origin::Environment(variable) if !self.variables.iter().any(|(name, _)| name == variable) => {
                self.variables.push((variable.clone(), value));
            }
            Origin::Flag(_) | Origin::Environment(_) => {}
            Origin::Credential(_) | Origin::EnvFile { .. } | Origin::File { .. } | Origin::Default => {}
        }
    }

    /// Units, crontabs and manifests are lines: nothing in them may hold the end of one.
    fn check_texts(&self) -> Result<(), Failure> {
        let options = self.global_options();
        let values = self.variables.iter().map(|(_, value)| value);
        let texts = [&self.program, &self.directory, &self.subject].into_iter().chain(&options).chain(values);
        for text in texts {
            if text.chars().any(char::is_control) {
                let shown = text.escape_debug();
                return Err(Failure::usage(format!(
                    "`{shown}` cannot be written into a service: it holds a control character"
                ))
                .hint("rename the file or directory"));
            }
        }
        Ok(())
    }
}

/// Which shops it is for, in a line that nobody minds being read by others.
fn subject(shops: &[Settings]) -> String {
    const SHOWN: usize = 5;
    let one = |settings: &Settings| match &settings.shop {
        Some(name) => format!("shop {name}"),
        None => {
            let url = settings.database_url.as_ref().map_or_else(String::new, |url| url.value.masked());
            let profile = settings.profile.as_ref().map_or_else(String::new, |profile| profile.value.clone());
            let stem = Path::new(&profile).file_stem().and_then(|stem| stem.to_str()).unwrap_or(&profile).to_owned();
            format!("{stem} at {url}")
        }
    };
    let mut text = shops.iter().take(SHOWN).map(one).collect::<Vec<_>>().join(", ");
    let more = shops.len().saturating_sub(SHOWN);
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

fn nowhere_to_read(origin: &Origin, shop: Option<&str>) -> Failure {
    let of = shop.map_or_else(String::new, |shop| format!(" of shop `{shop}`"));
    let failure =
        Failure::usage(format!("the database's address{of} came from {origin}, which a service does not have"));
    let failure = match origin {
        Origin::Environment(variable) => failure.hint(format!(
            "write it into a file that only its user can read: (umask 077; printf '{variable}=%s\\n' \"${variable}\" >> .env), \
             then unset `{variable}` and run this again"
        )),
        _ => failure.hint("write `DATABASE_URL=…` into a `.env` file that only its user can read (chmod 600), and run this again"),
    };
    let named = match shop {
        Some(shop) => format!(
            "`database_url_file = \"/path/of/the/file\"` in the table of shop `{shop}`, instead of `database_url_env`"
        ),
        None => "DATABASE_URL_FILE=/path/of/the/file".to_owned(),
    };
    failure.hint(format!("or put it alone into a file and name that: {named}; no secret is copied into a service"))
}

/// The path of a file that is there, or was named.
fn existing(file: &Sourced<PathBuf>, place: &Place) -> Result<Option<String>, Failure> {
    let path = place.absolute(&file.value);
    if file.origin == Origin::Default && !path.exists() { Ok(None) } else { text(&path).map(Some) }
}

fn text(path: &Path) -> Result<String, Failure> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::usage(format!("`{}` cannot be written into a service: it is not valid UTF-8", path.display()))
            .hint("rename the file or directory")
    })
}

/// What is wrong with running this program from where it stands, if anything.
pub(crate) fn caution_about(program: &Path) -> Option<String> {
    let directory = program.parent()?;
    let built_there = directory.join(".fingerprint").is_dir() || directory.join("deps").is_dir();
    built_there.then(|| {
        format!(
            "the service runs `{}`, which the next build replaces and `cargo clean` removes; \
             `cargo install --path crates/unreserve` puts the program where it stays",
            program.display()
        )
    })
}

#[cfg(test)]
pub(crate) mod testing {
    //! A launch as the golden texts show it.

    use super::*;

    /// One unnamed shop whose address stands in an env file.
    pub(crate) fn launch() -> Launch {
        Launch {
            shop: None,
            subject: "malikli at postgres://shop:***@db/shop".to_owned(),
            program: "/usr/local/bin/unreserve".to_owned(),
            config: Some("/etc/unreserve/unreserve.toml".to_owned()),
            env_file: Some("/etc/unreserve/env".to_owned()),
            state_dir: "/var/lib/unreserve".to_owned(),
            options: Vec::new(),
            variables: Vec::new(),
            directory: "/etc/unreserve".to_owned(),
            log_file: None,
            metrics_file: None,
            secrets: vec![SecretPlace::Env(PathBuf::from("/etc/unreserve/env"))],
            names_other_files: false,
            profiles: Vec::new(),
            databases: Vec::new(),
        }
    }

    /// One of several shops, with names that every format has to quote.
    pub(crate) fn awkward() -> Launch {
        Launch {
            subject: "shop eu".to_owned(),
            program: "/opt/my tools/unreserve".to_owned(),
            config: Some("/srv/50% off/$shop/unreserve.toml".to_owned()),
            env_file: None,
            state_dir: "/srv/it's <here>".to_owned(),
            options: vec!["--log-level".to_owned(), "debug".to_owned()],
            variables: vec![
                ("UNRESERVE_GRACE".to_owned(), "2m".to_owned()),
                ("UNRESERVE_PROFILE".to_owned(), "/srv/a \"b\"&c.toml".to_owned()),
            ],
            directory: "/srv/50% off".to_owned(),
            secrets: vec![SecretPlace::Settings(PathBuf::from("/srv/50% off/$shop/unreserve.toml"))],
            ..launch()
        }
        .for_shop(Some("eu".to_owned()))
    }
}
