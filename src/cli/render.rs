//! `sandfence render`: the objects that an installation needs, as YAML for `kubectl apply -f -`.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};

use super::check::policies;
use super::{Exit, print};
use crate::api::crds;
use crate::app::render;
use crate::config::settings::Endpoint;
use crate::model::json::Json;
use crate::model::yaml_out::to_yaml_stream;
use crate::policy::native;
use crate::report::plain;

/// Arguments of `render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The CustomResourceDefinitions: the four agent-sandbox kinds and the three of sandfence.dev.
    Crds(CrdsArgs),
    /// The webhook configurations that the policies need, as `serve` registers them.
    Webhooks(WebhooksArgs),
    /// Policies and profiles as plain in-tree policies, bindings and parameters: the API server alone enforces them.
    Native(NativeArgs),
}

/// Arguments of `render crds`.
#[derive(Debug, Args)]
struct CrdsArgs {
    /// How the API server converts the agent-sandbox kinds between their versions. `serve` puts its webhook in charge of
    /// definitions that are installed without.
    #[arg(long, value_enum, default_value_t = Conversion::None)]
    conversion: Conversion,
    #[command(flatten)]
    address: Address,
}

/// How the API server converts between versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Conversion {
    /// It changes the version alone; fields that only one version has are lost.
    None,
    /// It asks the webhook.
    Webhook,
}

/// Where the API server finds the webhook.
#[derive(Debug, Args)]
struct Address {
    /// Register by this base URL instead of a Service.
    #[arg(long, value_name = "URL", env = "SANDFENCE_WEBHOOK_URL")]
    webhook_url: Option<String>,
    /// Service through which the API server reaches the webhook.
    #[arg(long, value_name = "NAME", default_value = "sandfence-webhook")]
    webhook_service_name: String,
    /// Port of that Service.
    #[arg(long, value_name = "PORT", default_value_t = 443)]
    webhook_service_port: u16,
    /// Namespace of that Service.
    #[arg(long, value_name = "NAMESPACE", default_value = "sandfence-system")]
    webhook_namespace: String,
    /// PEM file with the certificate authority that the API server checks the webhook against. Without it the field
    /// is absent, for a certificate manager to fill in.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl Address {
    fn endpoint(&self) -> anyhow::Result<Endpoint> {
        Ok(match &self.webhook_url {
            Some(url) => Endpoint::from_url(url)?,
            None => Endpoint::from_service(
                &self.webhook_service_name,
                &self.webhook_namespace,
                self.webhook_service_port,
            )?,
        })
    }

    fn ca_bundle(&self) -> anyhow::Result<Option<String>> {
        let read = |path: &PathBuf| {
            fs::read_to_string(path).with_context(|| format!("--ca-file {}", path.display()))
        };
        self.ca_file.as_ref().map(read).transpose()
    }
}

/// Which policies, bound by which profiles.
#[derive(Debug, Args)]
struct Chosen {
    /// Policies and profiles: files or directories. Default: the packs built into this binary.
    #[arg(
        short,
        long,
        value_name = "PATH",
        env = "SANDFENCE_POLICIES",
        value_delimiter = ','
    )]
    policies: Vec<PathBuf>,
    /// Guardrail profile that binds the policies: a name or a file. Repeatable. Default: `restricted`.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Vec<String>,
}

/// Arguments of `render webhooks`.
#[derive(Debug, Args)]
struct WebhooksArgs {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    address: Address,
    /// Namespaces that are never judged, besides kube-system and the webhook's own.
    #[arg(
        long,
        value_name = "NAMESPACE",
        value_delimiter = ',',
        env = "SANDFENCE_EXEMPT_NAMESPACES"
    )]
    exempt_namespaces: Vec<String>,
}

/// Arguments of `render native`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The kinds of the parameters must be there first:
  sandfence render crds | kubectl apply --server-side -f -
  sandfence render native --profile baseline | kubectl apply --server-side -f -")]
struct NativeArgs {
    #[command(flatten)]
    chosen: Chosen,
}

/// Runs `render`.
///
/// # Errors
/// The policies cannot be used, a name or URL cannot be registered, or stdout cannot be written.
pub fn run(args: &RenderArgs) -> anyhow::Result<Exit> {
    let documents = match &args.what {
        What::Crds(args) => definitions(args)?,
        What::Webhooks(args) => webhooks(args)?,
        What::Native(args) => return native_objects(args),
    };
    let documents: Vec<Json<'_>> = documents.into_iter().map(Json::from).collect();
    print(&to_yaml_stream(&documents))?;
    Ok(Exit::Clean)
}

fn definitions(args: &CrdsArgs) -> anyhow::Result<Vec<serde_json::Value>> {
    match args.conversion {
        Conversion::None => Ok(crds::all(&crds::Options::default())),
        Conversion::Webhook => Ok(render::crds_with_webhook(
            &args.address.endpoint()?,
            args.address.ca_bundle()?.as_deref(),
        )),
    }
}

fn webhooks(args: &WebhooksArgs) -> anyhow::Result<Vec<serde_json::Value>> {
    let endpoint = args.address.endpoint()?;
    let ca_bundle = args.address.ca_bundle()?;
    let loaded = policies::load(&args.chosen.policies, &args.chosen.profile, &[])?;
    let options = render::Options {
        endpoint,
        ca_bundle,
        exempt_namespaces: args.exempt_namespaces.clone(),
    };
    Ok(render::webhooks(&loaded.set, &options))
}

fn native_objects(args: &NativeArgs) -> anyhow::Result<Exit> {
    let loaded = policies::load(&args.chosen.policies, &args.chosen.profile, &[])?;
    let made = native::native(&loaded.objects, &loaded.set);
    for note in loaded.notes.iter().chain(&made.notes) {
        eprintln!("note: {}", plain::line(note));
    }
    print(&to_yaml_stream(&made.objects))?;
    Ok(Exit::Clean)
}
