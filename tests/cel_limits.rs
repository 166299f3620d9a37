//! What hostile expressions and values come to: the API server's own answers, on a thread with a small stack.
//!
//! Every case runs on 2 MiB of stack, as on a thread of the server, and is compared with the reference oracle where that
//! can answer within reason. That the tests end is the other half of what they show.

#[path = "support/oracle.rs"]
mod oracle;

use anyhow::{Context, Result};
use sandfence::cel::playground::{Answer, Form, Setting};
use sandfence::cel::value::Value;
use sandfence::model::json::Json;
use serde_json::json;

/// Stack of a thread of the server.
const STACK: usize = 2 << 20;

/// The outcome in a form that both sides have.
#[derive(Debug, PartialEq)]
enum Outcome {
    CompileError(String),
    Error(String, u64),
    Value(serde_json::Value, u64),
}

fn ours(expression: &str, variables: &Json<'_>) -> Result<Outcome> {
    std::thread::scope(|scope| {
        let evaluate = || {
            let mut setting = Setting::default();
            for (name, value) in variables.as_object().into_iter().flat_map(|map| map.iter()) {
                setting
                    .set(name, Value::from(value))
                    .map_err(anyhow::Error::msg)?;
            }
            Ok(match setting.answer(expression, Form::Typed) {
                Answer::Refused(refusal) => Outcome::CompileError(refusal.text),
                Answer::Evaluated {
                    outcome: Err(error),
                    cost,
                    ..
                } => Outcome::Error(error, cost),
                Answer::Evaluated {
                    outcome: Ok(value),
                    cost,
                    ..
                } => Outcome::Value(value, cost),
            })
        };
        let thread = std::thread::Builder::new().stack_size(STACK);
        let thread = thread.spawn_scoped(scope, evaluate)?;
        thread.join().map_err(|_| anyhow::anyhow!("panicked"))?
    })
}

fn theirs(answer: &serde_json::Value) -> Result<Outcome> {
    let text = |key: &str| answer[key].as_str().map(str::to_owned);
    if let Some(error) = text("compileError") {
        return Ok(Outcome::CompileError(error));
    }
    let cost = answer["cost"].as_u64().context("a cost")?;
    Ok(match text("error") {
        Some(error) => Outcome::Error(error, cost),
        None => Outcome::Value(answer["typed"].clone(), cost),
    })
}

fn chain(first: &str, link: &str, times: usize) -> String {
    format!("{first}{}", link.repeat(times))
}

fn around(open: &str, inner: &str, close: &str, times: usize) -> String {
    format!("{}{inner}{}", open.repeat(times), close.repeat(times))
}

