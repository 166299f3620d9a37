use serde_json::{Value as Output, json};

use super::batch::{Reply, reply};
use super::review::Review;
use super::*;
use crate::model::json::Json;

/// What an expression comes to without variables.
fn shown(expression: &str, form: Form) -> Output {
    Output::Object(Setting::default().answer(expression, form).to_json())
}

/// The value of an expression in a form.
fn value(expression: &str, form: Form) -> Output {
    match Setting::default().answer(expression, form) {
        Answer::Evaluated {
            outcome: Ok(value), ..
        } => value,
        other => panic!("{expression}: {other:?}"),
    }
}

fn ask(line: &Output) -> Output {
    let line = line.to_string();
    let base = Setting::default();
    let Reply { text, .. } = reply(7, line.as_bytes(), &base, Form::Plain)
        .expect("an answer to a line that is not blank");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn values_are_written_as_the_expressions_that_make_them() {
    for text in [
        "1",
        "-1",
        "1u",
        "1.0",
        "1e+30",
        "0.5",
        "true",
        "null",
        "\"a\\\"\\\\\\n\\t\\u202e\\U000e0001é\"",
        "b\"a\\xff\\\"\"",
        "[[1], [2, 3]]",
        "{\"a\": {}, \"b\": {}}",
        "{1u: true, 2u: false}",
        "duration(\"1.5s\")",
        "timestamp(\"2024-02-29T00:00:00Z\")",
        "optional.of(1)",
        "optional.none()",
        "int",
        "quantity(\"1500m\")",
        "ip(\"::1\")",
        "cidr(\"10.0.0.0/8\")",
        "url(\"https://a/b\")",
        "semver(\"1.2.3\")",
        "double(\"NaN\")",
        "double(\"-Inf\")",
    ] {
        let made = value(text, Form::Literal);
        assert_eq!(made, text, "what {text} makes");
    }
}

#[test]
fn long_values_are_laid_out_with_one_member_a_line() {
    let mut setting = Setting::default();
    setting.allow_mutation();
    let expression = "Object{spec: Object.spec{names: lists.range(3).map(i, 'a rather long text number ' + string(i)), n: []}}";
    let Answer::Evaluated { outcome, .. } = setting.answer(expression, Form::Literal) else {
        panic!("compiles")
    };
    let expected = "\
Object{
  spec: Object.spec{
    n: [],
    names: [
      \"a rather long text number 0\",
      \"a rather long text number 1\",
      \"a rather long text number 2\"
    ]
  }
}";
    assert_eq!(outcome, Ok(Output::from(expected)));
}

#[test]
fn plain_values_are_json_and_typed_ones_tell_their_types() {
    let expression = "[dyn(1), dyn(2u), dyn(18446744073709551615u), dyn(1.5), dyn('a'), dyn(b'a'), dyn(null), dyn(true), dyn({1: 2}), dyn(duration('1s')), \
                      dyn(optional.of(3)), dyn(optional.none()), dyn(int), dyn(quantity('1k')), dyn(0.0/0.0)]";
    assert_eq!(
        value(expression, Form::Plain),
        json!([1, 2, 18_446_744_073_709_551_615_u64, 1.5, "a", "YQ==", null, true, {"1": 2}, "1s", 3, null, "int", "1k",
               "NaN"])
    );
    assert_eq!(
        value("{1: [2u]}", Form::Typed),
        json!({"type": "map", "value": [[
            {"type": "int", "value": "1"},
            {"type": "list", "value": [{"type": "uint", "value": "2"}]},
        ]]})
    );
}

#[test]
fn a_value_that_shares_itself_without_end_is_refused_to_be_written() {
    let mut expression = "[[1]]".to_owned();
    for _ in 0..40 {
        expression.push_str(".map(a, [a, a])");
    }
    assert_eq!(
        shown(&expression, Form::Typed)["error"],
        "the value has more than 1000000 elements: too many to be written; try size() or an index"
    );
    assert_eq!(
        nested(300, Form::Plain).map_err(|error| error.rsplit(": ").next().map(str::to_owned)),
        Err(Some(
            "variables use one another more than 250 levels deep".to_owned()
        ))
    );
    assert_eq!(
        nested(200, Form::Plain),
        Err(
            "the value nests deeper than 256 levels: too deep to be written; select a part of it"
                .to_owned()
        )
    );
    assert_eq!(nested(3, Form::Plain), Ok(json!([[[[[[[1]]]]]]])));
}

/// A list in a list and so on, made by policy variables that use one another.
fn nested(levels: usize, form: Form) -> Result<Output, String> {
    let mut setting = Setting::default();
    let mut name = "v".to_owned();
    setting.policy_variable(&name, "[1]").expect("a name");
    for level in 0..levels {
        let next = format!("v{level}");
        let expression = format!("[[dyn(variables.{name})]]");
        setting.policy_variable(&next, &expression).expect("a name");
        name = next;
    }
    match setting.answer(&format!("variables.{name}"), form) {
        Answer::Evaluated { outcome, .. } => outcome,
        Answer::Refused(refusal) => panic!("{}", refusal.text),
    }
}

