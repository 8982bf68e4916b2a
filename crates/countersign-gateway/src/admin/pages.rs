//! What each page says.

use axum::{Json, body::Body, extract::State};
use countersign::{KeyId, Secret, UnixTime};
use http::{HeaderMap, Method, Response, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::{Admin, Dependence, KeyChange, KeyChangeError};
use crate::observe::{CONTENT_TYPE, ReloadOutcome, Timestamp};

pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

#[derive(Serialize)]
pub(super) struct Readiness {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// What is wrong though requests are served.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<&'static str>,
}

pub(super) async fn readyz(State(admin): State<Admin>) -> (StatusCode, Json<Readiness>) {
    let reason = admin.not_ready();
    let status = if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let faults = admin.0.control.faults();
    (status, Json(Readiness { ready: reason.is_none(), reason, faults }))
}

pub(super) async fn metrics(State(admin): State<Admin>) -> ([(header::HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], admin.0.metrics.text(&admin.gauges()))
}

pub(super) async fn key_set(
    State(admin): State<Admin>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response<Body>, StatusCode> {
    let answer = admin.0.metadata.load().key_set().answer(&method, &headers.into());
    answer.map(|response| response.map(Body::from)).map_err(|refusal| refusal.row().status)
}

/// What `GET /keys` answers.
#[derive(Serialize)]
pub(super) struct Keys {
    version: u64,
    keys: Vec<Key>,
}

#[derive(Serialize)]
struct Key {
    kid: String,
    algorithm: &'static str,
    phase: &'static str,
    published: String,
    signs_from: Option<String>,
    signs_until: Option<String>,
}

pub(super) async fn keys(State(admin): State<Admin>) -> Json<Keys> {
    let ring = admin.0.ring.load();
    let written = |moment: UnixTime| Timestamp(moment).to_string();
    let keys = ring.keys(admin.0.clock.now()).map(|key| {
        let times = key.scheduled.times;
        Key {
            kid: key.scheduled.kid.to_string(),
            algorithm: key.key.algorithm().name(),
            phase: key.phase.label(),
            published: written(times.published),
            // The first key has signed since the beginning of time, which is when it was published.
            signs_from: times.signs_from.map(|from| written(from.max(times.published))),
            signs_until: times.signs_until.map(|until| written(until.max(times.published))),
        }
    });
    Json(Keys { version: ring.version().as_number(), keys: keys.collect() })
}

/// What a change of the keys answers when it was not done.
#[derive(Serialize)]
pub(super) struct NotChanged {
    error: String,
}

type KeysChanged = Result<Json<Keys>, (StatusCode, Json<NotChanged>)>;

async fn change_keys(admin: Admin, change: KeyChange) -> KeysChanged {
    match admin.0.control.change_keys(change) {
        Ok(()) => Ok(keys(State(admin)).await),
        Err(KeyChangeError::Refused(error)) => {
            Err((StatusCode::UNPROCESSABLE_ENTITY, Json(NotChanged { error })))
        }
        Err(KeyChangeError::Store(error)) => {
            Err((StatusCode::SERVICE_UNAVAILABLE, Json(NotChanged { error })))
        }
    }
}

pub(super) async fn rotate_keys(State(admin): State<Admin>) -> KeysChanged {
    change_keys(admin, KeyChange::Rotate).await
}

/// What `POST /keys/retire` wants.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retirement {
    kid: KeyId,
}

pub(super) async fn retire_key(
    State(admin): State<Admin>,
    Json(Retirement { kid }): Json<Retirement>,
) -> KeysChanged {
    change_keys(admin, KeyChange::Retire(kid)).await
}

/// What `POST /keys/import` wants: the text of a PEM file or of a JWK.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Import {
    key: String,
}

pub(super) async fn import_key(
    State(admin): State<Admin>,
    Json(Import { key }): Json<Import>,
) -> KeysChanged {
    change_keys(admin, KeyChange::Import(Secret::new(key))).await
}

/// Where something is that the gateway leans on, and since when it is away.
#[derive(Serialize)]
struct LeansOn {
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    away_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<Dependence> for LeansOn {
    fn from(Dependence { at, away }: Dependence) -> Self {
        let (since, reason) = away.map(|away| (away.since, away.reason)).unzip();
        Self { at, away_since: since.map(|since| Timestamp(since).to_string()), reason: reason.flatten() }
    }
}

/// What `GET /status` answers.
#[derive(Serialize)]
pub(super) struct Status {
    version: &'static str,
    started: String,
    uptime_seconds: u64,
    #[serde(flatten)]
    readiness: Readiness,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_server: Option<LeansOn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<LeansOn>,
    revocations_pending: u64,
    ring_version: u64,
    sessions_cached: u64,
    connections_open: u64,
    requests_in_flight: u64,
    audit_failing: bool,
    audit_lines_lost: u64,
    log_lines_lost: u64,
    request_lines_lost: u64,
}

pub(super) async fn status(State(admin): State<Admin>) -> Json<Status> {
    let parts = &admin.0;
    let gauges = admin.gauges();
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        started: Timestamp(parts.started).to_string(),
        uptime_seconds: parts.clock.now().saturating_since(parts.started).as_secs(),
        readiness: Readiness {
            ready: gauges.ready,
            reason: admin.not_ready(),
            faults: parts.control.faults(),
        },
        authorization_server: parts.control.authorization_server().map(LeansOn::from),
        store: parts.control.store().map(LeansOn::from),
        revocations_pending: gauges.revocations.pending,
        ring_version: parts.ring.load().version().as_number(),
        sessions_cached: gauges.cached_sessions,
        connections_open: parts.metrics.open_connections(),
        requests_in_flight: parts.metrics.requests_in_flight(),
        audit_failing: gauges.audit_failing,
        audit_lines_lost: gauges.audit_lines_lost,
        log_lines_lost: gauges.log_lines_lost,
        request_lines_lost: gauges.request_lines_lost,
    })
}

/// What `POST /reload` answers.
#[derive(Serialize)]
pub(super) struct Reload {
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) async fn reload(State(admin): State<Admin>) -> (StatusCode, Json<Reload>) {
    match admin.0.control.reload().await {
        Ok(outcome) => (StatusCode::OK, Json(Reload { outcome: outcome.label(), error: None })),
        Err(error) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            Json(Reload { outcome: ReloadOutcome::Refused.label(), error: Some(error) }),
        ),
    }
}
