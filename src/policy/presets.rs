//! Which guardrail profiles apply: those the inputs bring, or a shipped preset.
//!
//! The profiles under `policies/profiles/` are presets, marked by [`PRESET_LABEL`]: reading the whole `policies/` folder
//! must not put both in force at once. A preset applies when it is chosen by name; an installed profile object in a
//! cluster always applies, whatever its labels.

use thiserror::Error;

use super::diagnostic::Sourced;
use super::source::{OWN_GROUP, PROFILE_KIND};
use crate::model::gvk::split_api_version;

/// Label (value `"true"`) of a profile that files bring without putting it in force.
pub const PRESET_LABEL: &str = "sandfence.dev/preset";

/// The preset that stands in when no profile is given.
pub const DEFAULT_PRESET: &str = "restricted";

/// A name that no profile has.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("no GuardrailProfile is named {name:?}; there are: {}", if available.is_empty() { "none".to_owned() } else { available.join(", ") })]
pub struct UnknownProfile {
    /// As asked for.
    pub name: String,
    /// What could have been, sorted.
    pub available: Vec<String>,
}

/// The objects that go into a set, and which profiles are among them.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Policies, bindings, parameters and the chosen profiles.
    pub objects: Vec<Sourced>,
    /// Names of the chosen profiles, sorted.
    pub profiles: Vec<String>,
}

/// The profile's name, if the object is one.
#[must_use]
pub fn profile_name(sourced: &Sourced) -> Option<&str> {
    let object = &sourced.object;
    let (group, _) = split_api_version(object.str_at(&["apiVersion"])?);
    let is_profile = group == OWN_GROUP && object.str_at(&["kind"]) == Some(PROFILE_KIND);
    is_profile.then(|| object.str_at(&["metadata", "name"]).unwrap_or_default())
}

/// Whether a profile is only an offer.
fn is_preset(sourced: &Sourced) -> bool {
    sourced.object.str_at(&["metadata", "labels", PRESET_LABEL]) == Some("true")
}

/// Keeps the profiles that are `wanted`; without any wish those that are no presets; without those the `fallback`.
///
/// # Errors
/// A wanted profile does not exist.
pub fn choose(
    objects: Vec<Sourced>,
    wanted: &[String],
    fallback: Option<&str>,
) -> Result<Choice, UnknownProfile> {
    let names = |preset: Option<bool>| {
        let mut names: Vec<String> = objects
            .iter()
            .filter(|sourced| preset.is_none_or(|preset| is_preset(sourced) == preset))
            .filter_map(|sourced| profile_name(sourced).map(str::to_owned))
            .collect();
        names.sort();
        names.dedup();
        names
    };
    let available = names(None);
    let mut profiles = if wanted.is_empty() {
        names(Some(false))
    } else {
        wanted.to_vec()
    };
    if profiles.is_empty() {
        profiles.extend(fallback.map(str::to_owned));
    }
    profiles.sort();
    profiles.dedup();
    if let Some(name) = profiles.iter().find(|name| !available.contains(name)) {
        return Err(UnknownProfile {
            name: name.clone(),
            available,
        });
    }
    let objects = objects
        .into_iter()
        .filter(|sourced| {
            profile_name(sourced).is_none_or(|name| profiles.iter().any(|kept| kept == name))
        })
        .collect();
    Ok(Choice { objects, profiles })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owned_json;

    fn profile(name: &str, preset: bool) -> Sourced {
        let labels = if preset {
            owned_json!({"sandfence.dev/preset": "true"})
        } else {
            owned_json!({})
        };
        let labels = serde_json::Value::from(&labels);
        Sourced::cluster(owned_json!({
            "apiVersion": "sandfence.dev/v1alpha1",
            "kind": "GuardrailProfile",
            "metadata": {"name": name, "labels": labels},
        }))
    }

    fn chosen(objects: Vec<Sourced>, wanted: &[&str]) -> Result<Vec<String>, UnknownProfile> {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        let choice = choose(objects, &wanted, Some(DEFAULT_PRESET))?;
        let kept: Vec<&str> = choice.objects.iter().filter_map(profile_name).collect();
        assert_eq!(kept.len(), choice.profiles.len());
        Ok(choice.profiles)
    }

    #[test]
    fn presets_wait_to_be_chosen() {
        let presets = || vec![profile("baseline", true), profile("restricted", true)];
        assert_eq!(chosen(presets(), &[]), Ok(vec!["restricted".to_owned()]));
        assert_eq!(
            chosen(presets(), &["baseline"]),
            Ok(vec!["baseline".to_owned()])
        );
        let mut with_own = presets();
        with_own.push(profile("ours", false));
        assert_eq!(chosen(with_own, &[]), Ok(vec!["ours".to_owned()]));
    }

    #[test]
    fn an_unknown_profile_is_refused_with_the_known_ones() {
        let error = chosen(vec![profile("restricted", true)], &["strict"]).expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "no GuardrailProfile is named \"strict\"; there are: restricted"
        );
    }
}
