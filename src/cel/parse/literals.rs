//! Text of literal tokens to values.

use crate::cel::ast::Literal;

/// Value of an integer token, with its sign; `None` when out of range.
pub(super) fn int(negative: bool, text: &str) -> Option<Literal> {
    let (digits, radix) = radix(text);
    let sign = if negative { "-" } else { "" };
    i64::from_str_radix(&format!("{sign}{digits}"), radix)
        .ok()
        .map(Literal::Int)
}

/// Value of an unsigned token, suffix included; `None` when out of range.
pub(super) fn uint(text: &str) -> Option<Literal> {
    let (digits, radix) = radix(text.trim_end_matches(['u', 'U']));
    u64::from_str_radix(digits, radix).ok().map(Literal::Uint)
}

fn radix(text: &str) -> (&str, u32) {
    text.strip_prefix("0x")
        .map_or((text, 10), |digits| (digits, 16))
}

/// Value of a double token, with its sign; `None` when its magnitude is too large.
pub(super) fn double(negative: bool, text: &str) -> Option<Literal> {
    let value: f64 = text.parse().ok()?;
    let signed = if negative { -value } else { value };
    value.is_finite().then_some(Literal::Double(signed))
}

/// Content of a string token, quotes and prefix included in `token`.
pub(super) fn string(token: &str) -> Result<String, &'static str> {
    let text = normalized(token);
    let (content, raw) = unquoted(&text);
    if raw || !content.contains('\\') {
        return Ok(content.to_owned());
    }
    let mut out = String::with_capacity(content.len());
    let mut rest = content;
    while let Some((part, tail)) = next(rest)? {
        rest = tail;
        out.push(match part {
            Part::Char(c) => c,
            Part::Octet(code) => char::from(code),
            Part::CodePoint(code) => char::from_u32(code).ok_or(INVALID_CODE_POINT)?,
        });
    }
    Ok(out)
}

/// Content of a bytes token, quotes and prefixes included in `token`.
pub(super) fn bytes(token: &str) -> Result<Vec<u8>, &'static str> {
    let text = normalized(token.get(1..).unwrap_or_default());
    let (content, raw) = unquoted(&text);
    if raw || !content.contains('\\') {
        return Ok(content.as_bytes().to_vec());
    }
    let mut out = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some((part, tail)) = next(rest)? {
        rest = tail;
        match part {
            Part::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Part::Octet(octet) => out.push(octet),
            Part::CodePoint(_) => return Err(CANNOT_UNESCAPE),
        }
    }
    Ok(out)
}

const CANNOT_UNESCAPE: &str = "unable to unescape string";
const INVALID_CODE_POINT: &str = "invalid unicode code point";

/// Line ends become `\n`.
fn normalized(token: &str) -> String {
    token.replace("\r\n", "\n").replace('\r', "\n")
}

/// What stands between the quotes, and whether it is raw.
fn unquoted(token: &str) -> (&str, bool) {
    let text = token.strip_prefix(['r', 'R']).unwrap_or(token);
    let triple = text.len() >= 6 && (text.starts_with("'''") || text.starts_with("\"\"\""));
    let width = if triple { 3 } else { 1 };
    (&text[width..text.len() - width], text.len() < token.len())
}

enum Part {
    /// A character as written, or named by an escape.
    Char(char),
    /// `\xHH` or `\ooo`: an octet in bytes, a code point in strings.
    Octet(u8),
    /// `\uHHHH` or `\UHHHHHHHH`.
    CodePoint(u32),
}

/// First character or escape sequence of `text`, and what follows it.
fn next(text: &str) -> Result<Option<(Part, &str)>, &'static str> {
    let mut chars = text.chars();
    match chars.next() {
        None => return Ok(None),
        Some('\\') => {}
        Some(c) => return Ok(Some((Part::Char(c), chars.as_str()))),
    }
    let code = chars.next().ok_or(CANNOT_UNESCAPE)?;
    let rest = chars.as_str();
    let digits = |count: usize, radix: u32, rest: &'_ str| {
        rest.get(..count)
            .and_then(|digits| u32::from_str_radix(digits, radix).ok())
            .ok_or(CANNOT_UNESCAPE)
    };
    let (part, used) = match code {
        'a' => (Part::Char('\u{7}'), 0),
        'b' => (Part::Char('\u{8}'), 0),
        'f' => (Part::Char('\u{c}'), 0),
        'n' => (Part::Char('\n'), 0),
        'r' => (Part::Char('\r'), 0),
        't' => (Part::Char('\t'), 0),
        'v' => (Part::Char('\u{b}'), 0),
        '\\' | '\'' | '"' | '`' | '?' => (Part::Char(code), 0),
        'x' | 'X' => (octet(digits(2, 16, rest)?)?, 2),
        'u' => (Part::CodePoint(digits(4, 16, rest)?), 4),
        'U' => (Part::CodePoint(digits(8, 16, rest)?), 8),
        '0'..='3' => {
            let high = code as u32 - '0' as u32;
            (octet(high * 64 + digits(2, 8, rest)?)?, 2)
        }
        _ => return Err(CANNOT_UNESCAPE),
    };
    Ok(Some((part, &rest[used..])))
}

fn octet(code: u32) -> Result<Part, &'static str> {
    u8::try_from(code)
        .map(Part::Octet)
        .map_err(|_| CANNOT_UNESCAPE)
}
