//! What is looked at for a SandboxWarmPool.

use super::engine::Look;
use super::store::Name;
use crate::api::keys::{annotations, name_hash};
use crate::lifecycle::observed::{self, annotation};
use crate::lifecycle::plan::Plan;
use crate::lifecycle::warm_pool::{self, Member};

/// The plan for the SandboxWarmPool of this name; `None` when there is none.
#[must_use]
pub fn plan(look: &Look<'_>, (namespace, name): &Name) -> Option<Plan> {
    let stores = look.stores;
    let pool = stores.pools.get(namespace, name)?;
    let members = stores
        .sandboxes
        .tagged(namespace, &name_hash(name))
        .map(|sandbox| {
            let named = annotation(&sandbox.metadata, annotations::POD_NAME);
            let pod = named.unwrap_or_else(|| observed::name(&sandbox.metadata));
            Member {
                sandbox,
                pod: stores.pods.get(namespace, pod),
            }
        })
        .collect();
    Some(warm_pool::plan(&warm_pool::Observed {
        pool,
        template: stores
            .templates
            .get(namespace, &pool.spec.sandbox_template_ref.name),
        members,
        settings: &look.context.pools,
        told: look.told,
        failures: look.failures,
        now: look.now,
    }))
}
