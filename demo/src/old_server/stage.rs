//! What the page may ask of the demo itself. No real server offers any of it.
//!
//! It ends a session behind everybody's back, keeps a copy of a credential as a thief would, sends forged tokens, asks
//! the old server as services did before, changes the gateway's keys, and audits a service with a hole.

mod audit;
mod keys;
mod old_way;

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use countersign::Secret;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{COOKIE, OldServer, session_cookie};
use crate::{
    forge::{self, Wiretap},
    gateway_config::Places,
    http_client::{Ask, HttpClient},
};

/// What is behind the scenes.
#[derive(Debug)]
pub(crate) struct Stage {
    gateway_url: String,
    old_server_url: String,
    orders_url: String,
    /// The gateway's.
    state_dir: PathBuf,
    taps: [Wiretap; 2],
    http: HttpClient,
    /// What somebody copied.
    copied: Mutex<Option<Copied>>,
    /// Who presses the button of the next log-in form, if nobody else does.
    logs_in: Mutex<String>,
    /// What a page that ran all steps by itself has to say.
    report: Mutex<Option<Value>>,
}

/// A credential, and the token that a request with it brought to `orders`.
#[derive(Debug, Clone)]
struct Copied {
    cookie: Secret<String>,
    token: Secret<String>,
}

impl Stage {
    pub(crate) fn new(places: &Places<'_>, taps: [Wiretap; 2]) -> Self {
        Self {
            gateway_url: format!("http://{}", places.options.gateway),
            old_server_url: places.old_server.to_owned(),
            orders_url: places.orders.to_owned(),
            state_dir: places.state_dir(),
            taps,
            http: HttpClient::new(),
            copied: Mutex::default(),
            logs_in: Mutex::default(),
            report: Mutex::default(),
        }
    }

    /// Where to go after a log-in: to the gateway, whatever was asked for.
    pub(super) fn way_back(&self, next: &str) -> String {
        match next.strip_prefix(&self.gateway_url) {
            Some(path) if path.starts_with('/') => next.to_owned(),
            _ => format!("{}/", self.gateway_url),
        }
    }

    pub(super) fn who_logs_in(&self) -> String {
        std::mem::take(&mut lock(&self.logs_in))
    }

    /// The token that the service `orders` was sent last.
    pub(crate) fn last_token(&self) -> String {
        let [orders, _] = &self.taps;
        orders.last()
    }

    /// The report of a page, once.
    pub(crate) fn take_report(&self) -> Option<Value> {
        lock(&self.report).take()
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is a single assignment.
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn router() -> Router<OldServer> {
    Router::new()
        .route("/end", post(end))
        .route("/copy", post(copy))
        .route("/copied", get(use_copy))
        .route("/copied-token", get(use_copied_token))
        .route("/forge", post(send_forged))
        .route("/audit", post(audit::serve))
        .route("/keys", get(keys::list).post(keys::change))
        .route("/old-way", get(old_way::serve))
        .route("/logs-in", post(logs_in))
        .route("/report", post(report))
}

/// The session ends; the browser keeps its cookie and does not know.
async fn end(State(server): State<OldServer>, headers: HeaderMap) -> StatusCode {
    if let Some(token) = session_cookie(&headers) {
        server.sessions.end(token);
    }
    StatusCode::NO_CONTENT
}

/// Keeps the credential as a thief would, and the token of a request with it. The answer shows the line, without the credential.
async fn copy(State(server): State<OldServer>, headers: HeaderMap) -> Response {
    let Some(token) = session_cookie(&headers) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let begin: String = token.chars().take(6).collect();
    // Whether it brought a token is seen when that is used.
    let _ = server.stage.http.ask(orders_with(&server, token)).await;
    let copied =
        Copied { cookie: Secret::new(token.to_owned()), token: Secret::new(server.stage.last_token()) };
    *lock(&server.stage.copied) = Some(copied);
    let line = format!("curl -b {COOKIE}={begin}… {}/orders/", server.stage.gateway_url);
    Json(json!({ "line": line })).into_response()
}

/// What the copied credential is good for now.
async fn use_copy(State(server): State<OldServer>) -> Response {
    let Some(copied) = lock(&server.stage.copied).clone() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    told(&server, orders_with(&server, copied.cookie.expose())).await
}

/// The same of the copied token, straight at the service.
async fn use_copied_token(State(server): State<OldServer>) -> Response {
    let Some(copied) = lock(&server.stage.copied).clone() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let ask = Ask::get(format!("{}/orders/", server.stage.orders_url))
        .header("authorization", format!("Bearer {}", copied.token.expose()));
    told(&server, ask).await
}

fn orders_with(server: &OldServer, session: &str) -> Ask {
    Ask::get(format!("{}/orders/", server.stage.gateway_url)).header("cookie", format!("{COOKIE}={session}"))
}

#[derive(Deserialize)]
struct Forgery {
    name: String,
}

/// Sends a forged token straight to the service, past the gateway.
async fn send_forged(State(server): State<OldServer>, Json(forgery): Json<Forgery>) -> Response {
    let [orders, notes] = &server.stage.taps;
    let keys = Ask::get(format!("{}/.well-known/jwks.json", server.stage.gateway_url));
    let keys = server.stage.http.ask(keys).await.map(|reply| reply.body).unwrap_or_default();
    let Some(token) = forge::forged(&forgery.name, &orders.last(), &notes.last(), &keys) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let ask = Ask::new(Method::GET, format!("{}/orders/", server.stage.orders_url))
        .header("authorization", format!("Bearer {token}"));
    told(&server, ask).await
}

/// Status, code and duration of an answer.
async fn told(server: &OldServer, ask: Ask) -> Response {
    let begin = Instant::now();
    match server.stage.http.ask(ask).await {
        Ok(reply) => Json(json!({
            "status": reply.status.as_u16(),
            "code": reply.code(),
            "milliseconds": begin.elapsed().as_millis(),
        }))
        .into_response(),
        Err(problem) => (StatusCode::BAD_GATEWAY, problem).into_response(),
    }
}

#[derive(Deserialize)]
struct LogsIn {
    username: String,
}

async fn logs_in(State(server): State<OldServer>, Json(who): Json<LogsIn>) -> StatusCode {
    *lock(&server.stage.logs_in) = who.username;
    StatusCode::NO_CONTENT
}

async fn report(State(server): State<OldServer>, Json(report): Json<Value>) -> StatusCode {
    *lock(&server.stage.report) = Some(report);
    StatusCode::NO_CONTENT
}
