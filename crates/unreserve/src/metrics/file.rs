//! The metrics file of sweeps that a timer starts, for node_exporter's textfile collector.
//!
//! A sweep lives for a moment, its counters have to go on growing: they begin where the file says the last one ended.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use super::Metrics;
use super::collect::seconds;
use super::figures::{Deliveries, Figures, Histogram, Scope};
use super::render;
use super::table::{Cell, METRICS, Metric};
use crate::hub::{Delivery, Listener};

/// An earlier file that is larger is none of ours.
const LARGEST: u64 = 1_000_000;

/// More words than this no label of ours has.
const WORDS: usize = 1_000;

/// No instant of ours is farther away from 1970: up to here a microsecond more or less can be told in seconds.
const FARTHEST: SignedDuration = SignedDuration::from_secs(7_000_000_000);

/// The file of one shop, and the numbers that go into it.
pub(crate) struct MetricsFile {
    path: PathBuf,
    metrics: Arc<Metrics>,
}

impl MetricsFile {
    /// Goes on from what the file says. Where it is not there or cannot be read, counting begins at 0. A shop with a name
    /// has a file of its own: `unreserve.prom` becomes `unreserve.blue.prom`.
    pub(crate) fn of(path: &Path, shop: Option<&str>, scope: Scope) -> Self {
        let path = shop.map_or_else(|| path.to_owned(), |shop| of_shop(path, shop));
        let figures = match earlier(&path) {
            Ok(text) => figures_of(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Figures::default(),
            Err(error) => {
                let name = path.display();
                tracing::warn!(event = "metrics_file", "cannot read `{name}`, so its counters begin at 0: {error}");
                Figures::default()
            }
        };
        let figures = Figures { scope, ..figures };
        Self { path, metrics: Arc::new(Metrics::going_on(shop.unwrap_or_default(), figures)) }
    }

    /// What counts for it.
    pub(crate) fn listener(&self) -> Arc<dyn Listener> {
        Arc::clone(&self.metrics) as Arc<dyn Listener>
    }

    /// Writes it under another name first, so that no reader finds half of it. What goes wrong is logged, and nothing else.
    pub(crate) fn write(&self) {
        let text = render(&self.metrics, None).body;
        if let Err(error) = replace(&self.path, &text) {
            tracing::warn!(event = "metrics_file", "cannot write the metrics file `{}`: {error}", self.path.display());
        }
    }
}

/// The file of one shop of several: its name stands before the ending.
fn of_shop(path: &Path, shop: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    match path.extension() {
        Some(ending) => path.with_file_name(format!("{stem}.{shop}.{}", ending.to_string_lossy())),
        None => path.with_file_name(format!("{stem}.{shop}")),
    }
}

fn earlier(path: &Path) -> std::io::Result<String> {
    if std::fs::metadata(path)?.len() > LARGEST {
        return Err(std::io::Error::other("it is too large to be one of ours"));
    }
    std::fs::read_to_string(path)
}

fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Whoever collects files looks for the ending of the final name.
    let draft = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = write_for_all(&draft, text).and_then(|()| std::fs::rename(&draft, path));
    if written.is_err() {
        // What went wrong is told by the first error.
        let _ = std::fs::remove_file(&draft);
    }
    written
}

/// Writes a file that everybody may read, whatever this account's habits are: node_exporter has an account of its own.
fn write_for_all(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    file.write_all(text.as_bytes())
}

/// One sample of a file of ours: its labels beside the shop, and its value.
struct Sample<'a> {
    labels: BTreeMap<&'a str, String>,
    value: &'a str,
}

/// The numbers that a text of ours was made of. What it does not say, or cannot say, begins anew.
fn figures_of(text: &str) -> Figures {
    let mut samples: BTreeMap<&str, Vec<Sample<'_>>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, sample)) = read_sample(line) {
            samples.entry(name).or_default().push(sample);
        }
    }
    let mut figures = Figures::default();
    for metric in &METRICS {
        put(metric, &samples, &mut figures);
    }
    figures
}

