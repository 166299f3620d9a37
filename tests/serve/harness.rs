//! A running server, and what tests ask of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::ConfigMap;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::{Cluster, Tethered};

/// Longest wait for something that should happen within a second or two.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Denies ConfigMaps with `data.bad` and labels all of them.
pub const POLICIES: &str = r#"
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

/// Where the process listens, as it wrote it.
#[derive(Deserialize)]
pub struct Addresses {
    pub webhook: SocketAddr,
    pub metrics: SocketAddr,
}

/// A running `sandfence serve`.
pub struct Serving {
    pub process: Tethered,
    pub addresses: Addresses,
}

/// Starts `sandfence serve` on ports that the kernel picks.
pub async fn serve(cluster: &Cluster, folder: &Path, name: &str, more: &[&str]) -> Result<Serving> {
    let file = folder.join(format!("{name}-addresses.json"));
    let file_flag = format!("--addresses-file={}", file.display());
    let mut arguments = vec![
        "serve",
        "--webhook-bind=127.0.0.1:0",
        "--metrics-bind=127.0.0.1:0",
        "--webhook-url=https://127.0.0.1:0",
        "--log-level=debug",
        file_flag.as_str(),
    ];
    arguments.extend(more);
    let program = Path::new(env!("CARGO_BIN_EXE_sandfence"));
    let mut process = cluster.tether(name, program, &arguments)?;
    let addresses = eventually("the addresses to be written", async || {
        if let Some(status) = process.ended()? {
            bail!("ended with {status}: {}", process.output()?);
        }
        Ok(serde_json::from_slice(&std::fs::read(&file)?)?)
    })
    .await?;
    Ok(Serving { process, addresses })
}

/// Tries until `attempt` succeeds; its last error tells why it never did.
pub async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        ticks.tick().await;
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) if tokio::time::Instant::now() > end => {
                return Err(error.context(format!("waited for {what}")));
            }
            Err(_) => {}
        }
    }
}

/// Status line and body of a plain GET.
pub async fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an HTTP answer")?;
    let code = head.split(' ').nth(1).context("a status")?.parse()?;
    Ok((code, body.to_owned()))
}

impl Serving {
    pub async fn until_ready(&self) -> Result<()> {
        let ready = eventually("readiness", async || {
            let (code, body) = get(self.addresses.metrics, "/readyz").await?;
            ensure!(code == 200, "{body}");
            Ok(())
        });
        ready
            .await
            .with_context(|| self.process.output().unwrap_or_default())
    }

    pub async fn metric(&self, name: &str) -> Result<f64> {
        let (_, text) = get(self.addresses.metrics, "/metrics").await?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .with_context(|| format!("{name} in {text}"))?;
        Ok(line.parse()?)
    }
}

pub fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::create_dir_all(folder)?;
    std::fs::write(&path, text)?;
    Ok(path)
}

pub fn config_map(name: &str, data: Value) -> Result<ConfigMap> {
    Ok(serde_json::from_value(
        json!({"metadata": {"name": name}, "data": data}),
    )?)
}

pub fn entries(configuration: Option<&ValidatingWebhookConfiguration>) -> Vec<String> {
    configuration
        .and_then(|configuration| configuration.webhooks.as_ref())
        .into_iter()
        .flatten()
        .map(|entry| entry.name.clone())
        .collect()
}

pub fn status_of(error: kube::Error) -> Result<(u16, String)> {
    match error {
        kube::Error::Api(status) => Ok((status.code, status.message.clone())),
        other => bail!("expected an answer of the API server, found {other}"),
    }
}
