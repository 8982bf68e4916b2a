//! `POST /revoke`: a service gives back a token that it was sent (RFC 7009).
//!
//! 1. Only the service that the token is for may: `aud` of the token is the `audience` of the client.
//! 2. What is no living token of ours is revoked already: 200 (RFC 7009 §2.2).
//! 3. A token that was given back is not written down again, however often it comes.
//! 4. A token with a shared secret cannot be told from one that its service made: `unsupported_token_type`.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use countersign::{
    Audience, TokenId, UnixTime,
    jws::{MAX_BYTES, Unverified},
};
use http::StatusCode;
use serde::Deserialize;

use super::{Internal, clients::is_service_of, proven::Proven, refuse};
use crate::{
    keyring::KeyRing,
    revocation::{Demand, RevocationReason},
};

/// What is read of a token.
#[derive(Deserialize)]
struct Said {
    aud: Audience,
    exp: UnixTime,
    jti: TokenId,
}

/// What a text is.
enum Found {
    /// Nothing that could still be revoked.
    Nothing,
    /// Signed with a shared secret.
    Shared,
    Token(Said),
}

pub(super) async fn give_back(
    State(internal): State<Internal>,
    Proven { form, client, now }: Proven,
) -> Response {
    let Some(token) = form.field("token") else { return refuse(StatusCode::BAD_REQUEST, "invalid_request") };
    match find(token, &internal.keyring.load(), now) {
        Found::Nothing => StatusCode::OK.into_response(),
        Found::Shared => refuse(StatusCode::BAD_REQUEST, "unsupported_token_type"),
        Found::Token(said) if !is_service_of(&client, &said.aud) => {
            refuse(StatusCode::BAD_REQUEST, "unauthorized_client")
        }
        Found::Token(said) => {
            let demand = Demand::of_token(said.jti, said.exp, RevocationReason::TokenGivenBack);
            match internal.ledger.revoke(demand, now).await {
                Ok(_) => StatusCode::OK.into_response(),
                Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
            }
        }
    }
}

fn find(token: &str, ring: &KeyRing, now: UnixTime) -> Found {
    let Ok(unverified) = Unverified::parse(token.as_bytes(), MAX_BYTES) else { return Found::Nothing };
    if unverified.header().algorithm().starts_with("HS") {
        return Found::Shared;
    }
    let is_access_token = unverified.header().typ().is_some_and(|typ| typ.eq_ignore_ascii_case("at+jwt"));
    let kid = unverified.header().key_id().map(|kid| kid.to_string());
    let key = ring.published(now).find(|key| Some(key.scheduled.kid.as_str()) == kid.as_deref());
    let Some(key) = key.filter(|_| is_access_token).and_then(|key| key.key.verifying_key()) else {
        return Found::Nothing;
    };
    let Ok(verified) = unverified.verify(&key) else { return Found::Nothing };
    match serde_json::from_slice::<Said>(verified.payload()) {
        Ok(said) if said.exp > now => Found::Token(said),
        _ => Found::Nothing,
    }
}
