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

type Labels<'a> = Vec<(&'static str, &'a str)>;

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut shops = self.shops();
        let only_one = shops.len() == 1;
        for metric in &METRICS {
            let mut encoder = encoder.encode_descriptor(metric.family(), metric.help, None, kind(metric.kind))?;
            if metric.labels == ["version"] && !only_one {
                // Of several shops it says nothing about one of them.
                build(&mut encoder, Vec::new())?;
                continue;
            }
            for (shop, figures) in shops.iter_mut() {
                let labels = if shop.is_empty() { Vec::new() } else { vec![("shop", shop.as_ref())] };
                encode(&mut encoder, metric, labels, figures)?;
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

fn encode(encoder: &mut MetricEncoder<'_>, metric: &Metric, labels: Labels<'_>, figures: &mut Figures) -> fmt::Result {
    let label = metric.labels.first().copied().unwrap_or_default();
    match (metric.cell)(figures) {
        Cell::Counter(count) => counter(encoder, labels, *count),
        Cell::Counts(counts) => {
            counts.iter().try_for_each(|(word, count)| counter(encoder, with(&labels, [(label, word)]), count))
        }
        Cell::Deliveries(deliveries) => deliveries.iter().try_for_each(|(channel, counts)| {
            counts.iter().zip(Delivery::ALL).try_for_each(|(count, result)| {
                counter(encoder, with(&labels, [("channel", channel.as_ref()), ("result", result.word())]), *count)
            })
        }),
        Cell::Number(number) => {
            number.map_or(Ok(()), |number| sample(encoder, labels, |encoder| encoder.encode_gauge(&number)))
        }
        Cell::Micros(micros) => micros.map_or(Ok(()), |micros| {
            let seconds = SignedDuration::from_micros(micros).as_secs_f64();
            sample(encoder, labels, |encoder| encoder.encode_gauge(&seconds))
        }),
        Cell::Histogram(values) => sample(encoder, labels, |encoder| histogram(encoder, values)),
        Cell::Standing(now) => now.map_or(Ok(()), |now| {
            Standing::ALL.into_iter().try_for_each(|standing| {
                let holds = i64::from(standing == now);
                let labels = with(&labels, [(label, standing.word())]);
                sample(encoder, labels, |encoder| encoder.encode_gauge(&holds))
            })
        }),
        Cell::Build => build(encoder, labels),
    }
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

fn counter(encoder: &mut MetricEncoder<'_>, labels: Labels<'_>, count: u64) -> fmt::Result {
    sample(encoder, labels, |encoder| encoder.encode_counter::<NoLabelSet, u64, f64>(&count, None))
}

fn build(encoder: &mut MetricEncoder<'_>, labels: Labels<'_>) -> fmt::Result {
    let labels = with(&labels, [("version", env!("CARGO_PKG_VERSION"))]);
    sample(encoder, labels, |encoder| encoder.encode_gauge(&1_i64))
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
