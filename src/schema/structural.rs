//! A structural schema as a tree made for walking: parsed once from an OpenAPI v3 schema of a CRD or a definition.

use std::collections::HashMap;
use std::sync::Arc;

use regex::Regex;
use serde_json::{Map, Value};

use crate::model::json::Json;

/// A schema nested deeper is refused; the deepest path inside a PodSpec has under thirty steps.
const MAX_DEPTH: usize = 100;

/// See [`crate::api::openapi::ZERO`]; written out, since this file parses any schema and knows no kind.
const ZERO: &str = "x-sandfence-zero";

/// A compiled pattern may not need more memory; the largest one of the Kubernetes types needs a fiftieth.
const MAX_PATTERN_SIZE: usize = 1 << 20;

/// One node of a structural schema.
#[derive(Clone, Debug, Default)]
pub struct Structural {
    /// What kind of value belongs here.
    pub kind: Kind,
    /// Whether `null` is a value here.
    pub nullable: bool,
    /// What an absent value becomes.
    pub default: Option<Json<'static>>,
    /// What an absent key of an element counts as when lists are merged; only built-in kinds have this.
    pub zero: Option<Json<'static>>,
    /// Fields of an object, sorted by name.
    pub fields: Vec<Field>,
    /// Fields that must be present, in the order of the schema.
    pub required: Vec<Box<str>>,
    /// Values of further keys.
    pub additional: Additional,
    /// Elements of a list.
    pub items: Option<Box<Structural>>,
    /// How lists are merged.
    pub list: ListKind,
    /// Whether an object is replaced as a whole.
    pub atomic: bool,
    /// Whether unknown fields stay.
    pub preserve_unknown: bool,
    /// Whether this is an object with `apiVersion`, `kind` and `metadata` of its own.
    pub embedded: bool,
    /// Constraints on the value.
    pub checks: Option<Box<Checks>>,
    /// Expressions that must hold.
    pub rules: Vec<Rule>,
}

/// A field of an object.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: Box<str>,
    /// Its schema.
    pub schema: Structural,
}

/// What kind of value belongs somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Any.
    #[default]
    Any,
    /// An object.
    Object,
    /// A list.
    Array,
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A whole number or text (`x-kubernetes-int-or-string`).
    IntOrString,
    /// A number or text: a quantity of a built-in kind.
    NumberOrString,
}

/// What further keys of an object hold.
#[derive(Clone, Debug, Default)]
pub enum Additional {
    /// There are none.
    #[default]
    None,
    /// Anything.
    Any,
    /// Values of one schema.
    Schema(Box<Structural>),
}

/// How lists are merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListKind {
    /// As a whole.
    #[default]
    Atomic,
    /// As a set of scalars.
    Set,
    /// As objects with these keys.
    Map(Vec<Box<str>>),
}

/// Constraints on a value.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// The `format`; empty for none.
    pub format: Box<str>,
    /// The values allowed; empty for any.
    pub values: Vec<Json<'static>>,
    /// A pattern that text matches somewhere.
    pub pattern: Option<Arc<Regex>>,
    /// The fewest characters.
    pub min_length: Option<u64>,
    /// The most characters.
    pub max_length: Option<u64>,
    /// The fewest elements.
    pub min_items: Option<u64>,
    /// The most elements.
    pub max_items: Option<u64>,
    /// Whether elements differ.
    pub unique_items: bool,
    /// The fewest fields.
    pub min_properties: Option<u64>,
    /// The most fields.
    pub max_properties: Option<u64>,
    /// The lower bound.
    pub minimum: Option<Bound>,
    /// The upper bound.
    pub maximum: Option<Bound>,
    /// A divisor.
    pub multiple_of: Option<f64>,
    /// All of these hold.
    pub all_of: Vec<Structural>,
    /// At least one of these holds.
    pub any_of: Vec<Structural>,
    /// Exactly one of these holds.
    pub one_of: Vec<Structural>,
    /// This does not hold.
    pub not: Option<Box<Structural>>,
}

/// A bound of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The bound.
    pub value: f64,
    /// Whether the bound itself is excluded.
    pub exclusive: bool,
}

/// One entry of `x-kubernetes-validations`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The expression, with `self` and, in transition rules, `oldSelf`.
    pub expression: String,
    /// What is said when it does not hold.
    pub message: Option<String>,
    /// An expression for what is said.
    pub message_expression: Option<String>,
    /// The reason of the error.
    pub reason: Option<String>,
    /// The field blamed, below the rule's own place, as written: `.spec.x`.
    pub field_path: Option<String>,
    /// Whether `oldSelf` is optional.
    pub optional_old_self: bool,
}

/// Why a schema was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("schema{path}: {problem}")]
pub struct SchemaError {
    /// Where in the schema: `.properties[spec]`; empty for the root.
    pub path: String,
    /// What was expected, and found.
    pub problem: String,
}

