//! Every field of policies and bindings, and what is said about a wrong one.

use super::*;

#[test]
fn every_field_of_a_policy_is_checked() {
    let cases: [(&str, &[&str]); 23] = [
        (
            "validation:\n- expression: 'true'",
            &[
                "spec.validation: unknown field, did you mean \"validations\"?",
                "spec.validations: validations or auditAnnotations must hold at least one item",
            ],
        ),
        (
            "failurePolicy: Warn\nvalidations:\n- expression: 'true'",
            &["spec.failurePolicy: expected one of \"Fail\", \"Ignore\", found \"Warn\""],
        ),
        (
            "validations:\n- {expression: ' '}",
            &["spec.validations[0].expression: an expression is required"],
        ),
        (
            "validations:\n- {message: m}",
            &["spec.validations[0].expression: an expression is required"],
        ),
        (
            "validations:\n- {expression: 'true', message: ' '}",
            &["spec.validations[0].message: must not be blank"],
        ),
        (
            "validations:\n- {expression: 'true', message: \"a\\nb\"}",
            &["spec.validations[0].message: must not contain line breaks"],
        ),
        (
            "validations:\n- {expression: 'true', message: \"a\\n\"}",
            &[],
        ),
        (
            "validations:\n- {expression: 'true', messageExpression: ' '}",
            &["spec.validations[0].messageExpression: must not be blank"],
        ),
        (
            "validations:\n- {expression: 'true', reason: Unauthorized}",
            &[
                "spec.validations[0].reason: expected one of \"Forbidden\", \"Invalid\", \"RequestEntityTooLarge\", found \"Unauthorized\"",
            ],
        ),
        (
            "validations:\n- expression: 1",
            &["spec.validations[0].expression: expected a string, found an integer"],
        ),
        (
            "matchConditions:\n- {name: '-', expression: 'true'}\n- {name: a/b, expression: ''}\n- {name: a/b, expression: 'true'}\nvalidations:\n- expression: 'true'",
            &[
                "spec.matchConditions[0].name: \"-\" must be letters, digits, '-', '_' or '.', start and end with a letter or digit, and have at most 63 characters, with an optional DNS subdomain and '/' before it",
                "spec.matchConditions[1].expression: an expression is required",
                "spec.matchConditions[2].name: \"a/b\" is used twice",
            ],
        ),
        (
            "variables:\n- {name: in, expression: '1'}\n- {name: a, expression: '1'}\n- {name: a, expression: '2'}\nvalidations:\n- expression: 'true'",
            &[
                "spec.variables[0].name: \"in\" must be a CEL identifier: letters, digits or '_', no digit first, and no reserved word",
            ],
        ),
        (
            "auditAnnotations:\n- {key: a, valueExpression: 'null'}\n- {key: a, valueExpression: 'null'}\n- {key: 'b/c', valueExpression: ' '}",
            &[
                "spec.auditAnnotations[1].key: \"a\" is used twice",
                "spec.auditAnnotations[2].key: \"p/b/c\" must be letters, digits, '-', '_' or '.', start and end with a letter or digit, and have at most 63 characters, with an optional DNS subdomain and '/' before it",
                "spec.auditAnnotations[2].valueExpression: an expression is required",
            ],
        ),
        (
            "paramKind: {apiVersion: a/b/c, kind: '9'}\nvalidations:\n- expression: 'true'",
            &[
                "spec.paramKind.apiVersion: \"a/b\" must be lower-case letters, digits, '-' or '.', start and end with a letter or digit, and have at most 253 characters",
                "spec.paramKind.kind: \"9\" may have mixed case, but otherwise must be lower-case letters, digits or '-', start with a letter, end with a letter or digit, and have at most 63 characters",
            ],
        ),
        (
            "paramKind: {kind: A}\nvalidations:\n- expression: 'true'",
            &["spec.paramKind.apiVersion: a value is required"],
        ),
        (
            "mutations: []\nvalidations:\n- expression: 'true'",
            &["spec.mutations: unknown field"],
        ),
        (
            "validations:\n- {expression: 'object.data.a'}",
            &["spec.validations[0].expression: must evaluate to bool but got dyn"],
        ),
        (
            "validations:\n- {expression: 'true', messageExpression: '1'}",
            &["spec.validations[0].messageExpression: must evaluate to string but got int"],
        ),
        (
            "auditAnnotations:\n- {key: a, valueExpression: '1'}",
            &[
                "spec.auditAnnotations[0].valueExpression: must evaluate to one of [string null_type] but got int",
            ],
        ),
        (
            "variables:\n- {name: a, expression: '1'}\nmatchConditions:\n- {name: c, expression: 'variables.a == 1'}\nvalidations:\n- expression: 'params == null'",
            &[
                "spec.matchConditions[0].expression: undeclared reference to 'variables' (in container '')",
                "spec.validations[0].expression: undeclared reference to 'params' (in container '')",
            ],
        ),
        (
            "variables:\n- {name: a, expression: variables.b}\n- {name: b, expression: '1 +'}\n- {name: c, expression: variables.a + variables.b}\nvalidations:\n- expression: variables.c == 1\n- expression: variables.d == 1",
            &[
                "spec.variables[0].expression: undefined field 'b'",
                "spec.variables[1].expression: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
                "spec.validations[1].expression: undefined field 'd'",
            ],
        ),
        (
            "validations:\n- {expression: 'true', messageExpression: 'authorizer == null ? \"a\" : \"b\"'}",
            &[
                "spec.validations[0].messageExpression: undeclared reference to 'authorizer' (in container '')",
            ],
        ),
        (
            "validations:\n- {expression: 'request.uid == \"\" || request.object == null || namespaceObject.metadata.ownerReferences == null'}",
            &[
                "spec.validations[0].expression: undefined field 'uid'",
                "spec.validations[0].expression: undefined field 'object'",
                "spec.validations[0].expression: undefined field 'ownerReferences'",
            ],
        ),
    ];
    for (spec, want) in cases {
        assert_eq!(fields(&policy(spec, "Deny")), want, "{spec}");
    }
}