fn put(metric: &Metric, samples: &BTreeMap<&str, Vec<Sample<'_>>>, figures: &mut Figures) {
    let own = samples.get(metric.name).map(Vec::as_slice).unwrap_or_default();
    let first = || own.first().map(|sample| sample.value);
    match (metric.cell)(figures) {
        Cell::Counter(count) => *count = first().and_then(|value| value.parse().ok()).unwrap_or(*count),
        Cell::Counts(counts) => {
            for sample in own.iter().take(WORDS) {
                let word = metric.labels.first().and_then(|label| sample.labels.get(label));
                if let (Some(word), Ok(count)) = (word, sample.value.parse()) {
                    counts.add(word, count);
                }
            }
        }
        Cell::Deliveries(deliveries) => put_deliveries(own, deliveries),
        Cell::Number(number) => *number = first().and_then(|value| value.parse().ok()).or(*number),
        Cell::Micros(micros) => *micros = first().and_then(micros_of).or(*micros),
        Cell::Histogram(histogram) => {
            if let Some(earlier) = histogram_of(metric.name, samples, histogram.bounds) {
                *histogram = earlier;
            }
        }
        // Nobody stands anywhere between two sweeps, and the version is this program's.
        Cell::Standing(_) | Cell::Build => {}
    }
}

fn put_deliveries(samples: &[Sample<'_>], deliveries: &mut Deliveries) {
    for sample in samples.iter().take(WORDS) {
        let (Some(channel), Some(result)) = (sample.labels.get("channel"), sample.labels.get("result")) else {
            continue;
        };
        let counts = deliveries.entry(channel.as_str().into()).or_default();
        let known = counts.iter_mut().zip(Delivery::ALL).find(|(_, known)| known.word() == result);
        if let (Some((count, _)), Ok(earlier)) = (known, sample.value.parse()) {
            *count = earlier;
        }
    }
}

/// A histogram with all its buckets; nothing where they are not those of this program, or do not grow.
fn histogram_of(name: &str, samples: &BTreeMap<&str, Vec<Sample<'_>>>, bounds: &'static [u64]) -> Option<Histogram> {
    let of = |ending: &str| samples.get(format!("{name}_{ending}").as_str());
    let buckets = of("bucket")?;
    let mut counts = Vec::with_capacity(buckets.len());
    let mut below = 0_u64;
    for bound in bounds.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]) {
        let at = |sample: &&Sample<'_>| sample.labels.get("le").and_then(|le| le.parse().ok()) == Some(bound);
        let up_to: u64 = buckets.iter().find(at)?.value.parse().ok()?;
        counts.push(up_to.checked_sub(below)?);
        below = up_to;
    }
    if buckets.len() != counts.len() {
        return None;
    }
    let sum = of("sum")?.first()?.value.parse().ok()?;
    let sum = Duration::try_from_secs_f64(sum).ok()?.checked_add(Duration::from_nanos(500))?;
    let sum_micros = u64::try_from(sum.as_micros()).ok()?;
    Some(Histogram { bounds, counts: counts.into(), sum_micros })
}

fn micros_of(seconds: &str) -> Option<i64> {
    let span = SignedDuration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
    // What is written in seconds may have become less by a part of a microsecond.
    let span = span.checked_add(SignedDuration::from_nanos(500)).filter(|span| span.abs() < FARTHEST)?;
    i64::try_from(span.as_micros()).ok()
}

/// One line: `name{label="value",…} 5`.
fn read_sample(line: &str) -> Option<(&str, Sample<'_>)> {
    let (name, labels, value) = match line.split_once('{') {
        Some((name, rest)) => {
            let (labels, rest) = read_labels(rest)?;
            (name, labels, rest)
        }
        None => {
            let (name, value) = line.split_once(' ')?;
            (name, BTreeMap::new(), value)
        }
    };
    Some((name, Sample { labels, value: value.trim() }))
}

/// The labels up to the closing brace, and what comes behind it.
fn read_labels(mut text: &str) -> Option<(BTreeMap<&str, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once("=\"")?;
        let (value, rest) = read_quoted(rest)?;
        labels.insert(name, value);
        text = rest.strip_prefix(',').unwrap_or(rest);
    }
}

/// A value up to its closing quotation mark, and what comes behind that.
fn read_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.chars();
    loop {
        match letters.next()? {
            '"' => return Some((value, letters.as_str())),
            '\\' => match letters.next()? {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests;
