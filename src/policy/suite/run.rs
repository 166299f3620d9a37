//! Cases against policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::fields::FieldError;
use crate::model::gvk::{Gvk, Gvr, Scope};
use crate::model::json::Json;
use crate::model::patch::{diff, to_json};
use crate::model::path::FieldPath;
use crate::model::request::{Operation, Request, UserInfo};
use crate::model::verdict::{Action, Finding, Mutated, Outcome, Rule, Verdict};
use crate::model::yaml::{Document, Position};
use crate::schema::catalog;

use super::super::diagnostic::{Diagnostic, Sourced};
use super::super::judge::judge_all;
use super::super::mutate::{is_native, mutate};
use super::super::presets::profile_name;
use super::super::set::{Set, Settings};
use super::super::source::{ADMISSION_GROUP, OWN_GROUP};
use super::coverage::{Coverage, RuleUse};
use super::objects;
use super::{
    Case, Expected, ExpectedFinding, ObjectOrigin, ObjectSource, ProfileSource, SUITE_KIND, Suite,
    is_suite,
};

/// Namespace of objects that name none.
const NAMESPACE: &str = "default";

/// Who asks where a case does not say: requests always have a user.
const USER: &str = "developer";

/// Reads a file or all files of a folder, named relative to the suite.
pub type Loader<'l> = &'l dyn Fn(&str) -> Result<Vec<Document>, String>;

/// How a case came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// Where it stands in the suite.
    pub position: Option<Position>,
    /// What is wrong; empty when it passes.
    pub failures: Vec<String>,
    /// The case itself is at fault: it names what is not there, or asks for what cannot be.
    pub broken: bool,
}

/// How a suite came out.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// Its cases, in order.
    pub cases: Vec<CaseResult>,
    /// The rules of its policies, by policy and index, with what the cases made of them.
    pub rules: Vec<RuleUse>,
    /// What is loaded and without effect, one sentence each.
    pub notes: Vec<String>,
}

/// Runs the cases that are wanted, by name.
///
/// # Errors
/// The policies or profiles cannot be loaded, or do not compile.
pub fn run(
    suite: &Suite,
    load: Loader<'_>,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Ran, Vec<Diagnostic>> {
    let (mut runner, all) = Runner::new(suite, load)?;
    let mut coverage = Coverage::new(&all);
    let mut cases = Vec::new();
    for case in suite.cases.iter().filter(|case| wanted(&case.name)) {
        let outcome = runner.case(case, &mut coverage);
        let broken = outcome.is_err();
        cases.push(CaseResult {
            name: case.name.clone(),
            position: case.position,
            failures: outcome.unwrap_or_else(|reason| vec![reason]),
            broken,
        });
    }
    Ok(Ran {
        cases,
        rules: coverage.finish(),
        notes: all.notes().to_vec(),
    })
}

/// The request that a case makes.
///
/// # Errors
/// The case names what is not there, or asks for what cannot be.
pub fn request_of(
    suite: &Suite,
    case: &Case,
    load: Loader<'_>,
) -> Result<Request<'static>, String> {
    let runner = Runner {
        suite,
        load,
        objects: Vec::new(),
        profiles: BTreeMap::new(),
        sets: Sets::new(),
    };
    runner.request(case)
}

/// Sets by profile and policies: most cases share one.
type Sets = BTreeMap<(Option<String>, Option<Vec<String>>), Arc<Set>>;

struct Runner<'s> {
    suite: &'s Suite,
    load: Loader<'s>,
    /// Policies, bindings and parameters.
    objects: Vec<Sourced>,
    profiles: BTreeMap<String, Sourced>,
    sets: Sets,
}

