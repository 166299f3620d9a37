//! The shipped policies over changed sandboxes, through the API server's own policy code and ours: every decision, every
//! message, and the object that the mutations make.

#[path = "support/judged.rs"]
mod judged;
#[path = "support/oracle.rs"]
mod oracle;
#[path = "support/generate/random.rs"]
#[allow(dead_code, reason = "shared with tests that use all of it")]
mod random;

use std::fs;

use anyhow::{Context, Result};
use random::Random;
use sandfence::api::crds;
use sandfence::api::openapi::{Dialect, resolve};
use sandfence::model::gvk::Gvk;
use sandfence::model::json::Json;
use sandfence::model::yaml;
use sandfence::policy::diagnostic::Sourced;
use sandfence::policy::judge::judge_with;
use sandfence::policy::mutate::mutate_with;
use sandfence::policy::set::{Set, Settings};
use sandfence::policy::{packs, presets};
use sandfence::schema::catalog;
use serde_json::{Value, json};

const SANDBOX: &str = include_str!("data/bench/sandbox.json");
const GROUP: &str = "agents.x-k8s.io";
const VERSION: &str = "v1beta1";

/// Expressions of apply configurations for sandboxes.
const APPLY: &str = include_str!("data/cel/apply.json");

/// Sandboxes that each is applied to.
const APPLIED_TO: u64 = 6;

/// How often a case with an error is asked again: of several unknown fields Go reports the one that it meets first, by
/// chance.
const RETRIES: usize = 60;

/// Changed sandboxes for each preset.
const SANDBOXES: u64 = 120;

/// Fragments that rules look for, put in place of what is there or beside it.
const FRAGMENTS: [&str; 26] = [
    "true",
    "false",
    "null",
    "0",
    "1000",
    "-1",
    "\"\"",
    "\"x\"",
    "\"latest\"",
    "\"docker.io/nginx\"",
    "\"ghcr.io/acme/x:latest\"",
    "\"ghcr.io/acme/x@sha256:0000000000000000000000000000000000000000000000000000000000000000\"",
    "[]",
    "{}",
    "{\"privileged\": true}",
    "{\"privileged\": true, \"allowPrivilegeEscalation\": true, \"runAsUser\": 0}",
    "{\"capabilities\": {\"add\": [\"SYS_ADMIN\", \"NET_RAW\"], \"drop\": [\"ALL\"]}}",
    "{\"type\": \"Unconfined\"}",
    "{\"type\": \"Localhost\", \"localhostProfile\": \"p.json\"}",
    "[{\"name\": \"v\", \"hostPath\": {\"path\": \"/var/run\"}}]",
    "[{\"name\": \"v\", \"projected\": {\"sources\": [{\"serviceAccountToken\": {\"path\": \"t\"}}]}}]",
    "[{\"containerPort\": 22, \"hostPort\": 22}]",
    "[{\"name\": \"net.core.somaxconn\", \"value\": \"1\"}]",
    "{\"limits\": {\"cpu\": \"64\", \"memory\": \"1Ti\", \"nvidia.com/gpu\": \"1\"}}",
    "\"runc\"",
    "\"2030-01-01T00:00:00Z\"",
];

/// Fields that may be added to a Pod spec or a container.
const FIELDS: [&str; 22] = [
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "hostUsers",
    "shareProcessNamespace",
    "automountServiceAccountToken",
    "serviceAccountName",
    "runtimeClassName",
    "securityContext",
    "seccompProfile",
    "volumes",
    "ports",
    "resources",
    "image",
    "procMount",
    "privileged",
    "runAsUser",
    "runAsNonRoot",
    "sysctls",
    "ephemeralContainers",
    "initContainers",
    "shutdownTime",
];

/// Changes one place of a document: takes it away, repeats it, replaces it or adds a field.
fn change(value: &mut Value, random: &mut Random, depth: usize) {
    let stop = depth > 2 && random.chance(25);
    match value {
        Value::Object(map) if !map.is_empty() && !stop => {
            let at = random.below(map.len());
            let Some(key) = map.keys().nth(at).cloned() else {
                return;
            };
            if depth > 1 && random.chance(12) {
                map.remove(&key);
            } else if depth > 1 && random.chance(15) {
                let field = random.pick(&FIELDS).to_owned();
                map.insert(field, fragment(random));
            } else if let Some(inner) = map.get_mut(&key) {
                change(inner, random, depth + 1);
            }
        }
        Value::Array(items) if !items.is_empty() && !stop => {
            let at = random.below(items.len());
            if random.chance(10) {
                items.remove(at);
            } else if random.chance(10) {
                items.push(items[at].clone());
            } else {
                change(&mut items[at], random, depth + 1);
            }
        }
        other => *other = fragment(random),
    }
}

