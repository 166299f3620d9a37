//! Pruning: fields that a schema does not know are dropped, as the API server does before it stores an object.

use super::structural::{Additional, Structural};
use super::trail::Trail;
use crate::model::json::{Json, Map};
use crate::model::path::FieldPath;

/// Kept at the root and in embedded objects whatever the schema says.
const META: [&str; 3] = ["apiVersion", "kind", "metadata"];

impl Structural {
    /// Drops what the schema does not know. `apiVersion`, `kind` and `metadata` of the root stay.
    pub fn prune(&self, object: &mut Json<'_>) {
        self.prune_reporting(object);
    }

    /// As [`Structural::prune`]; also says what was dropped, in document order.
    pub fn prune_reporting(&self, object: &mut Json<'_>) -> Vec<FieldPath> {
        let mut dropped = Vec::new();
        if let Json::Object(map) = object {
            fields(Some(self), map, true, &Trail::Root, &mut dropped);
        }
        dropped
    }

    /// What [`Structural::prune`] would drop.
    #[must_use]
    pub fn unknown_fields(&self, object: &Json<'_>) -> Vec<FieldPath> {
        self.prune_reporting(&mut object.clone())
    }
}

fn value(
    schema: Option<&Structural>,
    at: &mut Json<'_>,
    trail: &Trail<'_>,
    dropped: &mut Vec<FieldPath>,
) {
    match at {
        Json::Object(map) => {
            let embedded = schema.is_some_and(|schema| schema.embedded);
            fields(schema, map, embedded, trail, dropped);
        }
        Json::Array(items) => {
            // Below a preserved list without items there is nothing to prune by.
            if schema.is_some_and(|schema| schema.preserve_unknown && schema.items.is_none()) {
                return;
            }
            let schema = schema.and_then(|schema| schema.items.as_deref());
            for (index, item) in items.iter_mut().enumerate() {
                value(schema, item, &trail.index(index), dropped);
            }
        }
        _ => {}
    }
}

fn fields(
    schema: Option<&Structural>,
    map: &mut Map<'_>,
    resource: bool,
    trail: &Trail<'_>,
    dropped: &mut Vec<FieldPath>,
) {
    let preserve = schema.is_some_and(|schema| schema.preserve_unknown);
    map.retain(|key, member| {
        if resource && META.contains(&key) {
            return true;
        }
        let trail = trail.key(key);
        if let Some(known) = schema.and_then(|schema| schema.member(key)) {
            value(Some(known), member, &trail, dropped);
            return true;
        }
        let open = schema.is_some_and(|schema| matches!(schema.additional, Additional::Any));
        if preserve || open {
            return true;
        }
        dropped.push(trail.path());
        false
    });
}
