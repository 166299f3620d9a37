//! The behaviours that the CEL specification's own suites cover, as far as Kubernetes' environment can express them: a
//! file of cases for each category, every case compared with the API server's code.
//!
//! A case is an `eval` request of the oracle with a name; `panics` says that the API server's own code does at it, so
//! that all we owe is an error; `differs` says why both refuse in words of their own.

#[path = "support/oracle.rs"]
mod oracle;
#[path = "support/scene.rs"]
mod scene;

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use scene::{Answer, Scene, comparable};
use serde_json::Value;

/// Names and cases of the categories; each is to hold a fair number.
const CATEGORIES: [(&str, &str); 19] = [
    ("basic", include_str!("data/cel/conformance/basic.jsonl")),
    (
        "comparisons",
        include_str!("data/cel/conformance/comparisons.jsonl"),
    ),
    (
        "comprehensions",
        include_str!("data/cel/conformance/comprehensions.jsonl"),
    ),
    (
        "conversions",
        include_str!("data/cel/conformance/conversions.jsonl"),
    ),
    ("fields", include_str!("data/cel/conformance/fields.jsonl")),
    (
        "fp_math",
        include_str!("data/cel/conformance/fp_math.jsonl"),
    ),
    (
        "integer_math",
        include_str!("data/cel/conformance/integer_math.jsonl"),
    ),
    ("lists", include_str!("data/cel/conformance/lists.jsonl")),
    ("logic", include_str!("data/cel/conformance/logic.jsonl")),
    ("macros", include_str!("data/cel/conformance/macros.jsonl")),
    (
        "macros2",
        include_str!("data/cel/conformance/macros2.jsonl"),
    ),
    (
        "namespace",
        include_str!("data/cel/conformance/namespace.jsonl"),
    ),
    (
        "optionals",
        include_str!("data/cel/conformance/optionals.jsonl"),
    ),
    ("parse", include_str!("data/cel/conformance/parse.jsonl")),
    (
        "plumbing",
        include_str!("data/cel/conformance/plumbing.jsonl"),
    ),
    ("string", include_str!("data/cel/conformance/string.jsonl")),
    (
        "string_ext",
        include_str!("data/cel/conformance/string_ext.jsonl"),
    ),
    (
        "timestamps",
        include_str!("data/cel/conformance/timestamps.jsonl"),
    ),
    (
        "type_deduction",
        include_str!("data/cel/conformance/type_deduction.jsonl"),
    ),
];

/// Fewest cases of a category: a file that lost its content is noticed.
const FEWEST: usize = 30;

/// The cases of a category that differ from the API server, and how many there are.
fn compare(category: &str, text: &str) -> Result<(usize, Vec<String>)> {
    let mut names = BTreeSet::new();
    let mut cases = Vec::new();
    for line in text.lines() {
        let mut case: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let members = case.as_object_mut().context("a case is an object")?;
        let name = members.remove("name").context("a case has a name")?;
        let expression = members.remove("expression").context("no expression")?;
        let expression = expression.as_str().context("a text")?.to_owned();
        assert!(names.insert(name.to_string()), "{category}: {name} twice");
        cases.push((name, expression, Scene::new(case)?));
    }
    let requests: Vec<Value> = cases
        .iter()
        .map(|(_, expression, scene)| scene.request(expression))
        .collect();
    let answers = oracle::ask(&requests)?;
    let mut different = Vec::new();
    for ((name, expression, scene), theirs) in cases.iter().zip(&answers) {
        let panics = theirs.get("panic").is_some();
        let (ours, theirs) = (scene.answer(expression), comparable(theirs));
        let agree = if panics || scene.panics() {
            panics && scene.panics() && !ours.contains_key("typed")
        } else if scene.differs() {
            let refused = |answer: &Answer| answer.contains_key("compileError");
            ours != theirs && refused(&ours) && refused(&theirs)
        } else {
            ours == theirs
        };
        if !agree {
            different.push(format!(
                "{category}, {name}: {expression}\n  server: {theirs:?}\n  ours:   {ours:?}"
            ));
        }
    }
    Ok((cases.len(), different))
}

#[test]
fn every_category_agrees_with_the_api_server() -> Result<()> {
    let mut different = Vec::new();
    for (category, text) in CATEGORIES {
        let (count, mut found) = compare(category, text)?;
        println!("{category}: {count} cases, {} differ", found.len());
        assert!(count >= FEWEST, "{category} has {count} cases");
        different.append(&mut found);
    }
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
    Ok(())
}
