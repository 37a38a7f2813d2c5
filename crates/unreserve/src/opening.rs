//! From the settings to a shop: connects, resolves the profile, has the database check the plan.

use std::future::Future;
use std::time::Duration;

use unreserve_db::Options;
use unreserve_engine::plan::{self, Plan, Policy, Schema};
use unreserve_engine::shop::{CheckedShop, Shop, ShopError, ShopErrorKind};
use unreserve_engine::sweep::SweepError;
use unreserve_engine::watch::Trouble;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::profiles::{self, Loaded};
use crate::settings::{DatabaseUrl, Settings};

/// Runs a command's asynchronous part on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Problems, "cannot start").because(&error))?;
    let outcome = runtime.block_on(work);
    // A database call that was cut off must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

/// The database's address.
pub(crate) fn database_url(settings: &Settings) -> Result<&DatabaseUrl, Failure> {
    settings.database_url.as_ref().map(|url| &url.value).ok_or_else(|| {
        Failure::usage("no database is set")
            .hint("set DATABASE_URL (in the environment or in .env), `database_url` in unreserve.toml, or --database-url URL")
            .hint("`unreserve demo` needs none")
    })
}

/// What this shop's database is told apart by, whatever its address looks like; files of ours are named after it.
pub(crate) fn place(settings: &Settings) -> Result<String, Failure> {
    let url = database_url(settings)?;
    Ok(unreserve_db::place(url.expose()).unwrap_or_else(|| url.masked()))
}

/// Connects.
pub(crate) async fn connect(settings: &Settings) -> Result<Box<dyn Shop>, Failure> {
    connect_with(settings, Options::default()).await
}

async fn connect_with(settings: &Settings, options: Options) -> Result<Box<dyn Shop>, Failure> {
    let url = database_url(settings)?;
    unreserve_db::open(url.expose(), options).await.map_err(|error| {
        let message = format!("cannot use the database {}", url.masked());
        shop_failure(&error, message)
    })
}

/// The profile, the live schema and what comes of the two.
pub(crate) struct Resolved {
    /// The profile.
    pub(crate) loaded: Loaded,
    /// The live schema, as far as the profile needs it.
    pub(crate) schema: Schema,
    /// The plan.
    pub(crate) plan: Plan,
}

/// Resolves the profile against the live schema, with all that advice needs.
pub(crate) async fn resolve(settings: &Settings, shop: &mut dyn Shop) -> Result<Resolved, Failure> {
    resolve_with(settings, shop, Detail::Everything).await
}

/// How much of the live schema is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// With what advice and the report need.
    Everything,
    /// What a sweep needs.
    Sweep,
}

async fn resolve_with(settings: &Settings, shop: &mut dyn Shop, detail: Detail) -> Result<Resolved, Failure> {
    let loaded = profiles::load(settings)?;
    let request = match detail {
        Detail::Everything => plan::request(&loaded.profile),
        Detail::Sweep => plan::sweep_request(&loaded.profile),
    };
    let schema = shop.schema(&request).await;
    let schema = schema.map_err(|error| shop_failure(&error, "cannot read the database's schema"))?;
    let policy = Policy {
        timeout: settings.timeout.as_ref().map(|timeout| timeout.value),
        grace: settings.grace.as_ref().map_or(Duration::ZERO, |grace| grace.value),
    };
    let plan = plan::resolve(&loaded.profile, &schema, policy).map_err(|problems| loaded.failure(&problems))?;
    Ok(Resolved { loaded, schema, plan })
}

/// A shop whose plan the database has checked: the only kind that can be swept.
pub(crate) async fn open(settings: &Settings) -> Result<Box<dyn CheckedShop>, Failure> {
    open_with(settings, Options::default()).await
}

/// The same, talking to the database so.
pub(crate) async fn open_with(settings: &Settings, options: Options) -> Result<Box<dyn CheckedShop>, Failure> {
    Box::pin(open_for(settings, options, Detail::Sweep)).await
}

/// The same with all that the report needs of the live schema.
pub(crate) async fn open_whole(settings: &Settings) -> Result<Box<dyn CheckedShop>, Failure> {
    Box::pin(open_for(settings, Options::default(), Detail::Everything)).await
}

async fn open_for(settings: &Settings, options: Options, detail: Detail) -> Result<Box<dyn CheckedShop>, Failure> {
    // The profile is read first: a slip in it needs no database to be told.
    profiles::load(settings)?;
    let mut shop = connect_with(settings, options).await?;
    let resolved = resolve_with(settings, shop.as_mut(), detail).await?;
    check(shop, resolved.plan).await
}

/// Has the database prepare every statement of a plan.
pub(crate) async fn check(shop: Box<dyn Shop>, plan: Plan) -> Result<Box<dyn CheckedShop>, Failure> {
    let profile = plan.profile.clone();
    shop.check(plan)
        .await
        .map_err(|error| shop_failure(&error, format!("profile `{profile}` does not fit this database")))
}

/// How the program ends because of a database error.
fn exit_of(kind: ShopErrorKind) -> Exit {
    match kind {
        ShopErrorKind::Refused
        | ShopErrorKind::Permission
        | ShopErrorKind::SchemaChanged
        | ShopErrorKind::Ambiguous => Exit::Usage,
        ShopErrorKind::Invariant | ShopErrorKind::Constraint => Exit::Halted,
        ShopErrorKind::Fenced => Exit::AlreadyRunning,
        ShopErrorKind::Disconnected
        | ShopErrorKind::ReadOnly
        | ShopErrorKind::Full
        | ShopErrorKind::Retry
        | ShopErrorKind::LockTimeout
        | ShopErrorKind::Other => Exit::DatabaseUnavailable,
    }
}

/// The failure that a database error makes of what was attempted.
pub(crate) fn shop_failure(error: &ShopError, attempted: impl Into<String>) -> Failure {
    let failure = Failure::new(exit_of(error.kind), attempted).because(error).of_class(error.kind.word());
    match &error.hint {
        Some(hint) => failure.hint(hint.clone()),
        None => failure,
    }
}

/// The failure that a sweep which stopped, or never began, ends with.
pub(crate) fn sweep_failure(error: &SweepError) -> Failure {
    let plain = |exit| Failure::from_error(exit, error).of_class(Trouble::from(error).class);
    match error {
        SweepError::NotInstalled(_) => plain(Exit::Usage)
            .hint("run `unreserve setup` once; `unreserve setup --print-sql` shows what it would do")
            .hint("where it was run already, `unreserve setup --print-grants` prints what the role needs"),
        SweepError::ReadOnly(_) => plain(Exit::DatabaseUnavailable)
            .hint("connect to a database that takes writes; `--dry-run` works on this one"),
        SweepError::Clock(fault) => plain(Exit::Halted).hint(fault.hint()),
        SweepError::TooMany { due, .. } => plain(Exit::Problems)
            .hint(format!("look first: unreserve sweep --dry-run --max-orders {due}"))
            .hint(format!("then allow it once: unreserve sweep --max-orders {due}")),
        SweepError::Held { .. } => {
            plain(Exit::AlreadyRunning).hint("wait for it to end; an instance that is dead is noticed within 30 s")
        }
        SweepError::NoSuchOrder(_) => plain(Exit::Usage).hint("give the order's key or number as the shop writes it"),
        SweepError::Quantity(_) => plain(Exit::Halted),
        SweepError::Shop(source) => shop_failure(source, error.to_string()),
    }
}
