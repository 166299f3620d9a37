//! Policy files: which files the paths name, and their text. Total size and number are bounded.

use std::ops::ControlFlow;
use std::path::PathBuf;

use thiserror::Error;

use super::walk::{self, Trouble};

/// Most files: a policy library has hundreds.
const FILES: usize = 20_000;
/// Most bytes in all: a thousand times the shipped packs.
const BYTES: u64 = 256 * 1024 * 1024;

/// Why the policy files cannot be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// A file or directory cannot be read.
    #[error(transparent)]
    Read(#[from] Trouble),
    /// Too many files.
    #[error("more than {FILES} policy files, the last one {}: is this the right directory?", path.display())]
    Count {
        /// The first file too many.
        path: PathBuf,
    },
    /// Too many bytes.
    #[error(
        "the policy files up to {} have more than {BYTES} bytes: is this the right directory?", path.display()
    )]
    Size {
        /// Where it became too much.
        path: PathBuf,
    },
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is, as reached from the path given.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
}

/// Reads all policy files of `paths`, found as [`walk::files`] does.
///
/// # Errors
/// The first thing that cannot be read.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Source>, SourceError> {
    let mut files = Vec::new();
    let mut first = None;
    walk::files(paths, &mut |file| {
        match file {
            Ok(path) if files.len() < FILES => files.push(path),
            Ok(path) => first = Some(SourceError::Count { path }),
            Err(trouble) => first = Some(trouble.into()),
        }
        if first.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    if let Some(error) = first {
        return Err(error);
    }
    let mut left = BYTES;
    let mut sources = Vec::with_capacity(files.len());
    for path in files {
        let text = match walk::read(&path, left) {
            Err(Trouble {
                path,
                why: walk::Why::Large(_),
            }) => return Err(SourceError::Size { path }),
            text => text?,
        };
        left = left.saturating_sub(text.len() as u64);
        sources.push(Source { path, text });
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_file_comes_with_its_path_and_text() {
        let dir = tempfile::tempdir().expect("directory");
        let root = dir.path();
        fs::create_dir(root.join("pack")).expect("directory");
        fs::write(root.join("pack/b.yml"), "b").expect("file");
        fs::write(root.join("a.yaml"), "a").expect("file");
        let source = |name: &str, text: &str| Source {
            path: root.join(name),
            text: text.to_owned(),
        };
        assert_eq!(
            read(&[root.to_owned()]).expect("readable"),
            [source("a.yaml", "a"), source("pack/b.yml", "b")]
        );
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_is_taken() {
        let dir = tempfile::tempdir().expect("directory");
        fs::write(dir.path().join("a.yaml"), "a").expect("file");
        let paths = [
            dir.path().to_owned(),
            PathBuf::from("/nonexistent/policies"),
        ];
        let error = read(&paths).expect_err("missing");
        assert!(
            error
                .to_string()
                .starts_with("/nonexistent/policies: cannot be read: "),
            "{error}"
        );
    }

    #[test]
    fn a_policy_file_that_is_a_device_is_refused_unread() {
        let dir = tempfile::tempdir().expect("directory");
        let link = dir.path().join("endless.yaml");
        std::os::unix::fs::symlink("/dev/zero", &link).expect("link");
        let error = read(&[dir.path().to_owned()]).expect_err("endless");
        assert_eq!(
            error.to_string(),
            format!(
                "{}: neither a file nor a directory; name it to have it read",
                link.display()
            )
        );
    }
}
