//! `SandboxPolicy`: an admission policy with its binding in one object, plus lookups of other objects and what a
//! report says about it.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{API_VERSION, IDENTIFIER, KIND, LabelSelector, NAMESPACE, OBJECT_NAME};
use super::conditions::{Condition, condition_list};

/// No expression may be longer; in-tree policies are bounded by the object size alone, the longest shipped one has
/// under 2,000 characters.
const MAX_EXPRESSION: usize = 16_384;

/// One admission policy. It either validates (`validations`, `auditAnnotations`) or mutates (`mutations`).
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "sandfence.dev",
    version = "v1alpha1",
    kind = "SandboxPolicy",
    plural = "sandboxpolicies",
    singular = "sandboxpolicy",
    status = "SandboxPolicyStatus",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "has(self.mutations) != (has(self.validations) || has(self.auditAnnotations))",
        "message": "a policy either validates (validations, auditAnnotations) or mutates (mutations)",
    },
    {
        "rule": "has(self.paramRef) ? has(self.paramKind) : !has(self.paramKind) || (self.paramKind.kind == 'GuardrailProfile' && self.paramKind.apiVersion.startsWith('sandfence.dev/'))",
        "message": "paramKind and paramRef belong together, unless guardrail profiles bind the policy",
        "fieldPath": ".paramRef",
    },
    {
        "rule": "!has(self.mutations) || !has(self.validationActions)",
        "message": "a mutating policy has no validation actions",
        "fieldPath": ".validationActions",
    },
    {
        "rule": "has(self.mutations) || !has(self.reinvocationPolicy)",
        "message": "only a mutating policy is reinvoked",
        "fieldPath": ".reinvocationPolicy",
    },
    {
        "rule": "!has(self.mutations) || self.matchConstraints.resourceRules.all(rule, !('DELETE' in rule.operations))",
        "message": "a mutating policy cannot match DELETE",
        "fieldPath": ".matchConstraints",
    },
]))]
pub struct SandboxPolicySpec {
    /// The requests that the policy judges.
    pub match_constraints: MatchConstraints,
    /// Further conditions on the request, all of which must be true. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub match_conditions: Option<Vec<NamedExpression>>,
    /// Named expressions, usable as `variables.<name>` by those after them. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 128),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub variables: Option<Vec<Variable>>,
    /// Objects from the cluster, usable as `lookups.<name>`. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub lookups: Option<Vec<Lookup>>,
    /// Rules that a request must keep. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub validations: Option<Vec<Validation>>,
    /// Changes made to the object, in order. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub mutations: Option<Vec<Mutation>>,
    /// Entries for the audit log. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 20),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"])
    )]
    pub audit_annotations: Option<Vec<AuditAnnotation>>,
    /// What happens when an expression fails to evaluate. Absent: Fail.
    #[serde(default)]
    pub failure_policy: FailurePolicy,
    /// Whether a mutating policy runs again after others changed the object. Absent: Never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reinvocation_policy: Option<ReinvocationPolicy>,
    /// The kind of the parameter object, `params` in expressions. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param_kind: Option<KindReference>,
    /// Which parameter objects are used; the policy runs once for each. Absent with GuardrailProfile as paramKind and
    /// without validationActions: every profile, where and as it says. Absent otherwise: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param_ref: Option<ParamRef>,
    /// What a broken rule leads to. Absent: Deny, or what the profile says where profiles bind the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 2),
        extend("x-kubernetes-list-type" = "set", "x-kubernetes-validations" = [{
            "rule": "!('Deny' in self && 'Warn' in self)",
            "message": "Deny and Warn exclude each other: a refusal already tells the user",
        }])
    )]
    pub validation_actions: Option<Vec<ValidationAction>>,
    /// How bad a broken rule is. Absent: Medium.
    #[serde(default)]
    pub severity: Severity,
    /// What kind of rule this is, such as `isolation`. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub category: Option<String>,
    /// The rule in a few words. Absent: the name of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub title: Option<String>,
    /// What the user should do instead. Absent: nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub remediation: Option<String>,
    /// The controls of compliance catalogues that the policy answers, such as `CIS-5.2.5`. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 128)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub controls: Option<Vec<String>>,
}

/// The requests that a policy judges.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatchConstraints {
    /// Operations on resources, at least one of which must match.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub resource_rules: Vec<ResourceRule>,
    /// Operations on resources that are left alone, whatever the rules say. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub exclude_resource_rules: Option<Vec<ResourceRule>>,
    /// The namespaces of the objects, by their labels. Absent: every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// The objects, by their labels. Absent: every object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_selector: Option<LabelSelector>,
    /// Whether other versions of the same resource match too. Absent: Equivalent.
    #[serde(default)]
    pub match_policy: MatchPolicy,
}

