//! The headless Service of a Sandbox: its ports, how it is created, and what puts an owned one right.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{name_of, namespace_of, owned_by_sandbox};
use crate::api::keys::{labels, name_hash};
use crate::api::v1beta1::Sandbox;

/// The Service to create.
#[must_use]
pub fn create(sandbox: &Sandbox) -> Value {
    let hash = json!({ labels::SANDBOX_NAME_HASH: name_hash(name_of(sandbox)) });
    let mut spec = json!({"clusterIP": "None", "selector": hash});
    let ports = ports(&sandbox.spec.pod_template.spec);
    if !ports.is_empty() {
        spec["ports"] = ports.into();
    }
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name_of(sandbox),
            "namespace": namespace_of(sandbox),
            "labels": hash,
            "ownerReferences": [owned_by_sandbox(sandbox)],
        },
        "spec": spec,
    })
}

/// The merge patch that puts an owned Service right: label and selector always, ports only where the Sandbox asks for
/// a Service; `None` when it is right.
#[must_use]
pub fn drift(sandbox: &Sandbox, present: &Value) -> Option<Value> {
    let wanted = create(sandbox);
    let hash = &wanted["spec"]["selector"][labels::SANDBOX_NAME_HASH];
    let mut patch = json!({});
    if present["metadata"]["labels"].get(labels::SANDBOX_NAME_HASH) != Some(hash) {
        patch["metadata"]["labels"] = json!({ labels::SANDBOX_NAME_HASH: hash });
    }
    if present["spec"]["selector"] != wanted["spec"]["selector"] {
        let mut selector = json!({});
        if let Some(others) = present["spec"]["selector"].as_object() {
            for key in others.keys() {
                selector[key.as_str()] = Value::Null;
            }
        }
        selector[labels::SANDBOX_NAME_HASH] = hash.clone();
        patch["spec"]["selector"] = selector;
    }
    if sandbox.spec.service == Some(true) {
        let ports = &wanted["spec"]["ports"];
        if present_ports(&present["spec"]["ports"]) != present_ports(ports) {
            patch["spec"]["ports"] = ports.clone();
        }
    }
    (patch != json!({})).then_some(patch)
}

/// Name, number, protocol and target of a port.
type Port<'v> = (Option<&'v str>, Option<i64>, &'v str, Option<i64>);

/// What decides about ports; the API server adds the rest.
fn present_ports(ports: &Value) -> Vec<Port<'_>> {
    let list = ports.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .map(|port| {
            (
                port["name"].as_str(),
                port["port"].as_i64(),
                port["protocol"].as_str().unwrap_or("TCP"),
                port["targetPort"].as_i64(),
            )
        })
        .collect()
}

/// The Service ports of a Pod spec: those of its containers and of the init containers that keep running, once each,
/// all named, sorted by number and protocol.
#[must_use]
pub fn ports(pod: &Value) -> Vec<Value> {
    let mut found: BTreeMap<(i64, &str), Option<&str>> = BTreeMap::new();
    let mut order = Vec::new();
    for port in containers(pod).flat_map(|container| list(container, "ports")) {
        let number = port["containerPort"].as_i64().unwrap_or_default();
        if number == 0 {
            continue;
        }
        let protocol = text(port, "protocol").unwrap_or("TCP");
        let name = text(port, "name");
        let key = (number, protocol);
        let known = found.entry(key).or_insert_with(|| {
            order.push(key);
            None
        });
        *known = known.or(name);
    }
    let mut taken = BTreeSet::new();
    let mut names = BTreeMap::new();
    for key in &order {
        if let Some(name) = found[key].filter(|name| taken.insert((*name).to_owned())) {
            names.insert(*key, name.to_owned());
        }
    }
    found
        .keys()
        .map(|key| {
            let (number, protocol) = *key;
            let name = match names.get(key) {
                Some(name) => name.clone(),
                None => invented(number, protocol, &mut taken),
            };
            json!({"name": name, "port": number, "protocol": protocol, "targetPort": number})
        })
        .collect()
}

