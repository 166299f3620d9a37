//! Whether the process can decide, part by part, each with the reason why not.
//!
//! Every part that must be loaded before the first decision is named at construction; the process is ready when all
//! of them are. Writers are the tasks that load; readers are the probes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use arc_swap::ArcSwap;

/// Longest reason kept; a reason is a sentence for a probe's output, not a log.
const REASON_LIMIT: usize = 2_000;

/// The parts of the process that must be ready, and which of them are.
#[derive(Debug)]
pub struct Readiness {
    parts: ArcSwap<BTreeMap<&'static str, Option<String>>>,
}

impl Readiness {
    /// Names the parts; none of them is ready yet.
    #[must_use]
    pub fn new(parts: &[&'static str]) -> Self {
        let parts = parts
            .iter()
            .map(|part| (*part, Some("not loaded yet".to_owned())))
            .collect();
        Self {
            parts: ArcSwap::from_pointee(parts),
        }
    }

    /// Marks `part` as ready.
    pub fn ready(&self, part: &'static str) {
        self.set(part, None);
    }

    /// Marks `part` as not ready, and says why.
    pub fn waiting(&self, part: &'static str, reason: impl Into<String>) {
        let mut reason = reason.into();
        if reason.len() > REASON_LIMIT {
            let end = reason.floor_char_boundary(REASON_LIMIT);
            reason.truncate(end);
            reason.push('…');
        }
        self.set(part, Some(reason));
    }

    fn set(&self, part: &'static str, reason: Option<String>) {
        let changed = self.parts.load().get(part) != Some(&reason);
        if changed {
            self.parts.rcu(|parts| {
                let mut parts = BTreeMap::clone(parts);
                parts.insert(part, reason.clone());
                parts
            });
        }
    }

    /// Whether every part is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.parts.load().values().all(Option::is_none)
    }

    /// Why `part` is not ready; `None` when it is.
    #[must_use]
    pub fn reason(&self, part: &str) -> Option<String> {
        self.parts.load().get(part).cloned().flatten()
    }

    /// One line per part, `[+]part ok` or `[-]part: reason`, as the probes of Kubernetes itself print them.
    #[must_use]
    pub fn report(&self) -> String {
        let mut out = String::new();
        let parts = self.parts.load();
        for (part, reason) in parts.iter() {
            let _infallible = match reason {
                None => writeln!(out, "[+]{part} ok"),
                Some(reason) => writeln!(out, "[-]{part}: {reason}"),
            };
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_every_part_and_the_report_says_which_is_not() {
        let readiness = Readiness::new(&["policies", "namespaces"]);
        assert!(!readiness.is_ready());
        readiness.ready("policies");
        readiness.waiting("namespaces", "connection refused");
        assert!(!readiness.is_ready());
        assert_eq!(
            readiness.report(),
            "[-]namespaces: connection refused\n[+]policies ok\n"
        );
        readiness.ready("namespaces");
        assert!(readiness.is_ready());
        readiness.waiting("shutdown", "stopping");
        assert!(!readiness.is_ready());
        assert_eq!(readiness.reason("shutdown").as_deref(), Some("stopping"));
    }

    #[test]
    fn a_reason_is_bounded_and_stays_text() {
        let readiness = Readiness::new(&["policies"]);
        readiness.waiting("policies", "é".repeat(5_000));
        let reason = readiness.reason("policies").expect("waiting");
        assert!(reason.len() <= REASON_LIMIT + '…'.len_utf8());
        assert!(reason.ends_with('…'));
    }
}
