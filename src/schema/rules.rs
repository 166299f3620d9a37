//! The expressions of a schema (`x-kubernetes-validations`), met on a walk over an object.
//!
//! This layer knows no expression language: whoever does is called with each rule, the value it speaks of and the old
//! value where the API server would correlate one.

use super::structural::{ListKind, Rule, Structural};
use super::trail::Trail;
use crate::model::json::Json;
use crate::model::path::FieldPath;

/// A rule at a place of an object.
#[derive(Clone, Copy)]
pub struct Met<'w, 'v, 'a> {
    /// The rule.
    pub rule: &'w Rule,
    /// The schema that carries it.
    pub schema: &'w Structural,
    /// `self`.
    pub value: &'v Json<'a>,
    /// `oldSelf`, on update and where the old value can be told.
    pub old: Option<&'v Json<'a>>,
}

impl Structural {
    /// Calls `meet` with every rule that speaks of a part of `object`, outer rules first.
    pub fn visit_rules<'w, 'v, 'a>(
        &'w self,
        object: &'v Json<'a>,
        old: Option<&'v Json<'a>>,
        meet: &mut dyn FnMut(&FieldPath, Met<'w, 'v, 'a>),
    ) {
        self.visit(object, old, &Trail::Root, meet);
    }

    fn visit<'w, 'v, 'a>(
        &'w self,
        value: &'v Json<'a>,
        old: Option<&'v Json<'a>>,
        trail: &Trail<'_>,
        meet: &mut dyn FnMut(&FieldPath, Met<'w, 'v, 'a>),
    ) {
        for rule in &self.rules {
            let met = Met {
                rule,
                schema: self,
                value,
                old,
            };
            meet(&trail.path(), met);
        }
        match value {
            Json::Object(map) => {
                for (key, member) in map.iter() {
                    if let Some(schema) = self.member(key) {
                        let old = old.and_then(|old| old.get(key));
                        schema.visit(member, old, &trail.key(key), meet);
                    }
                }
            }
            Json::Array(items) => {
                let Some(schema) = &self.items else { return };
                for (index, item) in items.iter().enumerate() {
                    let old = old.and_then(|old| self.correlate(item, old));
                    schema.visit(item, old, &trail.index(index), meet);
                }
            }
            _ => {}
        }
    }

    /// The element of the old list with the same keys; only lists of type map have one.
    fn correlate<'v, 'a>(&self, item: &Json<'a>, old: &'v Json<'a>) -> Option<&'v Json<'a>> {
        let ListKind::Map(keys) = &self.list else {
            return None;
        };
        let same = |other: &&Json<'a>| keys.iter().all(|key| other.get(key) == item.get(key));
        old.as_array()?.iter().find(same)
    }
}
