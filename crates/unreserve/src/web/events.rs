//! Tells open pages that something has changed, as server-sent events. What it is they read again themselves.
//!
//! Every event has some data: browsers drop one that has none.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{Response, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use unreserve_engine::sweep::Clock;

use super::answer;
use super::site::Site;
use super::view::{Overview, Problem, ShopView, ask_each};
use crate::clock::ProcessClock;
use crate::hub::{Heard, News, Subscription, Told};

/// While anybody looks, it is seen so often whether something has changed that nobody in this process knows of: an order, or a
/// sweep of somebody else's.
const LOOK: Duration = Duration::from_secs(3);

/// A shop's connection that nobody has used for so long is closed.
const UNUSED: Duration = Duration::from_secs(30);

/// A connection on which nothing happens is kept alive by an empty line so often.
const SILENCE: Duration = Duration::from_secs(15);

/// A browser that has lost its connection tries again so much later.
const AGAIN: Duration = Duration::from_secs(2);

/// Whose changes are wanted; nothing where it is those of all shops.
#[derive(Deserialize)]
pub(super) struct Wanted {
    shop: Option<String>,
}

/// Tells one page, for as long as it is open.
pub(super) async fn stream(State(site): State<Site>, Query(wanted): Query<Wanted>) -> Response<Body> {
    let Ok(place) = Arc::clone(site.listeners()).try_acquire_owned() else {
        let told = Problem::new(503, "too many pages", "too many pages are open to tell this one of changes as well")
            .remedy("close some of them; this one shows what is new when it is loaded again");
        return ([(header::RETRY_AFTER, "10")], answer::problem(&told)).into_response();
    };
    let hello = Event::default().event("hello").retry(AGAIN).data("you are told of changes");
    let first = futures_util::stream::once(async { Ok::<_, Infallible>(hello) });
    let state = (site.changes(wanted.shop), place);
    let changes = futures_util::stream::unfold(state, |((mut changes, watching), place)| async move {
        loop {
            match changes.recv().await {
                Ok(changed) if watching.concerns(changed.shop.as_deref()) => break,
                Ok(_) => {}
                // Some were missed; that there were any is all there is to tell.
                Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => return None,
            }
        }
        Some((Ok(Event::default().event("changed").data("look again")), ((changes, watching), place)))
    });
    let all = futures_util::StreamExt::chain(first, changes);
    Sse::new(all).keep_alive(KeepAlive::new().interval(SILENCE)).into_response()
}

/// Passes on what the daemon of this process tells.
pub(super) async fn hear(site: Site, mut news: Subscription) {
    loop {
        match news.next().await {
            Heard::News(Told {
                shop,
                news: News::Swept(_) | News::Stands { .. } | News::Joined { .. } | News::Left,
                ..
            }) => {
                site.tell((!shop.is_empty()).then(|| shop.to_string()));
            }
            Heard::News(_) => {}
            Heard::Missed => site.tell(None),
            Heard::Ended => return,
        }
    }
}

/// Looks again and again whether what is shown has changed, while anybody is told of it; and lets go of what nobody uses.
pub(super) async fn look(site: Site) {
    let clock = ProcessClock::new();
    let mut seen: Vec<(Option<String>, u64)> = Vec::new();
    let mut joined = site.joined();
    loop {
        clock.sleep(LOOK).await;
        site.views().rest(UNUSED);
        let before = std::mem::replace(&mut seen, marks(&site).await);
        // Between the moment a page was written and the one from which on it is told, something may have changed.
        let newcomers = std::mem::replace(&mut joined, site.joined()) != joined;
        if newcomers {
            site.tell(None);
            continue;
        }
        for (shop, mark) in &seen {
            if before.iter().any(|(known, old)| known == shop && old != mark) {
                site.tell(shop.clone());
            }
        }
    }
}

/// What each shop comes to that somebody wants to be told of. The others are left in peace.
async fn marks(site: &Site) -> Vec<(Option<String>, u64)> {
    let views = site.views();
    let watched = views.all().filter(|shop| site.watched().wants(shop.name().shop.as_deref())).cloned();
    ask_each(watched, |shop: Arc<ShopView>| async move { (shop.name().shop, mark(&shop).await) }).await
}

/// What a shop's overview comes to, as long as nothing but the time goes on.
async fn mark(shop: &ShopView) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let Ok(overview) = shop.overview().await else { return 0 };
    let Overview { sentence, figures, trouble, problems, daemon, .. } = overview.as_ref();
    let mut hasher = DefaultHasher::new();
    format!("{:?} {trouble:?} {:?} {daemon:?}", sentence.mood, sentence.counts_down_to).hash(&mut hasher);
    for problem in problems {
        format!("{} {:?}", problem.check, problem.status).hash(&mut hasher);
    }
    if let Some(figures) = figures {
        let held: Vec<_> = figures.held.until.iter().map(|step| (step.units, step.reservations)).collect();
        let due = (figures.due.orders, figures.due.next_expiry_at);
        format!("{due:?} {held:?} {:?} {:?}", figures.given_back_30_days, figures.newest_sweeps).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Environment, Flags, Settings};
    use crate::web::Process;
    use crate::web::view::Views;

    #[tokio::test]
    async fn only_shops_that_somebody_has_open_are_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("unreserve.toml");
        std::fs::write(&config, "state_dir = \".\"\ndatabase_url = \"sqlite:gone.db\"\nprofile = \"malikli\"\n")
            .unwrap();
        let flags = Flags { config: Some(config), ..Flags::default() };
        let shop = Settings::load(&flags, &Environment::from_variables([])).unwrap();
        let named = |name: &str| Settings { shop: Some(name.to_owned()), ..shop.clone() };
        let site = Site::new(Views::new(&[named("a"), named("b"), named("c")]), Process::default());
        let looked_at = async || marks(&site).await.into_iter().filter_map(|(shop, _)| shop).collect::<Vec<_>>();
        assert!(looked_at().await.is_empty());
        let second = site.changes(Some("b".to_owned()));
        assert_eq!(looked_at().await, ["b"]);
        let all = site.changes(None);
        assert_eq!(looked_at().await, ["a", "b", "c"]);
        drop((second, all));
        assert!(looked_at().await.is_empty());
    }
}
