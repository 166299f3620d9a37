//! The sandfence binary: picks the TLS provider and hands the arguments to the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    sandfence::cli::main(std::env::args_os())
}
