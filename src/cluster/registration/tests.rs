use super::*;

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

fn rule_for(group: &str, resources: &[&str], operations: &[&str]) -> Rule {
    Rule {
        groups: words(&[group]),
        versions: words(&["*"]),
        resources: words(resources),
        operations: words(operations),
        scope: "*".to_owned(),
    }
}

fn interest(phase: Phase, rules: Vec<Rule>) -> Interest {
    Interest {
        phase,
        rules,
        match_conditions: Vec::new(),
        failure_policy: FailurePolicy::Fail,
        object_selector: json!({}),
        namespace_selector: json!({}),
        match_policy: "Equivalent".to_owned(),
    }
}

fn by_service() -> Options {
    Options {
        endpoint: Endpoint::from_service("sandfence", "fence", 443).expect("valid"),
        ca_bundle: Some("PEM".to_owned()),
        exempt_namespaces: words(&["build", "kube-system"]),
    }
}

fn names(document: &Value) -> Vec<&str> {
    document["webhooks"]
        .as_array()
        .expect("list")
        .iter()
        .map(|entry| entry["name"].as_str().expect("text"))
        .collect()
}

#[test]
fn the_whole_documents_for_a_guardrail_pack() {
    let agents = "agents.x-k8s.io";
    let mut pods = interest(
        Phase::Validate,
        vec![rule_for(
            "",
            &["pods", "pods/ephemeralcontainers"],
            &["CREATE", "UPDATE"],
        )],
    );
    pods.match_conditions = vec![(
        "of-a-sandbox".to_owned(),
        "has(object.metadata.labels)".to_owned(),
    )];
    let interests = [
        interest(
            Phase::Mutate,
            vec![rule_for(
                agents,
                &["sandboxes"],
                &["CREATE", "UPDATE", "DELETE", "CONNECT"],
            )],
        ),
        pods,
        interest(
            Phase::Validate,
            vec![rule_for(agents, &["sandboxes"], &["UPDATE", "CREATE"])],
        ),
        interest(
            Phase::Validate,
            vec![rule_for(
                agents,
                &["sandboxes/scale"],
                &["CREATE", "UPDATE"],
            )],
        ),
    ];
    let never = json!({"matchExpressions": [{
        "key": "kubernetes.io/metadata.name",
        "operator": "NotIn",
        "values": ["build", "fence", "kube-system"],
    }]});
    let client = |path: &str| {
        json!({
            "service": {"name": "sandfence", "namespace": "fence", "port": 443, "path": path},
            "caBundle": "UEVN",
        })
    };
    let metadata = json!({
        "name": "sandfence",
        "labels": {
            "app.kubernetes.io/name": "sandfence",
            "app.kubernetes.io/managed-by": "sandfence",
        },
    });
    let made = webhooks_for(&interests, &by_service());
    assert_eq!(
        made.mutating,
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": metadata,
            "webhooks": [{
                "name": "sandboxes.mutate.sandfence.dev",
                "admissionReviewVersions": ["v1"],
                "clientConfig": client("/mutate"),
                "failurePolicy": "Fail",
                "matchPolicy": "Equivalent",
                "namespaceSelector": never,
                "objectSelector": {},
                "reinvocationPolicy": "IfNeeded",
                "rules": [{
                    "apiGroups": ["agents.x-k8s.io"],
                    "apiVersions": ["*"],
                    "operations": ["CONNECT", "CREATE", "UPDATE"],
                    "resources": ["sandboxes"],
                    "scope": "*",
                }],
                "sideEffects": "None",
                "timeoutSeconds": 5,
            }],
        })
    );
    assert_eq!(
        made.validating,
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": metadata,
            "webhooks": [
                {
                    "name": "sandboxes.validate.sandfence.dev",
                    "admissionReviewVersions": ["v1"],
                    "clientConfig": client("/validate"),
                    "failurePolicy": "Fail",
                    "matchPolicy": "Equivalent",
                    "namespaceSelector": never,
                    "objectSelector": {},
                    "rules": [{
                        "apiGroups": ["agents.x-k8s.io"],
                        "apiVersions": ["*"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["sandboxes", "sandboxes/scale"],
                        "scope": "*",
                    }],
                    "sideEffects": "None",
                    "timeoutSeconds": 5,
                },
                {
                    "name": "pods.validate.sandfence.dev",
                    "admissionReviewVersions": ["v1"],
                    "clientConfig": client("/validate"),
                    "failurePolicy": "Fail",
                    "matchConditions": [{
                        "name": "of-a-sandbox",
                        "expression": "has(object.metadata.labels)",
                    }],
                    "matchPolicy": "Equivalent",
                    "namespaceSelector": never,
                    "objectSelector": {},
                    "rules": [{
                        "apiGroups": [""],
                        "apiVersions": ["*"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["pods", "pods/ephemeralcontainers"],
                        "scope": "*",
                    }],
                    "sideEffects": "None",
                    "timeoutSeconds": 5,
                },
            ],
        })
    );
}

