//! `demo --live`: a shop with customers in it, the daemon and the page, until Ctrl-C.

use std::net::SocketAddr;

use unreserve_db::demo_live;

use super::demo_place::Place;
use crate::app::Context;
use crate::cli::args::DemoArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::live::{Frame, Live, opening_words};
use crate::opening::{block_on, shop_failure};
use crate::settings::{Origin, Settings, Sourced, WebSettings};
use crate::web::{self, Bound};

/// Runs the command.
pub(super) fn run(args: &DemoArgs, context: &Context) -> Result<Exit, Failure> {
    block_on(async {
        let place = Place::make(&args.dir)?;
        // Before an earlier demo is replaced: what is in the way is told first.
        let (bound, web) = listen(args.listen)?;
        let address = bound.url().unwrap_or_default();
        let made = demo_live::create(&place.database).await;
        let made = made.map_err(|error| shop_failure(&error, "cannot make the demo shop"))?;
        let settings = Settings { web, ..place.settings(&made.url)? };
        let frame = Frame { address, speed: args.speed, command: place.command(context) };
        let live = Live::open(&place.database, &settings, args.speed).await?;
        context.printer.result(&opening_words(&frame, &place.database))?;
        Box::pin(live.run(bound, settings, &frame, &context.printer)).await
    })
}

/// Takes the page's place: the one that was asked for, else the usual one, else any port that is free.
fn listen(asked: Option<SocketAddr>) -> Result<(Bound, WebSettings), Failure> {
    let usual = WebSettings::default().listening_by_default();
    let Some(address) = asked else {
        return take(&usual).or_else(|_| {
            let any = usual.listen.map(|listen| Sourced::new(SocketAddr::new(listen.value.ip(), 0), listen.origin));
            take(&WebSettings { listen: any, ..WebSettings::default() })
        });
    };
    let listen = Some(Sourced::new(address, Origin::Flag("--listen")));
    take(&WebSettings { listen, ..WebSettings::default() }).map_err(|failure| Failure {
        hints: vec!["choose another port, or leave `--listen` out: then a free one is taken".to_owned()],
        ..failure
    })
}

/// Takes a place, and gives it with the port that the system chose where none was named.
fn take(web: &WebSettings) -> Result<(Bound, WebSettings), Failure> {
    let bound = web::bind(web)?.ok_or_else(|| Failure::usage("nothing says where the page is to be"))?;
    let mut web = web.clone();
    let taken = bound.url().and_then(|url| url.strip_prefix("http://")?.strip_suffix('/')?.parse().ok());
    if let (Some(listen), Some(taken)) = (&mut web.listen, taken) {
        listen.value = taken;
    }
    Ok((bound, web))
}
