//! Patterns, texts and matches taken from Go's own engine.

use super::super::testing::{Case, check, cost};
use super::*;

/// Pattern, text, all matches or the error.
type Row = (
    &'static str,
    &'static str,
    Result<&'static [&'static str], &'static str>,
);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("\\d+", "foo bar_baz 123", Ok(&["123"])),
    ("\\D", "KkſsSK", Ok(&["K", "k", "ſ", "s", "S", "K"])),
    ("\\w+", "a b#c&d~e", Ok(&["a", "b", "c", "d", "e"])),
    ("\\W", "É é Straße STRASSE", Ok(&["É", " ", "é", " ", "ß", " "])),
    ("\\s", "\u{0}\u{1}\t\r\n\u{b}\u{c} \u{a0}", Ok(&["\t", "\r", "\n", "\u{c}", " "])),
    ("\\S+", "É é Straße STRASSE", Ok(&["É", "é", "Straße", "STRASSE"])),
    ("\\bfoo\\b", "foo bar_baz 123", Ok(&["foo"])),
    ("\\Bo", "foo bar_baz 123", Ok(&["o", "o"])),
    ("[\\d\\-]+", "foo bar_baz 123", Ok(&["123"])),
    ("[\\D]", "KkſsSK", Ok(&["K", "k", "ſ", "s", "S", "K"])),
    ("[^\\D]", "foo bar_baz 123", Ok(&["1", "2", "3"])),
    ("[[:alpha:]]+", "a b#c&d~e", Ok(&["a", "b", "c", "d", "e"])),
    ("[[:^alpha:]]", "foo bar_baz 123", Ok(&[" ", "_", " ", "1", "2", "3"])),
    ("[[:word:]-]", "a b#c&d~e", Ok(&["a", "b", "c", "d", "e"])),
    ("[[:foo:]]", "", Err("error parsing regexp: invalid character class range: `[:foo:]`")),
    ("[a&&b]+", "a\nb\nab\n", Ok(&["a", "b", "ab"])),
    ("[a--b]", "", Err("error parsing regexp: invalid character class range: `a--`")),
    ("[a~~b]", "a b#c&d~e", Ok(&["a", "b", "~"])),
    ("[[a]]", "A.C-[]{}^$|", Ok(&["[]"])),
    ("[[a]b]", "", Ok(&[])),
    ("[]a]", "abc", Ok(&["a"])),
    ("[^]a]", "KkſsSK", Ok(&["K", "k", "ſ", "s", "S", "K"])),
    ("[a-]", "abc", Ok(&["a"])),
    ("[-a]", "abc", Ok(&["a"])),
    ("[a-\\d]", "", Err("error parsing regexp: invalid escape sequence: `\\d`")),
    ("[\\d-a]", "foo bar_baz 123", Ok(&["a", "a", "1", "2", "3"])),
    ("[z-a]", "", Err("error parsing regexp: invalid character class range: `z-a`")),
    ("[a", "", Err("error parsing regexp: missing closing ]: `[a`")),
    ("[", "", Err("error parsing regexp: missing closing ]: `[`")),
    ("[]", "", Err("error parsing regexp: missing closing ]: `[]`")),
    ("[^]", "", Err("error parsing regexp: missing closing ]: `[^]`")),
    ("(", "", Err("error parsing regexp: missing closing ): `(`")),
    (")", "", Err("error parsing regexp: unexpected ): `)`")),
    ("a)", "", Err("error parsing regexp: unexpected ): `a)`")),
    ("(a", "", Err("error parsing regexp: missing closing ): `(a`")),
    ("*", "", Err("error parsing regexp: missing argument to repetition operator: `*`")),
    ("a**", "", Err("error parsing regexp: invalid nested repetition operator: `**`")),
    ("a+*", "", Err("error parsing regexp: invalid nested repetition operator: `+*`")),
    ("a*?", "", Ok(&[""])),
    ("a??", "", Ok(&[""])),
    ("a???", "", Err("error parsing regexp: invalid nested repetition operator: `???`")),
    ("a{2}{3}", "", Err("error parsing regexp: invalid nested repetition operator: `{2}{3}`")),
    ("a{2}?", "aaa", Ok(&["aa"])),
    ("a{,2}", "", Ok(&[])),
    ("a{2,}", "aaa", Ok(&["aaa"])),
    ("a{2,1}", "", Err("error parsing regexp: invalid repeat count: `{2,1}`")),
    ("a{1001}", "", Err("error parsing regexp: invalid repeat count: `{1001}`")),
    ("a{1000}", "", Ok(&[])),
    ("(a{100}){11}", "", Err("error parsing regexp: invalid repeat count: `{11}`")),
    ("(a{100}){10}", "", Ok(&[])),
    ("((a{10}){10}){10}", "", Ok(&[])),
    ("((a{10}){10}){11}", "", Err("error parsing regexp: invalid repeat count: `{11}`")),
    ("(a{1000}){0}", "", Ok(&[""])),
    ("a{01}", "", Ok(&[])),
    ("a{", "", Ok(&[])),
    ("a{}", "", Ok(&[])),
    ("a{a}", "", Ok(&[])),
    ("{1}", "", Err("error parsing regexp: missing argument to repetition operator: `{1}`")),
    ("{", "A.C-[]{}^$|", Ok(&["{"])),
    ("}", "A.C-[]{}^$|", Ok(&["}"])),
    ("|", "", Ok(&[""])),
    ("a||b", "abc", Ok(&["a", "", ""])),
    ("|*", "", Err("error parsing regexp: missing argument to repetition operator: `*`")),
    ("(|a)*", "", Ok(&[""])),
    ("(*)", "", Err("error parsing regexp: missing argument to repetition operator: `*`")),
    ("(?i)*", "", Err("error parsing regexp: missing argument to repetition operator: `*`")),
    ("a(?i)*", "abc", Ok(&["a", "", ""])),
    ("a(?i)b", "abc", Ok(&["ab"])),
    ("(?i)K", "KkſsSK", Ok(&["K", "k", "K"])),
    ("(?i)\\w+", "a b#c&d~e", Ok(&["a", "b", "c", "d", "e"])),
    ("(?i)[\\W]", "É é Straße STRASSE", Ok(&["É", " ", "é", " ", "ß", " "])),
    ("(?i)ſ", "KkſsSK", Ok(&["ſ", "s", "S"])),
    ("(?i)s", "KkſsSK", Ok(&["ſ", "s", "S"])),
    ("(?i)[^k]", "ab.*ab", Ok(&["a", "b", ".", "*", "a", "b"])),
    ("(?i)straße", "É é Straße STRASSE", Ok(&["Straße"])),
    ("(?i)É", "É é Straße STRASSE", Ok(&["É", "é"])),
    ("(?-i)a", "abc", Ok(&["a"])),
    ("(?i-s:a)", "É é Straße STRASSE", Ok(&["a", "A"])),
    ("(?i-)", "", Err("error parsing regexp: invalid or unsupported Perl syntax: `(?i-)`")),
    ("(?)", "", Ok(&[""])),
    ("(?:)", "", Ok(&[""])),
    ("(?:a)", "abc", Ok(&["a"])),
    ("(?P<n>a)", "abc", Ok(&["a"])),
    ("(?<n>a)", "abc", Ok(&["a"])),
    ("(?P<1>a)", "abc", Ok(&["a"])),
    ("(?P<>a)", "", Err("error parsing regexp: invalid named capture: `(?P<>`")),
    ("(?P<a b>a)", "", Err("error parsing regexp: invalid named capture: `(?P<a b>`")),
    ("(?P=n)", "", Err("error parsing regexp: invalid or unsupported Perl syntax: `(?P`")),
    ("(?P<n", "", Err("error parsing regexp: invalid named capture: `(?P<n`")),
    ("(?x)a", "", Err("error parsing regexp: invalid or unsupported Perl syntax: `(?x`")),
    ("(?u)a", "", Err("error parsing regexp: invalid or unsupported Perl syntax: `(?u`")),
    ("(?=a)", "", Err("error parsing regexp: invalid or unsupported Perl syntax: `(?=`")),
    ("(?!a)", "", Err("error parsing regexp: invalid or unsupported Perl syntax: `(?!`")),
    ("(?<=a)", "", Err("error parsing regexp: invalid named capture: `(?<=a)`")),
    ("(?<!a)", "", Err("error parsing regexp: invalid named capture: `(?<!a)`")),
    ("(?>a)", "", Err("error parsing regexp: invalid or unsupported Perl syntax: `(?>`")),
    ("(?#a)", "", Err("error parsing regexp: invalid or unsupported Perl syntax: `(?#`")),
    ("(?P<n>a)(?P<n>b)", "abc", Ok(&["ab"])),
    ("\\Q.*\\E+", "ab.*ab", Ok(&[".*"])),
    ("\\Qab\\E*", "a\nb\nab\n", Ok(&["a", "ab"])),
    ("\\Qab", "abc", Ok(&["ab"])),
    ("\\Q\\E*", "", Err("error parsing regexp: missing argument to repetition operator: `*`")),
    ("a\\Q\\E*", "abc", Ok(&["a", "", ""])),
    ("\\E", "", Err("error parsing regexp: invalid escape sequence: `\\E`")),
    ("\\1", "", Err("error parsing regexp: invalid escape sequence: `\\1`")),
    ("\\12", "a\nb\nab\n", Ok(&["\n", "\n", "\n"])),
    ("\\012", "a\nb\nab\n", Ok(&["\n", "\n", "\n"])),
    ("\\0", "\u{0}\u{1}\t\r\n\u{b}\u{c} \u{a0}", Ok(&["\u{0}"])),
    ("\\08", "", Ok(&[])),
    ("\\8", "", Err("error parsing regexp: invalid escape sequence: `\\8`")),
    ("\\400", "", Ok(&[])),
    ("\\777", "", Ok(&[])),
    ("\\x41", "É é Straße STRASSE", Ok(&["A"])),
    ("\\x{41}", "É é Straße STRASSE", Ok(&["A"])),
    ("\\x{}", "", Err("error parsing regexp: invalid escape sequence: `\\x{}`")),
    ("\\x{110000}", "", Err("error parsing regexp: invalid escape sequence: `\\x{110000`")),
    ("\\x4", "", Err("error parsing regexp: invalid escape sequence: `\\x4`")),
    ("\\x", "", Err("error parsing regexp: invalid escape sequence: `\\x`")),
    ("\\xg", "", Err("error parsing regexp: invalid escape sequence: `\\xg`")),
    ("\\x{4g}", "", Err("error parsing regexp: invalid escape sequence: `\\x{4g`")),
    ("\\x{D800}", "", Ok(&[])),
    ("[\\x{D700}-\\x{E000}]", "", Ok(&[])),
    ("[\\x{D800}-\\x{DFFF}]", "", Ok(&[])),
    ("\\_", "foo bar_baz 123", Ok(&["_"])),
    ("\\-", "A.C-[]{}^$|", Ok(&["-"])),
    ("\\é", "", Err("error parsing regexp: invalid escape sequence: `\\é`")),
    ("\\q", "", Err("error parsing regexp: invalid escape sequence: `\\q`")),
    ("\\C", "", Err("error parsing regexp: invalid escape sequence: `\\C`")),
    ("\\Z", "", Err("error parsing regexp: invalid escape sequence: `\\Z`")),
    ("\\z", "", Ok(&[""])),
    ("\\A", "", Ok(&[""])),
    ("\\a\\f\\n\\r\\t\\v", "", Ok(&[])),
    ("\\pL", "KkſsSK", Ok(&["K", "k", "ſ", "s", "S", "K"])),
    ("\\p{L}", "KkſsSK", Ok(&["K", "k", "ſ", "s", "S", "K"])),
    ("\\p{Lu}+", "É é Straße STRASSE", Ok(&["É", "S", "STRASSE"])),
    ("\\P{Lu}", "ab.*ab", Ok(&["a", "b", ".", "*", "a", "b"])),
    ("\\p{^Lu}", "ab.*ab", Ok(&["a", "b", ".", "*", "a", "b"])),
    ("\\p{Greek}", "Ωμέγα 漢字 😀😁", Ok(&["Ω", "μ", "έ", "γ", "α"])),
    ("\\p{greek}", "Ωμέγα 漢字 😀😁", Ok(&["Ω", "μ", "έ", "γ", "α"])),
    ("\\p{Grek}", "", Err("error parsing regexp: invalid character class range: `\\p{Grek}`")),
    ("\\p{Han}", "Ωμέγα 漢字 😀😁", Ok(&["漢", "字"])),
    ("\\p{Letter}", "KkſsSK", Ok(&["K", "k", "ſ", "s", "S", "K"])),
    ("\\p{Any}", "KkſsSK", Ok(&["K", "k", "ſ", "s", "S", "K"])),
    ("\\p{Assigned}", "KkſsSK", Ok(&["K", "k", "ſ", "s", "S", "K"])),
    ("\\p{ASCII}", "KkſsSK", Ok(&["K", "k", "s", "S", "K"])),
    ("\\p{LC}", "KkſsSK", Ok(&["K", "k", "ſ", "s", "S", "K"])),
    ("\\p{Alphabetic}", "", Err("error parsing regexp: invalid character class range: `\\p{Alphabetic}`")),
    ("\\p{Emoji}", "", Err("error parsing regexp: invalid character class range: `\\p{Emoji}`")),
    ("\\p{sc=Greek}", "", Err("error parsing regexp: invalid character class range: `\\p{sc=Greek}`")),
    ("\\p{}", "", Err("error parsing regexp: invalid character class range: `\\p{}`")),
    ("\\p{", "", Err("error parsing regexp: invalid character class range: `\\p{`")),
    ("\\p", "", Err("error parsing regexp: invalid character class range: `\\p`")),
    ("\\pZ", "\u{0}\u{1}\t\r\n\u{b}\u{c} \u{a0}", Ok(&[" ", "\u{a0}"])),
    ("\\pQ", "", Err("error parsing regexp: invalid character class range: `\\pQ`")),
    ("[\\p{Lu}\\d]+", "É é Straße STRASSE", Ok(&["É", "S", "STRASSE"])),
    ("[^\\p{L}]", "foo bar_baz 123", Ok(&[" ", "_", " ", "1", "2", "3"])),
    ("(?i)\\p{Lu}", "KkſsSK", Ok(&["K", "k", "ſ", "s", "S", "K"])),
    ("(?i)[\\p{Lu}]", "KkſsSK", Ok(&["K", "k", "ſ", "s", "S", "K"])),
    ("\\p{L&}", "", Err("error parsing regexp: invalid character class range: `\\p{L&}`")),
    ("^a", "abc", Ok(&["a"])),
    ("a$", "aaa", Ok(&["a"])),
    ("(?m)^a$", "a\nb\nab\n", Ok(&["a"])),
    ("(?m)^", "", Ok(&[""])),
    ("$", "", Ok(&[""])),
    ("(?m)$", "", Ok(&[""])),
    (".", "KkſsSK", Ok(&["K", "k", "ſ", "s", "S", "K"])),
    ("(?s).", "KkſsSK", Ok(&["K", "k", "ſ", "s", "S", "K"])),
    ("(?s-s).", "KkſsSK", Ok(&["K", "k", "ſ", "s", "S", "K"])),
    ("a.b", "a b#c&d~e", Ok(&["a b"])),
    ("(?U)a+", "abc", Ok(&["a"])),
    ("(?U)a+?", "abc", Ok(&["a"])),
    ("(?U:a*)b", "a\nb\nab\n", Ok(&["b", "ab"])),
    ("^*", "", Ok(&[""])),
    ("$+", "", Ok(&[""])),
    ("\\b+", "abc", Ok(&["", ""])),
    ("(?:^)*a", "abc", Ok(&["a"])),
    ("(a|b*)*", "a\nb\nab\n", Ok(&["a", "b", "ab", ""])),
    ("(a*)*", "abc", Ok(&["a", "", ""])),
    ("(a*)+", "abc", Ok(&["a", "", ""])),
    ("x*", "\u{300}x٣4", Ok(&["", "x", "", ""])),
    ("", "", Ok(&[""])),
    ("a|ab", "abc", Ok(&["a"])),
    ("(a|ab)(c|bcd)", "abc", Ok(&["abc"])),
    ("\\.", "ab.*ab", Ok(&["."])),
    ("#", "a b#c&d~e", Ok(&["#"])),
    ("a b", "a b#c&d~e", Ok(&["a b"])),
    ("a#b", "", Ok(&[])),
    ("[ #]", "a b#c&d~e", Ok(&[" ", "#"])),
    ("a\\ b", "a b#c&d~e", Ok(&["a b"])),
    ("&", "a b#c&d~e", Ok(&["&"])),
    ("~", "a b#c&d~e", Ok(&["~"])),
    ("[&~-]", "a b#c&d~e", Ok(&["&", "~"])),
    ("[a-c-e]", "a b#c&d~e", Ok(&["a", "b", "c", "e"])),
    ("[a-\\]]", "", Err("error parsing regexp: invalid character class range: `a-\\]`")),
    ("[\\]]", "A.C-[]{}^$|", Ok(&["]"])),
    ("[\\^]", "A.C-[]{}^$|", Ok(&["^"])),
    ("[\\x41-\\x43]", "A.C-[]{}^$|", Ok(&["A", "C"])),
    ("[\\101-\\103]", "A.C-[]{}^$|", Ok(&["A", "C"])),
    ("[\\1]", "", Err("error parsing regexp: invalid escape sequence: `\\1`")),
    ("[\\b]", "", Err("error parsing regexp: invalid escape sequence: `\\b`")),
    ("[\\Q]", "", Err("error parsing regexp: invalid escape sequence: `\\Q`")),
    ("[\\z]", "", Err("error parsing regexp: invalid escape sequence: `\\z`")),
    ("[:alpha:]", "abc", Ok(&["a"])),
    ("[[:alpha:", "", Err("error parsing regexp: missing closing ]: `[[:alpha:`")),
    ("[[:alpha:]", "", Err("error parsing regexp: missing closing ]: `[[:alpha:]`")),
];

