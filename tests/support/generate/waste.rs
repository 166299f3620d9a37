//! Policies that spend much: some run out of a budget, some just do not.
//!
//! Looking for a text in another costs the product of their lengths and takes next to no time.

use serde_json::{Map, Value, json};

use super::random::Random;

/// The field of the judged object with the text that is looked through, and how long it is.
pub const FIELD: &str = "blob";
const BLOB: usize = 10_000;

/// The content of [`FIELD`].
pub fn blob() -> String {
    "x".repeat(BLOB)
}

/// A `bool` that costs about this many times 100,000, of the 1,000,000 that one expression may cost.
fn burn(random: &mut Random, times: usize) -> String {
    let found = format!(
        "variables.blob.contains(variables.needle.substring(0, {}))",
        times * 1000
    );
    match random.below(4) {
        0 => format!("!({found})"),
        1 => format!("({found}) == false"),
        2 => format!("({found}) || object != null"),
        _ => format!("object != null && !({found})"),
    }
}

/// Conditions see no variables.
fn burn_alone(random: &mut Random, times: usize) -> String {
    let found = format!("object.{FIELD}.contains('{}')", "y".repeat(times * 1000));
    match random.below(4) {
        0 => found,
        _ => format!("!{found}"),
    }
}

/// The spec of a validating policy.
pub fn validating(seed: u64, number: u64) -> Value {
    let mut random = Random::new(seed ^ 5, number);
    let mut spec = Map::new();
    spec.insert(
        "failurePolicy".into(),
        json!(random.pick(&["Fail", "Ignore"])),
    );
    let conditions: Vec<Value> = (0..random.below(6).saturating_sub(1))
        .map(|at| {
            // None costs more than one expression may: what it then costs beyond that is not foreseen where a condition
            // that is false ends the matter early.
            let times = 1 + random.below(9);
            json!({"name": format!("c{at}"), "expression": burn_alone(&mut random, times)})
        })
        .collect();
    // Most policies get past their conditions.
    if !conditions.is_empty() && random.chance(40) {
        spec.insert("matchConditions".into(), json!(conditions));
    }
    let mut variables = vec![
        json!({"name": FIELD, "expression": format!("object.{FIELD}")}),
        json!({"name": "needle", "expression": format!("'{}'", "y".repeat(12_000))}),
    ];
    let costly = random.below(4);
    for at in 0..costly {
        let times = 1 + random.below(10);
        let expression = burn(&mut random, times);
        variables.push(json!({"name": format!("v{at}"), "expression": expression}));
    }
    spec.insert("variables".into(), json!(variables));
    let term = |random: &mut Random| {
        let times = 1 + random.below(11);
        let own = burn(random, times);
        match random.below(4) {
            0 if costly > 0 => format!("variables.v{} && ({own})", random.below(costly)),
            1 if costly > 0 => format!("variables.v{}", random.below(costly)),
            2 => format!("!({own})"),
            _ => own,
        }
    };
    let validations: Vec<Value> = (0..1 + random.below(16))
        .map(|_| {
            let mut validation = json!({"expression": term(&mut random)});
            if random.chance(60) {
                let message = format!("'it costs: ' + string({})", term(&mut random));
                validation["messageExpression"] = json!(message);
            }
            validation
        })
        .collect();
    spec.insert("validations".into(), json!(validations));
    let annotations: Vec<Value> = (0..random.below(14))
        .map(|at| {
            let value = format!("string({})", term(&mut random));
            json!({"key": format!("key{at}"), "valueExpression": value})
        })
        .collect();
    if !annotations.is_empty() && random.chance(60) {
        spec.insert("auditAnnotations".into(), json!(annotations));
    }
    Value::Object(spec)
}
