//! `docs/policies.md` is true: its files are written, its commands run, and they print what it says.
//!
//! Commands of kubectl need a cluster and are left out; what they apply is tried in `tests/native.rs` and `tests/fence`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A block of the page, with the paragraph before it.
struct Block {
    language: String,
    intro: String,
    text: String,
    deny: bool,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let (mut intro, mut deny) = (String::new(), false);
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text = lines.by_ref().take_while(|line| *line != "```");
            let text: Vec<&str> = text.collect();
            blocks.push(Block {
                language: language.to_owned(),
                intro: std::mem::take(&mut intro),
                text: text.join("\n") + "\n",
                deny,
            });
        } else {
            deny = deny || line == "## 5. Deny";
            intro.push_str(line);
            intro.push('\n');
        }
    }
    blocks
}

/// The last file that a paragraph names.
fn file_of(intro: &str) -> Option<&str> {
    let codes = intro.split('`').skip(1).step_by(2);
    codes.filter(|code| code.ends_with(".yaml")).last()
}

/// Commands of a console block with what they print.
fn commands(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut out: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), out.last_mut()) {
            (Some(command), _) => out.push((command, Vec::new())),
            (None, Some((_, printed))) => printed.push(line),
            (None, None) => panic!("output without a command: {line}"),
        }
    }
    out
}

/// The words of a command line; only quotes of one kind are used.
fn words(command: &str) -> Vec<String> {
    let parts = command.split('\'').enumerate();
    let words = parts.flat_map(|(at, part)| {
        if at % 2 == 1 {
            vec![part.to_owned()]
        } else {
            part.split_whitespace().map(str::to_owned).collect()
        }
    });
    words.collect()
}

fn run(folder: &Path, command: &str) -> String {
    let words = words(command);
    let output = Command::new(env!("CARGO_BIN_EXE_sandfence"))
        .args(&words[1..])
        .current_dir(folder)
        .output()
        .expect("the binary runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn write(folder: &Path, files: &BTreeMap<String, String>, deny: bool) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        let mut text = text.clone();
        if deny {
            text = text
                .replace("validationActions: [Audit]", "validationActions: [Deny]")
                .replace("verdict: audit", "verdict: deny");
        }
        fs::write(path, text).expect("written");
    }
}

#[test]
fn the_page_about_policies_is_true() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policies.md");
    let page = fs::read_to_string(page).expect("the page");
    let folder = tempfile::tempdir().expect("a folder");
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut ran = 0;
    for block in blocks(&page) {
        match block.language.as_str() {
            "yaml" => match file_of(&block.intro) {
                Some(name) => {
                    files.insert(name.to_owned(), block.text);
                }
                None => {
                    let suite = files.get_mut("policies/team/suite.yaml");
                    suite.expect("a suite to go on with").push_str(&block.text);
                }
            },
            "console" => {
                write(folder.path(), &files, block.deny);
                for (command, expected) in commands(&block.text) {
                    if !command.starts_with("sandfence ") {
                        continue;
                    }
                    let printed = run(folder.path(), command);
                    let mut printed: Vec<&str> = printed.trim_end().lines().collect();
                    let mut expected: &[&str] = &expected;
                    if let ["...", rest @ ..] = expected {
                        // A part of it.
                        let at = printed.iter().position(|line| *line == rest[0]);
                        printed = printed[at.expect("the part is there")..].to_vec();
                        printed.truncate(rest.len());
                        expected = rest;
                    }
                    assert_eq!(printed, expected, "{command}");
                    ran += 1;
                }
            }
            other => panic!("a block in {other:?}"),
        }
    }
    assert_eq!(ran, 7, "commands of sandfence on the page");
}
