use super::super::testing::{Case, check, cost};
use super::*;

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("charAt", r#"["aé😀", 1]"#, Ok(r#""é""#)),
    ("charAt", r#"["aé😀", 2]"#, Ok(r#""😀""#)),
    ("charAt", r#"["aé😀", 3]"#, Ok(r#""""#)),
    ("charAt", r#"["aé😀", 4]"#, Err("index out of range: 4")),
    ("charAt", r#"["abc", -1]"#, Err("index out of range: -1")),
    ("charAt", r#"["", 0]"#, Ok(r#""""#)),
    ("indexOf", r#"["tacocat", "ac"]"#, Ok("1")),
    ("indexOf", r#"["éaéa", "a"]"#, Ok("1")),
    ("indexOf", r#"["éaéa", "a", 2]"#, Ok("3")),
    ("indexOf", r#"["abc", "c", -1]"#, Err("index out of range: -1")),
    ("indexOf", r#"["abc", "", -1]"#, Ok("-1")),
    ("indexOf", r#"["abc", "", 99]"#, Ok("99")),
    ("indexOf", r#"["abc", ""]"#, Ok("0")),
    ("indexOf", r#"["abc", "abc", 3]"#, Ok("-1")),
    ("indexOf", r#"["abc", "c", 3]"#, Ok("-1")),
    ("indexOf", r#"["abc", "c", 100]"#, Ok("-1")),
    ("indexOf", r#"["abc", "d"]"#, Ok("-1")),
    ("lastIndexOf", r#"["abcabc", "abc"]"#, Ok("3")),
    ("lastIndexOf", r#"["abcabc", "abc", 2]"#, Ok("0")),
    ("lastIndexOf", r#"["abcabc", "abc", 3]"#, Ok("3")),
    ("lastIndexOf", r#"["éaéa", "é", 1]"#, Ok("0")),
    ("lastIndexOf", r#"["abc", "c", 1]"#, Ok("-1")),
    ("lastIndexOf", r#"["abc", "c", 3]"#, Ok("-1")),
    ("lastIndexOf", r#"["abc", "c", -1]"#, Err("index out of range: -1")),
    ("lastIndexOf", r#"["abc", "", -5]"#, Ok("-5")),
    ("lastIndexOf", r#"["éab", ""]"#, Ok("3")),
    ("lastIndexOf", r#"["abc", "abcd"]"#, Ok("-1")),
    ("lastIndexOf", r#"["éa", "éab"]"#, Ok("-1")),
    ("lastIndexOf", r#"["a", "ab", 0]"#, Ok("-1")),
    ("lastIndexOf", r#"["", "a"]"#, Ok("-1")),
    ("join", r#"[[]]"#, Ok(r#""""#)),
    ("join", r#"[["a", "b"]]"#, Ok(r#""ab""#)),
    ("join", r#"[["a", "b", ""], ", "]"#, Ok(r#""a, b, ""#)),
    ("join", r#"[[1]]"#, Err("no such overload: join(list)")),
    ("join", r#"[[1], ","]"#, Err("no such overload: join(list, string)")),
    ("join", r#"[["a", 1]]"#, Err("join: invalid input: 1")),
    ("join", r#"[["a", null]]"#, Err("join: invalid input: 0")),
    ("join", r#"[["a", 1.5]]"#, Err("join: invalid input: 1.5")),
    ("join", r#"[["a", true]]"#, Err("join: invalid input: true")),
    ("join", r#"[["a", [1, "b"]]]"#, Err("join: invalid input: [1, b]")),
    ("join", r#"[["a", {"b": 1, "c": [2.5]}]]"#, Err("join: invalid input: {b: 1, c: [2.5]}")),
    ("lowerAscii", r#"["AbÆZ"]"#, Ok(r#""abÆz""#)),
    ("upperAscii", r#"["aBæz"]"#, Ok(r#""ABæZ""#)),
    ("upperAscii", r#"[""]"#, Ok(r#""""#)),
    ("replace", r#"["aaa", "a", "b"]"#, Ok(r#""bbb""#)),
    ("replace", r#"["aaa", "a", "b", 2]"#, Ok(r#""bba""#)),
    ("replace", r#"["aaa", "a", "", -1]"#, Ok(r#""""#)),
    ("replace", r#"["aaa", "a", "b", 0]"#, Ok(r#""aaa""#)),
    ("replace", r#"["aéc", "", "-"]"#, Ok(r#""-a-é-c-""#)),
    ("replace", r#"["abc", "", "-", 2]"#, Ok(r#""-a-bc""#)),
    ("replace", r#"["", "", "x"]"#, Ok(r#""x""#)),
    ("replace", r#"["abc", "d", "x"]"#, Ok(r#""abc""#)),
    ("split", r#"["a,b,c", ","]"#, Ok(r#"["a", "b", "c"]"#)),
    ("split", r#"[",a,", ","]"#, Ok(r#"["", "a", ""]"#)),
    ("split", r#"["a,b,c", ",", 0]"#, Ok("[]")),
    ("split", r#"["a,b,c", ",", 1]"#, Ok(r#"["a,b,c"]"#)),
    ("split", r#"["a,b,c", ",", 2]"#, Ok(r#"["a", "b,c"]"#)),
    ("split", r#"["a,b,c", ",", 9]"#, Ok(r#"["a", "b", "c"]"#)),
    ("split", r#"["a,b,c", ",", -1]"#, Ok(r#"["a", "b", "c"]"#)),
    ("split", r#"["aéc", ""]"#, Ok(r#"["a", "é", "c"]"#)),
    ("split", r#"["aéc", "", 2]"#, Ok(r#"["a", "éc"]"#)),
    ("split", r#"["abc", "", 5]"#, Ok(r#"["a", "b", "c"]"#)),
    ("split", r#"["", ""]"#, Ok("[]")),
    ("split", r#"["", ","]"#, Ok(r#"[""]"#)),
    ("substring", r#"["aé😀d", 1]"#, Ok(r#""é😀d""#)),
    ("substring", r#"["aé😀d", 1, 3]"#, Ok(r#""é😀""#)),
    ("substring", r#"["abc", 3]"#, Ok(r#""""#)),
    ("substring", r#"["abc", 4]"#, Err("index out of range: 4")),
    ("substring", r#"["abc", -1]"#, Err("index out of range: -1")),
    ("substring", r#"["abc", 2, 1]"#, Err("invalid substring range. start: 2, end: 1")),
    ("substring", r#"["abc", -1, 2]"#, Err("index out of range: -1")),
    ("substring", r#"["abc", 1, 4]"#, Err("index out of range: 4")),
    ("substring", r#"["abc", 5, 9]"#, Err("index out of range: 5")),
    ("trim", r#"["\t  \u00a0\u2003 a b \u0085\n"]"#, Ok(r#""a b""#)),
    ("trim", r#"["\u1680x\ufeff"]"#, Ok("\"x\\u{feff}\"")),
    ("trim", r#"["\u200bx"]"#, Ok("\"\\u{200b}x\"")),
    ("trim", r#"["  "]"#, Ok(r#""""#)),
    ("strings.quote", r#"["a\"b\\\u0007\b\f\n\r\t\u000b'`é"]"#, Ok(r#""\"a\\\"b\\\\\\a\\b\\f\\n\\r\\t\\v'`é\"""#)),
    ("strings.quote", r#"["\u0001"]"#, Ok(r#""\"\u{1}\"""#)),
    ("jsonpatch.escapeKey", r#"["k8s.io/my~label~1"]"#, Ok(r#""k8s.io~1my~0label~01""#)),
];

#[test]
fn text_functions_behave_as_in_the_api_server() {
    check(FUNCTIONS, CASES);
}

#[test]
fn results_cannot_grow_without_bound() {
    let long = "a".repeat(5_000);
    let args = [
        Value::from(long.clone()),
        Value::from(""),
        Value::from(long),
    ];
    assert_eq!(replace(&args).err(), Some(EvalError::CostExceeded));
    let parts = vec![Value::from("a"); 5_000];
    let args = [Value::list(parts), Value::from("b".repeat(5_000))];
    assert_eq!(join(&args).err(), Some(EvalError::CostExceeded));
}

#[test]
fn borrowed_texts_are_cut_without_copies() {
    let text = "a,b";
    let split = split(&[Value::from(text), Value::from(",")]).unwrap();
    let Value::List(list) = split else {
        panic!("not a list")
    };
    assert!(matches!(
        list.get(1),
        Some(Value::String(Str::Borrowed("b")))
    ));
}

#[test]
fn costs_follow_the_sizes() {
    let text = |count: usize| Value::from("é".repeat(count));
    // Code points count for everything but the search for a text, which counts octets and rounds down.
    let cases: &[(&str, Vec<Value<'_>>, u64)] = &[
        ("charAt", vec![text(99), Value::Int(1)], 1),
        ("indexOf", vec![text(19), text(1)], 3),
        ("lastIndexOf", vec![text(4), text(1)], 0),
        ("lowerAscii", vec![text(21)], 3),
        ("upperAscii", vec![text(20)], 2),
        ("trim", vec![text(0)], 0),
        ("substring", vec![text(21), Value::Int(20)], 3),
        ("replace", vec![text(21), text(1), text(100)], 5),
        ("split", vec![text(20), text(1)], 4),
        ("join", vec![Value::list(vec![text(10), text(11)])], 5),
        ("strings.quote", vec![text(1)], 1),
        ("jsonpatch.escapeKey", vec![text(11)], 2),
    ];
    for (name, args, expected) in cases {
        assert_eq!(cost(FUNCTIONS, name, args), *expected, "{name}");
    }
}
