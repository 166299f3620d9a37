//! `cidr()` and its methods.

use std::any::Any;
use std::net::IpAddr;

use super::args::{Outcome, SCAN, UNIT, only_text, receiver};
use super::ip::{self, IP, Ip, is_mapped};
use super::text::go_quote;
use super::{Cost, Function, Overload, addr};
use crate::cel::cost::per_size;
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, Opaque, Value};

/// CEL name of the type.
pub const TYPE_NAME: &str = "net.CIDR";

const CIDR: Ty = Ty::Opaque(TYPE_NAME);
const RECEIVER: &[Ty] = &[CIDR];
const WITH_TEXT: &[Ty] = &[CIDR, Ty::String];

/// An address and the number of leading bits that are the network; the other bits are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The address as written.
    pub addr: IpAddr,
    /// Bits of the network.
    pub length: u8,
}

impl Opaque for Cidr {
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
        format!("{}/{}", self.addr, self.length)
    }

    fn size(&self) -> Option<u64> {
        Some(u64::from(self.length).div_ceil(8))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Cidr {
    /// The network that `text` denotes, host bits allowed.
    ///
    /// # Errors
    /// The API server's text, which names the conversion twice.
    pub fn parse(text: &str) -> Result<Self, EvalError> {
        const CONVERSION: &str = "network address parse error during conversion from string";
        let (addr, length) = addr::parse_prefix(text)
            .map_err(|error| EvalError::text(format!("{CONVERSION}: {CONVERSION}: {error}")))?;
        if is_mapped(addr) {
            let quoted = go_quote(text);
            return Err(EvalError::text(format!(
                "{CONVERSION}: IPv4-mapped IPv6 address {quoted} is not allowed"
            )));
        }
        Ok(Self { addr, length })
    }

    /// Whether the address is in the network.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        self.addr.is_ipv4() == addr.is_ipv4()
            && (ip::bits(self.addr) ^ ip::bits(addr)) & mask(self.length) == 0
    }

    /// Whether the whole other network is in this one.
    #[must_use]
    pub fn contains_network(&self, other: &Self) -> bool {
        self.length <= other.length && self.contains(other.addr)
    }

    /// The network with its host bits cleared.
    #[must_use]
    pub fn masked(&self) -> Self {
        Self {
            addr: ip::from_bits(self.addr, ip::bits(self.addr) & mask(self.length)),
            length: self.length,
        }
    }
}

/// The `length` highest bits.
fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

/// The functions.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "cidr",
        overloads: &[Overload::global(
            "string_to_cidr",
            &[Ty::String],
            CIDR,
            SCAN,
            cidr,
        )],
    },
    Function {
        name: "isCIDR",
        overloads: &[Overload::global(
            "is_cidr",
            &[Ty::String],
            Ty::Bool,
            SCAN,
            is_cidr,
        )],
    },
    Function {
        name: "containsIP",
        overloads: &[
            Overload::member(
                "cidr_contains_ip_string",
                WITH_TEXT,
                Ty::Bool,
                Cost::Custom(|args, _| contains_ip_cost(args) + text_cost(args)),
                contains_ip,
            ),
            Overload::member(
                "cidr_contains_ip_ip",
                &[CIDR, IP],
                Ty::Bool,
                Cost::Custom(|args, _| contains_ip_cost(args)),
                contains_ip,
            ),
        ],
    },
    Function {
        name: "containsCIDR",
        overloads: &[
            Overload::member(
                "cidr_contains_cidr_string",
                WITH_TEXT,
                Ty::Bool,
                Cost::Custom(|args, _| contains_cidr_cost(args) + text_cost(args)),
                contains_cidr,
            ),
            Overload::member(
                "cidr_contains_cidr",
                &[CIDR, CIDR],
                Ty::Bool,
                Cost::Custom(|args, _| contains_cidr_cost(args)),
                contains_cidr,
            ),
        ],
    },
    Function {
        name: "ip",
        overloads: &[Overload::member("cidr_ip", RECEIVER, IP, UNIT, address)],
    },
    Function {
        name: "prefixLength",
        overloads: &[Overload::member(
            "cidr_prefix_length",
            RECEIVER,
            Ty::Int,
            UNIT,
            prefix_length,
        )],
    },
    Function {
        name: "masked",
        overloads: &[Overload::member(
            "cidr_masked",
            RECEIVER,
            CIDR,
            UNIT,
            masked,
        )],
    },
    Function {
        name: "string",
        overloads: &[Overload::global(
            "cidr_to_string",
            RECEIVER,
            Ty::String,
            UNIT,
            string,
        )],
    },
];

/// Comparing two addresses as far as the network goes.
fn contains_ip_cost(args: &[Value<'_>]) -> u64 {
    args.first()
        .map_or(0, |network| per_size(2 * network.cost_size(), 0.1))
}

/// The same, and masking.
fn contains_cidr_cost(args: &[Value<'_>]) -> u64 {
    contains_ip_cost(args)
        + args
            .first()
            .map_or(0, |network| per_size(network.cost_size(), 0.1))
        + 1
}

/// Reading the second argument.
fn text_cost(args: &[Value<'_>]) -> u64 {
    args.get(1)
        .map_or(0, |text| per_size(text.cost_size(), 0.1))
}

fn cidr<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Cidr::parse(only_text(args)?).map(Value::opaque)
}

fn is_cidr<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Bool(Cidr::parse(only_text(args)?).is_ok()))
}

/// A text that is no address has no overload here, in the API server by accident.
fn contains_ip<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let network: &Cidr = receiver(args)?;
    let address = match args.get(1) {
        Some(Value::String(text)) => ip::parse(text).ok(),
        Some(other) => other.as_opaque::<Ip>().copied(),
        None => None,
    };
    let address = address.ok_or(EvalError::NoSuchOverload)?;
    Ok(Value::Bool(network.contains(address.0)))
}

fn contains_cidr<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let network: &Cidr = receiver(args)?;
    let other = match args.get(1) {
        Some(Value::String(text)) => Cidr::parse(text)?,
        Some(other) => *other.as_opaque::<Cidr>().ok_or(EvalError::NoSuchOverload)?,
        None => return Err(EvalError::NoSuchOverload),
    };
    Ok(Value::Bool(network.contains_network(&other)))
}

fn address<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::opaque(Ip(receiver::<Cidr>(args)?.addr)))
}

fn prefix_length<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::Int(receiver::<Cidr>(args)?.length.into()))
}

fn masked<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(Value::opaque(receiver::<Cidr>(args)?.masked()))
}

fn string<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    Ok(receiver::<Cidr>(args)?.text().into())
}

#[cfg(test)]
mod tests;
