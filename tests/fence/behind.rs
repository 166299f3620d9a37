//! A control plane behind the fence, and what a user tries there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::cases::{
    DEBUG_CONTAINER, DIRECT_POD, REFUSED, Refused, WEAKENED, admitted, bound, manifest, repository,
    sentence, text,
};
use super::support::{Cluster, Namespace, Output, Tethered};

/// How long policies may take to come into force.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// Who makes the Pods of sandboxes; nobody else may.
const CONTROLLER: &str = "--as=system:serviceaccount:sandfence-system:sandfence";

/// A namespace behind the fence.
pub struct Fence {
    pub cluster: Cluster,
    pub namespace: Namespace,
}

impl Fence {
    /// A control plane with the agent-sandbox kinds, a node, and the runtime class that the profile asks for.
    pub async fn build() -> Result<Self> {
        let cluster = Cluster::dedicated().await?;
        let crds = repository("charts/sandfence/crds");
        cluster.apply_crd_files(&crds).await?;
        succeeds(
            cluster
                .kubectl(
                    &["create", "-f", "-"],
                    "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: gvisor}, handler: runsc}",
                )
                .await?,
        )?;
        cluster.node_ready(1).await?;
        let namespace = cluster.namespace("fence").await?;
        Ok(Self { cluster, namespace })
    }

    async fn kubectl(&self, arguments: &[&str], stdin: &str) -> Result<Output> {
        let mut all = vec!["--namespace", self.namespace.name()];
        all.extend(arguments);
        self.cluster.kubectl(&all, stdin).await
    }

    /// Waits until every rule that the cases need is in force, by dry runs; `enforcer` must not end meanwhile.
    pub async fn settle(&self, mut enforcer: Option<&mut Tethered>) -> Result<()> {
        let deadline = Instant::now() + SETTLE_LIMIT;
        loop {
            let Err(error) = self.probe().await else {
                return Ok(());
            };
            if let Some(enforcer) = enforcer.as_deref_mut()
                && let Some(status) = enforcer.ended()?
            {
                bail!("the enforcer ended with {status}: {}", enforcer.output()?);
            }
            ensure!(
                Instant::now() < deadline,
                "the policies are not in force after {SETTLE_LIMIT:?}: {error:#}"
            );
        }
    }

    async fn probe(&self) -> Result<()> {
        for case in REFUSED {
            let output = self
                .kubectl(
                    &["create", "--dry-run=server", "-f", "-"],
                    &manifest(case.manifest)?,
                )
                .await?;
            refused(case, &output)?;
        }
        for (name, expected) in admitted() {
            let output = self
                .kubectl(
                    &["create", "--dry-run=server", "-o", "json", "-f", "-"],
                    &manifest(name)?,
                )
                .await?;
            stored(name, output, &expected)?;
        }
        Ok(())
    }

    /// Everything that a user tries, in order. The rules are in force.
    pub async fn hold(&self) -> Result<()> {
        let mut problems = String::new();
        for result in [
            self.sandboxes().await,
            self.edits().await,
            self.pods().await,
        ] {
            if let Err(error) = result {
                writeln!(problems, "{error:#}")?;
            }
        }
        ensure!(problems.is_empty(), "{problems}");
        Ok(())
    }

    async fn sandboxes(&self) -> Result<()> {
        for (name, expected) in admitted() {
            let output = self
                .kubectl(&["apply", "-o", "json", "-f", "-"], &manifest(name)?)
                .await?;
            stored(name, output, &expected)?;
        }
        for case in REFUSED {
            let output = self
                .kubectl(&["apply", "-f", "-"], &manifest(case.manifest)?)
                .await?;
            refused(case, &output)?;
        }
        Ok(())
    }

    async fn edits(&self) -> Result<()> {
        let before = self.sandbox().await?;
        let output = self
            .kubectl(&["apply", "-f", "-"], &manifest(WEAKENED.manifest)?)
            .await?;
        refused(&WEAKENED, &output)?;
        ensure!(
            before == self.sandbox().await?,
            "the refused edit changed the Sandbox"
        );
        // What weakens nothing can still be edited.
        let output = self
            .kubectl(&["label", "sandbox", "compliant", "team=agents"], "")
            .await?;
        succeeds(output)?;
        Ok(())
    }

    async fn pods(&self) -> Result<()> {
        let owner = self.sandbox().await?;
        let owner = owner
            .pointer("/metadata/uid")
            .and_then(Value::as_str)
            .context("a Sandbox has a uid")?;
        let direct = manifest(DIRECT_POD.manifest)?.replace("OWNER", owner);
        refused(
            &DIRECT_POD,
            &self
                .kubectl(
                    &["apply", "-f", "-", CONTROLLER, "--as-group=system:masters"],
                    &direct,
                )
                .await?,
        )?;
        self.sandbox_pod(owner).await?;

        let debug = |profile: &'static str| {
            [
                "debug",
                "pod/compliant",
                "--image=registry.example/debug:1",
                "--container=debug",
                profile,
            ]
        };
        let output = self.kubectl(&debug("--profile=general"), "").await?;
        let case = Refused {
            manifest: "kubectl debug",
            by: DEBUG_CONTAINER,
        };
        refused(&case, &output)?;
        // The refusal says what would pass, and it does.
        succeeds(self.kubectl(&debug("--profile=restricted"), "").await?)?;
        Ok(())
    }

    /// The Pod of the compliant Sandbox, running.
    async fn sandbox_pod(&self, owner: &str) -> Result<()> {
        let pod = manifest("sandbox-pod.yaml")?.replace("OWNER", owner);
        let create = ["create", "-f", "-", CONTROLLER, "--as-group=system:masters"];
        succeeds(self.kubectl(&create, &pod).await?)?;
        let wait = [
            "wait",
            "--for=condition=Ready",
            "pod/compliant",
            "--timeout=50s",
        ];
        succeeds(self.kubectl(&wait, "").await?)?;
        Ok(())
    }

    async fn sandbox(&self) -> Result<Value> {
        let output = self
            .kubectl(&["get", "sandbox", "compliant", "-o", "json"], "")
            .await?;
        Ok(serde_json::from_str(&succeeds(output)?)?)
    }
}

