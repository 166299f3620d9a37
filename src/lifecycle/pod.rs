//! The Pod of a Sandbox: how it is created, and what keeps its labels and annotations as they should be.
//!
//! The spec of a Pod that exists is never compared. Of its metadata only what came from the Sandbox is touched: the
//! Pod's own tracking annotations say what that is.

use serde_json::{Value, json};

use super::{Texts, changes, extension_owner, name_of, namespace_of, owned_by_sandbox, volume};
use crate::api::keys::{annotations, created_by, is_reserved, labels, name_hash};
use crate::api::v1beta1::Sandbox;

/// Kind of the owner whose members' Pods carry the label of their pool.
const POOL: &str = "SandboxWarmPool";

/// The Pod to create.
#[must_use]
pub fn create(sandbox: &Sandbox) -> Value {
    let mut spec = sandbox.spec.pod_template.spec.clone();
    volume::inject(sandbox, &mut spec);
    let mut labels = template_labels(sandbox);
    let mut noted = template_annotations(sandbox);
    for (key, list) in [
        (annotations::PROPAGATED_LABELS, tracking(&labels)),
        (annotations::PROPAGATED_ANNOTATIONS, tracking(&noted)),
    ] {
        if !list.is_empty() {
            noted.insert(key.to_owned(), list);
        }
    }
    for (key, value) in controlled_labels(sandbox) {
        if let Some(value) = value {
            labels.insert(key.to_owned(), value);
        }
    }
    let mut metadata = json!({
        "name": name_of(sandbox),
        "namespace": namespace_of(sandbox),
        "labels": labels,
        "ownerReferences": [owned_by_sandbox(sandbox)],
    });
    if !noted.is_empty() {
        metadata["annotations"] = json!(noted);
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

/// The merge patch that puts the metadata of an existing Pod right; `None` when it is.
#[must_use]
pub fn drift(sandbox: &Sandbox, labels: &Texts, noted: &Texts) -> Option<Value> {
    let wanted_labels = labels_of_existing(sandbox, labels, noted);
    let wanted_notes = annotations_of_existing(sandbox, noted);
    let mut metadata = serde_json::Map::new();
    for (part, changed) in [
        ("labels", changes(labels, &wanted_labels)),
        ("annotations", changes(noted, &wanted_notes)),
    ] {
        if !changed.is_empty() {
            metadata.insert(part.to_owned(), Value::Object(changed));
        }
    }
    (!metadata.is_empty()).then(|| json!({"metadata": metadata}))
}

fn labels_of_existing(sandbox: &Sandbox, labels: &Texts, noted: &Texts) -> Texts {
    let template = template_labels(sandbox);
    let mut wanted = labels.clone();
    for key in tracked(noted, annotations::PROPAGATED_LABELS) {
        if !template.contains_key(key) {
            wanted.remove(key);
        }
    }
    wanted.extend(template);
    for (key, value) in controlled_labels(sandbox) {
        match value {
            Some(value) => wanted.insert(key.to_owned(), value),
            None => wanted.remove(key),
        };
    }
    wanted
}

fn annotations_of_existing(sandbox: &Sandbox, noted: &Texts) -> Texts {
    let template = template_annotations(sandbox);
    let lists = [
        (
            annotations::PROPAGATED_LABELS,
            tracking(&template_labels(sandbox)),
        ),
        (annotations::PROPAGATED_ANNOTATIONS, tracking(&template)),
    ];
    let mut wanted = noted.clone();
    for key in tracked(noted, annotations::PROPAGATED_ANNOTATIONS) {
        let is_list = lists.iter().any(|(list, _)| *list == key);
        if !template.contains_key(key) && !is_list {
            wanted.remove(key);
        }
    }
    wanted.extend(template);
    for (key, list) in lists {
        // Creation leaves an empty list out; that alone is no reason to write.
        if !list.is_empty() || noted.contains_key(key) {
            wanted.insert(key.to_owned(), list);
        }
    }
    wanted
}

/// Labels that the Sandbox decides about whatever its template says; absent values must not be there.
fn controlled_labels(sandbox: &Sandbox) -> [(&'static str, Option<String>); 4] {
    let own = |key: &str| sandbox.metadata.labels.as_ref()?.get(key).cloned();
    let owner = extension_owner(sandbox);
    [
        (labels::SANDBOX_NAME_HASH, Some(name_hash(name_of(sandbox)))),
        (
            labels::TEMPLATE_REF_HASH,
            owner.and_then(|_| own(labels::TEMPLATE_REF_HASH)),
        ),
        (
            labels::WARM_POOL_SANDBOX,
            owner
                .filter(|kind| *kind == POOL)
                .and_then(|_| own(labels::WARM_POOL_SANDBOX)),
        ),
        (
            labels::CREATED_BY,
            own(labels::CREATED_BY)
                .filter(|value| !value.is_empty())
                .map(|value| created_by(&value).to_owned()),
        ),
    ]
}

fn template_labels(sandbox: &Sandbox) -> Texts {
    let metadata = sandbox.spec.pod_template.metadata.as_ref();
    let given = metadata.and_then(|metadata| metadata.labels.clone());
    let mut given = given.unwrap_or_default();
    given.retain(|key, _| !is_reserved(key));
    given
}

fn template_annotations(sandbox: &Sandbox) -> Texts {
    let metadata = sandbox.spec.pod_template.metadata.as_ref();
    let given = metadata.and_then(|metadata| metadata.annotations.clone());
    let mut given = given.unwrap_or_default();
    given.retain(|key, _| !is_reserved(key) && key != annotations::TRACE_CONTEXT);
    given
}

/// The keys, as a tracking annotation holds them.
fn tracking(texts: &Texts) -> String {
    texts
        .keys()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(",")
}

fn tracked<'a>(noted: &'a Texts, key: &str) -> impl Iterator<Item = &'a str> {
    noted
        .get(key)
        .into_iter()
        .flat_map(|list| list.split(','))
        .filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{reference, sandbox, texts};
    use super::*;

    const HASH: (&str, &str) = ("agents.x-k8s.io/sandbox-name-hash", "374de8f5");

    fn with_template(metadata: &Value) -> Sandbox {
        let template =
            json!({"metadata": metadata, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        sandbox(&json!({}), &json!({"podTemplate": template}))
    }

    /// A Sandbox with all labels that reach a Pod, controlled by this kind.
    fn controlled(api_version: &str, kind: &str) -> Sandbox {
        sandbox(
            &json!({
                "labels": {
                    "agents.x-k8s.io/sandbox-template-ref-hash": "t",
                    "agents.x-k8s.io/warm-pool-sandbox": "p",
                    "agents.x-k8s.io/created-by": "somebody",
                    "agents.x-k8s.io/claim-uid": "c",
                },
                "ownerReferences": [{"apiVersion": api_version, "kind": kind, "name": "o", "uid": "o", "controller": true}],
            }),
            &json!({}),
        )
    }

    #[test]
    fn section_4_4_a_pod_has_the_name_of_its_sandbox_and_no_reserved_key_of_the_template() {
        let sandbox = with_template(&json!({
            "labels": {"b": "1", "a": "2", "agents.x-k8s.io/claim-uid": "x"},
            "annotations": {"n": "3", "extensions.agents.x-k8s.io/y": "x", "opentelemetry.io/trace-context": "{}"},
        }));
        assert_eq!(
            create(&sandbox),
            json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": "my-sandbox",
                    "namespace": "team",
                    "labels": {"a": "2", "b": "1", "agents.x-k8s.io/sandbox-name-hash": "374de8f5"},
                    "annotations": {
                        "n": "3",
                        "agents.x-k8s.io/propagated-labels": "a,b",
                        "agents.x-k8s.io/propagated-annotations": "n",
                    },
                    "ownerReferences": [reference()],
                },
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            })
        );
        let bare = create(&super::super::testing::sandbox(&json!({}), &json!({})));
        assert_eq!(bare["metadata"].get("annotations"), None);
    }

    #[test]
    fn section_4_4_the_owner_decides_which_labels_of_the_sandbox_reach_the_pod() {
        let (template, pool) = (
            ("agents.x-k8s.io/sandbox-template-ref-hash", "t"),
            ("agents.x-k8s.io/warm-pool-sandbox", "p"),
        );
        let by = ("agents.x-k8s.io/created-by", "unknown");
        for (api_version, kind, expected) in [
            (
                "extensions.agents.x-k8s.io/v1beta1",
                "SandboxWarmPool",
                vec![HASH, template, pool, by],
            ),
            (
                "extensions.agents.x-k8s.io/v1alpha1",
                "SandboxWarmPool",
                vec![HASH, template, pool, by],
            ),
            (
                "extensions.agents.x-k8s.io/v1beta1",
                "SandboxClaim",
                vec![HASH, template, by],
            ),
            ("apps/v1", "SandboxWarmPool", vec![HASH, by]),
        ] {
            let sandbox = controlled(api_version, kind);
            assert_eq!(
                create(&sandbox)["metadata"]["labels"],
                json!(texts(&expected)),
                "{api_version} {kind}"
            );
        }
    }

    #[test]
    fn section_4_6_a_pod_that_is_as_created_needs_no_write() {
        for sandbox in [
            with_template(&json!({})),
            with_template(&json!({"labels": {"a": "1"}, "annotations": {"n": "2"}})),
            controlled("extensions.agents.x-k8s.io/v1beta1", "SandboxClaim"),
        ] {
            let pod = create(&sandbox);
            let part = |name: &str| -> Texts {
                let part = pod["metadata"].get(name).cloned().unwrap_or(json!({}));
                serde_json::from_value(part).expect("texts")
            };
            let mut labels = part("labels");
            labels.insert("topology.kubernetes.io/zone".to_owned(), "z".to_owned());
            assert_eq!(
                drift(&sandbox, &labels, &part("annotations")),
                None,
                "{pod}"
            );
        }
    }

    #[test]
    fn section_4_6_only_what_came_from_the_template_is_taken_away() {
        let sandbox = with_template(&json!({"labels": {"kept": "new", "fresh": "1"}}));
        let labels = texts(&[
            ("kept", "old"),
            ("gone", "x"),
            ("agents.x-k8s.io/claim-uid", "x"),
            ("foreign", "stays"),
            ("agents.x-k8s.io/warm-pool-sandbox", "p"),
            ("agents.x-k8s.io/created-by", "controller"),
        ]);
        let noted = texts(&[
            (
                "agents.x-k8s.io/propagated-labels",
                "agents.x-k8s.io/claim-uid,gone,kept",
            ),
            ("agents.x-k8s.io/propagated-annotations", "old"),
            ("old", "x"),
            ("cni", "stays"),
        ]);
        assert_eq!(
            drift(&sandbox, &labels, &noted),
            Some(json!({"metadata": {
                "labels": {
                    "kept": "new",
                    "fresh": "1",
                    "gone": null,
                    "agents.x-k8s.io/claim-uid": null,
                    "agents.x-k8s.io/warm-pool-sandbox": null,
                    "agents.x-k8s.io/created-by": null,
                    "agents.x-k8s.io/sandbox-name-hash": "374de8f5",
                },
                "annotations": {
                    "old": null,
                    "agents.x-k8s.io/propagated-labels": "fresh,kept",
                    "agents.x-k8s.io/propagated-annotations": "",
                },
            }}))
        );
    }
}
