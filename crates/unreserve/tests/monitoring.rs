//! What is shipped in `monitoring/`: rules that fire when they should, and nothing that asks for a metric that is not there.
#![expect(clippy::unwrap_used, reason = "helpers of a test may fail it")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use unreserve_testkit::servers::find_prometheus;

fn monitoring() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../monitoring")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(monitoring().join(name)).unwrap()
}

/// Whether the rules pass their tests, and what was said.
fn tested(rules: &str) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("alerts.yml"), rules).unwrap();
    std::fs::write(directory.path().join("alerts_test.yml"), read("alerts_test.yml")).unwrap();
    let promtool = find_prometheus().unwrap().promtool;
    let output = Command::new(promtool)
        .args(["test", "rules", "alerts_test.yml"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The rules as they stand, each with its name; what comes before the first one is the head of all.
fn rules(text: &str) -> (String, Vec<(String, String)>) {
    let mut parts = text.split("      - alert: ");
    let head = parts.next().unwrap().to_owned();
    let rules = parts.map(|part| (part.lines().next().unwrap().to_owned(), format!("      - alert: {part}")));
    (head, rules.collect())
}

/// The same rule with another expression.
fn with_expression(rule: &str, expression: &str) -> String {
    let (before, after) = rule.split_once("        expr:").unwrap();
    let rest = after.find("        for:").or_else(|| after.find("        labels:")).unwrap();
    format!("{before}        expr: {expression}\n{}", after.get(rest..).unwrap())
}

#[test]
fn every_alert_fires_when_it_should_and_only_then() {
    let text = read("alerts.yml");
    let (passed, said) = tested(&text);
    assert!(passed, "{said}");
    let (head, all) = rules(&text);
    assert_eq!(all.len(), text.matches("alert: ").count());
    // A test that could not fail would be none: where no rule fires, and where each always does, every one is missed.
    for expression in ["vector(0) > 1", "vector(1)"] {
        let changed: String = all.iter().map(|(_, rule)| with_expression(rule, expression)).collect();
        let (passed, said) = tested(&(head.clone() + &changed));
        assert!(!passed);
        for (name, _) in &all {
            assert!(said.contains(&format!("alertname: {name},")), "{name} as {expression}: {said}");
        }
    }
}

/// The names of our metrics in a text, without what histograms add to theirs.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let ours = words.filter(|word| word.starts_with("unreserve_"));
    let plain = ours.map(|word| word.strip_suffix("_bucket").unwrap_or(word));
    plain.map(str::to_owned).collect()
}

fn known() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_unreserve")).args(["settings", "metrics"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).map(str::to_owned).collect()
}

fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn whatever_is_asked_for_is_a_metric_and_every_metric_is_asked_for() {
    let known = known();
    assert!(known.len() > 15, "{known:?}");
    let dashboard: Value = serde_json::from_str(&read("grafana.json")).unwrap();
    let shown = metrics_in(&expressions(&dashboard).concat());
    let variables = metrics_in(&dashboard["templating"].to_string());
    let alerted: BTreeSet<String> = rules(&read("alerts.yml"))
        .1
        .iter()
        .flat_map(|(_, rule)| metrics_in(rule.split("annotations:").next().unwrap()))
        .collect();
    for used in shown.iter().chain(&variables).chain(&alerted) {
        assert!(known.contains(used), "there is no metric `{used}`");
    }
    let unused: Vec<&String> = known.iter().filter(|name| !shown.contains(*name) && !alerted.contains(*name)).collect();
    assert_eq!(unused, ["unreserve_last_attempt_timestamp_seconds"], "only told where there was no success");
}
