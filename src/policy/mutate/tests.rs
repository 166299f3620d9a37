use super::*;
use crate::model::gvk::Gvr;
use crate::policy::testing::{create, json, namespace, set};

const OBJECT: &str = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"ns"},"data":{"a":"1"}}"#;

/// A mutating policy over ConfigMaps with this name, further spec lines and mutations.
fn policy(name: &str, spec: &str, mutations: &[&str]) -> String {
    let mutations: Vec<String> = mutations
        .iter()
        .map(|text| {
            if text.trim_start().starts_with("Object") {
                format!("  - patchType: ApplyConfiguration\n    applyConfiguration: {{expression: {text:?}}}\n")
            } else {
                format!("  - patchType: JSONPatch\n    jsonPatch: {{expression: {text:?}}}\n")
            }
        })
        .collect();
    let again = if spec.contains("reinvocationPolicy") {
        ""
    } else {
        "  reinvocationPolicy: Never\n"
    };
    let spec = spec.trim_matches('\n').replace('\n', "\n  ");
    format!(
        "---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  matchConstraints:
    resourceRules:
    - {{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: [configmaps, pods, gadgets]}}
{again}  {spec}
  mutations:
{}---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {{name: b-{name}}}
spec: {{policyName: {name}}}
",
        mutations.concat()
    )
}

fn pod(text: &str) -> Request<'static> {
    let mut request = Request::create(Gvr::new("v1", "pods"), json(text));
    request.namespace_object = Some(namespace("ns", &[]));
    request
}

fn changed(text: &str, request: &Request<'_>) -> Json<'static> {
    let mutated = mutate(&set(text), request);
    assert_eq!(mutated.findings, []);
    mutated
        .object
        .unwrap_or_else(|| request.object.to_owned_json())
}

fn errors(text: &str, request: &Request<'_>) -> Vec<String> {
    let mutated = mutate(&set(text), request);
    mutated.findings.iter().map(Finding::denial).collect()
}

#[test]
fn patches_and_partial_objects_are_applied_in_order_of_name() {
    let text = [
        policy(
            "second",
            "",
            &["[JSONPatch{op: 'add', path: '/data/b', value: object.data.a + '2'}]"],
        ),
        policy(
            "first",
            "",
            &["Object{data: {'a': 'x'}, metadata: Object.metadata{labels: {'of': 'us'}}}"],
        ),
    ]
    .concat();
    let mutated = mutate(&set(&text), &create(OBJECT));
    let step = |policy: &str, patch: &str| MutationStep {
        policy: policy.to_owned(),
        binding: format!("b-{policy}"),
        patch: json(patch),
    };
    assert_eq!(
        mutated,
        Mutated {
            object: Some(json(
                r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"ns","labels":{"of":"us"}},"data":{"a":"x","b":"x2"}}"#
            )),
            steps: vec![
                step(
                    "first",
                    r#"[{"op":"replace","path":"/data/a","value":"x"},{"op":"add","path":"/metadata/labels","value":{"of":"us"}}]"#
                ),
                step("second", r#"[{"op":"add","path":"/data/b","value":"x2"}]"#),
            ],
            findings: vec![],
        }
    );
}

#[test]
fn nothing_is_reported_when_nothing_changes() {
    let text = policy("p", "", &["Object{}", "Object{data: {'a': '1'}}"]);
    assert_eq!(mutate(&set(&text), &create(OBJECT)), Mutated::default());
}

