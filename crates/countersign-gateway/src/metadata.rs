//! What the world may know of us: the key set and the metadata that leads to it.
//!
//! 1. Three documents, rendered when the key ring changes or a key changes its phase, never for a request:
//!    the key set (RFC 7517 §5), authorization server metadata (RFC 8414 §2) and its OpenID Connect twin
//!    (Discovery 1.0 §4), which is where most verifiers begin.
//! 2. They say only what is true. There is no authorization and no token endpoint, so none is named, and
//!    `response_types_supported`, which both specifications require and neither lets be empty, is `none`.
//!    `id_token_signing_alg_values_supported` lists what our keys sign with: verifiers take the algorithms they
//!    accept from it.
//! 3. The key that signs stands first, for verifiers that look no further. Shared secrets are not keys of the
//!    ring and cannot get in.
//! 4. `Cache-Control: public, max-age=300`, the age from which the lead of a new key is reckoned; a strong
//!    `ETag`; only GET and HEAD.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use countersign::{Issuer, KeySet, KeySetError, UnixTime};
use http::{HeaderValue, Method, Response, StatusCode, Uri, header, uri::InvalidUri};
use serde::Serialize;

use crate::{
    error::Refusal,
    http::Fields,
    keyring::{KeyRing, KeyView},
    observe::KeyPhase,
};

/// Where the key set is.
pub const KEY_SET_PATH: &str = "/.well-known/jwks.json";
/// Where the authorization server metadata is; the issuer's path, if it has one, follows (RFC 8414 §3.1).
pub const SERVER_PATH: &str = "/.well-known/oauth-authorization-server";
/// Where the OpenID Connect metadata is, after the issuer's path, if it has one.
pub const OPENID_PATH: &str = "/.well-known/openid-configuration";

/// `max-age` is [`KEY_SET_MAX_AGE`](crate::keyring::schedule::KEY_SET_MAX_AGE).
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The three documents.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// Path of the issuer: empty, or begins with `/` and does not end with one.
    issuer_path: String,
    key_set: Document,
    server: Document,
    openid: Document,
}

/// One rendered document.
#[derive(Debug, Clone)]
pub struct Document {
    body: Bytes,
    media_type: HeaderValue,
    etag: HeaderValue,
}

/// Why the documents cannot be rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// The issuer is no URL.
    #[error("the issuer is not a URL")]
    Issuer,
    /// The keys make no set.
    #[error(transparent)]
    Keys(#[from] KeySetError),
    /// A document cannot be written.
    #[error("the metadata cannot be written")]
    Unwritable,
}

impl From<InvalidUri> for MetadataError {
    fn from(_: InvalidUri) -> Self {
        Self::Issuer
    }
}

/// RFC 8414 §2 and Discovery 1.0 §3, the members that are true of us.
#[derive(Serialize)]
struct Members<'a> {
    issuer: &'a Issuer,
    jwks_uri: &'a str,
    response_types_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_types_supported: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token_signing_alg_values_supported: Option<&'a [&'static str]>,
}

impl Metadata {
    /// Renders the documents as they are at `now`.
    ///
    /// # Errors
    /// [`MetadataError`].
    pub fn render(issuer: &Issuer, ring: &KeyRing, now: UnixTime) -> Result<Self, MetadataError> {
        let uri: Uri = issuer.as_str().parse()?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(MetadataError::Issuer);
        };
        let jwks_uri = format!("{scheme}://{authority}{KEY_SET_PATH}");
        let mut keys: Vec<KeyView<'_>> = ring.published(now).collect();
        keys.sort_by_key(|key| match key.phase {
            KeyPhase::Signing => 0,
            KeyPhase::Published => 1,
            KeyPhase::VerifyingOnly | KeyPhase::Gone => 2,
        });
        let mut algorithms: Vec<&str> = keys.iter().map(|key| key.key.algorithm().name()).collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        let set = KeySet::new(keys.iter().filter_map(|key| key.key.verifying_key()))?;
        let server = Members {
            issuer,
            jwks_uri: &jwks_uri,
            response_types_supported: ["none"],
            subject_types_supported: None,
            id_token_signing_alg_values_supported: None,
        };
        let openid = Members {
            subject_types_supported: Some(["public"]),
            id_token_signing_alg_values_supported: Some(&algorithms),
            ..server
        };
        Ok(Self {
            issuer_path: uri.path().trim_end_matches('/').to_owned(),
            key_set: Document::render(&set, "application/jwk-set+json")?,
            server: Document::render(&server, "application/json")?,
            openid: Document::render(&openid, "application/json")?,
        })
    }

    /// The key set.
    #[must_use]
    pub const fn key_set(&self) -> &Document {
        &self.key_set
    }

    /// Whether there may be a document at that path, whoever the issuer is.
    #[must_use]
    pub(crate) fn may_be_at(path: &str) -> bool {
        path.starts_with("/.well-known/") || path.ends_with(OPENID_PATH)
    }

    /// The document at that path of the issuer's origin.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Document> {
        if path == KEY_SET_PATH {
            return Some(&self.key_set);
        }
        if let Some(rest) = path.strip_prefix(SERVER_PATH) {
            return (rest.is_empty() || rest == self.issuer_path).then_some(&self.server);
        }
        // Discovery 1.0 §4 puts the issuer's path before, RFC 8414 §5 behind.
        let rest = path.strip_prefix(OPENID_PATH).or_else(|| path.strip_suffix(OPENID_PATH))?;
        (rest.is_empty() || rest == self.issuer_path).then_some(&self.openid)
    }
}

impl Document {
    fn render(value: &impl Serialize, media_type: &'static str) -> Result<Self, MetadataError> {
        let body = serde_json::to_vec(value).map_err(|_| MetadataError::Unwritable)?;
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest(&SHA256, &body)));
        Ok(Self {
            body: body.into(),
            media_type: HeaderValue::from_static(media_type),
            etag: HeaderValue::try_from(etag).map_err(|_| MetadataError::Unwritable)?,
        })
    }

    /// The document itself.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The whole answer to a request: 200, or 304 if the client has it (RFC 9110 §13.1.2).
    ///
    /// # Errors
    /// [`Refusal::MethodNotAllowed`] for anything but GET and HEAD.
    pub fn answer(&self, method: &Method, fields: &Fields) -> Result<Response<Bytes>, Refusal> {
        let head = match *method {
            Method::GET => false,
            Method::HEAD => true,
            _ => return Err(Refusal::MethodNotAllowed),
        };
        let known = fields.has_entity_tag(self.etag.as_bytes());
        let mut response = Response::new(if head || known { Bytes::new() } else { self.body.clone() });
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, CACHE_CONTROL);
        headers.insert(header::ETAG, self.etag.clone());
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            headers.insert(header::CONTENT_TYPE, self.media_type.clone());
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        }
        Ok(response)
    }
}

/// The documents in force; replaced whole.
#[derive(Debug)]
pub struct MetadataHandle(ArcSwap<Metadata>);

impl MetadataHandle {
    /// Puts the first documents in force.
    #[must_use]
    pub fn new(metadata: Metadata) -> Self {
        Self(ArcSwap::from_pointee(metadata))
    }

    /// The documents in force.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<Metadata>> {
        self.0.load()
    }

    /// Puts other documents in force.
    pub fn replace(&self, metadata: Metadata) {
        self.0.store(Arc::new(metadata));
    }
}

#[cfg(test)]
mod tests;
