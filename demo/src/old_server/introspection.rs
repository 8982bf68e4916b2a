//! Token introspection (RFC 7662): what the old server tells a client it trusts.

use axum::{
    Form, Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::json;

use super::{CLIENT_ID, OldServer};

#[derive(Deserialize)]
pub(super) struct Question {
    token: String,
}

pub(super) async fn introspect(
    State(server): State<OldServer>,
    headers: HeaderMap,
    Form(question): Form<Question>,
) -> Response {
    if !is_our_client(&server, &headers) {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"old server\"")];
        let body = Json(json!({ "error": "invalid_client" }));
        return (StatusCode::UNAUTHORIZED, challenge, body).into_response();
    }
    server.sessions.count_question();
    let answer = match server.sessions.find(&question.token) {
        Some(session) => json!({
            "active": true,
            "client_id": "old-web",
            "sub": session.person.subject,
            "username": session.person.username,
            "email": session.person.email,
            "exp": session.end,
            "authorities": session.person.roles,
            "org": { "id": session.person.organisation },
        }),
        None => json!({ "active": false }),
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

/// HTTP basic with the one client there is (RFC 6749 §2.3.1).
fn is_our_client(server: &OldServer, headers: &HeaderMap) -> bool {
    let expected = format!("{CLIENT_ID}:{}", server.client_secret.expose());
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
        .and_then(|value| BASE64_STANDARD.decode(value).ok());
    given.is_some_and(|given| given == expected.as_bytes())
}
