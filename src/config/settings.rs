//! What `sandfence serve` was told, checked as a whole.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::model::names;

/// A combination of settings that cannot work.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SettingsError {
    /// The URL cannot be registered.
    #[error(
        "--webhook-url {url:?}: {problem}; the API server needs https://HOST[:PORT][/PATH] without user, query or fragment"
    )]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A name is not one.
    #[error(
        "{flag} {value:?} is not a DNS label: expected at most 63 lower-case letters, digits and '-', starting and ending with a letter or digit"
    )]
    Label {
        /// The flag.
        flag: &'static str,
        /// As given.
        value: String,
    },
}

/// Where the API server finds the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Through a Service of the cluster.
    Service {
        /// Its name.
        name: String,
        /// Its namespace, which is also our own.
        namespace: String,
        /// Its port.
        port: u16,
    },
    /// Directly, by address.
    Url {
        /// `https://host:port/prefix`, without a slash at the end.
        base: String,
        /// Host without brackets and port, as it must stand in the certificate.
        host: String,
    },
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service {
                name,
                namespace,
                port,
            } => write!(f, "service {namespace}/{name}:{port}"),
            Self::Url { base, .. } => f.write_str(base),
        }
    }
}

impl Endpoint {
    /// Checks and takes apart a base URL.
    ///
    /// # Errors
    /// The API server would refuse it in a webhook configuration.
    pub fn from_url(url: &str) -> Result<Self, SettingsError> {
        let fail = |problem| SettingsError::Url {
            url: url.to_owned(),
            problem,
        };
        let rest = url
            .strip_prefix("https://")
            .ok_or_else(|| fail("the scheme is not https"))?;
        if rest.contains(['?', '#']) {
            return Err(fail("it has a query or a fragment"));
        }
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.contains('@') {
            return Err(fail("it names a user"));
        }
        let uri: axum::http::Uri = url.parse().map_err(|_| fail("it is not a URL"))?;
        let host = uri.host().unwrap_or_default();
        if host.is_empty() {
            return Err(fail("it has no host"));
        }
        Ok(Self::Url {
            base: url.trim_end_matches('/').to_owned(),
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
        })
    }

    /// Checks the parts of a Service reference.
    ///
    /// # Errors
    /// A name is not a DNS label.
    pub fn from_service(name: &str, namespace: &str, port: u16) -> Result<Self, SettingsError> {
        for (flag, value) in [
            ("--webhook-service-name", name),
            ("--webhook-namespace", namespace),
        ] {
            if names::label(value).is_err() {
                return Err(SettingsError::Label {
                    flag,
                    value: value.to_owned(),
                });
            }
        }
        Ok(Self::Service {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            port,
        })
    }

    /// Port 0 in a URL stands for the port that the server got.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        let Self::Url { base, host } = self else {
            return self;
        };
        let authority = base.strip_prefix("https://").unwrap_or(&base);
        let (authority, path) = match authority.find('/') {
            Some(at) => authority.split_at(at),
            None => (authority, ""),
        };
        let base = match authority.strip_suffix(":0") {
            Some(name) => format!("https://{name}:{port}{path}"),
            None => base,
        };
        Self::Url { base, host }
    }

    /// The names that the serving certificate must carry.
    #[must_use]
    pub fn certificate_names(&self, cluster_domain: &str) -> Vec<String> {
        match self {
            Self::Service {
                name, namespace, ..
            } => vec![
                format!("{name}.{namespace}.svc"),
                name.clone(),
                format!("{name}.{namespace}"),
                format!("{name}.{namespace}.svc.{cluster_domain}"),
            ],
            Self::Url { host, .. } => {
                let mut names = vec![host.clone()];
                for local in ["localhost", "127.0.0.1", "::1"] {
                    if host != local {
                        names.push(local.to_owned());
                    }
                }
                names
            }
        }
    }
}

/// Name of the Secret with the self-issued certificate, in our own namespace.
pub const SECRET: &str = "sandfence-webhook-certs";

/// Where the serving certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// A mounted directory with `tls.crt`, `tls.key` and `ca.crt`, kept up to date by somebody else.
    Directory(PathBuf),
    /// Issued here and shared between replicas through a Secret.
    Secret {
        /// Its name.
        name: String,
        /// Its namespace.
        namespace: String,
    },
    /// Issued here and kept in memory: one replica, outside a cluster.
    Memory,
}

/// Limits of the HTTPS server. Each bounds what one client can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request body.
    pub body: usize,
    /// Bytes of the body of a conversion, which carries all objects of a list.
    pub conversion_body: usize,
    /// Bytes of all request bodies at once.
    pub bodies: usize,
    /// Connections at once.
    pub connections: usize,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time for the head of a request; on HTTP/1.1 also the time a kept connection may idle.
    pub header: Duration,
    /// Time without any request after which a connection is closed.
    pub idle: Duration,
    /// Time for one request when the API server named no shorter one.
    pub request: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// Bodies larger than this are judged beside the workers that answer health checks.
    pub inline_body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // The API server admits objects of 3 MiB and an update carries two of them.
            body: 8 * 1024 * 1024,
            // 5,000 sandboxes of 25 KB, with the state of the older version in their annotations.
            conversion_body: 128 * 1024 * 1024,
            // Sixteen of the largest, thousands of ordinary ones. Without it every stream of every connection could
            // hold one, which no memory limit of a container survives.
            bodies: 128 * 1024 * 1024,
            // An API server holds a handful of HTTP/2 connections; the rest is room for probes and tools.
            connections: 1_024,
            handshake: Duration::from_secs(5),
            header: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            // No API server waits longer than 30 s for a webhook; ours are registered with 5 s.
            request: Duration::from_secs(10),
            streams: 250,
            // A Sandbox is about 3 KB and costs microseconds; 100 times that stays under a millisecond.
            inline_body: 256 * 1024,
        }
    }
}

