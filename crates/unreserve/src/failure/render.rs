//! A failure as text: `error:`, its causes, the place in the source, the hints.

use std::fmt;

use anstyle::{AnsiColor, Style};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use crate::failure::{Failure, SourceText};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const CAUSE: Style = Style::new().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// The whole report, each line ended. Styles are written in any case; whoever prints it takes them out where they do
/// not belong. `coloured` is for the source's frame only, whose colours must be known beforehand.
pub(crate) fn render(failure: &Failure, coloured: bool) -> String {
    let mut text = format!("{ERROR}error{ERROR:#}: {}\n", failure.message);
    for cause in &failure.causes {
        // A driver's message may have several lines; they stay under their cause.
        let cause = cause.trim().replace('\n', "\n    ");
        text.push_str(&format!("  {CAUSE}caused by{CAUSE:#}: {cause}\n"));
    }
    if let Some(source) = &failure.source {
        text.push_str(&frame(source, coloured));
    }
    for hint in &failure.hints {
        text.push_str(&format!("{HINT}hint{HINT:#}: {hint}\n"));
    }
    text
}

/// The lines of the source that are meant, drawn by miette. Its own heading is left out: ours stands above already.
fn frame(source: &SourceText, coloured: bool) -> String {
    let theme = if coloured { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_context_lines(1).with_links(false).with_width(100);
    let mut drawn = String::new();
    if handler.render_report(&mut drawn, &Place::new(source)).is_err() {
        return String::new();
    }
    let lines = drawn.lines().skip_while(|line| !line.contains('╭'));
    lines.fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// A source with its spots, in miette's terms.
#[derive(Debug)]
struct Place<'a> {
    source: &'a SourceText,
    named: NamedSource<String>,
}

impl<'a> Place<'a> {
    fn new(source: &'a SourceText) -> Self {
        Self { source, named: NamedSource::new(&source.name, source.text.clone()) }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.source.name)
    }
}

impl std::error::Error for Place<'_> {}

impl Diagnostic for Place<'_> {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.named)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let spans = self.source.spots.iter().map(|spot| {
            let label = (!spot.label.is_empty()).then(|| spot.label.clone());
            // A span that does not lie in the text would draw nothing but miette's own complaint.
            let start = spot.span.start.min(self.source.text.len());
            let end = spot.span.end.clamp(start, self.source.text.len());
            LabeledSpan::new(label, start, end.saturating_sub(start))
        });
        Some(Box::new(spans))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;
    use crate::failure::Spot;

    #[test]
    fn draws_causes_place_and_hints_in_order() {
        let failure = Failure {
            class: None,
            exit: Exit::Usage,
            message: "`shop.toml:2:1`: unknown key `pad`".into(),
            causes: vec!["the first\nin two lines".into(), "the second".into()],
            hints: vec!["did you mean `paid`?".into()],
            source: Some(Box::new(SourceText {
                name: "shop.toml".into(),
                text: "name = \"x\"\npad = 1\nlast = 2\n".into(),
                spots: vec![Spot { span: 11..14, label: "no such key".into() }],
            })),
        };
        let text = anstream::adapter::strip_str(&render(&failure, false)).to_string();
        insta::assert_snapshot!(text, @r#"
        error: `shop.toml:2:1`: unknown key `pad`
          caused by: the first
            in two lines
          caused by: the second
           ╭─[shop.toml:2:1]
         1 │ name = "x"
         2 │ pad = 1
           · ─┬─
           ·  ╰── no such key
         3 │ last = 2
           ╰────
        hint: did you mean `paid`?
        "#);
    }

    #[test]
    fn a_span_beyond_the_text_does_no_harm() {
        let source = SourceText {
            name: "empty".into(),
            text: String::new(),
            spots: vec![Spot { span: 5..9, label: String::new() }],
        };
        drop(render(&Failure::usage("x").in_source(source), false));
    }
}
