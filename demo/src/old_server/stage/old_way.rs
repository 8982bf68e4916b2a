//! A service as there were many before: it takes the cookie, and asks the old server about every single request.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::{
    http_client::Ask,
    old_server::{CLIENT_ID, OldServer, session_cookie},
};

/// Over HTTP, by the old server's own endpoint, which counts it as any other question.
pub(super) async fn serve(State(server): State<OldServer>, headers: HeaderMap) -> Response {
    let Some(token) = session_cookie(&headers) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let client = BASE64_STANDARD.encode(format!("{CLIENT_ID}:{}", server.client_secret.expose()));
    let ask = Ask::new(Method::POST, format!("{}/oauth2/introspect", server.stage.old_server_url))
        .header(header::AUTHORIZATION.as_str(), format!("Basic {client}"))
        .form(format!("token={token}"));
    match server.stage.http.ask(ask).await {
        Ok(reply) if reply.json().get("active") == Some(&Value::Bool(true)) => {
            Json(Value::Array(Vec::new())).into_response()
        }
        Ok(_) => StatusCode::UNAUTHORIZED.into_response(),
        Err(problem) => (StatusCode::BAD_GATEWAY, problem).into_response(),
    }
}
