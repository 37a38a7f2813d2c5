//! The same numbers for an OpenTelemetry meter, which asks for them when it sends.

use std::convert::Infallible;
use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::Metrics;
use super::collect::{Labels, Value, of_shop, show};
use super::figures::Figures;
use super::table::{Cell, Kind, METRICS, Metric};

/// Has a meter ask for every number that is not one of many: those are recorded as they come.
pub(crate) fn observe(metrics: &Arc<Metrics>, meter: &Meter) {
    for metric in &METRICS {
        let (metrics, name, unit) = (Arc::clone(metrics), metric.family(), unit(metric.unit));
        match metric.kind {
            Kind::Counter => {
                let see = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
                    metrics.each(metric, |labels, value| {
                        if let Value::Count(count) = value {
                            observer.observe(count, &attributes(labels));
                        }
                    });
                };
                meter
                    .u64_observable_counter(name)
                    .with_unit(unit)
                    .with_description(metric.help)
                    .with_callback(see)
                    .build();
            }
            Kind::Gauge => {
                let see = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<f64>| {
                    metrics.each(metric, |labels, value| match value {
                        Value::Seconds(seconds) => observer.observe(seconds, &attributes(labels)),
                        Value::Number(number) => observer.observe(in_floats(number), &attributes(labels)),
                        Value::Count(_) | Value::Histogram(_) => {}
                    });
                };
                meter
                    .f64_observable_gauge(name)
                    .with_unit(unit)
                    .with_description(metric.help)
                    .with_callback(see)
                    .build();
            }
            Kind::Histogram => {}
        }
    }
}

impl Metrics {
    fn each(&self, metric: &Metric, mut see: impl FnMut(Labels<'_>, Value<'_>)) {
        for (shop, figures) in self.shops().iter_mut() {
            let Ok(()) = show(metric, of_shop(shop), figures, |labels, value| {
                see(labels, value);
                Ok::<(), Infallible>(())
            });
        }
    }
}

/// What sweeps, batches and releases are sorted by: the name, the meaning, and the bounds in seconds.
pub(crate) fn histograms() -> [(&'static str, &'static str, Vec<f64>); 3] {
    let names =
        ["unreserve_sweep_duration_seconds", "unreserve_batch_duration_seconds", "unreserve_release_lag_seconds"];
    names.map(|name| {
        let mut figures = Figures::default();
        let metric = METRICS.iter().find(|metric| metric.name == name);
        let bounds = metric.map(|metric| (metric.cell)(&mut figures)).map(|cell| match cell {
            Cell::Histogram(histogram) => histogram.bounds,
            _ => &[],
        });
        let bounds = bounds.unwrap_or_default().iter().map(|bound| seconds_of(*bound)).collect();
        (name, metric.map_or("", |metric| metric.help), bounds)
    })
}

/// Microseconds in seconds.
pub(crate) fn seconds_of(micros: u64) -> f64 {
    super::collect::seconds(micros)
}

fn attributes(labels: Labels<'_>) -> Vec<KeyValue> {
    labels.into_iter().map(|(name, value)| KeyValue::new(name, value.to_owned())).collect()
}

/// The unit as OpenTelemetry writes it.
fn unit(unit: &str) -> String {
    match unit {
        "" => "1".to_owned(),
        unit if unit.starts_with("seconds") => "s".to_owned(),
        unit => format!("{{{unit}}}"),
    }
}

/// A count as a meter takes it; so many that it does not matter lose their last digits.
fn in_floats(number: i64) -> f64 {
    jiff::SignedDuration::from_secs(number).as_secs_f64()
}
