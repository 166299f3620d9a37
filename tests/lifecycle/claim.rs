//! Claims: warm and cold, their metadata, their end, and that no two of them share a sandbox.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use kube::{Api, ResourceExt as _};
use sandfence::api::v1beta1::{SandboxClaim, SandboxTemplate, SandboxWarmPool};
use serde_json::{Value, json};

use super::harness::{Stage, condition, stage};

struct Kinds {
    templates: Api<SandboxTemplate>,
    pools: Api<SandboxWarmPool>,
    claims: Api<SandboxClaim>,
}

fn kinds(stage: &Stage) -> Kinds {
    let (client, namespace) = (stage.cluster.client(), stage.namespace.name());
    Kinds {
        templates: Api::namespaced(client.clone(), namespace),
        pools: Api::namespaced(client.clone(), namespace),
        claims: Api::namespaced(client, namespace),
    }
}

fn extension(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "extensions.agents.x-k8s.io/v1beta1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    })
}

/// A template `t` with these fields, and a pool `p` of it that is full.
async fn pool(stage: &Stage, replicas: i32, more: Value) -> Result<()> {
    let Kinds {
        templates, pools, ..
    } = kinds(stage);
    let mut spec = json!({"podTemplate": {
        "metadata": {"labels": {"team": "blue"}},
        "spec": {"containers": [{"name": "main", "image": "registry.example/agent:1"}]},
    }});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    stage
        .create(&templates, extension("SandboxTemplate", "t", spec))
        .await?;
    let spec = json!({"replicas": replicas, "sandboxTemplateRef": {"name": "t"}});
    stage
        .create(&pools, extension("SandboxWarmPool", "p", spec))
        .await?;
    full(stage, replicas).await
}

async fn full(stage: &Stage, replicas: i32) -> Result<()> {
    let pools = kinds(stage).pools;
    let is_full = |pool: &SandboxWarmPool| {
        pool.status
            .as_ref()
            .and_then(|status| status.ready_replicas)
            == Some(replicas)
    };
    stage.until_is(&pools, "p", "to be full", is_full).await?;
    Ok(())
}

async fn claim(stage: &Stage, name: &str, more: Value) -> Result<SandboxClaim> {
    let mut spec = json!({"warmPoolRef": {"name": "p"}});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    stage
        .create(&kinds(stage).claims, extension("SandboxClaim", name, spec))
        .await
}

fn said(claim: &SandboxClaim, kind: &str) -> String {
    let conditions = claim
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let found = conditions
        .into_iter()
        .find(|condition| condition.kind == kind);
    found.map_or_else(String::new, |c| {
        format!("{} {} {}", c.status, c.reason, c.message)
            .trim_end()
            .to_owned()
    })
}

async fn until_says(stage: &Stage, name: &str, text: &str) -> Result<SandboxClaim> {
    let claims = kinds(stage).claims;
    stage
        .until_is(&claims, name, text, |claim| said(claim, "Ready") == text)
        .await
}

async fn until_ready(stage: &Stage, name: &str) -> Result<SandboxClaim> {
    until_says(stage, name, "True DependenciesReady Pod is Ready").await
}

fn sandbox_of(claim: &SandboxClaim) -> Result<&str> {
    let status = claim.status.as_ref().context("a status")?;
    status
        .sandbox
        .as_ref()
        .and_then(|sandbox| sandbox.name.as_deref())
        .context("a sandbox")
}

fn note<'c>(claim: &'c SandboxClaim, key: &str) -> Option<&'c str> {
    claim
        .annotations()
        .get(&format!("agents.x-k8s.io/{key}"))
        .map(String::as_str)
}

