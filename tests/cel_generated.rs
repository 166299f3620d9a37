//! Generated expressions over generated objects, through the API server's own code and ours: type, value, error, place
//! of compile errors and cost are equal.
//!
//! `SANDFENCE_CASES` asks for more than the usual number, `SANDFENCE_SEED` for others.

#[path = "support/generate/mod.rs"]
mod generate;
#[path = "support/oracle.rs"]
mod oracle;
#[path = "support/scene.rs"]
mod scene;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use generate::data;
use generate::expression::Generator;
use generate::grammar::Grammar;
use generate::random::Random;
use generate::types::Ty;
use oracle::Session;
use scene::{Answer, Scene, comparable};
use serde_json::{Value, json};

/// Cases of a run when nobody asks for more.
const CASES: u64 = 20_000;
/// Expressions that see the same values.
const PER_SCENE: u64 = 50;
/// How often the API server is asked again when the answers differ: with an order of map entries that it draws by
/// chance, it may answer in several ways, and one of them must be ours.
const RETRIES: usize = 200;
/// Expressions of a scene whose outermost template is the next one in turn.
const BY_TURN: u64 = 5;

fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What a run found.
#[derive(Default)]
struct Found {
    cases: usize,
    values: usize,
    errors: usize,
    refused: usize,
    /// Answered by the API server in more than one way.
    undecided: usize,
    /// Answered by a panic in the API server's code.
    panics: usize,
    used: BTreeSet<usize>,
    different: Vec<(usize, String)>,
}

/// One scene: its values, and expressions over them.
fn cases(
    grammar: &Grammar,
    seed: u64,
    number: u64,
) -> Result<(Scene, Vec<String>, BTreeSet<usize>)> {
    let mut random = Random::new(seed, number);
    let mut request = data::scene(grammar, random.clone());
    let mut generator = Generator::new(grammar, Random::new(seed ^ 1, number));
    generator.mutation = request["mutation"] == true;
    if random.chance(40) {
        let mut variables = Vec::new();
        for at in 0..=random.below(4) {
            let name = format!("v{at}");
            let ty = Ty::any(&mut random);
            let expression = generator.expression(&ty, 3);
            generator.composed.push((name.clone(), ty));
            variables.push(json!({"name": name, "expression": expression}));
        }
        request["policyVariables"] = json!(variables);
    }
    let expressions = (0..PER_SCENE).map(|at| {
        if at < BY_TURN {
            let turn = usize::try_from(number * BY_TURN + at).unwrap_or(0);
            return generator.by_turn(turn, 3);
        }
        let ty = match random.below(6) {
            0..=2 => Ty::parse("bool"),
            3 if generator.mutation => Ty::parse(random.pick(&["object", "patch", "list(patch)"])),
            _ => Ty::any(&mut random),
        };
        let depth = 1 + random.below(5);
        generator.expression(&ty, depth)
    });
    let expressions = expressions.collect();
    Ok((Scene::new(request)?, expressions, generator.used))
}

/// Whether the API server answers as we do when it is asked again and again.
fn sometimes(session: &mut Session, request: &Value, ours: &Answer) -> Result<bool> {
    let answers = session.ask(&vec![request.clone(); RETRIES])?;
    Ok(answers.iter().any(|theirs| comparable(theirs) == *ours))
}

fn compare(
    session: &mut Session,
    scene: &Scene,
    expressions: &[String],
    found: &Mutex<Found>,
) -> Result<()> {
    let requests: Vec<Value> = expressions
        .iter()
        .map(|expression| scene.request(expression))
        .collect();
    let answers = session.ask(&requests)?;
    let mut here = Found::default();
    for ((expression, request), theirs) in expressions.iter().zip(&requests).zip(&answers) {
        here.cases += 1;
        if theirs.get("panic").is_some() {
            // There is nothing to agree with; ours must come back all the same.
            scene.answer(expression);
            here.panics += 1;
            continue;
        }
        let (ours, theirs) = (scene.answer(expression), comparable(theirs));
        match (theirs.get("compileError"), theirs.get("error")) {
            (Some(_), _) => here.refused += 1,
            (None, Some(_)) => here.errors += 1,
            (None, None) => here.values += 1,
        }
        if ours == theirs {
            continue;
        }
        if sometimes(session, request, &ours)? {
            here.undecided += 1;
            continue;
        }
        let request = std::env::var("SANDFENCE_SHOW")
            .map_or_else(|_| String::new(), |_| format!("\n  request: {request}"));
        here.different.push((
            expression.len(),
            format!("{expression}\n  server: {theirs:?}\n  ours:   {ours:?}{request}"),
        ));
    }
    let mut found = found
        .lock()
        .map_err(|_| anyhow::anyhow!("a thread panicked"))?;
    found.cases += here.cases;
    found.values += here.values;
    found.errors += here.errors;
    found.refused += here.refused;
    found.undecided += here.undecided;
    found.panics += here.panics;
    found.different.append(&mut here.different);
    Ok(())
}

/// Asks about scene after scene until there are no more.
fn work(
    grammar: &Grammar,
    seed: u64,
    next: &AtomicU64,
    scenes: u64,
    found: &Mutex<Found>,
) -> Result<()> {
    let mut session = Session::start()?;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= scenes {
            return session.finish();
        }
        let (scene, expressions, used) = cases(grammar, seed, number)?;
        compare(&mut session, &scene, &expressions, found)?;
        let mut found = found
            .lock()
            .map_err(|_| anyhow::anyhow!("a thread panicked"))?;
        found.used.extend(used);
    }
}

#[test]
fn generated_expressions_evaluate_as_in_the_api_server() -> Result<()> {
    let grammar = Grammar::read()?;
    let seed = setting("SANDFENCE_SEED", 1);
    let scenes = setting("SANDFENCE_CASES", CASES).div_ceil(PER_SCENE);
    let (next, found) = (AtomicU64::new(0), Mutex::new(Found::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(4))
            .map(|_| scope.spawn(|| work(&grammar, seed, &next, scenes, &found)))
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .map_err(|_| anyhow::anyhow!("a thread panicked"))?
        })
    })?;
    let mut found = found
        .into_inner()
        .map_err(|_| anyhow::anyhow!("a thread panicked"))?;
    println!(
        "{} cases: {} values, {} errors, {} refused; {} answered in several ways, {} by a panic",
        found.cases, found.values, found.errors, found.refused, found.undecided, found.panics
    );
    found.different.sort();
    let shown: Vec<&str> = found
        .different
        .iter()
        .take(30)
        .map(|(_, text)| text.as_str())
        .collect();
    assert!(
        shown.is_empty(),
        "{} of {} differ, the shortest of them\n{}",
        found.different.len(),
        found.cases,
        shown.join("\n")
    );
    let unused: Vec<&String> = (0..grammar.templates.len())
        .filter(|id| !found.used.contains(id))
        .map(|id| &grammar.templates[id])
        .collect();
    assert!(unused.is_empty(), "never tried: {unused:#?}");
    // Each kind of outcome is well represented, and few cases hang on an order that nobody promises.
    assert!(found.values * 4 > found.cases, "{} values", found.values);
    assert!(found.errors * 20 > found.cases, "{} errors", found.errors);
    assert!(
        found.refused * 20 > found.cases,
        "{} refused",
        found.refused
    );
    assert!(found.panics * 25 < found.cases, "{} panics", found.panics);
    assert!(
        found.undecided * 100 < found.cases,
        "{} undecided",
        found.undecided
    );
    Ok(())
}
