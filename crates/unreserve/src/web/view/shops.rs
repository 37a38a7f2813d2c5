//! The shops that the settings name, and how one of them is chosen.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Problem, ShopView};
use crate::settings::Settings;

/// The shops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ShopsView {
    /// The shops, in the order of the settings.
    pub(crate) shops: Vec<ShopName>,
}

/// One shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ShopName {
    /// Its name in the settings; nothing where the settings have one shop without a name.
    pub(crate) shop: Option<String>,
    /// Its profile; nothing where none is set.
    pub(crate) profile: Option<String>,
    /// Its database's address, the password masked.
    pub(crate) database: String,
}

/// The values of every shop: what a server is made with.
#[derive(Clone)]
pub(crate) struct Views {
    shops: Arc<[Arc<ShopView>]>,
}

impl Views {
    /// The values of these shops. Nothing is asked before somebody wants to see something.
    pub(crate) fn new<'a>(settings: impl IntoIterator<Item = &'a Settings>) -> Self {
        Self { shops: settings.into_iter().map(|settings| Arc::new(ShopView::new(settings.clone()))).collect() }
    }

    /// Which shops there are.
    pub(crate) fn list(&self) -> ShopsView {
        ShopsView { shops: self.shops.iter().map(|shop| shop.name()).collect() }
    }

    /// The values of every shop, in the order of the settings.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<ShopView>> {
        self.shops.iter()
    }

    /// The shop of that name, or the only one where none is named.
    ///
    /// # Errors
    /// 404 where there is no such shop; 400 where there are several and none is named.
    pub(crate) fn find(&self, name: Option<&str>) -> Result<&Arc<ShopView>, Problem> {
        let names = || {
            let names = self.shops.iter().filter_map(|shop| shop.name().shop).map(|name| format!("`{name}`"));
            format!("the shops are {}", names.collect::<Vec<_>>().join(", "))
        };
        match (name, self.shops.as_ref()) {
            (Some(wanted), shops) => {
                shops.iter().find(|shop| shop.name().shop.as_deref() == Some(wanted)).ok_or_else(|| {
                    let problem = Problem::new(404, "no such shop", format!("no shop is called `{wanted}`"));
                    match shops {
                        [only] if only.name().shop.is_none() => {
                            problem.remedy("leave `shop` out: the settings have one shop, without a name")
                        }
                        _ => problem.remedy(names()),
                    }
                })
            }
            (None, [only]) => Ok(only),
            (None, []) => Err(Problem::new(404, "no such shop", "the settings name no shop")),
            (None, _) => {
                Err(Problem::bad_question("which shop? there are several")
                    .remedy(format!("add `shop=NAME`: {}", names())))
            }
        }
    }
}
