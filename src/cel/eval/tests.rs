//! Values, errors and costs, one row per rule; the expected outcomes are the API server's.

mod composite;

use crate::cel::env::Env;
use crate::cel::testing::{admission, outcome};
use crate::cel::types::Type;
use crate::model::json::Json;

const VARIABLES: &str = r#"{
    "object": {
        "metadata": {"name": "web", "labels": {"app": "web", "a/b": "x"}, "annotations": null},
        "spec": {
            "replicas": 3, "ratio": 1.5, "big": 9007199254740993, "nul": null, "str": "", "args": ["x", "y", "z"],
            "nums": [3, 1, 2], "flag": true,
            "containers": [
                {"name": "a", "image": "docker.io/nginx:1.2", "ports": [{"containerPort": 80}]},
                {"name": "b", "image": "gcr.io/x/y@sha256:abc", "securityContext": {"runAsNonRoot": true}}
            ]
        }
    },
    "oldObject": null,
    "params": {"max": 5},
    "request": {"operation": "CREATE", "userInfo": {"groups": ["g1"]}},
    "namespaceObject": {"metadata": {"uid": "123", "creationTimestamp": "2024-01-01T00:00:00Z"}},
    "x": 5, "s": "hello", "m": {"a": {"b": 1}, "1": 2}, "l": [1, 2.5, "a", null, true, [1], {"k": 1}]
}"#;

type Row = (&'static str, &'static str, u64);

fn check(rows: &[Row]) {
    let json = Json::parse(VARIABLES).unwrap();
    let env = ["x", "s", "m", "l"]
        .into_iter()
        .fold(admission(), |env, name| env.variable(name, Type::Dyn))
        .build();
    check_in(&env, &json, rows);
}

