use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::tls::resolver::provider;
use crate::tls::rotate::Bundle;
use crate::tls::testing;

/// A directory laid out as the kubelet lays out a Secret: files are links through `..data`.
struct Mounted {
    dir: tempfile::TempDir,
    version: usize,
}

impl Mounted {
    fn new(bundle: &Bundle) -> Self {
        let dir = tempfile::tempdir().expect("directory");
        let mut mounted = Self { dir, version: 0 };
        mounted.swap(bundle);
        for name in ["tls.crt", "tls.key", "ca.crt"] {
            symlink(format!("..data/{name}"), mounted.dir.path().join(name)).expect("link");
        }
        mounted
    }

    /// Replaces all files in one step, as the kubelet does.
    fn swap(&mut self, bundle: &Bundle) {
        self.version += 1;
        let root = self.dir.path();
        let name = format!("..version-{}", self.version);
        fs::create_dir(root.join(&name)).expect("directory");
        for (key, text) in bundle.to_entries() {
            fs::write(root.join(&name).join(key), text).expect("file");
        }
        symlink(&name, root.join("..data_tmp")).expect("link");
        fs::rename(root.join("..data_tmp"), root.join("..data")).expect("rename");
    }

    fn overwrite(&self, file: &str, text: &str) {
        fs::write(self.dir.path().join("..data").join(file), text).expect("file");
    }
}

struct Following {
    follower: Follower,
    resolver: Arc<Resolver>,
    readiness: Arc<Readiness>,
    metrics: Metrics,
    authority: watch::Receiver<Option<String>>,
}

fn follow(directory: &Path, clock: fn() -> Timestamp) -> Following {
    let (sender, authority) = watch::channel(None);
    let resolver = Arc::new(Resolver::default());
    let readiness = Arc::new(Readiness::new(&[PART]));
    let metrics = Metrics::new();
    let sinks = Sinks {
        resolver: Arc::clone(&resolver),
        metrics: metrics.clone(),
        readiness: Arc::clone(&readiness),
        authority: sender,
    };
    let follower = Follower::new(directory.to_owned(), provider(), sinks, clock);
    Following {
        follower,
        resolver,
        readiness,
        metrics,
        authority,
    }
}

impl Following {
    fn failures(&self, reason: &'static str) -> u64 {
        self.metrics
            .certificate_failures
            .get_or_create_owned(&ReasonLabels { reason })
            .get()
    }

    fn used(&self) -> Option<String> {
        let (files, _) = self.follower.used.as_ref()?;
        Some(files.certificate.clone())
    }
}

#[tokio::test]
async fn a_swapped_secret_is_noticed_and_its_authority_announced() {
    let first = testing::bundle();
    let mut mounted = Mounted::new(&first);
    let following = follow(mounted.dir.path(), Timestamp::now);
    let mut authority = following.authority.clone();
    let task = tokio::spawn(following.follower.run());
    let patience = Duration::from_secs(20);
    let seen = tokio::time::timeout(patience, authority.wait_for(Option::is_some))
        .await
        .expect("in time")
        .expect("follower")
        .clone();
    assert_eq!(seen, Some(first.ca_bundle()));
    let second = testing::bundle();
    mounted.swap(&second);
    tokio::time::timeout(
        patience,
        authority.wait_for(|pem| pem.as_ref() == Some(&second.ca_bundle())),
    )
    .await
    .expect("in time")
    .expect("follower");
    task.abort();
}

#[test]
fn a_bad_new_pair_keeps_the_old_and_says_why_once() {
    let good = testing::bundle();
    let mut mounted = Mounted::new(&good);
    let mut following = follow(mounted.dir.path(), Timestamp::now);
    following.follower.look();
    assert!(following.readiness.is_ready());
    assert_eq!(following.used(), Some(good.serving.certificate.clone()));

    let mut mismatched = testing::bundle();
    mismatched.serving.key = good.serving.key.clone();
    mounted.swap(&mismatched);
    following.follower.look();
    following.follower.look();
    assert_eq!(following.failures("mismatch"), 1, "reported once");

    mounted.overwrite("tls.crt", "half a certif");
    following.follower.look();
    assert_eq!(following.failures("pem"), 1);

    mounted.swap(&testing::expired());
    following.follower.look();
    assert_eq!(following.failures("expired"), 1);

    fs::remove_file(mounted.dir.path().join("tls.key")).expect("removed");
    following.follower.look();
    assert_eq!(following.failures("read"), 1);

    assert_eq!(following.used(), Some(good.serving.certificate));
    assert!(following.readiness.is_ready(), "the old one still serves");
    assert!(following.resolver.is_loaded());
}

#[test]
fn an_expired_certificate_is_never_served_and_the_probe_says_so() {
    let mounted = Mounted::new(&testing::expired());
    let mut following = follow(mounted.dir.path(), Timestamp::now);
    following.follower.look();
    assert!(!following.resolver.is_loaded());
    let reason = following.readiness.reason(PART).expect("not ready");
    assert!(
        reason.contains("tls.crt has expired: it was valid until "),
        "{reason}"
    );
    assert!(reason.ends_with("replace it"), "{reason}");
}

#[test]
fn when_the_pair_in_use_ends_the_process_is_no_longer_ready() {
    fn next_year() -> Timestamp {
        Timestamp::now() + jiff::SignedDuration::from_hours(365 * 24)
    }
    let mounted = Mounted::new(&testing::bundle());
    let mut following = follow(mounted.dir.path(), Timestamp::now);
    following.follower.look();
    assert!(following.readiness.is_ready());
    following.follower.clock = next_year;
    following.follower.look();
    assert!(!following.readiness.is_ready());
    assert_eq!(following.failures("expired"), 1);
}

#[test]
fn a_missing_directory_is_named() {
    let mut following = follow(Path::new("/nonexistent/certs"), Timestamp::now);
    following.follower.look();
    let reason = following.readiness.reason(PART).expect("not ready");
    assert!(
        reason.starts_with("cannot read /nonexistent/certs/tls.crt: "),
        "{reason}"
    );
}
