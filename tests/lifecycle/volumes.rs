//! The volume claims of a Sandbox.

use anyhow::{Context as _, Result};
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::harness::{ADOPTABLE, condition, owners, stage};

fn claims(names: &[&str]) -> Value {
    let spec =
        json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    let templates = names
        .iter()
        .map(|name| json!({"metadata": {"name": name, "labels": {"kept": "yes"}}, "spec": spec}));
    json!({"volumeClaimTemplates": templates.collect::<Vec<_>>()})
}

#[tokio::test]
async fn appendix_b_6_volumes_are_claimed_mounted_and_kept_through_suspension() -> Result<()> {
    let stage = stage("volumes").await?;
    stage
        .sandbox("my-sandbox", claims(&["data", "tmp"]))
        .await?;
    let sandbox = stage.until_ready("my-sandbox").await?;
    let claim = stage.volume_claims.get("data-my-sandbox").await?;
    assert_eq!(json!(claim.metadata.owner_references), owners(&sandbox));
    assert_eq!(
        json!(claim.labels()),
        json!({"kept": "yes", "agents.x-k8s.io/sandbox-name-hash": "374de8f5"})
    );
    let pod = stage.pods.get("my-sandbox").await?;
    let volumes = pod.spec.context("a Pod has a spec")?.volumes;
    let names: Vec<String> = volumes
        .into_iter()
        .flatten()
        .filter_map(|volume| {
            Some(format!(
                "{} {}",
                volume.name, volume.persistent_volume_claim?.claim_name
            ))
        })
        .collect();
    assert_eq!(names, ["data data-my-sandbox", "tmp tmp-my-sandbox"]);

    stage
        .patch(
            &stage.sandboxes,
            "my-sandbox",
            json!({"spec": {"operatingMode": "Suspended"}}),
        )
        .await?;
    stage
        .until("my-sandbox", "to be suspended", |found| {
            condition(found, "Suspended").starts_with("True")
        })
        .await?;
    assert_eq!(
        stage.volume_claims.get("data-my-sandbox").await?.uid(),
        claim.uid()
    );
    stage
        .patch(
            &stage.sandboxes,
            "my-sandbox",
            json!({"spec": {"operatingMode": "Running"}}),
        )
        .await?;
    stage.until_ready("my-sandbox").await?;
    assert_eq!(
        stage.volume_claims.get("data-my-sandbox").await?.uid(),
        claim.uid()
    );

    // They go with the Sandbox, by the garbage collector.
    stage.delete(&stage.sandboxes, "my-sandbox").await?;
    stage
        .until_gone(&stage.volume_claims, "data-my-sandbox")
        .await?;
    stage.until_gone(&stage.pods, "my-sandbox").await?;
    Ok(())
}

#[tokio::test]
async fn section_4_7_a_strange_claim_is_refused_and_a_marked_one_taken() -> Result<()> {
    let stage = stage("take-volumes").await?;
    let spec = claims(&["x"])["volumeClaimTemplates"][0]["spec"].clone();
    for (name, labels) in [
        ("data-marked", json!({ADOPTABLE: "true"})),
        ("data-plain", json!({})),
    ] {
        let claim = json!({"metadata": {"name": name, "labels": labels}, "spec": spec});
        stage.create(&stage.volume_claims, claim).await?;
    }
    stage.sandbox("marked", claims(&["data"])).await?;
    let sandbox = stage.until_ready("marked").await?;
    let taken = stage.volume_claims.get("data-marked").await?;
    assert_eq!(json!(taken.metadata.owner_references), owners(&sandbox));
    stage.sandbox("plain", claims(&["data", "more"])).await?;
    let refusal = format!(
        "False ReconcilerError Error seen: cannot adopt unowned PVC \"data-plain\": missing required PVC authorization label (\"{ADOPTABLE}\") or sandbox tracking label (\"agents.x-k8s.io/sandbox-name-hash\")"
    );
    stage.until_ready_says("plain", &refusal).await?;
    assert!(
        stage.volume_claims.get_opt("more-plain").await?.is_none(),
        "the first refusal ends them"
    );
    stage.pods.get("plain").await?;
    Ok(())
}
