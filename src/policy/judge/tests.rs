use std::collections::BTreeMap;

use super::*;
use crate::cel::lib::authz::{Access, Attributes, Authorizer, Decision as Allowed};
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

/// Whether one validation over `request` holds.
fn holds(expression: &str, request: &Request<'_>) -> bool {
    let spec = format!("validations:\n- expression: {expression:?}");
    let verdict = judged(&policy(&spec, "Deny"), request);
    if let Some(finding) = verdict.findings.first() {
        assert_eq!(
            finding.outcome,
            Outcome::Fail,
            "{expression}: {}",
            finding.message
        );
    }
    verdict.passed == 1
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
fn a_false_condition_beats_failing_ones() {
    let rules = "validations:\n- {expression: 'false', message: judged}";
    let conditions = |conditions: &str, failure: &str| {
        let spec = format!("failurePolicy: {failure}\nmatchConditions:\n{conditions}\n{rules}");
        messages(&policy(&spec, "Deny"), &create(OBJECT))
    };
    let yes = "- {name: holds, expression: 'true'}";
    let no = "- {name: fails, expression: 'object.data.a == ''2'''}";
    let broken = "- {name: broken, expression: 'object.z == 1'}";
    let twin = "- {name: twin, expression: 'object.z == 1'}";
    let other = "- {name: other, expression: 'object.q == 1'}";
    let error =
        |key: &str| format!("expression 'object.{key} == 1' resulted in error: no such key: {key}");
    let none: Vec<String> = Vec::new();
    assert_eq!(conditions(yes, "Fail"), ["judged"]);
    assert_eq!(conditions(&format!("{broken}\n{no}"), "Fail"), none);
    assert_eq!(
        conditions(&format!("{yes}\n{broken}\n{twin}"), "Fail"),
        [error("z")]
    );
    assert_eq!(
        conditions(&format!("{broken}\n{other}"), "Fail"),
        [format!("[{}, {}]", error("z"), error("q"))]
    );
    assert_eq!(conditions(broken, "Ignore"), none);
}

#[test]
fn conditions_see_no_namespace() {
    let spec = "matchConditions:\n- {name: a, expression: 'namespaceObject == null'}\nvalidations:\n- {expression: 'namespaceObject == null', message: seen}";
    assert_eq!(messages(&policy(spec, "Deny"), &create(OBJECT)), ["seen"]);
}

/// Nested loops over a list of this many elements.
fn heavy(elements: usize, result: &str) -> String {
    let list: Vec<String> = (0..elements).map(|n| n.to_string()).collect();
    let list = list.join(",");
    format!("[{list}].all(x, [{list}].all(y, x + y >= 0)) {result}")
}

/// Costs 750 thousand units and next to no time: a pattern over a long text.
fn costly(result: &str) -> String {
    let (text, pattern) = ("x".repeat(30_000), "y".repeat(1_000));
    format!("!'{text}'.matches('{pattern}') {result}")
}

#[test]
fn budgets_are_separate_for_each_phase() {
    let costly = costly("");
    let one = format!("- {{name: n0, expression: {costly:?}}}\n");
    let many = |count: usize| -> String {
        let lines = (0..count).map(|n| one.replace("n0", &format!("n{n}")));
        lines.collect()
    };
    let spec = |conditions: usize| {
        format!(
            "matchConditions:\n{}validations:\n- {{expression: 'false', message: judged}}",
            many(conditions)
        )
    };
    assert_eq!(
        messages(&policy(&spec(3), "Deny"), &create(OBJECT)),
        ["judged"]
    );
    let exhausted = "validation failed due to running out of cost budget, no further validation rules will be run";
    assert_eq!(
        messages(&policy(&spec(4), "Deny"), &create(OBJECT)),
        [exhausted]
    );

    let rules = |count: usize| {
        let rules: String = (0..count)
            .map(|_| format!("- expression: {costly:?}\n"))
            .collect();
        format!("validations:\n{rules}")
    };
    assert_eq!(
        judged(&policy(&rules(13), "Deny"), &create(OBJECT)).passed,
        13
    );
    let verdict = judged(&policy(&rules(14), "Deny"), &create(OBJECT));
    assert_eq!(
        verdict,
        Verdict {
            findings: vec![finding(
                Rule::Policy,
                Outcome::Error,
                &[Action::Deny],
                exhausted
            )],
            ..Verdict::default()
        }
    );
}

#[test]
fn one_run_has_its_own_limit() {
    let expression = heavy(700, "");
    let spec = format!(
        "validations:\n- expression: {expression:?}\n- {{expression: 'false', message: next}}"
    );
    assert_eq!(
        messages(&policy(&spec, "Deny"), &create(OBJECT)),
        [
            format!(
                "expression '{expression}' resulted in error: operation cancelled: actual cost limit exceeded"
            ),
            "next".to_owned()
        ]
    );
}

#[test]
fn messages_of_rules_that_hold_can_exhaust_the_budget() {
    let costly = costly("? 'a' : 'b'");
    let rule = format!("- {{expression: 'true', messageExpression: {costly:?}}}\n");
    let spec = |count: usize| format!("validations:\n{}", rule.repeat(count));
    assert_eq!(
        judged(&policy(&spec(13), "Deny"), &create(OBJECT)).passed,
        13
    );
    let verdict = judged(&policy(&spec(14), "Deny"), &create(OBJECT));
    assert_eq!(verdict.passed, 0);
    assert_eq!(verdict.findings.len(), 14);
    assert_eq!(
        verdict.findings[3],
        finding(
            Rule::Validation(3),
            Outcome::Error,
            &[Action::Deny],
            "failed messageExpression: validation failed due to running out of cost budget, no further validation rules will be run"
        )
    );
}

#[test]
fn the_message_falls_back_from_computed_to_fixed_to_expression() {
    let long = "x".repeat(5121);
    let cases = [
        (
            "messageExpression: '\" computed \"', message: fixed".to_owned(),
            "computed",
        ),
        (
            "messageExpression: '\"\" + \" \"', message: fixed".to_owned(),
            "fixed",
        ),
        (
            "messageExpression: '\"a\\nb\"', message: fixed".to_owned(),
            "fixed",
        ),
        (
            "messageExpression: 'string(object.nowhere)', message: ' fixed '".to_owned(),
            "fixed",
        ),
        (
            format!("messageExpression: '\"{long}\"', message: fixed"),
            "fixed",
        ),
        (
            "messageExpression: 'string(object.nowhere)'".to_owned(),
            "failed expression: 1 == 2",
        ),
    ];
    for (message, want) in cases {
        let spec = format!("validations:\n- {{expression: ' 1 == 2 ', {message}}}");
        assert_eq!(
            messages(&policy(&spec, "Deny"), &create(OBJECT)),
            [want],
            "{message}"
        );
    }
}

#[test]
fn variables_are_lazy_remembered_and_of_their_own_cost() {
    let spec = "
variables:
- {name: a, expression: object.data.a}
- {name: broken, expression: object.data.zzz}
- {name: b, expression: variables.a + variables.a}
- {name: c, expression: variables.broken}
validations:
- {expression: 'variables.b == ''22''', messageExpression: '''b is '' + variables.b'}
- {expression: 'variables.c == 1'}
";
    assert_eq!(
        messages(&policy(spec, "Deny"), &create(OBJECT)),
        [
            "b is 11",
            "expression 'variables.c == 1' resulted in error: composited variable \"c\" fails to evaluate: composited variable \"broken\" fails to evaluate: no such key: zzz"
        ]
    );
}

#[test]
fn of_two_variables_with_one_name_the_later_counts() {
    let spec = "
variables:
- {name: a, expression: '1'}
- {name: b, expression: '2'}
- {name: a, expression: '''three'''}
validations:
- {expression: 'variables.a == ''three'' && variables.b == 2'}
";
    assert_eq!(judged(&policy(spec, "Deny"), &create(OBJECT)).passed, 1);
}

#[test]
fn audit_annotations_are_published_and_their_errors_deny() {
    let part = "y".repeat(4_000);
    let spec = format!(
        "failurePolicy: FAILURE\nauditAnnotations:\n- {{key: a, valueExpression: '\" v \"'}}\n- {{key: none, valueExpression: 'null'}}\n- {{key: blank, valueExpression: '\"  \"'}}\n- {{key: long, valueExpression: '[1,2,3].map(x, \"{part}\").join(\"\")'}}\n- {{key: bad, valueExpression: 'string(object.nowhere)'}}"
    );
    let published = BTreeMap::from([
        ("p/a".to_owned(), "v".to_owned()),
        ("p/long".to_owned(), "y".repeat(10_240)),
    ]);
    for (failure, denies) in [("Fail", true), ("Ignore", false)] {
        let text = policy(&spec.replace("FAILURE", failure), "Audit");
        let verdict = judged(&text, &create(OBJECT));
        let mut want = finding(
            Rule::AuditAnnotation(4),
            Outcome::Error,
            &[Action::Audit],
            "expression 'string(object.nowhere)' resulted in error: no such key: nowhere",
        );
        want.denies = denies;
        assert_eq!(
            verdict,
            Verdict {
                findings: vec![want],
                audit_annotations: published.clone(),
                ..Verdict::default()
            }
        );
    }
}

#[test]
fn annotations_of_several_bindings_are_joined() {
    let text = policy(
        "paramKind: {apiVersion: v1, kind: ConfigMap}\nauditAnnotations:\n- {key: k, valueExpression: string(params.data.x)}",
        "Deny",
    )
    .replace(
        "validationActions: [Deny]",
        "validationActions: [Deny], paramRef: {selector: {}, namespace: cfg, parameterNotFoundAction: Deny}",
    );
    let params = ["b: {x: one}", "a: {x: two}", "c: {x: one}"].map(|line| {
        let (name, data) = line.split_once(": ").expect("pair");
        format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: cfg}}\ndata: {data}\n")
    });
    let verdict = judged(&format!("{text}{}", params.join("")), &create(OBJECT));
    assert_eq!(
        verdict.audit_annotations,
        BTreeMap::from([("p/k".to_owned(), "two, one".to_owned())])
    );
}

#[test]
fn parameters_are_resolved_per_request() {
    let params = "---
apiVersion: v1
kind: ConfigMap
metadata: {name: x, namespace: ns, labels: {of: us}}
data: {max: in-ns}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: z, namespace: ns, labels: {of: us}}
data: {max: second}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: x, namespace: other}
data: {max: in-other}
---
apiVersion: sandfence.dev/v1alpha1
kind: Limit
metadata: {name: x}
";
    let spec = |kind: &str| {
        format!(
            "paramKind: {{apiVersion: {kind}}}\nvalidations:\n- expression: 'false'\n  messageExpression: 'params == null ? \"null\" : string(params.data.max)'"
        )
    };
    let configs = "v1, kind: ConfigMap";
    let cases: [(&str, &str, &str, &[&str]); 9] = [
        (configs, "", "ns", &["null"]),
        (
            configs,
            ", paramRef: {name: x, parameterNotFoundAction: Deny}",
            "ns",
            &["ns/x in-ns"],
        ),
        (
            configs,
            ", paramRef: {name: x, namespace: other, parameterNotFoundAction: Deny}",
            "ns",
            &["other/x in-other"],
        ),
        (
            configs,
            ", paramRef: {selector: {matchLabels: {of: us}}, parameterNotFoundAction: Deny}",
            "ns",
            &["ns/x in-ns", "ns/z second"],
        ),
        (
            configs,
            ", paramRef: {selector: {}, parameterNotFoundAction: Deny}",
            "other",
            &["other/x in-other"],
        ),
        (
            configs,
            ", paramRef: {name: q, parameterNotFoundAction: Allow}",
            "ns",
            &[],
        ),
        (
            configs,
            ", paramRef: {name: q, parameterNotFoundAction: Deny}",
            "ns",
            &[
                "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
            ],
        ),
        (
            configs,
            ", paramRef: {name: x, parameterNotFoundAction: Deny}",
            "",
            &[
                "failed to configure binding: cannot use namespaced paramRef in policy binding that matches cluster-scoped resources",
            ],
        ),
        (
            "sandfence.dev/v1alpha1, kind: Limit",
            ", paramRef: {name: x, namespace: ns, parameterNotFoundAction: Deny}",
            "ns",
            &[
                "failed to configure binding: paramRef.namespace must not be provided for a cluster-scoped `paramKind`",
            ],
        ),
    ];
    for (kind, reference, namespace_name, want) in cases {
        let text = policy(&spec(kind), "Deny").replace(
            "validationActions: [Deny]",
            &format!("validationActions: [Deny]{reference}"),
        );
        let mut request = create(OBJECT);
        request.namespace = namespace_name.to_owned();
        request.namespace_object =
            (!namespace_name.is_empty()).then(|| namespace(namespace_name, &[]));
        let verdict = judged(&format!("{text}{params}"), &request);
        let got: Vec<String> = verdict
            .findings
            .iter()
            .map(|finding| match &finding.param {
                Some(param) => format!("{param} {}", finding.message),
                None => finding.message.clone(),
            })
            .collect();
        assert_eq!(got, want, "{reference} in {namespace_name:?}");
    }
}

#[test]
fn a_reference_without_a_kind_is_ignored() {
    let text = policy("validations:\n- expression: 'true'", "Deny").replace(
        "validationActions: [Deny]",
        "validationActions: [Deny], paramRef: {name: q, parameterNotFoundAction: Deny}",
    );
    assert_eq!(judged(&text, &create(OBJECT)).passed, 1);
}

#[test]
fn request_shows_what_is_there_and_nothing_else() {
    let mut request = create(OBJECT);
    for expression in [
        "dyn(request.kind) == {'group': '', 'version': 'v1', 'kind': 'ConfigMap'}",
        "request.requestResource.resource == 'configmaps' && request.resource.group == ''",
        "request.name == 'c' && request.namespace == 'ns' && request.operation == 'CREATE'",
        "!has(request.subResource) && !has(request.requestSubResource)",
        "request.userInfo.username == 'ann' && request.userInfo.groups == ['dev']",
        "!has(request.userInfo.uid) && !has(request.userInfo.extra)",
        "request.dryRun == false && request.options.kind == 'CreateOptions'",
        "oldObject == null && has(object.data)",
        "namespaceObject.metadata.labels['env'] == 'test'",
    ] {
        assert!(holds(expression, &request), "{expression}");
    }
    request.name = String::new();
    request.namespace = String::new();
    request.namespace_object = None;
    request.sub_resource = Some("status".to_owned());
    request.user.extra = BTreeMap::from([("k".to_owned(), vec!["v".to_owned()])]);
    request.options = Json::Null;
    for expression in [
        "!has(request.name) && !has(request.namespace)",
        "request.subResource == 'status' && request.requestSubResource == 'status'",
        "request.userInfo.extra['k'] == ['v'] && request.options == null",
        "namespaceObject == null",
    ] {
        let spec = format!("validations:\n- expression: {expression:?}");
        let text = policy(&spec, "Deny").replace("[configmaps", "[configmaps/status, configmaps");
        assert_eq!(judged(&text, &request).passed, 1, "{expression}");
    }
}

#[test]
fn delete_and_connect_show_the_old_object_and_the_options() {
    let mut request = update(OBJECT, "null");
    request.operation = Operation::Delete;
    assert!(holds(
        "object == null && oldObject.metadata.name == 'c'",
        &request
    ));
    let mut request = create(r#"{"kind":"PodExecOptions","command":["sh"]}"#);
    request.operation = Operation::Connect;
    assert!(holds(
        "object.command == ['sh'] && oldObject == null",
        &request
    ));
}

#[test]
fn a_namespace_has_no_namespace_of_its_own() {
    let text = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"ns"}}"#;
    let mut request = create(text);
    request.kind.kind = "Namespace".to_owned();
    request.resource.resource = "namespaces".to_owned();
    assert!(holds(
        "namespaceObject == null && request.namespace == 'ns'",
        &request
    ));
}

#[test]
fn the_audit_phase_sees_the_whole_namespace() {
    let mut request = create(OBJECT);
    request.namespace_object = Some(std::sync::Arc::new(json(
        r#"{"metadata":{"name":"ns","managedFields":[]}}"#,
    )));
    let spec = "
validations:
- {expression: '!has(dyn(namespaceObject.metadata).managedFields)'}
auditAnnotations:
- {key: whole, valueExpression: 'string(has(dyn(namespaceObject.metadata).managedFields))'}
";
    let verdict = judged(&policy(spec, "Deny"), &request);
    assert_eq!((verdict.passed, verdict.findings), (1, vec![]));
    assert_eq!(verdict.audit_annotations["p/whole"], "true");
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

/// Allows `get` on pods to members of `dev`, nothing else.
#[derive(Debug)]
struct Pods;

impl Authorizer for Pods {
    fn check(&self, attributes: &Attributes) -> Allowed {
        let Access::Resource(access) = &attributes.access else {
            return Allowed::default();
        };
        let allowed = attributes.verb == "get"
            && matches!(access.resource.as_str(), "pods" | "configmaps")
            && attributes.user.groups.iter().any(|group| group == "dev");
        Allowed {
            allowed,
            ..Allowed::default()
        }
    }
}

#[test]
fn the_authorizer_is_asked_for_the_request_and_only_in_its_phases() {
    let spec = "
variables:
- {name: own, expression: authorizer.requestResource.check('get').allowed()}
matchConditions:
- {name: pods, expression: \"authorizer.group('').resource('pods').check('get').allowed()\"}
validations:
- {expression: 'variables.own && !authorizer.requestResource.check(\"update\").allowed()'}
- {expression: 'false', message: fixed, messageExpression: 'variables.own ? \"a\" : \"b\"'}
auditAnnotations:
- {key: k, valueExpression: 'string(variables.own)'}
";
    let set = set(&policy(spec, "Deny"));
    let resolvers = Resolvers {
        authorizer: Some(std::sync::Arc::new(Pods)),
    };
    let verdict = judge_with(&set, &create(OBJECT), &resolvers);
    let got: Vec<&str> = verdict
        .findings
        .iter()
        .map(|f| f.message.as_str())
        .collect();
    assert_eq!(
        got,
        [
            "fixed",
            "expression 'string(variables.own)' resulted in error: composited variable \"own\" fails to evaluate: no such attribute(s): authorizer.requestResource"
        ]
    );
    assert_eq!(verdict.passed, 1);
    assert_eq!(
        judge(&set, &create(OBJECT)).findings[0].message,
        "expression 'authorizer.group('').resource('pods').check('get').allowed()' resulted in error: no such attribute(s): authorizer"
    );
}
