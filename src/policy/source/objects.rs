//! The six kinds, each read as a whole.

use crate::model::fields::{Field, FieldErrors};
use crate::model::gvk::Gvk;
use crate::model::json::Json;
use crate::model::names;
use crate::model::selector::LabelSelector;
use crate::model::verdict::{Action, Severity};

use crate::schema::catalog;

use super::super::conform;
use super::super::diagnostic::{Diagnostic, Sourced};
use super::bodies::{audit_annotations, mutations, named, validations};
use super::constraints::{Wanted, match_resources};
use super::{
    ADMISSION_GROUP, About, Binding, Body, FailurePolicy, Item, NotFound, OWN_GROUP, PROFILE_KIND,
    ParamPick, ParamRef, Policy, Profile, Reinvocation,
};

/// One kind's reader: `None` when it is too broken to be anything.
pub type Reader = fn(&Object<'_>) -> Option<Item>;

/// An object while it is read.
pub struct Object<'j> {
    sourced: &'j Sourced,
    version: &'j str,
    name: String,
    root: Field<'j>,
    spec: Field<'j>,
}

const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

const ACTIONS: [(&str, Action); 3] = [
    ("Deny", Action::Deny),
    ("Warn", Action::Warn),
    ("Audit", Action::Audit),
];

/// Reads an object of a known kind as far as possible, and what is wrong with it.
pub fn salvage(
    sourced: &Sourced,
    group: &str,
    version: &str,
    reader: Reader,
) -> (Option<Item>, Vec<Diagnostic>) {
    let errors = FieldErrors::default();
    let root = Field::root(&sourced.object, &errors);
    let known = ["apiVersion", "kind", "metadata", "spec", "status"];
    let _ = root.object(&known);
    let served: &[&str] = if group == ADMISSION_GROUP {
        &["v1", "v1beta1", "v1alpha1"]
    } else {
        &["v1alpha1"]
    };
    if !served.contains(&version) {
        let versions = served.join(", ");
        root.key("apiVersion").fail(format!(
            "version {version:?} is not known; known versions of {group}: {versions}"
        ));
    }
    let metadata = root.key("metadata");
    let _ = metadata.object(&METADATA);
    let name = metadata.key("name").required_text();
    if let Some(name) = name {
        metadata.key("name").check(name, names::subdomain);
    }
    let spec = root.key("spec");
    if !spec.is_set() {
        spec.fail("a value is required");
    }
    let object = Object {
        sourced,
        version,
        name: name.unwrap_or_default().to_owned(),
        spec,
        root: root.clone(),
    };
    let item = reader(&object);
    let subject = sourced.subject();
    let errors = errors.into_vec();
    let mistakes = errors
        .iter()
        .map(|error| Diagnostic::field(&subject, &sourced.origin, error));
    (item, mistakes.collect())
}

/// The fields that VAP and MAP share.
const SHARED: [&str; 5] = [
    "failurePolicy",
    "paramKind",
    "matchConstraints",
    "matchConditions",
    "variables",
];

