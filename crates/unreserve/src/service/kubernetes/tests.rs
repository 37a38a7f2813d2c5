//! The manifests against the fields that the published API demands and knows, and the commands against a stand-in.

use serde_json::Value;

use super::*;
use crate::service::machine::testing::Desk;
use crate::service::steps::{Repair, Step, run};

fn workload(runs: Runs) -> Workload {
    Workload {
        shop: None,
        subject: "malikli at postgres://shop:***@db/shop".to_owned(),
        image: "registry.example/unreserve:0.1.0".to_owned(),
        runs,
        profile: Profile::Shipped("malikli".to_owned()),
        settings: Vec::new(),
    }
}

fn awkward(runs: Runs) -> Workload {
    Workload {
        shop: Some("eu_west".to_owned()),
        profile: Profile::Text("# a: \"b\"\n[order]\ntable = 'x'\n\ttab: - {}\n".to_owned()),
        settings: vec![
            ("UNRESERVE_GRACE".to_owned(), "2m".to_owned()),
            ("UNRESERVE_MAX_ORDERS".to_owned(), "100".to_owned()),
        ],
        ..workload(runs)
    }
}

/// An object of the API: its name here, the fields it demands, and the others that it knows and we may use, from the
/// published reference of Kubernetes 1.30. A field that is an object or a list of objects names that object behind a `:`.
const API: &[(&str, &[&str], &[&str])] = &[
    ("Deployment", &["apiVersion", "kind", "metadata:ObjectMeta", "spec:DeploymentSpec"], &[]),
    ("CronJob", &["apiVersion", "kind", "metadata:ObjectMeta", "spec:CronJobSpec"], &[]),
    ("ConfigMap", &["apiVersion", "kind", "metadata:ObjectMeta", "data"], &["binaryData", "immutable"]),
    ("ObjectMeta", &["name"], &["labels", "namespace", "annotations"]),
    (
        "DeploymentSpec",
        &["selector:LabelSelector", "template:PodTemplateSpec"],
        &["replicas", "strategy:DeploymentStrategy"],
    ),
    ("DeploymentStrategy", &["type"], &["rollingUpdate"]),
    ("LabelSelector", &["matchLabels"], &[]),
    (
        "CronJobSpec",
        &["schedule", "jobTemplate:JobTemplateSpec"],
        &[
            "concurrencyPolicy",
            "startingDeadlineSeconds",
            "successfulJobsHistoryLimit",
            "failedJobsHistoryLimit",
            "suspend",
            "timeZone",
        ],
    ),
    ("JobTemplateSpec", &["spec:JobSpec"], &["metadata"]),
    ("JobSpec", &["template:PodTemplateSpec"], &["backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"]),
    ("PodTemplateSpec", &["metadata", "spec:PodSpec"], &[]),
    (
        "PodSpec",
        &["containers:Container"],
        &[
            "restartPolicy",
            "automountServiceAccountToken",
            "terminationGracePeriodSeconds",
            "securityContext:PodSecurityContext",
            "volumes:Volume",
        ],
    ),
    (
        "PodSecurityContext",
        &[],
        &["runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup", "seccompProfile:SeccompProfile"],
    ),
    ("SeccompProfile", &["type"], &["localhostProfile"]),
    (
        "Container",
        &["name", "image"],
        &[
            "args",
            "command",
            "env:EnvVar",
            "livenessProbe:Probe",
            "ports:ContainerPort",
            "readinessProbe:Probe",
            "resources",
            "securityContext:SecurityContext",
            "startupProbe:Probe",
            "volumeMounts:VolumeMount",
        ],
    ),
    ("ContainerPort", &["containerPort"], &["hostIP", "hostPort", "name", "protocol"]),
    (
        "Probe",
        &[],
        &[
            "exec",
            "failureThreshold",
            "httpGet:HTTPGetAction",
            "initialDelaySeconds",
            "periodSeconds",
            "successThreshold",
            "terminationGracePeriodSeconds",
            "timeoutSeconds",
        ],
    ),
    ("HTTPGetAction", &["port"], &["host", "httpHeaders", "path", "scheme"]),
    ("SecurityContext", &[], &["allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities:Capabilities"]),
    ("Capabilities", &[], &["add", "drop"]),
    ("EnvVar", &["name"], &["value", "valueFrom"]),
    ("VolumeMount", &["name", "mountPath"], &["readOnly", "subPath"]),
    ("Volume", &["name"], &["secret:SecretVolumeSource", "configMap:ConfigMapVolumeSource", "emptyDir"]),
    ("SecretVolumeSource", &["secretName"], &["items:KeyToPath", "defaultMode", "optional"]),
    ("ConfigMapVolumeSource", &["name"], &["items:KeyToPath", "defaultMode", "optional"]),
    ("KeyToPath", &["key", "path"], &["mode"]),
];

