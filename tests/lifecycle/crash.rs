//! The process is killed again and again in the middle of its work, and everything comes right in the end.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use sandfence::api::v1beta1::{SandboxClaim, SandboxTemplate, SandboxWarmPool};
use serde_json::{Value, json};

use super::harness::{Stage, condition, controllers, install};
use super::support::Cluster;
use super::support::serving::eventually;

/// How often it is killed.
const KILLS: u64 = 25;
/// Where the numbers begin.
const SEED: u64 = 0x5eed_0006;

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// The work, and what should be there.
struct Work {
    stage: Stage,
    pools: Api<SandboxWarmPool>,
    claims: Api<SandboxClaim>,
    numbers: Numbers,
    made: u64,
    /// Sandboxes of their own, with whether they run.
    sandboxes: BTreeMap<String, bool>,
    claimed: BTreeSet<String>,
    size: u64,
}

fn volume() -> Value {
    let spec =
        json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    json!([{"metadata": {"name": "data"}, "spec": spec}])
}

impl Work {
    async fn new() -> Result<Self> {
        let cluster = Cluster::dedicated().await?;
        install(&cluster).await?;
        let stage = Stage::new(cluster, "crash").await?;
        let (client, namespace) = (stage.cluster.client(), stage.namespace.name().to_owned());
        let templates: Api<SandboxTemplate> = Api::namespaced(client.clone(), &namespace);
        let extension = |kind: &str, name: &str, spec: Value| {
            json!({
                "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec,
            })
        };
        let pod = json!({"spec": {"containers": [{"name": "main", "image": "registry.example/agent:1"}]}});
        stage
            .create(
                &templates,
                extension("SandboxTemplate", "t", json!({ "podTemplate": pod })),
            )
            .await?;
        let pools = Api::namespaced(client.clone(), &namespace);
        let spec = json!({"replicas": 2, "sandboxTemplateRef": {"name": "t"}});
        stage
            .create(&pools, extension("SandboxWarmPool", "p", spec))
            .await?;
        Ok(Self {
            pools,
            claims: Api::namespaced(client, &namespace),
            stage,
            numbers: Numbers(SEED),
            made: 0,
            sandboxes: BTreeMap::new(),
            claimed: BTreeSet::new(),
            size: 2,
        })
    }

