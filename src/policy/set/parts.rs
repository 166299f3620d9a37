//! From objects to a set: what each is, what is wrong with it, and which bindings put which policy in force.

use std::collections::{BTreeMap, BTreeSet};

use super::super::compile::{self, Programs, compile};
use super::super::diagnostic::{Diagnostic, Sourced};
use super::super::faults::{self, Effect, Fault};
use super::super::params::{Param, Params, Resolved};
use super::super::profiles;
use super::super::reuse::Presets;
use super::super::source::{self, Binding, Item, Policy, Profile};
use super::{Bound, Ready, Set, Settings, Side, Tied, fingerprint};
use crate::model::fields::FieldError;
use crate::model::json::Json;
use crate::model::path::FieldPath;

/// Objects while they are sorted out.
#[derive(Default)]
pub struct Parts {
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
    /// For objects of which those of the cluster may be wrong.
    pub fn sparing() -> Self {
        Self {
            sparing: true,
            ..Self::default()
        }
    }

    /// Sorts out the objects and puts them together.
    ///
    /// # Errors
    /// Every mistake in every object that may not be wrong.
    pub fn into_set(
        mut self,
        objects: Vec<Sourced>,
        settings: &Settings,
    ) -> Result<Set, Vec<Diagnostic>> {
        let fingerprint = fingerprint(&objects, settings);
        for sourced in objects {
            self.read(sourced);
        }
        let compiled = self.compile();
        if !self.diagnostics.is_empty() {
            return Err(self.diagnostics);
        }
        Ok(self.assemble(compiled, settings, fingerprint))
    }

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
            let error = FieldError {
                path: FieldPath::root().key("metadata").key("name"),
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
