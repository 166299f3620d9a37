use serde_json::{Value, json};

use super::*;
use crate::owned_json;

mod properties;

const AGENTS: [&str; 2] = ["agents.x-k8s.io/v1alpha1", "agents.x-k8s.io/v1beta1"];
const EXTENSIONS: [&str; 2] = [
    "extensions.agents.x-k8s.io/v1alpha1",
    "extensions.agents.x-k8s.io/v1beta1",
];

fn versions(kind: &str) -> [&'static str; 2] {
    if kind == "Sandbox" {
        AGENTS
    } else {
        EXTENSIONS
    }
}

fn object(version: usize, kind: &str, spec: Value, status: Value) -> Json<'static> {
    let mut object = json!({
        "apiVersion": versions(kind)[version],
        "kind": kind,
        "metadata": {"name": "box", "namespace": "team", "uid": "u-1"},
        "spec": spec,
    });
    if !status.is_null() {
        object["status"] = status;
    }
    object.into()
}

fn alpha(kind: &str, spec: Value, status: Value) -> Json<'static> {
    object(0, kind, spec, status)
}

fn beta(kind: &str, spec: Value, status: Value) -> Json<'static> {
    object(1, kind, spec, status)
}

fn kind_of(object: &Json<'_>) -> String {
    object.str_at(&["kind"]).expect("kind").to_owned()
}

