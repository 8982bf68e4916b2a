//! One fetch of a key set over HTTP.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::Full;

use crate::{JwkError, KeySet, KeySetError};

use super::{
    LocationError,
    discovery::{self, Where},
    http_client::HttpClient,
    location::Location,
};

/// Asks for a key set.
pub(super) trait Fetch: Send + 'static {
    fn fetch(&mut self) -> impl Future<Output = Result<Fetched, FetchError>> + Send;
}

/// A key set, and how long it says it lives.
#[derive(Debug)]
pub(super) struct Fetched {
    /// None if it is the same as the last one fetched.
    pub(super) keys: Option<KeySet>,
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
    /// The set has no key.
    #[error("the key set has no key")]
    NoKeys,
    /// The set has no key that can be used; why not the first.
    #[error("the key set has no usable key: {0}")]
    NoUsableKey(#[source] JwkError),
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

pub(super) struct HttpFetch {
    place: Where,
    insecure_http: bool,
    client: HttpClient,
    /// What the last good answer came from, and its `ETag`.
    tag: Option<(Location, HeaderValue)>,
}

impl HttpFetch {
    /// # Errors
    /// If keys are to come over TLS and there are no root certificates.
    pub(super) fn new(place: Where, insecure_http: bool) -> Result<Self, std::io::Error> {
        let needs_tls = match &place {
            Where::Discovered { metadata, .. } => metadata.iter().any(Location::is_https),
            Where::Given(location) => location.is_https(),
        };
        Ok(Self { place, insecure_http, client: HttpClient::new(needs_tls)?, tag: None })
    }

    async fn get(
        &self,
        location: &Location,
        tag: Option<&HeaderValue>,
    ) -> Result<(StatusCode, HeaderMap, Bytes), FetchError> {
        let mut request = Request::get(location.uri().clone())
            .header(header::ACCEPT, "application/jwk-set+json, application/json");
        if let Some(tag) = tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let request = request.body(Full::default()).map_err(|_| FetchError::Metadata)?;
        let (status, headers, body) = self.client.exchange(request, KeySet::MAX_BYTES).await?;
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if tag.is_some() => {}
            _ => return Err(FetchError::Status(status)),
        }
        Ok((status, headers, body))
    }

    async fn discover(&self) -> Result<Location, FetchError> {
        let (issuer, metadata) = match &self.place {
            Where::Given(location) => return Ok(location.clone()),
            Where::Discovered { issuer, metadata } => (issuer, metadata),
        };
        let mut failure = None;
        for location in metadata {
            let found = match self.get(location, None).await {
                Ok((_, _, body)) => discovery::key_set_location(&body, issuer, self.insecure_http),
                Err(error) => Err(error),
            };
            match found {
                Err(error) if is_no_document(&error) => {
                    failure = failure.filter(|earlier| !is_absent(earlier)).or(Some(error));
                }
                found => return found,
            }
        }
        Err(failure.unwrap_or(FetchError::Metadata))
    }
}

/// Whether it leads on to the other place: many servers answer what they do not have with a page, a redirect to their
/// log-in, or a refusal.
fn is_no_document(error: &FetchError) -> bool {
    match error {
        FetchError::Metadata => true,
        FetchError::Status(status) => !status.is_server_error(),
        _ => false,
    }
}

fn is_absent(error: &FetchError) -> bool {
    matches!(error, FetchError::Status(StatusCode::NOT_FOUND))
}

impl Fetch for HttpFetch {
    async fn fetch(&mut self) -> Result<Fetched, FetchError> {
        let location = self.discover().await?;
        let tag = self.tag.take().filter(|(tagged, _)| *tagged == location);
        let (status, headers, body) = self.get(&location, tag.as_ref().map(|(_, tag)| tag)).await?;
        let max_age = max_age(&headers);
        if status == StatusCode::NOT_MODIFIED {
            self.tag = tag;
            return Ok(Fetched { keys: None, max_age });
        }
        let keys = KeySet::parse(&body)?;
        if keys.is_empty() {
            let why = keys.skipped().first().map(|skipped| skipped.reason);
            return Err(why.map_or(FetchError::NoKeys, FetchError::NoUsableKey));
        }
        self.tag = headers.get(header::ETAG).map(|tag| (location, tag.clone()));
        Ok(Fetched { keys: Some(keys), max_age })
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
