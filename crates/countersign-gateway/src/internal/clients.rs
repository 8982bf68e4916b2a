//! Who may use the listener, and how each proves it.
//!
//! 1. HTTP basic (RFC 6749 §2.3.1), with name and secret form-encoded; or `private_key_jwt` (RFC 7523 §2.2): an
//!    assertion as `client_assertion` of a form, or as the token of `Authorization: Bearer` where there is no form.
//! 2. An assertion says `iss` and `sub` = the client and `aud` = our issuer, lives at most five minutes and is used
//!    once. Its `typ`, if it has one, is `client-authentication+jwt` or `JWT`, so that an access token is none.
//! 3. Exactly one proof. A secret is compared in constant time.
//!
//! Bound: 10,000 assertions of each client are remembered; when as many of one live at once, its further ones are
//! refused, and nobody else's.

mod used;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use countersign::{
    Audience, ClientId, Issuer, UnixTime,
    jws::{MAX_BYTES, Unverified},
};
use http::{HeaderMap, header};
use serde::Deserialize;

use self::used::Used;
use crate::{
    config::resolved::{ClientConfig, ClientKnownBy},
    http::form,
};

/// The longest life of an assertion.
const LONGEST_ASSERTION: Duration = Duration::from_secs(300);
/// How far the clock of a client may be ahead.
const LEEWAY: Duration = Duration::from_secs(60);
/// The kind of `client_assertion` (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The clients of one configuration, and the assertions that were used.
pub struct ClientTable {
    issuer: Issuer,
    clients: ArcSwap<BTreeMap<ClientId, Arc<ClientConfig>>>,
    used: Used,
}

/// The proof of a form.
#[derive(Debug, Clone, Copy, Default)]
pub struct FormProof<'a> {
    /// `client_id`.
    pub client: Option<&'a str>,
    /// `client_assertion_type`.
    pub kind: Option<&'a str>,
    /// `client_assertion`.
    pub assertion: Option<&'a str>,
}

/// The proof does not hold. Which part of it is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client is not proven")]
pub struct NotProven;

/// What an assertion says (RFC 7523 §3). A doubled member is an error.
#[derive(Deserialize)]
struct Assertion {
    iss: Box<str>,
    sub: Box<str>,
    aud: OneOrMany,
    exp: u64,
    #[serde(default)]
    iat: Option<u64>,
    #[serde(default)]
    nbf: Option<u64>,
    jti: Box<str>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(Box<str>),
    Many(Vec<Box<str>>),
}

impl ClientTable {
    /// The clients of a configuration.
    #[must_use]
    pub fn new(issuer: Issuer, clients: &[ClientConfig]) -> Self {
        let table = Self { issuer, clients: ArcSwap::default(), used: Used::default() };
        table.replace(clients);
        table
    }

    /// Takes over the clients of another configuration. Assertions that were used stay used.
    pub fn replace(&self, clients: &[ClientConfig]) {
        let by_name = clients.iter().map(|client| (client.id.clone(), Arc::new(client.clone())));
        self.clients.store(Arc::new(by_name.collect()));
    }

    /// The client that a request proves to be.
    ///
    /// # Errors
    /// [`NotProven`].
    pub fn prove(
        &self,
        headers: &HeaderMap,
        form: Option<FormProof<'_>>,
        now: UnixTime,
    ) -> Result<Arc<ClientConfig>, NotProven> {
        let mut fields = headers.get_all(header::AUTHORIZATION).iter();
        let form = form.unwrap_or_default();
        let client = match (fields.next(), fields.next(), form.assertion) {
            (Some(field), None, None) => {
                let text = field.to_str().map_err(|_| NotProven)?;
                let (scheme, value) = text.split_once(' ').ok_or(NotProven)?;
                match scheme.to_ascii_lowercase().as_str() {
                    "basic" => self.by_secret(value.trim())?,
                    "bearer" => self.by_assertion(value.trim(), now)?,
                    _ => return Err(NotProven),
                }
            }
            (None, None, Some(assertion)) if form.kind == Some(JWT_BEARER) => {
                self.by_assertion(assertion, now)?
            }
            _ => return Err(NotProven),
        };
        if form.client.is_some_and(|named| client.id != *named) { Err(NotProven) } else { Ok(client) }
    }