impl Structural {
    /// Reads an OpenAPI v3 schema.
    ///
    /// # Errors
    /// The place of the first keyword that is not understood.
    pub fn parse(schema: &Value) -> Result<Self, SchemaError> {
        let mut reader = Reader {
            patterns: HashMap::new(),
        };
        reader.node(schema, &mut Vec::new())
    }

    /// The field `name` of an object.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Structural> {
        let at = self
            .fields
            .binary_search_by(|field| field.name.as_ref().cmp(name))
            .ok()?;
        Some(&self.fields[at].schema)
    }

    /// What the value under `key` of an object obeys: a field, or the schema of further keys.
    #[must_use]
    pub fn member(&self, key: &str) -> Option<&Structural> {
        self.field(key).or(match &self.additional {
            Additional::Schema(schema) => Some(schema),
            Additional::None | Additional::Any => None,
        })
    }

    /// Replaces the schema of field `name`, or adds it.
    pub fn set_field(&mut self, name: &str, schema: Structural) {
        match self
            .fields
            .binary_search_by(|field| field.name.as_ref().cmp(name))
        {
            Ok(at) => self.fields[at].schema = schema,
            Err(at) => self.fields.insert(
                at,
                Field {
                    name: name.into(),
                    schema,
                },
            ),
        }
    }

    /// The `format`; empty for none.
    #[must_use]
    pub fn format(&self) -> &str {
        self.checks.as_ref().map_or("", |checks| &checks.format)
    }
}

/// Reads a schema; equal patterns are compiled once.
struct Reader {
    patterns: HashMap<String, Arc<Regex>>,
}

type Read<T> = Result<T, SchemaError>;

impl Reader {
    fn node(&mut self, schema: &Value, path: &mut Vec<String>) -> Read<Structural> {
        let Value::Object(members) = schema else {
            return Err(wrong(path, &format!("expected an object, found {schema}")));
        };
        if path.len() > MAX_DEPTH {
            return Err(wrong(
                path,
                &format!("nested deeper than {MAX_DEPTH} levels"),
            ));
        }
        let value = |key: &str| {
            members
                .get(key)
                .filter(|value| !value.is_null())
                .cloned()
                .map(Json::from)
        };
        let mut node = Structural {
            kind: kind_of(members, path)?,
            nullable: flag(members, "nullable"),
            default: value("default"),
            zero: value(ZERO),
            required: texts(members, "required", path)?,
            list: list_kind(members, path)?,
            atomic: text(members, "x-kubernetes-map-type") == Some("atomic"),
            preserve_unknown: flag(members, "x-kubernetes-preserve-unknown-fields"),
            embedded: flag(members, "x-kubernetes-embedded-resource"),
            rules: rules_of(members, path)?,
            ..Default::default()
        };
        for (name, part) in members
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let schema = self.below(part, path, &format!(".properties[{name}]"))?;
            node.set_field(name, schema);
        }
        node.additional = match members.get("additionalProperties") {
            None | Some(Value::Bool(false)) => Additional::None,
            Some(Value::Bool(true)) => Additional::Any,
            Some(part) => {
                Additional::Schema(Box::new(self.below(part, path, ".additionalProperties")?))
            }
        };
        if let Some(part) = members.get("items") {
            node.items = Some(Box::new(self.below(part, path, ".items")?));
        }
        node.checks = self.checks(members, node.kind, path)?;
        Ok(node)
    }

    fn below(&mut self, part: &Value, path: &mut Vec<String>, step: &str) -> Read<Structural> {
        path.push(step.to_owned());
        let node = self.node(part, path);
        path.pop();
        node
    }

    fn checks(
        &mut self,
        members: &Map<String, Value>,
        kind: Kind,
        path: &mut Vec<String>,
    ) -> Read<Option<Box<Checks>>> {
        const CHECKS: &[&str] = &[
            "format",
            "enum",
            "pattern",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "uniqueItems",
            "minProperties",
            "maxProperties",
            "minimum",
            "maximum",
            "multipleOf",
            "allOf",
            "anyOf",
            "oneOf",
            "not",
        ];
        if !CHECKS.iter().any(|check| members.contains_key(*check)) {
            return Ok(None);
        }
        let count = |key: &str| members.get(key).and_then(Value::as_u64);
        let bound = |key: &str, exclusive: &str| {
            members.get(key).and_then(Value::as_f64).map(|value| Bound {
                value,
                exclusive: flag(members, exclusive),
            })
        };
        let listed = members
            .get("enum")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        // The choice between number and text is what the kind says already.
        let choice = matches!(kind, Kind::IntOrString | Kind::NumberOrString);
        let checks = Checks {
            format: text(members, "format").unwrap_or_default().into(),
            values: listed.map(|value| Json::from(value.clone())).collect(),
            pattern: text(members, "pattern")
                .map(|pattern| self.pattern(pattern, path))
                .transpose()?,
            min_length: count("minLength"),
            max_length: count("maxLength"),
            min_items: count("minItems"),
            max_items: count("maxItems"),
            unique_items: flag(members, "uniqueItems"),
            min_properties: count("minProperties"),
            max_properties: count("maxProperties"),
            minimum: bound("minimum", "exclusiveMinimum"),
            maximum: bound("maximum", "exclusiveMaximum"),
            multiple_of: members.get("multipleOf").and_then(Value::as_f64),
            all_of: self.each(members, "allOf", path)?,
            any_of: if choice {
                Vec::new()
            } else {
                self.each(members, "anyOf", path)?
            },
            one_of: if choice {
                Vec::new()
            } else {
                self.each(members, "oneOf", path)?
            },
            not: members
                .get("not")
                .map(|part| self.below(part, path, ".not").map(Box::new))
                .transpose()?,
        };
        Ok(Some(Box::new(checks)))
    }

    fn each(
        &mut self,
        members: &Map<String, Value>,
        key: &str,
        path: &mut Vec<String>,
    ) -> Read<Vec<Structural>> {
        let parts = members
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        parts
            .enumerate()
            .map(|(index, part)| self.below(part, path, &format!(".{key}[{index}]")))
            .collect()
    }

    fn pattern(&mut self, source: &str, path: &[String]) -> Read<Arc<Regex>> {
        if let Some(known) = self.patterns.get(source) {
            return Ok(known.clone());
        }
        let compiled = regex::RegexBuilder::new(source)
            .size_limit(MAX_PATTERN_SIZE)
            .build();
        let compiled =
            compiled.map_err(|error| wrong(path, &format!("pattern {source:?}: {error}")))?;
        let compiled = Arc::new(compiled);
        self.patterns.insert(source.to_owned(), compiled.clone());
        Ok(compiled)
    }
}