/// Takes away what the mutations fill in.
fn strip(value: &mut Value, random: &mut Random) {
    let filled = [
        "securityContext",
        "automountServiceAccountToken",
        "resources",
        "runtimeClassName",
        "runAsNonRoot",
        "runAsUser",
        "allowPrivilegeEscalation",
        "capabilities",
        "seccompProfile",
        "limits",
        "requests",
    ];
    match value {
        Value::Object(map) => {
            for field in filled {
                if random.chance(40) {
                    map.remove(field);
                }
            }
            map.values_mut().for_each(|inner| strip(inner, random));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| strip(inner, random)),
        _ => {}
    }
}

/// A sandbox with its defaults: the API server sets them before it asks policies, and again after each that changes it,
/// which is no part of what the oracle does.
fn defaulted(object: &Value) -> Result<Value> {
    let kind = Gvk::new(&format!("{GROUP}/{VERSION}"), "Sandbox");
    let schema = catalog::get(&kind).context("the schema of sandboxes")?;
    let mut object = Json::from(object.clone());
    schema.default(&mut object);
    Ok(Value::from(&object))
}

fn fragment(random: &mut Random) -> Value {
    serde_json::from_str(random.pick(&FRAGMENTS)).unwrap_or_default()
}

/// A request about a changed sandbox.
fn case(number: u64) -> Result<Value> {
    let mut random = Random::new(11, number);
    let original: Value = serde_json::from_str(SANDBOX)?;
    let mut object = original.clone();
    for _ in 0..=random.below(4) {
        // The part that the rules are about.
        if let Some(spec) = object.get_mut("spec") {
            change(spec, &mut random, 1);
        }
    }
    let update = random.chance(30);
    Ok(json!({
        "object": object,
        "oldObject": if update { original } else { Value::Null },
        "namespaceObject": {
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "agents", "labels": {
                "kubernetes.io/metadata.name": "agents",
                // What the bindings of pod-security go by.
                "pod-security.kubernetes.io/enforce": "restricted",
            }},
            "spec": {}, "status": {},
        },
        "request": {
            "operation": if update { "UPDATE" } else { "CREATE" },
            "name": "code-interpreter-7f2c",
            "namespace": "agents",
            "kind": {"group": GROUP, "version": VERSION, "kind": "Sandbox"},
            "resource": {"group": GROUP, "version": VERSION, "resource": "sandboxes"},
            "userInfo": {"username": "kim", "groups": ["system:authenticated"]},
        },
    }))
}

/// The shipped policies that judge sandboxes, and the profile of a preset.
struct Shipped {
    set: Set,
    policies: Vec<Value>,
    profile: Value,
}

fn shipped(preset: &str) -> Result<Shipped> {
    let mut objects: Vec<Sourced> = Vec::new();
    for (name, text) in packs::FILES {
        objects.extend(yaml::read(name, text)?.into_iter().map(Sourced::from));
    }
    let choice = presets::choose(objects, &[preset.to_owned()], None)?;
    let values: Vec<Value> = choice
        .objects
        .iter()
        .map(|one| Value::from(&one.object))
        .collect();
    let for_sandboxes = |policy: &&Value| {
        policy["spec"]["matchConstraints"]
            .to_string()
            .contains("\"sandboxes\"")
    };
    let profile = values
        .iter()
        .find(|value| value["kind"] == "GuardrailProfile")
        .context("a profile")?
        .clone();
    Ok(Shipped {
        policies: values.iter().filter(for_sandboxes).cloned().collect(),
        set: Set::build(choice.objects, &Settings::default())
            .map_err(|mistakes| anyhow::anyhow!("{} mistakes", mistakes.len()))?,
        profile,
    })
}

/// The schema of sandboxes as the API server publishes it.
fn schemas() -> Result<Value> {
    let documents = crds::all(&crds::Options::default());
    let document = documents
        .iter()
        .find(|document| document["spec"]["names"]["kind"] == "Sandbox")
        .context("the CRD of sandboxes")?;
    let versions = document["spec"]["versions"]
        .as_array()
        .context("versions")?;
    let version = versions
        .iter()
        .find(|version| version["name"] == VERSION)
        .context("the version")?;
    let mut schema = version["schema"]["openAPIV3Schema"].clone();
    schema["properties"]["metadata"] =
        resolve("meta.v1.ObjectMeta", Dialect::Native).context("metadata")?;
    schema["x-kubernetes-group-version-kind"] =
        json!([{"group": GROUP, "version": VERSION, "kind": "Sandbox"}]);
    Ok(json!({"sandbox": schema}))
}

