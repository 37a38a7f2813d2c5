//! Who asks for what: the shop of the path, the words of the query, and the frame around the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response};

use super::super::door::{Door, SESSION, cookie};
use super::super::frame::{Frame, Tab};
use super::super::login::{encoded, theme};
use super::super::site::Site;
use super::super::view::{Problem, ShopView};
use super::refuse;

/// The longest text that is looked for.
const TEXT_CHARS: usize = 200;

/// One request for a page of a shop.
pub(super) struct Visit {
    /// What the page has around it.
    pub(super) frame: Frame,
    /// The shop.
    pub(super) shop: Arc<ShopView>,
    path: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
}

impl FromRequestParts<Site> for Visit {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Self::Rejection> {
        let plain = around(site, &parts.headers, None);
        let refused = |problem: &Problem| refuse(plain.clone(), problem);
        let unreadable = || refused(&Problem::bad_question("the address cannot be read"));
        let path = Path::<BTreeMap<String, String>>::from_request_parts(parts, site).await;
        let Path(path) = path.map_err(|_| unreadable())?;
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, site).await;
        let Query(query) = query.map_err(|_| unreadable())?;
        let named = path.get("shop").map(String::as_str);
        let shop = Arc::clone(site.views().find(named).map_err(|problem| refused(&problem))?);
        let mut frame = around(site, &parts.headers, named);
        frame.signed_in = parts.extensions.get::<Door>().is_some_and(|door| door.token().is_some())
            && cookie(&parts.headers, SESSION).is_some();
        Ok(Self { frame, shop, path, query: query.into_iter().collect() })
    }
}

impl Visit {
    /// A part of the path.
    pub(super) fn part(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// What the query says, without blanks around it; nothing where it says nothing. What is too long is cut.
    pub(super) fn asked(&self, name: &str) -> Option<String> {
        let text = self.query.get(name)?.trim();
        (!text.is_empty()).then(|| text.chars().take(TEXT_CHARS).collect())
    }

    /// The page that says why there is no other.
    pub(super) fn refuse(self, tab: Tab, problem: &Problem) -> Response<Body> {
        refuse(self.frame.on(tab), problem)
    }
}

/// What a page has around it.
pub(super) fn around(site: &Site, headers: &HeaderMap, shop: Option<&str>) -> Frame {
    let shops: Vec<String> = site.views().list().shops.into_iter().filter_map(|shop| shop.shop).collect();
    let only = (shops.len() == 1).then(|| shops.first().cloned()).flatten();
    Frame {
        theme: theme(headers),
        base: shop.map_or_else(String::new, |shop| format!("/shops/{shop}")),
        shop: shop.map(str::to_owned).or(only),
        shops,
        tab: Tab::None,
        signed_in: false,
        version: env!("UNRESERVE_VERSION"),
    }
}

/// A query of these words, with what is empty left out: `?ending=failed`, or nothing.
pub(super) fn query(words: &[(&str, Option<&str>)]) -> String {
    let mut text = String::new();
    for (name, value) in words {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            text.push(if text.is_empty() { '?' } else { '&' });
            text.push_str(&format!("{name}={}", encoded(value)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_holds_what_is_said_and_nothing_else() {
        assert_eq!(query(&[]), "");
        assert_eq!(query(&[("a", None), ("b", Some(""))]), "");
        assert_eq!(query(&[("a", Some("x&y")), ("b", None), ("c", Some("1"))]), "?a=x%26y&c=1");
    }
}
