//! Plans for pools.

use serde_json::{Value, json};

use super::*;

const NOW: &str = "2030-01-01T01:00:00Z";
/// Hash of the pool's name.
const POOL: &str = "00375482";
const LABEL: &str = "agents.x-k8s.io/warm-pool-sandbox";

fn settings() -> Settings {
    Settings {
        max_batch: 3,
        grace: Duration::from_secs(300),
        recheck: Duration::from_secs(60),
        evictable: true,
    }
}

fn template(spec: &Value) -> SandboxTemplate {
    let mut object = json!({
        "apiVersion": "extensions.agents.x-k8s.io/v1beta1",
        "kind": "SandboxTemplate",
        "metadata": {"name": "t", "namespace": "team", "uid": "t-1"},
        "spec": {"podTemplate": {"spec": {"containers": [{
            "name": "c", "image": "i", "resources": {"limits": {"cpu": "1000m"}},
        }]}}},
    });
    for (key, value) in spec.as_object().expect("object") {
        object["spec"][key] = value.clone();
    }
    serde_json::from_value(object).expect("a template")
}

fn pool(spec: &Value) -> SandboxWarmPool {
    let mut object = json!({
        "apiVersion": "extensions.agents.x-k8s.io/v1beta1",
        "kind": "SandboxWarmPool",
        "metadata": {"name": "python-sandbox-pool", "namespace": "team", "uid": "p-1", "generation": 2},
        "spec": {"sandboxTemplateRef": {"name": "t"}},
    });
    for (key, value) in spec.as_object().expect("object") {
        object["spec"][key] = value.clone();
    }
    serde_json::from_value(object).expect("a pool")
}

/// A member as this controller makes it, so many seconds old.
fn member(name: &str, age: u32, ready: bool) -> Sandbox {
    changed(name, age, ready, |_| {})
}

fn changed(name: &str, age: u32, ready: bool, change: impl FnOnce(&mut Value)) -> Sandbox {
    let mut object = blueprint::member(&pool(&json!({})), &template(&json!({})), true);
    let now: Timestamp = NOW.parse().expect("a time");
    let created = now - jiff::SignedDuration::from_secs(age.into());
    object["metadata"]["name"] = json!(name);
    object["metadata"]["uid"] = json!(name);
    object["metadata"]["resourceVersion"] = json!("7");
    object["metadata"]["creationTimestamp"] = json!(created.to_string());
    let status = if ready { "True" } else { "False" };
    object["status"]["conditions"] = json!([{
        "type": "Ready", "status": status, "reason": "R", "message": "", "lastTransitionTime": NOW,
    }]);
    change(&mut object);
    serde_json::from_value(object).expect("a Sandbox")
}

struct Case {
    pool: SandboxWarmPool,
    template: Option<SandboxTemplate>,
    members: Vec<Sandbox>,
    pods: Vec<Pod>,
    told: Option<&'static str>,
}

impl Case {
    fn new(spec: &Value, members: Vec<Sandbox>) -> Self {
        Self {
            pool: pool(spec),
            template: Some(template(&json!({}))),
            members,
            pods: Vec::new(),
            told: None,
        }
    }

    fn plan(&self) -> Plan {
        let settings = settings();
        plan(&Observed {
            pool: &self.pool,
            template: self.template.as_ref(),
            members: self
                .members
                .iter()
                .map(|sandbox| Member {
                    sandbox,
                    pod: self
                        .pods
                        .iter()
                        .find(|pod| pod.metadata.name == sandbox.metadata.name),
                })
                .collect(),
            settings: &settings,
            told: self.told,
            failures: &[],
            now: NOW.parse().expect("a time"),
        })
    }

    /// One word and a name per write.
    fn writes(&self) -> Vec<String> {
        let line = |action: Action| {
            let verb = match action.write {
                Write::Create(_) => "create",
                Write::Patch(_) => "patch",
                Write::Status(_) => "status",
                Write::Delete { .. } => "delete",
            };
            format!("{verb} {}", action.target.name)
                .trim_end()
                .to_owned()
        };
        self.plan().actions.into_iter().map(line).collect()
    }