#[test]
fn values_of_patches_are_written_as_protobuf_writes_them() {
    let cases = [
        ("1", "1"),
        ("9007199254740991", "9007199254740991"),
        ("9007199254740992", "\"9007199254740992\""),
        ("5u", "5"),
        ("2.0", "2"),
        ("2.5", "2.5"),
        ("b'hi'", "\"aGk=\""),
        ("duration('90s')", "\"90s\""),
        (
            "timestamp('2026-01-02T03:04:05Z')",
            "\"2026-01-02T03:04:05Z\"",
        ),
        ("[1, 2]", "[1,2]"),
        ("null", "null"),
        ("Object.spec{a: 1}", "{\"a\":1}"),
        ("jsonpatch.escapeKey('a/b~c')", "\"a~1b~0c\""),
    ];
    let mut request =
        create(r#"{"apiVersion":"x.io/v1","kind":"Gadget","metadata":{"name":"g"},"spec":{}}"#);
    request.kind = Gvk::new("x.io/v1", "Gadget");
    request.resource = Gvr::new("x.io/v1", "gadgets");
    for (value, want) in cases {
        let text = policy(
            "p",
            "",
            &[&format!(
                "[JSONPatch{{op: 'add', path: '/spec/v', value: {value}}}]"
            )],
        );
        let object = changed(&text, &request);
        assert_eq!(object.at(&["spec", "v"]), Some(&json(want)), "{value}");
    }
}

#[test]
fn a_failing_test_operation_leaves_the_object_alone_without_error() {
    let text = policy(
        "p",
        "",
        &[
            "[JSONPatch{op: 'add', path: '/data/b', value: 'x'}, JSONPatch{op: 'test', path: '/data/a', value: '2'}]",
            "[JSONPatch{op: 'add', path: '/data/c', value: 'y'}]",
        ],
    );
    let object = changed(&text, &create(OBJECT));
    assert_eq!(object.get("data"), Some(&json(r#"{"a":"1","c":"y"}"#)));
}

#[test]
fn an_erring_mutation_does_not_stop_the_next() {
    let mutations = [
        "[JSONPatch{op: 'remove', path: '/data/zzz'}]",
        "[JSONPatch{op: 'add', path: '/data/b', value: string(object.nowhere)}]",
        "Object{data: {'c': 'y'}}",
    ];
    let texts = [
        "policy 'p' with binding 'b-p' denied request: JSON Patch: error in remove for path: '/data/zzz': Unable to remove nonexistent key: zzz: missing value",
        "policy 'p' with binding 'b-p' denied request: expression '[JSONPatch{op: 'add', path: '/data/b', value: string(object.nowhere)}]' resulted in error: no such key: nowhere",
    ];
    for (failure, denies) in [("Fail", true), ("Ignore", false)] {
        let text = policy("p", &format!("failurePolicy: {failure}"), &mutations);
        let mutated = mutate(&set(&text), &create(OBJECT));
        let got: Vec<String> = mutated.findings.iter().map(Finding::denial).collect();
        assert_eq!(got, texts);
        assert!(
            mutated
                .findings
                .iter()
                .all(|finding| finding.denies == denies)
        );
        assert_eq!(mutated.findings[1].rule, Rule::Mutation(1));
        let object = mutated.object.expect("changed");
        assert_eq!(object.get("data"), Some(&json(r#"{"a":"1","c":"y"}"#)));
    }
}

#[test]
fn atomic_parts_and_wrong_names_are_refused() {
    let object = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"ns"},"spec":{"containers":[{"name":"a","image":"i"}]}}"#;
    let cases = [
        (
            "Object{spec: Object.spec{nodeSelector: {'a': 'b'}, containers: [Object.spec.containers{name: 'a', args: ['x']}]}}",
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.containers[0].args, .spec.nodeSelector",
        ),
        (
            "Object{spec: Object.spec.wrong{}}",
            "type mismatch: unexpected type name \"Object.spec.wrong\", expected \"Object.spec\", which matches field name path from root Object type",
        ),
        (
            "[JSONPatch{op: 'add', path: '/spec/securityContext', value: Object.spec.securityContext{a: Object.spec.b{}}}]",
            "type mismatch: unexpected type name \"Object.spec.b\", expected \"Object.spec.securityContext.a\", which matches field name path from root Object type",
        ),
        (
            "[JSONPatch{op: 'add', path: '/spec/hostNetworks', value: true}]",
            "Internal error occurred: strict decoding error: unknown field \"spec.hostNetworks\"",
        ),
        (
            "[JSONPatch{op: 'put', path: '/spec/hostNetwork', value: true}]",
            "JSON Patch: Unexpected kind: put",
        ),
    ];
    for (mutation, want) in cases {
        assert_eq!(
            errors(&policy("p", "", &[mutation]), &pod(object)),
            [format!(
                "policy 'p' with binding 'b-p' denied request: {want}"
            )]
        );
    }
    let merged = changed(
        &policy(
            "p",
            "",
            &[
                "Object{spec: Object.spec{containers: [Object.spec.containers{name: 'a', image: 'j'}, Object.spec.containers{name: 'b'}]}}",
            ],
        ),
        &pod(object),
    );
    assert_eq!(
        merged.at(&["spec", "containers"]),
        Some(&json(r#"[{"image":"j","name":"a"},{"name":"b"}]"#))
    );
}

#[test]
fn a_kind_without_schema_takes_patches_but_no_partial_objects() {
    let mut request = create(r#"{"apiVersion":"x.io/v1","kind":"Gadget","metadata":{"name":"g"}}"#);
    request.kind = Gvk::new("x.io/v1", "Gadget");
    request.resource = Gvr::new("x.io/v1", "gadgets");
    assert_eq!(
        errors(&policy("p", "", &["Object{}"]), &request),
        [
            "policy 'p' with binding 'b-p' denied request: Resource kind x.io/v1, Kind=Gadget not found. There can be a delay between when CustomResourceDefinitions are created and when they are available."
        ]
    );
    let object = changed(
        &policy(
            "p",
            "",
            &["[JSONPatch{op: 'add', path: '/spec', value: {}}]"],
        ),
        &request,
    );
    assert_eq!(object.get("spec"), Some(&json("{}")));
}

#[test]
fn conditions_are_evaluated_on_the_object_as_changed_so_far() {
    let text = [
        policy("a", "", &["Object{data: {'a': '2'}}"]),
        policy("b", "matchConditions:\n- {name: c, expression: \"object.data.a == '2' && namespaceObject == null\"}", &["Object{data: {'b': 'x'}}"]),
        policy("c", "matchConditions:\n- {name: c, expression: \"object.data.a == '1'\"}", &["Object{data: {'c': 'x'}}"]),
        policy("d", "matchConditions:\n- {name: c, expression: \"object.data.z == '1'\"}", &["Object{data: {'d': 'x'}}"]),
        policy("e", "failurePolicy: Ignore\nmatchConditions:\n- {name: c, expression: \"object.data.z == '1'\"}", &["Object{data: {'e': 'x'}}"]),
    ]
    .concat();
    let mutated = mutate(&set(&text), &create(OBJECT));
    let object = mutated.object.expect("changed");
    assert_eq!(object.get("data"), Some(&json(r#"{"a":"2","b":"x"}"#)));
    let denials: Vec<String> = mutated.findings.iter().map(Finding::denial).collect();
    assert_eq!(
        denials,
        [
            "policy 'd' with binding 'b-d' denied request: expression 'object.data.z == '1'' resulted in error: no such key: z"
        ]
    );
    assert_eq!(mutated.findings[0].rule, Rule::MutatingPolicy);
}

#[test]
fn the_second_pass_runs_once_and_only_what_ran_before_and_asks_for_it() {
    let append = |key: &str| {
        format!(
            "Object{{data: {{'{key}': (has(object.data.{key}) ? object.data.{key} : '') + 'x'}}}}"
        )
    };
    let again = "reinvocationPolicy: IfNeeded";
    let text = [
        policy("a", again, &[&append("a")]),
        policy("b", "", &[&append("b")]),
        policy(
            "c",
            &format!("{again}\nmatchConditions:\n- {{name: c, expression: 'has(object.data.d)'}}"),
            &[&append("c")],
        ),
        policy("d", "", &[&append("d")]),
        policy("e", again, &[&append("e")]),
    ]
    .concat();
    let request = create(&OBJECT.replace(r#""a":"1""#, ""));
    let object = changed(&text, &request);
    // `c` could run in the second pass, but did not run in the first.
    assert_eq!(
        object.get("data"),
        Some(&json(r#"{"a":"xx","b":"x","d":"x","e":"xx"}"#))
    );
}

#[test]
fn selectors_see_the_original_object() {
    let text = [
        policy(
            "a",
            "",
            &["Object{metadata: Object.metadata{labels: {'of': 'us'}}}"],
        ),
        policy("b", "", &["Object{data: {'b': 'x'}}"]).replace(
            "    resourceRules:",
            "    objectSelector: {matchLabels: {of: us}}\n    resourceRules:",
        ),
    ]
    .concat();
    let object = changed(&text, &create(OBJECT));
    assert_eq!(object.get("data"), Some(&json(r#"{"a":"1"}"#)));
}

#[test]
fn configuration_errors_name_policy_and_binding_as_the_api_server_does() {
    let policies = [
        policy(
            "p",
            "paramKind: {apiVersion: v1, kind: Secret}",
            &["Object{}"],
        )
        .replace(
            "policyName: p}",
            "policyName: p, paramRef: {name: x, parameterNotFoundAction: Deny}}",
        ),
        policy("q", "", &["Object{}"]).replace(
            "    resourceRules:",
            "    namespaceSelector: {matchLabels: {of: us}}\n    resourceRules:",
        ),
    ];
    let mut request = create(OBJECT);
    request.namespace_object = None;
    let mutated = mutate(&set(&policies.concat()), &request);
    let denials: Vec<String> = mutated.findings.iter().map(Finding::denial).collect();
    assert_eq!(
        denials,
        [
            "policy 'p' with binding 'b-p' denied request: failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
            "policy \"q\" denied request: failed to configure policy: namespaces \"ns\" not found"
        ]
    );
    assert_eq!(mutated.findings[0].reason, Reason::Forbidden);
}

#[test]
fn deletions_are_never_changed() {
    let mut request = create(OBJECT);
    request.operation = Operation::Delete;
    let text = policy("p", "", &["[JSONPatch{op: 'add', path: '/x', value: 1}]"]);
    assert_eq!(mutate(&set(&text), &request), Mutated::default());
}

#[test]
fn custom_resources_are_defaulted_after_each_change() {
    let mut request = Request::create(
        Gvr::new("agents.x-k8s.io/v1beta1", "sandboxes"),
        json(
            r#"{"apiVersion":"agents.x-k8s.io/v1beta1","kind":"Sandbox","metadata":{"name":"s","namespace":"ns"},"spec":{"podTemplate":{"spec":{"containers":[{"name":"a","image":"i"}]}}}}"#,
        ),
    );
    request.namespace_object = Some(namespace("ns", &[]));
    let text = policy(
        "p",
        "",
        &["Object{metadata: Object.metadata{labels: {'of': 'us'}}}"],
    )
    .replace("[configmaps, pods, gadgets]", "[sandboxes]");
    let mut want = request.object.to_owned_json();
    if let Some(Json::Object(metadata)) = want.get_mut("metadata") {
        metadata.insert("labels", json(r#"{"of":"us"}"#));
    }
    catalog::get(&request.kind)
        .expect("known")
        .default(&mut want);
    assert_eq!(changed(&text, &request), want);
    assert_ne!(want.get("spec"), request.object.get("spec"));
}