#[test]
fn patterns_mean_what_they_mean_to_go() {
    for (pattern, text, expected) in ROWS {
        let found = compile(pattern).map(|regex| {
            regex
                .find_iter(text)
                .map(|found| found.as_str().to_owned())
                .collect::<Vec<_>>()
        });
        let expected = expected
            .map(|found| found.iter().map(|part| (*part).to_owned()).collect())
            .map_err(str::to_owned);
        assert_eq!(found, expected, "{pattern:?} on {text:?}");
    }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("find", r#"["abc 123", "[0-9]+"]"#, Ok(r#""123""#)),
    ("find", r#"["abc", "[0-9]+"]"#, Ok(r#""""#)),
    ("find", r#"["abc", "("]"#, Err("Illegal regex: error parsing regexp: missing closing ): `(`")),
    ("findAll", r#"["123 abc 456", "[0-9]+"]"#, Ok(r#"["123", "456"]"#)),
    ("findAll", r#"["123 abc 456", "[0-9]+", 1]"#, Ok(r#"["123"]"#)),
    ("findAll", r#"["123 abc 456", "[0-9]+", 0]"#, Ok("[]")),
    ("findAll", r#"["123 abc 456", "[0-9]+", -1]"#, Ok(r#"["123", "456"]"#)),
    ("findAll", r#"["abc", "z"]"#, Ok("[]")),
    ("findAll", r#"["baac", "a*"]"#, Ok(r#"["", "aa", ""]"#)),
    ("findAll", r#"["abc", "[", 0]"#, Err("Illegal regex: error parsing regexp: missing closing ]: `[`")),
];

#[test]
fn find_functions_behave_as_in_the_api_server() {
    check(FUNCTIONS, CASES);
}

#[test]
fn cost_is_the_product_of_text_and_pattern() {
    let text = |count: usize| Value::from("é".repeat(count));
    assert_eq!(cost(FUNCTIONS, "find", &[text(20), text(9)]), 9);
    assert_eq!(cost(FUNCTIONS, "findAll", &[text(19), text(8)]), 4);
    assert_eq!(
        cost(FUNCTIONS, "findAll", &[text(0), text(0), Value::Int(1)]),
        0
    );
}

#[test]
fn size_and_depth_are_bounded() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(compile(&nested(900)).is_ok());
    let deep = nested(1100);
    assert_eq!(
        compile(&deep).err(),
        Some(format!(
            "error parsing regexp: expression nests too deeply: `{deep}`"
        ))
    );
    let unclosed = "(".repeat(90_000);
    assert_eq!(
        compile(&unclosed).err(),
        Some(format!(
            "error parsing regexp: missing closing ): `{unclosed}`"
        ))
    );
    let large = r"(?:\pL{30}){30}".repeat(4);
    assert_eq!(
        compile(&large).err(),
        Some(format!(
            "error parsing regexp: expression too large: `{large}`"
        ))
    );
    assert!(compile(&"a?".repeat(5_000)).is_ok());
    // Data may not ask for as much as an expression.
    assert!(compile(r"\pL{150}").is_ok());
    assert!(compile_data(r"\pL{60}").is_ok());
    assert_eq!(
        compile_data(r"\pL{150}").err().as_deref(),
        Some(r"error parsing regexp: expression too large: `\pL{150}`")
    );
}
