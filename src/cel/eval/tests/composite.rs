//! Logic, comprehensions, literals, functions and limits.

use super::check;

#[test]
fn logic_absorbs_errors_and_keeps_the_left_one() {
    check(&[
        ("object.foo == 1 && false", "bool false", 3),
        ("false && object.foo == 1", "bool false", 0),
        (
            "object.foo == 1 && object.bar == 1",
            "error: no such key: foo",
            6,
        ),
        ("object.foo == 1 || true", "bool true", 3),
        (
            "object.foo == 1 || object.bar == 1",
            "error: no such key: foo",
            6,
        ),
        ("dyn(1) && true", "error: no such overload", 0),
        (
            "(object.foo == 1 && true) && (true && false)",
            "bool false",
            3,
        ),
        ("x ? 1 : 2", "error: no such overload", 1),
        ("object.foo ? 1 : 2", "error: no such key: foo", 2),
        ("x > 3 ? x : 7", r#"int "5""#, 2),
        ("x > 3 ? size(s) : 7", r#"int "5""#, 4),
        (
            "(x > 3 ? object.spec : object.metadata).replicas",
            r#"int "3""#,
            4,
        ),
        ("!x", "error: no such overload", 2),
        ("!object.spec.flag", "bool false", 4),
    ]);
}

#[test]
fn quantifiers() {
    check(&[
        (
            "object.spec.containers.all(c, has(c.image))",
            "bool true",
            12,
        ),
        (
            "object.spec.containers.all(c, c.securityContext.runAsNonRoot == true)",
            "error: no such key: securityContext",
            17,
        ),
        (
            "object.spec.containers.exists(c, c.securityContext.runAsNonRoot == true)",
            "bool true",
            19,
        ),
        (
            "object.spec.containers.exists(c, c.foo == 'z')",
            "error: no such key: foo",
            18,
        ),
        (
            "object.spec.containers.exists_one(c, c.name == 'a')",
            "bool true",
            13,
        ),
        (
            "object.spec.containers.exists_one(c, c.foo == 'a')",
            "error: no such key: foo",
            11,
        ),
        ("[1, 0].exists(i, 1 / i > 0)", "bool true", 11),
        ("[0, 1].all(i, 1 / i < 0)", "bool false", 13),
        (
            "[1, 2].all(i, i)",
            "compile error: expected type 'bool' but found 'int'",
            0,
        ),
        ("[1, 2, 3].all(i, i > 0 && i < 3)", "bool false", 22),
        ("[].all(i, i > 0)", "bool true", 1),
        (
            "object.metadata.labels.all(k, k.size() < 10)",
            "bool true",
            16,
        ),
        (
            "object.metadata.labels.all(k, v, v.size() < 10)",
            "bool true",
            16,
        ),
        (
            "object.spec.args.exists(i, v, i == 2 && v == 'z')",
            "bool true",
            24,
        ),
        ("[1, 2].all(i, [1, 2].exists(j, j == i))", "bool true", 33),
        (
            "x.all(i, true)",
            "error: got 'types.Int', expected iterable type",
            1,
        ),
        (
            "x.all(i, j, true)",
            "error: unsupported comprehension range type: types.Int",
            1,
        ),
    ]);
}

#[test]
fn transformations() {
    check(&[
        (
            "object.spec.containers.map(c, c.name)",
            r#"list [{"type":"string","value":"a"},{"type":"string","value":"b"}]"#,
            32,
        ),
        (
            "object.spec.containers.map(c, c.foo)",
            "error: no such key: foo",
            32,
        ),
        (
            "object.spec.containers.map(c, c.name == 'a', c.image)",
            r#"list [{"type":"string","value":"docker.io/nginx:1.2"}]"#,
            24,
        ),
        (
            "object.spec.containers.filter(c, c.name == 'a').size()",
            r#"int "1""#,
            24,
        ),
        (
            "[1, 2, 3].map(i, 1)",
            r#"list [{"type":"int","value":"1"},{"type":"int","value":"1"},{"type":"int","value":"1"}]"#,
            7,
        ),
        (
            "[1, 2].filter(i, i)",
            "compile error: found no matching overload for '_?_:_' applied to '(int, list(int), list(int))'",
            0,
        ),
        (
            "[1, 2].map(i, [1, 2].map(j, j * i))",
            r#"list [{"type":"list","value":[{"type":"int","value":"1"},{"type":"int","value":"2"}]},{"type":"list","value":[{"type":"int","value":"2"},{"type":"int","value":"4"}]}]"#,
            87,
        ),
        (
            "object.spec.args.transformList(i, v, i > 0, v)",
            r#"list [{"type":"string","value":"y"},{"type":"string","value":"z"}]"#,
            36,
        ),
        (
            "{'a': 1}.transformMap(k, v, v + 1)",
            r#"map [[{"type":"string","value":"a"},{"type":"int","value":"2"}]]"#,
            6,
        ),
        (
            "[1, 2].transformMap(k, v, v + 1)",
            r#"map [[{"type":"int","value":"0"},{"type":"int","value":"2"}],[{"type":"int","value":"1"},{"type":"int","value":"3"}]]"#,
            11,
        ),
        (
            "{'a': 1, 'b': 1}.transformMapEntry(k, v, {v: k})",
            "error: insert failed: key 1 already exists",
            69,
        ),
        (
            "[3, 1, 2].sortBy(e, -e)",
            r#"list [{"type":"int","value":"3"},{"type":"int","value":"2"},{"type":"int","value":"1"}]"#,
            74,
        ),
    ]);
}

#[test]
fn literals() {
    check(&[
        (
            "[1, 2]",
            r#"list [{"type":"int","value":"1"},{"type":"int","value":"2"}]"#,
            0,
        ),
        (
            "[x, 2]",
            "compile error: expected type 'dyn' but found 'int'",
            0,
        ),
        (
            "{'a': 1}",
            r#"map [[{"type":"string","value":"a"},{"type":"int","value":"1"}]]"#,
            0,
        ),
        (
            "{'a': x}",
            r#"map [[{"type":"string","value":"a"},{"type":"int","value":"5"}]]"#,
            31,
        ),
        (
            "{'a': 1, 'a': 2}",
            r#"map [[{"type":"string","value":"a"},{"type":"int","value":"2"}]]"#,
            0,
        ),
        (
            "[1, object.foo]",
            "compile error: expected type 'int' but found 'dyn'",
            0,
        ),
        ("{object.foo: 1}", "error: no such key: foo", 32),
    ]);
}

#[test]
fn conversions() {
    check(&[
        ("string(1000000.0)", r#"string "1e+06""#, 0),
        ("string(0.1)", r#"string "0.1""#, 0),
        ("string(duration('5400s'))", r#"string "5400s""#, 0),
        (
            "string(timestamp('2024-01-01T00:00:00.120Z'))",
            r#"string "2024-01-01T00:00:00.12Z""#,
            0,
        ),
        (
            r"string(dyn(b'\xff'))",
            "compile error: program instantiation failed: invalid UTF-8 in bytes, cannot convert to string",
            0,
        ),
        ("string(m)", "error: no such overload: string(map)", 2),
        ("int(dyn(1.9))", r#"int "1""#, 0),
        (
            "int(dyn(1e30))",
            "compile error: program instantiation failed: integer overflow",
            0,
        ),
        ("int(duration('1s'))", r#"int "1000000000""#, 0),
        ("int(timestamp('1970-01-01T00:01:00Z'))", r#"int "60""#, 0),
        (
            "int(s)",
            "error: type conversion error from 'string' to 'int'",
            2,
        ),
        (
            "uint(dyn(-1))",
            "compile error: program instantiation failed: unsigned integer overflow",
            0,
        ),
        ("double(dyn('inf'))", r#"double "Infinity""#, 0),
        ("bool(dyn('T'))", "bool true", 0),
        (
            "bool(s)",
            "error: type conversion error from 'string' to 'bool'",
            2,
        ),
        (
            "duration(x)",
            "error: type conversion error from 'int' to 'google.protobuf.Duration'",
            2,
        ),
        (
            "timestamp(dyn(1))",
            r#"google.protobuf.Timestamp "1970-01-01T00:00:01Z""#,
            0,
        ),
        ("bytes(s)", r#"bytes "aGVsbG8=""#, 2),
        ("type(x) == int", "bool true", 3),
        ("type(type(1))", r#"type "type""#, 0),
        ("type(optional.of(1))", r#"type "optional_type""#, 2),
        ("size(s)", r#"int "5""#, 2),
        ("size(x)", "error: no such overload: size", 2),
        ("size(dyn(duration('1s')))", "error: no such overload", 1),
    ]);
}

#[test]
fn text_functions_cost_by_size() {
    check(&[
        ("s.contains('ell')", "bool true", 2),
        ("s.startsWith(x)", "error: no such overload", 3),
        ("x.startsWith('a')", "error: no such overload", 2),
        ("object.foo.startsWith('a')", "error: no such key: foo", 3),
        ("s.matches('^h.*o$')", "bool true", 3),
        ("matches(s, '^h')", "bool true", 2),
        ("s.matches(s)", "bool true", 4),
        ("object.foo.matches('a')", "error: no such key: foo", 2),
        ("object.foo.matches(s)", "error: no such key: foo", 5),
        ("s.upperAscii()", r#"string "HELLO""#, 2),
        (
            "x.upperAscii()",
            "error: no such overload: upperAscii(int)",
            2,
        ),
        ("dyn(s) + dyn(s)", r#"string "hellohello""#, 5),
        ("dyn(s) < dyn('z')", "bool true", 3),
        ("string(l[2])", r#"string "a""#, 3),
    ]);
}

#[test]
fn declared_objects_are_maps_at_run_time() {
    check(&[
        ("request.operation", r#"string "CREATE""#, 2),
        ("request.name", "error: no such key: name", 2),
        ("has(request.name)", "bool false", 1),
        (
            "request.userInfo.groups.exists(g, g == 'g1')",
            "bool true",
            10,
        ),
        ("namespaceObject.metadata.UID", "error: no such key: UID", 3),
        (
            "namespaceObject.metadata.creationTimestamp",
            r#"string "2024-01-01T00:00:00Z""#,
            3,
        ),
        (
            "namespaceObject.metadata.creationTimestamp > timestamp('2023-01-01T00:00:00Z')",
            "error: no such overload",
            4,
        ),
        (
            "authorizer.path('/healthz').check('get').allowed()",
            "error: no such attribute(s): authorizer",
            350_003,
        ),
        ("params.max", r#"int "5""#, 2),
        ("oldObject == null", "bool true", 2),
        ("oldObject.spec", "error: no such key: spec", 2),
    ]);
}

#[test]
fn the_cost_limit_ends_the_evaluation() {
    check(&[
        (
            "lists.range(1000).all(i, lists.range(1000).all(j, i * j >= 0)) || true",
            "error: operation cancelled: actual cost limit exceeded",
            1_000_001,
        ),
        (
            "lists.range(1000000).size() > 0",
            "error: operation cancelled: actual cost limit exceeded",
            1_000_011,
        ),
        (
            "authorizer.path('/a').check('get').allowed() || true",
            "bool true",
            350_003,
        ),
    ]);
}
