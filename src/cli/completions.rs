//! `sandfence completions SHELL`.

use clap::Args;
use clap_complete::Shell;

use super::Exit;

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell to complete for.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// Stdout cannot be written.
pub fn run(args: &CompletionsArgs, command: &mut clap::Command) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "sandfence", &mut script);
    super::print(&String::from_utf8(script)?)?;
    Ok(Exit::Clean)
}
