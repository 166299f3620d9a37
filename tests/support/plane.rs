//! Connects this process to a control plane, starting one where none runs. Everything here blocks.

use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::process::{CommandExt as _, parent_id};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::binaries::{self, Binaries};

/// How long the supervisor waits for the next test binary before it ends.
const SHARED_GRACE: &str = "10s";
/// A control plane of one test ends with it.
const DEDICATED_GRACE: &str = "0s";
/// The supervisor gives up earlier and says why; this is for one that has stopped answering.
const READY_LIMIT: Duration = Duration::from_secs(240);

/// The control plane that the tests of this process share, or why there is none. Kept for the life of the process:
/// the kernel closes the connection at its end.
static SHARED: Mutex<Option<Result<Arc<Plane>, String>>> = Mutex::new(None);

/// A running control plane that this process holds open.
#[derive(Debug)]
pub struct Plane {
    /// The binaries it was made from.
    pub binaries: Binaries,
    /// The folder of the run, with the logs.
    pub folder: PathBuf,
    /// The administrator's credentials.
    pub kubeconfig: PathBuf,
    /// Address of the API server.
    pub server: String,
    /// Process id of the supervisor.
    pub supervisor: u32,
    /// Closing it tells the supervisor that this user has gone.
    _connection: TcpStream,
    /// The supervisor, where this process started it. Never waited for: it outlives its users.
    _child: Option<Child>,
}

/// Where a supervisor listens: the state file that it writes.
#[derive(Debug, Deserialize)]
struct Whereabouts {
    run: String,
    folder: PathBuf,
    address: String,
    pid: u32,
}

/// One line from the supervisor.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Notice {
    state: String,
    kubeconfig: PathBuf,
    server: String,
    message: String,
}

impl Plane {
    /// The control plane that all test binaries share.
    pub fn shared() -> Result<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared
            .get_or_insert_with(|| {
                Self::open_shared()
                    .map(Arc::new)
                    .map_err(|error| format!("{error:#}"))
            })
            .clone()
            .map_err(|message| anyhow!("{message}"))
    }

    /// A second, independent user of the control plane that all test binaries share.
    pub fn open_shared() -> Result<Self> {
        let lock = binaries::lock()?;
        let binaries = Binaries::ready()?;
        let state = binaries::root().join(format!("shared-{}.json", key(&binaries)?));
        let greeted = match greet(&state) {
            Ok(greeted) => greeted,
            // No state file, or one whose supervisor has ended: start the next.
            Err(_) => start(&binaries, &state, SHARED_GRACE)?,
        };
        // Counted by the supervisor: others may connect, or start another one, from here on.
        drop(lock);
        greeted.wait(binaries)
    }

    /// A control plane for the caller alone; it ends when the value is dropped.
    pub fn dedicated() -> Result<Self> {
        let lock = binaries::lock()?;
        let binaries = Binaries::ready()?;
        drop(lock);
        let state = binaries::root().join(format!("dedicated-{}.json", unique()));
        start(&binaries, &state, DEDICATED_GRACE)?.wait(binaries)
    }
}

/// A supervisor that counts this process among its users, but may still be starting the control plane.
struct Greeted {
    whereabouts: Whereabouts,
    connection: TcpStream,
    lines: BufReader<TcpStream>,
    child: Option<Child>,
}

impl Greeted {
    /// Waits until the control plane is ready, or has failed.
    fn wait(mut self, binaries: Binaries) -> Result<Plane> {
        let folder = self.whereabouts.folder;
        self.connection.set_read_timeout(Some(READY_LIMIT))?;
        let notice = read(&mut self.lines).with_context(|| {
            format!("the control plane did not start, see {}", folder.display())
        })?;
        if notice.state != "ready" {
            bail!(
                "the control plane did not start: {}\n(logs in {})",
                notice.message,
                folder.join("logs").display()
            );
        }
        Ok(Plane {
            binaries,
            folder,
            kubeconfig: notice.kubeconfig,
            server: notice.server,
            supervisor: self.whereabouts.pid,
            _connection: self.connection,
            _child: self.child,
        })
    }
}

/// Connects to the supervisor that a state file names.
fn greet(state: &Path) -> Result<Greeted> {
    let whereabouts: Whereabouts = serde_json::from_slice(&fs::read(state)?)?;
    let mut connection = TcpStream::connect(&whereabouts.address)?;
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    let hello = json!({"run": whereabouts.run, "owner": parent_id()});
    connection.write_all(format!("{hello}\n").as_bytes())?;
    let mut lines = BufReader::new(connection.try_clone()?);
    let notice = read(&mut lines)?;
    if notice.state != "starting" {
        bail!("expected the notice `starting`, found `{}`", notice.state);
    }
    Ok(Greeted {
        whereabouts,
        connection,
        lines,
        child: None,
    })
}

fn read(lines: &mut BufReader<TcpStream>) -> Result<Notice> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    if line.is_empty() {
        bail!("the supervisor has ended");
    }
    Ok(serde_json::from_str(&line)?)
}

/// Starts a supervisor in a process group of its own, so that Ctrl-C reaches it through its users, and connects.
fn start(binaries: &Binaries, state: &Path, grace: &str) -> Result<Greeted> {
    let folder = binaries::root().join(format!("run-{}", unique()));
    let log = folder.join("logs/supervise.log");
    fs::create_dir_all(folder.join("logs"))?;
    let mut child = Command::new(&binaries.supervise)
        .arg("control-plane")
        .arg("--bin")
        .arg(&binaries.components)
        .arg("--stages")
        .arg(binaries::module().join("stages"))
        .arg("--folder")
        .arg(&folder)
        .arg("--state")
        .arg(state)
        .args(["--grace", grace])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(&log)?)
        .process_group(0)
        .spawn()
        .with_context(|| format!("start {}", binaries.supervise.display()))?;
    let stdout = child
        .stdout
        .take()
        .context("the standard output is piped")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let mut greeted = greet(state).with_context(|| {
        let said = fs::read_to_string(&log).unwrap_or_default();
        format!("the supervisor did not start: {said}")
    })?;
    greeted.child = Some(child);
    Ok(greeted)
}

/// What must be equal for two test binaries to share a control plane: its binaries, its supervisor, its stages.
fn key(binaries: &Binaries) -> Result<String> {
    let mut digest = Sha256::new();
    digest.update(binaries.components.as_os_str().as_encoded_bytes());
    digest.update(binaries.supervise.as_os_str().as_encoded_bytes());
    let mut stages: Vec<PathBuf> = fs::read_dir(binaries::module().join("stages"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    stages.sort();
    for stage in stages {
        digest.update(fs::read(stage)?);
    }
    Ok(binaries::hexadecimal(&digest.finalize()[..6]))
}

/// A name that no other run has: the time first, so that names sort by age, then random digits.
fn unique() -> String {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is past 1970");
    format!("{}-{}", elapsed.as_millis(), suffix())
}

/// Random digits for names.
pub fn suffix() -> String {
    let random = RandomState::new().hash_one(std::process::id());
    format!("{:08x}", random & 0xffff_ffff)
}
