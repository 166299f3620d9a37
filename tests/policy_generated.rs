//! Generated policies over generated objects through the API server's own policy code and ours: decisions, messages,
//! reasons, audit annotations and patched objects are equal.
//!
//! `SANDFENCE_POLICIES` asks for more than the usual number, `SANDFENCE_SEED` for others.

#[path = "support/generate/mod.rs"]
mod generate;
#[path = "support/judged.rs"]
mod judged;
#[path = "support/oracle.rs"]
mod oracle;

use anyhow::Result;
use generate::grammar::Grammar;
use generate::policy::{Policies, request};
use generate::waste;
use oracle::Session;
use sandfence::policy::judge::judge_with;
use sandfence::policy::mutate::mutate_with;
use serde_json::{Value, json};

/// Policies of each kind when nobody asks for more, each with [`REQUESTS`] requests.
const POLICIES: u64 = 500;
/// Requests about one policy.
const REQUESTS: u64 = 4;
/// How often the API server is asked again when the answers differ: the order of map entries is drawn by chance.
const RETRIES: usize = 60;

fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What is generated.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Validating policies.
    Validating,
    /// Mutating policies of JSON patches.
    Patching,
    /// Validating policies that come near their budgets, or beyond.
    Wasteful,
}

/// One policy with one request.
struct Case {
    asked: Value,
    objects: Vec<Value>,
}

impl Case {
    fn new(grammar: &Grammar, spec: &Value, kind: Kind, seed: u64, number: u64) -> Self {
        let mutating = kind == Kind::Patching;
        let mut asked = request(grammar, seed, number);
        if kind == Kind::Wasteful && !asked["object"].is_null() {
            asked["object"][waste::FIELD] = json!(waste::blob());
        }
        let objects = judged::objects(&asked, spec, mutating);
        asked["op"] = json!(if mutating { "map" } else { "vap" });
        asked["policy"] = objects[0].clone();
        if spec.get("paramKind").is_none() {
            asked["params"] = Value::Null;
        }
        Self { asked, objects }
    }

    /// The oracle's answer and ours, in one form.
    fn judged(&self, answer: &Value, mutating: bool) -> Result<(Value, Value)> {
        let set = judged::set(&self.objects)?;
        let resolvers = judged::resolvers(&self.asked);
        let request = judged::request(&self.asked)?;
        let fails = self.objects[0]["spec"]["failurePolicy"] == "Fail";
        if mutating {
            let ours = mutate_with(&set, &request, &resolvers);
            return Ok((
                their_change(answer, &self.asked["object"], fails),
                our_change(&ours, &self.asked["object"]),
            ));
        }
        let verdict = judge_with(&set, &request, &resolvers);
        let mut theirs = judged::their_verdict(answer);
        if !fails {
            theirs["auditErrors"] = json!([]);
        }
        let ours = judged::our_verdict(&verdict, "p", Some(verdict.passed), fails);
        Ok((theirs, ours))
    }
}

/// The object after the mutations and their errors.
fn their_change(answer: &Value, object: &Value, fails: bool) -> Value {
    let changed = answer.get("object").unwrap_or(object);
    let errors: Vec<&Value> = match answer.get("matchError") {
        Some(error) if fails => vec![error],
        _ => answer["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|error| !error.is_null())
            .collect(),
    };
    json!({"object": judged::plain(changed), "errors": errors})
}

fn our_change(mutated: &sandfence::model::verdict::Mutated, object: &Value) -> Value {
    let changed = mutated.object.as_ref().map(Value::from);
    let errors: Vec<&str> = mutated
        .findings
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    json!({"object": judged::plain(changed.as_ref().unwrap_or(object)), "errors": errors})
}

/// Compares all cases of a kind.
fn compare(kind: Kind) -> Result<()> {
    let mutating = kind == Kind::Patching;
    let grammar = Grammar::read()?;
    let seed = setting("SANDFENCE_SEED", 1);
    let policies = match kind {
        Kind::Wasteful => setting("SANDFENCE_POLICIES", POLICIES) / 8,
        _ => setting("SANDFENCE_POLICIES", POLICIES),
    };
    let mut session = Session::start()?;
    let (mut count, mut panics, mut undecided, mut interesting) = (0, 0, 0, 0);
    let mut different = Vec::new();
    for number in 0..policies {
        let mut maker = Policies::new(&grammar, seed, number);
        let spec = match kind {
            Kind::Validating => maker.validating(),
            Kind::Patching => maker.patching(),
            Kind::Wasteful => waste::validating(seed, number),
        };
        let cases: Vec<Case> = (0..REQUESTS)
            .map(|at| Case::new(&grammar, &spec, kind, seed, number * REQUESTS + at))
            .filter(|case| !mutating || case.asked["request"]["operation"] != "DELETE")
            .collect();
        let requests: Vec<Value> = cases.iter().map(|case| case.asked.clone()).collect();
        let answers = session.ask(&requests)?;
        for (case, answer) in cases.iter().zip(&answers) {
            count += 1;
            // There is nothing to agree with.
            if answer.get("panic").is_some() {
                panics += 1;
                continue;
            }
            let (theirs, ours) = case.judged(answer, mutating)?;
            let said = theirs.to_string();
            if kind == Kind::Wasteful {
                interesting += usize::from(said.contains("budget") || said.contains("cost limit"));
            } else {
                interesting += usize::from(said.len() > 120);
            }
            if theirs == ours {
                continue;
            }
            let again = session.ask(&vec![case.asked.clone(); RETRIES])?;
            let mut agrees = false;
            for answer in &again {
                let (theirs, ours) = case.judged(answer, mutating)?;
                agrees = agrees || theirs == ours;
            }
            if agrees {
                undecided += 1;
            } else {
                different.push(format!(
                    "{spec}\n  server: {theirs}\n  ours:   {ours}\n  asked: {}",
                    case.asked
                ));
            }
        }
    }
    session.finish()?;
    println!(
        "{count} cases, {interesting} of them with much to say; {undecided} answered in several ways"
    );
    different.sort_by_key(String::len);
    let shown = &different[..different.len().min(10)];
    assert!(
        different.is_empty(),
        "{} of {count} differ, the shortest of them\n{}",
        different.len(),
        shown.join("\n")
    );
    assert!(panics * 50 < count, "{panics} of {count} panic");
    assert!(interesting * 3 > count, "{interesting} of {count} say much");
    assert!(
        undecided * 50 < count,
        "{undecided} of {count} in several ways"
    );
    Ok(())
}

#[test]
fn generated_validating_policies_decide_as_in_the_api_server() -> Result<()> {
    compare(Kind::Validating)
}

#[test]
fn generated_patches_change_what_they_change_in_the_api_server() -> Result<()> {
    compare(Kind::Patching)
}

#[test]
fn budgets_run_out_where_those_of_the_api_server_do() -> Result<()> {
    compare(Kind::Wasteful)
}
