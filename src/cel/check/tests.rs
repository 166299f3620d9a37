//! Types and messages of the checker; the expected ones are cel-go's.

use crate::cel::env::Env;
use crate::cel::testing::admission;
use crate::cel::types::Type;

fn env() -> Env {
    admission().variable("x", Type::Dyn).build()
}

#[test]
fn types_of_results() {
    let rows = [
        ("1 + 2", "int"),
        ("[]", "list(dyn)"),
        ("[[], [1]]", "list(list(int))"),
        ("{}", "map(dyn, dyn)"),
        ("x + 1", "int"),
        ("x + x", "dyn"),
        ("x == 1", "bool"),
        ("object.spec.flag", "dyn"),
        ("null", "null_type"),
        ("duration('1s')", "google.protobuf.Duration"),
        ("timestamp(x)", "google.protobuf.Timestamp"),
        ("type(1)", "type(int)"),
        ("optional.of([1u])", "optional_type(list(uint))"),
        ("{'a': x}.?a", "optional_type(dyn)"),
        ("{'a': 1}.?a.orValue(2)", "int"),
        ("[1].map(i, string(i))", "list(string)"),
        ("{'a': 1}.map(k, k)", "list(string)"),
        ("{'a': 1}.transformMap(k, v, [v])", "map(string, list(int))"),
        ("true ? duration('1s') : null", "google.protobuf.Duration"),
        ("request.userInfo.extra", "map(string, list(string))"),
        ("namespaceObject.metadata.generation", "int"),
        ("quantity('1')", "kubernetes.Quantity"),
        ("ip('::1')", "net.IP"),
        (
            "authorizer.requestResource",
            "kubernetes.authorization.ResourceCheck",
        ),
        ("optional_type", "type(optional_type)"),
    ];
    for (expression, expected) in rows {
        let program = env().compile(expression).expect(expression);
        assert_eq!(program.result_type().to_string(), expected, "{expression}");
    }
}

#[test]
fn messages() {
    let rows = [
        ("foo", "undeclared reference to 'foo' (in container '')"),
        ("foo(1)", "undeclared reference to 'foo' (in container '')"),
        (".foo", "undeclared reference to '.foo' (in container '')"),
        (
            "'a' + 1",
            "found no matching overload for '_+_' applied to '(string, int)'",
        ),
        (
            "'a'.size(1)",
            "found no matching overload for 'size' applied to 'string.(int)'",
        ),
        (
            "1 == 1.0",
            "found no matching overload for '_==_' applied to '(int, double)'",
        ),
        ("s.a", "undeclared reference to 's' (in container '')"),
        ("'a'.b", "type 'string' does not support field selection"),
        ("request.uid", "undefined field 'uid'"),
        (
            "quantity('1').x",
            "unexpected failed resolution of 'kubernetes.Quantity'",
        ),
        ("true && 'a'", "expected type 'bool' but found 'string'"),
        (
            "true ? 1 : 'a'",
            "found no matching overload for '_?_:_' applied to '(bool, int, string)'",
        ),
        (
            "true ? 'a' : null",
            "found no matching overload for '_?_:_' applied to '(bool, string, null)'",
        ),
        (
            "1.all(i, true)",
            "expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)",
        ),
        ("[1, 'a']", "expected type 'int' but found 'string'"),
        ("[1, dyn('a')]", "expected type 'int' but found 'dyn'"),
        ("{'a': 1, 2: 1}", "expected type 'string' but found 'int'"),
        (
            "{'a': 1, 'b': 'c'}",
            "expected type 'int' but found 'string'",
        ),
        ("[?1]", "expected type 'optional_type(int)' but found 'int'"),
        ("duration('x')", "invalid duration argument"),
        ("timestamp('x')", "invalid timestamp argument"),
        ("'a'.matches('(')", "invalid matches argument"),
        ("matches('(', 'a')", "invalid matches argument"),
        (
            "'%d'.format(['a'])",
            "error during formatting: decimal clause can only be used on integers, was given string",
        ),
        (
            "Object{}",
            "undeclared reference to 'Object' (in container '')",
        ),
        ("int{}", "'int' is not a message type"),
        ("x{}", "'dyn' is not a type"),
    ];
    for (expression, expected) in rows {
        let error = env().compile(expression).expect_err(expression);
        assert_eq!(error.issues[0].message, expected, "{expression}");
    }
}

#[test]
fn what_cannot_be_planned_is_an_error_of_the_whole_expression() {
    let rows = [
        ("int('z')", "type conversion error from 'string' to 'int'"),
        ("uint(-1)", "unsigned integer overflow"),
        ("x[null]", "invalid qualifier type: types.Null"),
        ("timestamp", "reference to undefined type: timestamp"),
        ("[int].map(i, i)", "reference to undefined type: i"),
    ];
    for (expression, expected) in rows {
        let error = env().compile(expression).expect_err(expression);
        assert_eq!(
            error.issues[0].message,
            format!("program instantiation failed: {expected}"),
            "{expression}"
        );
    }
}

