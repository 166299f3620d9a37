//! Label selectors: strict reading and matching.

use super::fields::Field;
use super::json::{Json, Map};
use super::names;

/// Which labels a thing must carry. Empty matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// `matchLabels`, sorted by key.
    pub labels: Vec<(String, String)>,
    /// `matchExpressions`, in order.
    pub expressions: Vec<Requirement>,
}

/// One entry of `matchExpressions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Label key.
    pub key: String,
    /// How the value is tested.
    pub operator: Operator,
    /// For `In` and `NotIn`.
    pub values: Vec<String>,
}

/// How a label's value is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Present with one of the values.
    In,
    /// Absent, or present with another value.
    NotIn,
    /// Present.
    Exists,
    /// Absent.
    DoesNotExist,
}

const OPERATORS: [(&str, Operator); 4] = [
    ("In", Operator::In),
    ("NotIn", Operator::NotIn),
    ("Exists", Operator::Exists),
    ("DoesNotExist", Operator::DoesNotExist),
];

impl LabelSelector {
    /// Reads and checks a selector; absent gives the empty one. Mistakes are recorded in the field.
    #[must_use]
    pub fn read(field: &Field<'_>) -> Self {
        if !field.object(&["matchLabels", "matchExpressions"]) {
            return Self::default();
        }
        let expressions = field.key("matchExpressions").items();
        Self {
            labels: read_labels(&field.key("matchLabels")),
            expressions: expressions.iter().filter_map(Requirement::read).collect(),
        }
    }

    /// Whether it matches everything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.expressions.is_empty()
    }

    /// Whether these labels satisfy it; `None` stands for no labels.
    #[must_use]
    pub fn matches(&self, labels: Option<&Map<'_>>) -> bool {
        let value = |key: &str| {
            labels
                .and_then(|labels| labels.get(key))
                .and_then(Json::as_str)
        };
        self.labels
            .iter()
            .all(|(key, wanted)| value(key) == Some(wanted))
            && self.expressions.iter().all(|requirement| {
                let found = value(&requirement.key);
                let listed =
                    found.is_some_and(|found| requirement.values.iter().any(|v| v == found));
                match requirement.operator {
                    Operator::In => listed,
                    Operator::NotIn => !listed,
                    Operator::Exists => found.is_some(),
                    Operator::DoesNotExist => found.is_none(),
                }
            })
    }

    /// As written in a manifest.
    #[must_use]
    pub fn to_json(&self) -> Json<'static> {
        let mut out = Map::new();
        if !self.labels.is_empty() {
            let labels = self.labels.iter();
            let labels: Map<'static> = labels
                .map(|(key, value)| (key.clone(), Json::from(value.clone())))
                .collect();
            out.insert("matchLabels", Json::Object(labels));
        }
        if !self.expressions.is_empty() {
            let expressions = self.expressions.iter().map(Requirement::to_json).collect();
            out.insert("matchExpressions", Json::Array(expressions));
        }
        Json::Object(out)
    }
}

impl Requirement {
    fn read(field: &Field<'_>) -> Option<Self> {
        if !field.object(&["key", "operator", "values"]) {
            return None;
        }
        let key = field.key("key");
        let name = key.required_text();
        if let Some(name) = name {
            key.check(name, names::qualified);
        }
        let operator = field.key("operator");
        let Some(meaning) = operator.word(&OPERATORS) else {
            if operator.text().is_none_or(str::is_empty) {
                operator.fail("a value is required");
            }
            return None;
        };
        let values = field.key("values");
        let listed = values.texts();
        match (meaning, listed.is_empty()) {
            (Operator::In | Operator::NotIn, true) => {
                values.fail("operators In and NotIn need at least one value");
            }
            (Operator::Exists | Operator::DoesNotExist, false) => {
                values.fail("operators Exists and DoesNotExist take no values");
            }
            _ => {}
        }
        for item in values.items() {
            if let Some(text) = item.value().and_then(Json::as_str) {
                item.check(text, names::label_value);
            }
        }
        Some(Self {
            key: name?.to_owned(),
            operator: meaning,
            values: listed.into_iter().map(str::to_owned).collect(),
        })
    }

