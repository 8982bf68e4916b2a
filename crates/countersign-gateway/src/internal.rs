//! `internal_listen`: for clients that prove who they are, most of them services.
//!
//! | request | who | what |
//! |---|---|---|
//! | `GET /revocations/snapshot?page=N` | any client | one page of everything that is revoked ([`feed`]) |
//! | `GET /revocations/stream` | any client | what is revoked from a cursor on, as it happens ([`feed`]) |
//! | `POST /backchannel-logout` | the authorization server, by its signature | ends sessions |
//! | `POST /introspect` | the service a token is for | asks whether it is good, and what it says ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)) |
//! | `POST /revoke` | the service a token is for | gives that token back (RFC 7009) |
//! | `POST /token` | the service a token is for | exchanges it for one of the next service ([`exchange`]) |
//!
//! 1. Every request but a log-out token proves its client ([`clients`]); a proof that does not hold is 401 `invalid_client`, and which part
//!    of it does not hold is not told.
//! 2. A stream of a client that a reload takes out, or that has another secret or key since, ends within a second, also while it
//!    takes nothing; it gets what waits for it by then, [`feed::PIECES`] at most.
//! 3. At most 1,024 connections; a request's head within 10 s and its form, at most 64 KiB, within 10 s more.

pub mod clients;
pub mod exchange;
pub mod feed;
mod form;
mod give_back;
mod introspect;
mod logout;
mod own_token;
mod proven;
mod serve;

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use countersign::Clock;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::{entropy::Entropy, keyring::KeyRingHandle, observe::Observer, revocation::Ledger};

use self::{
    clients::ClientTable,
    exchange::{DerivedTokens, Pace},
    feed::Feed,
};

pub use logout::LogoutReceiver;
pub use own_token::OwnTokens;
pub use serve::{Listening, serve};

/// What the pages of the listener are made of. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Internal {
    /// Who may use them.
    pub clients: Arc<ClientTable>,
    /// The feed.
    pub feed: Arc<Feed>,
    /// What is revoked.
    pub ledger: Arc<Ledger>,
    /// Whose tokens are given back, asked about and exchanged.
    pub keyring: Arc<KeyRingHandle>,
    /// Which tokens are theirs.
    pub own: Arc<OwnTokens>,
    /// Whose log-out tokens are believed, once the listener is open.
    pub logout: Arc<OnceLock<LogoutReceiver>>,
    /// How often they are.
    pub pace: Arc<Pace>,
    /// How exchanged tokens are made.
    pub derived: Arc<ArcSwap<DerivedTokens>>,
    /// Whom it tells of tokens.
    pub observer: Observer,
    /// Names tokens.
    pub entropy: Arc<dyn Entropy>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

impl Internal {
    /// The pages.
    pub fn pages(&self) -> Router {
        Router::new()
            .route("/revocations/snapshot", get(feed::snapshot))
            .route("/revocations/stream", get(feed::stream))
            .route_layer(from_fn_with_state(self.clone(), proven_by_header))
            .route("/backchannel-logout", post(logout::log_out))
            .route("/introspect", post(introspect::introspect))
            .route("/revoke", post(give_back::give_back))
            .route("/token", post(exchange::exchange))
            .with_state(self.clone())
    }
}

/// Lets a request without a form through if its client is proven.
async fn proven_by_header(State(internal): State<Internal>, mut request: Request, next: Next) -> Response {
    match internal.clients.prove(request.headers(), None, internal.clock.now()) {
        Ok(client) => {
            request.extensions_mut().insert(client);
            next.run(request).await
        }
        Err(_) => invalid_client(),
    }
}

/// A client that is not proven (RFC 6749 §5.2).
fn invalid_client() -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"countersign\""))];
    (StatusCode::UNAUTHORIZED, challenge, oauth_error("invalid_client")).into_response()
}

/// The body of an error (RFC 6749 §5.2).
fn oauth_error(code: &'static str) -> Response {
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (no_store, Json(json!({ "error": code }))).into_response()
}

/// An error with its status.
fn refuse(status: StatusCode, code: &'static str) -> Response {
    let mut response = oauth_error(code);
    *response.status_mut() = status;
    response
}
