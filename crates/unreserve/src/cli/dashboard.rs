//! `dashboard`: shows the page, beside an installation whose sweeps come from elsewhere.

use tokio::task::LocalSet;

use crate::app::Context;
use crate::daemon::signals::{self, Asked};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::opening::block_on;
use crate::settings::{Environment, Settings, WebSettings};
use crate::web::view::Views;
use crate::web::{self, Process, Serving, Site};

/// Runs the command.
pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    let web = context.settings.web.clone();
    // Whoever starts a page wants to see one.
    let web = if web.listen.is_none() && web.socket.is_none() { web.listening_by_default() } else { web };
    block_on(async { LocalSet::new().run_until(serve(context, &web)).await })
}

async fn serve(context: &Context, web: &WebSettings) -> Result<Exit, Failure> {
    let shops: Vec<&Settings> = std::iter::once(&context.settings).chain(&context.others).collect();
    shops.iter().try_for_each(|shop| check(shop))?;
    let mut signals = signals::listen()?;
    let Some(bound) = web::bind(web)? else {
        return Err(Failure::usage("nothing says where to listen"));
    };
    let places: Vec<String> =
        bound.url().into_iter().chain(bound.socket().map(|path| path.display().to_string())).collect();
    let page = Serving::begin(bound, Site::new(Views::new(shops), Process::default()))?;
    context.printer.note(&format!("the page is at {}; Ctrl-C ends it", places.join(" and ")));
    loop {
        match signals.next().await {
            Asked::Stop => return Ok(Exit::Done),
            Asked::Reload => reload(context, &page),
            // The page only looks.
            Asked::Sweep => {}
        }
    }
}

/// A slip is told before anything is shown, and before a reload changes anything.
fn check(shop: &Settings) -> Result<(), Failure> {
    let loaded = crate::opening::database_url(shop).and_then(|_| crate::profiles::load(shop));
    loaded.map(|_| ()).map_err(|failure| failure.of_shop(shop.shop.as_deref()))
}

/// Takes the new shops, all of them or none.
fn reload(context: &Context, page: &Serving) {
    let shops = Settings::load_shops(&context.flags, &Environment::of_process()).map_err(Failure::from);
    match shops.and_then(|shops| shops.iter().try_for_each(check).map(|()| shops)) {
        Ok(shops) => page.site().show(Views::new(&shops)),
        Err(failure) => {
            tracing::error!(event = "reload_refused", "the old settings stay: {}", failure.in_one_line());
        }
    }
}
