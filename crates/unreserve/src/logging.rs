//! Log lines: text for people, JSON lines for machines, on stderr or in a file.
//!
//! A line that cannot be written is dropped. A log never changes what a command does or how it ends.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::clock;
use crate::failure::Failure;
use crate::log_file::LogFile;
use crate::printer::Printer;
use crate::settings::{LogFormat, LogLevel, LogSettings};

/// Starts the log of this process. `level` holds where the settings name none.
///
/// # Errors
/// The log file's directory cannot be written.
pub(crate) fn start(settings: &LogSettings, level: LogLevel, printer: &Printer) -> Result<(), Failure> {
    let level = settings.level.as_ref().map_or(level, |level| level.value);
    let to_terminal = settings.file.is_none() && printer.stderr_is_terminal();
    let format = settings.format.as_ref().map(|format| format.value);
    let format = format.unwrap_or(if to_terminal { LogFormat::Text } else { LogFormat::Json });
    let writer = match &settings.file {
        Some(file) => BoxMakeWriter::new(log_file(&file.value, settings)?),
        None => {
            let writer = printer.log_writer();
            BoxMakeWriter::new(move || writer.clone())
        }
    };
    let colour = settings.file.is_none() && printer.stderr_has_colour();
    let layer = match format {
        LogFormat::Text => text_layer(writer, colour),
        LogFormat::Json => json_layer(writer),
    };
    // It fails only where a log was started before, which then goes on.
    drop(tracing_subscriber::registry().with(layer.with_filter(filter(level))).try_init());
    Ok(())
}

/// Does the work so that each log line of it names the shop in its field `shop`, where the shop has a name.
pub(crate) fn within_shop<T>(shop: Option<&str>, work: impl FnOnce() -> T) -> T {
    match shop {
        Some(shop) => shop_span(shop).in_scope(work),
        None => work(),
    }
}

/// What the log lines of one shop stand in. It holds at every level, so that an error names its shop too.
pub(crate) fn shop_span(shop: &str) -> tracing::Span {
    tracing::error_span!("on", shop)
}

/// The chosen level is for our own lines; libraries speak up only when something may go wrong, or at `trace`.
fn filter(level: LogLevel) -> Targets {
    let (own, others) = match level {
        LogLevel::Off => (LevelFilter::OFF, LevelFilter::OFF),
        LogLevel::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        LogLevel::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        LogLevel::Info => (LevelFilter::INFO, LevelFilter::WARN),
        LogLevel::Debug => (LevelFilter::DEBUG, LevelFilter::WARN),
        LogLevel::Trace => (LevelFilter::TRACE, LevelFilter::DEBUG),
    };
    Targets::new().with_default(others).with_target("unreserve", own)
}

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

fn text_layer(writer: BoxMakeWriter, colour: bool) -> BoxedLayer {
    tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(colour)
        .with_target(false)
        .with_timer(UtcTimer)
        .log_internal_errors(false)
        .boxed()
}

fn json_layer(writer: BoxMakeWriter) -> BoxedLayer {
    tracing_subscriber::fmt::layer()
        .fmt_fields(JsonFields::new())
        .event_format(JsonLine)
        .with_writer(writer)
        .with_ansi(false)
        .log_internal_errors(false)
        .boxed()
}

/// The log file that the settings name.
fn log_file(path: &Path, settings: &LogSettings) -> Result<LogFile, Failure> {
    LogFile::open(path, settings.max_size.value, settings.keep.value).map_err(|error| {
        Failure::usage(format!("cannot open the log file `{}`", path.display()))
            .because(&error)
            .hint("`--log-file` takes the path of a file in a directory that this user may write to")
    })
}

struct UtcTimer;

impl FormatTime for UtcTimer {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", now())
    }
}

/// RFC 3339 in UTC, always with milliseconds, so that lines sort as text.
fn now() -> String {
    format!("{:.3}", clock::utc_now())
}

/// One JSON object a line: `ts`, `level`, `msg`, then the fields of the event and of the spans around it.
struct JsonLine;

#[derive(Serialize)]
struct Line<'a> {
    ts: String,
    level: &'a str,
    msg: String,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl<S> FormatEvent<S, JsonFields> for JsonLine
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Map::new();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(written) = span.extensions().get::<FormattedFields<JsonFields>>()
                && let Ok(Value::Object(of_span)) = serde_json::from_str(&written.fields)
            {
                fields.extend(of_span);
            }
        }
        event.record(&mut FieldVisitor(&mut fields));
        let msg = match fields.remove("message") {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        fields.retain(|name, _| !name.starts_with("log.") && !matches!(name.as_str(), "ts" | "level" | "msg"));
        let level = event.metadata().level().as_str().to_lowercase();
        let line = Line { ts: now(), level: &level, msg, fields };
        writeln!(writer, "{}", serde_json::to_string(&line).map_err(|_| fmt::Error)?)
    }
}

/// Takes the fields of an event as JSON values.
struct FieldVisitor<'a>(&'a mut Map<String, Value>);

impl FieldVisitor<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for FieldVisitor<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_json_line_carries_the_fields_of_the_event_and_of_its_spans() {
        let kept = Kept::default();
        let writer = kept.clone();
        let layer = json_layer(BoxMakeWriter::new(move || writer.clone()));
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter(LogLevel::Info)));
        tracing::subscriber::with_default(subscriber, || {
            let _sweep = tracing::info_span!("sweep", sweep_id = "s1").entered();
            let _batch = tracing::info_span!("batch", batch_id = "b1").entered();
            tracing::info!(event = "batch", orders = 3, error.class = "lock", "a \"batch\" ended");
            tracing::debug!("not shown");
            tracing::info!(target: "somebody", "not shown either");
        });
        let bytes = kept.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        let mut line: Map<String, Value> = serde_json::from_str(&text).expect(&text);
        let ts = line.remove("ts").unwrap();
        let ts = ts.as_str().unwrap();
        assert!(ts.ends_with('Z') && ts.len() == "2026-11-22T10:00:00.000Z".len(), "{ts}");
        let expected = serde_json::json!({
            "level": "info", "msg": "a \"batch\" ended", "event": "batch", "orders": 3,
            "error.class": "lock", "sweep_id": "s1", "batch_id": "b1",
        });
        assert_eq!(Value::Object(line), expected);
        assert!(text.starts_with("{\"ts\":"), "{text}");
    }

    #[test]
    fn every_line_names_its_shop_whatever_its_level() {
        for (level, lines) in [(LogLevel::Error, 1), (LogLevel::Info, 2)] {
            for (shop, expected) in [(Some("blue"), Value::from("blue")), (None, Value::Null)] {
                let kept = Kept::default();
                let writer = kept.clone();
                let layer = json_layer(BoxMakeWriter::new(move || writer.clone()));
                let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter(level)));
                tracing::subscriber::with_default(subscriber, || {
                    within_shop(shop, || {
                        tracing::error!("one");
                        tracing::info!("two");
                    });
                });
                let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
                let shops: Vec<Value> =
                    text.lines().map(|line| serde_json::from_str::<Value>(line).expect(line)["shop"].clone()).collect();
                assert_eq!(shops, vec![expected; lines], "{text}");
            }
        }
    }
}
