//! Sandbox: `spec.replicas` against `spec.operatingMode`; `status.replicas` only in v1alpha1, `status.nodeName` only in
//! v1beta1.

use super::{Problem, remove_at, set_at};
use crate::model::json::{Json, Map};

const SUSPENDED: &str = "Suspended";
const RUNNING: &str = "Running";

/// To v1beta1.
#[expect(clippy::unnecessary_wraps, reason = "one signature for all kinds")]
pub(super) fn up(object: &mut Json<'_>, record: Option<&Json<'_>>) -> Result<(), Problem> {
    if object.get("spec").and_then(Json::as_object).is_some() {
        let mode = match remove_at(object, "spec", "replicas") {
            Some(Json::Int(0)) => SUSPENDED,
            _ => RUNNING,
        };
        set_at(object, "spec", "operatingMode", mode.into());
    }
    let replicas = remove_at(object, "status", "replicas");
    let has_status = object.get("status").and_then(Json::as_object).is_some();
    let node = record.and_then(|record| record.at(&["status", "nodeName"]));
    if let Some(node) = node.filter(|_| has_status) {
        set_at(object, "status", "nodeName", node.to_owned_json());
    }
    let emptied = object
        .get("status")
        .and_then(Json::as_object)
        .is_some_and(Map::is_empty);
    if let Some(map) = object
        .as_object_mut()
        .filter(|_| emptied && replicas.is_some())
    {
        map.remove("status");
    }
    Ok(())
}

/// To v1alpha1.
pub(super) fn down<'a>(object: &mut Json<'a>, state: Option<&Json<'_>>) -> Map<'a> {
    let suspended = match remove_at(object, "spec", "operatingMode") {
        Some(mode) => mode.as_str() == Some(SUSPENDED),
        None => false,
    };
    let by_mode = Some(Json::Int(i64::from(!suspended)));
    let remembered = |path: &[&str]| state.and_then(|state| state.at(path));
    let replicas = match state {
        Some(_) if !suspended => match remembered(&["spec", "replicas"]) {
            Some(Json::Int(0)) => Some(Json::Int(1)),
            other => other.map(Json::to_owned_json),
        },
        _ => by_mode.clone(),
    };
    let has_spec = object.get("spec").and_then(Json::as_object).is_some();
    if let Some(replicas) = replicas.filter(|_| has_spec) {
        set_at(object, "spec", "replicas", replicas);
    }
    let current = match state {
        Some(_) => remembered(&["status", "replicas"]).map(Json::to_owned_json),
        None => by_mode,
    };
    if let Some(current) = current {
        set_at(object, "status", "replicas", current);
    }
    let mut record = Map::new();
    if let Some(node) = remove_at(object, "status", "nodeName") {
        record.insert(
            "status",
            Json::Object([("nodeName", node)].into_iter().collect()),
        );
    }
    record
}
