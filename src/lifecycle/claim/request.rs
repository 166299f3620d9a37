//! What a claim asks for beside its pool: metadata, environment and volumes, checked against what its template allows.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::api::keys::{annotations, labels};
use crate::api::v1beta1::{
    ClaimEnvVar, InjectionPolicy, PodMetadata, SandboxClaim, SandboxTemplateSpec,
    VolumeClaimTemplate,
};
use crate::lifecycle::Texts;
use crate::model::names;

/// What is wrong with a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Reason of the condition.
    pub reason: &'static str,
    /// Its message.
    pub message: String,
    /// Whether it is tried again without news.
    pub retried: bool,
}

impl Refusal {
    /// One that only a change of the claim can lift.
    pub(super) fn lasting(reason: &'static str, message: String) -> Self {
        Self {
            reason,
            message,
            retried: false,
        }
    }

    /// One that may lift by itself.
    pub(super) fn general(message: &str) -> Self {
        Self {
            reason: super::reasons::RECONCILER_ERROR,
            message: format!("Error seen: {message}"),
            retried: true,
        }
    }
}

/// Domains that labels of claims never may have, subdomains included.
const RESERVED: [&str; 3] = ["kubernetes.io", "k8s.io", "agents.x-k8s.io"];

/// Checks `additionalPodMetadata` (contract 7.5).
pub(super) fn check_metadata(claim: &SandboxClaim, domains: &[String]) -> Result<(), Refusal> {
    let Some(metadata) = &claim.spec.additional_pod_metadata else {
        return Ok(());
    };
    let wrong = |what: &str, key: &str, problem: &str| {
        let message = format!(
            "invalid additionalPodMetadata: failed to validate {what} \"{key}\": {problem}"
        );
        Refusal::lasting(super::reasons::INVALID_METADATA, message)
    };
    for (key, value) in metadata.labels.iter().flatten() {
        check_label(key, value, domains).map_err(|problem| wrong("label", key, &problem))?;
    }
    for key in metadata
        .annotations
        .iter()
        .flat_map(|annotations| annotations.keys())
    {
        check_annotation(key).map_err(|problem| wrong("annotation", key, &problem))?;
    }
    Ok(())
}

fn check_label(key: &str, value: &str, domains: &[String]) -> Result<(), String> {
    if key == "app" && value.eq_ignore_ascii_case("sandbox-router") {
        return Err("app=sandbox-router is the router's own".to_owned());
    }
    let prefix = domain(key)?;
    let allowed = || domains.join(", ");
    match prefix {
        None => {
            return Err(format!(
                "expected a domain before the name, one of {}",
                allowed()
            ));
        }
        Some(prefix) if !domains.iter().any(|domain| is_within(prefix, domain)) => {
            return Err(format!(
                "the domain {prefix} is not allowed; allowed are {}",
                allowed()
            ));
        }
        Some(_) => {}
    }
    names::label_value(value).map_err(|rule| format!("the value {value:?} {rule}"))
}

fn check_annotation(key: &str) -> Result<(), String> {
    let prefix = domain(key)?;
    let reserved =
        prefix.and_then(|prefix| RESERVED.iter().find(|domain| is_within(prefix, domain)));
    match reserved {
        Some(domain) if key != annotations::SAFE_TO_EVICT => {
            Err(format!("the domain {domain} is reserved"))
        }
        _ => Ok(()),
    }
}

/// The domain of a key, if it has one.
fn domain(key: &str) -> Result<Option<&str>, String> {
    names::qualified(key)?;
    Ok(key.split_once('/').map(|(domain, _)| domain))
}

fn is_within(prefix: &str, domain: &str) -> bool {
    let (prefix, domain) = (prefix.to_lowercase(), domain.to_lowercase());
    prefix == domain
        || prefix
            .strip_suffix(&domain)
            .is_some_and(|rest| rest.ends_with('.'))
}

/// The metadata that the Pod of a claimed Sandbox gets: what the template has, who claimed it, and what the claim adds.
pub(super) fn pod_metadata(
    claim: &SandboxClaim,
    template: Option<&PodMetadata>,
    template_hash: Option<&str>,
) -> Result<(Texts, Texts), Refusal> {
    let given = template.cloned().unwrap_or_default();
    let (mut marks, mut notes) = (
        given.labels.unwrap_or_default(),
        given.annotations.unwrap_or_default(),
    );
    let more = claim
        .spec
        .additional_pod_metadata
        .clone()
        .unwrap_or_default();
    for (what, given, more) in [
        ("label", &mut marks, more.labels),
        ("annotation", &mut notes, more.annotations),
    ] {
        for (key, value) in more.into_iter().flatten() {
            match given.get(&key) {
                Some(known) if *known != value => {
                    return Err(Refusal::general(&format!(
                        "metadata override conflict: {what} \"{key}\" is defined in template with value \"{known}\", but claim requests \"{value}\""
                    )));
                }
                _ => given.insert(key, value),
            };
        }
    }
    let uid = claim.metadata.uid.clone().unwrap_or_default();
    marks.insert(labels::CLAIM_UID.to_owned(), uid);
    if let Some(hash) = template_hash {
        marks.insert(labels::TEMPLATE_REF_HASH.to_owned(), hash.to_owned());
    }
    match creator(claim) {
        Some(creator) => marks.insert(labels::CREATED_BY.to_owned(), creator.to_owned()),
        None => marks.remove(labels::CREATED_BY),
    };
    Ok((marks, notes))
}

