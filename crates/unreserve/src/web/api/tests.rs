//! Every route's answers, good and bad, against the description: what is answered is described, and what is described is
//! answered.

use std::collections::BTreeSet;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, header};
use serde_json::Value;
use tower::ServiceExt;
use unreserve_engine::sweep::{Silent, Stop, sweep};

use crate::clock::ProcessClock;
use crate::lock::{Lock, Purpose};
use crate::opening;
use crate::settings::{DatabaseUrl, Environment, Flags, Settings};
use crate::sweeping::request;
use crate::web::view::Views;

use super::{document, router};

/// Settings of the demo shop in this directory.
fn settings(directory: &std::path::Path, url: &str) -> Settings {
    let config = directory.join("unreserve.toml");
    std::fs::write(&config, "state_dir = \".\"\nmax_orders = 100000\n").unwrap();
    let flags = Flags {
        config: Some(config),
        database_url: Some(DatabaseUrl::new(url.to_owned())),
        profile: Some("malikli".to_owned()),
        ..Flags::default()
    };
    Settings::load(&flags, &Environment::from_variables([])).unwrap()
}

/// A demo shop that was swept twice.
async fn swept_shop(directory: &std::path::Path) -> Settings {
    let made = unreserve_db::demo::create(&directory.join("shop.db"), 40).await.unwrap();
    let settings = settings(directory, &made.url);
    opening::connect(&settings).await.unwrap().install().await.unwrap();
    let mut shop = opening::open(&settings).await.unwrap();
    let place = opening::place(&settings).unwrap();
    for _ in 0..2 {
        let lock = Lock::take(Purpose::Sweep, directory, &place, "malikli").unwrap();
        let request = request(&settings, None, lock.holder.clone(), Stop::default());
        sweep(shop.as_mut(), &ProcessClock::new(), &request, &mut Silent).await.unwrap();
    }
    settings
}

/// What was asked and answered.
struct Told {
    status: u16,
    kind: String,
    allow: Option<String>,
    body: Value,
}

async fn tell(views: &Views, method: Method, path: &str) -> Told {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let answer = router(views.clone()).oneshot(request).await.unwrap();
    let text = |name: header::HeaderName| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (status, kind, allow) = (answer.status().as_u16(), text(header::CONTENT_TYPE), text(header::ALLOW));
    let bytes = to_bytes(answer.into_body(), 10_000_000).await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Told { status, kind: kind.unwrap_or_default(), allow, body }
}

/// What of a value its description does not allow. Every field has to be described, and be there.
fn faults(document: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut properties = BTreeSet::new();
    let mut found = Vec::new();
    check(document, schema, value, place, (&mut properties, &mut found));
    if let Some(object) = value.as_object().filter(|_| !properties.is_empty()) {
        let unknown = object.keys().filter(|key| !properties.contains(*key));
        found.extend(unknown.map(|key| format!("{place}.{key} is not described")));
    }
    found
}

fn check(
    document: &Value,
    schema: &Value,
    value: &Value,
    place: &str,
    (properties, found): (&mut BTreeSet<String>, &mut Vec<String>),
) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} is not there"));
        return check(document, target, value, place, (properties, found));
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        check(document, part, value, place, (properties, found));
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let all: Vec<Vec<String>> = choices.iter().map(|choice| faults(document, choice, value, place)).collect();
        match all.iter().position(Vec::is_empty) {
            Some(_) => properties.extend(value.as_object().into_iter().flat_map(|object| object.keys().cloned())),
            None => found.extend(all.into_iter().flatten()),
        }
        return;
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !kinds.is_empty() && !kinds.contains(&kind) {
        found.push(format!("{place} is {kind}, not {kinds:?}"));
        return;
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        found.push(format!("{place} is {value}, not one of {words:?}"));
    }
    if let (Some("date-time"), Some(text)) = (schema["format"].as_str(), value.as_str())
        && text.parse::<jiff::Timestamp>().is_err()
    {
        found.push(format!("{place} is no instant: {text}"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(faults(document, &schema["items"], item, &format!("{place}[{index}]")));
    }
    let Some(described) = schema["properties"].as_object() else { return };
    for (name, schema) in described {
        properties.insert(name.clone());
        match value.get(name) {
            Some(value) => found.extend(faults(document, schema, value, &format!("{place}.{name}"))),
            None => found.push(format!("{place}.{name} is described and is not there")),
        }
    }
}

/// The route in the description that a path belongs to.
fn route_of<'a>(document: &'a Value, path: &str) -> Option<(&'a String, &'a Value)> {
    let path = path.split('?').next().unwrap_or_default();
    let parts = |path: &str| path.split('/').skip(3).map(str::to_owned).collect::<Vec<_>>();
    let asked: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
    document["paths"].as_object()?.iter().find(|(route, _)| {
        let route = parts(route);
        route.len() == asked.len() && route.iter().zip(&asked).all(|(one, other)| one == other || one.starts_with('{'))
    })
}

