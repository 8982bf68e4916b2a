//! The old server: it knows the sessions, nobody dares to touch it, and it has never heard of a JWT.
//!
//! A form to log in, an opaque session token in a cookie, introspection for whoever has a client secret (RFC 7662), a
//! page, and nothing else.

mod introspection;
mod pages;
mod sessions;
mod stage;

use std::sync::Arc;

use axum::{
    Form, Json, Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use countersign::{Clock, Secret};
use countersign_gateway::entropy::Entropy;
use serde::Deserialize;
use serde_json::json;

use crate::people;

pub(crate) use self::{
    sessions::{Sessions, random_text},
    stage::Stage,
};

/// The name of the session cookie.
pub const COOKIE: &str = "SESSION";
/// The client the gateway is for the old server.
pub const CLIENT_ID: &str = "gateway";

/// What all of its handlers share.
#[derive(Clone)]
pub(crate) struct OldServer {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) client_secret: Arc<Secret<String>>,
    pub(crate) stage: Arc<Stage>,
}

impl OldServer {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        client_secret: String,
        stage: Arc<Stage>,
    ) -> Self {
        Self {
            sessions: Arc::new(Sessions::new(clock, entropy)),
            client_secret: Arc::new(Secret::new(client_secret)),
            stage,
        }
    }

    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/", get(pages::page))
            .route("/demo.css", get(pages::style))
            .route("/demo.js", get(pages::program))
            .route("/measure.js", get(pages::measure))
            .route("/steps.js", get(pages::steps))
            .route("/login.js", get(pages::login_program))
            .route("/people", get(pages::people))
            .route("/login", get(pages::login).post(log_in))
            .route("/logout", get(log_out).post(log_out))
            .nest("/demo", stage::router())
            .route("/whoami", get(whoami))
            .route("/asked", get(asked))
            .route("/oauth2/introspect", post(introspection::introspect))
            .with_state(self)
    }
}

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
    #[serde(default)]
    next: String,
}

async fn log_in(State(server): State<OldServer>, Form(login): Form<Login>) -> Response {
    let Some(person) = people::log_in(&login.username, &login.password) else {
        return (StatusCode::UNAUTHORIZED, "wrong name or password\n").into_response();
    };
    let Some(token) = server.sessions.begin(person) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let next = server.stage.way_back(&login.next);
    see_page(&format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Lax", token.expose()), &next)
}

async fn log_out(State(server): State<OldServer>, headers: HeaderMap) -> Response {
    if let Some(token) = session_cookie(&headers) {
        server.sessions.end(token);
    }
    see_page(&format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"), &server.stage.way_back(""))
}

/// Back to the page, with another cookie.
fn see_page(cookie: &str, next: &str) -> Response {
    let (Ok(cookie), Ok(location)) = (HeaderValue::from_str(cookie), HeaderValue::from_str(next)) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    (StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie), (header::LOCATION, location)]).into_response()
}

/// The endpoint that only understands the cookie.
async fn whoami(State(server): State<OldServer>, headers: HeaderMap) -> Response {
    match session_cookie(&headers).and_then(|token| server.sessions.find(token)) {
        Some(session) => Json(json!({
            "sub": session.person.subject,
            "username": session.person.username,
            "name": session.person.name,
            "email": session.person.email,
            "authorities": session.person.roles,
            "org": { "id": session.person.organisation },
            "exp": session.end,
        }))
        .into_response(),
        None => (StatusCode::UNAUTHORIZED, Json(json!({ "error": "no session" }))).into_response(),
    }
}

/// How often it was asked about a session: the number that the gateway keeps small.
async fn asked(State(server): State<OldServer>) -> Json<serde_json::Value> {
    Json(json!({ "introspections": server.sessions.times_asked() }))
}

fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|cookies| cookies.split(';')).find_map(|cookie| {
        let (name, value) = cookie.trim().split_once('=')?;
        (name == COOKIE && !value.is_empty()).then_some(value)
    })
}