    fn to_json(&self) -> Json<'static> {
        let operator = OPERATORS
            .iter()
            .find(|(_, operator)| *operator == self.operator)
            .map_or("", |(word, _)| *word);
        let mut out: Map<'static> = [
            ("key", Json::from(self.key.clone())),
            ("operator", Json::from(operator)),
        ]
        .into_iter()
        .collect();
        if !self.values.is_empty() {
            let values = self.values.iter().cloned().map(Json::from).collect();
            out.insert("values", Json::Array(values));
        }
        Json::Object(out)
    }
}

fn read_labels(field: &Field<'_>) -> Vec<(String, String)> {
    let map = match field.value() {
        None => return Vec::new(),
        Some(Json::Object(map)) => map,
        Some(_) => {
            field.fail("expected an object of label values");
            return Vec::new();
        }
    };
    let mut out = Vec::with_capacity(map.len());
    for (key, _) in map.iter() {
        let value = field.key(key);
        value.check(key, names::qualified);
        match value.value().map(Json::as_str) {
            Some(Some(text)) => {
                value.check(text, names::label_value);
                out.push((key.to_owned(), text.to_owned()));
            }
            _ => value.fail("expected a string"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fields::FieldErrors;

    fn read(text: &str) -> (LabelSelector, Vec<String>) {
        let document = Json::parse(text).expect("valid");
        let errors = FieldErrors::default();
        let selector = LabelSelector::read(&Field::root(&document, &errors));
        let errors = errors.into_vec().iter().map(ToString::to_string).collect();
        (selector, errors)
    }

    #[test]
    fn operators_match_as_in_kubernetes() {
        let labels = Json::parse(r#"{"a":"1","b":""}"#).expect("valid");
        let labels = labels.as_object();
        let cases = [
            (r#"{}"#, true, true),
            (r#"{"matchLabels":{"a":"1"}}"#, true, false),
            (r#"{"matchLabels":{"a":"2"}}"#, false, false),
            (
                r#"{"matchExpressions":[{"key":"a","operator":"In","values":["1","2"]}]}"#,
                true,
                false,
            ),
            (
                r#"{"matchExpressions":[{"key":"a","operator":"NotIn","values":["1"]}]}"#,
                false,
                true,
            ),
            (
                r#"{"matchExpressions":[{"key":"c","operator":"NotIn","values":["1"]}]}"#,
                true,
                true,
            ),
            (
                r#"{"matchExpressions":[{"key":"b","operator":"Exists"}]}"#,
                true,
                false,
            ),
            (
                r#"{"matchExpressions":[{"key":"c","operator":"DoesNotExist"}]}"#,
                true,
                true,
            ),
            (
                r#"{"matchLabels":{"a":"1"},"matchExpressions":[{"key":"b","operator":"DoesNotExist"}]}"#,
                false,
                false,
            ),
        ];
        for (text, with_labels, without) in cases {
            let (selector, errors) = read(text);
            assert_eq!(errors, Vec::<String>::new(), "{text}");
            assert_eq!(selector.matches(labels), with_labels, "{text}");
            assert_eq!(selector.matches(None), without, "{text}");
            assert_eq!(
                selector.to_json().to_string(),
                Json::parse(text).expect("valid").to_string()
            );
        }
    }

    #[test]
    fn mistakes_are_refused_with_their_place() {
        let (_, errors) = read(
            r#"{"matchLabels":{"-":"a","k":"b c","n":1},"matchExpressions":[{"key":"a","operator":"in"},{"operator":"In","values":[]},{"key":"a","operator":"Exists","values":["x"]},{"key":"a","operator":"In","values":["-"]},{"key":"a"}],"x":1}"#,
        );
        let got: Vec<&str> = errors
            .iter()
            .map(|error| error.split(" must be").next().unwrap_or(error))
            .collect();
        assert_eq!(
            got,
            [
                "x: unknown field",
                "matchLabels.-: \"-\"",
                "matchLabels.k: \"b c\"",
                "matchLabels.n: expected a string",
                "matchExpressions[0].operator: expected one of \"In\", \"NotIn\", \"Exists\", \"DoesNotExist\", found \"in\", did you mean \"In\"?",
                "matchExpressions[1].key: a value is required",
                "matchExpressions[1].values: operators In and NotIn need at least one value",
                "matchExpressions[2].values: operators Exists and DoesNotExist take no values",
                "matchExpressions[3].values[0]: \"-\"",
                "matchExpressions[4].operator: a value is required",
            ]
        );
    }
}
