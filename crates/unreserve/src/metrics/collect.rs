//! Hands the numbers of every shop to the encoder, metric by metric.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::Metrics;
use super::figures::{Figures, Histogram};
use super::table::{Cell, Kind, METRICS, Metric};
use crate::daemon::record::Standing;
use crate::hub::Delivery;

/// Labels with their values.
pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut shops = self.shops();
        let only_one = shops.len() == 1;
        for metric in &METRICS {
            let mut encoder = encoder.encode_descriptor(metric.family(), metric.help, None, kind(metric.kind))?;
            if metric.labels == ["version"] && !only_one {
                // Of several shops it says nothing about one of them.
                write(&mut encoder, build(&Vec::new()), Value::Number(1))?;
                continue;
            }
            for (shop, figures) in shops.iter_mut() {
                show(metric, of_shop(shop), figures, |labels, value| write(&mut encoder, labels, value))?;
            }
        }
        Ok(())
    }
}

fn kind(kind: Kind) -> MetricType {
    match kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    }
}

/// One number of a metric.
pub(super) enum Value<'a> {
    /// One that only grows.
    Count(u64),
    /// A number as it is now.
    Number(i64),
    /// Seconds as they are now.
    Seconds(f64),
    /// How often something took at most so long.
    Histogram(&'a Histogram),
}

/// Shows every number of a metric that a shop has, with its labels behind those that are given.
pub(super) fn show<E>(
    metric: &Metric,
    labels: Labels<'_>,
    figures: &mut Figures,
    mut see: impl FnMut(Labels<'_>, Value<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let label = metric.labels.first().copied().unwrap_or_default();
    match (metric.cell)(figures) {
        Cell::Counter(count) => see(labels, Value::Count(*count)),
        Cell::Counts(counts) => {
            counts.iter().try_for_each(|(word, count)| see(with(&labels, [(label, word)]), Value::Count(count)))
        }
        Cell::Deliveries(deliveries) => deliveries.iter().try_for_each(|(channel, counts)| {
            counts.iter().zip(Delivery::ALL).try_for_each(|(count, result)| {
                let more = [("channel", channel.as_ref()), ("result", result.word())];
                see(with(&labels, more), Value::Count(*count))
            })
        }),
        Cell::Number(number) => number.map_or(Ok(()), |number| see(labels, Value::Number(number))),
        Cell::Micros(micros) => micros
            .map_or(Ok(()), |micros| see(labels, Value::Seconds(SignedDuration::from_micros(micros).as_secs_f64()))),
        Cell::Histogram(values) => see(labels, Value::Histogram(values)),
        Cell::Standing(now) => now.map_or(Ok(()), |now| {
            Standing::ALL.into_iter().try_for_each(|standing| {
                see(with(&labels, [(label, standing.word())]), Value::Number(i64::from(standing == now)))
            })
        }),
        Cell::Build => see(build(&labels), Value::Number(1)),
    }
}

fn write(encoder: &mut MetricEncoder<'_>, labels: Labels<'_>, value: Value<'_>) -> fmt::Result {
    sample(encoder, labels, |encoder| match value {
        Value::Count(count) => encoder.encode_counter::<NoLabelSet, u64, f64>(&count, None),
        Value::Number(number) => encoder.encode_gauge(&number),
        Value::Seconds(seconds) => encoder.encode_gauge(&seconds),
        Value::Histogram(values) => histogram(encoder, values),
    })
}

/// The labels of a shop's series.
pub(super) fn of_shop(shop: &str) -> Labels<'_> {
    if shop.is_empty() { Vec::new() } else { vec![("shop", shop)] }
}

fn with<'a, const N: usize>(labels: &Labels<'a>, more: [(&'static str, &'a str); N]) -> Labels<'a> {
    labels.iter().copied().chain(more).collect()
}

/// Writes one sample, without braces where it has no label.
fn sample(
    encoder: &mut MetricEncoder<'_>,
    labels: Labels<'_>,
    write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    if labels.is_empty() { write(encoder) } else { write(&mut encoder.encode_family(&labels)?) }
}

fn build<'a>(labels: &Labels<'a>) -> Labels<'a> {
    with(labels, [("version", env!("CARGO_PKG_VERSION"))])
}

fn histogram(encoder: &mut MetricEncoder<'_>, values: &Histogram) -> fmt::Result {
    let bounds = values.bounds.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(values.counts.iter().copied()).collect();
    encoder.encode_histogram::<NoLabelSet>(seconds(values.sum_micros), values.count(), &buckets, None)
}

/// Microseconds in seconds.
pub(super) fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}
