//! Traces and metrics for OpenTelemetry, from what the hub tells: a span a sweep, and below it a span a batch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::metrics::{Histogram, Meter, MeterProvider};
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use unreserve_engine::report::SweepReport;

use super::post::{Post, TIMEOUT};
use crate::hub::{Listener, News, Swept, Told};
use crate::metrics::{Metrics, observe, seconds_of};
use crate::settings::Environment;

/// What is left is sent for so long when the program ends.
const AT_THE_END: Duration = Duration::from_secs(3);

/// The places to send to: any of them makes it begin.
const ENDPOINTS: [&str; 3] =
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"];

/// What is sent, and from what.
#[derive(Debug)]
pub(super) struct Sending {
    tracing: Option<SdkTracerProvider>,
    metering: Option<SdkMeterProvider>,
    listeners: Vec<Arc<dyn Listener>>,
}

impl Sending {
    /// Begins to send, where the standard variables say where to.
    pub(super) fn begin(environment: &Environment) -> Option<Self> {
        let says =
            |name: &str, word: &str| environment.text(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
        let named = ENDPOINTS.iter().any(|name| environment.text(name).is_some());
        if !named || says("OTEL_SDK_DISABLED", "true") {
            return None;
        }
        if let Some(protocol) = environment.text("OTEL_EXPORTER_OTLP_PROTOCOL").filter(|word| *word != "http/protobuf")
        {
            tracing::warn!("OTEL_EXPORTER_OTLP_PROTOCOL: `{protocol}` is not built in, `http/protobuf` is used");
        }
        let post = logged("anything", Post::begin())?;
        let mut sending = Self { tracing: None, metering: None, listeners: Vec::new() };
        if !says("OTEL_TRACES_EXPORTER", "none") {
            sending.tracing = logged("traces", tracing(&post, environment));
        }
        if !says("OTEL_METRICS_EXPORTER", "none") {
            sending.metering = logged("metrics", metering(&post, environment));
        }
        if let Some(tracing) = &sending.tracing {
            sending.listeners.push(Arc::new(Traces::new(tracing.tracer("unreserve"))));
        }
        if let Some(metering) = &sending.metering {
            let metrics = Arc::new(Metrics::default());
            let meter = metering.meter("unreserve");
            observe(&metrics, &meter);
            sending.listeners.extend([metrics as Arc<dyn Listener>, Arc::new(Durations::new(&meter))]);
        }
        Some(sending)
    }

    /// What listens for it.
    pub(super) fn listeners(&self) -> impl Iterator<Item = Arc<dyn Listener>> {
        self.listeners.iter().cloned()
    }

    /// Sends what is left. Whoever does not take it in time does not get it.
    pub(super) fn finish(&self) {
        let (tracing, metering) = (self.tracing.clone(), self.metering.clone());
        let (done, ended) = std::sync::mpsc::channel();
        // The library waits for its own threads, not always with an end.
        let sender = done.clone();
        let first = std::thread::Builder::new().spawn(move || {
            let _ = tracing.map(|tracing| tracing.shutdown_with_timeout(AT_THE_END));
            let _ = sender.send(());
        });
        let second = std::thread::Builder::new().spawn(move || {
            let _ = metering.map(|metering| metering.shutdown_with_timeout(AT_THE_END));
            let _ = done.send(());
        });
        let mut left = AT_THE_END;
        let began = crate::clock::ProcessClock::new();
        for _ in [first, second].into_iter().flatten() {
            if ended.recv_timeout(left).is_err() {
                tracing::debug!(
                    event = "telemetry_lost",
                    "the OpenTelemetry collector is too slow: the last of it is lost"
                );
                return;
            }
            left = AT_THE_END.saturating_sub(unreserve_engine::sweep::Clock::elapsed(&began));
        }
    }
}

fn logged<T>(what: &str, begun: Result<T, String>) -> Option<T> {
    begun.map_err(|error| tracing::warn!("cannot send {what} to OpenTelemetry: {error}")).ok()
}

/// How long one sending may take: the variable of its kind, else the one for all.
fn timeout(environment: &Environment, name: &str) -> Duration {
    let millis = [name, "OTEL_EXPORTER_OTLP_TIMEOUT"].into_iter().find_map(|name| environment.text(name)?.parse().ok());
    millis.map_or(TIMEOUT, Duration::from_millis)
}

fn tracing(post: &Post, environment: &Environment) -> Result<SdkTracerProvider, String> {
    let post = post.within(timeout(environment, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"));
    let exporter = SpanExporter::builder().with_http().with_http_client(post).build();
    let exporter = exporter.map_err(|error| error.to_string())?;
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource(environment)).build())
}

fn metering(post: &Post, environment: &Environment) -> Result<SdkMeterProvider, String> {
    let post = post.within(timeout(environment, "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT"));
    let exporter = MetricExporter::builder().with_http().with_http_client(post).build();
    let exporter = exporter.map_err(|error| error.to_string())?;
    Ok(SdkMeterProvider::builder().with_periodic_exporter(exporter).with_resource(resource(environment)).build())
}

/// Who sends: what the variables say, else this program.
fn resource(environment: &Environment) -> Resource {
    let resource = Resource::builder().with_attribute(KeyValue::new("service.version", env!("UNRESERVE_VERSION")));
    let attributes = environment.text("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let named = environment.text("OTEL_SERVICE_NAME").is_some() || attributes.contains("service.name=");
    if named { resource.build() } else { resource.with_service_name("unreserve").build() }
}

/// Makes spans of what is told.
#[derive(Debug)]
struct Traces {
    tracer: SdkTracer,
    /// The sweeps that run, by their shops.
    running: Mutex<BTreeMap<Arc<str>, opentelemetry_sdk::trace::Span>>,
}

impl Traces {
    fn new(tracer: SdkTracer) -> Self {
        Self { tracer, running: Mutex::default() }
    }

    fn begin(&self, told: &Told) -> opentelemetry_sdk::trace::Span {
        let builder = self.tracer.span_builder("sweep").with_kind(SpanKind::Internal).with_start_time(told.at);
        let shop = (!told.shop.is_empty()).then(|| KeyValue::new("shop", told.shop.to_string()));
        builder.with_attributes(shop).start_with_context(&self.tracer, &Context::new())
    }

    fn batch(&self, sweep: &opentelemetry_sdk::trace::Span, told: &Told, took: Duration) -> impl Span {
        let began = told.at.checked_sub(took).unwrap_or(told.at);
        let below = Context::new().with_remote_span_context(sweep.span_context().clone());
        let builder = self.tracer.span_builder("batch").with_kind(SpanKind::Client).with_start_time(began);
        builder.start_with_context(&self.tracer, &below)
    }
}

impl Listener for Traces {
    fn hear(&self, told: &Told) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match &told.news {
            News::SweepBegan => {
                running.insert(Arc::clone(&told.shop), self.begin(told));
            }
            News::Committed { record, took } => {
                let Some(sweep) = running.get(&told.shop) else { return };
                let mut batch = self.batch(sweep, told, *took);
                batch.set_attributes([
                    KeyValue::new("batch_id", record.batch_id.to_string()),
                    KeyValue::new("reservations_released", number(record.reservations)),
                    KeyValue::new("units_released", record.units),
                    KeyValue::new("orders_cancelled", number(record.orders_cancelled)),
                ]);
                batch.end_with_timestamp(told.at.into());
            }
            News::BatchFailed { class } => {
                if let Some(sweep) = running.get_mut(&told.shop) {
                    let attributes = vec![KeyValue::new("error.type", *class)];
                    sweep.add_event_with_timestamp("batch failed", told.at.into(), attributes);
                }
            }
            News::Swept(swept) => {
                let sweep = running.remove(&told.shop);
                end(sweep.unwrap_or_else(|| self.begin(told)), swept, told);
            }
            _ => {}
        }
    }
}

/// Ends a sweep's span with what its report says.
fn end(mut sweep: opentelemetry_sdk::trace::Span, swept: &Swept, told: &Told) {
    sweep.set_attribute(KeyValue::new("result", swept.result.word()));
    if let Some(report) = &swept.report {
        sweep.set_attributes(figures(report));
    }
    if let Some(error) = &swept.error {
        sweep.set_status(Status::error(error.clone()));
    }
    sweep.end_with_timestamp(told.at.into());
}

fn figures(report: &SweepReport) -> [KeyValue; 8] {
    [
        KeyValue::new("sweep_id", report.sweep_id.to_string()),
        KeyValue::new("profile", report.profile.clone()),
        KeyValue::new("batches", number(report.batches)),
        KeyValue::new("reservations_released", number(report.reservations_released)),
        KeyValue::new("units_released", report.units_released),
        KeyValue::new("orders_cancelled", number(report.orders_cancelled)),
        KeyValue::new("orders_set_aside", number(report.orders_set_aside)),
        KeyValue::new("drift_units", report.drift_units),
    ]
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Records how long things took, each by itself.
#[derive(Debug)]
struct Durations {
    sweeps: Histogram<f64>,
    batches: Histogram<f64>,
    lags: Histogram<f64>,
}

impl Durations {
    fn new(meter: &Meter) -> Self {
        let [sweeps, batches, lags] = crate::metrics::histograms().map(|(name, help, bounds)| {
            meter.f64_histogram(name).with_unit("s").with_description(help).with_boundaries(bounds).build()
        });
        Self { sweeps, batches, lags }
    }
}

fn labels(shop: &str) -> Vec<KeyValue> {
    let shop = (!shop.is_empty()).then(|| KeyValue::new("shop", shop.to_owned()));
    shop.into_iter().collect()
}

impl Listener for Durations {
    fn hear(&self, told: &Told) {
        match &told.news {
            News::Committed { took, .. } => self.batches.record(took.as_secs_f64(), &labels(&told.shop)),
            News::Swept(swept) => {
                if let Some(report) = &swept.report {
                    let millis = u64::try_from(report.duration_ms).unwrap_or(0);
                    self.sweeps.record(Duration::from_millis(millis).as_secs_f64(), &labels(&told.shop));
                }
            }
            _ => {}
        }
    }

    fn released(&self, shop: &str, overdue_micros: &[i64]) {
        let labels = labels(shop);
        for micros in overdue_micros {
            self.lags.record(seconds_of(u64::try_from(*micros).unwrap_or(0)), &labels);
        }
    }
}
