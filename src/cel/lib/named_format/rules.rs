//! The rules of the formats, with the API server's texts for what breaks them.

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL_1035: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";

const LABEL_RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and \
                          must start and end with an alphanumeric character";
const SUBDOMAIN_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' \
                              or '.', and must start and end with an alphanumeric character";
const LABEL_1035_RULE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with \
                               an alphabetic character, and end with an alphanumeric character";
const QUALIFIED_RULE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with \
                              an alphanumeric character";
const VALUE_RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
                          '.', and must start and end with an alphanumeric character";

const MAX_LABEL: usize = 63;
const MAX_SUBDOMAIN: usize = 253;

/// A broken rule with examples of what keeps it.
fn explain(rule: &str, pattern: &str, examples: &[&str]) -> String {
    let examples: Vec<String> = examples
        .iter()
        .map(|example| format!("'{example}', "))
        .collect();
    // The odd blanks are those of the API server.
    format!(
        "{rule} (e.g. {}regex used for validation is '{pattern}')",
        examples.join(" or ")
    )
}

fn lower(octet: u8) -> bool {
    octet.is_ascii_lowercase() || octet.is_ascii_digit()
}

/// Begins with `first`, ends with `edge`, has only `inner` in between.
fn is_shaped(
    text: &[u8],
    first: fn(u8) -> bool,
    edge: fn(u8) -> bool,
    inner: impl Fn(u8) -> bool,
) -> bool {
    match text {
        [] => false,
        [only] => first(*only),
        [head, middle @ .., tail] => {
            first(*head) && edge(*tail) && middle.iter().all(|octet| inner(*octet))
        }
    }
}

fn is_label(text: &[u8]) -> bool {
    is_shaped(text, lower, lower, |octet| lower(octet) || octet == b'-')
}

/// The text of a `generateName`: what will follow it makes a trailing dash good. Two octets give way to one letter, as
/// in the API server.
pub(super) fn as_prefix(text: &str) -> Vec<u8> {
    let octets = text.as_bytes();
    if octets.len() > 1 && octets.ends_with(b"-") {
        return [&octets[..octets.len() - 2], b"a"].concat();
    }
    octets.to_vec()
}

fn too_long(text: &[u8], limit: usize, unit: &str) -> Option<String> {
    (text.len() > limit).then(|| format!("must be no more than {limit} {unit}"))
}

pub(super) fn dns1123_label(text: &[u8]) -> Vec<String> {
    let mut faults: Vec<String> = too_long(text, MAX_LABEL, "characters")
        .into_iter()
        .collect();
    if !is_label(text) {
        faults.push(if is_subdomain(text) {
            "must not contain dots".to_owned()
        } else {
            explain(LABEL_RULE, LABEL, &["my-name", "123-abc"])
        });
    }
    faults
}

fn is_subdomain(text: &[u8]) -> bool {
    text.split(|octet| *octet == b'.').all(is_label)
}

pub(super) fn dns1123_subdomain(text: &[u8]) -> Vec<String> {
    subdomain(text, "characters")
}

fn subdomain(text: &[u8], unit: &str) -> Vec<String> {
    let mut faults: Vec<String> = too_long(text, MAX_SUBDOMAIN, unit).into_iter().collect();
    if !is_subdomain(text) {
        faults.push(explain(SUBDOMAIN_RULE, SUBDOMAIN, &["example.com"]));
    }
    faults
}

pub(super) fn dns1035_label(text: &[u8]) -> Vec<String> {
    let mut faults: Vec<String> = too_long(text, MAX_LABEL, "characters")
        .into_iter()
        .collect();
    let valid = is_shaped(
        text,
        |octet| octet.is_ascii_lowercase(),
        lower,
        |octet| lower(octet) || octet == b'-',
    );
    if !valid {
        faults.push(explain(
            LABEL_1035_RULE,
            LABEL_1035,
            &["my-name", "abc-123"],
        ));
    }
    faults
}

