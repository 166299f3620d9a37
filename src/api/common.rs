//! Shapes that several of our own kinds share, with the schema that the API server enforces.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Group of our own kinds.
pub const GROUP: &str = "sandfence.dev";
/// Version of our own kinds.
pub const VERSION: &str = "v1alpha1";

/// A label key: an optional DNS prefix and a name.
pub(crate) const LABEL_KEY: &str =
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";
/// A label value: empty, or a name.
pub(crate) const LABEL_VALUE: &str = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";
/// An object name: lower case DNS labels joined by dots.
pub(crate) const OBJECT_NAME: &str =
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A namespace name: one DNS label.
pub(crate) const NAMESPACE: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// `version` or `group/version`.
pub(crate) const API_VERSION: &str =
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[a-z]([-a-z0-9]*[a-z0-9])?$";
/// A kind: a DNS label once lower-cased.
pub(crate) const KIND: &str = r"^[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?$";
/// A name usable in a CEL expression.
pub(crate) const IDENTIFIER: &str = r"^[_a-zA-Z][_a-zA-Z0-9]*$";

/// Chooses objects by their labels; an empty selector chooses every object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels that must be present with exactly these values. Absent: no such condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        schema_with = "label_map",
        extend("maxProperties" = 32)
    )]
    pub match_labels: Option<BTreeMap<String, String>>,
    /// Conditions on labels, all of which must hold. Absent: no such condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Option<Vec<LabelRequirement>>,
}

/// One condition on a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",
    "message": "In and NotIn need values; Exists and DoesNotExist take none",
    "fieldPath": ".values",
}]))]
pub struct LabelRequirement {
    /// The label.
    #[schemars(length(min = 1, max = 317), regex(pattern = LABEL_KEY))]
    pub key: String,
    /// How the label is compared.
    pub operator: LabelOperator,
    /// What the label is compared with: at least one value for In and NotIn, none otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 64),
        inner(length(max = 63), regex(pattern = LABEL_VALUE)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub values: Option<Vec<String>>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LabelOperator {
    /// The label has one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// The schema of a label map, value rules included (key rules need an expression; the API server has none for keys).
pub(crate) fn label_map(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": { "type": "string", "maxLength": 63, "pattern": LABEL_VALUE },
    })
}

/// The schema of a quantity: `500m`, `2`, `1Gi`; positive.
pub(crate) fn positive_quantity(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "x-kubernetes-int-or-string": true,
        "pattern": super::openapi::QUANTITY_PATTERN,
        "maxLength": 32,
        "x-kubernetes-validations": [{
            "rule": "type(self) == int ? self > 0 : quantity(self).isGreaterThan(quantity('0'))",
            "message": "must be more than zero",
        }],
    })
}
