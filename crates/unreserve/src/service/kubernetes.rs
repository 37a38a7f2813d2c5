//! Kubernetes: a Deployment that runs all the time, or a CronJob that sweeps every five minutes.

use std::fmt::Write as _;

use crate::failure::Failure;
use crate::service::kind::{Installed, Kind, Scope};
use crate::service::machine::Machine;
use crate::service::quote::yaml;
use crate::service::steps::Call;

/// What a manifest says beside what every one says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Workload {
    /// The shop it is for, where it is for one of several.
    pub(crate) shop: Option<String>,
    /// Which shop that is, as a person says it.
    pub(crate) subject: String,
    /// The container image.
    pub(crate) image: String,
    /// Whether it runs all the time.
    pub(crate) runs: Runs,
    /// The text of the profile, where it is a file.
    pub(crate) profile: Profile,
    /// Other settings, by the name of their variable; none is a secret.
    pub(crate) settings: Vec<(String, String)>,
}

/// How often it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runs {
    /// All the time, in a Deployment.
    AllTheTime,
    /// Every five minutes, in a CronJob.
    EveryFiveMinutes,
}

/// Where the profile comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Profile {
    /// It ships with the program, under this name.
    Shipped(String),
    /// A file with this text, which goes into a ConfigMap.
    Text(String),
}

/// The account in the container: the one that the image is made for.
const USER: u32 = 65_532;
/// Where the profile is in the container.
const PROFILE_DIRECTORY: &str = "/etc/unreserve";
/// Where the secret is in the container.
const SECRET_DIRECTORY: &str = "/run/secrets/unreserve";
/// Where the state directory is in the container.
const STATE_DIRECTORY: &str = "/var/lib/unreserve";

/// Where the page is shown in the pod: the cluster asks from outside whether we live.
const PAGE_PORT: u16 = 8_420;

/// The label of everything of ours in a cluster.
const LABEL: &str = "app.kubernetes.io/name=unreserve";

/// What the cluster calls it: the Deployment or CronJob, the ConfigMap and the Secret.
pub(crate) fn name(shop: Option<&str>) -> String {
    // A name has no underscore there.
    shop.map_or_else(
        || "unreserve".to_owned(),
        |shop| format!("unreserve-{}", shop.replace('_', "-").trim_end_matches('-')),
    )
}

/// The command that makes the Secret; what is in it comes from files, so that no process list shows it.
pub(crate) fn secret_command(workload: &Workload) -> String {
    let files: String =
        secrets(workload.runs).iter().map(|(key, what)| format!(" --from-file={key}=FILE-WITH-THE-{what}")).collect();
    format!("kubectl create secret generic {}{files}", name(workload.shop.as_deref()))
}

/// The keys of the Secret, and what each holds. Only who runs all the time shows a page.
fn secrets(runs: Runs) -> &'static [(&'static str, &'static str)] {
    match runs {
        Runs::AllTheTime => &[("database_url", "ADDRESS"), ("web_token", "TOKEN")],
        Runs::EveryFiveMinutes => &[("database_url", "ADDRESS")],
    }
}

/// The command that hands the manifests to the cluster.
pub(crate) fn apply(manifests: &str) -> Call {
    Call::new(["kubectl", "apply", "-f", "-"]).reading(manifests)
}

/// The manifests: the ConfigMap with the profile, if there is one, and what runs it.
pub(crate) fn manifests(workload: &Workload) -> String {
    let mut text = format!(
        "# Written by `unreserve service install --kind kubernetes` for {}.\n\
         # The Secret is yours to make; no manifest holds what is in it:\n#   {}\n",
        workload.subject,
        secret_command(workload)
    );
    if let Profile::Text(profile) = &workload.profile {
        text.push_str("---\napiVersion: v1\nkind: ConfigMap\n");
        text.push_str(&metadata(workload));
        let _ = writeln!(text, "data:\n  profile.toml: {}", yaml(profile));
    }
    text.push_str("---\n");
    text.push_str(&match workload.runs {
        Runs::AllTheTime => deployment(workload),
        Runs::EveryFiveMinutes => cron_job(workload),
    });
    text
}

fn deployment(workload: &Workload) -> String {
    let name = name(workload.shop.as_deref());
    let mut text = String::from("apiVersion: apps/v1\nkind: Deployment\n");
    text.push_str(&metadata(workload));
    // One at a time: the next one would only stand by.
    let _ = write!(
        text,
        "spec:\n  replicas: 1\n  strategy:\n    type: Recreate\n  selector:\n    matchLabels:\n      \
         app.kubernetes.io/name: unreserve\n      app.kubernetes.io/instance: {name}\n  template:\n",
    );
    text.push_str(&indented(
        &format!("metadata:\n  labels:\n{}spec:\n{}", labels(workload, 4), pod(workload, "Always")),
        4,
    ));
    text
}

