//! Whether a value has the type that its schema gives it, as structured merge sees types: unknown fields and repeated
//! keys count, bounds and choices do not. Messages are those of the API server.

use super::structural::{Additional, Kind, ListKind, Structural};
use crate::model::json::{Json, Map};

/// What structured merge knows of a place.
#[derive(Clone, Copy)]
pub(super) enum Type<'s> {
    /// A node of the schema.
    Known(&'s Structural),
    /// Anything: objects are merged key by key, lists are replaced.
    Deduced,
    /// Anything, replaced as a whole.
    Opaque,
}

/// What a value at a place is treated as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Atom {
    Scalar,
    List,
    Map,
}

impl<'s> Type<'s> {
    /// How a value is treated here; by the value itself where the schema leaves it open.
    pub(super) fn atom(self, value: Option<&Json<'_>>) -> Atom {
        let by_value = || match value {
            Some(Json::Array(_)) => Atom::List,
            Some(Json::Bool(_) | Json::Int(_) | Json::Float(_) | Json::String(_)) => Atom::Scalar,
            Some(Json::Object(_) | Json::Null) | None => Atom::Map,
        };
        match self {
            Self::Known(schema) => match schema.kind {
                Kind::Object => Atom::Map,
                Kind::Array => Atom::List,
                Kind::String | Kind::Integer | Kind::Number | Kind::Boolean => Atom::Scalar,
                Kind::Any | Kind::IntOrString | Kind::NumberOrString => by_value(),
            },
            Self::Deduced | Self::Opaque => by_value(),
        }
    }

    /// The type of the value under `key`; `None` where no such key may be.
    pub(super) fn member(self, key: &str) -> Option<Type<'s>> {
        let schema = match self {
            Self::Known(schema) => schema,
            other => return Some(other),
        };
        if let Some(known) = schema.member(key) {
            return Some(Self::Known(known));
        }
        let bare = schema.fields.is_empty() && matches!(schema.additional, Additional::None);
        let open = bare || schema.preserve_unknown || matches!(schema.additional, Additional::Any);
        open.then_some(Self::Deduced)
    }

    /// The type of an element of a list.
    pub(super) fn element(self) -> Type<'s> {
        match self {
            Self::Known(schema) => schema.items.as_deref().map_or(Self::Opaque, Self::Known),
            Self::Deduced | Self::Opaque => Self::Opaque,
        }
    }

    /// How lists are merged here.
    pub(super) fn list(self) -> &'s ListKind {
        match self {
            Self::Known(schema) => &schema.list,
            Self::Deduced | Self::Opaque => &ListKind::Atomic,
        }
    }

    /// Whether an object is replaced as a whole here.
    pub(super) fn is_atomic_map(self) -> bool {
        match self {
            Self::Known(schema) => schema.atomic,
            Self::Deduced => false,
            Self::Opaque => true,
        }
    }
}

