//! Probes and metrics.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::telemetry::metrics::Metrics;
use crate::telemetry::readiness::Readiness;

/// Content type of the metrics text.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/healthz`: the process answers. `/readyz`: it can decide; the body says what is missing.
pub fn probes(readiness: Arc<Readiness>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(readiness)
}

/// Probes and `/metrics`, for the plain HTTP server.
pub fn router(readiness: Arc<Readiness>, metrics: Metrics) -> Router {
    let metrics = Router::new()
        .route("/metrics", get(exposition))
        .with_state(metrics);
    probes(readiness).merge(metrics)
}

async fn ready(State(readiness): State<Arc<Readiness>>) -> impl IntoResponse {
    let report = readiness.report();
    if readiness.is_ready() {
        (StatusCode::OK, format!("{report}readyz check passed\n"))
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{report}readyz check failed\n"),
        )
    }
}

async fn exposition(State(metrics): State<Metrics>) -> impl IntoResponse {
    match metrics.encode() {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, OPEN_METRICS)], text),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain")],
            error.to_string(),
        ),
    }
}
