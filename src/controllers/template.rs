//! What is looked at for a SandboxTemplate.

use super::engine::Look;
use super::store::Name;
use crate::lifecycle::network::policy_name;
use crate::lifecycle::plan::Plan;
use crate::lifecycle::template;

/// The plan for the SandboxTemplate of this name; `None` when there is none.
#[must_use]
pub fn plan(look: &Look<'_>, (namespace, name): &Name) -> Option<Plan> {
    Some(template::plan(&template::Observed {
        template: look.stores.templates.get(namespace, name)?,
        policy: look.stores.policies.get(namespace, &policy_name(name)),
        failures: look.failures,
    }))
}
