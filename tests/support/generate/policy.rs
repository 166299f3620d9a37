//! Policies whose expressions compile, and requests for them, in the form of the oracle's `vap` and `map` operations.

use sandfence::cel::env::{Env, EnvBuilder};
use sandfence::cel::types::Type;
use serde_json::{Map, Value, json};

use super::data::Data;
use super::expression::Generator;
use super::grammar::Grammar;
use super::random::Random;
use super::types::Ty;

/// Attempts to make an expression that compiles to a wanted type.
const ATTEMPTS: usize = 30;

/// Makes policies.
pub struct Policies<'g> {
    generator: Generator<'g>,
    random: Random,
    /// Variables so far, with the types that the checker found.
    fields: Vec<(String, Type)>,
    params: bool,
}

impl<'g> Policies<'g> {
    /// Draws from case `number` of `seed`.
    pub fn new(grammar: &'g Grammar, seed: u64, number: u64) -> Self {
        let mut generator = Generator::new(grammar, Random::new(seed ^ 2, number));
        generator.typed = false;
        Self {
            generator,
            random: Random::new(seed ^ 3, number),
            fields: Vec::new(),
            params: false,
        }
    }

    fn base(&self) -> EnvBuilder {
        let base = Env::admission();
        if self.params { base.params() } else { base }
    }

    /// An expression that compiles to one of `types`, or to anything when there are none.
    fn expression(&mut self, env: &EnvBuilder, ty: &str, types: &[Type]) -> Option<String> {
        let env = env.clone().build();
        for _ in 0..ATTEMPTS {
            let wanted = if ty.is_empty() {
                Ty::any(&mut self.random)
            } else {
                Ty::parse(ty)
            };
            let depth = 1 + self.random.below(4);
            let text = self.generator.expression(&wanted, depth);
            // What panics in the API server is judged with the expressions.
            if text.trim().is_empty()
                || text.contains("?#")
                || text.contains("[?")
                || text.contains("{?")
            {
                continue;
            }
            let fits = if types.is_empty() {
                env.compile(&text).is_ok()
            } else {
                env.compile_expecting(&text, types).is_ok()
            };
            if fits {
                return Some(text);
            }
        }
        None
    }

    /// What both kinds of policies have: parameters, conditions, variables.
    fn shared(&mut self) -> Map<String, Value> {
        let mut spec = Map::new();
        self.params = self.random.chance(60);
        if self.params {
            spec.insert(
                "paramKind".into(),
                json!({"apiVersion": "example.com/v1", "kind": "Limits"}),
            );
        }
        let failure = self.random.pick(&["Fail", "Fail", "Ignore"]);
        spec.insert("failurePolicy".into(), json!(failure));
        let matching = self.base().authorizer();
        let mut conditions = Vec::new();
        for at in 0..self.random.below(6).saturating_sub(2) {
            if let Some(text) = self.expression(&matching, "bool", &[Type::Bool]) {
                // Conditions that hold let the rest be compared.
                let text = match self.random.below(3) {
                    0 => text,
                    1 => format!("{text} || true"),
                    _ => format!("object != null || {text}"),
                };
                conditions.push(json!({"name": format!("condition{at}"), "expression": text}));
            }
        }
        if !conditions.is_empty() {
            spec.insert("matchConditions".into(), json!(conditions));
        }
        let variables = self.variables();
        if !variables.is_empty() {
            spec.insert("variables".into(), json!(variables));
        }
        spec
    }

    fn variables(&mut self) -> Vec<Value> {
        let mut variables = Vec::new();
        for at in 0..self.random.below(5) {
            let env = self.composed(self.base().authorizer());
            let ty = Ty::any(&mut self.random);
            let wanted = if ty.is_record() {
                String::new()
            } else {
                head(&ty)
            };
            let Some(text) = self.expression(&env, &wanted, &[]) else {
                continue;
            };
            let name = format!("v{at}");
            let program = env.build().compile(&text);
            let found = program.map_or(Type::Dyn, |program| program.result_type().clone());
            self.fields.push((name.clone(), found));
            self.generator.composed.push((name.clone(), ty));
            variables.push(json!({"name": name, "expression": text}));
        }
        variables
    }

    fn composed(&self, base: EnvBuilder) -> EnvBuilder {
        if self.fields.is_empty() {
            base
        } else {
            base.composed(&self.fields)
        }
    }