impl<'s> Runner<'s> {
    /// Also gives the set of everything at once, which no case need be judged by.
    fn new(suite: &'s Suite, load: Loader<'s>) -> Result<(Self, Arc<Set>), Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut documents = |path: &str, list: &str, index: usize| -> Vec<Document> {
            load(path).unwrap_or_else(|message| {
                let path = FieldPath::root().key(list).index(index);
                let error = FieldError { path, message };
                errors.push(Diagnostic::field(SUITE_KIND, &suite.origin, &error));
                Vec::new()
            })
        };
        let paths = suite.policies.iter().enumerate();
        let objects = paths.flat_map(|(index, path)| documents(path, "policies", index));
        let objects: Vec<Sourced> = objects
            .filter(|document| !is_suite(document))
            .flat_map(Document::flatten)
            .map(Sourced::from)
            .filter(|sourced| profile_name(sourced).is_none())
            .collect();
        let mut profiles = BTreeMap::new();
        for (index, source) in suite.profiles.iter().enumerate() {
            let loaded = match source {
                ProfileSource::File(path) => {
                    let documents = documents(path, "profiles", index);
                    documents.into_iter().map(Sourced::from).collect()
                }
                ProfileSource::Object(object) => vec![Sourced::cluster(object.clone())],
            };
            for sourced in loaded {
                if let Some(name) = profile_name(&sourced).map(str::to_owned) {
                    profiles.insert(name, everywhere(sourced));
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut runner = Self {
            suite,
            load,
            objects,
            profiles,
            sets: Sets::new(),
        };
        // Policies that do not compile are a mistake of the suite, not of its cases.
        let all: Vec<Sourced> = runner
            .objects
            .iter()
            .chain(runner.profiles.values())
            .cloned()
            .collect();
        let built = Set::build(all, &settings())?;
        let built = Arc::new(built);
        if runner.profiles.is_empty() {
            runner.sets.insert((None, None), Arc::clone(&built));
        }
        Ok((runner, built))
    }

    /// What is wrong with a case.
    fn case(&mut self, case: &Case, coverage: &mut Coverage) -> Result<Vec<String>, String> {
        let set = self.set(case)?;
        let mut request = self.request(case)?;
        let before = case.expect.patch.as_ref().map(|_| request.object.clone());
        let mutated = mutate(&set, &request);
        let mut failures = Vec::new();
        if let Some(object) = &mutated.object {
            request.object = object.clone();
            if let Some(step) = mutate(&set, &request).steps.first() {
                failures.push(format!(
                    "a second run of the mutations changes the object again: {} {}",
                    step.policy, step.patch
                ));
            }
        }
        let verdict = judge_all(&set, &request);
        coverage.record(&set, &mutated, &verdict);
        if let (Some(before), Some(wanted)) = (&before, &case.expect.patch) {
            let found = to_json(&diff(before, &request.object));
            if found != *wanted {
                failures.push(format!("expected the patch {wanted}, found {found}"));
            }
        }
        compare(case, &set, &request, (&mutated, &verdict), &mut failures)?;
        Ok(failures)
    }

    fn set(&mut self, case: &Case) -> Result<Arc<Set>, String> {
        let profile = case.profile.as_ref().or(self.suite.profile.as_ref());
        let key = (profile.cloned(), case.policies.clone());
        if let Some(set) = self.sets.get(&key) {
            return Ok(Arc::clone(set));
        }
        let mut chosen = Vec::new();
        if let Some(name) = profile {
            let profile = self.profiles.get(name).ok_or_else(|| {
                let known: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
                format!(
                    "no profile is named {name:?}; there are: {}",
                    known.join(", ")
                )
            })?;
            chosen.push(profile.clone());
        }
        for wanted in case.policies.iter().flatten() {
            if !self
                .objects
                .iter()
                .any(|sourced| policy_name(sourced) == Some(wanted))
            {
                return Err(format!("no policy is named {wanted:?}"));
            }
        }
        let bound = |sourced: &&Sourced| match (&case.policies, policy_name(sourced)) {
            (Some(wanted), Some(name)) => wanted.iter().any(|wanted| wanted == name),
            _ => true,
        };
        chosen.extend(self.objects.iter().filter(bound).cloned());
        let set = Set::build(chosen, &settings());
        let set = Arc::new(set.map_err(|diagnostics| lines(&diagnostics).join("; "))?);
        self.sets.insert(key, Arc::clone(&set));
        Ok(set)
    }

    fn object(&self, source: Option<&ObjectSource>) -> Result<Json<'static>, String> {
        let Some(source) = source else {
            return Ok(Json::Null);
        };
        let mut object = match &source.origin {
            ObjectOrigin::Inline(object) => object.clone(),
            ObjectOrigin::Base(name) => self
                .suite
                .bases
                .get(name)
                .cloned()
                .ok_or_else(|| format!("no base is named {name:?}"))?,
            ObjectOrigin::File(path) => {
                let mut documents = (self.load)(path)?.into_iter();
                let first = documents.next();
                first
                    .map(|document| document.value)
                    .ok_or_else(|| format!("{path} holds no object"))?
            }
        };
        for pointer in &source.remove {
            objects::remove(&mut object, pointer)?;
        }
        for (pointer, value) in &source.set {
            objects::set(&mut object, pointer, value.clone())?;
        }
        default(&mut object);
        Ok(object)
    }

    fn request(&self, case: &Case) -> Result<Request<'static>, String> {
        let object = self.object(case.object.as_ref())?;
        let old_object = self.object(case.old_object.as_ref())?;
        let shown = if object.is_null() {
            &old_object
        } else {
            &object
        };
        let text = |keys: &[&str]| shown.str_at(keys).unwrap_or_default().to_owned();
        let kind = Gvk::new(&text(&["apiVersion"]), &text(&["kind"]));
        let (resource, scope) = resource_of(&kind)
            .ok_or_else(|| format!("the resource of kind {kind} is not known"))?;
        let namespace = match (scope, text(&["metadata", "namespace"])) {
            (Scope::Cluster, _) => String::new(),
            (Scope::Namespaced, name) if name.is_empty() => NAMESPACE.to_owned(),
            (Scope::Namespaced, name) => name,
        };
        let default = match (object.is_null(), old_object.is_null()) {
            (true, _) => Operation::Delete,
            (false, true) => Operation::Create,
            (false, false) => Operation::Update,
        };
        let name = text(&["metadata", "name"]);
        let namespace_object =
            (!namespace.is_empty()).then(|| Arc::new(labelled(&namespace, &case.namespace_labels)));
        Ok(Request {
            kind,
            sub_resource: case.request.sub_resource.clone(),
            name,
            operation: case.request.operation.unwrap_or(default),
            user: UserInfo {
                username: if case.request.username.is_empty() {
                    USER.to_owned()
                } else {
                    case.request.username.clone()
                },
                groups: case.request.groups.clone(),
                ..UserInfo::default()
            },
            options: case.request.options.clone(),
            old_object,
            namespace_object,
            namespace,
            ..Request::create(resource, object)
        })
    }
}

