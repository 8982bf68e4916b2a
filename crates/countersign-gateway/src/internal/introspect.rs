//! `POST /introspect`: what a token says, for services that do not follow the feed (RFC 7662).
//!
//! 1. Each client learns of tokens for its own `audience` alone.
//! 2. A good token: `active` true and its claims. Everything else, of whatever kind, is `{"active": false}` (§2.2).
//! 3. A gateway that has not read the shared store for longer than `store.max_alone` says of no token that it is good:
//!    503.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use countersign::Claims;
use http::{StatusCode, header};
use serde::Serialize;
use serde_json::Value;

use super::{
    Internal,
    own_token::{self, Act},
    proven::Proven,
    refuse,
};

/// What is told of a good token. The names of RFC 7662 §2.2 are those of the claims.
#[derive(Serialize)]
struct Active<'a> {
    active: bool,
    token_type: &'static str,
    #[serde(flatten)]
    claims: &'a Claims,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Box<Act<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    may_act: Option<&'a Value>,
}

#[derive(Serialize)]
struct Inactive {
    active: bool,
}

pub(super) async fn introspect(
    State(internal): State<Internal>,
    Proven { form, client, now }: Proven,
) -> Response {
    let Some(token) = form.field("token") else { return refuse(StatusCode::BAD_REQUEST, "invalid_request") };
    let audience = client.audience.as_ref();
    let claims = audience.and_then(|audience| internal.own.verify(token, audience, now).ok());
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    if claims.is_some() && internal.ledger.is_alone_too_long() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
    }
    match &claims {
        Some(claims) => {
            let active = Active {
                active: true,
                token_type: "Bearer",
                claims: claims.claims(),
                act: Act::chain(claims.actors()),
                may_act: own_token::may_act(claims),
            };
            (no_store, Json(active)).into_response()
        }
        None => (no_store, Json(Inactive { active: false })).into_response(),
    }
}
