//! What expressions see.

use super::*;
use crate::cel::lib::authz::{Access, Attributes, Authorizer, Decision as Allowed};

/// Whether one validation over `request` holds.
fn holds(expression: &str, request: &Request<'_>) -> bool {
    let spec = format!("validations:\n- expression: {expression:?}");
    let verdict = judged(&policy(&spec, "Deny"), request);
    if let Some(finding) = verdict.findings.first() {
        assert_eq!(
            finding.outcome,
            Outcome::Fail,
            "{expression}: {}",
            finding.message
        );
    }
    verdict.passed == 1
}

#[test]
fn parameters_are_resolved_per_request() {
    let params = "---
apiVersion: v1
kind: ConfigMap
metadata: {name: x, namespace: ns, labels: {of: us}}
data: {max: in-ns}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: z, namespace: ns, labels: {of: us}}
data: {max: second}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: x, namespace: other}
data: {max: in-other}
---
apiVersion: limits.example.com/v1
kind: Limit
metadata: {name: x}
";
    let spec = |kind: &str| {
        format!(
            "paramKind: {{apiVersion: {kind}}}\nvalidations:\n- expression: 'false'\n  messageExpression: 'params == null ? \"null\" : string(params.data.max)'"
        )
    };
    let configs = "v1, kind: ConfigMap";
    let cases: [(&str, &str, &str, &[&str]); 9] = [
        (configs, "", "ns", &["null"]),
        (
            configs,
            ", paramRef: {name: x, parameterNotFoundAction: Deny}",
            "ns",
            &["ns/x in-ns"],
        ),
        (
            configs,
            ", paramRef: {name: x, namespace: other, parameterNotFoundAction: Deny}",
            "ns",
            &["other/x in-other"],
        ),
        (
            configs,
            ", paramRef: {selector: {matchLabels: {of: us}}, parameterNotFoundAction: Deny}",
            "ns",
            &["ns/x in-ns", "ns/z second"],
        ),
        (
            configs,
            ", paramRef: {selector: {}, parameterNotFoundAction: Deny}",
            "other",
            &["other/x in-other"],
        ),
        (
            configs,
            ", paramRef: {name: q, parameterNotFoundAction: Allow}",
            "ns",
            &[],
        ),
        (
            configs,
            ", paramRef: {name: q, parameterNotFoundAction: Deny}",
            "ns",
            &[
                "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
            ],
        ),
        (
            configs,
            ", paramRef: {name: x, parameterNotFoundAction: Deny}",
            "",
            &[
                "failed to configure binding: cannot use namespaced paramRef in policy binding that matches cluster-scoped resources",
            ],
        ),
        (
            "limits.example.com/v1, kind: Limit",
            ", paramRef: {name: x, namespace: ns, parameterNotFoundAction: Deny}",
            "ns",
            &[
                "failed to configure binding: paramRef.namespace must not be provided for a cluster-scoped `paramKind`",
            ],
        ),
    ];
    for (kind, reference, namespace_name, want) in cases {
        let text = policy(&spec(kind), "Deny").replace(
            "validationActions: [Deny]",
            &format!("validationActions: [Deny]{reference}"),
        );
        let mut request = create(OBJECT);
        request.namespace = namespace_name.to_owned();
        request.namespace_object =
            (!namespace_name.is_empty()).then(|| namespace(namespace_name, &[]));
        let verdict = judged(&format!("{text}{params}"), &request);
        let got: Vec<String> = verdict
            .findings
            .iter()
            .map(|finding| match &finding.param {
                Some(param) => format!("{param} {}", finding.message),
                None => finding.message.clone(),
            })
            .collect();
        assert_eq!(got, want, "{reference} in {namespace_name:?}");
    }
}

#[test]
fn a_reference_without_a_kind_is_ignored() {
    let text = policy("validations:\n- expression: 'true'", "Deny").replace(
        "validationActions: [Deny]",
        "validationActions: [Deny], paramRef: {name: q, parameterNotFoundAction: Deny}",
    );
    assert_eq!(judged(&text, &create(OBJECT)).passed, 1);
}

