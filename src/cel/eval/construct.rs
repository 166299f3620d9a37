//! Literals of lists, maps and objects.

use std::sync::Arc;

use super::{Machine, Outcome, is_fatal, messages};
use crate::cel::cost;
use crate::cel::env::objects;
use crate::cel::lib::operators;
use crate::cel::lib::standard::key_text;
use crate::cel::plan::{OpId, StructPlan};
use crate::cel::value::{EvalError, List, Map, Struct, Value};

impl<'a> Machine<'_, 'a> {
    pub(super) fn list(&mut self, elements: &[OpId], optional: bool) -> Outcome<'a> {
        let built = self.list_items(elements, optional);
        self.built(built.map(Value::list), cost::LIST)
    }

    fn list_items(
        &mut self,
        elements: &[OpId],
        optional: bool,
    ) -> Result<Vec<Value<'a>>, EvalError> {
        let (elements, flags) = if optional {
            elements.split_at(elements.len() / 2)
        } else {
            (elements, &[][..])
        };
        let mut items = Vec::with_capacity(elements.len());
        for (at, element) in elements.iter().enumerate() {
            let value = self.eval(*element)?;
            if flags.get(at) != Some(&1) {
                items.push(value);
                continue;
            }
            match value {
                Value::Optional(Some(inner)) => items.push(inner.as_ref().clone()),
                Value::Optional(None) => {}
                other => {
                    return Err(EvalError::text(format!(
                        "cannot initialize optional list element from non-optional value {}",
                        key_text(&other)
                    )));
                }
            }
        }
        Ok(items)
    }

    pub(super) fn map(&mut self, entries: &[OpId]) -> Outcome<'a> {
        let built = self.map_entries(entries);
        self.built(
            built.map(|entries| Value::Map(Map::from_entries(entries))),
            cost::MAP,
        )
    }

    fn map_entries(&mut self, ops: &[OpId]) -> Result<Vec<(Value<'a>, Value<'a>)>, EvalError> {
        let mut entries = Vec::with_capacity(ops.len() / 3);
        for entry in ops.chunks_exact(3) {
            let key = self.eval(entry[0])?;
            let value = self.eval(entry[1])?;
            if let Some(error) = operators::unhashable(&key) {
                return Err(error);
            }
            if entry[2] == 0 {
                entries.push((key, value));
                continue;
            }
            match value {
                Value::Optional(Some(inner)) => entries.push((key, inner.as_ref().clone())),
                Value::Optional(None) => {
                    entries.retain(|(known, _)| known.key_order(&key).is_ne());
                }
                other => return Err(not_optional(&key_text(&key), &other)),
            }
        }
        Ok(entries)
    }

    pub(super) fn construct(&mut self, object: &'a StructPlan) -> Outcome<'a> {
        let built = self.object(object);
        self.built(built, cost::STRUCT)
    }

    fn object(&mut self, object: &'a StructPlan) -> Outcome<'a> {
        let mut fields: Vec<(Arc<str>, Value<'a>)> = Vec::with_capacity(object.fields.len());
        for (name, op, optional) in &object.fields {
            let mut value = self.eval(*op)?;
            if *optional {
                value = match value {
                    Value::Optional(Some(inner)) => inner.as_ref().clone(),
                    Value::Optional(None) => {
                        fields.retain(|(known, _)| known != name);
                        continue;
                    }
                    other => return Err(not_optional(name, &other)),
                };
            }
            if object.message.is_some() {
                fields.push((name.clone(), value));
                continue;
            }
            match fields.binary_search_by(|(known, _)| known.cmp(name)) {
                Ok(at) => fields[at].1 = value,
                Err(at) => fields.insert(at, (name.clone(), value)),
            }
        }
        if let Some(message) = object.message {
            return messages::build(message, fields);
        }
        if object.name.as_ref() == objects::JSON_PATCH {
            texts(&fields)?;
        }
        if !objects::is_constructed(&object.name) {
            return Err(EvalError::text(format!("unknown type '{}'", object.name)));
        }
        Ok(Value::Struct(Arc::new(Struct {
            name: object.name.clone(),
            fields,
        })))
    }

    /// Charges for a literal, failed or not.
    fn built(&mut self, outcome: Outcome<'a>, units: u64) -> Outcome<'a> {
        match outcome {
            Err(error) if is_fatal(&error) => Err(error),
            outcome => {
                self.charge(units)?;
                outcome
            }
        }
    }
}

/// Members of a patch have names of their own, and those other than its value must be texts.
fn texts(fields: &[(Arc<str>, Value<'_>)]) -> Result<(), EvalError> {
    let known = ["op", "path", "from", "value"];
    if let Some((name, _)) = fields
        .iter()
        .find(|(name, _)| !known.contains(&name.as_ref()))
    {
        return Err(EvalError::text(format!(
            "unexpected JSONPatchType field: {name}"
        )));
    }
    let wrong = fields
        .iter()
        .find(|(name, value)| name.as_ref() != "value" && value.as_str().is_none());
    let Some((name, value)) = wrong else {
        return Ok(());
    };
    let mut value = value;
    while let Value::Optional(Some(inner)) = value {
        value = inner;
    }
    let ty = match value {
        Value::Optional(None) => "<nil>",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int64",
        Value::Uint(_) => "uint64",
        Value::Double(_) => "float64",
        Value::Bytes(_) => "[]uint8",
        Value::Null => "structpb.NullValue",
        Value::Duration(_) => "time.Duration",
        Value::Timestamp(_) => "time.Time",
        Value::List(List::Json(_)) => "[]interface {}",
        Value::List(_) => "[]ref.Val",
        Value::Map(Map::Json(_)) => "map[string]interface {}",
        Value::Map(Map::Made(_)) => "map[ref.Val]ref.Val",
        other => other.type_name(),
    };
    Err(EvalError::text(format!(
        "unexpected type {ty} for JSONPatchType '{name}' field"
    )))
}

fn not_optional(entry: &str, value: &Value<'_>) -> EvalError {
    EvalError::text(format!(
        "cannot initialize optional entry '{entry}' from non-optional value {}",
        key_text(value)
    ))
}
