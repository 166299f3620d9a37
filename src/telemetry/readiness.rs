//! Whether the process can decide, part by part, each with the reason why not.
//!
//! Every part that must be loaded before the first decision is named at construction; the process is ready when all
//! of them are. Writers are the tasks that load; readers are the probes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use arc_swap::ArcSwap;

/// Longest reason kept; a reason is a sentence for a probe's output, not a log.
const REASON_LIMIT: usize = 2_000;

/// How a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Not ready, with the reason.
    Waiting(String),
    /// Ready, with what should be known all the same.
    Ready(Option<String>),
}

/// The parts of the process that must be ready, and which of them are.
#[derive(Debug)]
pub struct Readiness {
    parts: ArcSwap<BTreeMap<&'static str, State>>,
}

impl Readiness {
    /// Names the parts; none of them is ready yet.
    #[must_use]
    pub fn new(parts: &[&'static str]) -> Self {
        let parts = parts
            .iter()
            .map(|part| (*part, State::Waiting("not loaded yet".to_owned())))
            .collect();
        Self {
            parts: ArcSwap::from_pointee(parts),
        }
    }

    /// Marks `part` as ready.
    pub fn ready(&self, part: &'static str) {
        self.set(part, State::Ready(None));
    }

    /// Marks `part` as ready, with a remark for whoever looks at the probe.
    pub fn ready_except(&self, part: &'static str, remark: impl Into<String>) {
        self.set(part, State::Ready(Some(bounded(remark.into()))));
    }

    /// Marks `part` as not ready, and says why.
    pub fn waiting(&self, part: &'static str, reason: impl Into<String>) {
        self.set(part, State::Waiting(bounded(reason.into())));
    }

    fn set(&self, part: &'static str, state: State) {
        let changed = self.parts.load().get(part) != Some(&state);
        if changed {
            self.parts.rcu(|parts| {
                let mut parts = BTreeMap::clone(parts);
                parts.insert(part, state.clone());
                parts
            });
        }
    }

    /// Whether every part is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let ready = |state: &State| matches!(state, State::Ready(_));
        self.parts.load().values().all(ready)
    }

    /// Why `part` is not ready; `None` when it is.
    #[must_use]
    pub fn reason(&self, part: &str) -> Option<String> {
        match self.parts.load().get(part) {
            Some(State::Waiting(reason)) => Some(reason.clone()),
            _ => None,
        }
    }

    /// One line per part, `[+]part ok`, `[+]part ok: remark` or `[-]part: reason`, as the probes of Kubernetes itself
    /// print them.
    #[must_use]
    pub fn report(&self) -> String {
        let mut out = String::new();
        let parts = self.parts.load();
        for (part, state) in parts.iter() {
            let _infallible = match state {
                State::Ready(None) => writeln!(out, "[+]{part} ok"),
                State::Ready(Some(remark)) => writeln!(out, "[+]{part} ok: {remark}"),
                State::Waiting(reason) => writeln!(out, "[-]{part}: {reason}"),
            };
        }
        out
    }
}

/// At most [`REASON_LIMIT`] bytes of a text, cut between characters.
fn bounded(mut text: String) -> String {
    if text.len() > REASON_LIMIT {
        let end = text.floor_char_boundary(REASON_LIMIT);
        text.truncate(end);
        text.push('…');
    }
    text
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
    fn a_remark_is_shown_and_does_not_take_the_readiness_away() {
        let readiness = Readiness::new(&["policies"]);
        readiness.ready_except("policies", "SandboxPolicy/x cannot be used");
        assert!(readiness.is_ready());
        assert_eq!(readiness.reason("policies"), None);
        assert_eq!(
            readiness.report(),
            "[+]policies ok: SandboxPolicy/x cannot be used\n"
        );
        readiness.ready("policies");
        assert_eq!(readiness.report(), "[+]policies ok\n");
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