fn cron_job(workload: &Workload) -> String {
    let mut text = String::from("apiVersion: batch/v1\nkind: CronJob\n");
    text.push_str(&metadata(workload));
    text.push_str(
        "spec:\n  schedule: \"*/5 * * * *\"\n  concurrencyPolicy: Forbid\n  startingDeadlineSeconds: 120\n  \
         successfulJobsHistoryLimit: 1\n  failedJobsHistoryLimit: 3\n  jobTemplate:\n    spec:\n      backoffLimit: 0\n      \
         activeDeadlineSeconds: 240\n      template:\n",
    );
    text.push_str(&indented(
        &format!("metadata:\n  labels:\n{}spec:\n{}", labels(workload, 4), pod(workload, "Never")),
        8,
    ));
    text
}

/// The pod: another account than root, nothing to write but its own directory, no token of the cluster's.
fn pod(workload: &Workload, restart: &str) -> String {
    let name = name(workload.shop.as_deref());
    let arguments = match workload.runs {
        Runs::AllTheTime => r#"["daemon"]"#,
        Runs::EveryFiveMinutes => r#"["sweep", "--quiet"]"#,
    };
    let mut text = format!(
        "  restartPolicy: {restart}\n  automountServiceAccountToken: false\n  terminationGracePeriodSeconds: 30\n  securityContext:\n    \
         runAsNonRoot: true\n    runAsUser: {USER}\n    runAsGroup: {USER}\n    fsGroup: {USER}\n    seccompProfile:\n      \
         type: RuntimeDefault\n  containers:\n    - name: unreserve\n      image: {image}\n      args: {arguments}\n      \
         securityContext:\n        allowPrivilegeEscalation: false\n        readOnlyRootFilesystem: true\n        \
         capabilities:\n          drop: [\"ALL\"]\n      env:\n",
        image = yaml(&workload.image),
    );
    for (variable, value) in environment(workload) {
        let _ = writeln!(text, "        - name: {variable}\n          value: {}", yaml(&value));
    }
    text.push_str(
        "      resources:\n        requests:\n          cpu: 10m\n          memory: 32Mi\n        limits:\n          memory: 128Mi\n",
    );
    if workload.runs == Runs::AllTheTime {
        text.push_str(&probes());
    }
    let has_profile = matches!(workload.profile, Profile::Text(_));
    let mut mounts = vec![("secret", SECRET_DIRECTORY, true), ("state", STATE_DIRECTORY, false)];
    mounts.extend(has_profile.then_some(("profile", PROFILE_DIRECTORY, true)));
    text.push_str("      volumeMounts:\n");
    for (volume, path, read_only) in mounts {
        let _ =
            writeln!(text, "        - name: {volume}\n          mountPath: {path}\n          readOnly: {read_only}");
    }
    // 0440: the group is the pod's own.
    let _ = write!(
        text,
        "  volumes:\n    - name: secret\n      secret:\n        secretName: {name}\n        defaultMode: 288\n        items:\n",
    );
    for (key, _) in secrets(workload.runs) {
        let _ = write!(text, "          - key: {key}\n            path: {key}\n");
    }
    text.push_str("    - name: state\n      emptyDir: {}\n");
    if has_profile {
        let _ = write!(text, "    - name: profile\n      configMap:\n        name: {name}\n");
    }
    text
}

/// The port of the page, and what the cluster asks there: whether every watch lives, else the pod is started again; and whether
/// the database is reached, which starting again would not help.
fn probes() -> String {
    let mut text = format!("      ports:\n        - name: page\n          containerPort: {PAGE_PORT}\n");
    for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        let _ = write!(
            text,
            "      {probe}:\n        httpGet:\n          path: {path}\n          port: page\n        \
             initialDelaySeconds: 5\n        periodSeconds: 20\n        timeoutSeconds: 5\n        failureThreshold: 3\n",
        );
    }
    text
}

fn environment(workload: &Workload) -> Vec<(String, String)> {
    let profile = match &workload.profile {
        Profile::Shipped(name) => name.clone(),
        Profile::Text(_) => format!("{PROFILE_DIRECTORY}/profile.toml"),
    };
    let mut variables = vec![
        ("UNRESERVE_DATABASE_URL_FILE".to_owned(), format!("{SECRET_DIRECTORY}/database_url")),
        ("UNRESERVE_STATE_DIR".to_owned(), STATE_DIRECTORY.to_owned()),
        ("UNRESERVE_PROFILE".to_owned(), profile),
    ];
    if workload.runs == Runs::AllTheTime {
        variables.push(("UNRESERVE_WEB_LISTEN".to_owned(), format!("0.0.0.0:{PAGE_PORT}")));
        variables.push(("UNRESERVE_WEB_TOKEN_FILE".to_owned(), format!("{SECRET_DIRECTORY}/web_token")));
    }
    variables.extend(workload.settings.iter().cloned());
    variables
}

