//! One immutable snapshot of all programs, bindings and parameters. Readers share it; a change makes a new one.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::model::gvk::Scope;
use crate::model::json::Json;
use crate::model::request::Operation;
use crate::model::verdict::Action;

use super::compile::{Programs, compile, mentions};
use super::diagnostic::{Diagnostic, Sourced};
use super::params::{Param, Params, Resolved};
use super::profiles;
use super::reuse::{self, Presets};
use super::select::Index;
use super::source::{self, Binding, FailurePolicy, Item, MatchResources, Named, Policy, Profile};

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
    fingerprint: String,
    notes: Vec<String>,
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
    fixed: Option<Result<Vec<Ready>, &'static str>>,
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
    ) -> Result<Given<'s>, &'static str> {
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
        let fingerprint = fingerprint(&objects, settings);
        let mut parts = Parts::default();
        for sourced in objects {
            parts.read(sourced);
        }
        let compiled = parts.compile();
        if !parts.diagnostics.is_empty() {
            return Err(parts.diagnostics);
        }
        Ok(parts.assemble(compiled, settings, fingerprint))
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
        bound.map(|bound| demand(&bound.policy)).collect()
    }
}

fn demand(policy: &Policy) -> Demand {
    const ENGINE_ONLY: [&str; 3] = ["params", "variables", "namespaceObject"];
    let usable = |condition: &&Named| {
        mentions(&condition.expression.text)
            .is_some_and(|names| ENGINE_ONLY.iter().all(|name| !names.contains(*name)))
    };
    Demand {
        policy: policy.name.clone(),
        mutating: policy.mutates(),
        constraints: policy.constraints.clone(),
        conditions: policy.conditions.iter().filter(usable).cloned().collect(),
        failure: policy.failure,
    }
}

/// Objects while they are sorted out.
#[derive(Default)]
struct Parts {
    policies: Vec<Policy>,
    bindings: Vec<Binding>,
    profiles: Vec<Profile>,
    objects: Vec<Json<'static>>,
    /// Kind class and name of what must be unique, to where it was first seen.
    seen: BTreeMap<(&'static str, String), String>,
    diagnostics: Vec<Diagnostic>,
}

impl Parts {
    fn read(&mut self, sourced: Sourced) {
        match source::read(&sourced) {
            Err(diagnostics) => self.diagnostics.extend(diagnostics),
            Ok(Item::Object) => self.objects.push(sourced.object),
            Ok(Item::Policy(policy, binding)) => {
                let class = if policy.mutates() {
                    "mutating policy"
                } else {
                    "validating policy"
                };
                self.unique(class, &policy.name, &sourced);
                if let Some(binding) = binding {
                    self.binding(*binding, &sourced);
                }
                self.policies.push(*policy);
            }
            Ok(Item::Binding(binding)) => self.binding(*binding, &sourced),
            Ok(Item::Profile(profile)) => {
                self.unique("profile", &profile.name, &sourced);
                self.profiles.push(profile);
                self.objects.push(sourced.object);
            }
        }
    }

    fn binding(&mut self, binding: Binding, sourced: &Sourced) {
        let class = if binding.mutating {
            "binding of mutating policies"
        } else {
            "binding of validating policies"
        };
        self.unique(class, &binding.name, sourced);
        self.bindings.push(binding);
    }

    fn unique(&mut self, class: &'static str, name: &str, sourced: &Sourced) {
        let place = match (
            sourced.origin.file(),
            sourced.origin.position(&Default::default()),
        ) {
            (Some(file), Some(at)) => format!("{file}:{}", at.line),
            (Some(file), None) => file.to_string(),
            _ => "the cluster".to_owned(),
        };
        let key = (class, name.to_owned());
        if let Some(first) = self.seen.get(&key) {
            let message = format!("another {class} {name:?} is in {first}: remove or rename one");
            let error = crate::model::fields::FieldError {
                path: crate::model::path::FieldPath::root()
                    .key("metadata")
                    .key("name"),
                message,
            };
            let diagnostic = Diagnostic::field(&sourced.subject(), &sourced.origin, &error);
            self.diagnostics.push(diagnostic);
        } else {
            self.seen.insert(key, place);
        }
    }

