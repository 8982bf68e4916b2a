//! Introspection (RFC 7662): the answer is judged here, apart from how it was fetched.
//!
//! | the server answers | it means |
//! |---|---|
//! | 200, `active: true` | live, unless one of the rows below |
//! | `active: false`, whatever stands beside it | no |
//! | `active: true` and an end that is past | no |
//! | 400 `invalid_token` (Spring's `check_token`) | no |
//! | `token_use`, `typ` or `token_type` names a refresh, ID or log-out token | refused: [`Refusal::SessionOfOtherKind`] |
//! | 400 `unsupported_token_type` (oidc-provider, of a JWT) | refused: [`Refusal::SessionOfOtherKind`] |
//! | none of the three, where the configuration demands one | refused: [`Refusal::SessionOfOtherKind`] |
//! | `cnf`, or `token_type: DPoP` | refused: [`Refusal::SessionBoundToKey`] |
//! | 401, 403, 400 `invalid_client` and the like | it refuses *us* |
//! | 408, 425, 429, 5xx | it cannot be asked |
//! | no `active`, or one that is not a boolean; a page; a redirect; another issuer's token; everything else | nonsense |
//!
//! Only the rows that say "no" end a session.

use bytes::Bytes;
use countersign::{Issuer, UnixTime};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value};

use super::{
    Answer, Lookup, Verdict, answer,
    client::{HttpClient, Reply},
    client_auth::ClientProof,
    discovery::{Located, Wanted},
    moment,
};
use crate::{
    error::{Refusal, SourceError},
    http::form,
};

/// Asks the introspection endpoint.
#[derive(Debug)]
pub(super) struct Introspection {
    pub(super) http: HttpClient,
    pub(super) endpoint: Located,
    pub(super) proof: ClientProof,
    pub(super) require_token_type: bool,
}

/// What an answer is judged by, besides itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected<'a> {
    /// The server's own issuer, if it is known: another one is nonsense.
    pub issuer: Option<&'a Issuer>,
    /// A live token whose kind is not told is refused. Some servers leave it out for refresh tokens only.
    pub token_type: bool,
}

impl Introspection {
    pub(super) async fn look_up(&self, lookup: &mut Lookup<'_>) -> Result<Verdict, SourceError> {
        let endpoint = self.endpoint.resolve(Wanted::Introspection, &self.http, lookup.deadline).await?;
        let mut fields = String::new();
        form::append_pair(&mut fields, "token", lookup.credential.value.expose());
        // A hint only: a server that does not find the token under it must look under the others (RFC 7662 §2.1).
        // One that takes it strictly answers `active: false` for a refresh token, which is refused here anyway.
        form::append_pair(&mut fields, "token_type_hint", "access_token");
        let audience = self.endpoint.issuer().map_or_else(|| endpoint.to_string(), ToString::to_string);
        let authorization = self.proof.prove(&mut fields, &audience, lookup.now)?;
        let mut request = Request::new(Full::new(Bytes::from(fields)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = endpoint;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some(authorization) = authorization {
            headers.insert(header::AUTHORIZATION, authorization);
        }
        let reply = self.http.send(request, lookup.deadline).await?;
        lookup.note(&reply);
        let expected = Expected { issuer: self.endpoint.issuer(), token_type: self.require_token_type };
        process_introspection(&reply, expected, lookup.now)
    }
}

/// Judges an introspection answer by the table of this module.
///
/// # Errors
/// [`SourceError`] for every answer that is no verdict.
pub fn process_introspection(
    reply: &Reply,
    expected: Expected<'_>,
    now: UnixTime,
) -> Result<Verdict, SourceError> {
    answer::outage(reply)?;
    match reply.status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(answer::refused(reply)),
        StatusCode::BAD_REQUEST => {
            return match answer::oauth_error(reply).as_deref() {
                Some("invalid_token") => Ok(Verdict::No(None)),
                Some("unsupported_token_type") => Ok(Verdict::Refused(Refusal::SessionOfOtherKind)),
                Some("invalid_client" | "unauthorized_client" | "access_denied") => {
                    Err(answer::refused(reply))
                }
                _ => Err(answer::unexpected(reply)),
            };
        }
        _ => return Err(answer::unexpected(reply)),
    }
    let session = answer::object(reply)?;
    match session.get("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Ok(Verdict::No(None)),
        Some(_) => return Err(SourceError::Nonsense("`active` is not a boolean".into())),
        None => return Err(SourceError::Nonsense("no `active`".into())),
    }
    let ends = moment::session_end(&session, now)?;
    if ends.is_some_and(|end| end <= now) {
        return Ok(Verdict::No(None));
    }
    moment::begun(&session, now)?;
    of_issuer(&session, expected.issuer)?;
    if let Some(refusal) = not_a_session(&session, expected.token_type)? {
        return Ok(Verdict::Refused(refusal));
    }
    Ok(Verdict::Live(Box::new(Answer { session, userinfo: None, ends, new_cookie: None })))
}

fn of_issuer(session: &Map<String, Value>, issuer: Option<&Issuer>) -> Result<(), SourceError> {
    match (session.get("iss"), issuer) {
        (Some(Value::String(iss)), Some(issuer)) if *issuer != **iss => {
            Err(SourceError::Nonsense("`iss` is not the issuer that was asked".into()))
        }
        (None | Some(Value::Null | Value::String(_)), _) => Ok(()),
        (Some(_), _) => Err(SourceError::Nonsense("`iss` is not a text".into())),
    }
}

/// Where servers tell what kind of token it is: RFC 7662 §2.2, and what Hydra, Cognito and Keycloak add.
pub(super) const KIND_MEMBERS: [&str; 3] = ["token_type", "token_use", "typ"];

/// Says why a live token may not stand for a session.
fn not_a_session(
    session: &Map<String, Value>,
    kind_is_required: bool,
) -> Result<Option<Refusal>, SourceError> {
    let mut kind_is_told = false;
    for name in KIND_MEMBERS {
        let kind = match session.get(name) {
            None | Some(Value::Null) => continue,
            Some(Value::String(kind)) => kind.to_ascii_lowercase(),
            Some(_) => return Err(SourceError::Nonsense(format!("`{name}` is not a text"))),
        };
        kind_is_told = true;
        let kind = kind.strip_prefix("urn:ietf:params:oauth:token-type:").unwrap_or(&kind);
        let kind = kind.strip_suffix("+jwt").unwrap_or(kind);
        match kind {
            // `Offline` is Keycloak's refresh token that outlives the session.
            "refresh" | "refresh_token" | "offline" | "id" | "id_token" | "logout" | "logout_token" => {
                return Ok(Some(Refusal::SessionOfOtherKind));
            }
            "dpop" => return Ok(Some(Refusal::SessionBoundToKey)),
            _ => {}
        }
    }
    if kind_is_required && !kind_is_told {
        return Ok(Some(Refusal::SessionOfOtherKind));
    }
    let bound = session.get("cnf").is_some_and(|confirmation| !confirmation.is_null());
    Ok(bound.then_some(Refusal::SessionBoundToKey))
}