#[tokio::test]
async fn appendix_b_8_a_claim_takes_a_member_of_its_pool_within_its_budget() -> Result<()> {
    let stage = stage("warm").await?;
    pool(&stage, 1, json!({})).await?;
    let members = stage.sandboxes.list(&Default::default()).await?.items;
    let member = members.first().context("a member")?.name_any();
    let pod = stage.pods.get(&member).await?.uid();
    let mark = stage.cluster.request_mark()?;
    claim(&stage, "mine", json!({})).await?;
    let found = until_ready(&stage, "mine").await?;
    assert_eq!(sandbox_of(&found)?, member);
    assert_eq!(note(&found, "sandbox-name"), Some(member.as_str()));
    let seen = note(&found, "controller-first-observed-at").context("first seen")?;
    assert!(seen.contains('.'), "fractions of a second: {seen}");

    // The Pod stays, and is told.
    let labelled = stage
        .until_is(&stage.pods, &member, "to leave the pool", |pod| {
            !pod.labels()
                .contains_key("agents.x-k8s.io/warm-pool-sandbox")
        })
        .await?;
    assert_eq!(labelled.uid(), pod);
    let evictable = "cluster-autoscaler.kubernetes.io/safe-to-evict";
    assert!(!labelled.annotations().contains_key(evictable));
    let sandbox = stage.sandboxes.get(&member).await?;
    assert_eq!(
        sandbox
            .labels()
            .get("agents.x-k8s.io/launch-type")
            .map(String::as_str),
        Some("warm")
    );
    assert_eq!(
        sandbox.labels().get("agents.x-k8s.io/claim-uid"),
        found.metadata.uid.as_ref()
    );
    let claims = kinds(&stage).claims;
    stage
        .until_is(&claims, "mine", "to note when it was ready", |claim| {
            note(claim, "claim-first-ready-at").is_some()
        })
        .await?;
    full(&stage, 1).await?;
    stage.rest("later").await?;
    let requests = [
        stage.requests_about("mine", mark).await?,
        stage.requests_about(&member, mark).await?,
    ];
    assert_eq!(
        requests.concat(),
        [
            "patch sandboxclaims 2",
            "patch sandboxclaims/status 1",
            "patch pods 1",
            "patch sandboxes 1",
        ],
        "section 7.11: three before it is ready, five in all"
    );
    Ok(())
}

#[tokio::test]
async fn appendix_b_8_without_members_a_sandbox_of_the_claims_name_is_made() -> Result<()> {
    let stage = stage("cold").await?;
    pool(&stage, 0, json!({"envVarsInjectionPolicy": "Allowed"})).await?;
    let more = json!({
        "env": [{"name": "TASK", "value": "7"}],
        "additionalPodMetadata": {"labels": {"sandbox.users.io/who": "me"}},
    });
    claim(&stage, "mine", more).await?;
    let found = until_ready(&stage, "mine").await?;
    assert_eq!(
        (sandbox_of(&found)?, note(&found, "sandbox-name")),
        ("mine", None)
    );
    let sandbox = stage.sandboxes.get("mine").await?;
    assert_eq!(
        sandbox
            .labels()
            .get("agents.x-k8s.io/launch-type")
            .map(String::as_str),
        Some("cold")
    );
    let pod = stage.pods.get("mine").await?;
    assert_eq!(
        pod.labels().get("sandbox.users.io/who").map(String::as_str),
        Some("me")
    );
    assert!(
        !pod.labels().contains_key("agents.x-k8s.io/claim-uid"),
        "section 3.2"
    );
    let spec = json!(pod.spec);
    assert_eq!(
        spec["containers"][0]["env"],
        json!([{"name": "TASK", "value": "7"}])
    );
    // Later metadata follows, deletion takes everything along.
    let claims = kinds(&stage).claims;
    let change =
        json!({"spec": {"additionalPodMetadata": {"labels": {"sandbox.users.io/who": "you"}}}});
    stage.patch(&claims, "mine", change).await?;
    stage
        .until_is(&stage.pods, "mine", "to have the new label", |pod| {
            pod.labels()
                .get("sandbox.users.io/who")
                .is_some_and(|who| who == "you")
        })
        .await?;
    stage.delete(&claims, "mine").await?;
    stage.until_gone(&stage.sandboxes, "mine").await?;
    stage.until_gone(&stage.pods, "mine").await?;
    Ok(())
}