/// The identity of an element of a set or map list.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Element {
    /// A value of a set.
    Value(Json<'static>),
    /// Keys and their values, sorted by key.
    Keys(Vec<(String, Json<'static>)>),
}

impl Element {
    /// Identity of `item`, or why it has none.
    pub(super) fn of(list: Type<'_>, item: &Json<'_>) -> Result<Self, String> {
        match list.list() {
            ListKind::Map(keys) => Self::keyed(list, keys, item),
            ListKind::Set | ListKind::Atomic => match item {
                Json::Object(_) => {
                    Err("associative list without keys has an element that's a map type".to_owned())
                }
                Json::Array(_) => {
                    Err("not supported: associative list with lists as elements".to_owned())
                }
                Json::Null => Err(
                    "associative list without keys has an element that's an explicit null"
                        .to_owned(),
                ),
                scalar => Ok(Self::Value(scalar.to_owned_json())),
            },
        }
    }

    fn keyed(list: Type<'_>, keys: &[Box<str>], item: &Json<'_>) -> Result<Self, String> {
        let map = match item {
            Json::Object(map) => map,
            Json::Null => {
                return Err("associative list with keys may not have a null element".to_owned());
            }
            _ => return Err("associative list with keys may not have non-map elements".to_owned()),
        };
        let element = list.element();
        let mut found: Vec<(String, Json<'static>)> = Vec::with_capacity(keys.len());
        for key in keys {
            let default = || match element {
                Type::Known(schema) => {
                    let field = schema.field(key)?;
                    field.default.clone().or_else(|| field.zero.clone())
                }
                Type::Deduced | Type::Opaque => None,
            };
            if let Some(value) = map.get(key).map(Json::to_owned_json).or_else(default) {
                found.push((key.to_string(), value));
            }
        }
        if found.is_empty() {
            let names: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
            return Err(format!(
                "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
                names.join(" ")
            ));
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(Self::Keys(found))
    }

    /// As a step of a path: `[name="x"]`, `[="x"]`.
    pub(super) fn step(&self) -> String {
        match self {
            Self::Value(value) => format!("[={value}]"),
            Self::Keys(keys) => {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                format!("[{}]", keys.join(","))
            }
        }
    }
}

/// Which of the two values of a merge is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The object: elements may repeat, as older servers let in, and nulls are nothing.
    Live,
    /// The patch: elements may not repeat, and a null of an expression is no value of any type.
    Patch,
}

/// All violations, each as `PATH: PROBLEM`, joined as the API server joins them; `None` when there are none.
pub(super) fn violations(schema: &Structural, value: &Json<'_>, side: Side) -> Option<String> {
    let mut walk = Walk {
        side,
        path: String::new(),
        found: Vec::new(),
    };
    walk.value(Type::Known(schema), value);
    match walk.found.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(format!("errors:\n  {}", several.join("\n  "))),
    }
}

struct Walk {
    side: Side,
    path: String,
    found: Vec<String>,
}

/// No value reports more violations.
const MAX_VIOLATIONS: usize = 50;

impl Walk {
    fn report(&mut self, step: &str, problem: &str) {
        if self.found.len() < MAX_VIOLATIONS {
            let text = match (self.path.as_str(), step) {
                ("", "") => problem.to_owned(),
                (path, step) => format!("{path}{step}: {problem}"),
            };
            self.found.push(text);
        }
    }

    fn value(&mut self, of: Type<'_>, value: &Json<'_>) {
        match (of.atom(Some(value)), value) {
            (_, Json::Null) if self.side == Side::Live => {}
            (_, Json::Null) => self.null(of),
            (Atom::Map, Json::Object(map)) => self.fields(of, map),
            (Atom::List, Json::Array(items)) => self.items(of, items),
            (Atom::Map, other) => {
                self.report("", &format!("expected map, got &{{{}}}", go_value(other)))
            }
            (Atom::List, other) => {
                self.report("", &format!("expected list, got &{{{}}}", go_value(other)))
            }
            (Atom::Scalar, other) => self.scalar(of, other),
        }
    }

    /// A null in a patch reaches the API server's merge as a value that it does not know.
    fn null(&mut self, of: Type<'_>) {
        let kind = match of {
            Type::Known(schema) => schema.kind,
            Type::Deduced | Type::Opaque => Kind::Any,
        };
        let plain = matches!(of, Type::Known(schema) if matches!(schema.format(), "" | "byte"));
        self.report(
            "",
            match kind {
                Kind::Object | Kind::Any | Kind::IntOrString => "expected map, got &{NULL_VALUE}",
                Kind::Array => "expected list, got &{NULL_VALUE}",
                Kind::Boolean => "expected boolean, got &{NULL_VALUE}",
                Kind::Integer | Kind::Number => {
                    "expected numeric (int or float), got structpb.NullValue"
                }
                Kind::String if plain => "expected string, got &value.valueUnstructured{Value:0}",
                Kind::String | Kind::NumberOrString => "expected any scalar, got &{NULL_VALUE}",
            },
        );
    }

    fn scalar(&mut self, of: Type<'_>, value: &Json<'_>) {
        let Type::Known(schema) = of else { return };
        // Text with a format of its own may be any scalar.
        let plain = matches!(schema.format(), "" | "byte");
        let problem = match (schema.kind, value) {
            (Kind::Integer | Kind::Number, Json::Int(_) | Json::Float(_))
            | (Kind::String, Json::String(_))
            | (Kind::Boolean, Json::Bool(_))
            | (Kind::Any | Kind::IntOrString | Kind::NumberOrString, _) => return,
            (Kind::Integer | Kind::Number, other) => {
                format!("expected numeric (int or float), got {}", go_type(other))
            }
            (Kind::String, Json::Array(_) | Json::Object(_)) if !plain => {
                format!("expected any scalar, got &{{{}}}", go_value(value))
            }
            (Kind::String, _) if !plain => return,
            (Kind::String, other) => {
                format!(
                    "expected string, got &value.valueUnstructured{{Value:{}}}",
                    go_syntax(other)
                )
            }
            (_, other) => format!("expected boolean, got &{{{}}}", go_value(other)),
        };
        self.report("", &problem);
    }

    fn fields(&mut self, of: Type<'_>, map: &Map<'_>) {
        for (key, member) in map.iter() {
            let step = format!(".{key}");
            let Some(known) = of.member(key) else {
                // As in the API server, nothing after an unknown field is looked at.
                return self.report(&step, "field not declared in schema");
            };
            self.descend(&step, known, member);
        }
    }

    fn items(&mut self, of: Type<'_>, items: &[Json<'_>]) {
        if *of.list() == ListKind::Atomic {
            for (index, item) in items.iter().enumerate() {
                self.descend(&format!("[{index}]"), of.element(), item);
            }
            return;
        }
        let mut seen: Vec<Element> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let element = match Element::of(of, item) {
                Ok(element) => element,
                Err(problem) => return self.report("", &format!("element {index}: {problem}")),
            };
            let step = element.step();
            if self.side == Side::Patch && seen.contains(&element) {
                self.report("", &format!("duplicate entries for key {step}"));
            }
            seen.push(element);
            self.descend(&step, of.element(), item);
        }
    }

    fn descend(&mut self, step: &str, of: Type<'_>, value: &Json<'_>) {
        let length = self.path.len();
        self.path.push_str(step);
        self.value(of, value);
        self.path.truncate(length);
    }
}

