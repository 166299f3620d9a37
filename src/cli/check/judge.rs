//! From documents to rows: the offline twin of the admission chain.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::input::InputFile;
use super::fix::{Change, Fixed};
use super::parallel;
use super::policies::Loaded;
use crate::model::fields::FieldError;
use crate::model::gvk::{Gvk, Gvr, Scope};
use crate::model::json::{Json, Map};
use crate::model::near;
use crate::model::patch::{Operation, diff};
use crate::model::request::Request;
use crate::model::verdict::{Action, Finding, Outcome, Reason, Rule, Severity};
use crate::model::yaml::{self, Document};
use crate::model::yaml_out::to_yaml;
use crate::owned_json;
use crate::policy::conform;
use crate::policy::exempt::exemption;
use crate::policy::explain::{self, Side};
use crate::policy::judge::judge_all;
use crate::policy::mutate::mutate;
use crate::report::document::{
    ExemptionRow, Explanation, MutationRow, ObjectRef, Problem, Row, RuleRef,
};
use crate::report::text::{Hunks, hunks};
use crate::schema::catalog;

/// Policy name of rows that come from the resource's own schema.
pub const SCHEMA: &str = "schema";

/// Groups whose kinds are all known: another kind or version in them is a typing mistake.
const FENCED_GROUPS: [&str; 3] = [
    "agents.x-k8s.io",
    "extensions.agents.x-k8s.io",
    "sandfence.dev",
];

/// How to judge.
pub struct Options<'o> {
    /// Namespace of manifests that name none.
    pub namespace: &'o str,
    /// Whether rules that hold or do not apply become rows.
    pub all: bool,
    /// Whether changed objects are kept as text, for a diff.
    pub texts: bool,
    /// Whether changes are kept for fixing the manifests.
    pub fix: bool,
    /// Whether every policy is told about.
    pub explain: bool,
}

/// What came out.
#[derive(Default)]
pub struct Judged {
    /// Rules judged.
    pub rows: Vec<Row>,
    /// What the mutations change.
    pub mutations: Vec<MutationRow>,
    /// What changes in the YAML of changed objects.
    pub changed: BTreeMap<ObjectRef, Hunks>,
    /// Objects that policies are about and leave alone.
    pub exemptions: Vec<ExemptionRow>,
    /// Documents that are no Kubernetes objects.
    pub problems: Vec<Problem>,
    /// Objects judged.
    pub objects: usize,
    /// Which, in order of the documents.
    pub seen: Vec<ObjectRef>,
    /// Rules that hold.
    pub passed: usize,
    /// Policies whose match conditions do not hold.
    pub skipped: usize,
    /// What mutations change in the one document that was judged.
    change: Option<Vec<Operation>>,
    /// Files with these changes written into them.
    pub fixed: Fixed,
    /// What every policy made of every object.
    pub explanations: Vec<Explanation>,
}

/// Judges every document of every file. Files are read and judged side by side, and what comes out is in their order;
/// nothing of a document is kept but what is said about it.
pub fn all(
    loaded: &Loaded,
    files: &[InputFile],
    context: &[Document],
    options: &Options<'_>,
) -> Judged {
    let namespaces = namespaces(context);
    let alone = files.len() == 1;
    let bar = (!alone).then_some("judging");
    let each = parallel::map(bar, files, |file| {
        let documents = match read(file) {
            Ok(documents) => documents,
            Err(problem) => {
                return Judged {
                    problems: vec![problem],
                    ..Judged::default()
                };
            }
        };
        let bar = alone.then_some("judging");
        let each = parallel::map(bar, &documents, |document| {
            document_alone(loaded, document, &namespaces, options)
        });
        let mut judged = Judged::default();
        let mut changes = Vec::new();
        for (document, mut one) in each.into_iter().enumerate() {
            changes.extend(one.change.take().map(|operations| Change {
                document,
                operations,
            }));
            judged.add(one);
        }
        if !changes.is_empty() {
            judged.fixed = Fixed::file(file, &documents, &changes);
        }
        judged
    });
    let mut all = Judged::default();
    for one in each {
        all.add(one);
    }
    all
}

