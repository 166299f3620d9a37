//! PolicyReport objects of `wgpolicyk8s.io/v1alpha2`, as clusters and their dashboards know them: one for each manifest,
//! without times and uids, which manifests do not have.

use std::collections::BTreeMap;
use std::hash::Hasher as _;

use fnv::FnvHasher;
use serde_json::{Value, json};

use super::document::{Document, ObjectRef, Row};
use crate::model::json::Json;
use crate::model::verdict::{Action, Outcome};
use crate::model::yaml_out::to_yaml_stream;

/// Who made the results.
const SOURCE: &str = env!("CARGO_PKG_NAME");

/// Longest part of a report's name that tells its object; the digest behind it tells them apart.
const NAME_PART: usize = 200;

/// The reports as a YAML stream, sorted by object.
#[must_use]
pub fn render(document: &Document) -> String {
    let none = || (Vec::new(), None);
    let mut rows: BTreeMap<&ObjectRef, (Vec<&Row>, Option<&str>)> = document
        .objects
        .iter()
        .map(|object| (object, none()))
        .collect();
    for row in &document.results {
        rows.entry(&row.object).or_insert_with(none).0.push(row);
    }
    for row in &document.exemptions {
        rows.entry(&row.object).or_insert_with(none).1 = Some(&row.reason);
    }
    let reports: Vec<Json<'static>> = rows
        .into_iter()
        .map(|(object, (rows, exempt))| Json::from(report(document, object, &rows, exempt)))
        .collect();
    to_yaml_stream(&reports)
}

fn report(document: &Document, object: &ObjectRef, rows: &[&Row], exempt: Option<&str>) -> Value {
    let mut results: Vec<Value> = rows.iter().map(|row| result(document, row)).collect();
    if let Some(reason) = exempt {
        results.push(json!({
            "source": SOURCE, "policy": SOURCE, "result": "skip", "message": reason,
        }));
    }
    let count = |word: &str| results.iter().filter(|one| one["result"] == word).count();
    let summary = json!({
        "pass": count("pass"),
        "fail": count("fail"),
        "warn": count("warn"),
        "error": count("error"),
        "skip": count("skip"),
    });
    let mut scope = json!({
        "apiVersion": object.api_version, "kind": object.kind, "name": object.name,
    });
    let mut metadata = json!({
        "name": name(object),
        "labels": {"app.kubernetes.io/managed-by": SOURCE},
        "annotations": {
            "sandfence.dev/policy-set": document.policy_set.fingerprint,
            "sandfence.dev/file": object.file,
            "sandfence.dev/line": object.line.to_string(),
        },
    });
    let kind = if object.namespace.is_empty() {
        "ClusterPolicyReport"
    } else {
        scope["namespace"] = json!(object.namespace);
        metadata["namespace"] = json!(object.namespace);
        "PolicyReport"
    };
    json!({
        "apiVersion": "wgpolicyk8s.io/v1alpha2",
        "kind": kind,
        "metadata": metadata,
        "scope": scope,
        "summary": summary,
        "results": results,
    })
}

fn result(document: &Document, row: &Row) -> Value {
    // What nobody enforces is not scored, and what fails unscored is a warning.
    let scored = row.denies || row.action == Action::Deny;
    let result = match row.verdict {
        Outcome::Pass => "pass",
        Outcome::Skip => "skip",
        Outcome::Error => "error",
        Outcome::Fail if scored => "fail",
        Outcome::Fail => "warn",
    };
    let mut properties = json!({"action": format!("{:?}", row.action)});
    for (key, value) in [
        ("binding", &row.binding),
        ("path", &row.path),
        ("exception", &row.exception),
    ] {
        if let Some(value) = value {
            properties[key] = json!(value);
        }
    }
    for (key, line) in [("line", row.line), ("ruleLine", row.rule_line)] {
        if let Some(line) = line {
            properties[key] = json!(line.to_string());
        }
    }
    let mut out = json!({
        "source": SOURCE,
        "policy": row.policy,
        "result": result,
        "severity": row.severity,
        "properties": properties,
    });
    if scored {
        out["scored"] = json!(true);
    }
    let label = row.rule.label();
    let info = document.policies.get(&row.policy);
    let category = info.and_then(|info| info.category.clone());
    for (key, value) in [
        ("rule", Some(label)),
        ("category", category),
        ("message", Some(row.message.clone())),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            out[key] = json!(value);
        }
    }
    out
}

/// A name that any object of the kind can have: what tells the object, and a digest of all of it.
fn name(object: &ObjectRef) -> String {
    let mut hasher = FnvHasher::default();
    for part in [
        &object.api_version,
        &object.kind,
        &object.namespace,
        &object.name,
        &object.file,
    ] {
        hasher.write(part.as_bytes());
        hasher.write_u8(0);
    }
    hasher.write_u32(object.line);
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let told = format!("{}-{}", object.kind, object.name);
    let told: String = told.chars().map(plain).take(NAME_PART).collect();
    format!("{}-{:016x}", told.trim_matches('-'), hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_valid_whatever_the_object_is_called() {
        let object = |name: &str| ObjectRef {
            kind: "Sandbox".to_owned(),
            name: name.to_owned(),
            ..ObjectRef::default()
        };
        let long = "x".repeat(400);
        for given in ["a", "A_b.ä", "-", "", &long] {
            let name = name(&object(given));
            assert!(name.len() < 254 && name.starts_with("sandbox"), "{name}");
            assert!(
                name.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{name}"
            );
        }
        assert_ne!(name(&object("a.b")), name(&object("a-b")));
    }
}
