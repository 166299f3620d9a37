//! Finds the binaries of the control plane, or builds them from source, once for all test binaries.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

/// What a folder of binaries must hold.
const COMPONENTS: [&str; 6] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kwok",
];

/// The packages behind [`COMPONENTS`], in the same order.
const PACKAGES: [&str; 6] = [
    "./etcd",
    "k8s.io/kubernetes/cmd/kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-controller-manager",
    "k8s.io/kubernetes/cmd/kube-scheduler",
    "k8s.io/kubernetes/cmd/kubectl",
    "sigs.k8s.io/kwok/cmd/kwok",
];

/// Names a folder of prebuilt binaries, as for other Kubernetes test environments.
const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// Clients reject a server whose version they cannot read, and a plain `go build` leaves it at 0.0.0.
const LINKER_FLAGS: &str = "-s -w \
    -X k8s.io/component-base/version.gitVersion=v1.36.3 \
    -X k8s.io/component-base/version.gitMajor=1 \
    -X k8s.io/component-base/version.gitMinor=36 \
    -X k8s.io/client-go/pkg/version.gitVersion=v1.36.3 \
    -X k8s.io/client-go/pkg/version.gitMajor=1 \
    -X k8s.io/client-go/pkg/version.gitMinor=36";

/// What to do where there is neither Go nor a folder of binaries.
const GO_HINT: &str = "the tests run a real Kubernetes control plane, which is built from source: install Go 1.26 or \
    newer (https://go.dev/dl) and put `go` on PATH";

/// Where the binaries are.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// Folder of the control plane's components.
    pub components: PathBuf,
    /// The supervisor.
    pub supervise: PathBuf,
}

impl Binaries {
    /// Finds the binaries, building what is missing. The caller holds the lock of [`root`].
    pub fn ready() -> Result<Self> {
        let module = module();
        let root = root();
        let components = match std::env::var_os(ASSETS_VARIABLE) {
            Some(folder) => prebuilt(Path::new(&folder))?,
            None => built(&module, &root)?,
        };
        let supervise = built_supervisor(&module, &root)?;
        Ok(Self {
            components,
            supervise,
        })
    }

    /// Path of one component.
    pub fn component(&self, name: &str) -> PathBuf {
        self.components.join(name)
    }
}

/// The Go module of the control plane.
pub fn module() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster")
}

/// The folder of everything built and run here, inside the build folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("cargo's folder for test data lies in the build folder")
        .join("control-plane")
}

/// Checks the folder that the environment names.
fn prebuilt(folder: &Path) -> Result<PathBuf> {
    let folder = folder
        .canonicalize()
        .with_context(|| format!("{ASSETS_VARIABLE} names the folder {}", folder.display()))?;
    let missing = missing(&folder);
    ensure!(
        missing.is_empty(),
        "{ASSETS_VARIABLE} names {}, which lacks {}; add them (the tests need {}), or unset the variable to have all \
         of them built from source",
        folder.display(),
        missing.join(", "),
        COMPONENTS.join(", ")
    );
    Ok(folder)
}

fn missing(folder: &Path) -> Vec<&'static str> {
    COMPONENTS
        .into_iter()
        .filter(|name| !folder.join(name).is_file())
        .collect()
}

/// Builds the components unless the folder already holds what the module describes.
fn built(module: &Path, root: &Path) -> Result<PathBuf> {
    let folder = root.join("bin");
    let stamp = folder.join(".stamp");
    let wanted = fingerprint(module, &["go.mod", "go.sum", "etcd/main.go"])?;
    let current = fs::read_to_string(&stamp).is_ok_and(|found| found.trim() == wanted);
    if current && missing(&folder).is_empty() {
        return Ok(folder);
    }
    require_go()?;
    announce("building the control plane from source, about five minutes, once")?;
    fs::create_dir_all(&folder)?;
    if stamp.exists() {
        fs::remove_file(&stamp)?;
    }
    let mut arguments = vec!["build", "-ldflags", LINKER_FLAGS, "-o"];
    let output = format!("{}/", folder.display());
    arguments.push(&output);
    arguments.extend(PACKAGES);
    go(module, &arguments)?;
    // Last: an interrupted build must not look finished.
    fs::write(&stamp, format!("{wanted}\n"))?;
    announce("the control plane is built")?;
    Ok(folder)
}

/// Builds the supervisor, which takes a second, unless these very sources are built already.
fn built_supervisor(module: &Path, root: &Path) -> Result<PathBuf> {
    let mut sources = vec!["go.mod".to_owned()];
    for entry in fs::read_dir(module.join("supervise"))? {
        let name = entry?.file_name();
        let name = name
            .to_str()
            .context("the supervisor's sources have plain names")?;
        sources.push(format!("supervise/{name}"));
    }
    sources.sort();
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    let fingerprint = fingerprint(module, &sources)?;
    let binary = root.join(format!("supervise-{}", &fingerprint[..16]));
    if binary.is_file() {
        return Ok(binary);
    }
    require_go()?;
    let draft = binary.with_extension("draft");
    let output = draft.display().to_string();
    go(module, &["build", "-o", &output, "./supervise"])?;
    fs::rename(&draft, &binary)?;
    Ok(binary)
}

/// A digest of files and build settings: whatever changes the result changes it.
fn fingerprint(module: &Path, files: &[&str]) -> Result<String> {
    let mut digest = Sha256::new();
    digest.update(LINKER_FLAGS);
    for file in files {
        let path = module.join(file);
        let content = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        digest.update(file.as_bytes());
        digest.update([0]);
        digest.update(content.len().to_le_bytes());
        digest.update(content);
    }
    Ok(hexadecimal(&digest.finalize()))
}

/// Bytes as lower-case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn require_go() -> Result<()> {
    match Command::new("go").arg("version").output() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "Go was not found: {GO_HINT}, or set {ASSETS_VARIABLE} to a folder that holds {}",
            COMPONENTS.join(", ")
        ),
        Err(error) => Err(error).context("run `go version`"),
    }
}

fn go(module: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new("go")
        .args(arguments)
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .output()
        .context("run go")?;
    ensure!(
        output.status.success(),
        "`go {}` in {} ended with {}:\n{}",
        arguments.join(" "),
        module.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Tells whoever watches why nothing seems to happen. Written to the stream itself: the output that the test runner
/// captures would show only after a failure.
fn announce(message: &str) -> Result<()> {
    writeln!(io::stderr(), "control plane: {message}")?;
    Ok(())
}

/// Takes the lock under which binaries are built and a supervisor is started.
pub fn lock() -> Result<File> {
    let root = root();
    fs::create_dir_all(&root)?;
    let path = root.join("lock");
    let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    file.lock()
        .with_context(|| format!("lock {}", path.display()))?;
    Ok(file)
}
