//! What to do about a SandboxTemplate: its label, and the NetworkPolicy that all its sandboxes share.

use serde_json::{Value, json};

use super::network;
use super::observed::{self, NetworkPolicy, Ownership, label, ownership, terminating};
use super::plan::{Action, Kind, Plan, Target, Write, difference};
use crate::api::keys::{labels, name_hash};
use crate::api::v1beta1::SandboxTemplate;

/// Steps, in the order in which they are taken.
mod step {
    pub const LABEL: u8 = 0;
    pub const POLICY: u8 = 1;
}

/// Everything that decides about a SandboxTemplate.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The template.
    pub template: &'a SandboxTemplate,
    /// The NetworkPolicy of its name.
    pub policy: Option<&'a NetworkPolicy>,
    /// What writes of the last look came to, in words.
    pub failures: &'a [String],
}

/// What to do. A template has no status: what stands in the way is for the log.
#[must_use]
pub fn plan(observed: &Observed<'_>) -> Plan {
    let metadata = &observed.template.metadata;
    if terminating(metadata) {
        return Plan::default();
    }
    if !observed.failures.is_empty() {
        return Plan {
            obstacles: observed.failures.to_vec(),
            ..Plan::default()
        };
    }
    let mut plan = Plan::default();
    let name = observed::name(metadata);
    let hash = name_hash(name);
    if label(metadata, labels::TEMPLATE_REF_HASH) != Some(hash.as_str()) {
        let patch = json!({"metadata": {"labels": { labels::TEMPLATE_REF_HASH: hash }}});
        plan.actions.push(action(
            observed,
            step::LABEL,
            (Kind::Template, name),
            Write::Patch(patch),
        ));
    }
    match write_policy(observed) {
        Ok(Some(write)) => {
            let policy = network::policy_name(name);
            let target = (Kind::NetworkPolicy, policy.as_str());
            plan.actions
                .push(action(observed, step::POLICY, target, write));
        }
        Ok(None) => {}
        Err(obstacle) => plan.obstacles.push(obstacle),
    }
    plan
}

fn action(observed: &Observed<'_>, step: u8, (kind, name): (Kind, &str), write: Write) -> Action {
    let namespace = observed.template.metadata.namespace.as_deref();
    Action {
        target: Target::new(kind, namespace.unwrap_or_default(), name),
        write,
        step,
    }
}

/// How the NetworkPolicy is to be written, if it is.
fn write_policy(observed: &Observed<'_>) -> Result<Option<Write>, String> {
    let wanted = network::policy(observed.template);
    let (wanted, present) = match (wanted, observed.policy) {
        (None, None) => return Ok(None),
        (Some(wanted), None) => return Ok(Some(Write::Create(wanted))),
        (wanted, Some(present)) => (wanted, present),
    };
    let template = &observed.template.metadata;
    let ours = ownership(&present.metadata, observed::uid(template)) == Ownership::Ours;
    match (wanted, ours) {
        (None, true) if !terminating(&present.metadata) => Ok(Some(Write::Delete {
            uid: observed::uid(&present.metadata).to_owned(),
            foreground: false,
        })),
        (None, _) => Ok(None),
        (Some(_), false) => Err(format!(
            "refusing to update NetworkPolicy \"{}\" as it is not controlled by SandboxTemplate \"{}\"",
            observed::name(&present.metadata),
            observed::name(template)
        )),
        (Some(wanted), true) => Ok(drift(&wanted["spec"], &present.spec)),
    }
}

/// The patch that makes the spec say what is wanted, if it means something else.
fn drift(wanted: &Value, present: &Value) -> Option<Write> {
    let (meant, means) = (meaning(wanted), meaning(present));
    // What the patch sets is written as the template has it.
    let mut patch = difference(&means, &meant)?;
    for (field, change) in patch.as_object_mut()? {
        if !change.is_null() {
            *change = wanted[field].clone();
        }
    }
    // A merge would keep what a selector has besides.
    if !patch["podSelector"].is_null() {
        let others = present["podSelector"]["matchLabels"].as_object();
        for key in others.into_iter().flat_map(|others| others.keys()) {
            if wanted["podSelector"]["matchLabels"].get(key).is_none() {
                patch["podSelector"]["matchLabels"][key] = Value::Null;
            }
        }
        if present["podSelector"].get("matchExpressions").is_some() {
            patch["podSelector"]["matchExpressions"] = Value::Null;
        }
    }
    Some(Write::Patch(json!({ "spec": patch })))
}

/// A spec without the differences that mean nothing: empty lists, and the protocol that the API server fills in.
fn meaning(spec: &Value) -> Value {
    let mut spec = spec.clone();
    for direction in ["ingress", "egress"] {
        let rules = spec[direction].as_array_mut().into_iter().flatten();
        for port in rules
            .filter_map(|rule| rule["ports"].as_array_mut())
            .flatten()
        {
            if port["protocol"].is_null() {
                port["protocol"] = "TCP".into();
            }
        }
    }
    without_nothing(&mut spec);
    spec
}

