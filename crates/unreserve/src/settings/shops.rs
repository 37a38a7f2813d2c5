//! The shops of a settings file: which one is meant, where its database is, and that no two are the same.

use std::collections::BTreeMap;

use unreserve_engine::profile::nearest;

use crate::settings::database_url::DatabaseUrl;
use crate::settings::env_file::EnvFile;
use crate::settings::error::SettingsError;
use crate::settings::origin::{Origin, Sourced};
use crate::settings::shop_table::ShopTable;
use crate::settings::sources::{Sources, anchored, anchored_profile};
use crate::settings::table::{
    DATABASE_URL, PROFILE, SHOP, SHOP_DATABASE_URL_ENV, SHOP_DATABASE_URL_FILE, SHOP_NAME, SettingDoc,
};
use crate::settings::values::Raw;

/// More names than this are not listed.
const NAMES_SHOWN: usize = 20;

/// The shop that was chosen, and who chose it.
pub(super) type Chosen<'a> = Sourced<&'a ShopTable>;

/// A value of the env file, and where it stands; or why it may not be used.
type InEnvFile = Result<Option<(String, Origin)>, SettingsError>;

/// What a variable holds that a table names.
pub(super) struct Meant {
    /// A name that such a variable may have.
    pub(super) example: &'static str,
    /// Where the value itself would stand, for whoever wrote it in the name's place.
    pub(super) itself: &'static str,
    /// What it is to be set to.
    pub(super) what: &'static str,
    /// How it is looked for in the env file: with the care that such a value wants.
    pub(super) look: fn(&EnvFile, &str) -> InEnvFile,
}

/// What was found in the env file, for who keeps it.
pub(super) fn owned(found: Result<Option<(&str, Origin)>, SettingsError>) -> InEnvFile {
    Ok(found?.map(|(text, origin)| (text.to_owned(), origin)))
}

const OF_DATABASE: Meant = Meant {
    example: "BLUE_DATABASE_URL",
    itself: "the URL itself is `database_url`",
    what: "the shop's `database_url`",
    look: |file, name| owned(file.secret(name)),
};

