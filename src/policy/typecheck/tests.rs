use super::*;
use crate::policy::packs;
use crate::policy::source::{self, Item, Named};
use crate::policy::testing::sources;

/// With the kinds known without a cluster.
fn lint(policy: &Policy) -> Vec<Warning> {
    super::lint(policy, &Kinds::default())
}

/// With the kinds known without a cluster.
fn expression_warnings(policy: &Policy) -> Vec<ExpressionWarning> {
    super::expression_warnings(policy, &Kinds::default())
}

/// The policies of a YAML text.
fn policies(text: &str) -> Vec<Policy> {
    let items = sources(text).into_iter();
    items
        .map(|sourced| match source::read(&sourced) {
            Ok(Item::Policy(policy, _)) => *policy,
            other => panic!("no policy: {other:?}"),
        })
        .collect()
}

/// A validating policy about some resources with these validations.
fn policy(rule: &str, validations: &str) -> Policy {
    let text = format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {{name: p}}\nspec:\n  \
         matchConstraints:\n    resourceRules:\n    - {{operations: ['*'], {rule}}}\n  validations:\n{validations}"
    );
    policies(&text).remove(0)
}

/// Place in the file, place in the expression, message, kinds, and whether it is a false alarm.
fn lines(warnings: &[Warning]) -> Vec<String> {
    warnings
        .iter()
        .map(|one| {
            let kinds: Vec<String> = one.kinds.iter().map(ToString::to_string).collect();
            let at = one.at;
            format!(
                "{} [{}:{}] for {}{}",
                one.diagnostic,
                at.line,
                at.column,
                kinds.join("; "),
                if one.false_alarm {
                    " (false alarm)"
                } else {
                    ""
                }
            )
        })
        .collect()
}

const PODS: &str = "apiGroups: [''], apiVersions: [v1], resources: [pods]";

#[test]
fn the_text_names_the_kind_then_the_issues_as_the_compiler_prints_them() {
    let rule = "apiGroups: ['', agents.x-k8s.io], apiVersions: [v1, v1beta1], resources: [sandboxes, pods]";
    let policy = policy(rule, "  - expression: object.spec.foo == 1\n");
    assert_eq!(
        expression_warnings(&policy),
        [ExpressionWarning {
            field_ref: "spec.validations[0].expression".to_owned(),
            warning: "\
/v1, Kind=Pod: ERROR: <input>:1:12: undefined field 'foo'
 | object.spec.foo == 1
 | ...........^

agents.x-k8s.io/v1beta1, Kind=Sandbox: ERROR: <input>:1:12: undefined field 'foo'
 | object.spec.foo == 1
 | ...........^
"
            .to_owned(),
        }]
    );
}

#[test]
fn a_warning_points_into_the_file_and_into_the_expression() {
    let policy = policy(
        "apiGroups: ['', apps], apiVersions: [v1], resources: [pods, deployments]",
        "  - expression: |-\n      object.spec.x == 1 ||\n        object.spec.y == 2\n    messageExpression: object.metadata.nam\n",
    );
    assert_eq!(
        lines(&lint(&policy)),
        [
            "p.yaml:10:18: ValidatingAdmissionPolicy/p: spec.validations[0].expression: undefined field 'x' [1:12] for v1, Kind=Pod; apps/v1, Kind=Deployment",
            "p.yaml:11:20: ValidatingAdmissionPolicy/p: spec.validations[0].expression: undefined field 'y' [2:14] for v1, Kind=Pod; apps/v1, Kind=Deployment",
            "p.yaml:12:39: ValidatingAdmissionPolicy/p: spec.validations[0].messageExpression: undefined field 'nam' [1:16] for v1, Kind=Pod; apps/v1, Kind=Deployment",
        ]
    );
}

#[test]
fn fields_that_the_api_server_has_no_type_for_are_false_alarms() {
    let policy = policy(
        PODS,
        "  - expression: object.spec.containers.all(c, has(c.resources.limits) && has(c.resources.limit))\n  \
           - expression: authorizer.requestResource.check('get').allowed()\n",
    );
    let of = |warning: &Warning| (warning.diagnostic.message.clone(), warning.false_alarm);
    let found: Vec<(String, bool)> = lint(&policy).iter().map(of).collect();
    assert_eq!(
        found,
        [
            ("undefined field 'limits'".to_owned(), true),
            ("undefined field 'limit'".to_owned(), false),
            (
                "unexpected failed resolution of 'kubernetes.authorization.Authorizer'".to_owned(),
                true
            ),
        ]
    );
}

#[test]
fn a_field_that_only_one_kind_lacks_is_told_for_that_kind() {
    let policy = policy(
        "apiGroups: [''], apiVersions: [v1], resources: [pods, services]",
        "  - expression: has(object.spec.ports)\n",
    );
    let kinds: Vec<Vec<Gvk>> = lint(&policy).into_iter().map(|one| one.kinds).collect();
    assert_eq!(kinds, [[Gvk::new("v1", "Pod")]]);
}

#[test]
fn wildcards_subresources_and_unknown_kinds_are_not_checked() {
    for rule in [
        "apiGroups: ['*'], apiVersions: [v1], resources: [pods]",
        "apiGroups: [''], apiVersions: ['*'], resources: [pods]",
        "apiGroups: [''], apiVersions: [v1], resources: ['*']",
        "apiGroups: [''], apiVersions: [v1], resources: [pods/exec]",
        "apiGroups: [example.com], apiVersions: [v1], resources: [things]",
    ] {
        let policy = policy(rule, "  - expression: object.spec.x == 1\n");
        assert_eq!(lint(&policy), [], "{rule}");
        assert_eq!(expression_warnings(&policy), [], "{rule}");
    }
}

