use super::*;
use crate::model::gvk::Gvr;
use crate::model::request::Request;
use crate::policy::judge::judge;
use crate::policy::mutate::mutate;
use crate::policy::profiles::manifest;
use crate::policy::testing::{create, json, mistakes, namespace, policy, set, sources};

const OBJECT: &str = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"ns"},"data":{"a":"1"}}"#;

const PROFILE: &str = "---
apiVersion: sandfence.dev/v1alpha1
kind: GuardrailProfile
metadata: {name: strict}
spec: {}
---
apiVersion: sandfence.dev/v1alpha1
kind: GuardrailProfile
metadata: {name: soft}
spec:
  enforcement: Audit
  namespaceSelector: {matchLabels: {env: test}}
";

/// A validating and a mutating policy that take profiles, unbound.
fn guarded() -> String {
    let guard = policy(
        "paramKind: {apiVersion: sandfence.dev/v1alpha1, kind: GuardrailProfile}\nvalidations:\n- {expression: 'false', messageExpression: params.metadata.name + ' says no'}",
        "Deny",
    );
    let validating = guard.split("---").next().expect("policy");
    let mutating = "apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: m}
spec:
  reinvocationPolicy: Never
  paramKind: {apiVersion: sandfence.dev/v1alpha1, kind: GuardrailProfile}
  matchConstraints:
    resourceRules:
    - {apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {expression: 'Object{data: {\"by\": string(params.metadata.name)}}'}
";
    format!("{validating}---\n{mutating}")
}

#[test]
fn every_profile_binds_every_guardrail() {
    let set = set(&format!("{}{PROFILE}", guarded()));
    let names: Vec<&str> = set
        .bindings()
        .map(|binding| binding.name.as_str())
        .collect();
    // Only profiles that deny may change objects.
    assert_eq!(names, ["p-soft", "p-strict", "m-strict"]);
    assert_eq!(set.notes(), Vec::<String>::new());

    let verdict = judge(&set, &create(OBJECT));
    let got: Vec<_> = verdict
        .findings
        .iter()
        .map(|f| {
            (
                f.binding.as_deref().unwrap_or_default(),
                f.message.as_str(),
                f.denies,
            )
        })
        .collect();
    assert_eq!(
        got,
        [
            ("p-soft", "soft says no", false),
            ("p-strict", "strict says no", true)
        ]
    );
    let mutated = mutate(&set, &create(OBJECT));
    assert_eq!(
        mutated.object.expect("changed").get("data"),
        Some(&json(r#"{"a":"1","by":"strict"}"#))
    );
}

#[test]
fn profiles_never_cover_exempt_namespaces() {
    let set = set(&format!("{}{PROFILE}", guarded()));
    for name in EXEMPT_NAMESPACES {
        let mut request = create(OBJECT);
        request.namespace = name.to_owned();
        request.namespace_object = Some(namespace(name, &[("env", "test")]));
        assert_eq!(judge(&set, &request).findings, [], "{name}");
    }
    let settings = Settings {
        exempt_namespaces: vec!["ns".to_owned()],
        ..Settings::default()
    };
    let text = format!("{}{PROFILE}", guarded());
    let set = Set::build(sources(&text), &settings).expect("valid");
    assert_eq!(judge(&set, &create(OBJECT)).findings, []);
}

#[test]
fn bindings_of_profiles_have_a_manifest() {
    let set = set(&format!("{}{PROFILE}", guarded()));
    let manifests: Vec<_> = set.bindings().map(manifest).collect();
    assert_eq!(
        manifests[0],
        json(
            r#"{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding","metadata":{"name":"p-soft"},"spec":{
                "policyName":"p","validationActions":["Audit"],
                "paramRef":{"name":"soft","parameterNotFoundAction":"Deny"},
                "matchResources":{"namespaceSelector":{"matchLabels":{"env":"test"},"matchExpressions":[
                    {"key":"kubernetes.io/metadata.name","operator":"NotIn","values":["kube-system","kube-public","kube-node-lease","sandfence-system"]}]}}}}"#
        )
    );
    assert_eq!(
        manifests[2].get("kind").and_then(Json::as_str),
        Some("MutatingAdmissionPolicyBinding")
    );
    assert_eq!(manifests[2].at(&["spec", "validationActions"]), None);
}

#[test]
fn an_explicit_binding_takes_the_place_of_the_profiles() {
    let explicit = "---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {name: own}\nspec: {policyName: p, validationActions: [Warn], paramRef: {name: soft, parameterNotFoundAction: Deny}}\n";
    let set = set(&format!("{}{PROFILE}{explicit}", guarded()));
    let names: Vec<&str> = set
        .bindings()
        .map(|binding| binding.name.as_str())
        .collect();
    assert_eq!(names, ["own", "m-strict"]);
}

#[test]
fn what_has_no_effect_is_noted() {
    let lonely = policy("validations:\n- expression: 'false'", "Deny")
        .replace("policyName: p,", "policyName: q,");
    let built = set(&format!(
        "{lonely}---\n{}",
        guarded().replace("name: p}", "name: g}")
    ));
    assert_eq!(
        built.notes(),
        [
            "MutatingAdmissionPolicy/m, ValidatingAdmissionPolicy/g do nothing: no guardrail profile is in force",
            "ValidatingAdmissionPolicy/p does nothing: no binding names it",
            "binding b does nothing: its policy q is not loaded",
        ]
    );
    assert_eq!(judge(&built, &create(OBJECT)).findings, []);
    assert_eq!(built.policies().count(), 3);
    assert!(built.policy("p", false).is_some() && built.policy("p", true).is_none());
    let soft = PROFILE.split("---\n").nth(2).expect("second");
    let soft_only = set(&format!("{}---\n{soft}", guarded()));
    assert_eq!(
        soft_only.notes(),
        ["MutatingAdmissionPolicy/m does nothing: no guardrail profile has enforcement Deny"]
    );
}

#[test]
fn a_set_is_taken_whole_or_not_at_all_with_every_mistake() {
    let text = format!(
        "{}---\n{}",
        policy("validations:\n- expression: nope", "Deny"),
        policy(
            "validations:\n- expression: object.a\n- expression: 1 +",
            "Block"
        )
        .replace("name: p}", "name: q}")
    );
    let lines = mistakes(&text);
    let subjects: Vec<_> = lines
        .iter()
        .filter_map(|line| line.split(": ").nth(1))
        .collect();
    assert_eq!(
        subjects,
        [
            "ValidatingAdmissionPolicyBinding/b",
            "ValidatingAdmissionPolicy/p",
            "ValidatingAdmissionPolicy/q",
            "ValidatingAdmissionPolicy/q"
        ]
    );
}

#[test]
fn names_are_unique() {
    let one = policy("validations:\n- expression: 'true'", "Deny");
    let profile = PROFILE.replace("soft", "strict");
    assert_eq!(
        mistakes(&format!("{one}---\n{one}{profile}")),
        [
            "p.yaml:18:12: ValidatingAdmissionPolicy/p: metadata.name: another validating policy \"p\" is in p.yaml:1: remove or rename one",
            "p.yaml:28:12: ValidatingAdmissionPolicyBinding/b: metadata.name: another binding of validating policies \"b\" is in p.yaml:11: remove or rename one",
            "p.yaml:38:12: GuardrailProfile/strict: metadata.name: another profile \"strict\" is in p.yaml:31: remove or rename one",
        ]
    );
}

#[test]
fn profiles_are_checked() {
    let text = "apiVersion: sandfence.dev/v1alpha1
kind: GuardrailProfile
metadata: {name: x}
spec:
  enforcement: Block
  runtimeClas: {}
  namespaceSelector: {matchLabel: {}}
";
    assert_eq!(
        mistakes(text),
        [
            "p.yaml:7:23: GuardrailProfile/x: spec.namespaceSelector.matchLabel: unknown field, did you mean \"matchLabels\"?",
            "p.yaml:6:3: GuardrailProfile/x: spec.runtimeClas: unknown field, did you mean \"runtimeClass\"?",
            "p.yaml:5:3: GuardrailProfile/x: spec.enforcement: Unsupported value: \"Block\": supported values: \"Deny\", \"Warn\", \"Audit\"",
        ]
    );
}

#[test]
fn the_fingerprint_depends_on_meaning_alone() {
    let text = policy("validations:\n- expression: 'true'", "Deny");
    let print = |objects: Vec<Sourced>| {
        Set::build(objects, &Settings::default())
            .expect("valid")
            .fingerprint()
            .to_owned()
    };
    let base = print(sources(&text));
    assert_eq!(base.len(), 16);
    let mut turned = sources(&text);
    turned.reverse();
    assert_eq!(print(turned), base);
    let noisy = text.replace(
        "{name: p}",
        "{name: p, uid: u, resourceVersion: '7', generation: 2}",
    );
    assert_eq!(print(sources(&noisy)), base);
    assert_ne!(print(sources(&text.replace("'true'", "'false'"))), base);
    assert_ne!(print(sources(&text.replace("[Deny]", "[Warn]"))), base);
}

#[test]
fn demands_say_what_a_webhook_must_see() {
    let text = policy(
        "
failurePolicy: Ignore
paramKind: {apiVersion: v1, kind: ConfigMap}
matchConditions:
- {name: user, expression: request.userInfo.username != 'x'}
- {name: params, expression: params == null}
- {name: namespace, expression: 'has(object.a) || namespaceObject == null'}
- {name: field, expression: 'object.params == 1'}
validations:
- expression: 'true'
",
        "Deny",
    );
    let unbound =
        policy("validations:\n- expression: 'true'", "Deny").replace("name: p}", "name: u}");
    let unbound = unbound.split("---").next().expect("policy");
    let demands = set(&format!("{text}---\n{unbound}")).demands();
    assert_eq!(demands.len(), 1);
    let Demand {
        policy,
        mutating,
        constraints,
        conditions,
        failure,
    } = &demands[0];
    assert_eq!(
        (policy.as_str(), *mutating, *failure),
        ("p", false, FailurePolicy::Ignore)
    );
    assert_eq!(constraints.rules[0].resources, ["configmaps", "namespaces"]);
    let names: Vec<&str> = conditions
        .iter()
        .map(|condition| condition.name.as_str())
        .collect();
    assert_eq!(names, ["user", "field"]);
}

#[test]
fn a_sandbox_policy_is_in_force_by_itself() {
    let text = "apiVersion: sandfence.dev/v1alpha1
kind: SandboxPolicy
metadata: {name: s}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}
  paramKind: {apiVersion: v1, kind: ConfigMap}
  paramRef: {name: limits, namespace: cfg, parameterNotFoundAction: Deny}
  validations:
  - expression: object.data.a == params.data.a
    message: not the limit
---
apiVersion: v1
kind: ConfigMap
metadata: {name: limits, namespace: cfg}
data: {a: '2'}
";
    let set = set(text);
    let verdict = judge(&set, &create(OBJECT));
    assert_eq!(verdict.findings.len(), 1);
    assert_eq!(
        verdict.findings[0].denial(),
        "ValidatingAdmissionPolicy 's' with binding 's' denied request: not the limit"
    );
    let other = Request::create(Gvr::new("v1", "secrets"), json(OBJECT));
    assert_eq!(judge(&set, &other), Default::default());
}
