//! The flags of the controllers, with upstream's names where upstream has them (contract 8.1).

use clap::{ArgAction, Args};

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
    /// Whether the controllers of the extension kinds work as well: so far that of SandboxTemplates.
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
            sandbox_template_concurrent_workers,
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
            extensions: extensions.then(|| Extensions {
                template_workers: sandbox_template_concurrent_workers.into(),
            }),
        }))
    }
}