/// How the controllers work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controllers {
    /// How replicas agree on the one that writes; absent: this one writes.
    pub election: Option<Election>,
    /// Sandboxes written at once.
    pub sandbox_workers: usize,
    /// How the controllers of the extension kinds work; absent: there are none.
    pub extensions: Option<Extensions>,
}

/// How the controllers of the extension kinds work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// Templates written at once.
    pub template_workers: usize,
    /// Pools written at once.
    pub pool_workers: usize,
    /// Members of a pool created or deleted in one go.
    pub max_batch: usize,
    /// How long a member of a pool may take to become ready.
    pub grace: Duration,
    /// How often members that find no room are looked at.
    pub recheck: Duration,
    /// Whether an autoscaler may evict members of pools.
    pub evictable: bool,
    /// Claims written at once.
    pub claim_workers: usize,
    /// Whether events about claims are published.
    pub claim_events: bool,
    /// Whether claims are told when they were first seen and first ready.
    pub annotate_claims: bool,
    /// Domains that labels of claims may have.
    pub label_domains: Vec<String>,
}

impl Default for Extensions {
    /// Upstream's.
    fn default() -> Self {
        Self {
            template_workers: 1,
            pool_workers: 1,
            max_batch: 300,
            grace: Duration::from_secs(300),
            recheck: Duration::from_secs(60),
            evictable: true,
            claim_workers: 50,
            claim_events: true,
            annotate_claims: true,
            label_domains: vec!["sandbox.users.io".to_owned()],
        }
    }
}

/// How replicas agree on the one that writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// Namespace of the lease; absent: our own.
    pub namespace: Option<String>,
}

/// Everything `sandfence serve` needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Kubeconfig; absent means the one of the environment or the cluster the process runs in.
    pub kubeconfig: Option<PathBuf>,
    /// Files and directories with policies.
    pub policies: Vec<PathBuf>,
    /// Where the HTTPS server listens.
    pub webhook_bind: SocketAddr,
    /// Where probes and metrics listen, plain HTTP.
    pub metrics_bind: SocketAddr,
    /// Where the API server finds us.
    pub endpoint: Endpoint,
    /// Domain of the cluster's DNS.
    pub cluster_domain: String,
    /// Where the certificate comes from.
    pub certificate: CertificateSource,
    /// Whether to write our own webhook configurations.
    pub register: bool,
    /// How the controllers work; absent: there are none.
    pub controllers: Option<Controllers>,
    /// Profiles to put in force by name, besides those of the cluster.
    pub profiles: Vec<String>,
    /// Namespaces that the webhook never sees, besides kube-system and our own.
    pub exempt_namespaces: Vec<String>,
    /// How long requests in flight may take after a signal to stop.
    pub drain: Duration,
    /// File to write the bound addresses to.
    pub addresses_file: Option<PathBuf>,
    /// Limits of the server.
    pub limits: Limits,
}

impl Settings {
    /// The exempt namespaces with our own.
    #[must_use]
    pub fn all_exempt_namespaces(&self) -> Vec<String> {
        let mut namespaces = self.exempt_namespaces.clone();
        if let Endpoint::Service { namespace, .. } = &self.endpoint {
            namespaces.push(namespace.clone());
        }
        namespaces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_the_api_server_refuses_are_refused_first() {
        for (url, problem) in [
            ("http://127.0.0.1:9443", "the scheme is not https"),
            ("https://", "it is not a URL"),
            ("https://a:b@host", "it names a user"),
            ("https://host/x?y=z", "it has a query or a fragment"),
            ("https://host/#x", "it has a query or a fragment"),
            ("https://ho st", "it is not a URL"),
        ] {
            assert_eq!(
                Endpoint::from_url(url),
                Err(SettingsError::Url {
                    url: url.to_owned(),
                    problem
                }),
                "{url}"
            );
        }
    }

    #[test]
    fn a_url_gives_base_host_and_certificate_names() {
        let endpoint = Endpoint::from_url("https://[::1]:9443/hooks/").expect("valid");
        assert_eq!(
            endpoint,
            Endpoint::Url {
                base: "https://[::1]:9443/hooks".to_owned(),
                host: "::1".to_owned()
            }
        );
        assert_eq!(
            endpoint.certificate_names("cluster.local"),
            ["::1", "localhost", "127.0.0.1"]
        );
    }

    #[test]
    fn port_zero_becomes_the_port_that_was_given() {
        for (given, expected) in [
            ("https://127.0.0.1:0", "https://127.0.0.1:77"),
            ("https://[::1]:0/a/b", "https://[::1]:77/a/b"),
            ("https://host:10/a:0", "https://host:10/a:0"),
            ("https://host", "https://host"),
        ] {
            let endpoint = Endpoint::from_url(given).expect("valid").with_port(77);
            assert!(
                matches!(&endpoint, Endpoint::Url { base, .. } if base == expected),
                "{endpoint:?}"
            );
        }
    }

    #[test]
    fn a_service_is_named_in_every_form_of_its_dns_name() {
        let endpoint = Endpoint::from_service("sandfence", "fence", 443).expect("valid");
        assert_eq!(
            endpoint.certificate_names("cluster.local"),
            [
                "sandfence.fence.svc",
                "sandfence",
                "sandfence.fence",
                "sandfence.fence.svc.cluster.local"
            ]
        );
        assert_eq!(
            Endpoint::from_service("Sandfence", "fence", 443),
            Err(SettingsError::Label {
                flag: "--webhook-service-name",
                value: "Sandfence".to_owned()
            })
        );
    }
}
