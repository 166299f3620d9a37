//! The merge of an apply-style patch into an object: what an `ApplyConfiguration` mutation does.
//!
//! The patch wins. Objects are merged field by field, lists of type map by their keys, sets as unions, scalars are
//! replaced; atomic parts may not appear in a patch at all. Nothing is ever removed.

use std::collections::VecDeque;

use super::structural::{ListKind, Structural};
use super::typed::{Atom, Element, Side, Type, violations};
use crate::model::json::{Json, Map};

/// Why a patch was not merged; worded as the API server words it after `error applying patch: `.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum MergeError {
    /// The patch has an unknown field, a repeated key or a value of another type.
    #[error("failed to convert patch object to typed object: {0}")]
    Patch(String),
    /// The patch holds lists, maps or structs that are replaced as a whole.
    #[error("invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {}", .0.join(", "))]
    Atomic(Vec<String>),
    /// The object itself does not fit its schema.
    #[error("failed to convert original object to typed object: {0}")]
    Live(String),
}

impl Structural {
    /// `live` with `patch` merged in.
    ///
    /// # Errors
    /// The patch does not fit the schema or touches what is atomic, or the object does not fit the schema.
    pub fn merge(&self, live: &Json<'_>, patch: &Json<'_>) -> Result<Json<'static>, MergeError> {
        if let Some(text) = violations(self, patch, Side::Patch) {
            return Err(MergeError::Patch(text));
        }
        let mut atomic = Vec::new();
        find_atomic(Type::Known(self), patch, &mut String::new(), &mut atomic);
        if !atomic.is_empty() {
            return Err(MergeError::Atomic(atomic));
        }
        if let Some(text) = violations(self, live, Side::Live) {
            return Err(MergeError::Live(text));
        }
        Ok(merge(Type::Known(self), Some(live), Some(patch)).unwrap_or_default())
    }
}

