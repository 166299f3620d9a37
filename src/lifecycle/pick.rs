//! Which member of a warm pool a claim takes.

use std::collections::BTreeMap;

use super::observed::{self, label, terminating};
use super::warm_pool::{is_ready, pool_of};
use crate::api::keys::{labels, name_hash};
use crate::api::v1beta1::Sandbox;

/// What a look at the members came to.
#[derive(Clone, Copy, Debug)]
pub enum Pick<'a> {
    /// This one.
    Take(&'a Sandbox),
    /// None yet, but some will have addresses in a moment.
    Pending,
    /// None.
    Nothing,
}

/// Whether a claim of this pool may take the Sandbox. Whether it is ready is another question.
#[must_use]
pub fn adoptable(sandbox: &Sandbox, pool: &str) -> bool {
    let metadata = &sandbox.metadata;
    !terminating(metadata)
        && label(metadata, labels::WARM_POOL_SANDBOX) == Some(name_hash(pool).as_str())
        && label(metadata, labels::TEMPLATE_REF_HASH).is_some()
        && pool_of(sandbox).is_some()
}

/// The member to take: a ready one, else one with an address. Among them the oldest on the node that has the most
/// members left, so that no node runs dry.
pub fn pick<'a>(candidates: impl IntoIterator<Item = &'a Sandbox>, pool: &str) -> Pick<'a> {
    let mut left: Vec<&Sandbox> = candidates
        .into_iter()
        .filter(|sandbox| adoptable(sandbox, pool))
        .collect();
    left.sort_by_key(|sandbox| {
        let created = sandbox.metadata.creation_timestamp.as_ref();
        (
            created.map(|time| time.0),
            observed::name(&sandbox.metadata),
        )
    });
    let mut per_node: BTreeMap<String, usize> = BTreeMap::new();
    for node in left.iter().filter_map(|sandbox| node(sandbox)) {
        *per_node.entry(node.to_owned()).or_default() += 1;
    }
    let (mut fallback, mut pending) = (None, false);
    while !left.is_empty() {
        let candidate = left.remove(next(&left, &per_node));
        if let Some(count) = node(candidate).and_then(|node| per_node.get_mut(node)) {
            *count -= 1;
        }
        if !has_address(candidate) {
            pending = true;
        } else if is_ready(candidate) {
            return Pick::Take(candidate);
        } else {
            fallback = fallback.or(Some(candidate));
        }
    }
    match fallback {
        Some(sandbox) => Pick::Take(sandbox),
        None if pending => Pick::Pending,
        None => Pick::Nothing,
    }
}

/// The place of the next candidate in a list that begins with the oldest and is not empty.
fn next(left: &[&Sandbox], per_node: &BTreeMap<String, usize>) -> usize {
    let count = |sandbox: &&Sandbox| node(sandbox).and_then(|node| per_node.get(node)).copied();
    let most = left.iter().filter_map(count).max();
    most.and_then(|most| left.iter().position(|sandbox| count(sandbox) == Some(most)))
        .unwrap_or_default()
}

fn node(sandbox: &Sandbox) -> Option<&str> {
    sandbox.status.as_ref()?.node_name.as_deref()
}

fn has_address(sandbox: &Sandbox) -> bool {
    let addresses = sandbox
        .status
        .as_ref()
        .and_then(|status| status.pod_ips.as_ref());
    addresses.is_some_and(|addresses| !addresses.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn member(name: &str, second: u8, node: Option<&str>, ready: bool, address: bool) -> Sandbox {
        let status = if ready { "True" } else { "False" };
        let addresses: &[&str] = if address { &["10.0.0.1"] } else { &[] };
        serde_json::from_value(json!({
            "apiVersion": "agents.x-k8s.io/v1beta1",
            "kind": "Sandbox",
            "metadata": {
                "name": name,
                "creationTimestamp": format!("2030-01-01T00:00:{second:02}Z"),
                "labels": {"agents.x-k8s.io/warm-pool-sandbox": name_hash("p"), "agents.x-k8s.io/sandbox-template-ref-hash": "t"},
                "ownerReferences": [{
                    "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxWarmPool", "name": "p", "uid": "p", "controller": true,
                }],
            },
            "spec": {"podTemplate": {"spec": {}}},
            "status": {
                "nodeName": node,
                "podIPs": addresses,
                "conditions": [{"type": "Ready", "status": status, "reason": "R", "message": "", "lastTransitionTime": ""}],
            },
        }))
        .expect("a Sandbox")
    }

    fn picked(members: &[Sandbox]) -> &str {
        match pick(members, "p") {
            Pick::Take(sandbox) => observed::name(&sandbox.metadata),
            Pick::Pending => "pending",
            Pick::Nothing => "nothing",
        }
    }

    #[test]
    fn section_7_4_the_oldest_ready_one_on_the_fullest_node_is_taken() {
        let all = [
            member("old", 1, Some("x"), true, true),
            member("b", 3, Some("y"), true, true),
            member("c", 2, Some("y"), true, true),
            member("none", 0, None, true, true),
        ];
        assert_eq!(picked(&all), "c");
        assert_eq!(picked(&all[3..]), "none");
        let busy = [
            member("young", 9, Some("y"), false, true),
            member("ready", 10, Some("x"), true, true),
        ];
        assert_eq!(picked(&busy), "ready");
        assert_eq!(
            picked(&busy[..1]),
            "young",
            "one that is not ready before none"
        );
    }

    #[test]
    fn section_7_4_members_without_address_are_waited_for() {
        assert_eq!(picked(&[member("a", 1, None, false, false)]), "pending");
        assert_eq!(picked(&[]), "nothing");
    }

    #[test]
    fn section_7_4_what_is_going_or_somebody_elses_is_not_taken() {
        let change = |change: fn(&mut Sandbox)| {
            let mut sandbox = member("a", 1, None, true, true);
            change(&mut sandbox);
            [sandbox]
        };
        let going =
            change(|s| s.metadata.deletion_timestamp = s.metadata.creation_timestamp.clone());
        let unmarked = change(|s| s.metadata.labels = None);
        let claimed = change(|s| {
            s.metadata
                .owner_references
                .iter_mut()
                .flatten()
                .for_each(|o| "SandboxClaim".clone_into(&mut o.kind))
        });
        let free = change(|s| s.metadata.owner_references = None);
        for members in [going, unmarked, claimed, free] {
            assert_eq!(picked(&members), "nothing");
        }
        let other = [member("a", 1, None, true, true)];
        assert!(matches!(pick(&other, "another"), Pick::Nothing));
    }
}
