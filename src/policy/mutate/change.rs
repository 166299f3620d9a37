//! One change: its expression evaluated, its result applied.

use crate::cel::lib::standard;
use crate::cel::plan::RUNTIME_BUDGET;
use crate::cel::value::{List, Map, Struct, Value};
use crate::model::json::Json;
use crate::model::patch::{Op, Operation, PatchError, apply as apply_patch};

use super::super::activation::{EXHAUSTED, Inputs, Phase};
use super::super::compile::{Change, Expression};
use super::Kind;

/// The object after the change; `None` when there is nothing to apply, or a `test` operation kept the patch from being
/// applied.
///
/// # Errors
/// The API server's text.
pub fn apply<'p>(
    inputs: Inputs<'_, 'p, '_>,
    change: &'p Change,
    kind: Kind,
) -> Result<Option<Json<'static>>, String> {
    match change {
        Change::JsonPatch(expression) => {
            let Patch {
                operations,
                unknown,
            } = patch(&evaluate(inputs, expression)?)?;
            if operations.is_empty() && unknown.is_none() {
                return Ok(None);
            }
            let current = inputs.object.to_owned_json();
            match apply_patch(&current, &operations) {
                Ok(_) if let Some(word) = unknown => {
                    Err(format!("JSON Patch: Unexpected kind: {word}"))
                }
                Ok(patched) => strict(inputs.object, patched, kind).map(Some),
                Err(PatchError::TestFailed(_)) => Ok(None),
                Err(error) => Err(format!("JSON Patch: {error}")),
            }
        }
        Change::Apply(expression) => {
            let value = evaluate(inputs, expression)?;
            merge(inputs, &value, kind).map(Some)
        }
    }
}

fn evaluate<'p>(
    inputs: Inputs<'_, 'p, '_>,
    expression: &'p Expression,
) -> Result<Value<'p>, String> {
    let mut phase = Phase::new(inputs, RUNTIME_BUDGET);
    match phase.run(expression) {
        Ok(value) => value,
        Err(_) => Err(EXHAUSTED.to_owned()),
    }
}

fn merge(
    inputs: Inputs<'_, '_, '_>,
    value: &Value<'_>,
    kind: Kind,
) -> Result<Json<'static>, String> {
    check_names(value)?;
    let request = inputs.scope.request;
    let Some(schema) = kind.schema else {
        return Err(format!(
            "Resource kind {} not found. There can be a delay between when CustomResourceDefinitions are created and when they are available.",
            request.kind
        ));
    };
    if let Some(fault) = foreign(value, "") {
        return Err(format!(
            "error applying patch: failed to convert patch object to typed object: {fault}"
        ));
    }
    let mut patch = value
        .to_unstructured()
        .map_err(|error| format!("invalid return type: {error}"))?;
    if let Json::Object(map) = &mut patch {
        for key in ["apiVersion", "kind"] {
            if let Some(text) = inputs.object.str_at(&[key]) {
                map.insert(key, Json::from(text.to_owned()));
            }
        }
    }
    let mut merged = schema
        .merge(inputs.object, &patch)
        .map_err(|error| format!("error applying patch: {error}"))?;
    default(&mut merged, kind);
    Ok(merged)
}

/// Custom resources are defaulted after each change, so that later policies see defaults. Defaults of built-in kinds
/// are the API server's own code.
fn default(object: &mut Json<'static>, kind: Kind) {
    if let Some(schema) = kind.schema.filter(|_| !kind.native) {
        schema.default(object);
    }
}

/// The API server decodes a patched built-in object strictly.
fn strict(
    before: &Json<'_>,
    mut patched: Json<'static>,
    kind: Kind,
) -> Result<Json<'static>, String> {
    if let Some(schema) = kind.schema.filter(|_| kind.native) {
        let known = schema.unknown_fields(before);
        let mut added = schema.unknown_fields(&patched);
        added.retain(|path| !known.contains(path));
        if !added.is_empty() {
            let fields: Vec<String> = added
                .iter()
                .map(|path| format!("unknown field \"{path}\""))
                .collect();
            return Err(format!(
                "Internal error occurred: strict decoding error: {}",
                fields.join(", ")
            ));
        }
    }
    default(&mut patched, kind);
    Ok(patched)
}

/// The operations of a patch up to the first of an unknown kind, which is noticed when its turn comes: a `test` before
/// it may end the patch.
struct Patch {
    operations: Vec<Operation>,
    unknown: Option<String>,
}

fn patch(value: &Value<'_>) -> Result<Patch, String> {
    let Value::List(list) = value else {
        return Err("type mismatch: JSONPatchType.expression should evaluate to array".to_owned());
    };
    let mut patch = Patch {
        operations: Vec::new(),
        unknown: None,
    };
    for item in list.iter() {
        match operation(&item)? {
            Ok(operation) if patch.unknown.is_none() => patch.operations.push(operation),
            Err(word) if patch.unknown.is_none() => patch.unknown = Some(word),
            _ => {}
        }
    }
    Ok(patch)
}