/// Every breach of the API below an object.
fn breaches(object: &str, value: &Value) -> Vec<String> {
    if let Value::Array(items) = value {
        return items.iter().flat_map(|item| breaches(object, item)).collect();
    }
    let Some(fields) = value.as_object() else {
        return vec![format!("{object} is no object: {value}")];
    };
    let (_, demanded, known) =
        API.iter().find(|(name, ..)| *name == object).unwrap_or_else(|| panic!("{object} is not written down"));
    let split = |field: &&'static str| field.split_once(':').unwrap_or((field, ""));
    let demanded: Vec<_> = demanded.iter().map(split).collect();
    let known: Vec<_> = demanded.iter().copied().chain(known.iter().map(split)).collect();
    let missing = demanded
        .iter()
        .filter(|(field, _)| !fields.contains_key(*field))
        .map(|(field, _)| format!("{object} lacks {field}"));
    let mut found: Vec<String> = missing.collect();
    for (field, value) in fields {
        match known.iter().find(|(name, _)| name == field) {
            None => found.push(format!("{object} has no {field}")),
            Some((_, "")) => {}
            Some((_, below)) => found.extend(breaches(below, value)),
        }
    }
    found
}

fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple::<Value>(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn the_manifests() {
    insta::assert_snapshot!("deployment", manifests(&workload(Runs::AllTheTime)));
    insta::assert_snapshot!("cron_job", manifests(&awkward(Runs::EveryFiveMinutes)));
}

#[test]
fn every_manifest_has_what_the_api_demands_and_nothing_it_does_not_know() {
    for workload in [
        workload(Runs::AllTheTime),
        workload(Runs::EveryFiveMinutes),
        awkward(Runs::AllTheTime),
        awkward(Runs::EveryFiveMinutes),
    ] {
        let documents = documents(&manifests(&workload));
        let has_map = matches!(workload.profile, Profile::Text(_));
        assert_eq!(documents.len(), if has_map { 2 } else { 1 });
        for document in &documents {
            assert_eq!(breaches(document["kind"].as_str().unwrap(), document), [""; 0]);
        }
        if let Profile::Text(text) = &workload.profile {
            assert_eq!(documents[0]["data"]["profile.toml"], text.as_str());
        }
        let spec = &documents.last().unwrap()["spec"];
        let pod = match workload.runs {
            Runs::AllTheTime => &spec["template"],
            Runs::EveryFiveMinutes => &spec["jobTemplate"]["spec"]["template"],
        };
        promises(&workload, spec, pod);
    }
}

/// What makes the pod safe, and right for what it runs.
fn promises(workload: &Workload, spec: &Value, pod: &Value) {
    let labels = &pod["metadata"]["labels"];
    let pod = &pod["spec"];
    let container = &pod["containers"][0];
    let mut expected = vec![
        (&pod["securityContext"]["runAsNonRoot"], Value::from(true)),
        (&pod["securityContext"]["seccompProfile"]["type"], Value::from("RuntimeDefault")),
        (&container["securityContext"]["readOnlyRootFilesystem"], Value::from(true)),
        (&container["securityContext"]["allowPrivilegeEscalation"], Value::from(false)),
        (&container["securityContext"]["capabilities"]["drop"], Value::from(vec!["ALL"])),
        (&pod["automountServiceAccountToken"], Value::from(false)),
    ];
    match workload.runs {
        Runs::AllTheTime => expected.extend([
            (&spec["replicas"], Value::from(1)),
            (&spec["strategy"]["type"], Value::from("Recreate")),
            (&spec["selector"]["matchLabels"], labels.clone()),
            (&container["args"], Value::from(vec!["daemon"])),
            (&pod["restartPolicy"], Value::from("Always")),
            (&container["livenessProbe"]["httpGet"]["path"], Value::from("/livez")),
            (&container["readinessProbe"]["httpGet"]["path"], Value::from("/readyz")),
            (&container["readinessProbe"]["httpGet"]["port"], container["ports"][0]["name"].clone()),
        ]),
        Runs::EveryFiveMinutes => expected.extend([
            (&spec["schedule"], Value::from("*/5 * * * *")),
            (&spec["concurrencyPolicy"], Value::from("Forbid")),
            (&spec["startingDeadlineSeconds"], Value::from(120)),
            (&spec["jobTemplate"]["spec"]["backoffLimit"], Value::from(0)),
            (&spec["jobTemplate"]["spec"]["activeDeadlineSeconds"], Value::from(240)),
            (&container["args"], Value::from(vec!["sweep", "--quiet"])),
            (&pod["restartPolicy"], Value::from("Never")),
            (&container["livenessProbe"], Value::Null),
            (&container["ports"], Value::Null),
        ]),
    }
    for (found, wanted) in expected {
        assert_eq!(found, &wanted, "{spec:#}");
    }
    let secret = pod["volumes"].as_array().unwrap().iter().find(|volume| volume["name"] == "secret").unwrap();
    assert_eq!(secret["secret"]["secretName"], name(workload.shop.as_deref()).as_str());
    // What everybody in the cluster may read holds paths, never what is secret, and every path is one of the Secret's.
    let environment = container["env"].as_array().unwrap();
    let variable =
        |name: &str| environment.iter().find(|one| one["name"] == name).map(|one| one["value"].as_str().unwrap());
    let runs_all_the_time = workload.runs == Runs::AllTheTime;
    assert_eq!(variable("UNRESERVE_DATABASE_URL_FILE"), Some("/run/secrets/unreserve/database_url"));
    let token = "/run/secrets/unreserve/web_token";
    assert_eq!(variable("UNRESERVE_WEB_TOKEN_FILE"), runs_all_the_time.then_some(token));
    let port = container["ports"][0]["containerPort"].as_u64();
    assert_eq!(variable("UNRESERVE_WEB_LISTEN"), port.map(|port| format!("0.0.0.0:{port}")).as_deref());
    let items: Vec<_> = secret["secret"]["items"].as_array().unwrap().iter().map(|item| item["path"].clone()).collect();
    let held: &[&str] = if runs_all_the_time { &["database_url", "web_token"] } else { &["database_url"] };
    assert_eq!(items, held);
    for mounted in container["volumeMounts"].as_array().unwrap() {
        assert!(pod["volumes"].as_array().unwrap().iter().any(|volume| volume["name"] == mounted["name"]), "{mounted}");
    }
}

#[test]
fn what_a_cluster_cannot_run_is_refused() {
    let named = |shop: &str| Workload { shop: Some(shop.to_owned()), ..workload(Runs::AllTheTime) };
    check(&[], &[named("a"), named("b")]).unwrap();
    assert!(check(&[], &[named("a_b"), named("a-b")]).unwrap_err().message.contains("`unreserve-a-b`"));
    assert!(check(&["/srv/shop.db".into()], &[named("a")]).unwrap_err().message.contains("`/srv/shop.db`"));
}

#[test]
fn the_check_of_the_manifests_finds_what_is_wrong() {
    let good = documents(&manifests(&workload(Runs::AllTheTime))).remove(0);
    let damaged = |pointer: &str, value: Option<Value>| {
        let mut bad = good.clone();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let parent = bad.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => drop(parent.insert(field.to_owned(), value)),
            None => drop(parent.remove(field).unwrap()),
        }
        breaches("Deployment", &bad)
    };
    assert_eq!(damaged("/spec/selector", None), ["DeploymentSpec lacks selector"]);
    assert_eq!(damaged("/spec/template/spec/containers/0/image", None), ["Container lacks image"]);
    assert_eq!(damaged("/spec/template/spec/runAsRoot", Some(Value::from(true))), ["PodSpec has no runAsRoot"]);
    assert_eq!(
        damaged("/spec/strategy", Some(Value::from("Recreate"))),
        ["DeploymentStrategy is no object: \"Recreate\""]
    );
}