#[test]
fn elements_of_a_format_call_may_differ_in_type() {
    assert!(env().compile("'%s %s'.format([1, 'a'])").is_ok());
    assert!(env().compile("'%s'.format([[1, 'a']])").is_ok());
}

#[test]
fn every_issue_is_reported_in_source_order() {
    let error = env()
        .compile("foo + [1].map(i, bar) + baz")
        .expect_err("three names");
    let text = error.to_string();
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("ERROR"))
            .collect::<Vec<_>>(),
        [
            "ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')",
            "ERROR: <input>:1:18: undeclared reference to 'bar' (in container '')",
            "ERROR: <input>:1:25: undeclared reference to 'baz' (in container '')",
        ]
    );
}

#[test]
fn result_types_must_be_exact() {
    let env = admission().mutation().build();
    let patches = Type::list(Type::Object("JSONPatch".into()));
    let rows = [
        (
            "object.flag",
            vec![Type::Bool],
            "must evaluate to bool but got dyn",
        ),
        (
            "1",
            vec![Type::String, Type::Null],
            "must evaluate to one of [string null_type] but got int",
        ),
        (
            "[]",
            vec![patches.clone()],
            "must evaluate to list(JSONPatch) but got list(dyn)",
        ),
    ];
    for (expression, expected, message) in rows {
        let error = env
            .compile_expecting(expression, &expected)
            .expect_err(expression);
        assert_eq!(error.issues[0].message, message, "{expression}");
    }
    let conditional = "has(object.a) ? [JSONPatch{op: 'remove', path: '/a'}] : []";
    assert!(env.compile_expecting(conditional, &[patches]).is_ok());
    assert!(
        env.compile_expecting("object.flag == true", &[Type::Bool])
            .is_ok()
    );
}

#[test]
fn names_are_looked_up_in_the_container_first() {
    let env = Env::builder()
        .container("com.example")
        .variable("com.example.y", Type::Int)
        .variable("com.y", Type::String)
        .variable("y", Type::Bool)
        .build();
    for (expression, expected) in [
        ("y", Type::Int),
        ("com.y", Type::String),
        (".y", Type::Bool),
    ] {
        let program = env.compile(expression).expect(expression);
        assert_eq!(*program.result_type(), expected, "{expression}");
    }
    let error = env.compile("z").expect_err("unknown");
    assert_eq!(
        error.issues[0].message,
        "undeclared reference to 'z' (in container 'com.example')"
    );
}

#[test]
fn composed_variables_keep_scalar_types_and_lose_the_others() {
    let fields = [
        ("n".to_owned(), Type::Int),
        ("q".to_owned(), Type::Object("kubernetes.Quantity".into())),
        ("o".to_owned(), Type::optional(Type::Int)),
        ("l".to_owned(), Type::list(Type::optional(Type::Int))),
        ("n".to_owned(), Type::String),
    ];
    let env = admission().composed(&fields).build();
    for (expression, expected) in [
        ("variables.n", "string"),
        ("variables.q", "dyn"),
        ("variables.o", "dyn"),
        ("variables.l", "list(dyn)"),
    ] {
        let program = env.compile(expression).expect(expression);
        assert_eq!(program.result_type().to_string(), expected, "{expression}");
    }
    let error = env.compile("variables.later").expect_err("undefined");
    assert_eq!(error.issues[0].message, "undefined field 'later'");
    assert_eq!(
        admission()
            .build()
            .compile("variables.n")
            .expect_err("undeclared")
            .issues[0]
            .message,
        "undeclared reference to 'variables' (in container '')"
    );
}

#[test]
fn types_that_would_fill_the_memory_are_refused() {
    let text = format!("{{'a': 1}}{}", ".map(k, {k: k})".repeat(40));
    let error = env().compile(&text).expect_err("too large");
    assert_eq!(
        error.issues[0].message,
        "the type of the expression is too large"
    );
}

/// They were left out silently, and the last ones of the text instead of the last ones found.
#[test]
fn issues_beyond_a_hundred_are_counted() {
    let wrong: Vec<String> = (0..130).map(|n| format!("y{n}")).collect();
    let error = env()
        .compile(&format!("[{}]", wrong.join(", ")))
        .expect_err("undeclared");
    assert_eq!(error.issues.len(), 101);
    let last = error
        .issues
        .iter()
        .map(|issue| issue.message.as_str())
        .max();
    assert_eq!(
        last,
        Some("undeclared reference to 'y99' (in container '')")
    );
    assert!(
        error.to_string().ends_with("30 more errors were truncated"),
        "{error}"
    );
}