    /// Programs of the policies, in their order; mistakes are recorded.
    fn compile(&mut self) -> Vec<Option<Programs>> {
        let mut out = Vec::with_capacity(self.policies.len());
        for policy in &self.policies {
            match compile(policy) {
                Ok(programs) => out.push(Some(programs)),
                Err(diagnostics) => {
                    self.diagnostics.extend(diagnostics);
                    out.push(None);
                }
            }
        }
        out
    }

    fn assemble(
        mut self,
        compiled: Vec<Option<Programs>>,
        settings: &Settings,
        fingerprint: String,
    ) -> Set {
        let mut notes = Vec::new();
        self.profiles.sort_by(|a, b| a.name.cmp(&b.name));
        self.bindings.sort_by(|a, b| a.name.cmp(&b.name));
        let params = Params::new(self.objects, &settings.param_scopes);
        let known: BTreeSet<(bool, &str)> = self
            .policies
            .iter()
            .map(|policy| (policy.mutates(), policy.name.as_str()))
            .collect();
        for binding in &self.bindings {
            if !known.contains(&(binding.mutating, binding.policy.as_str())) {
                notes.push(format!(
                    "binding {} does nothing: its policy {} is not loaded",
                    binding.name, binding.policy
                ));
            }
        }
        let (mut validating, mut mutating, mut inert) = (Vec::new(), Vec::new(), Vec::new());
        let mut idle: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (policy, programs) in self.policies.into_iter().zip(compiled) {
            let mut own: Vec<Binding> = self
                .bindings
                .iter()
                .filter(|b| b.policy == policy.name && b.mutating == policy.mutates())
                .cloned()
                .collect();
            if own.is_empty() && policy.takes_profiles() {
                own = profiles::bindings(&policy, &self.profiles, &settings.exempt_namespaces);
            }
            let Some(programs) = programs.filter(|_| !own.is_empty()) else {
                let why = why_inert(&policy, &self.profiles);
                idle.entry(why).or_default().push(policy.subject());
                inert.push(policy);
                continue;
            };
            let side = if policy.mutates() {
                &mut mutating
            } else {
                &mut validating
            };
            let tied = own
                .into_iter()
                .map(|binding| tie(binding, &policy, &programs, &params));
            let bindings = tied.collect();
            side.push(Bound {
                policy,
                programs,
                bindings,
            });
        }
        for (why, mut subjects) in idle {
            subjects.sort();
            let verb = if subjects.len() == 1 { "does" } else { "do" };
            notes.push(format!("{} {verb} nothing: {why}", subjects.join(", ")));
        }
        notes.sort();
        inert.sort_by(|a, b| a.name.cmp(&b.name));
        Set {
            validating: Side::new(validating),
            mutating: Side::new(mutating),
            params,
            inert,
            profiles: self.profiles,
            fingerprint,
            notes,
        }
    }
}

/// What keeps a policy from doing anything.
fn why_inert(policy: &Policy, profiles: &[Profile]) -> &'static str {
    if !policy.takes_profiles() {
        "no binding names it"
    } else if profiles.is_empty() {
        "no guardrail profile is in force"
    } else {
        "no guardrail profile has enforcement Deny"
    }
}

fn tie(binding: Binding, policy: &Policy, programs: &Programs, params: &Params) -> Tied {
    let mut actions = binding.actions.clone();
    actions.sort_unstable();
    let fixed = match (&policy.param_kind, &binding.param_ref) {
        (Some(kind), Some(param_ref)) if params.is_fixed(kind, param_ref) => {
            let ready = |param: &Param| Ready {
                presets: Presets::new(programs, &param.object),
                param: param.clone(),
            };
            let resolved = params.resolve(Some(kind), Some(param_ref), "");
            Some(resolved.map(|resolved| match resolved {
                Resolved::Without => Vec::new(),
                Resolved::Each(params) => params.into_iter().map(ready).collect(),
            }))
        }
        _ => None,
    };
    Tied {
        binding,
        actions,
        fixed,
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
