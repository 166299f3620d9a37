use super::*;
use crate::model::path::FieldPath;

fn values(text: &str) -> Vec<String> {
    read("in.yaml", text)
        .expect("valid")
        .iter()
        .map(|document| document.value.to_string())
        .collect()
}

fn one(text: &str) -> Document {
    let mut documents = read("in.yaml", text).expect("valid");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

fn error(text: &str) -> String {
    read("in.yaml", text).expect_err("invalid").to_string()
}

/// `a.b[0].c` without quoting.
fn path(text: &str) -> FieldPath {
    let mut out = FieldPath::root();
    for part in text.split('.').filter(|part| !part.is_empty()) {
        let (key, rest) = part.split_once('[').unwrap_or((part, ""));
        out = out.key(key);
        for index in rest.split(['[', ']']).filter(|part| !part.is_empty()) {
            out = out.index(index.parse().expect("index"));
        }
    }
    out
}

fn at(line: u32, column: u32) -> Position {
    Position { line, column }
}

#[test]
fn plain_scalars_resolve_as_in_the_go_library() {
    let cases = [
        ("y", "true"),
        ("Yes", "true"),
        ("on", "true"),
        ("OFF", "false"),
        ("No", "false"),
        ("tRue", "\"tRue\""),
        ("~", "null"),
        ("Null", "null"),
        ("", "null"),
        ("0644", "420"),
        ("-0644", "-420"),
        ("0o17", "15"),
        ("0O17", "15"),
        ("0x1F", "31"),
        ("-0x1F", "-31"),
        ("0b101", "5"),
        ("+12", "12"),
        ("1_000", "1000"),
        ("08", "8"),
        ("0", "0"),
        ("0x", "\"0x\""),
        ("1.5", "1.5"),
        ("1.0", "1"),
        ("1.", "1"),
        (".5", "0.5"),
        (".5.5", "\".5.5\""),
        ("1e3", "1000"),
        ("1e-2", "0.01"),
        ("1e400", "\"1e400\""),
        ("1e30", "1e+30"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9.223372036854776e+18"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("2001-01-01", "\"2001-01-01\""),
        (
            "2001-12-14T21:59:43.10-05:00",
            "\"2001-12-14T21:59:43.10-05:00\"",
        ),
        ("12:30:45", "\"12:30:45\""),
        ("1.2.3", "\"1.2.3\""),
        ("100m", "\"100m\""),
        ("-", "[null]"),
        ("+", "\"+\""),
        ("'yes'", "\"yes\""),
        ("\"0644\"", "\"0644\""),
        ("!!str 12", "\"12\""),
        ("!!float 12", "12"),
        ("!!int '12'", "12"),
        ("!!binary aGk=", "\"hi\""),
        ("!custom 12", "\"12\""),
        ("<<", "\"<<\""),
    ];
    for (text, want) in cases {
        let got = if text == "-" {
            values("a:\n  -\n")
        } else {
            values(&format!("a: {text}\n"))
        };
        assert_eq!(got, [format!("{{\"a\":{want}}}")], "{text}");
    }
}

#[test]
fn keys_become_strings_as_in_the_go_library() {
    assert_eq!(
        values("yes: 1\n0x10: 2\n1.50: 3\n.inf: 4\n1e30: 5\n'no': 6\n"),
        [r#"{".inf":4,"1.5":3,"16":2,"1e+30":5,"no":6,"true":1}"#]
    );
}

#[test]
fn faults_carry_their_place() {
    let cases = [
        (
            "a: 1\nb: 2\na: 3\n",
            "in.yaml:3:1: key \"a\" is already set at line 1",
        ),
        (
            "a: 1\n\"\\x61\": 3\n",
            "in.yaml:2:1: key \"a\" is already set at line 1",
        ),
        (
            "a: .inf\n",
            "in.yaml:1:4: infinity and NaN cannot be written in JSON",
        ),
        ("~: 1\n", "in.yaml:1:1: a key cannot be null"),
        ("? [a]\n: 1\n", "in.yaml:1:3: a key must be a scalar"),
        (
            "a: !!int x\n",
            "in.yaml:1:4: cannot decode !!str `x` as a !!int",
        ),
        (
            "a: !!binary '*'\n",
            "in.yaml:1:4: !!binary value contains invalid base64 data",
        ),
        (
            "a: &x [*x]\n",
            "in.yaml:1:8: an anchor's value contains itself",
        ),
        (
            "a: 1\nb:\n  <<: 3\n",
            "in.yaml:3:7: << takes a mapping or a list of mappings",
        ),
        (
            "{\"a\": 1,\n \"a\": 2}",
            "in.yaml:2:2: key \"a\" is already set at line 1",
        ),
        (
            "[{\"a\": 01},",
            "in.yaml:1:8: expected a JSON value, found '0'",
        ),
        (
            "{\"a\": \"x}",
            "in.yaml:1:7: this string has no closing quote",
        ),
    ];
    for (text, want) in cases {
        assert_eq!(error(text), want, "{text}");
    }
}

#[test]
fn syntax_errors_name_the_line() {
    let text = error("a: 1\nb: [1, 2\nc: 3\n");
    assert!(text.starts_with("in.yaml:3:"), "{text}");
    let text = error("a: b: c\n");
    assert!(text.starts_with("in.yaml:1:"), "{text}");
    let text = error("a: *nowhere\n");
    assert!(text.starts_with("in.yaml:1:"), "{text}");
}

#[test]
fn growth_is_bounded() {
    let deep =
        |open: &str, close: &str, n: usize| format!("a: {}{}", open.repeat(n), close.repeat(n));
    assert_eq!(values(&deep("[", "]", 127)).len(), 1);
    assert!(error(&deep("[", "]", 128)).ends_with("nested deeper than 128 levels"));
    let json = format!("{}1{}", "[".repeat(129), "]".repeat(129));
    assert!(error(&json).ends_with("nested deeper than 128 levels"));
    let mut block = String::new();
    for level in 0..200 {
        block.push_str(&format!("{}a:\n", " ".repeat(level)));
    }
    assert!(error(&block).ends_with("nested deeper than 128 levels"));

    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        let refs = vec![format!("*a{}", n - 1); 10].join(", ");
        laughs.push_str(&format!("a{n}: &a{n} [{refs}]\n"));
    }
    assert!(error(&laughs).ends_with("aliases add more than 200000 values"));

    let mut tower = "a0: &a0 [x]\n".to_owned();
    for n in 1..200 {
        tower.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
    }
    assert!(error(&tower).ends_with("nested deeper than 128 levels"));
}

#[test]
fn documents_are_split_and_empty_ones_skipped() {
    assert_eq!(
        values("---\na: 1\n---\n# nothing\n---\n\n--- {b: 2}\n...\n---\nc: 3\n"),
        [r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#]
    );
    assert_eq!(values(""), Vec::<String>::new());
    assert_eq!(values("\u{feff}a: 1"), [r#"{"a":1}"#]);
    assert_eq!(
        values("{\"a\": 1.0}\n\n{\"b\": \"\\ud83d\\ude00\\/\"}"),
        [r#"{"a":1.0}"#, r#"{"b":"😀/"}"#]
    );
    assert_eq!(values("{a: 1.0, b}"), [r#"{"a":1,"b":null}"#]);
}

#[test]
fn merge_keys_yield_to_own_keys_and_to_earlier_sources() {
    let text = "base: &base {a: 1, b: 1}\nmore: &more {b: 2, c: 2}\nx:\n  <<: *base\n  a: 9\nz:\n  b: 9\n  <<: [*more, *base]\n";
    let document = one(text);
    assert_eq!(
        document.value.to_string(),
        r#"{"base":{"a":1,"b":1},"more":{"b":2,"c":2},"x":{"a":9,"b":1},"z":{"a":1,"b":9,"c":2}}"#
    );
    assert_eq!(document.marks.position(&path("x.b")), Some(at(1, 20)));
    assert_eq!(document.marks.position(&path("z.b")), Some(at(7, 3)));
}

#[test]
fn lists_are_flattened_with_their_places() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: PodList\n  items:\n  - metadata:\n      name: a\n- kind: Secret\n  apiVersion: v1\n";
    let items = one(text).flatten();
    let got: Vec<_> = items
        .iter()
        .map(|item| (item.value.to_string(), item.marks.start()))
        .collect();
    assert_eq!(
        got,
        [
            (
                r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#.to_owned(),
                at(7, 5)
            ),
            (
                r#"{"apiVersion":"v1","kind":"Secret"}"#.to_owned(),
                at(9, 3)
            ),
        ]
    );
    assert_eq!(
        items[0].marks.position(&path("metadata.name")),
        Some(at(8, 7))
    );
    let other = one("kind: WhiteList\nspec: 1\n").flatten();
    assert_eq!(
        other[0].value.to_string(),
        r#"{"kind":"WhiteList","spec":1}"#
    );
}

#[test]
fn every_field_has_its_place() {
    let document = one("# head\nspec:\n  list:\n  - a: 1\n    b: {c: [x, yy]}\n  - plain\n");
    let cases = [
        ("", at(2, 1), at(2, 1)),
        ("spec", at(2, 1), at(3, 3)),
        ("spec.list", at(3, 3), at(4, 5)),
        ("spec.list[0]", at(4, 5), at(4, 5)),
        ("spec.list[0].a", at(4, 5), at(4, 8)),
        ("spec.list[0].b.c[1]", at(5, 16), at(5, 16)),
        ("spec.list[1]", at(6, 5), at(6, 5)),
    ];
    for (text, key, value) in cases {
        assert_eq!(document.marks.position(&path(text)), Some(key), "{text}");
        assert_eq!(
            document.marks.value_position(&path(text)),
            Some(value),
            "{text}"
        );
    }
    assert_eq!(document.marks.position(&path("spec.absent.deep")), None);
    assert_eq!(document.marks.nearest(&path("spec.list[0].z.y")), at(4, 5));
    assert_eq!(document.marks.line(6), "  - plain");

    let json = one("{\"a\": {\n  \"é\": [1,\n \"x\"]}}");
    assert_eq!(json.marks.position(&path("a.é")), Some(at(2, 3)));
    assert_eq!(json.marks.position(&path("a.é[1]")), Some(at(3, 2)));
}

#[test]
fn places_inside_scalars_map_to_the_file() {
    let text = concat!(
        "literal: |\n    ab\n      cd\n\n    ef\n",   // 1..5
        "strip: |2-\n     x\n    y\n",                // 6..8, content keeps leading blanks
        "plain: a + b\n",                             // 9
        "single: 'it''s + x'\n",                      // 10
        "double: \"a\\n\\\"b\\\" + \\u00e9 c\"\n",    // 11
        "long: one\n  two\n\n  three\n",              // 12..15
        "folded: >-\n  one two\n  three\n\n  four\n", // 16..20
        "link: &x abc\nalias: *x\n",                  // 21, 22
        "tagged: !!str &y |  # why\n\n   x\n",        // 23..25
        "deeper: >-\n  one\n    two\n    three\n  six\n  ten\n", // 26..31
    );
    let document = one(text);
    let cases = [
        ("literal", (1, 1), at(2, 5)),
        ("literal", (2, 3), at(3, 7)),
        ("literal", (4, 2), at(5, 6)),
        ("strip", (1, 4), at(7, 6)),
        ("plain", (1, 5), at(9, 12)),
        ("single", (1, 6), at(10, 16)),
        ("double", (1, 2), at(11, 11)),
        ("double", (2, 1), at(11, 13)),
        ("double", (2, 7), at(11, 21)),
        ("double", (2, 9), at(11, 28)),
        ("long", (1, 5), at(13, 3)),
        ("long", (2, 1), at(15, 3)),
        ("folded", (1, 5), at(17, 7)),
        ("folded", (1, 9), at(18, 3)),
        ("folded", (2, 2), at(20, 4)),
        ("link", (1, 2), at(21, 11)),
        ("alias", (1, 2), at(22, 8)),
        ("tagged", (2, 1), at(25, 4)),
        ("deeper", (1, 1), at(27, 3)),
        ("deeper", (2, 5), at(28, 7)),
        ("deeper", (3, 3), at(29, 5)),
        ("deeper", (4, 1), at(30, 3)),
        ("deeper", (4, 5), at(31, 3)),
        ("absent", (1, 2), at(1, 1)),
    ];
    for (field, (line, column), want) in cases {
        assert_eq!(
            document.marks.in_scalar(&path(field), line, column),
            want,
            "{field} {line}:{column}"
        );
    }
}
