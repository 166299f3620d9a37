//! Which files a path names, and their text: one way for policies and manifests alike.
//!
//! A directory is read to the bottom in sorted order for `.yaml`, `.yml` and `.json`; a file that is named is read
//! whatever its name. Names that begin with a dot are passed over: a mounted ConfigMap shows every file once under its
//! name and once in the dated directory behind it. Links to files are read, links to directories inside a directory are
//! not followed: they would show files twice, or lead back.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Deepest directory that is read; real trees of manifests have a fifth of it.
pub const MAX_DEPTH: usize = 32;

/// Extensions of files that are read from a directory.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// Why something is not read.
#[derive(Debug, Error)]
pub enum Why {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// Its entries cannot be listed.
    #[error("cannot be listed: {0}")]
    List(io::Error),
    /// A pipe would be waited for, a device has no end.
    #[error("neither a file nor a directory; name it to have it read")]
    Special,
    /// Too far down.
    #[error("directories nest deeper than {MAX_DEPTH}; name the inner one")]
    Deep,
    /// Too many octets.
    #[error("larger than {} MiB; split it", .0 >> 20)]
    Large(u64),
    /// No UTF-8 from this octet on.
    #[error("not UTF-8 at byte {0}; save it as UTF-8")]
    NotText(usize),
}

/// Something that is not read.
#[derive(Debug, Error)]
#[error("{}: {why}", path.display())]
pub struct Trouble {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
}

impl Trouble {
    fn new(path: &Path, why: Why) -> Self {
        Self {
            path: path.to_owned(),
            why,
        }
    }
}

/// Tells `found` about every file that `paths` name, once, and about everything that is not read, until it breaks.
pub fn files(
    paths: &[PathBuf],
    found: &mut dyn FnMut(Result<PathBuf, Trouble>) -> ControlFlow<()>,
) {
    let mut seen = BTreeSet::new();
    let mut once = |file: Result<PathBuf, Trouble>| match file {
        Ok(path) if !seen.insert(path.clone()) => ControlFlow::Continue(()),
        file => found(file),
    };
    for path in paths {
        if walk(path, 0, &mut once).is_break() {
            return;
        }
    }
}

type Found<'f> = &'f mut dyn FnMut(Result<PathBuf, Trouble>) -> ControlFlow<()>;

fn walk(path: &Path, depth: usize, found: Found<'_>) -> ControlFlow<()> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return found(Err(Trouble::new(path, Why::Read(error)))),
    };
    if !metadata.is_dir() {
        // Whoever names a device or a pipe on the command line means it.
        let special = depth > 0 && !metadata.is_file();
        return found(if special {
            Err(Trouble::new(path, Why::Special))
        } else {
            Ok(path.to_owned())
        });
    }
    if depth >= MAX_DEPTH {
        return found(Err(Trouble::new(path, Why::Deep)));
    }
    match entries(path) {
        Err(error) => found(Err(Trouble::new(path, Why::List(error)))),
        Ok(entries) => entries
            .iter()
            .filter(|entry| is_wanted(entry))
            .try_for_each(|entry| walk(entry, depth + 1, found)),
    }
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Whether an entry of a directory is followed or read.
fn is_wanted(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let manifest = path
        .extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| EXTENSIONS.contains(&extension));
    let directory = path.is_dir();
    !hidden && ((directory && !path.is_symlink()) || (manifest && !directory))
}

/// The text of a file of at most `limit` octets.
///
/// # Errors
/// It cannot be read, is larger, or is not UTF-8.
pub fn read(path: &Path, limit: u64) -> Result<String, Trouble> {
    fs::File::open(path)
        .map_err(Why::Read)
        .and_then(|mut file| read_from(&mut file, limit))
        .map_err(|why| Trouble::new(path, why))
}

