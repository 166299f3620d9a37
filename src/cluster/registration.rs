//! The webhook configurations that the loaded policies need: a pure function, used by the applier and by
//! `sandfence render webhooks`.
//!
//! The API server calls a webhook for everything that its rules match, so the rules are those of the policies and no
//! wider. Policies of one kind family that agree on failure policy and selectors share an entry, so that an object is
//! reviewed once; the match conditions that all of them have go to the API server, so that of all Pods only those of sandboxes come here. An entry may match
//! more than its policies do (bindings and exceptions are not expressed in it), never less: the judge decides.
//!
//! Written choices: sandbox kinds fail closed whatever the policy says, everything else as the policy says. The
//! webhook's own namespace, kube-system and the exempt namespaces are never matched, nor are leases, events and nodes:
//! without them a cluster cannot heal.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::api::common::GROUP;
use crate::config::settings::Endpoint;
use crate::policy::set::{Demand, Set};
use crate::policy::source::{FailurePolicy, ResourceRule, RuleScope};

/// Name of both configurations, and the field manager that writes them.
pub const NAME: &str = "sandfence";
/// API version of the configurations.
pub const API_VERSION: &str = "admissionregistration.k8s.io/v1";
/// Path of the mutating webhook.
pub const MUTATE_PATH: &str = "/mutate";
/// Path of the validating webhook.
pub const VALIDATE_PATH: &str = "/validate";

/// Namespaces that are always exempt besides our own.
const SYSTEM_NAMESPACES: [&str; 1] = ["kube-system"];
/// Label that the API server puts on every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// Seconds the API server waits: decisions take microseconds, so five seconds are room for a restart.
const TIMEOUT_SECONDS: u8 = 5;
/// Most match conditions that the API server accepts in one entry.
const CONDITIONS: usize = 64;

/// Whether a policy changes or judges objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Changes.
    Mutate,
    /// Judges.
    Validate,
}

/// One rule of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// API groups.
    pub groups: Vec<String>,
    /// API versions.
    pub versions: Vec<String>,
    /// Resources and subresources.
    pub resources: Vec<String>,
    /// Operations.
    pub operations: Vec<String>,
    /// `*`, `Cluster` or `Namespaced`.
    pub scope: String,
}

/// What one loaded policy wants to see, in the words of a webhook configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Interest {
    /// Mutating or validating.
    pub phase: Phase,
    /// Its rules.
    pub rules: Vec<Rule>,
    /// Its match conditions, name and expression, as far as the API server can evaluate them.
    pub match_conditions: Vec<(String, String)>,
    /// Its failure policy.
    pub failure_policy: FailurePolicy,
    /// Its object selector as written, `{}` when absent.
    pub object_selector: Value,
    /// Its namespace selector as written, `{}` when absent.
    pub namespace_selector: Value,
    /// `Equivalent` or `Exact`.
    pub match_policy: String,
}

/// Resources of our own kinds: their content is checked when they are written.
const OWN_RESOURCES: [&str; 3] = ["guardrailprofiles", "policyexceptions", "sandboxpolicies"];

/// What `set` and the check of our own kinds need to see.
#[must_use]
pub fn interests_of(set: &Set) -> Vec<Interest> {
    let mut interests: Vec<Interest> = set.demands().iter().map(of_policy).collect();
    interests.push(own_kinds());
    interests
}

/// Our own kinds: an expression that does not compile is refused when it is written.
fn own_kinds() -> Interest {
    Interest {
        phase: Phase::Validate,
        rules: vec![Rule {
            groups: vec![GROUP.to_owned()],
            versions: vec!["*".to_owned()],
            resources: OWN_RESOURCES.map(str::to_owned).to_vec(),
            operations: ["CREATE", "UPDATE"].map(str::to_owned).to_vec(),
            scope: "*".to_owned(),
        }],
        match_conditions: Vec::new(),
        failure_policy: FailurePolicy::Fail,
        object_selector: json!({}),
        namespace_selector: json!({}),
        match_policy: "Equivalent".to_owned(),
    }
}

