//! Reading of URLs as Go's `net/url` does it.

use std::borrow::Cow;
use std::net::IpAddr;

use super::escape::{Part, encoded, escape, unescape};
use crate::cel::lib::addr;
use crate::cel::lib::text::go_quote;

/// Parameters of a query beyond which it counts as none.
const MAX_PARAMETERS: usize = 10_000;

/// A URL, taken apart.
#[derive(Clone, Debug, Default)]
pub struct Url {
    /// In lower case; empty for a path.
    pub(super) scheme: String,
    /// What follows the scheme when that is no path: `mailto:opaque`.
    opaque: String,
    /// User and password, encoded.
    user: Option<String>,
    /// With port and brackets.
    pub(super) host: String,
    omit_host: bool,
    /// Encoded.
    pub(super) path: String,
    /// A question mark with nothing behind it.
    force_query: bool,
    query: String,
    /// Encoded.
    fragment: String,
}

impl Url {
    /// Reads an absolute URI or an absolute path, with a fragment.
    ///
    /// # Errors
    /// Go's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        check(text)?;
        let (plain, fragment) = text.split_once('#').unwrap_or((text, ""));
        let mut url = parse(plain, false).map_err(|error| in_parse(plain, &error))?;
        let unescaped =
            unescape(fragment, Part::Fragment).map_err(|error| in_parse(text, &error))?;
        url.fragment = encoded(fragment, &unescaped, Part::Fragment);
        Ok(url)
    }

    /// Host without port and brackets.
    pub(super) fn hostname(&self) -> &str {
        let host = self
            .port_at()
            .map_or(self.host.as_str(), |at| &self.host[..at]);
        match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(inner) => inner,
            None => host,
        }
    }

    /// Port, empty if there is none.
    pub(super) fn port(&self) -> &str {
        self.port_at().map_or("", |at| &self.host[at + 1..])
    }

    /// Where the colon before the port is.
    fn port_at(&self) -> Option<usize> {
        self.host
            .rfind(':')
            .filter(|at| is_optional_port(&self.host[*at..]))
    }

    /// Names and values of the query in order; ill-formed ones are left out.
    pub(super) fn parameters(&self) -> Vec<(String, String)> {
        if self.query.matches('&').count() >= MAX_PARAMETERS {
            return Vec::new();
        }
        let decode = |text: &str| {
            unescape(text, Part::Query)
                .ok()
                .map(|octets| lossy(&octets))
        };
        self.query
            .split('&')
            .filter(|parameter| !parameter.is_empty() && !parameter.contains(';'))
            .filter_map(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                Some((decode(name)?, decode(value)?))
            })
            .collect()
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}:", self.scheme)?;
        }
        f.write_str(&self.opaque)?;
        let authority = !self.scheme.is_empty() || !self.host.is_empty() || self.user.is_some();
        let omitted = self.omit_host && self.host.is_empty() && self.user.is_none();
        if self.opaque.is_empty() && authority && !omitted {
            if !self.host.is_empty() || !self.path.is_empty() || self.user.is_some() {
                f.write_str("//")?;
            }
            if let Some(user) = &self.user {
                write!(f, "{user}@")?;
            }
            f.write_str(&escape(self.host.as_bytes(), Part::Host))?;
        }
        f.write_str(&self.path)?;
        if self.force_query || !self.query.is_empty() {
            write!(f, "?{}", self.query)?;
        }
        if !self.fragment.is_empty() {
            write!(f, "#{}", self.fragment)?;
        }
        Ok(())
    }
}

/// Whether a text is an absolute URI or an absolute path, where a fragment counts as part of the path.
///
/// # Errors
/// Go's text.
pub fn check(text: &str) -> Result<(), String> {
    parse(text, true)
        .map(|_| ())
        .map_err(|error| in_parse(text, &error))
}

fn in_parse(text: &str, error: &str) -> String {
    format!("parse {}: {error}", go_quote(text))
}

/// Texts of octets that are no UTF-8 cannot be held; the odd ones are replaced.
fn lossy(octets: &[u8]) -> String {
    match String::from_utf8_lossy(octets) {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(text) => text,
    }
}

