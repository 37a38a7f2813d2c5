//! The live demo on a terminal: a few lines that are painted again, or a line for each thing that happens.

use std::time::Duration;

use unreserve_db::demo_live::PAST_DAYS;

use super::board::{Board, Line, Tone, span};
use crate::paint::{caution, good, heading};

/// So many of the last things are shown.
const SHOWN: usize = 6;

/// So many characters of each fit behind its time on a terminal of 80 columns.
const WIDTH: usize = 68;

/// What does not change while the demo runs.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// Where the page is.
    pub(crate) address: String,
    /// How many seconds of the shop are one second here.
    pub(crate) speed: u32,
    /// How a command for this shop begins, as it can be typed.
    pub(crate) command: String,
}

/// What is said before anything happens.
pub(super) fn opening(frame: &Frame, database: &str) -> String {
    format!(
        "A live shop in {database}. The page: {}\n{}\n\
         The {PAST_DAYS} days before today are made up; everything of today happens here and now. Ctrl-C ends it.\n",
        frame.address,
        pace(frame.speed)
    )
}

/// How time passes.
fn pace(speed: u32) -> String {
    let keeps = super::script::KEEPS.checked_div(speed).unwrap_or_default();
    match speed {
        1 => "Time passes as it does: a reservation keeps for 15 minutes.".to_owned(),
        60 => {
            format!("A second here is a minute of the shop: a reservation keeps for {}.", span(keeps))
        }
        _ => format!("Time passes {speed} times as fast: a reservation of 15 minutes keeps for {}.", span(keeps)),
    }
}

/// One thing that happened.
pub(super) fn line(line: &Line) -> String {
    let tenths = line.at.subsec_millis() / 100;
    let at = format!("{}.{tenths} s", line.at.as_secs());
    let text = match line.tone {
        Tone::Plain => line.text.clone(),
        Tone::Good => good(&line.text),
        Tone::Bad => caution(&line.text),
    };
    format!("{at:>9}  {text}")
}

/// The whole picture.
pub(super) fn whole(frame: &Frame, board: &Board) -> String {
    let mut text = format!("{}\n{}\n\n", heading(&frame.address), pace(frame.speed));
    text.push_str(&figures(board));
    text.push_str(&format!("\n{}\n", heading("Just now")));
    for happened in board.last(SHOWN) {
        // A line that a small terminal breaks would push the first ones out of it.
        let short = Line { text: clipped(&happened.text), ..happened.clone() };
        text.push_str(&format!("{}\n", line(&short)));
    }
    text.push_str(&format!("\n{}\n", heading("Try next, on another terminal (Ctrl-C ends this)")));
    for command in commands(board) {
        text.push_str(&format!("  {} {command}\n", frame.command));
    }
    text
}

/// A text that fits a small terminal, behind its time.
fn clipped(text: &str) -> String {
    if text.chars().count() <= WIDTH {
        return text.to_owned();
    }
    let start: String = text.chars().take(WIDTH.saturating_sub(1)).collect();
    format!("{}…", start.trim_end())
}

/// Commands that can be typed now.
fn commands(board: &Board) -> Vec<String> {
    let order = board.an_order().unwrap_or("M-3003");
    vec![format!("explain {order}"), "health".to_owned(), "report".to_owned()]
}

/// The figures, each with what it means.
pub(super) fn figures(board: &Board) -> String {
    let counts = board.counts;
    let Some(view) = &board.view else { return String::new() };
    let released = view.released;
    let next = match view.expires_in_ms.and_then(|ms| u64::try_from(ms).ok()) {
        Some(ms) => format!("the next expires in {}", span(Duration::from_millis(ms))),
        None => "nothing expires".to_owned(),
    };
    let median = Duration::from_micros(u64::try_from(released.median_micros).unwrap_or(0));
    let lag = if released.orders > 0 { format!(", half within {}", span(median)) } else { String::new() };
    let drift = if released.drift > 0 { format!("; drift {}", released.drift) } else { String::new() };
    let in_vain = match counts.turned_away_in_vain {
        0 => good("none of them because of an expired order"),
        some => caution(&format!("{some} of them because of an expired order")),
    };
    let wronged = match view.paid_and_cancelled {
        0 => good("no paid order was cancelled"),
        some => caution(&format!("{} cancelled though paid", orders(some))),
    };
    let failed = match counts.failed {
        0 => good("0 failed"),
        some => caution(&format!("{some} failed")),
    };
    let rows = [
        ("held now", format!("{} of {}; {next}", units(view.units_held), orders(view.orders_held))),
        ("given back", format!("{} of {} never paid{lag}{drift}", units(released.units), orders(released.orders))),
        ("sold", format!("{} in {}; {wronged}", units(counts.units_sold), orders(counts.paid))),
        ("sold out", format!("for {}, {in_vain}", count(counts.turned_away, "customer"))),
        ("back again", format!("{} what was sold out could be bought again", count(counts.came_back, "time"))),
        ("checkout", format!("{}, slowest {}, {failed}", orders(counts.orders), span(counts.slowest))),
        ("set aside", orders(u64::try_from(view.set_aside.len()).unwrap_or(u64::MAX))),
    ];
    rows.iter().map(|(name, text)| format!("  {name:<12}{text}\n")).collect()
}

