//! The shipped packs as documents: every rule is named, worded, described and shown by a case.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sandfence::model::yaml;
use serde_json::Value;

/// A policy of a pack, with its file for messages.
struct Policy {
    file: String,
    name: String,
    object: Value,
}

/// A pack: its policies and its suite.
struct Pack {
    policies: Vec<Policy>,
    suite: Value,
}

impl Policy {
    fn validating(&self) -> bool {
        self.object["kind"] == "ValidatingAdmissionPolicy"
    }

    fn annotation(&self, key: &str) -> &str {
        let annotations = &self.object["metadata"]["annotations"];
        annotations[format!("sandfence.dev/{key}")]
            .as_str()
            .unwrap_or_default()
    }

    fn rules(&self) -> Vec<&str> {
        let rules = self.annotation("rules").split(',').map(str::trim);
        rules.filter(|rule| !rule.is_empty()).collect()
    }

    fn list<'a>(&'a self, field: &str) -> impl Iterator<Item = &'a Value> {
        self.object["spec"][field].as_array().into_iter().flatten()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

fn documents(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the file can be read");
    let name = path.display().to_string();
    let documents = yaml::read(&name, &text).expect("the file is valid YAML");
    documents
        .iter()
        .map(|document| Value::from(&document.value))
        .collect()
}

fn packs() -> Vec<Pack> {
    let folders = fs::read_dir(root()).expect("the folder of the packs");
    let mut folders: Vec<PathBuf> = folders
        .map(|entry| entry.expect("an entry").path())
        .collect();
    folders.retain(|folder| folder.join("suite.yaml").exists());
    folders.sort();
    assert!(
        !folders.is_empty(),
        "no pack with a suite under {}",
        root().display()
    );
    folders.iter().map(|folder| pack(folder)).collect()
}

fn pack(folder: &Path) -> Pack {
    let files = fs::read_dir(folder).expect("the folder of a pack");
    let mut files: Vec<PathBuf> = files.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    files.retain(|file| !file.ends_with("suite.yaml"));
    files.sort();
    let mut policies = Vec::new();
    for file in &files {
        for object in documents(file) {
            let kind = object["kind"].as_str().unwrap_or_default();
            if kind.ends_with("Binding") {
                continue;
            }
            let name = object["metadata"]["name"]
                .as_str()
                .expect("a policy has a name")
                .to_owned();
            policies.push(Policy {
                file: file.display().to_string(),
                name,
                object,
            });
        }
    }
    let suite = documents(&folder.join("suite.yaml")).remove(0);
    Pack { policies, suite }
}

#[test]
fn every_rule_has_a_name_and_words() {
    for policy in packs().iter().flat_map(|pack| &pack.policies) {
        let Policy { file, name, .. } = policy;
        for key in ["title", "category"] {
            assert!(
                !policy.annotation(key).is_empty(),
                "{file}: {name} has no {key}"
            );
        }
        let count = policy.list("validations").count();
        let names: BTreeSet<&str> = policy.rules().into_iter().collect();
        assert_eq!(
            policy.rules().len(),
            count,
            "{file}: {name} names not every validation"
        );
        assert_eq!(names.len(), count, "{file}: {name} repeats a rule name");
        for rule in policy.list("validations") {
            let message = rule["message"].as_str().unwrap_or_default();
            assert!(
                message.contains("(spec.") || message.contains("(Pod Security Standards, "),
                "{file}: {name}: {message:?} names neither a profile field nor a standard"
            );
            assert!(
                rule["messageExpression"].is_string(),
                "{file}: {name}: {message:?} is static"
            );
        }
        assert_eq!(
            policy.validating(),
            !policy.annotation("severity").is_empty(),
            "{file}: {name} is validating and has no severity, or is mutating and has one"
        );
    }
}

#[test]
fn conditions_of_one_name_are_the_same_everywhere() {
    let mut known: BTreeMap<String, (String, String)> = BTreeMap::new();
    for policy in packs().iter().flat_map(|pack| &pack.policies) {
        for condition in policy.list("matchConditions") {
            let text = |key: &str| condition[key].as_str().expect("a text").to_owned();
            let (name, expression) = (text("name"), text("expression"));
            if name.starts_with("profile-") {
                continue;
            }
            for word in ["params", "variables", "namespaceObject", "authorizer"] {
                let absent = !expression.contains(word);
                assert!(
                    absent,
                    "{}: {name} uses {word}: a webhook has none",
                    policy.name
                );
            }
            let first = known
                .entry(name.clone())
                .or_insert((expression.clone(), policy.name.clone()));
            assert_eq!(
                first.0, expression,
                "{name} in {} and {}",
                first.1, policy.name
            );
        }
    }
    let expected = "sandbox-pods-only";
    assert!(
        known.contains_key(expected),
        "no policy has the condition {expected}"
    );
}

#[test]
fn every_rule_is_refused_once_and_every_policy_passes_once() {
    for pack in packs() {
        let cases = pack.suite["cases"].as_array().expect("cases");
        let names: BTreeSet<&str> = cases
            .iter()
            .filter_map(|case| case["name"].as_str())
            .collect();
        assert_eq!(
            names.len(),
            cases.len(),
            "two cases have one name, or one has none"
        );
        let mut refused = BTreeSet::new();
        let mut passed = BTreeSet::new();
        for case in cases {
            let named: BTreeSet<&str> = match case["policies"].as_array() {
                Some(list) => list.iter().filter_map(Value::as_str).collect(),
                None => pack
                    .policies
                    .iter()
                    .map(|policy| policy.name.as_str())
                    .collect(),
            };
            if case["expect"]["verdict"] == "allow" {
                passed.extend(named);
                continue;
            }
            for finding in case["expect"]["findings"]
                .as_array()
                .expect("findings of a refusal")
            {
                let text = |key: &str| finding[key].as_str().expect("policy and rule");
                assert!(
                    named.contains(text("policy")),
                    "{}: {finding}",
                    case["name"]
                );
                refused.insert((text("policy"), text("rule")));
            }
        }
        for policy in &pack.policies {
            assert!(
                passed.contains(policy.name.as_str()),
                "no case lets {} pass",
                policy.name
            );
            for rule in policy.rules() {
                assert!(
                    refused.remove(&(policy.name.as_str(), rule)),
                    "no case for {} {rule}",
                    policy.name
                );
            }
        }
        assert!(
            refused.is_empty(),
            "cases for rules that do not exist: {refused:?}"
        );
    }
}

#[test]
fn the_index_tells_the_threat_of_every_rule() {
    let index = fs::read_to_string(root().join("README.md")).expect("the index");
    let rows: Vec<Vec<&str>> = index
        .lines()
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    for policy in packs().iter().flat_map(|pack| &pack.policies) {
        for rule in policy.rules() {
            let row = rows.iter().find(|row| row.get(2) == Some(&rule));
            let threat = row.and_then(|row| row.get(3)).copied().unwrap_or_default();
            assert!(
                !threat.is_empty(),
                "policies/README.md has no row for {} {rule}",
                policy.name
            );
        }
    }
}
