//! The CRDs on a real API server: they are accepted and served, their schemas do what the API promises, and the
//! offline schema layer answers every object as the server does.

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{GetParams, Patch, PatchParams, PostParams};
use kube::core::Request;
use sandfence::api::{crds, openapi};
use sandfence::model::gvk::{Gvk, Scope};
use sandfence::model::json::Json;
use sandfence::schema::catalog;
use serde_json::{Value, json};
use support::Cluster;

/// Annotations of an object may have no more bytes in all, which bounds `kubectl apply`.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

async fn cluster_with_crds() -> Result<Cluster> {
    let cluster = Cluster::shared().await?;
    let documents: Vec<CustomResourceDefinition> = crds::all(&crds::Options::default())
        .into_iter()
        .map(serde_json::from_value)
        .collect::<Result<_, _>>()?;
    cluster.apply_crds(&documents).await?;
    Ok(cluster)
}

/// Where objects of a kind are created.
fn collection(gvk: &Gvk) -> Result<String> {
    let (gvr, scope) = catalog::resource_of(gvk).with_context(|| format!("{gvk} is unknown"))?;
    let place = match scope {
        Scope::Namespaced => "namespaces/default/",
        Scope::Cluster => "",
    };
    Ok(format!(
        "/apis/{}/{}/{place}{}",
        gvr.group, gvr.version, gvr.resource
    ))
}

/// What the server answers to a dry-run create: the object it would store, or its status.
async fn dry_create(client: &Client, gvk: &Gvk, object: &Value) -> Result<Result<Value, Value>> {
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let request = Request::new(collection(gvk)?).create(&params, serde_json::to_vec(object)?)?;
    match client.request::<Value>(request).await {
        Ok(stored) => Ok(Ok(stored)),
        Err(kube::Error::Api(status)) => Ok(Err(serde_json::to_value(status)?)),
        Err(error) => Err(error.into()),
    }
}

#[tokio::test]
async fn kubectl_apply_takes_every_document_as_it_is_shipped() -> Result<()> {
    let cluster = cluster_with_crds().await?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/sandfence/crds");
    for document in crds::all(&crds::Options::default()) {
        let path = folder.join(crds::file_name(&document));
        let path = path.to_str().context("path is text")?;
        let arguments = [
            "create",
            "--dry-run=client",
            "--save-config",
            "-o",
            "json",
            "-f",
            path,
        ];
        let output = cluster.kubectl(&arguments, "").await?;
        ensure!(output.status == 0, "{path}: {}", output.stderr);
        let read: Value = serde_json::from_str(&output.stdout)?;
        assert_eq!(
            read["spec"], document["spec"],
            "{path} reads as the document"
        );
        let annotations = read["metadata"]["annotations"]
            .as_object()
            .context("annotations")?;
        let bytes: usize = annotations
            .iter()
            .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
            .sum();
        assert!(
            bytes < ANNOTATIONS_LIMIT,
            "{path}: {bytes} bytes of annotations"
        );
    }
    Ok(())
}

#[tokio::test]
async fn definitions_are_those_that_the_api_server_publishes() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let mut documents = Vec::new();
    for (path, version) in [
        ("/openapi/v3/api", "v1"),
        ("/openapi/v3/apis/apps", "v1"),
        ("/openapi/v3/apis/autoscaling", "v2"),
        ("/openapi/v3/apis/batch", "v1"),
        ("/openapi/v3/apis/networking.k8s.io", "v1"),
        ("/openapi/v3/apis/policy", "v1"),
        ("/openapi/v3/apis/rbac.authorization.k8s.io", "v1"),
        ("/openapi/v3/apis/storage.k8s.io", "v1"),
    ] {
        let request = Request::new(path).get(version, &GetParams::default())?;
        documents.push(cluster.client().request::<Value>(request).await?);
    }
    let definitions = serde_json::to_string(&openapi::reduce(&documents)?)? + "\n";
    if std::env::var_os("SANDFENCE_REFRESH").is_some_and(|value| value == "1") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/data/definitions.json");
        std::fs::write(path, definitions)?;
        return Ok(());
    }
    assert!(
        definitions == openapi::DEFINITIONS,
        "src/api/data/definitions.json is not what this API server publishes: run `SANDFENCE_REFRESH=1 cargo test --test crds definitions`"
    );
    Ok(())
}

