//! The registration at the API server, and what goes through it.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::harness::{
    POLICIES, Serving, config_map, entries, eventually, get, serve, status_of, write,
};
use super::support::Cluster;

#[tokio::test]
async fn the_api_server_accepts_the_registration_and_calls_it() -> Result<()> {
    let cluster = Cluster::dedicated().await?;
    let folder = tempfile::tempdir()?;
    let policies = folder.path().join("policies");
    write(&policies, "one.yaml", POLICIES)?;
    let kubeconfig = format!("--kubeconfig={}", cluster.kubeconfig().display());
    let policies_flag = format!("--policies={}", policies.display());
    let flags = [
        kubeconfig.as_str(),
        policies_flag.as_str(),
        "--cert-store=secret",
        "--webhook-namespace=default",
    ];
    let serving = serve(&cluster, folder.path(), "serve", &flags).await?;
    serving.until_ready().await?;
    let registered: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
    cluster
        .wait(&registered, "sandfence", "to be registered", |found| {
            entries(found)
                == [
                    "policies.validate.sandfence.dev",
                    "others.validate.sandfence.dev",
                ]
        })
        .await?;

    // Judged and changed over TLS, in a namespace that is not exempt.
    let namespace = cluster.namespace("serve").await?;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), namespace.name());
    let denied = maps
        .create(
            &PostParams::default(),
            &config_map("a", json!({"bad": "1"}))?,
        )
        .await
        .expect_err("denied");
    assert_eq!(
        status_of(denied)?,
        (
            422,
            "admission webhook \"others.validate.sandfence.dev\" denied the request: \
             ValidatingAdmissionPolicy 'no-bad' with binding 'everywhere' denied request: data.bad is not wanted"
                .to_owned()
        )
    );
    let made = maps
        .create(&PostParams::default(), &config_map("a", json!({}))?)
        .await?;
    assert_eq!(made.labels().get("fenced").map(String::as_str), Some("yes"));
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    assert!(
        maps.create(&dry, &config_map("b", json!({"bad": "1"}))?)
            .await
            .is_err(),
        "dry runs are judged too"
    );

    repairs(&cluster, &registered).await?;
    reloads(&cluster, &serving, &policies, &maps, &registered).await?;
    shares_its_certificate(&cluster, folder.path(), &flags, &registered).await?;

    let status = serving.process.stop()?;
    assert_eq!(status.code(), Some(0), "a stopped server ends cleanly");
    assert!(
        registered.get_opt("sandfence").await?.is_some(),
        "a stopped webhook does not open the fence"
    );
    Ok(())
}

/// Edits and deletions of the registration do not last.
async fn repairs(
    cluster: &Cluster,
    registered: &Api<ValidatingWebhookConfiguration>,
) -> Result<()> {
    let is_whole = |found: Option<&ValidatingWebhookConfiguration>| {
        found
            .and_then(|found| found.webhooks.as_ref())
            .is_some_and(|entries| {
                entries.len() == 2
                    && entries
                        .iter()
                        .all(|entry| entry.failure_policy.as_deref() == Some("Fail"))
            })
    };
    let edit = json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]);
    registered
        .patch(
            "sandfence",
            &PatchParams::default(),
            &Patch::<()>::Json(serde_json::from_value(edit)?),
        )
        .await?;
    cluster
        .wait(registered, "sandfence", "to be repaired", is_whole)
        .await?;
    let stale = json!([{"op": "copy", "from": "/webhooks/0", "path": "/webhooks/-"},
        {"op": "replace", "path": "/webhooks/2/name", "value": "stale.validate.sandfence.dev"}]);
    registered
        .patch(
            "sandfence",
            &PatchParams::default(),
            &Patch::<()>::Json(serde_json::from_value(stale)?),
        )
        .await?;
    cluster
        .wait(registered, "sandfence", "to be swept", is_whole)
        .await?;
    registered
        .delete("sandfence", &DeleteParams::default())
        .await?;
    cluster
        .wait(registered, "sandfence", "to come back", is_whole)
        .await?;
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(cluster.client());
    ensure!(mutating.get_opt("sandfence").await?.is_some());
    Ok(())
}

/// New policies are taken, broken ones change nothing.
async fn reloads(
    cluster: &Cluster,
    serving: &Serving,
    policies: &Path,
    maps: &Api<ConfigMap>,
    registered: &Api<ValidatingWebhookConfiguration>,
) -> Result<()> {
    let second = POLICIES
        .split("---")
        .take(2)
        .collect::<Vec<_>>()
        .join("---")
        .replace("no-bad", "no-evil")
        .replace("everywhere", "everywhere-evil")
        .replace("configmaps", "secrets")
        .replace("bad", "evil");
    write(policies, "two.yaml", &second)?;
    cluster
        .wait(registered, "sandfence", "to cover Secrets", |found| {
            serde_json::to_string(&found).is_ok_and(|text| text.contains("\"secrets\""))
        })
        .await?;
    let secrets: Api<Secret> =
        Api::namespaced(cluster.client(), maps.namespace().context("namespaced")?);
    let secret: Secret =
        serde_json::from_value(json!({"metadata": {"name": "s"}, "stringData": {"evil": "1"}}))?;
    let denied = secrets
        .create(&PostParams::default(), &secret)
        .await
        .expect_err("denied");
    ensure!(status_of(denied)?.1.contains("'no-evil'"));

    let failures = serving
        .metric("sandfence_policy_reload_failures_total")
        .await?;
    write(
        policies,
        "two.yaml",
        &second.replace("'evil' in object.data", "'evil' in object.data &&"),
    )?;
    eventually("the failure to be counted", async || {
        let now = serving
            .metric("sandfence_policy_reload_failures_total")
            .await?;
        ensure!(now > failures, "{now}");
        Ok(())
    })
    .await?;
    ensure!(
        serving.process.output()?.contains("two.yaml:"),
        "the log names the file"
    );
    let (code, _) = get(serving.addresses.metrics, "/readyz").await?;
    assert_eq!(code, 200, "the last good set still decides");
    ensure!(
        secrets
            .create(&PostParams::default(), &secret)
            .await
            .is_err()
    );
    ensure!(
        maps.create(
            &PostParams::default(),
            &config_map("c", json!({"bad": "1"}))?
        )
        .await
        .is_err()
    );
    std::fs::remove_file(policies.join("two.yaml"))?;
    cluster
        .wait(registered, "sandfence", "to leave Secrets alone", |found| {
            serde_json::to_string(&found).is_ok_and(|text| !text.contains("\"secrets\""))
        })
        .await?;
    secrets.create(&PostParams::default(), &secret).await?;
    Ok(())
}

