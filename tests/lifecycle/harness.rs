//! A control plane with nodes, storage, the CRDs and one `sandfence serve`, and short ways to say what is expected.

use std::collections::BTreeMap;
use std::fmt::Debug;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt as _};
use sandfence::api::crds;
use sandfence::api::v1beta1::Sandbox;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::support::serving::{Serving, serve};
use super::support::{Cluster, Mark, Namespace};

/// The annotation with the name of a Sandbox's Pod.
pub const POD_NAME: &str = "agents.x-k8s.io/pod-name";
/// The label with the hash of a Sandbox's name.
pub const NAME_HASH: &str = "agents.x-k8s.io/sandbox-name-hash";
/// Lets a Sandbox take an object that nobody owns.
pub const ADOPTABLE: &str = "agents.x-k8s.io/adoptable";

/// Applies the CRDs of the agent-sandbox API.
pub async fn install(cluster: &Cluster) -> Result<()> {
    let documents: Vec<CustomResourceDefinition> = crds::all(&crds::Options::default())
        .into_iter()
        .map(serde_json::from_value)
        .collect::<Result<_, _>>()?;
    cluster.apply_crds(&documents).await?;
    cluster.node_ready(2).await?;
    cluster.storage_ready().await
}

/// Starts a server with controllers and without a registration.
pub async fn controllers(cluster: &Cluster, name: &str, more: &[&str]) -> Result<Serving> {
    let kubeconfig = format!("--kubeconfig={}", cluster.kubeconfig().display());
    let mut flags = vec![
        kubeconfig.as_str(),
        "--register=false",
        "--controllers",
        "--extensions",
    ];
    flags.extend(more);
    let folder = cluster.folder().to_owned();
    serve(cluster, &folder, name, &flags).await
}

/// One test's namespace in the control plane of this binary, where controllers run.
pub struct Stage {
    pub cluster: Cluster,
    pub namespace: Namespace,
    pub sandboxes: Api<Sandbox>,
    pub pods: Api<Pod>,
    pub services: Api<Service>,
    pub volume_claims: Api<PersistentVolumeClaim>,
}

/// A namespace of its own.
pub async fn stage(topic: &str) -> Result<Stage> {
    static SERVING: OnceCell<Serving> = OnceCell::const_new();
    let cluster = Cluster::own().await?;
    let start = async || {
        install(&cluster).await?;
        controllers(&cluster, "lifecycle", &[]).await
    };
    SERVING.get_or_try_init(start).await?;
    Stage::new(cluster, topic).await
}

impl Stage {
    /// A namespace in this cluster.
    pub async fn new(cluster: Cluster, topic: &str) -> Result<Self> {
        let namespace = cluster.namespace(topic).await?;
        let name = namespace.name();
        Ok(Self {
            sandboxes: Api::namespaced(cluster.client(), name),
            pods: Api::namespaced(cluster.client(), name),
            services: Api::namespaced(cluster.client(), name),
            volume_claims: Api::namespaced(cluster.client(), name),
            cluster,
            namespace,
        })
    }

    /// Creates an object of this namespace from its document.
    pub async fn create<K>(&self, api: &Api<K>, object: Value) -> Result<K>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Serialize,
    {
        let object: K = serde_json::from_value(object)?;
        Ok(api.create(&PostParams::default(), &object).await?)
    }

    /// Creates a Sandbox with this spec over a small default.
    pub async fn sandbox(&self, name: &str, spec: Value) -> Result<Sandbox> {
        self.create(&self.sandboxes, sandbox(name, spec)?).await
    }

