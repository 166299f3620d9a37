//! Plans for claims, performed on a small world until nothing is left to do.

use serde_json::{Value, json};

use super::*;

mod end;
mod request;

const NOW: &str = "2030-01-01T01:00:00Z";
const POOL: &str = "python-sandbox-pool";
const READY_AT: &str = "2030-01-01T00:30:00Z";

#[derive(Clone)]
struct World {
    claim: Value,
    sandboxes: BTreeMap<String, Value>,
    pool: Option<Value>,
    template: Option<Value>,
    failures: Vec<String>,
    now: &'static str,
    settings: Settings,
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

fn extension(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "extensions.agents.x-k8s.io/v1beta1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "team", "uid": format!("{kind}-{name}"), "generation": 1, "resourceVersion": "5"},
        "spec": spec,
    })
}

impl World {
    fn new(spec: &Value) -> Self {
        let mut claim = extension(
            "SandboxClaim",
            "mine",
            &json!({"warmPoolRef": {"name": POOL}}),
        );
        claim["metadata"]["creationTimestamp"] = json!(NOW);
        merge(&mut claim["spec"], spec);
        claim["status"] = json!({});
        let template = json!({"podTemplate": {
            "metadata": {"labels": {"team": "blue"}},
            "spec": {"containers": [{"name": "main", "image": "i", "env": [{"name": "A", "value": "1"}]}, {"name": "side", "image": "i"}]},
        }});
        Self {
            claim,
            sandboxes: BTreeMap::new(),
            pool: Some(extension(
                "SandboxWarmPool",
                POOL,
                &json!({"sandboxTemplateRef": {"name": "t"}}),
            )),
            template: Some(extension("SandboxTemplate", "t", &template)),
            failures: Vec::new(),
            now: NOW,
            settings: Settings {
                annotate: false,
                events: true,
                domains: vec!["sandbox.users.io".to_owned()],
            },
        }
    }

    /// A member of the pool, ready or without address.
    fn with_member(mut self, name: &str, ready: bool) -> Self {
        let pool = serde_json::from_value(self.pool.clone().expect("a pool")).expect("a pool");
        let template =
            serde_json::from_value(self.template.clone().expect("a template")).expect("a template");
        let mut member = blueprint::member(&pool, &template, true);
        member["metadata"]["name"] = json!(name);
        member["metadata"]["uid"] = json!(name);
        member["metadata"]["resourceVersion"] = json!("7");
        if ready {
            member["status"] = json!({"podIPs": ["10.0.0.1"], "nodeName": "n", "conditions": [self.ready_condition()]});
        }
        self.sandboxes.insert(name.to_owned(), member);
        self
    }

    fn ready_condition(&self) -> Value {
        json!({
            "type": "Ready", "status": "True", "reason": "DependenciesReady", "message": "Pod is Ready",
            "lastTransitionTime": READY_AT, "observedGeneration": 9,
        })
    }

    fn plan(&self) -> Plan {
        let claim = serde_json::from_value(self.claim.clone()).expect("a claim");
        let sandboxes: BTreeMap<String, Sandbox> = self
            .sandboxes
            .iter()
            .map(|(name, sandbox)| {
                (
                    name.clone(),
                    serde_json::from_value(sandbox.clone()).expect("a Sandbox"),
                )
            })
            .collect();
        let pool = self
            .pool
            .clone()
            .map(|pool| serde_json::from_value(pool).expect("a pool"));
        let template = self
            .template
            .clone()
            .map(|t| serde_json::from_value(t).expect("a template"));
        plan(&Observed {
            claim: &claim,
            sandboxes: sandboxes
                .iter()
                .map(|(name, sandbox)| (name.as_str(), sandbox))
                .collect(),
            pool: pool.as_ref(),
            template: template.as_ref(),
            candidates: sandboxes.values().collect(),
            legacy_policy: None,
            settings: &self.settings,
            failures: &self.failures,
            now: self.now.parse().expect("a time"),
        })
    }

    /// Performs what is planned, one plan after the other, and tells each write and event.
    fn settle(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        for _ in 0..12 {
            let plan = self.plan();
            if plan.actions.is_empty() {
                let Some(statement) = plan.statement else {
                    return told;
                };
                told.push(format!("status after {} s", statement.patience.as_secs()));
                told.extend(
                    statement
                        .events
                        .iter()
                        .map(|event| format!("event {} {}", event.reason, event.note)),
                );
                merge(
                    &mut self.claim["status"],
                    &statement.status.expect("a status"),
                );
            }
            for action in plan.actions {
                told.push(self.perform(action));
            }
        }
        panic!("never at rest: {told:?}")
    }

