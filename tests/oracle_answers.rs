//! The reference oracle answers each kind of question: what other tests take for the truth is looked at here.

#[path = "support/oracle.rs"]
mod oracle;

use anyhow::Result;
use serde_json::{Value, json};

/// The answer to one request, without the time that it took.
fn ask(request: Value) -> Result<Value> {
    Ok(oracle::ask(&[request])?.remove(0))
}

#[test]
fn evaluations_tell_value_type_and_cost() -> Result<()> {
    let answer = ask(json!({
        "id": 1,
        "expression": "variables.total + object.items.map(i, uint(i))[1] + x",
        "variables": {"object": {"items": [1, 2]}},
        "typedVariables": {"x": {"type": "uint", "value": "3"}},
        "policyVariables": [{"name": "total", "expression": "0u + 1u"}],
    }))?;
    assert_eq!(
        answer,
        json!({
            "id": 1, "type": "uint", "value": 6, "typed": {"type": "uint", "value": "6"}, "cost": 38,
            "variablesCost": 1,
        })
    );
    Ok(())
}

#[test]
fn evaluations_tell_errors_of_both_kinds() -> Result<()> {
    let answers = oracle::ask(&[
        json!({"expression": "1 / object.zero", "variables": {"object": {"zero": 0}}}),
        json!({"expression": "1 + 'a'"}),
    ])?;
    assert_eq!(
        answers,
        [
            json!({"type": "int", "error": "division by zero", "cost": 3}),
            json!({"compileError": "ERROR: <input>:1:3: found no matching overload for '_+_' applied to \
                                    '(int, string)'\n | 1 + 'a'\n | ..^"}),
        ]
    );
    Ok(())
}

/// A request about an object with five replicas.
fn request(op: &str, spec: &Value) -> Value {
    json!({
        "op": op,
        "policy": {"metadata": {"name": "replicas"}, "spec": spec},
        "params": {"apiVersion": "v1", "kind": "ConfigMap", "data": {"max": "3"}},
        "object": {"apiVersion": "example.com/v1", "kind": "Pool", "spec": {"replicas": 5}},
        "request": {
            "operation": "CREATE",
            "name": "pool",
            "namespace": "default",
            "kind": {"group": "example.com", "version": "v1", "kind": "Pool"},
            "resource": {"group": "example.com", "version": "v1", "resource": "pools"},
            "userInfo": {"username": "kim"},
        },
    })
}

#[test]
fn validating_policies_are_decided() -> Result<()> {
    let answer = ask(request(
        "vap",
        &json!({
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "validations": [
                {
                    "expression": "object.spec.replicas <= int(params.data.max)",
                    "messageExpression": "'at most ' + params.data.max",
                    "reason": "Forbidden",
                },
                {"expression": "object.spec.missing == 1"},
            ],
            "auditAnnotations": [{"key": "who", "valueExpression": "request.userInfo.username"}],
        }),
    ))?;
    assert_eq!(
        answer,
        json!({
            "decisions": [
                {"action": "deny", "evaluation": "deny", "message": "at most 3", "reason": "Forbidden"},
                {
                    "action": "deny",
                    "evaluation": "error",
                    "message": "expression 'object.spec.missing == 1' resulted in error: no such key: missing",
                    "reason": "",
                },
            ],
            "auditAnnotations": [{"key": "who", "value": "kim", "action": "publish", "error": ""}],
        })
    );
    Ok(())
}

#[test]
fn mutating_policies_are_applied() -> Result<()> {
    let answer = ask(request(
        "map",
        &json!({
            "mutations": [
                {
                    "patchType": "ApplyConfiguration",
                    "applyConfiguration": {"expression": "Object{spec: Object.spec{paused: true}}"},
                },
                {
                    "patchType": "JSONPatch",
                    "jsonPatch": {"expression": "[JSONPatch{op: 'remove', path: '/spec/absent'}]"},
                },
            ],
        }),
    ))?;
    assert_eq!(
        answer["object"]["spec"],
        json!({"replicas": 5, "paused": true})
    );
    assert_eq!(answer["errors"][0], Value::Null);
    let problem = answer["errors"][1].as_str().unwrap_or_default();
    assert!(problem.contains("/spec/absent"), "{answer}");
    Ok(())
}
