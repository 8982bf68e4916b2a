//! One fetch of a key set over HTTP.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::{KeySet, KeySetError};

use super::{
    LocationError,
    discovery::{self, Where},
    location::Location,
};

/// Asks for a key set.
pub(super) trait Fetch: Send + 'static {
    fn fetch(&mut self) -> impl Future<Output = Result<Fetched, FetchError>> + Send;
}

/// A key set, and how long it says it lives.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) keys: KeySet,
    pub(super) max_age: Option<Duration>,
}

/// Why a fetch brought no keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The answer's body broke off.
    #[error("the answer broke off")]
    Body,
    /// The answer is no key set.
    #[error(transparent)]
    KeySet(#[from] KeySetError),
    /// The metadata names a location that keys are not fetched from.
    #[error("the metadata's key set cannot be used: {0}")]
    Location(#[source] LocationError),
    /// The metadata is no JSON object with `issuer` and `jwks_uri`.
    #[error("the issuer's metadata is malformed")]
    Metadata,
    /// The set has no key that can be used.
    #[error("the key set has no usable key")]
    NoKeys,
    /// The metadata is another issuer's.
    #[error("the metadata names another issuer")]
    OtherIssuer,
    /// The answer was not 200. Redirects are not followed.
    #[error("the answer has status {0}")]
    Status(StatusCode),
    /// No answer within [`FETCH_TIMEOUT`](super::FETCH_TIMEOUT).
    #[error("no answer in time")]
    Timeout,
    /// The answer is longer than [`KeySet::MAX_BYTES`].
    #[error("the answer is too long")]
    TooLarge,
    /// No connection, or it broke off.
    #[error("the endpoint cannot be reached")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    /// An `https` location, and the machine's root certificates could not be read at start.
    #[error("there are no root certificates to check the endpoint with")]
    NoRootCertificates,
}

type Body = Empty<Bytes>;

pub(super) struct HttpFetch {
    place: Where,
    insecure_http: bool,
    plain: Client<HttpConnector, Body>,
    tls: Option<Client<HttpsConnector<HttpConnector>, Body>>,
}

impl HttpFetch {
    /// # Errors
    /// If keys are to come over TLS and there are no root certificates.
    pub(super) fn new(place: Where, insecure_http: bool) -> Result<Self, std::io::Error> {
        let needs_tls = match &place {
            Where::Discovered { metadata, .. } => metadata.iter().any(Location::is_https),
            Where::Given(location) => location.is_https(),
        };
        let client = || {
            let mut builder = Client::builder(TokioExecutor::new());
            // A fetch each few minutes: an idle connection would only be found closed.
            builder.pool_max_idle_per_host(0);
            builder
        };
        let tls = HttpsConnectorBuilder::new().with_native_roots();
        let tls = match tls {
            Ok(connector) => Some(client().build(connector.https_only().enable_http1().build())),
            Err(error) if needs_tls => return Err(error),
            Err(_) => None,
        };
        Ok(Self { place, insecure_http, plain: client().build_http(), tls })
    }

    async fn get(&self, location: &Location) -> Result<(HeaderMap, Bytes), FetchError> {
        let request = Request::get(location.uri().clone())
            .header(header::ACCEPT, "application/jwk-set+json, application/json")
            .body(Body::new())
            .map_err(|_| FetchError::Metadata)?;
        let answer = if location.is_https() {
            self.tls.as_ref().ok_or(FetchError::NoRootCertificates)?.request(request)
        } else {
            self.plain.request(request)
        };
        let answer = answer.await.map_err(FetchError::Unreachable)?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status(answer.status()));
        }
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, KeySet::MAX_BYTES).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { FetchError::TooLarge } else { FetchError::Body }
        })?;
        Ok((parts.headers, body.to_bytes()))
    }

    async fn discover(&self) -> Result<Location, FetchError> {
        let (issuer, metadata) = match &self.place {
            Where::Given(location) => return Ok(location.clone()),
            Where::Discovered { issuer, metadata } => (issuer, metadata),
        };
        let mut outcome = Err(FetchError::Metadata);
        for location in metadata {
            outcome = match self.get(location).await {
                Ok((_, body)) => discovery::key_set_location(&body, issuer, self.insecure_http),
                Err(error) => Err(error),
            };
            // Only "there is none here" leads on to the other place.
            if !matches!(outcome, Err(FetchError::Status(StatusCode::NOT_FOUND))) {
                break;
            }
        }
        outcome
    }
}

impl Fetch for HttpFetch {
    async fn fetch(&mut self) -> Result<Fetched, FetchError> {
        let location = self.discover().await?;
        let (headers, body) = self.get(&location).await?;
        let keys = KeySet::parse(&body)?;
        if keys.is_empty() {
            return Err(FetchError::NoKeys);
        }
        Ok(Fetched { keys, max_age: max_age(&headers) })
    }
}

/// `max-age` of `Cache-Control` (RFC 9111 §5.2.2.1); zero where the answer may not be kept at all.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let mut found = None;
    for value in headers.get_all(header::CACHE_CONTROL) {
        for directive in value.to_str().unwrap_or_default().split(',') {
            let directive = directive.trim().to_ascii_lowercase();
            if directive == "no-store" || directive == "no-cache" {
                return Some(Duration::ZERO);
            }
            let seconds = directive.strip_prefix("max-age=").map(|age| age.trim_matches('"').parse::<u64>());
            if let Some(Ok(seconds)) = seconds {
                found = Some(Duration::from_secs(seconds));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue, header::CACHE_CONTROL};

    use super::max_age;

    #[test]
    fn the_life_of_a_set_is_read_from_cache_control() {
        for (value, expected) in [
            ("max-age=60", Some(60)),
            ("public, Max-Age=\"60\", must-revalidate", Some(60)),
            ("max-age=60, no-cache", Some(0)),
            ("no-store", Some(0)),
            ("max-age=soon", None),
            ("public", None),
        ] {
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(value))]);
            assert_eq!(max_age(&headers), expected.map(Duration::from_secs), "{value}");
        }
        assert_eq!(max_age(&HeaderMap::new()), None);
    }
}
