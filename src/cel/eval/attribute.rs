//! Attributes: variables and results with selections.

use std::sync::Arc;

use super::native::{is_patch, patch_field, plain};
use super::{Local, Machine, Outcome, is_fatal, native};
use crate::cel::cost::SELECT;
use crate::cel::env::objects;
use crate::cel::lib::standard::key_text;
use crate::cel::messages::EMPTY;
use crate::cel::plan::{Attribute, Key, Op, OpId, Qualifier, Root};
use crate::cel::value::order::lossless_int;
use crate::cel::value::{EvalError, List, Map, Spoiled, Struct, Value};
use crate::model::json::{self, Json};

/// A value on the way through selections: parts of a document stay references.
#[derive(Clone, Debug)]
pub(crate) enum Cursor<'a> {
    /// Part of a document.
    Json(&'a Json<'a>),
    /// Any other value.
    Value(Value<'a>),
}

impl<'a> From<Cursor<'a>> for Value<'a> {
    fn from(cursor: Cursor<'a>) -> Self {
        match cursor {
            Cursor::Json(json) => Self::from(json),
            Cursor::Value(value) => value,
        }
    }
}

/// What a selection came to.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// Something is there.
    At(Cursor<'a>),
    /// Nothing is there: an error, or absence to those who ask for presence.
    Absent(EvalError),
    /// The selection makes no sense.
    Failed(EvalError),
    /// An error as a value: what is selected from it costs as if it was there.
    Spoiled(EvalError),
}

/// The result of an attribute before it is made a value.
#[derive(Clone, Debug)]
pub(crate) struct Reached<'a> {
    pub(crate) cursor: Cursor<'a>,
    /// A selection was optional: the result is an optional.
    pub(crate) optional: bool,
}

impl Reached<'_> {
    /// Nothing: an optional without value.
    const fn none() -> Self {
        Self {
            cursor: Cursor::Value(Value::Optional(None)),
            optional: false,
        }
    }
}

impl<'a> From<Reached<'a>> for Value<'a> {
    fn from(reached: Reached<'a>) -> Self {
        if reached.optional {
            return Value::some(reached.cursor.into());
        }
        reached.cursor.into()
    }
}

