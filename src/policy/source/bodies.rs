//! Expressions and what goes with them: conditions, variables, validations, audit annotations, mutations.

use std::collections::BTreeSet;

use crate::model::fields::Field;
use crate::model::names;
use crate::model::verdict::Reason;

use super::{AuditAnnotation, Mutation, Text, Validation};

/// Most match conditions of a policy.
const MAX_CONDITIONS: usize = 64;
/// Most audit annotations of a policy.
const MAX_ANNOTATIONS: usize = 20;
/// Longest expression of an audit annotation, in bytes.
const MAX_ANNOTATION_EXPRESSION: usize = 5 * 1024;

/// The text of an expression that must be there.
fn expression(field: &Field<'_>) -> Text {
    let text = field.text().unwrap_or_default();
    if text.trim().is_empty() && (!field.is_set() || field.text().is_some()) {
        field.fail("an expression is required");
    }
    Text {
        text: text.to_owned(),
        path: field.path().clone(),
    }
}

pub mod named {
    //! Expressions with names.

    use super::super::Named;
    use super::{BTreeSet, Field, MAX_CONDITIONS, expression, names};

    pub fn conditions(field: &Field<'_>) -> Vec<Named> {
        let items = field.items();
        if items.len() > MAX_CONDITIONS {
            let count = items.len();
            field.fail(format!(
                "at most {MAX_CONDITIONS} conditions, found {count}"
            ));
        }
        let mut seen = BTreeSet::new();
        items
            .iter()
            .filter_map(|item| {
                let condition = read(item, names::qualified)?;
                if !condition.name.is_empty() && !seen.insert(condition.name.clone()) {
                    let name = &condition.name;
                    item.key("name").fail(format!("{name:?} is used twice"));
                }
                Some(condition)
            })
            .collect()
    }

    /// Duplicate names are allowed: the later one replaces the earlier.
    pub fn variables(field: &Field<'_>) -> Vec<Named> {
        let items = field.items();
        let items = items.iter();
        items
            .filter_map(|item| read(item, names::identifier))
            .collect()
    }

    fn read(item: &Field<'_>, syntax: fn(&str) -> Result<(), &'static str>) -> Option<Named> {
        if !item.object(&["name", "expression"]) {
            item.fail("a name and an expression are required");
            return None;
        }
        let name = item.key("name").required_text();
        if let Some(name) = name {
            item.key("name").check(name, syntax);
        }
        Some(Named {
            name: name.unwrap_or_default().to_owned(),
            expression: expression(&item.key("expression")),
        })
    }
}

pub fn validations(field: &Field<'_>) -> Vec<Validation> {
    let known = ["expression", "message", "messageExpression", "reason"];
    let words = [
        ("Forbidden", Reason::Forbidden),
        ("Invalid", Reason::Invalid),
        ("RequestEntityTooLarge", Reason::RequestEntityTooLarge),
    ];
    let read = |item: &Field<'_>| {
        if !item.object(&known) {
            item.fail("an expression is required");
            return None;
        }
        let message = item.key("message");
        let text = message.text().filter(|text| !text.is_empty());
        if let Some(text) = text {
            if text.trim().is_empty() {
                message.fail("must not be blank");
            } else if text.trim().contains(['\n', '\r']) {
                message.fail("must not contain line breaks");
            }
        }
        let computed = item.key("messageExpression");
        let computed = match computed.text().filter(|text| !text.is_empty()) {
            None => None,
            Some(text) if text.trim().is_empty() => {
                computed.fail("must not be blank");
                None
            }
            Some(_) => Some(expression(&computed)),
        };
        let reason = item.key("reason");
        if reason.text() == Some("") {
            reason.fail("must not be empty");
        }
        Some(Validation {
            expression: expression(&item.key("expression")),
            message: text.map(str::to_owned),
            message_expression: computed,
            reason: reason.word(&words).unwrap_or_default(),
        })
    };
    field.items().iter().filter_map(read).collect()
}

pub fn audit_annotations(field: &Field<'_>, policy: &str) -> Vec<AuditAnnotation> {
    let items = field.items();
    if items.len() > MAX_ANNOTATIONS {
        let count = items.len();
        field.fail(format!(
            "at most {MAX_ANNOTATIONS} audit annotations, found {count}"
        ));
    }
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for item in &items {
        if !item.object(&["key", "valueExpression"]) {
            item.fail("a key and an expression are required");
            continue;
        }
        let key_field = item.key("key");
        let key = key_field.text().unwrap_or_default();
        if let Err(rule) = names::qualified(&format!("{policy}/{key}")) {
            key_field.fail(format!("\"{policy}/{key}\" {rule}"));
        }
        if !seen.insert(key) {
            key_field.fail(format!("{key:?} is used twice"));
        }
        let value = item.key("valueExpression");
        let text = expression(&value);
        if text.text.trim().len() > MAX_ANNOTATION_EXPRESSION {
            value.fail(format!(
                "at most {MAX_ANNOTATION_EXPRESSION} bytes, found {}",
                text.text.trim().len()
            ));
        }
        out.push(AuditAnnotation {
            key: key.to_owned(),
            expression: text,
        });
    }
    out
}

pub fn mutations(field: &Field<'_>) -> Vec<Mutation> {
    let items = field.items();
    if items.is_empty() {
        field.fail("at least one mutation is required");
    }
    items.iter().filter_map(mutation).collect()
}

fn mutation(item: &Field<'_>) -> Option<Mutation> {
    if !item.object(&["patchType", "applyConfiguration", "jsonPatch"]) {
        item.fail("a patchType with its expression is required");
        return None;
    }
    let kind = item.key("patchType");
    let words = [("ApplyConfiguration", true), ("JSONPatch", false)];
    let Some(apply) = kind.word(&words) else {
        if kind.text().is_none_or(str::is_empty) {
            kind.fail("a value is required: ApplyConfiguration or JSONPatch");
        }
        return None;
    };
    let (wanted, other, word) = if apply {
        ("applyConfiguration", "jsonPatch", "ApplyConfiguration")
    } else {
        ("jsonPatch", "applyConfiguration", "JSONPatch")
    };
    if item.key(other).is_set() {
        item.key(other)
            .fail(format!("must not be set when patchType is {word}"));
    }
    let member = item.key(wanted);
    if !member.object(&["expression"]) {
        member.fail(format!("must be set when patchType is {word}"));
        return None;
    }
    let text = expression(&member.key("expression"));
    Some(if apply {
        Mutation::Apply(text)
    } else {
        Mutation::JsonPatch(text)
    })
}
