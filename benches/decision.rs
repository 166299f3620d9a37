//! One decision: the shipped guardrail pack with the `restricted` profile against a Sandbox of 3 KB, one thread.
//!
//! `cargo bench --bench decision`. Figures and targets: `docs/benchmarks.md`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use sandfence::model::gvk::Gvr;
use sandfence::model::json::Json;
use sandfence::model::request::Request;
use sandfence::model::yaml;
use sandfence::owned_json;
use sandfence::policy::diagnostic::Sourced;
use sandfence::policy::judge::judge;
use sandfence::policy::mutate::mutate;
use sandfence::policy::set::{Set, Settings};
use sandfence::policy::{packs, presets};

const SANDBOX: &str = include_str!("../tests/data/bench/sandbox.json");

/// The shipped packs with one profile.
fn set() -> Set {
    let objects: Vec<Sourced> = packs::FILES
        .iter()
        .flat_map(|(name, text)| yaml::read(name, text).expect("shipped files are valid"))
        .map(Sourced::from)
        .collect();
    let choice = presets::choose(objects, &["restricted".to_owned()], None).expect("shipped");
    Set::build(choice.objects, &Settings::default()).expect("shipped packs compile")
}

fn request(text: &str) -> Request<'_> {
    let object = Json::parse(text).expect("valid");
    let mut request = Request::create(Gvr::new("agents.x-k8s.io/v1beta1", "sandboxes"), object);
    request.namespace_object = Some(Arc::new(owned_json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "agents", "labels": {"kubernetes.io/metadata.name": "agents"}},
    })));
    request
}

fn decision(c: &mut Criterion) {
    let set = set();
    let ready = request(SANDBOX);
    let verdict = judge(&set, &ready);
    assert!(
        verdict.allowed(),
        "the sandbox of the bench complies: {verdict:?}"
    );
    c.bench_function("judge", |b| b.iter(|| judge(&set, black_box(&ready))));
    c.bench_function("decode and judge", |b| {
        b.iter(|| judge(&set, &request(black_box(SANDBOX))));
    });
    c.bench_function("mutate", |b| b.iter(|| mutate(&set, black_box(&ready))));
    c.bench_function("compile the packs", |b| b.iter(self::set));
}

criterion_group!(benches, decision);
criterion_main!(benches);
