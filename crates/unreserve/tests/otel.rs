//! What a collector of OpenTelemetry gets of a sweep, and what a bad one cannot do to it.
#![expect(clippy::unwrap_used, reason = "helpers of a test may fail it")]

mod place;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use opentelemetry_proto::tonic::trace::v1::Span;
use place::{Place, URL, stderr, stdout};
use prost::Message;

/// How a collector answers.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// It takes everything.
    Takes,
    /// It answers with this status.
    Refuses(u16),
    /// It reads everything and says nothing.
    Silent,
}

/// One request: its path, its head, its body.
struct Sent {
    path: String,
    head: String,
    body: Vec<u8>,
}

/// A collector on this machine; it ends with the test.
struct Collector {
    endpoint: String,
    requests: Receiver<Sent>,
}

impl Collector {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let sender = sender.clone();
                std::thread::spawn(move || serve(&stream.unwrap(), manner, &sender));
            }
        });
        Self { endpoint, requests }
    }

    /// Everything that it got so far.
    fn got(&self) -> Vec<Sent> {
        self.requests.try_iter().collect()
    }
}

fn serve(mut stream: &TcpStream, manner: Manner, sender: &Sender<Sent>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap()];
        reader.read_exact(&mut body).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let _ = sender.send(Sent { path, head, body });
        let status = match manner {
            Manner::Takes => 200,
            Manner::Refuses(status) => status,
            // Until whoever waits for the answer has gone.
            Manner::Silent => continue,
        };
        write!(stream, "HTTP/1.1 {status} x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
    }
}

/// The demo's shop, in which nothing is swept yet since this was built.
fn shop() -> Place {
    let place = Place::new();
    place.file(
        "unreserve.toml",
        "state_dir = \"state\"\n[[shop]]\nname = \"blue\"\ndatabase_url = \"sqlite:blue/shop.db\"\nprofile = \"malikli\"\n",
    );
    let made = place.run(&[], &["demo", "--orders", "40", "--dir", "blue"]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    place
}

/// A sweep that releases what is reserved for more than a second, with these variables; what it printed.
fn sweep(place: &Place, variables: &[(&str, &str)], exit: i32) -> (serde_json::Value, String) {
    let output = place.run(variables, &["sweep", "--timeout", "1s", "--format", "json"]);
    assert_eq!(output.status.code(), Some(exit), "{}{}", stdout(&output), stderr(&output));
    (serde_json::from_str(&stdout(&output)).unwrap_or_default(), stderr(&output))
}

fn spans(sent: &[Sent]) -> (Vec<KeyValue>, Vec<Span>) {
    let traces = sent.iter().filter(|sent| sent.path == "/v1/traces");
    let decoded = traces.map(|sent| ExportTraceServiceRequest::decode(sent.body.as_slice()).unwrap());
    let (mut resource, mut spans) = (Vec::new(), Vec::new());
    for resources in decoded.flat_map(|request| request.resource_spans) {
        resource = resources.resource.unwrap().attributes;
        spans.extend(resources.scope_spans.into_iter().flat_map(|scope| scope.spans));
    }
    (resource, spans)
}

/// An attribute's value, as text.
fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.clone();
    match value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => Some(text),
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => Some(number.to_string()),
        _ => None,
    }
}

/// The number of a metric, of a histogram how many it counted.
fn number(sent: &[Sent], name: &str) -> Option<f64> {
    let metrics = sent.iter().filter(|sent| sent.path == "/v1/metrics");
    let decoded = metrics.map(|sent| ExportMetricsServiceRequest::decode(sent.body.as_slice()).unwrap());
    let scopes = decoded.flat_map(|request| request.resource_metrics).flat_map(|resource| resource.scope_metrics);
    let metric = scopes.flat_map(|scope| scope.metrics).rfind(|metric| metric.name == name)?;
    let point = match metric.data? {
        Data::Histogram(histogram) => {
            let count = histogram.data_points.first()?.count;
            return u32::try_from(count).ok().map(f64::from);
        }
        Data::Sum(sum) => sum.data_points.into_iter().next()?,
        Data::Gauge(gauge) => gauge.data_points.into_iter().next()?,
        _ => return None,
    };
    assert_eq!(attribute(&point.attributes, "shop").as_deref(), Some("blue"));
    match point.value? {
        number_data_point::Value::AsInt(number) => i32::try_from(number).ok().map(f64::from),
        number_data_point::Value::AsDouble(number) => Some(number),
    }
}

