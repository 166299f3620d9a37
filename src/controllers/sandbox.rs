//! What is looked at for a Sandbox.

use std::collections::BTreeMap;

use super::engine::Look;
use super::store::Name;
use crate::api::keys::{annotations, name_hash};
use crate::lifecycle::observed::{self, annotation};
use crate::lifecycle::plan::Plan;
use crate::lifecycle::{sandbox, volume};

/// The plan for the Sandbox of this name; `None` when there is none.
#[must_use]
pub fn plan(look: &Look<'_>, (namespace, name): &Name) -> Option<Plan> {
    let stores = look.stores;
    let found = stores.sandboxes.get(namespace, name)?;
    let tracked = annotation(&found.metadata, annotations::POD_NAME).unwrap_or(name);
    let by_name = [tracked, name]
        .into_iter()
        .filter_map(|name| stores.pods.get(namespace, name));
    let pods = stores
        .pods
        .tagged(namespace, &name_hash(name))
        .chain(by_name)
        .map(|pod| (observed::name(&pod.metadata), pod))
        .collect();
    let volume_claims: BTreeMap<_, _> = volume::names(found)
        .filter_map(|name| stores.volume_claims.get(namespace, &name))
        .map(|claim| (observed::name(&claim.metadata), claim))
        .collect();
    Some(sandbox::plan(&sandbox::Observed {
        sandbox: found,
        pods,
        service: stores.services.get(namespace, name),
        volume_claims,
        failures: look.failures,
        cluster_domain: &look.context.cluster_domain,
        now: look.now,
    }))
}
