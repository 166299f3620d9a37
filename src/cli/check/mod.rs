//! `sandfence check`: the verdict of the webhook, without a cluster.
//!
//! Reads policies and manifests, prunes and defaults each document by the resource's schema as the API server would,
//! applies the mutating policies, judges the result by the validating ones, and reports with the line of the manifest
//! field and of the rule.

mod judge;
pub mod policies;
mod warnings;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::input::{self, InputFile};
use super::{Exit, print};
use crate::model::verdict::Severity;
use crate::model::yaml;
use crate::report::document::{Document, PolicySet, Problem, VERSION};
use crate::report::{json, plain, text};

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes:
  0  every manifest is admitted
  1  a rule of at least --fail-on severity refuses a manifest; with --strict, also a warning about a policy
  2  something could not be read or judged

Examples:
  sandfence check sandbox.yaml
  sandfence check --policies policies examples
  helm template . | sandfence check --policies policies --profile baseline -
")]
pub struct CheckArgs {
    /// Manifests: files, directories (read recursively), or `-` for standard input.
    #[arg(required = true, value_name = "MANIFEST")]
    manifests: Vec<PathBuf>,
    /// Policies, bindings, profiles and parameters: files or directories. Repeatable, or separated by commas. They take
    /// the place of the packs built into this binary, which are the default.
    #[arg(
        short,
        long,
        value_name = "PATH",
        env = "SANDFENCE_POLICIES",
        value_delimiter = ','
    )]
    policies: Vec<PathBuf>,
    /// Guardrail profile to judge by: a name among the policies or the built-in ones, or a file. Repeatable. Default:
    /// the profiles among the inputs; without any, the built-in `restricted`.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Vec<String>,
    /// Namespace of manifests that name none.
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Output format.
    #[arg(short, long, value_enum, default_value_t = Format::Pretty)]
    output: Format,
    /// Also list the rules that hold and the policies whose match conditions do not.
    #[arg(long)]
    all: bool,
    /// Weakest severity that makes the exit code 1.
    #[arg(long, value_enum, default_value_t = FailOn::Info)]
    fail_on: FailOn,
    /// Warnings about the types of policy expressions make the exit code 1.
    #[arg(long)]
    strict: bool,
}

/// `--output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Pretty,
    /// The machine-readable document.
    Json,
    /// The same document as YAML.
    Yaml,
}

/// `--fail-on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl From<FailOn> for Severity {
    fn from(value: FailOn) -> Self {
        match value {
            FailOn::Info => Self::Info,
            FailOn::Low => Self::Low,
            FailOn::Medium => Self::Medium,
            FailOn::High => Self::High,
            FailOn::Critical => Self::Critical,
        }
    }
}

/// Runs `check`.
///
/// # Errors
/// The policies cannot be used, or stdout cannot be written.
pub fn run(args: &CheckArgs, colour: bool) -> anyhow::Result<Exit> {
    let (files, mut problems) = input::read_all(&args.manifests, &mut std::io::stdin().lock());
    let documents = documents(&files, &mut problems);
    let loaded = policies::load(&args.policies, &args.profile, &documents)?;
    for note in &loaded.notes {
        eprintln!("note: {}", plain::line(note));
    }
    let warnings = warnings::of(&loaded.set, &loaded.kinds);
    eprint!("{}", warnings::render(&warnings));
    let options = judge::Options {
        namespace: &args.namespace,
        all: args.all,
    };
    let judged = judge::all(&loaded, &documents, &options);
    if judged.is_idle() {
        eprintln!(
            "note: no rule judged or changed any of these manifests; look at the matchConstraints of the policies and their \
             bindings"
        );
    }
    problems.extend(judged.problems);
    if judged.objects == 0 && problems.is_empty() {
        problems.push(nothing_found(&args.manifests));
    }
    let document = Document {
        version: VERSION,
        summary: Default::default(),
        policy_set: PolicySet {
            fingerprint: loaded.set.fingerprint().to_owned(),
            sources: loaded.sources,
            profiles: loaded.profiles,
            warnings: warnings::rows(&warnings),
        },
        results: judged.rows,
        mutations: judged.mutations,
        exemptions: judged.exemptions,
        problems,
    }
    .finish(judged.objects, judged.passed, judged.skipped);
    let rendered = match args.output {
        Format::Pretty => {
            let sources = files
                .into_iter()
                .map(|file| (file.name, file.text))
                .collect::<BTreeMap<_, _>>();
            text::render(
                &document,
                &text::Texts {
                    sources,
                    changed: judged.changed,
                    colour,
                },
            )
        }
        Format::Json => json::render(&document)?,
        Format::Yaml => crate::model::yaml_out::to_yaml(&serde_json::to_value(&document)?.into()),
    };
    print(&rendered)?;
    Ok(exit(&document, args.fail_on.into(), args.strict))
}

/// The problem of a run without a single manifest.
fn nothing_found(manifests: &[PathBuf]) -> Problem {
    let names: Vec<String> = manifests
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    Problem {
        file: names.join(", "),
        line: None,
        column: None,
        message: "no manifest found; files in a directory must end in .yaml, .yml or .json"
            .to_owned(),
    }
}

/// What the document means for the caller's script.
fn exit(document: &Document, fail_on: Severity, strict: bool) -> Exit {
    let mut warnings = document.policy_set.warnings.iter();
    let warned = strict && warnings.any(|warning| !warning.false_alarm);
    if document.summary.error > 0 {
        Exit::Unjudged
    } else if warned
        || document
            .results
            .iter()
            .any(|row| row.denies && row.severity >= fail_on)
    {
        Exit::Findings
    } else {
        Exit::Clean
    }
}

/// Every document of every file, lists flattened.
fn documents(files: &[InputFile], problems: &mut Vec<Problem>) -> Vec<yaml::Document> {
    let mut found = Vec::new();
    for file in files {
        match yaml::read(&file.name, &file.text) {
            Ok(documents) => found.extend(documents.into_iter().flat_map(yaml::Document::flatten)),
            Err(error) => problems.push(Problem {
                file: file.name.clone(),
                line: Some(error.at.line),
                column: Some(error.at.column),
                message: error.message,
            }),
        }
    }
    found
}
