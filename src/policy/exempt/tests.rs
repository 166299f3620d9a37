use super::*;
use crate::model::gvk::{Gvk, Gvr};
use crate::policy::testing::{create, namespace, policy, set};

const OBJECT: &str = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}"#;

/// A guardrail over ConfigMaps, bound by a profile for namespaces with `env=test`, and the same policy twice over for
/// the mutating side and without profiles.
fn guarded() -> Set {
    let guard = policy(
        "paramKind: {apiVersion: sandfence.dev/v1alpha1, kind: GuardrailProfile}\nvalidations:\n- expression: 'false'",
        "Deny",
    );
    let guard = guard.split("---").next().expect("policy");
    set(&format!(
        "{guard}---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {{name: m}}
spec:
  reinvocationPolicy: Never
  paramKind: {{apiVersion: sandfence.dev/v1alpha1, kind: GuardrailProfile}}
  matchConstraints:
    resourceRules:
    - {{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}}
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {{expression: 'Object{{}}'}}
---
apiVersion: sandfence.dev/v1alpha1
kind: GuardrailProfile
metadata: {{name: strict}}
spec: {{namespaceSelector: {{matchLabels: {{env: test}}}}}}
"
    ))
}

fn in_namespace(name: &str, labels: &[(&str, &str)]) -> Request<'static> {
    let mut request = create(OBJECT);
    request.namespace = name.to_owned();
    request.namespace_object = Some(namespace(name, labels));
    request
}

#[test]
fn namespaces_that_profiles_spare_are_exempt_by_name() {
    let set = guarded();
    let exempt = exemption(&set, &in_namespace("kube-system", &[("env", "test")]));
    assert_eq!(
        exempt,
        Some(Exempt {
            because: Exemption::Namespace("kube-system".to_owned()),
            policies: vec!["m".to_owned(), "p".to_owned()],
        })
    );
    // No profile would cover it anyway.
    assert_eq!(exemption(&set, &in_namespace("kube-system", &[])), None);
    assert_eq!(
        exemption(&set, &in_namespace("team", &[("env", "test")])),
        None
    );
    let mut other = in_namespace("kube-system", &[("env", "test")]);
    other.resource = Gvr::new("v1", "secrets");
    assert_eq!(exemption(&set, &other), None, "no policy is about it");
}

#[test]
fn what_an_explicit_binding_judges_is_not_exempt() {
    let set = set(&policy("validations:\n- expression: 'false'", "Deny"));
    assert_eq!(exemption(&set, &in_namespace("kube-system", &[])), None);
}

#[test]
fn resources_that_no_policy_sees_are_exempt() {
    let text = policy("validations:\n- expression: 'false'", "Deny")
        .replace("apiGroups: ['']", "apiGroups: ['*']")
        .replace("resources: [configmaps, namespaces]", "resources: ['*']");
    let set = set(&text);
    let mut request = create(OBJECT);
    request.namespace = String::new();
    request.namespace_object = None;
    request.kind = Gvk::new(
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicy",
    );
    request.resource = Gvr::new(
        "admissionregistration.k8s.io/v1",
        "validatingadmissionpolicies",
    );
    let exempt = exemption(&set, &request).expect("exempt");
    assert_eq!(exempt.policies, ["p"]);
    assert_eq!(
        exempt.because.to_string(),
        "no admission policy ever judges validatingadmissionpolicies.admissionregistration.k8s.io"
    );
}
