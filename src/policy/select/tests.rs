use super::*;
use crate::model::gvk::Gvk;
use crate::model::json::Json;
use crate::model::request::Request;
use crate::policy::source::{Item, Operations, read};
use crate::policy::testing::{create, json, namespace, policy, sources, update};

const OBJECT: &str = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"ns","labels":{"of":"us"}}}"#;

/// The constraints of a policy, with this rule and these selectors.
fn constraints(rule: &str, more: &str) -> MatchResources {
    let text = policy("validations:\n- expression: 'true'", "Deny").replace(
        "    resourceRules:\n    - {apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: [configmaps, namespaces]}",
        &format!("    resourceRules: [{{{rule}}}]\n    {}", more.replace('\n', "\n    ")),
    );
    match read(&sources(&text)[0]) {
        Ok(Item::Policy(policy, _)) => policy.constraints,
        other => panic!("{other:?}"),
    }
}

const ANY: &str = "apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*']";

fn matches(wanted: &MatchResources, request: &Request<'_>) -> Result<bool, String> {
    let index = Index::new([wanted]);
    let resource = &request.resource.resource;
    let candidate = index
        .candidates(resource, request.operation)
        .next()
        .is_some();
    let matched = Facts::new(request).matches(wanted);
    // The index may only leave out what does not match.
    assert!(candidate || matched == Ok(false));
    matched
}

fn rule_matches(rule: &str, request: &Request<'_>) -> bool {
    matches(&constraints(rule, ""), request) == Ok(true)
}

/// A request about `resource/sub` of `group/version`.
fn about(group: &str, version: &str, resource: &str, sub: &str) -> Request<'static> {
    let mut request = create(OBJECT);
    request.resource = Gvr {
        group: group.to_owned(),
        version: version.to_owned(),
        resource: resource.to_owned(),
    };
    request.sub_resource = (!sub.is_empty()).then(|| sub.to_owned());
    request
}

#[test]
fn resources_and_subresources_match_as_written() {
    let cases: [(&str, &str, &str, bool); 15] = [
        ("*", "pods", "", true),
        ("*", "pods", "exec", false),
        ("*/*", "pods", "", true),
        ("*/*", "pods", "exec", true),
        ("pods", "pods", "", true),
        ("pods", "pods", "exec", false),
        ("pods", "secrets", "", false),
        ("pods/*", "pods", "", true),
        ("pods/*", "pods", "exec", true),
        ("pods/*", "secrets", "", false),
        ("pods/exec", "pods", "exec", true),
        ("pods/exec", "pods", "", false),
        ("*/scale", "deployments", "scale", true),
        ("*/scale", "deployments", "", false),
        ("*/scale", "deployments", "status", false),
    ];
    for (entry, resource, sub, want) in cases {
        let rule = format!(
            "apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['{entry}']"
        );
        assert_eq!(
            rule_matches(&rule, &about("", "v1", resource, sub)),
            want,
            "{entry} {resource}/{sub}"
        );
    }
}

#[test]
fn groups_versions_operations_and_names_match_as_written() {
    let request = about("apps", "v1", "deployments", "");
    let rule = |groups: &str, versions: &str, operations: &str, more: &str| {
        format!(
            "apiGroups: [{groups}], apiVersions: [{versions}], operations: [{operations}], resources: [deployments]{more}"
        )
    };
    let cases = [
        (rule("apps", "v1", "CREATE", ""), true),
        (
            rule("batch, apps", "v1beta1, v1", "UPDATE, CREATE", ""),
            true,
        ),
        (rule("''", "v1", "CREATE", ""), false),
        (rule("apps", "v2", "CREATE", ""), false),
        (rule("apps", "v1", "UPDATE, DELETE, CONNECT", ""), false),
        (rule("'*'", "'*'", "'*'", ", resourceNames: [d, c]"), true),
        (rule("'*'", "'*'", "'*'", ", resourceNames: [d]"), false),
    ];
    for (rule, want) in cases {
        assert_eq!(rule_matches(&rule, &request), want, "{rule}");
    }
    let mut unnamed = about("apps", "v1", "deployments", "");
    unnamed.name = String::new();
    assert!(!rule_matches(
        &rule("'*'", "'*'", "'*'", ", resourceNames: [c]"),
        &unnamed
    ));
}

#[test]
fn namespaces_count_as_cluster_scoped() {
    let named = about("", "v1", "pods", "");
    let mut cluster = about("", "v1", "nodes", "");
    cluster.namespace = String::new();
    let namespace = about("", "v1", "namespaces", "");
    for (scope, wants) in [
        ("'*'", [true, true, true]),
        ("Namespaced", [true, false, false]),
        ("Cluster", [false, true, true]),
    ] {
        for (request, want) in [&named, &cluster, &namespace].into_iter().zip(wants) {
            assert_eq!(
                rule_matches(&format!("{ANY}, scope: {scope}"), request),
                want,
                "{scope}"
            );
        }
    }
}

#[test]
fn excludes_win() {
    let wanted = constraints(
        ANY,
        "excludeResourceRules:\n- {apiGroups: [''], apiVersions: ['*'], operations: [CREATE], resources: [pods]}",
    );
    assert_eq!(matches(&wanted, &about("", "v1", "pods", "")), Ok(false));
    assert_eq!(matches(&wanted, &about("", "v1", "pods", "exec")), Ok(true));
    assert_eq!(matches(&wanted, &about("x", "v1", "pods", "")), Ok(true));
}

