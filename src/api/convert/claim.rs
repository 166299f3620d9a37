//! SandboxClaim: a template and perhaps a pool in v1alpha1, a pool in v1beta1; `spec.volumeClaimTemplates` only in
//! v1beta1.
//!
//! The pool of a v1alpha1 claim is derived, at times guessed from the name of its sandbox. Where the guess would not
//! give the pool that the v1beta1 claim really names, the record of the view holds that pool together with the fields
//! that the view showed; as long as nobody changes those, the way back takes the record's word.

use super::{Problem, remove_at, set_at};
use crate::model::json::{Json, Map};

/// Prefix of the pools that stand for a template.
const SHADOW: &str = "shadow-pool-";
/// The word for any pool of the template.
const DEFAULT: &str = "default";
/// The word for no pool.
const NONE: &str = "none";

const TEMPLATE: &str = "sandboxTemplateRef";
const POOL: &str = "warmpool";
const POOL_REF: &str = "warmPoolRef";
const VOLUMES: &str = "volumeClaimTemplates";

/// To v1beta1.
#[expect(clippy::unnecessary_wraps, reason = "one signature for all kinds")]
pub(super) fn up(object: &mut Json<'_>, record: Option<&Json<'_>>) -> Result<(), Problem> {
    if object.get("spec").and_then(Json::as_object).is_none() {
        return Ok(());
    }
    let pool = match record.and_then(|record| recorded_pool(object, record)) {
        Some(pool) => pool,
        None => reference(derived_pool(object)),
    };
    remove_at(object, "spec", TEMPLATE);
    remove_at(object, "spec", POOL);
    set_at(object, "spec", POOL_REF, pool);
    let volumes = record.and_then(|record| record.at(&["spec", VOLUMES]));
    if let Some(volumes) = volumes
        && object.at(&["spec", VOLUMES]).is_none()
    {
        set_at(object, "spec", VOLUMES, volumes.to_owned_json());
    }
    Ok(())
}

/// To v1alpha1.
pub(super) fn down<'a>(object: &mut Json<'a>, state: Option<&Json<'_>>) -> Map<'a> {
    if object.get("spec").and_then(Json::as_object).is_none() {
        return Map::new();
    }
    let mut kept = Map::new();
    if let Some(volumes) = remove_at(object, "spec", VOLUMES) {
        kept.insert(VOLUMES, volumes);
    }
    let pool_ref = remove_at(object, "spec", POOL_REF);
    let pool = pool_ref.as_ref().and_then(|pool| pool.str_at(&["name"]));
    let pool = pool.unwrap_or_default().to_owned();
    show(object, &pool, state);
    let mut record = Map::new();
    if let Some(pool_ref) = pool_ref
        && reference(derived_pool(object)) != pool_ref
    {
        kept.insert(POOL_REF, pool_ref);
        let view = [TEMPLATE, POOL].into_iter().filter_map(|key| {
            let value = object.at(&["spec", key])?;
            Some((key, value.to_owned_json()))
        });
        record.insert("view", Json::Object(view.collect()));
    }
    if !kept.is_empty() {
        record.insert("spec", Json::Object(kept));
    }
    record
}

/// Sets template and pool of the view.
fn show(object: &mut Json<'_>, pool: &str, state: Option<&Json<'_>>) {
    let Some(state) = state else {
        let (template, word) = match pool.strip_prefix(SHADOW) {
            Some(template) => (template, DEFAULT),
            None => (pool, pool),
        };
        set_at(object, "spec", TEMPLATE, reference(template.to_owned()));
        set_at(object, "spec", POOL, word.to_owned().into());
        return;
    };
    let remembered = |key: &str| state.at(&["spec", key]).map(Json::to_owned_json);
    if let Some(template) = remembered(TEMPLATE) {
        set_at(object, "spec", TEMPLATE, template);
    }
    if still_meant(object, pool, state) {
        if let Some(word) = remembered(POOL) {
            set_at(object, "spec", POOL, word);
        }
    } else {
        set_at(object, "spec", POOL, pool.to_owned().into());
    }
}

/// Whether `pool` is what the remembered claim meant.
fn still_meant(object: &Json<'_>, pool: &str, state: &Json<'_>) -> bool {
    let template = state
        .str_at(&["spec", TEMPLATE, "name"])
        .unwrap_or_default();
    let expected = specific_pool(state).unwrap_or(template);
    let of_sandbox = sandbox_name(object)
        .is_some_and(|sandbox| pool == sandbox || pool == before_last_dash(sandbox));
    pool == expected || pool.strip_prefix(SHADOW) == Some(expected) || of_sandbox
}

/// The pool that the fields of a v1alpha1 claim lead to.
fn derived_pool(object: &Json<'_>) -> String {
    if let Some(pool) = specific_pool(object) {
        return pool.to_owned();
    }
    let claim = object.str_at(&["metadata", "name"]).unwrap_or_default();
    if let Some(sandbox) = sandbox_name(object).filter(|sandbox| *sandbox != claim) {
        return before_last_dash(sandbox).to_owned();
    }
    let template = object.str_at(&["spec", TEMPLATE, "name"]);
    format!("{SHADOW}{}", template.unwrap_or_default())
}

/// The pool of the record, if the fields that the view showed are as they were.
fn recorded_pool(object: &Json<'_>, record: &Json<'_>) -> Option<Json<'static>> {
    let view = record.get("view")?;
    let unchanged = [TEMPLATE, POOL]
        .into_iter()
        .all(|key| object.at(&["spec", key]) == view.get(key));
    let pool = record.at(&["spec", POOL_REF])?;
    unchanged.then(|| pool.to_owned_json())
}

fn specific_pool<'j>(object: &'j Json<'_>) -> Option<&'j str> {
    object
        .str_at(&["spec", POOL])
        .filter(|pool| !["", NONE, DEFAULT].contains(pool))
}

fn sandbox_name<'j>(object: &'j Json<'_>) -> Option<&'j str> {
    object
        .str_at(&["status", "sandbox", "name"])
        .filter(|name| !name.is_empty())
}

fn before_last_dash(name: &str) -> &str {
    name.rsplit_once('-').map_or(name, |(before, _)| before)
}

fn reference(name: String) -> Json<'static> {
    Json::Object([("name", name.into())].into_iter().collect())
}
