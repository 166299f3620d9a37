//! Validation of an object against a structural schema, with the API server's order and words.
//!
//! One difference is deliberate: where the API server reports a value that is neither a number nor text three or four
//! times, once for each branch of the choice, it is reported once.

use std::collections::BTreeMap;

use super::coerce::integral;
use super::format;
use super::structural::{Bound, Checks, Kind, ListKind, Structural};
use super::trail::Trail;
use crate::model::fields::FieldError;
use crate::model::json::{Json, Map};

/// No object reports more mistakes: a list of a million wrong elements must not fill memory with messages.
const MAX_ERRORS: usize = 200;

impl Structural {
    /// All mistakes in `object`: types, bounds, choices, required fields, then duplicates in sets and maps. Expressions
    /// are not evaluated here: see [`Structural::visit_rules`].
    #[must_use]
    pub fn validate(&self, object: &Json<'_>) -> Vec<FieldError> {
        let mut errors = Errors(Vec::new());
        value(self, object, &Trail::Root, &mut errors);
        duplicates(self, object, &Trail::Root, &mut errors);
        errors.0
    }
}

/// Collected mistakes, bounded.
struct Errors(Vec<FieldError>);

impl Errors {
    fn full(&self) -> bool {
        self.0.len() >= MAX_ERRORS
    }

    fn add(&mut self, trail: &Trail<'_>, message: String) {
        if !self.full() {
            let path = trail.path();
            self.0.push(FieldError { path, message });
        }
    }

    /// `Invalid value: V: PATH in body PROBLEM`.
    fn invalid(&mut self, trail: &Trail<'_>, shown: &str, problem: &str) {
        let path = trail.path().dotted();
        self.add(
            trail,
            format!("Invalid value: {shown}: {path} in body {problem}"),
        );
    }
}

fn value(schema: &Structural, at: &Json<'_>, trail: &Trail<'_>, errors: &mut Errors) {
    if errors.full() {
        return;
    }
    kind(schema, at, trail, errors);
    let checks = schema.checks.as_deref();
    if at.is_null() {
        if let Some(checks) = checks {
            choice(checks, at, trail, errors);
        }
        return;
    }
    if let Some(checks) = checks {
        combinations(checks, at, trail, errors);
    }
    match at {
        Json::String(text) => string(checks, text, trail, errors),
        Json::Int(_) | Json::Float(_) => number(schema, at, trail, errors),
        Json::Array(items) => array(schema, items, trail, errors),
        _ => {}
    }
    if let Some(checks) = checks {
        choice(checks, at, trail, errors);
    }
    if let Json::Object(map) = at {
        object(schema, map, trail, errors);
    }
}

