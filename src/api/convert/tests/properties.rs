//! Round trips over generated objects.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~é\u{1F600}\\n]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z.]{1,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,4}(-[a-z0-9]{1,4}){0,2}",
        "shadow-pool-[a-z]{1,4}",
        Just("default".to_owned()),
        Just("none".to_owned()),
        Just("box".to_owned()),
    ]
}

/// Fields that are there or not.
fn fields(all: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    all.into_iter()
        .map(|(key, value)| {
            prop::option::of(value).prop_map(move |value| Some((key.to_owned(), value?)))
        })
        .collect::<Vec<_>>()
        .prop_map(|fields| Value::Object(fields.into_iter().flatten().collect()))
        .boxed()
}

fn named() -> BoxedStrategy<Value> {
    name().prop_map(|name| json!({"name": name})).boxed()
}

fn number(range: std::ops::Range<i64>) -> BoxedStrategy<Value> {
    range.prop_map(Value::from).boxed()
}

fn word(words: &'static [&'static str]) -> BoxedStrategy<Value> {
    prop::sample::select(words).prop_map(Value::from).boxed()
}

/// A status that is absent or says something.
fn status(all: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    fields(all)
        .prop_map(|status| match status.as_object() {
            Some(map) if map.is_empty() => Value::Null,
            _ => status,
        })
        .boxed()
}

fn required(
    spec: BoxedStrategy<Value>,
    key: &'static str,
    value: BoxedStrategy<Value>,
) -> BoxedStrategy<Value> {
    (spec, value)
        .prop_map(move |(mut spec, value)| {
            spec[key] = value;
            spec
        })
        .boxed()
}

fn metadata() -> impl Strategy<Value = Value> {
    let text = || "[ -~é]{0,12}".prop_map(Value::from).boxed();
    fields(vec![
        ("name", Just(json!("box")).boxed()),
        ("labels", any_json().boxed()),
        (
            "annotations",
            prop::collection::btree_map("[a-z.]{1,5}/[a-z]{1,3}", text(), 1..4)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
                .boxed(),
        ),
    ])
}

fn parts(kind: &str, version: usize) -> (BoxedStrategy<Value>, BoxedStrategy<Value>) {
    let json = || any_json().boxed();
    let sandbox = || {
        named()
            .prop_map(|mut s| {
                s["podIPs"] = json!(["::1"]);
                s
            })
            .boxed()
    };
    let shared = vec![
        ("podTemplate", json()),
        ("future", json()),
        ("env", json()),
        ("service", json()),
    ];
    let with =
        |more: Vec<(&'static str, BoxedStrategy<Value>)>| fields([shared.clone(), more].concat());
    match (kind, version) {
        ("Sandbox", 0) => (
            with(vec![("replicas", number(0..2))]),
            status(vec![("replicas", number(0..2)), ("service", json())]),
        ),
        ("Sandbox", _) => (
            required(
                with(vec![]),
                "operatingMode",
                word(&["Running", "Suspended"]),
            ),
            status(vec![("nodeName", json()), ("service", json())]),
        ),
        ("SandboxTemplate", 0) => (with(vec![]), Just(Value::Null).boxed()),
        ("SandboxTemplate", _) => (
            with(vec![(
                "volumeClaimTemplatesPolicy",
                word(&["Disallowed", "Allowed", "Overrides"]),
            )]),
            Just(Value::Null).boxed(),
        ),
        ("SandboxWarmPool", version) => (
            required(
                with(vec![("sandboxTemplateRef", named())]),
                "replicas",
                number(0..5),
            ),
            status(if version == 0 {
                vec![("readyReplicas", number(0..3))]
            } else {
                vec![
                    ("readyReplicas", number(0..3)),
                    ("observedGeneration", number(0..9)),
                ]
            }),
        ),
        (_, 0) => (
            required(
                with(vec![("warmpool", name().prop_map(Value::from).boxed())]),
                "sandboxTemplateRef",
                named(),
            ),
            status(vec![("sandbox", sandbox())]),
        ),
        (_, _) => (
            required(
                with(vec![("volumeClaimTemplates", json())]),
                "warmPoolRef",
                named(),
            ),
            status(vec![("sandbox", sandbox())]),
        ),
    }
}

fn any_object(version: usize) -> impl Strategy<Value = Json<'static>> {
    let kinds = [
        "Sandbox",
        "SandboxTemplate",
        "SandboxClaim",
        "SandboxWarmPool",
    ];
    prop::sample::select(kinds.to_vec()).prop_flat_map(move |kind| {
        let (spec, status) = parts(kind, version);
        (metadata(), spec, status).prop_map(move |(metadata, spec, status)| {
            let mut object = json!({
                "apiVersion": versions(kind)[version], "kind": kind, "metadata": metadata, "spec": spec,
            });
            if !status.is_null() {
                object["status"] = status;
            }
            Json::from(object)
        })
    })
}

/// An absent status and one that only counts replicas by mode are the same to v1alpha1's writers.
fn normal(mut object: Json<'static>) -> Json<'static> {
    let empty = object
        .get("status")
        .and_then(Json::as_object)
        .is_some_and(Map::is_empty);
    if let Some(map) = object.as_object_mut().filter(|_| empty) {
        map.remove("status");
    }
    object
}

proptest! {
    #[test]
    fn v1alpha1_objects_come_back_as_they_were(written in any_object(0)) {
        let stored = up(&written);
        prop_assert_eq!(down(&stored), written.clone());
        prop_assert_eq!(up(&down(&stored)), stored);
    }

    #[test]
    fn v1beta1_objects_come_back_as_they_were(stored in any_object(1)) {
        let view = down(&stored);
        let again = up(&view);
        prop_assert_eq!(without_state(again.clone()), normal(stored));
        prop_assert_eq!(down(&again), view);
    }

    #[test]
    fn what_another_version_made_of_a_claim_is_kept(written in any_object(0), pool in name(), sandbox in name()) {
        prop_assume!(kind_of(&written) == "SandboxClaim");
        let mut stored = up(&written);
        set_at(&mut stored, "spec", "warmPoolRef", owned_json!({"name": pool}));
        set(&mut stored, "status", owned_json!({"sandbox": {"name": sandbox}}));
        let again = up(&down(&stored));
        prop_assert_eq!(without_state(again), without_state(stored));
    }

    #[test]
    fn only_annotations_change_in_metadata(object in any_object(0), desired in 0..2_usize) {
        let before = without_state(object.clone());
        let kind = kind_of(&object);
        let after = convert(object, versions(&kind)[desired]).expect("converts");
        let strip = |object: Json<'static>| {
            let mut metadata = object.get("metadata").cloned().unwrap_or_default();
            if let Some(map) = metadata.as_object_mut() {
                map.remove("annotations");
            }
            metadata
        };
        prop_assert_eq!(strip(after), strip(before));
    }
}
