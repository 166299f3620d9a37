//! Reading manifests and policies from files, directories and standard input.

use std::collections::BTreeSet;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::config::walk;
use crate::report::document::Problem;

/// Largest file read, in bytes. Rendered charts of whole platforms stay under 20 MB; more is a wrong file.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// Name under which standard input appears in results.
pub const STDIN: &str = "<stdin>";

/// A file with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// Path as the user would write it, or [`STDIN`].
    pub name: String,
    /// Whole text.
    pub text: String,
}

/// All files below the given paths, in sorted order, and what could not be read; found as [`walk::files`] does, `-` is
/// standard input.
pub fn read_all(paths: &[PathBuf], stdin: &mut dyn Read) -> (Vec<InputFile>, Vec<Problem>) {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    let problem = |file: String, message: String| Problem {
        file,
        line: None,
        column: None,
        message,
    };
    // Runs of paths between two mentions of standard input keep the order of the command line.
    for run in paths.chunk_by(|a, b| is_stdin(a) == is_stdin(b)) {
        if run.first().is_some_and(|path| is_stdin(path)) {
            if files.iter().any(|file: &InputFile| file.name == STDIN) {
                continue;
            }
            match walk::read_from(stdin, MAX_FILE_BYTES) {
                Ok(text) => files.push(InputFile {
                    name: STDIN.to_owned(),
                    text,
                }),
                Err(why) => problems.push(problem(STDIN.to_owned(), why.to_string())),
            }
            continue;
        }
        walk::files(run, &mut |file| {
            match file.and_then(|path| Ok((walk::read(&path, MAX_FILE_BYTES)?, path))) {
                Ok((text, path)) => {
                    let name = path.display().to_string();
                    if names.insert(name.clone()) {
                        files.push(InputFile { name, text });
                    }
                }
                Err(trouble) => problems.push(problem(
                    trouble.path.display().to_string(),
                    trouble.why.to_string(),
                )),
            }
            ControlFlow::Continue(())
        });
    }
    (files, problems)
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn directories_are_read_in_order_and_standard_input_in_its_place() {
        let dir = tempfile::tempdir().expect("temporary folder");
        fs::create_dir(dir.path().join("a")).expect("folder");
        fs::write(dir.path().join("b.yaml"), "b").expect("file");
        fs::write(dir.path().join("a/x.json"), "x").expect("file");
        let paths = [
            dir.path().join("b.yaml"),
            PathBuf::from("-"),
            dir.path().to_owned(),
            PathBuf::from("-"),
        ];
        let (files, problems) = read_all(&paths, &mut "piped".as_bytes());
        assert_eq!(problems, []);
        let texts: Vec<&str> = files.iter().map(|file| file.text.as_str()).collect();
        assert_eq!(texts, ["b", "piped", "x"]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let (files, problems) = read_all(&["/no/such/file.yaml".into()], &mut std::io::empty());
        assert_eq!(files, []);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].file, "/no/such/file.yaml");
        assert!(problems[0].message.starts_with("cannot be read: "));
    }

    #[test]
    fn standard_input_is_a_file_named_so_and_must_be_utf8() {
        let (files, _) = read_all(&["-".into()], &mut "kind: X".as_bytes());
        assert_eq!(
            files,
            [InputFile {
                name: STDIN.into(),
                text: "kind: X".into()
            }]
        );
        let (_, problems) = read_all(&["-".into()], &mut &b"ab\xff"[..]);
        assert_eq!(problems[0].message, "not UTF-8 at byte 2; save it as UTF-8");
    }
}
