//! What the fuzz targets do with their input: one function a target, named like it.
//!
//! Each must return for every input, within the limits of the library, and asserts what holds of every result.
//! `tests/fuzz_corpus.rs` runs them over the corpus and over mutations of it.

#![allow(dead_code, reason = "each fuzz target uses one function")]

use sandfence::cel::env::Env;
use sandfence::cel::lib::regex::{compile_data, find_all_with};
use sandfence::cel::parse;
use sandfence::cel::playground::{Answer, Form, Setting, batch};
use sandfence::cel::source::CompileError;
use sandfence::cel::value::{Str, Value};
use sandfence::model::json::Json;
use sandfence::model::patch::{self, Op, Operation};
use sandfence::model::quantity::Quantity;
use sandfence::model::yaml;
use sandfence::model::yaml_out::to_yaml;
use sandfence::policy::diagnostic::Sourced;
use sandfence::policy::judge::judge;
use sandfence::policy::mutate::mutate;
use sandfence::policy::set::{Set, Settings};
use sandfence::webhook::decode::decode;

/// A function of this file.
pub type Body = fn(&[u8]);

/// Every target.
pub const ALL: [(&str, Body); 10] = [
    ("parse", parse),
    ("check", check),
    ("evaluate", evaluate),
    ("question", question),
    ("policy", policy),
    ("review", review),
    ("yaml", yaml),
    ("patch", patch),
    ("quantity", quantity),
    ("regex", regex),
];

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// The parser alone: a tree, or errors that can be printed.
pub fn parse(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Err(error) = parse::parse(text) {
        printable(&error);
    }
}

fn printable(error: &CompileError) {
    assert!(!error.issues.is_empty(), "an error without an issue");
    assert!(!error.to_string().is_empty());
}

/// Parser, checker and planner: a program, or errors with hints that can be printed.
pub fn check(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let env = Env::admission().params().authorizer().mutation().build();
    if let Err(error) = env.compile(text) {
        printable(&error);
        for issue in &error.issues {
            let _ = env.hints(&error, issue);
        }
    }
}

/// All of the engine: the same answer twice, in every form; typed values read back as they were written.
pub fn evaluate(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let object = Json::parse(OBJECT).unwrap_or(Json::Null);
    let mut setting = Setting::default();
    setting.allow_mutation();
    for (name, value) in [
        ("object", Value::from(&object)),
        ("x", Value::Int(5)),
        ("s", Value::from("hello")),
        ("l", Value::list((1..4).map(Value::Int).collect())),
        ("t", Value::Bool(true)),
    ] {
        setting.set(name, value).expect("a name");
    }
    let typed = setting.answer(text, Form::Typed);
    assert_eq!(typed, setting.answer(text, Form::Typed), "{text}");
    let _ = setting.answer(text, Form::Literal);
    let _ = setting.answer(text, Form::Plain);
    let Answer::Evaluated {
        outcome: Ok(value), ..
    } = typed
    else {
        return;
    };
    let written = Json::from(value);
    if let Ok(read) = Value::from_typed(&written) {
        assert_eq!(read.to_typed(), written, "{text}");
    }
}

/// What expressions of the target `evaluate` see as `object`.
const OBJECT: &str = r#"{
    "apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": "p", "namespace": "n", "labels": {"a": "b"}, "generation": 3},
    "spec": {"containers": [{"name": "a", "image": "x/y:1"}, {"name": "b", "ports": [80, 443]}], "ratio": 0.5, "n": null}
}"#;

/// One line of `sandfence eval --batch`: an answer that is JSON, or none to a blank line.
pub fn question(data: &[u8]) {
    let Some(reply) = batch::reply(1, data, &Setting::default(), Form::Typed) else {
        return;
    };
    assert!(!reply.text.contains('\n'));
    let parsed: Result<serde_json::Value, _> = serde_json::from_str(&reply.text);
    assert!(
        parsed.is_ok_and(|answer| answer.is_object()),
        "{}",
        reply.text
    );
}

