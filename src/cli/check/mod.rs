//! `sandfence check`: the verdict of the webhook, without a cluster.
//!
//! Reads policies and manifests, prunes and defaults each document by the resource's schema as the API server would,
//! applies the mutating policies, judges the result by the validating ones, and reports with the line of the manifest
//! field and of the rule.

mod fix;
mod judge;
mod parallel;
pub mod policies;
mod warnings;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::input::{self, InputFile};
use super::{Exit, print};
use crate::model::verdict::Severity;
use crate::model::yaml;
use crate::model::yaml_out::to_yaml;
use crate::policy::source::PROFILE_KIND;
use crate::report::document::{Document, PolicySet, Problem, TypeWarning, VERSION};
use crate::report::{html, json, junit, plain, policy_report, sarif, text};

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
  sandfence check --fix=patch manifests | git apply
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
    /// Write what the mutations change into the manifests, or give it as a patch. Comments and whatever is not changed
    /// stay as they are; where that cannot be, a note says so.
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true,
        default_missing_value = "write")]
    fix: Option<fix::Mode>,
    /// Also tell of every policy why it matched or not, the values of its variables, and what each rule costs. Goes with
    /// the outputs pretty, json and yaml.
    #[arg(long)]
    explain: bool,
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
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML, for build servers.
    Junit,
    /// A page to read and to hand on.
    Html,
    /// PolicyReport objects (wgpolicyk8s.io/v1alpha2), one for each manifest.
    Policyreport,
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
    let context = context(&files);
    let loaded = policies::load(&args.policies, &args.profile, &context)?;
    for note in &loaded.notes {
        eprintln!("note: {}", plain::line(note));
    }
    let warnings = warnings::of(&loaded.set, &loaded.kinds);
    eprint!("{}", warnings::render(&warnings));
    let options = judge::Options {
        namespace: &args.namespace,
        all: args.all,
        texts: args.output == Format::Pretty && args.fix != Some(fix::Mode::Patch),
        fix: args.fix.is_some(),
        explain: args.explain,
    };
    let mut judged = judge::all(&loaded, &files, &context, &options);
    if judged.is_idle() {
        eprintln!(
            "note: no rule judged or changed any of these manifests; look at the matchConstraints of the policies and their \
             bindings"
        );
    }
    problems.append(&mut judged.problems);
    if judged.objects == 0 && problems.is_empty() {
        problems.push(nothing_found(&args.manifests));
    }
    let changed = std::mem::take(&mut judged.changed);
    let fixed = std::mem::take(&mut judged.fixed);
    let document = document(loaded, judged, (problems, warnings::rows(&warnings)));
    let exit = exit(&document, args.fail_on.into(), args.strict);
    if let Some(mode) = args.fix {
        for note in &fixed.notes {
            eprintln!("note: {}", plain::line(note));
        }
        if mode == fix::Mode::Patch {
            print(&fixed.patch(&files))?;
            return Ok(exit);
        }
        fixed.write()?;
        for name in fixed.names() {
            eprintln!("fixed {}", plain::line(name));
        }
    }
    let texts = text::Texts {
        sources: files
            .into_iter()
            .map(|file| (file.name, file.text))
            .collect(),
        changed,
        colour,
    };
    print(&rendered(args.output, &document, &texts)?)?;
    Ok(exit)
}

/// The problem of a command line that leads to no manifest.
fn nothing_found(paths: &[PathBuf]) -> Problem {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    Problem {
        file: paths.join(", "),
        line: None,
        column: None,
        message: "no manifest found; files in a directory must end in .yaml, .yml or .json"
            .to_owned(),
    }
}

/// What was judged, as the one document behind every output.
fn document(
    loaded: policies::Loaded,
    judged: judge::Judged,
    (problems, warnings): (Vec<Problem>, Vec<TypeWarning>),
) -> Document {
    let about = policies::about(&loaded.set);
    Document {
        version: VERSION,
        summary: Default::default(),
        policy_set: PolicySet {
            fingerprint: loaded.set.fingerprint().to_owned(),
            sources: loaded.sources,
            profiles: loaded.profiles,
            warnings,
        },
        results: judged.rows,
        mutations: judged.mutations,
        exemptions: judged.exemptions,
        problems,
        explanations: judged.explanations,
        objects: judged.seen,
        policies: about,
    }
    .finish(judged.objects, judged.passed, judged.skipped)
}

fn rendered(format: Format, document: &Document, texts: &text::Texts) -> anyhow::Result<String> {
    Ok(match format {
        Format::Pretty => text::render(document, texts),
        Format::Json => json::render(document)?,
        Format::Yaml => to_yaml(&serde_json::to_value(document)?.into()),
        Format::Sarif => sarif::render(document)?,
        Format::Junit => junit::render(document),
        Format::Html => html::render(document)?,
        Format::Policyreport => policy_report::render(document),
    })
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

/// The documents that matter to how others are judged: namespaces, for their labels, profiles, and CRDs, for the types
/// of policies. Only texts that can hold one are read for them, those with escapes among them, which can spell anything; a file with a mistake is told of
/// when it is judged.
fn context(files: &[InputFile]) -> Vec<yaml::Document> {
    const KINDS: [&str; 3] = ["Namespace", PROFILE_KIND, "CustomResourceDefinition"];
    let mentions = |file: &&InputFile| {
        file.text.contains('\\') || KINDS.iter().any(|kind| file.text.contains(kind))
    };
    let candidates: Vec<&InputFile> = files.iter().filter(mentions).collect();
    let read = parallel::map(None, &candidates, |file| {
        let mut documents = judge::read(file).unwrap_or_default();
        documents.retain(|document| {
            let kind = document.value.str_at(&["kind"]);
            kind.is_some_and(|kind| KINDS.contains(&kind))
        });
        documents
    });
    read.into_iter().flatten().collect()
}
