//! What comes back from the judge: one outcome per rule, warnings, audit annotations, patches.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::json::Json;
use super::path::FieldPath;

/// What a binding wants done about a failing rule (`validationActions`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Refuse the request.
    Deny,
    /// Let it pass with a warning to the client.
    Warn,
    /// Let it pass and write an audit annotation.
    Audit,
}

/// How one rule came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The rule holds.
    Pass,
    /// The rule does not hold.
    Fail,
    /// Not judged: a match condition said no, or an exception applies.
    Skip,
    /// Could not be judged; under `failurePolicy: Fail` this counts as a failure.
    Error,
}

/// How bad a failing rule is; chosen by the policy, `medium` when it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Hygiene.
    Low,
    /// A weakness.
    #[default]
    Medium,
    /// A way out for a determined tenant.
    High,
    /// A way out for anybody.
    Critical,
}

impl Severity {
    /// All values, weakest first.
    pub const ALL: [Self; 5] = [
        Self::Info,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// The word in files and outputs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads the word, in any case; `None` when it is none of the five.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.as_str().eq_ignore_ascii_case(word))
    }
}

/// Machine-readable cause of a denial (`validations[].reason`).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Reason {
    /// 403.
    Forbidden,
    /// 422, the default.
    #[default]
    Invalid,
    /// 413.
    RequestEntityTooLarge,
    /// 401; never accepted in a policy file, kept for the status table.
    Unauthorized,
}

impl Reason {
    /// The HTTP status code that the API server gives for it.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Forbidden => 403,
            Self::Unauthorized => 401,
            Self::RequestEntityTooLarge => 413,
            Self::Invalid => 422,
        }
    }
}

/// Which rule of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// `spec.validations[n]`.
    Validation(usize),
    /// `spec.auditAnnotations[n]`.
    AuditAnnotation(usize),
    /// `spec.mutations[n]`.
    Mutation(usize),
    /// A validating policy as a whole: configuration error, match conditions, exhausted budget.
    Policy,
    /// A mutating policy as a whole: configuration error, match conditions.
    MutatingPolicy,
}

/// The part of a document that made a rule fail.
#[derive(Clone, Debug, PartialEq)]
pub struct Blame {
    /// Which object: `object` or `oldObject`.
    pub root: BlameRoot,
    /// The field. May be absent from the object: then the rule wanted it there.
    pub path: FieldPath,
    /// Its value; `None` when the field is absent.
    pub value: Option<Json<'static>>,
}

/// The document a [`Blame`] points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlameRoot {
    /// The new object.
    Object,
    /// The stored object.
    OldObject,
}

/// One rule judged for one binding and parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Policy name.
    pub policy: String,
    /// Binding name; `None` for a configuration error that concerns the policy alone.
    pub binding: Option<String>,
    /// Parameter object used, `namespace/name` or `name`.
    pub param: Option<String>,
    /// Which rule.
    pub rule: Rule,
    /// Actions of the binding, sorted.
    pub actions: Vec<Action>,
    /// How it came out.
    pub outcome: Outcome,
    /// Whether it refuses the request: decided by outcome, failurePolicy and actions (a configuration error refuses
    /// whatever the actions say).
    pub denies: bool,
    /// The rule's message (not yet wrapped), or the error text.
    pub message: String,
    /// Cause for the status.
    pub reason: Reason,
    /// The offending field, where one can be told.
    pub blame: Option<Blame>,
}

impl Finding {
    /// The sentence of the API server: `ValidatingAdmissionPolicy 'p' with binding 'b' denied request: m`.
    #[must_use]
    pub fn denial(&self) -> String {
        let Self {
            policy, message, ..
        } = self;
        match (&self.rule, &self.binding) {
            (Rule::Mutation(_) | Rule::MutatingPolicy, Some(binding)) => {
                format!("policy '{policy}' with binding '{binding}' denied request: {message}")
            }
            (Rule::Mutation(_) | Rule::MutatingPolicy, None) => {
                format!("policy \"{policy}\" denied request: {message}")
            }
            (_, Some(binding)) => {
                format!(
                    "ValidatingAdmissionPolicy '{policy}' with binding '{binding}' denied request: {message}"
                )
            }
            (_, None) => format!("ValidatingAdmissionPolicy '{policy}' denied request: {message}"),
        }
    }

    /// The warning of the API server for a `Warn` binding.
    #[must_use]
    pub fn warning(&self) -> String {
        let binding = self.binding.as_deref().unwrap_or_default();
        format!(
            "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{binding}': {}",
            self.policy, self.message
        )
    }
}

/// Everything the judge says about one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Rules judged, ordered by policy, binding, parameter, rule; those that hold only when asked for.
    pub findings: Vec<Finding>,
    /// How many rules hold, listed or not.
    pub passed: usize,
    /// Warnings for the client, in order, without duplicates.
    pub warnings: Vec<String>,
    /// Audit annotations: key to value.
    pub audit_annotations: BTreeMap<String, String>,
}

impl Verdict {
    /// Whether nothing refuses the request.
    #[must_use]
    pub fn allowed(&self) -> bool {
        !self.findings.iter().any(|finding| finding.denies)
    }

    /// The findings that refuse, in order; the first one shapes the status as in the API server.
    pub fn denials(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.denies)
    }
}

/// Why policies leave an object alone that they are about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exemption {
    /// No policy sees requests about this resource, `resource.group`.
    Resource(String),
    /// No guardrail profile covers this namespace.
    Namespace(String),
}

impl fmt::Display for Exemption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(resource) => {
                write!(f, "no admission policy ever judges {resource}")
            }
            Self::Namespace(namespace) => {
                write!(
                    f,
                    "guardrail profiles never cover the namespace {namespace}"
                )
            }
        }
    }
}

/// An object that policies are about and do not judge: not to be mistaken for one that they found in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exempt {
    /// Why.
    pub because: Exemption,
    /// Names of the policies that would judge or change it otherwise, sorted.
    pub policies: Vec<String>,
}

/// What the mutating policies made of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mutated {
    /// The object after all mutations; `None` when nothing changed.
    pub object: Option<Json<'static>>,
    /// What each policy changed, in order of application: the RFC 6902 steps from the object before it to after it.
    pub steps: Vec<MutationStep>,
    /// Mutations that failed.
    pub findings: Vec<Finding>,
}

/// The change made by one policy, binding and parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct MutationStep {
    /// Policy name.
    pub policy: String,
    /// Binding name.
    pub binding: String,
    /// RFC 6902 operations.
    pub patch: Json<'static>,
}