    fn any<'n>(&mut self, names: impl ExactSizeIterator<Item = &'n String>) -> Option<String> {
        let count = u64::try_from(names.len()).unwrap_or_default();
        let chosen = if count == 0 {
            0
        } else {
            self.numbers.below(count)
        };
        names
            .into_iter()
            .nth(usize::try_from(chosen).unwrap_or_default())
            .cloned()
    }

    /// One change by a user.
    async fn step(&mut self) -> Result<()> {
        let names = self.sandboxes.clone();
        match self.numbers.below(10) {
            0..3 => {
                self.made += 1;
                let name = format!("box-{}", self.made);
                let spec = if self.numbers.below(2) == 0 {
                    json!({"service": true, "volumeClaimTemplates": volume()})
                } else {
                    json!({})
                };
                self.stage.sandbox(&name, spec).await?;
                self.sandboxes.insert(name, true);
            }
            3..6 => {
                self.made += 1;
                let name = format!("claim-{}", self.made);
                let claim = json!({
                    "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxClaim",
                    "metadata": {"name": name}, "spec": {"warmPoolRef": {"name": "p"}},
                });
                self.stage.create(&self.claims, claim).await?;
                self.claimed.insert(name);
            }
            6..8 => {
                if let Some(name) = self.any(names.keys()) {
                    let runs = !names[&name];
                    let mode = if runs { "Running" } else { "Suspended" };
                    let change = json!({"spec": {"operatingMode": mode}});
                    self.stage
                        .patch(&self.stage.sandboxes, &name, change)
                        .await?;
                    self.sandboxes.insert(name, runs);
                }
            }
            8 => {
                let claimed = self.claimed.clone();
                if let Some(name) = self.any(claimed.iter()) {
                    self.stage.delete(&self.claims, &name).await?;
                    self.claimed.remove(&name);
                }
            }
            _ => {
                self.size = self.numbers.below(4);
                let change = json!({"spec": {"replicas": self.size}});
                self.stage.patch(&self.pools, "p", change).await?;
            }
        }
        Ok(())
    }

    /// What is not (yet) as it should be.
    async fn wrong(&self) -> Result<Vec<String>> {
        let all = ListParams::default();
        let mut wrong = Vec::new();
        let sandboxes: BTreeMap<String, _> = self
            .stage
            .sandboxes
            .list(&all)
            .await?
            .into_iter()
            .map(|sandbox| (sandbox.name_any(), sandbox))
            .collect();
        let pods = self.stage.pods.list(&all).await?.items;
        for pod in &pods {
            let owner = pod
                .owner_references()
                .first()
                .context("a Pod has an owner")?;
            let of = sandboxes
                .get(&owner.name)
                .and_then(|sandbox| sandbox.metadata.uid.as_ref());
            if of != Some(&owner.uid) {
                wrong.push(format!("the Pod {} belongs to no Sandbox", pod.name_any()));
            }
        }
        for (name, runs) in &self.sandboxes {
            let sandbox = sandboxes
                .get(name)
                .with_context(|| format!("{name} was deleted"))?;
            let expected = if *runs {
                "True DependenciesReady"
            } else {
                "False SandboxSuspended"
            };
            let said = condition(sandbox, "Ready");
            let count = pods.iter().filter(|pod| pod.name_any() == *name).count();
            if !said.starts_with(expected)
                || count != usize::from(*runs)
                || (!runs && said.contains("suspending"))
            {
                wrong.push(format!("{name}: {said:?} with {count} Pods"));
            }
            if sandbox.spec.volume_claim_templates.is_some() {
                let claim = format!("data-{name}");
                if self.stage.volume_claims.get_opt(&claim).await?.is_none() {
                    wrong.push(format!("{claim} is missing"));
                }
            }
        }
        let mut taken = BTreeSet::new();
        for claim in self.claims.list(&all).await? {
            let name = claim.name_any();
            let status = claim.status.unwrap_or_default();
            let sandbox = status
                .sandbox
                .and_then(|sandbox| sandbox.name)
                .unwrap_or_default();
            let ready = status
                .conditions
                .iter()
                .flatten()
                .any(|c| c.kind == "Ready" && c.status == "True");
            let owner = sandboxes
                .get(&sandbox)
                .and_then(|sandbox| sandbox.owner_references().first());
            if !ready || owner.map(|owner| &owner.uid) != claim.metadata.uid.as_ref() {
                wrong.push(format!("{name} has {sandbox:?}, ready: {ready}"));
            }
            ensure!(
                sandbox.is_empty() || taken.insert(sandbox.clone()),
                "two claims have {sandbox}"
            );
        }
        let members = sandboxes.values().filter(|sandbox| {
            sandbox
                .owner_references()
                .iter()
                .any(|owner| owner.kind == "SandboxWarmPool")
        });
        let members = members.count();
        if u64::try_from(members)? != self.size {
            wrong.push(format!(
                "the pool has {members} members instead of {}",
                self.size
            ));
        }
        let expected = self.sandboxes.len() + taken.len() + members;
        if sandboxes.len() != expected {
            wrong.push(format!(
                "{} Sandboxes instead of {expected}",
                sandboxes.len()
            ));
        }
        Ok(wrong)
    }
}

#[tokio::test]
async fn nothing_is_lost_leaked_or_shared_however_often_the_process_is_killed() -> Result<()> {
    let mut work = Work::new().await?;
    let flags = ["--leader-elect=false"];
    for kill in 0..KILLS {
        let serving = controllers(&work.stage.cluster, &format!("crash-{kill}"), &flags).await?;
        // It is ready as soon as its policies are; its controllers may still be listing.
        serving.until_ready().await?;
        for _ in 0..=work.numbers.below(12) {
            work.step().await?;
        }
        serving.process.kill()?;
    }
    let _serving = controllers(&work.stage.cluster, "crash-end", &flags).await?;
    eventually("everything to come right", async || {
        let wrong = work.wrong().await?;
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    })
    .await
}
