//! Policies and bindings as written, read strictly: defaults applied, every mistake reported with its field.
//!
//! All served versions of the in-tree kinds are read into the same types; a `SandboxPolicy` becomes a policy and its
//! own binding.

mod bodies;
mod constraints;
mod kinds;
mod objects;
#[cfg(test)]
mod tests;

use crate::model::gvk::{Gvk, split_api_version};
use crate::model::path::FieldPath;
use crate::model::request::Operation;
use crate::model::selector::LabelSelector;
use crate::model::verdict::{Action, Reason, Rule, Severity};

use super::diagnostic::{Diagnostic, Origin, Sourced};

/// Group of the in-tree policy kinds.
pub const ADMISSION_GROUP: &str = "admissionregistration.k8s.io";
/// Group of this project's kinds.
pub const OWN_GROUP: &str = "sandfence.dev";
/// Kind of the profiles that guardrail policies take as parameters.
pub const PROFILE_KIND: &str = "GuardrailProfile";

/// What happens when a policy cannot be evaluated, or nobody can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailurePolicy {
    /// The request is refused.
    Fail,
    /// The policy is passed over.
    Ignore,
}

/// A named expression: match condition or variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its text.
    pub expression: Text,
}

/// An expression with its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text as written.
    pub text: String,
    /// The field that holds it.
    pub path: FieldPath,
}

/// A rule that must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validation {
    /// True when it holds.
    pub expression: Text,
    /// Fixed message.
    pub message: Option<String>,
    /// Computed message.
    pub message_expression: Option<Text>,
    /// Cause for the status.
    pub reason: Reason,
}

/// A computed entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditAnnotation {
    /// Key below the policy's name.
    pub key: String,
    /// Text, or null for none.
    pub expression: Text,
}

/// One change to the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A partial object merged over it.
    Apply(Text),
    /// A list of JSON patch operations.
    JsonPatch(Text),
}

/// Whether a mutating policy runs again after later changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reinvocation {
    /// Once.
    Never,
    /// Once more when something changed the object.
    IfNeeded,
}

/// What a policy does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Judges.
    Validating {
        /// Rules.
        validations: Vec<Validation>,
        /// Audit entries.
        audit_annotations: Vec<AuditAnnotation>,
    },
    /// Changes.
    Mutating {
        /// Changes, in order.
        mutations: Vec<Mutation>,
        /// Whether it runs again.
        reinvocation: Reinvocation,
    },
}

/// Which requests something is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatchResources {
    /// By labels of the namespace.
    pub namespace_selector: LabelSelector,
    /// By labels of the object, old or new.
    pub object_selector: LabelSelector,
    /// Any of these; empty means all (bindings only).
    pub rules: Vec<ResourceRule>,
    /// None of these.
    pub excludes: Vec<ResourceRule>,
    /// Only the version that the client used.
    pub exact: bool,
}

/// Operations as a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations(pub(crate) u8);

impl Operations {
    /// Every operation.
    pub const ALL: Self = Self(0b1111);

    const fn bit(operation: Operation) -> u8 {
        match operation {
            Operation::Create => 1,
            Operation::Update => 2,
            Operation::Delete => 4,
            Operation::Connect => 8,
        }
    }

    /// With one more.
    #[must_use]
    pub const fn with(self, operation: Operation) -> Self {
        Self(self.0 | Self::bit(operation))
    }

    /// Whether it is in the set.
    #[must_use]
    pub const fn contains(self, operation: Operation) -> bool {
        self.0 & Self::bit(operation) != 0
    }

    /// Those in the set, in order.
    pub fn iter(self) -> impl Iterator<Item = Operation> {
        [
            Operation::Create,
            Operation::Update,
            Operation::Delete,
            Operation::Connect,
        ]
        .into_iter()
        .filter(move |operation| self.contains(*operation))
    }
}

/// Scope of a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuleScope {
    /// `*`
    #[default]
    All,
    /// `Cluster`
    Cluster,
    /// `Namespaced`
    Namespaced,
}

/// One entry of `resourceRules` or `excludeResourceRules`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceRule {
    /// `resourceNames`; empty means any.
    pub names: Vec<String>,
    /// `operations`
    pub operations: Operations,
    /// `apiGroups`
    pub groups: Vec<String>,
    /// `apiVersions`
    pub versions: Vec<String>,
    /// `resources`, such as `pods/exec`.
    pub resources: Vec<String>,
    /// `scope`
    pub scope: RuleScope,
}

/// What reports say about a policy; from `sandfence.dev/*` annotations of in-tree kinds, or the fields of a
/// `SandboxPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// One line.
    pub title: Option<String>,
    /// A word such as `isolation`.
    pub category: Option<String>,
    /// How bad a failure is, where the policy says.
    pub severity: Option<Severity>,
    /// What to do about a failure.
    pub remediation: Option<String>,
    /// Compliance references.
    pub controls: Vec<String>,
    /// Names of the validations, in order.
    pub rules: Vec<String>,
}

