//! `--fix`: what the mutations change, written into the manifests or given as a patch.
//!
//! Text is edited where it can be, so that comments, order and all other documents stay byte for byte; every result is
//! read again and must say exactly what was meant. A document that cannot be edited is written anew, without its comments;
//! what cannot be done either way is told and left.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use similar::TextDiff;

use super::super::input::{InputFile, STDIN};
use crate::model::json::Json;
use crate::model::patch::{self, Operation};
use crate::model::yaml::{self, Document};
use crate::model::yaml_edit;
use crate::model::yaml_out::to_yaml;

/// `--fix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Write the corrected manifests in place.
    Write,
    /// Print a patch for `git apply` or `patch -p1` instead of the report.
    Patch,
}

/// What the mutations change in one document.
pub struct Change {
    /// Which, among the documents of its file.
    pub document: usize,
    /// From the object as it is judged to what admission makes of it.
    pub operations: Vec<Operation>,
}

/// What was fixed.
#[derive(Debug, Default)]
pub struct Fixed {
    /// New texts by file.
    texts: BTreeMap<String, String>,
    /// What the user should know, in order.
    pub notes: Vec<String>,
}

impl Fixed {
    /// Takes in what was worked out for another file.
    pub fn add(&mut self, other: Self) {
        self.texts.extend(other.texts);
        self.notes.extend(other.notes);
    }

    /// Works out the new text of a file; changes come in the order of its documents.
    pub fn file(file: &InputFile, documents: &[Document], changes: &[Change]) -> Self {
        let mut fixed = Self::default();
        let mark = if file.text.starts_with('\u{feff}') {
            "\u{feff}"
        } else {
            ""
        };
        let mut text = file.text[mark.len()..].to_owned();
        let mut values: Vec<Json<'static>> = documents
            .iter()
            .map(|document| document.value.clone())
            .collect();
        let mut notes = Vec::new();
        // From the last document to the first: what is edited stands behind what is still to be.
        for Change {
            document: at,
            operations,
        } in changes.iter().rev()
        {
            let document = &documents[*at];
            let place = format!("{}:{}", file.name, document.marks.start().line);
            let Ok(meant) = patch::apply(&document.value, operations) else {
                notes.push(format!(
                    "{place}: not fixed: the change is inside of what the API server fills in; see mutations in the report"
                ));
                continue;
            };
            values[*at] = meant.clone();
            let edited = yaml_edit::patched(&text, (&document.marks, &document.value), operations)
                .filter(|text| says(text, &values));
            if let Some(edited) = edited {
                text = edited;
                continue;
            }
            match rewritten(&text, document, &meant).filter(|text| says(text, &values)) {
                Some(rewritten) => {
                    notes.push(format!(
                        "{place}: the document was written anew: its comments and its order of keys are not kept"
                    ));
                    text = rewritten;
                }
                None => {
                    values[*at] = document.value.clone();
                    notes.push(format!(
                        "{place}: not fixed: its text cannot be changed alone; see mutations in the report"
                    ));
                }
            }
        }
        notes.reverse();
        fixed.notes = notes;
        let text = format!("{mark}{text}");
        if text != file.text {
            fixed.texts.insert(file.name.clone(), text);
        }
        fixed
    }

    /// Writes the files.
    ///
    /// # Errors
    /// One cannot be written; those before it are.
    pub fn write(&self) -> anyhow::Result<()> {
        if self.texts.contains_key(STDIN) {
            bail!("standard input cannot be fixed in place: use --fix=patch, or name a file");
        }
        for (name, text) in &self.texts {
            fs::write(name, text).with_context(|| format!("{name}: cannot be written"))?;
        }
        Ok(())
    }

    /// The names of the files that change.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// The changes as a unified diff.
    pub fn patch(&self, files: &[InputFile]) -> String {
        let mut out = String::new();
        for file in files {
            let Some(new) = self.texts.get(&file.name) else {
                continue;
            };
            let name = file.name.trim_start_matches("./").trim_start_matches('/');
            let diff = TextDiff::from_lines(&file.text, new);
            let mut unified = diff.unified_diff();
            unified.header(&format!("a/{name}"), &format!("b/{name}"));
            out.push_str(&unified.to_string());
        }
        out
    }
}

/// Whether a text holds exactly these objects.
fn says(text: &str, values: &[Json<'static>]) -> bool {
    let Ok(documents) = yaml::read("fixed", text) else {
        return false;
    };
    let found = documents.into_iter().flat_map(Document::flatten);
    found
        .map(|document| document.value)
        .eq(values.iter().cloned())
}

/// The text with the document written anew between its markers.
fn rewritten(text: &str, document: &Document, meant: &Json<'static>) -> Option<String> {
    let first = (document.marks.start().line as usize).checked_sub(1)?;
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let marker = line.starts_with("---") || line.starts_with("...");
        if index == first {
            // A document that begins on the line of its marker shares it with the marker.
            if marker {
                out.push_str("---\n");
            }
            out.push_str(&to_yaml(meant));
            inside = true;
        } else if !inside || marker {
            inside = false;
            out.push_str(line);
        }
    }
    Some(out)
}