    fn status(&self) -> Value {
        let statement = self.plan().statement;
        statement
            .and_then(|statement| statement.status)
            .unwrap_or_default()
    }
}

#[test]
fn section_6_5_a_member_carries_the_labels_of_its_pool_and_the_secure_defaults() {
    let metadata = json!({"labels": {"team": "blue"}, "annotations": {"note": "x"}});
    let mut pod = json!({"podTemplate": template(&json!({})).spec.pod_template, "service": true});
    pod["podTemplate"]["metadata"] = metadata;
    let template = template(&pod);
    let made = blueprint::member(&pool(&json!({})), &template, true);
    let hash = |key: &str| made["metadata"]["labels"][key].clone();
    let (one, two) = (
        hash("agents.x-k8s.io/sandbox-pod-template-hash"),
        hash("agents.x-k8s.io/sandbox-template-hash"),
    );
    assert!(
        one.as_str().is_some_and(|hash| hash.len() == 8) && one != two,
        "{one} {two}"
    );
    let template_hash = name_hash("t");
    let marks = |more: Value| {
        let mut all = json!({
            LABEL: POOL,
            "agents.x-k8s.io/sandbox-template-ref-hash": template_hash,
            "agents.x-k8s.io/sandbox-pod-template-hash": one,
            "agents.x-k8s.io/sandbox-template-hash": two,
        });
        for (key, value) in more.as_object().expect("object") {
            all[key] = value.clone();
        }
        all
    };
    assert_eq!(
        made,
        json!({
            "apiVersion": "agents.x-k8s.io/v1beta1",
            "kind": "Sandbox",
            "metadata": {
                "generateName": "python-sandbox-pool-",
                "namespace": "team",
                "labels": marks(json!({"agents.x-k8s.io/launch-type": "warm", "agents.x-k8s.io/created-by": "controller"})),
                "annotations": {"agents.x-k8s.io/sandbox-template-ref": "t"},
                "ownerReferences": [{
                    "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxWarmPool",
                    "name": "python-sandbox-pool", "uid": "p-1", "controller": true, "blockOwnerDeletion": true,
                }],
            },
            "spec": {
                "podTemplate": {
                    "metadata": {
                        "labels": marks(json!({"team": "blue"})),
                        "annotations": {"note": "x", "cluster-autoscaler.kubernetes.io/safe-to-evict": "true"},
                    },
                    "spec": {
                        "containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "1000m"}}}],
                        "automountServiceAccountToken": false,
                        "dnsPolicy": "None",
                        "dnsConfig": {"nameservers": ["8.8.8.8", "1.1.1.1"]},
                    },
                },
                "service": true,
            },
        })
    );
    let kept = blueprint::member(&pool(&json!({})), &template, false);
    assert_eq!(
        kept["spec"]["podTemplate"]["metadata"]["annotations"],
        json!({"note": "x"})
    );
}

#[test]
fn section_6_5_what_is_missing_is_created_in_batches() {
    let case = Case::new(&json!({"replicas": 10}), vec![member("a", 10, true)]);
    assert_eq!(case.writes(), ["create"; 3]);
    let steps: Vec<u8> = case
        .plan()
        .actions
        .iter()
        .map(|action| action.step)
        .collect();
    assert!(steps.iter().all(|step| *step >= IN_BATCHES), "{steps:?}");
    assert_eq!(
        case.status(),
        json!({"replicas": 1, "readyReplicas": 1, "selector": format!("{LABEL}={POOL}"), "observedGeneration": 2})
    );
    assert_eq!(
        Case::new(&json!({}), vec![]).writes(),
        ["create"],
        "one without a number"
    );
    let mut without = Case::new(&json!({"replicas": 2}), vec![]);
    without.template = None;
    assert_eq!(without.writes(), [""; 0], "nothing without a template");
}

#[test]
fn section_6_7_the_unready_and_then_the_youngest_go_first() {
    let members = vec![
        member("a", 30, true),
        member("b", 20, true),
        member("c", 10, true),
        member("d", 40, false),
    ];
    let case = Case::new(&json!({"replicas": 2}), members);
    assert_eq!(case.writes(), ["delete d", "delete c"]);
}