#[test]
fn rules_are_checked() {
    let whole = policy("validations:\n- expression: 'true'", "Deny");
    let rule = "{apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: [configmaps, namespaces]}";
    let at = "spec.matchConstraints.resourceRules[0]";
    let cases: [(&str, &[&str]); 12] = [
        (
            "{}",
            &[
                "operations: at least one operation is required",
                "apiGroups: at least one value is required",
                "apiVersions: at least one value is required",
                "resources: at least one value is required",
            ],
        ),
        (
            "{apiGroups: ['*', a], apiVersions: ['', v1], operations: ['*', CREATE], resources: [a]}",
            &[
                "apiVersions[0]: a value is required",
                "operations: \"*\" must stand alone",
                "apiGroups: \"*\" must stand alone",
            ],
        ),
        (
            "{apiGroups: [a], apiVersions: ['*', v1], operations: [PATCH], resources: [a]}",
            &[
                "operations[0]: expected one of \"CREATE\", \"UPDATE\", \"DELETE\", \"CONNECT\", \"*\", found \"PATCH\"",
                "apiVersions: \"*\" must stand alone",
            ],
        ),
        (
            "{apiGroups: [a], apiVersions: [v1], operations: [CREATE], resources: ['*/*', a]}",
            &["resources: \"*/*\" must stand alone"],
        ),
        (
            "{apiGroups: [a], apiVersions: [v1], operations: [CREATE], resources: ['*', a]}",
            &["resources: \"*\" covers every resource: remove the others without subresource"],
        ),
        (
            "{apiGroups: [a], apiVersions: [v1], operations: [CREATE], resources: ['*', a/b]}",
            &[],
        ),
        (
            "{apiGroups: [a], apiVersions: [v1], operations: [CREATE], resources: ['a/*', a/b]}",
            &["resources[1]: \"a/*\" covers it: remove \"a/b\""],
        ),
        (
            "{apiGroups: [a], apiVersions: [v1], operations: [CREATE], resources: ['*/b', a/b, '']}",
            &[
                "resources[1]: \"*/b\" covers it: remove \"a/b\"",
                "resources[2]: a value is required",
            ],
        ),
        (
            "{apiGroups: [a], apiVersions: [v1], operations: [CREATE], resources: [a], scope: cluster}",
            &[
                "scope: expected one of \"*\", \"Cluster\", \"Namespaced\", found \"cluster\", did you mean \"Cluster\"?",
            ],
        ),
        (
            "{apiGroups: [a], apiVersions: [v1], operations: [CREATE], resources: [a], resourceNames: [x, x, '..']}",
            &[
                "resourceNames[1]: \"x\" is listed twice",
                "resourceNames[2]: \"..\" must not be '.' or '..' nor contain '/' or '%'",
            ],
        ),
        (
            "{apiGroups: [a], apiVersions: [v1], operations: [], resources: [a]}",
            &["operations: at least one operation is required"],
        ),
        (
            "{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [a], verbs: [x]}",
            &["verbs: unknown field"],
        ),
    ];
    for (given, want) in cases {
        let want: Vec<String> = want.iter().map(|line| format!("{at}.{line}")).collect();
        assert_eq!(fields(&whole.replace(rule, given)), want, "{given}");
    }
    assert_eq!(
        fields(&whole.replace(
            &format!("resourceRules:\n    - {rule}\n"),
            "resourceRules: []\n"
        )),
        ["spec.matchConstraints.resourceRules: at least one rule is required"]
    );
    assert_eq!(
        fields(&whole.replace("    resourceRules:", "    matchPolicy: Loose\n    namespaceSelector: {matchLabels: {'-': x}}\n    resourceRules:")),
        [
            "spec.matchConstraints.namespaceSelector.matchLabels.-: \"-\" must be letters, digits, '-', '_' or '.', start and end with a letter or digit, and have at most 63 characters, with an optional DNS subdomain and '/' before it",
            "spec.matchConstraints.matchPolicy: expected one of \"Exact\", \"Equivalent\", found \"Loose\"",
        ]
    );
}

