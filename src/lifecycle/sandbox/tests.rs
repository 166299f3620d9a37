//! Plans for Sandboxes, alone and performed on a small world until nothing is left to do.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::testing::{reference, sandbox};
use super::*;

mod children;
mod end;

const NOW: &str = "2030-01-01T00:00:00Z";
const HASH: &str = "374de8f5";

/// A Sandbox and what is around it.
#[derive(Clone)]
struct World {
    sandbox: Value,
    pods: BTreeMap<String, Value>,
    service: Option<Value>,
    claims: BTreeMap<String, Value>,
    failures: Vec<String>,
    now: &'static str,
}

fn typed<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("the document is of its type")
}

fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, change) in fields {
        if change.is_null() {
            target.as_object_mut().expect("object").remove(key);
        } else {
            merge(&mut target[key.as_str()], change);
        }
    }
}

impl World {
    fn new(spec: &Value) -> Self {
        let mut sandbox = json!(sandbox(&json!({"generation": 4}), spec));
        sandbox["status"] = json!({});
        Self {
            sandbox,
            pods: BTreeMap::new(),
            service: None,
            claims: BTreeMap::new(),
            failures: Vec::new(),
            now: NOW,
        }
    }

    fn with_pod(mut self, name: &str, owners: Value, more: &Value) -> Self {
        let mut pod = json!({"metadata": {"name": name, "namespace": "team", "uid": name, "ownerReferences": owners}});
        merge(&mut pod, more);
        self.pods.insert(name.to_owned(), pod);
        self
    }

    fn plan(&self) -> Plan {
        let sandbox: Sandbox = typed(&self.sandbox);
        let pods: BTreeMap<String, Pod> = self
            .pods
            .iter()
            .map(|(n, p)| (n.clone(), typed(p)))
            .collect();
        let service: Option<Service> = self.service.as_ref().map(typed);
        let claims: BTreeMap<String, VolumeClaim> = self
            .claims
            .iter()
            .map(|(n, c)| (n.clone(), typed(c)))
            .collect();
        plan(&Observed {
            sandbox: &sandbox,
            pods: pods
                .iter()
                .map(|(name, pod)| (name.as_str(), pod))
                .collect(),
            service: service.as_ref(),
            volume_claims: claims
                .iter()
                .map(|(name, claim)| (name.as_str(), claim))
                .collect(),
            failures: &self.failures,
            cluster_domain: "cluster.local",
            now: self.now.parse().expect("a time"),
        })
    }

    /// Performs what is planned as the API server would, one plan after the other, and tells each write. Statements are
    /// made once nothing is left to write, however patient they are.
    fn settle(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        for _ in 0..12 {
            let plan = self.plan();
            if plan.actions.is_empty() {
                let Some(statement) = plan.statement else {
                    return told;
                };
                told.push(format!("status after {} s", statement.patience.as_secs()));
                let status = statement.status.expect("a status to write");
                merge(&mut self.sandbox["status"], &status);
            }
            for action in plan.actions {
                told.push(self.perform(action));
            }
        }
        panic!("never at rest: {told:?}")
    }

    fn perform(&mut self, action: Action) -> String {
        let Action { target, write, .. } = action;
        let Target { kind, name, .. } = target;
        let present = match kind {
            Kind::Pod => self.pods.get_mut(&name),
            Kind::Service => self.service.as_mut(),
            Kind::VolumeClaim => self.claims.get_mut(&name),
            _ => Some(&mut self.sandbox),
        };
        let verb = match write {
            Write::Create(mut object) => {
                assert_eq!(present, None, "{kind:?} {name} exists");
                object["metadata"]["uid"] = json!(format!("uid-{name}"));
                match kind {
                    Kind::Pod => {
                        object["spec"] = json!({});
                        self.pods.insert(name.clone(), object);
                    }
                    Kind::Service => self.service = Some(object),
                    Kind::VolumeClaim => {
                        self.claims.insert(name.clone(), object);
                    }
                    _ => panic!("nobody creates {kind:?}"),
                }
                "create"
            }
            Write::Patch(patch) => {
                merge(present.expect("something to patch"), &patch);
                "patch"
            }
            Write::Status(_) => panic!("statements are told apart"),
            Write::Delete { uid, foreground } => {
                let present = present.expect("something to delete");
                assert_eq!(
                    (&present["metadata"]["uid"], foreground),
                    (&json!(uid), false)
                );
                present["metadata"]["deletionTimestamp"] = json!(NOW);
                "delete"
            }
        };
        format!("{verb} {kind:?} {name}")
    }