/// Operations on resources.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "(!('*' in self.operations) || size(self.operations) == 1) && (!('*' in self.apiGroups) || size(self.apiGroups) == 1) && (!('*' in self.apiVersions) || size(self.apiVersions) == 1)",
        "message": "'*' in operations, apiGroups or apiVersions must stand alone",
    },
    {
        "rule": "!('*/*' in self.resources) || size(self.resources) == 1",
        "message": "'*/*' must stand alone",
        "fieldPath": ".resources",
    },
]))]
pub struct ResourceRule {
    /// `""` is the core group, `*` every group.
    #[schemars(
        length(min = 1, max = 32),
        inner(length(max = 253)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub api_groups: Vec<String>,
    /// Versions, or `*`.
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 63)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub api_versions: Vec<String>,
    /// Plural names, with a subresource after a slash; `*` is every resource, `*/*` every subresource as well.
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 127), regex(pattern = r"^(\*|[a-z0-9][-a-z0-9.]*)(/(\*|[a-zA-Z0-9][-a-zA-Z0-9.]*))?$")),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub resources: Vec<String>,
    /// Operations.
    #[schemars(length(min = 1, max = 5), extend("x-kubernetes-list-type" = "atomic"))]
    pub operations: Vec<RuleOperation>,
    /// Whether the resource lives in a namespace. Absent: `*`.
    #[serde(default)]
    pub scope: RuleScope,
    /// Names of the objects. Absent: any name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 253)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub resource_names: Option<Vec<String>>,
}

/// An operation of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RuleOperation {
    /// An object is created.
    #[serde(rename = "CREATE")]
    Create,
    /// An object is changed.
    #[serde(rename = "UPDATE")]
    Update,
    /// An object is deleted.
    #[serde(rename = "DELETE")]
    Delete,
    /// A connection to an object is opened.
    #[serde(rename = "CONNECT")]
    Connect,
    /// All of them.
    #[serde(rename = "*")]
    All,
}

/// Where the resource of a rule lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RuleScope {
    /// In no namespace.
    Cluster,
    /// In a namespace.
    Namespaced,
    /// Either.
    #[default]
    #[serde(rename = "*")]
    All,
}

/// Whether other versions of the same resource match too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MatchPolicy {
    /// Only the version that the rule names.
    Exact,
    /// Every version.
    #[default]
    Equivalent,
}

/// A condition with a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamedExpression {
    /// Its name in messages.
    #[schemars(length(min = 1, max = 317), regex(pattern = super::common::LABEL_KEY))]
    pub name: String,
    /// An expression that gives a bool.
    #[schemars(length(min = 1, max = MAX_EXPRESSION), regex(pattern = r"\S"))]
    pub expression: String,
}

/// A named expression.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Variable {
    /// Its name in expressions.
    #[schemars(length(min = 1, max = 63), regex(pattern = IDENTIFIER))]
    pub name: String,
    /// An expression that gives any value.
    #[schemars(length(min = 1, max = MAX_EXPRESSION), regex(pattern = r"\S"))]
    pub expression: String,
}

/// Objects of a watched kind. Found by name it is the object, or null when there is none; found by selector it is a
/// list, empty when there are none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "[has(self.objectName), has(self.objectNameExpression), has(self.selector)].filter(given, given).size() == 1",
        "message": "exactly one of objectName, objectNameExpression and selector is needed",
    },
    {
        "rule": "!(has(self.__namespace__) && has(self.namespaceExpression))",
        "message": "at most one of namespace and namespaceExpression may be given",
    },
    {
        "rule": "!has(self.__namespace__) || self.__namespace__ != '*' || has(self.selector)",
        "message": "a name is looked up in one namespace: '*' needs a selector",
        "fieldPath": ".namespace",
    },
]))]
pub struct Lookup {
    /// Its name in expressions: `lookups.<name>`.
    #[schemars(length(min = 1, max = 63), regex(pattern = IDENTIFIER))]
    pub name: String,
    /// API version of the kind, such as `v1` or `rbac.authorization.k8s.io/v1`.
    #[schemars(length(min = 1, max = 317), regex(pattern = API_VERSION))]
    pub api_version: String,
    /// The kind.
    #[schemars(length(min = 1, max = 63), regex(pattern = KIND))]
    pub kind: String,
    /// The namespace searched, or `*` for all. Absent: that of the request, for kinds that live in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$")
    )]
    pub namespace: Option<String>,
    /// An expression that gives the namespace searched. Absent: see namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_EXPRESSION), regex(pattern = r"\S"))]
    pub namespace_expression: Option<String>,
    /// The name of the object. Absent: found otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub object_name: Option<String>,
    /// An expression that gives the name of the object. Absent: found otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_EXPRESSION), regex(pattern = r"\S"))]
    pub object_name_expression: Option<String>,
    /// The labels of the objects; empty for all. Absent: found otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// A rule that a request must keep.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// The name of the rule in reports and exceptions. Absent: its position, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAMESPACE))]
    pub name: Option<String>,
    /// An expression that gives a bool; false breaks the rule.
    #[schemars(length(min = 1, max = MAX_EXPRESSION), regex(pattern = r"\S"))]
    pub expression: String,
    /// What the user is told. Absent: `failed expression: ` and the expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^[^\n\r]*\S[^\n\r]*$"))]
    pub message: Option<String>,
    /// An expression that gives what the user is told. Absent, failing or empty: the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_EXPRESSION), regex(pattern = r"\S"))]
    pub message_expression: Option<String>,
    /// The reason in the status of a refusal. Absent: Invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<StatusReason>,
}

