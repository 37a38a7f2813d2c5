//! The shops that the settings name, and how one of them is chosen.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Problem, ShopView};
use crate::settings::Settings;

/// At most so many shops are asked at once: each that is asked takes connections.
const AT_ONCE: usize = 8;

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

    /// Closes every connection that nobody has used for so long.
    pub(crate) fn rest(&self, unused: Duration) {
        self.shops.iter().for_each(|shop| shop.rest(unused));
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

/// Asks many at once, a few at a time, so that one whose database is out of reach keeps nobody waiting for the others. The
/// answers are in the order of the questions.
pub(crate) async fn ask_each<S, A, F>(of: impl IntoIterator<Item = S>, ask: impl Fn(S) -> F) -> Vec<A>
where
    F: Future<Output = A>,
{
    let asked = of.into_iter().enumerate().map(|(place, one)| {
        let answer = ask(one);
        async move { (place, answer.await) }
    });
    let mut answers: Vec<_> = futures_util::stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
    answers.sort_unstable_by_key(|(place, _)| *place);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::{Barrier, Notify};

    use super::*;

    #[tokio::test]
    async fn eight_are_asked_at_once_and_no_more() {
        // Nobody answers before eight are asked.
        let (eight, now, most) = (Barrier::new(AT_ONCE), Cell::new(0), Cell::new(0));
        let (eight, now, most) = (&eight, &now, &most);
        let answers = ask_each(0..3 * AT_ONCE, |one| async move {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            eight.wait().await;
            // The next one would have its turn now, if there were one.
            tokio::task::yield_now().await;
            now.set(now.get() - 1);
            one
        });
        assert_eq!(answers.await, (0..3 * AT_ONCE).collect::<Vec<_>>());
        assert_eq!(most.get(), AT_ONCE);
    }

    #[tokio::test]
    async fn one_that_takes_long_holds_up_nobody_and_keeps_its_place() {
        let (last, answered) = (Notify::new(), Cell::new(0));
        let (last, answered) = (&last, &answered);
        let answers = ask_each(0..30, |one| async move {
            if one == 0 {
                // Answers when all the others have.
                last.notified().await;
            }
            answered.set(answered.get() + 1);
            if answered.get() == 29 {
                last.notify_one();
            }
            one
        });
        assert_eq!(answers.await, (0..30).collect::<Vec<_>>());
    }
}