#[test]
fn bindings_are_checked() {
    let binding = |spec: &str| {
        format!(
            "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {{name: b}}\nspec: {spec}\n"
        )
    };
    let cases: [(&str, &[&str]); 9] = [
        (
            "{validationActions: [Deny]}",
            &["spec.policyName: a value is required"],
        ),
        (
            "{policyName: p}",
            &["spec.validationActions: at least one of Deny, Warn, Audit is required"],
        ),
        (
            "{policyName: P, validationActions: [Deny, Warn, Deny]}",
            &[
                "spec.validationActions[2]: Deny is listed twice",
                "spec.validationActions: Deny and Warn exclude each other: a refusal already tells the user",
                "spec.policyName: \"P\" must be lower-case letters, digits, '-' or '.', start and end with a letter or digit, and have at most 253 characters",
            ],
        ),
        (
            "{policyName: p, validationActions: [Block]}",
            &[
                "spec.validationActions[0]: expected one of \"Deny\", \"Warn\", \"Audit\", found \"Block\"",
            ],
        ),
        (
            "{policyName: p, validationActions: [Deny], paramRef: {parameterNotFoundAction: Deny}}",
            &["spec.paramRef: one of name or selector is required"],
        ),
        (
            "{policyName: p, validationActions: [Deny], paramRef: {name: a, selector: {}, parameterNotFoundAction: Deny}}",
            &["spec.paramRef: name and selector are mutually exclusive"],
        ),
        (
            "{policyName: p, validationActions: [Deny], paramRef: {name: a, parameterNotFoundAction: Skip}}",
            &[
                "spec.paramRef.parameterNotFoundAction: expected one of \"Allow\", \"Deny\", found \"Skip\"",
            ],
        ),
        (
            "{policyName: p, validationActions: [Deny], matchResources: {resourceRules: []}}",
            &[],
        ),
        (
            "{policyName: p, validationActions: [Deny], matchResources: {resourceRules: [{}]}}",
            &[
                "spec.matchResources.resourceRules[0].operations: at least one operation is required",
                "spec.matchResources.resourceRules[0].apiGroups: at least one value is required",
                "spec.matchResources.resourceRules[0].apiVersions: at least one value is required",
                "spec.matchResources.resourceRules[0].resources: at least one value is required",
            ],
        ),
    ];
    for (spec, want) in cases {
        assert_eq!(fields(&binding(spec)), want, "{spec}");
    }
}