#[test]
fn section_6_3_strangers_do_not_count_and_orphans_are_taken() {
    let owned = |kind: &str| json!([{"apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": kind, "name": "x", "uid": "x", "controller": true}]);
    let members = vec![
        changed("claimed", 9, true, |object| {
            object["metadata"]["ownerReferences"] = owned("SandboxClaim")
        }),
        changed("going", 9, true, |object| {
            object["metadata"]["deletionTimestamp"] = json!(NOW)
        }),
        changed("orphan", 9, true, |object| {
            object["metadata"]["ownerReferences"] = json!([])
        }),
        changed("unmarked", 9, true, |object| {
            object["metadata"]["labels"]["agents.x-k8s.io/launch-type"] = Value::Null;
            object["metadata"]["labels"]
                .as_object_mut()
                .expect("labels")
                .remove("agents.x-k8s.io/launch-type");
        }),
    ];
    let case = Case::new(&json!({"replicas": 3}), members);
    assert_eq!(
        case.writes(),
        ["patch orphan", "patch unmarked"],
        "the one that goes keeps its place"
    );
    assert_eq!(case.status()["replicas"], 2);
    let Some(Write::Patch(patch)) = case
        .plan()
        .actions
        .into_iter()
        .next()
        .map(|action| action.write)
    else {
        panic!("the orphan is patched");
    };
    assert_eq!(
        patch,
        json!({"metadata": {"resourceVersion": "7", "ownerReferences": [blueprint::owned_by_pool(&case.pool.metadata)]}})
    );
    let stale = changed("orphan", 9, true, |object| {
        object["metadata"]["ownerReferences"] = json!([]);
        object["spec"]["podTemplate"]["spec"]["containers"][0]["image"] = json!("old");
    });
    assert_eq!(
        Case::new(&json!({"replicas": 0}), vec![stale]).writes(),
        ["delete orphan"]
    );
}

#[test]
fn section_6_6_only_contents_make_a_member_stale_and_only_recreate_replaces_it() {
    let recreate = json!({"replicas": 1, "updateStrategy": {"type": "Recreate"}});
    let forget = |object: &mut Value| {
        object["metadata"]["labels"]["agents.x-k8s.io/sandbox-template-hash"] = json!("upstreams");
    };
    let spec = |object: &mut Value| object["spec"]["podTemplate"]["spec"].clone();
    for (what, change, stale) in [
        (
            "another hash of the same",
            Box::new(forget) as Box<dyn Fn(&mut Value)>,
            false,
        ),
        (
            "a quantity in other words",
            Box::new(move |object| {
                forget(object);
                object["spec"]["podTemplate"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] =
                    json!(1);
                object["spec"]["podTemplate"]["spec"]["volumes"] = json!([]);
            }),
            false,
        ),
        (
            "other labels",
            Box::new(move |object| {
                forget(object);
                object["spec"]["podTemplate"]["metadata"]["labels"]["x"] = json!("y");
            }),
            false,
        ),
        (
            "another image",
            Box::new(move |object| {
                forget(object);
                object["spec"]["podTemplate"]["spec"]["containers"][0]["image"] = json!("old");
            }),
            true,
        ),
        (
            "another service",
            Box::new(move |object| {
                forget(object);
                object["spec"]["service"] = json!(true);
            }),
            true,
        ),
        (
            "another volume",
            Box::new(move |object| {
                forget(object);
                object["spec"]["volumeClaimTemplates"] =
                    json!([{"metadata": {"name": "v"}, "spec": {}}]);
            }),
            true,
        ),
        (
            "another template",
            Box::new(|object| {
                object["metadata"]["labels"]["agents.x-k8s.io/sandbox-template-ref-hash"] =
                    json!("x")
            }),
            true,
        ),
    ] {
        let mut object = json!(member("a", 9, true));
        let before = spec(&mut object);
        assert!(before.is_object());
        change(&mut object);
        let sandbox: Sandbox = serde_json::from_value(object).expect("a Sandbox");
        let replaced = Case::new(&recreate, vec![sandbox.clone()]).writes();
        let expected: &[&str] = if stale { &["delete a"] } else { &[] };
        assert_eq!(replaced, expected, "{what}");
        let kept = Case::new(&json!({"replicas": 1}), vec![sandbox]).writes();
        assert_eq!(kept, [""; 0], "{what}: the other strategy keeps it");
    }
}

