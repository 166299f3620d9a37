//! What each flow costs the API server, counted by verb and resource.

use anyhow::Result;
use futures::future::try_join_all;
use serde_json::json;

use super::harness::{condition, stage};

#[tokio::test]
async fn section_7_11_a_cold_sandbox_costs_its_pod_and_two_writes_and_no_read() -> Result<()> {
    let stage = stage("cold").await?;
    let mark = stage.cluster.request_mark()?;
    stage.sandbox("box", json!({})).await?;
    stage.until_ready("box").await?;
    stage.rest("later").await?;
    assert_eq!(
        stage.requests_about("box", mark).await?,
        [
            "create pods 1",
            "patch sandboxes 1",
            "patch sandboxes/status 1"
        ]
    );
    Ok(())
}

#[tokio::test]
async fn section_7_11_suspending_and_resuming_cost_three_writes_each_and_a_deletion_none()
-> Result<()> {
    let stage = stage("cycle").await?;
    stage.sandbox("box", json!({"service": true})).await?;
    stage.until_ready("box").await?;
    stage.rest("first").await?;

    let mark = stage.cluster.request_mark()?;
    stage
        .patch(
            &stage.sandboxes,
            "box",
            json!({"spec": {"operatingMode": "Suspended"}}),
        )
        .await?;
    stage
        .until("box", "to be suspended", |found| {
            condition(found, "Suspended").starts_with("True")
        })
        .await?;
    stage.rest("second").await?;
    assert_eq!(
        stage.requests_about("box", mark).await?,
        [
            "delete pods 1",
            "patch sandboxes 1",
            "patch sandboxes/status 1"
        ]
    );

    let mark = stage.cluster.request_mark()?;
    stage
        .patch(
            &stage.sandboxes,
            "box",
            json!({"spec": {"operatingMode": "Running"}}),
        )
        .await?;
    stage.until_ready("box").await?;
    stage.rest("third").await?;
    assert_eq!(
        stage.requests_about("box", mark).await?,
        [
            "create pods 1",
            "patch sandboxes 1",
            "patch sandboxes/status 1"
        ]
    );

    let mark = stage.cluster.request_mark()?;
    stage.delete(&stage.sandboxes, "box").await?;
    stage.until_gone(&stage.pods, "box").await?;
    stage.rest("fourth").await?;
    assert_eq!(stage.requests_about("box", mark).await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn section_7_11_an_object_that_does_not_change_costs_nothing() -> Result<()> {
    let stage = stage("idle").await?;
    stage.sandbox("box", json!({"service": true})).await?;
    stage.until_ready("box").await?;
    stage.rest("first").await?;
    let mark = stage.cluster.request_mark()?;
    // Edits that concern nothing of what the controller keeps.
    let note = |note: &str| json!({"metadata": {"annotations": {"example.com/note": note}}});
    for text in ["a", "b", "c"] {
        stage.patch(&stage.sandboxes, "box", note(text)).await?;
        stage.patch(&stage.pods, "box", note(text)).await?;
        stage.patch(&stage.services, "box", note(text)).await?;
    }
    stage.rest("second").await?;
    assert_eq!(stage.requests_about("box", mark).await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_burst_of_two_hundred_sandboxes_is_served_within_its_budget() -> Result<()> {
    let stage = stage("burst").await?;
    let names: Vec<String> = (0..200).map(|index| format!("box-{index}")).collect();
    let mark = stage.cluster.request_mark()?;
    try_join_all(names.iter().map(|name| stage.sandbox(name, json!({})))).await?;
    for name in &names {
        stage.until_ready(name).await?;
    }
    stage.rest("later").await?;
    let (mut made, mut failed, mut reads) = (0, 0, 0);
    for request in stage.cluster.requests_since(mark).await? {
        if request.namespace != stage.namespace.name()
            || !request.user_agent.starts_with("sandfence/")
        {
            continue;
        }
        match (request.verb.as_str(), request.code) {
            (_, 400..) => failed += 1,
            ("create", _) => made += 1,
            ("get" | "list" | "watch", _) => reads += 1,
            _ => {}
        }
    }
    assert_eq!(made, 201, "a Pod each");
    // Only where an overloaded API server gave no answer something may be read.
    assert!(reads <= failed, "{reads} reads, {failed} failed requests");
    Ok(())
}
