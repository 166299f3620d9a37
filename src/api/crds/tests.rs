//! The documents against the agent-sandbox API, table by table.

use serde_json::{Value, json};

use super::*;

fn document(name: &str) -> Value {
    all(&Options::default())
        .into_iter()
        .find(|document| document["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("{name} is generated"))
}

fn version(document: &Value, name: &str) -> Value {
    let versions = document["spec"]["versions"].as_array().expect("versions");
    versions
        .iter()
        .find(|version| version["name"] == name)
        .expect(name)
        .clone()
}

fn schema_at(document: &Value, name: &str, path: &str) -> Value {
    let version = version(document, name);
    let mut schema = &version["schema"]["openAPIV3Schema"];
    for step in path.split('.').filter(|step| !step.is_empty()) {
        schema = match step {
            "[]" => &schema["items"],
            "{}" => &schema["additionalProperties"],
            _ => &schema["properties"][step],
        };
    }
    schema.clone()
}

const SANDBOX: &str = "sandboxes.agents.x-k8s.io";
const CLAIM: &str = "sandboxclaims.extensions.agents.x-k8s.io";
const TEMPLATE: &str = "sandboxtemplates.extensions.agents.x-k8s.io";
const POOL: &str = "sandboxwarmpools.extensions.agents.x-k8s.io";

#[test]
fn names_scopes_and_versions_are_those_of_the_api() {
    let found: Vec<Value> = all(&Options::default())
        .iter()
        .map(|document| {
            let names = &document["spec"]["names"];
            let versions = document["spec"]["versions"].as_array().expect("versions");
            let versions = versions.iter().map(|version| {
                json!([
                    version["name"],
                    version["served"],
                    version["storage"],
                    version["deprecated"]
                ])
            });
            json!([
                document["metadata"]["name"],
                names["kind"],
                names["listKind"],
                names["singular"],
                names["shortNames"],
                document["spec"]["scope"],
                versions.collect::<Vec<_>>(),
            ])
        })
        .collect();
    let both = json!([
        ["v1beta1", true, true, null],
        ["v1alpha1", true, false, true]
    ]);
    let own = json!([["v1alpha1", true, true, null]]);
    let want = json!([
        [
            SANDBOX,
            "Sandbox",
            "SandboxList",
            "sandbox",
            ["sandbox"],
            "Namespaced",
            both
        ],
        [
            CLAIM,
            "SandboxClaim",
            "SandboxClaimList",
            "sandboxclaim",
            ["sandboxclaim"],
            "Namespaced",
            both
        ],
        [
            TEMPLATE,
            "SandboxTemplate",
            "SandboxTemplateList",
            "sandboxtemplate",
            ["sandboxtemplate"],
            "Namespaced",
            both
        ],
        [
            POOL,
            "SandboxWarmPool",
            "SandboxWarmPoolList",
            "sandboxwarmpool",
            ["swp"],
            "Namespaced",
            both
        ],
        [
            "guardrailprofiles.sandfence.dev",
            "GuardrailProfile",
            "GuardrailProfileList",
            "guardrailprofile",
            ["gp"],
            "Cluster",
            own
        ],
        [
            "sandboxpolicies.sandfence.dev",
            "SandboxPolicy",
            "SandboxPolicyList",
            "sandboxpolicy",
            null,
            "Cluster",
            own
        ],
        [
            "policyexceptions.sandfence.dev",
            "PolicyException",
            "PolicyExceptionList",
            "policyexception",
            null,
            "Namespaced",
            own
        ],
    ]);
    assert_eq!(Value::Array(found), want);
}

#[test]
fn subresources_columns_and_warnings_are_those_of_the_api() {
    let around = |name: &str, of: &str| {
        let mut version = version(&document(name), of);
        let members = version.as_object_mut().expect("object");
        for known in ["name", "served", "storage", "deprecated", "schema"] {
            members.remove(known);
        }
        version
    };
    let age = json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"});
    let ready = json!({"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].status"});
    let reason = json!({"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].reason"});
    let scale = json!({
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    });
    assert_eq!(
        around(SANDBOX, "v1beta1"),
        json!({"subresources": {"status": {}}, "additionalPrinterColumns": [ready, reason, age]})
    );
    assert_eq!(
        around(SANDBOX, "v1alpha1"),
        json!({
            "subresources": {"status": {}, "scale": scale},
            "deprecationWarning": "agents.x-k8s.io/v1alpha1 Sandbox is deprecated; use agents.x-k8s.io/v1beta1 Sandbox instead",
        })
    );
    let sandbox = json!({"name": "Sandbox", "type": "string", "jsonPath": ".status.sandbox.name"});
    assert_eq!(
        around(CLAIM, "v1beta1"),
        json!({"subresources": {"status": {}}, "additionalPrinterColumns": [ready, sandbox, reason, age]})
    );
    assert_eq!(
        around(CLAIM, "v1alpha1"),
        json!({
            "subresources": {"status": {}},
            "deprecationWarning": "extensions.agents.x-k8s.io/v1alpha1 SandboxClaim is deprecated; use extensions.agents.x-k8s.io/v1beta1 SandboxClaim instead",
        })
    );
    assert_eq!(around(TEMPLATE, "v1beta1"), json!({}));
    assert_eq!(
        around(TEMPLATE, "v1alpha1"),
        json!({"deprecationWarning": "extensions.agents.x-k8s.io/v1alpha1 SandboxTemplate is deprecated; use extensions.agents.x-k8s.io/v1beta1 SandboxTemplate instead"})
    );
    let columns = json!([
        {"name": "Ready", "type": "integer", "jsonPath": ".status.readyReplicas"},
        {"name": "Desired", "type": "integer", "jsonPath": ".spec.replicas"},
        age,
    ]);
    let pool = json!({"subresources": {"status": {}, "scale": scale}, "additionalPrinterColumns": columns});
    assert_eq!(around(POOL, "v1beta1"), pool);
    let mut older = pool;
    older["deprecationWarning"] = json!(
        "extensions.agents.x-k8s.io/v1alpha1 SandboxWarmPool is deprecated; use extensions.agents.x-k8s.io/v1beta1 SandboxWarmPool instead"
    );
    assert_eq!(around(POOL, "v1alpha1"), older);
}

#[test]
fn fields_besides_the_embedded_specs_are_those_of_the_api() {
    let shallow = |name: &str, of: &str, path: &str| {
        let mut schema = schema_at(&document(name), of, path);
        for large in [
            "podTemplate",
            "volumeClaimTemplates",
            "networkPolicy",
            "conditions",
        ] {
            if let Some(part) = schema["properties"].get_mut(large) {
                *part = json!("…");
            }
        }
        schema
    };
    let sandbox = shallow(SANDBOX, "v1beta1", "spec");
    assert_eq!(
        sandbox,
        json!({
            "type": "object",
            "required": ["podTemplate"],
            "properties": {
                "podTemplate": "…",
                "volumeClaimTemplates": "…",
                "service": {"type": "boolean"},
                "shutdownTime": {"type": "string", "format": "date-time"},
                "shutdownPolicy": {"type": "string", "enum": ["Delete", "Retain"], "default": "Retain"},
                "operatingMode": {"type": "string", "enum": ["Running", "Suspended"], "default": "Running"},
            },
            "x-kubernetes-validations": [{
                "rule": "has(self.volumeClaimTemplates) == has(oldSelf.volumeClaimTemplates) && (!has(self.volumeClaimTemplates) || self.volumeClaimTemplates == oldSelf.volumeClaimTemplates)",
                "message": "volumeClaimTemplates is immutable",
            }],
        })
    );
    let mut older = sandbox;
    let members = older.as_object_mut().expect("object");
    members.remove("x-kubernetes-validations");
    older["properties"]
        .as_object_mut()
        .expect("object")
        .remove("operatingMode");
    older["properties"]["replicas"] =
        json!({"type": "integer", "format": "int32", "default": 1, "minimum": 0, "maximum": 1});
    assert_eq!(shallow(SANDBOX, "v1alpha1", "spec"), older);
    assert_eq!(
        shallow(CLAIM, "v1alpha1", "spec"),
        json!({
            "type": "object",
            "required": ["sandboxTemplateRef"],
            "properties": {
                "sandboxTemplateRef": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
                "warmpool": {"type": "string", "default": "default"},
                "lifecycle": {"type": "object", "properties": {
                    "shutdownTime": {"type": "string", "format": "date-time"},
                    "ttlSecondsAfterFinished": {"type": "integer", "format": "int32", "minimum": 0},
                    "shutdownPolicy": {"type": "string", "enum": ["Delete", "DeleteForeground", "Retain"], "default": "Retain"},
                }},
                "additionalPodMetadata": {"type": "object", "properties": {
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
                }},
                "env": {"type": "array", "x-kubernetes-list-type": "atomic", "items": {
                    "type": "object",
                    "required": ["name", "value"],
                    "properties": {"name": {"type": "string"}, "value": {"type": "string"}, "containerName": {"type": "string"}},
                }},
            },
        })
    );
    let pool = |of: &str| {
        let schema = schema_at(&document(POOL), of, "spec");
        json!([schema["required"], schema["properties"]["replicas"]])
    };
    assert_eq!(
        pool("v1beta1"),
        json!([["sandboxTemplateRef"], {"type": "integer", "format": "int32", "minimum": 0, "default": 1}])
    );
    assert_eq!(
        pool("v1alpha1"),
        json!([["replicas", "sandboxTemplateRef"], {"type": "integer", "format": "int32", "minimum": 0}])
    );
}

#[test]
fn network_rules_have_no_defaults() {
    let port = schema_at(
        &document(TEMPLATE),
        "v1beta1",
        "spec.networkPolicy.egress.[].ports.[]",
    );
    assert_eq!(
        port,
        json!({"type": "object", "properties": {
            "endPort": {"type": "integer", "format": "int32"},
            "port": {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true},
            "protocol": {"type": "string"},
        }})
    );
    let rules = schema_at(&document(TEMPLATE), "v1beta1", "spec.networkPolicy");
    assert_eq!(rules["properties"].as_object().expect("object").len(), 2);
    assert_eq!(
        rules["properties"]["ingress"]["x-kubernetes-list-type"],
        Value::Null
    );
}

/// All paths below `schema` whose member `key` is there, with its value.
fn marks(schema: &Value, key: &str, path: &str, found: &mut Vec<(String, Value)>) {
    if let Some(value) = schema.get(key) {
        found.push((path.to_owned(), value.clone()));
    }
    for (field, part) in schema["properties"].as_object().into_iter().flatten() {
        marks(part, key, &format!("{path}.{field}"), found);
    }
    for (member, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema.get(member).is_some_and(Value::is_object) {
            marks(&schema[member], key, &format!("{path}{mark}"), found);
        }
    }
}

#[test]
fn pod_spec_defaults_are_those_of_the_api() {
    let spec = schema_at(&document(SANDBOX), "v1beta1", "spec.podTemplate.spec");
    let mut found = Vec::new();
    marks(&spec, "default", "", &mut found);
    let mut kinds: Vec<(String, Value)> = found
        .into_iter()
        .map(|(path, value)| {
            let path = path.replace(".initContainers[]", ".containers[]");
            (
                path.replace(".ephemeralContainers[]", ".containers[]"),
                value,
            )
        })
        .collect();
    kinds.sort_by(|a, b| a.0.cmp(&b.0));
    kinds.dedup();
    let empty = [
        ".containers[].env[].valueFrom.configMapKeyRef.name",
        ".containers[].env[].valueFrom.secretKeyRef.name",
        ".containers[].envFrom[].configMapRef.name",
        ".containers[].envFrom[].secretRef.name",
        ".containers[].livenessProbe.grpc.service",
        ".containers[].readinessProbe.grpc.service",
        ".containers[].startupProbe.grpc.service",
        ".imagePullSecrets[].name",
        ".volumes[].cephfs.secretRef.name",
        ".volumes[].cinder.secretRef.name",
        ".volumes[].configMap.name",
        ".volumes[].csi.nodePublishSecretRef.name",
        ".volumes[].flexVolume.secretRef.name",
        ".volumes[].iscsi.secretRef.name",
        ".volumes[].projected.sources[].configMap.name",
        ".volumes[].projected.sources[].secret.name",
        ".volumes[].rbd.secretRef.name",
        ".volumes[].scaleIO.secretRef.name",
        ".volumes[].storageos.secretRef.name",
    ];
    let others = [
        (
            ".containers[].env[].valueFrom.fileKeyRef.optional",
            json!(false),
        ),
        (".containers[].ports[].protocol", json!("TCP")),
        (".volumes[].azureDisk.fsType", json!("ext4")),
        (".volumes[].azureDisk.readOnly", json!(false)),
        (".volumes[].iscsi.iscsiInterface", json!("default")),
        (".volumes[].rbd.keyring", json!("/etc/ceph/keyring")),
        (".volumes[].rbd.pool", json!("rbd")),
        (".volumes[].rbd.user", json!("admin")),
        (".volumes[].scaleIO.fsType", json!("xfs")),
        (".volumes[].scaleIO.storageMode", json!("ThinProvisioned")),
    ];
    let mut want: Vec<(String, Value)> = empty
        .iter()
        .map(|path| ((*path).to_owned(), json!("")))
        .collect();
    want.extend(others.map(|(path, value)| (path.to_owned(), value)));
    want.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(kinds, want);
}

#[test]
fn pod_spec_list_keys_are_those_of_the_api() {
    let spec = schema_at(&document(TEMPLATE), "v1alpha1", "spec.podTemplate.spec");
    let mut found = Vec::new();
    marks(&spec, "x-kubernetes-list-map-keys", "", &mut found);
    found.retain(|(path, _)| {
        !path.starts_with(".initContainers[]") && !path.starts_with(".ephemeralContainers[]")
    });
    let want: Vec<(String, Value)> = [
        (".containers", json!(["name"])),
        (".containers[].env", json!(["name"])),
        (".containers[].ports", json!(["containerPort", "protocol"])),
        (".containers[].resources.claims", json!(["name"])),
        (".containers[].volumeDevices", json!(["devicePath"])),
        (".containers[].volumeMounts", json!(["mountPath"])),
        (".ephemeralContainers", json!(["name"])),
        (".hostAliases", json!(["ip"])),
        (".imagePullSecrets", json!(["name"])),
        (".initContainers", json!(["name"])),
        (".resourceClaims", json!(["name"])),
        (".resources.claims", json!(["name"])),
        (".schedulingGates", json!(["name"])),
        (
            ".topologySpreadConstraints",
            json!(["topologyKey", "whenUnsatisfiable"]),
        ),
        (".volumes", json!(["name"])),
    ]
    .map(|(path, keys)| (path.to_owned(), keys))
    .into();
    assert_eq!(found, want);
    let mut types = Vec::new();
    marks(&spec, "x-kubernetes-list-type", "", &mut types);
    let sets: Vec<&str> = types
        .iter()
        .filter(|(_, kind)| kind == "set")
        .map(|(path, _)| path.as_str())
        .collect();
    assert_eq!(
        sets,
        [
            ".containers[].restartPolicyRules[].exitCodes.values",
            ".ephemeralContainers[].restartPolicyRules[].exitCodes.values",
            ".initContainers[].restartPolicyRules[].exitCodes.values",
        ]
    );
}

#[test]
fn agent_documents_have_the_size_and_the_marks_of_upstream() {
    for (name, list_types, kilobytes) in [(SANDBOX, 306, 132), (TEMPLATE, 334, 136)] {
        let text = document(name).to_string();
        assert_eq!(
            text.matches("x-kubernetes-list-type").count(),
            list_types,
            "{name}"
        );
        assert_eq!(text.len().div_ceil(1000), kilobytes, "{name}");
        for absent in [
            "\"description\"",
            "x-kubernetes-preserve-unknown-fields",
            "x-kubernetes-embedded-resource",
            "nullable",
        ] {
            assert!(!text.contains(absent), "{name} has {absent}");
        }
    }
}

#[test]
fn pod_spec_subtree_is_the_same_everywhere() {
    let reference = schema_at(&document(SANDBOX), "v1beta1", "spec.podTemplate");
    for (name, of) in [
        (SANDBOX, "v1alpha1"),
        (TEMPLATE, "v1beta1"),
        (TEMPLATE, "v1alpha1"),
    ] {
        assert_eq!(
            schema_at(&document(name), of, "spec.podTemplate"),
            reference,
            "{name} {of}"
        );
    }
    let claims = schema_at(&document(SANDBOX), "v1beta1", "spec.volumeClaimTemplates");
    assert_eq!(claims["x-kubernetes-list-type"], "atomic");
    assert_eq!(
        schema_at(&document(CLAIM), "v1beta1", "spec.volumeClaimTemplates"),
        claims
    );
    let claim = &claims["items"]["properties"]["spec"]["properties"];
    assert_eq!(claim["dataSource"]["x-kubernetes-map-type"], "atomic");
    assert_eq!(claim["dataSourceRef"]["x-kubernetes-map-type"], Value::Null);
    assert_eq!(claim["selector"]["x-kubernetes-map-type"], "atomic");
    assert_eq!(
        claim["resources"]["properties"]["requests"]["additionalProperties"],
        crate::api::openapi::quantity()
    );
}

#[test]
fn conversion_is_an_option_of_the_agent_kinds_only() {
    let conversions = |options: &Options| -> Vec<Value> {
        all(options)
            .iter()
            .map(|document| document["spec"]["conversion"].clone())
            .collect()
    };
    let none = json!({"strategy": "None"});
    let own = [Value::Null, Value::Null, Value::Null];
    let want: Vec<Value> = std::iter::repeat_n(none, 4).chain(own.clone()).collect();
    assert_eq!(conversions(&Options::default()), want);

    let service = Options {
        conversion: Conversion::Webhook(ConversionWebhook {
            endpoint: Endpoint::Service {
                namespace: "agent-sandbox-system".to_owned(),
                name: "agent-sandbox-webhook-service".to_owned(),
                path: "/convert".to_owned(),
                port: 443,
            },
            ca_bundle: Some("Q0E=".to_owned()),
        }),
    };
    let webhook = json!({
        "strategy": "Webhook",
        "webhook": {
            "conversionReviewVersions": ["v1", "v1beta1"],
            "clientConfig": {
                "caBundle": "Q0E=",
                "service": {
                    "namespace": "agent-sandbox-system",
                    "name": "agent-sandbox-webhook-service",
                    "path": "/convert",
                    "port": 443,
                },
            },
        },
    });
    let want: Vec<Value> = std::iter::repeat_n(webhook, 4).chain(own).collect();
    assert_eq!(conversions(&service), want);
}

/// Every field of our own kinds says what it is; nothing in them is nullable or left open.
#[test]
fn own_kinds_document_every_field() {
    fn check(schema: &Value, path: &str) {
        for (field, part) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{field}");
            let given = ["metadata", "conditions"].contains(&field.as_str())
                || path.contains(".conditions");
            assert!(
                given || part["description"].is_string(),
                "{path} has no description"
            );
            check(part, &path);
        }
        for member in ["items", "additionalProperties"] {
            if schema.get(member).is_some_and(Value::is_object) {
                check(&schema[member], path);
            }
        }
        for unwanted in [
            "nullable",
            "$ref",
            "oneOf",
            "title",
            "x-kubernetes-preserve-unknown-fields",
        ] {
            assert!(schema.get(unwanted).is_none(), "{path} has {unwanted}");
        }
    }
    for name in [
        "guardrailprofiles.sandfence.dev",
        "sandboxpolicies.sandfence.dev",
        "policyexceptions.sandfence.dev",
    ] {
        check(&schema_at(&document(name), "v1alpha1", ""), name);
    }
}
