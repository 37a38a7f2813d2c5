//! What happened over some days, from the ledger and the shop: the values that text, JSON, CSV and HTML show.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;

use super::shop_side::{ShopDay, ShopReport, ShopSide, report_shop};
use crate::ledger::{DayTally, StockTally, Tally, TallyQuery};
use crate::shop::{FiguresQuery, Outlook};

/// More days are not reported at once.
pub const DAYS_MAX: i64 = 366;

/// No question to the shop reads more rows of a table.
const ROWS_MAX: u32 = 1_000_000;

/// The same where whoever reads for long may keep the shop from writing.
const ROWS_MAX_ALONE: u32 = 200_000;

/// So many stock rows are told.
const STOCK_MAX: u32 = 10;

/// Whole days in UTC, the first and the last included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub from: Date,
    /// The last.
    pub to: Date,
}

/// Why days cannot be reported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DaysError {
    /// The last one comes before the first.
    #[error("the last day, {to}, comes before the first, {from}")]
    Backwards {
        /// The first.
        from: Date,
        /// The last.
        to: Date,
    },
    /// They are too many.
    #[error("from {from} to {to} are {days} days, at most {DAYS_MAX} are allowed")]
    TooMany {
        /// The first.
        from: Date,
        /// The last.
        to: Date,
        /// How many.
        days: i64,
    },
    /// No calendar reaches there.
    #[error("no calendar reaches so far back")]
    OutOfRange,
}

/// The day of an instant, in UTC.
#[must_use]
pub fn day_of(instant: Timestamp) -> Date {
    instant.to_zoned(TimeZone::UTC).date()
}

impl Days {
    /// From one day to another.
    ///
    /// # Errors
    /// The days cannot be reported.
    pub fn between(from: Date, to: Date) -> Result<Self, DaysError> {
        if to < from {
            return Err(DaysError::Backwards { from, to });
        }
        let days = number_of(to).saturating_sub(number_of(from)).saturating_add(1);
        if days > DAYS_MAX { Err(DaysError::TooMany { from, to, days }) } else { Ok(Self { from, to }) }
    }

    /// The last so many days, today included.
    ///
    /// # Errors
    /// The days cannot be reported.
    pub fn last(days: i64, today: Date) -> Result<Self, DaysError> {
        let back = days.max(1).saturating_sub(1).min(DAYS_MAX).days();
        let from = today.checked_sub(back).map_err(|_| DaysError::OutOfRange)?;
        Self::between(from, today)
    }

    /// What to ask the ledger for.
    ///
    /// # Errors
    /// No calendar reaches so far.
    pub fn query(self, profile: &str) -> Result<TallyQuery, DaysError> {
        let midnight = |day: Date| day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
        let end = self.to.tomorrow().and_then(midnight).map_err(|_| DaysError::OutOfRange)?;
        let from = midnight(self.from).map_err(|_| DaysError::OutOfRange)?;
        Ok(TallyQuery { profile: profile.to_owned(), from, to: end, stock_max: STOCK_MAX })
    }

    /// The same to ask the shop for. `single_writer` says that who reads for long may keep the shop from writing.
    ///
    /// # Errors
    /// No calendar reaches so far.
    pub fn shop_query(self, single_writer: bool) -> Result<FiguresQuery, DaysError> {
        let TallyQuery { from, to, .. } = self.query("")?;
        Ok(FiguresQuery { from, to, rows_max: if single_writer { ROWS_MAX_ALONE } else { ROWS_MAX } })
    }
}

/// The day's number since 1970.
pub(super) fn number_of(day: Date) -> i64 {
    let seconds = day.to_zoned(TimeZone::UTC).map_or(0, |zoned| zoned.timestamp().as_second());
    seconds.div_euclid(86_400)
}

/// How long after their expiry reservations were released, in milliseconds; above ten seconds in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// Half of them took no longer.
    pub p50_ms: i64,
    /// 95 of 100 took no longer.
    pub p95_ms: i64,
    /// 99 of 100 took no longer.
    pub p99_ms: i64,
    /// None took longer.
    pub max_ms: i64,
}

/// The figures of one day, or of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Figures {
    /// Sweeps that began.
    pub sweeps: u64,
    /// Those of them that ended well.
    pub sweeps_ended_well: u64,
    /// Reservations released.
    pub reservations_released: u64,
    /// Units given back.
    pub units_released: i64,
    /// Orders cancelled.
    pub orders_cancelled: u64,
    /// What counters lacked, in units.
    pub drift_units: i64,
    /// Units times the minutes from their release to the end of the span, or to now where that is earlier.
    pub unit_minutes_given_back: i64,
    /// Units times the minutes from their expiry to their release.
    pub unit_minutes_lost: i64,
}

