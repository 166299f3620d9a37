//! `matchConstraints` and `matchResources`.

use std::collections::BTreeSet;

use crate::model::fields::Field;
use crate::model::names;
use crate::model::request::Operation;
use crate::model::selector::LabelSelector;

use super::{MatchResources, Operations, ResourceRule, RuleScope};

/// What a reader wants of a MatchResources.
pub struct Wanted {
    /// At least one rule.
    pub rules_required: bool,
    /// For a mutating policy: no DELETE.
    pub mutating: bool,
}

const OPERATIONS: [(&str, Operations); 5] = [
    ("CREATE", Operations(0).with(Operation::Create)),
    ("UPDATE", Operations(0).with(Operation::Update)),
    ("DELETE", Operations(0).with(Operation::Delete)),
    ("CONNECT", Operations(0).with(Operation::Connect)),
    ("*", Operations::ALL),
];

pub fn match_resources(field: &Field<'_>, wanted: &Wanted) -> MatchResources {
    let known = [
        "namespaceSelector",
        "objectSelector",
        "resourceRules",
        "excludeResourceRules",
        "matchPolicy",
    ];
    if !field.object(&known) {
        return MatchResources::default();
    }
    let rules_field = field.key("resourceRules");
    let rules = rules_field.items();
    if rules.is_empty() && wanted.rules_required {
        rules_field.fail("at least one rule is required");
    }
    let words = [("Exact", true), ("Equivalent", false)];
    MatchResources {
        namespace_selector: LabelSelector::read(&field.key("namespaceSelector")),
        object_selector: LabelSelector::read(&field.key("objectSelector")),
        rules: rules
            .iter()
            .map(|rule| resource_rule(rule, wanted.mutating))
            .collect(),
        excludes: field
            .key("excludeResourceRules")
            .items()
            .iter()
            .map(|rule| resource_rule(rule, false))
            .collect(),
        exact: field.key("matchPolicy").word(&words).unwrap_or(false),
    }
}

fn resource_rule(field: &Field<'_>, mutating: bool) -> ResourceRule {
    let known = [
        "resourceNames",
        "operations",
        "apiGroups",
        "apiVersions",
        "resources",
        "scope",
    ];
    if !field.object(&known) {
        field.fail("a rule is required");
        return ResourceRule::default();
    }
    let words = [
        ("*", RuleScope::All),
        ("Cluster", RuleScope::Cluster),
        ("Namespaced", RuleScope::Namespaced),
    ];
    let versions = field.key("apiVersions");
    for item in versions.items() {
        if item.text() == Some("") {
            item.fail("a value is required");
        }
    }
    ResourceRule {
        names: resource_names(&field.key("resourceNames")),
        operations: operations(&field.key("operations"), mutating),
        groups: starred(&field.key("apiGroups")),
        versions: starred(&versions),
        resources: resources(&field.key("resources")),
        scope: field.key("scope").word(&words).unwrap_or_default(),
    }
}

fn resource_names(field: &Field<'_>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    for item in field.items() {
        let Some(name) = item.text() else { continue };
        item.check(name, names::path_segment);
        if !seen.insert(name) {
            item.fail(format!("{name:?} is listed twice"));
        }
    }
    field.texts().into_iter().map(str::to_owned).collect()
}

fn operations(field: &Field<'_>, mutating: bool) -> Operations {
    let items = field.items();
    if items.is_empty() {
        field.fail("at least one operation is required");
    }
    let mut out = Operations::default();
    for item in &items {
        let operation = item.word(&OPERATIONS);
        if operation.is_none() && item.text().is_none_or(str::is_empty) {
            item.fail("a value is required");
        }
        let operation = operation.unwrap_or_default();
        if mutating && operation != Operations::ALL && operation.contains(Operation::Delete) {
            item.fail("a mutating policy cannot match DELETE");
        }
        if operation == Operations::ALL && items.len() > 1 {
            field.fail("\"*\" must stand alone");
        }
        out = Operations(out.0 | operation.0);
    }
    out
}

/// A list of names that is required, and in which `*` stands alone.
fn starred(field: &Field<'_>) -> Vec<String> {
    let texts = field.texts();
    if texts.is_empty() {
        field.fail("at least one value is required");
    }
    if texts.len() > 1 && texts.contains(&"*") {
        field.fail("\"*\" must stand alone");
    }
    texts.into_iter().map(str::to_owned).collect()
}

fn resources(field: &Field<'_>) -> Vec<String> {
    let texts = field.texts();
    if texts.is_empty() {
        field.fail("at least one value is required");
    }
    if texts.len() > 1 && texts.contains(&"*/*") {
        field.fail("\"*/*\" must stand alone");
    }
    let plain = |text: &&str| !text.is_empty() && !text.contains('/') && *text != "*";
    if texts.contains(&"*") && texts.iter().any(plain) {
        field.fail("\"*\" covers every resource: remove the others without subresource");
    }
    let mut all_subresources = BTreeSet::new();
    let mut all_resources = BTreeSet::new();
    for item in field.items() {
        let text = item.text().unwrap_or_default();
        if text.is_empty() {
            item.fail("a value is required");
        }
        let Some((resource, subresource)) = text.split_once('/') else {
            continue;
        };
        if all_subresources.contains(resource) {
            item.fail(format!("\"{resource}/*\" covers it: remove {text:?}"));
        }
        if all_resources.contains(subresource) {
            item.fail(format!("\"*/{subresource}\" covers it: remove {text:?}"));
        }
        if subresource == "*" {
            all_subresources.insert(resource);
        }
        if resource == "*" {
            all_resources.insert(subresource);
        }
    }
    texts.into_iter().map(str::to_owned).collect()
}
