//! Text to tokens: at each place the longest token wins, and what begins no token is reported and skipped.
//!
//! A failed token takes with it every character that was tried, the offending one included, as in cel-go: `| b` loses
//! the blank, an unterminated string loses the rest of its line.

use super::token::{Kind, Token};
use crate::cel::source::Issue;

/// Every token, hidden ones included, ended by one of kind [`Kind::Eof`]; and what could not be read.
pub(super) fn tokens(text: &str) -> (Vec<Token>, Vec<Issue>) {
    let mut lexer = Lexer {
        text,
        tokens: Vec::with_capacity(text.len() / 3 + 1),
        issues: Vec::new(),
    };
    lexer.run();
    (lexer.tokens, lexer.issues)
}

struct Lexer<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    issues: Vec<Issue>,
}

/// What stands at a place.
enum Found {
    /// A token of so many bytes.
    Token(Kind, usize),
    /// No token; so many bytes were tried, the offending character not counted.
    Nothing(usize),
}

impl Lexer<'_> {
    fn run(&mut self) {
        let mut at = 0;
        let mut offset = 0;
        while at < self.text.len() {
            let rest = &self.text[at..];
            let length = match scan(rest) {
                Found::Token(kind, length) => {
                    self.tokens.push(Token {
                        kind,
                        offset,
                        start: narrow(at),
                        end: narrow(at + length),
                    });
                    length
                }
                Found::Nothing(tried) => {
                    let offending = rest[tried..].chars().next().map_or(0, char::len_utf8);
                    let length = tried + offending;
                    self.issues.push(Issue {
                        offset,
                        message: format!(
                            "Syntax error: token recognition error at: '{}'",
                            &rest[..length]
                        ),
                    });
                    length
                }
            };
            offset += narrow(rest[..length].chars().count());
            at += length;
        }
        self.tokens.push(Token {
            kind: Kind::Eof,
            offset,
            start: narrow(at),
            end: narrow(at),
        });
    }
}

/// Offsets fit: the text is limited to 100 000 code points before it is read.
fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The token at the start of `rest`, which is not empty.
fn scan(rest: &str) -> Found {
    let bytes = rest.as_bytes();
    let at = |n: usize| bytes.get(n).copied().unwrap_or(0);
    match at(0) {
        b' ' | b'\t' | b'\r' | b'\n' | 0x0c => Found::Token(
            Kind::Hidden,
            run(bytes, 0, |b| {
                matches!(b, b' ' | b'\t' | b'\r' | b'\n' | 0x0c)
            }),
        ),
        b'/' if at(1) == b'/' => Found::Token(Kind::Hidden, run(bytes, 0, |b| b != b'\n')),
        b'0'..=b'9' => number(bytes),
        b'.' if at(1).is_ascii_digit() => number(bytes),
        b'"' | b'\'' => match string(rest, 0, false) {
            Ok(length) => Found::Token(Kind::String, length),
            Err(tried) => Found::Nothing(tried),
        },
        b'`' => escaped(bytes),
        b'_' | b'a'..=b'z' | b'A'..=b'Z' => word(rest),
        first => symbol(first, at(1)),
    }
}

/// End of the bytes from `from` that satisfy `test`.
fn run(bytes: &[u8], from: usize, test: impl Fn(u8) -> bool) -> usize {
    from + bytes[from..].iter().take_while(|b| test(**b)).count()
}

fn symbol(first: u8, second: u8) -> Found {
    let kind = match first {
        b'[' => Kind::LeftBracket,
        b']' => Kind::RightBracket,
        b'{' => Kind::LeftBrace,
        b'}' => Kind::RightBrace,
        b'(' => Kind::LeftParen,
        b')' => Kind::RightParen,
        b'.' => Kind::Dot,
        b',' => Kind::Comma,
        b'-' => Kind::Minus,
        b'?' => Kind::Question,
        b':' => Kind::Colon,
        b'+' => Kind::Plus,
        b'*' => Kind::Star,
        b'/' => Kind::Slash,
        b'%' => Kind::Percent,
        b'!' if second == b'=' => return Found::Token(Kind::NotEquals, 2),
        b'!' => Kind::Exclamation,
        b'<' if second == b'=' => return Found::Token(Kind::LessEquals, 2),
        b'<' => Kind::Less,
        b'>' if second == b'=' => return Found::Token(Kind::GreaterEquals, 2),
        b'>' => Kind::Greater,
        b'=' if second == b'=' => return Found::Token(Kind::EqualsEquals, 2),
        b'&' if second == b'&' => return Found::Token(Kind::AndAnd, 2),
        b'|' if second == b'|' => return Found::Token(Kind::OrOr, 2),
        b'=' | b'&' | b'|' => return Found::Nothing(1),
        _ => return Found::Nothing(0),
    };
    Found::Token(kind, 1)
}