/// The text of at most `limit` octets that comes from `source`.
///
/// # Errors
/// As [`read`].
pub fn read_from(source: &mut dyn Read, limit: u64) -> Result<String, Why> {
    let mut octets = Vec::new();
    source
        .take(limit.saturating_add(1))
        .read_to_end(&mut octets)
        .map_err(Why::Read)?;
    if octets.len() as u64 > limit {
        return Err(Why::Large(limit));
    }
    String::from_utf8(octets).map_err(|error| Why::NotText(error.utf8_error().valid_up_to()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Files and troubles below `root`, by their path in it.
    fn seen(root: &Path, paths: &[PathBuf]) -> Vec<String> {
        let mut out = Vec::new();
        let name = |path: &Path| match path.strip_prefix(root) {
            Ok(path) => path.display().to_string(),
            Err(_) => path.display().to_string(),
        };
        files(paths, &mut |file| {
            out.push(match file {
                Ok(path) => name(&path),
                Err(trouble) => format!("{}: {}", name(&trouble.path), trouble.why),
            });
            ControlFlow::Continue(())
        });
        out
    }

    fn put(root: &Path, name: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("folder");
        fs::write(path, name).expect("file");
    }

    #[test]
    fn directories_are_read_to_the_bottom_in_order_and_links_once() {
        let dir = tempfile::tempdir().expect("directory");
        let root = dir.path();
        put(root, "..2026_11_22/a.yaml");
        symlink("..2026_11_22", root.join("..data")).expect("link");
        symlink("..data/a.yaml", root.join("a.yaml")).expect("link");
        for name in [
            "pack/deep/c.json",
            "pack/b.yml",
            "README.md",
            "named.txt",
            ".git/config.yaml",
        ] {
            put(root, name);
        }
        let named = root.join("named.txt");
        let paths = [root.to_owned(), named.clone(), named];
        assert_eq!(
            seen(root, &paths),
            ["a.yaml", "pack/b.yml", "pack/deep/c.json", "named.txt"]
        );
    }

    #[test]
    fn links_that_lead_back_are_not_followed() {
        let dir = tempfile::tempdir().expect("directory");
        let root = dir.path();
        put(root, "a.yaml");
        // Followed, two links would be read two to the power of the depth times.
        symlink(root, root.join("again")).expect("link");
        symlink(root, root.join("once-more")).expect("link");
        symlink("round.yaml", root.join("round.yaml")).expect("link");
        let seen = seen(root, &[root.to_owned()]);
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert_eq!(seen[0], "a.yaml");
        assert!(
            seen[1].starts_with("round.yaml: cannot be read: "),
            "{seen:?}"
        );
    }

    #[test]
    fn devices_and_pipes_in_a_directory_are_not_opened() {
        let dir = tempfile::tempdir().expect("directory");
        symlink("/dev/zero", dir.path().join("endless.yaml")).expect("link");
        assert_eq!(
            seen(dir.path(), &[dir.path().to_owned()]),
            ["endless.yaml: neither a file nor a directory; name it to have it read"]
        );
    }

    #[test]
    fn a_tree_without_bottom_ends() {
        let dir = tempfile::tempdir().expect("directory");
        let mut deep = dir.path().to_owned();
        for _ in 0..MAX_DEPTH {
            deep.push("d");
        }
        fs::create_dir_all(&deep).expect("folders");
        let seen = seen(dir.path(), &[dir.path().to_owned()]);
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert!(
            seen[0].ends_with(": directories nest deeper than 32; name the inner one"),
            "{seen:?}"
        );
    }

    #[test]
    fn whoever_asks_can_stop() {
        let dir = tempfile::tempdir().expect("directory");
        for name in ["a.yaml", "b.yaml", "c/d.yaml"] {
            put(dir.path(), name);
        }
        let mut count = 0;
        files(&[dir.path().to_owned()], &mut |_| {
            count += 1;
            if count == 2 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_eq!(count, 2);
    }

    #[test]
    fn texts_are_bounded_and_utf8() {
        let text = |octets: &[u8]| read_from(&mut &*octets, 4).map_err(|why| why.to_string());
        assert_eq!(text(b"abcd"), Ok("abcd".to_owned()));
        assert_eq!(
            text(b"abcde"),
            Err("larger than 0 MiB; split it".to_owned())
        );
        assert_eq!(
            text(b"ab\xff"),
            Err("not UTF-8 at byte 2; save it as UTF-8".to_owned())
        );
        let endless = read(Path::new("/dev/zero"), 4).expect_err("endless");
        assert_eq!(
            endless.to_string(),
            "/dev/zero: larger than 0 MiB; split it"
        );
        let missing = read(Path::new("/no/such/file.yaml"), 4).expect_err("missing");
        assert!(
            missing
                .to_string()
                .starts_with("/no/such/file.yaml: cannot be read: "),
            "{missing}"
        );
    }
}
