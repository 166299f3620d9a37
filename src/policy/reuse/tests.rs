use super::*;
use crate::model::verdict::Verdict;
use crate::policy::judge::judge_all;
use crate::policy::set::Set;
use crate::policy::testing::{create, set};

/// A validating policy over ConfigMaps whose parameter is a ConfigMap `limits`, found by name.
fn policy(name: &str, spec: &str, namespace: &str) -> String {
    let spec = spec.trim_matches('\n').replace('\n', "\n  ");
    format!(
        "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  paramKind: {{apiVersion: v1, kind: ConfigMap}}
  matchConstraints:
    resourceRules:
    - {{apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: [configmaps]}}
  {spec}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec:
  policyName: {name}
  validationActions: [Deny]
  paramRef: {{name: limits, parameterNotFoundAction: Deny{namespace}}}
---
"
    )
}

const PARAMETER: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: limits, namespace: ns}
data: {most: '3', names: 'a,b', flag: 'on'}
";

/// The parameter is the same for every request, so that outcomes are kept.
const FIXED: &str = ", namespace: ns";

const OBJECT: &str = r#"{"apiVersion": "v1", "kind": "ConfigMap",
    "metadata": {"name": "x", "namespace": "ns"}, "data": {"a": "1", "b": "22", "c": "333", "d": "4444"}}"#;

/// The verdict with and without outcomes that were kept when the set was built.
fn both(spec: &str) -> [Verdict; 2] {
    [FIXED, ""].map(|namespace| {
        let set = set(&(policy("p", spec, namespace) + PARAMETER));
        judge_all(&set, &create(OBJECT))
    })
}

fn presets(set: &Set) -> Vec<bool> {
    let bound = &set.validating.policies[0];
    let given = bound.bindings[0].params(set, &bound.policy, "ns");
    let with = given.expect("a parameter").each().next().expect("one");
    let presets = with.presets.expect("kept");
    let kept = |expression: &Expression| {
        presets
            .get(expression)
            .is_some_and(|kept| kept.outcome.is_some())
    };
    let variables = bound.programs.variables.iter();
    variables.map(|(_, expression)| kept(expression)).collect()
}