/// A value as Go prints it with `%v`.
fn go_value(value: &Json<'_>) -> String {
    match value {
        Json::Null => "<nil>".to_owned(),
        Json::String(text) => text.to_string(),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(go_value).collect();
            format!("[{}]", items.join(" "))
        }
        Json::Object(map) => {
            let members: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{key}:{}", go_value(value)))
                .collect();
            format!("map[{}]", members.join(" "))
        }
        Json::Float(number) => number.to_string(),
        other => other.to_string(),
    }
}

/// A value as Go prints it with `%#v`.
fn go_syntax(value: &Json<'_>) -> String {
    match value {
        Json::Null => "interface {}(nil)".to_owned(),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(go_syntax).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Json::Object(map) => {
            let members: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{key:?}:{}", go_syntax(value)))
                .collect();
            format!("map[string]interface {{}}{{{}}}", members.join(", "))
        }
        Json::Float(number) => number.to_string(),
        other => other.to_string(),
    }
}

/// The Go type of a value.
const fn go_type(value: &Json<'_>) -> &'static str {
    match value {
        Json::Null => "<nil>",
        Json::Bool(_) => "bool",
        Json::Int(_) => "int64",
        Json::Float(_) => "float64",
        Json::String(_) => "string",
        Json::Array(_) => "[]interface {}",
        Json::Object(_) => "map[string]interface {}",
    }
}
