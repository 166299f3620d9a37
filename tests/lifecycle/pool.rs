//! Warm pools.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use sandfence::api::v1beta1::{Sandbox, SandboxTemplate, SandboxWarmPool};
use serde_json::{Value, json};

use super::harness::{Stage, condition, stage};
use super::support::serving::eventually;

const POOL: &str = "python-sandbox-pool";
const SELECTOR: &str = "agents.x-k8s.io/warm-pool-sandbox=00375482";

struct Kinds {
    templates: Api<SandboxTemplate>,
    pools: Api<SandboxWarmPool>,
}

fn kinds(stage: &Stage) -> Kinds {
    Kinds {
        templates: Api::namespaced(stage.cluster.client(), stage.namespace.name()),
        pools: Api::namespaced(stage.cluster.client(), stage.namespace.name()),
    }
}

fn template(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "extensions.agents.x-k8s.io/v1beta1",
        "kind": "SandboxTemplate",
        "metadata": {"name": name},
        "spec": {"podTemplate": {"spec": {"containers": [{"name": "main", "image": image}]}}},
    })
}

fn pool(replicas: u32, strategy: &str) -> Value {
    json!({
        "apiVersion": "extensions.agents.x-k8s.io/v1beta1",
        "kind": "SandboxWarmPool",
        "metadata": {"name": POOL},
        "spec": {
            "replicas": replicas,
            "sandboxTemplateRef": {"name": "t"},
            "updateStrategy": {"type": strategy},
        },
    })
}

/// Appendix B 11: as many are ready as are wanted, for the spec as it is.
fn is_full(pool: &SandboxWarmPool) -> bool {
    let status = pool.status.clone().unwrap_or_default();
    let settled = status.observed_generation == pool.metadata.generation;
    settled && status.ready_replicas == pool.spec.replicas && status.replicas == pool.spec.replicas
}

async fn members(stage: &Stage) -> Result<Vec<Sandbox>> {
    Ok(stage
        .sandboxes
        .list(&ListParams::default().labels(SELECTOR))
        .await?
        .items)
}

async fn names(stage: &Stage) -> Result<BTreeSet<String>> {
    Ok(members(stage)
        .await?
        .iter()
        .map(Sandbox::name_any)
        .collect())
}

#[tokio::test]
async fn section_6_a_pool_fills_shrinks_and_refills() -> Result<()> {
    let stage = stage("pool").await?;
    let Kinds { templates, pools } = kinds(&stage);
    stage.create(&pools, pool(3, "OnReplenish")).await?;
    // Without its template it waits.
    stage
        .create(&templates, template("t", "registry.example/agent:1"))
        .await?;
    let found = stage.until_is(&pools, POOL, "to be full", is_full).await?;
    assert_eq!(
        json!(found.status),
        json!({"replicas": 3, "readyReplicas": 3, "selector": SELECTOR, "observedGeneration": 1})
    );
    for member in members(&stage).await? {
        let name = member.name_any();
        assert!(name.starts_with("python-sandbox-pool-"), "{name}");
        assert_eq!(
            condition(&member, "Ready"),
            "True DependenciesReady Pod is Ready"
        );
        let pod = stage.pods.get(&name).await?;
        let labels: Vec<&str> = pod.labels().keys().map(String::as_str).collect();
        assert_eq!(
            labels,
            [
                "agents.x-k8s.io/created-by",
                "agents.x-k8s.io/sandbox-name-hash",
                "agents.x-k8s.io/sandbox-template-ref-hash",
                "agents.x-k8s.io/warm-pool-sandbox",
            ],
            "section 3.2"
        );
        let note = "cluster-autoscaler.kubernetes.io/safe-to-evict";
        assert_eq!(
            pod.annotations().get(note).map(String::as_str),
            Some("true")
        );
        let spec = json!(pod.spec);
        assert_eq!(
            (&spec["automountServiceAccountToken"], &spec["dnsPolicy"]),
            (&json!(false), &json!("None"))
        );
    }

    // One is taken away, and another comes.
    let before = names(&stage).await?;
    let gone = before.first().context("three members")?;
    stage.delete(&stage.sandboxes, gone).await?;
    eventually("a new member", async || {
        let now = names(&stage).await?;
        ensure!(now.len() == 3 && !now.contains(gone), "{now:?}");
        Ok(())
    })
    .await?;
    stage
        .until_is(&pools, POOL, "to be full again", is_full)
        .await?;

    // An autoscaler sets the size through the scale subresource.
    let scale = json!({"spec": {"replicas": 1}});
    pools
        .patch_scale(POOL, &Default::default(), &kube::api::Patch::Merge(scale))
        .await?;
    stage
        .until_is(&pools, POOL, "to have one member", is_full)
        .await?;
    assert_eq!(names(&stage).await?.len(), 1);

    // The members go with the pool.
    stage.delete(&pools, POOL).await?;
    for name in names(&stage).await? {
        stage.until_gone(&stage.sandboxes, &name).await?;
    }
    Ok(())
}

