//! Dependencies point one way, and the pure half stays pure.
//!
//! Reads every source file below `src/`: each mention of `crate::<module>` must be an allowed edge, each allowed edge
//! must be used, and a pure module must not mention clocks, files, networks, threads or async.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module, what it may use inside the crate, and whether it is pure.
struct Layer {
    name: &'static str,
    uses: &'static [&'static str],
    pure: bool,
}

const LAYERS: &[Layer] = &[
    Layer {
        name: "model",
        uses: &[],
        pure: true,
    },
    Layer {
        name: "api",
        uses: &["model"],
        pure: true,
    },
    Layer {
        name: "schema",
        uses: &["model", "api"],
        pure: true,
    },
    Layer {
        name: "cel",
        uses: &["model", "schema"],
        pure: true,
    },
    Layer {
        name: "policy",
        uses: &["model", "api", "schema", "cel"],
        pure: true,
    },
    Layer {
        name: "lifecycle",
        uses: &["model", "api"],
        pure: true,
    },
    Layer {
        name: "report",
        uses: &["model"],
        pure: true,
    },
    Layer {
        name: "config",
        uses: &["model"],
        pure: false,
    },
    Layer {
        name: "telemetry",
        uses: &[],
        pure: false,
    },
    Layer {
        name: "tls",
        uses: &["config", "telemetry"],
        pure: false,
    },
    Layer {
        name: "cluster",
        uses: &[
            "model",
            "api",
            "policy",
            "lifecycle",
            "config",
            "telemetry",
            "tls",
        ],
        pure: false,
    },
    Layer {
        name: "controllers",
        uses: &["model", "api", "lifecycle", "cluster", "telemetry"],
        pure: false,
    },
    Layer {
        name: "webhook",
        uses: &["model", "api", "policy", "config", "telemetry", "tls"],
        pure: false,
    },
    Layer {
        name: "app",
        uses: &[
            "model",
            "api",
            "policy",
            "config",
            "telemetry",
            "tls",
            "cluster",
            "webhook",
            "lifecycle",
            "controllers",
        ],
        pure: false,
    },
    Layer {
        name: "cli",
        uses: &[
            "model",
            "api",
            "schema",
            "cel",
            "policy",
            "report",
            "config",
            "telemetry",
            "app",
        ],
        pure: false,
    },
];

/// What a pure module may not mention, and what it should do instead.
const IMPURE: &[(&str, &str)] = &[
    ("async fn", "return a plan or take the data as an argument"),
    ("tokio::", "effects live outside the pure half"),
    ("std::fs", "take the text as an argument"),
    ("std::net::Tcp", "effects live outside the pure half"),
    ("std::process", "effects live outside the pure half"),
    ("std::env::", "take the setting as an argument"),
    ("std::thread", "effects live outside the pure half"),
    ("SystemTime", "take the time as an argument"),
    ("Instant::now", "take the time as an argument"),
    ("Timestamp::now", "take the time as an argument"),
    ("Zoned::now", "take the time as an argument"),
    ("kube::Client", "effects live outside the pure half"),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    for entry in entries {
        let path = entry.expect("directory entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

/// The top-level module a file belongs to: `src/cel/lib/mod.rs` -> `cel`; `None` for `lib.rs` and `main.rs`.
fn module_of(root: &Path, file: &Path) -> Option<String> {
    let relative = file.strip_prefix(root).ok()?;
    let first = relative.components().next()?.as_os_str().to_str()?;
    match first.strip_suffix(".rs") {
        Some("lib" | "main") => None,
        Some(name) => Some(name.to_owned()),
        None => Some(first.to_owned()),
    }
}

/// The code of a file without comment lines.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Names of modules mentioned as `crate::name` or inside `use crate::{a::b, c}` on one line.
fn mentioned(line: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in line.match_indices("crate::") {
        if line[..at].ends_with('$') {
            continue;
        }
        let rest = &line[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            let mut fresh = true;
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => fresh = true,
                    c if fresh && (c.is_alphanumeric() || c == '_') => word.push(c),
                    _ if !word.is_empty() => {
                        found.insert(std::mem::take(&mut word));
                        fresh = false;
                    }
                    _ => {}
                }
            }
            if !word.is_empty() {
                found.insert(word);
            }
        } else {
            found.insert(
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }
    found
}

#[test]
fn dependencies_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let names: BTreeSet<&str> = LAYERS.iter().map(|layer| layer.name).collect();
    let mut wrong = Vec::new();
    let mut idle: BTreeSet<(&str, &str)> = LAYERS
        .iter()
        .flat_map(|layer| layer.uses.iter().map(|used| (layer.name, *used)))
        .collect();
    for file in files {
        let Some(module) = module_of(&root, &file) else {
            continue;
        };
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == module) else {
            wrong.push(format!(
                "{}: module `{module}` has no row in LAYERS",
                file.display()
            ));
            continue;
        };
        let text = fs::read_to_string(&file).expect("readable source");
        for (line, content) in code(&text) {
            for used in mentioned(content) {
                idle.retain(|edge| *edge != (layer.name, used.as_str()));
                let allowed = used == module || layer.uses.contains(&used.as_str());
                if names.contains(used.as_str()) && !allowed {
                    wrong.push(format!(
                        "{}:{line}: `{module}` may not use `{used}`; it may use {:?}",
                        file.display(),
                        layer.uses
                    ));
                }
            }
            // Tests of pure modules may use threads and files to prove what they claim.
            let judged = layer.pure && file.file_name().is_some_and(|name| name != "tests.rs");
            for (word, instead) in IMPURE.iter().filter(|_| judged) {
                if content.contains(word) {
                    wrong.push(format!(
                        "{}:{line}: pure module `{module}` mentions `{word}`: {instead}",
                        file.display()
                    ));
                }
            }
        }
    }
    for (module, used) in idle {
        wrong.push(format!(
            "tests/layering.rs: no file of `{module}` uses `{used}`; remove the edge from LAYERS"
        ));
    }
    assert!(wrong.is_empty(), "layering broken:\n{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_use_lines_sees_every_form() {
    let all = |line| mentioned(line).into_iter().collect::<Vec<_>>();
    assert_eq!(all("use crate::model::json::Json;"), ["model"]);
    assert_eq!(
        all("use crate::{cel::{ast, env}, model};"),
        ["cel", "model"]
    );
    assert_eq!(
        all("let x: crate::api::Kind = crate::cel::f();"),
        ["api", "cel"]
    );
    assert_eq!(all("$crate::model::json"), [""; 0]);
}
