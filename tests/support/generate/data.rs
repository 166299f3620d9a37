//! Generated values: objects as JSON, and values in typed form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::grammar::Grammar;
use super::random::Random;
use super::types::Ty;

/// Makes values of the grammar's types.
pub struct Data<'g> {
    /// The records and pools.
    pub grammar: &'g Grammar,
    /// Where choices come from.
    pub random: Random,
    /// So many of a hundred fields are null, or of another type.
    pub wrong: usize,
}

impl Data<'_> {
    /// A text of a pool.
    pub fn text(&mut self, flavour: &str) -> String {
        let flavour = if self.random.chance(8) { "" } else { flavour };
        let pool = self.grammar.pools.get(flavour);
        let pool = pool.map_or(&[][..], Vec::as_slice);
        self.random.choose(pool).cloned().unwrap_or_default()
    }

    fn int(&mut self) -> i64 {
        match self.random.below(12) {
            0 => i64::MAX,
            1 => i64::MIN,
            2 => 9_007_199_254_740_993,
            3 => -1,
            4 => 443,
            _ => i64::try_from(self.random.below(6)).unwrap_or(0),
        }
    }

    fn double(&mut self) -> f64 {
        let all = [0.0, 1.0, 1.5, -2.25, 1e300, 3.0, 0.1, 1e-9];
        all[self.random.below(all.len())]
    }

    /// A value as JSON.
    pub fn json(&mut self, ty: &Ty) -> Value {
        match ty.head.as_str() {
            "null" => Value::Null,
            "bool" => json!(self.random.chance(50)),
            "int" => json!(self.int()),
            "double" => match self.random.below(3) {
                0 => json!(self.random.below(4)),
                _ => json!(self.double()),
            },
            "string" => json!(self.text(&ty.flavour)),
            "list" => {
                let length = self.random.below(4);
                (0..length).map(|_| self.json(&ty.args[0])).collect()
            }
            "map" => {
                let length = self.random.below(3);
                let entries = (0..length).map(|_| {
                    let key = self.text(&ty.args[0].flavour);
                    (key, self.json(&ty.args[1]))
                });
                Value::Object(entries.collect())
            }
            _ => self.record(&ty.head),
        }
    }

    fn record(&mut self, name: &str) -> Value {
        let fields = self.grammar.records.get(name);
        let mut out = Map::new();
        for (field, ty) in fields.into_iter().flatten() {
            let value = match self.random.below(100) {
                0..=14 => continue,
                n if n < 15 + self.wrong => Value::Null,
                n if n < 15 + 2 * self.wrong => {
                    let other =
                        Ty::parse(self.random.pick(&["int", "string", "bool", "list(int)"]));
                    self.json(&other)
                }
                _ => self.json(ty),
            };
            out.insert(field.clone(), value);
        }
        Value::Object(out)
    }

    /// A value in typed form.
    pub fn typed(&mut self, ty: &Ty) -> Value {
        let value = match ty.head.as_str() {
            "null" => Value::Null,
            "bool" => json!(self.random.chance(50)),
            "int" => json!(self.int().to_string()),
            "uint" => {
                let all = [0, 1, 2, 3, 7, u64::MAX];
                json!(all[self.random.below(all.len())].to_string())
            }
            "double" => match self.random.below(6) {
                0 => json!("NaN"),
                1 => json!("Infinity"),
                _ => json!(self.double()),
            },
            "string" => json!(self.text(&ty.flavour)),
            "bytes" => {
                let all: [&[u8]; 5] = [b"", b"a", b"abc", b"\xff\x00", "é".as_bytes()];
                json!(STANDARD.encode(self.random.pick(&all)))
            }
            "duration" => json!(
                self.random
                    .pick(&["0s", "1s", "5400s", "-1.5s", "0.000000001s"])
            ),
            "timestamp" => json!(self.random.pick(&[
                "2024-01-01T00:00:00Z",
                "2024-02-29T23:59:59.123456789Z",
                "1969-07-20T20:17:40Z",
            ])),
            "list" => {
                let length = self.random.below(4);
                (0..length).map(|_| self.typed(&ty.args[0])).collect()
            }
            "map" => self.typed_pairs(&ty.args[0], &ty.args[1]),
            "optional" if self.random.chance(30) => Value::Null,
            "optional" => self.typed(&ty.args[0]),
            _ => {
                let other = Ty::scalar(&mut self.random);
                return self.typed(&other);
            }
        };
        let head = Ty::of(&ty.head, Vec::new()).to_string();
        json!({"type": head, "value": value})
    }

    fn typed_pairs(&mut self, key: &Ty, value: &Ty) -> Value {
        let mut pairs: Vec<[Value; 2]> = Vec::new();
        for _ in 0..self.random.below(3) {
            let key = self.typed(key);
            if pairs.iter().all(|[known, _]| *known != key) {
                pairs.push([key, self.typed(value)]);
            }
        }
        json!(pairs)
    }
}

/// An `eval` request of the oracle without expression: what a scene declares and binds.
pub fn scene(grammar: &Grammar, random: Random) -> Value {
    let mut data = Data {
        grammar,
        random,
        wrong: 4,
    };
    let mut variables = Map::new();
    for (name, ty) in &grammar.roots {
        // The API server itself makes these two: they are what their declarations say.
        data.wrong = if ["request", "namespaceObject"].contains(&name.as_str()) {
            0
        } else {
            4
        };
        let absent = name != "object" && name != "request" && data.random.chance(30);
        let value = if absent { Value::Null } else { data.json(ty) };
        variables.insert(name.clone(), value);
    }
    let (mut typed, mut declarations) = (Map::new(), Map::new());
    for (name, ty) in grammar.typed.iter().chain(&grammar.declared) {
        typed.insert(name.clone(), data.typed(ty));
    }
    for (name, ty) in &grammar.declared {
        declarations.insert(name.clone(), json!(ty.to_string()));
    }
    json!({
        "variables": variables,
        "typedVariables": typed,
        "declarations": declarations,
        "mutation": data.random.chance(25),
        "authorizer": {
            "decision": data.random.pick(&["allow", "deny", "none"]),
            "reason": data.random.pick(&["", "because"]),
            "error": data.random.pick(&["", "", "broken"]),
        },
    })
}