fn wrong(path: &[String], problem: &str) -> SchemaError {
    SchemaError {
        path: path.concat(),
        problem: problem.to_owned(),
    }
}

fn flag(members: &Map<String, Value>, key: &str) -> bool {
    members
        .get(key)
        .and_then(Value::as_bool)
        .unwrap_or_default()
}

fn text<'m>(members: &'m Map<String, Value>, key: &str) -> Option<&'m str> {
    members.get(key).and_then(Value::as_str)
}

fn texts(members: &Map<String, Value>, key: &str, path: &[String]) -> Read<Vec<Box<str>>> {
    let Some(value) = members.get(key) else {
        return Ok(Vec::new());
    };
    let listed = value.as_array().map(|items| {
        items
            .iter()
            .map(|item| item.as_str().map(Box::from))
            .collect()
    });
    listed.flatten().ok_or_else(|| {
        wrong(
            path,
            &format!("{key}: expected a list of names, found {value}"),
        )
    })
}

fn kind_of(members: &Map<String, Value>, path: &[String]) -> Read<Kind> {
    if flag(members, "x-kubernetes-int-or-string") {
        return Ok(Kind::IntOrString);
    }
    if let Some(name) = members.get("type") {
        return match name.as_str() {
            Some("object") => Ok(Kind::Object),
            Some("array") => Ok(Kind::Array),
            Some("string") => Ok(Kind::String),
            Some("integer") => Ok(Kind::Integer),
            Some("number") => Ok(Kind::Number),
            Some("boolean") => Ok(Kind::Boolean),
            _ => Err(wrong(
                path,
                &format!("type: expected one JSON type, found {name}"),
            )),
        };
    }
    // A quantity of a built-in kind is published as this choice.
    let choice = members
        .get("oneOf")
        .and_then(Value::as_array)
        .map(Vec::as_slice);
    let named = |value: &Value, name: &str| value.get("type").and_then(Value::as_str) == Some(name);
    Ok(match choice {
        Some([first, second]) if named(first, "string") && named(second, "number") => {
            Kind::NumberOrString
        }
        _ => Kind::Any,
    })
}

fn list_kind(members: &Map<String, Value>, path: &[String]) -> Read<ListKind> {
    match text(members, "x-kubernetes-list-type") {
        None | Some("atomic") => Ok(ListKind::Atomic),
        Some("set") => Ok(ListKind::Set),
        Some("map") => {
            let keys = texts(members, "x-kubernetes-list-map-keys", path)?;
            if keys.is_empty() {
                return Err(wrong(
                    path,
                    "x-kubernetes-list-map-keys: a list of type map needs keys",
                ));
            }
            Ok(ListKind::Map(keys))
        }
        Some(other) => Err(wrong(
            path,
            &format!("x-kubernetes-list-type: expected atomic, set or map, found {other}"),
        )),
    }
}

fn rules_of(members: &Map<String, Value>, path: &[String]) -> Read<Vec<Rule>> {
    let listed = members
        .get("x-kubernetes-validations")
        .and_then(Value::as_array);
    let rules = listed.into_iter().flatten().map(|entry| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        let expression = text("rule")
            .ok_or_else(|| wrong(path, "x-kubernetes-validations: every entry needs a rule"))?;
        Ok(Rule {
            expression,
            message: text("message"),
            message_expression: text("messageExpression"),
            reason: text("reason"),
            field_path: text("fieldPath"),
            optional_old_self: entry
                .get("optionalOldSelf")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
        })
    });
    rules.collect()
}