fn without_nothing(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(without_nothing);
            fields.retain(|_, value| {
                !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty())
            });
        }
        Value::Array(items) => items.iter_mut().for_each(without_nothing),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "agents.x-k8s.io/sandbox-template-ref-hash";

    fn template(labelled: bool, spec: &Value) -> SandboxTemplate {
        let mut object = json!({
            "apiVersion": "extensions.agents.x-k8s.io/v1beta1",
            "kind": "SandboxTemplate",
            "metadata": {"name": "python-sandbox-pool", "namespace": "team", "uid": "u-2"},
            "spec": {"podTemplate": {"spec": {}}},
        });
        if labelled {
            object["metadata"]["labels"] = json!({HASH: "00375482"});
        }
        for (key, value) in spec.as_object().expect("object") {
            object["spec"][key] = value.clone();
        }
        serde_json::from_value(object).expect("a template")
    }

    /// The NetworkPolicy as the API server has it, with these owners.
    fn present(template: &SandboxTemplate, change: impl FnOnce(&mut Value)) -> NetworkPolicy {
        let mut policy = network::policy(template).expect("managed");
        policy["metadata"]["uid"] = json!("p");
        change(&mut policy);
        serde_json::from_value(policy).expect("a policy")
    }

    fn look(
        template: &SandboxTemplate,
        policy: Option<&NetworkPolicy>,
    ) -> (Vec<Action>, Vec<String>) {
        let plan = plan(&Observed {
            template,
            policy,
            failures: &[],
        });
        assert_eq!((plan.statement, plan.look_again), (None, None));
        (plan.actions, plan.obstacles)
    }

    fn on_policy(write: Write) -> Vec<Action> {
        let target = Target::new(
            Kind::NetworkPolicy,
            "team",
            "python-sandbox-pool-network-policy",
        );
        vec![Action {
            target,
            write,
            step: step::POLICY,
        }]
    }

    #[test]
    fn section_5_a_new_template_gets_its_label_and_its_policy() {
        let template = template(false, &json!({}));
        let mut expected = vec![Action {
            target: Target::new(Kind::Template, "team", "python-sandbox-pool"),
            write: Write::Patch(json!({"metadata": {"labels": {HASH: "00375482"}}})),
            step: step::LABEL,
        }];
        expected.extend(on_policy(Write::Create(
            network::policy(&template).expect("managed"),
        )));
        assert_eq!(look(&template, None), (expected, vec![]));
    }

    #[test]
    fn section_5_what_means_the_same_is_not_written() {
        let rules = json!({"networkPolicy": {"ingress": [], "egress": [{"ports": [{"port": 53}, {"port": "web", "protocol": "UDP"}]}]}});
        let template = template(true, &rules);
        let same = present(&template, |policy| {
            policy["spec"]
                .as_object_mut()
                .expect("a spec")
                .remove("ingress");
            policy["spec"]["egress"][0]["ports"][0]["protocol"] = json!("TCP");
        });
        assert_eq!(look(&template, Some(&same)), (vec![], vec![]));
    }

    #[test]
    fn section_5_what_was_edited_is_put_right() {
        let template = template(
            true,
            &json!({"networkPolicy": {"egress": [{"ports": [{"port": 53}]}]}}),
        );
        let edited = present(&template, |policy| {
            policy["spec"]["ingress"] = json!([{}]);
            policy["spec"]["egress"] = json!([{}]);
            policy["spec"]["podSelector"] = json!({"matchLabels": {"app": "x"}, "matchExpressions": [{"key": "y", "operator": "Exists"}]});
        });
        let patch = json!({"spec": {
            "ingress": null,
            "egress": [{"ports": [{"port": 53}]}],
            "podSelector": {"matchLabels": {"app": null, HASH: "00375482"}, "matchExpressions": null},
        }});
        assert_eq!(
            look(&template, Some(&edited)),
            (on_policy(Write::Patch(patch)), vec![])
        );
    }

    #[test]
    fn section_5_only_its_own_policy_is_touched() {
        let managed = template(true, &json!({}));
        let unmanaged = template(true, &json!({"networkPolicyManagement": "Unmanaged"}));
        let ours = present(&managed, |_| {});
        let strange = present(&managed, |policy| {
            policy["metadata"]["ownerReferences"] = json!([])
        });
        let going = present(&managed, |policy| {
            policy["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z")
        });
        let refusal = "refusing to update NetworkPolicy \"python-sandbox-pool-network-policy\" as it is not controlled by SandboxTemplate \"python-sandbox-pool\"";
        assert_eq!(
            look(&managed, Some(&strange)),
            (vec![], vec![refusal.to_owned()])
        );
        assert_eq!(look(&unmanaged, Some(&strange)), (vec![], vec![]));
        assert_eq!(look(&unmanaged, Some(&going)), (vec![], vec![]));
        assert_eq!(look(&unmanaged, None), (vec![], vec![]));
        let deletion = Write::Delete {
            uid: "p".to_owned(),
            foreground: false,
        };
        assert_eq!(look(&unmanaged, Some(&ours)), (on_policy(deletion), vec![]));
    }

    #[test]
    fn section_5_a_template_on_its_way_out_is_left_alone_and_failures_are_not_tried_at_once() {
        let mut template = template(false, &json!({}));
        let failures = ["cannot".to_owned()];
        let observed = Observed {
            template: &template,
            policy: None,
            failures: &failures,
        };
        let expected = Plan {
            obstacles: failures.to_vec(),
            ..Plan::default()
        };
        assert_eq!(plan(&observed), expected);
        template.metadata.deletion_timestamp =
            serde_json::from_value(json!("2030-01-01T00:00:00Z")).ok();
        assert_eq!(look(&template, None), (vec![], vec![]));
    }
}
