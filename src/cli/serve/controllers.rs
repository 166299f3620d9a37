//! The flags of the controllers, with upstream's names where upstream has them (contract 8.1).

use std::time::Duration;

use clap::{ArgAction, Args};

use crate::cel::lib::time::parse_duration;
use crate::config::settings::{Controllers, Election, Extensions, SettingsError};
use crate::model::names;

/// What the controllers do and who may write.
#[derive(Debug, Args)]
pub(super) struct ControllerArgs {
    /// Whether this process looks after the sandboxes of the cluster, besides judging what comes in. With `false` it is a
    /// webhook only: for a cluster where upstream's controller does that work.
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        default_value_t = true,
        default_missing_value = "true",
        env = "SANDFENCE_CONTROLLERS"
    )]
    controllers: bool,
    /// Whether replicas agree by a Lease on the one whose controllers write. Without, this process writes from the start:
    /// for one replica only.
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        default_value_t = true,
        default_missing_value = "true",
        env = "SANDFENCE_LEADER_ELECT"
    )]
    leader_elect: bool,
    /// Namespace of that Lease; without it the one that the process runs in, or that its kubeconfig names.
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "",
        hide_default_value = true,
        env = "SANDFENCE_LEADER_ELECTION_NAMESPACE"
    )]
    leader_election_namespace: String,
    /// Sandboxes written at once.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 100,
        value_parser = clap::value_parser!(u16).range(1..),
        env = "SANDFENCE_SANDBOX_CONCURRENT_WORKERS"
    )]
    sandbox_concurrent_workers: u16,
    #[command(flatten)]
    extensions: ExtensionArgs,
}

/// What the controllers of the extension kinds do.
#[derive(Debug, Args)]
struct ExtensionArgs {
    /// Whether the controllers of the extension kinds work as well: SandboxTemplate, SandboxWarmPool, SandboxClaim.
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        default_value_t = false,
        default_missing_value = "true",
        env = "SANDFENCE_EXTENSIONS"
    )]
    extensions: bool,
    /// SandboxTemplates written at once.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..),
        env = "SANDFENCE_SANDBOX_TEMPLATE_CONCURRENT_WORKERS"
    )]
    sandbox_template_concurrent_workers: u16,
    /// SandboxWarmPools written at once.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..),
        env = "SANDFENCE_SANDBOX_WARM_POOL_CONCURRENT_WORKERS"
    )]
    sandbox_warm_pool_concurrent_workers: u16,
    /// Members of a pool created or deleted in one go.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 300,
        value_parser = clap::value_parser!(u16).range(1..),
        env = "SANDFENCE_SANDBOX_WARM_POOL_MAX_BATCH_SIZE"
    )]
    sandbox_warm_pool_max_batch_size: u16,
    /// How long a member of a pool may take to become ready before it is replaced.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "5m",
        value_parser = duration,
        env = "SANDFENCE_SANDBOX_WARM_POOL_READINESS_GRACE_PERIOD"
    )]
    sandbox_warm_pool_readiness_grace_period: Duration,
    /// How often members of a pool that find no room are looked at.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1m",
        value_parser = duration,
        env = "SANDFENCE_SANDBOX_WARM_POOL_UNSCHEDULABLE_RECHECK_INTERVAL"
    )]
    sandbox_warm_pool_unschedulable_recheck_interval: Duration,
    /// Whether a cluster autoscaler may evict members of pools.
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        default_value_t = true,
        default_missing_value = "true",
        env = "SANDFENCE_ENABLE_WARM_POOL_EVICTION"
    )]
    enable_warm_pool_eviction: bool,
    /// SandboxClaims written at once.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 50,
        value_parser = clap::value_parser!(u16).range(1..),
        env = "SANDFENCE_SANDBOX_CLAIM_CONCURRENT_WORKERS"
    )]
    sandbox_claim_concurrent_workers: u16,
    /// Publish no events about SandboxClaims.
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        default_value_t = false,
        default_missing_value = "true",
        env = "SANDFENCE_DISABLE_CLAIM_EVENTS"
    )]
    disable_claim_events: bool,
    /// Do not note on SandboxClaims when they were first seen and first ready.
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        default_value_t = false,
        default_missing_value = "true",
        env = "SANDFENCE_DISABLE_CLAIM_OBSERVABILITY_ANNOTATIONS"
    )]
    disable_claim_observability_annotations: bool,
}

