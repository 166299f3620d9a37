//! Which replica writes.

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::json;

use super::harness::{Stage, controllers, install};
use super::support::Cluster;
use super::support::serving::{Serving, eventually};

const LEASE: &str = "a3317529.agent-sandbox.x-k8s.io";

async fn until_leading(serving: &Serving) -> Result<()> {
    eventually("the lease", async || {
        let leading = serving.metric("sandfence_leader").await?;
        ensure!(leading > 0.0, "not the leader");
        Ok(())
    })
    .await
    .with_context(|| serving.process.output().unwrap_or_default())
}

fn holder(lease: Option<&Lease>) -> &str {
    let spec = lease.and_then(|lease| lease.spec.as_ref());
    spec.and_then(|spec| spec.holder_identity.as_deref())
        .unwrap_or_default()
}

#[tokio::test]
async fn section_8_2_one_replica_writes_and_the_next_takes_over() -> Result<()> {
    let cluster = Cluster::dedicated().await?;
    install(&cluster).await?;
    let leases: Api<Lease> = Api::namespaced(cluster.client(), "default");
    // A holder that crashed: its lease has to run out.
    let now = Timestamp::now().to_string();
    let crashed: Lease = serde_json::from_value(json!({
        "metadata": {"name": LEASE},
        "spec": {"holderIdentity": "crashed", "leaseDurationSeconds": 4, "renewTime": now, "leaseTransitions": 6},
    }))?;
    leases.create(&Default::default(), &crashed).await?;
    let first = controllers(&cluster, "first", &[]).await?;
    until_leading(&first).await?;
    let lease = leases.get(LEASE).await?;
    let one = holder(Some(&lease)).to_owned();
    let spec = lease.spec.context("a lease has a spec")?;
    assert_eq!(
        (spec.lease_transitions, spec.lease_duration_seconds),
        (Some(7), Some(4))
    );

    let second = controllers(&cluster, "second", &[]).await?;
    second.until_ready().await?;
    let stage = Stage::new(cluster, "election").await?;
    stage.sandbox("box", json!({})).await?;
    stage.until_ready("box").await?;
    assert!(
        second.metric("sandfence_leader").await? < 1.0,
        "the second one waits"
    );

    // A clean stop gives the lease back.
    let Serving { process, .. } = first;
    let log = process.log().to_owned();
    let status = process.stop()?;
    ensure!(
        status.success(),
        "{status}: {}",
        std::fs::read_to_string(log)?
    );
    until_leading(&second).await?;
    stage
        .cluster
        .wait(&leases, LEASE, "to be the other's", |lease| {
            let holder = holder(lease);
            !holder.is_empty() && holder != one
        })
        .await?;
    stage.sandbox("next", json!({})).await?;
    stage.until_ready("next").await?;
    let pods = stage.pods.list(&Default::default()).await?.items;
    assert_eq!(pods.len(), 2, "each Sandbox has one Pod");
    Ok(())
}
