//! Merges against what a 1.36.3 API server did for the same `ApplyConfiguration`.

use super::*;

fn containers(names: &[&str], image: &str) -> Json<'static> {
    let listed: Vec<Value> = names
        .iter()
        .map(|name| json!({"name": name, "image": image}))
        .collect();
    owned_json!({"spec": {"containers": listed}})
}

fn names(object: &Json<'_>) -> Vec<String> {
    let listed = object
        .at(&["spec", "containers"])
        .and_then(Json::as_array)
        .expect("containers");
    listed
        .iter()
        .map(|item| item.str_at(&["name"]).expect("name").to_owned())
        .collect()
}

fn refusal(schema: &Structural, live: Value, patch: Value) -> String {
    schema
        .merge(&Json::from(live), &Json::from(patch))
        .expect_err("refused")
        .to_string()
}

#[test]
fn list_elements_keep_their_order_and_new_ones_follow_the_patch() {
    for (live, patch, want) in [
        (
            &["a", "b", "c", "d"][..],
            &["x", "c", "y", "a"][..],
            &["b", "x", "c", "d", "y", "a"][..],
        ),
        (
            &["a", "b", "c", "d"],
            &["d", "x", "a", "z"],
            &["b", "c", "d", "x", "a", "z"],
        ),
        (&["a", "b"], &["b"], &["a", "b"]),
        (&["a", "b"], &["c"], &["a", "b", "c"]),
        (&[], &["a"], &["a"]),
        (&["a"], &[], &["a"]),
    ] {
        let merged = pod()
            .merge(&containers(live, "i"), &containers(patch, "x"))
            .expect("merged");
        assert_eq!(names(&merged), want, "{live:?} {patch:?}");
    }
}

#[test]
fn fields_of_both_sides_are_kept_and_the_patch_wins() {
    let live = owned_json!({
        "metadata": {"labels": {"z": "1"}, "finalizers": ["x.y/z", "k.l/m"]},
        "spec": {
            "hostNetwork": true,
            "containers": [{"name": "a", "image": "i", "ports": [
                {"containerPort": 80, "protocol": "TCP"},
                {"containerPort": 80, "protocol": "UDP"},
            ]}],
        },
    });
    let patch = owned_json!({
        "metadata": {"labels": {"a": "b"}, "finalizers": ["a.b/c", "x.y/z"]},
        "spec": {
            "hostNetwork": false,
            "containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "n"}], "resources": {"limits": {"cpu": 1}}}],
        },
    });
    assert_eq!(
        pod().merge(&live, &patch).expect("merged"),
        owned_json!({
            "metadata": {"labels": {"a": "b", "z": "1"}, "finalizers": ["a.b/c", "x.y/z", "k.l/m"]},
            "spec": {
                "hostNetwork": false,
                "containers": [{
                    "name": "a",
                    "image": "i",
                    "ports": [
                        {"containerPort": 80, "protocol": "TCP", "name": "n"},
                        {"containerPort": 80, "protocol": "UDP"},
                    ],
                    "resources": {"limits": {"cpu": 1}},
                }],
            },
        })
    );
}

#[test]
fn custom_resources_merge_inside_their_pod_template() {
    let live = owned_json!({"spec": {"podTemplate": {"spec": {"containers": [
        {"name": "b"},
        {"name": "c", "resources": {"limits": {"memory": "1Gi"}}},
    ]}}}});
    let patch = owned_json!({"spec": {"podTemplate": {
        "metadata": {"labels": {"a/b": "c"}},
        "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}}]},
    }}});
    assert_eq!(
        sandbox().merge(&live, &patch).expect("merged"),
        owned_json!({"spec": {"podTemplate": {
            "metadata": {"labels": {"a/b": "c"}},
            "spec": {"containers": [
                {"name": "b"},
                {"name": "c", "resources": {"limits": {"memory": "1Gi", "cpu": "1"}}},
            ]},
        }}})
    );
}

#[test]
fn an_absent_key_counts_as_its_zero_value_in_built_in_kinds_only() {
    let patch = json!({"containers": [{"image": "x"}]});
    let live = containers(&["a"], "i");
    let merged = pod()
        .merge(&live, &owned_json!({"spec": patch}))
        .expect("merged");
    assert_eq!(
        merged.at(&["spec", "containers"]),
        Some(&owned_json!([{"name": "a", "image": "i"}, {"image": "x"}]))
    );
    assert_eq!(
        refusal(
            sandbox(),
            json!({"spec": {"podTemplate": {"spec": {"containers": []}}}}),
            json!({"spec": {"podTemplate": {"spec": patch}}}),
        ),
        "failed to convert patch object to typed object: .spec.podTemplate.spec.containers: element 0: associative list with keys has an element that omits all key fields [\"name\"] (and doesn't have default values for any key fields)"
    );
}

