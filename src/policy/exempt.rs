//! Which objects policies are about and leave alone. The judge says nothing about them, and whoever asks must be able
//! to tell that from "in order".

#[cfg(test)]
mod tests;

use crate::model::request::Request;
use crate::model::verdict::{Exempt, Exemption};

use super::select::{Facts, is_exempt};
use super::set::{Bound, Set};

/// Why policies that match the request do not judge or change it; `None` when there is no such policy.
#[must_use]
pub fn exemption(set: &Set, request: &Request<'_>) -> Option<Exempt> {
    let facts = Facts::new(request);
    let sides = [&set.validating, &set.mutating];
    let matching = sides.into_iter().flat_map(|side| {
        let candidates = side.candidates(&request.resource.resource, request.operation);
        candidates.filter(|bound| facts.matches(&bound.policy.constraints) == Ok(true))
    });
    let (because, mut policies): (Exemption, Vec<String>) = if is_exempt(request) {
        let resource = &request.resource;
        let name = format!("{}.{}", resource.resource, resource.group);
        let names = matching.map(|bound| bound.policy.name.clone());
        (Exemption::Resource(name), names.collect())
    } else if set.exempt_namespaces().contains(&request.namespace) {
        let spared = matching.filter(|bound| is_spared(bound, &facts));
        let names = spared.map(|bound| bound.policy.name.clone());
        (
            Exemption::Namespace(request.namespace.clone()),
            names.collect(),
        )
    } else {
        return None;
    };
    policies.sort();
    policies.dedup();
    (!policies.is_empty()).then_some(Exempt { because, policies })
}

/// Whether a profile would put the policy in force here if the namespace were not exempt.
fn is_spared(bound: &Bound, facts: &Facts<'_>) -> bool {
    let mut profiles = bound
        .bindings
        .iter()
        .filter_map(|tied| tied.binding.profile.as_deref());
    profiles.any(|profile| facts.namespace_matches(&profile.namespaces) == Some(true))
}
