//! What is looked at for a SandboxClaim.

use std::collections::BTreeMap;

use super::engine::Look;
use super::kinds::taken;
use super::store::Name;
use crate::api::keys::{annotations, labels, name_hash};
use crate::api::v1beta1::Sandbox;
use crate::lifecycle::claim;
use crate::lifecycle::network::policy_name;
use crate::lifecycle::observed::{self, Ownership, annotation, label, ownership};
use crate::lifecycle::plan::Plan;

/// The plan for the SandboxClaim of this name; `None` when there is none.
#[must_use]
pub fn plan(look: &Look<'_>, (namespace, name): &Name) -> Option<Plan> {
    let stores = look.stores;
    let found = stores.claims.get(namespace, name)?;
    let status = found.status.as_ref();
    let told = status.and_then(|status| status.sandbox.as_ref()?.name.as_deref());
    let names = [
        told,
        annotation(&found.metadata, annotations::SANDBOX_NAME),
        label(&found.metadata, labels::SANDBOX_NAME),
        Some(name.as_str()),
    ];
    let sandboxes: BTreeMap<&str, &Sandbox> = names
        .into_iter()
        .flatten()
        .filter_map(|name| stores.sandboxes.get(namespace, name))
        .map(|sandbox| (observed::name(&sandbox.metadata), sandbox))
        .collect();
    let uid = observed::uid(&found.metadata);
    let bound = sandboxes
        .values()
        .any(|sandbox| ownership(&sandbox.metadata, uid) == Ownership::Ours);
    let pool_name = &found.spec.warm_pool_ref.name;
    let pool = stores.pools.get(namespace, pool_name);
    let template = pool.and_then(|pool| {
        let template = &pool.spec.sandbox_template_ref.name;
        stores.templates.get(namespace, template)
    });
    let candidates = stores
        .sandboxes
        .tagged(namespace, &name_hash(pool_name))
        // A claim that has its Sandbox looks for no other.
        .filter(|sandbox| !bound && is_free(look, (namespace, name), sandbox))
        .collect();
    Some(claim::plan(&claim::Observed {
        claim: found,
        sandboxes,
        pool,
        template,
        candidates,
        legacy_policy: stores.policies.get(namespace, &policy_name(name)),
        settings: &look.context.claims,
        failures: look.failures,
        now: look.now,
    }))
}

/// Whether no other claim has written the Sandbox down, or is about to.
fn is_free(look: &Look<'_>, (namespace, claim): (&str, &str), sandbox: &Sandbox) -> bool {
    let name = observed::name(&sandbox.metadata);
    let key = (namespace.to_owned(), name.to_owned());
    let reserved = look.reserved.get(&key).is_some_and(|by| by != claim);
    let mut takers = look.stores.claims.tagged(namespace, &taken(name));
    !reserved && takers.all(|taker| observed::name(&taker.metadata) == claim)
}