/// Asks, and compares the answer with the description of this route and status.
async fn described(views: &Views, path: &str, status: u16, seen: &mut BTreeSet<(String, u16)>) -> Value {
    let document = serde_json::to_value(document()).unwrap();
    let told = tell(views, Method::GET, path).await;
    assert_eq!(told.status, status, "{path}: {}", told.body);
    let (route, described) = route_of(&document, path).unwrap_or_else(|| panic!("{path} is not described"));
    let answer = &described["get"]["responses"][status.to_string()];
    let content = answer["content"].as_object().unwrap_or_else(|| panic!("{status} of {route} is not described"));
    let schema = &content.get(&told.kind).unwrap_or_else(|| panic!("{path} is {}", told.kind))["schema"];
    assert_eq!(faults(&document, schema, &told.body, ""), Vec::<String>::new(), "{path}: {}", told.body);
    seen.insert((route.clone(), status));
    told.body
}

#[tokio::test]
async fn every_answer_is_as_it_is_described() {
    let directory = tempfile::tempdir().unwrap();
    let settings = swept_shop(directory.path()).await;
    let views = Views::new([&settings]);
    let mut seen = BTreeSet::new();
    let good = [
        "/shops",
        "/overview",
        "/sweeps",
        "/order?order=M-1",
        "/order?order=number:M-7",
        "/stock",
        "/health",
        "/settings",
    ];
    for path in good {
        described(&views, path, 200, &mut seen).await;
    }
    for filter in ["all", "changed", "done", "problems", "too_many", "failed", "unfinished"] {
        described(&views, &format!("/sweeps?limit=3&filter={filter}"), 200, &mut seen).await;
    }
    let overview = described(&views, "/overview", 200, &mut seen).await;
    assert!(overview["figures"]["given_back_today"]["units"].as_i64().unwrap() > 0, "{overview}");
    assert_eq!(overview["trouble"], Value::Null);

    // Page after page.
    let first = described(&views, "/sweeps?limit=1", 200, &mut seen).await;
    let after = first["next"].as_str().unwrap();
    let second = described(&views, &format!("/sweeps?limit=1&after={after}"), 200, &mut seen).await;
    let sweep = second["sweeps"][0]["sweep_id"].as_str().unwrap();
    let one = described(&views, &format!("/sweeps/{sweep}?limit=1"), 200, &mut seen).await;
    let after = one["next"].as_str().unwrap();
    let two = described(&views, &format!("/sweeps/{sweep}?limit=1&after={after}"), 200, &mut seen).await;
    assert_ne!(one["entries"], two["entries"]);
    let found = described(&views, &format!("/sweeps/{sweep}?matching=m-1"), 200, &mut seen).await;
    assert!(found["entries"].as_array().unwrap().iter().all(|entry| entry["number"].as_str().unwrap().contains("M-1")));

    refuses_bad_questions(&views, sweep, &mut seen).await;
    let alike: String = sweep.chars().take(4).collect();
    described(&views, &format!("/sweeps/{alike}"), 409, &mut seen).await;

    let gone = settings_of_nothing(directory.path());
    tells_that_nothing_is_there(&Views::new([&gone]), &mut seen).await;
    everything_described_was_seen(&seen);
}

type Seen = BTreeSet<(String, u16)>;

async fn refuses_bad_questions(views: &Views, sweep: &str, seen: &mut Seen) {
    let long = "x".repeat(201);
    let bad = [
        "/shops?x=1".to_owned(),
        "/openapi.json?x=1".to_owned(),
        "/overview?shops=a".to_owned(),
        "/sweeps?limit=0".to_owned(),
        "/sweeps?limit=201".to_owned(),
        "/sweeps?limit=-1".to_owned(),
        "/sweeps?limit=1&limit=2".to_owned(),
        "/sweeps?filter=none".to_owned(),
        "/sweeps?after=1".to_owned(),
        format!("/sweeps/{sweep}?limit=1001"),
        format!("/sweeps/{sweep}?after=1_2_3"),
        format!("/sweeps/{sweep}?matching=%00"),
        "/sweeps/%FF".to_owned(),
        "/order".to_owned(),
        "/order?order=".to_owned(),
        "/order?order=%0A1".to_owned(),
        format!("/order?order={long}"),
        "/stock?limit=1".to_owned(),
        "/health?only=x".to_owned(),
        "/settings?x".to_owned(),
    ];
    for path in &bad {
        let told = described(views, path, 400, seen).await;
        assert!(!told["detail"].as_str().unwrap().is_empty(), "{path}");
    }
    for path in ["overview", "sweeps", "stock", "health", "settings"] {
        described(views, &format!("/{path}?shop=none"), 404, seen).await;
    }
    for path in ["/order?order=none", "/sweeps/00000000", "/sweeps/zz"] {
        described(views, path, 404, seen).await;
    }
}