/// The reason in the status of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StatusReason {
    /// Status 403.
    Forbidden,
    /// Status 422.
    Invalid,
    /// Status 413.
    RequestEntityTooLarge,
}

/// A change made to the object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.patchType == 'ApplyConfiguration' ? has(self.applyConfiguration) && !has(self.jsonPatch) : has(self.jsonPatch) && !has(self.applyConfiguration)",
    "message": "exactly the member that patchType names must be given",
}]))]
pub struct Mutation {
    /// Which of the two members is given.
    pub patch_type: PatchType,
    /// Fields merged into the object. Absent: see jsonPatch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply_configuration: Option<PatchExpression>,
    /// Operations on the object. Absent: see applyConfiguration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_patch: Option<PatchExpression>,
}

/// How a mutation is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PatchType {
    /// An `Object{…}` that is merged.
    ApplyConfiguration,
    /// A list of `JSONPatch{…}` operations.
    #[serde(rename = "JSONPatch")]
    JsonPatch,
}

/// The expression of a mutation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatchExpression {
    /// An expression that gives the patch.
    #[schemars(length(min = 1, max = MAX_EXPRESSION), regex(pattern = r"\S"))]
    pub expression: String,
}

/// An entry for the audit log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditAnnotation {
    /// The entry is `<policy>/<key>`.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")
    )]
    pub key: String,
    /// An expression that gives the text, or null for no entry.
    #[schemars(length(min = 1, max = 5120), regex(pattern = r"\S"))]
    pub value_expression: String,
}

/// What happens when an expression fails to evaluate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FailurePolicy {
    /// The rule counts as broken.
    #[default]
    Fail,
    /// The rule counts as kept.
    Ignore,
}

/// Whether a mutating policy runs again after others changed the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReinvocationPolicy {
    /// It runs once.
    Never,
    /// It may run once more.
    IfNeeded,
}

/// A kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindReference {
    /// `version` or `group/version`.
    #[schemars(length(min = 1, max = 317), regex(pattern = API_VERSION))]
    pub api_version: String,
    /// The kind.
    #[schemars(length(min = 1, max = 63), regex(pattern = KIND))]
    pub kind: String,
}

/// Parameter objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.name) != has(self.selector)",
    "message": "exactly one of name and selector is needed",
}]))]
pub struct ParamRef {
    /// One object by name. Absent: see selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub name: Option<String>,
    /// Objects by their labels; empty for all. Absent: see name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Their namespace. Absent: that of the request, for kinds that live in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAMESPACE))]
    pub namespace: Option<String>,
    /// What happens when there is no such object.
    pub parameter_not_found_action: ParameterNotFoundAction,
}

/// What happens when there is no parameter object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ParameterNotFoundAction {
    /// The policy says nothing.
    Allow,
    /// As failurePolicy has it.
    Deny,
}

/// What a broken rule leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ValidationAction {
    /// The request is refused.
    Deny,
    /// The user sees a warning.
    Warn,
    /// The audit log and the reports show it.
    Audit,
}

/// How bad a broken rule is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Small.
    Low,
    /// Medium.
    #[default]
    Medium,
    /// High.
    High,
    /// As bad as can be.
    Critical,
}

/// Whether the policy is in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxPolicyStatus {
    /// The generation that the conditions speak of. Absent: none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// `Ready`: the policy compiles and is in force; otherwise its message gives the position of the first mistake.
    /// Absent: not looked at yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "condition_list")]
    pub conditions: Option<Vec<Condition>>,
}
