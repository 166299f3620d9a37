//! How the API server's evaluator binds functions: what happens with arguments of the wrong type, and what a call costs
//! whose signature is chosen at run time. These are facts about its function tables that signatures do not show.

use crate::cel::lib::Overload;

/// Reaction to arguments that do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// `no such overload: f(int, string)`
    Signature,
    /// The function looks for itself.
    Function,
}

/// Functions that have one implementation for all signatures.
const SINGLETONS: &[&str] = &[
    "size",
    "matches",
    "type",
    "dyn",
    "sort",
    "@sortByAssociatedKeys",
];

/// Functions whose signatures are not checked again at run time.
const UNGUARDED: &[&str] = &["contains", "startsWith", "endsWith", "flatten"];

/// Signatures of one or two parameters that are nevertheless bound as functions of any number of arguments.
const VARIADIC: &[&str] = &["string_format"];

/// Functions whose cost the API server knows by name; the cost of all others goes by signature, and is one unit when
/// the signature is chosen at run time.
const COSTED_BY_NAME: &[&str] = &[
    "check",
    "serviceAccount",
    "path",
    "group",
    "resource",
    "subresource",
    "namespace",
    "name",
    "allowed",
    "reason",
    "error",
    "errored",
    "fieldSelector",
    "labelSelector",
    "isSorted",
    "sum",
    "max",
    "min",
    "indexOf",
    "lastIndexOf",
    "url",
    "lowerAscii",
    "upperAscii",
    "substring",
    "trim",
    "jsonpatch.escapeKey",
    "replace",
    "split",
    "join",
    "find",
    "findAll",
    "cidr",
    "isIP",
    "isCIDR",
    "ip",
    "ip.isCanonical",
    "containsIP",
    "containsCIDR",
    "quantity",
    "isQuantity",
    "semver",
    "isSemver",
    "validate",
];

/// Functions whose single argument, when constant, is converted before evaluation.
const CONVERSIONS: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "duration",
    "dyn",
    "int",
    "string",
    "timestamp",
    "type",
    "uint",
];

/// Functions with the position of their pattern argument.
const PATTERNS: &[&str] = &["matches", "find", "findAll"];

/// Whether `name` is a conversion.
pub(crate) fn is_conversion(name: &str) -> bool {
    CONVERSIONS.contains(&name)
}

/// Whether the second argument of `name` is a regular expression.
pub(crate) fn takes_pattern(name: &str) -> bool {
    PATTERNS.contains(&name)
}

/// Whether `name` has one implementation for all its signatures.
pub(crate) fn is_singleton(name: &str) -> bool {
    SINGLETONS.contains(&name)
}

/// How `name` reacts to wrong arguments.
pub(crate) fn guard(name: &str) -> Guard {
    if is_singleton(name) || UNGUARDED.contains(&name) {
        Guard::Function
    } else {
        Guard::Signature
    }
}

/// Whether the call is bound as a function of any number of arguments.
pub(crate) fn is_variadic(name: &str, resolved: Option<&Overload>, args: usize) -> bool {
    match resolved {
        _ if args > 2 => true,
        Some(overload) => VARIADIC.contains(&overload.id),
        None => !is_singleton(name),
    }
}

/// The signature that tells the cost when one of `candidates` is chosen at run time.
pub(crate) fn dispatch_cost(
    name: &str,
    candidates: &[&'static Overload],
) -> Option<&'static Overload> {
    if !COSTED_BY_NAME.contains(&name) {
        return None;
    }
    // Signatures that parse a text cost more, and are charged for it only when known before.
    candidates
        .iter()
        .find(|overload| {
            !overload.id.ends_with("_string") || name != "containsIP" && name != "containsCIDR"
        })
        .copied()
}
