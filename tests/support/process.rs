//! Long-running commands of a test, such as the product itself, that cannot outlive it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result};

/// A command that is ended, by SIGTERM first, when this value is dropped or this process ends in any way.
///
/// Its output goes to a log file beside those of the control plane.
#[derive(Debug)]
pub struct Tethered {
    child: Child,
    log: PathBuf,
}

impl Tethered {
    /// Starts a program under the supervisor.
    pub(super) fn start(
        supervise: &Path,
        log: PathBuf,
        program: &Path,
        arguments: &[&str],
    ) -> Result<Self> {
        let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let child = Command::new(supervise)
            .args(["tether", "--"])
            .arg(program)
            .args(arguments)
            // Closing this pipe ends the command; the kernel closes it with this process.
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {} by {}", program.display(), supervise.display()))?;
        Ok(Self { child, log })
    }

    /// What the command has written so far.
    pub fn output(&self) -> Result<String> {
        std::fs::read_to_string(&self.log).with_context(|| format!("read {}", self.log.display()))
    }

    /// Where the output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How the command ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Kills the command as a crash would: the kernel kills it with the supervisor that holds it.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Ends the command by SIGTERM and tells how it ended.
    pub fn stop(mut self) -> Result<ExitStatus> {
        drop(self.child.stdin.take());
        Ok(self.child.wait()?)
    }
}

impl Drop for Tethered {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if let Err(error) = self.child.wait() {
            eprintln!("could not wait for {}: {error}", self.log.display());
        }
    }
}