fn check_in(env: &Env, json: &Json<'_>, rows: &[Row]) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(expression, expected, cost)| {
            let got = outcome(env, expression, json);
            let expected = ((*expected).to_owned(), *cost);
            (got != expected).then(|| format!("{expression}\n  want {expected:?}\n  got  {got:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn arithmetic_never_mixes_types_and_never_wraps() {
    check(&[
        ("7 / 2", r#"int "3""#, 1),
        ("-7 % 3", r#"int "-1""#, 1),
        ("7 / 0", "error: division by zero", 1),
        ("7 % 0", "error: modulus by zero", 1),
        ("1.0 / 0.0", r#"double "Infinity""#, 1),
        ("9223372036854775807 + 1", "error: integer overflow", 1),
        ("-9223372036854775808 - 1", "error: integer overflow", 1),
        ("-(-9223372036854775808)", "error: integer overflow", 1),
        ("1u - 2u", "error: unsigned integer overflow", 1),
        ("dyn(1) + 1.0", "error: no such overload", 1),
        ("dyn(1) + 'a'", "error: no such overload", 1),
        ("dyn(true) + 1", "error: no such overload: _+_", 1),
        ("dyn('a') - 1", "error: no such overload", 1),
        ("object.spec.replicas + 1", r#"int "4""#, 4),
        ("object.spec.replicas + 1.0", "error: no such overload", 4),
        ("'a' + s", r#"string "ahello""#, 2),
        ("b'a' + b'b'", r#"bytes "YWI=""#, 1),
        (
            "[1] + [2]",
            r#"list [{"type":"int","value":"1"},{"type":"int","value":"2"}]"#,
            1,
        ),
        (
            "timestamp('9999-12-31T23:59:59Z') + duration('1s')",
            "error: timestamp overflow",
            1,
        ),
        (
            "timestamp('2024-01-02T00:00:00Z') - timestamp('2024-01-01T00:00:00Z')",
            r#"google.protobuf.Duration "86400s""#,
            1,
        ),
        (
            "duration('1h') + timestamp('2024-01-01T00:00:00Z')",
            r#"google.protobuf.Timestamp "2024-01-01T01:00:00Z""#,
            1,
        ),
        ("-x", r#"int "-5""#, 2),
        ("-s", "error: no such overload", 2),
    ]);
}

#[test]
fn equality_is_total_and_numeric_across_types() {
    check(&[
        ("dyn(1) == 1.0", "bool true", 1),
        ("dyn(1) == 1u", "bool true", 1),
        ("dyn(1) == 'a'", "bool false", 1),
        ("x == null", "bool false", 2),
        ("null == null", "bool true", 1),
        ("0.0 / 0.0 == 0.0 / 0.0", "bool false", 3),
        ("object.spec.big == 9007199254740992.0", "bool true", 4),
        ("[1, 2] == [1, 2]", "bool true", 1),
        ("object.spec.args == ['x', 'y', 'z']", "bool true", 4),
        (
            "object.metadata.labels == {'a/b': 'x', 'app': 'web'}",
            "bool true",
            4,
        ),
        ("dyn({1: 2}) == {1u: 2}", "bool true", 1),
        ("object.spec.str == ''", "bool true", 3),
        (
            "object.spec.containers[0] != object.spec.containers[1]",
            "bool true",
            9,
        ),
        ("dyn(quantity('1')) == 1", "error: no such overload", 3),
        ("dyn(quantity('1')) != 1", "bool true", 3),
        ("dyn(1) == quantity('1')", "bool false", 2),
        ("dyn([quantity('1')]) == [1]", "bool true", 13),
    ]);
}

#[test]
fn ordering() {
    check(&[
        ("1 < 1.5", "bool true", 1),
        ("1u < 2", "bool true", 1),
        ("dyn(1) < 'a'", "error: no such overload", 1),
        ("dyn(null) < 1", "error: no such overload: _<_", 1),
        ("0.0 / 0.0 < 1.0", "error: NaN values cannot be ordered", 2),
        ("'ab' < 'b'", "bool true", 1),
        ("false < true", "bool true", 1),
        (
            "dyn([1]) < [2]",
            "compile error: found no matching overload for '_<_' applied to '(dyn, list(int))'",
            0,
        ),
    ]);
}

#[test]
fn membership_swallows_comparison_errors() {
    check(&[
        ("x in [1, 5]", "bool true", 1),
        ("x in [dyn(5.0)]", "bool true", 1),
        ("x in []", "bool false", 0),
        (
            "dyn(b'a') in ['a']",
            "error: internal error: runtime error: hash of unhashable type types.Bytes",
            0,
        ),
        ("3 in object.spec.nums", "bool true", 4),
        ("dyn(3.0) in object.spec.nums", "bool true", 4),
        ("'app' in object.metadata.labels", "bool true", 4),
        ("1 in dyn({1u: 2})", "bool true", 1),
        ("1 in dyn(1)", "error: no such overload", 1),
        (
            "quantity('1') in [dyn(1), dyn(quantity('1'))]",
            "bool true",
            15,
        ),
        ("object.foo in [1]", "error: no such key: foo", 2),
        (
            "x in [1, object.foo]",
            "compile error: expected type 'int' but found 'dyn'",
            0,
        ),
    ]);
}

#[test]
fn selection_and_indexes() {
    check(&[
        ("m.a.b", r#"int "1""#, 3),
        ("m.a.c", "error: no such key: c", 3),
        ("m.x.y", "error: no such key: x", 2),
        ("object.spec.nul.a", "error: no such key: a", 4),
        (
            "object.spec.args.a",
            "error: unsupported index type 'string' in list",
            4,
        ),
        ("l[1]", "double 2.5", 2),
        ("l[7]", "error: index out of bounds: 7", 2),
        ("l[-1]", "error: index out of bounds: -1", 2),
        (
            "l['a']",
            "error: unsupported index type 'string' in list",
            2,
        ),
        ("[1, 2][dyn(1.0)]", r#"int "2""#, 2),
        (
            "[1, 2][dyn(1.5)]",
            "error: unsupported index value 1.5 in list",
            2,
        ),
        ("[1, 2][dyn(1u)]", r#"int "2""#, 2),
        ("m['1']", r#"int "2""#, 2),
        ("m[1]", "error: no such key: 1", 2),
        ("m[l]", "error: invalid qualifier type: []interface {}", 2),
        (
            "m[object.spec.nul]",
            "error: invalid qualifier type: <nil>",
            4,
        ),
        ("{1: 2}[dyn(1.0)]", r#"int "2""#, 2),
        (
            "{null: 1}[null]",
            "compile error: program instantiation failed: invalid qualifier type: types.Null",
            0,
        ),
        ("object.metadata.labels['a/b']", r#"string "x""#, 4),
        ("object.spec.containers[x - 4].name", r#"string "b""#, 7),
        ("object.spec[s]", "error: no such key: hello", 3),
        (
            "size([1]).foo",
            "compile error: type 'int' does not support field selection",
            0,
        ),
    ]);
}

#[test]
fn presence_tests_cost_nothing_by_themselves() {
    check(&[
        ("has(object.spec)", "bool true", 1),
        ("has(object.foo)", "bool false", 1),
        ("has(object.spec.nul)", "bool true", 2),
        ("has(object.spec.nul.a)", "bool false", 3),
        ("has(object.spec.str.a)", "bool false", 3),
        ("has(object.foo.bar)", "error: no such key: foo", 1),
        (
            "has(object.spec.args.a)",
            "error: unsupported index type 'string' in list",
            3,
        ),
        ("has({'a': 1}.a)", "bool true", 1),
        ("has(oldObject.spec)", "bool false", 1),
        ("has(object.?spec.foo)", "bool false", 1),
        (
            "has((x > 3 ? object.spec : object.metadata).replicas)",
            "bool true",
            3,
        ),
    ]);
}

#[test]
fn optionals() {
    check(&[
        (
            "object.?spec.replicas",
            r#"optional_type {"type":"int","value":"3"}"#,
            3,
        ),
        ("object.?foo.bar.baz", "optional_type null", 1),
        ("object.spec.?nul.a", "optional_type null", 3),
        ("object.spec.args[?9]", "optional_type null", 3),
        (
            "object.spec.args[?'a']",
            "error: unsupported index type 'string' in list",
            3,
        ),
        ("object.?spec.replicas.orValue(1)", r#"int "3""#, 3),
        ("object.?foo.orValue(1)", r#"int "1""#, 1),
        (
            "object.?foo.or(optional.of(3))",
            r#"optional_type {"type":"int","value":"3"}"#,
            2,
        ),
        ("dyn(5).orValue(3)", r#"int "5""#, 0),
        (
            "object.?spec.replicas.optMap(v, v + v)",
            r#"optional_type {"type":"int","value":"6"}"#,
            12,
        ),
        (
            "object.?spec.replicas.optMap(v, 1)",
            r#"optional_type {"type":"int","value":"1"}"#,
            5,
        ),
        ("object.?foo.optFlatMap(v, v.?a)", "optional_type null", 3),
        (
            "optional.none().value()",
            "error: optional.none() dereference",
            2,
        ),
        ("optional.ofNonZeroValue(0)", "optional_type null", 1),
        ("optional.of(1) == optional.of(1)", "bool true", 3),
        (
            "[?optional.of(1), ?optional.none(), 2]",
            r#"list [{"type":"int","value":"1"},{"type":"int","value":"2"}]"#,
            12,
        ),
        (
            "{?'a': optional.none(), 'b': 1}",
            r#"map [[{"type":"string","value":"b"},{"type":"int","value":"1"}]]"#,
            31,
        ),
        ("{'a': 1, ?'a': optional.none()}", "map []", 31),
        (
            "[optional.of(optional.of(1))].map(y, y)",
            r#"list [{"type":"optional_type","value":{"type":"int","value":"1"}}]"#,
            26,
        ),
    ]);
}
