//! The daemon's page: taken before the first shop is begun with, shown while it works, and led along a reload.

use std::sync::Arc;

use crate::failure::Failure;
use crate::hub::{Hub, Listener};
use crate::metrics::{self, Metrics};
use crate::settings::{Settings, WebSettings};
use crate::web::view::Views;
use crate::web::{self, Bound, Process, Serving, Site};

/// The places that the page will be shown at; none where the settings name none.
pub(super) struct Place(Option<(Bound, WebSettings, Arc<Metrics>)>);

impl Place {
    /// Takes them.
    ///
    /// # Errors
    /// One of them cannot be had.
    pub(super) fn take(shops: &[Settings]) -> Result<Self, Failure> {
        let Some(first) = shops.first() else { return Ok(Self(None)) };
        Ok(web::bind(&first.web)?.map_or(Self(None), |bound| Self::of(bound, first)))
    }

    /// Those that were taken before, as the settings of this shop say.
    pub(super) fn of(bound: Bound, shop: &Settings) -> Self {
        Self(Some((bound, shop.web.clone(), Arc::new(Metrics::default()))))
    }

    /// Who counts what happens: nobody where nobody can ask for it.
    pub(super) fn listener(&self) -> Option<Arc<dyn Listener>> {
        self.0.as_ref().map(|(.., metrics)| Arc::clone(metrics) as Arc<dyn Listener>)
    }

    /// Shows these shops there from now on.
    ///
    /// # Errors
    /// The runtime cannot take over the places.
    pub(super) fn show(self, shops: &[Settings], hub: &Hub) -> Result<Option<Page>, Failure> {
        let Some((bound, settings, counted)) = self.0 else { return Ok(None) };
        let (url, socket) = (bound.url(), bound.socket().map(|path| path.display().to_string()));
        let answer = move |accept: Option<&str>| {
            let rendered = metrics::render(&counted, accept);
            (rendered.content_type, rendered.body)
        };
        let process = Process { hub: Some(hub.clone()), metrics: Some(Box::new(answer)) };
        let serving = Serving::begin(bound, Site::new(Views::new(shops), process))?;
        let places: Vec<&str> = url.as_deref().into_iter().chain(socket.as_deref()).collect();
        tracing::info!(event = "page", url, socket, "the page is at {}", places.join(" and "));
        Ok(Some(Page { serving, settings }))
    }
}

/// The page that is shown, and the settings by which it is.
pub(super) struct Page {
    serving: Serving,
    settings: WebSettings,
}

/// Shows the shops of settings that were read again. Where it is shown, and to whom, stays as it was.
pub(super) fn reload(page: Option<&Page>, shops: &[Settings]) {
    let wanted = shops.first().map(|shop| shop.web.clone()).unwrap_or_default();
    let holds = page.map(|page| page.settings.clone()).unwrap_or_default();
    if !wanted.is(&holds) {
        tracing::warn!(event = "restart_needed", "`[web]` has changed: the page stays where it is until a restart");
    }
    if let Some(page) = page {
        page.serving.site().show(Views::new(shops));
    }
}
