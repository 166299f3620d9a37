//! Why policies say what they say about one request: what matched, what was evaluated, what came out and what it cost.

use serde::Serialize;

/// One policy with one of its bindings and parameters, as far as it got with a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// Policy name.
    pub policy: String,
    /// Whether it changes objects.
    pub mutates: bool,
    /// Binding name; absent when no binding was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<String>,
    /// Parameter object, `namespace/name` or `name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    /// Whether its rules were evaluated.
    pub matched: bool,
    /// Why not, or what kept it from being evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Match conditions, as far as they were evaluated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Step>,
    /// Variables that something asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Step>,
    /// Validations or mutations, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Step>,
    /// Cost of conditions and rules with all that they asked for, without messages.
    pub cost: u64,
}

/// One expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Name of the condition, variable or rule; the place in its list without one.
    pub name: String,
    /// What came out, as JSON, shortened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Why nothing came out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its cost; of rules with the variables that they were the first to ask for.
    pub cost: u64,
}
