//! `sandfence test`: runs suites, the tests of policies, and says which rules no case tries.

mod suites;
mod watch;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use regex::Regex;

use super::{Exit, print};
use crate::model::yaml_out::to_yaml;
use crate::report::suites::{Options, Report, render};

/// Arguments of `test`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes:
  0  every case comes out as expected
  1  a case does not, or less than --coverage is covered
  2  a suite, or a policy that it names, could not be read or run

Examples:
  sandfence test                                   # the suites below the current folder
  sandfence test policies --coverage 100
  sandfence test policies/mine --watch
  sandfence test policies -o junit > test.xml")]
pub struct TestArgs {
    /// Suites: files, or folders in which every `suite.yaml` and `*.suite.yaml` is run.
    #[arg(value_name = "SUITE", default_value = ".")]
    paths: Vec<PathBuf>,
    /// Run only the cases whose names match.
    #[arg(long, value_name = "REGEX")]
    run: Option<Regex>,
    /// Output format.
    #[arg(short, long, value_enum, default_value_t = Format::Pretty)]
    output: Format,
    /// Also list the cases that pass and the rules that are covered.
    #[arg(long)]
    all: bool,
    /// Least share of rules, in percent, that must hold in one case and not hold in another.
    #[arg(long, value_name = "PERCENT", conflicts_with = "run",
        value_parser = clap::value_parser!(u8).range(..=100))]
    coverage: Option<u8>,
    /// Run again whenever a suite or a file that it uses changes, until interrupted.
    #[arg(short, long)]
    watch: bool,
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
    /// JUnit XML, for build servers.
    Junit,
}

/// Runs `test`.
///
/// # Errors
/// Stdout cannot be written, or files cannot be watched.
pub fn run(args: &TestArgs, colour: bool) -> anyhow::Result<Exit> {
    if args.watch {
        return watch::run(args, colour);
    }
    let ran = suites::run(&args.paths, args.run.as_ref());
    show(args, &ran, colour)
}

/// Prints what came out, and says what it means for the caller's script.
fn show(args: &TestArgs, ran: &suites::Ran, colour: bool) -> anyhow::Result<Exit> {
    for note in &ran.notes {
        eprintln!("note: {}", crate::report::plain::line(note));
    }
    let report = &ran.report;
    let rendered = match args.output {
        Format::Pretty => render(
            report,
            Options {
                all: args.all,
                colour,
            },
        ),
        Format::Json => {
            let mut text = serde_json::to_string_pretty(report)?;
            text.push('\n');
            text
        }
        Format::Yaml => to_yaml(&serde_json::to_value(report)?.into()),
        Format::Junit => report.junit(),
    };
    print(&rendered)?;
    let exit = exit(args, report);
    if let (Exit::Findings, 0, Some(wanted)) = (exit, report.summary.fail, args.coverage) {
        eprintln!(
            "error: {}% of the rules are covered, --coverage wants {wanted}%",
            report.percent()
        );
    }
    Ok(exit)
}

fn exit(args: &TestArgs, report: &Report) -> Exit {
    let wanted = usize::from(args.coverage.unwrap_or(0));
    if report.summary.error > 0 {
        Exit::Unjudged
    } else if report.summary.fail > 0 || report.percent() < wanted {
        Exit::Findings
    } else {
        Exit::Clean
    }
}