#[test]
fn a_sweep_is_a_span_with_its_batches_below_and_its_metrics_are_those_of_the_report() {
    let (place, collector) = (shop(), Collector::start(Manner::Takes));
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()), ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=stock")];
    let (report, _) = sweep(&place, &variables, 0);
    let released = report["reservations_released"].as_f64().unwrap();
    assert!(released > 0.0, "{report}");
    let sent = collector.got();
    assert!(sent.iter().all(|sent| sent.head.to_lowercase().contains("x-team: stock")));
    let (resource, spans) = spans(&sent);
    assert_eq!(attribute(&resource, "service.name").as_deref(), Some("unreserve"));
    let sweep = spans.iter().find(|span| span.name == "sweep").unwrap();
    let batches: Vec<&Span> = spans.iter().filter(|span| span.name == "batch").collect();
    assert_eq!(
        (spans.len(), Some(batches.len())),
        (batches.len().saturating_add(1), report["batches"].as_u64().and_then(|count| count.try_into().ok()))
    );
    for batch in &batches {
        assert_eq!((&batch.trace_id, &batch.parent_span_id), (&sweep.trace_id, &sweep.span_id));
        assert!(sweep.start_time_unix_nano <= batch.start_time_unix_nano);
        assert!(batch.start_time_unix_nano < batch.end_time_unix_nano);
        assert!(batch.end_time_unix_nano <= sweep.end_time_unix_nano);
    }
    let says = |key: &str| attribute(&sweep.attributes, key);
    assert_eq!(says("sweep_id").as_deref(), report["sweep_id"].as_str());
    assert_eq!((says("result").as_deref(), says("shop").as_deref()), (Some("done"), Some("blue")));
    assert_eq!(says("reservations_released"), Some(report["reservations_released"].to_string()));
    for metric in ["unreserve_reservations_released", "unreserve_release_lag_seconds"] {
        assert_eq!(number(&sent, metric), Some(released), "{metric}");
    }
    assert_eq!(number(&sent, "unreserve_interval_seconds"), Some(300.0));
    assert_eq!(number(&sent, "unreserve_sweep_duration_seconds"), Some(1.0));
}

#[test]
fn a_sweep_that_cannot_begin_is_a_span_with_its_error_and_without_a_secret() {
    let collector = Collector::start(Manner::Takes);
    let place = Place::new();
    let variables = [
        ("DATABASE_URL", URL),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("{}/elsewhere", collector.endpoint)),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_SERVICE_NAME", "night shift"),
    ];
    let output = place.run(&variables, &["sweep", "--profile", "malikli", "--state-dir", "state"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let mut sent = collector.got();
    assert!(sent.iter().all(|sent| sent.path == "/elsewhere" && !sent.body.windows(7).any(|part| part == b"hunter2")));
    sent.iter_mut().for_each(|sent| "/v1/traces".clone_into(&mut sent.path));
    let (resource, spans) = spans(&sent);
    assert_eq!(attribute(&resource, "service.name").as_deref(), Some("night shift"));
    let [sweep] = spans.as_slice() else { unreachable!("one span: {spans:?}") };
    let status = sweep.status.clone().unwrap();
    assert!(status.message.contains("cannot use the database postgres://shop:***@host/db"), "{status:?}");
}

#[test]
fn a_bad_collector_changes_neither_the_end_nor_the_result_of_a_sweep() {
    // Refused, unwilling, and one that never answers, however long it is allowed to think.
    let nobody = "http://127.0.0.1:1".to_owned();
    let collectors = [Collector::start(Manner::Refuses(500)), Collector::start(Manner::Silent)];
    let endpoints: Vec<&str> =
        collectors.iter().map(|collector| collector.endpoint.as_str()).chain([nobody.as_str()]).collect();
    for endpoint in endpoints {
        let place = shop();
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000")];
        let (report, _) = sweep(&place, &variables, 0);
        assert!(report["reservations_released"].as_u64().unwrap() > 0, "{endpoint}: {report}");
    }
    assert!(collectors.iter().all(|collector| !collector.got().is_empty()), "each was tried");
}

#[test]
fn nothing_is_sent_where_it_is_switched_off() {
    let (place, collector) = (shop(), Collector::start(Manner::Takes));
    sweep(&place, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint), ("OTEL_SDK_DISABLED", "true")], 0);
    assert!(collector.got().is_empty());
}