#[test]
fn the_order_of_interests_does_not_matter() {
    let mut interests = vec![
        interest(Phase::Validate, vec![rule_for("", &["pods"], &["CREATE"])]),
        interest(
            Phase::Validate,
            vec![rule_for("apps", &["deployments"], &["CREATE"])],
        ),
        interest(Phase::Validate, vec![rule_for("", &["pods"], &["UPDATE"])]),
    ];
    let one = webhooks_for(&interests, &by_service());
    interests.reverse();
    assert_eq!(one, webhooks_for(&interests, &by_service()));
}

#[test]
fn without_interests_nothing_is_matched() {
    let made = webhooks_for(&[], &by_service());
    assert_eq!(made.mutating["webhooks"], json!([]));
    assert_eq!(made.validating["webhooks"], json!([]));
}

#[test]
fn sandbox_kinds_fail_closed_and_the_rest_as_the_policy_says() {
    let mut lenient = interest(
        Phase::Validate,
        vec![
            rule_for(
                "extensions.agents.x-k8s.io",
                &["sandboxclaims"],
                &["CREATE"],
            ),
            rule_for("", &["pods"], &["CREATE"]),
        ],
    );
    lenient.failure_policy = FailurePolicy::Ignore;
    let made = webhooks_for(&[lenient], &by_service());
    assert_eq!(made.validating["webhooks"][0]["failurePolicy"], "Fail");
    assert_eq!(made.validating["webhooks"][1]["failurePolicy"], "Ignore");
}

#[test]
fn leases_events_and_nodes_are_never_matched() {
    let made = webhooks_for(
        &[interest(
            Phase::Validate,
            vec![
                rule_for("coordination.k8s.io", &["leases"], &["*"]),
                rule_for("", &["events", "nodes", "nodes/status"], &["*"]),
                rule_for("*", &["*/*"], &["*"]),
            ],
        )],
        &by_service(),
    );
    assert_eq!(names(&made.validating), ["anything.validate.sandfence.dev"]);
    let entry = &made.validating["webhooks"][0];
    assert_eq!(entry["rules"][0]["resources"], json!(["*/*"]));
    assert_eq!(entry["matchConditions"][0]["name"], "not-vital");
}

