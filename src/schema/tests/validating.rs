//! Every text below was given by a 1.36.3 API server for the same object; where it gives several errors for one value
//! of a choice of types, the first is kept.

use super::*;

fn errors(schema: &Structural, object: Value) -> Vec<String> {
    schema
        .validate(&Json::from(object))
        .iter()
        .map(|error| format!("{}: {}", error.path.dotted(), error.message))
        .collect()
}

/// A sandbox whose one container is `container`.
fn with_container(container: Value) -> Value {
    json!({"spec": {"podTemplate": {"spec": {"containers": [container]}}}})
}

#[test]
fn sandboxes_are_refused_in_the_words_of_the_api_server() {
    let good = json!({"spec": {"containers": [{"name": "c", "image": "i"}]}});
    let quantity = crate::api::openapi::QUANTITY_PATTERN;
    let c = "spec.podTemplate.spec.containers[0]";
    let cases: Vec<(Value, Vec<String>)> = vec![
        (json!({"spec": {}}), vec!["spec.podTemplate: Required value".into()]),
        (json!({}), vec!["spec: Required value".into()]),
        (json!({"spec": "x"}), vec![r#"spec: Invalid value: "string": spec in body must be of type object: "string""#.into()]),
        (json!({"spec": {"podTemplate": {}}}), vec!["spec.podTemplate.spec: Required value".into()]),
        (
            json!({"spec": {"podTemplate": []}}),
            vec![r#"spec.podTemplate: Invalid value: "array": spec.podTemplate in body must be of type object: "array""#.into()],
        ),
        (
            json!({"spec": {"podTemplate": good, "service": "yes"}}),
            vec![r#"spec.service: Invalid value: "string": spec.service in body must be of type boolean: "string""#.into()],
        ),
        (
            json!({"spec": {"podTemplate": good, "shutdownTime": 5}}),
            vec![r#"spec.shutdownTime: Invalid value: "int64": spec.shutdownTime in body must be of type date-time: "int64""#.into()],
        ),
        (
            json!({"spec": {"podTemplate": good, "shutdownTime": true}}),
            vec![r#"spec.shutdownTime: Invalid value: "": spec.shutdownTime in body must be of type date-time: """#.into()],
        ),
        (
            json!({"spec": {"podTemplate": good, "shutdownTime": "tomorrow"}}),
            vec![r#"spec.shutdownTime: Invalid value: "tomorrow": spec.shutdownTime in body must be of type date-time: "tomorrow""#.into()],
        ),
        (
            json!({"spec": {"podTemplate": good, "operatingMode": "Paused"}}),
            vec![r#"spec.operatingMode: Unsupported value: "Paused": supported values: "Running", "Suspended""#.into()],
        ),
        (
            with_container(json!({"name": "c", "resources": {"limits": {"cpu": true, "memory": "12Foo", "a/b": 1.5}}})),
            vec![
                format!(r#"{c}.resources.limits.a/b: Invalid value: "number": {c}.resources.limits.a/b in body must be of type integer,string: "number""#),
                format!(r#"{c}.resources.limits.cpu: Invalid value: "boolean": {c}.resources.limits.cpu in body must be of type integer,string: "boolean""#),
                format!(r#"{c}.resources.limits.memory: Invalid value: "12Foo": {c}.resources.limits.memory in body should match '{quantity}'"#),
            ],
        ),
        (
            json!({"spec": {"podTemplate": {"spec": {"containers": [{"name": "c"}, {"name": "c"}, {"name": "c"}]}}}}),
            vec![r#"spec.podTemplate.spec.containers[1]: Duplicate value: {"name":"c"}"#.into()],
        ),
        (
            with_container(json!({"name": "c", "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "protocol": "TCP"}]})),
            vec![format!(r#"{c}.ports[1]: Duplicate value: {{"containerPort":80,"protocol":"TCP"}}"#)],
        ),
        (
            with_container(json!({"name": "c", "ports": [{"containerPort": "x"}, {"containerPort": 3_000_000_000_i64}]})),
            vec![
                format!(r#"{c}.ports[0].containerPort: Invalid value: "string": {c}.ports[0].containerPort in body must be of type integer: "string""#),
                format!(r#"{c}.ports[1].containerPort: Invalid value: "": Checked value must be of type integer with format int32 in {c}.ports[1].containerPort"#),
            ],
        ),
        (
            json!({"spec": {"podTemplate": {"spec": {"containers": {"a": 1}}}}}),
            vec![r#"spec.podTemplate.spec.containers: Invalid value: "object": spec.podTemplate.spec.containers in body must be of type array: "object""#.into()],
        ),
        (
            with_container(json!("a")),
            vec![
                format!(r#"{c}: Invalid value: "string": {c} in body must be of type object: "string""#),
                format!(r#"{c}: Invalid value: "a": must be an object for an array of list-type map"#),
            ],
        ),
        (
            json!({"spec": {"podTemplate": {
                "metadata": {"labels": {"a.b/c": 5}},
                "spec": {"containers": [{"name": 1.5, "tty": 1}]},
            }}}),
            vec![
                r#"spec.podTemplate.metadata.labels.a.b/c: Invalid value: "integer": spec.podTemplate.metadata.labels.a.b/c in body must be of type string: "integer""#.into(),
                format!(r#"{c}.name: Invalid value: "number": {c}.name in body must be of type string: "number""#),
                format!(r#"{c}.tty: Invalid value: "integer": {c}.tty in body must be of type boolean: "integer""#),
            ],
        ),
        (
            with_container(json!({"name": "c", "livenessProbe": {"httpGet": {"port": true}}})),
            vec![format!(r#"{c}.livenessProbe.httpGet.port: Invalid value: "boolean": {c}.livenessProbe.httpGet.port in body must be of type integer,string: "boolean""#)],
        ),
        (
            with_container(json!({"name": "c", "restartPolicyRules": [{"action": "x", "exitCodes": {"operator": "In", "values": [1, 2, 1]}}]})),
            vec![format!("{c}.restartPolicyRules[0].exitCodes.values[2]: Duplicate value: 1")],
        ),
        (
            with_container(json!({"name": "c", "env": [{"name": "A"}, null]})),
            vec![format!(r#"{c}.env[1]: Invalid value: "null": {c}.env[1] in body must be of type object: "null""#)],
        ),
        (
            json!({"spec": {"podTemplate": {"spec": {"activeDeadlineSeconds": 1.5, "containers": []}}}}),
            vec![
                r#"spec.podTemplate.spec.activeDeadlineSeconds: Invalid value: "float64": spec.podTemplate.spec.activeDeadlineSeconds in body must be of type int64: "float64""#.into(),
                r#"spec.podTemplate.spec.activeDeadlineSeconds: Invalid value: "": Checked value must be of type integer with format int64 in spec.podTemplate.spec.activeDeadlineSeconds"#.into(),
            ],
        ),
        (json!({"spec": {"podTemplate": {"spec": {"activeDeadlineSeconds": 1.0, "containers": []}}}}), vec![]),
        (json!({"spec": {"podTemplate": good, "operatingMode": "Running", "service": true}}), vec![]),
    ];
    for (object, want) in cases {
        assert_eq!(errors(sandbox(), object.clone()), want, "{object}");
    }
}

#[test]
fn bounds_of_replicas_are_those_of_the_older_version() {
    let older = catalog::get(&Gvk::new("agents.x-k8s.io/v1alpha1", "Sandbox")).expect("known");
    for (replicas, want) in [
        (
            json!(2),
            &[
                "spec.replicas: Invalid value: 2: spec.replicas in body should be less than or equal to 1",
            ][..],
        ),
        (
            json!(-1),
            &[
                "spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0",
            ],
        ),
        (
            json!("1"),
            &[
                r#"spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string""#,
            ],
        ),
        (
            json!(1.5),
            &[
                r#"spec.replicas: Invalid value: "float64": spec.replicas in body must be of type int32: "float64""#,
                r#"spec.replicas: Invalid value: "": Checked value must be of type integer with format int32 in spec.replicas"#,
                "spec.replicas: Invalid value: 1.5: spec.replicas in body should be less than or equal to 1",
            ],
        ),
        (
            json!(true),
            &[
                r#"spec.replicas: Invalid value: "": spec.replicas in body must be of type int32: """#,
            ],
        ),
        (json!(1), &[]),
    ] {
        let object =
            json!({"spec": {"podTemplate": {"spec": {"containers": []}}, "replicas": replicas}});
        assert_eq!(errors(older, object), want, "{replicas}");
    }
}

#[test]
fn impossible_profiles_are_refused_without_a_cluster() {
    let registry = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$";
    let quantity = crate::api::openapi::QUANTITY_PATTERN;
    for (spec, want) in [
        (
            json!({"resources": {"container": {"max": {"cpu": "12Foo"}}}}),
            vec![format!(r#"spec.resources.container.max.cpu: Invalid value: "12Foo": spec.resources.container.max.cpu in body should match '{quantity}'"#)],
        ),
        (
            json!({"network": {"forbidEgressTo": ["10.0.0.0/33"]}}),
            vec![r#"spec.network.forbidEgressTo[0]: Invalid value: "10.0.0.0/33": spec.network.forbidEgressTo[0] in body must be of type cidr: "10.0.0.0/33""#.into()],
        ),
        (
            json!({"ports": {"allowed": [{"from": 0, "to": 70000}, {}]}}),
            vec![
                "spec.ports.allowed[0].from: Invalid value: 0: spec.ports.allowed[0].from in body should be greater than or equal to 1".into(),
                "spec.ports.allowed[0].to: Invalid value: 70000: spec.ports.allowed[0].to in body should be less than or equal to 65535".into(),
                "spec.ports.allowed[1].from: Required value".into(),
            ],
        ),
        (
            json!({"enforcement": "Block"}),
            vec![r#"spec.enforcement: Unsupported value: "Block": supported values: "Deny", "Warn", "Audit""#.into()],
        ),
        (
            json!({"runtimeClass": {"allowed": []}}),
            vec!["spec.runtimeClass.allowed: Invalid value: 0: spec.runtimeClass.allowed in body should have at least 1 items".into()],
        ),
        (
            json!({"runtimeClass": {"allowed": ["a", "a"]}}),
            vec![r#"spec.runtimeClass.allowed[1]: Duplicate value: "a""#.into()],
        ),
        (
            json!({"user": {"minUID": 0}}),
            vec!["spec.user.minUID: Invalid value: 0: spec.user.minUID in body should be greater than or equal to 1".into()],
        ),
        (
            json!({"images": {"allowedRegistries": ["HTTP://x"], "forbidTags": ["x".repeat(200)]}}),
            vec![
                format!(r#"spec.images.allowedRegistries[0]: Invalid value: "HTTP://x": spec.images.allowedRegistries[0] in body should match '{registry}'"#),
                "spec.images.forbidTags[0]: Too long: may not be more than 128 bytes".into(),
            ],
        ),
        (
            json!({"resources": {"requireLimits": ["cpu", "gpu"], "maxReplicas": -1}}),
            vec![
                "spec.resources.maxReplicas: Invalid value: -1: spec.resources.maxReplicas in body should be greater than or equal to 0".into(),
                r#"spec.resources.requireLimits[1]: Unsupported value: "gpu": supported values: "cpu", "memory", "ephemeral-storage""#.into(),
            ],
        ),
        (
            json!({"lifetime": {"maxLifetime": "1d"}, "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}),
            vec![
                r#"spec.lifetime.maxLifetime: Invalid value: "1d": spec.lifetime.maxLifetime in body should match '^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$'"#.into(),
                r#"spec.namespaceSelector.matchExpressions[0].operator: Unsupported value: "Is": supported values: "In", "NotIn", "Exists", "DoesNotExist""#.into(),
            ],
        ),
        (json!({}), vec![]),
    ] {
        assert_eq!(errors(profile(), json!({"spec": spec})), want, "{spec}");
    }
}

#[test]
fn remaining_checks_have_their_words() {
    let schema = Structural::parse(&json!({
        "type": "object",
        "maxProperties": 20,
        "properties": {
            "short": {"type": "string", "minLength": 3},
            "many": {"type": "array", "maxItems": 1, "items": {"type": "integer"}},
            "unique": {"type": "array", "uniqueItems": true, "items": {"type": "integer"}},
            "few": {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": {"type": "string"}},
            "open": {"type": "number", "minimum": 0, "exclusiveMinimum": true, "maximum": 1, "exclusiveMaximum": true},
            "even": {"type": "integer", "multipleOf": 2},
            "one": {"type": "integer", "enum": [1, 2]},
            "any": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
            "all": {"type": "integer", "allOf": [{"minimum": 1}, {"maximum": 5}], "not": {"enum": [3]}},
            "xor": {"type": "integer", "oneOf": [{"minimum": 1}, {"maximum": 5}]},
            "null": {"type": "string", "nullable": true},
        },
    }))
    .expect("structural");
    let object = json!({
        "short": "é!", "many": [1, 2], "unique": [1, 1], "few": {}, "open": 0, "even": 3, "one": 3,
        "any": {}, "all": 3, "xor": 3, "null": null,
    });
    assert_eq!(
        errors(&schema, object),
        [
            r#"all: Invalid value: "": "all" must not validate the schema (not)"#,
            r#"any: Invalid value: "": "any" must validate at least one schema (anyOf)"#,
            "even: Invalid value: 3: even in body should be a multiple of 2",
            "few: Invalid value: 0: few in body should have at least 1 properties",
            "many: Too many: 2: must have at most 1 item",
            r#"one: Unsupported value: 3: supported values: "1", "2""#,
            "open: Invalid value: 0: open in body should be greater than 0",
            r#"short: Invalid value: "é!": short in body should be at least 3 chars long"#,
            r#"unique: Invalid value: "": unique in body shouldn't contain duplicates"#,
            r#"xor: Invalid value: "": "xor" must validate one and only one schema (oneOf)"#,
        ]
    );
    let object = json!({"all": 9, "any": {"b": "x"}, "open": 1, "few": {"a": "1", "b": "2"}, "one": 2.0, "xor": 0});
    assert_eq!(
        errors(&schema, object),
        [
            r#"all: Invalid value: "": "all" must validate all the schemas (allOf)"#,
            "few: Too many: 2: must have at most 1 item",
            "open: Invalid value: 1: open in body should be less than 1",
        ]
    );
}

#[test]
fn native_kinds_know_their_choices_and_any_number_as_quantity() {
    let object = json!({"spec": {
        "restartPolicy": "Sometimes",
        "containers": [{"name": "c", "resources": {"limits": {"cpu": 1.5, "memory": {}}}}],
    }});
    assert_eq!(
        errors(pod(), object),
        [
            r#"spec.containers[0].resources.limits.memory: Invalid value: "object": spec.containers[0].resources.limits.memory in body must be of type number,string: "object""#,
            r#"spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure""#,
        ]
    );
}

#[test]
fn the_number_of_errors_is_bounded() {
    let containers: Vec<Value> = (0..10_000).map(|n| json!({"name": n})).collect();
    let object = json!({"spec": {"podTemplate": {"spec": {"containers": containers}}}});
    assert_eq!(errors(sandbox(), object).len(), 200);
}

proptest::proptest! {
    /// Nothing that anybody can send makes the walks fail, and pruning and defaulting settle.
    #[test]
    fn any_object_can_be_pruned_defaulted_and_validated(text in "[\\[\\]{}\",:a-c0-9nul]{0,60}") {
        let fragment: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let places = [
            json!({"spec": fragment}),
            json!({"spec": {"podTemplate": fragment}}),
            json!({"spec": {"podTemplate": {"spec": {"containers": [fragment]}}}}),
            fragment,
        ];
        for place in places {
            let mut object = Json::from(place);
            sandbox().prune(&mut object);
            sandbox().default(&mut object);
            let once = object.clone();
            sandbox().prune(&mut object);
            sandbox().default(&mut object);
            proptest::prop_assert_eq!(&object, &once);
            let _ = sandbox().validate(&object);
            let _ = sandbox().merge(&object, &once);
        }
    }
}