impl<'a> Machine<'_, 'a> {
    /// Evaluates an attribute, at the cost of its selections and one unit for itself.
    pub(super) fn attribute(&mut self, attribute: &'a Attribute) -> Outcome<'a> {
        let outcome = self.resolve(attribute);
        if let Err(error) = &outcome
            && is_fatal(error)
        {
            return outcome;
        }
        let conditional = matches!(attribute.root, Root::Conditional { .. });
        match (conditional, attribute.test_only) {
            (false, false) => self.charge(SELECT)?,
            // The API server takes back what it never charged, and wraps around: nothing is left to spend then.
            (true, true) => {
                self.cost = self.cost.wrapping_sub(SELECT);
                self.charge(0)?;
            }
            // A presence test costs nothing by itself, nor does a conditional.
            (true, false) | (false, true) => {}
        }
        if attribute.test_only
            && let Ok(Value::Optional(found)) = &outcome
        {
            return Ok(Value::Bool(found.is_some()));
        }
        outcome
    }

    /// What is in the optional that an attribute gives: an optional that is made only to be opened again is not made.
    /// `None` where there is nothing in it.
    pub(super) fn opened(
        &mut self,
        attribute: &'a Attribute,
    ) -> Result<Option<Value<'a>>, EvalError> {
        let reached = self.reach(attribute);
        if let Err(error) = &reached
            && is_fatal(error)
        {
            return Err(error.clone());
        }
        self.charge(SELECT)?;
        let reached = reached?;
        let value = Value::from(reached.cursor);
        if reached.optional {
            return Value::taken(&value).map(Some);
        }
        Ok(match value {
            Value::Optional(None) => None,
            Value::Optional(Some(inner)) => Some(Value::taken(&inner)?),
            other => Some(other),
        })
    }

    /// Evaluates an attribute at the cost of its selections only.
    pub(crate) fn resolve(&mut self, attribute: &'a Attribute) -> Outcome<'a> {
        self.reach(attribute).map(Value::from)
    }

    /// As [`Machine::resolve`], before the result is made a value.
    fn reach(&mut self, attribute: &'a Attribute) -> Result<Reached<'a>, EvalError> {
        // Most attributes are fields of documents: these are followed without making values on the way.
        let root = match attribute.root {
            Root::Local(place) => {
                if let Local::Value(Value::Map(Map::Json(map))) = self.locals.get(place) {
                    return self.document(map, attribute, 0);
                }
                self.local(place)?
            }
            Root::Composed => match attribute.qualifiers.as_slice() {
                [
                    Qualifier {
                        key:
                            Key::Composed {
                                index: Some(index), ..
                            },
                        optional: false,
                    },
                    ..,
                ] if !(attribute.test_only && attribute.qualifiers.len() == 1) => {
                    return self.composed(attribute, *index);
                }
                _ => self.root(attribute)?,
            },
            _ => self.root(attribute)?,
        };
        match root {
            Value::Map(Map::Json(map)) => self.document(map, attribute, 0),
            other => self.qualified(other, attribute),
        }
    }

    /// Follows selections from a variable of the policy.
    fn composed(
        &mut self,
        attribute: &'a Attribute,
        index: usize,
    ) -> Result<Reached<'a>, EvalError> {
        let outcome = self.activation.composed(index);
        if let Err(error) = &outcome
            && is_fatal(error)
        {
            return Err(error.clone());
        }
        self.charge(SELECT)?;
        match outcome? {
            Value::Map(Map::Json(map)) => self.document(map, attribute, 1),
            value => self.selected(Cursor::Value(value), false, attribute, 1),
        }
    }

    /// Follows the fields of a document from the selection at `start` on, and leaves the rest to the general case.
    fn document(
        &mut self,
        root: &'a json::Map<'a>,
        attribute: &'a Attribute,
        start: usize,
    ) -> Result<Reached<'a>, EvalError> {
        let mut map = root;
        let mut cursor = Cursor::Value(Value::Map(Map::Json(map)));
        let mut optional = false;
        let count = attribute.qualifiers.len();
        for (at, qualifier) in attribute.qualifiers.iter().enumerate().skip(start) {
            let Key::Field(name) = &qualifier.key else {
                return self.selected(cursor, optional, attribute, at);
            };
            optional |= qualifier.optional;
            let found = map.get(name);
            // What is absent costs nothing to those who take nothing for an answer.
            if optional && found.is_none() {
                return Ok(Reached::none());
            }
            self.charge(SELECT)?;
            if attribute.test_only && !optional && at + 1 == count {
                cursor = Cursor::Value(Value::Bool(found.is_some()));
                break;
            }
            let Some(json) = found else {
                return Err(EvalError::NoSuchKey(name.clone()));
            };
            cursor = Cursor::Json(json);
            match json {
                Json::Object(inner) => map = inner,
                _ => return self.selected(cursor, optional, attribute, at + 1),
            }
        }
        Ok(Reached { cursor, optional })
    }

    /// The value at the root of an attribute.
    pub(crate) fn root(&mut self, attribute: &'a Attribute) -> Outcome<'a> {
        match attribute.root {
            Root::Slot(slot) => self
                .activation
                .variable(slot)
                .ok_or_else(|| self.plan.unbound(slot)),
            Root::Local(place) => self.local(place),
            Root::Op(op) => self.eval(op),
            Root::Composed => Ok(Value::Struct(Arc::new(Struct {
                name: objects::VARIABLES.into(),
                fields: Vec::new(),
            }))),
            Root::Conditional {
                condition,
                then,
                otherwise,
            } => match self.eval(condition)? {
                Value::Bool(true) => self.resolve_op(then),
                Value::Bool(false) => self.resolve_op(otherwise),
                _ => Err(EvalError::NoSuchOverload),
            },
        }
    }

    /// Evaluates an operation; an attribute without the unit for itself.
    pub(crate) fn resolve_op(&mut self, op: OpId) -> Outcome<'a> {
        let plan = self.plan;
        match plan.ops[op as usize] {
            Op::Attribute(at) => self.resolve(&plan.attributes[at as usize]),
            _ => self.eval(op),
        }
    }

    /// The value in a place of the frame.
    pub(super) fn local(&mut self, place: u16) -> Outcome<'a> {
        match self.locals.get(place) {
            Local::Value(value) => Ok(value.clone()),
            Local::Failed(error) => Err(error.clone()),
            Local::Unset => Err(EvalError::NoSuchOverload),
            Local::Lazy(op) => {
                let outcome = self.eval(*op);
                if let Err(error) = &outcome
                    && is_fatal(error)
                {
                    return outcome;
                }
                self.locals.set(place, Local::from(outcome.clone()));
                outcome
            }
        }
    }

    fn qualified(
        &mut self,
        root: Value<'a>,
        attribute: &'a Attribute,
    ) -> Result<Reached<'a>, EvalError> {
        match root {
            Value::Optional(None) => Ok(Reached::none()),
            Value::Optional(Some(inner)) => {
                let inner = Cursor::Value(unwrapped(&inner));
                self.selected(inner, true, attribute, 0)
            }
            other => self.selected(Cursor::Value(other), false, attribute, 0),
        }
    }

    /// Applies the selections from the one at `start` on.
    pub(super) fn selected(
        &mut self,
        mut cursor: Cursor<'a>,
        mut optional: bool,
        attribute: &'a Attribute,
        start: usize,
    ) -> Result<Reached<'a>, EvalError> {
        let last = attribute.qualifiers.len().wrapping_sub(1);
        for (at, qualifier) in attribute.qualifiers.iter().enumerate().skip(start) {
            optional |= qualifier.optional;
            let testing = attribute.test_only && at == last;
            let found = self.select(&cursor, qualifier, optional || testing);
            if let Found::Failed(error) = &found
                && is_fatal(error)
            {
                return Err(error.clone());
            }
            if !optional {
                self.charge(SELECT)?;
            }
            match found {
                Found::At(next) => {
                    if optional {
                        self.charge(SELECT)?;
                    }
                    cursor = if testing && !optional {
                        Cursor::Value(Value::Bool(true))
                    } else {
                        next
                    };
                }
                Found::Absent(_) if optional => return Ok(Reached::none()),
                Found::Absent(_) if testing => cursor = Cursor::Value(Value::Bool(false)),
                // An error is something that is there.
                Found::Spoiled(_) if testing && !optional => {
                    cursor = Cursor::Value(Value::Bool(true));
                }
                Found::Spoiled(error) => {
                    let rest = attribute.qualifiers.len() - at - 1;
                    self.charge(SELECT.saturating_mul(rest as u64))?;
                    return Err(error);
                }
                Found::Absent(error) | Found::Failed(error) => return Err(error),
            }
        }
        Ok(Reached { cursor, optional })
    }

    /// Applies one selection; `presence` when somebody asks whether there is something at all.
    pub(crate) fn select(
        &mut self,
        cursor: &Cursor<'a>,
        qualifier: &'a Qualifier,
        presence: bool,
    ) -> Found<'a> {
        match &qualifier.key {
            Key::Field(name) => field(cursor, name, presence),
            Key::Constructed(name) => {
                native::constructed(cursor, name, (presence, qualifier.optional))
            }
            Key::Composed { index, name } => match index {
                None => Found::Absent(EvalError::NoSuchKey(name.clone())),
                Some(index) => match self.activation.composed(*index) {
                    Ok(value) => Found::At(Cursor::Value(value)),
                    Err(error) => Found::Failed(error),
                },
            },
            Key::Const(at) => key(cursor, &self.plan.constant(*at)),
            Key::Op(op) => match self.key_of(*op) {
                Err(error) => Found::Failed(error),
                Ok(value) => match &value {
                    Value::String(name) => field_or_key(cursor, name, &value),
                    Value::Int(_) | Value::Uint(_) | Value::Bool(_) | Value::Double(_) => {
                        key(cursor, &value)
                    }
                    other => Found::Failed(EvalError::text(invalid_key(other))),
                },
            },
        }
    }
}

