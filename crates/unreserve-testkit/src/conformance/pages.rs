//! The ledger page after page, and what it has of late.

use unreserve_engine::ledger::{
    DayTally, Ending, EntriesPage, EntriesQuery, EntryRecord, LatelyQuery, SweepEnd, SweepFilter, SweepsPage,
    SweepsQuery,
};
use unreserve_engine::model::SweepId;
use unreserve_engine::shop::CheckedShop;

use super::steps::{acquire, end, whole_batch};
use crate::failure::{Failure, equal, holds, present};
use crate::shops::{MakeShop, NewReservation, Pool, Rules, Sweeper, World};

fn sweeps_query(limit: u32) -> SweepsQuery {
    SweepsQuery { profile: "malikli".to_owned(), filter: SweepFilter::All, after: None, limit, look_max: 100 }
}

fn identities(page: &SweepsPage) -> Vec<SweepId> {
    page.sweeps.iter().map(|sweep| sweep.sweep_id).collect()
}

/// Five sweeps: the second changed something, the third set something aside, the last did not end.
async fn five_sweeps(world: &mut World, shop: &mut dyn CheckedShop) -> Result<Vec<SweepId>, Failure> {
    let mut sweeps = Vec::new();
    for number in 1..=5 {
        let sweeper = Sweeper::new(&format!("sweeper {number}"));
        acquire(shop, &sweeper).await?;
        if number == 2 {
            world.add_due_orders(&[("M-1", 1), ("M-2", 2)]).await?;
            whole_batch(shop, &sweeper).await?;
        }
        let ending = if number == 3 { Ending::Problems } else { Ending::Done };
        if number < 5 {
            shop.close(&sweeper.holder.token, &SweepEnd { ending, ..end(&sweeper) }).await?;
        }
        sweeps.push(sweeper.start.sweep_id);
    }
    sweeps.reverse();
    Ok(sweeps)
}

