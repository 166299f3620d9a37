//! Committed generated files equal what the library generates. After a change: `SANDFENCE_REFRESH=1 cargo test --test
//! generated`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sandfence::api::crds;

const HINT: &str = "SANDFENCE_REFRESH=1 cargo test --test generated";

fn refresh() -> bool {
    std::env::var_os("SANDFENCE_REFRESH").is_some_and(|value| value == "1")
}

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares, or writes when asked to.
fn hold(path: &Path, want: &str) {
    if refresh() {
        std::fs::write(path, want).expect("write generated file");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == want,
        "{} is not what the library generates: run `{HINT}` and commit the result",
        path.display()
    );
}

#[test]
fn chart_crds_are_current() {
    let folder = in_repository("charts/sandfence/crds");
    let mut names = BTreeSet::new();
    for document in crds::all(&crds::Options::default()) {
        let name = crds::file_name(&document);
        hold(&folder.join(&name), &crds::to_yaml(&document));
        names.insert(name);
    }
    let found: BTreeSet<String> = std::fs::read_dir(&folder)
        .expect("charts/sandfence/crds exists")
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(found, names, "files in {} without a kind", folder.display());
}

#[test]
fn the_webhook_configurations_of_the_shipped_packs_are_current() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_sandfence"))
        .args(["render", "webhooks", "--profile", "restricted"])
        .output()
        .expect("the binary starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    hold(&in_repository("webhooks/registration.yaml"), &text);
}
