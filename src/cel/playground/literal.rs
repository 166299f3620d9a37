//! Values as the expressions that make them, laid out for people.

use std::fmt::Write as _;

use crate::cel::lib::numbers::format_double;
use crate::cel::lib::standard::to_text;
use crate::cel::value::Value;

/// Longest line, in characters, on which a list or map stands by itself.
const WIDTH: usize = 80;

/// Opening and closing of a composite, and its members: an optional name in front of each.
struct Composite<'a> {
    open: String,
    close: &'static str,
    members: Vec<(Option<String>, Value<'a>)>,
}

/// A measured value; no newline at the end.
pub(super) fn text(value: &Value<'_>) -> String {
    let mut out = String::new();
    layout(value, 0, &mut out);
    out
}

/// Writes `value` on one line where it is short, else one member a line.
fn layout(value: &Value<'_>, indent: usize, out: &mut String) {
    let Some(composite) = composite(value) else {
        return scalar(value, out);
    };
    let start = out.len();
    if inline(value, WIDTH, out) {
        return;
    }
    out.truncate(start);
    out.push_str(&composite.open);
    for (position, (name, member)) in composite.members.iter().enumerate() {
        out.push_str(if position > 0 { ",\n" } else { "\n" });
        out.extend(std::iter::repeat_n(' ', indent + 2));
        if let Some(name) = name {
            out.push_str(name);
            out.push_str(": ");
        }
        layout(member, indent + 2, out);
    }
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
    out.push_str(composite.close);
}

/// Writes `value` on one line of at most `width` characters; false, with a part written, when it is longer.
fn inline(value: &Value<'_>, width: usize, out: &mut String) -> bool {
    let end = out.len() + width;
    one_line(value, end, out) && out.len() <= end
}

fn one_line(value: &Value<'_>, end: usize, out: &mut String) -> bool {
    let Some(composite) = composite(value) else {
        scalar(value, out);
        return out.len() <= end;
    };
    out.push_str(&composite.open);
    for (position, (name, member)) in composite.members.iter().enumerate() {
        if position > 0 {
            out.push_str(", ");
        }
        if let Some(name) = name {
            out.push_str(name);
            out.push_str(": ");
        }
        if !one_line(member, end, out) {
            return false;
        }
    }
    out.push_str(composite.close);
    true
}

fn composite<'a>(value: &Value<'a>) -> Option<Composite<'a>> {
    let of = |open: &str, close, members| {
        Some(Composite {
            open: open.to_owned(),
            close,
            members,
        })
    };
    match value {
        Value::List(list) => of("[", "]", list.iter().map(|item| (None, item)).collect()),
        Value::Map(map) => of(
            "{",
            "}",
            map.iter()
                .map(|(key, value)| {
                    let mut name = String::new();
                    layout(&key, 0, &mut name);
                    (Some(name), value)
                })
                .collect(),
        ),
        Value::Optional(Some(inner)) => {
            of("optional.of(", ")", vec![(None, inner.as_ref().clone())])
        }
        Value::Struct(object) => of(
            &format!("{}{{", object.name),
            "}",
            object
                .fields
                .iter()
                .map(|(name, value)| (Some(name.to_string()), value.clone()))
                .collect(),
        ),
        _ => None,
    }
}

fn scalar(value: &Value<'_>, out: &mut String) {
    match value {
        Value::String(text) => quote(text, out),
        Value::Bytes(octets) => {
            out.push('b');
            quote_octets(octets, out);
        }
        Value::Uint(uint) => {
            let _ = write!(out, "{uint}u");
        }
        Value::Double(double) => out.push_str(&double_text(*double)),
        Value::Duration(_) => made("duration", value, out),
        Value::Timestamp(_) => made("timestamp", value, out),
        Value::Optional(_) => out.push_str("optional.none()"),
        Value::Opaque(opaque) => {
            let name = match opaque.type_name() {
                "kubernetes.Quantity" => "quantity",
                "kubernetes.URL" => "url",
                "kubernetes.Semver" => "semver",
                "kubernetes.NamedFormat" => "format.named",
                "net.IP" => "ip",
                "net.CIDR" => "cidr",
                other => return out.push_str(other),
            };
            out.push_str(name);
            out.push('(');
            quote(&opaque.text(), out);
            out.push(')');
        }
        plain => match to_text(plain) {
            Ok(text) => out.push_str(&text),
            Err(_) => out.push_str(plain.type_name()),
        },
    }
}

/// A value that a conversion makes of its text.
fn made(function: &str, value: &Value<'_>, out: &mut String) {
    out.push_str(function);
    out.push('(');
    quote(
        &to_text(value).map_or_else(|_| String::new(), |text| text.to_string()),
        out,
    );
    out.push(')');
}

/// A double that does not look like an integer.
fn double_text(double: f64) -> String {
    let text = format_double(double);
    if !double.is_finite() {
        return format!("double(\"{text}\")");
    }
    if text.contains(['.', 'e']) {
        text
    } else {
        format!("{text}.0")
    }
}

/// Characters that terminals act on or do not show.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hidden(c) => {
                let code = u32::from(c);
                let _ = match code {
                    0..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn quote_octets(octets: &[u8], out: &mut String) {
    out.push('"');
    for octet in octets {
        match octet {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(*octet));
            }
            0x20..=0x7e => out.push(char::from(*octet)),
            other => {
                let _ = write!(out, "\\x{other:02x}");
            }
        }
    }
    out.push('"');
}
