//! What a sweep changed, as CSV: piece after piece, however many lines there are.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, header};
use axum::response::IntoResponse;
use futures_util::stream::try_unfold;

use super::super::frame::Tab;
use super::super::view::{EntriesAsked, EntryView, EntryWord, ShopView, SweepView};
use super::visit::Visit;

/// So many lines are held at a time.
const PIECE: u32 = 1_000;

const TITLES: &str = "what,order,number,reservation,stock,units,drift_units,expires_at,at,overdue_seconds\r\n";

/// The lines that are still to come.
struct Lines {
    shop: Arc<ShopView>,
    sweep: String,
    /// What was read and not handed out yet.
    ready: VecDeque<String>,
    /// What to read next; nothing where everything was read.
    next: Option<EntriesAsked>,
}

/// Hands the lines out. Those that cannot be read break the answer off, so that no half is taken for the whole.
pub(super) async fn hand_out(visit: Visit, sweep: &str, matching: Option<String>) -> Response<Body> {
    let asked = EntriesAsked { matching, after: None, limit: PIECE };
    let first = match visit.shop.sweep(sweep, &asked).await {
        Ok(first) => first,
        Err(problem) => return visit.refuse(Tab::Sweeps, &problem),
    };
    let sweep = first.summary.sweep_id.clone();
    let name = format!("attachment; filename=\"sweep-{sweep}.csv\"");
    let mut lines = Lines { shop: visit.shop, sweep, ready: VecDeque::from([TITLES.to_owned()]), next: None };
    lines.take(&first, asked);
    let pieces = try_unfold(lines, |mut lines| async move {
        Ok::<_, std::io::Error>(lines.piece().await?.map(|piece| (piece, lines)))
    });
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    (headers, Body::from_stream(pieces)).into_response()
}

impl Lines {
    /// Takes over what was read for this question.
    fn take(&mut self, view: &SweepView, asked: EntriesAsked) {
        self.ready.push_back(view.entries.iter().map(line).collect());
        self.next = view.next.clone().map(|after| EntriesAsked { after: Some(after), ..asked });
    }

    async fn piece(&mut self) -> std::io::Result<Option<String>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            let Some(asked) = self.next.take() else { return Ok(None) };
            let view = self.shop.sweep(&self.sweep, &asked).await;
            let view = view.map_err(|problem| std::io::Error::other(problem.detail))?;
            self.take(&view, asked);
        }
    }
}

/// One line, as RFC 4180 has it.
fn line(entry: &EntryView) -> String {
    let what = match entry.kind {
        EntryWord::Release => "release",
        EntryWord::Cancel => "cancel",
    };
    let fields = [
        what.to_owned(),
        cell(&entry.order),
        cell(entry.number.as_deref().unwrap_or_default()),
        cell(entry.reservation.as_deref().unwrap_or_default()),
        cell(entry.stock.as_deref().unwrap_or_default()),
        entry.units.to_string(),
        entry.drift_units.to_string(),
        entry.expires_at.map(|at| at.to_string()).unwrap_or_default(),
        entry.at.to_string(),
        entry.overdue_seconds.to_string(),
    ];
    format!("{}\r\n", fields.join(","))
}

/// A text of the shop's. One that a spreadsheet would take for a formula is marked as a text: at its beginning, and wherever a
/// spreadsheet whose lists are written with semicolons or tabs would begin a cell or a line, since it knows no quotes but at a
/// cell's beginning.
fn cell(text: &str) -> String {
    let mut marked = String::with_capacity(text.len());
    for piece in text.split_inclusive([';', '\t', '\r', '\n']) {
        if is_formula(piece) {
            marked.push('\'');
        }
        marked.push_str(piece);
    }
    if marked.starts_with(['\t', '\r']) {
        marked.insert(0, '\'');
    }
    if marked.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", marked.replace('"', "\"\"")) } else { marked }
}

/// Whether a cell that begins like this is taken for a formula. Blanks and quotes before it may be dropped.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches([' ', '"']).starts_with(['=', '+', '-', '@'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_the_shops_is_one_cell_and_no_formula() {
        let cases = [
            ("A-1042", "A-1042"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("@SUM(A1,A2)", "\"'@SUM(A1,A2)\""),
            ("a;=1+1", "a;'=1+1"),
            ("a\t@SUM(1)", "a\t'@SUM(1)"),
            ("a; -1;b;+2", "a;' -1;b;'+2"),
            ("a,b;=1", "\"a,b;'=1\""),
            ("a;\"=1\"", "\"a;'\"\"=1\"\"\""),
            ("a\n=1", "\"a\n'=1\""),
            ("\t=1", "'\t'=1"),
            ("a;b=1-2+3@4", "a;b=1-2+3@4"),
            (";", ";"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(cell(text), expected, "{text}");
        }
    }
}
