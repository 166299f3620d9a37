//! The end of a Sandbox.

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::harness::{condition, conditions, facts, pod_name, stage};

/// So many seconds from now, as the API holds it.
fn from_now(seconds: i64) -> String {
    let end = Timestamp::now() + SignedDuration::from_secs(seconds);
    end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[tokio::test]
async fn appendix_b_4_a_retained_sandbox_stays_without_pod_and_service_and_can_be_revived()
-> Result<()> {
    let stage = stage("retain").await?;
    let volume = json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]);
    stage
        .sandbox(
            "box",
            json!({"service": true, "volumeClaimTemplates": volume}),
        )
        .await?;
    stage.until_ready("box").await?;
    let end = from_now(2);
    stage
        .patch(
            &stage.sandboxes,
            "box",
            json!({"spec": {"shutdownTime": end}}),
        )
        .await?;
    let sandbox = stage
        .until("box", "to have nothing left", |found| {
            condition(found, "Ready") == "False SandboxExpired Sandbox has expired"
                && facts(found) == json!({})
        })
        .await?;
    assert!(Timestamp::now() >= end.parse()?, "not before its time");
    assert_eq!(
        conditions(&sandbox),
        [
            "Ready False SandboxExpired Sandbox has expired",
            "Suspended False NotSuspended Sandbox is not suspended",
        ]
    );
    stage.until_gone(&stage.pods, "box").await?;
    stage.until_gone(&stage.services, "box").await?;
    stage.volume_claims.get("data-box").await?;

    stage
        .patch(
            &stage.sandboxes,
            "box",
            json!({"spec": {"shutdownTime": Value::Null}}),
        )
        .await?;
    let sandbox = stage.until_ready("box").await?;
    assert_eq!(pod_name(&sandbox), Some("box"));
    Ok(())
}

#[tokio::test]
async fn section_4_8_a_sandbox_to_be_deleted_goes_with_everything() -> Result<()> {
    let stage = stage("delete").await?;
    stage
        .sandbox(
            "box",
            json!({"service": true, "shutdownTime": from_now(3), "shutdownPolicy": "Delete"}),
        )
        .await?;
    stage
        .until_is(&stage.pods, "box", "to exist", |_| true)
        .await?;
    stage.until_gone(&stage.sandboxes, "box").await?;
    stage.until_gone(&stage.pods, "box").await?;
    stage.until_gone(&stage.services, "box").await?;
    Ok(())
}

#[tokio::test]
async fn section_4_8_a_finished_sandbox_stays_finished() -> Result<()> {
    let stage = stage("finished-end").await?;
    let pod = super::harness::template(json!({}), json!({"restartPolicy": "Never"}));
    stage.sandbox("box", json!({ "podTemplate": pod })).await?;
    stage.until_ready("box").await?;
    let end = json!({"metadata": {"annotations": {"test.sandfence.dev/outcome": "succeeded"}}});
    stage.patch(&stage.pods, "box", end).await?;
    stage
        .until_ready_says("box", "False PodSucceeded Pod completed successfully")
        .await?;
    stage
        .patch(
            &stage.sandboxes,
            "box",
            json!({"spec": {"shutdownTime": from_now(0)}}),
        )
        .await?;
    let sandbox = stage
        .until("box", "to be expired", |found| facts(found) == json!({}))
        .await?;
    let finished = sandbox
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten())
        .find(|c| c.kind == "Finished");
    assert_eq!(
        finished.map(|c| (c.status.as_str(), c.reason.as_str())),
        Some(("True", "PodSucceeded"))
    );
    Ok(())
}
