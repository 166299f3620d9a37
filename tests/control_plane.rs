//! The control plane that the other tests rely on: its version, its simulated nodes, its isolation and its end.

mod support;

use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolume, PersistentVolumeClaim, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use support::Cluster;

fn pod(name: &str, spec: Value) -> Result<Pod> {
    let mut pod = json!({
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": "registry.example/agent:1"}]},
    });
    for (key, value) in spec.as_object().context("a spec is an object")? {
        pod["spec"][key] = value.clone();
    }
    Ok(serde_json::from_value(pod)?)
}

fn phase(pod: Option<&Pod>) -> &str {
    pod.and_then(|pod| pod.status.as_ref())
        .and_then(|status| status.phase.as_deref())
        .unwrap_or("none")
}

fn is_ready(pod: Option<&Pod>) -> bool {
    pod.and_then(|pod| pod.status.as_ref())
        .into_iter()
        .flat_map(|status| status.conditions.iter().flatten())
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

#[tokio::test]
async fn server_and_kubectl_tell_the_version_that_was_built() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let version = cluster.client().apiserver_version().await?;
    assert_eq!(
        (
            version.git_version.as_str(),
            version.major.as_str(),
            version.minor.as_str()
        ),
        ("v1.36.3", "1", "36")
    );
    let output = cluster.kubectl(&["version", "-o", "json"], "").await?;
    let versions: Value = serde_json::from_str(&output.stdout).context(output.stderr)?;
    assert_eq!(versions["clientVersion"]["gitVersion"], "v1.36.3");
    assert_eq!(versions["serverVersion"]["gitVersion"], "v1.36.3");
    Ok(())
}

#[tokio::test]
async fn a_pod_becomes_ready_with_an_address_and_goes_when_deleted() -> Result<()> {
    let cluster = Cluster::shared().await?;
    cluster.node_ready(1).await?;
    let namespace = cluster.namespace("pods").await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace.name());
    let spec =
        json!({"initContainers": [{"name": "prepare", "image": "registry.example/agent:1"}]});
    pods.create(&PostParams::default(), &pod("agent", spec)?)
        .await?;

    let running = cluster
        .wait(&pods, "agent", "to be Ready", is_ready)
        .await?;
    let status = running
        .and_then(|pod| pod.status)
        .context("a ready Pod has a status")?;
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert!(
        status
            .pod_ip
            .as_deref()
            .is_some_and(|ip| ip.starts_with("10.244.")),
        "{:?}",
        status.pod_ip
    );
    let started: Vec<bool> = status
        .container_statuses
        .iter()
        .flatten()
        .map(|container| container.ready)
        .collect();
    assert_eq!(started, [true]);

    pods.delete("agent", &DeleteParams::default()).await?;
    cluster
        .wait(&pods, "agent", "to be gone", |pod| pod.is_none())
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_pod_that_is_never_restarted_ends_when_asked_and_only_then() -> Result<()> {
    let cluster = Cluster::shared().await?;
    cluster.node_ready(1).await?;
    let namespace = cluster.namespace("endings").await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace.name());
    let never = json!({"restartPolicy": "Never"});
    for name in ["stays", "succeeds", "fails"] {
        pods.create(&PostParams::default(), &pod(name, never.clone())?)
            .await?;
    }
    for name in ["stays", "succeeds", "fails"] {
        cluster.wait(&pods, name, "to be Ready", is_ready).await?;
    }
    for (name, outcome) in [("succeeds", "succeeded"), ("fails", "failed")] {
        let annotations =
            json!({"metadata": {"annotations": {"test.sandfence.dev/outcome": outcome}}});
        pods.patch(name, &PatchParams::default(), &Patch::Merge(annotations))
            .await?;
    }
    for (name, expected) in [("succeeds", "Succeeded"), ("fails", "Failed")] {
        cluster
            .wait(&pods, name, expected, |pod| phase(pod) == expected)
            .await?;
    }
    let stays = pods.get("stays").await?;
    assert_eq!(phase(Some(&stays)), "Running");
    Ok(())
}

