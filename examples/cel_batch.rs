//! Dev tool: answers oracle requests with our engine.
use sandfence::cel::env::{Env, Slot};
use sandfence::cel::plan::{Activation, PER_CALL_LIMIT, Program};
use sandfence::cel::types::Type;
use sandfence::cel::value::{EvalError, Value};
use sandfence::model::json::Json;
use std::cell::{Cell, RefCell};
use std::io::{BufRead, Write};

struct Act<'a> {
    values: Vec<Option<Value<'a>>>,
    programs: &'a [(String, Result<Program, String>)],
    memo: RefCell<Vec<Option<Result<Value<'a>, EvalError>>>>,
    cost: Cell<u64>,
}
impl<'a> Activation<'a> for Act<'a> {
    fn variable(&self, slot: Slot) -> Option<Value<'a>> {
        self.values[slot.0 as usize].clone()
    }
    fn composed(&self, index: usize) -> Result<Value<'a>, EvalError> {
        if let Some(v) = &self.memo.borrow()[index] {
            return v.clone();
        }
        let (name, program) = &self.programs[index];
        let r = match program {
            Err(e) => Err(EvalError::text(format!("composited variable {name:?} fails to compile: {e}"))),
            Ok(p) => {
                let e = p.eval(self, PER_CALL_LIMIT);
                self.cost.set(self.cost.get() + e.cost);
                e.value.map_err(|e| EvalError::text(format!("composited variable {name:?} fails to evaluate: {e}")))
            }
        };
        self.memo.borrow_mut()[index] = Some(r.clone());
        r
    }
}

fn main() {
    let stdin = std::io::stdin();
    let mut out = std::io::BufWriter::new(std::io::stdout());
    for line in stdin.lock().lines() {
        let line = line.unwrap();
        if line.is_empty() { continue; }
        let req = Json::parse(&line).unwrap();
        let mut answer = reply(&req);
        if let Some(id) = req.get("id") { answer.insert("id".into(), serde_json::Value::from(id)); }
        writeln!(out, "{}", serde_json::Value::Object(answer)).unwrap();
    }
}

fn reply(req: &Json<'_>) -> serde_json::Map<String, serde_json::Value> {
    let mut answer = serde_json::Map::new();
    let text = req.str_at(&["expression"]).unwrap();
    let flag = |n: &str| req.get(n).and_then(Json::as_bool).unwrap_or(false);
    let mut b = Env::admission();
    if !flag("noParams") { b = b.params(); }
    if !flag("noAuthorizer") { b = b.authorizer(); }
    if flag("mutation") { b = b.mutation(); }
    let std = ["object", "oldObject", "params", "request", "namespaceObject"];
    for key in ["variables", "typedVariables"] {
        if let Some(Json::Object(m)) = req.get(key) {
            for (name, _) in m.iter() { if !std.contains(&name) { b = b.variable(name, Type::Dyn); } }
        }
    }
    let mut fields: Vec<(String, Type)> = vec![];
    let mut programs: Vec<(String, Result<Program, String>)> = vec![];
    if let Some(Json::Array(vs)) = req.get("policyVariables") {
        for v in vs {
            let env = b.clone().composed(&fields).build();
            let name = v.str_at(&["name"]).unwrap().to_owned();
            let p = env.compile(v.str_at(&["expression"]).unwrap());
            let ty = p.as_ref().map(|p| p.result_type().clone()).unwrap_or(Type::Dyn);
            fields.push((name.clone(), ty));
            programs.push((name, p.map_err(|e| e.to_string())));
        }
    }
    let env = b.composed(&fields).build();
    let program = match env.compile(text) {
        Ok(p) => p,
        Err(e) => { answer.insert("compileError".into(), e.to_string().into()); return answer; }
    };
    answer.insert("type".into(), program.result_type().to_string().into());
    let slots: Vec<String> = env.slots().map(str::to_owned).collect();
    let mut values = vec![None; slots.len()];
    for name in std { if let Some(s) = env.slot(name) { values[s.0 as usize] = Some(Value::Null); } }
    if let Some(Json::Object(m)) = req.get("variables") {
        for (name, v) in m.iter() { if let Some(s) = env.slot(name) { values[s.0 as usize] = Some(Value::from(v)); } }
    }
    if let Some(Json::Object(m)) = req.get("typedVariables") {
        for (name, v) in m.iter() { if let Some(s) = env.slot(name) { values[s.0 as usize] = Some(Value::from_typed(v).unwrap()); } }
    }
    let limit = req.get("costLimit").and_then(Json::as_int).map_or(PER_CALL_LIMIT, |i| i as u64);
    let act = Act { values, memo: RefCell::new(vec![None; programs.len()]), programs: &programs, cost: Cell::new(0) };
    let e = program.eval(&act, limit);
    answer.insert("cost".into(), e.cost.into());
    if act.cost.get() > 0 { answer.insert("variablesCost".into(), act.cost.get().into()); }
    match e.value {
        Ok(v) => { answer.insert("typed".into(), serde_json::Value::from(&v.to_typed())); }
        Err(e) => { answer.insert("error".into(), e.to_string().into()); }
    }
    answer
}