fn up(object: &Json<'static>) -> Json<'static> {
    convert(object.clone(), versions(&kind_of(object))[1]).expect("converts")
}

fn down(object: &Json<'static>) -> Json<'static> {
    convert(object.clone(), versions(&kind_of(object))[0]).expect("converts")
}

fn annotated(mut object: Json<'static>, key: &'static str, value: &str) -> Json<'static> {
    set_annotation(&mut object, key, value.to_owned());
    object
}

fn without_state(mut object: Json<'static>) -> Json<'static> {
    for kind in &KINDS {
        take_annotation(&mut object, kind.state);
    }
    object
}

/// The stored object, remembering that it was written as `written`.
fn remembering(written: &Json<'_>, stored: Json<'static>) -> Json<'static> {
    let kind = kind_of(&stored);
    let kind = KINDS.iter().find(|k| k.kind == kind).expect("known");
    annotated(stored, kind.state, &written.to_string())
}

#[test]
fn section_2_3_replicas_become_a_mode() {
    for (replicas, mode) in [
        (json!({"replicas": 0}), "Suspended"),
        (json!({"replicas": 1}), "Running"),
        (json!({}), "Running"),
    ] {
        let written = alpha("Sandbox", replicas, Value::Null);
        let stored = beta("Sandbox", json!({"operatingMode": mode}), Value::Null);
        assert_eq!(up(&written), remembering(&written, stored), "{written}");
    }
}

#[test]
fn section_2_3_a_mode_becomes_replicas() {
    for (mode, remembered, replicas, current) in [
        ("Running", None, json!(1), json!(1)),
        ("Suspended", None, json!(0), json!(0)),
        (
            "Suspended",
            Some(json!({"spec": {"replicas": 1}, "status": {"replicas": 1}})),
            json!(0),
            json!(1),
        ),
        (
            "Running",
            Some(json!({"spec": {"replicas": 1}, "status": {"replicas": 1}})),
            json!(1),
            json!(1),
        ),
        (
            "Running",
            Some(json!({"spec": {"replicas": 0}, "status": {"replicas": 0}})),
            json!(1),
            json!(0),
        ),
        (
            "Running",
            Some(json!({"spec": {}})),
            Value::Null,
            Value::Null,
        ),
    ] {
        let mut stored = beta(
            "Sandbox",
            json!({"operatingMode": mode, "service": true}),
            json!({"service": "box"}),
        );
        if let Some(state) = &remembered {
            stored = annotated(
                stored,
                annotations::V1ALPHA1_SANDBOX_STATE,
                &state.to_string(),
            );
        }
        let mut spec = json!({"service": true});
        let mut status = json!({"service": "box"});
        for (part, value) in [(&mut spec, replicas), (&mut status, current)] {
            if !value.is_null() {
                part["replicas"] = value;
            }
        }
        assert_eq!(
            down(&stored),
            alpha("Sandbox", spec, status),
            "{mode} {remembered:?}"
        );
    }
}

#[test]
fn section_2_3_shared_fields_are_copied_and_unknown_ones_survive() {
    let shared = json!({
        "podTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "new": [1.5, null]}]}},
        "volumeClaimTemplates": [{"metadata": {"name": "v"}, "spec": {}}],
        "service": false,
        "shutdownTime": "2030-01-01T00:00:00Z",
        "shutdownPolicy": "Delete",
        "fieldOfTomorrow": {"x": 18_446_744_073_709_551_615_u64},
    });
    let mut written = shared.clone();
    written["replicas"] = json!(1);
    let mut stored = shared;
    stored["operatingMode"] = json!("Running");
    let status = json!({"conditions": [{"type": "Ready"}], "serviceFQDN": "f", "selector": "s", "podIPs": ["1.2.3.4"]});
    assert_eq!(
        without_state(up(&alpha("Sandbox", written, status.clone()))),
        beta("Sandbox", stored, status)
    );
}

#[test]
fn section_2_3_a_node_name_survives_a_client_of_the_older_version() {
    let stored = beta(
        "Sandbox",
        json!({"operatingMode": "Running"}),
        json!({"nodeName": "n1"}),
    );
    let view = annotated(
        alpha("Sandbox", json!({"replicas": 1}), json!({"replicas": 1})),
        annotations::V1BETA1_SANDBOX_STATE,
        r#"{"status":{"nodeName":"n1"}}"#,
    );
    assert_eq!(down(&stored), view);
    assert_eq!(without_state(up(&view)), stored);
}

#[test]
fn section_2_4_the_policy_for_volumes_travels_in_its_annotation() {
    for word in ["Disallowed", "Allowed", "Overrides"] {
        let stored = beta(
            "SandboxTemplate",
            json!({"volumeClaimTemplatesPolicy": word, "envVarsInjectionPolicy": "Allowed"}),
            Value::Null,
        );
        let view = annotated(
            alpha(
                "SandboxTemplate",
                json!({"envVarsInjectionPolicy": "Allowed"}),
                Value::Null,
            ),
            annotations::V1BETA1_CLAIM_TEMPLATES_POLICY,
            word,
        );
        assert_eq!(down(&stored), view);
        assert_eq!(up(&view), remembering(&view, stored));
    }
    let empty = beta(
        "SandboxTemplate",
        json!({"volumeClaimTemplatesPolicy": ""}),
        Value::Null,
    );
    let stale = annotated(
        empty,
        annotations::V1BETA1_CLAIM_TEMPLATES_POLICY,
        "Allowed",
    );
    assert_eq!(
        down(&stale),
        alpha("SandboxTemplate", json!({}), Value::Null)
    );
}

#[test]
fn section_2_5_a_pool_of_unsaid_size_has_one_member() {
    let written = alpha("SandboxWarmPool", json!({"replicas": 0}), Value::Null);
    let stored = beta("SandboxWarmPool", json!({"replicas": 0}), Value::Null);
    assert_eq!(up(&written), remembering(&written, stored));
    let spec = json!({"sandboxTemplateRef": {"name": "t"}, "updateStrategy": {"type": "Recreate"}});
    let mut view = spec.clone();
    view["replicas"] = json!(1);
    let status = json!({"replicas": 2, "readyReplicas": 1, "selector": "s"});
    assert_eq!(
        down(&beta("SandboxWarmPool", spec, status.clone())),
        alpha("SandboxWarmPool", view, status)
    );
}

#[test]
fn section_2_5_the_observed_generation_survives_a_client_of_the_older_version() {
    let stored = beta(
        "SandboxWarmPool",
        json!({"replicas": 1}),
        json!({"replicas": 1, "observedGeneration": 7}),
    );
    let view = down(&stored);
    assert_eq!(view.at(&["status"]), Some(&owned_json!({"replicas": 1})));
    assert_eq!(without_state(up(&view)), stored);
}

/// A claim named `box` of a template, a pool word and a sandbox.
fn written_claim(template: &str, word: Option<&str>, sandbox: &str) -> Json<'static> {
    let mut spec = json!({"sandboxTemplateRef": {"name": template}});
    if let Some(word) = word {
        spec["warmpool"] = json!(word);
    }
    alpha("SandboxClaim", spec, claim_status(sandbox))
}

fn stored_claim(pool: &str, sandbox: &str) -> Json<'static> {
    beta(
        "SandboxClaim",
        json!({"warmPoolRef": {"name": pool}}),
        claim_status(sandbox),
    )
}

