//! `sandfence check` of 10,000 manifests against 50 policies: time from start to end, and the most memory it held.
//!
//! The manifests are Sandboxes of about three kilobytes in one file each, good and bad ones by turns; the policies are the
//! shipped packs, and copies of them under other names up to fifty. Both are made in a temporary folder. Without
//! `--bench` (as `cargo test` calls it) a few manifests prove that the bench itself works.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use sandfence::model::json::Json;
use sandfence::model::yaml;
use sandfence::model::yaml_out::{to_yaml, to_yaml_stream};
use sandfence::policy::packs;
use serde_json::{Value, json};

const SANDBOX: &str = include_str!("../tests/data/bench/sandbox.json");

/// Policies of the target.
const POLICIES: usize = 50;

/// Files in a folder, as people keep them.
const PER_FOLDER: usize = 500;

fn main() {
    let benching = std::env::args().any(|argument| argument == "--bench");
    let (count, runs) = if benching { (10_000, 3) } else { (100, 1) };
    let folder = tempfile::tempdir().unwrap();
    let made = policies(&folder.path().join("policies"));
    assert_eq!(made, POLICIES);
    manifests(&folder.path().join("manifests"), count);
    for format in ["pretty", "json"] {
        for _ in 0..runs {
            let (seconds, memory) = run(folder.path(), format, count);
            println!("{count} manifests, {made} policies, {format}: {seconds:.2} s, {memory} MB");
        }
    }
}

/// The shipped packs and profiles, then copies of policies until there are enough; how many policies.
fn policies(folder: &Path) -> usize {
    fs::create_dir_all(folder).unwrap();
    let mut shipped = Vec::new();
    for (name, text) in packs::FILES {
        fs::write(folder.join(name.replace('/', "-")), text).unwrap();
        shipped.extend(yaml::read(name, text).unwrap());
    }
    let policies: Vec<Value> = shipped
        .iter()
        .map(|document| Value::from(&document.value))
        .filter(|value| value["kind"].as_str().unwrap().ends_with("AdmissionPolicy"))
        .collect();
    // Those that profiles bind judge every Sandbox.
    let guards: Vec<&Value> = policies
        .iter()
        .filter(|value| value["spec"]["paramKind"].is_object())
        .filter(|value| value["kind"] == "ValidatingAdmissionPolicy")
        .collect();
    let copies: Vec<Json<'static>> = guards
        .iter()
        .cycle()
        .take(POLICIES - policies.len())
        .enumerate()
        .map(|(at, policy)| {
            let mut copy = (*policy).clone();
            let name = format!("{}-copy-{at}", copy["metadata"]["name"].as_str().unwrap());
            copy["metadata"]["name"] = json!(name);
            Json::from(copy)
        })
        .collect();
    fs::write(folder.join("copies.yaml"), to_yaml_stream(&copies)).unwrap();
    policies.len() + copies.len()
}

fn manifests(folder: &Path, count: usize) {
    let mut sandbox: Value = serde_json::from_str(SANDBOX).unwrap();
    for at in 0..count {
        let folder = folder.join(format!("{:03}", at / PER_FOLDER));
        fs::create_dir_all(&folder).unwrap();
        sandbox["metadata"]["name"] = json!(format!("agent-{at}"));
        sandbox["spec"]["podTemplate"]["spec"]["hostNetwork"] = json!(at % 10 == 0);
        let text = to_yaml(&Json::from(sandbox.clone()));
        fs::write(folder.join(format!("{at:05}.yaml")), text).unwrap();
    }
}

/// Seconds, and megabytes at the most.
fn run(folder: &Path, format: &str, count: usize) -> (f64, u64) {
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sandfence"))
        .args(["check", "--policies", "policies", "-o", format, "manifests"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    // It prints when all is done, and more than a pipe holds: with the first byte read it is still there to be measured.
    let mut first = [0];
    stdout.read_exact(&mut first).unwrap();
    let memory = most_memory(child.id());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let status = child.wait().unwrap();
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(status.code(), Some(1), "some are denied");
    let told = match format {
        "json" => format!("\"objects\": {count},"),
        _ => format!("{count} objects: {} denied", count / 10),
    };
    assert!(rest.contains(&told), "{told}");
    (seconds, memory)
}

/// The most resident memory of a process, in megabytes; nothing where the kernel does not tell.
fn most_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let digits = line.and_then(|line| line.split_whitespace().next());
    digits
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}
