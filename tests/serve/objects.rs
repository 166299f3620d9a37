//! Policies and profiles that live in the cluster.

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use super::harness::{POLICIES, config_map, eventually, get, serve, status_of, write};
use super::support::Cluster;

/// Teaches the API server our own kinds.
async fn apply_own_crds(cluster: &Cluster) -> Result<()> {
    let crds = sandfence::api::crds::all(&sandfence::api::crds::Options::default())
        .into_iter()
        .filter(|crd| crd["spec"]["group"] == "sandfence.dev")
        .map(serde_json::from_value)
        .collect::<Result<Vec<_>, _>>()?;
    cluster.apply_crds(&crds).await
}

/// A policy of the cluster that ConfigMaps must satisfy.
fn policy(expression: &str) -> String {
    json!({
        "apiVersion": "sandfence.dev/v1alpha1",
        "kind": "SandboxPolicy",
        "metadata": {"name": "no-worse"},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]
            }]},
            "matchConditions": [{
                "name": "ours", "expression": "!object.metadata.name.startsWith('kube-')"
            }],
            "validations": [{"expression": expression, "message": "data.worse is not wanted"}],
            "validationActions": ["Deny"]
        }
    })
    .to_string()
}

#[tokio::test]
async fn kinds_that_appear_later_are_picked_up_and_their_mistakes_refused() -> Result<()> {
    let cluster = Cluster::dedicated().await?;
    let folder = tempfile::tempdir()?;
    let policies = folder.path().join("policies");
    write(&policies, "one.yaml", POLICIES)?;
    let kubeconfig = format!("--kubeconfig={}", cluster.kubeconfig().display());
    let policies_flag = format!("--policies={}", policies.display());
    let serving = serve(
        &cluster,
        folder.path(),
        "late",
        &[&kubeconfig, &policies_flag],
    )
    .await?;
    serving.until_ready().await?;
    let registered: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
    cluster
        .wait(&registered, "sandfence", "to be registered", |found| {
            found.is_some()
        })
        .await?;
    apply_own_crds(&cluster).await?;
    let apply = ["apply", "-f", "-"];
    let refused = cluster
        .kubectl(&apply, &policy("!('worse' in object.data"))
        .await?;
    ensure!(
        refused.status != 0
            && refused.stderr.contains("spec.validations[0].expression")
            && refused.stderr.contains('^'),
        "{refused:?}"
    );
    let taken = cluster
        .kubectl(
            &apply,
            &policy("!has(object.data) || !('worse' in object.data)"),
        )
        .await?;
    ensure!(taken.status == 0, "{taken:?}");
    let namespace = cluster.namespace("late").await?;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), namespace.name());
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let worse = config_map("w", json!({"worse": "1"}))?;
    eventually("the new policy to be in force", async || {
        match maps.create(&dry, &worse).await {
            Ok(_) => bail!("still allowed"),
            Err(error) => {
                let (_, message) = status_of(error)?;
                ensure!(message.contains("data.worse is not wanted"), "{message}");
                Ok(())
            }
        }
    })
    .await
    .with_context(|| serving.process.output().unwrap_or_default())?;
    Ok(())
}
#[tokio::test]
async fn an_invalid_policy_that_is_already_stored_keeps_no_replica_from_starting() -> Result<()> {
    let cluster = Cluster::dedicated().await?;
    let folder = tempfile::tempdir()?;
    let policies = write(folder.path(), "policies.yaml", POLICIES)?;
    apply_own_crds(&cluster).await?;
    // Nobody judges it yet.
    let apply = ["apply", "-f", "-"];
    let stored = cluster
        .kubectl(&apply, &policy("!('worse' in object.data"))
        .await?;
    ensure!(stored.status == 0, "{stored:?}");

    let serving = serve(
        &cluster,
        folder.path(),
        "stored",
        &[
            &format!("--kubeconfig={}", cluster.kubeconfig().display()),
            &format!("--policies={}", policies.display()),
        ],
    )
    .await?;
    serving.until_ready().await?;
    let (_, probe) = get(serving.addresses.metrics, "/readyz").await?;
    let line = "[+]policies ok: SandboxPolicy/no-worse: spec.validations[0].expression: ";
    ensure!(
        probe.contains(line) && probe.contains(": what it matches is refused"),
        "{probe}"
    );
    let gauge = "sandfence_invalid_objects{kind=\"SandboxPolicy\",name=\"no-worse\"}";
    assert_eq!(serving.metric(gauge).await?, 1.0);
    ensure!(
        serving.process.output()?.contains("SandboxPolicy/no-worse"),
        "the log names the object"
    );

    // What it is about is refused, the other policies judge on, and its repair goes through.
    let namespace = cluster.namespace("stored").await?;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), namespace.name());
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let good = config_map("good", json!({"fine": "1"}))?;
    eventually("what it matches to be refused", async || {
        match maps.create(&dry, &good).await {
            Ok(_) => bail!("still allowed"),
            Err(error) => {
                let (code, message) = status_of(error)?;
                ensure!(
                    code == 422
                        && message.contains(
                            "ValidatingAdmissionPolicy 'no-worse' denied request: failed to configure policy: \
                             SandboxPolicy/no-worse cannot be used: spec.validations[0].expression: "
                        ),
                    "{code} {message}"
                );
                Ok(())
            }
        }
    })
    .await?;
    let spared = config_map("kube-good", json!({"fine": "1"}))?;
    maps.create(&dry, &spared).await?;
    let repaired = cluster
        .kubectl(
            &apply,
            &policy("!has(object.data) || !('worse' in object.data)"),
        )
        .await?;
    ensure!(repaired.status == 0, "{repaired:?}");
    eventually("the repaired policy to be in force", async || {
        maps.create(&dry, &good).await?;
        let (_, probe) = get(serving.addresses.metrics, "/readyz").await?;
        ensure!(probe.contains("[+]policies ok\n"), "{probe}");
        ensure!(serving.metric(gauge).await.is_err(), "no longer shown");
        Ok(())
    })
    .await?;
    let worse = config_map("w", json!({"worse": "1"}))?;
    let (_, message) = status_of(maps.create(&dry, &worse).await.expect_err("denied"))?;
    ensure!(message.contains("data.worse is not wanted"), "{message}");
    Ok(())
}