/// The documents of a file, lists flattened.
pub fn read(file: &InputFile) -> Result<Vec<Document>, Problem> {
    match yaml::read(&file.name, &file.text) {
        Ok(documents) => Ok(documents.into_iter().flat_map(Document::flatten).collect()),
        Err(error) => Err(Problem {
            file: file.name.clone(),
            line: Some(error.at.line),
            column: Some(error.at.column),
            message: error.message,
        }),
    }
}

fn document_alone(
    loaded: &Loaded,
    document: &Document,
    namespaces: &BTreeMap<String, Arc<Json<'static>>>,
    options: &Options<'_>,
) -> Judged {
    let mut judged = Judged::default();
    let gvk = match identify(document) {
        Ok(gvk) => gvk,
        Err(message) => {
            judged.problems.push(problem(document, message));
            return judged;
        }
    };
    let (mut request, errors) = request(document, &gvk, options.namespace);
    judged.objects += 1;
    let case = Case {
        loaded,
        document,
        object: ObjectRef {
            file: document.file.to_string(),
            line: document.marks.start().line,
            api_version: gvk.api_version(),
            kind: gvk.kind.clone(),
            namespace: request.namespace.clone(),
            name: request.display_name().to_owned(),
        },
    };
    judged.seen.push(case.object.clone());
    if !errors.is_empty() {
        // The API server refuses these before any policy sees them.
        judged
            .rows
            .extend(errors.iter().map(|error| case.schema_row(error)));
        return judged;
    }
    if !request.namespace.is_empty() {
        let known = namespaces.get(&request.namespace).cloned();
        request.namespace_object =
            Some(known.unwrap_or_else(|| {
                Arc::new(named_namespace(&bare_namespace(), &request.namespace))
            }));
    }
    one(&case, request, options, &mut judged);
    judged
}

/// A namespace of which nothing is known.
fn bare_namespace() -> Json<'static> {
    owned_json!({"apiVersion": "v1", "kind": "Namespace"})
}

/// Namespace objects among the manifests, by name: their labels decide which profiles apply.
fn namespaces(documents: &[Document]) -> BTreeMap<String, Arc<Json<'static>>> {
    documents
        .iter()
        .filter(|document| {
            document.value.str_at(&["apiVersion"]) == Some("v1")
                && document.value.str_at(&["kind"]) == Some("Namespace")
        })
        .filter_map(|document| {
            let name = document.value.str_at(&["metadata", "name"])?;
            Some((
                name.to_owned(),
                Arc::new(named_namespace(&document.value, name)),
            ))
        })
        .collect()
}

