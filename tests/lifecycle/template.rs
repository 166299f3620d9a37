//! The NetworkPolicy of a SandboxTemplate.

use anyhow::Result;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::{Api, ResourceExt as _};
use sandfence::api::v1beta1::SandboxTemplate;
use serde_json::{Value, json};

use super::harness::{Stage, stage};

const NAME: &str = "python-sandbox-pool";
const POLICY: &str = "python-sandbox-pool-network-policy";
const HASH: &str = "agents.x-k8s.io/sandbox-template-ref-hash";

struct Kinds {
    templates: Api<SandboxTemplate>,
    policies: Api<NetworkPolicy>,
}

fn kinds(stage: &Stage) -> Kinds {
    Kinds {
        templates: Api::namespaced(stage.cluster.client(), stage.namespace.name()),
        policies: Api::namespaced(stage.cluster.client(), stage.namespace.name()),
    }
}

fn template(name: &str, more: &Value) -> Value {
    let mut spec = json!({"podTemplate": {"spec": {"containers": [{"name": "main", "image": "registry.example/agent:1"}]}}});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    json!({
        "apiVersion": "extensions.agents.x-k8s.io/v1beta1",
        "kind": "SandboxTemplate",
        "metadata": {"name": name},
        "spec": spec,
    })
}

fn spec(policy: &NetworkPolicy) -> Value {
    json!(policy.spec)
}

#[tokio::test]
async fn section_5_a_template_gets_its_label_and_a_policy_that_is_kept_right() -> Result<()> {
    let stage = stage("template").await?;
    let Kinds {
        templates,
        policies,
    } = kinds(&stage);
    stage.create(&templates, template(NAME, &json!({}))).await?;
    let policy = stage
        .until_is(&policies, POLICY, "to exist", |_| true)
        .await?;
    let found = stage
        .until_is(&templates, NAME, "to have its label", |found| {
            found
                .labels()
                .get(HASH)
                .is_some_and(|hash| hash == "00375482")
        })
        .await?;
    assert_eq!(
        json!(policy.metadata.owner_references),
        json!([{
            "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxTemplate", "name": NAME,
            "uid": found.metadata.uid, "controller": true, "blockOwnerDeletion": true,
        }])
    );
    let secure = json!({
        "podSelector": {"matchLabels": {HASH: "00375482"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "agent-sandbox-system"}},
            "podSelector": {"matchLabels": {"app": "sandbox-router"}},
        }]}],
        "egress": [{"to": [
            {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"]}},
            {"ipBlock": {"cidr": "::/0", "except": ["fc00::/7", "fe80::/10"]}},
        ]}],
    });
    assert_eq!(spec(&policy), secure);

    // Somebody opens it, and it is closed again.
    let open = json!({"spec": {"egress": [{}], "podSelector": {"matchLabels": {"app": "x"}}}});
    stage.patch(&policies, POLICY, open).await?;
    stage
        .until_is(&policies, POLICY, "to be closed again", |found| {
            spec(found) == secure
        })
        .await?;

    // Rules of its own replace the built-in ones; an absent list denies all.
    let rules = json!({"spec": {"networkPolicy": {"egress": [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 443}]}]}}});
    stage.patch(&templates, NAME, rules).await?;
    let own = json!({
        "podSelector": {"matchLabels": {HASH: "00375482"}},
        "policyTypes": ["Ingress", "Egress"],
        "egress": [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 443, "protocol": "TCP"}]}],
    });
    stage
        .until_is(&policies, POLICY, "to have the template's rules", |found| {
            spec(found) == own
        })
        .await?;

    stage
        .patch(
            &templates,
            NAME,
            json!({"spec": {"networkPolicyManagement": "Unmanaged"}}),
        )
        .await?;
    stage.until_gone(&policies, POLICY).await?;
    stage
        .patch(
            &templates,
            NAME,
            json!({"spec": {"networkPolicyManagement": "Managed"}}),
        )
        .await?;
    stage
        .until_is(&policies, POLICY, "to come back", |_| true)
        .await?;

    // It goes with its template.
    stage.delete(&templates, NAME).await?;
    stage.until_gone(&policies, POLICY).await?;
    Ok(())
}

#[tokio::test]
async fn section_5_a_strange_policy_is_left_alone_until_its_name_is_free() -> Result<()> {
    let stage = stage("strange-policy").await?;
    let Kinds {
        templates,
        policies,
    } = kinds(&stage);
    let strange = json!({"metadata": {"name": POLICY}, "spec": {"podSelector": {}}});
    let before = stage.create(&policies, strange).await?;
    stage.create(&templates, template(NAME, &json!({}))).await?;
    // One worker: when the second template has its policy, the first has been looked at.
    stage
        .create(&templates, template("later", &json!({})))
        .await?;
    stage
        .until_is(&policies, "later-network-policy", "to exist", |_| true)
        .await?;
    assert_eq!(
        policies.get(POLICY).await?.metadata.resource_version,
        before.metadata.resource_version
    );
    stage.delete(&policies, POLICY).await?;
    stage
        .until_is(&policies, POLICY, "to be the template's", |found| {
            !found.owner_references().is_empty()
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn section_7_11_a_template_costs_two_writes_and_none_while_it_stays() -> Result<()> {
    let stage = stage("template-cost").await?;
    let Kinds {
        templates,
        policies,
    } = kinds(&stage);
    let mark = stage.cluster.request_mark()?;
    // An empty list and a port without its protocol: the API server stores both in other words.
    let rules = json!({"networkPolicy": {"ingress": [], "egress": [{"ports": [{"port": 443}]}]}});
    stage.create(&templates, template(NAME, &rules)).await?;
    stage
        .until_is(&policies, POLICY, "to exist", |_| true)
        .await?;
    let note = json!({"metadata": {"annotations": {"example.com/note": "x"}}});
    stage.patch(&templates, NAME, note.clone()).await?;
    stage.patch(&policies, POLICY, note).await?;
    stage
        .create(&templates, template("later", &json!({})))
        .await?;
    stage
        .until_is(&policies, "later-network-policy", "to exist", |_| true)
        .await?;
    assert_eq!(
        stage.requests_about(NAME, mark).await?,
        ["patch sandboxtemplates 1"]
    );
    assert_eq!(
        stage.requests_about(POLICY, mark).await?,
        ["create networkpolicies 1"]
    );
    Ok(())
}
