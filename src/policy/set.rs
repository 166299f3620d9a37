//! One immutable snapshot of all programs, bindings and parameters. Readers share it; a change makes a new one.

mod parts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::model::gvk::Scope;
use crate::model::json::Json;
use crate::model::request::{Operation, Request};
use crate::model::verdict::Action;

use super::compile::{Programs, Work, mentions};
use super::diagnostic::{Diagnostic, Sourced};
use super::faults::Fault;
use super::params::{Param, Params, Resolved};
use super::reuse::{self, Presets};
use super::select::Index;
use super::source::{Binding, FailurePolicy, MatchResources, Named, OWN_GROUP, Policy, Profile};
use parts::Parts;

/// Namespaces that profiles never cover: a broken guardrail must not stop the cluster from healing.
pub const EXEMPT_NAMESPACES: [&str; 4] = [
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "sandfence-system",
];

/// What building a set depends on besides its objects.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespaces that profiles never cover.
    pub exempt_namespaces: Vec<String>,
    /// Scope of parameter kinds that are not built in, by group and kind.
    pub param_scopes: BTreeMap<(String, String), Scope>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            exempt_namespaces: EXEMPT_NAMESPACES.map(str::to_owned).to_vec(),
            param_scopes: BTreeMap::new(),
        }
    }
}

/// All policies in force, ready to judge.
#[derive(Debug, Default)]
pub struct Set {
    pub(super) validating: Side,
    pub(super) mutating: Side,
    pub(super) params: Params,
    inert: Vec<Policy>,
    profiles: Vec<Profile>,
    exempt_namespaces: Vec<String>,
    fingerprint: String,
    notes: Vec<String>,
    faults: Vec<Fault>,
}

/// Validating or mutating policies, sorted by name, with their index.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub policies: Vec<Bound>,
    /// How many outcomes its policies share in a request.
    pub shared: usize,
    index: Index,
}

/// A policy with its programs and bindings.
#[derive(Debug)]
pub(super) struct Bound {
    pub policy: Policy,
    pub programs: Programs,
    /// At least one, sorted by name.
    pub bindings: Vec<Tied>,
}

/// A binding as the judge uses it.
#[derive(Debug)]
pub(super) struct Tied {
    pub binding: Binding,
    /// Its actions, sorted.
    pub actions: Vec<Action>,
    fixed: Option<Result<Vec<Ready>, String>>,
}

impl Bound {
    /// Whether it must keep out of this request: a policy that cannot be used refuses what it matches, and must not
    /// refuse the write that repairs it.
    pub fn lets_repair(&self, request: &Request<'_>) -> bool {
        matches!(self.programs.work, Work::Unusable(_)) && request.resource.group == OWN_GROUP
    }
}

/// A parameter object with what it decides by itself.
#[derive(Debug)]
pub(super) struct Ready {
    param: Param,
    presets: Presets,
}

/// What a binding evaluates with: nothing once, or each of these.
#[derive(Debug)]
pub(super) enum Given<'s> {
    /// Once, `params` undeclared or null.
    Nothing,
    /// The same objects for every request.
    Ready(&'s [Ready]),
    /// Objects that were found for the request.
    Found(Vec<&'s Param>),
}

/// One of the evaluations that a binding asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct With<'s> {
    pub param: Option<&'s Param>,
    pub presets: Option<&'s Presets>,
}

impl<'s> Given<'s> {
    /// The evaluations, in the order of the parameters' names.
    pub fn each(self) -> impl Iterator<Item = With<'s>> {
        let (nothing, ready, found): (_, &[Ready], _) = match self {
            Self::Nothing => (Some(With::default()), &[], Vec::new()),
            Self::Ready(ready) => (None, ready, Vec::new()),
            Self::Found(found) => (None, &[], found),
        };
        let ready = ready.iter().map(|ready| With {
            param: Some(&ready.param),
            presets: Some(&ready.presets),
        });
        let found = found.into_iter().map(|param| With {
            param: Some(param),
            presets: None,
        });
        nothing.into_iter().chain(ready).chain(found)
    }
}

/// What a policy wants to see, for registering webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Policy name.
    pub policy: String,
    /// Whether it changes objects.
    pub mutating: bool,
    /// Rules and selectors.
    pub constraints: MatchResources,
    /// The match conditions that a webhook configuration can carry: those without parameters or namespace.
    pub conditions: Vec<Named>,
    /// What happens when it cannot be asked.
    pub failure: FailurePolicy,
}

impl Tied {
    /// The parameters to evaluate with, as [`Params::resolve`].
    pub fn params<'s>(
        &'s self,
        set: &'s Set,
        policy: &Policy,
        namespace: &str,
    ) -> Result<Given<'s>, &'s str> {
        match &self.fixed {
            Some(Ok(ready)) => Ok(Given::Ready(ready)),
            Some(Err(error)) => Err(error),
            None => {
                let kind = policy.param_kind.as_ref();
                let param_ref = self.binding.param_ref.as_ref();
                set.params
                    .resolve(kind, param_ref, namespace)
                    .map(|resolved| match resolved {
                        Resolved::Without => Given::Nothing,
                        Resolved::Each(params) => Given::Found(params),
                    })
            }
        }
    }
}