    /// Merges a change into an object.
    pub async fn patch<K>(&self, api: &Api<K>, name: &str, change: Value) -> Result<K>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        Ok(api
            .patch(name, &PatchParams::default(), &Patch::Merge(change))
            .await?)
    }

    /// Deletes an object.
    pub async fn delete<K>(&self, api: &Api<K>, name: &str) -> Result<()>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        api.delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Waits for a state of a Sandbox.
    pub async fn until(
        &self,
        name: &str,
        expected: &str,
        condition: impl Fn(&Sandbox) -> bool,
    ) -> Result<Sandbox> {
        let found = self.cluster.wait(&self.sandboxes, name, expected, |found| {
            found.is_some_and(&condition)
        });
        found.await?.context("it exists")
    }

    /// Waits until the condition Ready says this: status, reason, message.
    pub async fn until_ready_says(&self, name: &str, said: &str) -> Result<Sandbox> {
        self.until(name, said, |found| condition(found, "Ready") == said)
            .await
    }

    /// Waits until a Sandbox is ready.
    pub async fn until_ready(&self, name: &str) -> Result<Sandbox> {
        self.until(name, "to be ready", |found| {
            condition(found, "Ready").starts_with("True")
        })
        .await
    }

    /// Waits until an object of this name is gone.
    pub async fn until_gone<K>(&self, api: &Api<K>, name: &str) -> Result<()>
    where
        K: Resource + Clone + Debug + DeserializeOwned + Serialize + Send + 'static,
    {
        self.cluster
            .wait(api, name, "to be gone", |found| found.is_none())
            .await?;
        Ok(())
    }

    /// Waits for a state of any object.
    pub async fn until_is<K>(
        &self,
        api: &Api<K>,
        name: &str,
        expected: &str,
        condition: impl Fn(&K) -> bool,
    ) -> Result<K>
    where
        K: Resource + Clone + Debug + DeserializeOwned + Serialize + Send + 'static,
    {
        let found = self
            .cluster
            .wait(api, name, expected, |found| found.is_some_and(&condition));
        found.await?.context("it exists")
    }

    /// Lets the controllers come to rest: what was due before a Sandbox that is made now is done when that one is ready.
    pub async fn rest(&self, name: &str) -> Result<()> {
        self.sandbox(name, json!({})).await?;
        self.until_ready(name).await?;
        Ok(())
    }

    /// What the controllers asked about objects of this name or with a name that ends with it, as `verb resource count`.
    pub async fn requests_about(&self, name: &str, mark: Mark) -> Result<Vec<String>> {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for request in self.cluster.requests_since(mark).await? {
            let ours = request.user_agent.starts_with("sandfence/");
            let about = request.name == name || request.name.ends_with(&format!("-{name}"));
            if ours && request.namespace == self.namespace.name() && about {
                let mut what = format!("{} {}", request.verb, request.resource);
                if !request.subresource.is_empty() {
                    what = format!("{what}/{}", request.subresource);
                }
                *counts.entry(what).or_default() += 1;
            }
        }
        Ok(counts
            .into_iter()
            .map(|(what, count)| format!("{what} {count}"))
            .collect())
    }
}

/// A Sandbox with this spec over a small default.
pub fn sandbox(name: &str, spec: Value) -> Result<Value> {
    let mut object = json!({
        "apiVersion": "agents.x-k8s.io/v1beta1",
        "kind": "Sandbox",
        "metadata": {"name": name},
        "spec": {"podTemplate": {"spec": {"containers": [{"name": "main", "image": "registry.example/agent:1"}]}}},
    });
    for (key, value) in spec.as_object().context("a spec is an object")? {
        object["spec"][key] = value.clone();
    }
    Ok(object)
}

/// A Pod template with this metadata and these changes to the spec.
pub fn template(metadata: Value, spec: Value) -> Value {
    let mut pod = json!({"containers": [{"name": "main", "image": "registry.example/agent:1"}]});
    for (key, value) in spec.as_object().into_iter().flatten() {
        pod[key] = value.clone();
    }
    json!({"metadata": metadata, "spec": pod})
}

/// Status, reason and message of a condition; empty where there is none.
pub fn condition(sandbox: &Sandbox, kind: &str) -> String {
    let conditions = sandbox
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

/// All conditions, each with its type, sorted; the generation that they speak of is checked.
pub fn conditions(sandbox: &Sandbox) -> Vec<String> {
    let conditions = sandbox
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let mut lines: Vec<String> = conditions
        .map(|c| {
            assert_eq!(c.observed_generation, sandbox.metadata.generation, "{c:?}");
            format!("{} {}", c.kind, condition(sandbox, &c.kind))
        })
        .collect();
    lines.sort();
    lines
}

/// The status as JSON, without conditions.
pub fn facts(sandbox: &Sandbox) -> Value {
    let mut status = json!(sandbox.status);
    if let Some(fields) = status.as_object_mut() {
        fields.remove("conditions");
    }
    status
}

/// The name of its Pod as a Sandbox notes it.
pub fn pod_name(sandbox: &Sandbox) -> Option<&str> {
    sandbox.annotations().get(POD_NAME).map(String::as_str)
}

/// The owner references that an object of this Sandbox has.
pub fn owners(sandbox: &Sandbox) -> Value {
    json!([{
        "apiVersion": "agents.x-k8s.io/v1beta1",
        "kind": "Sandbox",
        "name": sandbox.metadata.name,
        "uid": sandbox.metadata.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    }])
}
