//! `sandfence serve`: flags and environment to settings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::Exit;
use crate::app::serve;
use crate::config::settings::{
    CertificateSource, Endpoint, Limits, SECRET, Settings, SettingsError,
};
use crate::model::names;
use crate::telemetry::logs::{self, LogFormat, LogLevel};

mod controllers;
use controllers::ControllerArgs;

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Kubeconfig of the cluster to guard; without it the one that KUBECONFIG names or the cluster around the process.
    #[arg(long, value_name = "FILE", env = "SANDFENCE_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    policies: PolicyArgs,
    #[command(flatten)]
    webhook: WebhookArgs,
    #[command(flatten)]
    certificates: CertificateArgs,
    #[command(flatten)]
    controllers: ControllerArgs,
    /// Where probes and metrics listen, plain HTTP. Port 0 picks one; `:8080` means every address.
    #[arg(
        long,
        visible_alias = "metrics-bind-address",
        value_name = "ADDRESS",
        default_value = ":8080",
        value_parser = address,
        env = "SANDFENCE_METRICS_BIND"
    )]
    metrics_bind: SocketAddr,
    /// Seconds that requests in flight may take after a signal to stop. Longer than the slowest review, shorter than the
    /// termination grace of the Pod.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 20,
        env = "SANDFENCE_DRAIN_SECONDS"
    )]
    drain_seconds: u32,
    /// File to write the bound addresses to, as JSON, once both servers listen.
    #[arg(long, value_name = "FILE", env = "SANDFENCE_ADDRESSES_FILE")]
    addresses_file: Option<PathBuf>,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t, env = "SANDFENCE_LOG_FORMAT")]
    log_format: LogFormat,
    /// The least severe log line that is written.
    #[arg(long, value_enum, default_value_t, env = "SANDFENCE_LOG_LEVEL")]
    log_level: LogLevel,
}

/// What is judged by.
#[derive(Debug, Args)]
struct PolicyArgs {
    /// Files and directories with policies, watched for changes; without any, the packs in the binary. SandboxPolicy
    /// and GuardrailProfile objects of the cluster always count as well.
    #[arg(
        long,
        value_name = "PATH",
        num_args = 1..,
        value_delimiter = ',',
        env = "SANDFENCE_POLICIES"
    )]
    policies: Vec<PathBuf>,
    /// Profiles to put in force by name, shipped ones or ones among the files, besides those of the cluster.
    #[arg(
        long = "profile",
        value_name = "NAME",
        value_delimiter = ',',
        env = "SANDFENCE_PROFILES"
    )]
    profiles: Vec<String>,
    /// Namespaces that are never judged, besides kube-system and the webhook's own: a namespace listed here is outside
    /// the fence.
    #[arg(
        long,
        value_name = "NAMESPACE",
        num_args = 1..,
        value_delimiter = ',',
        env = "SANDFENCE_EXEMPT_NAMESPACES"
    )]
    exempt_namespaces: Vec<String>,
}

/// Where the webhook listens and how the API server finds it.
#[derive(Debug, Args)]
struct WebhookArgs {
    /// Where the HTTPS server listens. Port 0 picks one; `:9443` means every address.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = ":9443",
        value_parser = address,
        env = "SANDFENCE_WEBHOOK_BIND"
    )]
    webhook_bind: SocketAddr,
    /// Register by this base URL instead of a Service: for a webhook outside the cluster. Port 0 stands for the port
    /// that the server got.
    #[arg(long, value_name = "URL", env = "SANDFENCE_WEBHOOK_URL")]
    webhook_url: Option<String>,
    /// Service through which the API server reaches the webhook.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "sandfence-webhook",
        env = "SANDFENCE_WEBHOOK_SERVICE_NAME"
    )]
    webhook_service_name: String,
    /// Port of that Service.
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 443,
        env = "SANDFENCE_WEBHOOK_SERVICE_PORT"
    )]
    webhook_service_port: u16,
    /// Namespace of that Service and of the certificate's Secret: the one this process runs in.
    #[arg(
        long,
        visible_alias = "webhook-service-namespace",
        value_name = "NAMESPACE",
        default_value = "sandfence-system",
        env = "SANDFENCE_WEBHOOK_NAMESPACE"
    )]
    webhook_namespace: String,
    /// Domain of the cluster's DNS, for the names in the certificate.
    #[arg(
        long,
        value_name = "DOMAIN",
        default_value = "cluster.local",
        env = "SANDFENCE_CLUSTER_DOMAIN"
    )]
    cluster_domain: String,
    /// Whether to write and repair our own webhook configurations. With `false`, `sandfence render webhooks` prints them
    /// for somebody else to apply, and they do not follow the policies.
    #[arg(
        long,
        value_name = "BOOL",
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        default_value_t = true,
        default_missing_value = "true",
        env = "SANDFENCE_REGISTER"
    )]
    register: bool,
}

