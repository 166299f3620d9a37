//! The corpus of the fuzz targets, and seeded mutations of it, through the bodies that `cargo fuzz` runs.
//!
//! `SANDFENCE_FUZZ_ROUNDS` sets the mutations of each input, `SANDFENCE_FUZZ_SEED` where they start.

#[path = "../fuzz/bodies.rs"]
mod bodies;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use bodies::{ALL, Body};

/// Mutations of each input where nothing else is asked for.
const ROUNDS: u64 = 40;

/// Longest input that mutations make: what matters is found on short ones, and quickly.
const MAX_LENGTH: usize = 8 * 1024;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Names of the entries of a folder, without extensions if they have the one given.
fn names(folder: &Path, extension: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .map(|name| name.strip_suffix(extension).unwrap_or(&name).to_owned())
        .collect()
}

/// The corpus of a target, in order.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder().join("corpus").join(target);
    let inputs = names(&folder, "\n").into_iter();
    inputs
        .map(|name| {
            let data = fs::read(folder.join(&name)).expect("a file");
            (format!("{target}/{name}"), data)
        })
        .collect()
}

#[test]
fn every_target_has_a_body_a_corpus_and_a_binary() {
    let bodies: BTreeSet<String> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder().join("corpus"), "\n"), bodies);
    assert_eq!(names(&folder().join("fuzz_targets"), ".rs"), bodies);
    for name in &bodies {
        assert!(!corpus(name).is_empty(), "{name}");
    }
}

#[test]
fn the_corpus_runs() {
    let failed: Vec<String> = ALL
        .iter()
        .flat_map(|(target, body)| corpus(target).into_iter().map(move |input| (body, input)))
        .filter_map(|(body, (name, data))| {
            failure(*body, &data).map(|why| format!("{name}: {why}"))
        })
        .collect();
    assert_eq!(failed, [""; 0]);
}

#[test]
fn mutations_of_the_corpus_run() {
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text}: expected a number")),
        Err(_) => default,
    };
    let rounds = number("SANDFENCE_FUZZ_ROUNDS", ROUNDS);
    let mut random = Random(number("SANDFENCE_FUZZ_SEED", 1) | 1);
    let mut failed = Vec::new();
    for (target, body) in ALL {
        let corpus = corpus(target);
        for (name, data) in &corpus {
            for _ in 0..rounds {
                let other = &corpus[random.below(corpus.len())].1;
                let input = random.mutated(data, other);
                if let Some(why) = failure(body, &input) {
                    failed.push(format!(
                        "{name}: {why}: {:?}",
                        String::from_utf8_lossy(&input)
                    ));
                    break;
                }
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Why a body panics on an input, if it does.
fn failure(body: Body, data: &[u8]) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(|| body(data))).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default(),
    )
}

/// Xorshift: the same mutations in every run.
struct Random(u64);

/// Pieces that mean something to one of the readers.
const PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "?",
    ".?",
    "[?",
    "!",
    "-",
    "'",
    "\"",
    "\\",
    "\n",
    ":",
    ",",
    ".",
    " ",
    "0",
    "1",
    "9",
    "e9",
    "u",
    "-9223372036854775808",
    "18446744073709551615",
    "1e308",
    "null",
    "true",
    "object",
    "x",
    "s",
    "l",
    ".map(i, i)",
    ".all(i, i)",
    ".size()",
    "dyn(",
    " in ",
    " == ",
    " && ",
    "%s",
    "%.9f",
    "\u{0}",
    "\u{7f}",
    "é",
    "\u{1f600}",
    "*",
    "&a",
    "<<: ",
    "- ",
    "---\n",
    "|",
    ">",
    "#",
    "~1",
    "/",
    "Ki",
    "m",
    "E",
    "+",
    "(?i",
    "[:",
    "{2,3}",
    "^",
    "$",
    "\\p{L}",
];

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).expect("64 bits");
        usize::try_from(self.next() % limit).expect("below a usize")
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let end = start + self.below((length - start).min(24) + 1);
        start..end
    }

    /// A few changes of `data`, with parts of `other`.
    fn mutated(&mut self, data: &[u8], other: &[u8]) -> Vec<u8> {
        let mut out = data.to_vec();
        for _ in 0..=self.below(4) {
            let range = self.range(out.len());
            let insert: Vec<u8> = match self.below(7) {
                0 => Vec::new(),
                1 | 2 => PIECES[self.below(PIECES.len())].into(),
                3 => other[self.range(other.len())].to_vec(),
                4 => out[self.range(out.len())].to_vec(),
                5 => out[range.clone()].repeat(2 + self.below(40)),
                _ => vec![self.next().to_le_bytes()[0]],
            };
            let range = if self.below(2) == 0 {
                range.start..range.start
            } else {
                range
            };
            out.splice(range, insert);
        }
        out.truncate(MAX_LENGTH);
        out
    }
}
