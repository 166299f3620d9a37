//! Named formats: `format.dns1123Label().validate(…)` and the like.

mod rules;
#[cfg(test)]
mod tests;

use std::any::Any;

use super::args::{Outcome, UNIT};
use super::{Cost, Function, Overload};
use crate::cel::cost;
use crate::cel::types::Ty;
use crate::cel::value::{EvalError, Opaque, Value};

/// CEL name of the type.
pub const TYPE_NAME: &str = "kubernetes.NamedFormat";

const FORMAT: Ty = Ty::Opaque(TYPE_NAME);

/// A format: its names, its rule, the length of the pattern that its cost is reckoned with.
#[derive(Clone, Copy, Debug)]
pub struct NamedFormat {
    name: &'static str,
    title: &'static str,
    pattern_length: u64,
    /// What is wrong with a text; empty if nothing is.
    faults: fn(&str) -> Vec<String>,
}

/// All formats.
const FORMATS: [NamedFormat; 13] = [
    format("dns1123Label", "DNS1123Label", 30, |text| {
        rules::dns1123_label(text.as_bytes())
    }),
    format("dns1123LabelPrefix", "DNS1123LabelPrefix", 30, |text| {
        rules::dns1123_label(&rules::as_prefix(text))
    }),
    format("dns1123Subdomain", "DNS1123Subdomain", 60, |text| {
        rules::dns1123_subdomain(text.as_bytes())
    }),
    format(
        "dns1123SubdomainPrefix",
        "DNS1123SubdomainPrefix",
        60,
        |text| rules::dns1123_subdomain(&rules::as_prefix(text)),
    ),
    format("dns1035Label", "DNS1035Label", 30, |text| {
        rules::dns1035_label(text.as_bytes())
    }),
    format("dns1035LabelPrefix", "DNS1035LabelPrefix", 30, |text| {
        rules::dns1035_label(&rules::as_prefix(text))
    }),
    format("qualifiedName", "QualifiedName", 60, rules::qualified_name),
    format("labelValue", "LabelValue", 40, rules::label_value),
    format("uri", "URI", 1103, |text| {
        super::url::check(text).err().into_iter().collect()
    }),
    format("uuid", "uuid", 70, |text| {
        unless(rules::is_uuid(text), "does not match the UUID format")
    }),
    format("byte", "byte", 84, |text| {
        unless(rules::is_base64(text), "invalid base64")
    }),
    format("date", "date", 71, |text| {
        unless(rules::is_date(text), "invalid date")
    }),
    format("datetime", "datetime", 71, |text| {
        unless(rules::is_datetime(text), "invalid datetime")
    }),
];

const fn format(
    name: &'static str,
    title: &'static str,
    pattern_length: u64,
    faults: fn(&str) -> Vec<String>,
) -> NamedFormat {
    NamedFormat {
        name,
        title,
        pattern_length,
        faults,
    }
}

fn unless(valid: bool, fault: &str) -> Vec<String> {
    if valid {
        Vec::new()
    } else {
        vec![fault.to_owned()]
    }
}

impl Opaque for NamedFormat {
    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn equals(&self, other: &dyn Opaque) -> Option<bool> {
        let other: &Self = other.as_any().downcast_ref()?;
        Some(self.title == other.title)
    }

    fn text(&self) -> String {
        self.title.to_owned()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// One function without parameters per format.
macro_rules! constants {
    ($($id:literal $at:literal),*) => {
        &[
            $(Function {
                name: $id,
                overloads: &[Overload::global($id, &[], FORMAT, UNIT, |_| Ok(Value::opaque(FORMATS[$at])))],
            },)*
            Function {
                name: "format.named",
                overloads: &[Overload::global("format-named", &[Ty::String], Ty::Optional(&FORMAT), UNIT, named)],
            },
            Function {
                name: "validate",
                overloads: &[Overload::member(
                    "format-validate",
                    &[FORMAT, Ty::String],
                    Ty::Optional(&Ty::List(&Ty::String)),
                    Cost::Custom(|args, _| validate_cost(args)),
                    validate,
                )],
            },
        ]
    };
}

/// The functions.
pub const FUNCTIONS: &[Function] = constants!(
    "format.dns1123Label" 0,
    "format.dns1123LabelPrefix" 1,
    "format.dns1123Subdomain" 2,
    "format.dns1123SubdomainPrefix" 3,
    "format.dns1035Label" 4,
    "format.dns1035LabelPrefix" 5,
    "format.qualifiedName" 6,
    "format.labelValue" 7,
    "format.uri" 8,
    "format.uuid" 9,
    "format.byte" 10,
    "format.date" 11,
    "format.datetime" 12
);

fn named<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(name)] = args else {
        return Err(EvalError::NoSuchOverload);
    };
    let found = FORMATS.iter().find(|format| format.name == name.as_str());
    Ok(match found {
        Some(format) => Value::some(Value::opaque(*format)),
        None => Value::Optional(None),
    })
}

fn validate<'a>(args: &[Value<'a>]) -> Outcome<'a> {
    let [format, Value::String(text)] = args else {
        return Err(EvalError::NoSuchOverload);
    };
    let format: &NamedFormat = format.as_opaque().ok_or(EvalError::NoSuchOverload)?;
    let faults = (format.faults)(text);
    if faults.is_empty() {
        return Ok(Value::Optional(None));
    }
    Ok(Value::some(Value::list(
        faults.into_iter().map(Value::from).collect(),
    )))
}

fn validate_cost(args: &[Value<'_>]) -> u64 {
    match args {
        [format, text] => format.as_opaque::<NamedFormat>().map_or(1, |format| {
            cost::regex(text.cost_size(), format.pattern_length)
        }),
        _ => 1,
    }
}
