//! Which shops are looked at: those that an open page wants to be told of.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many want to be told of each shop; those without a name want all of them. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Watched(Arc<Mutex<BTreeMap<Option<String>, usize>>>);

/// Somebody who wants to be told, for as long as this is kept.
pub(super) struct Watching {
    watched: Watched,
    shop: Option<String>,
}

/// Whether somebody who wants this shop's changes is told of that one's. Without a name it is all of them.
fn concerns(shop: Option<&str>, wanted: Option<&str>) -> bool {
    wanted.is_none() || shop.is_none() || shop == wanted
}

impl Watched {
    /// Somebody wants to be told of this shop, or of all.
    pub(super) fn begin(&self, shop: Option<String>) -> Watching {
        self.change(|watched| {
            let count = watched.entry(shop.clone()).or_default();
            *count = count.saturating_add(1);
        });
        Watching { watched: self.clone(), shop }
    }

    /// Whether anybody wants to be told of this shop.
    pub(super) fn wants(&self, shop: Option<&str>) -> bool {
        self.change(|watched| watched.keys().any(|wanted| concerns(shop, wanted.as_deref())))
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<Option<String>, usize>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watching {
    /// Whether he is told of this shop's changes.
    pub(super) fn concerns(&self, shop: Option<&str>) -> bool {
        concerns(shop, self.shop.as_deref())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.watched.change(|watched| {
            let left = watched.get(&self.shop).map_or(0, |count| count.saturating_sub(1));
            if left == 0 {
                watched.remove(&self.shop);
            } else {
                watched.insert(self.shop.clone(), left);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_is_wanted_for_as_long_as_anybody_wants_it() {
        let watched = Watched::default();
        assert!(!watched.wants(Some("a")) && !watched.wants(None));
        let first = watched.begin(Some("a".to_owned()));
        let second = watched.begin(Some("a".to_owned()));
        assert!(watched.wants(Some("a")) && !watched.wants(Some("b")));
        assert!(watched.wants(None), "the only shop has no name, however it is asked for");
        assert!(first.concerns(Some("a")) && first.concerns(None) && !first.concerns(Some("b")));
        drop(first);
        assert!(watched.wants(Some("a")), "the second one still wants it");
        let all = watched.begin(None);
        assert!(watched.wants(Some("b")) && all.concerns(Some("b")));
        drop((second, all));
        assert!(!watched.wants(Some("a")) && !watched.wants(None));
    }
}