impl<'a> Machine<'_, 'a> {
    /// The value of a key.
    fn key_of(&mut self, op: OpId) -> Outcome<'a> {
        let plan = self.plan;
        let Op::Attribute(at) = plan.ops[op as usize] else {
            return self.eval(op);
        };
        let attribute = &plan.attributes[at as usize];
        if let [
            Qualifier {
                key: Key::Constructed(name),
                optional: false,
            },
        ] = attribute.qualifiers.as_slice()
            && !attribute.test_only
        {
            return self.constructed_key(attribute, name);
        }
        let reached = self.reach(attribute)?;
        // What comes straight out of a variable is not yet a value of the language, which shows in the error.
        if matches!(attribute.root, Root::Slot(_)) && !reached.optional {
            let native = match &reached.cursor {
                Cursor::Json(Json::Null) => Some("<nil>"),
                Cursor::Json(Json::Array(_)) => Some("[]interface {}"),
                Cursor::Json(Json::Object(_)) => Some("map[string]interface {}"),
                Cursor::Value(value) if attribute.qualifiers.is_empty() => match value {
                    Value::Null if self.is_native(attribute.root) => Some("<nil>"),
                    Value::List(List::Json(_)) => Some("[]interface {}"),
                    Value::Map(Map::Json(_)) => Some("map[string]interface {}"),
                    _ => None,
                },
                _ => None,
            };
            if let Some(ty) = native {
                return Err(EvalError::text(format!("invalid qualifier type: {ty}")));
            }
        }
        Ok(reached.into())
    }

    /// A field of a constructed object as a key: it is not yet a value of the language either.
    fn constructed_key(&mut self, attribute: &'a Attribute, name: &str) -> Outcome<'a> {
        let root = self.root(attribute)?;
        if let Value::Struct(object) = &root
            && !is_patch(&object.name)
            && !native::has_foreign_key(object)
            && let Some(ty) = native::go_type_in_object(object.field(name))
        {
            self.charge(SELECT)?;
            return Err(EvalError::text(format!("invalid qualifier type: {ty}")));
        }
        self.qualified(root, attribute).map(Value::from)
    }

    /// Whether a variable is bound by admission itself, in the form that it has in the API server's memory.
    fn is_native(&self, root: Root) -> bool {
        match root {
            Root::Slot(slot) => self
                .plan
                .slot_name(slot)
                .is_some_and(|name| objects::STANDARD.contains(&name)),
            _ => false,
        }
    }
}

