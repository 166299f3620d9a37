use std::sync::Mutex;

use super::super::testing::{call, cost, show};
use super::*;

/// Answers by a fixed rule and remembers the questions.
#[derive(Debug, Default)]
struct Rule {
    asked: Mutex<Vec<Attributes>>,
}

impl Authorizer for Rule {
    fn check(&self, attributes: &Attributes) -> Decision {
        self.asked.lock().unwrap().push(attributes.clone());
        Decision {
            allowed: attributes.verb == "get",
            reason: "by rule".to_owned(),
            error: (attributes.verb == "break").then(|| "no connection".to_owned()),
        }
    }
}

fn setup() -> (Arc<Rule>, AuthorizerValue) {
    let rule = Arc::new(Rule::default());
    let user = User {
        name: "jane".to_owned(),
        ..User::default()
    };
    (rule.clone(), AuthorizerValue::new(Arc::new(user), rule))
}

/// A method and its texts.
type Step = (&'static str, &'static [&'static str]);

/// Calls methods one after the other.
fn chain(start: &AuthorizerValue, calls: &[Step]) -> Result<Value<'static>, String> {
    let mut value = Value::opaque(start.clone());
    for (name, texts) in calls {
        let mut args = vec![value];
        args.extend(texts.iter().map(|text| Value::from(*text)));
        value = call(FUNCTIONS, name, &args).map_err(|error| error.to_string())?;
    }
    Ok(value)
}

#[test]
fn a_path_is_asked_for_as_written() {
    let (rule, authorizer) = setup();
    let decision = chain(&authorizer, &[("path", &["/healthz"]), ("check", &["get"])]).unwrap();
    assert_eq!(
        show(&call(FUNCTIONS, "allowed", &[decision]).unwrap()),
        "true"
    );
    let asked = rule.asked.lock().unwrap();
    assert_eq!(
        asked[..],
        [Attributes {
            user: authorizer.user.clone(),
            verb: "get".to_owned(),
            access: Access::Path("/healthz".to_owned()),
        }]
    );
}

#[test]
fn a_resource_is_narrowed_step_by_step() {
    let (rule, authorizer) = setup();
    let steps: &[Step] = &[
        ("serviceAccount", &["ns", "builder.one"]),
        ("group", &["apps"]),
        ("resource", &["deployments"]),
        ("subresource", &["scale"]),
        ("namespace", &["prod"]),
        ("name", &["web"]),
        ("fieldSelector", &["metadata.name=web"]),
        ("labelSelector", &["not a selector ="]),
        ("check", &["update"]),
    ];
    chain(&authorizer, steps).unwrap();
    let asked = rule.asked.lock().unwrap();
    assert_eq!(
        asked[..],
        [Attributes {
            user: Arc::new(User {
                name: "system:serviceaccount:ns:builder.one".to_owned(),
                groups: vec![
                    "system:serviceaccounts".to_owned(),
                    "system:serviceaccounts:ns".to_owned()
                ],
                ..User::default()
            }),
            verb: "update".to_owned(),
            access: Access::Resource(ResourceAccess {
                group: "apps".to_owned(),
                resource: "deployments".to_owned(),
                subresource: "scale".to_owned(),
                namespace: "prod".to_owned(),
                name: "web".to_owned(),
                field_selector: "metadata.name=web".to_owned(),
                label_selector: "not a selector =".to_owned(),
            }),
        }]
    );
}

#[test]
fn the_resource_of_the_request_can_be_narrowed() {
    let (rule, authorizer) = setup();
    let access = ResourceAccess {
        resource: "pods".to_owned(),
        namespace: "prod".to_owned(),
        ..ResourceAccess::default()
    };
    let check = Value::opaque(authorizer.request_resource(access.clone()));
    let named = call(FUNCTIONS, "name", &[check, Value::from("web")]).unwrap();
    call(FUNCTIONS, "check", &[named, Value::from("delete")]).unwrap();
    let expected = Access::Resource(ResourceAccess {
        name: "web".to_owned(),
        ..access
    });
    assert_eq!(rule.asked.lock().unwrap()[0].access, expected);
}

#[test]
fn decisions_tell_what_was_answered() {
    let (_, authorizer) = setup();
    let cases: [(&'static [&'static str], [&str; 4]); 3] = [
        (&["get"], ["true", r#""by rule""#, "false", r#""""#]),
        (&["list"], ["false", r#""by rule""#, "false", r#""""#]),
        (
            &["break"],
            ["false", r#""by rule""#, "true", r#""no connection""#],
        ),
    ];
    for (verb, expected) in cases {
        let decision = chain(&authorizer, &[("path", &["/"]), ("check", verb)]).unwrap();
        let told = ["allowed", "reason", "errored", "error"]
            .map(|name| show(&call(FUNCTIONS, name, std::slice::from_ref(&decision)).unwrap()));
        assert_eq!(told, expected, "{verb:?}");
    }
}

#[test]
fn bad_steps_are_refused() {
    let (rule, authorizer) = setup();
    let cases: &[(&[Step], &str)] = &[
        (&[("path", &[""])], "path must not be empty"),
        (&[("path", &[" \t"])], "path must not be empty"),
        (
            &[("group", &[""]), ("resource", &[" "])],
            "resource must not be empty",
        ),
        (
            &[("serviceAccount", &["ns", "Sa"])],
            "Invalid service account name",
        ),
        (
            &[("serviceAccount", &["ns.x", "sa"])],
            "Invalid service account namespace",
        ),
        (
            &[("serviceAccount", &["ns.x", "Sa"])],
            "Invalid service account name",
        ),
    ];
    for (steps, expected) in cases {
        assert_eq!(
            chain(&authorizer, steps).err().as_deref(),
            Some(*expected),
            "{steps:?}"
        );
    }
    assert!(rule.asked.lock().unwrap().is_empty());
}

#[test]
fn no_two_values_compare() {
    let (_, authorizer) = setup();
    let group = chain(&authorizer, &[("group", &["apps"])]).unwrap();
    assert_eq!(group.equals(&group), Err(EvalError::NoSuchOverload));
}

#[test]
fn checks_and_selectors_are_dear() {
    let (_, authorizer) = setup();
    let pods = chain(&authorizer, &[("group", &[""]), ("resource", &["pods"])]).unwrap();
    assert_eq!(
        cost(FUNCTIONS, "check", &[pods.clone(), Value::from("get")]),
        350_000
    );
    assert_eq!(
        cost(FUNCTIONS, "name", &[pods.clone(), Value::from("web")]),
        1
    );
    assert_eq!(
        cost(
            FUNCTIONS,
            "labelSelector",
            &[pods.clone(), Value::from("a=b")]
        ),
        111
    );
    assert_eq!(
        cost(FUNCTIONS, "fieldSelector", &[pods, Value::from("")]),
        10
    );
}
