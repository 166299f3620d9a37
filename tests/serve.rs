//! `sandfence serve` as a process, against a real API server: registered by URL, called over TLS.

mod support;

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use support::Cluster;
use support::serving::{PATIENCE, Serving, eventually, get, serve};
use tokio::net::{TcpListener, TcpStream};

/// Denies ConfigMaps with `data.bad` and labels all of them.
const POLICIES: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-bad}
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}
  matchConditions:
    - {name: ours, expression: "!object.metadata.name.startsWith('kube-')"}
  validations:
    - expression: "!has(object.data) || !('bad' in object.data)"
      message: data.bad is not wanted
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: everywhere}
spec: {policyName: no-bad, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: labelled}
spec:
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}
  matchConditions:
    - {name: ours, expression: "!object.metadata.name.startsWith('kube-')"}
  mutations:
    - patchType: ApplyConfiguration
      applyConfiguration:
        expression: >-
          Object{metadata: Object.metadata{labels: {"fenced": "yes"}}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: labelled}
spec: {policyName: labelled}
"#;

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::create_dir_all(folder)?;
    std::fs::write(&path, text)?;
    Ok(path)
}

fn config_map(name: &str, data: Value) -> Result<ConfigMap> {
    Ok(serde_json::from_value(
        json!({"metadata": {"name": name}, "data": data}),
    )?)
}

fn entries(configuration: Option<&ValidatingWebhookConfiguration>) -> Vec<String> {
    configuration
        .and_then(|configuration| configuration.webhooks.as_ref())
        .into_iter()
        .flatten()
        .map(|entry| entry.name.clone())
        .collect()
}

fn status_of(error: kube::Error) -> Result<(u16, String)> {
    match error {
        kube::Error::Api(status) => Ok((status.code, status.message.clone())),
        other => bail!("expected an answer of the API server, found {other}"),
    }
}

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
    let crds = sandfence::api::crds::all(&sandfence::api::crds::Options::default())
        .into_iter()
        .filter(|crd| crd["spec"]["group"] == "sandfence.dev")
        .map(serde_json::from_value)
        .collect::<Result<Vec<_>, _>>()?;
    cluster.apply_crds(&crds).await?;

    let policy = |expression: &str| {
        json!({
            "apiVersion": "sandfence.dev/v1alpha1",
            "kind": "SandboxPolicy",
            "metadata": {"name": "no-worse"},
            "spec": {
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]
                }]},
                "validations": [{"expression": expression, "message": "data.worse is not wanted"}],
                "validationActions": ["Deny"]
            }
        })
        .to_string()
    };
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

/// A kubeconfig for the API server of `cluster` at another address.
fn kubeconfig_at(cluster: &Cluster, folder: &Path, address: SocketAddr) -> Result<PathBuf> {
    let text = std::fs::read_to_string(cluster.kubeconfig())?;
    let moved = text.replace(cluster.server(), &format!("https://{address}"));
    ensure!(moved != text, "the kubeconfig names {}", cluster.server());
    write(folder, "kubeconfig", &moved)
}

#[tokio::test]
async fn an_api_server_that_is_not_there_is_waited_for() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let folder = tempfile::tempdir()?;
    // A port where nobody listens yet.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    drop(listener);
    let policies = write(folder.path(), "policies.yaml", POLICIES)?;
    let kubeconfig = kubeconfig_at(&cluster, folder.path(), address)?;
    let serving = serve(
        &cluster,
        folder.path(),
        "unreachable",
        &[
            &format!("--kubeconfig={}", kubeconfig.display()),
            &format!("--policies={}", policies.display()),
            "--register=false",
        ],
    )
    .await?;
    eventually("the reason in the probe", async || {
        let (code, body) = get(serving.addresses.metrics, "/readyz").await?;
        assert_eq!(code, 503);
        for line in [
            "[-]namespaces: discover v1, Kind=Namespace: ",
            "[+]certificate ok",
        ] {
            ensure!(body.contains(line), "{line} in {body}");
        }
        Ok(())
    })
    .await?;
    assert_eq!(
        get(serving.addresses.metrics, "/healthz").await?,
        (200, "ok\n".to_owned())
    );

    let proxy = TcpListener::bind(address).await?;
    let target: String = cluster.server().trim_start_matches("https://").to_owned();
    let forwarding = tokio::spawn(forward(proxy, target));
    serving.until_ready().await?;
    forwarding.abort();
    Ok(())
}

/// Copies between every peer of `listener` and `target`.
async fn forward(listener: TcpListener, target: String) -> Result<()> {
    let mut copies = tokio::task::JoinSet::new();
    loop {
        let (mut near, _) = listener.accept().await?;
        let target = target.clone();
        copies.spawn(async move {
            let mut far = TcpStream::connect(target).await?;
            tokio::io::copy_bidirectional(&mut near, &mut far).await
        });
    }
}

#[tokio::test]
async fn bad_policies_at_start_leave_the_process_up_and_say_where() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let folder = tempfile::tempdir()?;
    let policies = folder.path().join("policies");
    write(
        &policies,
        "one.yaml",
        &POLICIES.replace("'bad' in object.data", "'bad' in in object.data"),
    )?;
    let serving = serve(
        &cluster,
        folder.path(),
        "bad",
        &[
            &format!("--kubeconfig={}", cluster.kubeconfig().display()),
            &format!("--policies={}", policies.display()),
            "--register=false",
        ],
    )
    .await?;
    let place = format!("[-]policies: {}:", policies.join("one.yaml").display());
    eventually("the place in the probe", async || {
        let (_, body) = get(serving.addresses.metrics, "/readyz").await?;
        ensure!(body.contains(&place), "{body}");
        ensure!(body.contains("spec.validations[0].expression"), "{body}");
        Ok(())
    })
    .await?;
    write(&policies, "one.yaml", POLICIES)?;
    serving.until_ready().await?;
    assert_ne!(serving.addresses.webhook, serving.addresses.metrics);
    Ok(())
}

#[tokio::test]
async fn settings_that_cannot_work_end_the_start_with_2() -> Result<()> {
    let program = env!("CARGO_BIN_EXE_sandfence");
    let cases: [(&[&str], &str); 3] = [
        (
            &["--webhook-url=http://127.0.0.1:1"],
            "--webhook-url \"http://127.0.0.1:1\": the scheme is not https",
        ),
        (
            &["--kubeconfig=/nonexistent/kubeconfig"],
            "cannot use the kubeconfig /nonexistent/kubeconfig: ",
        ),
        (&["--metrics-bind=here"], "expected ADDRESS:PORT"),
    ];
    for (arguments, message) in cases {
        let run: &dyn Fn() -> _ = &|| {
            tokio::process::Command::new(program)
                .arg("serve")
                .args(arguments)
                .output()
        };
        let output = within(run()).await??;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    }
    Ok(())
}

async fn within<T>(future: impl Future<Output = T>) -> Result<T> {
    Ok(tokio::time::timeout(PATIENCE, future).await?)
}