impl Side {
    fn new(mut policies: Vec<Bound>) -> Self {
        policies.sort_by(|a, b| a.policy.name.cmp(&b.policy.name));
        let index = Index::new(policies.iter().map(|bound| &bound.policy.constraints));
        Self {
            shared: reuse::share(&mut policies),
            policies,
            index,
        }
    }

    /// The policies that may match, by name.
    pub fn candidates(&self, resource: &str, operation: Operation) -> impl Iterator<Item = &Bound> {
        self.index
            .candidates(resource, operation)
            .filter_map(|at| self.policies.get(at))
    }
}

impl Set {
    /// Builds a set of policies, bindings, profiles and any parameter objects. Either all of it is valid, or nothing
    /// is taken.
    ///
    /// # Errors
    /// Every mistake in every object.
    pub fn build(objects: Vec<Sourced>, settings: &Settings) -> Result<Self, Vec<Diagnostic>> {
        Parts::default().into_set(objects, settings)
    }

    /// As [`Set::build`], but an object of the cluster that is wrong does not take the others with it: it is among the
    /// [`Set::faults`], and where it can be told what it is about, what it cannot judge is refused.
    ///
    /// # Errors
    /// Every mistake in every object that comes from a file.
    pub fn build_sparing(
        objects: Vec<Sourced>,
        settings: &Settings,
    ) -> Result<Self, Vec<Diagnostic>> {
        Parts::sparing().into_set(objects, settings)
    }

    /// Identifies the content: equal inputs in any order give equal fingerprints.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What is loaded and without effect, one sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The objects of the cluster that cannot be used, and what follows: sorted.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Policies that no binding puts in force, guardrails without a profile among them.
    #[must_use]
    pub fn unbound(&self) -> &[Policy] {
        &self.inert
    }

    /// Namespaces that profiles never cover.
    #[must_use]
    pub fn exempt_namespaces(&self) -> &[String] {
        &self.exempt_namespaces
    }

    /// The policies, bound or not, sorted by name: validating ones first.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        let bound = self
            .validating
            .policies
            .iter()
            .chain(&self.mutating.policies);
        bound.map(|bound| &bound.policy).chain(&self.inert)
    }

    /// The policy of this name.
    #[must_use]
    pub fn policy(&self, name: &str, mutating: bool) -> Option<&Policy> {
        self.policies()
            .find(|policy| policy.name == name && policy.mutates() == mutating)
    }

    /// The bindings in force, those made for profiles included: by policy, then name; validating ones first.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        let bound = self
            .validating
            .policies
            .iter()
            .chain(&self.mutating.policies);
        bound
            .flat_map(|bound| &bound.bindings)
            .map(|tied| &tied.binding)
    }

    /// The profiles, sorted by name.
    #[must_use]
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// What each bound policy wants to see: validating ones first, by name.
    #[must_use]
    pub fn demands(&self) -> Vec<Demand> {
        let bound = self
            .validating
            .policies
            .iter()
            .chain(&self.mutating.policies);
        bound.map(demand).collect()
    }
}

fn demand(bound: &Bound) -> Demand {
    let policy = &bound.policy;
    const ENGINE_ONLY: [&str; 3] = ["params", "variables", "namespaceObject"];
    let usable = |condition: &&Named| {
        mentions(&condition.expression.text)
            .is_some_and(|names| ENGINE_ONLY.iter().all(|name| !names.contains(*name)))
    };
    // Of a policy that cannot be used, one that does not compile here might not be accepted there either.
    let compiled = bound.programs.conditions.len() == policy.conditions.len();
    Demand {
        policy: policy.name.clone(),
        mutating: policy.mutates(),
        constraints: policy.constraints.clone(),
        conditions: policy
            .conditions
            .iter()
            .filter(|_| compiled)
            .filter(usable)
            .cloned()
            .collect(),
        failure: policy.failure,
    }
}

/// Metadata that changes without any change of meaning.
const VOLATILE: [&str; 6] = [
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Half of the hash is plenty to tell two sets apart, and short enough to read out.
const FINGERPRINT_BYTES: usize = 8;

fn fingerprint(objects: &[Sourced], settings: &Settings) -> String {
    let mut texts: Vec<String> = objects
        .iter()
        .map(|sourced| {
            let mut object = sourced.object.clone();
            if let Json::Object(root) = &mut object {
                root.remove("status");
                if let Some(Json::Object(metadata)) = root.get_mut("metadata") {
                    metadata.retain(|key, _| !VOLATILE.contains(&key));
                }
            }
            object.to_string()
        })
        .collect();
    texts.sort();
    let mut hash = Sha256::new();
    for text in texts.iter().chain(&settings.exempt_namespaces) {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    let digest = hash.finalize();
    let bytes = digest.iter().take(FINGERPRINT_BYTES);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}
