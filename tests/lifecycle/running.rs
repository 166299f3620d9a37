//! A running Sandbox: its Pod, the Pod's identity and metadata.

use anyhow::{Context as _, Result};
use kube::ResourceExt as _;
use serde_json::json;

use super::harness::{ADOPTABLE, NAME_HASH, conditions, facts, owners, pod_name, stage, template};

#[tokio::test]
async fn appendix_b_1_a_sandbox_gets_a_pod_and_says_what_there_is() -> Result<()> {
    let stage = stage("running").await?;
    stage
        .sandbox("my-sandbox", json!({"service": true}))
        .await?;
    let sandbox = stage.until_ready("my-sandbox").await?;
    assert_eq!(
        conditions(&sandbox),
        [
            "PodScheduled True PodScheduled",
            "Ready True DependenciesReady Pod is Ready; Service Exists",
            "Suspended False NotSuspended Sandbox is not suspended",
        ]
    );
    let pod = stage.pods.get("my-sandbox").await?;
    let status = pod.status.context("a ready Pod has a status")?;
    let addresses: Vec<String> = status
        .pod_ips
        .into_iter()
        .flatten()
        .map(|ip| ip.ip)
        .collect();
    assert_eq!(
        facts(&sandbox),
        json!({
            "service": "my-sandbox",
            "serviceFQDN": format!("my-sandbox.{}.svc.cluster.local", stage.namespace.name()),
            "selector": format!("{NAME_HASH}=374de8f5"),
            "podIPs": addresses,
            "nodeName": pod.spec.context("a Pod has a spec")?.node_name,
        })
    );
    assert_eq!(pod_name(&sandbox), Some("my-sandbox"));
    Ok(())
}

#[tokio::test]
async fn appendix_b_5_pod_and_service_have_one_owner_and_the_metadata_of_the_template() -> Result<()>
{
    let stage = stage("owners").await?;
    let metadata = json!({
        "labels": {"team": "blue", "agents.x-k8s.io/claim-uid": "forged"},
        "annotations": {"note": "hello"},
    });
    stage
        .sandbox(
            "my-sandbox",
            json!({"service": true, "podTemplate": template(metadata, json!({}))}),
        )
        .await?;
    let sandbox = stage.until_ready("my-sandbox").await?;
    let pod = stage.pods.get("my-sandbox").await?;
    let service = stage.services.get("my-sandbox").await?;
    assert_eq!(json!(pod.metadata.owner_references), owners(&sandbox));
    assert_eq!(json!(service.metadata.owner_references), owners(&sandbox));
    assert_eq!(
        json!(pod.labels()),
        json!({"team": "blue", NAME_HASH: "374de8f5"})
    );
    assert_eq!(
        pod.annotations().get("note").map(String::as_str),
        Some("hello")
    );
    assert_eq!(
        pod.annotations()
            .get("agents.x-k8s.io/propagated-labels")
            .map(String::as_str),
        Some("team")
    );
    let mut managers = pod
        .managed_fields()
        .iter()
        .filter_map(|fields| fields.manager.as_deref());
    assert!(
        managers.any(|manager| manager == "sandbox-controller"),
        "section 3.5"
    );
    Ok(())
}

#[tokio::test]
async fn section_4_4_a_deleted_pod_comes_back_under_its_name() -> Result<()> {
    let stage = stage("replaced").await?;
    stage.sandbox("box", json!({})).await?;
    stage.until_ready("box").await?;
    let first = stage.pods.get("box").await?.uid();
    stage.delete(&stage.pods, "box").await?;
    stage
        .until_is(&stage.pods, "box", "to be another Pod", |pod| {
            pod.uid() != first
        })
        .await?;
    let address = stage.pods.get("box").await?.uid();
    let sandbox = stage.until_ready("box").await?;
    assert_ne!(address, first);
    assert_eq!(pod_name(&sandbox), Some("box"));
    Ok(())
}

#[tokio::test]
async fn section_4_4_a_pod_that_ended_is_finished_and_not_replaced() -> Result<()> {
    let stage = stage("finished").await?;
    let spec = template(json!({}), json!({"restartPolicy": "Never"}));
    for (name, outcome, finished) in [
        (
            "well",
            "succeeded",
            "PodSucceeded Pod completed successfully",
        ),
        ("badly", "failed", "PodFailed Pod failed"),
    ] {
        stage.sandbox(name, json!({ "podTemplate": spec })).await?;
        stage.until_ready(name).await?;
        let before = stage.pods.get(name).await?.uid();
        let end = json!({"metadata": {"annotations": {"test.sandfence.dev/outcome": outcome}}});
        stage.patch(&stage.pods, name, end).await?;
        let sandbox = stage
            .until_ready_says(name, &format!("False {finished}"))
            .await?;
        assert_eq!(
            conditions(&sandbox),
            [
                format!("Finished True {finished}"),
                "PodScheduled True PodScheduled".to_owned(),
                format!("Ready False {finished}"),
                "Suspended False NotSuspended Sandbox is not suspended".to_owned(),
            ]
        );
        assert_eq!(stage.pods.get(name).await?.uid(), before);
    }
    Ok(())
}

#[tokio::test]
async fn section_4_4_a_marked_pod_that_nobody_owns_is_taken() -> Result<()> {
    let stage = stage("adopted").await?;
    let pod = json!({
        "metadata": {"name": "box", "labels": {ADOPTABLE: "true", "mine": "stays"}},
        "spec": template(json!({}), json!({}))["spec"],
    });
    let before = stage.create(&stage.pods, pod).await?;
    stage.sandbox("box", json!({})).await?;
    let sandbox = stage.until_ready("box").await?;
    let pod = stage.pods.get("box").await?;
    assert_eq!(pod.uid(), before.uid());
    assert_eq!(json!(pod.metadata.owner_references), owners(&sandbox));
    assert_eq!(pod.labels().get("mine").map(String::as_str), Some("stays"));
    assert!(pod.labels().contains_key(NAME_HASH));
    Ok(())
}