#[test]
fn request_shows_what_is_there_and_nothing_else() {
    let mut request = create(OBJECT);
    for expression in [
        "dyn(request.kind) == {'group': '', 'version': 'v1', 'kind': 'ConfigMap'}",
        "request.requestResource.resource == 'configmaps' && request.resource.group == ''",
        "request.name == 'c' && request.namespace == 'ns' && request.operation == 'CREATE'",
        "!has(request.subResource) && !has(request.requestSubResource)",
        "request.userInfo.username == 'ann' && request.userInfo.groups == ['dev']",
        "!has(request.userInfo.uid) && !has(request.userInfo.extra)",
        "request.dryRun == false && request.options.kind == 'CreateOptions'",
        "oldObject == null && has(object.data)",
        "namespaceObject.metadata.labels['env'] == 'test'",
    ] {
        assert!(holds(expression, &request), "{expression}");
    }
    request.name = String::new();
    request.namespace = String::new();
    request.namespace_object = None;
    request.sub_resource = Some("status".to_owned());
    request.user.extra = BTreeMap::from([("k".to_owned(), vec!["v".to_owned()])]);
    request.options = Json::Null;
    for expression in [
        "!has(request.name) && !has(request.namespace)",
        "request.subResource == 'status' && request.requestSubResource == 'status'",
        "request.userInfo.extra['k'] == ['v'] && request.options == null",
        "namespaceObject == null",
    ] {
        let spec = format!("validations:\n- expression: {expression:?}");
        let text = policy(&spec, "Deny").replace("[configmaps", "[configmaps/status, configmaps");
        assert_eq!(judged(&text, &request).passed, 1, "{expression}");
    }
}

#[test]
fn delete_and_connect_show_the_old_object_and_the_options() {
    let mut request = update(OBJECT, "null");
    request.operation = Operation::Delete;
    assert!(holds(
        "object == null && oldObject.metadata.name == 'c'",
        &request
    ));
    let mut request = create(r#"{"kind":"PodExecOptions","command":["sh"]}"#);
    request.operation = Operation::Connect;
    assert!(holds(
        "object.command == ['sh'] && oldObject == null",
        &request
    ));
}

#[test]
fn a_namespace_has_no_namespace_of_its_own() {
    let text = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"ns"}}"#;
    let mut request = create(text);
    request.kind.kind = "Namespace".to_owned();
    request.resource.resource = "namespaces".to_owned();
    assert!(holds(
        "namespaceObject == null && request.namespace == 'ns'",
        &request
    ));
}

#[test]
fn the_audit_phase_sees_the_whole_namespace() {
    let mut request = create(OBJECT);
    request.namespace_object = Some(std::sync::Arc::new(json(
        r#"{"metadata":{"name":"ns","managedFields":[]}}"#,
    )));
    let spec = "
validations:
- {expression: '!has(dyn(namespaceObject.metadata).managedFields)'}
auditAnnotations:
- {key: whole, valueExpression: 'string(has(dyn(namespaceObject.metadata).managedFields))'}
";
    let verdict = judged(&policy(spec, "Deny"), &request);
    assert_eq!((verdict.passed, verdict.findings), (1, vec![]));
    assert_eq!(verdict.audit_annotations["p/whole"], "true");
}

/// Allows `get` on pods to members of `dev`, nothing else.
#[derive(Debug)]
struct Pods;

impl Authorizer for Pods {
    fn check(&self, attributes: &Attributes) -> Allowed {
        let Access::Resource(access) = &attributes.access else {
            return Allowed::default();
        };
        let allowed = attributes.verb == "get"
            && matches!(access.resource.as_str(), "pods" | "configmaps")
            && attributes.user.groups.iter().any(|group| group == "dev");
        Allowed {
            allowed,
            ..Allowed::default()
        }
    }
}

#[test]
fn the_authorizer_is_asked_for_the_request_and_only_in_its_phases() {
    let spec = "
variables:
- {name: own, expression: authorizer.requestResource.check('get').allowed()}
matchConditions:
- {name: pods, expression: \"authorizer.group('').resource('pods').check('get').allowed()\"}
validations:
- {expression: 'variables.own && !authorizer.requestResource.check(\"update\").allowed()'}
- {expression: 'false', message: fixed, messageExpression: 'variables.own ? \"a\" : \"b\"'}
auditAnnotations:
- {key: k, valueExpression: 'string(variables.own)'}
";
    let set = set(&policy(spec, "Deny"));
    let resolvers = Resolvers {
        authorizer: Some(std::sync::Arc::new(Pods)),
    };
    let verdict = judge_with(&set, &create(OBJECT), &resolvers);
    let got: Vec<&str> = verdict
        .findings
        .iter()
        .map(|f| f.message.as_str())
        .collect();
    assert_eq!(
        got,
        [
            "fixed",
            "expression 'string(variables.own)' resulted in error: composited variable \"own\" fails to evaluate: no such attribute(s): authorizer.requestResource"
        ]
    );
    assert_eq!(verdict.passed, 1);
    assert_eq!(
        judge(&set, &create(OBJECT)).findings[0].message,
        "expression 'authorizer.group('').resource('pods').check('get').allowed()' resulted in error: no such attribute(s): authorizer"
    );
}
