//! Escapes that stand for one character: octal, hexadecimal, C letters, punctuation.

use super::translate::{BAD_ESCAPE, Failure, TRAILING_BACKSLASH};

/// An escape for one character at the head of `text`: its code and what follows.
pub(super) fn single_escape(text: &str) -> Result<(u32, &str), Failure<'_>> {
    let mut chars = text[1..].chars();
    let Some(c) = chars.next() else {
        return Err((TRAILING_BACKSLASH, ""));
    };
    let rest = chars.as_str();
    let plain = |code: char| Ok((u32::from(code), rest));
    match c {
        '0'..='7' => {
            let octal = |octet: &u8| (b'0'..=b'7').contains(octet);
            let more = rest.bytes().take(2).take_while(octal).count();
            if c != '0' && more == 0 {
                return Err((BAD_ESCAPE, &text[..2]));
            }
            let code = text[1..2 + more]
                .bytes()
                .fold(0, |code, octet| code * 8 + u32::from(octet - b'0'));
            Ok((code, &rest[more..]))
        }
        'x' => hex_escape(text, rest),
        'a' => plain('\u{7}'),
        'f' => plain('\u{c}'),
        'n' => plain('\n'),
        'r' => plain('\r'),
        't' => plain('\t'),
        'v' => plain('\u{b}'),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => plain(c),
        _ => Err((BAD_ESCAPE, &text[..text.len() - rest.len()])),
    }
}

/// `\xHH` or `\x{H…}`; `rest` follows the `x`.
fn hex_escape<'p>(text: &'p str, rest: &'p str) -> Result<(u32, &'p str), Failure<'p>> {
    let mut chars = rest.chars();
    let seen =
        |chars: &std::str::Chars<'p>| (BAD_ESCAPE, &text[..text.len() - chars.as_str().len()]);
    let Some(first) = chars.next() else {
        return Err((BAD_ESCAPE, text));
    };
    if first != '{' {
        // Two digits; Go reads the second before it looks at the first.
        let second = chars.next();
        let digits = first.to_digit(16).zip(second.and_then(|c| c.to_digit(16)));
        let (high, low) = digits.ok_or_else(|| seen(&chars))?;
        return Ok((high * 16 + low, chars.as_str()));
    }
    let mut code = None;
    while let Some(c) = chars.next() {
        if c == '}' {
            return code
                .map(|code| (code, chars.as_str()))
                .ok_or_else(|| seen(&chars));
        }
        let value = c.to_digit(16).map(|digit| code.unwrap_or(0) * 16 + digit);
        code = value.filter(|value| *value <= u32::from(char::MAX));
        if code.is_none() {
            return Err(seen(&chars));
        }
    }
    Err((BAD_ESCAPE, text))
}