fn metadata(workload: &Workload) -> String {
    format!("metadata:\n  name: {}\n  labels:\n{}", name(workload.shop.as_deref()), labels(workload, 4))
}

fn labels(workload: &Workload, indent: usize) -> String {
    let name = name(workload.shop.as_deref());
    indented(&format!("app.kubernetes.io/name: unreserve\napp.kubernetes.io/instance: {name}\n"), indent)
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect()
}

/// Everything of ours in the cluster that `kubectl` speaks to. A cluster that does not answer within three seconds has nothing.
pub(crate) fn find(shops: &[Option<String>], machine: &Machine) -> Vec<Installed> {
    let words =
        ["kubectl", "get", "deployment,cronjob", "--selector", LABEL, "--output", "name", "--request-timeout=3s"];
    let said = machine.ask(words).unwrap_or_default();
    let found = said.lines().filter_map(|line| {
        // `deployment.apps/unreserve-eu`
        let (object, called) = line.trim().split_once('/')?;
        let object = object.split('.').next()?;
        let rest = called.strip_prefix("unreserve")?;
        let known = shops.iter().find(|shop| name(shop.as_deref()) == called).cloned();
        let shop = known.unwrap_or_else(|| rest.strip_prefix('-').map(str::to_owned));
        Some(Installed { kind: Kind::Kubernetes, scope: Scope::System, shop, place: format!("{object}/{called}") })
    });
    found.collect()
}

/// Removes what runs and its ConfigMap. The Secret is not ours.
pub(crate) fn uninstall(installed: &Installed) -> Vec<Call> {
    let map = format!("configmap/{}", name(installed.shop.as_deref()));
    vec![Call::new(["kubectl", "delete", &installed.place, &map, "--ignore-not-found"])]
}

/// `start`, `stop` or `restart`.
pub(crate) fn control(installed: &Installed, verb: &str) -> Vec<Call> {
    let place = &installed.place;
    let stop = verb == "stop";
    if place.starts_with("cronjob/") {
        let patch = format!("{{\"spec\":{{\"suspend\":{stop}}}}}");
        return vec![Call::new(["kubectl", "patch", place, "--patch", &patch])];
    }
    match verb {
        "restart" => vec![Call::new(["kubectl", "rollout", "restart", place])],
        _ => vec![Call::new(["kubectl", "scale", place, if stop { "--replicas=0" } else { "--replicas=1" }])],
    }
}

/// How it stands, in the cluster's own words.
pub(crate) fn state(installed: &Installed, machine: &Machine) -> String {
    let said = machine.ask(["kubectl", "get", &installed.place, "--no-headers", "--request-timeout=3s"]);
    said.map_or_else(
        || "the cluster does not answer".to_owned(),
        |text| text.split_whitespace().collect::<Vec<_>>().join(" "),
    )
}

/// The command that shows how it stands.
pub(crate) fn status_command(installed: &Installed) -> Call {
    Call::new(["kubectl", "describe", &installed.place])
}

/// The command that shows the last lines of its log.
pub(crate) fn log_command(installed: &Installed, lines: u32) -> Call {
    let label = format!("app.kubernetes.io/instance={}", name(installed.shop.as_deref()));
    Call::new(["kubectl", "logs", "--selector", &label, "--tail", &lines.to_string()])
}

/// Refuses what a cluster cannot run.
///
/// # Errors
/// A shop's database is a file of this machine, or two shops would have one name.
pub(crate) fn check(databases: &[std::path::PathBuf], workloads: &[Workload]) -> Result<(), Failure> {
    if let Some(file) = databases.first() {
        let message =
            format!("the database `{}` is a file of this machine, which a cluster does not have", file.display());
        return Err(Failure::usage(message).hint("choose another kind; `unreserve service install --help` lists them"));
    }
    let mut names: Vec<String> = Vec::new();
    for workload in workloads {
        let name = name(workload.shop.as_deref());
        if names.contains(&name) {
            return Err(Failure::usage(format!(
                "two shops would be `{name}` in the cluster, where a name has no underscore"
            ))
            .hint("install each with `--shop NAME` and another name in the settings"));
        }
        names.push(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