/// A second replica serves the same certificate.
async fn shares_its_certificate(
    cluster: &Cluster,
    folder: &Path,
    flags: &[&str],
    registered: &Api<ValidatingWebhookConfiguration>,
) -> Result<()> {
    let secrets: Api<Secret> = Api::namespaced(cluster.client(), "default");
    let before = secrets.get("sandfence-webhook-certs").await?;
    let bundle = |found: &ValidatingWebhookConfiguration| {
        found
            .webhooks
            .iter()
            .flatten()
            .filter_map(|entry| entry.client_config.ca_bundle.clone())
            .next()
    };
    let trusted = bundle(&registered.get("sandfence").await?);
    ensure!(
        trusted
            == before
                .data
                .as_ref()
                .and_then(|data| data.get("ca.crt").cloned()),
        "the registration trusts the authority of the Secret"
    );
    let flags: Vec<&str> = flags.iter().copied().chain(["--register=false"]).collect();
    let second = serve(cluster, folder, "second", &flags).await?;
    second.until_ready().await?;
    let after = secrets.get("sandfence-webhook-certs").await?;
    assert_eq!(
        before.metadata.resource_version,
        after.metadata.resource_version
    );
    assert_eq!(second.process.stop()?.code(), Some(0));
    Ok(())
}

/// A validating policy over ConfigMaps with one match condition, bound, as two documents.
fn conditional(name: &str, failure: &str, condition: &str) -> String {
    format!(
        "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  failurePolicy: {failure}
  matchConstraints:
    resourceRules:
      - {{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}}
  matchConditions:
    - {{name: ours, expression: \"{condition}\"}}
  validations:
    - {{expression: 'false', message: never}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec: {{policyName: {name}, validationActions: [Deny]}}
---
"
    )
}

#[tokio::test]
async fn a_match_condition_that_errors_at_the_api_server_opens_nothing() -> Result<()> {
    let cluster = Cluster::dedicated().await?;
    let folder = tempfile::tempdir()?;
    let policies = folder.path().join("policies");
    let condition = "object.metadata.namespace != 'kube-system' && object.data.team == 'red'";
    write(
        &policies,
        "fail.yaml",
        &conditional("strict", "Fail", condition),
    )?;
    let serving = serve(
        &cluster,
        folder.path(),
        "conditions",
        &[
            &format!("--kubeconfig={}", cluster.kubeconfig().display()),
            &format!("--policies={}", policies.display()),
        ],
    )
    .await?;
    serving.until_ready().await?;
    let registered: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
    let conditions = |found: &ValidatingWebhookConfiguration, failure: &str| {
        let entries = found.webhooks.iter().flatten();
        let ours = entries.filter(|entry| {
            entry.name.starts_with("others") && entry.failure_policy.as_deref() == Some(failure)
        });
        ours.flat_map(|entry| entry.match_conditions.iter().flatten())
            .map(|condition| condition.expression.clone())
            .collect::<Vec<_>>()
    };
    cluster
        .wait(
            &registered,
            "sandfence",
            "to carry the condition",
            |found| found.is_some_and(|found| conditions(found, "Fail") == [condition]),
        )
        .await?;
    let namespace = cluster.namespace("conditions").await?;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), namespace.name());
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    // True: judged here. False: none of our business. An error: refused by the API server, as the policy would.
    let red = config_map("a", json!({"team": "red"}))?;
    let denied = status_of(maps.create(&dry, &red).await.expect_err("denied"))?;
    ensure!(denied.1.ends_with("denied request: never"), "{denied:?}");
    maps.create(&dry, &config_map("b", json!({"team": "blue"}))?)
        .await?;
    let error = config_map("c", json!({"other": "1"}))?;
    let refused = status_of(maps.create(&dry, &error).await.expect_err("refused"))?;
    assert_eq!(
        refused,
        (
            403,
            format!(
                "configmaps \"c\" is forbidden: expression '{condition}' resulted in error: no such key: team"
            )
        )
    );

    // The same under failurePolicy Ignore is passed over at both places, and takes nothing else with it.
    write(
        &policies,
        "ignore.yaml",
        &conditional("lax", "Ignore", condition),
    )?;
    std::fs::remove_file(policies.join("fail.yaml"))?;
    cluster
        .wait(&registered, "sandfence", "to ignore errors", |found| {
            found.is_some_and(|found| {
                conditions(found, "Ignore") == [condition] && conditions(found, "Fail").is_empty()
            })
        })
        .await?;
    eventually("the new policy to be in force", async || {
        maps.create(&dry, &error).await?;
        Ok(())
    })
    .await?;
    let denied = status_of(maps.create(&dry, &red).await.expect_err("denied"))?;
    ensure!(denied.1.ends_with("denied request: never"), "{denied:?}");
    Ok(())
}