/// Expressions, by what is hostile about them, that both sides answer.
fn cases() -> Vec<(&'static str, String)> {
    let long = "a".repeat(50_000);
    vec![
        ("a megabyte of text", format!("'{}'", "a".repeat(1 << 20))),
        ("nested parentheses", around("(", "1", ")", 10_000)),
        ("a chain of additions", chain("1", "+1", 49_999)),
        ("a chain of selections", chain("object", ".a", 49_000)),
        (
            "a chain of optional selections",
            chain("object", ".?a", 33_000),
        ),
        ("a chain of indexes", chain("object", "[0]", 33_000)),
        ("a chain of calls", chain("'a'", ".trim()", 14_000)),
        ("a chain of negations", chain("", "!", 99_000) + "true"),
        ("a chain of signs", chain("", "-", 49_999) + "x"),
        (
            "a chain of ternaries",
            chain("", "true ? 1 : ", 9_000) + "1",
        ),
        ("nested ternaries", around("true ? (", "1", ") : 1", 200)),
        ("a chain of conjunctions", chain("true", "&&true", 16_000)),
        (
            "a chain of disjunctions of errors",
            chain("1/0==1", "||1/0==1", 1_000),
        ),
        ("a chain of comparisons", chain("1", "<1", 40_000)),
        ("nested lists", around("[", "1", "]", 40_000)),
        ("nested lists within the limit", around("[", "1", "]", 50)),
        ("nested maps", around("{1:", "1", "}", 20_000)),
        ("nested calls", around("size(", "'a'", ")", 14_000)),
        ("nested comprehensions", around("[1].map(x,", "x", ")", 40)),
        (
            "comprehensions in a row",
            chain("[1]", ".map(x, dyn([x]))", 300),
        ),
        (
            "loops in loops",
            format!("l.all(a, {}", "l.all(b, l.all(c, l.all(d, true))))"),
        ),
        (
            "loops over a long list",
            "mid.all(x, mid.all(y, x + y >= 0))".to_owned(),
        ),
        (
            "a catastrophic pattern",
            format!("'{long}'.matches('(a*)*(a|aa)+b')"),
        ),
        (
            "a pattern that repeats a repetition",
            "'a'.matches('((a{1000}){1000}){1000}')".to_owned(),
        ),
        (
            "a pattern that nests",
            format!("'a'.matches('{}')", around("(", "a", ")", 2_000)),
        ),
        (
            "texts that double",
            format!(
                "['aaaaaaaaaa']{}.map(x, size(x))",
                ".map(x, x + x)".repeat(40)
            ),
        ),
        (
            "lists that double",
            format!("[[1]]{}.map(x, size(x))", ".map(x, x + x)".repeat(16)),
        ),
        (
            "a text replaced by a longer one",
            format!("'{0}'.replace('', '{0}').size()", "a".repeat(1_000)),
        ),
        (
            "lists of a text joined",
            format!(
                "lists.range(1000).map(x, '{}').join('{}').size()",
                "a".repeat(1_000),
                "b".repeat(1_000)
            ),
        ),
        (
            "a text split to its letters",
            format!("'{long}'.split('').map(x, x + x).join().size()"),
        ),
        ("a long range", "lists.range(2000000).size()".to_owned()),
        (
            "a sorted long list",
            "lists.range(5000).sort().size()".to_owned(),
        ),
        (
            "a precision beyond reason",
            "'%.1000000f'.format([1.0]).size()".to_owned(),
        ),
        (
            "a width beyond reason",
            "'%.99999999999999999999f'.format([1.0])".to_owned(),
        ),
        (
            "clauses without values",
            format!("'{}'.format([])", "%s".repeat(20_000)),
        ),
        ("a deep object compared", "deep == deep".to_owned()),
        (
            "a deep object printed",
            "'%s'.format([deep]).size()".to_owned(),
        ),
        (
            "a deep object flattened",
            "deepList.flatten(1000).size()".to_owned(),
        ),
        (
            "a key looked up in a long list",
            "l.all(x, -1 in long)".to_owned(),
        ),
        ("division by zero", "1 / 0".to_owned()),
        ("an int of a huge double", "int(1e300)".to_owned()),
        (
            "an int of a huge computed double",
            "int(d * 1e300)".to_owned(),
        ),
        ("bytes that are no text", "string(b'\\xff')".to_owned()),
        (
            "computed bytes that are no text",
            "string(bytes(s) + b'\\xff')".to_owned(),
        ),
        ("an unknown function", "1 + frobnicate(2)".to_owned()),
        ("a wrong arity", "'a'.contains('b', 'c')".to_owned()),
        (
            "an undeclared variable",
            "true &&\n  nobody.spec".to_owned(),
        ),
        ("a type mismatch", "1 + 'a'".to_owned()),
    ]
}

fn variables() -> serde_json::Value {
    let mut deep = json!(1);
    let mut list = json!(1);
    for _ in 0..100 {
        deep = json!({ "a": deep });
        list = json!([list]);
    }
    let long: Vec<i64> = (0..150_000).collect();
    json!({
        "object": {"a": 1}, "x": 5, "d": 1.5, "s": "hello", "l": (0..100).collect::<Vec<i64>>(),
        "mid": (0..2_000).collect::<Vec<i64>>(), "long": long, "deep": deep, "deepList": list,
    })
}

#[test]
fn hostile_expressions_get_the_answers_of_the_api_server() -> Result<()> {
    let cases = cases();
    let variables = variables();
    let requests: Vec<serde_json::Value> = cases
        .iter()
        .map(|(_, expression)| {
            let mut request =
                json!({"op": "eval", "expression": expression, "variables": variables});
            // Spares the oracle reading a megabyte for every case.
            if !expression.contains("long") {
                request["variables"]["long"] = json!([]);
            }
            request
        })
        .collect();
    let answers = oracle::ask(&requests)?;
    let variables = Json::from(variables);
    let mut different = Vec::new();
    for ((name, expression), answer) in cases.iter().zip(&answers) {
        let (ours, theirs) = (ours(expression, &variables)?, theirs(answer)?);
        if ours != theirs {
            let short =
                |outcome: &Outcome| format!("{outcome:?}").chars().take(400).collect::<String>();
            different.push(format!(
                "{name}\n  server: {}\n  ours:   {}",
                short(&theirs),
                short(&ours)
            ));
        }
    }
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
    Ok(())
}

