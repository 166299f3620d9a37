//! Which rules the cases of a suite exercise: a rule that nothing ever fails, or nothing ever passes, is untested.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::verdict::{Mutated, Outcome, Rule, Verdict};

use super::super::set::Set;
use super::super::source::{Body, Policy};

/// What the cases made of one rule. A mutating policy counts as one rule: it fails where it changes the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleUse {
    /// Policy name.
    pub policy: String,
    /// Which rule.
    pub rule: Rule,
    /// Its name, where the policy gives one.
    pub name: Option<String>,
    /// File of the policy.
    pub file: Option<String>,
    /// Line of the rule.
    pub line: Option<u32>,
    /// Cases that it does not hold in or, for a mutating policy, that it changes.
    pub failed: usize,
    /// Cases that it holds in or, for a mutating policy, that it leaves as they are.
    pub passed: usize,
}

/// Counts on the way through a suite.
pub(super) struct Coverage {
    rows: BTreeMap<Key, RuleUse>,
    /// Rules that are `false` as such: match conditions alone decide, and where they spare a request the rule holds.
    constant: BTreeSet<Key>,
}

/// Whether the policy changes objects, its name, the rule.
type Key = (bool, String, Rule);

impl Coverage {
    /// Every rule of the set, not used yet.
    pub(super) fn new(set: &Set) -> Self {
        let mut coverage = Self {
            rows: BTreeMap::new(),
            constant: BTreeSet::new(),
        };
        for policy in set.policies() {
            for (rule, constant) in rules(policy) {
                let key = (policy.mutates(), policy.name.clone(), rule.clone());
                if constant {
                    coverage.constant.insert(key.clone());
                }
                coverage.rows.insert(key, row(policy, rule));
            }
        }
        coverage
    }

    /// Counts one case.
    pub(super) fn record(&mut self, set: &Set, mutated: &Mutated, verdict: &Verdict) {
        // Several bindings and parameters judge one rule: a case counts once on each side.
        let outcomes: BTreeSet<(bool, &str, &Rule)> = verdict
            .findings
            .iter()
            .filter(|finding| matches!(finding.outcome, Outcome::Fail | Outcome::Pass))
            .map(|finding| {
                let failed = finding.outcome == Outcome::Fail;
                (failed, finding.policy.as_str(), &finding.rule)
            })
            .collect();
        for (failed, policy, rule) in outcomes {
            self.count((false, policy.to_owned(), rule.clone()), failed);
        }
        let skipped = |policy: &str| {
            let mut findings = verdict.findings.iter();
            findings.any(|one| one.outcome == Outcome::Skip && one.policy == policy)
        };
        let spared = self.constant.iter().filter(|key| skipped(&key.1));
        for key in spared.cloned().collect::<Vec<_>>() {
            self.count(key, false);
        }
        let changing: BTreeSet<&str> = mutated.steps.iter().map(|step| &*step.policy).collect();
        let unbound = set.unbound().iter().map(|policy| &*policy.name);
        let unbound: BTreeSet<&str> = unbound.collect();
        for policy in set.policies().filter(|policy| policy.mutates()) {
            let name = policy.name.as_str();
            if !unbound.contains(name) {
                let key = (true, name.to_owned(), Rule::MutatingPolicy);
                self.count(key, changing.contains(name));
            }
        }
    }

    fn count(&mut self, key: Key, failed: bool) {
        if let Some(row) = self.rows.get_mut(&key) {
            row.failed += usize::from(failed);
            row.passed += usize::from(!failed);
        }
    }

    /// All rows: validating policies first, by name and index.
    pub(super) fn finish(self) -> Vec<RuleUse> {
        self.rows.into_values().collect()
    }
}

/// The rules of a policy, and whether each is `false` as such.
fn rules(policy: &Policy) -> Vec<(Rule, bool)> {
    match &policy.body {
        Body::Validating { validations, .. } => (0..)
            .map(Rule::Validation)
            .zip(validations)
            .map(|(rule, validation)| (rule, validation.expression.text.trim() == "false"))
            .collect(),
        Body::Mutating { .. } => vec![(Rule::MutatingPolicy, false)],
    }
}

fn row(policy: &Policy, rule: Rule) -> RuleUse {
    RuleUse {
        policy: policy.name.clone(),
        name: policy.rule_name(&rule).map(str::to_owned),
        file: policy.origin.file().map(ToString::to_string),
        line: policy
            .origin
            .position(&policy.rule_path(&rule))
            .map(|at| at.line),
        rule,
        failed: 0,
        passed: 0,
    }
}
