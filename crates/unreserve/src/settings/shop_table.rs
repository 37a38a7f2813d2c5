//! A shop's own table in the settings file, `[[shop]]`: its name, its database, and what differs from the other shops.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use crate::settings::file::{SpanText, Value, value};
use crate::settings::table::{
    self, DATABASE_URL, SHOP_DATABASE_URL_ENV, SHOP_DATABASE_URL_FILE, SHOP_NAME, SettingDoc,
};

/// The most characters of a name.
const NAME_LENGTH: usize = 63;

/// The three ways to say where a shop's database is.
pub(super) static DATABASES: [&SettingDoc; 3] = [&DATABASE_URL, &SHOP_DATABASE_URL_ENV, &SHOP_DATABASE_URL_FILE];

/// A shop's table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table `[[shop]]`")]
pub(super) struct ShopText {
    name: Spanned<String>,
    database_url: Option<Spanned<String>>,
    database_url_env: Option<Spanned<String>>,
    database_url_file: Option<Spanned<String>>,
    profile: Option<Spanned<String>>,
    timeout: Option<Spanned<SpanText>>,
    grace: Option<Spanned<SpanText>>,
    batch_size: Option<Spanned<i64>>,
    max_orders: Option<Spanned<i64>>,
    interval: Option<Spanned<SpanText>>,
    heartbeat_url: Option<Spanned<String>>,
    heartbeat_url_file: Option<Spanned<String>>,
}

/// The values of a shop's table, by key: `shop.timeout`.
#[cfg_attr(test, derive(Debug))]
pub(super) struct ShopTable {
    /// What the shop is called.
    pub(super) name: String,
    values: BTreeMap<&'static str, Value>,
}

impl ShopTable {
    /// What the table says of a setting that can stand in it.
    pub(super) fn get(&self, doc: &SettingDoc) -> Option<(&'static str, &Value)> {
        let (key, value) = self.values.get_key_value(doc.in_shop?)?;
        Some((*key, value))
    }

    /// Where the value of a key, `shop.timeout`, stands.
    pub(super) fn span(&self, key: &str) -> Option<Range<usize>> {
        self.values.get(key).map(|value| value.span.clone())
    }

    /// Where the name stands.
    pub(super) fn name_span(&self) -> Range<usize> {
        SHOP_NAME.in_shop.and_then(|key| self.span(key)).unwrap_or_default()
    }
}

impl From<ShopText> for ShopTable {
    fn from(written: ShopText) -> Self {
        let texts = [
            (&DATABASE_URL, written.database_url),
            (&SHOP_DATABASE_URL_ENV, written.database_url_env),
            (&SHOP_DATABASE_URL_FILE, written.database_url_file),
            (&table::PROFILE, written.profile),
            (&table::HEARTBEAT_URL, written.heartbeat_url),
            (&table::HEARTBEAT_URL_FILE, written.heartbeat_url_file),
        ];
        let spans =
            [(&table::TIMEOUT, written.timeout), (&table::GRACE, written.grace), (&table::INTERVAL, written.interval)];
        let numbers = [(&table::BATCH_SIZE, written.batch_size), (&table::MAX_ORDERS, written.max_orders)];
        let name = written.name.get_ref().clone();
        let mut values = BTreeMap::new();
        values.extend(value(SHOP_NAME.key, Some(written.name), |text| text));
        values.extend(texts.into_iter().filter_map(|(doc, text)| value(doc.in_shop?, text, |text| text)));
        values.extend(spans.into_iter().filter_map(|(doc, span)| value(doc.in_shop?, span, |span| span.0)));
        values.extend(
            numbers.into_iter().filter_map(|(doc, number)| value(doc.in_shop?, number, |number| number.to_string())),
        );
        Self { name, values }
    }
}

/// Something that is wrong with the tables: the place, what is wrong, and the remedy.
pub(super) struct Wrong {
    /// The bytes of the text.
    pub(super) span: Range<usize>,
    /// What is wrong.
    pub(super) message: String,
    /// What to do about it.
    pub(super) hint: String,
}

/// Refuses the first name that is none or is taken, and the first shop whose database is said more than once.
pub(super) fn check(shops: &[ShopTable]) -> Result<(), Wrong> {
    let mut taken: BTreeMap<&str, &ShopTable> = BTreeMap::new();
    for shop in shops {
        let name = shop.name.as_str();
        if !is_name(name) {
            return Err(Wrong {
                span: shop.name_span(),
                message: "this cannot be a shop's name".to_owned(),
                hint: format!("write {}", SHOP_NAME.unit),
            });
        }
        if taken.insert(name, shop).is_some() {
            return Err(Wrong {
                span: shop.name_span(),
                message: format!("two shops are called `{name}`"),
                hint: "give each a name of its own".to_owned(),
            });
        }
        let said: Vec<&str> = DATABASES.iter().filter_map(|doc| shop.get(doc)).map(|(key, _)| key).collect();
        if let [first, second, ..] = said.as_slice() {
            return Err(Wrong {
                span: shop.span(second).unwrap_or_default(),
                message: format!("shop `{name}` has both `{first}` and `{second}`"),
                hint: "keep one of them".to_owned(),
            });
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= NAME_LENGTH && name.starts_with(plain) && name.chars().all(|c| plain(c) || matches!(c, '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_stand_on_a_command_line_and_in_a_file_name() {
        for name in ["a", "blue", "0", "shop-2_de", &"x".repeat(63)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-a", "_a", "Blue", "a b", "a/b", "a.b", "blå", "--shop", &"x".repeat(64)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