/// Nothing is there to be read, and it is told all the same.
async fn tells_that_nothing_is_there(views: &Views, seen: &mut Seen) {
    for path in ["/sweeps", "/sweeps/0193", "/order?order=M-1", "/stock"] {
        let told = described(views, path, 503, seen).await;
        assert!(told["remedy"].as_str().is_some(), "{told}");
    }
    for path in ["/shops", "/overview", "/health", "/settings"] {
        described(views, path, 200, seen).await;
    }
    let overview = described(views, "/overview", 200, seen).await;
    assert_eq!((&overview["figures"], &overview["trouble"]["status"]), (&Value::Null, &Value::from(503)));
}

fn settings_of_nothing(directory: &std::path::Path) -> Settings {
    let missing = directory.join("no.db");
    settings(directory, &format!("sqlite:{}", missing.display()))
}

/// What is described and was not asked for here.
fn everything_described_was_seen(seen: &BTreeSet<(String, u16)>) {
    let document = serde_json::to_value(document()).unwrap();
    let mut unseen = Vec::new();
    for (route, methods) in document["paths"].as_object().unwrap() {
        for status in methods["get"]["responses"].as_object().unwrap().keys() {
            if !seen.contains(&(route.clone(), status.parse().unwrap())) {
                unseen.push(format!("{status} {}", route.trim_start_matches("/api/v1/")));
            }
        }
    }
    // Both are answered by the door, which stands before the routes.
    unseen.retain(|line| !line.starts_with("401 ") && !line.starts_with("421 "));
    // A route without a parameter names nothing that may be missing; the demo shop has no two orders of one name; the
    // document itself is looked at by the next test.
    assert_eq!(unseen, ["200 openapi.json", "404 openapi.json", "409 order", "404 shops"]);
}

#[tokio::test]
async fn whatever_else_is_asked_is_a_problem_too() {
    let directory = tempfile::tempdir().unwrap();
    let views = Views::new([&settings_of_nothing(directory.path())]);
    for path in ["/", "/nothing", "/sweeps/", "/sweeps/a/b", "/overview/"] {
        let told = tell(&views, Method::GET, path).await;
        assert_eq!((told.status, told.kind.as_str()), (404, "application/problem+json"), "{path}");
        assert!(told.body["remedy"].as_str().is_some(), "{path}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let told = tell(&views, method, "/overview").await;
        assert_eq!((told.status, told.kind.as_str()), (405, "application/problem+json"));
        assert_eq!(told.allow.as_deref(), Some("GET, HEAD"));
    }
    let told = tell(&views, Method::GET, "/openapi.json").await;
    assert_eq!(told.body, serde_json::to_value(document()).unwrap());
}

#[tokio::test]
async fn of_several_shops_one_has_to_be_named() {
    let directory = tempfile::tempdir().unwrap();
    let nothing = settings_of_nothing(directory.path());
    let named = |name: &str| Settings { shop: Some(name.to_owned()), ..nothing.clone() };
    let views = Views::new([&named("north"), &named("south")]);
    let told = tell(&views, Method::GET, "/settings").await;
    assert_eq!(told.status, 400);
    assert_eq!(told.body["remedy"], "add `shop=NAME`: the shops are `north`, `south`");
    assert_eq!(tell(&views, Method::GET, "/settings?shop=south").await.status, 200);
    let told = tell(&views, Method::GET, "/settings?shop=west").await;
    assert_eq!((told.status, told.body["remedy"].as_str()), (404, Some("the shops are `north`, `south`")));
}

#[test]
fn what_is_not_described_is_found() {
    let document = serde_json::json!({});
    let schema = serde_json::json!({"type": "object", "properties": {
        "a": {"type": "integer"}, "b": {"type": ["string", "null"], "format": "date-time"}
    }});
    let check = |value: Value| faults(&document, &schema, &value, "").len();
    assert_eq!(check(serde_json::json!({"a": 1, "b": null})), 0);
    assert_eq!(check(serde_json::json!({"a": 1, "b": "2026-11-23T00:00:00Z"})), 0);
    assert_eq!(check(serde_json::json!({"a": "1", "b": null})), 1);
    assert_eq!(check(serde_json::json!({"a": 1})), 1);
    assert_eq!(check(serde_json::json!({"a": 1, "b": "noon"})), 1);
    assert_eq!(check(serde_json::json!({"a": 1, "b": null, "c": 2})), 1);
    assert_eq!(check(serde_json::json!([])), 1);
}
