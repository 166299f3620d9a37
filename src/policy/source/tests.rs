mod fields;

use super::*;
use crate::policy::testing::{mistakes, policy, sources};

/// The mistakes of a text, places cut off.
fn fields(text: &str) -> Vec<String> {
    mistakes(text)
        .into_iter()
        .map(|line| line.splitn(3, ": ").nth(2).unwrap_or_default().to_owned())
        .collect()
}

fn read_one(text: &str) -> Item {
    let sources = sources(text);
    match read(&sources[0]) {
        Ok(item) => item,
        Err(diagnostics) => panic!("{diagnostics:?}"),
    }
}

#[test]
fn defaults_are_applied_in_every_version() {
    for version in ["v1", "v1beta1", "v1alpha1"] {
        let text = policy("validations:\n- expression: 'true'", "Deny")
            .replace("k8s.io/v1", &format!("k8s.io/{version}"));
        let Item::Policy(policy, None) = read_one(&text) else {
            panic!("a policy");
        };
        assert_eq!(policy.failure, FailurePolicy::Fail);
        assert_eq!(policy.constraints.rules[0].scope, RuleScope::All);
        assert!(!policy.constraints.exact);
        assert!(policy.constraints.namespace_selector.is_empty());
    }
    let binding = |version: &str| {
        format!(
            "apiVersion: admissionregistration.k8s.io/{version}\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {{name: b}}\nspec: {{policyName: p, validationActions: [Audit, Deny], paramRef: {{name: x}}}}\n"
        )
    };
    let Item::Binding(old) = read_one(&binding("v1alpha1")) else {
        panic!("a binding");
    };
    assert_eq!(
        old.param_ref,
        Some(ParamRef {
            pick: ParamPick::Name("x".to_owned()),
            namespace: None,
            not_found: NotFound::Deny,
        })
    );
    assert_eq!(old.actions, [Action::Audit, Action::Deny]);
    assert_eq!(
        fields(&binding("v1")),
        ["spec.paramRef.parameterNotFoundAction: a value is required: Allow or Deny"]
    );
}

fn sandbox_policy(spec: &str) -> String {
    format!(
        "apiVersion: sandfence.dev/v1alpha1\nkind: SandboxPolicy\nmetadata: {{name: s, annotations: {{sandfence.dev/rules: 'one, two'}}}}\nspec:\n  matchConstraints:\n    resourceRules:\n    - {{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [a]}}\n  {}\n",
        spec.replace('\n', "\n  ")
    )
}

#[test]
fn a_sandbox_policy_carries_its_binding_and_what_reports_say() {
    let text = sandbox_policy(
        "severity: High\ncategory: isolation\ntitle: T\nremediation: R\ncontrols: [C-1]\nvalidationActions: [Warn]\nvalidations:\n- expression: 'true'",
    );
    let Item::Policy(policy, Some(binding)) = read_one(&text) else {
        panic!("a policy with binding");
    };
    assert_eq!(
        policy.about,
        About {
            title: Some("T".to_owned()),
            category: Some("isolation".to_owned()),
            severity: Some(Severity::High),
            remediation: Some("R".to_owned()),
            controls: vec!["C-1".to_owned()],
            rules: vec!["one".to_owned(), "two".to_owned()],
        }
    );
    assert_eq!(policy.rule_name(&Rule::Validation(1)), Some("two"));
    assert_eq!((binding.name.as_str(), binding.policy.as_str()), ("s", "s"));
    assert_eq!(binding.actions, [Action::Warn]);

    let Item::Policy(_, Some(binding)) =
        read_one(&sandbox_policy("validations:\n- expression: 'true'"))
    else {
        panic!("a policy with binding");
    };
    assert_eq!(binding.actions, [Action::Deny]);
    let mutation = "mutations:\n- {patchType: ApplyConfiguration, applyConfiguration: {expression: 'Object{}'}}";
    let Item::Policy(policy, Some(binding)) = read_one(&sandbox_policy(mutation)) else {
        panic!("a policy with binding");
    };
    assert!(policy.mutates() && binding.mutating && binding.actions.is_empty());
}

