//! `GET session` and `POST renew`: who is logged in, until when, and the key for drafts.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde::Serialize;

use super::{SessionEndpoints, draft_key::draft_key, query};
use crate::{
    config::resolved::BrowserMode, error::Refusal, http::Parts, identity::Identity, keyring::SignedToken,
    translate::Translation,
};

/// What a page is told. Times are Unix seconds by the gateway's clock.
#[derive(Serialize)]
struct Body<'a> {
    user: User<'a>,
    sid: &'a str,
    now: u64,
    /// When to renew.
    exp: u64,
    session_ends: u64,
    draft_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

#[derive(Serialize)]
struct User<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organisation: Option<&'a str>,
    roles: Vec<&'a str>,
}

impl<'a> User<'a> {
    fn of(identity: &'a Identity) -> Self {
        Self {
            sub: identity.subject.as_str(),
            name: identity.username.as_deref(),
            email: identity.email.as_deref(),
            organisation: identity.organisation.as_ref().map(|organisation| organisation.as_str()),
            roles: identity.roles.iter().map(|role| role.as_str()).collect(),
        }
    }
}

/// Both answer the same; only their methods differ. Nothing is changed by asking, so each may be asked again.
pub(super) async fn answer(
    endpoints: &SessionEndpoints,
    translation: &Translation,
    parts: &Parts,
    client: IpAddr,
) -> Result<Response<Bytes>, Refusal> {
    let audience = query::parameter(parts.uri.query(), "audience")?;
    let session = translation.page_session(&parts.fields, client).await?;
    let token = match (endpoints.config.mode, &audience) {
        (BrowserMode::Cookie, None) => None,
        (BrowserMode::Cookie, Some(_)) => return Err(Refusal::AudienceNotAllowed),
        (BrowserMode::Bearer, _) => Some(translation.page_token(&session, audience.as_deref()).await?),
    };
    let entry = &session.entry;
    let now = translation.clock.now().wall;
    let ends_with_lifetime = || now.saturating_add(endpoints.lifetime).min(entry.ends);
    let ring = translation.keyring.load_full();
    let mut response = json(&Body {
        user: User::of(&entry.identity),
        sid: entry.sid.as_str(),
        now: now.as_secs(),
        exp: token.as_ref().map_or_else(ends_with_lifetime, |token| token.exp()).as_secs(),
        session_ends: entry.ends.as_secs(),
        draft_key: draft_key(ring.session_secret().expose(), &entry.identity)?,
        token: token.as_deref().and_then(bare),
    })?;
    if let Some(cookie) = entry.new_cookie(client) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// A token as a page sends it: behind `Bearer `.
fn bare(token: &SignedToken) -> Option<&str> {
    token.header_value().to_str().ok()?.strip_prefix("Bearer ")
}

pub(super) fn json(body: &impl Serialize) -> Result<Response<Bytes>, Refusal> {
    let body = serde_json::to_vec(body).map_err(|_| Refusal::Bug)?;
    let mut response = Response::new(Bytes::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