/// The native value inside an optional: optionals inside optionals fall together, types become their names, as in
/// cel-go.
fn unwrapped<'a>(value: &Value<'a>) -> Value<'a> {
    match value {
        Value::Optional(Some(inner)) => unwrapped(inner),
        Value::Optional(None) => Value::Null,
        Value::Type(ty) => Value::from(ty.runtime_name().to_owned()),
        Value::Struct(_) => plain(value),
        Value::Opaque(opaque) => native::unconverted(opaque.as_ref())
            .map_or_else(|| value.clone(), |error| Value::opaque(Spoiled(error))),
        other => other.clone(),
    }
}

/// `cursor.name`
pub(super) fn field<'a>(cursor: &Cursor<'a>, name: &Arc<str>, presence: bool) -> Found<'a> {
    let found = match cursor {
        Cursor::Json(Json::Object(map)) => map.get(name).map(Cursor::Json),
        Cursor::Value(Value::Map(Map::Json(map))) => map.get(name).map(Cursor::Json),
        Cursor::Value(Value::Map(map)) => map.find(&Value::from(&**name)).map(Cursor::Value),
        Cursor::Json(Json::Array(_)) | Cursor::Value(Value::List(_)) => {
            return Found::Failed(unsupported_index("string"));
        }
        Cursor::Value(Value::Struct(object)) if is_patch(&object.name) => {
            return patch_field(object, name, presence);
        }
        Cursor::Value(Value::Struct(object)) if object.name.as_ref() == EMPTY => {
            return Found::Failed(EvalError::text(format!("no such field '{name}'")));
        }
        _ => None,
    };
    found.map_or_else(
        || Found::Absent(EvalError::NoSuchKey(name.clone())),
        Found::At,
    )
}