/// Custom resources reach policies with the defaults of their schema.
fn default(object: &mut Json<'static>) {
    let text = |key: &str| object.str_at(&[key]).unwrap_or_default().to_owned();
    let kind = Gvk::new(&text("apiVersion"), &text("kind"));
    if let Some(schema) = catalog::get(&kind).filter(|_| !is_native(&kind)) {
        schema.default(object);
    }
}

/// Namespace selectors of profiles are not looked at: cases choose.
fn everywhere(mut sourced: Sourced) -> Sourced {
    if let Some(Json::Object(spec)) = sourced.object.get_mut("spec") {
        spec.remove("namespaceSelector");
    }
    sourced
}

fn settings() -> Settings {
    Settings {
        exempt_namespaces: Vec::new(),
        ..Settings::default()
    }
}

fn lines(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().map(ToString::to_string).collect()
}

/// The name of a policy; `None` for anything else.
fn policy_name(sourced: &Sourced) -> Option<&str> {
    let text = |key: &str| sourced.object.str_at(&[key]).unwrap_or_default();
    let kind = text("kind");
    let native =
        text("apiVersion").starts_with(ADMISSION_GROUP) && kind.ends_with("AdmissionPolicy");
    let own = text("apiVersion").starts_with(OWN_GROUP) && kind == "SandboxPolicy";
    (native || own).then(|| {
        sourced
            .object
            .str_at(&["metadata", "name"])
            .unwrap_or_default()
    })
}

/// The resource behind a kind; a Scale is that of a warm pool, the one kind here that is scaled.
fn resource_of(kind: &Gvk) -> Option<(Gvr, Scope)> {
    if kind.group == "autoscaling" && kind.kind == "Scale" {
        let pools = Gvr::new("extensions.agents.x-k8s.io/v1beta1", "sandboxwarmpools");
        return Some((pools, Scope::Namespaced));
    }
    catalog::resource_of(kind)
}

fn labelled(name: &str, labels: &[(String, String)]) -> Json<'static> {
    let own = ("kubernetes.io/metadata.name".to_owned(), name.to_owned());
    let labels = std::iter::once(&own).chain(labels);
    let labels = labels.map(|(key, value)| (key.clone(), Json::from(value.clone())));
    let mut namespace = crate::owned_json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}
    });
    if let Some(Json::Object(metadata)) = namespace.get_mut("metadata") {
        metadata.insert("labels", Json::Object(labels.collect()));
    }
    namespace
}

