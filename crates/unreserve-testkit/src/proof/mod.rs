//! The proof: what RELIABILITY promises, tried on real databases with faults, in small for CI and in large at night.
//!
//! A layer is one function from an [`Arena`] to [`Figures`]; the first promise that is broken is its error. How much it tries
//! is [`Intensity`]'s to say, so CI and `cargo xtask proof` run the same code.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test tool measures time, waits with a bound, and prints the seed that repeats a failure"
)]

pub mod audit;
mod chance;
mod clock;
mod clocks;
mod customer;
mod daemons;
mod deadlocks;
mod hunt;
mod instances;
mod interleave;
mod kills;
mod market;
mod network;
mod program;
mod proxy;
mod resources;
mod soak;
mod switches;

use std::path::PathBuf;
use std::time::Duration;

pub use chance::{Chance, SEED};
pub use clock::RealClock;
pub use customer::Style;
pub use hunt::{CAUGHT_WITHIN, hunt};
pub use network::{EXECUTED, Moment, NUMBERED};

use crate::failure::Failure;
use crate::shops::{Access, MakeShop, Opener, STATEMENT_TIMEOUT};

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intensity {
    /// What fits into every run of the tests.
    Ci,
    /// What fits into an hour.
    Nightly,
}

impl Intensity {
    /// One of two amounts.
    #[must_use]
    pub fn pick<T>(self, ci: T, nightly: T) -> T {
        match self {
            Self::Ci => ci,
            Self::Nightly => nightly,
        }
    }
}

/// What a layer is tried on.
#[derive(Debug, Clone)]
pub struct Arena {
    /// The database's name, for figures and failures.
    pub database: &'static str,
    /// Makes a shop in it.
    pub make: MakeShop,
    /// Makes a shop on a server of its own that may be killed; nothing where there is no server.
    pub make_alone: Option<MakeShop>,
    /// Whether PgBouncer speaks for the database.
    pub pooled: bool,
    /// The words at which a batch's connection is broken, where there is a network to it.
    pub moments: &'static [Moment],
    /// Whether the program can halt itself at each step of a batch; else it is listened to.
    pub halts: bool,
    /// Connects `unreserve` to an address.
    pub opener: Opener,
    /// The program, where a layer needs it as a process.
    pub program: PathBuf,
    /// How much is tried.
    pub intensity: Intensity,
}

impl Arena {
    /// What the database says it is.
    ///
    /// # Errors
    /// It cannot be reached.
    pub fn product(&self) -> Result<String, Failure> {
        let shop = (self.make)()?;
        block_on(async { Ok(shop.connect(Access::Owner, STATEMENT_TIMEOUT).await?.info().await?.product) })
    }
}

/// What a layer did without finding a broken promise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Transactions, sweeps or schedules that were tried.
    pub operations: u64,
    /// Faults that were provoked.
    pub faults: u64,
    /// The seed that repeats it, where chance was asked.
    pub seed: Option<u64>,
    /// What else is worth knowing, in words.
    pub notes: Vec<String>,
}

/// A layer of the proof.
#[derive(Debug, Clone, Copy)]
pub struct Layer {
    /// What it is called on the command line.
    pub name: &'static str,
    /// The layer of RELIABILITY's plan.
    pub number: &'static str,
    /// What it tries, in a sentence.
    pub tries: &'static str,
    /// Tries it.
    pub run: fn(&Arena) -> Result<Figures, Failure>,
}

/// Every layer, in the order of the plan.
pub const LAYERS: &[Layer] = &[
    Layer {
        name: "interleave",
        number: "L2",
        tries: "every order in which six steps of a sweep and five of a payment can happen",
        run: interleave::run,
    },
    Layer {
        name: "soak",
        number: "L3",
        tries: "customers of every kind and sweeps of every size at work on one shop",
        run: soak::run,
    },
    Layer {
        name: "deadlocks",
        number: "L3",
        tries: "a shop that locks stock rows in the opposite order",
        run: deadlocks::run,
    },
    Layer {
        name: "kills",
        number: "L4",
        tries: "kill -9 of the program at named moments and at random ones",
        run: kills::program,
    },
    Layer {
        name: "crashes",
        number: "L4",
        tries: "kill -9 of the database under load, and of both",
        run: kills::database,
    },
    Layer {
        name: "network",
        number: "L5",
        tries: "a connection that is slow, cut off or silent at every moment of a batch",
        run: network::run,
    },
    Layer {
        name: "clocks",
        number: "L6",
        tries: "a process whose clock and zone are wrong, columns without a zone, and both switches of the hour",
        run: clocks::run,
    },
    Layer {
        name: "instances",
        number: "L7",
        tries: "eight instances at once, one that is frozen, and a pooler between",
        run: instances::run,
    },
    Layer {
        name: "daemons",
        number: "L7",
        tries: "daemons that are killed, frozen, or lose their database or their network while they are on duty",
        run: daemons::run,
    },
    Layer {
        name: "resources",
        number: "L8",
        tries: "no room, no handles, nobody who reads, and a great deal to do",
        run: resources::run,
    },
];

/// The layer of that name.
///
/// # Errors
/// There is none.
pub fn layer(name: &str) -> Result<&'static Layer, Failure> {
    LAYERS.iter().find(|layer| layer.name == name).ok_or_else(|| {
        let names: Vec<&str> = LAYERS.iter().map(|layer| layer.name).collect();
        Failure::new(format!("there is no layer `{name}`; there are {}", names.join(", ")))
    })
}

/// Runs asynchronous work on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(Box::pin(work));
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// Runs the same work on some threads, each with its number and a runtime of its own; the first failure is the outcome.
pub(crate) fn on_threads<T: Send>(
    count: usize,
    work: impl Fn(usize) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..count).map(|number| scope.spawn(move || work(number))).collect();
        let ended = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(Failure::new("a thread of the proof panicked"))));
        ended.collect::<Vec<_>>().into_iter().collect()
    })
}

/// Registers every layer for one database, each as a test of its own.
#[macro_export]
macro_rules! proof_tests {
    ($name:ident, $arena:expr, [$($layer:ident),+ $(,)?]) => {
        mod $name {
            $(
                #[test]
                fn $layer() -> Result<(), $crate::failure::Failure> {
                    let arena: $crate::proof::Arena = $arena;
                    let layer = $crate::proof::layer(stringify!($layer))?;
                    let figures = (layer.run)(&arena)?;
                    println!("{} on {}: {figures:?}", layer.name, arena.database);
                    Ok(())
                }
            )+
        }
    };
}