#[tokio::test]
async fn appendix_b_11_recreate_replaces_what_is_stale_and_the_default_keeps_it() -> Result<()> {
    let stage = stage("strategy").await?;
    let Kinds { templates, pools } = kinds(&stage);
    stage
        .create(&templates, template("t", "registry.example/agent:1"))
        .await?;
    stage.create(&pools, pool(2, "OnReplenish")).await?;
    stage.until_is(&pools, POOL, "to be full", is_full).await?;
    let first = names(&stage).await?;

    let image = |image: &str| json!({"spec": {"podTemplate": {"spec": {"containers": [{"name": "main", "image": image}]}}}});
    stage
        .patch(&templates, "t", image("registry.example/agent:2"))
        .await?;
    stage.rest("later").await?;
    assert_eq!(names(&stage).await?, first, "stale members stay");

    stage
        .patch(
            &pools,
            POOL,
            json!({"spec": {"updateStrategy": {"type": "Recreate"}}}),
        )
        .await?;
    stage
        .until_is(&pools, POOL, "to have new members", |found| {
            is_full(found) && found.metadata.generation == Some(2)
        })
        .await?;
    let second = names(&stage).await?;
    assert!(first.is_disjoint(&second), "{first:?} {second:?}");
    for member in members(&stage).await? {
        let spec = &member.spec.pod_template.spec;
        assert_eq!(spec["containers"][0]["image"], "registry.example/agent:2");
    }

    // Labels alone make nobody stale.
    let labels = json!({"spec": {"podTemplate": {"metadata": {"labels": {"x": "y"}}}}});
    stage.patch(&templates, "t", labels).await?;
    stage.rest("latest").await?;
    assert_eq!(names(&stage).await?, second);

    // Another template does.
    stage
        .create(&templates, template("other", "registry.example/agent:2"))
        .await?;
    stage
        .patch(
            &pools,
            POOL,
            json!({"spec": {"sandboxTemplateRef": {"name": "other"}}}),
        )
        .await?;
    stage
        .until_is(
            &pools,
            POOL,
            "to have members of the other template",
            |found| is_full(found) && found.metadata.generation == Some(3),
        )
        .await?;
    for member in members(&stage).await? {
        let of = member
            .annotations()
            .get("agents.x-k8s.io/sandbox-template-ref");
        assert_eq!(of.map(String::as_str), Some("other"));
    }
    Ok(())
}

#[tokio::test]
async fn section_6_3_an_orphan_with_the_label_is_taken() -> Result<()> {
    let stage = stage("orphan").await?;
    let Kinds { templates, pools } = kinds(&stage);
    stage
        .create(&templates, template("t", "registry.example/agent:1"))
        .await?;
    stage.create(&pools, pool(1, "OnReplenish")).await?;
    stage.until_is(&pools, POOL, "to be full", is_full).await?;
    let name = names(&stage)
        .await?
        .into_iter()
        .next()
        .context("one member")?;
    let release = json!({"metadata": {"ownerReferences": null}});
    stage.patch(&stage.sandboxes, &name, release).await?;
    let owner = pools.get(POOL).await?.uid();
    stage
        .until(&name, "to belong to the pool again", |found| {
            found
                .owner_references()
                .iter()
                .any(|reference| Some(&reference.uid) == owner.as_ref())
        })
        .await?;
    Ok(())
}
