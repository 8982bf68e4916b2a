//! Shows what of a request has reached the service: the names of its header fields, and what the token says.

use axum::{Json, http::HeaderMap};
use countersign::Caller;
use serde_json::{Value, json};

/// Never the token itself: it would be a copy of the key to the caller's data.
pub(super) async fn received(caller: Caller, headers: HeaderMap) -> Json<Value> {
    let mut names: Vec<&str> = headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    let claims = caller.claims();
    Json(json!({
        "header_names": names,
        "token": {
            "issuer": claims.issuer(),
            "audience": claims.audience(),
            "subject": claims.subject(),
            "username": claims.username(),
            "organisation": claims.organisation(),
            "roles": claims.roles(),
            "issued_at": claims.issued_at(),
            "expires": claims.expires(),
            "key": claims.header().key_id(),
        },
    }))
}