/// A name for a port without one that is still free.
fn invented(number: i64, protocol: &str, taken: &mut BTreeSet<String>) -> String {
    let base = format!("p-{number}-{}", protocol.to_lowercase());
    let mut name = base.clone();
    let mut count = 1;
    while !taken.insert(name.clone()) {
        count += 1;
        name = format!("{base}-{count}");
    }
    name
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let keeps_running = |container: &&Value| container["restartPolicy"] == "Always";
    let init = list(pod, "initContainers").iter().filter(keeps_running);
    list(pod, "containers").iter().chain(init)
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    let items = value.get(key).and_then(Value::as_array);
    items.map(Vec::as_slice).unwrap_or_default()
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    let text = value.get(key).and_then(Value::as_str);
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{reference, sandbox};
    use super::*;

    fn with_pod(pod: &Value, service: bool) -> Sandbox {
        sandbox(
            &json!({}),
            &json!({"podTemplate": {"spec": pod}, "service": service}),
        )
    }

    fn port(name: &str, number: i64, protocol: &str) -> Value {
        json!({"name": name, "port": number, "protocol": protocol, "targetPort": number})
    }

    #[test]
    fn section_4_7_ports_come_from_containers_once_each_named_and_sorted() {
        let pod = json!({
            "containers": [
                {"name": "a", "ports": [
                    {"containerPort": 9000, "name": "web"},
                    {"containerPort": 8080},
                    {"containerPort": 0, "name": "none"},
                    {"containerPort": 8080, "name": "late"},
                    {"containerPort": 53, "protocol": "UDP"},
                    {"containerPort": 53, "protocol": "TCP", "name": "web"},
                    {"containerPort": 70, "name": "p-80-tcp"},
                    {"containerPort": 80},
                ]},
            ],
            "initContainers": [
                {"name": "side", "restartPolicy": "Always", "ports": [{"containerPort": 15001}]},
                {"name": "once", "ports": [{"containerPort": 1}]},
            ],
        });
        assert_eq!(
            ports(&pod),
            [
                port("p-53-tcp", 53, "TCP"),
                port("p-53-udp", 53, "UDP"),
                port("p-80-tcp", 70, "TCP"),
                port("p-80-tcp-2", 80, "TCP"),
                port("late", 8080, "TCP"),
                port("web", 9000, "TCP"),
                port("p-15001-tcp", 15001, "TCP"),
            ]
        );
    }

    #[test]
    fn section_4_7_the_service_is_headless_and_selects_by_hash() {
        let hash = json!({"agents.x-k8s.io/sandbox-name-hash": "374de8f5"});
        assert_eq!(
            create(&with_pod(&json!({"containers": []}), true)),
            json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {
                    "name": "my-sandbox", "namespace": "team", "labels": hash, "ownerReferences": [reference()],
                },
                "spec": {"clusterIP": "None", "selector": hash},
            })
        );
    }

    #[test]
    fn section_4_7_an_owned_service_is_put_right_as_far_as_the_sandbox_asks() {
        let pod = json!({"containers": [{"name": "a", "ports": [{"containerPort": 80}]}]});
        let (asked, unset) = (with_pod(&pod, true), {
            let mut unset = with_pod(&pod, true);
            unset.spec.service = None;
            unset
        });
        let mut present = create(&asked);
        present["spec"]["ports"][0]["nodePort"] = json!(0);
        assert_eq!(drift(&asked, &present), None, "defaults are no difference");
        present["spec"]["ports"] = json!([]);
        assert_eq!(drift(&unset, &present), None);
        assert_eq!(
            drift(&asked, &present),
            Some(json!({"spec": {"ports": [port("p-80-tcp", 80, "TCP")]}}))
        );
        present["metadata"]["labels"] = Value::Null;
        present["spec"]["selector"] = json!({"app": "x"});
        let hash = json!({"agents.x-k8s.io/sandbox-name-hash": "374de8f5"});
        let selector = json!({"app": null, "agents.x-k8s.io/sandbox-name-hash": "374de8f5"});
        assert_eq!(
            drift(&unset, &present),
            Some(json!({"metadata": {"labels": hash}, "spec": {"selector": selector}}))
        );
    }
}