#[test]
fn namespace_selectors_see_the_right_labels() {
    let test = "namespaceSelector: {matchLabels: {env: test}}";
    let wanted = constraints(ANY, test);
    let mut request = create(OBJECT);
    assert_eq!(matches(&wanted, &request), Ok(true));
    request.namespace_object = Some(namespace("ns", &[]));
    assert_eq!(matches(&wanted, &request), Ok(false));
    request.namespace_object = None;
    assert_eq!(
        matches(&wanted, &request),
        Err("namespaces \"ns\" not found".to_owned())
    );
    assert_eq!(
        matches(&constraints(ANY, "namespaceSelector: {}"), &request),
        Ok(true)
    );
    // A rule that does not match hides the error.
    let other = constraints(
        "apiGroups: [x], apiVersions: ['*'], operations: ['*'], resources: ['*']",
        test,
    );
    assert_eq!(matches(&other, &request), Ok(false));
    request.namespace = String::new();
    assert_eq!(matches(&wanted, &request), Ok(true));
}

#[test]
fn a_namespace_is_selected_by_its_own_labels() {
    let wanted = constraints(ANY, "namespaceSelector: {matchLabels: {env: test}}");
    let with = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"ns","labels":{"env":"test"}}}"#;
    let without = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"ns"}}"#;
    let of = |mut request: Request<'static>| {
        request.kind = Gvk::new("v1", "Namespace");
        request.resource = Gvr::new("v1", "namespaces");
        request.namespace_object = None;
        request
    };
    assert_eq!(matches(&wanted, &of(create(with))), Ok(true));
    assert_eq!(matches(&wanted, &of(create(without))), Ok(false));
    assert_eq!(matches(&wanted, &of(update(with, without))), Ok(false));
    let mut delete = of(update(with, "null"));
    delete.operation = Operation::Delete;
    assert_eq!(matches(&wanted, &delete), Ok(true));
}

#[test]
fn object_selectors_match_old_or_new_labels() {
    let wanted = constraints(ANY, "objectSelector: {matchLabels: {of: us}}");
    let plain = r#"{"metadata":{"name":"c"}}"#;
    assert_eq!(matches(&wanted, &create(OBJECT)), Ok(true));
    assert_eq!(matches(&wanted, &create(plain)), Ok(false));
    assert_eq!(matches(&wanted, &update(OBJECT, plain)), Ok(true));
    assert_eq!(matches(&wanted, &update(plain, OBJECT)), Ok(true));
    assert_eq!(matches(&wanted, &update(plain, plain)), Ok(false));
    // Options of a connection have no metadata, so that not even "has no such label" matches.
    let absent = constraints(
        ANY,
        "objectSelector: {matchExpressions: [{key: of, operator: DoesNotExist}]}",
    );
    assert_eq!(matches(&absent, &create(plain)), Ok(true));
    assert_eq!(
        matches(&absent, &create(r#"{"kind":"PodExecOptions"}"#)),
        Ok(false)
    );
}

#[test]
fn either_version_of_a_converted_request_is_meant_unless_exact() {
    let rule = |version: &str| {
        format!(
            "apiGroups: [agents.x-k8s.io], apiVersions: [{version}], operations: ['*'], resources: [sandboxes]"
        )
    };
    let mut request = about("agents.x-k8s.io", "v1beta1", "sandboxes", "");
    request.request_resource = Some(Gvr::new("agents.x-k8s.io/v1alpha1", "sandboxes"));
    for (version, exact, want) in [
        ("v1beta1", "Equivalent", true),
        ("v1alpha1", "Equivalent", true),
        ("v1alpha2", "Equivalent", false),
        ("v1alpha1", "Exact", true),
        ("v1beta1", "Exact", false),
    ] {
        let wanted = constraints(&rule(version), &format!("matchPolicy: {exact}"));
        assert_eq!(matches(&wanted, &request), Ok(want), "{version} {exact}");
    }
}

#[test]
fn the_index_finds_policies_in_their_order() {
    let rule = |resources: &[&str], operations: Operations| ResourceRule {
        resources: resources.iter().map(|text| (*text).to_owned()).collect(),
        operations,
        ..ResourceRule::default()
    };
    let create_only = Operations::default().with(Operation::Create);
    let of = |rules: Vec<ResourceRule>| MatchResources {
        rules,
        ..MatchResources::default()
    };
    let policies = [
        of(vec![rule(&["pods", "pods/exec"], Operations::ALL)]),
        of(vec![
            rule(&["*"], create_only),
            rule(&["pods"], Operations::ALL),
        ]),
        of(vec![rule(&["secrets"], create_only)]),
        of(vec![
            rule(&["*/scale"], Operations::ALL),
            rule(&["*/*"], Operations::ALL),
        ]),
    ];
    let index = Index::new(&policies);
    let found =
        |resource: &str, operation| index.candidates(resource, operation).collect::<Vec<_>>();
    assert_eq!(found("pods", Operation::Create), [0, 1, 3]);
    assert_eq!(found("pods", Operation::Update), [0, 1, 3]);
    assert_eq!(found("secrets", Operation::Create), [1, 2, 3]);
    assert_eq!(found("secrets", Operation::Delete), [3]);
    assert_eq!(
        Index::new(&policies[2..3])
            .candidates("pods", Operation::Create)
            .next(),
        None
    );
}

#[test]
fn labels_that_are_no_object_are_no_labels() {
    let wanted = constraints(ANY, "objectSelector: {matchLabels: {of: us}}");
    let mut request = create(OBJECT);
    request.object = json(r#"{"metadata":{"labels":["of"]}}"#);
    assert_eq!(matches(&wanted, &request), Ok(false));
    request.object = Json::Null;
    assert_eq!(matches(&wanted, &request), Ok(false));
}