#[tokio::test]
async fn a_held_pod_waits_until_it_is_let_go() -> Result<()> {
    let cluster = Cluster::shared().await?;
    cluster.node_ready(1).await?;
    let namespace = cluster.namespace("held").await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace.name());
    let mut held = pod("held", json!({}))?;
    held.annotations_mut()
        .insert("test.sandfence.dev/hold".to_owned(), "true".to_owned());
    held.annotations_mut().insert(
        "test.sandfence.dev/pod-ip".to_owned(),
        "127.0.0.1".to_owned(),
    );
    pods.create(&PostParams::default(), &held).await?;
    pods.create(&PostParams::default(), &pod("free", json!({}))?)
        .await?;
    // Created later and ready: the simulator has passed over the held one.
    cluster.wait(&pods, "free", "to be Ready", is_ready).await?;
    cluster
        .wait(&pods, "held", "to be on a node", |pod| {
            pod.and_then(|pod| pod.spec.as_ref())
                .is_some_and(|spec| spec.node_name.is_some())
        })
        .await?;
    assert_eq!(phase(Some(&pods.get("held").await?)), "Pending");

    let release = json!({"metadata": {"annotations": {"test.sandfence.dev/hold": null}}});
    pods.patch("held", &PatchParams::default(), &Patch::Merge(release))
        .await?;
    let running = cluster.wait(&pods, "held", "to be Ready", is_ready).await?;
    let address = running
        .and_then(|pod| pod.status)
        .and_then(|status| status.pod_ip);
    assert_eq!(address.as_deref(), Some("127.0.0.1"));
    Ok(())
}

#[tokio::test]
async fn a_claim_is_bound_to_a_volume_that_goes_with_it() -> Result<()> {
    let cluster = Cluster::shared().await?;
    cluster.node_ready(1).await?;
    cluster.storage_ready().await?;
    let namespace = cluster.namespace("volumes").await?;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(cluster.client(), namespace.name());
    let claim: PersistentVolumeClaim = serde_json::from_value(json!({
        "metadata": {"name": "workspace"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "3Gi"}}},
    }))?;
    claims.create(&PostParams::default(), &claim).await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace.name());
    let spec =
        json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "workspace"}}]});
    pods.create(&PostParams::default(), &pod("agent", spec)?)
        .await?;
    cluster
        .wait(&pods, "agent", "to be Ready", is_ready)
        .await?;

    let bound = claims.get("workspace").await?;
    let volume = bound
        .spec
        .and_then(|spec| spec.volume_name)
        .context("a bound claim names its volume")?;
    pods.delete("agent", &DeleteParams::default()).await?;
    claims.delete("workspace", &DeleteParams::default()).await?;
    let volumes: Api<PersistentVolume> = Api::all(cluster.client());
    cluster
        .wait(&volumes, &volume, "to be gone", |volume| volume.is_none())
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_webhook_by_service_address_fails_at_once() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("egress").await?;
    let name = format!("by-service-{}", namespace.name());
    let webhook: ValidatingWebhookConfiguration = serde_json::from_value(json!({
        "metadata": {"name": name},
        "webhooks": [{
            "name": "by-service.test.sandfence.dev",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "timeoutSeconds": 20,
            "clientConfig": {"service": {"namespace": namespace.name(), "name": "webhook"}},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name()}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
        }],
    }))?;
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
    let _removal = cluster.remove_at_end::<ValidatingWebhookConfiguration>(&name);
    webhooks.create(&PostParams::default(), &webhook).await?;
    let services: Api<k8s_openapi::api::core::v1::Service> =
        Api::namespaced(cluster.client(), namespace.name());
    let service = json!({"metadata": {"name": "webhook"}, "spec": {"ports": [{"port": 443}]}});
    services
        .create(&PostParams::default(), &serde_json::from_value(service)?)
        .await?;

    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), namespace.name());
    // The API server learns of the webhook and of the service by watches, each in its own time:
    // the first requests may still pass the webhook by, or miss its service.
    let deadline = Instant::now() + Duration::from_secs(30);
    let refusal = loop {
        let mut map = ConfigMap::default();
        map.metadata.generate_name = Some("probe-".to_owned());
        let asked = Instant::now();
        match maps.create(&PostParams::default(), &map).await {
            Err(kube::Error::Api(status)) if !status.message.contains("not found") => {
                break (status, asked.elapsed());
            }
            Err(kube::Error::Api(status)) => {
                assert!(Instant::now() < deadline, "{}", status.message);
            }
            other => {
                other?;
                assert!(Instant::now() < deadline, "the webhook was never called");
            }
        }
    };
    let (status, elapsed) = refusal;
    assert!(
        status.message.contains("by-service.test.sandfence.dev")
            && status.message.contains("no-such-socket"),
        "{}",
        status.message
    );
    // Long before the webhook's own timeout of twenty seconds.
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    Ok(())
}

