use proptest::prelude::*;

use super::*;
use crate::owned_json;

fn operation(op: &str, path: &str, from: Option<&str>, value: Option<&str>) -> Operation {
    Operation {
        op: Op::named(op).expect("verb"),
        path: path.to_owned(),
        from: from.map(str::to_owned),
        value: value.map(|text| Json::parse(text).expect("valid").to_owned_json()),
    }
}

#[test]
fn operations_apply_as_in_the_api_servers_library() {
    let document = owned_json!({"a": {"b/c": 1, "d~e": 2}, "list": ["x", "y"], "n": null});
    type Case = (
        &'static str,
        &'static str,
        Option<&'static str>,
        Option<&'static str>,
        &'static str,
    );
    let cases: [Case; 24] = [
        (
            "add",
            "/a/z",
            None,
            Some("3"),
            r#"{"a":{"b/c":1,"d~e":2,"z":3},"list":["x","y"],"n":null}"#,
        ),
        (
            "add",
            "/list/1",
            None,
            Some("0"),
            r#"{"a":{"b/c":1,"d~e":2},"list":["x",0,"y"],"n":null}"#,
        ),
        (
            "add",
            "/list/-",
            None,
            Some("0"),
            r#"{"a":{"b/c":1,"d~e":2},"list":["x","y",0],"n":null}"#,
        ),
        (
            "add",
            "/list/-1",
            None,
            Some("0"),
            r#"{"a":{"b/c":1,"d~e":2},"list":["x","y",0],"n":null}"#,
        ),
        (
            "add",
            "/list/3",
            None,
            Some("0"),
            "error in add for path: '/list/3': Unable to access invalid index: 3: invalid index referenced",
        ),
        (
            "add",
            "/list/x",
            None,
            Some("0"),
            "error in add for path: '/list/x': value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": invalid syntax",
        ),
        (
            "add",
            "/no/z",
            None,
            Some("0"),
            "add operation does not apply: doc is missing path: \"/no/z\": missing value",
        ),
        (
            "add",
            "/n/z",
            None,
            Some("0"),
            "add operation does not apply: doc is missing path: \"/n/z\": missing value",
        ),
        (
            "add",
            "",
            None,
            Some("0"),
            "add operation does not apply: doc is missing path: \"\": missing value",
        ),
        (
            "add",
            "/a/z",
            None,
            None,
            r#"{"a":{"b/c":1,"d~e":2,"z":null},"list":["x","y"],"n":null}"#,
        ),
        (
            "remove",
            "/a/b~1c",
            None,
            None,
            r#"{"a":{"d~e":2},"list":["x","y"],"n":null}"#,
        ),
        (
            "remove",
            "/a/z",
            None,
            None,
            "error in remove for path: '/a/z': Unable to remove nonexistent key: z: missing value",
        ),
        (
            "remove",
            "/list/-1",
            None,
            None,
            r#"{"a":{"b/c":1,"d~e":2},"list":["x"],"n":null}"#,
        ),
        (
            "replace",
            "/a/z",
            None,
            Some("3"),
            r#"{"a":{"b/c":1,"d~e":2,"z":3},"list":["x","y"],"n":null}"#,
        ),
        (
            "replace",
            "/list/2",
            None,
            Some("3"),
            "replace operation does not apply: doc is missing key: /list/2: missing value",
        ),
        ("replace", "", None, Some("{}"), "{}"),
        (
            "move",
            "/m",
            Some("/a/d~0e"),
            None,
            r#"{"a":{"b/c":1},"list":["x","y"],"m":2,"n":null}"#,
        ),
        (
            "move",
            "/m",
            Some("/a/z"),
            None,
            "error in move for path: 'z': Unable to remove nonexistent key: z: missing value",
        ),
        (
            "move",
            "/m",
            None,
            None,
            "move operation failed to decode from: operation, missing from field: missing value",
        ),
        (
            "copy",
            "/list/0",
            Some("/list/1"),
            None,
            r#"{"a":{"b/c":1,"d~e":2},"list":["y","x","y"],"n":null}"#,
        ),
        (
            "copy",
            "/m",
            Some("/a/z"),
            None,
            r#"{"a":{"b/c":1,"d~e":2},"list":["x","y"],"m":null,"n":null}"#,
        ),
        (
            "test",
            "/a/b~1c",
            None,
            Some("1"),
            r#"{"a":{"b/c":1,"d~e":2},"list":["x","y"],"n":null}"#,
        ),
        (
            "test",
            "/a/b~1c",
            None,
            Some("2"),
            "testing value /a/b~1c failed: test failed",
        ),
        (
            "test",
            "/no/z",
            None,
            Some("2"),
            "test operation does not apply: is missing path: /no/z: missing value",
        ),
    ];
    for (op, path, from, value, want) in cases {
        let got = apply(&document, &[operation(op, path, from, value)]);
        let got = got.map_or_else(|error| error.to_string(), |value| value.to_string());
        assert_eq!(got, want, "{op} {path}");
    }
}

