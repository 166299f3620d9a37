//! Policy files: which files a path names, and their text.
//!
//! Directories are read to the bottom in sorted order. Names that begin with a dot are passed over: a mounted ConfigMap
//! shows every file once under its name and once in the dated directory behind it. Total size and number are bounded.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Extensions of policy files.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];
/// Most files: a policy library has hundreds.
const FILES: usize = 20_000;
/// Most bytes in all: a thousand times the shipped packs.
const BYTES: u64 = 256 * 1024 * 1024;
/// Deepest directory: a link that leads back to its parent ends here.
const DEPTH: usize = 32;

/// Why the policy files cannot be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// A file or directory cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Too many files.
    #[error("more than {FILES} policy files below {path}: is this the right directory?")]
    Count {
        /// The path given.
        path: PathBuf,
    },
    /// Too many bytes.
    #[error("policy files below {path} have more than {BYTES} bytes: is this the right directory?")]
    Size {
        /// The path given.
        path: PathBuf,
    },
    /// Too deep.
    #[error("{path} is more than {DEPTH} directories deep: does a link lead back?")]
    Depth {
        /// Where it ended.
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

/// Reads all policy files of `paths`; a path that names a file is read whatever its extension.
///
/// # Errors
/// The first thing that cannot be read.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Source>, SourceError> {
    let mut files = Vec::new();
    for path in paths {
        let data = metadata(path)?;
        if data.is_dir() {
            collect(path, path, 0, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    let mut bytes = 0;
    let mut sources = Vec::with_capacity(files.len());
    for path in files {
        bytes += metadata(&path)?.len();
        if bytes > BYTES {
            return Err(SourceError::Size { path });
        }
        let text = std::fs::read_to_string(&path).map_err(|source| SourceError::Read {
            path: path.clone(),
            source,
        })?;
        sources.push(Source { path, text });
    }
    Ok(sources)
}

fn metadata(path: &Path) -> Result<std::fs::Metadata, SourceError> {
    std::fs::metadata(path).map_err(|source| SourceError::Read {
        path: path.to_owned(),
        source,
    })
}

fn collect(
    root: &Path,
    directory: &Path,
    depth: usize,
    files: &mut Vec<PathBuf>,
) -> Result<(), SourceError> {
    let fail = |source| SourceError::Read {
        path: directory.to_owned(),
        source,
    };
    if depth > DEPTH {
        return Err(SourceError::Depth {
            path: directory.to_owned(),
        });
    }
    let mut entries = std::fs::read_dir(directory)
        .map_err(fail)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(fail)?;
    entries.sort();
    for path in entries {
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if metadata(&path)?.is_dir() {
            collect(root, &path, depth + 1, files)?;
        } else if is_policy(&path) {
            files.push(path);
        }
        if files.len() > FILES {
            return Err(SourceError::Count {
                path: root.to_owned(),
            });
        }
    }
    Ok(())
}

fn is_policy(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| EXTENSIONS.contains(&extension))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn directories_are_read_to_the_bottom_in_order_and_links_once() {
        let dir = tempfile::tempdir().expect("directory");
        let root = dir.path();
        fs::create_dir_all(root.join("..2026_11_22")).expect("directory");
        fs::create_dir_all(root.join("pack/deep")).expect("directory");
        fs::write(root.join("..2026_11_22/a.yaml"), "a").expect("file");
        std::os::unix::fs::symlink("..2026_11_22/a.yaml", root.join("a.yaml")).expect("link");
        fs::write(root.join("pack/deep/c.json"), "c").expect("file");
        fs::write(root.join("pack/b.yml"), "b").expect("file");
        fs::write(root.join("README.md"), "no policy").expect("file");
        fs::write(root.join("named.txt"), "n").expect("file");
        let found: Vec<(String, String)> = read(&[root.to_owned(), root.join("named.txt")])
            .expect("readable")
            .into_iter()
            .map(|source| {
                let path = source
                    .path
                    .strip_prefix(root)
                    .expect("below")
                    .display()
                    .to_string();
                (path, source.text)
            })
            .collect();
        let expected = [
            ("a.yaml", "a"),
            ("pack/b.yml", "b"),
            ("pack/deep/c.json", "c"),
            ("named.txt", "n"),
        ];
        assert_eq!(
            found,
            expected.map(|(path, text)| (path.to_owned(), text.to_owned()))
        );
    }

    #[test]
    fn what_is_missing_is_named_and_a_circle_ends() {
        let error = read(&[PathBuf::from("/nonexistent/policies")]).expect_err("missing");
        assert!(
            error
                .to_string()
                .starts_with("cannot read /nonexistent/policies: "),
            "{error}"
        );
        let dir = tempfile::tempdir().expect("directory");
        std::os::unix::fs::symlink(dir.path(), dir.path().join("again")).expect("link");
        assert!(matches!(
            read(&[dir.path().to_owned()]),
            Err(SourceError::Depth { .. } | SourceError::Read { .. })
        ));
    }
}
