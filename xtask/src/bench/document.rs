//! Writes the figures down as `docs/BENCHMARKS.md`.

use std::time::Duration;

use super::contender::Contender;
use super::figures::{Figures, Series, Size, ratio};
use super::goals::{Goal, megabytes};
use super::machine::Machine;

/// The tables and the goals, as they are printed and as they stand in the document.
pub(super) fn tables(figures: &Figures, goals: &[Goal]) -> String {
    [sizes(figures), transactions(figures), growth(figures), judged(goals)].join("\n")
}

/// The whole document.
pub(super) fn document(machine: &Machine, figures: &Figures, goals: &[Goal]) -> String {
    let Machine { processor, memory, postgres, commit, date } = machine;
    format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench`; do not edit. {date}, commit `{commit}`, PostgreSQL {postgres} on the same machine \
         ({processor}, {memory}), with its own defaults and `fsync` on.\n\n{}\n{}",
        tables(figures, goals),
        HOW,
    )
}

fn sizes(figures: &Figures) -> String {
    let mut text = format!(
        "## Time and memory\n\nThe Malikli shop with {} old orders. Whole processes, from start to end.\n\n\
         | due | contender | rounds | median | fastest | released a second | × by hand | peak memory |\n\
         |---:|---|---:|---:|---:|---:|---:|---:|\n",
        figures.old
    );
    for size in &figures.sizes {
        for contender in Contender::ALL {
            text.push_str(&size_row(size, contender));
        }
    }
    text
}

fn size_row(size: &Size, contender: Contender) -> String {
    let series = size.of(contender);
    let released = series.released();
    let part = if released < size.due { format!(" ({released} of them)") } else { String::new() };
    format!(
        "| {} | {}{part} | {} | {} | {} | {} | {} | {} |\n",
        size.due,
        contender.name(),
        series.runs.len(),
        shown(series.median(), time),
        shown(series.min(), time),
        shown(series.throughput(), |value| format!("{value:.0}")),
        shown(ratio(series, size.of(Contender::ByHand)), |value| format!("{value:.2}")),
        shown(series.memory(), |bytes| format!("{:.1} MB", megabytes(bytes))),
    )
}

fn transactions(figures: &Figures) -> String {
    let mut text = "## Transactions of a sweep\n\n\
                    How long each holds its locks, over all rounds.\n\n\
                    | due | transactions a sweep | p50 | p99 | longest |\n|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for size in &figures.sizes {
        let sweep = size.of(Contender::Sweep);
        let percentiles = [50, 99, 100].map(|percent| shown(sweep.transaction(percent), time));
        let batches = shown(sweep.batches(), |batches| batches.to_string());
        text.push_str(&format!("| {} | {batches} | {} |\n", size.due, percentiles.join(" | ")));
    }
    text
}

fn growth(figures: &Figures) -> String {
    let Some(growth) = &figures.growth else { return String::new() };
    let mut text = format!(
        "## Growth\n\n`unreserve sweep` with {} due, beside few and beside many old orders.\n\n\
         | old orders | rounds | median | fastest | × the smaller |\n|---:|---:|---:|---:|---:|\n",
        growth.due
    );
    for (old, series) in [&growth.few, &growth.many] {
        text.push_str(&growth_row(*old, series, &growth.few.1));
    }
    text
}

fn growth_row(old: u64, series: &Series, few: &Series) -> String {
    format!(
        "| {old} | {} | {} | {} | {} |\n",
        series.runs.len(),
        shown(series.median(), time),
        shown(series.min(), time),
        shown(ratio(series, few), |value| format!("{value:.2}")),
    )
}

fn judged(goals: &[Goal]) -> String {
    let mut text = "## Goals\n\n| goal | measured | |\n|---|---:|---|\n".to_owned();
    for goal in goals {
        let measured = goal.measured.as_deref().unwrap_or("–");
        text.push_str(&format!("| {} | {measured} | {} |\n", goal.text, goal.verdict.text()));
    }
    text
}

fn shown<T>(value: Option<T>, how: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), how)
}

/// Milliseconds below a second, seconds above.
fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1_000.0) } else { format!("{seconds:.2} s") }
}

const HOW: &str = "\
## How it is measured

- `cargo xtask bench` builds the release binary, starts a throw-away PostgreSQL server with its default settings (only
  autovacuum is off, since every run begins with a `VACUUM`), loads the shop, creates the index that
  `unreserve profile check` asks for, and runs `unreserve setup`.
- The contenders take turns, in another order each round; before every run, after a `CHECKPOINT`, the due orders are made due
  again, the ledger is emptied, and `VACUUM (ANALYZE)` is run. A first round warms up and is not counted. After every run the
  database is looked at: a wrong number of releases, cancelled orders or reserved units fails the benchmark.
- *Hand-written statement* is one statement in one transaction through the program `psql` itself
  (not Debian's script of that name, which takes 20 ms more), without a ledger and without a second look at
  the payments: the limit, not a way to run a shop. *The same in batches, with a ledger* runs wholly inside the server, in
  transactions as short as ours: what a program can reach at most that keeps a ledger and never holds the shop's rows for long.
  Most of the distance between the two is the stock rows, each written once a transaction in all their indexes, and the ledger. What
  `unreserve sweep` takes beyond it pays for looking at everything again under the locks, and for comparing every count. *Row-by-row loop* locks and changes one stock row, one reservation and one
  order at a time and commits each order.
- *× by hand* compares the time for one reservation with the hand-written statement's in the same round, and is the median
  over the rounds: what slows the machine down slows both.
- Memory is the process's own peak (resident, 1 MB = 1,000,000 bytes). What the database server needs for a client is not in
  it.
- A transaction is measured from its start to the start of the next one, by the database's clock, so the wait for the disk is
  in it. The last of a sweep has no next: it is measured up to its commit record, before the wait for the disk.

To repeat it: `cargo xtask bench`; more rounds with `--rounds N`; `--only DUE` for one size and `--quick` for a short look,
neither of which writes this document; `--strict` fails when a goal is missed. It needs PostgreSQL's programs, and takes about
a quarter of an hour.
";

#[cfg(test)]
mod tests {
    use super::super::figures::{Growth, Run};
    use super::super::goals::judge;
    use super::*;

    #[test]
    fn shows_a_part_as_a_part_and_a_gap_as_a_gap() {
        let run = |wall, released| Series {
            runs: vec![Run {
                wall: Duration::from_millis(wall),
                memory: 12_345_678,
                released,
                transactions: vec![1_500],
            }],
        };
        let figures = Figures {
            old: 7,
            sizes: vec![Size { due: 1_000, series: [run(30, 1_000), run(20, 1_000), run(25, 1_000), run(1_500, 100)] }],
            growth: Some(Growth { due: 100, few: (1, Series::default()), many: (2, Series::default()) }),
        };
        let text = tables(&figures, &judge(&figures));
        for line in [
            "| 1000 | `unreserve sweep` | 1 | 30.0 ms | 30.0 ms | 33333 | 1.50 | 12.3 MB |",
            "| 1000 | row-by-row loop (100 of them) | 1 | 1.50 s | 1.50 s | 67 | 750.00 | 12.3 MB |",
            "| 1000 | 1 | 1.5 ms | 1.5 ms | 1.5 ms |",
            "| 2 | 0 | – | – | – |",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