#[tokio::test]
async fn namespaces_keep_tests_apart_and_go_with_them() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let first = cluster.namespace("twin").await?;
    let second = cluster.namespace("twin").await?;
    assert_ne!(first.name(), second.name());
    for namespace in [&first, &second] {
        let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), namespace.name());
        let mut map = ConfigMap::default();
        map.metadata.name = Some("same".to_owned());
        map.data = Some([("owner".to_owned(), namespace.name().to_owned())].into());
        maps.create(&PostParams::default(), &map).await?;
    }
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), first.name());
    let data = maps.get("same").await?.data.unwrap_or_default();
    assert_eq!(data.get("owner").map(String::as_str), Some(first.name()));

    let name = first.name().to_owned();
    drop(first);
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(cluster.client());
    cluster
        .wait(&namespaces, &name, "to be gone", |namespace| {
            namespace.is_none()
        })
        .await?;
    assert!(namespaces.get_opt(second.name()).await?.is_some());
    Ok(())
}

#[tokio::test]
async fn concurrent_users_share_one_control_plane() -> Result<()> {
    let (first, second) = tokio::join!(Cluster::shared(), Cluster::shared());
    let (first, second) = (first?, second?);
    assert_eq!(first.server(), second.server());
    assert_eq!(first.supervisor(), second.supervisor());
    Ok(())
}

#[tokio::test]
async fn impersonated_clients_have_the_rights_of_their_user() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("rights").await?;
    let stranger: Api<ConfigMap> =
        Api::namespaced(cluster.client_as("jane", &[])?, namespace.name());
    let error = stranger
        .list(&Default::default())
        .await
        .expect_err("jane has no rights");
    assert!(
        matches!(&error, kube::Error::Api(status) if status.code == 403 && status.message.contains("\"jane\"")),
        "{error}"
    );
    let master: Api<ConfigMap> = Api::namespaced(
        cluster.client_as("jane", &["system:masters"])?,
        namespace.name(),
    );
    master.list(&Default::default()).await?;
    Ok(())
}

#[tokio::test]
async fn applied_crds_are_served_and_requests_are_counted() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("crds").await?;
    let crd: CustomResourceDefinition = serde_json::from_value(json!({
        "metadata": {"name": "probes.test.sandfence.dev"},
        "spec": {
            "group": "test.sandfence.dev",
            "scope": "Namespaced",
            "names": {"kind": "Probe", "plural": "probes", "singular": "probe"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    }))?;
    let _removal = cluster.remove_at_end::<CustomResourceDefinition>("probes.test.sandfence.dev");
    cluster.apply_crds(&[crd]).await?;

    let mark = cluster.request_mark()?;
    let manifest = format!(
        "apiVersion: test.sandfence.dev/v1\nkind: Probe\nmetadata: {{name: one, namespace: {}}}\n",
        namespace.name()
    );
    let output = cluster.kubectl(&["create", "-f", "-"], &manifest).await?;
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    let created: Vec<_> = cluster
        .requests_since(mark)
        .await?
        .into_iter()
        .filter(|request| request.namespace == namespace.name() && request.resource == "probes")
        .collect();
    assert_eq!(created.len(), 1, "{created:?}");
    let request = &created[0];
    assert_eq!(
        (
            request.verb.as_str(),
            request.name.as_str(),
            request.user.as_str(),
            request.code
        ),
        ("create", "one", "kubernetes-admin", 201)
    );
    assert!(
        request.user_agent.starts_with("kubectl"),
        "{}",
        request.user_agent
    );
    Ok(())
}

#[tokio::test]
async fn a_dedicated_control_plane_ends_with_its_user() -> Result<()> {
    let cluster = Cluster::dedicated().await?;
    let shared = Cluster::shared().await?;
    assert_ne!(cluster.server(), shared.server());
    let address = cluster
        .server()
        .strip_prefix("https://")
        .context("the API server speaks HTTPS")?
        .to_owned();
    TcpStream::connect(&address)?;
    let folder = cluster.folder().to_owned();
    drop(cluster);

    // The supervisor holds this lock until every process has ended.
    let lock = std::fs::File::open(folder.join("lock"))?;
    tokio::time::timeout(
        Duration::from_secs(30),
        tokio::task::spawn_blocking(move || lock.lock()),
    )
    .await
    .context("the supervisor still runs")???;
    let refused = TcpStream::connect(&address).expect_err("nobody listens any more");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(
        folder.join("logs/kube-apiserver.log").is_file(),
        "the logs are kept"
    );
    assert!(!folder.join("etcd").exists(), "the data is not");
    Ok(())
}

#[tokio::test]
async fn a_tethered_program_is_asked_to_stop() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let script = "trap 'echo stopping; exit 3' TERM; echo started; while :; do sleep 0.05; done";
    let program = cluster.tether("tethered", Path::new("/bin/sh"), &["-c", script])?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while program.output()? != "started\n" {
        assert!(Instant::now() < deadline, "{:?}", program.output()?);
    }
    let log = program.log().to_owned();
    assert_eq!(program.stop()?.code(), Some(3));
    assert_eq!(std::fs::read_to_string(log)?, "started\nstopping\n");
    Ok(())
}
