//! The four agent-sandbox CRDs.

use serde_json::{Value, json};

use super::{Conversion, Names, age, column, condition_schema, v1beta1};
use crate::api::openapi::{Dialect, resolve};

/// Clients look for the mark of the generator that these documents stay equal to.
const GENERATOR: (&str, &str) = ("controller-gen.kubebuilder.io/version", "v0.21.0");

const READY_STATUS: &str = ".status.conditions[?(@.type=='Ready')].status";
const READY_REASON: &str = ".status.conditions[?(@.type=='Ready')].reason";

/// Volume claim templates may not be set, changed or removed after creation.
const IMMUTABLE_CLAIMS: &str = "has(self.volumeClaimTemplates) == has(oldSelf.volumeClaimTemplates) && (!has(self.volumeClaimTemplates) || self.volumeClaimTemplates == oldSelf.volumeClaimTemplates)";

/// The version that a document stores, or the deprecated one before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Beta,
    Alpha,
}

/// What surrounds the schema of a version.
struct Surroundings {
    columns: Vec<Value>,
    status: bool,
    scale: bool,
}

pub(super) fn documents(conversion: &Conversion) -> Vec<Value> {
    type Parts = fn(Version) -> (Value, Surroundings);
    let kinds: [(Names, Parts); 4] = [
        (
            names(v1beta1::GROUP, "Sandbox", "sandboxes", "sandbox"),
            sandbox,
        ),
        (
            names(
                v1beta1::EXTENSIONS_GROUP,
                "SandboxClaim",
                "sandboxclaims",
                "sandboxclaim",
            ),
            claim,
        ),
        (
            names(
                v1beta1::EXTENSIONS_GROUP,
                "SandboxTemplate",
                "sandboxtemplates",
                "sandboxtemplate",
            ),
            template,
        ),
        (
            names(
                v1beta1::EXTENSIONS_GROUP,
                "SandboxWarmPool",
                "sandboxwarmpools",
                "swp",
            ),
            warm_pool,
        ),
    ];
    kinds
        .into_iter()
        .map(|(names, parts)| {
            let versions = [Version::Beta, Version::Alpha]
                .map(|version| version_document(&names, version, parts(version)));
            let mut document = names.document(versions.into());
            document["metadata"]["annotations"] = json!({ GENERATOR.0: GENERATOR.1 });
            document["spec"]["conversion"] = conversion.document();
            document
        })
        .collect()
}

fn names(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    short: &'static str,
) -> Names {
    let singular = match kind {
        "SandboxWarmPool" => "sandboxwarmpool",
        _ => short,
    };
    Names {
        group,
        kind,
        plural,
        singular,
        short: Some(short),
        scope: "Namespaced",
    }
}

fn version_document(names: &Names, version: Version, parts: (Value, Surroundings)) -> Value {
    let (schema, around) = parts;
    let mut document = json!({
        "name": if version == Version::Beta { "v1beta1" } else { "v1alpha1" },
        "served": true,
        "storage": version == Version::Beta,
        "schema": { "openAPIV3Schema": schema },
    });
    if version == Version::Alpha {
        let Names { group, kind, .. } = names;
        document["deprecated"] = json!(true);
        document["deprecationWarning"] = json!(format!(
            "{group}/v1alpha1 {kind} is deprecated; use {group}/v1beta1 {kind} instead"
        ));
    }
    if !around.columns.is_empty() {
        document["additionalPrinterColumns"] = json!(around.columns);
    }
    let mut subresources = json!({});
    if around.status {
        subresources["status"] = json!({});
    }
    if around.scale {
        subresources["scale"] = json!({
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        });
    }
    if around.status || around.scale {
        document["subresources"] = subresources;
    }
    document
}

// --- fragments ---

fn text() -> Value {
    json!({ "type": "string" })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn atomic(items: Value) -> Value {
    json!({ "type": "array", "items": items, "x-kubernetes-list-type": "atomic" })
}

fn text_map() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" } })
}

fn int32(minimum: Option<i32>) -> Value {
    let mut schema = json!({ "type": "integer", "format": "int32" });
    if let Some(minimum) = minimum {
        schema["minimum"] = json!(minimum);
    }
    schema
}

fn choice(values: &[&str], default: &str) -> Value {
    json!({ "type": "string", "enum": values, "default": default })
}

