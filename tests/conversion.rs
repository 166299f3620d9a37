//! Both versions of the agent-sandbox kinds on a real API server: stored as v1beta1, read and written as v1alpha1
//! through the conversion webhook of `sandfence serve`, which registers itself by URL.

mod support;

use anyhow::{Context as _, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};
use sandfence::api::crds;
use serde_json::{Value, json};
use support::Cluster;
use support::serving::{Serving, serve};

/// A control plane with the CRDs as they are shipped, and a server that has put itself in charge of their conversion.
async fn converting(folder: &std::path::Path) -> Result<(Cluster, Serving)> {
    let cluster = Cluster::dedicated().await?;
    let documents: Vec<CustomResourceDefinition> = crds::all(&crds::Options::default())
        .into_iter()
        .map(serde_json::from_value)
        .collect::<Result<_, _>>()?;
    cluster.apply_crds(&documents).await?;
    let kubeconfig = format!("--kubeconfig={}", cluster.kubeconfig().display());
    let serving = serve(&cluster, folder, "convert", &[kubeconfig.as_str()]).await?;
    serving.until_ready().await?;
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client());
    let url = format!("https://{}/convert", serving.addresses.webhook);
    for document in documents.iter().take(4) {
        let name = document.metadata.name.as_deref().context("named")?;
        cluster
            .wait(&definitions, name, "to convert by webhook", |found| {
                let conversion = found.and_then(|found| found.spec.conversion.as_ref());
                let client = conversion.and_then(|c| c.webhook.as_ref()?.client_config.as_ref());
                client.is_some_and(|c| c.url.as_ref() == Some(&url) && c.ca_bundle.is_some())
            })
            .await?;
    }
    Ok((cluster, serving))
}

fn api(client: &Client, namespace: &str, version: &str, kind: &str) -> Api<DynamicObject> {
    let group = if kind == "Sandbox" {
        "agents.x-k8s.io"
    } else {
        "extensions.agents.x-k8s.io"
    };
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), namespace, &resource)
}

fn object(version: &str, kind: &str, name: &str, spec: Value) -> Result<DynamicObject> {
    let group = if kind == "Sandbox" {
        "agents.x-k8s.io"
    } else {
        "extensions.agents.x-k8s.io"
    };
    Ok(serde_json::from_value(json!({
        "apiVersion": format!("{group}/{version}"), "kind": kind, "metadata": {"name": name}, "spec": spec,
    }))?)
}

fn template() -> Value {
    json!({"spec": {"containers": [{"name": "c", "image": "i"}]}})
}

