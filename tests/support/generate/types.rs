//! Types of the grammar: a name with parameters. Single capital letters stand for any type, `@name` is a record.

use std::fmt;

use super::random::Random;

/// A type, or the pattern of one.
#[derive(Clone, Debug)]
pub struct Ty {
    /// `int`, `list`, `A`, `@spec`.
    pub head: String,
    /// Which texts a string holds: the name of a pool.
    pub flavour: String,
    /// Parameters.
    pub args: Vec<Ty>,
}

/// What the variables of a template stand for.
pub type Bindings = Vec<(String, Ty)>;

impl Ty {
    /// Reads `map(string:key, list(A))`.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let (name, rest) = text.split_once('(').unwrap_or((text, ")"));
        let (head, flavour) = name.split_once(':').unwrap_or((name, ""));
        let rest = rest.strip_suffix(')').unwrap_or(rest);
        let (mut args, mut depth, mut start) = (Vec::new(), 0, 0);
        for (at, char) in rest.char_indices() {
            match char {
                '(' => depth += 1,
                ')' => depth -= 1,
                ',' if depth == 0 => {
                    args.push(Self::parse(&rest[start..at]));
                    start = at + 1;
                }
                _ => {}
            }
        }
        if !rest.is_empty() {
            args.push(Self::parse(&rest[start..]));
        }
        Self {
            head: head.to_owned(),
            flavour: flavour.to_owned(),
            args,
        }
    }

    /// Whether any type may stand here.
    pub fn is_variable(&self) -> bool {
        self.head == "ordered"
            || (self.head.len() == 1 && self.head.starts_with(|c: char| c.is_ascii_uppercase()))
    }

    /// Whether this is a record, whose fields the grammar lists.
    pub fn is_record(&self) -> bool {
        self.head.starts_with('@')
    }

    /// Equal but for the texts of strings.
    pub fn same(&self, other: &Self) -> bool {
        self.head == other.head
            && self.args.len() == other.args.len()
            && self.args.iter().zip(&other.args).all(|(a, b)| a.same(b))
    }

    /// Whether `wanted` is of this pattern; binds its variables.
    pub fn matches(&self, wanted: &Self, bindings: &mut Bindings) -> bool {
        if self.is_variable() {
            if let Some((_, bound)) = bindings.iter().find(|(name, _)| *name == self.head) {
                return bound.same(wanted);
            }
            bindings.push((self.head.clone(), wanted.clone()));
            return true;
        }
        self.head == wanted.head
            && self.args.len() == wanted.args.len()
            && self
                .args
                .iter()
                .zip(&wanted.args)
                .all(|(a, b)| a.matches(b, bindings))
    }

    /// This pattern with its variables replaced; those without value get one.
    pub fn substitute(&self, bindings: &mut Bindings, random: &mut Random) -> Self {
        if self.is_variable() {
            if let Some((_, bound)) = bindings.iter().find(|(name, _)| *name == self.head) {
                return bound.clone();
            }
            let fresh = match self.head.as_str() {
                "K" => Self::key(random),
                "ordered" => Self::ordered(random),
                _ => Self::any(random),
            };
            bindings.push((self.head.clone(), fresh.clone()));
            return fresh;
        }
        if self.head == "scalar" {
            return Self::scalar(random);
        }
        let args = self
            .args
            .iter()
            .map(|arg| arg.substitute(bindings, random))
            .collect();
        Self {
            args,
            ..self.clone()
        }
    }

    /// Some type of map keys.
    pub fn key(random: &mut Random) -> Self {
        Self::parse(random.pick(&[
            "string", "string", "string", "string", "int", "int", "uint", "bool", "double",
        ]))
    }

    /// Some type with an order.
    pub fn ordered(random: &mut Random) -> Self {
        Self::parse(random.pick(&[
            "int",
            "int",
            "string",
            "string",
            "double",
            "uint",
            "bool",
            "bytes",
            "duration",
            "timestamp",
        ]))
    }

    /// Some type without parts.
    pub fn scalar(random: &mut Random) -> Self {
        Self::parse(random.pick(&[
            "int",
            "int",
            "string",
            "string",
            "double",
            "uint",
            "bool",
            "bytes",
            "duration",
            "timestamp",
            "null",
        ]))
    }

    /// Some type.
    pub fn any(random: &mut Random) -> Self {
        match random.below(20) {
            0..=10 => Self::scalar(random),
            11 | 12 => Self::of("list", vec![Self::scalar(random)]),
            13 => {
                let key = Self::key(random);
                Self::of("map", vec![key, Self::scalar(random)])
            }
            14 => Self::of("optional", vec![Self::scalar(random)]),
            15 => Self::of("list", vec![Self::any(random)]),
            16 => Self::parse(random.pick(&["@container", "@port", "@metadata", "@condition"])),
            17 => Self::parse(random.pick(&["quantity", "ip", "cidr", "url", "semver", "format"])),
            18 => Self::parse("type"),
            _ => Self::parse(random.pick(&["string", "int", "bool"])),
        }
    }

    /// A type with parameters.
    pub fn of(head: &str, args: Vec<Self>) -> Self {
        Self {
            head: head.to_owned(),
            flavour: String::new(),
            args,
        }
    }
}

impl fmt::Display for Ty {
    /// The spelling of declarations: `map(string, google.protobuf.Duration)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.head.as_str() {
            "null" => "null_type",
            "duration" => "google.protobuf.Duration",
            "timestamp" => "google.protobuf.Timestamp",
            "optional" => "optional_type",
            other => other,
        })?;
        if self.args.is_empty() {
            return Ok(());
        }
        let args: Vec<String> = self.args.iter().map(Self::to_string).collect();
        write!(f, "({})", args.join(", "))
    }
}