    /// The spec of a validating policy.
    pub fn validating(&mut self) -> Value {
        let mut spec = self.shared();
        let full = self.composed(self.base().authorizer());
        let plain = self.composed(self.base());
        let mut validations = Vec::new();
        for _ in 0..1 + self.random.below(4) {
            let text = self
                .expression(&full, "bool", &[Type::Bool])
                .unwrap_or_else(|| "object == null".to_owned());
            let mut validation = Map::new();
            validation.insert("expression".into(), json!(text));
            if self.random.chance(50) {
                let message = self.random.pick(&["no", "  not allowed ", "é"]);
                validation.insert("message".into(), json!(message));
            }
            if self.random.chance(60)
                && let Some(text) = self.expression(&plain, "string", &[Type::String])
            {
                validation.insert("messageExpression".into(), json!(text));
            }
            if self.random.chance(40) {
                let reason = self
                    .random
                    .pick(&["Forbidden", "Invalid", "RequestEntityTooLarge"]);
                validation.insert("reason".into(), json!(reason));
            }
            validations.push(Value::Object(validation));
        }
        spec.insert("validations".into(), json!(validations));
        let mut annotations = Vec::new();
        for at in 0..self.random.below(4) {
            let ty = self.random.pick(&["string", "string", "null"]);
            if let Some(text) = self.expression(&full, ty, &[Type::String, Type::Null]) {
                annotations.push(json!({"key": format!("key{at}"), "valueExpression": text}));
            }
        }
        if !annotations.is_empty() {
            spec.insert("auditAnnotations".into(), json!(annotations));
        }
        Value::Object(spec)
    }

    /// The spec of a mutating policy of JSON patches.
    pub fn patching(&mut self) -> Value {
        let mut spec = self.shared();
        let env = self.composed(self.base().authorizer()).mutation();
        self.generator.mutation = true;
        let patches = [Type::list(Type::Object("JSONPatch".into()))];
        let mut mutations = Vec::new();
        for _ in 0..1 + self.random.below(3) {
            if let Some(text) = self.expression(&env, "list(patch)", &patches) {
                mutations
                    .push(json!({"patchType": "JSONPatch", "jsonPatch": {"expression": text}}));
            }
        }
        if mutations.is_empty() {
            let text = "[JSONPatch{op: 'add', path: '/spec/added', value: object.metadata.name}]";
            mutations.push(json!({"patchType": "JSONPatch", "jsonPatch": {"expression": text}}));
        }
        spec.insert("mutations".into(), json!(mutations));
        spec.insert("reinvocationPolicy".into(), json!("Never"));
        Value::Object(spec)
    }
}

fn head(ty: &Ty) -> String {
    let args: Vec<String> = ty.args.iter().map(head).collect();
    if args.is_empty() {
        ty.head.clone()
    } else {
        format!("{}({})", ty.head, args.join(", "))
    }
}

/// The members of a request about a generated object, without the policy.
pub fn request(grammar: &Grammar, seed: u64, number: u64) -> Value {
    let mut data = Data {
        grammar,
        random: Random::new(seed ^ 4, number),
        wrong: 3,
    };
    let operation = data
        .random
        .pick(&["CREATE", "CREATE", "UPDATE", "UPDATE", "DELETE"]);
    let object = |present: bool, data: &mut Data<'_>| {
        if !present {
            return Value::Null;
        }
        let mut object = data.json(&Ty::parse("@object"));
        object["apiVersion"] = json!("example.com/v1");
        object["kind"] = json!("Widget");
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        object["metadata"]["name"] = json!("widget");
        object["metadata"]["namespace"] = json!("team");
        object
    };
    let new = object(operation != "DELETE", &mut data);
    let old = object(operation != "CREATE", &mut data);
    let mut params = data.json(&Ty::parse("@params"));
    params["apiVersion"] = json!("example.com/v1");
    params["kind"] = json!("Limits");
    params["metadata"] = json!({"name": "limits"});
    data.wrong = 0;
    let mut user = data.json(&Ty::parse("@user"));
    user["username"] = json!("kim");
    let options = if data.random.chance(70) {
        json!({"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions", "fieldManager": data.text("")})
    } else {
        Value::Null
    };
    json!({
        "object": new,
        "oldObject": old,
        "params": params,
        // As the API server's own type writes it.
        "namespaceObject": {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "team", "uid": "u-1", "labels": {"app": data.text(""), "tier": "x"}},
            "spec": {},
            "status": {},
        },
        "request": {
            "operation": operation,
            "name": "widget",
            "namespace": "team",
            "kind": {"group": "example.com", "version": "v1", "kind": "Widget"},
            "resource": {"group": "example.com", "version": "v1", "resource": "widgets"},
            "subResource": if data.random.chance(10) { "status" } else { "" },
            "userInfo": user,
            "dryRun": data.random.chance(30),
            "options": options,
        },
        "authorizer": {
            "decision": data.random.pick(&["allow", "deny", "none"]),
            "reason": data.random.pick(&["", "because"]),
            "error": data.random.pick(&["", "", "broken"]),
        },
    })
}