fn is_qualified(text: &[u8]) -> bool {
    let edge = |octet: u8| octet.is_ascii_alphanumeric();
    is_shaped(text, edge, edge, |octet| {
        edge(octet) || matches!(octet, b'-' | b'_' | b'.')
    })
}

pub(super) fn qualified_name(text: &str) -> Vec<String> {
    let explained = || explain(QUALIFIED_RULE, QUALIFIED, &["MyName", "my.name", "123-abc"]);
    let mut faults = Vec::new();
    let parts: Vec<&str> = text.split('/').collect();
    let name = match parts[..] {
        [name] => name,
        ["", name] => {
            faults.push("prefix part must be non-empty".to_owned());
            name
        }
        [prefix, name] => {
            let broken = subdomain(prefix.as_bytes(), "bytes");
            faults.extend(
                broken
                    .into_iter()
                    .map(|fault| format!("prefix part {fault}")),
            );
            name
        }
        _ => {
            faults.push(format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                explained()
            ));
            return faults;
        }
    };
    if name.is_empty() {
        faults.push("name part must be non-empty".to_owned());
    } else {
        let long = too_long(name.as_bytes(), MAX_LABEL, "bytes");
        faults.extend(long.map(|fault| format!("name part {fault}")));
    }
    if !is_qualified(name.as_bytes()) {
        faults.push(format!("name part {}", explained()));
    }
    faults
}

pub(super) fn label_value(text: &str) -> Vec<String> {
    let mut faults: Vec<String> = too_long(text.as_bytes(), MAX_LABEL, "bytes")
        .into_iter()
        .collect();
    if !text.is_empty() && !is_qualified(text.as_bytes()) {
        faults.push(explain(
            VALUE_RULE,
            VALUE,
            &["MyValue", "my_value", "12345"],
        ));
    }
    faults
}

/// Five groups of hexadecimal digits, dashes between them optional.
pub(super) fn is_uuid(text: &str) -> bool {
    let mut rest = text;
    for (at, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if at > 0 {
            rest = rest.strip_prefix('-').unwrap_or(rest);
        }
        match rest.split_at_checked(length) {
            Some((group, after)) if group.bytes().all(|octet| octet.is_ascii_hexdigit()) => {
                rest = after
            }
            _ => return false,
        }
    }
    rest.is_empty()
}

/// Standard alphabet, padded, not empty.
pub(super) fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    padding <= 2
        && !digits.is_empty()
        && text.len().is_multiple_of(4)
        && digits
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/'))
}

pub(super) fn is_date(text: &str) -> bool {
    // A date is what makes a time of it valid.
    text.len() == 10 && super::super::time::parse_timestamp(&format!("{text}T00:00:00Z")).is_some()
}

/// Date, `t`, time of day; what a further `t` separates is not looked at, as in the API server.
pub(super) fn is_datetime(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut parts = text.split('t');
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else {
        return false;
    };
    is_date(date) && is_time(time).unwrap_or(false)
}

/// `hh:mm:ss`, one separator of any kind and digits, then `z` or `±hh:mm`; the offset has no bounds.
fn is_time(text: &str) -> Option<bool> {
    let (clock, rest) = text.split_at_checked(8)?;
    let field = |range: std::ops::Range<usize>| {
        let text = clock.get(range)?;
        text.bytes()
            .all(|octet| octet.is_ascii_digit())
            .then_some(text)
    };
    let within = field(0..2)? <= "23" && field(3..5)? <= "59" && field(6..8)? <= "59";
    let colons = clock.as_bytes()[2] == b':' && clock.as_bytes()[5] == b':';
    let mut chars = rest.chars();
    let separator = chars.next()?;
    let after = chars.as_str();
    let zone = after.trim_start_matches(|c: char| c.is_ascii_digit());
    let fraction = separator != '\n' && zone.len() < after.len() && is_zone(zone);
    Some(within && colons && (is_zone(rest) || fraction))
}

fn is_zone(text: &str) -> bool {
    match text.as_bytes() {
        b"z" => true,
        [b'+' | b'-', a, b, b':', c, d] => [a, b, c, d].into_iter().all(u8::is_ascii_digit),
        _ => false,
    }
}
