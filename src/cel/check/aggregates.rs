//! Literals of lists, maps and constructed objects.

use super::{Checker, Reference, Type};
use crate::cel::ast::{ExprId, FieldEntry, MapEntry};
use crate::cel::env::objects::{Field, JSON_PATCH};

impl Checker<'_> {
    pub(super) fn check_list(&mut self, id: ExprId, elements: &[(ExprId, bool)]) {
        let mut joined = None;
        for (element, optional) in elements {
            self.check(*element);
            let ty = if *optional {
                self.optional_entry(*element)
            } else {
                self.get(*element)
            };
            joined = self.join_type(joined, ty);
        }
        let element = joined.unwrap_or_else(|| self.bindings.fresh());
        self.set(id, Type::list(element));
    }

    pub(super) fn check_map(&mut self, id: ExprId, entries: &[MapEntry]) {
        let (mut key, mut value) = (None, None);
        for entry in entries {
            self.check(entry.key);
            key = self.join(entry.key, key);
            self.check(entry.value);
            let ty = if entry.optional {
                self.optional_entry(entry.value)
            } else {
                self.get(entry.value)
            };
            value = self.join_type(value, ty);
        }
        let key = key.unwrap_or_else(|| self.bindings.fresh());
        let value = value.unwrap_or_else(|| self.bindings.fresh());
        self.set(id, Type::map(key, value));
    }

    pub(super) fn check_struct(&mut self, id: ExprId, name: &str, fields: &[FieldEntry]) {
        let object = match self.lookup(name) {
            None => return self.undeclared(id, name),
            Some((Reference::Message(message), _)) => {
                self.refer(id, Reference::Message(message));
                self.set(id, message.result());
                for entry in fields {
                    self.check(entry.value);
                    let kind = message.field(&entry.name);
                    let wanted = kind.map_or(Field::Undefined, |kind| Field::Of(kind.ty()));
                    self.check_field_type(entry, wanted, false);
                }
                return;
            }
            Some((reference, Type::Type(named))) => {
                self.refer(id, reference);
                if let Type::Object(object) = named.as_ref() {
                    self.set(id, named.as_ref().clone());
                    object.clone()
                } else {
                    self.set(id, Type::Error);
                    let named = named.runtime_name();
                    return self.issue_at(id, format!("'{named}' is not a message type"));
                }
            }
            Some((_, ty)) => {
                self.set(id, Type::Error);
                if ty != Type::Error {
                    let ty = ty.runtime_name();
                    self.issue_at(id, format!("'{ty}' is not a type"));
                }
                return;
            }
        };
        for entry in fields {
            self.check_field_entry(&object, entry);
        }
    }

    fn check_field_entry(&mut self, object: &str, entry: &FieldEntry) {
        self.check(entry.value);
        let wanted = self.env.field(object, &entry.name);
        self.check_field_type(entry, wanted, object == JSON_PATCH);
    }

    fn check_field_type(&mut self, entry: &FieldEntry, wanted: Field, patch: bool) {
        let wanted = match wanted {
            Field::Of(ty) => Some(ty),
            // The API server knows every field of a patch, the type of most being none at all.
            Field::Undefined if patch => None,
            Field::Undefined | Field::Unresolved => {
                self.issue(entry.offset, format!("undefined field '{}'", entry.name));
                Some(Type::Error)
            }
        };
        let found = if entry.optional {
            self.optional_entry(entry.value)
        } else {
            self.get(entry.value)
        };
        let fits = match &wanted {
            Some(wanted) => self.bindings.assignable(wanted, &found),
            None => matches!(found, Type::Dyn | Type::Error),
        };
        if !fits {
            let message = format!(
                "expected type of field '{}' is '{}' but provided type is '{}'",
                entry.name,
                wanted.as_ref().map(Type::in_message).unwrap_or_default(),
                found.in_message()
            );
            self.issue(entry.offset, message);
        }
    }
}