fn claim_status(sandbox: &str) -> Value {
    match sandbox {
        "" => Value::Null,
        sandbox => json!({"sandbox": {"name": sandbox}}),
    }
}

#[test]
fn section_2_6_the_pool_of_a_claim_is_derived() {
    for (word, sandbox, pool) in [
        (Some("fast"), "", "fast"),
        (Some("fast"), "slow-x1", "fast"),
        (Some("default"), "python-pool-x7k2p", "python-pool"),
        (Some("none"), "python-pool-x7k2p", "python-pool"),
        (Some(""), "single", "single"),
        (None, "box", "shadow-pool-python"),
        (Some("default"), "", "shadow-pool-python"),
        (None, "", "shadow-pool-python"),
    ] {
        let written = written_claim("python", word, sandbox);
        assert_eq!(
            up(&written),
            remembering(&written, stored_claim(pool, sandbox)),
            "{word:?} {sandbox}"
        );
    }
}

#[test]
fn section_2_6_without_memory_the_pool_names_the_template() {
    let shadow = stored_claim("shadow-pool-python", "");
    assert_eq!(down(&shadow), written_claim("python", Some("default"), ""));
    let pool = stored_claim("fast", "fast-x1");
    assert_eq!(down(&pool), written_claim("fast", Some("fast"), "fast-x1"));
}

#[test]
fn section_2_6_memory_is_restored_while_the_pool_is_the_one_meant() {
    for (word, pool, sandbox) in [
        (Some("fast"), "fast", ""),
        (Some("fast"), "shadow-pool-fast", ""),
        (Some("fast"), "other-x1", "other-x1"),
        (Some("fast"), "other", "other-x1"),
        (Some("default"), "python", ""),
        (Some("none"), "shadow-pool-python", ""),
        (None, "shadow-pool-python", ""),
    ] {
        let written = written_claim("python", word, "");
        let stored = remembering(&written, stored_claim(pool, sandbox));
        let mut view = down(&stored);
        take_annotation(&mut view, annotations::V1BETA1_CLAIM_STATE);
        assert_eq!(
            view,
            written_claim("python", word, sandbox),
            "{word:?} {pool} {sandbox}"
        );
    }
    for word in [Some("fast"), None] {
        let written = written_claim("python", word, "");
        let stored = remembering(&written, stored_claim("moved", ""));
        assert_eq!(down(&stored), written_claim("python", Some("moved"), ""));
    }
}

#[test]
fn section_2_6_volumes_of_a_claim_survive_a_client_of_the_older_version() {
    let stored = beta(
        "SandboxClaim",
        json!({
            "warmPoolRef": {"name": "fast"},
            "volumeClaimTemplates": [{"metadata": {"name": "v"}, "spec": {}}],
            "env": [{"name": "A", "value": "1"}],
            "lifecycle": {"ttlSecondsAfterFinished": 5},
            "additionalPodMetadata": {"labels": {"sandbox.users.io/a": "b"}},
        }),
        Value::Null,
    );
    let view = down(&stored);
    assert_eq!(
        view.at(&["spec"]),
        Some(&owned_json!({
            "sandboxTemplateRef": {"name": "fast"},
            "warmpool": "fast",
            "env": [{"name": "A", "value": "1"}],
            "lifecycle": {"ttlSecondsAfterFinished": 5},
            "additionalPodMetadata": {"labels": {"sandbox.users.io/a": "b"}},
        }))
    );
    assert_eq!(without_state(up(&view)), stored);
}

#[test]
fn a_claim_that_got_its_sandbox_keeps_its_pool_when_the_older_version_writes_it() {
    let written = written_claim("python", Some("default"), "");
    let mut stored = up(&written);
    set(
        &mut stored,
        "status",
        claim_status("guess-me-not-x1").into(),
    );
    let mut view = down(&stored);
    assert_eq!(
        view.at(&["spec"]),
        Some(&owned_json!({"sandboxTemplateRef": {"name": "python"}, "warmpool": "default"}))
    );
    assert_eq!(
        up(&view).str_at(&["spec", "warmPoolRef", "name"]),
        Some("shadow-pool-python")
    );
    // The client's own choice counts for more than the record.
    set_at(&mut view, "spec", "warmpool", "fast".into());
    assert_eq!(
        up(&view).str_at(&["spec", "warmPoolRef", "name"]),
        Some("fast")
    );
}