#[test]
fn a_stand_in_for_kubectl_gets_the_manifests_and_every_command() {
    let desk = Desk::new();
    assert_eq!(find(&[None], &desk.machine), [], "there is no kubectl");
    desk.program(
        "kubectl",
        "echo \"$@\" >> \"$LOG\"; [ \"$1\" != apply ] || /bin/cat > \"$LOG.yaml\"; [ \"$2\" != deployment/unreserve ] || echo \"$2 1/1   1\"; [ \"$2\" != deployment,cronjob ] || printf 'deployment.apps/unreserve\\ncronjob.batch/unreserve-eu-west\\n'",
    );
    let text = manifests(&workload(Runs::AllTheTime));
    run(&[Step::Run(apply(&text))], &Repair::default(), &desk.machine).unwrap();
    assert_eq!(std::fs::read_to_string(desk.log_path().with_extension("yaml")).unwrap(), text);
    let found = find(&[None, Some("eu_west".to_owned())], &desk.machine);
    let places: Vec<_> = found.iter().map(|one| (one.place.as_str(), one.shop.as_deref())).collect();
    assert_eq!(places, [("deployment/unreserve", None), ("cronjob/unreserve-eu-west", Some("eu_west"))]);
    assert_eq!(state(&found[0], &desk.machine), "deployment/unreserve 1/1 1");
    let job = Installed { place: "cronjob/unreserve-eu".to_owned(), shop: Some("eu".to_owned()), ..found[0].clone() };
    let calls = [
        control(&found[0], "stop"),
        control(&found[0], "start"),
        control(&found[0], "restart"),
        control(&job, "stop"),
        control(&job, "start"),
        uninstall(&found[0]),
    ];
    let shown: Vec<String> = calls.concat().iter().map(Call::shown).collect();
    assert_eq!(
        shown,
        [
            "kubectl scale deployment/unreserve --replicas=0",
            "kubectl scale deployment/unreserve --replicas=1",
            "kubectl rollout restart deployment/unreserve",
            "kubectl patch cronjob/unreserve-eu --patch '{\"spec\":{\"suspend\":true}}'",
            "kubectl patch cronjob/unreserve-eu --patch '{\"spec\":{\"suspend\":false}}'",
            "kubectl delete deployment/unreserve configmap/unreserve --ignore-not-found",
        ]
    );
    assert_eq!(
        log_command(&job, 20).shown(),
        "kubectl logs --selector app.kubernetes.io/instance=unreserve-eu --tail 20"
    );
}