    /// The Pod runs, is ready and has an address.
    fn start(&mut self, name: &str) {
        let pod = self.pods.get_mut(name).expect("a Pod");
        let up = json!({"spec": {"nodeName": "node-1"}, "status": {
            "phase": "Running",
            "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "Ready", "status": "True"},
            ],
        }});
        merge(pod, &up);
    }

    /// The Pod is gone.
    fn gone(&mut self, name: &str) {
        let pod = self.pods.remove(name).expect("a Pod");
        assert!(
            pod["metadata"]["deletionTimestamp"].is_string(),
            "nobody has deleted {name}"
        );
    }

    /// One line per condition.
    fn conditions(&self) -> Vec<String> {
        let conditions = self.sandbox["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let line = |c: &Value| {
            assert_eq!(c["observedGeneration"], 4);
            let text = |key: &str| c[key].as_str().unwrap_or_default().to_owned();
            format!(
                "{} {} {} {}",
                text("type"),
                text("status"),
                text("reason"),
                text("message")
            )
        };
        let mut lines: Vec<String> = conditions.iter().map(line).collect();
        lines.sort();
        lines
    }

    fn ready(&self) -> String {
        let conditions = self.conditions();
        let ready = conditions.iter().find(|line| line.starts_with("Ready"));
        ready.cloned().unwrap_or_default()
    }

    fn pod_name(&self) -> &Value {
        &self.sandbox["metadata"]["annotations"]["agents.x-k8s.io/pod-name"]
    }
}

fn other(kind: &str, name: &str) -> Value {
    json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u-9", "controller": true}])
}

fn running(spec: &Value) -> World {
    let mut world = World::new(spec);
    world.settle();
    world.start("my-sandbox");
    world.settle();
    assert!(
        world.ready().starts_with("Ready True DependenciesReady"),
        "{}",
        world.ready()
    );
    world
}

#[test]
fn section_7_11_a_cold_sandbox_costs_its_pod_and_two_writes() {
    let mut world = World::new(&json!({}));
    assert_eq!(
        world.settle(),
        [
            "create Pod my-sandbox",
            "patch Sandbox my-sandbox",
            "status after 5 s"
        ]
    );
    assert_eq!(*world.pod_name(), "my-sandbox");
    world.start("my-sandbox");
    assert_eq!(world.settle(), ["status after 0 s"]);
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": NOW, "observedGeneration": 4,
        })
    };
    assert_eq!(
        world.sandbox["status"],
        json!({
            "selector": "agents.x-k8s.io/sandbox-name-hash=374de8f5",
            "podIPs": ["10.0.0.1", "fd00::1"],
            "nodeName": "node-1",
            "conditions": [
                condition("Suspended", "False", "NotSuspended", "Sandbox is not suspended"),
                condition("PodScheduled", "True", "PodScheduled", ""),
                condition("Ready", "True", "DependenciesReady", "Pod is Ready"),
            ],
        })
    );
    world.now = "2031-01-01T00:00:00Z";
    assert_eq!(world.settle(), [""; 0], "an unchanged object costs nothing");
}

#[test]
fn appendix_b_1_a_sandbox_with_a_service_tells_its_names() {
    let mut world = World::new(&json!({"service": true}));
    assert_eq!(
        world.settle(),
        [
            "create Pod my-sandbox",
            "create Service my-sandbox",
            "patch Sandbox my-sandbox",
            "status after 5 s"
        ]
    );
    world.start("my-sandbox");
    world.settle();
    let status = &world.sandbox["status"];
    assert_eq!(
        (&status["service"], &status["serviceFQDN"]),
        (
            &json!("my-sandbox"),
            &json!("my-sandbox.team.svc.cluster.local")
        )
    );
    assert_eq!(
        world.conditions(),
        [
            "PodScheduled True PodScheduled ",
            "Ready True DependenciesReady Pod is Ready; Service Exists",
            "Suspended False NotSuspended Sandbox is not suspended",
        ]
    );
}

