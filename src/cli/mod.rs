//! The command line: arguments, exit codes, and which stream gets what.
//!
//! Results go to stdout, diagnostics to stderr. Exit codes are the same for every command: 0 fine, 1 findings, 2 could
//! not judge (bad arguments included).

pub mod check;
pub mod completions;
pub mod eval;
pub mod input;
pub mod render;
pub mod serve;
pub mod test;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use crate::report::plain;
use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything fine: 0.
    Clean,
    /// Something was found: 1.
    Findings,
    /// Something could not be read or judged: 2.
    Unjudged,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Clean => 0,
            Exit::Findings => 1,
            Exit::Unjudged => 2,
        })
    }
}

/// The fence around AI-agent sandboxes on Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "sandfence", version, propagate_version = true)]
#[command(after_help = "Exit codes: 0 fine, 1 findings, 2 could not judge.")]
struct Cli {
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t = ColorWhen::Auto, env = "SANDFENCE_COLOR")]
    color: ColorWhen,
    #[command(subcommand)]
    command: Command,
}

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge manifests by policy files, without a cluster.
    Check(check::CheckArgs),
    /// Run the tests of policies.
    Test(test::TestArgs),
    /// Try an expression.
    Eval(Box<eval::EvalArgs>),
    /// Print the objects that an installation needs.
    Render(render::RenderArgs),
    /// Run the admission webhook and the sandbox controllers
    Serve(Box<serve::ServeArgs>),
    /// Print a completion script for a shell.
    Completions(completions::CompletionsArgs),
}

/// Runs the command line and gives the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results (stdout, 0); mistakes are diagnostics (stderr, 2).
            let code = if error.use_stderr() { 2 } else { 0 };
            return match error.print() {
                Ok(()) => ExitCode::from(code),
                Err(_) => ExitCode::from(2),
            };
        }
    };
    let colour = match cli.color {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => {
            anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
        }
    };
    let outcome = match cli.command {
        Command::Check(args) => check::run(&args, colour),
        Command::Test(args) => test::run(&args, colour),
        Command::Eval(args) => eval::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Serve(args) => serve::run(*args),
        Command::Completions(args) => completions::run(&args, &mut Cli::command()),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {}", plain::block(&format!("{error:#}")));
            Exit::Unjudged.into()
        }
    }
}

/// Writes a result to stdout. A reader that went away (`sandfence … | head`) ends the output quietly.
///
/// # Errors
/// Any other failure to write.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
