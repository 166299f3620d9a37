//! A suite's fields.

use regex::RegexBuilder;

use crate::model::fields::Field;
use crate::model::json::Json;
use crate::model::request::Operation;

use super::super::diagnostic::Origin;
use super::{
    Case, Expect, Expected, ExpectedFinding, ObjectOrigin, ObjectSource, ProfileSource,
    RequestSource, Suite,
};

/// Octets of a compiled pattern: messages are short, and so is what is looked for in them.
const MAX_PATTERN: usize = 1 << 20;

pub fn suite(root: &Field<'_>, origin: &Origin) -> Suite {
    let _ = root.object(&[
        "apiVersion",
        "kind",
        "metadata",
        "policies",
        "profiles",
        "profile",
        "bases",
        "cases",
    ]);
    let cases = root.key("cases");
    if cases.items().is_empty() {
        cases.fail("at least one case is required");
    }
    let bases = root.key("bases");
    let bases = bases.value().and_then(Json::as_object);
    Suite {
        origin: origin.clone(),
        policies: if root.key("policies").is_set() {
            strings(&root.key("policies"))
        } else {
            vec![".".to_owned()]
        },
        profiles: root
            .key("profiles")
            .items()
            .iter()
            .filter_map(profile)
            .collect(),
        profile: root.key("profile").text().map(str::to_owned),
        bases: bases
            .into_iter()
            .flat_map(|map| map.iter())
            .map(|(name, object)| (name.to_owned(), object.to_owned_json()))
            .collect(),
        cases: cases
            .items()
            .iter()
            .map(|field| case(field, origin))
            .collect(),
    }
}

fn strings(field: &Field<'_>) -> Vec<String> {
    field.texts().into_iter().map(str::to_owned).collect()
}

fn profile(field: &Field<'_>) -> Option<ProfileSource> {
    match field.value()? {
        Json::String(path) => Some(ProfileSource::File(path.to_string())),
        object @ Json::Object(_) => Some(ProfileSource::Object(object.to_owned_json())),
        _ => {
            field.fail("expected a path or a profile");
            None
        }
    }
}

fn case(field: &Field<'_>, origin: &Origin) -> Case {
    let _ = field.object(&[
        "name",
        "profile",
        "policies",
        "object",
        "oldObject",
        "request",
        "namespaceLabels",
        "expect",
    ]);
    let policies = field.key("policies");
    let (new, old) = (field.key("object"), field.key("oldObject"));
    if !new.is_set() && !old.is_set() {
        new.fail("an object or an oldObject is required");
    }
    let labels = field.key("namespaceLabels");
    let labels = labels.value().and_then(Json::as_object);
    let labels = labels.into_iter().flat_map(|map| map.iter());
    Case {
        name: field
            .key("name")
            .required_text()
            .unwrap_or_default()
            .to_owned(),
        position: origin.position(field.path()),
        profile: field.key("profile").text().map(str::to_owned),
        policies: policies.is_set().then(|| strings(&policies)),
        object: object(&new),
        old_object: object(&old),
        request: request(&field.key("request")),
        namespace_labels: labels
            .filter_map(|(key, value)| Some((key.to_owned(), value.as_str()?.to_owned())))
            .collect(),
        expect: expect(&field.key("expect")),
    }
}

fn object(field: &Field<'_>) -> Option<ObjectSource> {
    let value = field.value()?;
    let (base, file) = (field.key("base"), field.key("file"));
    if !base.is_set() && !file.is_set() {
        return Some(ObjectSource {
            origin: ObjectOrigin::Inline(value.to_owned_json()),
            remove: Vec::new(),
            set: Vec::new(),
        });
    }
    let _ = field.object(&["base", "file", "set", "remove"]);
    let origin = match (base.text(), file.text()) {
        (Some(base), None) => ObjectOrigin::Base(base.to_owned()),
        (None, Some(file)) => ObjectOrigin::File(file.to_owned()),
        _ => {
            field.fail("expected either a base or a file");
            return None;
        }
    };
    Some(ObjectSource {
        origin,
        remove: strings(&field.key("remove")),
        set: pairs(&field.key("set")),
    })
}