#[test]
fn section_4_3_several_pods_are_told_and_nothing_is_touched() {
    let owners = json!([reference()]);
    let mut world = running(&json!({"service": true})).with_pod("second", owners, &json!({}));
    let before = world.sandbox["status"].clone();
    let plan = world.plan();
    assert_eq!((plan.actions, plan.obstacles), (vec![], vec![]));
    let statement = plan.statement.expect("something to tell");
    let note =
        "multiple Pods (2) are controlled by this Sandbox; refusing to choose or create a Pod";
    assert_eq!(
        statement.events,
        [Event {
            warning: true,
            reason: "MultiplePods",
            action: "Reconciling",
            note: note.to_owned(),
        }]
    );
    assert_eq!(statement.patience, Duration::ZERO);
    world.settle();
    let after = &world.sandbox["status"];
    assert_eq!(world.ready(), format!("Ready False MultiplePods {note}"));
    assert_eq!(after["service"], before["service"]);
    assert_eq!((after.get("podIPs"), after.get("nodeName")), (None, None));
}

#[test]
fn section_4_5_suspending_and_resuming_cost_three_writes_each() {
    let mut world = running(&json!({"service": true}));
    let before = world.sandbox["status"].clone();
    world.sandbox["spec"]["operatingMode"] = json!("Suspended");
    assert_eq!(
        world.settle(),
        ["delete Pod my-sandbox", "status after 3 s"]
    );
    assert_eq!(
        world.conditions(),
        [
            "PodScheduled True PodScheduled ",
            "Ready False SandboxSuspended Sandbox is suspending",
            "Suspended False PodTerminating Pod is terminating. Sandbox is suspending",
        ]
    );
    assert_eq!(world.sandbox["status"]["podIPs"], before["podIPs"]);
    world.gone("my-sandbox");
    assert_eq!(
        world.settle(),
        ["patch Sandbox my-sandbox", "status after 0 s"]
    );
    assert_eq!(*world.pod_name(), Value::Null);
    assert_eq!(
        world.conditions(),
        [
            "Ready False SandboxSuspended Sandbox is suspended",
            "Suspended True PodTerminated Pod has been terminated. Sandbox is suspended",
        ]
    );
    let status = &world.sandbox["status"];
    assert_eq!(
        (
            &status["service"],
            &status["selector"],
            status.get("podIPs"),
            status.get("nodeName")
        ),
        (&before["service"], &before["selector"], None, None)
    );
    world.sandbox["spec"]["operatingMode"] = json!("Running");
    assert_eq!(
        world.settle(),
        [
            "create Pod my-sandbox",
            "patch Sandbox my-sandbox",
            "status after 5 s"
        ]
    );
}

#[test]
fn section_4_5_a_strange_pod_of_that_name_is_left_alone() {
    let mut world = World::new(&json!({"operatingMode": "Suspended"})).with_pod(
        "my-sandbox",
        other("Job", "j"),
        &json!({}),
    );
    assert_eq!(world.settle(), ["status after 0 s"]);
    assert_eq!(
        world.conditions(),
        [
            "Ready False SandboxSuspended Sandbox is suspending",
            "Suspended False PodNotOwned Refused to delete pod because it is not owned by this sandbox",
        ]
    );
}

#[test]
fn section_4_4_only_marked_pods_are_taken() {
    for (owners, labels, ready) in [
        (
            other("Job", "j"),
            json!({}),
            "Ready False ReconcilerError Error seen: pod \"my-sandbox\" is owned by Job/j (UID: u-9), not by sandbox \"my-sandbox\"",
        ),
        (
            json!([]),
            json!({}),
            "Ready False ReconcilerError Error seen: cannot adopt unowned pod \"my-sandbox\": missing required pod authorization label (\"agents.x-k8s.io/adoptable\") or sandbox tracking label (\"agents.x-k8s.io/sandbox-name-hash\")",
        ),
        (
            json!([]),
            json!({"agents.x-k8s.io/adoptable": "true"}),
            "Ready True DependenciesReady Pod is Ready",
        ),
        (
            json!([]),
            json!({"agents.x-k8s.io/sandbox-name-hash": HASH}),
            "Ready True DependenciesReady Pod is Ready",
        ),
    ] {
        let mut world = World::new(&json!({})).with_pod(
            "my-sandbox",
            owners,
            &json!({"metadata": {"labels": labels}}),
        );
        world.start("my-sandbox");
        world.settle();
        assert_eq!(world.ready(), ready);
        let taken = ready.contains("True");
        let pod = &world.pods["my-sandbox"];
        assert_eq!(
            pod["metadata"]["ownerReferences"] == json!([reference()]),
            taken
        );
        assert_eq!(*world.pod_name() == "my-sandbox", taken);
        if !taken {
            let lines = world.conditions();
            assert_eq!(
                lines[0],
                "PodScheduled Unknown PodSchedulingUnknown Pod state is unknown. Pod scheduling cannot be determined"
            );
        }
    }
}

