//! SandboxWarmPool: `spec.replicas` may be absent only in v1beta1, where that means one;
//! `status.observedGeneration` only in v1beta1.

use super::{Problem, remove_at, set_at};
use crate::model::json::{Json, Map};

/// To v1beta1.
#[expect(clippy::unnecessary_wraps, reason = "one signature for all kinds")]
pub(super) fn up(object: &mut Json<'_>, record: Option<&Json<'_>>) -> Result<(), Problem> {
    let observed = record.and_then(|record| record.at(&["status", "observedGeneration"]));
    let has_status = object.get("status").and_then(Json::as_object).is_some();
    if let Some(observed) = observed.filter(|_| has_status) {
        set_at(
            object,
            "status",
            "observedGeneration",
            observed.to_owned_json(),
        );
    }
    Ok(())
}

/// To v1alpha1.
pub(super) fn down<'a>(object: &mut Json<'a>, _state: Option<&Json<'_>>) -> Map<'a> {
    let spec = object.get("spec").and_then(Json::as_object);
    if spec.is_some_and(|spec| spec.get("replicas").is_none_or(Json::is_null)) {
        set_at(object, "spec", "replicas", Json::Int(1));
    }
    let mut record = Map::new();
    if let Some(observed) = remove_at(object, "status", "observedGeneration") {
        let status = [("observedGeneration", observed)].into_iter().collect();
        record.insert("status", Json::Object(status));
    }
    record
}
