//! Our judge behind the requests of the reference oracle: `vap` and `map` answered by us, in a form that both answers
//! are brought to.

#![allow(
    dead_code,
    reason = "every test binary that compiles this uses a part of it"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use sandfence::cel::lib::authz::{Attributes, Authorizer, Decision};
use sandfence::model::gvk::{Gvk, Gvr};
use sandfence::model::json::Json;
use sandfence::model::request::{Operation, Request, UserInfo};
use sandfence::model::verdict::{Outcome, Rule, Verdict};
use sandfence::policy::Resolvers;
use sandfence::policy::diagnostic::{Origin, Sourced};
use sandfence::policy::set::{Set, Settings};
use serde_json::{Map, Value, json};

/// The objects of a set, from the cluster.
pub fn set(objects: &[Value]) -> Result<Set> {
    let sourced = |object: &Value| Sourced {
        object: Json::from(object.clone()),
        origin: Origin::Cluster,
    };
    Set::build(objects.iter().map(sourced).collect(), &Settings::default()).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        anyhow!(lines.join("\n"))
    })
}

/// A policy `p` with this spec, its binding and the parameters of a case, as objects.
pub fn objects(case: &Value, spec: &Value, mutating: bool) -> Vec<Value> {
    let (policy, binding) = if mutating {
        ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding")
    } else {
        (
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
        )
    };
    let mut spec = spec.clone();
    let operations = if mutating {
        json!(["CREATE", "UPDATE"])
    } else {
        json!(["*"])
    };
    spec["matchConstraints"] = json!({"resourceRules": [{
        "apiGroups": ["*"], "apiVersions": ["*"], "operations": operations, "resources": ["*/*"],
    }]});
    let mut bound = json!({"policyName": "p"});
    if !mutating {
        bound["validationActions"] = json!(["Deny"]);
    }
    if spec.get("paramKind").is_some() {
        bound["paramRef"] = json!({"name": "limits", "parameterNotFoundAction": "Deny"});
    }
    let api = "admissionregistration.k8s.io/v1";
    vec![
        json!({"apiVersion": api, "kind": policy, "metadata": {"name": "p"}, "spec": spec}),
        json!({"apiVersion": api, "kind": binding, "metadata": {"name": "b"}, "spec": bound}),
        case["params"].clone(),
    ]
}

/// Answers everything alike.
#[derive(Debug)]
struct Always(Decision);

impl Authorizer for Always {
    fn check(&self, _: &Attributes) -> Decision {
        self.0.clone()
    }
}

/// The authorizer of a case.
pub fn resolvers(case: &Value) -> Resolvers {
    let text = |key: &str| {
        case["authorizer"][key]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    Resolvers {
        authorizer: Some(Arc::new(Always(Decision {
            allowed: text("decision") == "allow",
            reason: text("reason"),
            error: Some(text("error")).filter(|error| !error.is_empty()),
        }))),
    }
}

/// The request of a case.
pub fn request(case: &Value) -> Result<Request<'static>> {
    let given = &case["request"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = |key: &str| Json::from(case[key].clone());
    let options = Json::from(given["options"].clone());
    let namespace = Some(&case["namespaceObject"]).filter(|value| !value.is_null());
    let group = text(&given["kind"]["group"]);
    let version = text(&given["kind"]["version"]);
    Ok(Request {
        uid: String::new(),
        kind: Gvk {
            group: group.clone(),
            version: version.clone(),
            kind: text(&given["kind"]["kind"]),
        },
        resource: Gvr {
            group,
            version,
            resource: text(&given["resource"]["resource"]),
        },
        sub_resource: Some(text(&given["subResource"])).filter(|name| !name.is_empty()),
        request_kind: None,
        request_resource: None,
        request_sub_resource: None,
        name: text(&given["name"]),
        namespace: text(&given["namespace"]),
        operation: serde_json::from_value::<Operation>(given["operation"].clone())
            .context("an operation")?,
        user: serde_json::from_value::<UserInfo>(given["userInfo"].clone()).context("a user")?,
        object: object("object"),
        old_object: object("oldObject"),
        options,
        dry_run: given["dryRun"] == true,
        namespace_object: namespace.map(|value| Arc::new(Json::from(value.clone()))),
    })
}

/// What the oracle says of one validating policy. Rules that hold are counted.
pub fn their_verdict(answer: &Value) -> Value {
    let mut passed = 0;
    let mut failed = Vec::new();
    for (index, decision) in list(&answer["decisions"]).enumerate() {
        let evaluation = &decision["evaluation"];
        if evaluation == "admit" {
            passed += 1;
            continue;
        }
        let error = evaluation == "error";
        failed.push(json!({
            "rule": index,
            "error": error,
            "denies": decision["action"] == "deny",
            "message": decision["message"],
            "reason": if error { &Value::Null } else { &decision["reason"] },
        }));
    }
    let (mut published, mut errors) = (Map::new(), Vec::new());
    for annotation in list(&answer["auditAnnotations"]) {
        match annotation["action"].as_str() {
            Some("publish") => {
                let key = annotation["key"].as_str().unwrap_or_default();
                published.insert(key.to_owned(), annotation["value"].clone());
            }
            Some("error") => errors.push(annotation["error"].clone()),
            _ => {}
        }
    }
    json!({"passed": passed, "failed": failed, "audit": published, "auditErrors": errors})
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// What we say of policy `name`; how many rules hold is left out where several policies were judged.
pub fn our_verdict(verdict: &Verdict, name: &str, passed: Option<usize>, fails: bool) -> Value {
    let (mut failed, mut errors) = (Vec::new(), Vec::new());
    for finding in verdict.findings.iter().filter(|one| one.policy == name) {
        let index = match finding.rule {
            Rule::Validation(index) => index,
            Rule::AuditAnnotation(_) => {
                // Under `Ignore` the error is dropped: it is listed, and refuses nothing.
                if fails {
                    errors.push(json!(finding.message));
                }
                continue;
            }
            _ => 0,
        };
        let error = finding.outcome == Outcome::Error;
        failed.push(json!({
            "rule": index,
            "error": error,
            "denies": finding.denies,
            "message": finding.message,
            "reason": if error { Value::Null } else { json!(format!("{:?}", finding.reason)) },
        }));
    }
    let prefix = format!("{name}/");
    let annotations: BTreeMap<&str, &String> = verdict
        .audit_annotations
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?, value)))
        .collect();
    let mut out = json!({"failed": failed, "audit": annotations, "auditErrors": errors});
    if let Some(passed) = passed {
        out["passed"] = json!(passed);
    }
    out
}

/// Numbers by their value: an integral double is written in two ways.
pub fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), plain(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}
