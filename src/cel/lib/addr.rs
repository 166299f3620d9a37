//! Internet addresses and prefixes as text, read by the rules and with the errors of Go's `netip`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::text::go_quote;

/// An address, and whether a zone (`%eth0`) followed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) addr: IpAddr,
    pub(super) zoned: bool,
}

/// What is wrong, and where if that is known.
type Failure<'t> = (&'static str, Option<&'t str>);

/// Reads an address.
pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    let parsed = match text.find(['.', ':', '%']).map(|at| text.as_bytes()[at]) {
        Some(b'.') => parse_v4(text).map(|addr| Parsed {
            addr: addr.into(),
            zoned: false,
        }),
        Some(b':') => parse_v6(text),
        Some(_) => Err(("missing IPv6 address", None)),
        None => Err(("unable to parse IP", None)),
    };
    parsed.map_err(|(message, at)| {
        let at = at.filter(|at| !at.is_empty());
        let at = at.map_or_else(String::new, |at| format!(" (at {})", go_quote(at)));
        format!("ParseAddr({}): {message}{at}", go_quote(text))
    })
}

/// Reads `address/bits`.
pub(super) fn parse_prefix(text: &str) -> Result<(IpAddr, u8), String> {
    let error = |message: &str| format!("netip.ParsePrefix({}): {message}", go_quote(text));
    let (addr, bits) = text.rsplit_once('/').ok_or_else(|| error("no '/'"))?;
    let parsed = parse(addr).map_err(|message| error(&message))?;
    if parsed.zoned {
        return Err(error("IPv6 zones cannot be present in a prefix"));
    }
    let bad = || error(&format!("bad bits after slash: {}", go_quote(bits)));
    // No sign and no leading zero, except for a lone digit.
    if bits.len() > 1 && !bits.starts_with(|c: char| ('1'..='9').contains(&c)) {
        return Err(bad());
    }
    let length: i64 = bits.parse().map_err(|_| bad())?;
    let longest = if parsed.addr.is_ipv4() { 32 } else { 128 };
    match u8::try_from(length) {
        Ok(length) if length <= longest => Ok((parsed.addr, length)),
        _ => Err(error("prefix length out of range")),
    }
}

fn parse_v4(text: &str) -> Result<Ipv4Addr, Failure<'_>> {
    let mut fields = [0_u8; 4];
    let mut place = 0;
    let mut value = 0_u32;
    let mut digits = 0;
    for (at, c) in text.char_indices() {
        match c {
            '0'..='9' => {
                if digits == 1 && value == 0 {
                    return Err(("IPv4 field has octet with leading zero", None));
                }
                value = value * 10 + (u32::from(c) - u32::from('0'));
                digits += 1;
                fields[place] =
                    u8::try_from(value).map_err(|_| ("IPv4 field has value >255", None))?;
            }
            '.' => {
                if digits == 0 || at + 1 == text.len() {
                    return Err(("IPv4 field must have at least one digit", Some(&text[at..])));
                }
                if place == 3 {
                    return Err(("IPv4 address too long", None));
                }
                place += 1;
                value = 0;
                digits = 0;
            }
            _ => return Err(("unexpected character", Some(&text[at..]))),
        }
    }
    if place < 3 {
        return Err(("IPv4 address too short", None));
    }
    Ok(fields.into())
}

fn parse_v6(text: &str) -> Result<Parsed, Failure<'_>> {
    let (address, zone) = match text.split_once('%') {
        Some((_, "")) => return Err(("zone must be a non-empty string", None)),
        Some((address, _)) => (address, true),
        None => (text, false),
    };
    let octets = v6_octets(address)?;
    Ok(Parsed {
        addr: Ipv6Addr::from(octets).into(),
        zoned: zone,
    })
}

fn v6_octets(text: &str) -> Result<[u8; 16], Failure<'_>> {
    let mut octets = Vec::with_capacity(16);
    // Where `::` stands.
    let mut gap = None;
    let mut rest = text;
    if let Some(after) = rest.strip_prefix("::") {
        gap = Some(0);
        rest = after;
    }
    while octets.len() < 16 && !(rest.is_empty() && gap == Some(octets.len())) {
        let length = group_length(rest)?;
        if rest[length..].starts_with('.') {
            octets.extend(embedded_v4(rest, octets.len(), gap.is_some())?);
            rest = "";
            break;
        }
        // One to four hexadecimal digits.
        let group = u16::from_str_radix(&rest[..length], 16).unwrap_or(0);
        octets.extend(group.to_be_bytes());
        let after = &rest[length..];
        rest = after;
        if after.is_empty() {
            break;
        }
        let Some(next) = after.strip_prefix(':') else {
            return Err(("unexpected character, want colon", Some(after)));
        };
        if next.is_empty() {
            return Err(("colon must be followed by more characters", Some(after)));
        }
        rest = next;
        if let Some(next) = next.strip_prefix(':') {
            if gap.is_some() {
                return Err(("multiple :: in address", Some(rest)));
            }
            gap = Some(octets.len());
            rest = next;
        }
    }
    if !rest.is_empty() {
        return Err(("trailing garbage after address", Some(rest)));
    }
    match gap {
        None if octets.len() < 16 => return Err(("address string too short", None)),
        Some(_) if octets.len() == 16 => {
            return Err(("the :: must expand to at least one field of zeros", None));
        }
        Some(at) => {
            let zeros = vec![0; 16 - octets.len()];
            octets.splice(at..at, zeros);
        }
        None => {}
    }
    octets
        .try_into()
        .map_err(|_| ("address string too short", None))
}

/// Number of digits of the group at the head of `text`.
fn group_length(text: &str) -> Result<usize, Failure<'_>> {
    match text.bytes().take_while(u8::is_ascii_hexdigit).count() {
        0 => Err((
            "each colon-separated field must have at least one digit",
            Some(text),
        )),
        length @ 1..=4 => Ok(length),
        _ => Err(("each group must have 4 or less digits", Some(text))),
    }
}

/// The last four octets in dotted form, after `before` octets.
fn embedded_v4(text: &str, before: usize, gap: bool) -> Result<[u8; 4], Failure<'_>> {
    if !gap && before != 12 {
        return Err((
            "embedded IPv4 address must replace the final 2 fields of the address",
            Some(text),
        ));
    }
    if before + 4 > 16 {
        return Err((
            "too many hex fields to fit an embedded IPv4 at the end of the address",
            Some(text),
        ));
    }
    parse_v4(text).map(|addr| addr.octets())
}

#[cfg(test)]
mod tests;
