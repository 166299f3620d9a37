//! Notices that something under a directory may have changed.
//!
//! Kernel notifications make it quick, a timer makes it certain: a mounted Secret or ConfigMap is replaced by renaming
//! a link, which a watch on the file itself never sees, network file systems send no notifications at all, and the
//! number of kernel watches is limited. So directories are watched, never files, and readers compare contents.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};

/// How long to wait after a notification for the rest of the burst: a Secret update is five or more events.
const SETTLE: Duration = Duration::from_millis(50);

/// A subscription to changes under some paths.
#[derive(Debug)]
pub struct Changes {
    events: mpsc::Receiver<()>,
    timer: Interval,
    /// Held for its life: dropping it ends the kernel watches.
    watcher: Option<RecommendedWatcher>,
}

impl Changes {
    /// Watches `paths` (directories with what is below them; for a file, the directory that holds it) and looks again
    /// every `poll` even without a notification. The first [`Changes::changed`] comes after a change or `poll`.
    #[must_use]
    pub fn watch(paths: &[PathBuf], poll: Duration) -> Self {
        // One slot: a notification that meets a waiting one says nothing new.
        let (sender, events) = mpsc::channel(1);
        let mut timer = tokio::time::interval_at(tokio::time::Instant::now() + poll, poll);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let handler = move |event: notify::Result<notify::Event>| {
            if event.is_err() || event.is_ok_and(|event| !event.kind.is_access()) {
                let _full_means_already_told = sender.try_send(());
            }
        };
        let mut watcher = match notify::recommended_watcher(handler) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "no kernel notifications for files, looking at intervals only");
                None
            }
        };
        if let Some(watcher) = &mut watcher {
            for path in paths {
                let (path, mode) = target(path);
                if let Err(error) = watcher.watch(path, mode) {
                    tracing::warn!(path = %path.display(), %error, "cannot watch, looking at intervals only");
                }
            }
        }
        Self {
            events,
            timer,
            watcher,
        }
    }

    /// Waits until something may have changed.
    pub async fn changed(&mut self) {
        let notified = async {
            // `recv` gives nothing once the watcher is gone; the timer alone decides then.
            match self.watcher {
                Some(_) => self.events.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            told = notified => {
                if told.is_none() {
                    self.watcher = None;
                }
                tokio::time::sleep(SETTLE).await;
                while self.events.try_recv().is_ok() {}
            }
            _ = self.timer.tick() => {}
        }
    }
}

fn target(path: &Path) -> (&Path, RecursiveMode) {
    if path.is_dir() {
        return (path, RecursiveMode::Recursive);
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    (parent, RecursiveMode::NonRecursive)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::from_secs(3_600);
    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_renamed_link_counts_as_a_change() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path();
        std::fs::create_dir(path.join("one")).expect("directory");
        std::fs::create_dir(path.join("two")).expect("directory");
        std::os::unix::fs::symlink("one", path.join("..data")).expect("link");
        let mut changes = Changes::watch(&[path.to_owned()], NEVER);
        std::os::unix::fs::symlink("two", path.join("..tmp")).expect("link");
        std::fs::rename(path.join("..tmp"), path.join("..data")).expect("rename");
        tokio::time::timeout(PATIENCE, changes.changed())
            .await
            .expect("noticed");
    }

    #[tokio::test(start_paused = true)]
    async fn without_notifications_the_timer_still_comes() {
        let missing = PathBuf::from("/nonexistent-directory/file");
        let mut changes = Changes::watch(&[missing], Duration::from_secs(10));
        let before = tokio::time::Instant::now();
        changes.changed().await;
        assert_eq!(before.elapsed(), Duration::from_secs(10));
    }
}
