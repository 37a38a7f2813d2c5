//! Columns and bars as places and sizes, for pictures that stretch to any width.

/// How high every picture is, in its own units; its width is so many a column.
pub(super) const HEIGHT: u64 = 1_000;
const COLUMN: u64 = 100;

/// One part of a column.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Its colour's name.
    pub(super) class: &'static str,
    /// What it counts.
    pub(super) name: &'static str,
    /// How many.
    pub(super) count: u64,
}

/// One rectangle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) class: &'static str,
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) width: u64,
    pub(super) height: u64,
    /// What a pointer that rests on it is told.
    pub(super) title: String,
}

/// A picture of columns.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub(super) title: String,
    /// What the picture says, for those who do not see it.
    pub(super) summary: String,
    pub(super) width: u64,
    pub(super) bars: Vec<Bar>,
    /// The figures at the top, in the middle and at the bottom.
    pub(super) axis: [String; 3],
    /// What stands under the first and under the last column.
    pub(super) ends: [String; 2],
    /// Colours and what they mean; nothing where there is one.
    pub(super) legend: Vec<(&'static str, &'static str)>,
}

/// Columns, the parts of each stacked from below; nothing where nothing is there to be seen.
pub(super) fn columns(title: &str, unit: &str, columns: &[(String, Vec<Part>)]) -> Option<Chart> {
    let whole = |parts: &[Part]| parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.count));
    let (most_at, most) = columns
        .iter()
        .map(|(label, parts)| (label, whole(parts)))
        .fold(None, |most: Option<(&String, u64)>, one| match most {
            Some(most) if most.1 >= one.1 => Some(most),
            _ => Some(one),
        })
        .filter(|(_, most)| *most > 0)?;
    let top = round(most);
    let gap = if columns.len() > 60 { 5 } else { 14 };
    let mut bars = Vec::new();
    let mut x = gap;
    for (label, parts) in columns {
        let mut y = HEIGHT;
        for part in parts.iter().filter(|part| part.count > 0) {
            // What is there is seen, however little it is.
            let height = part.count.saturating_mul(HEIGHT).checked_div(top).unwrap_or(0).clamp(4, y.max(4));
            y = y.saturating_sub(height);
            let name = if parts.len() > 1 { format!(" {}", part.name) } else { String::new() };
            let title = format!("{label}: {} {unit}{name}", grouped(part.count));
            bars.push(Bar {
                class: part.class,
                x,
                y,
                width: COLUMN.saturating_sub(2_u64.saturating_mul(gap)),
                height,
                title,
            });
        }
        x = x.saturating_add(COLUMN);
    }
    let all = columns.iter().fold(0_u64, |sum, (_, parts)| sum.saturating_add(whole(parts)));
    let first = columns.first().map(|(_, parts)| parts.as_slice()).unwrap_or_default();
    let several = first.len() > 1;
    let count = u64::try_from(columns.len()).unwrap_or(0);
    let label = |end: Option<&(String, Vec<Part>)>| end.map(|(label, _)| label.clone()).unwrap_or_default();
    Some(Chart {
        title: title.to_owned(),
        summary: format!(
            "{title}: {} {unit} in all, most on {most_at} with {}. The table has every figure.",
            grouped(all),
            grouped(most)
        ),
        width: count.saturating_mul(COLUMN),
        bars,
        axis: [grouped(top), grouped(top.checked_div(2).unwrap_or(0)), "0".to_owned()],
        ends: [label(columns.first()), label(columns.last())],
        legend: if several { first.iter().map(|part| (part.class, part.name)).collect() } else { Vec::new() },
    })
}

/// How long a bar is of a thousand, where the longest stands for `most`.
pub(super) fn share(count: u64, most: u64) -> u64 {
    let long = count.saturating_mul(1_000).checked_div(most.max(1)).unwrap_or(0).min(1_000);
    if count > 0 { long.max(6) } else { 0 }
}

/// The next number that is even and easily read.
fn round(most: u64) -> u64 {
    let mut unit = 1_u64;
    loop {
        for step in [2, 4, 6, 8] {
            let top = unit.saturating_mul(step);
            if top >= most {
                return top;
            }
        }
        unit = unit.saturating_mul(10);
        if unit == u64::MAX {
            return unit;
        }
    }
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && digits.len().saturating_sub(place).checked_rem(3) == Some(0) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &'static str, count: u64) -> Part {
        Part { class: name, name, count }
    }

    #[test]
    fn columns_stand_on_the_ground_and_end_at_the_top() {
        let days = [
            ("one".to_owned(), vec![part("a", 6), part("b", 1)]),
            ("two".to_owned(), vec![part("a", 0), part("b", 4)]),
        ];
        let chart = columns("Things", "things", &days).unwrap();
        assert_eq!(chart.width, 200);
        assert_eq!(chart.axis, ["8", "4", "0"]);
        let places: Vec<_> = chart.bars.iter().map(|bar| (bar.class, bar.x, bar.y, bar.height)).collect();
        assert_eq!(places, [("a", 14, 250, 750), ("b", 14, 125, 125), ("b", 114, 500, 500)]);
        assert_eq!(chart.bars[1].title, "one: 1 things b");
        assert!(chart.summary.contains("11 things in all, most on one with 7"), "{}", chart.summary);
        assert_eq!(chart.legend, [("a", "a"), ("b", "b")]);
    }

    #[test]
    fn nothing_makes_no_picture_and_little_is_seen() {
        assert!(columns("Things", "things", &[("one".to_owned(), vec![part("a", 0)])]).is_none());
        assert!(columns("Things", "things", &[]).is_none());
        let days = [("one".to_owned(), vec![part("a", 1)]), ("two".to_owned(), vec![part("a", 1_000_000)])];
        let chart = columns("Things", "things", &days).unwrap();
        assert_eq!((chart.bars[0].height, chart.bars[0].y), (4, 996));
        assert!(chart.legend.is_empty());
        assert_eq!((share(0, 9), share(1, 1_000_000), share(9, 9)), (0, 6, 1_000));
    }

    #[test]
    fn numbers_are_easily_read() {
        for (most, top) in [(1, 2), (2, 2), (3, 4), (9, 20), (80, 80), (81, 200), (1_001, 2_000), (u64::MAX, u64::MAX)]
        {
            assert_eq!(round(most), top, "{most}");
        }
        assert_eq!((grouped(7).as_str(), grouped(1_234).as_str()), ("7", "1\u{202f}234"));
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
    }
}