fn of_policy(demand: &Demand) -> Interest {
    let constraints = &demand.constraints;
    // Those that the API server can evaluate, even when the policy has others over parameters: without them every Pod
    // of the cluster would wait for this webhook. The price: where one of these has an error and one of the others
    // says no, the API server refuses what the policy would skip. Never the other way round.
    let conditions = &demand.conditions;
    Interest {
        phase: if demand.mutating {
            Phase::Mutate
        } else {
            Phase::Validate
        },
        rules: constraints.rules.iter().map(rule_of).collect(),
        match_conditions: conditions
            .iter()
            .map(|condition| (condition.name.clone(), condition.expression.text.clone()))
            .collect(),
        failure_policy: demand.failure,
        object_selector: Value::from(&constraints.object_selector.to_json()),
        namespace_selector: Value::from(&constraints.namespace_selector.to_json()),
        match_policy: if constraints.exact {
            "Exact"
        } else {
            "Equivalent"
        }
        .to_owned(),
    }
}

fn rule_of(rule: &ResourceRule) -> Rule {
    Rule {
        groups: rule.groups.clone(),
        versions: rule.versions.clone(),
        resources: rule.resources.clone(),
        operations: rule
            .operations
            .iter()
            .map(|operation| operation.as_str().to_owned())
            .collect(),
        scope: match rule.scope {
            RuleScope::All => "*",
            RuleScope::Cluster => "Cluster",
            RuleScope::Namespaced => "Namespaced",
        }
        .to_owned(),
    }
}

/// How the API server reaches us and whom it must leave alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Service or URL.
    pub endpoint: Endpoint,
    /// PEM of the authorities; without, the API server uses the roots of its system.
    pub ca_bundle: Option<String>,
    /// Exempt namespaces besides our own and kube-system.
    pub exempt_namespaces: Vec<String>,
}

/// The two documents.
#[derive(Clone, Debug, PartialEq)]
pub struct Configurations {
    /// `MutatingWebhookConfiguration`.
    pub mutating: Value,
    /// `ValidatingWebhookConfiguration`.
    pub validating: Value,
}

/// Kinds that belong together; each gets entries of its own, so that one failing kind of request does not touch others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    Sandboxes,
    Pods,
    Children,
    Rbac,
    Policies,
    Others,
    Anything,
}

impl Family {
    fn of(group: &str, resource: &str) -> Self {
        let base = resource.split('/').next().unwrap_or_default();
        match (group, base) {
            ("agents.x-k8s.io" | "extensions.agents.x-k8s.io", _) => Self::Sandboxes,
            ("sandfence.dev", _) => Self::Policies,
            ("*", _) | ("", "*") => Self::Anything,
            ("", "pods") => Self::Pods,
            ("", "services" | "persistentvolumeclaims") | ("networking.k8s.io", _) => {
                Self::Children
            }
            ("rbac.authorization.k8s.io", _) => Self::Rbac,
            (_, "*") => Self::Anything,
            _ => Self::Others,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Sandboxes => "sandboxes",
            Self::Pods => "pods",
            Self::Children => "children",
            Self::Rbac => "rbac",
            Self::Policies => "policies",
            Self::Others => "others",
            Self::Anything => "anything",
        }
    }
}

/// What the policies of one entry agree on. Selectors as text: JSON values have no order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    family: Family,
    failure_policy: FailurePolicy,
    match_policy: String,
    object_selector: String,
    namespace_selector: String,
}

/// What one entry matches.
#[derive(Debug, Default)]
struct Matched {
    rules: Rules,
    /// The conditions that all its policies have: one review serves them all, and the judge knows the others.
    conditions: Option<Vec<Condition>>,
}

impl Matched {
    /// Keeps of the conditions those that `others` has too.
    fn narrow(&mut self, others: &[Condition]) {
        match &mut self.conditions {
            Some(conditions) => conditions.retain(|condition| others.contains(condition)),
            None => self.conditions = Some(others.to_vec()),
        }
    }
}

/// Name and expression of a match condition.
type Condition = (String, String);

/// Rules of one entry: resources by everything else.
type Rules = BTreeMap<RuleKey, BTreeSet<String>>;