fn known(own: &[&'static str]) -> Vec<&'static str> {
    SHARED.iter().chain(own).copied().collect()
}

pub fn validating(object: &Object<'_>) -> Option<Item> {
    let known = known(&["validations", "auditAnnotations"]);
    if !object.spec.object(&known) {
        return None;
    }
    let body = object.validating_body();
    let policy = object.policy("ValidatingAdmissionPolicy", body, object.annotations())?;
    Some(Item::Policy(Box::new(policy), None))
}

pub fn mutating(object: &Object<'_>) -> Option<Item> {
    let known = known(&["mutations", "reinvocationPolicy"]);
    if !object.spec.object(&known) {
        return None;
    }
    let reinvocation = object.reinvocation();
    if reinvocation.is_none() && !object.spec.key("reinvocationPolicy").is_set() {
        object
            .spec
            .key("reinvocationPolicy")
            .fail("a value is required: Never or IfNeeded");
    }
    let body = Body::Mutating {
        mutations: mutations(&object.spec.key("mutations")),
        reinvocation: reinvocation.unwrap_or(Reinvocation::Never),
    };
    let policy = object.policy("MutatingAdmissionPolicy", body, object.annotations())?;
    Some(Item::Policy(Box::new(policy), None))
}

pub fn validating_binding(object: &Object<'_>) -> Option<Item> {
    let known = [
        "policyName",
        "paramRef",
        "matchResources",
        "validationActions",
    ];
    if !object.spec.object(&known) {
        return None;
    }
    let actions = object.actions();
    if actions.is_empty() && object.spec.key("validationActions").items().is_empty() {
        object
            .spec
            .key("validationActions")
            .fail("at least one of Deny, Warn, Audit is required");
    }
    object.binding(false, actions)
}

pub fn mutating_binding(object: &Object<'_>) -> Option<Item> {
    if !object
        .spec
        .object(&["policyName", "paramRef", "matchResources"])
    {
        return None;
    }
    object.binding(true, Vec::new())
}

pub fn sandbox_policy(object: &Object<'_>) -> Option<Item> {
    let known = known(&[
        "validations",
        "auditAnnotations",
        "mutations",
        "reinvocationPolicy",
        "paramRef",
        "validationActions",
        "lookups",
        "severity",
        "category",
        "title",
        "remediation",
        "controls",
    ]);
    let spec = &object.spec;
    if !spec.object(&known) {
        return None;
    }
    if !spec.key("lookups").items().is_empty() {
        spec.key("lookups")
            .fail("lookups are not supported yet: remove them, or pass the object as a parameter");
    }
    let mutates = !spec.key("mutations").items().is_empty();
    for field in ["validations", "auditAnnotations", "validationActions"] {
        if mutates && spec.key(field).is_set() {
            spec.key(field)
                .fail("a policy with mutations cannot have this field");
        }
    }
    let body = if mutates {
        Body::Mutating {
            mutations: mutations(&spec.key("mutations")),
            reinvocation: object.reinvocation().unwrap_or(Reinvocation::Never),
        }
    } else {
        if spec.key("reinvocationPolicy").is_set() {
            spec.key("reinvocationPolicy")
                .fail("only a policy with mutations can have this field");
        }
        object.validating_body()
    };
    let policy = object.policy("SandboxPolicy", body, object.about())?;
    let binding = object.own_binding(&policy);
    Some(Item::Policy(Box::new(policy), binding.map(Box::new)))
}

pub fn profile(object: &Object<'_>) -> Option<Item> {
    let spec = &object.spec;
    let gvk = Gvk::new(&format!("{OWN_GROUP}/{}", object.version), PROFILE_KIND);
    for error in catalog::get(&gvk)
        .into_iter()
        .flat_map(|schema| conform::check(schema, &object.sourced.object))
    {
        object.root.errors().push(error.path, error.message);
    }
    // The schema has checked the word.
    let enforcement = spec.key("enforcement");
    let enforcement = enforcement.value().and_then(Json::as_str);
    let action = ACTIONS.iter().find(|(word, _)| Some(*word) == enforcement);
    Some(Item::Profile(Profile {
        name: object.name.clone(),
        namespaces: LabelSelector::read(&spec.key("namespaceSelector")),
        enforcement: action.map_or(Action::Deny, |(_, action)| *action),
        fault: None,
    }))
}

impl Object<'_> {
    fn policy(&self, kind: &'static str, body: Body, about: About) -> Option<Policy> {
        let spec = &self.spec;
        let words = [
            ("Fail", FailurePolicy::Fail),
            ("Ignore", FailurePolicy::Ignore),
        ];
        let wanted = Wanted {
            rules_required: true,
            mutating: matches!(body, Body::Mutating { .. }),
        };
        let constraints = spec.key("matchConstraints");
        if !constraints.is_set() {
            constraints.fail("a value is required");
        }
        let conditions = spec.key("matchConditions");
        let variables = spec.key("variables");
        Some(Policy {
            name: self.name.clone(),
            kind,
            origin: self.sourced.origin.clone(),
            failure: spec
                .key("failurePolicy")
                .word(&words)
                .unwrap_or(FailurePolicy::Fail),
            param_kind: self.param_kind(),
            constraints: match_resources(&constraints, &wanted),
            conditions: named::conditions(&conditions),
            variables: named::variables(&variables),
            body,
            about,
        })
    }

    fn validating_body(&self) -> Body {
        let validations_field = self.spec.key("validations");
        let annotations = self.spec.key("auditAnnotations");
        let body = Body::Validating {
            validations: validations(&validations_field),
            audit_annotations: audit_annotations(&annotations, &self.name),
        };
        if validations_field.items().is_empty() && annotations.items().is_empty() {
            validations_field.fail("validations or auditAnnotations must hold at least one item");
        }
        body
    }

    fn reinvocation(&self) -> Option<Reinvocation> {
        let words = [
            ("Never", Reinvocation::Never),
            ("IfNeeded", Reinvocation::IfNeeded),
        ];
        self.spec.key("reinvocationPolicy").word(&words)
    }

    fn param_kind(&self) -> Option<Gvk> {
        let field = self.spec.key("paramKind");
        if !field.object(&["apiVersion", "kind"]) {
            return None;
        }
        let (version_field, kind_field) = (field.key("apiVersion"), field.key("kind"));
        let (api_version, kind) = (version_field.required_text(), kind_field.required_text());
        let gvk = Gvk::new(api_version?, kind?);
        if !gvk.group.is_empty() {
            version_field.check(&gvk.group, names::subdomain);
        }
        version_field.check(&gvk.version, names::label_1035);
        if let Err(rule) = names::label_1035(&gvk.kind.to_ascii_lowercase()) {
            kind_field.fail(format!(
                "{:?} may have mixed case, but otherwise {rule}",
                gvk.kind
            ));
        }
        Some(gvk)
    }

    fn param_ref(&self) -> Option<ParamRef> {
        let field = self.spec.key("paramRef");
        if !field.object(&["name", "namespace", "selector", "parameterNotFoundAction"]) {
            return None;
        }
        let name = field.key("name").text().filter(|name| !name.is_empty());
        let selector = field.key("selector");
        if let Some(name) = name {
            field.key("name").check(name, names::path_segment);
        }
        if name.is_some() && selector.is_set() {
            field.fail("name and selector are mutually exclusive");
        }
        let pick = match name {
            Some(name) => ParamPick::Name(name.to_owned()),
            None if selector.is_set() => ParamPick::Selector(LabelSelector::read(&selector)),
            None => {
                field.fail("one of name or selector is required");
                return None;
            }
        };
        let words = [("Allow", NotFound::Allow), ("Deny", NotFound::Deny)];
        let action = field.key("parameterNotFoundAction");
        let not_found = action.word(&words);
        let absent = action.text().is_none_or(str::is_empty);
        // Of all versions, only the first alpha had a default.
        if not_found.is_none() && absent && self.version != "v1alpha1" {
            action.fail("a value is required: Allow or Deny");
        }
        let namespace = field.key("namespace").text();
        Some(ParamRef {
            pick,
            namespace: namespace.filter(|text| !text.is_empty()).map(str::to_owned),
            not_found: not_found.unwrap_or(NotFound::Deny),
        })
    }

    fn actions(&self) -> Vec<Action> {
        let field = self.spec.key("validationActions");
        let mut out: Vec<Action> = Vec::new();
        for item in field.items() {
            match item.word(&ACTIONS) {
                Some(action) if out.contains(&action) => {
                    item.fail(format!("{action:?} is listed twice"));
                }
                Some(action) => out.push(action),
                None if item.text().is_none_or(str::is_empty) => item.fail("a value is required"),
                None => {}
            }
        }
        if out.contains(&Action::Deny) && out.contains(&Action::Warn) {
            field.fail("Deny and Warn exclude each other: a refusal already tells the user");
        }
        out
    }

    fn binding(&self, mutating: bool, actions: Vec<Action>) -> Option<Item> {
        let spec = &self.spec;
        let policy = spec.key("policyName").required_text();
        if let Some(policy) = policy {
            spec.key("policyName").check(policy, names::subdomain);
        }
        let wanted = Wanted {
            rules_required: false,
            mutating,
        };
        let resources = spec.key("matchResources");
        let binding = Binding {
            name: self.name.clone(),
            policy: policy.unwrap_or_default().to_owned(),
            mutating,
            param_ref: self.param_ref(),
            resources: resources
                .is_set()
                .then(|| match_resources(&resources, &wanted)),
            actions,
            profile: None,
        };
        Some(Item::Binding(Box::new(binding)))
    }

    /// The binding that a `SandboxPolicy` carries; none when its profiles bind it.
    fn own_binding(&self, policy: &Policy) -> Option<Binding> {
        let (param_ref, actions) = (
            self.spec.key("paramRef"),
            self.spec.key("validationActions"),
        );
        if policy.takes_profiles() && !param_ref.is_set() && !actions.is_set() {
            return None;
        }
        match (&policy.param_kind, param_ref.is_set()) {
            (Some(_), false) if !policy.takes_profiles() => {
                param_ref.fail("a value is required: paramKind and paramRef belong together");
            }
            (None, true) => param_ref.fail("paramKind and paramRef belong together"),
            _ => {}
        }
        let mut listed = self.actions();
        if listed.is_empty() && !policy.mutates() {
            listed.push(Action::Deny);
        }
        Some(Binding {
            name: self.name.clone(),
            policy: self.name.clone(),
            mutating: policy.mutates(),
            param_ref: self.param_ref(),
            resources: None,
            actions: listed,
            profile: None,
        })
    }

    fn about(&self) -> About {
        let spec = &self.spec;
        let text = |key: &str| spec.key(key).text().map(str::to_owned);
        let severity = spec.key("severity");
        About {
            title: text("title"),
            category: text("category"),
            severity: severity_of(&severity, severity.text()),
            remediation: text("remediation"),
            controls: spec
                .key("controls")
                .texts()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            rules: split(self.annotation("rules").and_then(Json::as_str)),
        }
    }

    fn annotation(&self, key: &str) -> Option<&Json<'_>> {
        let annotations = self.root.key("metadata").key("annotations");
        annotations.value()?.get(&format!("sandfence.dev/{key}"))
    }

    fn annotations(&self) -> About {
        let text = |key: &str| self.annotation(key).and_then(Json::as_str);
        let annotations = self.root.key("metadata").key("annotations");
        let severity = annotations.key("sandfence.dev/severity");
        About {
            title: text("title").map(str::to_owned),
            category: text("category").map(str::to_owned),
            severity: severity_of(&severity, text("severity")),
            remediation: text("remediation").map(str::to_owned),
            controls: split(text("controls")),
            rules: split(text("rules")),
        }
    }
}

/// The severity that `word` names; any other word is a mistake in `field`.
fn severity_of(field: &Field<'_>, word: Option<&str>) -> Option<Severity> {
    let word = word?;
    let severity = Severity::parse(word);
    if severity.is_none() {
        let words = Severity::ALL.map(Severity::as_str).join(", ");
        let found = word.to_ascii_lowercase();
        field.fail(format!("expected one of {words}, found {found:?}"));
    }
    severity
}

/// The parts of a comma-separated annotation.
fn split(text: Option<&str>) -> Vec<String> {
    let parts = text.into_iter().flat_map(|text| text.split(','));
    let parts = parts.map(str::trim).filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}
