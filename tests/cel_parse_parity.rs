//! The parser against cel-go as the API server configures it: trees node by node, errors text by text.

#[path = "support/oracle.rs"]
mod oracle;

use anyhow::{Context, Result};
use sandfence::cel::parse::parse;
use serde_json::{Value, json};

const CORPUS: &str = include_str!("data/cel/parse.jsonl");

/// The expressions of the corpus.
fn corpus() -> Result<Vec<String>> {
    CORPUS
        .lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line)?;
            let expression = value["expression"].as_str().context(line)?;
            Ok(expression.to_owned())
        })
        .collect()
}

/// The tree, or the errors as text.
fn ours(expression: &str) -> String {
    match parse(expression) {
        Ok(ast) => ast.debug(),
        Err(error) => error.to_string(),
    }
}

/// Asks the oracle for every expression and lists those that the parsers read differently.
fn differences(expressions: &[String]) -> Result<Vec<String>> {
    let requests: Vec<Value> = expressions
        .iter()
        .map(|expression| json!({"op": "parse", "expression": expression}))
        .collect();
    let answers = oracle::ask(&requests)?;
    let mut differences = Vec::new();
    for (expression, answer) in expressions.iter().zip(&answers) {
        let theirs = answer.get("tree").or(answer.get("text"));
        let theirs = theirs.and_then(Value::as_str).context("no answer")?;
        let ours = ours(expression);
        if ours != theirs {
            differences.push(difference(expression, theirs, &ours));
        }
    }
    Ok(differences)
}

/// The expression and the first line that differs.
fn difference(expression: &str, theirs: &str, ours: &str) -> String {
    let (mut theirs, mut ours) = (theirs.lines(), ours.lines());
    loop {
        let (their, our) = (theirs.next(), ours.next());
        if their != our {
            let absent = "(nothing)";
            return format!(
                "{}\n  cel-go: {}\n  ours:   {}\n",
                json!(expression),
                their.unwrap_or(absent),
                our.unwrap_or(absent)
            );
        }
    }
}

fn assert_equal(expressions: &[String]) -> Result<()> {
    let differences = differences(expressions)?;
    assert!(
        differences.is_empty(),
        "{} of {} expressions differ, such as\n{}",
        differences.len(),
        expressions.len(),
        differences[..differences.len().min(20)].join("\n")
    );
    Ok(())
}

#[test]
fn the_corpus_gives_the_trees_and_errors_of_cel_go() -> Result<()> {
    assert_equal(&corpus()?)
}