fn compare_decisions(preset: &str) -> Result<()> {
    let shipped = shipped(preset)?;
    let cases = (0..SANDBOXES).map(case).collect::<Result<Vec<_>>>()?;
    let validating: Vec<&Value> = shipped
        .policies
        .iter()
        .filter(|policy| policy["kind"] == "ValidatingAdmissionPolicy")
        .collect();
    assert!(validating.len() >= 10, "{} policies", validating.len());
    let mut requests = Vec::new();
    for case in &cases {
        for policy in &validating {
            let mut request = case.clone();
            request["op"] = json!("vap");
            request["policy"] = (*policy).clone();
            request["params"] = shipped.profile.clone();
            requests.push(request);
        }
    }
    let answers = oracle::ask(&requests)?;
    let (mut different, mut refusals) = (Vec::new(), 0);
    for (case, answers) in cases.iter().zip(answers.chunks(validating.len())) {
        let verdict = judge_with(
            &shipped.set,
            &judged::request(case)?,
            &judged::resolvers(case),
        );
        for (policy, answer) in validating.iter().zip(answers) {
            let name = policy["metadata"]["name"].as_str().context("a name")?;
            let mut theirs = judged::their_verdict(answer);
            if let Some(theirs) = theirs.as_object_mut() {
                theirs.remove("passed");
            }
            let fails = policy["spec"]["failurePolicy"] != "Ignore";
            let ours = judged::our_verdict(&verdict, name, None, fails);
            refusals += theirs["failed"].as_array().map_or(0, Vec::len);
            if theirs != ours {
                different.push(format!(
                    "{name}\n  server: {theirs}\n  ours:   {ours}\n  object: {}",
                    case["object"]
                ));
            }
        }
    }
    println!("{preset}: {} answers, {refusals} refusals", requests.len());
    assert!(refusals * 2 > cases.len(), "{refusals} refusals");
    assert!(
        different.is_empty(),
        "{} of {} differ, such as\n{}",
        different.len(),
        requests.len(),
        different[..different.len().min(5)].join("\n")
    );
    Ok(())
}

#[test]
fn the_packs_decide_as_in_the_api_server_with_the_strict_profile() -> Result<()> {
    compare_decisions("restricted")
}

#[test]
fn the_packs_decide_as_in_the_api_server_with_the_lenient_profile() -> Result<()> {
    compare_decisions("baseline")
}

#[test]
fn the_packs_mutate_as_in_the_api_server() -> Result<()> {
    let shipped = shipped("restricted")?;
    let schemas = schemas()?;
    let mutating: Vec<&Value> = shipped
        .policies
        .iter()
        .filter(|policy| policy["kind"] == "MutatingAdmissionPolicy")
        .collect();
    assert!(!mutating.is_empty());
    let mut session = oracle::Session::start()?;
    let (mut different, mut changed) = (Vec::new(), 0);
    for number in 0..SANDBOXES {
        let mut case = case(number)?;
        strip(&mut case["object"], &mut Random::new(12, number));
        case["object"] = defaulted(&case["object"])?;
        let mut theirs = case["object"].clone();
        let mut errors = 0;
        // One after the other, in the order of their names.
        let mut policies = mutating.clone();
        policies.sort_by_key(|policy| policy["metadata"]["name"].to_string());
        for policy in policies {
            let mut request = case.clone();
            request["op"] = json!("map");
            request["object"] = theirs.clone();
            request["policy"] = policy.clone();
            request["params"] = shipped.profile.clone();
            request["schemas"] = schemas.clone();
            let answer = session.ask(&[request])?.remove(0);
            if let Some(object) = answer.get("object") {
                theirs = defaulted(object)?;
            }
            let failed = answer["errors"].as_array().into_iter().flatten();
            errors += failed.filter(|error| !error.is_null()).count();
            errors += usize::from(answer.get("matchError").is_some());
        }
        let ours = mutate_with(
            &shipped.set,
            &judged::request(&case)?,
            &judged::resolvers(&case),
        );
        let object = ours.object.as_ref().map(Value::from);
        changed += usize::from(object.is_some());
        let object = judged::plain(object.as_ref().unwrap_or(&case["object"]));
        if object != judged::plain(&theirs) || ours.findings.len() != errors {
            different.push(format!(
                "server: {theirs} {errors} errors\n  ours:   {object} {:?}\n  object: {}",
                ours.findings, case["object"]
            ));
        }
    }
    session.finish()?;
    println!("{SANDBOXES} sandboxes, {changed} changed");
    assert!(
        changed * 3 > usize::try_from(SANDBOXES)?,
        "{changed} changed"
    );
    assert!(
        different.is_empty(),
        "{} of {SANDBOXES} differ, such as\n{}",
        different.len(),
        different[..different.len().min(3)].join("\n")
    );
    Ok(())
}

