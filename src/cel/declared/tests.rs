use serde_json::json;

use super::*;
use crate::cel::env::Env;
use crate::cel::parse::parse;

fn schema() -> Arc<Structural> {
    let text = json!({"type": "string"});
    let schema = json!({
        "type": "object",
        "properties": {
            "apiVersion": text,
            "kind": text,
            "metadata": {"type": "object"},
            "spec": {
                "type": "object",
                "properties": {
                    "text": text,
                    "octets": {"type": "string", "format": "byte"},
                    "wait": {"type": "string", "format": "duration"},
                    "day": {"type": "string", "format": "date"},
                    "at": {"type": "string", "format": "date-time"},
                    "uuid": {"type": "string", "format": "uuid"},
                    "count": {"type": "integer", "format": "int32"},
                    "share": {"type": "number"},
                    "on": {"type": "boolean"},
                    "port": {"x-kubernetes-int-or-string": true},
                    "size": {"oneOf": [{"type": "string"}, {"type": "number"}]},
                    "sizes": {"type": "object", "additionalProperties": {"oneOf": [{"type": "string"}, {"type": "number"}]}},
                    "labels": {"type": "object", "additionalProperties": text},
                    "any": {"x-kubernetes-preserve-unknown-fields": true},
                    "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "items": {"type": "array", "items": {"type": "object", "properties": {"name": text}}},
                    "by-name": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a.b/c": text}}},
                    "namespace": text,
                    "$ref": text,
                    "bare": {"type": "array"},
                    "either": {"type": "object", "additionalProperties": true},
                },
            },
        },
    });
    Arc::new(Structural::parse(&schema).expect("schema"))
}

/// The type of an expression over `object`, or the issues.
fn typed(fidelity: Fidelity, text: &str) -> String {
    let declared = Declared::new("Thing", schema(), fidelity);
    let env = Env::builder().declared(&["object"], declared).build();
    let ast = parse(text).expect("syntax");
    match env.type_of(&ast) {
        Ok(ty) => ty.to_string(),
        Err(error) => {
            let messages: Vec<&str> = error.issues.iter().map(|i| i.message.as_str()).collect();
            messages.join("; ")
        }
    }
}

#[test]
fn fields_have_the_types_that_the_api_server_gives_them() {
    for (text, ty) in [
        ("object", "Thing"),
        ("object.kind + object.apiVersion", "string"),
        ("object.metadata.labels", "undefined field 'labels'"),
        ("object.spec", "Thing.spec"),
        ("object.spec.text", "string"),
        ("object.spec.octets", "bytes"),
        ("object.spec.wait", "google.protobuf.Duration"),
        ("object.spec.day", "google.protobuf.Timestamp"),
        ("object.spec.at", "google.protobuf.Timestamp"),
        ("object.spec.uuid", "string"),
        ("object.spec.count", "int"),
        ("object.spec.share", "double"),
        ("object.spec.on", "bool"),
        ("object.spec.port", "dyn"),
        ("object.spec.size", "undefined field 'size'"),
        ("object.spec.sizes", "undefined field 'sizes'"),
        ("object.spec.any", "undefined field 'any'"),
        ("object.spec.open", "Thing.spec.open"),
        ("object.spec.open.more", "undefined field 'more'"),
        ("object.spec.labels", "map(string, string)"),
        ("object.spec.labels['a/b']", "string"),
        ("object.spec.items", "list(Thing.spec.items.@idx)"),
        ("object.spec.items.map(i, i.name)", "list(string)"),
        (
            "object.spec.items.all(i, i.nam == '')",
            "undefined field 'nam'",
        ),
        ("object.?spec.?items[?0].?name", "optional_type(string)"),
        ("object.spec.bare", "undefined field 'bare'"),
        ("object.spec.either", "Thing.spec.either"),
        ("object.spec.either.more", "undefined field 'more'"),
        ("type(object)", "type(Thing)"),
    ] {
        assert_eq!(typed(Fidelity::ApiServer, text), ty, "{text}");
    }
}

#[test]
fn names_that_are_no_identifiers_are_found_escaped_only() {
    for (text, ty) in [
        ("object.spec.__namespace__", "string"),
        ("object.spec.namespace", "string"),
        (
            "object.spec.by__dash__name",
            "map(string, Thing.spec.by__dash__name.@elem)",
        ),
        (
            "object.spec.by__dash__name['x'].a__dot__b__slash__c",
            "string",
        ),
        ("object.spec.by", "undefined field 'by'"),
        ("object.spec.__text__", "undefined field '__text__'"),
        (
            "object.spec['text']",
            "found no matching overload for '_[_]' applied to '(Thing.spec, string)'",
        ),
    ] {
        assert_eq!(typed(Fidelity::ApiServer, text), ty, "{text}");
    }
}

#[test]
fn the_lenient_types_leave_only_what_cannot_be_right() {
    for (text, ty) in [
        ("object.metadata.labels", "dyn"),
        ("object.spec.size", "dyn"),
        ("object.spec.sizes", "map(string, dyn)"),
        ("object.spec.any", "dyn"),
        ("object.spec.bare", "dyn"),
        ("object.spec.either.more", "dyn"),
        ("object.spec.open.more", "dyn"),
        ("object.spec.more", "undefined field 'more'"),
        (
            "object.spec.text.more",
            "type 'string' does not support field selection",
        ),
    ] {
        assert_eq!(typed(Fidelity::Lenient, text), ty, "{text}");
    }
}