#[test]
fn section_4_3_the_annotation_follows_the_pod_that_is_there() {
    // The named Pod is gone and another is owned: that one counts.
    let mut world = World::new(&json!({})).with_pod("elsewhere", json!([reference()]), &json!({}));
    world.sandbox["metadata"]["annotations"] = json!({"agents.x-k8s.io/pod-name": "gone"});
    world.start("elsewhere");
    world.settle();
    assert_eq!(*world.pod_name(), "elsewhere");
    assert_eq!(world.ready(), "Ready True DependenciesReady Pod is Ready");
    // A Pod deleted from outside comes back under its name, at the cost of its creation and the telling.
    let mut world = running(&json!({}));
    world.pods.clear();
    assert_eq!(
        world.settle(),
        ["create Pod my-sandbox", "status after 0 s"]
    );
}

#[test]
fn section_4_12_failures_are_told_before_anything_is_tried_again() {
    let mut world = World::new(&json!({"service": true}));
    world.sandbox["metadata"]["annotations"] = json!({"agents.x-k8s.io/pod-name": "my-sandbox"});
    world.failures = vec!["cannot create Pod \"my-sandbox\": denied".to_owned()];
    assert_eq!(
        world.settle(),
        ["patch Sandbox my-sandbox", "status after 0 s"]
    );
    assert_eq!(*world.pod_name(), Value::Null);
    assert_eq!(
        world.conditions(),
        [
            "PodScheduled Unknown PodSchedulingUnknown Pod state is unknown. Pod scheduling cannot be determined",
            "Ready False ReconcilerError Error seen: cannot create Pod \"my-sandbox\": denied",
            "Suspended False NotSuspended Sandbox is not suspended",
        ]
    );
    assert!(!world.plan().obstacles.is_empty());
    world.failures.clear();
    let again: Vec<String> = world
        .plan()
        .actions
        .into_iter()
        .map(|a| a.target.name)
        .collect();
    assert_eq!(again, ["my-sandbox", "my-sandbox"], "Pod and Service");
}

#[test]
fn section_4_10_a_node_alone_is_no_reason_to_write() {
    let mut world = World::new(&json!({}));
    world.settle();
    let pending = json!({"status": {"phase": "Pending"}});
    merge(world.pods.get_mut("my-sandbox").expect("a Pod"), &pending);
    world.settle();
    merge(
        world.pods.get_mut("my-sandbox").expect("a Pod"),
        &json!({"spec": {"nodeName": "n"}}),
    );
    assert_eq!(world.plan().statement, None);
}

#[test]
fn section_4_2_a_sandbox_on_its_way_out_is_left_alone() {
    let mut world = World::new(&json!({}));
    world.sandbox["metadata"]["deletionTimestamp"] = json!(NOW);
    assert_eq!(world.plan(), Plan::default());
}

#[test]
fn section_4_9_a_pod_that_ends_by_itself_is_finished_at_once() {
    for (phase, reason, message) in [
        ("Succeeded", "PodSucceeded", "Pod completed successfully"),
        ("Failed", "PodFailed", "Pod failed"),
    ] {
        let mut world = running(&json!({}));
        let ended = json!({"status": {"phase": phase, "conditions": [{"type": "PodScheduled", "status": "True"}]}});
        merge(world.pods.get_mut("my-sandbox").expect("a Pod"), &ended);
        assert_eq!(world.settle(), ["status after 0 s"]);
        assert_eq!(
            world.conditions(),
            [
                format!("Finished True {reason} {message}"),
                "PodScheduled True PodScheduled ".to_owned(),
                format!("Ready False {reason} {message}"),
                "Suspended False NotSuspended Sandbox is not suspended".to_owned(),
            ]
        );
    }
}
