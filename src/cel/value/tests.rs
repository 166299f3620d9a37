//! Forms of values, maps with numeric keys, joined lists, and values that are too large.

use std::sync::Arc;

use super::{EvalError, List, Map, Struct, Timestamp, Value};
use crate::model::json::Json;

fn map<'a>(entries: Vec<(Value<'a>, Value<'a>)>) -> Value<'a> {
    Value::Map(Map::from_entries(entries))
}

#[test]
fn values_stay_small() {
    assert!(size_of::<Value<'_>>() <= 32);
    assert!(size_of::<Result<Value<'_>, EvalError>>() <= 40);
}

#[test]
fn json_follows_protobuf() {
    let rows = [
        (Value::Int(9_007_199_254_740_991), "9007199254740991"),
        (Value::Int(9_007_199_254_740_992), "\"9007199254740992\""),
        (Value::Uint(u64::MAX), "\"18446744073709551615\""),
        (Value::Double(2.0), "2"),
        (Value::Double(2.5), "2.5"),
        (Value::Bytes(b"abc".as_slice().into()), "\"YWJj\""),
        (Value::Duration(1_500_000_000), "\"1.5s\""),
        (
            Value::Timestamp(Timestamp::default()),
            "\"1970-01-01T00:00:00Z\"",
        ),
        (Value::some(Value::Null), "null"),
        (
            Value::list(vec![Value::Bool(true), Value::from("x")]),
            "[true,\"x\"]",
        ),
        (
            map(vec![
                (Value::from("b"), Value::Int(1)),
                (Value::from("a"), Value::Null),
            ]),
            r#"{"a":null,"b":1}"#,
        ),
    ];
    for (value, expected) in rows {
        let json = value.to_json().map(|json| json.to_string());
        assert_eq!(json.as_deref(), Ok(expected), "{value:?}");
    }
    for value in [
        Value::Double(f64::NAN),
        Value::Optional(None),
        map(vec![(Value::Int(1), Value::Null)]),
    ] {
        assert!(value.to_json().is_err(), "{value:?}");
    }
}

#[test]
fn integers_of_apply_configurations_stay_integers() {
    let object = Value::Struct(Arc::new(Struct {
        name: "Object".into(),
        fields: vec![("n".into(), Value::Int(i64::MAX))],
    }));
    let expected = r#"{"n":9223372036854775807}"#;
    for json in [object.to_unstructured(), object.to_json()] {
        assert_eq!(json.map(|json| json.to_string()).as_deref(), Ok(expected));
    }
}

#[test]
fn numeric_keys_are_found_across_types() {
    let Value::Map(found) = map(vec![
        (Value::Int(1), Value::from("int")),
        (Value::Uint(2), Value::from("uint")),
    ]) else {
        panic!("a map")
    };
    let rows = [
        (Value::Int(1), Some("int")),
        (Value::Uint(1), Some("int")),
        (Value::Double(1.0), Some("int")),
        (Value::Int(2), Some("uint")),
        (Value::Double(2.0), Some("uint")),
        (Value::Double(1.5), None),
        (Value::from("1"), None),
        (Value::Double(f64::NAN), None),
    ];
    for (key, expected) in rows {
        let value = found.find(&key);
        assert_eq!(value.as_ref().and_then(Value::as_str), expected, "{key:?}");
    }
}

#[test]
fn the_last_of_equal_keys_wins_and_entries_are_sorted() {
    let value = map(vec![
        (Value::from("b"), Value::Int(1)),
        (Value::from("a"), Value::Int(2)),
        (Value::from("b"), Value::Int(3)),
    ]);
    assert_eq!(
        value.to_json().map(|json| json.to_string()).as_deref(),
        Ok(r#"{"a":2,"b":3}"#)
    );
}

#[test]
fn joined_lists_read_like_one() {
    let numbers = |from: i64, to: i64| List::Made(Arc::new((from..to).map(Value::Int).collect()));
    let mut list = numbers(0, 200);
    for start in 1..300 {
        list = list
            .joined(&numbers(start * 200, start * 200 + 200))
            .expect("affordable");
    }
    assert_eq!(list.len(), 60_000);
    assert!(
        list.iter()
            .enumerate()
            .all(|(at, value)| value.as_int() == i64::try_from(at).ok())
    );
    assert!(list.get(60_000).is_none());
}

#[test]
fn lists_that_nobody_can_read_are_refused() {
    let mut list = List::Made(Arc::new(vec![Value::Null; 1_000]));
    let refused = (0..64).find_map(|_| match list.joined(&list) {
        Ok(joined) => {
            list = joined;
            None
        }
        Err(error) => Some(error),
    });
    assert_eq!(refused, Some(EvalError::CostExceeded));
}

#[test]
fn values_that_share_their_parts_are_compared_and_written_within_bounds() {
    let mut value = Value::Int(1);
    for _ in 0..200 {
        value = Value::list(vec![value.clone(), value]);
    }
    assert_eq!(value.equals(&value.clone()), Err(EvalError::CostExceeded));
    assert!(value.to_json().is_err());
    assert!(crate::cel::lib::standard::key_text(&value).len() < 100_000);
}

#[test]
fn deep_documents_are_compared_on_any_stack() {
    let nested =
        |leaf: i64| (0..50_000).fold(Value::Int(leaf), |inner, _| Value::list(vec![inner]));
    let (a, b) = (nested(1), nested(2));
    assert_eq!(a.equals(&b), Ok(false));
    // Dropping nests as deep as the value; the values of the language do not get this deep.
    std::mem::forget((a, b));
}

#[test]
fn typed_form_is_read_back() {
    let text = r#"{"type":"list","value":[{"type":"int","value":"1"},{"type":"uint","value":"1"},
        {"type":"double","value":"NaN"},{"type":"bytes","value":"YQ=="},
        {"type":"optional_type","value":{"type":"null_type","value":null}},
        {"type":"map","value":[[{"type":"string","value":"k"},{"type":"google.protobuf.Duration","value":"90s"}]]}]}"#;
    let json = Json::parse(text).unwrap();
    let value = Value::from_typed(&json).expect("valid");
    assert_eq!(value.to_typed(), json.to_owned_json());
    let wrong = Json::parse(r#"{"type":"int","value":1}"#).unwrap();
    assert_eq!(
        Value::from_typed(&wrong).err().as_deref(),
        Some("expected the value of a int, found 1")
    );
}
