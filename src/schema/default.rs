//! Defaulting: absent fields take the schema's default, and nulls where no null belongs count as absent.

use super::structural::Structural;
use crate::model::json::Json;

impl Structural {
    /// Drops nulls that are neither allowed nor defaulted, then fills in defaults, also inside what was filled in.
    pub fn default(&self, object: &mut Json<'_>) {
        match object {
            Json::Object(map) => {
                map.retain(|key, member| {
                    let replaceable = self
                        .member(key)
                        .is_none_or(|schema| schema.nullable || schema.default.is_some());
                    replaceable || !member.is_null()
                });
                for field in &self.fields {
                    let Some(default) = &field.schema.default else {
                        continue;
                    };
                    match map.get_mut(&field.name) {
                        Some(member) if member.is_null() && !field.schema.nullable => {
                            *member = default.clone()
                        }
                        Some(_) => {}
                        None => {
                            map.insert(field.name.to_string(), default.clone());
                        }
                    }
                }
                for (key, member) in map.iter_mut() {
                    if let Some(schema) = self.member(key) {
                        schema.default_element(member);
                    }
                }
            }
            Json::Array(items) => {
                for item in items {
                    if let Some(schema) = &self.items {
                        schema.default_element(item);
                    }
                }
            }
            _ => {}
        }
    }

    fn default_element(&self, element: &mut Json<'_>) {
        if let (Json::Null, false, Some(default)) = (&*element, self.nullable, &self.default) {
            *element = default.clone();
        }
        self.default(element);
    }
}