/// The namespace with the label that the API server always sets.
fn named_namespace(value: &Json<'static>, name: &str) -> Json<'static> {
    let mut value = value.clone();
    if let Json::Object(root) = &mut value
        && let Json::Object(metadata) = root.entry_or("metadata", Json::Object(Map::new()))
    {
        metadata.insert("name", Json::from(name.to_owned()));
        if let Json::Object(labels) = metadata.entry_or("labels", Json::Object(Map::new())) {
            labels.insert("kubernetes.io/metadata.name", Json::from(name.to_owned()));
        }
    }
    value
}

/// The kind of a document, or what is wrong with it.
fn identify(document: &Document) -> Result<Gvk, String> {
    let text = |key: &str| {
        document
            .value
            .str_at(&[key])
            .filter(|text| !text.is_empty())
    };
    if document.value.as_object().is_none() {
        return Err(
            "not a Kubernetes object: expected a mapping with apiVersion and kind".to_owned(),
        );
    }
    let (api_version, kind) = match (text("apiVersion"), text("kind")) {
        (Some(api_version), Some(kind)) => (api_version, kind),
        (None, _) => return Err("not a Kubernetes object: apiVersion is missing".to_owned()),
        (_, None) => return Err("not a Kubernetes object: kind is missing".to_owned()),
    };
    let gvk = Gvk::new(api_version, kind);
    if FENCED_GROUPS.contains(&gvk.group.as_str()) && catalog::get(&gvk).is_none() {
        let known: Vec<String> = catalog::entries()
            .iter()
            .filter(|entry| entry.gvk.group == gvk.group)
            .map(|entry| format!("{} {}", entry.gvk.api_version(), entry.gvk.kind))
            .collect();
        let kinds = catalog::entries().iter().map(|entry| &*entry.gvk.kind);
        let known = known.join(", ");
        return Err(match near::nearest(kind, kinds) {
            Some(meant) => {
                format!(
                    "no such kind: {api_version} {kind}, did you mean {meant:?}? Known: {known}"
                )
            }
            None => format!("no such kind: {api_version} {kind}; known: {known}"),
        });
    }
    Ok(gvk)
}

fn problem(document: &Document, message: String) -> Problem {
    let at = document.marks.start();
    Problem {
        file: document.file.to_string(),
        line: Some(at.line),
        column: Some(at.column),
        message,
    }
}

/// One document on its way through admission.
struct Case<'c> {
    loaded: &'c Loaded,
    document: &'c Document,
    object: ObjectRef,
}

fn one(case: &Case<'_>, request: Request<'static>, options: &Options<'_>, judged: &mut Judged) {
    let explain = |request: &Request<'static>, side, judged: &mut Judged| {
        if options.explain {
            let traces = explain::explain(&case.loaded.set, request, side);
            judged
                .explanations
                .extend(traces.into_iter().map(|trace| Explanation {
                    object: case.object.clone(),
                    trace,
                }));
        }
    };
    explain(&request, Side::Mutating, judged);
    if let Some(exempt) = exemption(&case.loaded.set, &request) {
        judged
            .exemptions
            .push(ExemptionRow::new(case.object.clone(), exempt));
    }
    let mutated = mutate(&case.loaded.set, &request);
    judged
        .mutations
        .extend(mutated.steps.iter().map(|step| MutationRow {
            object: case.object.clone(),
            policy: step.policy.clone(),
            binding: step.binding.clone(),
            patch: step.patch.clone(),
        }));
    let refused = mutated.findings.iter().any(|finding| finding.denies);
    judged
        .rows
        .extend(mutated.findings.iter().map(|finding| case.row(finding)));
    let mut request = request;
    if let Some(after) = mutated.object {
        if options.texts {
            let hunks = hunks(&to_yaml(&request.object), &to_yaml(&after));
            judged.changed.insert(case.object.clone(), hunks);
        }
        if options.fix {
            judged.change = Some(diff(&request.object, &after));
        }
        request.object = after;
    }
    // The API server asks the validating policies only about what the mutating ones let through.
    if refused {
        return;
    }
    explain(&request, Side::Validating, judged);
    for finding in judge_all(&case.loaded.set, &request).findings {
        match finding.outcome {
            Outcome::Pass => judged.passed += 1,
            Outcome::Skip => judged.skipped += 1,
            Outcome::Fail | Outcome::Error => {}
        }
        if options.all || matches!(finding.outcome, Outcome::Fail | Outcome::Error) {
            judged.rows.push(case.row(&finding));
        }
    }
}