#[tokio::test]
async fn section_4_4_an_unmarked_pod_is_refused_until_it_is_marked() -> Result<()> {
    let stage = stage("refused").await?;
    let pod = json!({"metadata": {"name": "box"}, "spec": template(json!({}), json!({}))["spec"]});
    stage.create(&stage.pods, pod).await?;
    stage.sandbox("box", json!({})).await?;
    let refusal = format!(
        "False ReconcilerError Error seen: cannot adopt unowned pod \"box\": missing required pod authorization label (\"{ADOPTABLE}\") or sandbox tracking label (\"{NAME_HASH}\")"
    );
    let sandbox = stage.until_ready_says("box", &refusal).await?;
    assert_eq!(pod_name(&sandbox), None);
    let mark = json!({"metadata": {"labels": {ADOPTABLE: "true"}}});
    stage.patch(&stage.pods, "box", mark).await?;
    stage.until_ready("box").await?;
    Ok(())
}

#[tokio::test]
async fn section_4_6_metadata_of_the_template_follows_to_the_pod() -> Result<()> {
    let stage = stage("metadata").await?;
    let first = template(
        json!({"labels": {"a": "1", "b": "1"}, "annotations": {"n": "1"}}),
        json!({}),
    );
    stage
        .sandbox("box", json!({ "podTemplate": first }))
        .await?;
    stage.until_ready("box").await?;
    let foreign = json!({"metadata": {"labels": {"foreign": "stays"}}});
    stage.patch(&stage.pods, "box", foreign).await?;
    let change = json!({"spec": {"podTemplate": {"metadata": {"labels": {"a": "2", "b": null, "c": "3"}, "annotations": {"n": null}}}}});
    stage.patch(&stage.sandboxes, "box", change).await?;
    let pod = stage
        .until_is(&stage.pods, "box", "to have the new labels", |pod| {
            pod.labels().get("c").is_some_and(|value| value == "3")
        })
        .await?;
    let hash = pod.labels()[NAME_HASH].clone();
    assert_eq!(
        json!(pod.labels()),
        json!({"a": "2", "c": "3", "foreign": "stays", NAME_HASH: hash})
    );
    assert_eq!(
        json!(pod.annotations()),
        json!({"agents.x-k8s.io/propagated-labels": "a,c", "agents.x-k8s.io/propagated-annotations": ""})
    );
    Ok(())
}

#[tokio::test]
async fn section_4_6_the_clients_mark_reaches_the_pod_in_known_words() -> Result<()> {
    let stage = stage("created-by").await?;
    for (name, given, seen) in [
        ("known", "python-client", "python-client"),
        ("odd", "me", "unknown"),
    ] {
        let mut object = super::harness::sandbox(name, json!({}))?;
        object["metadata"]["labels"] = json!({"agents.x-k8s.io/created-by": given});
        stage.create(&stage.sandboxes, object).await?;
        stage.until_ready(name).await?;
        let pod = stage.pods.get(name).await?;
        assert_eq!(
            pod.labels()
                .get("agents.x-k8s.io/created-by")
                .map(String::as_str),
            Some(seen)
        );
    }
    let drop_it = json!({"metadata": {"labels": {"agents.x-k8s.io/created-by": null}}});
    stage.patch(&stage.sandboxes, "odd", drop_it).await?;
    stage
        .until_is(&stage.pods, "odd", "to lose the label", |pod| {
            !pod.labels().contains_key("agents.x-k8s.io/created-by")
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn section_4_3_two_owned_pods_are_told_once_and_neither_is_touched() -> Result<()> {
    let stage = stage("several").await?;
    stage.sandbox("box", json!({"service": true})).await?;
    let sandbox = stage.until_ready("box").await?;
    let hash = stage.pods.get("box").await?.labels()[NAME_HASH].clone();
    let second = json!({
        "metadata": {"name": "second", "labels": {NAME_HASH: hash}, "ownerReferences": owners(&sandbox)},
        "spec": template(json!({}), json!({}))["spec"],
    });
    stage.create(&stage.pods, second).await?;
    let note =
        "multiple Pods (2) are controlled by this Sandbox; refusing to choose or create a Pod";
    let sandbox = stage
        .until_ready_says("box", &format!("False MultiplePods {note}"))
        .await?;
    assert_eq!(facts(&sandbox).get("podIPs"), None);
    assert_eq!(stage.pods.list(&Default::default()).await?.items.len(), 2);
    let events: kube::Api<k8s_openapi::api::events::v1::Event> =
        kube::Api::namespaced(stage.cluster.client(), stage.namespace.name());
    let told = super::support::serving::eventually("the event", async || {
        let all = events.list(&Default::default()).await?.items;
        let found = all
            .into_iter()
            .find(|event| event.reason.as_deref() == Some("MultiplePods"));
        found.context("no such event yet")
    });
    let event = told.await?;
    assert_eq!(
        (
            event.type_.as_deref(),
            event.action.as_deref(),
            event.note.as_deref(),
            event.reporting_controller.as_deref()
        ),
        (
            Some("Warning"),
            Some("Reconciling"),
            Some(note),
            Some("sandbox-controller")
        )
    );
    stage.delete(&stage.pods, "second").await?;
    stage.until_ready("box").await?;
    Ok(())
}
