//! The documents of `check` and `test` are what their committed schemas (`docs/schemas/`) say, and nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// Keywords that the schemas here use; another one would be passed over, so it is refused.
const KEYWORDS: [&str; 14] = [
    "$defs",
    "$id",
    "$ref",
    "$schema",
    "additionalProperties",
    "const",
    "description",
    "enum",
    "items",
    "minimum",
    "properties",
    "required",
    "title",
    "type",
];

/// What of a value a schema does not allow, with its place.
fn faults(root: &Value, schema: &Value, value: &Value, place: &str, out: &mut Vec<String>) {
    let keywords = schema.as_object().expect("a schema is an object");
    for key in keywords.keys() {
        assert!(KEYWORDS.contains(&key.as_str()), "unknown keyword {key}");
    }
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#'));
        return faults(root, target.expect("a definition"), value, place, out);
    }
    let mut fault = |what: String| out.push(format!("{place}: {what}"));
    if let Some(wanted) = schema.get("type")
        && !is_of_type(wanted, value)
    {
        return fault(format!("{value} is no {wanted}"));
    }
    for (key, holds) in [
        ("const", schema["const"] == *value),
        (
            "enum",
            schema["enum"]
                .as_array()
                .is_some_and(|one| one.contains(value)),
        ),
        (
            "minimum",
            value.as_i64() >= schema["minimum"].as_i64() || value.is_null(),
        ),
    ] {
        if schema.get(key).is_some() && !holds {
            fault(format!("{value} is not {key} {}", schema[key]));
        }
    }
    if let (Some(members), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !members.contains_key(name.as_str().expect("a name")) {
                fault(format!("{name} is missing"));
            }
        }
        for (name, member) in members {
            match known.get(name) {
                Some(schema) => faults(root, schema, member, &format!("{place}.{name}"), out),
                None => out.push(format!("{place}.{name} is unknown")),
            }
        }
    }
    if let (Some(items), Some(schema)) = (value.as_array(), schema.get("items")) {
        for (at, item) in items.iter().enumerate() {
            faults(root, schema, item, &format!("{place}[{at}]"), out);
        }
    }
}

fn is_of_type(wanted: &Value, value: &Value) -> bool {
    let one = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    };
    match wanted {
        Value::String(name) => one(name),
        names => names
            .as_array()
            .expect("types")
            .iter()
            .any(|name| one(name.as_str().expect("a type"))),
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema(name: &str) -> Value {
    let text = fs::read_to_string(root().join("docs/schemas").join(name)).expect("the schema");
    serde_json::from_str(&text).expect("JSON")
}

fn document(args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_sandfence"))
        .args(args)
        .args(["-o", "json"])
        .current_dir(root())
        .output()
        .expect("the binary runs");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn assert_valid(schema: &Value, document: &Value) {
    let mut out = Vec::new();
    faults(schema, schema, document, "document", &mut out);
    assert_eq!(out, [""; 0]);
}

#[test]
fn the_document_of_check_is_as_its_schema_says() {
    let schema = schema("check-v1.json");
    let document = document(&[
        "check",
        "--all",
        "--explain",
        "examples",
        "tests/data/check",
        "no-such-file.yaml",
    ]);
    for list in ["results", "mutations", "problems", "explanations"] {
        let items = document[list].as_array().expect("a list");
        assert!(!items.is_empty(), "{list} is not tried");
    }
    assert_valid(&schema, &document);
}

#[test]
fn the_document_of_test_is_as_its_schema_says() {
    let schema = schema("test-v1.json");
    for args in [
        &["test", "policies/supply-chain", "tests/data/test"][..],
        &["test", "policies/supply-chain", "--run", "tag"],
    ] {
        assert_valid(&schema, &document(args));
    }
}

#[test]
fn what_is_not_in_the_schema_is_found() {
    let schema = schema("test-v1.json");
    let mut document = document(&["test", "policies/supply-chain", "--run", "tag"]);
    document["more"] = json!(1);
    document["version"] = json!("v2");
    document["summary"]["cases"] = json!(-1);
    document["suites"][0]["cases"][0]["verdict"] = json!("maybe");
    let mut out = Vec::new();
    faults(&schema, &schema, &document, "document", &mut out);
    out.sort();
    assert_eq!(
        out,
        [
            "document.more is unknown",
            "document.suites[0].cases[0].verdict: \"maybe\" is not enum [\"pass\",\"fail\",\"error\"]",
            "document.summary.cases: -1 is not minimum 0",
            "document.version: \"v2\" is not const \"v1\"",
        ]
    );
}