/// Group, versions, operations, scope.
type RuleKey = (String, Vec<String>, Vec<String>, String);

/// The documents for `interests`. Same input, same documents: the order of interests does not matter.
#[must_use]
pub fn webhooks_for(interests: &[Interest], options: &Options) -> Configurations {
    let document = |phase: Phase| {
        let kind = match phase {
            Phase::Mutate => "MutatingWebhookConfiguration",
            Phase::Validate => "ValidatingWebhookConfiguration",
        };
        json!({
            "apiVersion": API_VERSION,
            "kind": kind,
            "metadata": {
                "name": NAME,
                "labels": {
                    "app.kubernetes.io/name": NAME,
                    "app.kubernetes.io/managed-by": NAME,
                },
            },
            "webhooks": entries(interests, phase, options),
        })
    };
    Configurations {
        mutating: document(Phase::Mutate),
        validating: document(Phase::Validate),
    }
}

fn entries(interests: &[Interest], phase: Phase, options: &Options) -> Vec<Value> {
    let mut grouped: BTreeMap<Key, Matched> = BTreeMap::new();
    for interest in interests.iter().filter(|interest| interest.phase == phase) {
        collect(interest, &mut grouped);
    }
    let mut seen: BTreeMap<Family, usize> = BTreeMap::new();
    grouped
        .iter()
        .map(|(key, matched)| {
            let count = seen.entry(key.family).or_default();
            *count += 1;
            entry(key, matched, *count, phase, options)
        })
        .collect()
}

fn collect(interest: &Interest, grouped: &mut BTreeMap<Key, Matched>) {
    for rule in &interest.rules {
        for group in &rule.groups {
            for resource in &rule.resources {
                if is_vital(group, resource) {
                    continue;
                }
                let family = Family::of(group, resource);
                let key = Key {
                    family,
                    failure_policy: match family {
                        Family::Sandboxes => FailurePolicy::Fail,
                        _ => interest.failure_policy,
                    },
                    match_policy: interest.match_policy.clone(),
                    object_selector: interest.object_selector.to_string(),
                    namespace_selector: interest.namespace_selector.to_string(),
                };
                let rule_key = (
                    group.clone(),
                    sorted(&rule.versions),
                    sorted(&operations(&rule.operations, interest.phase)),
                    rule.scope.clone(),
                );
                let matched = grouped.entry(key).or_default();
                matched.narrow(&interest.match_conditions);
                matched
                    .rules
                    .entry(rule_key)
                    .or_default()
                    .insert(resource.clone());
            }
        }
    }
}

fn sorted(words: &[String]) -> Vec<String> {
    let set: BTreeSet<&String> = words.iter().collect();
    set.into_iter().cloned().collect()
}

/// A mutating policy never sees DELETE, whatever its rules say.
fn operations(given: &[String], phase: Phase) -> Vec<String> {
    given
        .iter()
        .filter(|operation| phase == Phase::Validate || *operation != "DELETE")
        .cloned()
        .collect()
}

/// Resources whose admission must never depend on a webhook.
const VITAL: [(&str, &str); 4] = [
    ("", "events"),
    ("", "nodes"),
    ("coordination.k8s.io", "leases"),
    ("events.k8s.io", "events"),
];

fn is_vital(group: &str, resource: &str) -> bool {
    let base = resource.split('/').next().unwrap_or_default();
    VITAL.contains(&(group, base))
}

/// What wildcards must leave out.
const NOT_VITAL: (&str, &str) = (
    "not-vital",
    "!((request.resource.group == '' && request.resource.resource in ['events', 'nodes']) || \
     (request.resource.group == 'coordination.k8s.io' && request.resource.resource == 'leases') || \
     (request.resource.group == 'events.k8s.io' && request.resource.resource == 'events'))",
);

