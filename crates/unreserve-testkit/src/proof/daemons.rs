//! Daemons that are killed, frozen, or lose their database while a shop is at work: what is due is released all the same.

use std::time::{Duration, Instant};

use super::customer::Style;
use super::market::{Market, refill, settle_up, stock};
use super::program::{Program, Running, ended_with};
use super::proxy::{Action, Break, Proxy, server_of};
use super::{Arena, Chance, Figures, audit, block_on};
use crate::failure::{Failure, equal, holds, present};
use crate::shops::{MakeShop, Rules, Session, Source, World};

/// How many rounds: of the one on duty lost under load, of a database killed, of a network that falls silent.
const CI: [u64; 3] = [2, 1, 1];
const NIGHTLY: [u64; 3] = [12, 8, 8];

/// Whoever is lost on duty has a successor by then.
const TAKEOVER: Duration = Duration::from_secs(15);

/// Whatever a daemon waits for is over by then: a pause of 30 s, a lease that fell silent, and a sweep.
const PATIENCE: Duration = Duration::from_secs(75);

/// A daemon that is asked to end does by then.
const END: Duration = Duration::from_secs(10);

/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Loses daemons.
pub(super) fn run(arena: &Arena) -> Result<Figures, Failure> {
    let [lost, crashes, silences] = arena.intensity.pick(CI, NIGHTLY);
    let mut chance = Chance::from_environment();
    let mut figures = Figures { seed: Some(chance.seed()), ..Figures::default() };
    let (mut longest, mut released) = (None, 0);
    for round in 0..lost {
        let signal = if round % 2 == 0 { "KILL" } else { "STOP" };
        let seen = lose(arena, &mut chance, signal);
        let seen = seen.map_err(|failure| failure.during(&format!("round {round}, {signal}")))?;
        longest = longest.max(seen.followed);
        released += seen.cancelled;
        figures.operations += seen.transactions;
        figures.faults += 1;
    }
    holds(released > 0, "daemons released something")?;
    let followed =
        longest.map_or_else(String::new, |longest| format!(", and followed within {} ms", longest.as_millis()));
    figures.notes.push(format!("one of two was lost {lost} times{followed}; {released} orders cancelled"));
    if let Some(make) = arena.make_alone {
        for _ in 0..crashes {
            block_on(crash(arena, make, &mut chance))?;
            figures.faults += 1;
        }
        figures.notes.push(format!("the database was killed {crashes} times under one that watches"));
    }
    if !arena.moments.is_empty() {
        for _ in 0..silences {
            block_on(fall_silent(arena, &mut chance))?;
            figures.faults += 1;
        }
        figures.notes.push(format!("the network fell silent {silences} times, and a second one stepped in"));
    }
    Ok(figures)
}

/// A daemon with a state directory of that name. What it says is read by nobody.
fn start(program: &Program, url: &str, state: &str) -> Result<Running, Failure> {
    Running::start_silently(&mut program.daemon(url, state))
}

/// Asks a daemon to end, which it must do in time and well.
fn end(mut daemon: Running) -> Result<(), Failure> {
    let began = Instant::now();
    daemon.signal("TERM")?;
    ended_with(&daemon.output()?, &[0])?;
    holds(began.elapsed() < END, &format!("a daemon that is asked to end does within 10 s, not {:?}", began.elapsed()))
}

/// What came of a round.
struct Seen {
    /// How long nobody was on duty; nothing where nobody ever is, since both look.
    followed: Option<Duration>,
    transactions: u64,
    cancelled: u64,
}

/// Customers are at work, two daemons watch, and the one on duty is lost.
fn lose(arena: &Arena, chance: &mut Chance, signal: &'static str) -> Result<Seen, Failure> {
    let (mut world, program) = block_on(async {
        let mut world = World::new(arena.make, Rules::default()).await?;
        stock(&mut world).await?;
        let program = Program::on(arena, &world)?;
        Ok((world, program))
    })?;
    let capability = block_on(async { Ok(world.open().await?.info().capability) })?;
    let market = Market::new(world.shop.as_ref(), &world.profile, capability.row_locks);
    let chances: Vec<Chance> = (0..2).map(|_| chance.fork()).collect();
    let life = Duration::from_millis(1_500 + chance.below(2_000));
    let followed = std::thread::scope(|scope| {
        let (market, program) = (&market, &program);
        let workers: Vec<_> =
            chances.into_iter().map(|chance| scope.spawn(move || market.customers(chance, &Style::ALL))).collect();
        let followed = scope.spawn(move || {
            block_on(async {
                let mut session = market.shop.session().await?;
                let first = start(program, &program.url, "first")?;
                if capability.many_hosts {
                    on_duty(session.as_mut(), first.id()?).await?;
                }
                let second = start(program, &program.url, "second")?;
                tokio::time::sleep(life).await;
                let lost = Instant::now();
                let mut first = Some(first);
                match signal {
                    "KILL" => first.take().map_or(Ok(()), Running::kill)?,
                    signal => first.as_mut().map_or(Ok(()), |first| first.signal(signal))?,
                }
                if capability.many_hosts {
                    on_duty(session.as_mut(), second.id()?).await?;
                }
                let followed = capability.many_hosts.then(|| lost.elapsed());
                tokio::time::sleep(Duration::from_secs(2)).await;
                if let Some(first) = &mut first {
                    first.signal("CONT")?;
                }
                Ok((followed, first, second))
            })
        });
        let followed = followed.join().unwrap_or_else(|_| Err(Failure::new("the thread with the daemons panicked")));
        market.stop();
        for worker in workers {
            worker.join().unwrap_or_else(|_| Err(Failure::new("a customer's thread panicked")))?;
        }
        followed
    });
    let (followed, first, second) = followed?;
    let tally = market.into_tally();
    let cancelled = block_on(async {
        // Nothing that was ordered expires later than this; from then on the daemons alone finish the work.
        tokio::time::sleep(Duration::from_secs(3)).await;
        released_by_itself(&world).await?;
        first.into_iter().chain([second]).try_for_each(end)?;
        // The old one belongs to a runtime that is gone.
        world.session = world.shop.session().await?;
        let mut shop = world.open().await?;
        settle_up(&mut world, shop.as_mut(), &tally).await
    })?;
    Ok(Seen { followed, transactions: tally.transactions, cancelled })
}