const POD: &str = r#"{"spec": {"containers": [{"name": "c", "image": "i"}]}}"#;

/// Specs by kind: good ones, and ones with mistakes that a schema can tell.
fn corpus() -> Result<Vec<(Gvk, Value)>> {
    let template: Value = serde_json::from_str(POD)?;
    let with = |mut spec: Value| {
        spec["podTemplate"] = template.clone();
        spec
    };
    let container =
        |container: Value| json!({"podTemplate": {"spec": {"containers": [container]}}});
    let beta = Gvk::new("agents.x-k8s.io/v1beta1", "Sandbox");
    let alpha = Gvk::new("agents.x-k8s.io/v1alpha1", "Sandbox");
    let extension = |kind: &str| Gvk::new("extensions.agents.x-k8s.io/v1beta1", kind);
    let mut cases: Vec<(Gvk, Value)> = [
        json!({}),
        json!(null),
        json!("x"),
        with(json!({})),
        with(json!({"operatingMode": null, "service": null, "shutdownTime": "2030-01-01T00:00:00Z"})),
        with(json!({"service": "yes", "operatingMode": "Paused", "shutdownTime": 5})),
        with(json!({"shutdownTime": true, "shutdownPolicy": 1})),
        with(json!({"shutdownTime": "tomorrow", "unknown": 1, "replicas": 1})),
        with(json!({"volumeClaimTemplates": [{"metadata": {"name": "v", "finalizers": ["x"]}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}]})),
        with(json!({"volumeClaimTemplates": [{"spec": {"accessModes": "x", "resources": {"requests": {"storage": "1 Gi"}}, "dataSource": {"name": 1}}}, {}]})),
        json!({"podTemplate": []}),
        json!({"podTemplate": {"metadata": {"name": "x", "labels": {"a.b/c": 5}}, "spec": {"containers": [{"name": 1.5, "tty": 1}]}}}),
        container(json!({"name": "c", "resources": {"limits": {"cpu": true, "memory": "12Foo", "a/b": 1.5, "c": 2, "d": "1.5e3"}}})),
        container(json!({"name": "c", "ports": [{"containerPort": 80}, {"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]})),
        container(json!({"name": "c", "ports": [{"containerPort": "x"}, {"containerPort": 3_000_000_000_i64}, {"containerPort": 1.5}]})),
        container(json!({"name": "c", "env": [{"name": "A"}, null, {"name": "A"}], "livenessProbe": {"grpc": {"port": 1}, "httpGet": {"port": true}}})),
        container(json!({"name": "c", "restartPolicyRules": [{"action": "x", "exitCodes": {"operator": "In", "values": [1, 2, 1]}}]})),
        container(json!({"name": null, "envFrom": [{"configMapRef": {}}], "image": {"a": 1}})),
        container(json!("a")),
        json!({"podTemplate": {"spec": {"containers": {"a": 1}, "activeDeadlineSeconds": 1.5}}}),
        json!({"podTemplate": {"spec": {"containers": [], "activeDeadlineSeconds": 1.0, "imagePullSecrets": [{}], "schedulingGroup": {"podGroupName": "g", "x": 1}}}}),
        json!({"podTemplate": {"spec": {"containers": [], "volumes": [{"name": "v", "iscsi": {"iqn": "q", "lun": 0, "targetPortal": "t"}}, {"name": "w", "ephemeral": {"volumeClaimTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {}}}}]}}}),
        json!({"podTemplate": {"spec": {"containers": [], "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "b"}, {"maxSkew": 2, "topologyKey": "a", "whenUnsatisfiable": "b"}]}}}),
    ]
    .map(|spec| (beta.clone(), spec))
    .into();
    // Values that the scale subresource refuses on its own account as well are left to the unit tests.
    cases.extend(
        [json!(1), json!(0), json!(null), json!(2)]
            .map(|replicas| (alpha.clone(), with(json!({"replicas": replicas})))),
    );
    cases.extend(
        [
            json!({}),
            json!({"warmPoolRef": {}}),
            json!({"warmPoolRef": {"name": "p"}, "lifecycle": {}, "env": [{"name": "A"}]}),
            json!({"warmPoolRef": {"name": "p"}, "lifecycle": {"ttlSecondsAfterFinished": -1, "shutdownPolicy": "Keep"}}),
            json!({"warmPoolRef": {"name": "p"}, "env": [{"name": "A", "value": "b", "valueFrom": {}}], "additionalPodMetadata": {"labels": {"a": null}}}),
        ]
        .map(|spec| (extension("SandboxClaim"), spec)),
    );
    cases.extend(
        [
            with(json!({})),
            with(json!({"networkPolicy": {"podSelector": {}, "egress": [{"ports": [{"port": 53}, {"port": true}], "to": [{"ipBlock": {"except": ["a"]}}]}]}})),
            with(json!({"envVarsInjectionPolicy": "Never", "networkPolicyManagement": "Unmanaged"})),
        ]
        .map(|spec| (extension("SandboxTemplate"), spec)),
    );
    cases.extend(
        [
            json!({"sandboxTemplateRef": {"name": "t"}}),
            json!({"sandboxTemplateRef": {"name": "t"}, "updateStrategy": {}}),
            json!({"replicas": 1, "updateStrategy": {"type": "Rolling"}}),
        ]
        .map(|spec| (extension("SandboxWarmPool"), spec)),
    );
    let profile = Gvk::new("sandfence.dev/v1alpha1", "GuardrailProfile");
    cases.extend(
        [
            json!({}),
            json!({"resources": {"requireLimits": ["cpu", "gpu", "cpu"], "maxReplicas": -1}}),
            json!({"network": {"forbidEgressTo": ["10.0.0.0/33"]}, "enforcement": "Block"}),
            json!({"ports": {"allowed": [{"from": 0, "to": 70000}, {}]}, "user": {"minUID": 0}}),
            json!({"runtimeClass": {"allowed": ["a", "a"]}, "images": {"forbidTags": ["x".repeat(200)], "allowedRegistries": []}}),
            json!({"namespaceSelector": {"matchLabels": {"a": "b c"}, "matchExpressions": [{"key": "a b", "operator": "Is"}]}}),
        ]
        .map(|spec| (profile.clone(), spec)),
    );
    for text in [
        include_str!("data/api/guardrail-profile.json"),
        include_str!("data/api/sandbox-policy-validating.json"),
        include_str!("data/api/sandbox-policy-mutating.json"),
        include_str!("data/api/policy-exception.json"),
    ] {
        let example: Value = serde_json::from_str(text)?;
        let name = |key: &str| example[key].as_str().unwrap_or_default();
        cases.push((
            Gvk::new(name("apiVersion"), name("kind")),
            example["spec"].clone(),
        ));
    }
    Ok(cases)
}

#[tokio::test]
async fn objects_are_defaulted_pruned_and_refused_as_the_server_does() -> Result<()> {
    let cluster = cluster_with_crds().await?;
    let client = cluster.client();
    let (mut stored, mut refused) = (0, 0);
    for (gvk, spec) in corpus()? {
        let object = json!({
            "apiVersion": gvk.api_version(),
            "kind": gvk.kind,
            "metadata": {"name": "parity"},
            "spec": spec,
        });
        let schema = catalog::get(&gvk).context("known")?;
        let mut ours = Json::from(object.clone());
        schema.prune(&mut ours);
        schema.default(&mut ours);
        let mistakes: BTreeSet<String> = schema
            .validate(&ours)
            .into_iter()
            .map(|error| error.message)
            .collect();
        match dry_create(&client, &gvk, &object).await? {
            Ok(theirs) => {
                assert_eq!(mistakes, BTreeSet::new(), "{object}");
                // Numbers are stored as the shortest text that says them.
                schema.coerce(&mut ours);
                let ours = Value::from(&ours);
                // Without a conversion webhook, what only the older version has does not survive storing.
                if gvk.version != "v1alpha1" || gvk.group == "sandfence.dev" {
                    assert_eq!(ours["spec"], theirs["spec"], "{object}");
                }
                stored += 1;
            }
            Err(status) => {
                assert_eq!(mistakes, schema_errors(&status), "{object}");
                refused += 1;
            }
        }
    }
    assert!(
        stored > 10 && refused > 20,
        "{stored} stored, {refused} refused: the corpus has both"
    );
    Ok(())
}

/// The messages of a refusal that speak of the schema, one for each mistake: for a value that is neither number nor
/// text the server adds one for each branch of the choice.
fn schema_errors(status: &Value) -> BTreeSet<String> {
    let causes = status["details"]["causes"].as_array().into_iter().flatten();
    let messages: Vec<&str> = causes
        .filter_map(|cause| cause["message"].as_str())
        .collect();
    let choices: Vec<&str> = messages
        .iter()
        .filter(|message| message.contains("must be of type integer,string"))
        .filter_map(|message| message.split(": ").nth(2)?.split(" in body").next())
        .collect();
    let repeats = |message: &str| {
        choices.iter().any(|path| message.contains(path))
            && !message.contains("must be of type integer,string")
    };
    messages
        .iter()
        .filter(|message| !message.contains("some validation rules were not checked"))
        // An error of an expression that could not be evaluated follows an error of the schema for the same value.
        .filter(|message| !message.contains("evaluating rule"))
        .filter(|message| !repeats(message))
        .map(|message| (*message).to_owned())
        .collect()
}

#[tokio::test]
async fn expressions_refuse_what_no_other_check_can_tell() -> Result<()> {
    let cluster = cluster_with_crds().await?;
    let client = cluster.client();
    let profile = Gvk::new("sandfence.dev/v1alpha1", "GuardrailProfile");
    let policy = Gvk::new("sandfence.dev/v1alpha1", "SandboxPolicy");
    let exception = Gvk::new("sandfence.dev/v1alpha1", "PolicyException");
    let rule = |operations: Value| json!({"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": operations});
    let validating = |more: Value| {
        let mut spec = json!({
            "matchConstraints": {"resourceRules": [rule(json!(["CREATE"]))]},
            "validations": [{"expression": "true"}],
        });
        spec.as_object_mut()
            .into_iter()
            .for_each(|spec| spec.extend(more.as_object().cloned().unwrap_or_default()));
        spec
    };
    let lookup = |more: Value| {
        let mut lookup = json!({"name": "x", "apiVersion": "v1", "kind": "Pod"});
        lookup
            .as_object_mut()
            .into_iter()
            .for_each(|lookup| lookup.extend(more.as_object().cloned().unwrap_or_default()));
        validating(json!({"lookups": [lookup]}))
    };
    let cases = [
        (
            &profile,
            json!({"network": {"forbidEgressTo": ["10.0.0.1/8"]}}),
            "spec.network.forbidEgressTo[0]: Invalid value: \"10.0.0.1/8\": must be a network in canonical form, such as 10.0.0.0/8 or fd00::/8",
        ),
        (
            &profile,
            json!({"ports": {"allowed": [{"from": 80, "to": 79}]}}),
            "spec.ports.allowed[0].to: Invalid value: must not be below from",
        ),
        (
            &profile,
            json!({"runtimeClass": {"required": "a", "allowed": ["b"]}}),
            "spec.runtimeClass.required: Invalid value: must be one of the allowed runtime classes",
        ),
        (
            &profile,
            json!({"runtimeClass": {"scheduling": {}}}),
            "spec.runtimeClass.scheduling: Invalid value: is added together with the required runtime class: set required as well",
        ),
        (
            &profile,
            json!({"runtimeClass": {"required": "a", "scheduling": {"tolerations": [{"operator": "Exists", "value": "x"}]}}}),
            "spec.runtimeClass.scheduling.tolerations[0]: Invalid value: operator Exists takes no value; without it a key is needed",
        ),
        (
            &profile,
            json!({"resources": {"container": {"max": {"cpu": 0}}}}),
            "spec.resources.container.max.cpu: Invalid value: 0: must be more than zero",
        ),
        (
            &profile,
            json!({"resources": {"maxVolumeSize": "-1Gi"}}),
            "spec.resources.maxVolumeSize: Invalid value: \"-1Gi\": must be more than zero",
        ),
        (
            &profile,
            json!({"resources": {"pod": {"default": {"ephemeral-storage": "1Gi"}}}}),
            "spec.resources.pod.default: Invalid value: a Pod has no ephemeral-storage limit of its own: give the default to containers",
        ),
        (
            &profile,
            json!({"lifetime": {"maxLifetime": "0s"}}),
            "spec.lifetime.maxLifetime: Invalid value: \"0s\": must be more than zero",
        ),
        (
            &profile,
            json!({"user": {"dropCapabilities": ["CAP_SYS_ADMIN"]}}),
            "spec.user.dropCapabilities: Invalid value: capabilities are written without CAP_, as in NET_RAW",
        ),
        (
            &profile,
            json!({"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
            "spec.namespaceSelector.matchExpressions[0].values: Invalid value: In and NotIn need values; Exists and DoesNotExist take none",
        ),
        (
            &policy,
            json!({"matchConstraints": {"resourceRules": [rule(json!(["CREATE"]))]}}),
            "spec: Invalid value: a policy either validates (validations, auditAnnotations) or mutates (mutations)",
        ),
        (
            &policy,
            validating(json!({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}})),
            "spec.paramRef: Invalid value: paramKind and paramRef belong together, unless guardrail profiles bind the policy",
        ),
        (
            &policy,
            validating(json!({"reinvocationPolicy": "Never"})),
            "spec.reinvocationPolicy: Invalid value: only a mutating policy is reinvoked",
        ),
        (
            &policy,
            validating(json!({"validationActions": ["Deny", "Warn"]})),
            "spec.validationActions: Invalid value: Deny and Warn exclude each other: a refusal already tells the user",
        ),
        (
            &policy,
            validating(
                json!({"matchConstraints": {"resourceRules": [rule(json!(["*", "CREATE"]))]}}),
            ),
            "spec.matchConstraints.resourceRules[0]: Invalid value: '*' in operations, apiGroups or apiVersions must stand alone",
        ),
        (
            &policy,
            validating(
                json!({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, "paramRef": {"parameterNotFoundAction": "Deny"}}),
            ),
            "spec.paramRef: Invalid value: exactly one of name and selector is needed",
        ),
        (
            &policy,
            lookup(json!({})),
            "spec.lookups[0]: Invalid value: exactly one of objectName, objectNameExpression and selector is needed",
        ),
        (
            &policy,
            lookup(json!({"objectName": "a", "namespace": "*"})),
            "spec.lookups[0].namespace: Invalid value: a name is looked up in one namespace: '*' needs a selector",
        ),
        (
            &policy,
            lookup(json!({"selector": {}, "namespace": "a", "namespaceExpression": "b"})),
            "spec.lookups[0]: Invalid value: at most one of namespace and namespaceExpression may be given",
        ),
        (
            &policy,
            json!({"matchConstraints": {"resourceRules": [rule(json!(["DELETE"]))]}, "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}]}),
            "spec.matchConstraints: Invalid value: a mutating policy cannot match DELETE",
        ),
        (
            &policy,
            json!({"matchConstraints": {"resourceRules": [rule(json!(["CREATE"]))]}, "mutations": [{"patchType": "JSONPatch", "applyConfiguration": {"expression": "[]"}}]}),
            "spec.mutations[0]: Invalid value: exactly the member that patchType names must be given",
        ),
        (
            &policy,
            json!({"matchConstraints": {"resourceRules": [rule(json!(["CREATE"]))]}, "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}], "validationActions": ["Deny"]}),
            "spec.validationActions: Invalid value: a mutating policy has no validation actions",
        ),
        (
            &exception,
            json!({"policies": ["p"], "reason": "r"}),
            "spec.expiresAt: Invalid value: an exception either ends (expiresAt) or is permanent (permanent: true)",
        ),
        (
            &exception,
            json!({"policies": ["p"], "reason": "r", "permanent": true, "expiresAt": "2030-01-01T00:00:00Z"}),
            "spec.expiresAt: Invalid value: an exception either ends (expiresAt) or is permanent (permanent: true)",
        ),
    ];
    for (gvk, spec, want) in cases {
        let object = json!({"apiVersion": gvk.api_version(), "kind": gvk.kind, "metadata": {"name": "rules"}, "spec": spec});
        let status = dry_create(&client, gvk, &object)
            .await?
            .err()
            .with_context(|| format!("{object} was accepted"))?;
        let name = format!("{}.{} \"rules\" is invalid: {want}", gvk.kind, gvk.group);
        assert_eq!(status["message"], json!(name), "{object}");
    }
    Ok(())
}

#[tokio::test]
async fn claims_of_a_sandbox_are_immutable_and_the_older_version_is_served_with_a_warning()
-> Result<()> {
    let cluster = cluster_with_crds().await?;
    let namespace = cluster.namespace("versions").await?;
    let client = cluster.client();
    let url = |version: &str| {
        format!(
            "/apis/agents.x-k8s.io/{version}/namespaces/{}/sandboxes",
            namespace.name()
        )
    };
    let claim = |name: &str| json!([{"metadata": {"name": name}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}]);
    let template: Value = serde_json::from_str(POD)?;
    for (name, claims) in [("with", claim("data")), ("without", Value::Null)] {
        let object = json!({
            "apiVersion": "agents.x-k8s.io/v1beta1",
            "kind": "Sandbox",
            "metadata": {"name": name},
            "spec": {"podTemplate": template, "volumeClaimTemplates": claims},
        });
        let request = Request::new(url("v1beta1"))
            .create(&PostParams::default(), serde_json::to_vec(&object)?)?;
        client.request::<Value>(request).await?;
    }
    for (name, claims) in [
        ("with", claim("other")),
        ("with", Value::Null),
        ("without", claim("data")),
    ] {
        let patch = Patch::Merge(json!({"spec": {"volumeClaimTemplates": claims}}));
        let request = Request::new(url("v1beta1")).patch(name, &PatchParams::default(), &patch)?;
        let error = client
            .request::<Value>(request)
            .await
            .expect_err("immutable")
            .to_string();
        assert!(
            error.contains(&format!(
                "Sandbox.agents.x-k8s.io \"{name}\" is invalid: spec: Invalid value"
            )) && error.contains("volumeClaimTemplates is immutable"),
            "{error}"
        );
    }
    let mode = Patch::Merge(json!({"spec": {"operatingMode": "Suspended"}}));
    let request = Request::new(url("v1beta1")).patch("with", &PatchParams::default(), &mode)?;
    let changed = client.request::<Value>(request).await?;
    assert_eq!(changed["spec"]["operatingMode"], "Suspended");

    let resource = "sandboxes.v1alpha1.agents.x-k8s.io/with";
    let output = cluster
        .kubectl(&["-n", namespace.name(), "get", resource, "-o", "json"], "")
        .await?;
    assert_eq!(
        output.stderr.trim(),
        "Warning: agents.x-k8s.io/v1alpha1 Sandbox is deprecated; use agents.x-k8s.io/v1beta1 Sandbox instead"
    );
    let older: Value = serde_json::from_str(&output.stdout)?;
    assert_eq!(older["spec"].get("operatingMode"), None);

    let output = cluster
        .kubectl(&["-n", namespace.name(), "get", "sandbox"], "")
        .await?;
    let columns: Vec<&str> = output
        .stdout
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(columns, ["NAME", "READY", "REASON", "AGE"]);
    Ok(())
}

#[tokio::test]
async fn shipped_profiles_and_examples_are_accepted() -> Result<()> {
    let cluster = cluster_with_crds().await?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["policies/profiles", "tests/data/api"] {
        let path = root.join(folder);
        let path = path.to_str().context("path is text")?;
        let namespace = "--namespace=default";
        let arguments = [
            "create",
            "--dry-run=server",
            "-o",
            "name",
            namespace,
            "-f",
            path,
        ];
        let output = cluster.kubectl(&arguments, "").await?;
        ensure!(output.status == 0, "{folder}: {}", output.stderr);
        assert!(output.stdout.lines().count() >= 2, "{}", output.stdout);
    }
    Ok(())
}