/// One day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DayReport {
    /// The day, in UTC.
    pub day: Date,
    /// Its figures of the ledger.
    #[serde(flatten)]
    pub figures: Figures,
    /// Its figures of the shop.
    #[serde(flatten)]
    pub shop: ShopDay,
}

/// One stock row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StockReport {
    /// The row, as `table:key`.
    pub stock: String,
    /// Reservations released.
    pub reservations_released: u64,
    /// Units given back.
    pub units_released: i64,
}

/// What is due now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DueNow {
    /// Orders, counted up to a bound.
    pub orders: u64,
    /// Whether there may be more.
    pub at_least: bool,
    /// How long the oldest has been due, in seconds.
    pub oldest_overdue_seconds: i64,
}

/// The report of some days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PeriodReport {
    /// The profile.
    pub profile: String,
    /// The first day, in UTC.
    pub from: Date,
    /// The last day, in UTC.
    pub to: Date,
    /// The database's now when it was made.
    pub made_at: Timestamp,
    /// The sums over all days.
    #[serde(flatten)]
    pub figures: Figures,
    /// How late releases were; nothing where nothing was released.
    pub release_lag: Option<Lag>,
    /// What is due now.
    pub due_now: DueNow,
    /// What the shop's own tables tell.
    pub shop: ShopReport,
    /// Every day, also those on which nothing happened.
    pub days: Vec<DayReport>,
    /// The stock rows with the most units given back.
    pub most_released_stock: Vec<StockReport>,
}

/// What the ledger and the outlook tell.
#[derive(Debug, Clone, Copy)]
pub struct LedgerSide<'a> {
    /// The sums over the days.
    pub tally: &'a Tally,
    /// What is due now.
    pub outlook: &'a Outlook,
    /// How far the outlook counted due orders.
    pub count_limit: u64,
}

/// Makes the report.
#[must_use]
pub fn report_period(days: Days, ledger: &LedgerSide<'_>, shop: &ShopSide<'_>) -> PeriodReport {
    let LedgerSide { tally, outlook, count_limit } = *ledger;
    let of_shop = |day: Date| shop.day(number_of(day));
    let all = days.from.series(1.day()).take_while(|day| *day <= days.to);
    let of_day = |day: Date| tally.days.get(&number_of(day)).copied().unwrap_or_default();
    let sum = tally.sum();
    let stock = |row: &StockTally| StockReport {
        stock: row.stock.clone(),
        reservations_released: row.reservations,
        units_released: row.units,
    };
    PeriodReport {
        profile: shop.plan.profile.clone(),
        from: days.from,
        to: days.to,
        made_at: tally.now,
        figures: figures(&sum),
        release_lag: lag(&tally.lags),
        due_now: DueNow {
            orders: outlook.due_orders,
            at_least: outlook.due_orders >= count_limit,
            oldest_overdue_seconds: outlook.oldest_overdue_micros.checked_div(1_000_000).unwrap_or(0),
        },
        shop: report_shop(days, shop),
        days: all.map(|day| DayReport { day, figures: figures(&of_day(day)), shop: of_shop(day) }).collect(),
        most_released_stock: tally.stock.iter().map(stock).collect(),
    }
}

fn figures(day: &DayTally) -> Figures {
    let minutes = |millis: i64| millis.checked_div(60_000).unwrap_or(0);
    Figures {
        sweeps: day.sweeps,
        sweeps_ended_well: day.sweeps_well,
        reservations_released: day.reservations,
        units_released: day.units,
        orders_cancelled: day.orders_cancelled,
        drift_units: day.drift,
        unit_minutes_given_back: minutes(day.back_unit_millis),
        unit_minutes_lost: minutes(day.lost_unit_millis),
    }
}

/// The percentiles of how many reservations were released so many milliseconds after their expiry, shortest first; nothing
/// where none was.
#[must_use]
pub fn lag(lags: &[(i64, u64)]) -> Option<Lag> {
    let shares = shares(lags)?;
    Some(Lag { p50_ms: shares.p50, p95_ms: shares.p95, p99_ms: shares.p99, max_ms: shares.max })
}

/// Values that so many of a hundred do not exceed.
pub(super) struct Shares {
    pub(super) p50: i64,
    pub(super) p95: i64,
    pub(super) p99: i64,
    pub(super) max: i64,
}