impl Sources<'_> {
    /// The shops that have a table of their own.
    pub(super) fn shops(&self) -> &[ShopTable] {
        self.file.as_ref().map_or(&[], |file| file.shops())
    }

    /// The shop that was named, or the only one; `None` where there are several or none.
    ///
    /// # Errors
    /// There is no shop of that name.
    pub(super) fn chosen(&self) -> Result<Option<Chosen<'_>>, SettingsError> {
        let wanted = self.find(&SHOP, None)?.map(Raw::text).transpose()?;
        match (self.shops(), wanted) {
            ([only], None) => Ok(Some(self.by_its_name(only))),
            (_, None) => Ok(None),
            (shops, Some(Sourced { value: wanted, origin })) => {
                match shops.iter().find(|shop| shop.name == wanted.trim()) {
                    Some(shop) => Ok(Some(Sourced::new(shop, origin))),
                    None => Err(self.unknown_shop(&wanted, &origin)),
                }
            }
        }
    }

    /// The shop that one command works on; `None` where the settings file has no shop's table.
    ///
    /// # Errors
    /// There is no shop of that name, or there are several and none was named.
    pub(super) fn only_one(&self) -> Result<Option<Chosen<'_>>, SettingsError> {
        match (self.chosen()?, self.shops()) {
            (None, [_, ..]) => Err(SettingsError::WhichShop { path: self.file_path(), names: self.names() }),
            (chosen, _) => Ok(chosen),
        }
    }

    /// The shops that a command works on which can work on several: the chosen one, or all.
    ///
    /// # Errors
    /// There is no shop of that name; or none was named, and a flag says of all what only one can have.
    pub(super) fn one_or_all(&self) -> Result<Vec<Chosen<'_>>, SettingsError> {
        if let Some(chosen) = self.chosen()? {
            return Ok(vec![chosen]);
        }
        if !self.shops().is_empty() {
            for (flag, is_set) in self.flags.of_one_shop() {
                if is_set {
                    let error = SettingsError::value(&Origin::Flag(flag), "this cannot hold for several shops");
                    return Err(error.hinted(format!("say which one with `--shop NAME`: {}", self.names())));
                }
            }
        }
        Ok(self.shops().iter().map(|shop| self.by_its_name(shop)).collect())
    }

    /// A shop that nobody had to choose: its own name says where it comes from.
    fn by_its_name<'a>(&self, shop: &'a ShopTable) -> Chosen<'a> {
        let name = self.file.as_ref().and_then(|file| file.get_of_shop(shop, &SHOP_NAME));
        Sourced::new(shop, name.map_or(Origin::Default, |(_, origin)| origin))
    }

    fn unknown_shop(&self, wanted: &str, origin: &Origin) -> SettingsError {
        let names: Vec<&str> = self.shops().iter().map(|shop| shop.name.as_str()).collect();
        let path = self.file_path();
        let (problem, hint) = match (names.as_slice(), nearest(wanted, names.iter().copied())) {
            ([], _) => (
                format!("settings file `{}` has no `[[shop]]`", path.display()),
                "leave it out, or give each shop a table `[[shop]]` with its `name`".to_owned(),
            ),
            (_, Some(name)) => {
                (format!("no shop of `{}` has this name", path.display()), format!("did you mean `{name}`?"))
            }
            (_, None) => {
                (format!("no shop of `{}` has this name", path.display()), format!("its shops are: {}", self.names()))
            }
        };
        SettingsError::value(origin, problem).hinted(hint)
    }

    /// The names of the shops, as far as a person reads them.
    fn names(&self) -> String {
        let names: Vec<&str> = self.shops().iter().map(|shop| shop.name.as_str()).take(NAMES_SHOWN).collect();
        match self.shops().len().saturating_sub(NAMES_SHOWN) {
            0 => names.join(", "),
            more => format!("{} and {more} more", names.join(", ")),
        }
    }

    fn file_path(&self) -> std::path::PathBuf {
        self.file.as_ref().map_or_else(|| self.config.value.clone(), |file| file.path().to_owned())
    }

    /// What a shop's own table says of its database. Nothing else can stand in for it: an ambient variable must not lead
    /// two shops to one database.
    pub(super) fn database_of(&self, shop: &ShopTable) -> Result<Option<Raw>, SettingsError> {
        let Some(file) = self.file.as_ref() else {
            return Ok(None);
        };
        let said = |doc: &SettingDoc| {
            let found = file.get_of_shop(shop, doc);
            found.map(|(text, origin)| Raw { text: text.to_owned(), origin }.text()).transpose()
        };
        if let Some((text, origin)) = file.get_of_shop(shop, &DATABASE_URL) {
            return Ok(Some(Raw { text: text.to_owned(), origin }));
        }
        if let Some(variable) = said(&SHOP_DATABASE_URL_ENV)? {
            return self.variable_named(&variable, &OF_DATABASE).map(Some);
        }
        match said(&SHOP_DATABASE_URL_FILE)? {
            Some(path) => self.named_secret(&DATABASE_URL, &anchored(path, Some(file))).map(Some),
            None => Ok(None),
        }
    }

    /// The secret in the variable that a table names.
    ///
    /// # Errors
    /// It is no variable's name, or no such variable is set.
    pub(super) fn variable_named(&self, named: &Sourced<String>, meant: &Meant) -> Result<Raw, SettingsError> {
        let name = named.value.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
            // It is not repeated: it may be the secret itself.
            let error = SettingsError::value(&named.origin, "this is no variable's name");
            return Err(
                error.hinted(format!("write the name of a variable such as `{}`; {}", meant.example, meant.itself))
            );
        }
        if let Some(value) = self.environment.get(name)? {
            return Ok(Raw { text: value.to_owned(), origin: Origin::Environment(name.to_owned()) });
        }
        if let Some(env_file) = &self.env_file
            && let Some((value, origin)) = (meant.look)(env_file, name)?
        {
            return Ok(Raw { text: value, origin });
        }
        let problem = match self.env_file.as_ref().map(EnvFile::path) {
            Some(path) => format!("`{name}` is set neither in the environment nor in `{}`", path.display()),
            None => format!("`{name}` is not set in the environment, and there is no env file"),
        };
        let error = SettingsError::value(&named.origin, problem);
        Err(error.hinted(format!("set `{name}` to {}", meant.what)))
    }

    /// Refuses two shops whose tables lead to the same database with the same profile. A shop whose database cannot be
    /// found out here, say because its variable is not set, is the business of who works on it.
    pub(super) fn refuse_twins(&self) -> Result<(), SettingsError> {
        let Some(file) = self.file.as_ref().filter(|file| file.shops().len() > 1) else {
            return Ok(());
        };
        let mut known: BTreeMap<(String, Option<String>), &ShopTable> = BTreeMap::new();
        for shop in file.shops() {
            let Ok(Some(url)) = self.database_of(shop) else {
                continue;
            };
            let profile = self.find_below_flags(&PROFILE, Some(shop))?.map(Raw::text).transpose();
            let Ok(profile) = profile else {
                continue;
            };
            let profile = profile.map(|profile| anchored_profile(profile, Some(file)).value);
            let database = unreserve_db::place(&url.text).unwrap_or(url.text);
            if let Some(twin) = known.insert((database, profile), shop) {
                let message =
                    format!("shops `{}` and `{}` have the same database and the same profile", twin.name, shop.name);
                return Err(file
                    .refuse_shop(shop, message)
                    .hinted("a shop stands here once: remove one, or correct its database"));
            }
        }
        Ok(())
    }

    /// Where the database is: for a shop with a table what the flag or the table says, and nothing else.
    ///
    /// # Errors
    /// The shop's table does not say it, or names what is not there.
    pub(super) fn database(&self, shop: Option<&ShopTable>) -> Result<Option<Sourced<DatabaseUrl>>, SettingsError> {
        let url = self.find(&DATABASE_URL, shop)?.map(Raw::text).transpose()?;
        match (url, shop, &self.file) {
            (None, Some(shop), Some(file)) => {
                let refused = file.refuse_shop(shop, format!("shop `{}` has no database", shop.name));
                Err(refused.hinted(
                    "give it one of `database_url`, `database_url_env` and `database_url_file`; `DATABASE_URL` and the \
                     top of the file hold for no shop that has a table",
                ))
            }
            (url, ..) => Ok(url.map(|url| Sourced::new(DatabaseUrl::new(url.value), url.origin))),
        }
    }

    /// What its owner should know about a file with shops, though it can be used.
    pub(super) fn unused_database(&self) -> Option<String> {
        let file = self.file.as_ref().filter(|file| !file.shops().is_empty())?;
        let (_, origin) = file.get(DATABASE_URL.key)?;
        Some(format!("{origin}: `database_url` is not used, since every `[[shop]]` has its own"))
    }
}