/// Policy files: a set, or diagnostics that can be printed.
pub fn policy(data: &[u8]) {
    let Some(text) = text(data) else { return };
    match Sourced::read("input.yaml", text) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(objects) => {
            if let Err(diagnostics) = Set::build(objects, &Settings::default()) {
                assert!(!diagnostics.is_empty(), "refused without a reason");
                assert!(diagnostics.iter().all(|one| !one.to_string().is_empty()));
            }
        }
    }
}

/// Reviews as the webhook reads them, judged by the packs.
pub fn review(data: &[u8]) {
    use std::sync::LazyLock;
    static PACKS: LazyLock<Set> = LazyLock::new(|| {
        let objects = sandfence::policy::packs::FILES
            .iter()
            .flat_map(|(name, text)| Sourced::read(name, text).expect("a shipped file"));
        Set::build(objects.collect(), &Settings::default()).expect("shipped policies")
    });
    if let Ok(request) = decode(data) {
        let _ = mutate(&PACKS, &request);
        let _ = judge(&PACKS, &request);
    }
}

/// YAML and JSON manifests: what was read is written and read back as the same.
pub fn yaml(data: &[u8]) {
    let Some(text) = text(data) else { return };
    match yaml::read("input.yaml", text) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(documents) => {
            for document in documents {
                let written = to_yaml(&document.value);
                let again = yaml::read("output.yaml", &written);
                let again: Vec<_> = again
                    .unwrap_or_else(|error| panic!("{error}\n{written}"))
                    .into_iter()
                    .map(|document| document.value)
                    .collect();
                assert_eq!(again, [document.value], "{written}");
            }
        }
    }
}

/// A JSON list of a document, another one, and a patch: the difference of the two makes one the other, and the patch
/// applies or is refused.
pub fn patch(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Ok(Json::Array(parts)) = Json::parse(text) else {
        return;
    };
    let [old, new, operations] = parts.as_slice() else {
        return;
    };
    // Patches replace a whole document by another object or list only.
    if matches!(
        (old, new),
        (
            Json::Object(_) | Json::Array(_),
            Json::Object(_) | Json::Array(_)
        )
    ) {
        difference(old.to_owned_json(), new.to_owned_json());
    }
    let old = old.to_owned_json();
    let operations = operations.as_array().unwrap_or_default();
    let operations: Vec<Operation> = operations.iter().filter_map(operation).collect();
    let _ = patch::apply(&old, &operations);
}

fn difference(old: Json<'static>, new: Json<'static>) {
    let operations = patch::diff(&old, &new);
    assert_eq!(patch::apply(&old, &operations), Ok(new), "of {old}");
}

fn operation(json: &Json<'_>) -> Option<Operation> {
    Some(Operation {
        op: Op::named(json.str_at(&["op"])?)?,
        path: json.str_at(&["path"])?.to_owned(),
        from: json.str_at(&["from"]).map(str::to_owned),
        value: json.get("value").map(Json::to_owned_json),
    })
}

/// Quantities: the text of a quantity is a quantity of the same value.
pub fn quantity(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let (first, second) = text.split_once(' ').unwrap_or((text, "1"));
    let Ok(quantity) = Quantity::parse(first) else {
        return;
    };
    let again = Quantity::parse(&quantity.to_string());
    assert!(
        again.is_ok_and(|again| again == quantity),
        "{first}: {quantity}"
    );
    let _ = quantity.as_approximate_float();
    if let Ok(other) = Quantity::parse(second) {
        let _ = quantity.add(&other);
        let _ = quantity.sub(&other);
        assert_eq!(
            quantity.cmp(&other),
            other.cmp(&quantity).reverse(),
            "{text}"
        );
    }
}

/// Patterns of Go's syntax, translated, compiled and searched with.
pub fn regex(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let (pattern, subject) = text.split_once('\n').unwrap_or((text, text));
    match compile_data(pattern) {
        Err(error) => assert!(error.starts_with("error parsing regexp: "), "{error}"),
        Ok(regex) => {
            let _ = find_all_with(&regex, &Str::Borrowed(subject), 100);
        }
    }
}
