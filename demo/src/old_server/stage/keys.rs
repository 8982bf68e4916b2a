//! The gateway's keys, looked at and changed as an operator does: over its control socket.

use axum::{
    Json,
    extract::State,
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign_gateway::admin::client::call;
use serde::Deserialize;
use serde_json::json;

use crate::old_server::OldServer;

/// What an operator wants.
#[derive(Deserialize)]
#[serde(tag = "change", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Change {
    Retire { kid: String },
    Rotate,
}

/// As `countersign keys list --json` shows them.
pub(super) async fn list(State(server): State<OldServer>) -> Response {
    control(&server, Method::GET, "/keys", String::new()).await
}

/// As `countersign keys rotate` and `countersign keys retire KID` do.
pub(super) async fn change(State(server): State<OldServer>, Json(change): Json<Change>) -> Response {
    let (path, body) = match change {
        Change::Retire { kid } => ("/keys/retire", json!({ "kid": kid }).to_string()),
        Change::Rotate => ("/keys/rotate", String::new()),
    };
    control(&server, Method::POST, path, body).await
}

/// Passes the gateway's answer on.
async fn control(server: &OldServer, method: Method, path: &str, body: String) -> Response {
    match call(&server.stage.state_dir, method, path, body).await {
        Ok(reply) => (reply.status, [(header::CONTENT_TYPE, "application/json")], reply.body).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, Json(json!({ "error": error.to_string() }))).into_response(),
    }
}