fn object(required: &[&str], properties: Value) -> Value {
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn root(spec: Value, status: Option<Value>) -> Value {
    let mut properties = json!({
        "apiVersion": text(),
        "kind": text(),
        "metadata": { "type": "object" },
        "spec": spec,
    });
    if let Some(status) = status {
        properties["status"] = status;
    }
    object(&["spec"], properties)
}

fn native(name: &str) -> Value {
    resolve(name, Dialect::Crd)
        .expect("the committed definitions hold every fragment, held by a test")
}

fn name_reference() -> Value {
    object(&["name"], json!({ "name": text() }))
}

fn pod_metadata() -> Value {
    object(
        &[],
        json!({ "labels": text_map(), "annotations": text_map() }),
    )
}

fn pod_template() -> Value {
    object(
        &["spec"],
        json!({ "metadata": pod_metadata(), "spec": native("core.v1.PodSpec") }),
    )
}

fn volume_claim_templates() -> Value {
    let metadata = json!({ "name": text(), "labels": text_map(), "annotations": text_map() });
    atomic(object(
        &["spec"],
        json!({
            "metadata": object(&[], metadata),
            "spec": native("core.v1.PersistentVolumeClaimSpec"),
        }),
    ))
}

fn conditions() -> Value {
    list(condition_schema())
}

// --- kinds ---

fn sandbox(version: Version) -> (Value, Surroundings) {
    let mut spec = object(
        &["podTemplate"],
        json!({
            "podTemplate": pod_template(),
            "volumeClaimTemplates": volume_claim_templates(),
            "service": flag(),
            "shutdownTime": time(),
            "shutdownPolicy": choice(&["Delete", "Retain"], "Retain"),
        }),
    );
    let mut status = object(
        &[],
        json!({
            "conditions": conditions(),
            "service": text(),
            "serviceFQDN": text(),
            "selector": text(),
            "podIPs": list(text()),
        }),
    );
    let columns = match version {
        Version::Beta => {
            spec["properties"]["operatingMode"] = choice(&["Running", "Suspended"], "Running");
            spec["x-kubernetes-validations"] = json!([{ "rule": IMMUTABLE_CLAIMS, "message": "volumeClaimTemplates is immutable" }]);
            status["properties"]["nodeName"] = text();
            vec![
                column("Ready", "string", READY_STATUS),
                column("Reason", "string", READY_REASON),
                age(),
            ]
        }
        Version::Alpha => {
            spec["properties"]["replicas"] = json!({ "type": "integer", "format": "int32", "default": 1, "minimum": 0, "maximum": 1 });
            status["properties"]["replicas"] = int32(Some(0));
            Vec::new()
        }
    };
    let around = Surroundings {
        columns,
        status: true,
        scale: version == Version::Alpha,
    };
    (root(spec, Some(status)), around)
}

fn template(version: Version) -> (Value, Surroundings) {
    let rules = json!({
        "ingress": list(native("networking.v1.NetworkPolicyIngressRule")),
        "egress": list(native("networking.v1.NetworkPolicyEgressRule")),
    });
    let mut properties = json!({
        "podTemplate": pod_template(),
        "volumeClaimTemplates": volume_claim_templates(),
        "service": flag(),
        "networkPolicy": object(&[], rules),
        "networkPolicyManagement": choice(&["Managed", "Unmanaged"], "Managed"),
        "envVarsInjectionPolicy": choice(&["Allowed", "Overrides", "Disallowed"], "Disallowed"),
    });
    if version == Version::Beta {
        properties["volumeClaimTemplatesPolicy"] =
            choice(&["Disallowed", "Allowed", "Overrides"], "Disallowed");
    }
    let around = Surroundings {
        columns: Vec::new(),
        status: false,
        scale: false,
    };
    (root(object(&["podTemplate"], properties), None), around)
}

fn claim(version: Version) -> (Value, Surroundings) {
    let lifecycle = json!({
        "shutdownTime": time(),
        "ttlSecondsAfterFinished": int32(Some(0)),
        "shutdownPolicy": choice(&["Delete", "DeleteForeground", "Retain"], "Retain"),
    });
    let variable = json!({ "name": text(), "value": text(), "containerName": text() });
    let mut properties = json!({
        "lifecycle": object(&[], lifecycle),
        "additionalPodMetadata": pod_metadata(),
        "env": atomic(object(&["name", "value"], variable)),
    });
    let (required, columns) = match version {
        Version::Beta => {
            properties["warmPoolRef"] = name_reference();
            properties["volumeClaimTemplates"] = volume_claim_templates();
            let columns = vec![
                column("Ready", "string", READY_STATUS),
                column("Sandbox", "string", ".status.sandbox.name"),
                column("Reason", "string", READY_REASON),
                age(),
            ];
            ("warmPoolRef", columns)
        }
        Version::Alpha => {
            properties["sandboxTemplateRef"] = name_reference();
            properties["warmpool"] = json!({ "type": "string", "default": "default" });
            ("sandboxTemplateRef", Vec::new())
        }
    };
    let sandbox = object(&[], json!({ "name": text(), "podIPs": list(text()) }));
    let status = object(
        &[],
        json!({ "conditions": conditions(), "sandbox": sandbox }),
    );
    let around = Surroundings {
        columns,
        status: true,
        scale: false,
    };
    (root(object(&[required], properties), Some(status)), around)
}

fn warm_pool(version: Version) -> (Value, Surroundings) {
    let strategy = json!({ "type": choice(&["Recreate", "OnReplenish"], "OnReplenish") });
    let mut spec = json!({
        "replicas": int32(Some(0)),
        "sandboxTemplateRef": name_reference(),
        "updateStrategy": object(&[], strategy),
    });
    let mut status = json!({
        "replicas": int32(None),
        "readyReplicas": int32(None),
        "selector": text(),
    });
    let required: &[&str] = match version {
        Version::Beta => {
            spec["replicas"]["default"] = json!(1);
            status["observedGeneration"] =
                json!({ "type": "integer", "format": "int64", "minimum": 0 });
            &["sandboxTemplateRef"]
        }
        Version::Alpha => &["replicas", "sandboxTemplateRef"],
    };
    let around = Surroundings {
        columns: vec![
            column("Ready", "integer", ".status.readyReplicas"),
            column("Desired", "integer", ".spec.replicas"),
            age(),
        ],
        status: true,
        scale: true,
    };
    (
        root(object(required, spec), Some(object(&[], status))),
        around,
    )
}
