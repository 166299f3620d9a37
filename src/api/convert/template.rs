//! SandboxTemplate: `spec.volumeClaimTemplatesPolicy` only in v1beta1; an annotation of its own carries it.

use super::{Problem, remove_at, set_annotation, set_at, take_annotation};
use crate::api::keys::annotations::V1BETA1_CLAIM_TEMPLATES_POLICY as POLICY;
use crate::model::json::{Json, Map};

const WORDS: [&str; 3] = ["Disallowed", "Allowed", "Overrides"];

/// To v1beta1.
pub(super) fn up(object: &mut Json<'_>, _record: Option<&Json<'_>>) -> Result<(), Problem> {
    let Some(policy) = take_annotation(object, POLICY) else {
        return Ok(());
    };
    let Some(word) = WORDS.into_iter().find(|word| *word == policy) else {
        return Err(Problem::Annotation {
            key: POLICY,
            expected: "Disallowed, Allowed or Overrides",
            found: format!("{policy:?}"),
        });
    };
    set_at(object, "spec", "volumeClaimTemplatesPolicy", word.into());
    Ok(())
}

/// To v1alpha1.
pub(super) fn down<'a>(object: &mut Json<'a>, _state: Option<&Json<'_>>) -> Map<'a> {
    let policy = remove_at(object, "spec", "volumeClaimTemplatesPolicy");
    take_annotation(object, POLICY);
    if let Some(policy) = policy.as_ref().and_then(Json::as_str)
        && !policy.is_empty()
    {
        set_annotation(object, POLICY, policy.to_owned());
    }
    Map::new()
}
