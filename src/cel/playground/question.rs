//! Requests of conformance suites: one expression with everything that it is tried with, as a JSON object.

use super::Setting;
use crate::cel::lib::authz::table::Table;
use crate::cel::value::Value;
use crate::model::fields::{Field, FieldError, FieldErrors};
use crate::model::json::Json;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Question<'j> {
    /// What is asked.
    pub(super) expression: &'j str,
    /// What with.
    pub(super) setting: Setting<'j>,
}

/// Reads a request; what it says is added to `base`. Members that have no meaning here are left alone: suites keep notes
/// beside their cases.
///
/// # Errors
/// Every mistake, with its field.
pub(super) fn read<'j>(
    document: &'j Json<'j>,
    base: &Setting<'j>,
) -> Result<Question<'j>, Vec<FieldError>> {
    let errors = FieldErrors::default();
    let mut setting = base.clone();
    let expression = document.str_at(&["expression"]);
    fill(&mut setting, document, &errors);
    let errors = errors.into_vec();
    match expression {
        Some(expression) if errors.is_empty() => Ok(Question {
            expression,
            setting,
        }),
        _ => Err(errors),
    }
}

fn fill<'j>(setting: &mut Setting<'j>, document: &'j Json<'j>, errors: &FieldErrors) {
    // Errors live shorter than the document: members are read from it, mistakes are recorded by path.
    let root = Field::root(document, errors);
    if document.as_object().is_none() {
        root.fail("expected an object with expression and variables");
        return;
    }
    let expression = root.key("expression");
    if !expression.is_set() {
        expression.fail("a value is required");
    }
    let _ = expression.text();
    values(setting, document, &root, "variables", |value| {
        Ok(Value::from(value))
    });
    values(setting, document, &root, "typedVariables", |value| {
        Value::from_typed(value)
    });
    if let Some(container) = root.key("container").text() {
        setting.container(container);
    }
    let mutation = root.key("mutation");
    match mutation.value() {
        None | Some(Json::Bool(false)) => {}
        Some(Json::Bool(true)) => setting.allow_mutation(),
        Some(_) => mutation.fail("expected true or false"),
    }
    for variable in root.key("policyVariables").items() {
        let _ = variable.object(&["name", "expression"]);
        let name = variable.key("name");
        let pair = (
            name.required_text(),
            variable.key("expression").required_text(),
        );
        if let (Some(text), Some(expression)) = pair
            && let Err(rule) = setting.policy_variable(text, expression)
        {
            name.fail(rule);
        }
    }
    let authorizer = root.key("authorizer");
    if let Some(table) = authorizer.value() {
        match Table::read(table) {
            Ok(table) => setting.authorize(table),
            Err(mistakes) => mistakes.into_iter().for_each(|mistake| {
                let mut path = authorizer.path().clone();
                path.0.extend(mistake.path.0);
                errors.push(path, mistake.message);
            }),
        }
    }
}

/// Values of variables below `key`.
fn values<'j>(
    setting: &mut Setting<'j>,
    document: &'j Json<'j>,
    root: &Field<'_>,
    key: &str,
    value_of: impl Fn(&'j Json<'j>) -> Result<Value<'j>, String>,
) {
    let field = root.key(key);
    match document.get(key) {
        None | Some(Json::Null) => {}
        Some(Json::Object(map)) => {
            for (name, value) in map.iter() {
                let set = value_of(value).and_then(|value| setting.set(name, value));
                if let Err(mistake) = set {
                    field.key(name).fail(mistake);
                }
            }
        }
        Some(_) => field.fail("expected an object of values by name"),
    }
}