#[test]
fn mutating_policies_are_checked() {
    let policy = |spec: &str, operations: &str| {
        format!(
            "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicy\nmetadata: {{name: m}}\nspec:\n  matchConstraints:\n    resourceRules:\n    - {{apiGroups: [''], apiVersions: [v1], operations: [{operations}], resources: [a]}}\n  {}\n",
            spec.replace('\n', "\n  ")
        )
    };
    let good = "reinvocationPolicy: Never\nmutations:\n- {patchType: ApplyConfiguration, applyConfiguration: {expression: 'Object{}'}}";
    let cases: [(&str, &str, &[&str]); 10] = [
        (good, "'*'", &[]),
        (
            good,
            "CREATE, DELETE",
            &[
                "spec.matchConstraints.resourceRules[0].operations[1]: a mutating policy cannot match DELETE",
            ],
        ),
        (
            "mutations:\n- {patchType: JSONPatch, jsonPatch: {expression: '[JSONPatch{op: \"test\"}]'}}",
            "CREATE",
            &["spec.reinvocationPolicy: a value is required: Never or IfNeeded"],
        ),
        (
            "reinvocationPolicy: Never",
            "CREATE",
            &["spec.mutations: at least one mutation is required"],
        ),
        (
            "reinvocationPolicy: Always\nmutations:\n- {}",
            "CREATE",
            &[
                "spec.reinvocationPolicy: expected one of \"Never\", \"IfNeeded\", found \"Always\"",
                "spec.mutations[0].patchType: a value is required: ApplyConfiguration or JSONPatch",
            ],
        ),
        (
            "reinvocationPolicy: Never\nmutations:\n- {patchType: JSONPatch, applyConfiguration: {expression: 'Object{}'}}",
            "CREATE",
            &[
                "spec.mutations[0].applyConfiguration: must not be set when patchType is JSONPatch",
                "spec.mutations[0].jsonPatch: must be set when patchType is JSONPatch",
            ],
        ),
        (
            "reinvocationPolicy: Never\nmutations:\n- {patchType: JSONPatch, jsonPatch: {expression: '[]'}}",
            "CREATE",
            &[
                "spec.mutations[0].jsonPatch.expression: must evaluate to list(JSONPatch) but got list(dyn)",
            ],
        ),
        (
            "reinvocationPolicy: Never\nmutations:\n- {patchType: JSONPatch, jsonPatch: {expression: 'true ? [JSONPatch{op: \"test\"}] : []'}}",
            "CREATE",
            &[],
        ),
        (
            "reinvocationPolicy: Never\nvariables:\n- {name: o, expression: 'Object{}'}\nmutations:\n- {patchType: ApplyConfiguration, applyConfiguration: {expression: 'Object{}'}}",
            "CREATE",
            &["spec.variables[0].expression: undeclared reference to 'Object' (in container '')"],
        ),
        (
            "reinvocationPolicy: Never\nvalidations: []\nmutations:\n- {patchType: ApplyConfiguration, applyConfiguration: {expression: ' '}}",
            "CREATE",
            &[
                "spec.validations: unknown field",
                "spec.mutations[0].applyConfiguration.expression: an expression is required",
            ],
        ),
    ];
    for (spec, operations, want) in cases {
        assert_eq!(fields(&policy(spec, operations)), want, "{spec}");
    }
}