#[tokio::test]
async fn the_older_version_is_read_and_written_without_loss() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (cluster, _serving) = converting(folder.path()).await?;
    let namespace = cluster.namespace("convert").await?;
    let at = |version: &str, kind: &str| api(&cluster.client(), namespace.name(), version, kind);
    let create = PostParams::default();
    let merge = PatchParams::default();

    // A Sandbox: mode and replicas are one thing, the node survives a writer that has never heard of it.
    let (old, new) = (at("v1alpha1", "Sandbox"), at("v1beta1", "Sandbox"));
    let spec = json!({"podTemplate": template(), "operatingMode": "Suspended"});
    new.create(&create, &object("v1beta1", "Sandbox", "box", spec)?)
        .await?;
    let status = json!({"status": {"nodeName": "n1", "service": "box"}});
    new.patch_status("box", &merge, &Patch::Merge(&status))
        .await?;
    let view = old.get("box").await?;
    assert_eq!(view.data["spec"]["replicas"], 0);
    assert_eq!(
        view.data["status"],
        json!({"replicas": 0, "service": "box"})
    );
    let resume = json!({"spec": {"replicas": 1}});
    old.patch("box", &merge, &Patch::Merge(&resume)).await?;
    let stored = new.get("box").await?;
    assert_eq!(stored.data["spec"]["operatingMode"], "Running");
    assert_eq!(
        stored.data["status"],
        json!({"nodeName": "n1", "service": "box"})
    );

    // A claim: volumes survive, the pool is not guessed anew.
    let (old, new) = (
        at("v1alpha1", "SandboxClaim"),
        at("v1beta1", "SandboxClaim"),
    );
    let volumes = json!([{"metadata": {"name": "v"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]);
    let spec =
        json!({"warmPoolRef": {"name": "shadow-pool-python"}, "volumeClaimTemplates": volumes});
    new.create(
        &create,
        &object("v1beta1", "SandboxClaim", "c", spec.clone())?,
    )
    .await?;
    let status = json!({"status": {"sandbox": {"name": "other-x1"}}});
    new.patch_status("c", &merge, &Patch::Merge(&status))
        .await?;
    let labelled = json!({"metadata": {"labels": {"a": "b"}}});
    let view = old.patch("c", &merge, &Patch::Merge(&labelled)).await?;
    assert_eq!(
        view.data["spec"],
        json!({"sandboxTemplateRef": {"name": "python"}, "warmpool": "default"})
    );
    assert_eq!(new.get("c").await?.data["spec"], spec);

    // A template: its policy for volumes.
    let (old, new) = (
        at("v1alpha1", "SandboxTemplate"),
        at("v1beta1", "SandboxTemplate"),
    );
    let spec = json!({"podTemplate": template(), "volumeClaimTemplatesPolicy": "Overrides"});
    new.create(&create, &object("v1beta1", "SandboxTemplate", "t", spec)?)
        .await?;
    old.patch("t", &merge, &Patch::Merge(&labelled)).await?;
    assert_eq!(
        new.get("t").await?.data["spec"]["volumeClaimTemplatesPolicy"],
        "Overrides"
    );

    // A pool, written in the older version and scaled in it.
    let (old, new) = (
        at("v1alpha1", "SandboxWarmPool"),
        at("v1beta1", "SandboxWarmPool"),
    );
    let spec = json!({"replicas": 2, "sandboxTemplateRef": {"name": "t"}});
    old.create(&create, &object("v1alpha1", "SandboxWarmPool", "p", spec)?)
        .await?;
    let observed = json!({"status": {"replicas": 2, "observedGeneration": 1}});
    new.patch_status("p", &merge, &Patch::Merge(&observed))
        .await?;
    let scale = json!({"spec": {"replicas": 3}});
    old.patch_scale("p", &merge, &Patch::Merge(&scale)).await?;
    let stored = new.get("p").await?;
    assert_eq!(stored.data["spec"]["replicas"], 3);
    assert_eq!(
        stored.data["status"],
        json!({"replicas": 2, "observedGeneration": 1})
    );
    Ok(())
}

#[tokio::test]
async fn a_list_of_many_objects_keeps_its_order() -> Result<()> {
    const MANY: usize = 40;
    let folder = tempfile::tempdir()?;
    let (cluster, _serving) = converting(folder.path()).await?;
    let namespace = cluster.namespace("many").await?;
    let client = cluster.client();
    let new = api(&client, namespace.name(), "v1beta1", "SandboxWarmPool");
    for number in 0..MANY {
        let spec = json!({"replicas": number, "sandboxTemplateRef": {"name": "t"}});
        let pool = object("v1beta1", "SandboxWarmPool", &format!("p{number:02}"), spec)?;
        new.create(&PostParams::default(), &pool).await?;
    }
    let old = api(&client, namespace.name(), "v1alpha1", "SandboxWarmPool");
    let listed = old.list(&ListParams::default()).await?;
    let seen: Vec<Value> = listed
        .items
        .iter()
        .map(|pool| json!([pool.metadata.name, pool.data["spec"]["replicas"]]))
        .collect();
    let expected: Vec<Value> = (0..MANY)
        .map(|number| json!([format!("p{number:02}"), number]))
        .collect();
    assert_eq!(seen, expected);
    Ok(())
}