/// Of values with their counts, the smallest first; nothing where there are none.
pub(super) fn shares(values: &[(i64, u64)]) -> Option<Shares> {
    let count = values.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
    let (max, _) = *values.last()?;
    let share = |percent: u64| {
        let rank = count.saturating_mul(percent).div_ceil(100).max(1);
        let mut seen = 0_u64;
        let found = values.iter().find(|(_, count)| {
            seen = seen.saturating_add(*count);
            seen >= rank
        });
        found.map_or(max, |(value, _)| *value)
    };
    Some(Shares { p50: share(50), p95: share(95), p99: share(99), max })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::civil::date;

    use super::*;
    use crate::plan::{ColumnInfo, Kind, Policy, Schema, TableInfo, TableName, resolve};
    use crate::profile::{check, parse};
    use crate::shop::{Figures, Part};

    #[test]
    fn days_are_whole_and_bounded() {
        let today = date(2026, 11, 22);
        let week = Days::last(7, today).unwrap();
        assert_eq!((week.from, week.to), (date(2026, 11, 16), today));
        assert_eq!(Days::last(1, today).unwrap(), Days { from: today, to: today });
        let query = week.query("x").unwrap();
        assert_eq!(query.from.to_string(), "2026-11-16T00:00:00Z");
        assert_eq!(query.to.to_string(), "2026-11-23T00:00:00Z");
        assert_eq!(day_of(query.to), date(2026, 11, 23));
        assert!(matches!(Days::between(today, week.from), Err(DaysError::Backwards { .. })));
        let years = Days::between(date(2024, 1, 1), today);
        assert!(matches!(years, Err(DaysError::TooMany { days: 1_057, .. })), "{years:?}");
        assert!(Days::between(date(2025, 11, 22), today).is_ok());
        let (shop, alone) = (week.shop_query(false).unwrap(), week.shop_query(true).unwrap());
        assert_eq!((shop.from, shop.to), (query.from, query.to));
        assert!(alone.rows_max < shop.rows_max);
    }

    const BARE: &str = "name = 'bare'\n[order]\ntable = 'orders'\nkey = 'id'\nunpaid = { state = 1 }\n\
        [reservation]\ntable = 'held'\nkey = 'id'\norder = 'id'\nquantity = 'id'\nexpires_at = 'at'\nrelease = 'delete'";

    fn bare_schema() -> Schema {
        let column = |name: &str, kind| ColumnInfo {
            name: name.to_owned(),
            sql_type: String::new(),
            kind,
            nullable: false,
            generated: false,
            labels: None,
            samples: Vec::new(),
        };
        let table = |name: &str| TableInfo {
            asked: TableName { schema: None, table: name.to_owned() },
            schema: None,
            name: name.to_owned(),
            writable: true,
            columns: vec![column("id", Kind::Integer), column("state", Kind::Integer), column("at", Kind::Instant)],
            indexes: Vec::new(),
            references: Vec::new(),
        };
        Schema { tables: vec![table("orders"), table("held")], others: Vec::new() }
    }

    #[test]
    fn sums_are_those_of_the_days_and_days_without_anything_are_there() {
        let from = date(2026, 11, 20);
        let days = Days::between(from, date(2026, 11, 22)).unwrap();
        let one = DayTally {
            sweeps: 3,
            sweeps_well: 2,
            reservations: 4,
            units: 9,
            orders_cancelled: 2,
            drift: 1,
            lost_unit_millis: 90_000,
            back_unit_millis: 3_600_000,
        };
        let number = number_of(from);
        assert_eq!(number, 20_777);
        let tally = Tally {
            now: Timestamp::UNIX_EPOCH,
            days: BTreeMap::from([(number, one), (number + 2, one)]),
            lags: vec![(5, 98), (700, 1), (12_000, 1)],
            stock: vec![StockTally { stock: "v:1".to_owned(), reservations: 4, units: 9 }],
        };
        let outlook =
            Outlook { now: Timestamp::UNIX_EPOCH, due_orders: 7, oldest_overdue_micros: 61_000_000, next_expiry: None };
        let profile = check(parse(BARE).unwrap()).unwrap();
        let plan = resolve(&profile, &bare_schema(), Policy::default()).unwrap();
        let figures = Figures {
            orders: Part::NotAsked,
            reservations: Part::NotAsked,
            payments: Part::NotAsked,
            cancelled_value: Part::NotAsked,
        };
        let ledger = LedgerSide { tally: &tally, outlook: &outlook, count_limit: 7 };
        let report = report_period(days, &ledger, &ShopSide { plan: &plan, figures: &figures, rows_max: 1 });
        assert_eq!((report.profile.as_str(), report.made_at), ("bare", tally.now));
        let units: Vec<i64> = report.days.iter().map(|day| day.figures.units_released).collect();
        assert_eq!(units, [9, 0, 9]);
        assert_eq!((report.figures.units_released, report.figures.sweeps_ended_well), (18, 4));
        // Minutes are rounded down once, after the sum.
        assert_eq!((report.figures.unit_minutes_lost, report.days[0].figures.unit_minutes_lost), (3, 1));
        assert_eq!(report.figures.unit_minutes_given_back, 120);
        assert_eq!(report.release_lag, Some(Lag { p50_ms: 5, p95_ms: 5, p99_ms: 700, max_ms: 12_000 }));
        assert!(report.due_now.at_least && report.due_now.oldest_overdue_seconds == 61);
        assert_eq!(lag(&[]), None);
    }
}
