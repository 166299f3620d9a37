use super::super::testing::{Case, call, check, cost, show};
use super::super::{sets, sorting};
use super::*;
use crate::cel::value::Timestamp;
use crate::model::quantity::Quantity;

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("isSorted", "[[]]", Ok("true")),
    ("isSorted", "[[1, 1, 2.5, 3]]", Ok("true")),
    ("isSorted", "[[1, 3, 2]]", Ok("false")),
    ("isSorted", r#"[["a", "b", "B"]]"#, Ok("false")),
    ("isSorted", "[[false, true]]", Ok("true")),
    // What cannot be compared is not out of order.
    ("isSorted", r#"[[1, "x"]]"#, Ok("true")),
    ("isSorted", "[[[1]]]", Err("no such overload: isSorted(list)")),
    ("isSorted", "[[1, [1]]]", Err("no such overload")),
    ("isSorted", "[[null]]", Err("no such overload: isSorted(list)")),
    ("sum", "[[]]", Ok("0")),
    ("sum", "[[1, 2, 3]]", Ok("6")),
    ("sum", "[[1.5, 2.5]]", Ok("4.0")),
    ("sum", "[[1.5, 2]]", Err("no such overload")),
    ("sum", r#"[[1, "x"]]"#, Err("no such overload")),
    ("sum", r#"[["x"]]"#, Err("no such overload: sum(list)")),
    ("sum", "[[9223372036854775807, 1]]", Err("integer overflow")),
    ("min", "[[]]", Err("min called on empty list")),
    ("max", "[[]]", Err("max called on empty list")),
    ("min", "[[3, 1, 2]]", Ok("1")),
    ("max", "[[3, 1, 2.5]]", Ok("3")),
    ("max", "[[1, 1.5]]", Ok("1.5")),
    ("min", "[[2.0, 1]]", Ok("1")),
    ("max", r#"[[1, "x"]]"#, Ok("1")),
    ("max", r#"[["a", "ab", "B"]]"#, Ok(r#""ab""#)),
    ("min", "[[{}]]", Err("no such overload: min(list)")),
    ("indexOf", "[[1, 2, 2.0, 3], 2]", Ok("1")),
    ("lastIndexOf", "[[1, 2, 2.0, 3], 2]", Ok("2")),
    ("indexOf", r#"[[1, "x"], "x"]"#, Ok("1")),
    ("indexOf", r#"[[1, 2], "x"]"#, Ok("-1")),
    ("lastIndexOf", "[[], 1]", Ok("-1")),
    ("indexOf", r#"[[[1], {"a": 1, "b": 2}], {"b": 2.0, "a": 1}]"#, Ok("1")),
    ("slice", "[[1, 2, 3], 1, 2]", Ok("[2]")),
    ("slice", "[[1, 2, 3], 3, 3]", Ok("[]")),
    ("slice", "[[1, 2, 3], -1, 1]", Err("cannot slice(-1, 1), negative indexes not supported")),
    ("slice", "[[1, 2, 3], 0, -1]", Err("cannot slice(0, -1), negative indexes not supported")),
    ("slice", "[[1, 2, 3], 2, 1]", Err("cannot slice(2, 1), start index must be less than or equal to end index")),
    ("slice", "[[1, 2, 3], 0, 9]", Err("cannot slice(0, 9), list is length 3")),
    ("flatten", "[[1, [2, [3]], []]]", Ok("[1, 2, [3]]")),
    ("flatten", "[[1, [2, [3, [4]]]], 2]", Ok("[1, 2, 3, [4]]")),
    ("flatten", "[[1, [2]], 0]", Ok("[1, [2]]")),
    ("flatten", "[[[[[[1]]]]], 9223372036854775807]", Ok("[1]")),
    ("flatten", "[[1], -1]", Err("level must be non-negative")),
    ("distinct", r#"[[1, 1.0, "x", "x", [1], [1.0], null, null]]"#, Ok(r#"[1, "x", [1], null]"#)),
    ("distinct", "[[]]", Ok("[]")),
    ("reverse", "[[1, 2, 3]]", Ok("[3, 2, 1]")),
    ("lists.range", "[3]", Ok("[0, 1, 2]")),
    ("lists.range", "[0]", Ok("[]")),
    ("lists.range", "[-3]", Ok("[]")),
    ("lists.range", "[9223372036854775807]", Err("operation cancelled: actual cost limit exceeded")),
    ("first", "[[]]", Ok("optional.none()")),
    ("first", "[[1, 2]]", Ok("optional(1)")),
    ("last", "[[1, 2]]", Ok("optional(2)")),
    ("last", "[[]]", Ok("optional.none()")),
    ("unwrapOpt", "[[1]]", Err("no such overload: unwrapOpt(list)")),
    ("optional.unwrap", "[[]]", Ok("[]")),
];

#[rustfmt::skip]
const SORT_CASES: &[Case] = &[
    ("sort", "[[]]", Ok("[]")),
    ("sort", "[[3, 1, 2]]", Ok("[1, 2, 3]")),
    ("sort", r#"[["b", "a", "ä", "B"]]"#, Ok(r#"["B", "a", "b", "ä"]"#)),
    ("sort", "[[[1], [2]]]", Err("list elements must be comparable")),
    ("sort", r#"[[1, "x"]]"#, Err("list elements must have the same type")),
    ("sort", "[[1, 1.5]]", Err("list elements must have the same type")),
    ("sort", "[[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]]", Ok("[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]")),
    ("@sortByAssociatedKeys", r#"[["foo", "bar", "baz"], [3, 1, 2]]"#, Ok(r#"["bar", "baz", "foo"]"#)),
    ("@sortByAssociatedKeys", r#"[[{"a": 1}, 2], [2, 1]]"#, Ok(r#"[2, {"a": 1}]"#)),
    ("@sortByAssociatedKeys", "[[1], [1, 2]]", Err("@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got 1 and 2 elements respectively")),
    // Equal keys keep their order, also beyond the length where insertion is used.
    ("@sortByAssociatedKeys", "[[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13], [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0]]", Ok("[1, 3, 5, 7, 9, 11, 13, 0, 2, 4, 6, 8, 10, 12]")),
];

#[rustfmt::skip]
const SET_CASES: &[Case] = &[
    ("sets.contains", "[[1, 2], [1.0, 1]]", Ok("true")),
    ("sets.contains", "[[1], []]", Ok("true")),
    ("sets.contains", "[[], [1]]", Ok("false")),
    ("sets.equivalent", "[[1, 1], [1]]", Ok("true")),
    ("sets.equivalent", "[[1, 2], [1]]", Ok("false")),
    ("sets.equivalent", "[[], []]", Ok("true")),
    ("sets.intersects", "[[1], []]", Ok("false")),
    ("sets.intersects", "[[1, 2], [3, 2]]", Ok("true")),
    ("sets.intersects", r#"[[1], ["x", null]]"#, Ok("false")),
];

#[test]
fn list_functions_behave_as_in_the_api_server() {
    check(FUNCTIONS, CASES);
    check(sorting::FUNCTIONS, SORT_CASES);
    check(sets::FUNCTIONS, SET_CASES);
}

#[test]
fn types_that_json_has_not_work_too() {
    let list = |items: Vec<Value<'static>>| [Value::list(items)];
    let run = |name, items| {
        call(FUNCTIONS, name, &list(items))
            .map(|value| show(&value))
            .map_err(|error| error.to_string())
    };
    let quantity = |text| Value::opaque(Quantity::parse(text).unwrap());
    let at = |seconds| {
        Value::Timestamp(Timestamp {
            seconds,
            ..Timestamp::default()
        })
    };
    assert_eq!(
        run("sum", vec![Value::Uint(u64::MAX), Value::Uint(1)]),
        Err("unsigned integer overflow".into())
    );
    assert_eq!(
        run("sum", vec![Value::Duration(1), Value::Duration(2)]),
        Ok("3ns".into())
    );
    assert_eq!(
        run("sum", vec![Value::Duration(i64::MAX), Value::Duration(2)]),
        Err("integer overflow".into())
    );
    assert_eq!(
        run("max", vec![at(0), at(1)]),
        Ok("1970-01-01 00:00:01 +0000 UTC".into())
    );
    assert_eq!(
        run(
            "isSorted",
            vec![
                Value::Bytes([2][..].into()),
                Value::Bytes([1, 2][..].into())
            ]
        ),
        Ok("false".into())
    );
    assert_eq!(
        run("min", vec![Value::Double(f64::NAN), Value::Double(1.0)]),
        Ok("NaN".into())
    );
    assert_eq!(
        run(
            "distinct",
            vec![quantity("1"), quantity("1000m"), Value::Int(1)]
        ),
        Ok("[1, 1]".into())
    );
    assert_eq!(
        run(
            "unwrapOpt",
            vec![Value::some(Value::Int(1)), Value::Optional(None)]
        ),
        Ok("[1]".into())
    );
    assert_eq!(
        run("unwrapOpt", vec![Value::some(Value::Int(1)), Value::Int(2)]),
        Err("value 2 is not optional".into())
    );
    let args = [Value::list(vec![quantity("1")]), quantity("1000m")];
    assert_eq!(show(&call(FUNCTIONS, "indexOf", &args).unwrap()), "0");
    // Elements that are in no order at all do not upset the sorting.
    let mixed: Vec<Value<'_>> = (0..64)
        .map(|n| {
            Value::Double(if n % 3 == 0 {
                f64::NAN
            } else {
                f64::from(64 - n)
            })
        })
        .collect();
    let sorted = call(sorting::FUNCTIONS, "sort", &list(mixed)).unwrap();
    assert_eq!(sorted.cost_size(), 64);
}

#[test]
fn empty_lists_sum_to_the_zero_of_their_overload() {
    let sums = FUNCTIONS
        .iter()
        .find(|function| function.name == "sum")
        .unwrap();
    let zeros: Vec<String> = sums
        .overloads
        .iter()
        .map(|overload| show(&(overload.call)(&[Value::list(vec![])]).unwrap()))
        .collect();
    assert_eq!(zeros, ["0", "0u", "0.0", "0s"]);
}

#[test]
fn costs_follow_the_sizes() {
    let ints = |count: i64| Value::list((0..count).map(Value::Int).collect());
    let texts = |count: usize| Value::list(vec![Value::from("0123456789"); count]);
    let cases: &[(&str, Vec<Value<'_>>, u64)] = &[
        ("isSorted", vec![ints(7)], 7),
        ("max", vec![texts(7)], 7),
        ("sum", vec![ints(0)], 0),
        ("indexOf", vec![texts(3), Value::Int(1)], 3),
        ("slice", vec![ints(9), Value::Int(1), Value::Int(3)], 13),
        ("lists.range", vec![Value::Int(3)], 14),
        ("reverse", vec![ints(3)], 14),
        ("flatten", vec![ints(3)], 14),
        ("flatten", vec![ints(3), Value::Int(2)], 17),
        ("distinct", vec![ints(3)], 29),
        ("distinct", vec![texts(2)], 19),
        ("first", vec![ints(3)], 1),
    ];
    for (name, args, expected) in cases {
        assert_eq!(cost(FUNCTIONS, name, args), *expected, "{name}");
    }
    assert_eq!(cost(sorting::FUNCTIONS, "sort", &[ints(3)]), 29);
    assert_eq!(
        cost(
            sorting::FUNCTIONS,
            "@sortByAssociatedKeys",
            &[ints(2), texts(2)]
        ),
        19
    );
    assert_eq!(
        cost(sets::FUNCTIONS, "sets.contains", &[ints(3), ints(2)]),
        7
    );
    assert_eq!(
        cost(sets::FUNCTIONS, "sets.equivalent", &[ints(3), ints(2)]),
        13
    );
}

#[test]
fn quadratic_work_is_refused_before_it_is_done() {
    let many = Value::list((0..100_000).map(Value::Int).collect());
    assert_eq!(
        call(FUNCTIONS, "distinct", std::slice::from_ref(&many)).err(),
        Some(EvalError::CostExceeded)
    );
    assert_eq!(
        call(sets::FUNCTIONS, "sets.contains", &[many.clone(), many]).err(),
        Some(EvalError::CostExceeded)
    );
}