#[test]
fn patches_that_do_not_fit_are_refused_in_the_words_of_the_api_server() {
    let live = json!({"spec": {"containers": [{"name": "a"}]}});
    let typed = "failed to convert patch object to typed object: ";
    let atomic = "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ";
    for (patch, want) in [
        (
            json!({"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}),
            format!("{typed}.spec.containers: duplicate entries for key [name=\"a\"]"),
        ),
        (
            json!({"spec": {"containers": [{"name": "a", "args": ["x"], "command": ["y"]}], "nodeSelector": {"a": "b"}}}),
            format!(
                "{atomic}.spec.containers[0].args, .spec.containers[0].command, .spec.nodeSelector"
            ),
        ),
        (
            json!({"spec": {"containers": [{"name": 5}]}}),
            format!(
                "{typed}.spec.containers[name=5].name: expected string, got &value.valueUnstructured{{Value:5}}"
            ),
        ),
        (
            json!({"spec": {"activeDeadlineSeconds": "x", "hostNetwork": "yes"}}),
            format!(
                "{typed}errors:\n  .spec.activeDeadlineSeconds: expected numeric (int or float), got string\n  .spec.hostNetwork: expected boolean, got &{{yes}}"
            ),
        ),
        (
            json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}}}),
            format!(
                "{atomic}.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution, .spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
            ),
        ),
        (
            json!({"spec": {"nope": 1, "paused": "x"}}),
            format!("{typed}.spec.nope: field not declared in schema"),
        ),
        (
            json!({"spec": {"tolerations": []}}),
            format!("{atomic}.spec.tolerations"),
        ),
        (
            json!({"spec": {"containers": ["a"]}}),
            format!(
                "{typed}.spec.containers: element 0: associative list with keys may not have non-map elements"
            ),
        ),
        (
            json!({"spec": []}),
            format!("{typed}.spec: expected map, got &{{[]}}"),
        ),
        (
            json!({"spec": {"containers": {"a": 1}}}),
            format!("{typed}.spec.containers: expected list, got &{{map[a:1]}}"),
        ),
    ] {
        assert_eq!(refusal(pod(), live.clone(), patch.clone()), want, "{patch}");
    }
}

#[test]
fn nulls_in_a_patch_have_no_type() {
    let live = json!({"spec": {"shutdownTime": "2030-01-01T00:00:00Z", "podTemplate": {"spec": {"containers": []}}}});
    assert_eq!(
        refusal(
            sandbox(),
            live.clone(),
            json!({"spec": {"operatingMode": null, "podTemplate": null, "shutdownTime": null}})
        ),
        "failed to convert patch object to typed object: errors:\n  .spec.operatingMode: expected string, got &value.valueUnstructured{Value:0}\n  .spec.podTemplate: expected map, got &{NULL_VALUE}\n  .spec.shutdownTime: expected any scalar, got &{NULL_VALUE}"
    );
    assert_eq!(
        refusal(
            sandbox(),
            live,
            json!({"spec": {"volumeClaimTemplates": []}})
        ),
        "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.volumeClaimTemplates"
    );
}

#[test]
fn the_live_object_may_repeat_keys_but_must_fit() {
    let live = owned_json!({"spec": {"containers": [
        {"name": "a", "image": "1"},
        {"name": "a", "image": "2", "tty": true},
        {"name": "b", "image": null},
    ]}});
    let merged = pod()
        .merge(&live, &containers(&["a"], "x"))
        .expect("merged");
    assert_eq!(
        merged,
        owned_json!({"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": null}]}})
    );
    assert_eq!(
        refusal(pod(), json!({"spec": {"unknown": 1}}), json!({})),
        "failed to convert original object to typed object: .spec.unknown: field not declared in schema"
    );
}

#[test]
fn open_parts_merge_by_shape() {
    let schema = Structural::parse(&json!({"type": "object", "properties": {
        "bare": {"type": "object"},
        "port": {"x-kubernetes-int-or-string": true},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    }}))
    .expect("structural");
    let live = owned_json!({"bare": {"a": {"b": 1}, "l": 1}, "port": 80, "labels": {}});
    let patch =
        owned_json!({"bare": {"a": {"c": 2}, "l": "x"}, "port": "http", "labels": {"k": "v"}});
    assert_eq!(
        schema.merge(&live, &patch).expect("merged"),
        owned_json!({"bare": {"a": {"b": 1, "c": 2}, "l": "x"}, "port": "http", "labels": {"k": "v"}})
    );
}

proptest::proptest! {
    /// Merging nothing changes nothing, merging an object into itself changes nothing, and the patch always wins.
    #[test]
    fn merging_is_idempotent_and_keeps_every_element(
        live in proptest::collection::btree_set("[a-e]", 0..5),
        patch in proptest::collection::vec("[a-h]", 0..5),
    ) {
        let live: Vec<&str> = live.iter().map(String::as_str).collect();
        let mut wanted: Vec<&str> = Vec::new();
        for name in &patch {
            if !wanted.contains(&name.as_str()) {
                wanted.push(name);
            }
        }
        let (before, change) = (containers(&live, "i"), containers(&wanted, "x"));
        proptest::prop_assert_eq!(pod().merge(&before, &owned_json!({})).expect("merged"), before.clone());
        let after = pod().merge(&before, &change).expect("merged");
        proptest::prop_assert_eq!(pod().merge(&after, &change).expect("merged"), after.clone());
        let mut found = names(&after);
        let order: Vec<&str> = found.iter().map(String::as_str).filter(|name| wanted.contains(name)).collect();
        proptest::prop_assert_eq!(order, wanted.clone());
        let mut all: Vec<String> = live.iter().chain(&wanted).map(|name| (*name).to_owned()).collect();
        all.sort();
        all.dedup();
        found.sort();
        proptest::prop_assert_eq!(found, all);
    }
}
