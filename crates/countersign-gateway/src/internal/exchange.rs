//! `POST /token`: a service exchanges a token it was sent for one of the next service (RFC 8693).
//!
//! 1. A client exchanges tokens for its own `audience` alone, and asks only for audiences of its list `exchange`.
//! 2. The presented token is one of ours, good at this moment and not revoked; one with a shared secret never counts.
//! 3. The derived token says who the caller is in the same words: `sub`, `client_id`, `sid`, `organisation`, `roles`.
//!    `scope` is the presented one or a part of it. `preferred_username` and `email` are not passed on.
//! 4. `act` is the presented chain with the client in front (§4.1), at most 8 of them. Actors are added by
//!    us alone: `actor_token` is refused. `may_act` (§4.4) must name the client, and stays.
//! 5. `derived_from` names the presented token and those that one was exchanged for: where one of them is revoked, by
//!    its name or because its session has lost power, services refuse the derived one too.
//! 6. It ends when the presented one ends or after `token.lifetime`, whichever is first. There is no refresh token.
//! 7. Where a slow signature waits for its turn, all of this is looked at again at its turn, and the token is of that ring
//!    and second.
//! 8. Each client has so many a second, `exchanges_per_second`.

mod pace;

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    Actor, Audience, Claims, Revocable, Revocations as _, Standing, Subject, TokenId, UnixTime,
    VerifiedClaims,
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;

use self::pace::TooOften;
use super::{
    Internal,
    form::Form,
    own_token::{self, Act},
    proven::Proven,
    refuse,
};
use crate::{
    config::resolved::{ClientConfig, TokenConfig},
    keyring::SignedToken,
    observe::{Observation, TokenSigned},
};

pub use self::pace::Pace;

/// The longest chain of actors.
pub(super) const MAX_ACTORS: usize = 8;
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// Stands where a route stands for other tokens.
const PLACE: &str = "/token";

/// How derived tokens are made, by the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DerivedTokens {
    /// The longest life.
    pub lifetime: Duration,
    /// Longest `Authorization` value in bytes.
    pub header_budget: usize,
}

impl From<&TokenConfig> for DerivedTokens {
    fn from(token: &TokenConfig) -> Self {
        Self { lifetime: token.lifetime, header_budget: token.header_budget }
    }
}

