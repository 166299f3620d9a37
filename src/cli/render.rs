//! `sandfence render`: the objects that an installation needs, as YAML for `kubectl apply -f -`.

use clap::{Args, Subcommand};

use super::{Exit, print};
use crate::api::crds;
use crate::model::json::Json;
use crate::model::yaml_out::to_yaml_stream;

/// Arguments of `render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The CustomResourceDefinitions: the four agent-sandbox kinds and the three of sandfence.dev.
    Crds,
}

/// Runs `render`.
///
/// # Errors
/// Stdout cannot be written.
pub fn run(args: &RenderArgs) -> anyhow::Result<Exit> {
    match args.what {
        What::Crds => {
            let documents: Vec<Json<'_>> = crds::all(&crds::Options::default())
                .into_iter()
                .map(Json::from)
                .collect();
            print(&to_yaml_stream(&documents))?;
        }
    }
    Ok(Exit::Clean)
}