/// Values by JSON pointer, in order of the pointers.
fn pairs(field: &Field<'_>) -> Vec<(String, Json<'static>)> {
    if field.is_set() && field.value().and_then(Json::as_object).is_none() {
        field.fail("expected values by JSON pointer");
    }
    let map = field.value().and_then(Json::as_object);
    let entries = map.into_iter().flat_map(|map| map.iter());
    entries
        .map(|(pointer, value)| {
            if !pointer.starts_with('/') {
                field
                    .key(pointer)
                    .fail("expected a JSON pointer, which starts with /");
            }
            (pointer.to_owned(), value.to_owned_json())
        })
        .collect()
}

fn request(field: &Field<'_>) -> RequestSource {
    let _ = field.object(&["operation", "subResource", "user", "options"]);
    let operations = [
        ("CREATE", Operation::Create),
        ("UPDATE", Operation::Update),
        ("DELETE", Operation::Delete),
        ("CONNECT", Operation::Connect),
    ];
    let user = field.key("user");
    let _ = user.object(&["username", "groups"]);
    RequestSource {
        operation: field.key("operation").word(&operations),
        sub_resource: field.key("subResource").text().map(str::to_owned),
        username: user.key("username").text().unwrap_or_default().to_owned(),
        groups: strings(&user.key("groups")),
        options: field
            .key("options")
            .value()
            .map_or(Json::Null, Json::to_owned_json),
    }
}

fn expect(field: &Field<'_>) -> Expect {
    let _ = field.object(&["verdict", "findings", "mutated", "unchanged", "patch"]);
    let words = [
        ("allow", Expected::Allow),
        ("deny", Expected::Deny),
        ("warn", Expected::Warn),
        ("audit", Expected::Audit),
    ];
    let verdict = field.key("verdict");
    if !verdict.is_set() {
        verdict.fail("a value is required: allow, deny, warn or audit");
    }
    let known = verdict.word(&words);
    let expected = known.unwrap_or(Expected::Allow);
    let findings = field.key("findings");
    for key in ["mutated", "unchanged", "patch"] {
        if known.is_some_and(|one| one != Expected::Allow) && field.key(key).is_set() {
            field.key(key).fail("goes with verdict allow only");
        }
    }
    if known == Some(Expected::Allow) && findings.is_set() {
        findings.fail("goes with verdicts deny, warn and audit only");
    }
    let unchanged = field.key("unchanged");
    let patch = field.key("patch");
    if patch.is_set() {
        for step in patch.items() {
            let _ = step.object(&["op", "path", "from", "value"]);
            let _ = step.key("op").required_text();
            let _ = step.key("path").text();
        }
    }
    Expect {
        verdict: expected,
        findings: findings
            .is_set()
            .then(|| findings.items().iter().map(finding).collect()),
        mutated: pairs(&field.key("mutated")),
        unchanged: unchanged.value().and_then(Json::as_bool).unwrap_or(false),
        patch: patch.value().map(Json::to_owned_json),
    }
}

fn finding(field: &Field<'_>) -> ExpectedFinding {
    let _ = field.object(&["policy", "rule", "contains", "matches"]);
    let text = |key: &str| {
        field
            .key(key)
            .required_text()
            .unwrap_or_default()
            .to_owned()
    };
    ExpectedFinding {
        policy: text("policy"),
        rule: text("rule"),
        contains: field.key("contains").text().map(str::to_owned),
        matches: pattern(&field.key("matches")),
    }
}

fn pattern(field: &Field<'_>) -> Option<regex::Regex> {
    let built = RegexBuilder::new(field.text()?)
        .size_limit(MAX_PATTERN)
        .build();
    match built {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            // The last line says what is wrong; those before it draw the pattern again.
            let text = error.to_string();
            let why = text.lines().last().unwrap_or_default();
            let why = why.strip_prefix("error: ").unwrap_or(why);
            field.fail(format!("not a regular expression: {why}"));
            None
        }
    }
}
