//! One immutable snapshot of all programs, bindings and parameters. Readers share it; a change makes a new one.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::model::gvk::Scope;
use crate::model::json::Json;
use crate::model::request::Operation;
use crate::model::verdict::Action;

use super::compile::{self, Programs, Work, compile, mentions};
use super::diagnostic::{Diagnostic, Sourced};
use super::faults::{self, Effect, Fault};
use super::params::{Param, Params, Resolved};
use super::profiles;
use super::reuse::{self, Presets};
use super::select::Index;
use super::source::{
    self, Binding, FailurePolicy, Item, MatchResources, Named, OWN_GROUP, Policy, Profile,
};
use crate::model::request::Request;

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

impl Bound {
    /// Whether it must keep out of this request: a policy that cannot be used refuses what it matches, and must not
    /// refuse the write that repairs it.
    pub fn lets_repair(&self, request: &Request<'_>) -> bool {
        matches!(self.programs.work, Work::Unusable(_)) && request.resource.group == OWN_GROUP
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
        Self::assemble(objects, settings, Parts::default())
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
        let parts = Parts {
            sparing: true,
            ..Parts::default()
        };
        Self::assemble(objects, settings, parts)
    }

    fn assemble(
        objects: Vec<Sourced>,
        settings: &Settings,
        mut parts: Parts,
    ) -> Result<Self, Vec<Diagnostic>> {
        let fingerprint = fingerprint(&objects, settings);
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

/// Objects while they are sorted out.
#[derive(Default)]
struct Parts {
    /// Whether objects of the cluster may be wrong.
    sparing: bool,
    policies: Vec<Policy>,
    /// Of each policy, why it cannot be used, if it cannot.
    unusable: Vec<Option<Unusable>>,
    faults: Vec<Fault>,
    bindings: Vec<Binding>,
    profiles: Vec<Profile>,
    objects: Vec<Json<'static>>,
    /// Kind class and name of what must be unique, to where it was first seen.
    seen: BTreeMap<(&'static str, String), String>,
    diagnostics: Vec<Diagnostic>,
}

/// What is kept of a policy of the cluster that cannot be used.
struct Unusable {
    why: String,
    /// Its own binding, which must not put another policy of the same name in force.
    own: Option<Binding>,
}

impl Parts {
    fn read(&mut self, sourced: Sourced) {
        let (item, mut mistakes) = source::salvage(&sourced);
        if mistakes.is_empty() {
            for (class, name) in item.iter().flat_map(names) {
                mistakes.extend(self.taken(class, name, &sourced));
            }
        }
        let usable = mistakes.is_empty();
        let spared = self.sparing && sourced.origin.file().is_none();
        if !(usable || spared) {
            self.diagnostics.extend(mistakes);
            return;
        }
        let effect = item
            .as_ref()
            .map_or(Effect::LeftOut, |item| faults::effect(item, &mistakes));
        let why = (!usable).then(|| self.fault(&sourced, effect, &mistakes));
        match item {
            Some(item) if usable || effect != Effect::LeftOut => self.take(item, sourced, why),
            _ => {}
        }
    }

    /// Takes an object; `why` it cannot be used, if it is kept all the same.
    fn take(&mut self, item: Item, sourced: Sourced, why: Option<String>) {
        match item {
            Item::Object => self.objects.push(sourced.object),
            Item::Policy(policy, binding) => {
                let mut own = binding.map(|binding| *binding);
                if why.is_none() {
                    self.bindings.extend(own.take());
                }
                self.policies.push(*policy);
                self.unusable.push(why.map(|why| Unusable { why, own }));
            }
            Item::Binding(binding) => self.bindings.push(*binding),
            Item::Profile(mut profile) => {
                profile.fault = why;
                self.profiles.push(profile);
                self.objects.push(sourced.object);
            }
        }
    }

    /// Notes that an object cannot be used; the sentence for those whose requests are refused.
    fn fault(&mut self, sourced: &Sourced, effect: Effect, mistakes: &[Diagnostic]) -> String {
        let fault = Fault::new(sourced, effect, mistakes);
        let why = format!("{} cannot be used: {}", fault.subject(), fault.mistakes);
        self.faults.push(fault);
        why
    }

    /// That another object has the name already; notes the name otherwise.
    fn taken(&mut self, class: &'static str, name: &str, sourced: &Sourced) -> Option<Diagnostic> {
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
            return Some(Diagnostic::field(
                &sourced.subject(),
                &sourced.origin,
                &error,
            ));
        }
        self.seen.insert(key, place);
        None
    }

    /// Programs of the policies, in their order; mistakes are recorded.
    fn compile(&mut self) -> Vec<Option<Programs>> {
        let mut out = Vec::with_capacity(self.policies.len());
        for (policy, why) in self.policies.iter().zip(&self.unusable) {
            let spared = self.sparing && policy.origin.file().is_none();
            out.push(match (why, compile(policy)) {
                (Some(unusable), _) => Some(compile::unusable(policy, unusable.why.clone())),
                (None, Ok(programs)) => Some(programs),
                (None, Err(mistakes)) if spared => {
                    let fault = Fault::of_policy(policy, &mistakes);
                    let why = format!("{} cannot be used: {}", fault.subject(), fault.mistakes);
                    self.faults.push(fault);
                    Some(compile::unusable(policy, why))
                }
                (None, Err(diagnostics)) => {
                    self.diagnostics.extend(diagnostics);
                    None
                }
            });
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
        let policies = self.policies.into_iter().zip(self.unusable);
        for ((policy, unusable), programs) in policies.zip(compiled) {
            let mut own: Vec<Binding> = match unusable {
                Some(unusable) => unusable.own.into_iter().collect(),
                None => self
                    .bindings
                    .iter()
                    .filter(|b| b.policy == policy.name && b.mutating == policy.mutates())
                    .cloned()
                    .collect(),
            };
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
        self.faults.sort();
        inert.sort_by(|a, b| a.name.cmp(&b.name));
        Set {
            validating: Side::new(validating),
            mutating: Side::new(mutating),
            params,
            inert,
            profiles: self.profiles,
            exempt_namespaces: settings.exempt_namespaces.clone(),
            fingerprint,
            notes,
            faults: self.faults,
        }
    }
}

/// What must be unique about an object: class and name.
fn names(item: &Item) -> Vec<(&'static str, &str)> {
    let binding = |binding: &'_ Binding| {
        if binding.mutating {
            "binding of mutating policies"
        } else {
            "binding of validating policies"
        }
    };
    match item {
        Item::Object => Vec::new(),
        Item::Policy(policy, own) => {
            let class = if policy.mutates() {
                "mutating policy"
            } else {
                "validating policy"
            };
            let own = own.iter().map(|own| (binding(own), own.name.as_str()));
            std::iter::once((class, policy.name.as_str()))
                .chain(own)
                .collect()
        }
        Item::Binding(own) => vec![(binding(own), &own.name)],
        Item::Profile(profile) => vec![("profile", &profile.name)],
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
    let fault = binding
        .profile
        .as_ref()
        .and_then(|profile| profile.fault.clone());
    let fixed = match (&policy.param_kind, &binding.param_ref) {
        _ if fault.is_some() => fault.map(Err),
        (Some(kind), Some(param_ref)) if params.is_fixed(kind, param_ref) => {
            let ready = |param: &Param| Ready {
                presets: Presets::new(programs, &param.object),
                param: param.clone(),
            };
            let resolved = params.resolve(Some(kind), Some(param_ref), "");
            let owned = resolved.map(|resolved| match resolved {
                Resolved::Without => Vec::new(),
                Resolved::Each(params) => params.into_iter().map(ready).collect(),
            });
            Some(owned.map_err(str::to_owned))
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
