//! Suspending and resuming.

use anyhow::Result;
use kube::ResourceExt as _;
use serde_json::json;

use super::harness::{condition, conditions, facts, pod_name, stage};

fn mode(mode: &str) -> serde_json::Value {
    json!({"spec": {"operatingMode": mode}})
}

#[tokio::test]
async fn appendix_b_2_a_suspended_sandbox_keeps_its_service_and_loses_its_pod() -> Result<()> {
    let stage = stage("suspend").await?;
    stage.sandbox("box", json!({"service": true})).await?;
    let before = stage.until_ready("box").await?;
    let uid = stage.pods.get("box").await?.uid();
    for _ in 0..2 {
        stage
            .patch(&stage.sandboxes, "box", mode("Suspended"))
            .await?;
        let sandbox = stage
            .until("box", "to be suspended", |found| {
                condition(found, "Suspended").starts_with("True")
            })
            .await?;
        assert_eq!(
            conditions(&sandbox),
            [
                "Ready False SandboxSuspended Sandbox is suspended",
                "Suspended True PodTerminated Pod has been terminated. Sandbox is suspended",
            ]
        );
        let (facts, was) = (facts(&sandbox), facts(&before));
        assert_eq!(
            facts,
            json!({"service": was["service"], "serviceFQDN": was["serviceFQDN"], "selector": was["selector"]})
        );
        assert_eq!(pod_name(&sandbox), None);
        assert!(stage.pods.get_opt("box").await?.is_none());
        stage.services.get("box").await?;

        stage
            .patch(&stage.sandboxes, "box", mode("Running"))
            .await?;
        let sandbox = stage.until_ready("box").await?;
        assert_eq!(
            condition(&sandbox, "Suspended"),
            "False NotSuspended Sandbox is not suspended"
        );
        assert_eq!(pod_name(&sandbox), Some("box"));
        assert_ne!(stage.pods.get("box").await?.uid(), uid);
    }
    Ok(())
}

#[tokio::test]
async fn appendix_b_3_a_pod_that_does_not_go_is_told() -> Result<()> {
    let stage = stage("held").await?;
    stage.sandbox("box", json!({})).await?;
    stage.until_ready("box").await?;
    let hold = json!({"metadata": {"finalizers": ["test.sandfence.dev/hold"]}});
    stage.patch(&stage.pods, "box", hold).await?;
    stage
        .patch(&stage.sandboxes, "box", mode("Suspended"))
        .await?;
    let sandbox = stage
        .until_ready_says("box", "False SandboxSuspended Sandbox is suspending")
        .await?;
    assert_eq!(
        conditions(&sandbox),
        [
            "PodScheduled True PodScheduled",
            "Ready False SandboxSuspended Sandbox is suspending",
            "Suspended False PodTerminating Pod is terminating. Sandbox is suspending",
        ]
    );
    // Resuming waits for the old Pod.
    stage
        .patch(&stage.sandboxes, "box", mode("Running"))
        .await?;
    let old = stage.pods.get("box").await?.uid();
    stage
        .patch(
            &stage.pods,
            "box",
            json!({"metadata": {"finalizers": null}}),
        )
        .await?;
    stage
        .until_is(&stage.pods, "box", "to be a new Pod", |pod| {
            pod.uid() != old
        })
        .await?;
    stage.until_ready("box").await?;
    Ok(())
}

#[tokio::test]
async fn section_4_5_a_sandbox_may_begin_suspended() -> Result<()> {
    let stage = stage("asleep").await?;
    stage
        .sandbox("box", json!({"operatingMode": "Suspended"}))
        .await?;
    let sandbox = stage
        .until_ready_says("box", "False SandboxSuspended Sandbox is suspended")
        .await?;
    assert_eq!(
        condition(&sandbox, "Suspended"),
        "True PodTerminated Pod has been terminated. Sandbox is suspended"
    );
    assert!(stage.pods.list(&Default::default()).await?.items.is_empty());
    Ok(())
}

#[tokio::test]
async fn section_4_5_a_strange_pod_is_not_deleted() -> Result<()> {
    let stage = stage("strange").await?;
    let pod = json!({
        "metadata": {"name": "box"},
        "spec": {"containers": [{"name": "main", "image": "registry.example/other:1"}]},
    });
    stage.create(&stage.pods, pod).await?;
    stage
        .sandbox("box", json!({"operatingMode": "Suspended"}))
        .await?;
    let sandbox = stage
        .until_ready_says("box", "False SandboxSuspended Sandbox is suspending")
        .await?;
    assert_eq!(
        condition(&sandbox, "Suspended"),
        "False PodNotOwned Refused to delete pod because it is not owned by this sandbox"
    );
    stage.rest("later").await?;
    assert!(
        stage
            .pods
            .get("box")
            .await?
            .metadata
            .deletion_timestamp
            .is_none()
    );
    Ok(())
}
