//! The API server's evaluator and ours side by side: the same policies and the same Sandbox of 3 KB, one thread each, in
//! one run, with and without reading the object from its text.
//!
//! `cargo bench --bench side_by_side` prints a table. It needs Go 1.26: the reference is the oracle of `tests/oracle`.
//! On the side of the API server only its evaluation of a policy counts (compiled before, matching and conversion not
//! counted); ours is the whole decision, matching included.

#[path = "../tests/support/judged.rs"]
mod judged;
#[path = "../tests/support/oracle.rs"]
mod oracle;

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sandfence::model::json::Json;
use sandfence::model::request::Request;
use sandfence::model::yaml;
use sandfence::policy::diagnostic::Sourced;
use sandfence::policy::judge::judge;
use sandfence::policy::set::{Set, Settings};
use sandfence::policy::{packs, presets};
use serde_json::{Value, json};

const SANDBOX: &str = include_str!("../tests/data/bench/sandbox.json");
const SIXTEEN: &str = include_str!("../tests/data/bench/rules.yaml");

/// Evaluations in one measurement of the API server's evaluator.
const REPEAT: usize = 2_000;
/// How long one measurement of ours takes.
const SPAN: Duration = Duration::from_millis(500);
/// Measurements of each figure, of which the fastest counts: other work of the machine only ever adds.
const ROUNDS: usize = 5;

/// A set of policies to compare with.
struct Contest {
    name: &'static str,
    set: Set,
    /// Its validating policies for Sandboxes, as objects.
    policies: Vec<Value>,
    params: Value,
}

fn contest(name: &'static str, objects: Vec<Sourced>) -> Result<Contest> {
    let values: Vec<Value> = objects.iter().map(|one| Value::from(&one.object)).collect();
    let params = values
        .iter()
        .find(|value| value["kind"] == "GuardrailProfile");
    let concerned = |policy: &&Value| {
        policy["kind"] == "ValidatingAdmissionPolicy"
            && policy["spec"]["matchConstraints"]
                .to_string()
                .contains("\"sandboxes\"")
    };
    Ok(Contest {
        name,
        params: params.cloned().unwrap_or_default(),
        policies: values.iter().filter(concerned).cloned().collect(),
        set: Set::build(objects, &Settings::default())
            .map_err(|mistakes| anyhow::anyhow!("{} mistakes", mistakes.len()))?,
    })
}

fn read(name: &str, text: &str) -> Result<Vec<Sourced>> {
    Ok(yaml::read(name, text)?
        .into_iter()
        .map(Sourced::from)
        .collect())
}

fn contests() -> Result<Vec<Contest>> {
    let mut shipped = Vec::new();
    for (name, text) in packs::FILES {
        shipped.extend(read(name, text)?);
    }
    let choice = presets::choose(shipped, &["restricted".to_owned()], None)?;
    Ok(vec![
        contest("guardrail pack, restricted", choice.objects)?,
        contest("sixteen rules", read("rules.yaml", SIXTEEN)?)?,
    ])
}

/// The question about the Sandbox, without a policy.
fn case() -> Result<Value> {
    let object: Value = serde_json::from_str(SANDBOX)?;
    Ok(json!({
        "object": object,
        "oldObject": null,
        "namespaceObject": {
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "agents", "labels": {"kubernetes.io/metadata.name": "agents"}},
            "spec": {}, "status": {},
        },
        "request": {
            "operation": "CREATE",
            "name": object["metadata"]["name"],
            "namespace": "agents",
            "kind": {"group": "agents.x-k8s.io", "version": "v1beta1", "kind": "Sandbox"},
            "resource": {"group": "agents.x-k8s.io", "version": "v1beta1", "resource": "sandboxes"},
            "userInfo": {"username": "kim", "groups": ["system:authenticated"]},
        },
    }))
}

/// Nanoseconds that the API server's evaluator takes for all policies of the contest. With decoding, the object is read
/// once for all of them.
fn theirs(session: &mut oracle::Session, contest: &Contest, decode: bool) -> Result<f64> {
    let mut sum = 0.0;
    for (at, policy) in contest.policies.iter().enumerate() {
        let mut request = case()?;
        request["op"] = json!("vap");
        request["policy"] = policy.clone();
        request["params"] = contest.params.clone();
        request["repeat"] = json!(REPEAT);
        request["decode"] = json!(decode && at == 0);
        let answer = session.ask(&[request])?.remove(0);
        let refused = judged::their_verdict(&answer)["failed"].to_string();
        ensure!(
            refused == "[]",
            "the API server refuses the Sandbox: {refused}"
        );
        sum += answer["nanos"].as_f64().context("a time")?;
    }
    Ok(sum)
}

/// Nanoseconds of one decision of ours.
fn ours(contest: &Contest, decode: bool) -> Result<f64> {
    let ready = judged::request(&case()?)?;
    ensure!(
        judge(&contest.set, &ready).allowed(),
        "we refuse the Sandbox"
    );
    let around = Request {
        object: Json::Null,
        ..ready.clone()
    };
    let decide = || {
        if decode {
            let object = Json::parse(black_box(SANDBOX)).unwrap_or_default();
            let request = Request {
                object,
                ..around.clone()
            };
            black_box(judge(&contest.set, &request));
        } else {
            black_box(judge(&contest.set, black_box(&ready)));
        }
    };
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < SPAN {
        for _ in 0..100 {
            decide();
        }
        count += 100;
    }
    Ok(start.elapsed().as_secs_f64() * 1e9 / f64::from(count))
}

fn fastest(mut measure: impl FnMut() -> Result<f64>) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        best = best.min(measure()?);
    }
    Ok(best)
}

fn main() -> Result<()> {
    let mut session = oracle::Session::start()?;
    println!("| Policies | Reading the object | API server's evaluator | sandfence | ratio |");
    println!("|---|---|---|---|---|");
    for contest in contests()? {
        for decode in [false, true] {
            let theirs = fastest(|| theirs(&mut session, &contest, decode))? / 1_000.0;
            let ours = fastest(|| ours(&contest, decode))? / 1_000.0;
            println!(
                "| {} | {} | {theirs:.1} µs | {ours:.1} µs | {:.1} |",
                contest.name,
                if decode { "counted" } else { "not counted" },
                theirs / ours
            );
        }
    }
    session.finish()
}
