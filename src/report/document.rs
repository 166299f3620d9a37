//! The one document behind every output of `check`.
//!
//! Versioned by [`VERSION`]: within a version fields are added, never renamed.

use serde::Serialize;

use crate::model::json::Json;
use crate::model::verdict::{Action, Exempt, Finding, Outcome, Rule, Severity};

/// Version of the document's shape.
pub const VERSION: &str = "v1";

/// The whole answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// [`VERSION`].
    pub version: &'static str,
    /// Counts by verdict.
    pub summary: Summary,
    /// What was used to judge.
    pub policy_set: PolicySet,
    /// One row per object, policy, binding and rule; sorted. Passing rows only when asked for.
    pub results: Vec<Row>,
    /// What the mutating policies would change; one row per object and policy.
    pub mutations: Vec<MutationRow>,
    /// Objects that policies are about and leave alone; one row per object.
    pub exemptions: Vec<ExemptionRow>,
    /// What could not be read or judged at all.
    pub problems: Vec<Problem>,
}

/// Counts. Objects count once each, rules once per row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Objects judged.
    pub objects: usize,
    /// Objects that would be refused.
    pub denied: usize,
    /// Objects that the mutations change.
    pub mutated: usize,
    /// Objects that policies are about and leave alone.
    pub exempt: usize,
    /// Rules that hold.
    pub pass: usize,
    /// Rules that do not hold, whatever their action.
    pub fail: usize,
    /// Rules that were skipped.
    pub skip: usize,
    /// Rules that could not be judged, and inputs that could not be read.
    pub error: usize,
}

/// The policies in force.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicySet {
    /// Fingerprint of policies, bindings and parameters.
    pub fingerprint: String,
    /// Where they came from, in order of loading.
    pub sources: Vec<String>,
    /// Names of the profiles bound.
    pub profiles: Vec<String>,
    /// What the type checker says about the policies, in the order of policies and their fields; absent when it has
    /// nothing to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<TypeWarning>,
}

/// An expression of a policy that cannot be right for the kinds that the policy matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeWarning {
    /// Kind and name of the policy: `ValidatingAdmissionPolicy/x`.
    pub policy: String,
    /// The field that holds the expression, such as `spec.validations[0].expression`.
    pub field: String,
    /// The kinds for which it is wrong, as `apiVersion Kind`.
    pub kinds: Vec<String>,
    /// What is wrong, in the API server's words.
    pub message: String,
    /// File of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line of the mistake in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column of the mistake in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Line of the mistake inside the expression, from 1.
    pub expression_line: u32,
    /// Column of the mistake inside the expression, from 1.
    pub expression_column: u32,
    /// Whether the API server warns of this and nothing is wrong: it has no type for a field that is there.
    pub false_alarm: bool,
}

/// The object a row is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// File it was read from, `<stdin>` for standard input.
    pub file: String,
    /// Line of the document in the file, from 1.
    pub line: u32,
    /// `apiVersion` as written.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Name, or generateName.
    pub name: String,
}

/// Which rule of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleRef {
    /// `validation`, `auditAnnotation`, `mutation`, `policy` or `schema`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Index in its list; absent when the rule is the policy or the schema as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// Name, where the policy gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl From<&Rule> for RuleRef {
    fn from(rule: &Rule) -> Self {
        let (kind, index) = match rule {
            Rule::Validation(index) => ("validation", Some(*index)),
            Rule::AuditAnnotation(index) => ("auditAnnotation", Some(*index)),
            Rule::Mutation(index) => ("mutation", Some(*index)),
            Rule::Policy | Rule::MutatingPolicy => ("policy", None),
        };
        Self {
            kind,
            index,
            name: None,
        }
    }
}

