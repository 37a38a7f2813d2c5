//! Aligned tables without borders, as plain text.

use std::borrow::Cow;

use comfy_table::{CellAlignment, presets};

/// A table for people: a header, columns two spaces apart, nothing else.
#[derive(Debug)]
pub(crate) struct Table {
    inner: comfy_table::Table,
}

impl Table {
    /// A table with these column titles.
    pub(crate) fn new(titles: &[&str]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_style(presets::NOTHING).set_header(titles.iter().copied());
        for column in inner.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self { inner }
    }

    /// Aligns these columns, counted from 0, to the right: numbers.
    pub(crate) fn right(mut self, columns: &[usize]) -> Self {
        for column in columns {
            if let Some(column) = self.inner.column_mut(*column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self
    }

    /// Adds a row. Control characters that came with the data are made visible, so that a shop's order number cannot
    /// move the cursor.
    pub(crate) fn row<I: IntoIterator<Item = T>, T: AsRef<str>>(&mut self, cells: I) {
        let cells: Vec<String> = cells.into_iter().map(|cell| visible(cell.as_ref()).into_owned()).collect();
        self.inner.add_row(cells);
    }

    /// The table as text, each line without blanks at its end.
    pub(crate) fn render(&self) -> String {
        self.inner.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }
}

/// The text with its control characters written out.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        Cow::Owned(text.chars().flat_map(escape).collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn escape(character: char) -> Vec<char> {
    if character.is_control() { character.escape_default().collect() } else { vec![character] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_without_borders_and_shows_control_characters() {
        let mut table = Table::new(&["order", "quantity"]).right(&[1]);
        table.row(["A-1", "12"]);
        table.row(["A-\u{1b}[2J", "3"]);
        insta::assert_snapshot!(table.render(), @r"
        order        quantity
        A-1                12
        A-\u{1b}[2J         3
        ");
    }
}