    /// Whether a client that was proven is in the table still, and proves itself by the same.
    #[must_use]
    pub fn knows_still(&self, client: &ClientConfig) -> bool {
        self.find(client.id.as_str()).is_some_and(|found| match (&found.known_by, &client.known_by) {
            (ClientKnownBy::Key(found), ClientKnownBy::Key(proven)) => found.jwk() == proven.jwk(),
            (ClientKnownBy::Secret(found), ClientKnownBy::Secret(proven)) => {
                found.expose() == proven.expose()
            }
            (ClientKnownBy::Key(_), ClientKnownBy::Secret(_))
            | (ClientKnownBy::Secret(_), ClientKnownBy::Key(_)) => false,
        })
    }

    fn find(&self, name: &str) -> Option<Arc<ClientConfig>> {
        self.clients.load().get(name).map(Arc::clone)
    }

    fn by_secret(&self, encoded: &str) -> Result<Arc<ClientConfig>, NotProven> {
        let pair = STANDARD.decode(encoded).map_err(|_| NotProven)?;
        let pair = std::str::from_utf8(&pair).map_err(|_| NotProven)?;
        let (name, secret) = pair.split_once(':').ok_or(NotProven)?;
        let (name, secret) = (form::decoded(name).ok_or(NotProven)?, form::decoded(secret).ok_or(NotProven)?);
        let client = self.find(&name);
        let known = match client.as_ref().map(|client| &client.known_by) {
            Some(ClientKnownBy::Secret(secret)) => Some(secret.expose().as_str()),
            Some(ClientKnownBy::Key(_)) | None => None,
        };
        // An unknown client takes as long as a wrong secret.
        let same = verify_slices_are_equal(
            digest(&SHA256, secret.as_bytes()).as_ref(),
            digest(&SHA256, known.unwrap_or_default().as_bytes()).as_ref(),
        );
        if known.is_none() || same.is_err() {
            return Err(NotProven);
        }
        client.ok_or(NotProven)
    }

    fn by_assertion(&self, token: &str, now: UnixTime) -> Result<Arc<ClientConfig>, NotProven> {
        let unverified = Unverified::parse(token.as_bytes(), MAX_BYTES).map_err(|_| NotProven)?;
        let is_assertion = unverified.header().typ().is_none_or(|typ| {
            typ.eq_ignore_ascii_case("client-authentication+jwt") || typ.eq_ignore_ascii_case("jwt")
        });
        if !is_assertion {
            return Err(NotProven);
        }
        // Who it claims to be decides which key it must be signed with; nothing else is taken from it before.
        let claimed = token.split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
        let claimed: Assertion = serde_json::from_slice(&claimed.ok_or(NotProven)?).map_err(|_| NotProven)?;
        let client = self.find(&claimed.iss).ok_or(NotProven)?;
        let ClientKnownBy::Key(key) = &client.known_by else { return Err(NotProven) };
        let verified = unverified.verify(&**key).map_err(|_| NotProven)?;
        let said: Assertion = serde_json::from_slice(verified.payload()).map_err(|_| NotProven)?;
        self.judge(&client, said, now)?;
        Ok(client)
    }

    fn judge(&self, client: &ClientConfig, said: Assertion, now: UnixTime) -> Result<(), NotProven> {
        let Assertion { iss, sub, aud, exp, iat, nbf, jti } = said;
        let for_us = match &aud {
            OneOrMany::One(aud) => self.issuer == **aud,
            OneOrMany::Many(all) => matches!(all.as_slice(), [aud] if self.issuer == **aud),
        };
        let exp = UnixTime::from_secs(exp);
        let soon = now.saturating_add(LEEWAY);
        let in_time = exp > now
            && exp <= soon.saturating_add(LONGEST_ASSERTION)
            && [iat, nbf].into_iter().flatten().all(|from| UnixTime::from_secs(from) <= soon);
        if client.id != *iss || client.id != *sub || !for_us || !in_time || jti.is_empty() {
            return Err(NotProven);
        }
        if self.used.take(&client.id, &jti, exp, now) { Ok(()) } else { Err(NotProven) }
    }
}

/// Whether a client is the service of that audience.
#[must_use]
pub fn is_service_of(client: &ClientConfig, audience: &Audience) -> bool {
    client.audience.as_ref() == Some(audience)
}

impl fmt::Debug for ClientTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTable").field("clients", &self.clients.load().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
