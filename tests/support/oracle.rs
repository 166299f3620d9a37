//! The reference oracle for tests: the Go program in `tests/oracle`, built when absent or older than its sources.
//!
//! ```no_run
//! #[path = "support/oracle.rs"]
//! mod oracle;
//!
//! let answers = oracle::ask(&[serde_json::json!({"op": "eval", "expression": "1 + 1"})])?;
//! ```
//!
//! `SANDFENCE_ORACLE` names a built one to use instead.

#![allow(
    dead_code,
    reason = "every test binary that compiles this uses a part of it"
)]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::LazyLock;
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

const NO_GO: &str = "the reference oracle is built with Go 1.26 or newer, and there is no `go` on the path: \
                     install it from https://go.dev/dl, or set SANDFENCE_ORACLE to a built oracle";

/// One answer for each request, in order. A request that the oracle cannot answer is an error.
pub fn ask(requests: &[Value]) -> Result<Vec<Value>> {
    let mut session = Session::start()?;
    let answers = session.ask(requests)?;
    session.finish()?;
    Ok(answers)
}

/// A running oracle, for more questions than should be in memory at once.
pub struct Session {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Session {
    /// Starts the oracle.
    pub fn start() -> Result<Self> {
        let mut child = Command::new(binary()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the oracle")?;
        let stdin = child.stdin.take().context("no standard input")?;
        let stdout = BufReader::new(child.stdout.take().context("no standard output")?);
        Ok(Self {
            child,
            stdin,
            stdout,
        })
    }

    /// One answer for each request, in order. A request that the oracle cannot answer is an error.
    pub fn ask(&mut self, requests: &[Value]) -> Result<Vec<Value>> {
        let Self { stdin, stdout, .. } = self;
        // The oracle answers while it is asked: one side alone would wait for the other when a pipe is full.
        let answers = std::thread::scope(|scope| -> Result<Vec<Value>> {
            let writer = scope.spawn(move || -> std::io::Result<()> {
                let mut out = BufWriter::new(stdin);
                for request in requests {
                    writeln!(out, "{request}")?;
                }
                out.flush()
            });
            let answers = stdout
                .lines()
                .take(requests.len())
                .map(|line| Ok(serde_json::from_str(&line?.replace(ODD_BLANK, "proto: "))?))
                .collect();
            // A pipe that broke shows in the number of answers, which tells more.
            drop(
                writer
                    .join()
                    .map_err(|_| anyhow::anyhow!("the writer panicked"))?,
            );
            answers
        })?;
        ensure!(
            answers.len() == requests.len(),
            "the oracle ended after {} of {} answers, at {}",
            answers.len(),
            requests.len(),
            requests[answers.len()]
        );
        for (request, answer) in requests.iter().zip(&answers) {
            if let Some(problem) = answer.get("oracleError") {
                bail!("the oracle cannot answer {request}: {problem}");
            }
        }
        Ok(answers)
    }

    /// Ends the oracle.
    pub fn finish(self) -> Result<()> {
        let Self {
            mut child, stdin, ..
        } = self;
        drop(stdin);
        let status = child.wait()?;
        ensure!(status.success(), "the oracle ended with {status}");
        Ok(())
    }
}

/// Go's protocol buffers begin their errors with one blank or another, by the bits of the program that they are built
/// into, so that nobody relies on the text.
const ODD_BLANK: &str = "proto:\u{a0}";

/// Path of the oracle, which is built once for each test binary if need be.
fn binary() -> Result<PathBuf> {
    static BUILT: LazyLock<Result<PathBuf, String>> =
        LazyLock::new(|| build().map_err(|error| format!("{error:#}")));
    BUILT.clone().map_err(anyhow::Error::msg)
}

fn build() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SANDFENCE_ORACLE") {
        return Ok(path.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = root.join("tests/oracle");
    let folder = root.join("target/oracle/bin");
    let path = folder.join(format!("oracle{}", std::env::consts::EXE_SUFFIX));
    let built = fs::metadata(&path).and_then(|file| file.modified()).ok();
    if built.is_some_and(|built| newest(&sources).is_ok_and(|source| source <= built)) {
        return Ok(path);
    }
    fs::create_dir_all(&folder)?;
    // Test binaries may build at the same time: each into a file of its own, the last one stays.
    let fresh = folder.join(format!("oracle-{}", std::process::id()));
    let output = Command::new("go")
        .args([OsStr::new("build"), OsStr::new("-o"), fresh.as_os_str()])
        .arg(".")
        .current_dir(&sources)
        .output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(NO_GO),
        other => other.context("run go build")?,
    };
    ensure!(
        output.status.success(),
        "go build in {} failed:\n{}",
        sources.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(&fresh, &path)?;
    Ok(path)
}

/// When the youngest source was changed.
fn newest(sources: &Path) -> Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(sources)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if path.extension() == Some(OsStr::new("go")) || name == "go.mod" || name == "go.sum" {
            newest = newest.max(fs::metadata(&path)?.modified()?);
        }
    }
    Ok(newest)
}