#[test]
fn test_sees_null_and_absent_alike() {
    let document = owned_json!({"n": null});
    for path in ["/n", "/absent"] {
        assert!(apply(&document, &[operation("test", path, None, None)]).is_ok());
        assert_eq!(
            apply(&document, &[operation("test", path, None, Some("null"))]),
            Err(PatchError::TestFailed(path.to_owned()))
        );
    }
}

#[test]
fn a_failing_operation_leaves_nothing_behind() {
    let document = owned_json!({"a": 1});
    let operations = [
        operation("add", "/b", None, Some("2")),
        operation("test", "/a", None, Some("3")),
    ];
    assert_eq!(
        apply(&document, &operations),
        Err(PatchError::TestFailed("/a".to_owned()))
    );
    assert_eq!(document, owned_json!({"a": 1}));
}

#[test]
fn differences_read_like_the_edit() {
    let cases = [
        (owned_json!({"a": 1}), owned_json!({"a": 1}), "[]"),
        (
            owned_json!({"a": 1, "b/c": 2}),
            owned_json!({"a": 2, "d": {}}),
            r#"[{"op":"remove","path":"/b~1c"},{"op":"replace","path":"/a","value":2},{"op":"add","path":"/d","value":{}}]"#,
        ),
        (
            owned_json!([1, 2, 3]),
            owned_json!([1, 9, 2, 3]),
            r#"[{"op":"add","path":"/1","value":9}]"#,
        ),
        (
            owned_json!([1, 2, 3]),
            owned_json!([1, 3]),
            r#"[{"op":"remove","path":"/1"}]"#,
        ),
        (
            owned_json!([{"name": "a", "v": 1}, {"name": "b"}]),
            owned_json!([{"name": "n"}, {"name": "a", "v": 2}, {"name": "b"}]),
            r#"[{"op":"add","path":"/0","value":{"name":"n"}},{"op":"replace","path":"/1/v","value":2}]"#,
        ),
        (
            owned_json!([1, 2]),
            owned_json!([3, 4, 5]),
            r#"[{"op":"replace","path":"/0","value":3},{"op":"replace","path":"/1","value":4},{"op":"add","path":"/2","value":5}]"#,
        ),
        (
            owned_json!({"a": []}),
            owned_json!({"a": {}}),
            r#"[{"op":"replace","path":"/a","value":{}}]"#,
        ),
    ];
    for (old, new, want) in cases {
        let operations = diff(&old, &new);
        assert_eq!(to_json(&operations).to_string(), want);
        assert_eq!(apply(&old, &operations), Ok(new));
    }
}

fn document() -> impl Strategy<Value = Json<'static>> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        (0_i64..4).prop_map(Json::Int),
        "[ab~/]{0,2}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
            prop::collection::vec(("[an~/]|name", inner), 0..5)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_difference_leads_from_one_to_the_other(old in document(), new in document()) {
        let wrap = |value| Json::Object([("root", value)].into_iter().collect());
        let (old, new) = (wrap(old), wrap(new));
        prop_assert_eq!(apply(&old, &diff(&old, &new)), Ok(new));
    }
}