/// What would take the memory or the time of the API server itself.
#[test]
fn what_no_memory_holds_is_ended_by_the_cost_limit() -> Result<()> {
    let exceeded = "operation cancelled: actual cost limit exceeded";
    let variables = Json::from(variables());
    for expression in [
        // Half a minute and more to the API server.
        "long.all(x, long.all(y, x + y >= 0))".to_owned(),
        "lists.range(1000000000000).size()".to_owned(),
        "lists.range(9223372036854775807)".to_owned(),
        // A gigabyte each to the API server.
        format!(
            "'{0}'.replace('', '{0}').replace('a', '{0}').size()",
            "a".repeat(1_000)
        ),
        format!(
            "lists.range(4000).map(x, '{0}'.replace('', '{0}')).size()",
            "a".repeat(1_000)
        ),
        format!(
            "[lists.range(100000)]{}.map(x, size(x))",
            ".map(x, x + x)".repeat(60)
        ),
        format!(
            "['{}']{}.map(x, size(x))",
            "a".repeat(50_000),
            ".map(x, x.replace('', x))".repeat(3)
        ),
    ] {
        match ours(&expression, &variables)? {
            Outcome::Error(error, _) => assert_eq!(error, exceeded, "{expression}"),
            other => panic!("{}: {other:?}", &expression[..expression.len().min(80)]),
        }
    }
    Ok(())
}

/// A policy whose variables use one another, `levels` deep, and a rule about the last.
fn chained(levels: usize, link: impl Fn(&str) -> String, rule: &str) -> String {
    let variables: String = (0..levels)
        .map(|level| {
            let expression = match level {
                0 => "[dyn(1)]".to_owned(),
                _ => link(&format!("variables.v{}", level - 1)),
            };
            format!("  - {{name: v{level}, expression: '{expression}'}}\n")
        })
        .collect();
    let rule = rule.replace("LAST", &format!("variables.v{}", levels - 1));
    format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {{name: chain}}\nspec:\n  \
         matchConstraints:\n    resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}}]\n  \
         variables:\n{variables}  validations: [{{expression: '{rule}'}}]\n---\n\
         apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {{name: chain}}\nspec: \
         {{policyName: chain, validationActions: [Deny]}}\n"
    )
}

/// How many rules of the policy hold, or what the first one says.
fn judged(policy: &str) -> Result<String> {
    use sandfence::model::gvk::Gvr;
    use sandfence::model::request::Request;
    use sandfence::policy::diagnostic::Sourced;
    use sandfence::policy::judge::judge;
    use sandfence::policy::set::{Set, Settings};
    std::thread::scope(|scope| {
        let run = || {
            let objects = Sourced::read("chain.yaml", policy)?;
            let set = Set::build(objects, &Settings::default())
                .map_err(|diagnostics| anyhow::anyhow!("{}", diagnostics[0]))?;
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}});
            let resource = Gvr {
                group: String::new(),
                version: "v1".to_owned(),
                resource: "pods".to_owned(),
            };
            let verdict = judge(&set, &Request::create(resource, Json::from(pod)));
            let first = verdict.findings.first();
            Ok(first.map_or_else(|| "holds".to_owned(), |finding| finding.message.clone()))
        };
        let thread = std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, run)?;
        thread.join().map_err(|_| anyhow::anyhow!("panicked"))?
    })
}

#[test]
fn variables_that_use_one_another_do_not_overflow_the_stack() -> Result<()> {
    let nested = |inner: &str| format!("[dyn({inner})]");
    let (short, long) = (200, 3_000);
    let optional = |inner: &str| format!("optional.of(dyn({inner}))");
    let map = |inner: &str| format!("{{\"a\": dyn({inner})}}");
    // Compared, printed and dropped as deep as they are.
    assert_eq!(judged(&chained(short, nested, "LAST == LAST"))?, "holds");
    assert_eq!(
        judged(&chained(short, nested, "\"%s\".format([LAST]) != \"\""))?,
        "holds"
    );
    assert_eq!(judged(&chained(short, map, "LAST == LAST"))?, "holds");
    assert_eq!(
        judged(&chained(short, optional, "LAST.hasValue()"))?,
        "holds"
    );
    let told = |policy: &str| {
        judged(policy).map(|text| text.rsplit(": ").next().unwrap_or_default().to_owned())
    };
    let too_long = "variables use one another more than 250 levels deep";
    assert_eq!(told(&chained(long, nested, "LAST.size() == 1"))?, too_long);
    // Each variable is known before the next uses it.
    let asked: Vec<String> = (0..500)
        .map(|level| format!("variables.v{level}.size() == 1"))
        .collect();
    assert_eq!(told(&chained(500, nested, &asked.join(" && ")))?, too_long);
    let twice = |inner: &str| format!("[[[dyn({inner})]]]");
    let too_deep = "the value nests deeper than 500 levels, or is too large for that to be told";
    assert_eq!(told(&chained(short, twice, "LAST.size() == 1"))?, too_deep);
    let doubled = |inner: &str| format!("[dyn({inner}), dyn({inner})]");
    assert_eq!(
        told(&chained(short, doubled, "LAST.size() == 2"))?,
        too_deep
    );
    Ok(())
}
