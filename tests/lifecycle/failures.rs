//! What the API server refuses is told once, and works once it is allowed.

use std::time::Instant;

use anyhow::Result;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::Api;
use serde_json::json;

use super::harness::{condition, pod_name, stage};
use super::support::serving::eventually;

#[tokio::test]
async fn section_4_12_a_denied_pod_is_told_once_with_the_rule_and_comes_when_it_may() -> Result<()>
{
    let stage = stage("denied").await?;
    let name = format!("no-pods-{}", stage.namespace.name());
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(stage.cluster.client());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(stage.cluster.client());
    let policy: ValidatingAdmissionPolicy = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]},
            ]},
            "validations": [{"expression": "object.metadata.name.startsWith('free')", "message": "no agents on Sundays"}],
        },
    }))?;
    let binding: ValidatingAdmissionPolicyBinding = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": stage.namespace.name()}}},
        },
    }))?;
    let _policy = stage
        .cluster
        .remove_at_end::<ValidatingAdmissionPolicy>(&name);
    let _binding = stage
        .cluster
        .remove_at_end::<ValidatingAdmissionPolicyBinding>(&name);
    policies.create(&Default::default(), &policy).await?;
    bindings.create(&Default::default(), &binding).await?;
    eventually("the policy to be in force", async || {
        let pod = serde_json::from_value(json!({
            "metadata": {"name": "probe"},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }))?;
        let dry = kube::api::PostParams {
            dry_run: true,
            ..Default::default()
        };
        anyhow::ensure!(
            stage.pods.create(&dry, &pod).await.is_err(),
            "still allowed"
        );
        Ok(())
    })
    .await?;

    let mark = stage.cluster.request_mark()?;
    let start = Instant::now();
    stage.sandbox("box", json!({"service": true})).await?;
    let sandbox = stage
        .until("box", "to tell the rule", |found| {
            condition(found, "Ready").contains("no agents on Sundays")
        })
        .await?;
    let said = condition(&sandbox, "Ready");
    assert!(
        said.starts_with("False ReconcilerError Error seen: cannot create Pod \"box\": "),
        "{said}"
    );
    assert_eq!(pod_name(&sandbox), None);
    assert_eq!(
        condition(&sandbox, "PodScheduled"),
        "Unknown PodSchedulingUnknown Pod state is unknown. Pod scheduling cannot be determined"
    );
    stage.services.get("box").await?;
    stage.rest("free").await?;
    let requests = stage.requests_about("box", mark).await?;
    // The first pause after a refusal is five seconds, and each one is twice the one before.
    let pauses = start.elapsed().as_secs() / 5;
    let attempts = 1 + u64::from(pauses.checked_ilog2().map_or(0, |doubled| doubled + 1));
    let expected = |count: u64| {
        [
            format!("create pods {count}"),
            "create services 1".to_owned(),
            "patch sandboxes/status 1".to_owned(),
        ]
    };
    assert!(
        (1..=attempts).any(|count| requests == expected(count)),
        "at most {attempts} attempts, told once: {requests:?}"
    );

    bindings.delete(&name, &Default::default()).await?;
    stage.until_ready("box").await?;
    Ok(())
}