#[test]
fn sandbox_policies_are_checked() {
    let rule = "validations:\n- expression: 'true'";
    let cases: [(String, &[&str]); 6] = [
        (
            format!("severity: Bad\n{rule}"),
            &["spec.severity: expected one of info, low, medium, high, critical, found \"bad\""],
        ),
        (
            format!("lookups:\n- {{name: a}}\n{rule}"),
            &[
                "spec.lookups: lookups are not supported yet: remove them, or pass the object as a parameter",
            ],
        ),
        (
            format!("reinvocationPolicy: Never\n{rule}"),
            &["spec.reinvocationPolicy: only a policy with mutations can have this field"],
        ),
        (
            format!(
                "mutations:\n- {{patchType: ApplyConfiguration, applyConfiguration: {{expression: 'Object{{}}'}}}}\n{rule}"
            ),
            &["spec.validations: a policy with mutations cannot have this field"],
        ),
        (
            format!("paramRef: {{name: x, parameterNotFoundAction: Deny}}\n{rule}"),
            &["spec.paramRef: paramKind and paramRef belong together"],
        ),
        (
            format!("paramKind: {{apiVersion: v1, kind: ConfigMap}}\n{rule}"),
            &["spec.paramRef: a value is required: paramKind and paramRef belong together"],
        ),
    ];
    for (spec, want) in cases {
        assert_eq!(fields(&sandbox_policy(&spec)), want, "{spec}");
    }
}

#[test]
fn objects_are_checked_as_a_whole() {
    let text = "apiVersion: admissionregistration.k8s.io/v2\nkind: ValidatingAdmissionPolicy\nmetadata: {name: UP, label: {}}\ndata: 1\n";
    assert_eq!(
        mistakes(text),
        [
            "p.yaml:4:1: ValidatingAdmissionPolicy/UP: data: unknown field",
            "p.yaml:1:1: ValidatingAdmissionPolicy/UP: apiVersion: version \"v2\" is not known; known versions of admissionregistration.k8s.io: v1, v1beta1, v1alpha1",
            "p.yaml:3:22: ValidatingAdmissionPolicy/UP: metadata.label: unknown field, did you mean \"labels\"?",
            "p.yaml:3:12: ValidatingAdmissionPolicy/UP: metadata.name: \"UP\" must be lower-case letters, digits, '-' or '.', start and end with a letter or digit, and have at most 253 characters",
            "p.yaml:1:1: ValidatingAdmissionPolicy/UP: spec: a value is required",
        ]
    );
}

#[test]
fn mistakes_in_expressions_point_into_the_file() {
    let text = "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}
  validations:
  - expression: |
      object.data.a == '1' &&
        nope == 1 && object.x
  - expression: 'object.a == ''x'' && other'
  - expression: object.a
";
    let sources = sources(text);
    let diagnostics =
        crate::policy::set::Set::build(sources, &Default::default()).expect_err("invalid");
    let got: Vec<_> = diagnostics
        .iter()
        .map(|d| {
            let excerpt = d.excerpt.as_ref().expect("of a file");
            (d.to_string(), excerpt.line.trim(), excerpt.column)
        })
        .collect();
    let want = [
        (
            "p.yaml:11:9: ValidatingAdmissionPolicy/p: spec.validations[0].expression: undeclared reference to 'nope' (in container '')",
            "nope == 1 && object.x",
            9,
        ),
        (
            "p.yaml:12:39: ValidatingAdmissionPolicy/p: spec.validations[1].expression: undeclared reference to 'other' (in container '')",
            "- expression: 'object.a == ''x'' && other'",
            39,
        ),
        (
            "p.yaml:13:17: ValidatingAdmissionPolicy/p: spec.validations[2].expression: must evaluate to bool but got dyn",
            "- expression: object.a",
            17,
        ),
    ];
    assert_eq!(got.len(), want.len());
    for ((line, excerpt, column), (want_line, want_excerpt, want_column)) in got.iter().zip(want) {
        assert_eq!(
            (line.as_str(), *excerpt, *column),
            (want_line, want_excerpt, want_column)
        );
    }
}