#[tokio::test]
async fn section_7_4_no_two_claims_of_a_burst_share_a_sandbox() -> Result<()> {
    let stage = stage("claims-burst").await?;
    pool(&stage, 20, json!({})).await?;
    let names: Vec<String> = (0..40).map(|index| format!("claim-{index}")).collect();
    try_join_all(names.iter().map(|name| claim(&stage, name, json!({})))).await?;
    let mut sandboxes = BTreeSet::new();
    let mut warm = 0;
    for name in &names {
        let found = until_ready(&stage, name).await?;
        let sandbox = sandbox_of(&found)?.to_owned();
        let object = stage.sandboxes.get(&sandbox).await?;
        let owners: Vec<&str> = object
            .owner_references()
            .iter()
            .map(|owner| owner.name.as_str())
            .collect();
        assert_eq!(owners, [name]);
        warm += usize::from(sandbox != *name);
        assert!(sandboxes.insert(sandbox), "{name} shares its sandbox");
    }
    assert!(warm >= 20, "{warm} of 40 were warm");
    full(&stage, 20).await
}

#[tokio::test]
async fn section_7_8_what_is_missing_is_told_and_made_up_for() -> Result<()> {
    let stage = stage("missing").await?;
    claim(&stage, "mine", json!({})).await?;
    until_says(
        &stage,
        "mine",
        "False WarmPoolNotFound SandboxWarmPool \"p\" not found",
    )
    .await?;
    let Kinds { pools, .. } = kinds(&stage);
    let spec = json!({"replicas": 0, "sandboxTemplateRef": {"name": "t"}});
    stage
        .create(&pools, extension("SandboxWarmPool", "p", spec))
        .await?;
    until_says(
        &stage,
        "mine",
        "False TemplateNotFound SandboxTemplate \"t\" not found",
    )
    .await?;
    let spec = json!({"podTemplate": {"spec": {"containers": [{"name": "main", "image": "registry.example/agent:1"}]}}});
    stage
        .create(
            &kinds(&stage).templates,
            extension("SandboxTemplate", "t", spec),
        )
        .await?;
    until_ready(&stage, "mine").await?;
    Ok(())
}

#[tokio::test]
async fn section_7_5_to_7_7_what_a_template_does_not_allow_is_refused_with_its_reason() -> Result<()>
{
    let stage = stage("refusals").await?;
    pool(&stage, 0, json!({})).await?;
    let volume = json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]);
    for (name, more, said) in [
        (
            "env",
            json!({"env": [{"name": "A", "value": "1"}]}),
            "EnvVarsInjectionRejected environment variable injection rejected: environment variable injection is not allowed by the template policy",
        ),
        (
            "volume",
            json!({ "volumeClaimTemplates": volume }),
            "VolumeClaimTemplatesError volumeClaimTemplates are not allowed by the template policy",
        ),
        (
            "label",
            json!({"additionalPodMetadata": {"labels": {"example.com/a": "b"}}}),
            "InvalidMetadata invalid additionalPodMetadata: failed to validate label \"example.com/a\": the domain example.com is not allowed; allowed are sandbox.users.io",
        ),
    ] {
        claim(&stage, name, more).await?;
        until_says(&stage, name, &format!("False {said}")).await?;
        assert!(stage.sandboxes.get_opt(name).await?.is_none());
    }
    // Lifting the refusal is enough.
    let claims = kinds(&stage).claims;
    stage
        .patch(&claims, "env", json!({"spec": {"env": null}}))
        .await?;
    until_ready(&stage, "env").await?;
    Ok(())
}

#[tokio::test]
async fn section_7_3_a_strange_sandbox_of_the_claims_name_is_not_taken() -> Result<()> {
    let stage = stage("name-taken").await?;
    pool(&stage, 0, json!({})).await?;
    stage.sandbox("mine", json!({})).await?;
    claim(&stage, "mine", json!({})).await?;
    let said = "False ReconcilerError Error seen: sandbox \"mine\" is not controlled by claim \"mine\". Please use a different claim name or delete the sandbox manually";
    until_says(&stage, "mine", said).await?;
    stage.until_ready("mine").await?;
    assert!(
        stage
            .sandboxes
            .get("mine")
            .await?
            .owner_references()
            .is_empty()
    );
    Ok(())
}