/// One rule judged for one object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// What was judged.
    pub object: ObjectRef,
    /// Policy name; `schema` for violations of the resource's own schema.
    pub policy: String,
    /// Binding name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<String>,
    /// Which rule.
    pub rule: RuleRef,
    /// Strongest action of the binding.
    pub action: Action,
    /// How it came out.
    pub verdict: Outcome,
    /// Whether this row refuses the object.
    pub denies: bool,
    /// The rule's message.
    pub message: String,
    /// Status reason.
    pub reason: String,
    /// HTTP status code of the refusal.
    pub code: u16,
    /// The offending field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its value; absent when the field is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Json<'static>>,
    /// Line of the field in the manifest (of its nearest parent when it is absent there).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column of the field in the manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// File of the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_file: Option<String>,
    /// Line of the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_line: Option<u32>,
    /// How bad.
    pub severity: Severity,
    /// The exception that made this a skip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
}

impl Row {
    /// A row from a judge's finding; positions, severity and exception are the caller's to fill.
    #[must_use]
    pub fn from_finding(object: ObjectRef, finding: &Finding) -> Self {
        Self {
            object,
            policy: finding.policy.clone(),
            binding: finding.binding.clone(),
            rule: RuleRef::from(&finding.rule),
            action: finding.actions.first().copied().unwrap_or(Action::Deny),
            verdict: finding.outcome,
            denies: finding.denies,
            message: finding.message.clone(),
            reason: format!("{:?}", finding.reason),
            code: finding.reason.code(),
            path: finding.blame.as_ref().map(|blame| blame.path.to_string()),
            value: finding.blame.as_ref().and_then(|blame| blame.value.clone()),
            line: None,
            column: None,
            rule_file: None,
            rule_line: None,
            severity: Severity::default(),
            exception: None,
        }
    }

    /// What rows are sorted by: object, policy, binding, rule.
    #[must_use]
    pub fn order(&self) -> impl Ord + '_ {
        (
            &self.object,
            &self.policy,
            &self.binding,
            &self.rule,
            &self.path,
        )
    }
}

/// The change one policy makes to one object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MutationRow {
    /// What is changed.
    pub object: ObjectRef,
    /// By which policy.
    pub policy: String,
    /// Through which binding.
    pub binding: String,
    /// RFC 6902 operations.
    pub patch: Json<'static>,
}

/// An object that policies are about and do not judge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExemptionRow {
    /// What is left alone.
    pub object: ObjectRef,
    /// Why.
    pub reason: String,
    /// By which policies.
    pub policies: Vec<String>,
}

impl ExemptionRow {
    /// A row about an object.
    #[must_use]
    pub fn new(object: ObjectRef, exempt: Exempt) -> Self {
        Self {
            object,
            reason: exempt.because.to_string(),
            policies: exempt.policies,
        }
    }
}

/// An input that could not be read or judged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// File, or `<stdin>`.
    pub file: String,
    /// Line, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Document {
    /// Sorts everything and counts. Rules that hold and policies that do not apply are told apart from `results`, which
    /// lists them only on request.
    #[must_use]
    pub fn finish(mut self, objects: usize, passed: usize, skipped: usize) -> Self {
        self.results.sort_by(|a, b| a.order().cmp(&b.order()));
        self.mutations.sort_by(|a, b| {
            (&a.object, &a.policy, &a.binding).cmp(&(&b.object, &b.policy, &b.binding))
        });
        self.exemptions.sort();
        self.problems.sort();
        let count = |outcome| {
            self.results
                .iter()
                .filter(|row| row.verdict == outcome)
                .count()
        };
        let distinct = |refs: &mut dyn Iterator<Item = &ObjectRef>| {
            refs.collect::<std::collections::BTreeSet<_>>().len()
        };
        self.summary = Summary {
            objects,
            denied: distinct(
                &mut self
                    .results
                    .iter()
                    .filter(|row| row.denies)
                    .map(|row| &row.object),
            ),
            mutated: distinct(&mut self.mutations.iter().map(|row| &row.object)),
            exempt: distinct(&mut self.exemptions.iter().map(|row| &row.object)),
            pass: passed,
            fail: count(Outcome::Fail),
            skip: skipped,
            error: count(Outcome::Error) + self.problems.len(),
        };
        self
    }
}