    fn perform(&mut self, action: Action) -> String {
        let Target { kind, name, .. } = action.target;
        let verb = match action.write {
            Write::Create(mut object) => {
                object["metadata"]["uid"] = json!(name);
                assert!(self.sandboxes.insert(name.clone(), object).is_none());
                "create"
            }
            Write::Patch(mut patch) => {
                if let Some(metadata) = patch.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.remove("resourceVersion");
                }
                match kind {
                    Kind::Claim => merge(&mut self.claim, &patch),
                    _ => merge(self.sandboxes.get_mut(&name).expect("a Sandbox"), &patch),
                }
                "patch"
            }
            Write::Status(_) => panic!("statements are told apart"),
            Write::Delete { foreground, .. } => {
                let object = match kind {
                    Kind::Claim => &mut self.claim,
                    _ => self.sandboxes.get_mut(&name).expect("a Sandbox"),
                };
                object["metadata"]["deletionTimestamp"] = json!(NOW);
                if foreground {
                    "delete after its children"
                } else {
                    "delete"
                }
            }
        };
        format!("{verb} {kind:?} {name}")
    }

    fn conditions(&self) -> Vec<String> {
        let list = self.claim["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let text = |c: &Value, key: &str| c[key].as_str().unwrap_or_default().to_owned();
        list.iter()
            .map(|c| {
                format!(
                    "{} {} {} {}",
                    text(c, "type"),
                    text(c, "status"),
                    text(c, "reason"),
                    text(c, "message")
                )
            })
            .collect()
    }

    fn reference(&self) -> &Value {
        &self.claim["metadata"]["annotations"]["agents.x-k8s.io/sandbox-name"]
    }
}

#[test]
fn section_7_11_a_warm_claim_costs_three_writes() {
    let mut world = World::new(&json!({})).with_member("warm-1", true);
    world.settings.annotate = true;
    world.claim["metadata"]["labels"] = json!({"agents.x-k8s.io/created-by": "python-client"});
    let first = world.plan();
    assert_eq!(first.reserves.as_deref(), Some("warm-1"));
    let Write::Patch(patch) = &first.actions[0].write else {
        panic!("a patch");
    };
    assert_eq!(
        *patch,
        json!({"metadata": {"resourceVersion": "5", "annotations": {
            "agents.x-k8s.io/sandbox-name": "warm-1",
            "agents.x-k8s.io/controller-first-observed-at": NOW,
        }}})
    );
    assert_eq!(
        world.settle(),
        [
            "patch Claim mine",
            "patch Sandbox warm-1",
            "status after 0 s",
            "event SandboxAdopted Adopted warm pool Sandbox \"warm-1\"",
            "patch Claim mine",
        ]
    );
    assert_eq!(
        world.claim["metadata"]["annotations"]["agents.x-k8s.io/claim-first-ready-at"],
        NOW
    );
    assert_eq!(
        world.claim["status"],
        json!({
            "sandbox": {"name": "warm-1", "podIPs": ["10.0.0.1"]},
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "DependenciesReady", "message": "Pod is Ready",
                "lastTransitionTime": READY_AT, "observedGeneration": 1,
            }],
        })
    );
    let sandbox = &world.sandboxes["warm-1"];
    let hash = name_hash("t");
    assert_eq!(
        sandbox["metadata"]["labels"],
        json!({
            "agents.x-k8s.io/launch-type": "warm",
            "agents.x-k8s.io/claim-uid": "SandboxClaim-mine",
            "agents.x-k8s.io/created-by": "python-client",
            "agents.x-k8s.io/sandbox-template-ref-hash": hash,
        })
    );
    assert_eq!(
        sandbox["metadata"]["annotations"]["agents.x-k8s.io/pod-name"],
        "warm-1"
    );
    assert_eq!(
        sandbox["metadata"]["ownerReferences"],
        json!([{
            "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxClaim", "name": "mine",
            "uid": "SandboxClaim-mine", "controller": true, "blockOwnerDeletion": true,
        }])
    );
    assert_eq!(
        sandbox["spec"]["podTemplate"]["metadata"],
        json!({
            "labels": {
                "team": "blue",
                "agents.x-k8s.io/claim-uid": "SandboxClaim-mine",
                "agents.x-k8s.io/created-by": "python-client",
                "agents.x-k8s.io/sandbox-template-ref-hash": hash,
            },
            "annotations": {},
        })
    );
    world.now = "2030-01-01T02:00:00Z";
    assert_eq!(world.settle(), [""; 0], "an unchanged claim costs nothing");
}