fn field_or_key<'a>(cursor: &Cursor<'a>, name: &str, value: &Value<'a>) -> Found<'a> {
    let map = match cursor {
        Cursor::Json(Json::Object(map)) => map,
        Cursor::Value(Value::Map(Map::Json(map))) => map,
        _ => return key(cursor, value),
    };
    map.get(name).map_or_else(
        || Found::Absent(EvalError::NoSuchKey(name.into())),
        |json| Found::At(Cursor::Json(json)),
    )
}

/// `cursor[key]`
pub(crate) fn key<'a>(cursor: &Cursor<'a>, key: &Value<'_>) -> Found<'a> {
    let absent = || Found::Absent(EvalError::NoSuchKey(key_text(key).into()));
    match cursor {
        Cursor::Json(Json::Array(items)) => element(key, |at| items.get(at).map(Cursor::Json)),
        Cursor::Value(Value::List(List::Json(items))) => {
            element(key, |at| items.get(at).map(Cursor::Json))
        }
        Cursor::Value(Value::List(list)) => element(key, |at| list.get(at).map(Cursor::Value)),
        Cursor::Value(Value::Map(map)) => map
            .find(key)
            .map_or_else(absent, |value| Found::At(Cursor::Value(value))),
        Cursor::Json(Json::Object(map)) => key
            .as_str()
            .and_then(|name| map.get(name))
            .map_or_else(absent, |json| Found::At(Cursor::Json(json))),
        Cursor::Value(Value::Struct(object)) if is_patch(&object.name) => {
            patch_field(object, &key_text(key), false)
        }
        _ => absent(),
    }
}

/// The element that `key` is the index of.
fn element<'a>(key: &Value<'_>, get: impl FnOnce(usize) -> Option<Cursor<'a>>) -> Found<'a> {
    let at = match key {
        Value::Int(int) => Some(*int),
        Value::Uint(uint) => i64::try_from(*uint).ok(),
        Value::Double(double) => lossless_int(*double),
        other => return Found::Failed(unsupported_index(other.type_name())),
    };
    let Some(at) = at else {
        return Found::Failed(EvalError::text(format!(
            "unsupported index value {} in list",
            key_text(key)
        )));
    };
    usize::try_from(at).ok().and_then(get).map_or_else(
        || {
            Found::Absent(EvalError::text(format!(
                "index out of bounds: {}",
                key_text(key)
            )))
        },
        Found::At,
    )
}

fn unsupported_index(ty: &str) -> EvalError {
    EvalError::text(format!("unsupported index type '{ty}' in list"))
}

/// What the API server says about a value that cannot be a key, which names a type of its implementation.
pub(crate) fn invalid_key(value: &Value<'_>) -> String {
    format!("invalid qualifier type: {}", value.go_type())
}

/// `container[key]`
///
/// # Errors
/// Nothing is there, or the container cannot be indexed so.
pub(crate) fn index<'a>(container: &Value<'a>, at: &Value<'a>) -> Outcome<'a> {
    match key(&Cursor::Value(container.clone()), at) {
        Found::At(cursor) => Ok(cursor.into()),
        Found::Absent(error) | Found::Failed(error) | Found::Spoiled(error) => Err(error),
    }
}
