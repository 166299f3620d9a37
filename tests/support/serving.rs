//! `sandfence serve` as a process of one test.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Cluster, Tethered};

/// Longest wait for something that should happen within a second or two.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where the process listens, as it wrote it.
#[derive(Deserialize)]
pub struct Addresses {
    /// HTTPS.
    pub webhook: SocketAddr,
    /// Plain HTTP.
    pub metrics: SocketAddr,
}

/// A running `sandfence serve`.
pub struct Serving {
    /// Ends with the test.
    pub process: Tethered,
    /// Where it listens.
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
    // Tests of other things share a control plane with tests of the controllers.
    if !more.iter().any(|flag| flag.starts_with("--controllers")) {
        arguments.push("--controllers=false");
    }
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
    /// Waits until the readiness probe says yes.
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

    /// The value of a metric without labels.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let (_, text) = get(self.addresses.metrics, "/metrics").await?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .with_context(|| format!("{name} in {text}"))?;
        Ok(line.parse()?)
    }
}
