//! `countersign audit` against a service that has one hole.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use countersign::KeySet;
use countersign_audit::{ISSUER, Keys, Options, Quiet, Report, Settings, Supply, parse_document, run};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::legacy::{self, AUDIT_CONFIG, Fault, Faults, JwksSource, Trust};

/// The hole.
const HOLE: Fault = Fault::AlgorithmNone;
/// What the service is called.
const AUDIENCE: &str = "legacy";

/// Starts the service, audits it, and tells what was found.
pub(super) async fn serve() -> Response {
    let begin = Instant::now();
    match audit().await {
        Ok(report) => Json(json!({
            "fault": HOLE.sentence(),
            "cells": report.coverage.decided,
            "seconds": begin.elapsed().as_secs_f64(),
            "findings": report.findings.iter().map(|finding| json!({
                "id": finding.id,
                "operation": format!("{} {}", finding.method, finding.path),
                "reason": finding.reason,
                "cells": finding.cells,
                "count": finding.count,
            })).collect::<Vec<Value>>(),
        }))
        .into_response(),
        Err(problem) => (StatusCode::INTERNAL_SERVER_ERROR, problem).into_response(),
    }
}

async fn audit() -> Result<Report, String> {
    let keys = Keys::generate().map_err(in_words)?;
    let key_set = KeySet::parse(keys.key_set_json().as_bytes()).map_err(in_words)?;
    let trust = Trust::new(ISSUER, AUDIENCE, JwksSource::Keys(key_set));
    let running = legacy::start(Faults::from(HOLE), trust).await.map_err(in_words)?;
    let settings = Settings::parse("audit.toml", AUDIT_CONFIG).map_err(in_words)?;
    let document = parse_document("openapi.json", running.openapi.as_bytes()).map_err(in_words)?;
    let supply = Supply::OwnKey { keys: Some(keys), listen: None };
    let options = Options::for_target(&running.url()).document(document).settings(settings).supply(supply);
    run(options, &mut Quiet).await.map_err(in_words)
}

fn in_words(error: impl std::error::Error) -> String {
    error.to_string()
}
