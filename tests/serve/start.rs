//! Starting: without an API server, with bad policies, with settings that cannot work.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use tokio::net::{TcpListener, TcpStream};

use super::harness::{PATIENCE, POLICIES, eventually, get, serve, write};
use super::support::Cluster;

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
async fn type_mistakes_are_counted_and_logged_once_and_refuse_nothing() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let folder = tempfile::tempdir()?;
    let policies = folder.path().join("policies");
    let mistyped = POLICIES.replace("'bad' in object.data", "'bad' in object.datum");
    write(&policies, "one.yaml", &mistyped)?;
    let kubeconfig = format!("--kubeconfig={}", cluster.kubeconfig().display());
    let path = format!("--policies={}", policies.display());
    let arguments = [kubeconfig.as_str(), path.as_str(), "--register=false"];
    let serving = serve(&cluster, folder.path(), "mistyped", &arguments).await?;
    serving.until_ready().await?;
    let gauge = "sandfence_policy_type_warnings";
    assert_eq!(serving.metric(gauge).await?, 1.0);
    // The set changes and the mistake stays.
    let other = mistyped.replace("data.bad is not wanted", "data.bad is refused");
    write(&policies, "one.yaml", &other)?;
    eventually("the next set", async || {
        let log = serving.process.output()?;
        ensure!(log.matches("policies loaded").count() == 2, "{log}");
        Ok(())
    })
    .await?;
    assert_eq!(serving.metric(gauge).await?, 1.0);
    let log = serving.process.output()?;
    let said = log
        .matches("a policy expression has a type mistake")
        .count();
    assert_eq!(said, 1, "{log}");
    for part in [
        "one.yaml:12:58:",
        "spec.validations[0].expression",
        "undefined field 'datum' (for v1, Kind=ConfigMap)",
    ] {
        assert!(log.contains(part), "{part} in {log}");
    }
    write(&policies, "one.yaml", POLICIES)?;
    eventually("no mistakes", async || {
        ensure!(serving.metric(gauge).await? == 0.0);
        Ok(())
    })
    .await
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