#[test]
fn mistakes_in_objects_of_the_cluster_show_the_expression() {
    let mut sourced = sources(&policy(
        "validations:\n- expression: \"1 == 1 &&\\n nope\"",
        "Deny",
    ))
    .remove(0);
    sourced.origin = crate::policy::diagnostic::Origin::Cluster;
    let diagnostics =
        crate::policy::set::Set::build(vec![sourced], &Default::default()).expect_err("invalid");
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(
        diagnostics[0].to_string(),
        "ValidatingAdmissionPolicy/p: spec.validations[0].expression: undeclared reference to 'nope' (in container '')"
    );
    let excerpt = diagnostics[0].excerpt.as_ref().expect("of the expression");
    assert_eq!((excerpt.line.as_str(), excerpt.column), (" nope", 2));
}

#[test]
fn reports_find_their_words_in_annotations() {
    let text = policy("validations:\n- expression: 'true'", "Deny").replace(
        "metadata: {name: p}",
        "metadata: {name: p, annotations: {sandfence.dev/severity: critical, sandfence.dev/controls: 'A-1, B-2,', sandfence.dev/rules: first}}",
    );
    let Item::Policy(policy, None) = read_one(&text) else {
        panic!("a policy");
    };
    assert_eq!(policy.about.severity, Some(Severity::Critical));
    assert_eq!(policy.about.controls, ["A-1", "B-2"]);
    assert_eq!(policy.rule_name(&Rule::Validation(0)), Some("first"));
    assert_eq!(
        policy.rule_path(&Rule::Validation(0)).to_string(),
        "spec.validations[0].expression"
    );
    assert_eq!(
        fields(&text.replace("severity: critical", "severity: dire")),
        [
            "metadata.annotations['sandfence.dev/severity']: expected one of info, low, medium, high, critical, found \"dire\""
        ]
    );
}

#[test]
fn a_mistyped_kind_or_group_is_no_parameter() {
    let cases = [
        (
            "apiVersion: sandfence.dev/v1alpha1\nkind: GuardrialProfile\nmetadata: {name: x}\n",
            "p.yaml:2:1: GuardrialProfile/x: kind: unknown kind \"GuardrialProfile\", did you mean \"GuardrailProfile\"?",
        ),
        (
            "metadata: {name: x}\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmisionPolicy\n",
            "p.yaml:3:1: ValidatingAdmisionPolicy/x: kind: unknown kind \"ValidatingAdmisionPolicy\", did you mean \"ValidatingAdmissionPolicy\"?",
        ),
        (
            "apiVersion: sandfence.dev/v1alpha1\nkind: Fence\nmetadata: {name: x}\n",
            "p.yaml:2:1: Fence/x: kind: unknown kind \"Fence\"; kinds of sandfence.dev: SandboxPolicy, GuardrailProfile, PolicyException",
        ),
        (
            "apiVersion: admissionregistraton.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {name: x}\n",
            "p.yaml:1:1: ValidatingAdmissionPolicy/x: apiVersion: unknown group \"admissionregistraton.k8s.io\", did you mean \"admissionregistration.k8s.io\"?",
        ),
        (
            "apiVersion: v1\nKind: ConfigMap\nmetadata: {name: x}\n",
            "p.yaml:1:1: /x: kind: a value is required\np.yaml:2:1: /x: Kind: did you mean \"kind\"?",
        ),
        (
            "- not\n- an object\n",
            "p.yaml:1:1: /: expected an object with apiVersion and kind",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(mistakes(text).join("\n"), expected, "{text}");
    }
    for fine in [
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
        "apiVersion: example.com/v1\nkind: Policy\nmetadata: {name: x}\n",
        "apiVersion: sandfence.dev/v1alpha1\nkind: PolicyException\nmetadata: {name: x}\n",
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: x}\n",
    ] {
        assert_eq!(mistakes(fine), [] as [&str; 0], "{fine}");
    }
}