/// Waits until a process is on duty.
async fn on_duty(session: &mut dyn Session, process: u32) -> Result<(), Failure> {
    let began = Instant::now();
    while duty(session).await? != Some(process.to_string()) {
        let late = format!("process {process} goes on duty within {TAKEOVER:?}");
        holds(began.elapsed() < TAKEOVER, &late)?;
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// The process that is on duty.
async fn duty(session: &mut dyn Session) -> Result<Option<String>, Failure> {
    let rows = session.read(Source::Own("lease"), &["profile", "token", "process_id"]).await?;
    let holder = |row: &Vec<Option<String>>| {
        let cell = |place: usize| row.get(place).cloned().flatten();
        if cell(0)?.ends_with(" on duty") && cell(1).is_some() { cell(2) } else { None }
    };
    Ok(rows.iter().find_map(holder))
}

/// Nobody sweeps by hand: nothing is due any more after a while.
async fn released_by_itself(world: &World) -> Result<(), Failure> {
    let began = Instant::now();
    let mut shop = None;
    loop {
        if shop.is_none() {
            shop = world.open().await.ok();
        }
        let due = match &mut shop {
            Some(open) => open.outlook(1_000).await.ok().map(|outlook| outlook.due_orders),
            None => None,
        };
        match due {
            Some(0) => return Ok(()),
            Some(_) => {}
            None => shop = None,
        }
        let late = format!("P6: what is due is released within {PATIENCE:?}, and {due:?} orders are due still");
        holds(began.elapsed() < PATIENCE, &late)?;
        tokio::time::sleep(LOOK).await;
    }
}

/// The database is killed under one that watches.
async fn crash(arena: &Arena, make: MakeShop, chance: &mut Chance) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    drop(world.open().await?);
    refill(&mut world, 60).await?;
    let program = Program::on(arena, &world)?;
    let daemon = start(&program, &program.url, "first")?;
    tokio::time::sleep(Duration::from_millis(chance.below(400))).await;
    world.shop.crash().await?;
    world.session = world.shop.session().await?;
    released_by_itself(&world).await?;
    all_cancelled(&mut world, 60).await?;
    // It watches on: what comes due later is released as well.
    refill(&mut world, 20).await?;
    released_by_itself(&world).await?;
    end(daemon)?;
    all_cancelled(&mut world, 20).await
}

async fn all_cancelled(world: &mut World, orders: usize) -> Result<(), Failure> {
    let seen = audit::shop(world).await?;
    let cancelled = seen.orders.values().filter(|order| order.payment_status == "cancelled").count();
    equal(&cancelled, &orders, "orders cancelled in the end")
}

/// The one on duty hears nothing more in the middle of its work, on connections that stay; another watches as well.
async fn fall_silent(arena: &Arena, chance: &mut Chance) -> Result<(), Failure> {
    let mut world = World::new(arena.make, Rules::default()).await?;
    drop(world.open().await?);
    refill(&mut world, 60).await?;
    let program = Program::on(arena, &world)?;
    let place = usize::try_from(chance.below(u64::try_from(arena.moments.len())?))?;
    let moment = present(arena.moments.get(place), "moment of a batch")?;
    let proxy = Proxy::to(server_of(&program.url)?).await?;
    proxy.arm(Break { behind: moment.behind, word: moment.word, passed: 0, action: Action::Silence });
    let first = start(&program, &proxy.url(&program.url)?, "first")?;
    let met = tokio::time::timeout(Duration::from_secs(20), proxy.broke()).await;
    holds(met.is_ok(), &format!("the daemon comes to {moment:?}"))?;
    let second = start(&program, &program.url, "second")?;
    let told = |failure: Failure| failure.during(&format!("silence at {moment:?}"));
    released_by_itself(&world).await.map_err(told)?;
    end(second).map_err(told)?;
    end(first).map_err(told)?;
    proxy.close().await;
    all_cancelled(&mut world, 60).await.map_err(told)
}
