mod inputs;
mod phases;

use std::collections::BTreeMap;

use super::*;
use crate::model::json::Json;
use crate::model::request::Operation;
use crate::model::verdict::Action;
use crate::policy::testing::{create, json, namespace, policy, set, update};

const OBJECT: &str = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"ns"},"data":{"a":"1"}}"#;

/// A finding of policy `p` and binding `b`.
fn finding(rule: Rule, outcome: Outcome, actions: &[Action], message: &str) -> Finding {
    Finding {
        policy: "p".to_owned(),
        binding: Some("b".to_owned()),
        param: None,
        rule,
        actions: actions.to_vec(),
        outcome,
        denies: actions.contains(&Action::Deny) && outcome != Outcome::Pass,
        message: message.to_owned(),
        reason: Reason::Invalid,
        blame: None,
    }
}

/// The verdict without blame, which has its own tests.
fn judged(text: &str, request: &Request<'_>) -> Verdict {
    let mut verdict = judge(&set(text), request);
    for finding in &mut verdict.findings {
        finding.blame = None;
    }
    verdict
}

/// Messages of all findings.
fn messages(text: &str, request: &Request<'_>) -> Vec<String> {
    let verdict = judged(text, request);
    verdict
        .findings
        .into_iter()
        .map(|finding| finding.message)
        .collect()
}