/// The lines of an error in order: Go draws the order of fields by chance.
fn sorted(error: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = error.split('\n').collect();
    lines.sort_unstable();
    lines
}

/// What the oracle made of a case, to be compared.
fn applied(case: &Value, answer: &Value) -> Result<Value> {
    let object = match answer.get("object") {
        Some(object) => defaulted(object)?,
        None => case["object"].clone(),
    };
    Ok(json!({
        "object": judged::plain(&object),
        "error": answer["errors"][0].as_str().map(sorted),
    }))
}

#[test]
fn apply_configurations_change_what_they_change_in_the_api_server() -> Result<()> {
    let expressions: Vec<String> = serde_json::from_str(APPLY)?;
    let schemas = schemas()?;
    let mut session = oracle::Session::start()?;
    let (mut different, mut count) = (Vec::new(), 0);
    for (number, expression) in (0..).zip(&expressions) {
        let spec = json!({
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": [{
                "patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression},
            }],
        });
        for at in 0..APPLIED_TO {
            let mut case = case(number * APPLIED_TO + at)?;
            let mut objects = judged::objects(&case, &spec, true);
            objects.truncate(2);
            let set = judged::set(&objects)?;
            case["object"] = defaulted(&case["object"])?;
            let mut request = case.clone();
            request["op"] = json!("map");
            request["policy"] = objects[0].clone();
            request["schemas"] = schemas.clone();
            let ours = mutate_with(&set, &judged::request(&case)?, &judged::resolvers(&case));
            let object = ours.object.as_ref().map(Value::from);
            let ours = json!({
                "object": judged::plain(object.as_ref().unwrap_or(&case["object"])),
                "error": ours.findings.first().map(|finding| sorted(&finding.message)),
            });
            count += 1;
            let answer = session.ask(std::slice::from_ref(&request))?.remove(0);
            let mut agrees = ours == applied(&case, &answer)?;
            if !agrees && !answer["errors"][0].is_null() {
                let again = session.ask(&vec![request; RETRIES])?;
                for answer in &again {
                    agrees |= ours == applied(&case, answer)?;
                }
            }
            if !agrees {
                let theirs = applied(&case, &answer)?;
                different.push(format!(
                    "{expression}\n  server: {theirs}\n  ours:   {ours}\n  answer: {answer}"
                ));
            }
        }
    }
    session.finish()?;
    assert!(
        different.is_empty(),
        "{} of {count} differ, such as\n{}",
        different.len(),
        different.join("\n")
    );
    Ok(())
}

/// The fixtures of the examples are part of what ships: each object in them is judged alike.
#[test]
fn the_examples_decide_as_in_the_api_server() -> Result<()> {
    let shipped = shipped("restricted")?;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut session = oracle::Session::start()?;
    let mut judged_objects = 0;
    for folder in ["good", "bad"] {
        let path = root.join("examples").join(folder).join("sandbox.yaml");
        let text = fs::read_to_string(&path)?;
        for document in yaml::read("sandbox.yaml", &text)? {
            let object = Value::from(&document.value);
            if object["kind"] != "Sandbox" {
                continue;
            }
            let mut case = case(0)?;
            case["object"] = object;
            case["oldObject"] = Value::Null;
            case["request"]["operation"] = json!("CREATE");
            let verdict = judge_with(
                &shipped.set,
                &judged::request(&case)?,
                &judged::resolvers(&case),
            );
            for policy in &shipped.policies {
                if policy["kind"] != "ValidatingAdmissionPolicy" {
                    continue;
                }
                let name = policy["metadata"]["name"].as_str().context("a name")?;
                let mut request = case.clone();
                request["op"] = json!("vap");
                request["policy"] = policy.clone();
                request["params"] = shipped.profile.clone();
                let answer = session.ask(&[request])?.remove(0);
                let mut theirs = judged::their_verdict(&answer);
                if let Some(theirs) = theirs.as_object_mut() {
                    theirs.remove("passed");
                }
                assert_eq!(
                    judged::our_verdict(&verdict, name, None, true),
                    theirs,
                    "{}: {name}",
                    path.display()
                );
                judged_objects += 1;
            }
        }
    }
    session.finish()?;
    assert!(judged_objects > 0);
    Ok(())
}
