//! `ip()` and its methods.

use std::any::Any;
use std::net::{IpAddr, Ipv6Addr};

use super::args::{Outcome, SCAN, SCAN_TWICE, UNIT, only_text, receiver};
use super::text::go_quote;
use super::{Function, Overload, addr};
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, Opaque, Value};

/// CEL name of the type.
pub const TYPE_NAME: &str = "net.IP";

pub(super) const IP: Ty = Ty::Opaque(TYPE_NAME);
const RECEIVER: &[Ty] = &[IP];

/// An address without zone; never an IPv4 address written as IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip(pub IpAddr);

impl Opaque for Ip {
    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn equals(&self, other: &dyn Opaque) -> Option<bool> {
        other
            .as_any()
            .downcast_ref()
            .map(|other: &Self| self == other)
    }

    fn text(&self) -> String {
        self.0.to_string()
    }

    fn size(&self) -> Option<u64> {
        Some(if self.0.is_ipv4() { 4 } else { 16 })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The functions.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "ip",
        overloads: &[Overload::global(
            "string_to_ip",
            &[Ty::String],
            IP,
            SCAN,
            ip,
        )],
    },
    Function {
        name: "isIP",
        overloads: &[Overload::global(
            "is_ip",
            &[Ty::String],
            Ty::Bool,
            SCAN,
            is_ip,
        )],
    },
    Function {
        name: "ip.isCanonical",
        overloads: &[Overload::global(
            "ip_is_canonical",
            &[Ty::String],
            Ty::Bool,
            SCAN_TWICE,
            is_canonical,
        )],
    },
    Function {
        name: "family",
        overloads: &[Overload::member(
            "ip_family",
            RECEIVER,
            Ty::Int,
            UNIT,
            family,
        )],
    },
    test(
        "isUnspecified",
        &[is("ip_is_unspecified", |args| {
            check(args, |ip| ip.is_unspecified())
        })],
    ),
    test(
        "isLoopback",
        &[is("ip_is_loopback", |args| {
            check(args, |ip| ip.is_loopback())
        })],
    ),
    test(
        "isLinkLocalMulticast",
        &[is("ip_is_link_local_multicast", |args| {
            check(args, is_link_local_multicast)
        })],
    ),
    test(
        "isLinkLocalUnicast",
        &[is("ip_is_link_local_unicast", |args| {
            check(args, is_link_local_unicast)
        })],
    ),
    test(
        "isGlobalUnicast",
        &[is("ip_is_global_unicast", |args| {
            check(args, is_global_unicast)
        })],
    ),
    Function {
        name: "string",
        overloads: &[Overload::global(
            "ip_to_string",
            RECEIVER,
            Ty::String,
            UNIT,
            string,
        )],
    },
];

const fn test(name: &'static str, overloads: &'static [Overload]) -> Function {
    Function { name, overloads }
}

const fn is(id: &'static str, call: super::Call) -> Overload {
    Overload::member(id, RECEIVER, Ty::Bool, UNIT, call)
}

/// Reads an address as `ip()` does.
pub(super) fn parse(text: &str) -> Result<Ip, EvalError> {
    let quoted = || go_quote(text);
    let parsed = addr::parse(text).map_err(|error| {
        EvalError::text(format!(
            "IP Address {} parse error during conversion from string: {error}",
            quoted()
        ))
    })?;
    if parsed.zoned {
        return Err(EvalError::text(format!(
            "IP address {} with zone value is not allowed",
            quoted()
        )));
    }
    if is_mapped(parsed.addr) {
        return Err(EvalError::text(format!(
            "IPv4-mapped IPv6 address {} is not allowed",
            quoted()
        )));
    }
    Ok(Ip(parsed.addr))
}

/// Whether this is an IPv4 address written as IPv6.
pub(super) fn is_mapped(addr: IpAddr) -> bool {
    matches!(addr, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

fn is_link_local_multicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => matches!(v4.octets(), [224, 0, 0, _]),
        IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff02,
    }
}

fn is_link_local_unicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Private and unique local addresses count as global.
fn is_global_unicast(ip: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !(broadcast
        || ip.is_unspecified()
        || ip.is_loopback()
        || ip.is_multicast()
        || is_link_local_unicast(ip))
}

fn check<'a>(args: &[Value<'a>], holds: impl Fn(IpAddr) -> bool) -> Outcome<'a> {
    Ok(Value::Bool(holds(receiver::<Ip>(args)?.0)))
}

fn ip<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    parse(only_text(args)?).map(Value::opaque)
}

fn is_ip<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(parse(only_text(args)?).is_ok()))
}

fn is_canonical<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let text = only_text(args)?;
    Ok(Value::Bool(parse(text)?.text() == text))
}

fn family<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Int(if receiver::<Ip>(args)?.0.is_ipv4() {
        4
    } else {
        6
    }))
}

fn string<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(receiver::<Ip>(args)?.text().into())
}

/// The bits of an address, left-aligned in 128.
pub(super) fn bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address of the family of `like` with these left-aligned bits.
pub(super) fn from_bits(like: IpAddr, bits: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => {
            let [a, b, c, d, ..] = bits.to_be_bytes();
            IpAddr::from([a, b, c, d])
        }
        IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
    }
}

#[cfg(test)]
mod tests;
