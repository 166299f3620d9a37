//! Conditions, budgets, messages, variables, audit annotations.

use super::*;

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
