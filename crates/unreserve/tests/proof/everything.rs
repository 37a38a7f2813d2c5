//! The whole proof in one process, with its figures written to a file: `cargo xtask proof` runs this.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value as Json, json};
use unreserve_testkit::failure::Failure;
use unreserve_testkit::proof::{Arena, Intensity, LAYERS, Layer};

use super::mutants;

/// Where the figures are written to.
const FIGURES: &str = "UNRESERVE_PROOF_FIGURES";

/// `ci` tries as much as the tests do; anything else as much as fits into an hour.
const INTENSITY: &str = "UNRESERVE_PROOF_INTENSITY";

/// Only the layers with these names, with commas between; all where it is not set.
const ONLY: &str = "UNRESERVE_PROOF_LAYERS";

fn chosen() -> Vec<Layer> {
    let only = std::env::var(ONLY).unwrap_or_default();
    let named = |layer: &&Layer| only.is_empty() || only.split(',').any(|name| name == layer.name);
    LAYERS.iter().filter(named).copied().collect()
}

/// One layer on one database, as it is written down.
#[expect(clippy::disallowed_methods, reason = "the figures tell how long each layer took")]
fn tried(layer: &Layer, arena: &Arena) -> Json {
    let began = Instant::now();
    let outcome = (layer.run)(arena);
    let seconds = began.elapsed().as_secs();
    println!("{} {} on {}: {seconds} s, {outcome:?}", layer.number, layer.name, arena.database);
    let head = json!({ "layer": layer.name, "number": layer.number, "tries": layer.tries, "database": arena.database, "seconds": seconds });
    let tail = match outcome {
        Ok(figures) => json!({
            "operations": figures.operations, "faults": figures.faults, "seed": figures.seed, "notes": figures.notes,
            "violation": null,
        }),
        Err(failure) => json!({ "violation": format!("{failure:?}") }),
    };
    match (head, tail) {
        (Json::Object(mut head), Json::Object(tail)) => {
            head.extend(tail);
            Json::Object(head)
        }
        (head, _) => head,
    }
}

#[test]
#[ignore = "takes up to an hour; `cargo xtask proof` runs it"]
fn everything() -> Result<(), Failure> {
    let small = std::env::var(INTENSITY).is_ok_and(|word| word == "ci");
    let intensity = if small { Intensity::Ci } else { Intensity::Nightly };
    let arenas: Vec<Arena> = super::ARENAS.iter().map(|arena| Arena { intensity, ..arena() }).collect();
    let mut layers = Vec::new();
    for layer in chosen() {
        let rows: Vec<Json> = std::thread::scope(|scope| {
            let threads: Vec<_> = arenas.iter().map(|arena| scope.spawn(move || tried(&layer, arena))).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        layers.extend(rows);
    }
    let mutants = if std::env::var(ONLY).is_ok() { Vec::new() } else { mutants::all() };
    let products: Vec<String> = arenas.iter().map(Arena::product).collect::<Result<_, _>>()?;
    let violations = layers.iter().filter(|row| !row.get("violation").is_some_and(Json::is_null)).count();
    let survivors = mutants.iter().filter(|row| row.get("by").is_some_and(Json::is_null)).count();
    let report = json!({ "intensity": if small { "ci" } else { "nightly" }, "products": products, "layers": layers, "mutants": mutants });
    if let Some(path) = std::env::var_os(FIGURES) {
        std::fs::write(Path::new(&path), report.to_string())?;
    }
    if violations + survivors == 0 {
        return Ok(());
    }
    Err(Failure::new(format!("{violations} layers found a broken promise, {survivors} planted faults survived")))
}
