//! Percent-encoding, by Go's table of what each part of a URL lets pass.

use crate::cel::lib::text::go_quote_octets;

/// Part of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Path,
    Host,
    Zone,
    User,
    Query,
    Fragment,
}

/// Whether an octet must be written as `%XX` in this part.
fn must_escape(octet: u8, part: Part) -> bool {
    if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.' | b'~') {
        return false;
    }
    match part {
        Part::Host | Part::Zone => !br#"!$&'()*+,;=:[]<>""#.contains(&octet),
        Part::Path => !b"$&+,/:;=@".contains(&octet),
        Part::User => !b"$&+,;=".contains(&octet),
        Part::Query => true,
        Part::Fragment => !b"$&+,/:;=?@!()*".contains(&octet),
    }
}

fn hex(octet: u8) -> Option<u8> {
    char::from(octet)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// The octets behind a percent-encoded text.
pub(super) fn unescape(text: &str, part: Part) -> Result<Vec<u8>, String> {
    let octets = text.as_bytes();
    let mut plain = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(&octet) = octets.get(at) {
        match octet {
            b'%' => {
                let triple = &octets[at..octets.len().min(at + 3)];
                let bad = || format!("invalid URL escape {}", go_quote_octets(triple));
                let [_, high, low] = *triple else {
                    return Err(bad());
                };
                let (Some(high), Some(low)) = (hex(high), hex(low)) else {
                    return Err(bad());
                };
                let value = high << 4 | low;
                // Hosts may only encode what is not ASCII, and the percent sign before a zone.
                let refused = match part {
                    Part::Host => high < 8 && value != b'%',
                    Part::Zone => value != b'%' && value != b' ' && must_escape(value, Part::Host),
                    _ => false,
                };
                if refused {
                    return Err(bad());
                }
                plain.push(value);
                at += 3;
                continue;
            }
            b'+' if part == Part::Query => plain.push(b' '),
            _ if matches!(part, Part::Host | Part::Zone)
                && octet.is_ascii()
                && must_escape(octet, part) =>
            {
                return Err(format!(
                    "invalid character {} in host name",
                    go_quote_octets(&[octet])
                ));
            }
            _ => plain.push(octet),
        }
        at += 1;
    }
    Ok(plain)
}

/// The percent-encoded form of octets.
pub(super) fn escape(octets: &[u8], part: Part) -> String {
    let mut text = String::with_capacity(octets.len());
    for octet in octets {
        if must_escape(*octet, part) {
            text.push_str(&format!("%{octet:02X}"));
        } else {
            text.push(char::from(*octet));
        }
    }
    text
}

/// Whether a text is an encoding that this part may have, if not the one that [`escape`] makes.
pub(super) fn is_encoded(text: &str, part: Part) -> bool {
    text.bytes()
        .all(|octet| b"!$&'()*+,;=:@[]%".contains(&octet) || !must_escape(octet, part))
}

/// The encoded form of a part whose encoding as written is `raw`: kept where valid.
pub(super) fn encoded(raw: &str, plain: &[u8], part: Part) -> String {
    if is_encoded(raw, part) {
        raw.to_owned()
    } else {
        escape(plain, part)
    }
}