#[test]
fn every_rule_is_judged_and_the_first_failure_shapes_the_status() {
    let text = policy(
        r"
validations:
- {expression: 'true'}
- {expression: 'object.data.a == ''2''', message: ' too small ', reason: Forbidden}
- {expression: 'object.data.b == ''2'''}
- {expression: 'has(object.spec)', messageExpression: '''no spec in '' + object.metadata.name'}
",
        "Deny",
    );
    let deny = [Action::Deny];
    let mut forbidden = finding(Rule::Validation(1), Outcome::Fail, &deny, "too small");
    forbidden.reason = Reason::Forbidden;
    let verdict = judged(&text, &create(OBJECT));
    assert_eq!(
        verdict,
        Verdict {
            findings: vec![
                forbidden,
                finding(
                    Rule::Validation(2),
                    Outcome::Error,
                    &deny,
                    "expression 'object.data.b == '2'' resulted in error: no such key: b"
                ),
                finding(Rule::Validation(3), Outcome::Fail, &deny, "no spec in c"),
            ],
            passed: 1,
            ..Verdict::default()
        }
    );
    let first = verdict.denials().next().expect("denied");
    assert_eq!(
        first.denial(),
        "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: too small"
    );
}

#[test]
fn a_failed_validation_is_invalid_unless_it_says_otherwise() {
    let text = policy("validations:\n- {expression: 'false'}", "Deny");
    let verdict = judged(&text, &create(OBJECT));
    assert_eq!(verdict.findings[0].message, "failed expression: false");
    assert_eq!(verdict.findings[0].reason.code(), 422);
}

#[test]
fn actions_decide_what_a_failure_leads_to() {
    let spec = "validations:\n- {expression: 'false', message: 'a <b> & \"c\"'}\n- {expression: 'false', message: m}";
    let warning = |message: &str| {
        format!("Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': {message}")
    };
    let audit = |actions: &str| {
        let value = format!(
            "[{{\"message\":\"a \\u003cb\\u003e \\u0026 \\\"c\\\"\",\"policy\":\"p\",\"binding\":\"b\",\"expressionIndex\":0,\"validationActions\":[{actions}]}}]"
        );
        BTreeMap::from([(FAILURE_ANNOTATION.to_owned(), value)])
    };
    let warnings = vec![warning("a <b> & \"c\""), warning("m")];
    let cases = [
        ("Deny", false, vec![], BTreeMap::new()),
        ("Warn", true, warnings.clone(), BTreeMap::new()),
        ("Audit", true, vec![], audit("\"Audit\"")),
        ("Deny, Audit", false, vec![], audit("\"Deny\",\"Audit\"")),
        ("Audit, Warn", true, warnings, audit("\"Audit\",\"Warn\"")),
    ];
    for (actions, allowed, warnings, annotations) in cases {
        let verdict = judged(&policy(spec, actions), &create(OBJECT));
        assert_eq!(verdict.allowed(), allowed, "{actions}");
        assert_eq!(verdict.warnings, warnings, "{actions}");
        assert_eq!(verdict.audit_annotations, annotations, "{actions}");
        assert_eq!(verdict.findings.len(), 2, "{actions}");
        assert!(verdict.findings[0].actions.is_sorted());
    }
}

#[test]
fn errors_obey_the_actions_under_fail_and_vanish_under_ignore() {
    let spec = |failure: &str| {
        format!("failurePolicy: {failure}\nvalidations:\n- {{expression: 'object.x.y == 1'}}")
    };
    let message = "expression 'object.x.y == 1' resulted in error: no such key: x";
    let warn = judged(&policy(&spec("Fail"), "Warn"), &create(OBJECT));
    assert!(warn.allowed());
    assert_eq!(warn.warnings.len(), 1);
    let ignored = judged(&policy(&spec("Ignore"), "Deny, Audit"), &create(OBJECT));
    let mut want = finding(
        Rule::Validation(0),
        Outcome::Error,
        &[Action::Deny, Action::Audit],
        message,
    );
    want.denies = false;
    assert_eq!(
        ignored,
        Verdict {
            findings: vec![want],
            ..Verdict::default()
        }
    );
}

#[test]
fn configuration_errors_ignore_the_actions() {
    let text = |failure: &str| {
        format!(
            "{}---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {{name: c}}\nspec:\n  policyName: p\n  validationActions: [Audit]\n  matchResources: {{namespaceSelector: {{matchLabels: {{a: b}}}}}}\n",
            policy(
                &format!("failurePolicy: {failure}\nparamKind: {{apiVersion: v1, kind: Secret}}\nvalidations:\n- expression: 'true'"),
                "Warn"
            )
            .replace(
                "validationActions: [Warn]",
                "validationActions: [Warn], paramRef: {name: x, parameterNotFoundAction: Deny}"
            )
        )
    };
    let mut request = create(OBJECT);
    request.namespace_object = None;
    let mut first = finding(
        Rule::Policy,
        Outcome::Error,
        &[Action::Warn],
        "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
    );
    first.denies = true;
    let mut second = finding(
        Rule::Policy,
        Outcome::Error,
        &[Action::Audit],
        "failed to configure binding: namespaces \"ns\" not found",
    );
    second.binding = Some("c".to_owned());
    second.denies = true;
    let verdict = judged(&text("Fail"), &request);
    assert_eq!(verdict.findings, [first, second]);
    assert!(!verdict.allowed());
    assert_eq!(
        (verdict.warnings.len(), verdict.audit_annotations.len()),
        (0, 0)
    );
    assert!(judged(&text("Ignore"), &request).allowed());
}

#[test]
fn a_policy_that_cannot_be_matched_names_no_binding() {
    let text = policy("validations:\n- expression: 'true'", "Warn").replace(
        "    resourceRules:",
        "    namespaceSelector: {matchLabels: {a: b}}\n    resourceRules:",
    );
    let mut request = create(OBJECT);
    request.namespace_object = None;
    let verdict = judged(&text, &request);
    let only = &verdict.findings[0];
    assert_eq!(
        (only.denial(), only.denies),
        (
            "ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: namespaces \"ns\" not found"
                .to_owned(),
            true
        )
    );
}

#[test]
fn reviews_and_policies_are_never_judged() {
    let text = policy("validations:\n- expression: 'false'", "Deny").replace(
        "apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: [configmaps, namespaces]",
        "apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*']",
    );
    let set = set(&text);
    let judged = |group: &str, resource: &str| {
        let mut request = create(OBJECT);
        request.resource.group = group.to_owned();
        request.resource.resource = resource.to_owned();
        judge(&set, &request).findings.len()
    };
    for (group, resource, count) in [
        ("authentication.k8s.io", "tokenreviews", 0),
        ("authentication.k8s.io", "selfsubjectreviews", 0),
        ("authorization.k8s.io", "subjectaccessreviews", 0),
        ("authorization.k8s.io", "localsubjectaccessreviews", 0),
        (
            "admissionregistration.k8s.io",
            "validatingadmissionpolicies",
            0,
        ),
        (
            "admissionregistration.k8s.io",
            "mutatingadmissionpolicybindings",
            0,
        ),
        (
            "admissionregistration.k8s.io",
            "validatingwebhookconfigurations",
            1,
        ),
        ("", "pods", 1),
    ] {
        assert_eq!(judged(group, resource), count, "{resource}.{group}");
    }
}

#[test]
fn policies_bindings_and_parameters_are_judged_in_order_of_name() {
    let one = policy("validations:\n- {expression: 'false', message: m}", "Warn");
    let text = [("z", "a"), ("m", "c"), ("m2", "x")]
        .map(|(policy, binding)| {
            one.replace("name: p}", &format!("name: {policy}}}"))
                .replace("policyName: p,", &format!("policyName: {policy},"))
                .replace("name: b}", &format!("name: {binding}}}"))
        })
        .join("---\n");
    let more = "---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {name: b0}\nspec: {policyName: m, validationActions: [Deny]}\n";
    let verdict = judged(&format!("{text}{more}"), &create(OBJECT));
    let order: Vec<_> = verdict
        .findings
        .iter()
        .map(|f| (f.policy.as_str(), f.binding.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(order, [("m", "b0"), ("m", "c"), ("m2", "x"), ("z", "a")]);
}

#[test]
fn all_rules_are_listed_on_request() {
    let spec = "matchConditions:\n- {name: is-one, expression: 'object.data.a == ''1'''}\nvalidations:\n- {expression: 'true'}\n- {expression: 'false', message: m}";
    let set = set(&policy(spec, "Deny"));
    let outcomes = |object: &str| -> Vec<(Rule, Outcome)> {
        let verdict = judge_all(&set, &create(object));
        verdict
            .findings
            .into_iter()
            .map(|f| (f.rule, f.outcome))
            .collect()
    };
    assert_eq!(
        outcomes(OBJECT),
        [
            (Rule::Validation(0), Outcome::Pass),
            (Rule::Validation(1), Outcome::Fail)
        ]
    );
    assert_eq!(
        outcomes(&OBJECT.replace("\"1\"", "\"2\"")),
        [(Rule::Policy, Outcome::Skip)]
    );
}

#[test]
fn warnings_are_settled_as_the_api_server_does() {
    let long = |n: usize| n.to_string().repeat(300);
    let many: Vec<String> = (1..=9).map(long).chain((10..30).map(long)).collect();
    let cases = [
        (vec!["a", "b", "a", ""], vec!["a", "b"]),
        (vec!["a\tb", "c\u{7f}", "d"], vec!["d"]),
    ];
    for (given, want) in cases {
        let given = given.into_iter().map(str::to_owned).collect();
        assert_eq!(settle(given), want);
    }
    let settled = settle(many);
    assert!(settled.iter().all(|warning| warning.chars().count() == 256));
    assert_eq!(settled.len(), 16);
}
