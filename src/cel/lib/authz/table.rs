//! Answers from a table, where no cluster can be asked: written like the rules of RBAC, with the answer beside them.

use super::{Access, Attributes, Authorizer, Decision};
use crate::model::fields::{Field, FieldError, FieldErrors};
use crate::model::json::Json;

/// What an entry or list without a say matches: anything.
const ANY: &str = "*";

/// An [`Authorizer`] that knows all its answers. The first rule that matches a question answers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    rules: Vec<Rule>,
    /// The answer where no rule matches.
    otherwise: Decision,
}

/// Which questions one answer is for; an absent list matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rule {
    users: Option<Vec<String>>,
    groups: Option<Vec<String>>,
    verbs: Option<Vec<String>>,
    api_groups: Option<Vec<String>>,
    resources: Option<Vec<String>>,
    names: Option<Vec<String>>,
    namespaces: Option<Vec<String>>,
    paths: Option<Vec<String>>,
    answer: Decision,
}

/// Whether an answer allows.
#[derive(Clone, Copy, PartialEq)]
enum Word {
    Allow,
    Deny,
}

const WORDS: [(&str, Word); 3] = [
    ("allow", Word::Allow),
    ("deny", Word::Deny),
    ("noOpinion", Word::Deny),
];

/// Members of an answer.
const ANSWER: [&str; 3] = ["decision", "reason", "error"];

impl Table {
    /// Reads a table: `rules`, and beside them the `decision`, `reason` and `error` for questions that no rule matches.
    ///
    /// # Errors
    /// Every mistake, with its field.
    pub fn read(document: &Json<'_>) -> Result<Self, Vec<FieldError>> {
        let errors = FieldErrors::default();
        let table = {
            let root = Field::root(document, &errors);
            if !root.object(&["rules", ANSWER[0], ANSWER[1], ANSWER[2]]) && !root.is_set() {
                root.fail("expected an object with rules, found null");
            }
            Self {
                rules: root.key("rules").items().iter().map(rule).collect(),
                otherwise: answer(&root, Word::Deny),
            }
        };
        let errors = errors.into_vec();
        if errors.is_empty() {
            Ok(table)
        } else {
            Err(errors)
        }
    }
}

impl Authorizer for Table {
    fn check(&self, attributes: &Attributes) -> Decision {
        let rule = self.rules.iter().find(|rule| rule.matches(attributes));
        rule.map_or(&self.otherwise, |rule| &rule.answer).clone()
    }
}

fn rule(field: &Field<'_>) -> Rule {
    if !field.is_set() {
        field.fail("expected an object, found null");
    }
    let _ = field.object(&[
        "users",
        "groups",
        "verbs",
        "apiGroups",
        "resources",
        "resourceNames",
        "namespaces",
        "nonResourceURLs",
        ANSWER[0],
        ANSWER[1],
        ANSWER[2],
    ]);
    let list = |key: &str| {
        let field = field.key(key);
        field
            .is_set()
            .then(|| field.texts().into_iter().map(str::to_owned).collect())
    };
    Rule {
        users: list("users"),
        groups: list("groups"),
        verbs: list("verbs"),
        api_groups: list("apiGroups"),
        resources: list("resources"),
        names: list("resourceNames"),
        namespaces: list("namespaces"),
        paths: list("nonResourceURLs"),
        answer: answer(field, Word::Allow),
    }
}

fn answer(field: &Field<'_>, default: Word) -> Decision {
    let word = field.key(ANSWER[0]).word(&WORDS).unwrap_or(default);
    Decision {
        allowed: word == Word::Allow,
        reason: field.key(ANSWER[1]).text().unwrap_or_default().to_owned(),
        error: field.key(ANSWER[2]).text().map(str::to_owned),
    }
}

impl Rule {
    fn matches(&self, attributes: &Attributes) -> bool {
        let user = &attributes.user;
        listed(&self.users, &user.name)
            && listed(&self.verbs, &attributes.verb)
            && self
                .groups
                .as_ref()
                .is_none_or(|known| user.groups.iter().any(|group| lists(known, group)))
            && match &attributes.access {
                Access::Path(path) => self.about_resources().is_none() && self.covers(path),
                Access::Resource(access) => {
                    self.paths.is_none()
                        && listed(&self.api_groups, &access.group)
                        && listed(&self.names, &access.name)
                        && listed(&self.namespaces, &access.namespace)
                        && self.resources.as_ref().is_none_or(|known| {
                            known
                                .iter()
                                .any(|entry| names(entry, &access.resource, &access.subresource))
                        })
                }
            }
    }

    /// A list that only resources can be in.
    fn about_resources(&self) -> Option<&Vec<String>> {
        let lists = [
            &self.api_groups,
            &self.resources,
            &self.names,
            &self.namespaces,
        ];
        lists.into_iter().find_map(Option::as_ref)
    }

