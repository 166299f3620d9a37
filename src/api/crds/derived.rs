//! Structural schemas of our own kinds from their Rust types: what the generator writes in ways that a CRD does not
//! allow or need is put straight.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The structural schema of `T`, descriptions included.
pub(super) fn schema_of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    straighten(&mut schema);
    schema
}

fn straighten(schema: &mut Value) {
    let Value::Object(members) = schema else {
        return;
    };
    for noise in ["title", "$schema"] {
        if members.get(noise).is_some_and(Value::is_string) {
            members.remove(noise);
        }
    }
    if let Some(Value::String(description)) = members.get_mut("description") {
        *description = one_line_per_paragraph(description);
    }
    optional_is_not_nullable(members);
    variants_are_an_enum(members);
    for part in ["items", "additionalProperties"] {
        if let Some(part) = members.get_mut(part) {
            straighten(part);
        }
    }
    for property in members
        .get_mut("properties")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
    {
        straighten(property.1);
    }
}

/// `Option` says that a field may be absent; null is refused like any other wrong type.
fn optional_is_not_nullable(members: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = members.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            members.insert("type".to_owned(), only);
        }
    }
    for list in ["enum", "oneOf"] {
        if let Some(Value::Array(values)) = members.get_mut(list) {
            values.retain(|value| !value.is_null());
        }
    }
    let Some(Value::Array(choices)) = members.get("anyOf") else {
        return;
    };
    let null = json!({ "type": "null" });
    if let [only, last] = choices.as_slice()
        && *last == null
        && let Value::Object(only) = only.clone()
    {
        members.remove("anyOf");
        for (key, value) in only {
            members.entry(key).or_insert(value);
        }
    }
}

/// An enum whose variants are documented comes as one schema per variant.
fn variants_are_an_enum(members: &mut Map<String, Value>) {
    let Some(Value::Array(variants)) = members.get("oneOf") else {
        return;
    };
    let mut names = Vec::new();
    let mut lines = Vec::new();
    for variant in variants {
        let Some(name) = variant.get("const") else {
            return;
        };
        names.push(name.clone());
        let text = variant
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        lines.push(format!(
            "{}: {}",
            name.as_str().unwrap_or_default(),
            text.replace('\n', " ")
        ));
    }
    let description = members
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let description = format!("{description}\n{}", lines.join("\n"));
    members.remove("oneOf");
    members.insert("type".to_owned(), json!("string"));
    members.insert("enum".to_owned(), Value::Array(names));
    members.insert("description".to_owned(), json!(description));
}

/// Source lines are wrapped; a paragraph of a description is one line.
fn one_line_per_paragraph(text: &str) -> String {
    let paragraphs = text
        .split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " "));
    paragraphs.collect::<Vec<_>>().join("\n")
}