/// Where the domains that labels of claims may have are listed, separated by commas or lines (contract 8.2).
const DOMAINS: &str = "/etc/sandbox-config/allowed-label-domains";

/// Those domains.
fn label_domains() -> Vec<String> {
    let text = match std::fs::read_to_string(DOMAINS) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != std::io::ErrorKind::NotFound {
                tracing::warn!(file = DOMAINS, %error, "cannot read the allowed label domains");
            }
            String::new()
        }
    };
    domains(&text)
}

fn domains(text: &str) -> Vec<String> {
    let named = text.split([',', '\n']).map(str::trim);
    let named: Vec<String> = named
        .filter(|domain| !domain.is_empty())
        .map(str::to_lowercase)
        .collect();
    if named.is_empty() {
        Extensions::default().label_domains
    } else {
        named
    }
}

/// A duration as Go programs take it, longer than nothing.
fn duration(text: &str) -> Result<Duration, String> {
    let nanos = parse_duration(text).and_then(|nanos| u64::try_from(nanos).ok());
    nanos
        .filter(|nanos| *nanos > 0)
        .map(Duration::from_nanos)
        .ok_or_else(|| "expected a duration longer than zero, such as 90s, 5m or 1h30m".to_owned())
}

impl ExtensionArgs {
    fn settings(self) -> Option<Extensions> {
        let Self {
            extensions,
            sandbox_template_concurrent_workers: template_workers,
            sandbox_warm_pool_concurrent_workers: pool_workers,
            sandbox_warm_pool_max_batch_size: max_batch,
            sandbox_warm_pool_readiness_grace_period: grace,
            sandbox_warm_pool_unschedulable_recheck_interval: recheck,
            enable_warm_pool_eviction: evictable,
            sandbox_claim_concurrent_workers: claim_workers,
            disable_claim_events: no_events,
            disable_claim_observability_annotations: no_annotations,
        } = self;
        extensions.then(|| Extensions {
            template_workers: template_workers.into(),
            pool_workers: pool_workers.into(),
            max_batch: max_batch.into(),
            grace,
            recheck,
            evictable,
            claim_workers: claim_workers.into(),
            claim_events: !no_events,
            annotate_claims: !no_annotations,
            label_domains: label_domains(),
        })
    }
}

impl ControllerArgs {
    /// As settings; `None` for a webhook only.
    pub(super) fn settings(self) -> Result<Option<Controllers>, SettingsError> {
        let Self {
            controllers,
            leader_elect,
            leader_election_namespace: namespace,
            sandbox_concurrent_workers,
            extensions,
        } = self;
        if !namespace.is_empty() && names::label(&namespace).is_err() {
            return Err(SettingsError::Label {
                flag: "--leader-election-namespace",
                value: namespace,
            });
        }
        let election = leader_elect.then(|| Election {
            namespace: (!namespace.is_empty()).then_some(namespace),
        });
        Ok(controllers.then(|| Controllers {
            election,
            sandbox_workers: sandbox_concurrent_workers.into(),
            extensions: extensions.settings(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_7_5_label_domains_are_separated_by_commas_and_lines() {
        assert_eq!(
            domains("a.example, B.example\n\nc.example\n"),
            ["a.example", "b.example", "c.example"]
        );
        assert_eq!(domains(" \n,"), ["sandbox.users.io"]);
    }

    #[test]
    fn durations_are_longer_than_nothing() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        for wrong in ["0", "-5m", "5", "soon"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