#[test]
fn answers_tell_type_and_cost_or_every_issue_with_its_place() {
    assert_eq!(
        shown("'a' + 'b'", Form::Plain),
        json!({"value": "ab", "type": "string", "cost": 1})
    );
    assert_eq!(
        shown("1 / 0", Form::Plain),
        json!({"error": "division by zero", "type": "int", "cost": 1})
    );
    assert_eq!(
        shown("1 +\n x", Form::Plain),
        json!({
            "compileError": "ERROR: <input>:2:2: undeclared reference to 'x' (in container '')\n |  x\n | .^",
            "issues": [{
                "line": 2, "column": 2,
                "message": "undeclared reference to 'x' (in container '')",
                "notes": ["declared variables: authorizer, authorizer.requestResource, namespaceObject, object, oldObject, \
                           params, request"],
            }],
        })
    );
}

#[test]
fn standard_variables_are_null_unless_given_and_others_exist_when_given() {
    let all = "[object, oldObject, params, dyn(request), dyn(namespaceObject)]";
    assert_eq!(
        value(all, Form::Plain),
        json!([null, null, null, null, null])
    );
    assert_eq!(
        shown("authorizer.path('/a').check('get').allowed()", Form::Plain)["error"],
        "no such attribute(s): authorizer"
    );
    assert_eq!(
        ask(
            &json!({"id": 1, "expression": "object.a + x", "variables": {"object": {"a": 1}, "x": 2}})
        ),
        json!({"id": 1, "value": 3, "type": "dyn", "cost": 4})
    );
}

#[test]
fn names_that_cannot_be_given_are_refused() {
    let mut setting = Setting::default();
    let mut set = |name: &str| setting.set(name, Value::Null);
    let rule =
        "must be a CEL identifier: letters, digits or '_', no digit first, and no reserved word";
    assert_eq!(set("a-b"), Err(format!("\"a-b\" {rule}")));
    assert_eq!(set("in"), Err(format!("\"in\" {rule}")));
    assert_eq!(set(""), Err(format!("\"\" {rule}")));
    assert_eq!(set("a.b"), Ok(()));
    assert_eq!(set("variables"), Ok(()));
    assert_eq!(
        set("authorizer"),
        Err("authorizer has its value from an authorizer table".to_owned())
    );
    assert_eq!(
        setting.policy_variable("x", "1"),
        Err("variables has a value of its own; give either that or its fields".to_owned())
    );
}

#[test]
fn a_request_line_says_all_that_an_expression_may_use() {
    assert_eq!(
        ask(&json!({
            "id": "c", "expression": "c == u && variables.two == 2u && jsonpatch.escapeKey('/') == '~1' && \
                                      authorizer.requestResource.check('get').reason() == 'why'",
            "container": "a.b", "mutation": true, "note": "suites keep their own",
            "variables": {"a.b.c": 1, "request": {"resource": {"group": "", "resource": "pods"},
                                                  "userInfo": {"username": "ann", "groups": ["dev"]}}},
            "typedVariables": {"u": {"type": "uint", "value": "1"}},
            "policyVariables": [{"name": "one", "expression": "u"}, {"name": "two", "expression": "variables.one + 1u"}],
            "authorizer": {"rules": [{"users": ["ann"], "groups": ["dev"], "resources": ["pods"], "reason": "why"}]},
        })),
        json!({"id": "c", "value": true, "type": "bool", "cost": 350_011, "variablesCost": 4})
    );
}

#[test]
fn a_line_that_is_no_request_gets_its_number_and_every_mistake() {
    assert_eq!(
        ask(
            &json!({"id": 3, "expression": 1, "variables": {"a-b": 1}, "typedVariables": {"t": 1}, "mutation": 1,
                    "policyVariables": [{}], "authorizer": {"rules": [{"verb": "get"}]}})
        ),
        json!({
            "id": 3, "line": 7,
            "error": "line 7: expression: expected a string, found an integer; \
                variables.a-b: \"a-b\" must be a CEL identifier: letters, digits or '_', no digit first, and no reserved word; \
                typedVariables.t: expected {\"type\": …, \"value\": …}, found 1; mutation: expected true or false; \
                policyVariables[0].name: a value is required; policyVariables[0].expression: a value is required; \
                authorizer.rules[0].verb: unknown field, did you mean \"verbs\"?",
        })
    );
    for (line, expected) in [
        (
            &b"{\"id\":"[..],
            "not JSON at column 6: EOF while parsing a value",
        ),
        (b"[]", "expected an object with expression and variables"),
        (b"{}", "expression: a value is required"),
        (b"\xff", "not UTF-8 at byte 1"),
    ] {
        let refused = Reply {
            text: json!({"line": 2, "error": format!("line 2: {expected}")}).to_string(),
            asked: false,
        };
        let base = Setting::default();
        assert_eq!(
            reply(2, line, &base, Form::Plain),
            Some(refused),
            "{line:?}"
        );
    }
    assert_eq!(reply(2, b" \r", &Setting::default(), Form::Plain), None);
}

#[test]
fn a_review_gives_the_request_and_its_objects() {
    let request =
        crate::owned_json!({"uid": "u", "name": "n", "object": {"a": 1}, "oldObject": null});
    let review = Review {
        request: crate::owned_json!({"name": "n"}),
        object: Some(crate::owned_json!({"a": 1})),
        old_object: None,
    };
    assert_eq!(Review::new(&request), review);
    let whole = crate::owned_json!({"kind": "AdmissionReview", "request": {"name": "n", "object": {"a": 1}}});
    assert_eq!(Review::new(&whole), review);
    assert_eq!(Review::new(&Json::Int(1)).request, Json::Int(1));
}