#[test]
fn mutating_policies_are_not_checked() {
    let text = "\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: m}
spec:
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules:
    - {apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {expression: 'Object{spec: Object.spec{hostname: object.spec.hostnam}}'}
";
    let policies = policies(text);
    assert_eq!(policies.len(), 1);
    assert_eq!(lint(&policies[0]), []);
    assert_eq!(expression_warnings(&policies[0]), []);
}

#[test]
fn policies_of_this_project_are_checked_like_those_of_the_api_server() {
    let text = "\
apiVersion: sandfence.dev/v1alpha1
kind: SandboxPolicy
metadata: {name: p}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [agents.x-k8s.io], apiVersions: [v1beta1], operations: [CREATE], resources: [sandboxes]}
  validations:
  - expression: object.spec.replicas == 1
  validationActions: [Deny]
";
    assert_eq!(
        lines(&lint(&policies(text)[0])),
        [
            "p.yaml:9:28: SandboxPolicy/p: spec.validations[0].expression: undefined field 'replicas' [1:12] for agents.x-k8s.io/v1beta1, Kind=Sandbox"
        ]
    );
}

#[test]
fn match_conditions_and_audit_annotations_are_not_checked_and_variables_only_through_their_types() {
    let text = "\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  matchConditions:
  - {name: c, expression: object.spec.wrong == 1}
  variables:
  - {name: wrong, expression: object.spec.wrong}
  - {name: host, expression: object.spec.hostname}
  validations:
  - expression: variables.wrong == 1 && variables.wrong.x == 'a' && variables.host == 1
  auditAnnotations:
  - {key: a, valueExpression: string(object.spec.wrong)}
";
    assert_eq!(
        lines(&lint(&policies(text)[0])),
        [
            "p.yaml:14:84: ValidatingAdmissionPolicy/p: spec.validations[0].expression: found no matching overload for '_==_' applied to '(string, int)' [1:68] for v1, Kind=Pod"
        ]
    );
}

#[test]
fn the_kinds_of_a_crd_are_known_and_one_that_cannot_be_read_is_told() {
    let crd = |schema: &str| {
        let text = format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: things.example.com}}\n\
             spec:\n  group: example.com\n  scope: Cluster\n  names: {{kind: Thing, plural: things}}\n  versions:\n  \
             - {{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {schema}}}}}\n"
        );
        sources(&text)
    };
    let rule = "apiGroups: [example.com], apiVersions: [v1], resources: [things]";
    let policy = policy(rule, "  - expression: object.spec.a == object.spec.b\n");
    let told = |schema: &str| {
        let (kinds, mistakes) = known_kinds(&crd(schema));
        let mistakes = mistakes.iter().map(ToString::to_string);
        let warnings = lines(&super::lint(&policy, &kinds)).into_iter();
        mistakes.chain(warnings).collect::<Vec<_>>()
    };
    assert_eq!(
        told("{type: object, properties: {spec: {type: object, properties: {a: {type: string}}}}}"),
        [
            "p.yaml:9:45: ValidatingAdmissionPolicy/p: spec.validations[0].expression: undefined field 'b' [1:29] for example.com/v1, Kind=Thing"
        ]
    );
    assert_eq!(
        told(
            "{type: object, properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}}"
        ),
        [
            "p.yaml:9:28: ValidatingAdmissionPolicy/p: spec.validations[0].expression: undefined field 'a' [1:12] for example.com/v1, Kind=Thing (false alarm)",
            "p.yaml:9:45: ValidatingAdmissionPolicy/p: spec.validations[0].expression: undefined field 'b' [1:29] for example.com/v1, Kind=Thing (false alarm)",
        ]
    );
    assert_eq!(
        told("{type: thing}"),
        [
            "p.yaml:8:3: CustomResourceDefinition/things.example.com: spec.versions: schema: type: expected one JSON type, found \"thing\""
        ]
    );
}

#[test]
fn a_policy_made_to_keep_the_process_busy_is_checked_for_fewer_kinds() {
    let mut policy = policy(
        "apiGroups: [''], apiVersions: [v1], resources: [pods, services, secrets]",
        "  - expression: object.nothing == 1\n",
    );
    let variable = |index: usize| Named {
        name: format!("v{index}"),
        expression: Text {
            text: "1".to_owned(),
            path: FieldPath::root(),
        },
    };
    let kinds = |policy: &Policy| lint(policy).first().map_or(0, |one| one.kinds.len());
    assert_eq!(kinds(&policy), 3);
    policy.variables = (0..2_000).map(variable).collect();
    assert_eq!(kinds(&policy), 2);
    policy.variables = (0..3_000).map(variable).collect();
    assert_eq!(kinds(&policy), 0);
}

/// Not even a false alarm: the API server has nothing to say about them either.
#[test]
fn the_shipped_policies_have_no_warnings() {
    let mut checked = 0;
    let mut found = Vec::new();
    for (file, text) in packs::FILES {
        for sourced in crate::policy::diagnostic::Sourced::read(file, text).expect("shipped") {
            let Ok(Item::Policy(policy, _)) = source::read(&sourced) else {
                continue;
            };
            checked += usize::from(!kinds(&policy, &Kinds::default()).is_empty());
            found.extend(lines(&lint(&policy)));
        }
    }
    assert!(checked > 10, "{checked} policies were checked");
    assert_eq!(found, Vec::<String>::new());
}