/// A policy as written.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `metadata.name`
    pub name: String,
    /// Kind as written, for messages.
    pub kind: &'static str,
    /// Where it came from.
    pub origin: Origin,
    /// What happens on errors.
    pub failure: FailurePolicy,
    /// Kind of its parameters.
    pub param_kind: Option<Gvk>,
    /// Which requests it is about.
    pub constraints: MatchResources,
    /// Further conditions.
    pub conditions: Vec<Named>,
    /// Named expressions.
    pub variables: Vec<Named>,
    /// What it does.
    pub body: Body,
    /// For reports.
    pub about: About,
}

impl Policy {
    /// `kind/name`.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// Whether it changes objects.
    #[must_use]
    pub const fn mutates(&self) -> bool {
        matches!(self.body, Body::Mutating { .. })
    }

    /// The field of a rule of this policy; the object itself for anything that is no rule.
    #[must_use]
    pub fn rule_path(&self, rule: &Rule) -> FieldPath {
        let spec = FieldPath::root().key("spec");
        match (rule, &self.body) {
            (Rule::Validation(at), _) => spec.key("validations").index(*at).key("expression"),
            (Rule::AuditAnnotation(at), _) => spec
                .key("auditAnnotations")
                .index(*at)
                .key("valueExpression"),
            (Rule::Mutation(at), Body::Mutating { mutations, .. }) => match mutations.get(*at) {
                Some(Mutation::Apply(text) | Mutation::JsonPatch(text)) => text.path.clone(),
                None => spec.key("mutations").index(*at),
            },
            _ => FieldPath::root(),
        }
    }

    /// The name of a rule, where the policy gives one.
    #[must_use]
    pub fn rule_name(&self, rule: &Rule) -> Option<&str> {
        match rule {
            Rule::Validation(at) => self.about.rules.get(*at).map(String::as_str),
            _ => None,
        }
    }

    /// Whether its parameters are guardrail profiles.
    #[must_use]
    pub fn takes_profiles(&self) -> bool {
        self.param_kind
            .as_ref()
            .is_some_and(|kind| kind.group == OWN_GROUP && kind.kind == PROFILE_KIND)
    }
}

/// What to do without a parameter object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// Admit without judging.
    Allow,
    /// Refuse.
    Deny,
}

/// Which parameter objects a binding uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamRef {
    /// By name or by labels.
    pub pick: ParamPick,
    /// Namespace of namespaced parameters, instead of the request's.
    pub namespace: Option<String>,
    /// What to do when there is none.
    pub not_found: NotFound,
}

/// How parameter objects are picked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamPick {
    /// That one.
    Name(String),
    /// All that match.
    Selector(LabelSelector),
}

/// A binding as written, or as made for a profile.
#[derive(Clone, Debug)]
pub struct Binding {
    /// `metadata.name`
    pub name: String,
    /// The policy it puts in force.
    pub policy: String,
    /// Whether it is for mutating policies.
    pub mutating: bool,
    /// Which parameters.
    pub param_ref: Option<ParamRef>,
    /// Further restriction of the requests.
    pub resources: Option<MatchResources>,
    /// What a failing rule leads to; empty for mutating policies.
    pub actions: Vec<Action>,
    /// The profile that it was made for.
    pub profile: Option<Box<Profile>>,
}

/// A guardrail profile, as far as the engine itself reads it.
#[derive(Clone, Debug)]
pub struct Profile {
    /// `metadata.name`
    pub name: String,
    /// Namespaces it covers.
    pub namespaces: LabelSelector,
    /// What a failing rule leads to.
    pub enforcement: Action,
    /// Why it cannot be used, if it was kept all the same.
    pub fault: Option<String>,
}

/// What an object is to the engine.
#[derive(Debug)]
pub enum Item {
    /// A policy, perhaps with its own binding.
    Policy(Box<Policy>, Option<Box<Binding>>),
    /// A binding.
    Binding(Box<Binding>),
    /// A profile.
    Profile(Profile),
    /// Anything else: perhaps a parameter.
    Object,
}

/// Reads one object.
///
/// # Errors
/// All mistakes in it.
pub fn read(sourced: &Sourced) -> Result<Item, Vec<Diagnostic>> {
    match salvage(sourced) {
        (Some(item), mistakes) if mistakes.is_empty() => Ok(item),
        (_, mistakes) => Err(mistakes),
    }
}

/// Reads one object as far as possible: what could be made of it, `None` when that is nothing, and all mistakes in it.
#[must_use]
pub fn salvage(sourced: &Sourced) -> (Option<Item>, Vec<Diagnostic>) {
    let text = |key: &str| sourced.object.str_at(&[key]).unwrap_or_default();
    let (group, version) = split_api_version(text("apiVersion"));
    let reader = match (group, text("kind")) {
        (ADMISSION_GROUP, "ValidatingAdmissionPolicy") => objects::validating,
        (ADMISSION_GROUP, "ValidatingAdmissionPolicyBinding") => objects::validating_binding,
        (ADMISSION_GROUP, "MutatingAdmissionPolicy") => objects::mutating,
        (ADMISSION_GROUP, "MutatingAdmissionPolicyBinding") => objects::mutating_binding,
        (OWN_GROUP, "SandboxPolicy") => objects::sandbox_policy,
        (OWN_GROUP, PROFILE_KIND) => objects::profile,
        _ => {
            let mistakes = kinds::check(sourced);
            return (mistakes.is_empty().then_some(Item::Object), mistakes);
        }
    };
    objects::salvage(sourced, group, version, reader)
}
