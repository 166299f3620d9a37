//! One test's view of the control plane.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Namespace as NamespaceObject, Node, ServiceAccount};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::Condition as _;
use kube::{Api, Client, Config, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Deserializer, json};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::OnceCell;

use super::audit::{self, AuditedRequest, Mark};
use super::janitor::{Janitor, Namespace, Removal};
use super::plane::{self, Plane};
use super::process::Tethered;
use super::wait;

/// How long a wait may take unless it says otherwise: generous, because the machine may be building something else.
const WAIT_LIMIT: Duration = Duration::from_secs(60);
/// How long one kubectl command may take.
const KUBECTL_LIMIT: Duration = Duration::from_secs(60);
/// Field manager of the harness.
const MANAGER: &str = "sandfence-tests";

/// The janitor of the shared control plane: one for all tests of this process.
static SHARED_JANITOR: LazyLock<Mutex<Option<Janitor>>> = LazyLock::new(|| Mutex::new(None));

/// A control plane as one test uses it. The client belongs to the test's runtime, so each test takes its own value.
pub struct Cluster {
    plane: Arc<Plane>,
    janitor: Janitor,
    config: Config,
    client: Client,
}

/// What a command printed and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// Exit code; -1 after a signal.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Cluster {
    /// The control plane that all tests share, started by whoever comes first. Use a namespace of your own in it.
    pub async fn shared() -> Result<Self> {
        let plane = tokio::task::spawn_blocking(Plane::shared).await??;
        let config = config(&plane).await?;
        let mut janitor = SHARED_JANITOR
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let janitor = match &*janitor {
            Some(janitor) => janitor.clone(),
            None => janitor.insert(Janitor::start(config.clone())?).clone(),
        };
        Self::new(plane, config, janitor)
    }

    /// A control plane for the caller alone, for tests that change what the whole cluster does. It takes about three
    /// seconds to start and ends when the value is dropped.
    pub async fn dedicated() -> Result<Self> {
        let plane = Arc::new(tokio::task::spawn_blocking(Plane::dedicated).await??);
        let config = config(&plane).await?;
        let janitor = Janitor::start(config.clone())?;
        Self::new(plane, config, janitor)
    }

    /// A control plane for the tests of this binary alone, which share it: for tests of what acts on a whole cluster.
    pub async fn own() -> Result<Self> {
        static OWN: OnceCell<(Arc<Plane>, Janitor)> = OnceCell::const_new();
        let start = async || {
            let plane = Arc::new(tokio::task::spawn_blocking(Plane::dedicated).await??);
            let janitor = Janitor::start(config(&plane).await?)?;
            anyhow::Ok((plane, janitor))
        };
        let (plane, janitor) = OWN.get_or_try_init(start).await?;
        let config = config(plane).await?;
        Self::new(Arc::clone(plane), config, janitor.clone())
    }

    fn new(plane: Arc<Plane>, config: Config, janitor: Janitor) -> Result<Self> {
        // The test runner shows this when the test fails.
        eprintln!(
            "control plane logs: {}",
            plane.folder.join("logs").display()
        );
        let client = Client::try_from(config.clone())?;
        Ok(Self {
            plane,
            janitor,
            config,
            client,
        })
    }

    /// A client with all rights.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The settings behind [`Self::client`], to make other clients from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A client that the API server takes for this user in these groups, by impersonation.
    pub fn client_as(&self, user: &str, groups: &[&str]) -> Result<Client> {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups =
            Some(groups.iter().map(|&group| group.to_owned()).collect());
        Ok(Client::try_from(config)?)
    }

    /// Path of the administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.plane.kubeconfig
    }

    /// Address of the API server.
    pub fn server(&self) -> &str {
        &self.plane.server
    }

    /// Folder of this run; its logs are in `logs`.
    pub fn folder(&self) -> &Path {
        &self.plane.folder
    }

    /// Process id of the supervisor.
    pub fn supervisor(&self) -> u32 {
        self.plane.supervisor
    }

    /// Path of kubectl.
    pub fn kubectl_path(&self) -> PathBuf {
        self.plane.binaries.component("kubectl")
    }

    /// Runs kubectl as the administrator. Fails only when it could not run or took too long: an exit code that is not
    /// zero is part of the output.
    pub async fn kubectl(&self, arguments: &[&str], stdin: &str) -> Result<Output> {
        let mut child = tokio::process::Command::new(self.kubectl_path())
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig())
            .env("KUBECACHEDIR", self.folder().join("kubectl-cache"))
            .env("HOME", self.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("start kubectl")?;
        let mut pipe = child.stdin.take().context("the standard input is piped")?;
        let exchange = async {
            // kubectl may refuse its arguments and end before it has read everything.
            let _ = pipe.write_all(stdin.as_bytes()).await;
            drop(pipe);
            child.wait_with_output().await
        };
        let Ok(output) = tokio::time::timeout(KUBECTL_LIMIT, exchange).await else {
            bail!(
                "`kubectl {}` did not end within {KUBECTL_LIMIT:?}",
                arguments.join(" ")
            );
        };
        let output = output?;
        Ok(Output {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    /// Makes a namespace `<topic>-<random>` and waits until Pods can be created in it.
    pub async fn namespace(&self, topic: &str) -> Result<Namespace> {
        self.namespace_with(topic, &[]).await
    }

    /// The same with labels, for tests of namespace selectors.
    pub async fn namespace_with(&self, topic: &str, labels: &[(&str, &str)]) -> Result<Namespace> {
        let name = format!("{topic}-{}", plane::suffix());
        let mut object = NamespaceObject::default();
        object.metadata.name = Some(name.clone());
        object.metadata.labels = Some(
            labels
                .iter()
                .map(|&(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        );
        let namespaces: Api<NamespaceObject> = Api::all(self.client());
        namespaces.create(&PostParams::default(), &object).await?;
        let namespace = Namespace::new(name, &self.janitor);
        // Pods are refused until the controller has made the account that they run as.
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), namespace.name());
        self.wait(&accounts, "default", "to exist", |account| {
            account.is_some()
        })
        .await?;
        Ok(namespace)
    }

    /// Deletes a cluster-scoped object when the returned value is dropped.
    pub fn remove_at_end<K>(&self, name: &str) -> Removal
    where
        K: Resource<DynamicType = ()>,
    {
        self.janitor
            .removal(format!("{}/{name}", K::url_path(&(), None)))
    }

    /// Applies CRDs and waits until the API server serves them.
    pub async fn apply_crds(&self, crds: &[CustomResourceDefinition]) -> Result<()> {
        let api: Api<CustomResourceDefinition> = Api::all(self.client());
        let apply = PatchParams::apply(MANAGER).force();
        let mut names = Vec::new();
        for crd in crds {
            let name = crd.metadata.name.as_deref().context("a CRD has a name")?;
            api.patch(name, &apply, &Patch::Apply(crd))
                .await
                .with_context(|| format!("apply the CRD {name}"))?;
            names.push(name);
        }
        for name in names {
            self.wait(&api, name, "to be Established", |crd| {
                is_crd_established().matches_object(crd)
            })
            .await?;
        }
        Ok(())
    }

    /// Applies the CRDs of a file or folder and waits until the API server serves them.
    pub async fn apply_crd_files(&self, path: &Path) -> Result<()> {
        let path = path.to_str().context("the path of the CRDs is text")?;
        let arguments = ["create", "--dry-run=client", "-o", "json", "-f", path];
        let output = self.kubectl(&arguments, "").await?;
        ensure!(output.status == 0, "read {path}: {}", output.stderr);
        // One document after the other.
        let crds: Vec<CustomResourceDefinition> = Deserializer::from_str(&output.stdout)
            .into_iter()
            .collect::<Result<_, _>>()?;
        self.apply_crds(&crds).await
    }

    /// Makes sure that nodes `node-0` to `node-<count - 1>` exist and take Pods.
    pub async fn node_ready(&self, count: usize) -> Result<()> {
        let nodes: Api<Node> = Api::all(self.client());
        for index in 0..count {
            let mut node = Node::default();
            node.metadata.name = Some(format!("node-{index}"));
            match nodes.create(&PostParams::default(), &node).await {
                Ok(_) => {}
                // Another test has made it.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error.into()),
            }
        }
        for index in 0..count {
            let name = format!("node-{index}");
            self.wait(&nodes, &name, "to take Pods", takes_pods).await?;
        }
        Ok(())
    }

    /// Makes sure that there is a default storage class, `simulated`, whose claims are bound.
    pub async fn storage_ready(&self) -> Result<()> {
        let class: StorageClass = serde_json::from_value(json!({
            "metadata": {
                "name": "simulated",
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": "test.sandfence.dev/simulated",
        }))?;
        let classes: Api<StorageClass> = Api::all(self.client());
        let apply = PatchParams::apply(MANAGER).force();
        classes
            .patch("simulated", &apply, &Patch::Apply(&class))
            .await?;
        Ok(())
    }

    /// Watches one object until it meets the condition, which gets `None` while the object does not exist. The error at
    /// the deadline shows what is there instead, with the namespace's latest events.
    pub async fn wait<K>(
        &self,
        api: &Api<K>,
        name: &str,
        expected: &str,
        condition: impl Fn(Option<&K>) -> bool,
    ) -> Result<Option<K>>
    where
        K: Resource + Clone + Debug + DeserializeOwned + Serialize + Send + 'static,
    {
        let error = match wait::until(api, name, expected, WAIT_LIMIT, condition).await {
            Ok(object) => return Ok(object),
            Err(error) => error,
        };
        if let Ok(account) = std::fs::read_to_string(self.folder().join("FAILED")) {
            return Err(error.context(format!("the control plane has failed: {account}")));
        }
        let Some(namespace) = api.namespace() else {
            return Err(error);
        };
        let events = wait::events(self.client(), namespace).await?;
        Err(error.context(format!("latest events of {namespace}:\n{events}")))
    }

    /// Starts a program that ends with this test; its output goes to `logs/<name>.log` of this run.
    pub fn tether(&self, name: &str, program: &Path, arguments: &[&str]) -> Result<Tethered> {
        let log = self
            .folder()
            .join("logs")
            .join(format!("{name}-{}.log", plane::suffix()));
        Tethered::start(&self.plane.binaries.supervise, log, program, arguments)
    }

    /// A moment to count requests from.
    pub fn request_mark(&self) -> Result<Mark> {
        audit::end(&self.audit_log())
    }

    /// The requests since a mark, those of the control plane's own components left out.
    pub async fn requests_since(&self, mark: Mark) -> Result<Vec<AuditedRequest>> {
        // The API server writes an answered request to the log before it answers the next one on the same stream, so a
        // request of our own is behind everything that was answered before it.
        let fence = format!("fence-{}", plane::suffix());
        let namespaces: Api<NamespaceObject> = Api::all(self.client());
        namespaces.get_opt(&fence).await?;
        let mut requests = audit::since(&self.audit_log(), mark)?;
        let behind = requests.iter().position(|request| request.name == fence);
        requests.truncate(
            behind.context("the audit log ends before the request that was just answered")?,
        );
        Ok(requests)
    }

    fn audit_log(&self) -> PathBuf {
        self.folder().join("logs/audit.log")
    }
}

fn takes_pods(node: Option<&Node>) -> bool {
    let Some(node) = node else { return false };
    let ready = node
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten())
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let tainted = node
        .spec
        .as_ref()
        .and_then(|spec| spec.taints.as_ref())
        .is_some_and(|taints| !taints.is_empty());
    ready && !tainted
}

async fn config(plane: &Plane) -> Result<Config> {
    let kubeconfig = Kubeconfig::read_from(&plane.kubeconfig)?;
    let mut config =
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    // The environment may name a proxy; loopback is never behind one.
    config.proxy_url = None;
    Ok(config)
}