#[test]
fn section_6_4_members_that_never_become_ready_are_replaced_unless_there_is_no_room() {
    let young = Case::new(&json!({"replicas": 1}), vec![member("a", 299, false)]);
    assert_eq!(young.writes(), [""; 0]);
    let look = young
        .plan()
        .look_again
        .expect("a look at the end of the grace");
    assert!(
        look >= Duration::from_secs(3) && look < Duration::from_secs(5),
        "{look:?}"
    );

    let old = Case::new(&json!({"replicas": 1}), vec![member("a", 301, false)]);
    assert_eq!(
        old.writes(),
        ["delete a"],
        "its place is filled when it is gone"
    );
    assert_eq!(old.status()["replicas"], 0);

    let pod = |reason: &str, metadata: Value| {
        let mut pod = json!({"metadata": {"name": "a"}, "status": {"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": reason},
        ]}});
        for (key, value) in metadata.as_object().expect("object") {
            pod["metadata"][key] = value.clone();
        }
        serde_json::from_value::<Pod>(pod).expect("a Pod")
    };
    let mut held = old;
    held.pods = vec![pod("Unschedulable", json!({}))];
    assert_eq!(held.writes(), [""; 0]);
    let plan = held.plan();
    assert_eq!(plan.look_again, Some(Duration::from_secs(60)));
    assert_eq!(
        plan.statement.map(|statement| (statement.patience, statement.events)),
        Some((
            Duration::ZERO,
            vec![Event {
                warning: true,
                reason: "WarmPoolNotProgressing",
                action: "Reconciling",
                note: "1/1 sandboxes are unschedulable past the 5m0s readiness grace period; holding them instead of replacing (replacements would be equally unschedulable)".to_owned(),
            }]
        ))
    );
    held.told = Some(STUCK);
    held.pool.status = serde_json::from_value(held.status()).ok();
    assert_eq!(held.plan().statement, None, "told once");

    held.members = vec![member("a", 301, true)];
    held.pool.status = serde_json::from_value(json!({
        "replicas": 1, "readyReplicas": 1, "selector": format!("{LABEL}={POOL}"), "observedGeneration": 2,
    }))
    .ok();
    let statement = held.plan().statement.expect("it moves again");
    assert_eq!(
        (
            statement.status,
            statement.events[0].reason,
            statement.events[0].note.as_str()
        ),
        (
            None,
            "WarmPoolProgressing",
            "Warm pool is progressing again"
        )
    );

    for other in [
        pod("SchedulerError", json!({})),
        pod("Unschedulable", json!({"deletionTimestamp": NOW})),
    ] {
        held.members = vec![member("a", 301, false)];
        held.pods = vec![other];
        assert_eq!(held.writes(), ["delete a"]);
    }
}

#[test]
fn section_6_8_a_full_pool_is_told_at_once_and_a_filling_one_in_a_moment() {
    let full = Case::new(&json!({"replicas": 1}), vec![member("a", 9, true)]);
    let filling = Case::new(&json!({"replicas": 1}), vec![member("a", 9, false)]);
    let patience = |case: &Case| case.plan().statement.map(|statement| statement.patience);
    assert_eq!(
        (patience(&full), patience(&filling)),
        (Some(Duration::ZERO), Some(FILLING))
    );
}

#[test]
fn section_6_1_a_pool_on_its_way_out_is_left_alone() {
    let mut case = Case::new(&json!({"replicas": 3}), vec![]);
    case.pool.metadata.deletion_timestamp = serde_json::from_value(json!(NOW)).ok();
    assert_eq!(case.plan(), Plan::default());
}