#[test]
fn section_7_4_only_the_sandbox_as_it_was_seen_is_taken_over() {
    let mut world = World::new(&json!({})).with_member("warm-1", true);
    world.claim["metadata"]["annotations"] = json!({"agents.x-k8s.io/sandbox-name": "warm-1"});
    let plan = world.plan();
    let Write::Patch(patch) = &plan.actions[0].write else {
        panic!("a patch");
    };
    assert_eq!(
        (
            &patch["metadata"]["resourceVersion"],
            &patch["metadata"]["uid"]
        ),
        (&json!("7"), &json!("warm-1"))
    );
    // Another claim was faster.
    let other = json!([{
        "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxClaim", "name": "other", "uid": "o", "controller": true,
    }]);
    world.sandboxes.get_mut("warm-1").expect("it")["metadata"]["ownerReferences"] = other;
    let told = world.settle();
    assert_eq!(told[..2], ["patch Claim mine", "create Sandbox mine"]);
    assert_eq!(*world.reference(), Value::Null);
}

#[test]
fn section_7_3_what_is_written_down_decides() {
    for (what, owners, expected) in [
        (
            "the claim's own",
            json!([{"apiVersion": "e/v1", "kind": "SandboxClaim", "name": "mine", "uid": "SandboxClaim-mine", "controller": true}]),
            "patch Sandbox x",
        ),
        (
            "somebody else's",
            json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "d", "controller": true}]),
            "create Sandbox mine",
        ),
        ("nobody's", json!([]), "create Sandbox mine"),
    ] {
        let mut world = World::new(&json!({})).with_member("x", true);
        world.claim["metadata"]["annotations"] = json!({"agents.x-k8s.io/sandbox-name": "x"});
        world.sandboxes.get_mut("x").expect("it")["metadata"]["ownerReferences"] = owners;
        assert_eq!(world.settle()[0], expected, "{what}");
        assert_eq!(*world.reference(), "x", "{what}: the reference stays");
    }
    let mut gone = World::new(&json!({}));
    gone.claim["metadata"]["annotations"] = json!({"agents.x-k8s.io/sandbox-name": "gone"});
    assert_eq!(
        gone.settle()[..2],
        ["patch Claim mine", "create Sandbox mine"]
    );
    // The label of older controllers becomes an annotation.
    let mut old = World::new(&json!({})).with_member("x", true);
    old.claim["metadata"]["labels"] = json!({"agents.x-k8s.io/sandbox-name": "x"});
    old.settle();
    assert_eq!(
        (old.reference(), &old.claim["metadata"]["labels"]),
        (&json!("x"), &json!({}))
    );
}

#[test]
fn section_7_3_a_sandbox_of_the_claims_name_that_is_not_its_own_is_refused() {
    let mut world = World::new(&json!({})).with_member("mine", true);
    world.sandboxes.get_mut("mine").expect("it")["metadata"]["ownerReferences"] = json!([]);
    world.settle();
    let refusal = "sandbox \"mine\" is not controlled by claim \"mine\". Please use a different claim name or delete the sandbox manually";
    assert_eq!(
        world.conditions(),
        [format!("Ready False ReconcilerError Error seen: {refusal}")]
    );
    assert_eq!(world.plan().obstacles, [format!("Error seen: {refusal}")]);
}

#[test]
fn section_7_6_without_members_a_sandbox_of_the_claims_name_is_made() {
    let mut world = World::new(
        &json!({"additionalPodMetadata": {"labels": {"sandbox.users.io/x": "y"}, "annotations": {"n": "1"}}}),
    );
    assert_eq!(
        world.settle(),
        [
            "create Sandbox mine",
            "status after 0 s",
            "event SandboxProvisioned Created Sandbox \"mine\"",
        ]
    );
    assert_eq!(
        world.conditions(),
        ["Ready False SandboxNotReady Sandbox is not ready"]
    );
    let sandbox = &world.sandboxes["mine"];
    let hash = name_hash("t");
    assert_eq!(
        (
            &sandbox["metadata"]["labels"],
            &sandbox["metadata"]["annotations"]
        ),
        (
            &json!({
                "agents.x-k8s.io/claim-uid": "SandboxClaim-mine",
                "agents.x-k8s.io/launch-type": "cold",
                "agents.x-k8s.io/sandbox-template-ref-hash": hash,
            }),
            &json!({"agents.x-k8s.io/sandbox-template-ref": "t"})
        )
    );
    assert_eq!(
        sandbox["spec"]["podTemplate"]["metadata"],
        json!({
            "labels": {
                "team": "blue",
                "sandbox.users.io/x": "y",
                "agents.x-k8s.io/claim-uid": "SandboxClaim-mine",
                "agents.x-k8s.io/sandbox-template-ref-hash": hash,
            },
            "annotations": {"n": "1"},
        })
    );
    assert_eq!(
        sandbox["spec"]["podTemplate"]["spec"]["automountServiceAccountToken"],
        false
    );
    let starting = json!({"type": "Ready", "status": "False", "reason": "DependenciesNotReady", "message": "Pod does not exist", "lastTransitionTime": NOW});
    world.sandboxes.get_mut("mine").expect("it")["status"]["conditions"] = json!([starting]);
    assert_eq!(world.settle(), ["status after 5 s"]);
}