/// An operation; the inner error is the name of an unknown kind.
fn operation(value: &Value<'_>) -> Result<Result<Operation, String>, String> {
    let Value::Struct(object) = value else {
        return Err(
            "type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch"
                .to_owned(),
        );
    };
    let field = |name: &str| {
        let mut fields = object.fields.iter();
        fields
            .find(|(key, _)| key.as_ref() == name)
            .map(|(_, value)| value)
    };
    let text = |name: &str| match field(name) {
        Some(Value::String(text)) => text.as_str().to_owned(),
        _ => String::new(),
    };
    let word = text("op");
    let value = match field("value") {
        None => None,
        Some(value) => {
            if matches!(value, Value::Struct(_)) {
                check_names(value)?;
            }
            let json = value.to_json().map_err(|error| {
                format!(
                    "JSONPath valueExpression evaluated to a type that could not marshal to JSON: {error}"
                )
            })?;
            Some(json)
        }
    };
    let Some(op) = Op::named(&word) else {
        return Ok(Err(word));
    };
    Ok(Ok(Operation {
        op,
        path: text("path"),
        from: Some(text("from")).filter(|from| !from.is_empty()),
        value,
    }))
}

/// Type names of constructed objects must agree with the fields that hold them; lists and maps add nothing.
fn check_names(value: &Value<'_>) -> Result<(), String> {
    let mut wrong = Vec::new();
    if let Value::Struct(object) = value {
        walk(value, &object.name, &mut wrong);
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("type mismatch: {}", wrong.join("\n")))
}

fn walk(value: &Value<'_>, expected: &str, wrong: &mut Vec<String>) {
    match value {
        Value::Struct(object) => {
            let Struct { name, fields } = &**object;
            if name.as_ref() != expected {
                wrong.push(format!(
                    "unexpected type name \"{name}\", expected \"{expected}\", which matches field name path from root Object type"
                ));
            }
            for (field, value) in fields {
                walk(value, &format!("{expected}.{field}"), wrong);
            }
        }
        Value::List(list @ (List::Made(_) | List::Joined(_))) => {
            for item in list.iter() {
                walk(&item, expected, wrong);
            }
        }
        Value::Map(Map::Made(entries)) => {
            for (_, value) in entries.iter() {
                walk(value, expected, wrong);
            }
        }
        Value::Optional(Some(inner)) => walk(inner, expected, wrong),
        _ => {}
    }
}

/// What a constructed object holds that is no part of a Kubernetes object in the memory of the API server, which takes
/// maps and lists apart as far as a field holds them and no deeper: an author writes `Object.spec{…}` there instead.
fn foreign(value: &Value<'_>, path: &str) -> Option<String> {
    let native = |value: &Value<'_>, path: &str| match value {
        Value::Map(Map::Made(_)) => {
            Some(format!("{path}: expected map, got &{{{}}}", shown(value)))
        }
        Value::List(List::Made(_) | List::Joined(_)) => {
            Some(format!("{path}: expected list, got &{{{}}}", shown(value)))
        }
        other => foreign(other, path),
    };
    match value {
        Value::Struct(object) => object
            .fields
            .iter()
            .find_map(|(name, value)| foreign(value, &format!("{path}.{name}"))),
        Value::List(list @ (List::Made(_) | List::Joined(_))) => list
            .iter()
            .enumerate()
            .find_map(|(at, item)| native(&item, &format!("{path}[{at}]"))),
        Value::Map(map @ Map::Made(_)) => map.iter().find_map(|(key, value)| {
            let key = key.as_str()?;
            native(&value, &format!("{path}.{key}"))
        }),
        Value::Optional(Some(inner)) => foreign(inner, path),
        Value::Timestamp(_) | Value::Duration(_) | Value::Opaque(_) => Some(format!(
            "{path}: expected any scalar, got &{{{}}}",
            shown(value)
        )),
        _ => None,
    }
}

/// A value as Go prints it.
fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Map(map) => {
            let entries = map.iter();
            let entries = entries.map(|(key, value)| format!("{}:{}", shown(&key), shown(&value)));
            let mut entries: Vec<String> = entries.collect();
            entries.sort();
            format!("map[{}]", entries.join(" "))
        }
        Value::List(list) => {
            let items: Vec<String> = list.iter().map(|item| shown(&item)).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Timestamp(_) => {
            let text = standard::key_text(value);
            text.replace('T', " ").replace('Z', " +0000 UTC")
        }
        Value::Opaque(value) => value.text().to_owned(),
        other => standard::key_text(other),
    }
}