#[tokio::test]
async fn guardrails_without_a_profile_are_counted_as_without_effect() -> Result<()> {
    let cluster = Cluster::dedicated().await?;
    let folder = tempfile::tempdir()?;
    apply_own_crds(&cluster).await?;
    let serving = serve(
        &cluster,
        folder.path(),
        "unbound",
        &[
            &format!("--kubeconfig={}", cluster.kubeconfig().display()),
            "--register=false",
        ],
    )
    .await?;
    serving.until_ready().await?;
    let unbound = "sandfence_policies_without_binding";
    let all = serving.metric("sandfence_policies").await?;
    assert!(all > 1.0, "the shipped packs are loaded");
    // The four policies of pod-security have bindings of their own.
    assert_eq!(serving.metric(unbound).await?, all - 4.0);
    assert_eq!(serving.metric("sandfence_guardrail_profiles").await?, 0.0);
    let log = serving.process.output()?;
    ensure!(
        log.contains("do nothing: no guardrail profile is in force") && log.contains("WARN"),
        "{log}"
    );
    let profile = r#"{"apiVersion": "sandfence.dev/v1alpha1", "kind": "GuardrailProfile",
        "metadata": {"name": "own"}, "spec": {"runtimeClass": {"required": "gvisor"}}}"#;
    let applied = cluster.kubectl(&["apply", "-f", "-"], profile).await?;
    ensure!(applied.status == 0, "{applied:?}");
    eventually("the profile to bind the guardrails", async || {
        let (unbound, profiles) = (
            serving.metric(unbound).await?,
            serving.metric("sandfence_guardrail_profiles").await?,
        );
        ensure!(unbound == 0.0 && profiles == 1.0, "{unbound} {profiles}");
        Ok(())
    })
    .await
}