#[test]
fn a_policy_that_uses_our_name_for_a_condition_does_not_spoil_the_registration() {
    let condition = |name: &str| vec![(name.to_owned(), "true".to_owned())];
    let conditions = |resource: &str, name: &str| {
        let mut wanted = interest(
            Phase::Validate,
            vec![rule_for("*", &[resource], &["CREATE"])],
        );
        wanted.match_conditions = condition(name);
        let made = webhooks_for(&[wanted], &by_service());
        let list = made.validating["webhooks"][0]["matchConditions"].clone();
        let names = list.as_array().into_iter().flatten();
        names
            .map(|condition| condition["name"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(conditions("*/*", "ours"), ["not-vital", "ours"]);
    assert_eq!(conditions("*/*", "not-vital"), ["not-vital"]);
    let mut pods = interest(Phase::Validate, vec![rule_for("", &["pods"], &["CREATE"])]);
    pods.match_conditions = condition("not-vital");
    let made = webhooks_for(&[pods], &by_service());
    assert_eq!(
        made.validating["webhooks"][0]["matchConditions"],
        json!([{"name": "not-vital", "expression": "true"}])
    );
}

#[test]
fn differing_selectors_get_entries_of_their_own() {
    let pods = || interest(Phase::Validate, vec![rule_for("", &["pods"], &["CREATE"])]);
    let mut selective = pods();
    selective.object_selector = json!({"matchLabels": {"a": "b"}});
    let mut spaced = pods();
    spaced.namespace_selector = json!({
        "matchExpressions": [{"key": "team", "operator": "Exists"}]
    });
    let made = webhooks_for(&[pods(), selective, spaced], &by_service());
    assert_eq!(
        names(&made.validating),
        [
            "pods.validate.sandfence.dev",
            "pods-2.validate.sandfence.dev",
            "pods-3.validate.sandfence.dev"
        ]
    );
    let with_both = made.validating["webhooks"]
        .as_array()
        .expect("list")
        .iter()
        .find(|entry| entry["namespaceSelector"]["matchExpressions"][1].is_object())
        .expect("one with the policy's own selector");
    assert_eq!(
        with_both["namespaceSelector"]["matchExpressions"][0],
        json!({"key": "team", "operator": "Exists"})
    );
}

#[test]
fn an_object_is_reviewed_once_under_the_conditions_that_all_its_policies_have() {
    let with = |conditions: &[&str]| {
        let mut pods = interest(Phase::Validate, vec![rule_for("", &["pods"], &["CREATE"])]);
        pods.match_conditions = conditions
            .iter()
            .map(|name| ((*name).to_owned(), format!("'{name}' == ''")))
            .collect();
        pods
    };
    let conditions = |interests: &[Interest]| -> Vec<String> {
        let made = webhooks_for(interests, &by_service());
        assert_eq!(names(&made.validating), ["pods.validate.sandfence.dev"]);
        let conditions = made.validating["webhooks"][0]["matchConditions"].clone();
        let conditions = conditions.as_array().cloned().unwrap_or_default();
        conditions
            .iter()
            .map(|c| c["name"].as_str().expect("text").to_owned())
            .collect()
    };
    assert_eq!(conditions(&[with(&["a", "b"]), with(&["a", "c"])]), ["a"]);
    assert_eq!(
        conditions(&[with(&["a", "b"]), with(&["a", "b"])]),
        ["a", "b"]
    );
    assert_eq!(conditions(&[with(&["a"]), with(&[])]), [""; 0]);
}

fn set_of(text: &str) -> Set {
    let documents = crate::model::yaml::read("test.yaml", text).expect("YAML");
    let objects = documents.into_iter().map(Into::into).collect();
    Set::build(objects, &crate::policy::set::Settings::default()).expect("compiles")
}

/// A bound policy on Pods with these match conditions.
fn policy_on_pods(conditions: &str) -> String {
    format!(
        r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: p}}
spec:
  failurePolicy: Ignore
  paramKind: {{apiVersion: v1, kind: ConfigMap}}
  matchConstraints:
    matchPolicy: Exact
    objectSelector: {{matchLabels: {{a: b}}}}
    namespaceSelector: {{matchExpressions: [{{key: k, operator: Exists}}]}}
    resourceRules:
      - apiGroups: [""]
        apiVersions: [v1]
        operations: [CREATE, UPDATE]
        resources: [pods]
        scope: Namespaced
  matchConditions: {conditions}
  validations: [{{expression: "true"}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: b}}
spec: {{policyName: p, validationActions: [Deny]}}
"#
    )
}

#[test]
fn a_loaded_policy_wants_what_its_constraints_say() {
    let set = set_of(&policy_on_pods(
        "[{name: c, expression: object.kind == 'Pod'}]",
    ));
    let expected = Interest {
        phase: Phase::Validate,
        rules: vec![Rule {
            groups: words(&[""]),
            versions: words(&["v1"]),
            resources: words(&["pods"]),
            operations: words(&["CREATE", "UPDATE"]),
            scope: "Namespaced".to_owned(),
        }],
        match_conditions: vec![("c".to_owned(), "object.kind == 'Pod'".to_owned())],
        failure_policy: FailurePolicy::Ignore,
        object_selector: json!({"matchLabels": {"a": "b"}}),
        namespace_selector: json!({"matchExpressions": [{"key": "k", "operator": "Exists"}]}),
        match_policy: "Exact".to_owned(),
    };
    assert_eq!(interests_of(&set), [expected, own_kinds()]);
}

#[test]
fn conditions_over_parameters_stay_here_and_the_others_go_to_the_api_server() {
    let set = set_of(&policy_on_pods(
        "[{name: a, expression: object.kind == 'Pod'}, {name: b, expression: params.data.on == 'yes'}]",
    ));
    assert_eq!(
        interests_of(&set)[0].match_conditions,
        [("a".to_owned(), "object.kind == 'Pod'".to_owned())]
    );
}

#[test]
fn the_shipped_packs_see_sandboxes_closed_and_pods_by_condition() {
    let profile = "
apiVersion: sandfence.dev/v1alpha1
kind: GuardrailProfile
metadata: {name: p}
spec: {user: {runAsNonRoot: true}, host: {forbidNamespaces: true}}
";
    let mut objects = Vec::new();
    for (name, text) in crate::policy::packs::FILES {
        if !name.starts_with("policies/profiles/") {
            objects.extend(crate::model::yaml::read(name, text).expect("YAML"));
        }
    }
    objects.extend(crate::model::yaml::read("profile.yaml", profile).expect("YAML"));
    let set = Set::build(
        objects.into_iter().map(Into::into).collect(),
        &crate::policy::set::Settings::default(),
    )
    .expect("compiles");
    let made = webhooks_for(&interests_of(&set), &by_service());
    for document in [&made.mutating, &made.validating] {
        for entry in document["webhooks"].as_array().expect("list") {
            let name = entry["name"].as_str().expect("text");
            if name.starts_with("sandboxes") {
                assert_eq!(entry["failurePolicy"], "Fail", "{name}");
            }
            if name.starts_with("pods") {
                assert_eq!(
                    entry["matchConditions"][0]["name"], "sandbox-pods-only",
                    "{name}: of all Pods only those of sandboxes"
                );
            }
        }
    }
    assert!(names(&made.validating).contains(&"policies.validate.sandfence.dev"));
}

#[test]
fn a_url_is_registered_with_the_path_behind_it() {
    let options = Options {
        endpoint: Endpoint::from_url("https://127.0.0.1:9443/hooks/").expect("valid"),
        ca_bundle: None,
        exempt_namespaces: Vec::new(),
    };
    let made = webhooks_for(
        &[interest(
            Phase::Validate,
            vec![rule_for("", &["pods"], &["CREATE"])],
        )],
        &options,
    );
    let entry = &made.validating["webhooks"][0];
    assert_eq!(
        entry["clientConfig"],
        json!({"url": "https://127.0.0.1:9443/hooks/validate"})
    );
    assert_eq!(
        entry["namespaceSelector"]["matchExpressions"][0]["values"],
        json!(["kube-system"])
    );
}

#[test]
fn resources_covered_by_a_wildcard_are_dropped() {
    let cover = |list: &[&str]| {
        let set: BTreeSet<String> = list.iter().map(|word| (*word).to_owned()).collect();
        without_covered(&set)
            .into_iter()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(cover(&["*/*", "pods", "pods/exec", "*"]), ["*/*"]);
    assert_eq!(cover(&["pods/*", "pods/exec", "pods"]), ["pods/*"]);
    assert_eq!(cover(&["*", "pods", "pods/exec"]), ["*", "pods/exec"]);
    assert_eq!(
        cover(&["*/scale", "pods/scale", "pods"]),
        ["*/scale", "pods"]
    );
}
