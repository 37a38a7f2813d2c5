//! What every page has around it: the tabs, the shops to choose from, light or dark.

use super::assets;
use super::icons;

/// A page that stands in the tabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    /// How it is.
    Overview,
    /// Every sweep, and one of them.
    Sweeps,
    /// Why an order is due, or not.
    Orders,
    /// What is held, and of what.
    Stock,
    /// Every check.
    Health,
    /// The effective settings.
    Settings,
    /// None of them.
    None,
}

const TABS: [(Tab, &str, &str, &str); 6] = [
    (Tab::Overview, "", "Overview", icons::OVERVIEW),
    (Tab::Sweeps, "/sweeps", "Sweeps", icons::SWEEPS),
    (Tab::Orders, "/orders", "Orders", icons::ORDERS),
    (Tab::Stock, "/stock", "Stock", icons::STOCK),
    (Tab::Health, "/health", "Health", icons::HEALTH),
    (Tab::Settings, "/settings", "Settings", icons::SETTINGS),
];

/// One tab as it is shown.
pub(super) struct TabLink {
    /// Where it leads.
    pub(super) href: String,
    /// What it is called.
    pub(super) label: &'static str,
    /// Its picture.
    pub(super) icon: &'static str,
    /// Whether this page is it.
    pub(super) current: bool,
}

/// What a page has around it.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// `light` or `dark` where somebody has chosen; else as the system has it.
    pub(super) theme: Option<&'static str>,
    /// What the paths of this shop's pages begin with: nothing where there is one shop.
    pub(super) base: String,
    /// The shop of this page; nothing where there is one without a name, or where the page is about all of them.
    pub(super) shop: Option<String>,
    /// The names of all shops.
    pub(super) shops: Vec<String>,
    /// Which tab this is.
    pub(super) tab: Tab,
    /// Whether there is something to sign out of.
    pub(super) signed_in: bool,
    /// The program's version.
    pub(super) version: &'static str,
}

impl Frame {
    /// The same frame, around this tab.
    pub(super) fn on(self, tab: Tab) -> Self {
        Self { tab, ..self }
    }

    /// Where a file of the page lies.
    pub(super) fn asset(&self, name: &str) -> String {
        assets::path_of(name)
    }

    /// Where the way back leads.
    pub(super) fn home(&self) -> &str {
        if self.base.is_empty() { "/" } else { &self.base }
    }

    /// Whether the pages of a shop can be reached from here: not where somebody has to choose a shop first.
    pub(super) fn has_tabs(&self) -> bool {
        self.shops.len() < 2 || self.shop.is_some()
    }

    /// Whether this page is about that shop.
    pub(super) fn is_shop(&self, name: &str) -> bool {
        self.shop.as_deref() == Some(name)
    }

    /// The tabs.
    pub(super) fn tabs(&self) -> Vec<TabLink> {
        let link = |(tab, path, label, icon): (Tab, &str, &'static str, &'static str)| TabLink {
            href: if path.is_empty() { self.home().to_owned() } else { format!("{}{path}", self.base) },
            label,
            icon,
            current: tab == self.tab,
        };
        TABS.into_iter().map(link).collect()
    }

    /// Where this page is told that something has changed.
    pub(super) fn events(&self) -> String {
        // A shop's name needs no escaping: the settings allow none that does.
        self.shop.as_ref().map_or_else(|| "/events".to_owned(), |shop| format!("/events?shop={shop}"))
    }
}
