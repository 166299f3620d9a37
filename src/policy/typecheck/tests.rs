use std::collections::BTreeMap;

use super::*;
use crate::policy::packs;
use crate::policy::source::{self, Item};
use crate::policy::testing::sources;

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
fn warnings_are_those_recorded_from_the_api_server() {
    let recorded: BTreeMap<String, Vec<(String, String)>> =
        serde_json::from_str(include_str!("../../../tests/data/typecheck/warnings.json"))
            .expect("recorded warnings");
    let text = include_str!("../../../tests/data/typecheck/policies.yaml");
    let mut names = Vec::new();
    for policy in policies(text) {
        let ours: Vec<(String, String)> = expression_warnings(&policy)
            .into_iter()
            .map(|one| {
                (
                    one.field_ref,
                    one.warning.replace("ConfigMap2", "ConfigMap"),
                )
            })
            .collect();
        assert_eq!(Some(&ours), recorded.get(&policy.name), "{}", policy.name);
        names.push(policy.name);
    }
    names.sort();
    assert_eq!(names, recorded.into_keys().collect::<Vec<_>>());
}

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

/// What the shipped policies are warned of is told here with its reason, and nothing of it is a mistake.
#[test]
fn the_shipped_policies_have_no_mistakes() {
    let mut checked = 0;
    let mut mistakes = Vec::new();
    for (file, text) in packs::FILES {
        for sourced in crate::policy::diagnostic::Sourced::read(file, text).expect("shipped") {
            let Ok(Item::Policy(policy, _)) = source::read(&sourced) else {
                continue;
            };
            checked += usize::from(!kinds(&policy).is_empty());
            let found = lint(&policy);
            mistakes.extend(lines(&found).into_iter().zip(found));
        }
    }
    assert!(checked > 10, "{checked} policies were checked");
    let wrong: Vec<String> = mistakes
        .into_iter()
        .filter(|(_, warning)| !warning.false_alarm)
        .map(|(line, _)| line)
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}