/// Why there is no token (RFC 6749 §5.2, RFC 8693 §2.2.2). The reasons are for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denied {
    Client(&'static str),
    Grant,
    Request(&'static str),
    Scope,
    Target,
    TooOften(TooOften),
    Unavailable(&'static str),
}

impl Denied {
    const fn code(self) -> &'static str {
        match self {
            Self::Client(_) => "unauthorized_client",
            Self::Grant => "unsupported_grant_type",
            Self::Request(_) => "invalid_request",
            Self::Scope => "invalid_scope",
            Self::Target => "invalid_target",
            Self::TooOften(_) | Self::Unavailable(_) => "temporarily_unavailable",
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::Client(reason) | Self::Request(reason) | Self::Unavailable(reason) => reason,
            Self::Grant | Self::Scope | Self::Target => self.code(),
            Self::TooOften(_) => "exchanges_per_second",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// RFC 8693 §2.2.1.
#[derive(Serialize)]
struct Granted<'a> {
    access_token: &'a str,
    issued_token_type: &'static str,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

/// What is asked for, well-formed.
struct Asked {
    token: String,
    audience: Audience,
    scope: Option<String>,
    issued: &'static str,
}

/// A token that is to be signed.
struct Derived {
    claims: Claims,
    actors: Vec<Actor>,
    derived_from: Vec<TokenId>,
    may_act: Option<Value>,
}

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(flatten)]
    claims: &'a Claims,
    act: Option<Box<Act<'a>>>,
    derived_from: &'a [TokenId],
    #[serde(skip_serializing_if = "Option::is_none")]
    may_act: Option<&'a Value>,
}

pub(super) async fn exchange(
    State(internal): State<Internal>,
    Proven { form, client, now }: Proven,
) -> Response {
    match grant(&internal, Arc::clone(&client), &form, now).await {
        Ok(response) => response,
        Err(denied) => {
            let (code, reason) = (denied.code(), denied.reason());
            // Whoever asks too often gets no line for each time.
            if denied != Denied::TooOften(TooOften::Still) {
                tracing::warn!(client = %client.id, code, reason, "a token was not exchanged");
            }
            let mut response = refuse(denied.status(), code);
            if matches!(denied, Denied::TooOften(_)) {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            response
        }
    }
}

async fn grant(
    internal: &Internal,
    client: Arc<ClientConfig>,
    form: &Form,
    now: UnixTime,
) -> Result<Response, Denied> {
    let asked = asked(form)?;
    let issued = asked.issued;
    if client.audience.is_none() {
        return Err(Denied::Client("no_audience"));
    }
    if !client.exchange.contains(&asked.audience) {
        return Err(Denied::Target);
    }
    internal.pace.take(&client.id, client.exchanges_per_second, now).map_err(Denied::TooOften)?;
    let (derived, signed) = sign(internal, client, asked, now).await?;
    if signed.header_value().len() > internal.derived.load().header_budget {
        return Err(Denied::Request("token_too_large"));
    }
    let claims = &derived.claims;
    internal.observer.observe(Observation::TokenSigned(TokenSigned {
        jti: &claims.jti,
        kid: signed.kid(),
        subject: &claims.sub,
        organisation: claims.organisation.as_ref(),
        session: claims.sid.as_ref(),
        audience: &claims.aud,
        route: PLACE,
        expires: claims.exp,
        bytes: signed.header_value().len(),
    }));
    let header = signed.header_value().to_str().ok();
    let granted = Granted {
        access_token: header
            .and_then(|text| text.strip_prefix("Bearer "))
            .ok_or(Denied::Unavailable("bug"))?,
        issued_token_type: issued,
        token_type: "Bearer",
        expires_in: claims.exp.saturating_since(claims.iat).as_secs(),
        scope: claims.scope.as_deref(),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(granted)).into_response())
}

/// Reads the request (RFC 8693 §2.1). Pure.
fn asked(form: &Form) -> Result<Asked, Denied> {
    match form.field("grant_type") {
        Some(GRANT) => {}
        Some(_) => return Err(Denied::Grant),
        None => return Err(Denied::Request("grant_type")),
    }
    if form.field("actor_token").is_some() || form.field("actor_token_type").is_some() {
        return Err(Denied::Request("actor_token"));
    }
    if !matches!(form.field("subject_token_type"), Some(ACCESS_TOKEN | JWT)) {
        return Err(Denied::Request("subject_token_type"));
    }
    let issued = match form.field("requested_token_type") {
        None | Some(ACCESS_TOKEN) => ACCESS_TOKEN,
        Some(JWT) => JWT,
        Some(_) => return Err(Denied::Request("requested_token_type")),
    };
    // Services are known by their audiences, not by where they are.
    if form.field("resource").is_some() {
        return Err(Denied::Target);
    }
    Ok(Asked {
        token: form.field("subject_token").ok_or(Denied::Request("subject_token"))?.to_owned(),
        audience: form.field("audience").ok_or(Denied::Request("audience"))?.into(),
        scope: form.field("scope").map(ToOwned::to_owned),
        issued,
    })
}

/// What the derived token says, but for its name and the bound of the configured lifetime. Pure.
fn derive(
    presented: &VerifiedClaims,
    client: &ClientConfig,
    audience: Audience,
    scope: Option<&str>,
    now: UnixTime,
) -> Result<Derived, Denied> {
    if scope.is_some_and(|wanted| !wanted.split(' ').all(|one| presented.has_scope(one))) {
        return Err(Denied::Scope);
    }
    let may_act = own_token::may_act(presented);
    if may_act.is_some_and(|named| !names(named, client, presented)) {
        return Err(Denied::Request("may_act"));
    }
    if presented.actors().len() >= MAX_ACTORS {
        return Err(Denied::Request("too_many_actors"));
    }
    let actor = Actor { subject: Subject::from(client.id.as_str()), issuer: None };
    let mut claims = presented.claims().clone();
    claims.aud = audience;
    claims.iat = now;
    claims.scope = scope.map(ToOwned::to_owned).or(claims.scope);
    (claims.username, claims.email) = (None, None);
    let actors = std::iter::once(actor).chain(presented.actors().iter().cloned()).collect();
    let presented_from = presented.derived_from().iter();
    let derived_from = std::iter::once(presented.token_id()).chain(presented_from).cloned().collect();
    Ok(Derived { claims, actors, derived_from, may_act: may_act.cloned() })
}

/// Whether `may_act` means that client and nobody else.
fn names(may_act: &Value, client: &ClientConfig, presented: &VerifiedClaims) -> bool {
    let Some(members) = may_act.as_object() else { return false };
    members.iter().all(|(name, value)| match name.as_str() {
        "sub" => value.as_str().is_some_and(|sub| client.id == *sub),
        "iss" => value.as_str().is_some_and(|iss| *presented.issuer() == *iss),
        _ => false,
    }) && members.contains_key("sub")
}

/// Signs here, or where slow signatures are made. One that waits for its turn may wait so long that neither the key nor
/// what was presented is good any more.
async fn sign(
    internal: &Internal,
    client: Arc<ClientConfig>,
    asked: Asked,
    now: UnixTime,
) -> Result<(Derived, SignedToken), Denied> {
    let derived = derive_now(internal, &client, &asked, now)?;
    if !internal.keyring.load().is_slow(&asked.audience, now) {
        return sign_now(internal, derived);
    }
    let here = internal.clone();
    let signed = internal.pace.slow.make(move || {
        let derived = derive_now(&here, &client, &asked, here.clock.now())?;
        sign_now(&here, derived)
    });
    signed.await.unwrap_or(Err(Denied::Unavailable("bug")))
}

/// What is derived from a token that is good at `now`, for a service that takes it.
fn derive_now(
    internal: &Internal,
    client: &ClientConfig,
    asked: &Asked,
    now: UnixTime,
) -> Result<Derived, Denied> {
    let own = client.audience.as_ref().ok_or(Denied::Client("no_audience"))?;
    let presented = internal.own.verify(&asked.token, own, now).map_err(Denied::Request)?;
    let mut derived = derive(&presented, client, asked.audience.clone(), asked.scope.as_deref(), now)?;
    let lifetime = internal.derived.load().lifetime;
    derived.claims.exp = derived.claims.exp.min(now.saturating_add(lifetime));
    derived.claims.jti = token_id(internal)?;
    if internal.ledger.is_alone_too_long() {
        return Err(Denied::Unavailable("revocations_unread"));
    }
    // Services refuse it at once if it was signed in the second of a revocation.
    if internal.ledger.standing(&revocable(&derived)) == Standing::Revoked {
        return Err(Denied::Unavailable("revocation_unsettled"));
    }
    Ok(derived)
}

/// Signs with the key that signs at the second that the token names.
fn sign_now(internal: &Internal, derived: Derived) -> Result<(Derived, SignedToken), Denied> {
    let Derived { claims, actors, derived_from, may_act } = &derived;
    let payload = Payload { claims, act: Act::chain(actors), derived_from, may_act: may_act.as_ref() };
    let signed = internal.keyring.load_full().sign_with(claims, &payload, claims.iat);
    let signed = signed.map_err(|_| Denied::Unavailable("keys_unavailable"))?;
    Ok((derived, signed))
}

fn revocable(Derived { claims, derived_from, .. }: &Derived) -> Revocable<'_> {
    let mut revocable = Revocable::new(&claims.iss, &claims.jti, &claims.sub, claims.iat);
    revocable.derived_from = derived_from;
    revocable.session = claims.sid.as_ref();
    revocable.organisation = claims.organisation.as_ref();
    revocable
}

fn token_id(internal: &Internal) -> Result<TokenId, Denied> {
    let mut bytes = [0; 16];
    internal.entropy.fill(&mut bytes).map_err(|_| Denied::Unavailable("entropy"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).into())
}

#[cfg(test)]
mod tests;