/// Where the serving certificate comes from.
#[derive(Debug, Args)]
struct CertificateArgs {
    /// Directory with tls.crt, tls.key and ca.crt that somebody else keeps up to date, such as a mounted Secret.
    #[arg(long, value_name = "DIR", env = "SANDFENCE_CERT_DIR")]
    cert_dir: Option<PathBuf>,
    /// Where self-issued certificates are kept when there is no --cert-dir. A Secret is shared by all replicas; memory
    /// needs no rights but is for one replica only.
    #[arg(
        long,
        value_enum,
        default_value_t,
        conflicts_with = "cert_dir",
        env = "SANDFENCE_CERT_STORE"
    )]
    cert_store: CertStore,
}

/// `--cert-store`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum CertStore {
    /// A Secret when registered by Service, memory when registered by URL.
    #[default]
    Auto,
    /// A Secret in --webhook-namespace.
    Secret,
    /// This process.
    Memory,
}

/// Serves until a signal.
///
/// # Errors
/// The flags do not go together, an address is taken, there is no cluster to talk to, or a part of the process ended.
pub fn run(args: ServeArgs) -> anyhow::Result<Exit> {
    logs::init(args.log_format, args.log_level).context("logs")?;
    let settings = settings(args)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("runtime")?
        .block_on(serve::run(settings))?;
    Ok(Exit::Clean)
}

/// `host:port`, or `:port` for every address, as Go programs take it.
fn address(text: &str) -> Result<SocketAddr, String> {
    match text.strip_prefix(':') {
        Some(port) => port
            .parse()
            .map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port))
            .map_err(|error| format!("port: {error}")),
        None => text
            .parse()
            .map_err(|_| "expected ADDRESS:PORT, [ADDRESS]:PORT or :PORT".to_owned()),
    }
}