fn number(bytes: &[u8]) -> Found {
    let byte = |n: usize| bytes.get(n).copied().unwrap_or(0);
    let unsigned = |end: usize| {
        if matches!(byte(end), b'u' | b'U') {
            Found::Token(Kind::Uint, end + 1)
        } else {
            Found::Token(Kind::Int, end)
        }
    };
    if byte(0) == b'0' && byte(1) == b'x' && byte(2).is_ascii_hexdigit() {
        return unsigned(run(bytes, 2, |b| b.is_ascii_hexdigit()));
    }
    let whole = run(bytes, 0, |b| b.is_ascii_digit());
    let mut end = whole;
    if byte(end) == b'.' && byte(end + 1).is_ascii_digit() {
        end = run(bytes, end + 1, |b| b.is_ascii_digit());
    }
    if matches!(byte(end), b'e' | b'E') {
        let digits = end + 1 + usize::from(matches!(byte(end + 1), b'+' | b'-'));
        if byte(digits).is_ascii_digit() {
            end = run(bytes, digits, |b| b.is_ascii_digit());
        }
    }
    if end == whole {
        unsigned(end)
    } else {
        Found::Token(Kind::Float, end)
    }
}

/// A name, a keyword, or a string with a prefix (`r`, `b`, `br`).
fn word(rest: &str) -> Found {
    let bytes = rest.as_bytes();
    let is = |n: usize, set: &[u8]| bytes.get(n).is_some_and(|b| set.contains(b));
    let bytes_prefix = usize::from(is(0, b"bB"));
    let prefix = bytes_prefix + usize::from(is(bytes_prefix, b"rR"));
    if prefix > 0
        && is(prefix, b"\"'")
        && let Ok(length) = string(rest, prefix, prefix > bytes_prefix)
    {
        let kind = if bytes_prefix > 0 {
            Kind::Bytes
        } else {
            Kind::String
        };
        return Found::Token(kind, length);
    }
    let end = run(bytes, 0, |b| b.is_ascii_alphanumeric() || b == b'_');
    let kind = match &rest[..end] {
        "in" => Kind::In,
        "true" => Kind::True,
        "false" => Kind::False,
        "null" => Kind::Null,
        _ => Kind::Ident,
    };
    Found::Token(kind, end)
}

/// A name in backticks.
fn escaped(bytes: &[u8]) -> Found {
    let end = run(bytes, 1, |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/' | b' ')
    });
    if end > 1 && bytes.get(end) == Some(&b'`') {
        Found::Token(Kind::EscapedIdent, end + 1)
    } else {
        Found::Nothing(end)
    }
}

/// End of the string whose opening quote is at `open`; or how many bytes were tried.
fn string(rest: &str, open: usize, raw: bool) -> Result<usize, usize> {
    let bytes = rest.as_bytes();
    let quote = bytes[open];
    let triple = [quote; 3];
    if bytes[open..].starts_with(&triple) {
        let mut at = open + 3;
        while at < bytes.len() {
            if bytes[at..].starts_with(&triple) {
                return Ok(at + 3);
            }
            match escape(bytes, at, raw) {
                Ok(next) => at = next,
                Err(_) => break,
            }
        }
        // Not a triple-quoted string after all: an empty one comes first.
        return Ok(open + 2);
    }
    let mut at = open + 1;
    loop {
        match bytes.get(at) {
            None | Some(b'\n' | b'\r') => return Err(at),
            Some(b) if *b == quote => return Ok(at + 1),
            Some(_) => at = escape(bytes, at, raw)?,
        }
    }
}

/// End of the character or escape sequence at `at`; or where the sequence goes wrong.
fn escape(bytes: &[u8], at: usize, raw: bool) -> Result<usize, usize> {
    if raw || bytes[at] != b'\\' {
        return Ok(at + 1);
    }
    let digits = |count: usize, test: fn(&u8) -> bool| {
        let good = bytes[at + 2..].iter().take(count).take_while(|b| test(b));
        match good.count() {
            n if n == count => Ok(at + 2 + n),
            n => Err(at + 2 + n),
        }
    };
    match bytes.get(at + 1) {
        Some(b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v') => Ok(at + 2),
        Some(b'"' | b'\'' | b'\\' | b'?' | b'`') => Ok(at + 2),
        Some(b'x' | b'X') => digits(2, u8::is_ascii_hexdigit),
        Some(b'u') => digits(4, u8::is_ascii_hexdigit),
        Some(b'U') => digits(8, u8::is_ascii_hexdigit),
        Some(b'0'..=b'3') => digits(2, |b| matches!(b, b'0'..=b'7')),
        _ => Err(at + 1),
    }
}