/// Collects the paths of atomic parts, also those inside atomic parts. Values of further keys are not looked into.
fn find_atomic(of: Type<'_>, value: &Json<'_>, path: &mut String, found: &mut Vec<String>) {
    let length = path.len();
    match value {
        Json::Object(map) if of.atom(Some(value)) == Atom::Map => {
            if of.is_atomic_map() {
                found.push(path.clone());
            }
            let Type::Known(schema) = of else { return };
            for (key, member) in map.iter() {
                if let Some(known) = schema.field(key) {
                    path.push('.');
                    path.push_str(key);
                    find_atomic(Type::Known(known), member, path, found);
                    path.truncate(length);
                }
            }
        }
        Json::Array(items) if of.atom(Some(value)) == Atom::List => {
            if *of.list() == ListKind::Atomic {
                found.push(path.clone());
            }
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                find_atomic(of.element(), item, path, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

/// One of the two is there.
fn merge(of: Type<'_>, live: Option<&Json<'_>>, patch: Option<&Json<'_>>) -> Option<Json<'static>> {
    let kept = || patch.or(live).map(Json::to_owned_json);
    let atom = of.atom(patch.or(live));
    // Where the schema leaves it open, a patch of another shape replaces.
    if let (Some(live), Some(patch)) = (live, patch)
        && !live.is_null()
        && !patch.is_null()
        && of.atom(Some(live)) != of.atom(Some(patch))
    {
        return kept();
    }
    match atom {
        Atom::Scalar => kept(),
        Atom::Map => {
            let (live, patch) = (
                live.and_then(Json::as_object),
                patch.and_then(Json::as_object),
            );
            let nothing = live.is_none_or(Map::is_empty) && patch.is_none_or(Map::is_empty);
            if of.is_atomic_map() || nothing {
                return kept();
            }
            Some(merge_maps(of, live, patch))
        }
        Atom::List => {
            let live = live.and_then(Json::as_array).unwrap_or_default();
            let patch = patch.and_then(Json::as_array).unwrap_or_default();
            if *of.list() == ListKind::Atomic || live.is_empty() && patch.is_empty() {
                return kept();
            }
            Some(Json::Array(merge_lists(of, live, patch)))
        }
    }
}

fn merge_maps(of: Type<'_>, live: Option<&Map<'_>>, patch: Option<&Map<'_>>) -> Json<'static> {
    let mut out = Map::new();
    for (key, member) in live.into_iter().flat_map(|map| map.iter()) {
        let patch = patch.and_then(|map| map.get(key));
        let of = of.member(key).unwrap_or(Type::Deduced);
        if let Some(value) = merge(of, Some(member), patch) {
            out.insert(key.to_owned(), value);
        }
    }
    for (key, member) in patch.into_iter().flat_map(|map| map.iter()) {
        if live.is_some_and(|map| map.contains_key(key)) {
            continue;
        }
        let of = of.member(key).unwrap_or(Type::Deduced);
        if let Some(value) = merge(of, None, Some(member)) {
            out.insert(key.to_owned(), value);
        }
    }
    Json::Object(out)
}

/// Elements of one side, each with its identity.
fn identified<'v, 'a>(of: Type<'_>, items: &'v [Json<'a>]) -> Vec<(Element, &'v Json<'a>)> {
    // Elements without identity were refused before; a live one that slips through is kept out rather than guessed.
    items
        .iter()
        .filter_map(|item| Some((Element::of(of, item).ok()?, item)))
        .collect()
}

/// Both lists in one: elements of the live list keep their order and place, new ones follow the element that they
/// follow in the patch, and where the orders contradict each other the patch's order wins.
fn merge_lists(of: Type<'_>, live: &[Json<'_>], patch: &[Json<'_>]) -> Vec<Json<'static>> {
    let (live, patch) = (identified(of, live), identified(of, patch));
    let in_live = |key: &Element| {
        let mut matching = live.iter().filter(|(other, _)| other == key);
        match (matching.next(), matching.next()) {
            (None, _) => Found::Nowhere,
            (Some((_, item)), None) => Found::Once(item),
            _ => Found::Often,
        }
    };
    let in_patch = |key: &Element| patch.iter().any(|(other, _)| other == key);
    let both = |key: &Element, item: &Json<'_>| match in_live(key) {
        Found::Once(live) => merge(of.element(), Some(live), Some(item)),
        // Repeated live elements are not merged with, but replaced by one.
        Found::Nowhere | Found::Often => merge(of.element(), None, Some(item)),
    };

    let shared = patch
        .iter()
        .map(|(key, _)| key)
        .filter(|key| !matches!(in_live(key), Found::Nowhere));
    let mut shared: VecDeque<&Element> = shared.collect();
    let mut merged: Vec<&Element> = Vec::new();
    let mut out = Vec::with_capacity(live.len().max(patch.len()));
    let (mut l, mut p) = (0, 0);
    while l < live.len() || p < patch.len() {
        if let (Some((live_key, _)), Some((patch_key, item))) = (live.get(l), patch.get(p)) {
            if live_key == patch_key {
                out.extend(both(patch_key, item));
                merged.push(patch_key);
                shared.pop_front();
                l += 1;
                p += 1;
                continue;
            }
            if in_patch(live_key) && shared.front().is_some_and(|next| *next != live_key) {
                // Comes where the patch has it.
                l += 1;
                continue;
            }
        }
        if let Some((live_key, item)) = live.get(l) {
            if !in_patch(live_key) {
                out.extend(merge(of.element(), Some(item), None));
                l += 1;
                continue;
            }
            if merged.contains(&live_key) {
                l += 1;
            }
        }
        if let Some((patch_key, item)) = patch.get(p) {
            out.extend(both(patch_key, item));
            merged.push(patch_key);
            if shared.front() == Some(&patch_key) {
                shared.pop_front();
            }
            p += 1;
        }
    }
    out
}

/// How often an element is in the live list.
enum Found<'v, 'a> {
    Nowhere,
    Once(&'v Json<'a>),
    Often,
}