fn count(number: u64, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

fn orders(number: u64) -> String {
    count(number, "order")
}

fn units(number: i64) -> String {
    count(u64::try_from(number).unwrap_or(0), "unit")
}

#[cfg(test)]
mod tests {
    use unreserve_db::demo_window::{Released, View};

    use super::*;

    fn board() -> Board {
        let mut board = Board::default();
        board.counts.orders = 70;
        board.counts.paid = 44;
        board.counts.units_sold = 61;
        board.counts.turned_away = 5;
        board.counts.slowest = Duration::from_millis(14);
        board.counts.came_back = 3;
        let long = "M-3028 expired unpaid: 1 × Sourdough loaf, 1 × Espresso beans 1 kg back after 105 ms".to_owned();
        for _ in 0..SHOWN {
            board.say(Duration::from_millis(123_400), Tone::Good, long.clone());
        }
        board.view = Some(View {
            units_held: 14,
            orders_held: 9,
            expires_in_ms: Some(4_210),
            paid_and_cancelled: 0,
            set_aside: Vec::new(),
            released: Released { units: 38, orders: 21, drift: 2, median_micros: 5_900 },
            stock: Vec::new(),
            news: Vec::new(),
        });
        board
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn the_picture_fits_a_small_terminal() {
        let frame = Frame {
            address: "http://127.0.0.1:8420/".to_owned(),
            speed: 60,
            command: "unreserve --config unreserve-demo/unreserve.toml".to_owned(),
        };
        let text = plain(&whole(&frame, &board()));
        assert!(text.lines().count() < 24 && text.lines().all(|line| line.chars().count() < 80), "{text}");
        insta::assert_snapshot!(text, @r"
        http://127.0.0.1:8420/
        A second here is a minute of the shop: a reservation keeps for 15.0 s.

          held now    14 units of 9 orders; the next expires in 4.2 s
          given back  38 units of 21 orders never paid, half within 5 ms; drift 2
          sold        61 units in 44 orders; no paid order was cancelled
          sold out    for 5 customers, none of them because of an expired order
          back again  3 times what was sold out could be bought again
          checkout    70 orders, slowest 14 ms, 0 failed
          set aside   0 orders

        Just now
          123.4 s  M-3028 expired unpaid: 1 × Sourdough loaf, 1 × Espresso beans 1 kg…
          123.4 s  M-3028 expired unpaid: 1 × Sourdough loaf, 1 × Espresso beans 1 kg…
          123.4 s  M-3028 expired unpaid: 1 × Sourdough loaf, 1 × Espresso beans 1 kg…
          123.4 s  M-3028 expired unpaid: 1 × Sourdough loaf, 1 × Espresso beans 1 kg…
          123.4 s  M-3028 expired unpaid: 1 × Sourdough loaf, 1 × Espresso beans 1 kg…
          123.4 s  M-3028 expired unpaid: 1 × Sourdough loaf, 1 × Espresso beans 1 kg…

        Try next, on another terminal (Ctrl-C ends this)
          unreserve --config unreserve-demo/unreserve.toml explain M-3003
          unreserve --config unreserve-demo/unreserve.toml health
          unreserve --config unreserve-demo/unreserve.toml report
        ");
    }

    #[test]
    fn what_must_not_happen_is_not_told_as_good() {
        let mut board = board();
        board.counts.failed = 1;
        board.counts.turned_away_in_vain = 2;
        if let Some(view) = &mut board.view {
            view.paid_and_cancelled = 1;
        }
        let text = plain(&figures(&board));
        for words in ["1 failed", "2 of them because of an expired order", "1 order cancelled though paid"] {
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn each_speed_says_how_long_a_reservation_keeps() {
        for (speed, words) in
            [(1, "15 minutes."), (60, "keeps for 15.0 s"), (600, "keeps for 1.5 s"), (7, "2 min 08 s")]
        {
            assert!(pace(speed).contains(words), "{}", pace(speed));
        }
    }
}
