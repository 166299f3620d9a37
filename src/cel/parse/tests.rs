//! Trees and errors, compared whole. The corpus in `tests/data/cel/` compares many more with cel-go itself.

use std::time::{Duration, Instant};

use super::{MAX_CODE_POINTS, parse};

fn tree(text: &str) -> String {
    match parse(text) {
        Ok(ast) => ast.debug(),
        Err(error) => error.to_string(),
    }
}

fn errors(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(ast) => vec![ast.debug()],
        Err(error) => error
            .issues
            .iter()
            .map(|issue| {
                let at = error.source.position(issue.offset);
                format!("{}:{}: {}", at.line, at.column, issue.message)
            })
            .collect(),
    }
}

fn compare(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(tree(text), *expected, "{text}");
    }
}

#[test]
fn literals_keep_their_values() {
    compare(&[
        ("null", "null@0"),
        ("-9223372036854775808", "-9223372036854775808@0"),
        ("- 1", "-1@0"),
        ("--1", "1@2"),
        ("-(1)", "(call -_ 1@2)@0"),
        ("0xFf", "255@0"),
        ("-0x10", "-16@0"),
        ("18446744073709551615u", "18446744073709551615u@0"),
        ("0x1U", "1u@0"),
        ("1.5e1", "d402e000000000000@0"),
        ("-.5", "dbfe0000000000000@0"),
        (r#""a\x41\u00e9\101\n""#, r#""aA\u{e9}A\u{a}"@0"#),
        (r"r'a\n'", r#""a\\n"@0"#),
        ("'''a\r\nb'c'''", r#""a\u{a}b'c"@0"#),
        (r"b'\xff\377é'", r#"b"ffffc3a9"@0"#),
        (r"bR'\x'", r#"b"5c78"@0"#),
    ]);
}

#[test]
fn operators_bind_by_strength_and_stand_at_their_sign() {
    compare(&[
        (
            "a + b * c - d",
            "(call _-_ (call _+_ a@0 (call _*_ b@4 c@8)@6)@2 d@12)@10",
        ),
        (
            "a == b != c in d",
            "(call @in (call _!=_ (call _==_ a@0 b@5)@2 c@10)@7 d@15)@12",
        ),
        (
            "a ? b : c ? d : e",
            "(call _?_:_ a@0 b@4 (call _?_:_ c@8 d@12 e@16)@10)@2",
        ),
        ("!!!a", "(call !_ a@3)@0"),
        ("!!a", "a@2"),
        ("a -1", "(call _-_ a@0 1@3)@2"),
        (
            "a && b && c && d && e",
            "(call _&&_ (call _&&_ (call _&&_ a@0 b@5)@2 c@10)@7 (call _&&_ d@15 e@20)@17)@12",
        ),
        ("a || b && c", "(call _||_ a@0 (call _&&_ b@5 c@10)@7)@2"),
    ]);
}

#[test]
fn members_stand_at_dots_brackets_and_parentheses() {
    compare(&[
        (".a.b", "(. .a@1 b)@2"),
        (
            "a.?b[?0][1]",
            "(call _[_] (call _[?_] (call _?._ a@0 \"b\"@3)@1 0@6)@4 1@9)@8",
        ),
        ("a.f(1, x)", "(member f a@0 1@4 x@7)@3"),
        ("f()", "(call f)@1"),
        (".f(1)", "(call .f 1@3)@2"),
        ("a.namespace.in_", "(. (. a@0 namespace)@1 in_)@11"),
        ("[1, ?a, ]", "[1@1 ?a@5]@0"),
        ("{?'a': b, 1: 2}", "{?\"a\"@2:b@7 1@10:2@13}@0"),
        ("a.B{c: 1, ?d: e,}", "(new a.B c@5:1@7 ?d@12:e@14)@3"),
        ("Object{}", "(new Object)@6"),
    ]);
}

#[test]
fn macros_expand_as_in_cel_go() {
    compare(&[
        ("has(a.b)", "(has a@4 b)@3"),
        (
            "a.all(x, y)",
            "(fold a@0 x - @result true@5 (call @not_strictly_false @result@5)@5 \
             (call _&&_ @result@5 y@9)@5 @result@5)@5",
        ),
        (
            "a.exists(i, v, y)",
            "(fold a@0 i v @result false@8 (call @not_strictly_false (call !_ @result@8)@8)@8 \
             (call _||_ @result@8 y@15)@8 @result@8)@8",
        ),
        (
            "a.exists_one(x, y)",
            "(fold a@0 x - @result 0@12 true@12 (call _?_:_ y@16 (call _+_ @result@12 1@12)@12 \
             @result@12)@12 (call _==_ @result@12 1@12)@12)@12",
        ),
        (
            "a.map(x, p, t)",
            "(fold a@0 x - @result []@5 true@5 (call _?_:_ p@9 (call _+_ @result@5 [t@12]@5)@5 \
             @result@5)@5 @result@5)@5",
        ),
        (
            "a.filter(x, p)",
            "(fold a@0 x - @result []@8 true@8 (call _?_:_ p@12 (call _+_ @result@8 [x@9]@8)@8 \
             @result@8)@8 @result@8)@8",
        ),
        (
            "a.transformMap(k, v, t)",
            "(fold a@0 k v @result {}@14 true@14 (call cel.@mapInsert @result@14 k@14 t@21)@14 \
             @result@14)@14",
        ),
        (
            "a.transformMapEntry(k, v, {v: k})",
            "(fold a@0 k v @result {}@19 true@19 (call cel.@mapInsert @result@19 \
             {v@27:k@30}@26)@19 @result@19)@19",
        ),
        (
            "a.sortBy(x, k)",
            "(fold []@8 #unused - @__sortBy_input__ a@0 false@8 @__sortBy_input__@8 \
             (member @sortByAssociatedKeys @__sortBy_input__@8 (fold @__sortBy_input__@8 x - \
             @result []@8 true@8 (call _+_ @result@8 [k@12]@8)@8 @result@8)@8)@8)@8",
        ),
        (
            "a.b.optMap(x, x)",
            "(call _?_:_ (member hasValue (. a@0 b)@1)@10 (call optional.of (fold []@10 #unused - x \
             (member value (. a@0 b)@1)@10 false@10 x@10 x@14)@10)@10 (call optional.none)@10)@10",
        ),
        ("a.all(x)", "(member all a@0 x@6)@5"),
        ("cel.bind(x, 1, x)", "(member bind cel@0 x@9 1@12 x@15)@8"),
        (".has(a.b)", "(call .has (. a@5 b)@6)@4"),
    ]);
}

#[test]
fn errors_use_the_words_and_places_of_cel_go() {
    const EXPR: &str = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, \
                        NUM_UINT, STRING, BYTES, IDENTIFIER}";
    let table: &[(&str, &[&str])] = &[
        (
            "a b",
            &["1:3: Syntax error: extraneous input 'b' expecting <EOF>"],
        ),
        (
            "a b c",
            &["1:3: Syntax error: mismatched input 'b' expecting <EOF>"],
        ),
        (
            "a.",
            &["1:3: Syntax error: no viable alternative at input '.'"],
        ),
        (
            "x\n  | y",
            &[
                "2:3: Syntax error: token recognition error at: '| '",
                "2:5: Syntax error: extraneous input 'y' expecting <EOF>",
            ],
        ),
        (
            "a.true",
            &["1:3: Syntax error: mismatched input 'true' expecting IDENTIFIER"],
        ),
        ("(a", &["1:3: Syntax error: missing ')' at '<EOF>'"]),
        ("namespace", &["1:1: reserved identifier: namespace"]),
        ("9223372036854775808", &["1:1: invalid int literal"]),
        ("18446744073709551616u", &["1:1: invalid uint literal"]),
        ("1e999", &["1:1: invalid double literal"]),
        ("a.`b`", &["1:3: unsupported syntax: '`'"]),
        ("a.all(1, x)", &["1:7: argument must be a simple name"]),
        ("a.map(b.c, x)", &["1:8: argument is not an identifier"]),
        (
            "a.all(__result__, x)",
            &["1:7: iteration variable overwrites accumulator variable"],
        ),
        ("a.all(x, x, y)", &["1:10: duplicate variable name: x"]),
        ("has(a)", &["1:5: invalid argument to has() macro"]),
        (
            "a.optMap(b.c, 1)",
            &["1:11: optMap() variable name must be a simple identifier"],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(errors(text), *expected, "{text}");
    }
    let expected = format!("1:1: Syntax error: mismatched input '<EOF>' expecting {EXPR}");
    assert_eq!(errors(""), [expected]);
}

#[test]
fn messages_show_the_line_and_a_caret() {
    assert_eq!(
        tree("a &&\n\té b"),
        "ERROR: <input>:2:2: Syntax error: token recognition error at: 'é'\n |  é b\n | .\u{ff3e}"
    );
}

/// What a small thread makes of `text`: hostile input must neither overflow its stack nor take long.
fn on_a_small_stack(text: String) -> String {
    let started = Instant::now();
    let thread = std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(move || match parse(&text) {
            Ok(ast) => format!("{} nodes", ast.nodes.len()),
            Err(error) => error.issues[0].message.clone(),
        })
        .unwrap();
    let result = thread.join().unwrap();
    assert!(started.elapsed() < Duration::from_secs(10), "too slow");
    result
}

#[test]
fn hostile_input_ends_quickly_on_a_small_stack() {
    const NESTED: &str = "expression recursion limit exceeded: 250";
    const SKIPPED: &str = "error recovery token lookahead limit exceeded: 256";
    const DEEP: &str = "max recursion depth exceeded";
    let chain = |head: &str, link: &str, count: usize| head.to_owned() + &link.repeat(count);
    let table = [
        (chain("a", ".b", 49_999), DEEP),
        (chain("a", "+a", 49_999), DEEP),
        (chain("a", "==a", 33_000), DEEP),
        (chain("a", "[0]", 33_000), DEEP),
        (chain("a", ".f()", 24_000), DEEP),
        (chain("", "(", 10_000), NESTED),
        (chain("", "[", 10_000), NESTED),
        (chain("", "{", 10_000), NESTED),
        (chain("", "f(", 10_000), NESTED),
        (chain("", "1+2*(", 10_000), NESTED),
        (chain("", "a?b:", 24_999) + "c", NESTED),
        (chain("", "!", 99_999) + "a", "2 nodes"),
        (chain("", "-", 99_998) + "a", "1 nodes"),
        (chain("a", "&&a", 33_000), "66001 nodes"),
        (chain("a", "||a", 33_000), "66001 nodes"),
        (
            chain("a", ".optMap(x,x)", 200),
            "expression is too large once",
        ),
        (chain("", ")", 50_000), SKIPPED),
        (chain("", "a ", 50_000), SKIPPED),
        (
            chain("", "@", 50_000),
            "Syntax error: token recognition error",
        ),
        (
            chain("'", "x", 90_000),
            "Syntax error: token recognition error",
        ),
    ];
    for (text, expected) in table {
        let head: String = text.chars().take(20).collect();
        let result = on_a_small_stack(text);
        assert!(result.starts_with(expected), "{head}: {result}");
    }
}

#[test]
fn the_size_is_limited_in_code_points() {
    let fits = format!("'{}'", "é".repeat(MAX_CODE_POINTS - 2));
    assert_eq!(on_a_small_stack(fits), "1 nodes");
    assert_eq!(
        tree(&"é".repeat(1_000_000)),
        "ERROR: <input>:-1:0: expression code point size exceeds limit: size: 1000000, limit 100000"
    );
}

#[test]
fn nesting_is_allowed_up_to_the_limit() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(tree(&nested(249)), "a@249");
    let select = |count: usize| "a".to_owned() + &".b".repeat(count);
    assert!(parse(&select(250)).is_ok());
    assert_eq!(
        tree(&nested(250)),
        "ERROR: <input>:-1:0: expression recursion limit exceeded: 250"
    );
    assert_eq!(
        tree(&select(251)),
        "ERROR: <input>:-1:0: max recursion depth exceeded"
    );
}