#[tokio::test]
async fn appendix_b_10_claims_end_as_they_say() -> Result<()> {
    let stage = stage("claim-ends").await?;
    pool(&stage, 0, json!({})).await?;
    let claims = kinds(&stage).claims;
    // The garbage collector learns of new kinds now and then; until it knows these, nothing waits for children.
    claim(&stage, "probe", json!({})).await?;
    until_ready(&stage, "probe").await?;
    stage.delete(&claims, "probe").await?;
    stage.until_gone(&stage.pods, "probe").await?;
    for name in ["retain", "delete", "foreground"] {
        claim(&stage, name, json!({})).await?;
    }
    for name in ["retain", "delete", "foreground"] {
        until_ready(&stage, name).await?;
    }
    let held = json!({"metadata": {"finalizers": ["test.sandfence.dev/hold"]}});
    stage.patch(&stage.pods, "foreground", held).await?;
    let end = (Timestamp::now() + SignedDuration::from_secs(1))
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    for (name, policy) in [
        ("retain", "Retain"),
        ("delete", "Delete"),
        ("foreground", "DeleteForeground"),
    ] {
        let lifecycle =
            json!({"spec": {"lifecycle": {"shutdownTime": end, "shutdownPolicy": policy}}});
        stage.patch(&claims, name, lifecycle).await?;
    }
    stage.until_gone(&claims, "delete").await?;
    stage.until_gone(&stage.sandboxes, "delete").await?;
    stage
        .until_is(
            &claims,
            "foreground",
            "to be going and still there",
            |claim| claim.metadata.deletion_timestamp.is_some(),
        )
        .await?;
    stage
        .patch(
            &stage.pods,
            "foreground",
            json!({"metadata": {"finalizers": null}}),
        )
        .await?;
    stage.until_gone(&claims, "foreground").await?;
    stage.until_gone(&stage.sandboxes, "retain").await?;
    let kept = stage
        .until_is(&claims, "retain", "to have no sandbox", |claim| {
            claim
                .status
                .as_ref()
                .is_some_and(|status| status.sandbox.is_none())
        })
        .await?;
    assert_eq!(
        said(&kept, "Ready"),
        "False ClaimExpired Claim expired. Sandbox cleanup initiated."
    );
    Ok(())
}

#[tokio::test]
async fn appendix_b_10_a_finished_claim_keeps_that_after_its_time() -> Result<()> {
    let stage = stage("claim-ttl").await?;
    let once = json!({"podTemplate": {"spec": {
        "restartPolicy": "Never",
        "containers": [{"name": "main", "image": "registry.example/agent:1"}],
    }}});
    pool(&stage, 0, once).await?;
    let claims = kinds(&stage).claims;
    claim(
        &stage,
        "mine",
        json!({"lifecycle": {"ttlSecondsAfterFinished": 0}}),
    )
    .await?;
    until_ready(&stage, "mine").await?;
    let end = json!({"metadata": {"annotations": {"test.sandfence.dev/outcome": "succeeded"}}});
    stage.patch(&stage.pods, "mine", end).await?;
    stage.until_gone(&stage.sandboxes, "mine").await?;
    let kept = stage
        .until_is(&claims, "mine", "to have no sandbox", |claim| {
            claim
                .status
                .as_ref()
                .is_some_and(|status| status.sandbox.is_none())
        })
        .await?;
    assert_eq!(
        (said(&kept, "Finished"), said(&kept, "Ready")),
        (
            "True PodSucceeded Pod completed successfully".to_owned(),
            "False ClaimExpired Claim expired. Sandbox cleanup initiated.".to_owned()
        )
    );
    Ok(())
}

#[tokio::test]
async fn section_4_5_a_claimed_sandbox_suspends_and_resumes_and_its_claim_follows() -> Result<()> {
    let stage = stage("claim-suspend").await?;
    pool(&stage, 0, json!({})).await?;
    claim(&stage, "mine", json!({})).await?;
    until_ready(&stage, "mine").await?;
    stage
        .patch(
            &stage.sandboxes,
            "mine",
            json!({"spec": {"operatingMode": "Suspended"}}),
        )
        .await?;
    until_says(
        &stage,
        "mine",
        "False SandboxSuspended Sandbox is suspended",
    )
    .await?;
    stage
        .patch(
            &stage.sandboxes,
            "mine",
            json!({"spec": {"operatingMode": "Running"}}),
        )
        .await?;
    until_ready(&stage, "mine").await?;
    let sandbox = stage.sandboxes.get("mine").await?;
    assert_eq!(
        condition(&sandbox, "Ready"),
        "True DependenciesReady Pod is Ready"
    );
    Ok(())
}