fn compare(
    case: &Case,
    set: &Set,
    request: &Request<'static>,
    (mutated, verdict): (&Mutated, &Verdict),
    failures: &mut Vec<String>,
) -> Result<(), String> {
    let findings: Vec<&Finding> = mutated
        .findings
        .iter()
        .chain(&verdict.findings)
        .filter(|finding| matches!(finding.outcome, Outcome::Fail | Outcome::Error))
        .collect();
    let got = answer(&findings);
    if got != case.expect.verdict {
        failures.push(format!(
            "expected verdict {}, got {}",
            word(case.expect.verdict),
            word(got)
        ));
        if let (Expected::Allow, Some(why)) = (got, silence(case, set, request)) {
            failures.push(why);
        }
    }
    let expected = match (&case.expect.findings, case.expect.verdict) {
        (Some(expected), _) => Some(expected.as_slice()),
        (None, Expected::Allow) => Some(&[][..]),
        (None, _) => None,
    };
    if let Some(expected) = expected {
        match_findings(set, expected, &findings, failures);
    }
    if case.expect.unchanged {
        for step in &mutated.steps {
            failures.push(format!(
                "{} changes the object: {}",
                step.policy, step.patch
            ));
        }
    }
    for (pointer, wanted) in &case.expect.mutated {
        let found = objects::get(&request.object, pointer)?.unwrap_or(&Json::Null);
        if found != wanted {
            failures.push(format!("expected {wanted} at {pointer}, found {found}"));
        }
    }
    Ok(())
}

/// Why nothing was judged, where a case expects otherwise: the usual mistakes are a missing binding and a rule for
/// another resource.
fn silence(case: &Case, set: &Set, request: &Request<'_>) -> Option<String> {
    let unbound: Vec<&str> = set.unbound().iter().map(|policy| &*policy.name).collect();
    if !unbound.is_empty() {
        return Some(format!(
            "no binding or profile of the case puts in force: {}",
            unbound.join(", ")
        ));
    }
    let judged = set.policies().any(|policy| {
        let rules = policy.constraints.rules.iter();
        let mut resources = rules.flat_map(|rule| &rule.resources);
        resources.any(|resource| {
            let resource = resource.split('/').next().unwrap_or_default();
            resource == "*" || resource == request.resource.resource
        })
    });
    (!judged && case.expect.verdict != Expected::Allow).then(|| {
        let operation = request.operation;
        format!("no policy is about {operation} of {}", request.resource)
    })
}

/// What the findings amount to.
fn answer(findings: &[&Finding]) -> Expected {
    if findings.iter().any(|finding| finding.denies) {
        return Expected::Deny;
    }
    if findings.is_empty() {
        return Expected::Allow;
    }
    let warns = |finding: &&Finding| finding.actions.contains(&Action::Warn);
    if findings.iter().any(warns) {
        Expected::Warn
    } else {
        Expected::Audit
    }
}

const fn word(expected: Expected) -> &'static str {
    match expected {
        Expected::Allow => "allow",
        Expected::Deny => "deny",
        Expected::Warn => "warn",
        Expected::Audit => "audit",
    }
}

/// The name of a finding's rule as suites write it.
fn rule_name(set: &Set, finding: &Finding) -> String {
    let named = set
        .policy(&finding.policy, false)
        .and_then(|policy| policy.rule_name(&finding.rule));
    match (named, &finding.rule) {
        (Some(name), _) => name.to_owned(),
        (None, Rule::Validation(at)) => format!("validations[{at}]"),
        (None, Rule::AuditAnnotation(at)) => format!("auditAnnotations[{at}]"),
        (None, Rule::Mutation(at)) => format!("mutations[{at}]"),
        (None, Rule::Policy | Rule::MutatingPolicy) => "policy".to_owned(),
    }
}

fn match_findings(
    set: &Set,
    expected: &[ExpectedFinding],
    findings: &[&Finding],
    failures: &mut Vec<String>,
) {
    let mut open: Vec<&ExpectedFinding> = expected.iter().collect();
    for finding in findings {
        let rule = rule_name(set, finding);
        let hit = open.iter().position(|wanted| {
            wanted.policy == finding.policy
                && wanted.rule == rule
                && wanted
                    .contains
                    .as_ref()
                    .is_none_or(|part| finding.denial().contains(part))
                && wanted
                    .matches
                    .as_ref()
                    .is_none_or(|pattern| pattern.is_match(&finding.denial()))
        });
        match hit {
            Some(at) => {
                open.remove(at);
            }
            None => failures.push(format!(
                "unexpected finding of {} {rule}: {}",
                finding.policy, finding.message
            )),
        }
    }
    for wanted in open {
        let contains = wanted.contains.as_ref();
        let contains = contains.map_or_else(String::new, |part| format!(" with {part:?}"));
        let pattern = wanted.matches.as_ref();
        let pattern = pattern.map_or_else(String::new, |one| format!(" that matches {one}"));
        failures.push(format!(
            "missing finding of {} {}{contains}{pattern}",
            wanted.policy, wanted.rule
        ));
    }
}