fn parse(text: &str, request: bool) -> Result<Url, String> {
    if text.bytes().any(|octet| octet.is_ascii_control()) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    if text.is_empty() && request {
        return Err("empty url".to_owned());
    }
    let mut url = Url::default();
    if text == "*" {
        url.path = "*".to_owned();
        return Ok(url);
    }
    let (scheme, rest) = split_scheme(text)?;
    url.scheme = scheme.to_ascii_lowercase();
    let rest = match rest.split_once('?') {
        Some((rest, "")) => {
            url.force_query = true;
            rest
        }
        Some((rest, query)) => {
            url.query = query.to_owned();
            rest
        }
        None => rest,
    };
    if !rest.starts_with('/') {
        if !url.scheme.is_empty() {
            url.opaque = rest.to_owned();
            return Ok(url);
        }
        if request {
            return Err("invalid URI for request".to_owned());
        }
        if rest
            .split('/')
            .next()
            .is_some_and(|segment| segment.contains(':'))
        {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let has_authority = !url.scheme.is_empty() || !request && !rest.starts_with("///");
    let path = match rest.strip_prefix("//").filter(|_| has_authority) {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (url.user, url.host) = parse_authority(&url.scheme, authority)?;
            path
        }
        None => {
            url.omit_host = !url.scheme.is_empty() && rest.starts_with('/');
            rest
        }
    };
    let plain = unescape(path, Part::Path)?;
    url.path = if plain == b"*" {
        "*".to_owned()
    } else {
        encoded(path, &plain, Part::Path)
    };
    Ok(url)
}

/// The scheme, if there is one, and what follows its colon.
fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn parse_authority(scheme: &str, authority: &str) -> Result<(Option<String>, String), String> {
    let Some((user, host)) = authority.rsplit_once('@') else {
        return Ok((None, parse_host(scheme, authority)?));
    };
    let host = parse_host(scheme, host)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(allowed) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let again = |text: &str| unescape(text, Part::User).map(|plain| escape(&plain, Part::User));
    let user = match user.split_once(':') {
        Some((name, password)) => format!("{}:{}", again(name)?, again(password)?),
        None => again(user)?,
    };
    Ok((Some(user), host))
}

fn parse_host(scheme: &str, host: &str) -> Result<String, String> {
    match host.rfind('[') {
        Some(0) => return parse_literal(host),
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {}
    }
    // Only in http and https may a host have no more than one colon.
    let strict = matches!(scheme, "http" | "https");
    let colon = if strict {
        host.find(':')
    } else {
        host.rfind(':')
    };
    if let Some(colon) = colon {
        check_port(&host[colon..])?;
    }
    unescape(host, Part::Host).map(|octets| lossy(&octets))
}

/// `[address]:port`
fn parse_literal(host: &str) -> Result<String, String> {
    let Some(close) = host.rfind(']') else {
        return Err("missing ']' in host".to_owned());
    };
    let port = &host[close + 1..];
    check_port(port)?;
    let inner = &host[1..close];
    let address = match inner.find("%25") {
        Some(zone) => {
            let mut address = unescape(&inner[..zone], Part::Host)?;
            address.extend(unescape(&inner[zone..], Part::Zone)?);
            address
        }
        None => unescape(inner, Part::Host)?,
    };
    let address = lossy(&address);
    match addr::parse(&address)
        .map_err(|error| format!("invalid host: {error}"))?
        .addr
    {
        IpAddr::V4(_) => Err("invalid IP-literal".to_owned()),
        IpAddr::V6(_) => Ok(format!("[{address}]{port}")),
    }
}

fn check_port(text: &str) -> Result<(), String> {
    if is_optional_port(text) {
        return Ok(());
    }
    Err(format!("invalid port {} after host", go_quote(text)))
}

/// Nothing, or a colon and digits.
fn is_optional_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(port) => port.bytes().all(|octet| octet.is_ascii_digit()),
        None => text.is_empty(),
    }
}