fn entry(key: &Key, matched: &Matched, count: usize, phase: Phase, options: &Options) -> Value {
    let (suffix, path) = match phase {
        Phase::Mutate => ("mutate", MUTATE_PATH),
        Phase::Validate => ("validate", VALIDATE_PATH),
    };
    let family = key.family.word();
    let number = if count == 1 {
        String::new()
    } else {
        format!("-{count}")
    };
    let mut conditions: Vec<Value> = Vec::new();
    if key.family == Family::Anything {
        conditions.push(json!({"name": NOT_VITAL.0, "expression": NOT_VITAL.1}));
    }
    let shared = matched.conditions.as_deref().unwrap_or_default();
    // Names are unique in an entry. Without conditions more comes here, and the judge knows them anyway.
    let clashes =
        conditions.len() + usize::from(shared.iter().any(|(name, _)| name == NOT_VITAL.0)) > 1;
    if !clashes && shared.len() + conditions.len() <= CONDITIONS {
        for (name, expression) in shared {
            conditions.push(json!({"name": name, "expression": expression}));
        }
    }
    let mut entry = json!({
        "name": format!("{family}{number}.{suffix}.sandfence.dev"),
        "admissionReviewVersions": ["v1"],
        "clientConfig": client_config(options, path),
        "failurePolicy": match key.failure_policy {
            FailurePolicy::Fail => "Fail",
            FailurePolicy::Ignore => "Ignore",
        },
        "matchPolicy": key.match_policy,
        "namespaceSelector": namespace_selector(key, options),
        "objectSelector": selector(&key.object_selector),
        "rules": matched.rules.iter().map(rule).collect::<Vec<_>>(),
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT_SECONDS,
    });
    if !conditions.is_empty() {
        entry["matchConditions"] = Value::Array(conditions);
    }
    if phase == Phase::Mutate {
        entry["reinvocationPolicy"] = json!("IfNeeded");
    }
    entry
}

fn rule(((group, versions, operations, scope), resources): (&RuleKey, &BTreeSet<String>)) -> Value {
    json!({
        "apiGroups": [group],
        "apiVersions": versions,
        "operations": operations,
        "resources": without_covered(resources),
        "scope": scope,
    })
}

/// The API server refuses a list in which a wildcard covers another entry.
fn without_covered(resources: &BTreeSet<String>) -> Vec<&String> {
    let has = |name: &str| resources.contains(name);
    resources
        .iter()
        .filter(|resource| {
            let (base, sub) = match resource.split_once('/') {
                Some((base, sub)) => (base, Some(sub)),
                None => (resource.as_str(), None),
            };
            let covered = match (base, sub) {
                ("*", Some("*")) => false,
                _ if has("*/*") => true,
                (_, Some("*")) | ("*", None) => false,
                (base, Some(sub)) => {
                    has(&format!("{base}/*")) || (base != "*" && has(&format!("*/{sub}")))
                }
                (base, None) => has("*") || has(&format!("{base}/*")),
            };
            !covered
        })
        .collect()
}

fn client_config(options: &Options, path: &str) -> Value {
    let mut config = match &options.endpoint {
        Endpoint::Service {
            name,
            namespace,
            port,
        } => json!({"service": {"name": name, "namespace": namespace, "port": port, "path": path}}),
        Endpoint::Url { base, .. } => json!({"url": format!("{base}{path}")}),
    };
    if let Some(pem) = &options.ca_bundle {
        config["caBundle"] = Value::String(STANDARD.encode(pem));
    }
    config
}

/// The selector of the policies, and never the namespaces that must stay out.
fn namespace_selector(key: &Key, options: &Options) -> Value {
    let mut exempt: BTreeSet<&str> = SYSTEM_NAMESPACES.into_iter().collect();
    exempt.extend(options.exempt_namespaces.iter().map(String::as_str));
    if let Endpoint::Service { namespace, .. } = &options.endpoint {
        exempt.insert(namespace);
    }
    let mut selector = selector(&key.namespace_selector);
    let never = json!({
        "key": NAMESPACE_NAME,
        "operator": "NotIn",
        "values": exempt,
    });
    match selector
        .get_mut("matchExpressions")
        .and_then(Value::as_array_mut)
    {
        Some(expressions) => expressions.push(never),
        None => selector["matchExpressions"] = json!([never]),
    }
    selector
}

/// Back from the text of the key; it was written by the same library.
fn selector(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => value,
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests;
