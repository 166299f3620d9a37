//! Evaluation against the API server's own code: type, value, error and cost of every expression of a corpus.

#[path = "support/oracle.rs"]
mod oracle;
#[path = "support/scene.rs"]
mod scene;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use scene::{Scene, comparable};

/// One expression a line; `mutation` and `policy` say what it may use.
const CORPUS: &str = include_str!("data/cel/eval.jsonl");
/// Values of variables, plain and typed, and variables of a policy.
const FIXTURE: &str = include_str!("data/cel/eval-variables.json");

/// The four scenes: with the types of mutations, with the variables of a policy, with both, with neither.
fn scenes() -> Result<Vec<Scene>> {
    let fixture: Value = serde_json::from_str(FIXTURE)?;
    let scene = |at: usize| {
        let mut request = json!({
            "variables": fixture["variables"],
            "typedVariables": fixture["typedVariables"],
            "mutation": at & 1 == 1,
        });
        if at & 2 == 2 {
            request["policyVariables"] = fixture["policyVariables"].clone();
        }
        Scene::new(request)
    };
    (0..4).map(scene).collect()
}

#[test]
fn the_corpus_evaluates_as_in_the_api_server() -> Result<()> {
    let scenes = scenes()?;
    let mut cases = Vec::new();
    for line in CORPUS.lines() {
        let case: Value = serde_json::from_str(line)?;
        let expression = case["expression"].as_str().context("an expression")?;
        let flag = |name: &str| usize::from(case[name] == true);
        let scene = &scenes[flag("mutation") + 2 * flag("policy")];
        cases.push((scene, expression.to_owned()));
    }
    let requests: Vec<Value> = cases
        .iter()
        .map(|(scene, expression)| scene.request(expression))
        .collect();
    let answers = oracle::ask(&requests)?;
    let mut different = Vec::new();
    for ((scene, expression), theirs) in cases.iter().zip(&answers) {
        let (ours, theirs) = (scene.answer(expression), comparable(theirs));
        if ours != theirs {
            different.push(format!(
                "{expression}\n  server: {theirs:?}\n  ours:   {ours:?}"
            ));
        }
    }
    assert!(
        different.is_empty(),
        "{} of {} differ:\n{}",
        different.len(),
        cases.len(),
        different.join("\n")
    );
    Ok(())
}