fn settings(args: ServeArgs) -> Result<Settings, SettingsError> {
    // Every field by name: a flag that nobody uses does not compile.
    let ServeArgs {
        kubeconfig,
        policies:
            PolicyArgs {
                policies,
                profiles,
                exempt_namespaces,
            },
        webhook,
        certificates,
        controllers,
        metrics_bind,
        drain_seconds,
        addresses_file,
        log_format: _,
        log_level: _,
    } = args;
    let WebhookArgs {
        webhook_bind,
        webhook_url,
        webhook_service_name,
        webhook_service_port,
        webhook_namespace,
        cluster_domain,
        register,
    } = webhook;
    if let Some(name) = exempt_namespaces
        .iter()
        .find(|name| names::label(name).is_err())
    {
        return Err(SettingsError::Label {
            flag: "--exempt-namespaces",
            value: name.clone(),
        });
    }
    let endpoint = match &webhook_url {
        Some(url) => Endpoint::from_url(url)?,
        None => Endpoint::from_service(
            &webhook_service_name,
            &webhook_namespace,
            webhook_service_port,
        )?,
    };
    let secret = CertificateSource::Secret {
        name: SECRET.to_owned(),
        namespace: webhook_namespace,
    };
    let certificate = match (certificates.cert_dir, certificates.cert_store) {
        (Some(directory), _) => CertificateSource::Directory(directory),
        (None, CertStore::Memory) => CertificateSource::Memory,
        (None, CertStore::Auto) if webhook_url.is_some() => CertificateSource::Memory,
        (None, CertStore::Secret | CertStore::Auto) => secret,
    };
    Ok(Settings {
        kubeconfig,
        policies,
        webhook_bind,
        metrics_bind,
        endpoint,
        cluster_domain,
        certificate,
        register,
        controllers: controllers.settings()?,
        profiles,
        exempt_namespaces,
        drain: Duration::from_secs(drain_seconds.into()),
        addresses_file,
        limits: Limits::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::{Controllers, Election, Extensions};
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn parse(args: &[&str]) -> Result<Settings, SettingsError> {
        let args = std::iter::once("serve").chain(args.iter().copied());
        settings(Only::try_parse_from(args).expect("arguments").serve)
    }

    fn default() -> Settings {
        Settings {
            kubeconfig: None,
            policies: vec![],
            webhook_bind: "0.0.0.0:9443".parse().expect("address"),
            metrics_bind: "0.0.0.0:8080".parse().expect("address"),
            endpoint: Endpoint::Service {
                name: "sandfence-webhook".to_owned(),
                namespace: "sandfence-system".to_owned(),
                port: 443,
            },
            cluster_domain: "cluster.local".to_owned(),
            certificate: CertificateSource::Secret {
                name: "sandfence-webhook-certs".to_owned(),
                namespace: "sandfence-system".to_owned(),
            },
            register: true,
            controllers: Some(Controllers {
                election: Some(Election { namespace: None }),
                sandbox_workers: 100,
                extensions: None,
            }),
            profiles: vec![],
            exempt_namespaces: vec![],
            drain: Duration::from_secs(20),
            addresses_file: None,
            limits: Limits::default(),
        }
    }

    #[test]
    fn the_defaults_are_those_of_a_replica_in_the_cluster() {
        assert_eq!(parse(&[]), Ok(default()));
    }

    #[test]
    fn every_flag_reaches_its_setting() {
        let args = [
            "--kubeconfig=k",
            "--policies=a,b",
            "--profile=restricted",
            "--exempt-namespaces=x,y",
            "--webhook-bind=127.0.0.1:0",
            "--webhook-url=https://127.0.0.1:0/h",
            "--cluster-domain=c.d",
            "--register=false",
            "--leader-elect=false",
            "--sandbox-concurrent-workers=7",
            "--extensions",
            "--sandbox-template-concurrent-workers=3",
            "--sandbox-warm-pool-concurrent-workers=4",
            "--sandbox-warm-pool-max-batch-size=5",
            "--sandbox-warm-pool-readiness-grace-period=1m30s",
            "--sandbox-warm-pool-unschedulable-recheck-interval=1.5s",
            "--enable-warm-pool-eviction=false",
            "--sandbox-claim-concurrent-workers=6",
            "--disable-claim-events",
            "--disable-claim-observability-annotations",
            "--cert-dir=/certs",
            "--metrics-bind-address=[::1]:1",
            "--drain-seconds=3",
            "--addresses-file=f",
            "--log-format=text",
            "--log-level=debug",
        ];
        let expected = Settings {
            kubeconfig: Some("k".into()),
            policies: vec!["a".into(), "b".into()],
            webhook_bind: "127.0.0.1:0".parse().expect("address"),
            metrics_bind: "[::1]:1".parse().expect("address"),
            endpoint: Endpoint::Url {
                base: "https://127.0.0.1:0/h".to_owned(),
                host: "127.0.0.1".to_owned(),
            },
            cluster_domain: "c.d".to_owned(),
            certificate: CertificateSource::Directory("/certs".into()),
            register: false,
            controllers: Some(Controllers {
                election: None,
                sandbox_workers: 7,
                extensions: Some(Extensions {
                    template_workers: 3,
                    pool_workers: 4,
                    max_batch: 5,
                    grace: Duration::from_secs(90),
                    recheck: Duration::from_millis(1_500),
                    evictable: false,
                    claim_workers: 6,
                    claim_events: false,
                    annotate_claims: false,
                    label_domains: Extensions::default().label_domains,
                }),
            }),
            profiles: vec!["restricted".to_owned()],
            exempt_namespaces: vec!["x".to_owned(), "y".to_owned()],
            drain: Duration::from_secs(3),
            addresses_file: Some("f".into()),
            limits: Limits::default(),
        };
        assert_eq!(parse(&args), Ok(expected));
    }

    #[test]
    fn the_certificate_store_follows_the_way_of_registration() {
        let of = |args: &[&str]| parse(args).map(|settings| settings.certificate);
        assert_eq!(
            of(&["--webhook-url=https://h:1"]),
            Ok(CertificateSource::Memory)
        );
        assert_eq!(
            of(&["--webhook-url=https://h:1", "--cert-store=secret"]),
            Ok(default().certificate)
        );
        assert_eq!(of(&["--cert-store=memory"]), Ok(CertificateSource::Memory));
    }

    #[test]
    fn controllers_can_be_switched_off_and_their_lease_put_elsewhere() {
        let of = |args: &[&str]| parse(args).map(|settings| settings.controllers);
        assert_eq!(of(&["--controllers=false"]), Ok(None));
        assert_eq!(
            of(&["--extensions"]).map(|found| found.and_then(|found| found.extensions)),
            Ok(Some(Extensions::default()))
        );
        let elsewhere = of(&["--leader-elect", "--leader-election-namespace=x"]);
        assert_eq!(
            elsewhere.map(|found| found.and_then(|found| found.election)),
            Ok(Some(Election {
                namespace: Some("x".to_owned())
            }))
        );
        assert_eq!(
            of(&["--leader-election-namespace=X"]),
            Err(SettingsError::Label {
                flag: "--leader-election-namespace",
                value: "X".to_owned()
            })
        );
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        assert_eq!(
            parse(&["--exempt-namespaces=Bad_Name"]),
            Err(SettingsError::Label {
                flag: "--exempt-namespaces",
                value: "Bad_Name".to_owned()
            })
        );
        assert!(address("nonsense").is_err());
        assert!(address(":99999").is_err());
    }
}