#[test]
fn section_7_3_members_without_address_are_waited_for_two_seconds() {
    let mut world = World::new(&json!({})).with_member("a", false);
    let plan = world.plan();
    assert_eq!(
        (plan.actions, plan.statement, plan.look_again),
        (vec![], None, Some(PENDING_LOOK))
    );
    world.now = "2030-01-01T01:00:01.8Z";
    assert_eq!(world.plan().look_again, Some(Duration::from_millis(200)));
    world.now = "2030-01-01T01:00:02Z";
    assert_eq!(world.settle()[0], "create Sandbox mine");
}

#[test]
fn section_7_8_what_is_missing_is_told_and_looked_for_again() {
    let mut world = World::new(&json!({}));
    world.template = None;
    world.settle();
    assert_eq!(
        world.conditions(),
        ["Ready False TemplateNotFound SandboxTemplate \"t\" not found"]
    );
    let plan = world.plan();
    assert_eq!(
        (plan.obstacles, plan.look_again),
        (vec![], Some(MISSING_LOOK))
    );
    world.pool = None;
    world.settle();
    assert_eq!(
        world.conditions(),
        ["Ready False WarmPoolNotFound SandboxWarmPool \"python-sandbox-pool\" not found"]
    );
}

#[test]
fn section_7_3_later_metadata_reaches_the_sandbox() {
    let mut world = World::new(&json!({})).with_member("warm", true);
    world.settle();
    world.claim["spec"]["additionalPodMetadata"] = json!({"labels": {"sandbox.users.io/x": "y"}});
    assert_eq!(world.settle(), ["patch Sandbox warm"]);
    assert_eq!(
        world.sandboxes["warm"]["spec"]["podTemplate"]["metadata"]["labels"]["sandbox.users.io/x"],
        "y"
    );
    // Without the template nothing is changed, and a healthy claim stays so.
    world.template = None;
    world.claim["spec"]["additionalPodMetadata"] = json!({"labels": {"sandbox.users.io/x": "z"}});
    assert_eq!(world.settle(), [""; 0]);
}

#[test]
fn section_7_8_the_claim_says_what_its_sandbox_says() {
    let mut world = World::new(&json!({})).with_member("warm", true);
    world.settle();
    let finished = json!({
        "type": "Finished", "status": "True", "reason": "PodSucceeded", "message": "m", "lastTransitionTime": READY_AT, "observedGeneration": 3,
    });
    let mut ready = world.ready_condition();
    merge(
        &mut ready,
        &json!({"status": "False", "reason": "PodSucceeded"}),
    );
    world.sandboxes.get_mut("warm").expect("it")["status"]["conditions"] = json!([ready, finished]);
    assert_eq!(world.settle(), ["status after 0 s"]);
    merge(&mut ready, &json!({"observedGeneration": 1}));
    assert_eq!(
        world.claim["status"]["conditions"],
        json!([finished, ready])
    );
    merge(&mut ready, &json!({"reason": "SandboxExpired"}));
    world.sandboxes.get_mut("warm").expect("it")["status"]["conditions"] = json!([ready]);
    world.settle();
    assert_eq!(
        world.conditions(),
        [
            "Ready False SandboxExpired Underlying Sandbox resource has expired independently of the Claim."
        ]
    );
}

#[test]
fn failed_writes_are_told_and_keep_what_is_known() {
    let mut world = World::new(&json!({})).with_member("warm", true);
    world.settle();
    let before = world.claim["status"]["sandbox"].clone();
    world.failures = vec!["cannot patch".to_owned()];
    assert_eq!(world.settle(), ["status after 0 s"]);
    assert_eq!(
        world.conditions(),
        ["Ready False ReconcilerError Error seen: cannot patch"]
    );
    assert_eq!(world.claim["status"]["sandbox"], before);
}

#[test]
fn section_3_3_a_claim_that_was_ready_before_it_was_seen_says_so() {
    let mut world = World::new(&json!({})).with_member("warm", true);
    world.settle();
    world.settings.annotate = true;
    assert_eq!(world.settle(), ["patch Claim mine"]);
    assert_eq!(
        world.claim["metadata"]["annotations"]["agents.x-k8s.io/claim-first-ready-at"],
        "unknown"
    );
}