/// Who made the claim, as it says.
pub(super) fn creator(claim: &SandboxClaim) -> Option<&str> {
    claim
        .metadata
        .labels
        .as_ref()?
        .get(labels::CREATED_BY)
        .map(String::as_str)
}

/// Puts the environment of a claim into a Pod spec (contract 7.6).
pub(super) fn inject_env(
    env: &[ClaimEnvVar],
    template: &SandboxTemplateSpec,
    pod: &mut Value,
) -> Result<(), Refusal> {
    if env.is_empty() {
        return Ok(());
    }
    let policy = template.env_vars_injection_policy.unwrap_or_default();
    let rejected = |problem: &str| {
        let message = format!("environment variable injection rejected: {problem}");
        Refusal::lasting(super::reasons::ENV_REJECTED, message)
    };
    if policy == InjectionPolicy::Disallowed {
        return Err(rejected(
            "environment variable injection is not allowed by the template policy",
        ));
    }
    for variable in env {
        let container = container(pod, variable.container_name.as_deref()).ok_or_else(|| {
            let name = variable.container_name.as_deref().unwrap_or_default();
            Refusal::general(&format!(
                "container \"{name}\" for environment variable \"{}\" not found",
                variable.name
            ))
        })?;
        let uses = container["envFrom"]
            .as_array()
            .is_some_and(|sources| !sources.is_empty());
        if policy == InjectionPolicy::Allowed && uses {
            let name = container["name"].as_str().unwrap_or_default();
            return Err(rejected(&format!(
                "container \"{name}\" uses envFrom, whose variables could be overridden"
            )));
        }
        if !container["env"].is_array() {
            container["env"] = json!([]);
        }
        let entry = json!({"name": variable.name, "value": variable.value});
        let Some(list) = container["env"].as_array_mut() else {
            continue;
        };
        match list.iter_mut().find(|known| known["name"] == entry["name"]) {
            Some(_) if policy == InjectionPolicy::Allowed => {
                return Err(Refusal::general(&format!(
                    "environment variable \"{}\" is already defined in the template",
                    variable.name
                )));
            }
            Some(known) => *known = entry,
            None => list.push(entry),
        }
    }
    Ok(())
}

/// The container of this name, init containers included; without a name the first.
fn container<'p>(pod: &'p mut Value, name: Option<&str>) -> Option<&'p mut Value> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return pod["containers"].as_array_mut()?.first_mut();
    };
    let list = ["containers", "initContainers"].into_iter().find(|list| {
        let containers = pod.get(*list).and_then(Value::as_array);
        containers
            .is_some_and(|containers| containers.iter().any(|container| container["name"] == name))
    })?;
    pod[list]
        .as_array_mut()?
        .iter_mut()
        .find(|container| container["name"] == name)
}

/// The volume claim templates of a claimed Sandbox (contract 7.7).
pub(super) fn volumes(
    claim: &SandboxClaim,
    template: &SandboxTemplateSpec,
) -> Result<Vec<VolumeClaimTemplate>, Refusal> {
    let wrong = |message: String| Refusal::lasting(super::reasons::VOLUME_ERROR, message);
    let mut list = template.volume_claim_templates.clone().unwrap_or_default();
    let more = claim
        .spec
        .volume_claim_templates
        .as_deref()
        .unwrap_or_default();
    check_names(&list, "the template").map_err(wrong)?;
    check_names(more, "the claim").map_err(wrong)?;
    let policy = template.volume_claim_templates_policy.unwrap_or_default();
    if policy == InjectionPolicy::Disallowed && !more.is_empty() {
        return Err(wrong(
            "volumeClaimTemplates are not allowed by the template policy".to_owned(),
        ));
    }
    for volume in more {
        match list.iter_mut().find(|known| name(known) == name(volume)) {
            None => list.push(volume.clone()),
            Some(known) if policy == InjectionPolicy::Overrides => *known = volume.clone(),
            Some(_) => {
                return Err(wrong(format!(
                    "volumeClaimTemplate \"{}\" is already defined in the template, and its policy does not let claims override it",
                    name(volume)
                )));
            }
        }
    }
    Ok(list)
}

fn name(volume: &VolumeClaimTemplate) -> &str {
    let metadata = volume.metadata.as_ref();
    metadata
        .and_then(|metadata| metadata.name.as_deref())
        .unwrap_or_default()
}

fn check_names(list: &[VolumeClaimTemplate], whose: &str) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for volume in list {
        let name = name(volume);
        if name.is_empty() {
            return Err(format!("a volumeClaimTemplate of {whose} has no name"));
        }
        if !seen.insert(name) {
            return Err(format!(
                "volumeClaimTemplate \"{name}\" appears twice in {whose}"
            ));
        }
    }
    Ok(())
}