/// The standard output of a command that must succeed.
pub fn succeeds(output: Output) -> Result<String> {
    ensure!(
        output.status == 0,
        "kubectl ended with {}: {}",
        output.status,
        output.stderr
    );
    Ok(output.stdout)
}

/// Holds that kubectl was refused, by a sentence that names policy, field, value and remedy.
fn refused(case: &Refused, output: &Output) -> Result<()> {
    ensure!(
        output.status == 1,
        "{}: expected kubectl to be refused, found exit code {} and {}{}",
        case.manifest,
        output.status,
        output.stdout,
        output.stderr
    );
    let sentences: Vec<String> = case.by.iter().map(sentence).collect();
    if sentences
        .iter()
        .any(|sentence| output.stderr.trim_end().ends_with(sentence))
    {
        return Ok(());
    }
    bail!(
        "{}: expected one of\n{:#?}\nfound\n{}",
        case.manifest,
        sentences,
        output.stderr
    )
}

/// Holds that kubectl shows a Sandbox with this Pod spec.
fn stored(name: &str, output: Output, expected: &Value) -> Result<()> {
    let object: Value = serde_json::from_str(&succeeds(output).context(name.to_owned())?)?;
    let found = object
        .pointer("/spec/podTemplate/spec")
        .context("a Sandbox has a Pod template")?;
    ensure!(
        found == expected,
        "{name}: expected the Pod spec\n{expected:#}\nfound\n{found:#}"
    );
    Ok(())
}

/// The in-tree objects of the API server that bind the shipped policies to the profile.
pub async fn bind_natively(cluster: &Cluster) -> Result<()> {
    let policies = repository("policies");
    for path in [
        policies.join("profiles/restricted.yaml"),
        policies.join("sandbox-guardrails"),
        policies.join("sandbox-integrity"),
        policies.join("supply-chain"),
        policies.join("pod-security"),
    ] {
        let files = policy_files(&path)?;
        for file in files {
            succeeds(cluster.kubectl(&["create", "-f", text(&file)?], "").await?)
                .with_context(|| file.display().to_string())?;
        }
    }
    let kinds = "validatingadmissionpolicies,mutatingadmissionpolicies";
    let listed = succeeds(cluster.kubectl(&["get", kinds, "-o", "json"], "").await?)?;
    let listed: Value = serde_json::from_str(&listed)?;
    let items = listed["items"].as_array().context("a list has items")?;
    // Those without parameters bring their bindings along.
    let bindings: Vec<Value> = items
        .iter()
        .filter(|policy| policy["spec"]["paramKind"].is_object())
        .map(binding)
        .collect::<Result<_>>()?;
    let list = json!({"apiVersion": "v1", "kind": "List", "items": bindings});
    succeeds(
        cluster
            .kubectl(&["create", "-f", "-"], &list.to_string())
            .await?,
    )?;
    Ok(())
}

fn binding(policy: &Value) -> Result<Value> {
    let kind = policy["kind"].as_str().context("a policy has a kind")?;
    let name = &policy["metadata"]["name"];
    let name = name.as_str().context("a policy has a name")?;
    let mut spec = json!({
        "policyName": name,
        "paramRef": {"name": "restricted", "parameterNotFoundAction": "Deny"},
    });
    if kind == "ValidatingAdmissionPolicy" {
        spec["validationActions"] = json!(["Deny"]);
    }
    Ok(json!({
        "apiVersion": policy["apiVersion"],
        "kind": format!("{kind}Binding"),
        "metadata": {"name": bound(name)},
        "spec": spec,
    }))
}

/// The policy files of a pack, or the file itself.
fn policy_files(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(|| format!("read {}", path.display()))? {
        let file = entry?.path();
        let is_policy = file
            .extension()
            .is_some_and(|extension| extension == "yaml")
            && file.file_name().is_some_and(|name| name != "suite.yaml");
        if is_policy {
            files.push(file);
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "no policy in {}", path.display());
    Ok(files)
}

/// Puts the profile into the cluster, as a platform engineer does, and starts `sandfence serve` outside of it.
pub async fn serve(cluster: &Cluster) -> Result<Tethered> {
    let policies = repository("policies");
    let profile = policies.join("profiles/restricted.yaml");
    succeeds(
        cluster
            .kubectl(&["create", "-f", text(&profile)?], "")
            .await?,
    )?;
    let arguments = [
        "serve",
        "--kubeconfig",
        text(cluster.kubeconfig())?,
        "--policies",
        text(&policies)?,
        // Port 0: the server picks one and registers by it.
        "--webhook-bind=127.0.0.1:0",
        "--webhook-url=https://127.0.0.1:0",
        "--metrics-bind=127.0.0.1:0",
        // What is shown is the fence; sandboxes stay as they are written.
        "--controllers=false",
    ];
    let program = Path::new(env!("CARGO_BIN_EXE_sandfence"));
    cluster.tether("serve", program, &arguments)
}