/// The CREATE request for a document, pruned and defaulted by its schema, and what that schema refuses.
fn request(document: &Document, gvk: &Gvk, namespace: &str) -> (Request<'static>, Vec<FieldError>) {
    let mut value = document.value.clone();
    let known = catalog::entry(gvk);
    let (resource, scope) = known.map_or_else(
        || (guess_resource(gvk), Scope::Namespaced),
        |entry| (entry.gvr.clone(), entry.scope),
    );
    if scope == Scope::Namespaced
        && let Json::Object(root) = &mut value
        && let Json::Object(metadata) = root.entry_or("metadata", Json::Object(Map::new()))
        && !metadata.contains_key("namespace")
    {
        metadata.insert("namespace", Json::from(namespace.to_owned()));
    }
    let mut errors = Vec::new();
    if let Some(entry) = known {
        let schema = entry.schema();
        schema.default(&mut value);
        schema.coerce(&mut value);
        // kubectl applies with strict field validation: an unknown field is an error, not a silent loss.
        errors = conform::check(schema, &value);
        schema.prune(&mut value);
    }
    let mut request = Request::create(resource, value);
    if scope == Scope::Cluster {
        request.namespace = String::new();
    }
    (request, errors)
}

/// The plural that a kind without a known schema most likely has, as kubectl guesses it.
fn guess_resource(gvk: &Gvk) -> Gvr {
    let singular = gvk.kind.to_lowercase();
    let plural = match singular.as_bytes() {
        [.., b's' | b'x'] | [.., b'c' | b's', b'h'] => format!("{singular}es"),
        [stem @ .., b'y'] => format!("{}ies", String::from_utf8_lossy(stem)),
        _ => format!("{singular}s"),
    };
    Gvr::new(&gvk.api_version(), &plural)
}

impl Judged {
    fn add(&mut self, one: Self) {
        self.rows.extend(one.rows);
        self.mutations.extend(one.mutations);
        self.changed.extend(one.changed);
        self.exemptions.extend(one.exemptions);
        self.problems.extend(one.problems);
        self.seen.extend(one.seen);
        self.fixed.add(one.fixed);
        self.explanations.extend(one.explanations);
        self.objects += one.objects;
        self.passed += one.passed;
        self.skipped += one.skipped;
    }

    /// Whether policies had nothing at all to say about the manifests.
    pub fn is_idle(&self) -> bool {
        self.objects > 0
            && self.passed + self.skipped == 0
            && self.rows.is_empty()
            && self.mutations.is_empty()
            && self.exemptions.is_empty()
    }
}

impl Case<'_> {
    /// A finding with the places of field and rule, its severity and its name.
    fn row(&self, finding: &Finding) -> Row {
        let mut row = Row::from_finding(self.object.clone(), finding);
        if let Some(blame) = &finding.blame {
            let at = self.document.marks.nearest(&blame.path);
            (row.line, row.column) = (Some(at.line), Some(at.column));
        }
        let mutates = matches!(finding.rule, Rule::Mutation(_) | Rule::MutatingPolicy);
        if let Some(policy) = self.loaded.set.policy(&finding.policy, mutates) {
            row.rule.name = policy.rule_name(&finding.rule).map(str::to_owned);
            row.rule_file = policy.origin.file().map(ToString::to_string);
            row.rule_line = policy
                .origin
                .position(&policy.rule_path(&finding.rule))
                .map(|at| at.line);
            row.severity = policy.about.severity.unwrap_or_default();
        }
        row
    }

    /// A violation of the resource's schema.
    fn schema_row(&self, error: &FieldError) -> Row {
        let at = self.document.marks.nearest(&error.path);
        Row {
            object: self.object.clone(),
            policy: SCHEMA.to_owned(),
            binding: None,
            rule: RuleRef {
                kind: SCHEMA,
                index: None,
                name: None,
            },
            action: Action::Deny,
            verdict: Outcome::Fail,
            denies: true,
            message: error.to_string(),
            reason: format!("{:?}", Reason::Invalid),
            code: Reason::Invalid.code(),
            path: Some(error.path.to_string()),
            value: error.path.find(&self.document.value).cloned(),
            line: Some(at.line),
            column: Some(at.column),
            rule_file: None,
            rule_line: None,
            severity: Severity::High,
            exception: None,
        }
    }
}
