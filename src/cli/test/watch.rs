//! `--watch`: runs again when a file that was read has changed.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use super::super::{Exit, print};
use super::{TestArgs, show, suites};
use crate::cli::input::MAX_FILE_BYTES;
use crate::config::files::Changes;
use crate::config::walk;

/// How often files are looked at where the kernel does not tell of changes.
const POLL: Duration = Duration::from_secs(2);

/// Hashes of texts, by file; files that cannot be read have none.
type Contents = BTreeMap<PathBuf, Option<u64>>;

/// Runs until interrupted; the exit code is that of the last run.
///
/// # Errors
/// Stdout cannot be written, or the program cannot wait for changes.
pub fn run(args: &TestArgs, colour: bool) -> anyhow::Result<Exit> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot wait for changes")?
        .block_on(repeat(args, colour))
}

async fn repeat(args: &TestArgs, colour: bool) -> anyhow::Result<Exit> {
    let mut paths = args.paths.clone();
    loop {
        // Both begin before the run: what changes under it is seen afterwards.
        let mut changes = Changes::watch(&paths, POLL);
        let before = contents(&paths);
        let ran = suites::run(&args.paths, args.run.as_ref());
        let used: Vec<PathBuf> = ran.used.iter().cloned().collect();
        if paths != used {
            // Only a run tells what to watch.
            paths = used;
            continue;
        }
        let exit = show(args, &ran, colour)?;
        eprintln!("watching {} files; press Ctrl-C to end", before.len());
        let changed = loop {
            tokio::select! {
                ended = tokio::signal::ctrl_c() => {
                    ended.context("cannot wait for the end")?;
                    return Ok(exit);
                }
                () = changes.changed() => {}
            }
            let after = contents(&paths);
            if let Some(name) = difference(&before, &after) {
                break name;
            }
        };
        print(&format!("\n{} changed\n", changed.display()))?;
    }
}

/// The first file that is new, gone or other than before.
fn difference(before: &Contents, after: &Contents) -> Option<PathBuf> {
    let changed = |(path, hash): &(&PathBuf, &Option<u64>)| before.get(*path) != Some(*hash);
    let gone = before.keys().find(|path| !after.contains_key(*path));
    let other = after.iter().find(changed).map(|(path, _)| path);
    gone.or(other).cloned()
}

fn contents(paths: &[PathBuf]) -> Contents {
    let mut out = Contents::new();
    walk::files(paths, &mut |file| {
        match file {
            Ok(path) => {
                let text = walk::read(&path, MAX_FILE_BYTES).ok();
                let hash = text.map(|text| {
                    let mut hasher = DefaultHasher::new();
                    hasher.write(text.as_bytes());
                    hasher.finish()
                });
                out.insert(path, hash);
            }
            Err(trouble) => {
                out.insert(trouble.path, None);
            }
        }
        ControlFlow::Continue(())
    });
    out
}
