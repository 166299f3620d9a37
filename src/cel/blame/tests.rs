//! One row per way in which a rule can say no.

use super::blame;
use crate::cel::testing::{Variables, admission};
use crate::cel::types::Type;
use crate::cel::value::Value;
use crate::model::json::Json;

const OBJECT: &str = r#"{
    "metadata": {"name": "web", "labels": {"a/b": "x"}},
    "spec": {
        "hostNetwork": true, "replicas": 7, "args": ["x", "bad"],
        "containers": [
            {"name": "a", "image": "good/a", "securityContext": {"privileged": false}},
            {"name": "b", "image": "evil/b", "securityContext": {"privileged": true}},
            {"name": "c", "image": "evil/c"}
        ]
    }
}"#;

#[test]
fn the_decisive_field_is_found() {
    let rows = [
        ("object.spec.hostNetwork == false", Some("spec.hostNetwork")),
        ("!object.spec.hostNetwork", Some("spec.hostNetwork")),
        (
            "has(object.spec.runtimeClassName)",
            Some("spec.runtimeClassName"),
        ),
        (
            "has(object.spec.hostNetwork) && object.spec.replicas < 5",
            Some("spec.replicas"),
        ),
        ("object.spec.replicas <= params.max", Some("spec.replicas")),
        ("params.max >= object.spec.replicas", Some("spec.replicas")),
        ("object.spec.replicas in [1, 2]", Some("spec.replicas")),
        (
            "!has(object.spec.hostNetwork) || object.spec.hostNetwork == false",
            Some("spec.hostNetwork"),
        ),
        (
            "object.spec.containers.all(c, c.image.startsWith('good/'))",
            Some("spec.containers[1].image"),
        ),
        (
            "object.spec.containers.all(c, has(c.securityContext) && c.securityContext.privileged == false)",
            Some("spec.containers[1].securityContext.privileged"),
        ),
        (
            "object.spec.containers.all(c, c.name in ['a', 'b'])",
            Some("spec.containers[2].name"),
        ),
        (
            "object.spec.containers.all(i, c, i < 2)",
            Some("spec.containers[2]"),
        ),
        (
            "!object.spec.containers.exists(c, c.name == 'b')",
            Some("spec.containers[1].name"),
        ),
        (
            "object.spec.containers.exists(c, c.name == 'z')",
            Some("spec.containers"),
        ),
        ("object.spec.args.all(a, a != 'bad')", Some("spec.args[1]")),
        (
            "object.spec.containers.filter(c, c.name == 'z').size() == 1",
            Some("spec.containers"),
        ),
        (
            "object.metadata.labels['a/b'] == 'y'",
            Some("metadata.labels['a/b']"),
        ),
        (
            "object.metadata.labels.all(k, k == 'z')",
            Some("metadata.labels"),
        ),
        (
            "object.spec.?template.spec.hasValue()",
            Some("spec.template.spec"),
        ),
        (
            "object.?spec.?replicas.orValue(1) < 5",
            Some("spec.replicas"),
        ),
        (
            "object.spec.hostNetwork ? object.metadata.name == 'x' : true",
            Some("metadata.name"),
        ),
        ("size(object.metadata.name) > 5", Some("metadata.name")),
        (
            "variables.containers.all(c, c.name != 'c')",
            Some("spec.containers[2].name"),
        ),
        ("variables.spec.replicas == 1", Some("spec.replicas")),
        ("has(variables.spec.template)", Some("spec.template")),
        ("variables.scalar == 1", None),
        ("params.max == 1", None),
        ("false", None),
    ];
    let text = format!(r#"{{"object": {OBJECT}, "oldObject": null, "params": {{"max": 5}}}}"#);
    let json = Json::parse(&text).unwrap();
    let object = json.get("object").unwrap();
    let fields = ["containers", "spec", "scalar"].map(|name| (name.to_owned(), Type::Dyn));
    let env = admission().composed(&fields).build();
    for (rule, expected) in rows {
        let program = env.compile(rule).expect(rule);
        let variables = Variables::new(&env, &json)
            .field(Ok(Value::from(object.at(&["spec", "containers"]).unwrap())))
            .field(Ok(Value::from(object.at(&["spec"]).unwrap())))
            .field(Ok(Value::Int(7)));
        let blamed = blame(&program, &variables);
        let path = blamed.as_ref().and_then(|field| field.path(object));
        assert_eq!(
            path.map(|path| path.to_string()).as_deref(),
            expected,
            "{rule}"
        );
    }
}

#[test]
fn the_value_is_told_when_it_is_there() {
    let json = Json::parse(r#"{"object": {"a": [1]}, "oldObject": {"b": 2}}"#).unwrap();
    let env = admission().build();
    for (rule, expected) in [
        ("object.a[0] == 2", Some(Json::Int(1))),
        ("oldObject.b == 3", Some(Json::Int(2))),
        ("has(object.b)", None),
    ] {
        let program = env.compile(rule).expect(rule);
        let variables = Variables::new(&env, &json);
        let blamed = blame(&program, &variables).expect(rule);
        assert_eq!(blamed.value().cloned(), expected, "{rule}");
    }
}
