//! Notices that the shop may send with `NOTIFY unreserve`, on a connection of their own. Never needed, only quicker.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use unreserve_engine::shop::{Answer, ShopError};

use super::errors::{connect_error, statement_error};
use crate::deadline::within;
use crate::{Notices, Options};

/// The channel that is listened to.
const CHANNEL: &str = "unreserve";

/// Longer than it may take: what takes long is told by whoever waits for it.
const SLOW: Duration = Duration::from_secs(3_600);

struct PgNotices {
    listener: PgListener,
}

/// Begins to listen.
pub(crate) fn listen(url: String, options: Options) -> Answer<'static, Box<dyn Notices>> {
    Box::pin(async move {
        let connect = PgConnectOptions::from_str(&url).map_err(|error| connect_error(&error))?;
        let connect = connect.application_name("unreserve listens").extra_float_digits(None);
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(options.connect_timeout)
            .acquire_slow_threshold(SLOW);
        let pool = within(options.connect_timeout, "listen", pool.connect_with(connect)).await?;
        let pool = pool.map_err(|error| connect_error(&error))?;
        let listener = within(options.connect_timeout, "listen", PgListener::connect_with(&pool)).await?;
        let mut listener = listener.map_err(|error| connect_error(&error))?;
        let listening = within(options.statement_timeout, "listen", listener.listen(CHANNEL)).await?;
        listening.map_err(|error| statement_error(&error, "listen"))?;
        Ok(Box::new(PgNotices { listener }) as Box<dyn Notices>)
    })
}

impl Notices for PgNotices {
    fn next(&mut self) -> Answer<'_, ()> {
        Box::pin(async move {
            // A connection that was lost is an answer too: what was sent meanwhile is not known.
            match self.listener.try_recv().await {
                Ok(_) => Ok(()),
                Err(error) => Err::<(), ShopError>(statement_error(&error, "listen")),
            }
        })
    }
}