#[test]
fn section_2_2_the_state_is_the_whole_object_without_the_state() {
    let written = alpha("Sandbox", json!({"replicas": 1}), Value::Null);
    let stale = annotated(
        written.clone(),
        annotations::V1ALPHA1_SANDBOX_STATE,
        "stale",
    );
    let mut owned = stale;
    set_at(
        &mut owned,
        "metadata",
        "managedFields",
        owned_json!([{"manager": "m"}]),
    );
    let stored = up(&owned);
    assert_eq!(
        stored.str_at(&[
            "metadata",
            "annotations",
            annotations::V1ALPHA1_SANDBOX_STATE
        ]),
        Some(written.to_string().as_str())
    );
    assert_eq!(
        stored.at(&["metadata", "managedFields"]),
        Some(&owned_json!([{"manager": "m"}]))
    );
}

#[test]
fn an_object_too_large_for_an_annotation_keeps_what_the_way_back_needs() {
    let env = json!([{"name": "X", "value": "x".repeat(ANNOTATION_BYTES)}]);
    let spec = json!({"podTemplate": {"spec": {"containers": [{"name": "c", "env": env}]}}, "replicas": 0});
    let written = alpha("Sandbox", spec, json!({"replicas": 1}));
    let stored = up(&written);
    assert_eq!(
        stored.str_at(&[
            "metadata",
            "annotations",
            annotations::V1ALPHA1_SANDBOX_STATE
        ]),
        Some(
            r#"{"apiVersion":"agents.x-k8s.io/v1alpha1","kind":"Sandbox","metadata":{"name":"box","namespace":"team"},"spec":{"replicas":0},"status":{"replicas":1}}"#
        )
    );
    assert_eq!(down(&stored), written);
}

#[test]
fn mistakes_name_the_object_and_what_would_be_right() {
    let refused = |object: Json<'static>, desired: &str| {
        convert(object, desired).expect_err("refused").to_string()
    };
    let sandbox = beta("Sandbox", json!({}), Value::Null);
    let state = annotated(sandbox.clone(), annotations::V1ALPHA1_SANDBOX_STATE, "{");
    assert_eq!(
        refused(state, AGENTS[0]),
        "Sandbox team/box: metadata.annotations[\"api.agents.x-k8s.io/v1alpha1-sandbox-state\"]: expected a JSON object \
         written by the conversion, found no JSON at line 1 column 1"
    );
    let list = annotated(sandbox.clone(), annotations::V1ALPHA1_SANDBOX_STATE, "[]");
    assert!(refused(list, AGENTS[0]).ends_with("found another JSON value"));
    let template = alpha("SandboxTemplate", json!({}), Value::Null);
    let policy = annotated(
        template,
        annotations::V1BETA1_CLAIM_TEMPLATES_POLICY,
        "Maybe",
    );
    assert_eq!(
        refused(policy, EXTENSIONS[1]),
        "SandboxTemplate team/box: metadata.annotations[\"api.agents.x-k8s.io/v1beta1-volume-claim-templates-policy\"]: \
         expected Disallowed, Allowed or Overrides, found \"Maybe\""
    );
    assert_eq!(
        refused(sandbox.clone(), EXTENSIONS[0]),
        "Sandbox team/box: cannot convert to \"extensions.agents.x-k8s.io/v1alpha1\"; expected agents.x-k8s.io/v1alpha1 \
         or agents.x-k8s.io/v1beta1"
    );
    assert!(refused(sandbox, "agents.x-k8s.io/v2").contains("cannot convert to"));
    assert!(
        refused(owned_json!({"apiVersion": "v1", "kind": "Pod"}), AGENTS[0]).starts_with(
            "Pod without a name: v1 Pod is not convertible; expected Sandbox of agents.x-k8s.io"
        )
    );
    assert_eq!(
        refused(owned_json!([]), AGENTS[0]),
        "object without a name: expected an object, found another JSON value"
    );
}

#[test]
fn an_object_in_the_wanted_version_stays_as_it_is() {
    let stored = annotated(
        beta("Sandbox", json!({"operatingMode": "Running"}), Value::Null),
        annotations::V1ALPHA1_SANDBOX_STATE,
        "even this",
    );
    assert_eq!(up(&stored), stored);
}