/// Page after page they come newest first, each once, and the last page says that it is the last.
///
/// # Errors
/// It does not hold.
pub async fn sweeps_come_page_after_page_and_each_once(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    let mut shop = world.open().await?;
    equal(&shop.sweeps_page(&sweeps_query(2)).await?, &SweepsPage { sweeps: Vec::new(), next: None }, "no sweep")?;
    let sweeps = five_sweeps(&mut world, shop.as_mut()).await?;
    let (mut query, mut seen, mut pages) = (sweeps_query(2), Vec::new(), Vec::new());
    loop {
        let page = shop.sweeps_page(&query).await?;
        holds(page.sweeps.len() <= 2, "a page is no longer than was asked for")?;
        seen.extend(identities(&page));
        pages.push(page.sweeps.len());
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    equal(&(pages, &seen), &(vec![2, 2, 1], &sweeps), "pages, and their sweeps")?;
    let all = shop.sweeps_page(&sweeps_query(5)).await?;
    equal(&(identities(&all), all.next), &(sweeps, None), "one page with all of them")?;
    let changed = present(all.sweeps.get(3), "the sweep that changed something")?;
    equal(&(changed.batches, changed.reservations_released, changed.units_released), &(1, 2, 2), "its sums")?;
    let other = SweepsQuery { profile: "other".to_owned(), ..sweeps_query(5) };
    equal(&shop.sweeps_page(&other).await?.sweeps.len(), &0, "sweeps of another profile")
}

/// A filter leaves the others out, and where only so many are looked at, the page says where it goes on.
///
/// # Errors
/// It does not hold.
pub async fn sweeps_are_filtered_by_how_they_ended(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    let mut shop = world.open().await?;
    let sweeps = five_sweeps(&mut world, shop.as_mut()).await?;
    let expected: [(SweepFilter, &[usize]); 5] = [
        (SweepFilter::Changed, &[3]),
        (SweepFilter::Unfinished, &[0]),
        (SweepFilter::Ended(Ending::Problems), &[2]),
        (SweepFilter::Ended(Ending::Failed), &[]),
        (SweepFilter::Ended(Ending::Done), &[1, 3, 4]),
    ];
    for (filter, places) in expected {
        let page = shop.sweeps_page(&SweepsQuery { filter, ..sweeps_query(5) }).await?;
        let wanted: Vec<SweepId> = places.iter().filter_map(|place| sweeps.get(*place).copied()).collect();
        equal(&(identities(&page), page.next), &(wanted, None), &format!("sweeps of {filter:?}"))?;
    }
    let changed = SweepsQuery { filter: SweepFilter::Changed, look_max: 1, ..sweeps_query(1) };
    let first = shop.sweeps_page(&changed).await?;
    equal(&first.sweeps.len(), &0, "of the newest two none changed anything")?;
    holds(first.next.is_some(), "it goes on behind them")?;
    let second = shop.sweeps_page(&SweepsQuery { after: first.next, ..changed }).await?;
    equal(&Some(&identities(&second)), &sweeps.get(3..4).map(<[SweepId]>::to_vec).as_ref(), "the one that did")
}

fn entries_query(sweep_id: SweepId, limit: u32) -> EntriesQuery {
    EntriesQuery { sweep_id, matching: None, after: None, limit, look_max: 100 }
}

async fn all_entries(shop: &mut dyn CheckedShop, mut query: EntriesQuery) -> Result<Vec<EntryRecord>, Failure> {
    let mut entries = Vec::new();
    loop {
        let EntriesPage { entries: more, next } = shop.entries_page(&query).await?;
        entries.extend(more);
        query.after = next;
        if query.after.is_none() {
            return Ok(entries);
        }
    }
}

/// Two batches in one sweep; page after page their entries come in the order they were written.
///
/// # Errors
/// It does not hold.
pub async fn entries_come_page_after_page_and_can_be_searched(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    world.add_due_orders(&[("M-100", 2), ("M-101", 1)]).await?;
    whole_batch(shop.as_mut(), &sweeper).await?;
    world.add_order("N-200", "pending").await?;
    world.add_reservation("N-200", NewReservation::variant(1, 1, -5)).await?;
    whole_batch(shop.as_mut(), &sweeper).await?;
    let sweep_id = sweeper.start.sweep_id;
    let all = shop.entries(sweep_id, 100).await?;
    equal(&all.len(), &6, "entries: a release and a cancellation of each order")?;
    for limit in [1, 2, 4, 6] {
        let entries = all_entries(shop.as_mut(), entries_query(sweep_id, limit)).await?;
        equal(&entries, &all, &format!("entries in pages of {limit}"))?;
    }
    equal(&shop.entries_page(&entries_query(SweepId::new(), 9)).await?.entries.len(), &0, "of another sweep")?;
    for (text, count) in [("m-10", 4), ("N-2", 2), ("m-101", 2), (":1", 3), ("%", 0), ("M_1", 0), ("\\", 0)] {
        let query = EntriesQuery { matching: Some(text.to_owned()), ..entries_query(sweep_id, 1) };
        let found = all_entries(shop.as_mut(), query.clone()).await?;
        equal(&found.len(), &count, &format!("entries with `{text}`"))?;
        let bounded = all_entries(shop.as_mut(), EntriesQuery { look_max: 1, ..query }).await?;
        equal(&bounded, &found, &format!("entries with `{text}`, two looked at for each page"))?;
    }
    let number = |entry: &EntryRecord| entry.number.clone();
    let query = EntriesQuery { matching: Some("n-200".to_owned()), ..entries_query(sweep_id, 1) };
    let one = shop.entries_page(&query).await?;
    equal(&one.entries.first().and_then(number), &Some("N-200".to_owned()), "the one that was looked for")
}

/// Batches of one entry each: the last page is the last because there is no more.
///
/// # Errors
/// It does not hold.
pub async fn batches_of_one_entry_come_page_after_page(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    let mut shop = world.open().await?;
    let sweeper = Sweeper::new("one");
    acquire(shop.as_mut(), &sweeper).await?;
    world.add_stock(Pool::Variant, 1, 100, Some(20)).await?;
    for number in 1..=5 {
        let number = format!("O-{number}");
        world.add_order(&number, "pending").await?;
        // What is reserved still keeps the order from being cancelled.
        world.add_reservation(&number, NewReservation::variant(1, 1, -5)).await?;
        world.add_reservation(&number, NewReservation::variant(1, 1, 3_600)).await?;
        whole_batch(shop.as_mut(), &sweeper).await?;
    }
    let sweep_id = sweeper.start.sweep_id;
    let all = shop.entries(sweep_id, 100).await?;
    equal(&all.len(), &5, "entries: one a batch")?;
    for limit in [1, 2, 4, 5] {
        let query = entries_query(sweep_id, limit);
        equal(&all_entries(shop.as_mut(), query.clone()).await?, &all, &format!("entries in pages of {limit}"))?;
        let searched = EntriesQuery { matching: Some("o-".to_owned()), look_max: 1, ..query };
        equal(&all_entries(shop.as_mut(), searched).await?, &all, &format!("searched in pages of {limit}"))?;
    }
    Ok(())
}

/// The sums of today, and the newest releases up to the bound.
///
/// # Errors
/// It does not hold.
pub async fn tells_what_came_back_of_late(make: MakeShop) -> Result<(), Failure> {
    let mut world = World::new(make, Rules::default()).await?;
    let mut shop = world.open().await?;
    let query = LatelyQuery { profile: "malikli".to_owned(), days: 2, release_days: 2, releases_max: 3, stock_max: 1 };
    let none = shop.lately(&query).await?;
    equal(&(none.days.len(), none.releases, none.since, none.lags.len()), &(0, 0, None, 0), "of an empty ledger")?;
    five_sweeps(&mut world, shop.as_mut()).await?;
    let lately = shop.lately(&query).await?;
    let days = lately.days.values();
    let count = |read: fn(&DayTally) -> u64| days.clone().map(read).fold(0, u64::saturating_add);
    let units = days.clone().map(|day| day.units).fold(0, i64::saturating_add);
    let sums = (count(|day| day.sweeps), count(|day| day.sweeps_well), units, count(|day| day.orders_cancelled));
    equal(&sums, &(5, 4, 2, 2), "sweeps, those that ended well, units and cancellations")?;
    equal(&lately.releases, &2, "releases")?;
    holds(lately.since.is_some_and(|since| since <= lately.now), "since when")?;
    equal(&lately.lags.iter().map(|(_, count)| count).sum::<u64>(), &2, "lags")?;
    holds(lately.lags.iter().all(|(millis, _)| (60_000..600_000).contains(millis)), "of a minute or two")?;
    let stock = present(lately.stock.first(), "a stock row")?;
    equal(&(stock.reservations, stock.units), &(2, 2), "what came back of it")?;
    let one = shop.lately(&LatelyQuery { releases_max: 1, ..query.clone() }).await?;
    equal(&one.releases, &1, "releases up to the bound")?;
    let other = shop.lately(&LatelyQuery { profile: "other".to_owned(), ..query }).await?;
    equal(&(other.days.len(), other.releases), &(0, 0), "of another profile")
}
