//! What a SandboxTemplate gives: the NetworkPolicy that all its sandboxes share, and the secure defaults of their Pods.

use serde_json::{Value, json};

use super::owner;
use crate::api::keys::{labels, name_hash};
use crate::api::v1beta1::{
    EXTENSIONS_GROUP, NetworkPolicyManagement, SandboxTemplate, SandboxTemplateSpec,
};

/// Namespace and label of the only peer that may connect by default.
const ROUTER_NAMESPACE: &str = "agent-sandbox-system";
const ROUTER: &str = "sandbox-router";
/// What sandboxes may not reach by default: private and link-local ranges of both families.
const INTERNAL_V4: [&str; 4] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
];
const INTERNAL_V6: [&str; 2] = ["fc00::/7", "fe80::/10"];
/// Public resolvers, since the cluster's own is out of reach by default.
const NAMESERVERS: [&str; 2] = ["8.8.8.8", "1.1.1.1"];

/// What follows the name of a template in the name of its NetworkPolicy.
const SUFFIX: &str = "-network-policy";

/// Name of the NetworkPolicy of a template.
#[must_use]
pub fn policy_name(template: &str) -> String {
    format!("{template}{SUFFIX}")
}

/// Name of the template whose NetworkPolicy has this name.
#[must_use]
pub fn template_of(policy: &str) -> Option<&str> {
    policy.strip_suffix(SUFFIX)
}

/// The NetworkPolicy that a template should have; `None` when it manages none.
#[must_use]
pub fn policy(template: &SandboxTemplate) -> Option<Value> {
    if !is_managed(&template.spec) {
        return None;
    }
    let name = template.metadata.name.as_deref().unwrap_or_default();
    let mut spec = json!({
        "podSelector": {"matchLabels": { labels::TEMPLATE_REF_HASH: name_hash(name) }},
        "policyTypes": ["Ingress", "Egress"],
    });
    let (ingress, egress) = match &template.spec.network_policy {
        Some(rules) => (rules.ingress.clone(), rules.egress.clone()),
        None => (Some(default_ingress()), Some(default_egress())),
    };
    for (direction, rules) in [("ingress", ingress), ("egress", egress)] {
        if let Some(rules) = rules {
            spec[direction] = rules.into();
        }
    }
    Some(json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": policy_name(name),
            "namespace": template.metadata.namespace,
            "ownerReferences": [owner(
                EXTENSIONS_GROUP,
                "SandboxTemplate",
                Some(name),
                template.metadata.uid.as_deref(),
            )],
        },
        "spec": spec,
    }))
}

/// Puts the secure defaults into the spec of a Pod that is made from a template.
pub fn secure(template: &SandboxTemplateSpec, pod: &mut Value) {
    let absent = |pod: &Value, key: &str| pod.get(key).is_none_or(Value::is_null);
    if absent(pod, "automountServiceAccountToken") {
        pod["automountServiceAccountToken"] = json!(false);
    }
    let no_resolver = absent(pod, "dnsPolicy") || pod["dnsPolicy"] == "";
    if is_managed(template) && template.network_policy.is_none() && no_resolver {
        pod["dnsPolicy"] = json!("None");
        pod["dnsConfig"] = json!({ "nameservers": NAMESERVERS });
    }
}

fn is_managed(template: &SandboxTemplateSpec) -> bool {
    template.network_policy_management.unwrap_or_default() == NetworkPolicyManagement::Managed
}

fn default_ingress() -> Vec<Value> {
    vec![json!({"from": [{
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ROUTER_NAMESPACE}},
        "podSelector": {"matchLabels": {"app": ROUTER}},
    }]})]
}

fn default_egress() -> Vec<Value> {
    vec![json!({"to": [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": INTERNAL_V4}},
        {"ipBlock": {"cidr": "::/0", "except": INTERNAL_V6}},
    ]})]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(spec: &Value) -> SandboxTemplate {
        let mut object = json!({
            "apiVersion": "extensions.agents.x-k8s.io/v1beta1",
            "kind": "SandboxTemplate",
            "metadata": {"name": "python-sandbox-pool", "namespace": "team", "uid": "u-2"},
            "spec": {"podTemplate": {"spec": {}}},
        });
        for (key, value) in spec.as_object().expect("object") {
            object["spec"][key] = value.clone();
        }
        serde_json::from_value(object).expect("a template")
    }

    #[test]
    fn section_5_without_rules_only_the_router_comes_in_and_only_the_internet_is_reached() {
        let expected = json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {
                "name": "python-sandbox-pool-network-policy",
                "namespace": "team",
                "ownerReferences": [{
                    "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxTemplate",
                    "name": "python-sandbox-pool", "uid": "u-2", "controller": true, "blockOwnerDeletion": true,
                }],
            },
            "spec": {
                "podSelector": {"matchLabels": {"agents.x-k8s.io/sandbox-template-ref-hash": "00375482"}},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": [{
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "agent-sandbox-system"}},
                    "podSelector": {"matchLabels": {"app": "sandbox-router"}},
                }]}],
                "egress": [{"to": [
                    {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"]}},
                    {"ipBlock": {"cidr": "::/0", "except": ["fc00::/7", "fe80::/10"]}},
                ]}],
            },
        });
        assert_eq!(policy(&template(&json!({}))), Some(expected.clone()));
        let managed = json!({"networkPolicyManagement": "Managed"});
        assert_eq!(policy(&template(&managed)), Some(expected));
    }

    #[test]
    fn section_5_given_rules_are_taken_verbatim_and_an_absent_list_denies_all() {
        let given =
            json!({"networkPolicy": {"egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}]}});
        let policy = policy(&template(&given)).expect("managed");
        assert_eq!(policy["spec"]["egress"], given["networkPolicy"]["egress"]);
        assert_eq!(policy["spec"].get("ingress"), None);
        assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
        let unmanaged = json!({"networkPolicyManagement": "Unmanaged"});
        assert_eq!(super::policy(&template(&unmanaged)), None);
    }

    #[test]
    fn section_5_pods_of_a_template_get_secure_defaults() {
        let dns = json!({"nameservers": ["8.8.8.8", "1.1.1.1"]});
        for (spec, pod, expected) in [
            (
                json!({}),
                json!({"dnsConfig": {"searches": ["x"]}}),
                json!({"automountServiceAccountToken": false, "dnsPolicy": "None", "dnsConfig": dns}),
            ),
            (
                json!({}),
                json!({"automountServiceAccountToken": true, "dnsPolicy": "Default"}),
                json!({"automountServiceAccountToken": true, "dnsPolicy": "Default"}),
            ),
            (
                json!({"networkPolicy": {}}),
                json!({}),
                json!({"automountServiceAccountToken": false}),
            ),
            (
                json!({"networkPolicyManagement": "Unmanaged"}),
                json!({"dnsPolicy": ""}),
                json!({"automountServiceAccountToken": false, "dnsPolicy": ""}),
            ),
        ] {
            let mut made = pod.clone();
            secure(&template(&spec).spec, &mut made);
            assert_eq!(made, expected, "{spec} {pod}");
        }
    }
}