/// The JSON type of a value as messages name it.
const fn type_name(at: &Json<'_>) -> &'static str {
    match at {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Int(_) => "integer",
        Json::Float(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

const fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Any => "any",
        Kind::Object => "object",
        Kind::Array => "array",
        Kind::String => "string",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Boolean => "boolean",
        Kind::IntOrString => "integer,string",
        Kind::NumberOrString => "number,string",
    }
}

fn belongs(kind: Kind, at: &Json<'_>) -> bool {
    let whole = |number: &f64| integral(*number).is_some();
    match (kind, at) {
        (Kind::Any, _)
        | (Kind::Object, Json::Object(_))
        | (Kind::Array, Json::Array(_))
        | (Kind::String | Kind::IntOrString | Kind::NumberOrString, Json::String(_))
        | (Kind::Boolean, Json::Bool(_))
        | (Kind::Integer | Kind::Number | Kind::IntOrString | Kind::NumberOrString, Json::Int(_))
        | (Kind::Number | Kind::NumberOrString, Json::Float(_)) => true,
        (Kind::Integer | Kind::IntOrString, Json::Float(number)) => whole(number),
        _ => false,
    }
}

fn kind(schema: &Structural, at: &Json<'_>, trail: &Trail<'_>, errors: &mut Errors) {
    if at.is_null() && schema.nullable || belongs(schema.kind, at) {
        return;
    }
    let format = schema.format();
    // With a format, and a value that is neither text nor a list, the format is what was expected and found.
    let by_format = !format.is_empty()
        && matches!(
            at,
            Json::Bool(_) | Json::Int(_) | Json::Float(_) | Json::Object(_)
        );
    let (wanted, found) = if by_format {
        let found = match at {
            Json::Int(_) => "int64",
            Json::Float(_) => "float64",
            _ => "",
        };
        (format, found)
    } else {
        (expected(schema.kind), type_name(at))
    };
    errors.invalid(
        trail,
        &format!("{found:?}"),
        &format!("must be of type {wanted}: {found:?}"),
    );
}

fn string(checks: Option<&Checks>, text: &str, trail: &Trail<'_>, errors: &mut Errors) {
    let Some(checks) = checks else { return };
    let shown = quoted(text);
    let length = text.chars().count() as u64;
    if let Some(most) = checks.max_length.filter(|most| length > *most) {
        errors.add(
            trail,
            format!("Too long: may not be more than {most} bytes"),
        );
    } else if let Some(least) = checks.min_length.filter(|least| length < *least) {
        errors.invalid(
            trail,
            &shown,
            &format!("should be at least {least} chars long"),
        );
    } else if let Some(pattern) = checks
        .pattern
        .as_ref()
        .filter(|pattern| !pattern.is_match(text))
    {
        errors.invalid(
            trail,
            &shown,
            &format!("should match '{}'", pattern.as_str()),
        );
    }
    if !format::matches(&checks.format, text) {
        errors.invalid(
            trail,
            &shown,
            &format!("must be of type {}: {shown}", checks.format),
        );
    }
}

fn number(schema: &Structural, at: &Json<'_>, trail: &Trail<'_>, errors: &mut Errors) {
    let format = schema.format();
    let whole = match at {
        Json::Int(number) => Some(*number),
        Json::Float(number) => integral(*number),
        _ => None,
    };
    if schema.kind == Kind::Integer {
        let fits = whole.is_some_and(|number| format != "int32" || i32::try_from(number).is_ok());
        if !fits {
            let format = match format {
                "int32" | "int64" => format!("with format {format}"),
                _ => "(default format)".to_owned(),
            };
            let path = trail.path().dotted();
            errors.add(
                trail,
                format!(
                    "Invalid value: \"\": Checked value must be of type integer {format} in {path}"
                ),
            );
        }
    }
    let Some(checks) = schema.checks.as_deref() else {
        return;
    };
    // bounds are doubles: compared as the API server does
    let data = match at {
        Json::Int(number) => *number as f64,
        Json::Float(number) => *number,
        _ => return,
    };
    let shown = at.to_string();
    if let Some(factor) = checks
        .multiple_of
        .filter(|factor| (data / factor).fract() != 0.0)
    {
        errors.invalid(trail, &shown, &format!("should be a multiple of {factor}"));
    }
    let breaks = |bound: &Bound, beyond: bool| beyond || bound.exclusive && data == bound.value;
    if let Some(bound) = checks
        .minimum
        .filter(|bound| breaks(bound, data < bound.value))
    {
        let or_equal = if bound.exclusive { "" } else { " or equal to" };
        errors.invalid(
            trail,
            &shown,
            &format!("should be greater than{or_equal} {}", bound.value),
        );
    }
    if let Some(bound) = checks
        .maximum
        .filter(|bound| breaks(bound, data > bound.value))
    {
        let or_equal = if bound.exclusive { "" } else { " or equal to" };
        errors.invalid(
            trail,
            &shown,
            &format!("should be less than{or_equal} {}", bound.value),
        );
    }
}

fn array(schema: &Structural, items: &[Json<'_>], trail: &Trail<'_>, errors: &mut Errors) {
    if let Some(element) = &schema.items {
        for (index, item) in items.iter().enumerate() {
            value(element, item, &trail.index(index), errors);
        }
    }
    let Some(checks) = schema.checks.as_deref() else {
        return;
    };
    let count = items.len() as u64;
    if let Some(least) = checks.min_items.filter(|least| count < *least) {
        errors.invalid(
            trail,
            &count.to_string(),
            &format!("should have at least {least} items"),
        );
    }
    if let Some(most) = checks.max_items.filter(|most| count > *most) {
        errors.add(trail, too_many(count, most));
    }
    if checks.unique_items && !first_repeats(items.iter().map(Json::to_string)).is_empty() {
        errors.invalid(trail, "\"\"", "shouldn't contain duplicates");
    }
}

fn too_many(count: u64, most: u64) -> String {
    let items = if most == 1 { "item" } else { "items" };
    format!("Too many: {count}: must have at most {most} {items}")
}

fn choice(checks: &Checks, at: &Json<'_>, trail: &Trail<'_>, errors: &mut Errors) {
    if checks.values.is_empty() || checks.values.iter().any(|value| same(value, at)) {
        return;
    }
    let supported: Vec<String> = checks
        .values
        .iter()
        .map(|value| {
            value
                .as_str()
                .map_or_else(|| quoted(&value.to_string()), quoted)
        })
        .collect();
    errors.add(
        trail,
        format!(
            "Unsupported value: {}: supported values: {}",
            shown(at),
            supported.join(", ")
        ),
    );
}

/// Equal as JSON, numbers by value.
pub(super) fn same(one: &Json<'_>, other: &Json<'_>) -> bool {
    match (one, other) {
        (Json::Int(whole), Json::Float(number)) | (Json::Float(number), Json::Int(whole)) => {
            integral(*number) == Some(*whole)
        }
        _ => one == other,
    }
}

fn object(schema: &Structural, map: &Map<'_>, trail: &Trail<'_>, errors: &mut Errors) {
    let checks = schema.checks.as_deref();
    let count = map.len() as u64;
    if let Some(least) = checks
        .and_then(|checks| checks.min_properties)
        .filter(|least| count < *least)
    {
        errors.invalid(
            trail,
            &count.to_string(),
            &format!("should have at least {least} properties"),
        );
    }
    if let Some(most) = checks
        .and_then(|checks| checks.max_properties)
        .filter(|most| count > *most)
    {
        errors.add(trail, too_many(count, most));
    }
    for (key, member) in map.iter() {
        if let Some(schema) = schema.member(key) {
            value(schema, member, &trail.key(key), errors);
        }
    }
    for name in &schema.required {
        if !map.contains_key(name) {
            errors.add(&trail.key(name), "Required value".to_owned());
        }
    }
}

fn combinations(checks: &Checks, at: &Json<'_>, trail: &Trail<'_>, errors: &mut Errors) {
    let keeps = |schema: &&Structural| {
        let mut found = Errors(Vec::new());
        value(schema, at, trail, &mut found);
        found.0.is_empty()
    };
    let path = || quoted(&trail.path().dotted());
    let mut report = |text: String| errors.add(trail, format!("Invalid value: \"\": {text}"));
    if !checks.any_of.is_empty() && !checks.any_of.iter().any(|schema| keeps(&schema)) {
        report(format!(
            "{} must validate at least one schema (anyOf)",
            path()
        ));
    }
    if !checks.one_of.is_empty() && checks.one_of.iter().filter(keeps).count() != 1 {
        report(format!(
            "{} must validate one and only one schema (oneOf)",
            path()
        ));
    }
    if !checks.all_of.iter().all(|schema| keeps(&schema)) {
        report(format!("{} must validate all the schemas (allOf)", path()));
    }
    if checks.not.as_deref().is_some_and(|schema| keeps(&schema)) {
        report(format!("{} must not validate the schema (not)", path()));
    }
}

// --- sets and maps ---

fn duplicates(schema: &Structural, at: &Json<'_>, trail: &Trail<'_>, errors: &mut Errors) {
    match at {
        Json::Object(map) => {
            for (key, member) in map.iter() {
                if let Some(schema) = schema.member(key) {
                    duplicates(schema, member, &trail.key(key), errors);
                }
            }
        }
        Json::Array(items) => {
            match &schema.list {
                ListKind::Atomic => {}
                ListKind::Set => {
                    for index in first_repeats(items.iter().map(Json::to_string)) {
                        errors.add(
                            &trail.index(index),
                            format!("Duplicate value: {}", shown(&items[index])),
                        );
                    }
                }
                ListKind::Map(keys) => keyed(keys, items, trail, errors),
            }
            if let Some(element) = &schema.items {
                for (index, item) in items.iter().enumerate() {
                    duplicates(element, item, &trail.index(index), errors);
                }
            }
        }
        _ => {}
    }
}

fn keyed(keys: &[Box<str>], items: &[Json<'_>], trail: &Trail<'_>, errors: &mut Errors) {
    let odd = items
        .iter()
        .position(|item| !matches!(item, Json::Object(_) | Json::Null));
    if let Some(index) = odd {
        errors.add(
            &trail.index(index),
            format!(
                "Invalid value: {}: must be an object for an array of list-type map",
                shown(&items[index])
            ),
        );
        return;
    }
    let key_of = |item: &Json<'_>| -> String {
        let map: Map<'_> = keys
            .iter()
            .filter_map(|key| item.get(key).map(|value| (key.as_ref(), value.clone())))
            .collect();
        Json::Object(map).to_string()
    };
    let found: Vec<String> = items.iter().map(key_of).collect();
    for index in first_repeats(found.iter().cloned()) {
        errors.add(
            &trail.index(index),
            format!("Duplicate value: {}", found[index]),
        );
    }
}

/// The second appearance of every value that appears more than once.
fn first_repeats(values: impl Iterator<Item = String>) -> Vec<usize> {
    let mut seen: BTreeMap<String, bool> = BTreeMap::new();
    let mut repeats = Vec::new();
    for (index, value) in values.enumerate() {
        match seen.get_mut(&value) {
            None => {
                seen.insert(value, false);
            }
            Some(reported) if !*reported => {
                *reported = true;
                repeats.push(index);
            }
            Some(_) => {}
        }
    }
    repeats
}

/// A value as error messages show it.
fn shown(at: &Json<'_>) -> String {
    match at {
        Json::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// Text in double quotes with escapes.
fn quoted(text: &str) -> String {
    Json::String(text.into()).to_string()
}
