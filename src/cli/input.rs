//! Reading manifests and policies from files, directories and standard input.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::report::document::Problem;

/// Largest file read, in bytes. Rendered charts of whole platforms stay under 20 MB; more is a wrong file.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// Deepest directory nesting followed.
const MAX_DEPTH: usize = 32;

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

/// All files below the given paths, in sorted order, and what could not be read.
///
/// A directory is read recursively for `.yaml`, `.yml` and `.json`; a file is read whatever its name; `-` is standard
/// input. Hidden directories and links to directories are not followed.
pub fn read_all(paths: &[PathBuf], stdin: &mut dyn Read) -> (Vec<InputFile>, Vec<Problem>) {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            collect(read_text(STDIN, stdin), &mut files, &mut problems);
        } else {
            walk(path, 0, &mut files, &mut problems);
        }
    }
    (files, problems)
}

fn collect(
    read: Result<InputFile, Problem>,
    files: &mut Vec<InputFile>,
    problems: &mut Vec<Problem>,
) {
    match read {
        Ok(file) if files.iter().any(|known| known.name == file.name) => {}
        Ok(file) => files.push(file),
        Err(problem) => problems.push(problem),
    }
}

fn walk(path: &Path, depth: usize, files: &mut Vec<InputFile>, problems: &mut Vec<Problem>) {
    let name = path.display().to_string();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return problems.push(problem(&name, format!("cannot be read: {error}"))),
    };
    // A pipe would be waited for, a device has no end. Whoever names one on the command line means it.
    if depth > 0 && !metadata.is_dir() && !metadata.is_file() {
        let message = "neither a file nor a directory; name it to have it read".to_owned();
        return problems.push(problem(&name, message));
    }
    if !metadata.is_dir() {
        let read = fs::File::open(path)
            .map_err(|error| problem(&name, format!("cannot be read: {error}")))
            .and_then(|mut file| read_text(&name, &mut file));
        return collect(read, files, problems);
    }
    if depth >= MAX_DEPTH {
        let message = format!("directories nest deeper than {MAX_DEPTH}; name the inner one");
        return problems.push(problem(&name, message));
    }
    let entries = fs::read_dir(path).and_then(|entries| {
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()?;
        paths.sort();
        Ok(paths)
    });
    match entries {
        Ok(entries) => {
            for entry in entries.iter().filter(|entry| wanted(entry)) {
                walk(entry, depth + 1, files, problems);
            }
        }
        Err(error) => problems.push(problem(&name, format!("cannot be listed: {error}"))),
    }
}

/// Whether an entry of a directory is followed or read.
fn wanted(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let manifest = path
        .extension()
        .is_some_and(|ext| ext == "yaml" || ext == "yml" || ext == "json");
    let directory = path.is_dir() && !path.is_symlink();
    !hidden && (directory || (manifest && !path.is_dir()))
}

/// The whole text of `source`, which must be UTF-8 of at most [`MAX_FILE_BYTES`].
///
/// # Errors
/// What is wrong with it.
pub fn read_text(name: &str, source: &mut dyn Read) -> Result<InputFile, Problem> {
    let mut bytes = Vec::new();
    source
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| problem(name, format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let limit = MAX_FILE_BYTES >> 20;
        return Err(problem(name, format!("larger than {limit} MiB; split it")));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        problem(name, format!("not UTF-8 at byte {at}; save it as UTF-8"))
    })?;
    Ok(InputFile {
        name: name.to_owned(),
        text,
    })
}

fn problem(file: &str, message: String) -> Problem {
    Problem {
        file: file.to_owned(),
        line: None,
        column: None,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_read_in_order_and_hidden_ones_left_alone() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("inside the folder")).expect("folder");
            fs::write(path, text).expect("file");
        };
        put("b.yaml", "b");
        put("a/x.json", "x");
        put("a/readme.md", "no");
        put(".git/config.yaml", "no");
        let (files, problems) = read_all(&[dir.path().to_owned()], &mut std::io::empty());
        assert_eq!(problems, []);
        let texts: Vec<&str> = files.iter().map(|file| file.text.as_str()).collect();
        assert_eq!(texts, ["x", "b"]);
    }

    #[cfg(unix)]
    #[test]
    fn devices_and_pipes_in_a_directory_are_not_opened() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let link = dir.path().join("endless.yaml");
        std::os::unix::fs::symlink("/dev/zero", &link).expect("link");
        let (files, problems) = read_all(&[dir.path().to_owned()], &mut std::io::empty());
        assert_eq!(files, []);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].file, link.display().to_string());
        assert_eq!(
            problems[0].message,
            "neither a file nor a directory; name it to have it read"
        );
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
