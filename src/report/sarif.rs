//! SARIF 2.1.0, the subset that code scanning reads: one run, its rules, one result for each row.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::document::{Document, PolicyInfo, Problem, Row};
use super::plain;
use crate::model::verdict::{Action, Outcome, Severity};

/// Where the format is described.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The file, indented, with a final newline.
///
/// # Errors
/// Never for documents of this crate; serialisation errors are passed on rather than hidden.
pub fn render(document: &Document) -> Result<String, serde_json::Error> {
    let mut rules: BTreeMap<String, &Row> = BTreeMap::new();
    for row in &document.results {
        rules.entry(id(row)).or_insert(row);
    }
    let index: BTreeMap<&str, usize> = rules.keys().map(String::as_str).zip(0..).collect();
    let described: Vec<Value> = rules
        .iter()
        .map(|(id, row)| rule(id, row, document.policies.get(&row.policy)))
        .collect();
    let results: Vec<Value> = document
        .results
        .iter()
        .map(|row| result(row, &index))
        .collect();
    let notifications: Vec<Value> = document.problems.iter().map(notification).collect();
    let mut text = serde_json::to_string_pretty(&json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": env!("CARGO_PKG_NAME"),
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": described,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": document.summary.error == 0,
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
            "properties": {
                "summary": document.summary,
                "policySet": document.policy_set,
            },
        }],
    }))?;
    text.push('\n');
    Ok(text)
}

/// Policy and rule; stable as long as the rule keeps its name or place.
fn id(row: &Row) -> String {
    match row.rule.label() {
        label if label.is_empty() => row.policy.clone(),
        label => format!("{}/{label}", row.policy),
    }
}

fn rule(id: &str, row: &Row, info: Option<&PolicyInfo>) -> Value {
    let mut tags = vec!["security".to_owned()];
    let mut described = json!({
        "id": id,
        "defaultConfiguration": {"level": level(row.action)},
        "properties": {
            "security-severity": score(row.severity),
            "severity": row.severity,
        },
    });
    if let Some(info) = info {
        if let Some(title) = &info.title {
            described["shortDescription"] = json!({"text": title});
        }
        if let Some(remediation) = &info.remediation {
            described["help"] = json!({"text": remediation});
        }
        tags.extend(info.category.clone());
        tags.extend(info.controls.iter().cloned());
    }
    tags.dedup();
    described["properties"]["tags"] = json!(tags);
    described
}

/// What the action is worth to those who read the results.
const fn level(action: Action) -> &'static str {
    match action {
        Action::Deny => "error",
        Action::Warn => "warning",
        Action::Audit => "note",
    }
}

/// The severity on the scale of CVSS, by which code scanning sorts; each is the middle of its band.
const fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "0.0",
        Severity::Low => "2.0",
        Severity::Medium => "5.5",
        Severity::High => "8.0",
        Severity::Critical => "9.5",
    }
}

fn result(row: &Row, index: &BTreeMap<&str, usize>) -> Value {
    let id = id(row);
    let kind = match row.verdict {
        Outcome::Pass => "pass",
        Outcome::Skip => "notApplicable",
        Outcome::Fail | Outcome::Error => "fail",
    };
    let message = match (row.verdict, row.message.as_str()) {
        (Outcome::Pass, "") => "the rule holds".to_owned(),
        (Outcome::Error, message) => format!("could not be judged: {message}"),
        (_, message) => message.to_owned(),
    };
    let object = &row.object;
    let mut logical = vec![json!({
        "fullyQualifiedName": format!("{}/{}", object.api_version, object.title()),
        "kind": "resource",
    })];
    if let Some(path) = &row.path {
        logical.push(json!({"fullyQualifiedName": path, "kind": "member"}));
    }
    let mut out = json!({
        "ruleId": id,
        "ruleIndex": index.get(id.as_str()),
        "kind": kind,
        // The standard has no level for what is in order.
        "level": if kind == "fail" { level(row.action) } else { "none" },
        "message": {"text": plain::block(&message)},
        "locations": [{
            "physicalLocation": place(&object.file, row.line.or(Some(object.line)), row.column),
            "logicalLocations": logical,
        }],
        // Lines move; what a finding is about stays.
        "partialFingerprints": {"finding/v1": finding(row)},
        "properties": {
            "action": row.action,
            "binding": row.binding,
            "denies": row.denies,
            "verdict": row.verdict,
        },
    });
    if let Some(file) = &row.rule_file {
        out["relatedLocations"] = json!([{
            "id": 1,
            "physicalLocation": place(file, row.rule_line, None),
            "message": {"text": "the rule"},
        }]);
    }
    out
}

/// What tells a finding from others, whatever its line.
fn finding(row: &Row) -> String {
    let object = &row.object;
    let parts = [
        object.api_version.as_str(),
        &object.kind,
        &object.namespace,
        &object.name,
        &row.policy,
        row.binding.as_deref().unwrap_or_default(),
        &row.rule.label(),
        row.path.as_deref().unwrap_or_default(),
    ];
    parts.join("|")
}

fn notification(problem: &Problem) -> Value {
    json!({
        "level": "error",
        "message": {"text": plain::block(&problem.message)},
        "locations": [{
            "physicalLocation": place(&problem.file, problem.line, problem.column),
        }],
    })
}

fn place(file: &str, line: Option<u32>, column: Option<u32>) -> Value {
    let mut place = json!({"artifactLocation": {"uri": uri(file)}});
    if let Some(line) = line {
        place["region"] = json!({"startLine": line});
        if let Some(column) = column {
            place["region"]["startColumn"] = json!(column);
        }
    }
    place
}

/// A path as URI reference: what a path may hold and a URI may not is written as its octets.
fn uri(file: &str) -> String {
    let mut out = String::with_capacity(file.len());
    if file.starts_with('/') {
        out.push_str("file://");
    }
    for octet in file.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(octet));
            }
            octet => {
                let _ = write!(out, "%{octet:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_references() {
        for (path, expected) in [
            ("a/b.yaml", "a/b.yaml"),
            ("/tmp/a b.yaml", "file:///tmp/a%20b.yaml"),
            ("<stdin>", "%3Cstdin%3E"),
            ("a:b#ä.yaml", "a%3Ab%23%C3%A4.yaml"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }
}