    /// Whether a path is listed, by itself or by its beginning (`/healthz/*`).
    fn covers(&self, path: &str) -> bool {
        self.paths.as_ref().is_none_or(|known| {
            known.iter().any(|entry| match entry.strip_suffix('*') {
                Some(prefix) => path.starts_with(prefix),
                None => entry == path,
            })
        })
    }
}

fn listed(known: &Option<Vec<String>>, text: &str) -> bool {
    known.as_ref().is_none_or(|known| lists(known, text))
}

fn lists(known: &[String], text: &str) -> bool {
    known.iter().any(|entry| entry == ANY || entry == text)
}

/// Whether an entry of `resources` names this resource: `*`, `pods`, `pods/exec`, `pods/*`, `*/exec`.
fn names(entry: &str, resource: &str, subresource: &str) -> bool {
    if entry == ANY {
        return true;
    }
    let (first, second) = entry.split_once('/').unwrap_or((entry, ""));
    (first == ANY || first == resource) && (second == ANY || second == subresource)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cel::lib::authz::{ResourceAccess, User};
    use std::sync::Arc;

    fn table(text: &str) -> Result<Table, Vec<String>> {
        let json = Json::parse(text).expect("JSON");
        Table::read(&json).map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    fn ask(table: &Table, verb: &str, access: Access) -> (bool, String, Option<String>) {
        let user = User {
            name: "ann".to_owned(),
            groups: vec!["dev".to_owned()],
            ..User::default()
        };
        let decision = table.check(&Attributes {
            user: Arc::new(user),
            verb: verb.to_owned(),
            access,
        });
        (decision.allowed, decision.reason, decision.error)
    }

    fn pods(subresource: &str, namespace: &str) -> Access {
        Access::Resource(ResourceAccess {
            resource: "pods".to_owned(),
            subresource: subresource.to_owned(),
            namespace: namespace.to_owned(),
            ..ResourceAccess::default()
        })
    }

    #[test]
    fn the_first_matching_rule_answers() {
        let table = table(
            r#"{
              "reason": "by default",
              "rules": [
                {"users": ["bob"]},
                {"groups": ["ops"]},
                {"verbs": ["get"], "resources": ["pods", "pods/log"], "namespaces": ["a"], "reason": "one"},
                {"verbs": ["create"], "resources": ["*/exec"], "apiGroups": [""], "decision": "deny", "reason": "two"},
                {"nonResourceURLs": ["/healthz", "/metrics/*"], "decision": "allow"},
                {"verbs": ["*"], "resourceNames": ["x"], "decision": "noOpinion", "error": "broken"}
              ]}"#,
        )
        .expect("a table");
        let allowed = (true, "one".to_owned(), None);
        let default = (false, "by default".to_owned(), None);
        assert_eq!(ask(&table, "get", pods("", "a")), allowed);
        assert_eq!(ask(&table, "get", pods("log", "a")), allowed);
        assert_eq!(ask(&table, "get", pods("status", "a")), default);
        assert_eq!(ask(&table, "get", pods("", "b")), default);
        assert_eq!(
            ask(&table, "create", pods("exec", "b")),
            (false, "two".to_owned(), None)
        );
        let path = |path: &str| ask(&table, "get", Access::Path(path.to_owned()));
        assert_eq!(path("/healthz"), (true, String::new(), None));
        assert_eq!(path("/metrics/a"), (true, String::new(), None));
        assert_eq!(path("/healthz/a"), default);
        let named = Access::Resource(ResourceAccess {
            name: "x".to_owned(),
            ..ResourceAccess::default()
        });
        let broken = (false, String::new(), Some("broken".to_owned()));
        assert_eq!(ask(&table, "watch", named), broken);
    }

    #[test]
    fn mistakes_are_named_with_their_fields() {
        assert_eq!(
            table(
                r#"{"rule": [], "decision": "yes", "rules": [null, {"Verbs": 1, "verbs": "get"}]}"#
            ),
            Err(vec![
                r#"rule: unknown field, did you mean "rules"?"#.to_owned(),
                "rules[0]: expected an object, found null".to_owned(),
                "rules[1].Verbs: unknown field, did you mean \"verbs\"?".to_owned(),
                "rules[1].verbs: expected a list, found a string".to_owned(),
                "decision: expected one of \"allow\", \"deny\", \"noOpinion\", found \"yes\""
                    .to_owned(),
            ])
        );
        assert_eq!(
            table("null"),
            Err(vec!["expected an object with rules, found null".to_owned()])
        );
        assert_eq!(
            table("[]"),
            Err(vec!["expected an object, found a list".to_owned()])
        );
    }
}