const VARIABLES: &str = "
matchConditions:
- {name: flag, expression: params.data.flag == 'on'}
variables:
- {name: data, expression: params.data}
- {name: most, expression: int(variables.data.most)}
- {name: names, expression: \"variables.data.names.split(',')\"}
- {name: wrong, expression: int(params.data.flag)}
- {name: keys, expression: 'object.data.map(k, k)'}
- {name: others, expression: 'variables.keys.filter(k, !(k in variables.names))'}
validations:
- {expression: size(variables.keys) <= variables.most, messageExpression: \"'at most ' + string(variables.most)\"}
- {expression: size(variables.others) == 0, messageExpression: \"variables.others.join(', ') + ' beside ' + variables.names.join(', ')\"}
- {expression: variables.most == 3}
- {expression: variables.wrong == 3}
";

#[test]
fn what_parameters_decide_is_kept_unless_it_is_part_of_them() {
    let set = set(&(policy("p", VARIABLES, FIXED) + PARAMETER));
    assert_eq!(presets(&set), [false, true, true, true, false, false]);
}

#[test]
fn kept_outcomes_give_the_verdict_of_evaluation() {
    let [kept, evaluated] = both(VARIABLES);
    assert_eq!(kept, evaluated);
    let messages: Vec<_> = kept.findings.iter().map(|f| f.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "at most 3",
            "c, d beside a, b",
            "",
            "expression 'variables.wrong == 3' resulted in error: composited variable \"wrong\" fails to \
             evaluate: type conversion error from 'string' to 'int'"
        ]
    );
}

/// Twelve variables that cost nearly the limit of one program each: the budget is for ten.
fn expensive(root: &str) -> String {
    // Sorting is charged by the square of the length.
    let sorted = format!("lists.range(size({root}.data) * 0 + 690).sort().size() > 0");
    let variables = (0..12).map(|n| format!("- {{name: v{n}, expression: '{sorted}'}}"));
    let variables: Vec<_> = variables.collect();
    let rules = (0..12).map(|n| format!("- {{expression: variables.v{n}}}"));
    let rules: Vec<_> = rules.collect();
    format!(
        "variables:\n{}\nvalidations:\n{}\n",
        variables.join("\n"),
        rules.join("\n")
    )
}

const EXHAUSTED: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

fn messages(verdict: &Verdict) -> Vec<(&str, &str)> {
    let findings = verdict.findings.iter();
    findings
        .map(|f| (f.policy.as_str(), f.message.as_str()))
        .collect()
}

#[test]
fn kept_outcomes_cost_what_evaluation_costs() {
    let [kept, evaluated] = both(&expensive("params"));
    assert_eq!(kept, evaluated);
    assert_eq!(messages(&kept), [("p", EXHAUSTED)]);
}

#[test]
fn outcomes_shared_by_policies_cost_each_of_them() {
    let spec = expensive("object");
    let text = policy("p", &spec, "") + &policy("q", &spec, "") + PARAMETER;
    let set = set(&text);
    assert_eq!(
        set.validating.shared, 13,
        "all variables have one text, and there are twelve rules"
    );
    let verdict = judge_all(&set, &create(OBJECT));
    assert_eq!(messages(&verdict), [("p", EXHAUSTED), ("q", EXHAUSTED)]);
}

const SHARING: &str = "
variables:
- {name: keys, expression: 'object.data.map(k, k)'}
- {name: long, expression: 'variables.keys.filter(k, size(object.data[k]) > 2)'}
- {name: broken, expression: 'object.data.nothing'}
validations:
- {expression: size(variables.long) == 0, messageExpression: \"variables.long.join(', ')\"}
- {expression: variables.broken == ''}
";

/// The same variables in another order, under another number, and one name that means something else.
const SHARING_TOO: &str = "
variables:
- {name: first, expression: '1'}
- {name: broken, expression: 'object.data.nothing'}
- {name: keys, expression: 'object.data.map(k, k)'}
- {name: long, expression: 'variables.keys.filter(k, size(object.data[k]) > 2)'}
validations:
- {expression: size(variables.long) == variables.first, messageExpression: \"'too long: ' + variables.long.join(', ')\"}
- {expression: variables.broken == ''}
";

const NAMESAKE: &str = "
variables:
- {name: keys, expression: \"['d']\"}
- {name: long, expression: 'variables.keys.filter(k, size(object.data[k]) > 2)'}
validations:
- {expression: size(variables.long) == 0, messageExpression: \"variables.long.join(', ')\"}
";

#[test]
fn policies_share_outcomes_only_when_all_names_mean_the_same() {
    let specs = [("p", SHARING), ("q", SHARING_TOO), ("r", NAMESAKE)];
    let together: String = specs
        .iter()
        .map(|(name, spec)| policy(name, spec, ""))
        .collect();
    let together = judge_all(&set(&(together + PARAMETER)), &create(OBJECT));
    let alone: Vec<Verdict> = specs
        .iter()
        .map(|(name, spec)| judge_all(&set(&(policy(name, spec, "") + PARAMETER)), &create(OBJECT)))
        .collect();
    let findings: Vec<_> = alone
        .iter()
        .flat_map(|verdict| verdict.findings.clone())
        .collect();
    assert_eq!(together.findings, findings);
    let texts: Vec<_> = messages(&together)
        .iter()
        .map(|(_, text)| text.len())
        .collect();
    assert!(
        texts.iter().all(|len| *len > 0),
        "every rule fails: {texts:?}"
    );
}

#[test]
fn a_variable_that_is_defined_again_is_not_kept() {
    let spec = "
variables:
- {name: a, expression: 'params.data.most'}
- {name: b, expression: 'variables.a'}
- {name: a, expression: 'object.data.a'}
validations:
- {expression: \"variables.b == '1'\"}
";
    let [kept, evaluated] = both(spec);
    assert_eq!(kept, evaluated);
    assert_eq!(kept.passed, 1);
}

#[test]
fn policies_with_more_variables_than_a_set_holds_are_evaluated_each_time() {
    let variables: Vec<_> = (0..80)
        .map(|n| format!("- {{name: v{n}, expression: 'int(params.data.most) + {n}'}}"))
        .collect();
    let spec = format!(
        "variables:\n{}\n- {{name: last, expression: 'variables.v70'}}\nvalidations:\n- {{expression: variables.v3 == 6 && variables.last == 73}}\n",
        variables.join("\n")
    );
    let [kept, evaluated] = both(&spec);
    assert_eq!(kept, evaluated);
    assert_eq!(kept.passed, 1);
}

#[test]
fn a_value_that_holds_a_part_many_times_over_is_not_copied() {
    let doubled = ".map(a, dyn([a, a]))".repeat(40);
    let wrapped = ".map(a, dyn([a]))".repeat(80);
    let spec = format!(
        "
variables:
- {{name: wide, expression: 'dyn([[params.data.most]]){doubled}'}}
- {{name: deep, expression: 'dyn([[params.data.most]]){wrapped}'}}
validations:
- {{expression: size(variables.wide) == 1 && size(variables.deep) == 1}}
"
    );
    let set = set(&(policy("p", &spec, FIXED) + PARAMETER));
    assert_eq!(presets(&set), [false, false]);
    let [kept, evaluated] = both(&spec);
    assert_eq!(kept, evaluated);
    assert_eq!(kept.passed, 1);
}
