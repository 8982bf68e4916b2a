//! The HTTP client for the authorization server: everything it does is bounded.
//!
//! 1. One deadline covers name look-up, connection, TLS, request and the whole answer: a server that drips one byte
//!    a second holds a look-up no longer than one that is silent.
//! 2. An answer has at most [`MAX_ANSWER_BYTES`] of body and [`MAX_ANSWER_HEADER_BYTES`] of header.
//! 3. Redirects are not followed: a credential goes nowhere but to the configured address.
//! 4. A request is sent again only where hyper hands it back unsent because a kept connection had just closed;
//!    an answer that never came is never asked for twice.
//! 5. No proxy, cookie jar, compression or environment variable takes part. No body is ever logged or put in an error.

use std::{error::Error, fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;
use countersign::UnixTime;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout_at};

use crate::{error::SourceError, tls_fault::TlsFault};

/// Longest body of an answer. A session with 256 roles of 100 bytes fits twice; what is longer is not an answer
/// about one session.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Longest header section of an answer.
pub const MAX_ANSWER_HEADER_BYTES: usize = 16 * 1024;

/// `Set-Cookie` fields of an answer that are looked at.
const MAX_COOKIES: usize = 16;

/// Connections kept open between look-ups, for each host.
const MAX_IDLE_CONNECTIONS: usize = 32;

/// How long an unused connection is kept: shorter than the 60 s after which common servers and firewalls drop it.
const IDLE: Duration = Duration::from_secs(30);

/// An answer, whole, before anybody judged it.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The path that was asked, without its query: for messages.
    pub path: String,
    /// HTTP status.
    pub status: StatusCode,
    /// `Content-Type`, lower-cased, without parameters.
    pub content_type: Option<String>,
    /// `Location` of a redirect.
    pub location: Option<String>,
    /// `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// The server's idea of the time (`Date`).
    pub date: Option<UnixTime>,
    /// `Set-Cookie` fields, at most 16.
    pub cookies: Vec<HeaderValue>,
    /// The server said how long the body is, so an empty one was meant to be empty.
    pub body_is_framed: bool,
    /// The body, at most [`MAX_ANSWER_BYTES`].
    pub body: Bytes,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Sends requests to the authorization server.
#[derive(Clone)]
pub(super) struct HttpClient {
    inner: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient")
    }
}

impl HttpClient {
    /// A client that trusts what `tls` trusts and gives up a connection attempt after `connect_timeout`.
    pub(super) fn new(tls: ClientConfig, connect_timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp);
        let inner = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
            .http1_max_buf_size(MAX_ANSWER_HEADER_BYTES)
            .http2_max_header_list_size(MAX_ANSWER_HEADER_BYTES as u32)
            .build(connector);
        Self { inner }
    }

    /// Sends one request and reads the whole answer, all before `deadline`.
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<Reply, SourceError> {
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("countersign"));
        let uri = request.uri().clone();
        let exchange = async {
            let answer = self.inner.request(request).await.map_err(|error| unsent(&uri, &error))?;
            read(&uri, answer).await
        };
        timeout_at(deadline, exchange).await.unwrap_or(Err(SourceError::Timeout))
    }
}

/// What a look-up trusts: the given roots, or the machine's.
///
/// # Errors
/// When the machine has no usable root certificate.
pub(super) fn tls(roots: Option<RootCertStore>) -> io::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let builder = match roots {
        Some(roots) => builder.with_root_certificates(roots),
        None => builder.with_native_roots()?,
    };
    Ok(builder.with_no_client_auth())
}

/// True for `https` to anywhere and `http` to this machine.
pub(super) fn is_safe_to_send_to(uri: &Uri) -> bool {
    match uri.scheme_str() {
        Some("https") => uri.host().is_some(),
        Some("http") => uri.host().is_some_and(is_loopback),
        _ => false,
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

async fn read(uri: &Uri, answer: http::Response<Incoming>) -> Result<Reply, SourceError> {
    let (head, body) = answer.into_parts();
    let text = |name| first(&head.headers, name);
    if text(header::CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(SourceError::Nonsense("a compressed answer nobody asked for".into()));
    }
    if body.size_hint().lower() > MAX_ANSWER_BYTES as u64 {
        return Err(too_long());
    }
    let body_is_framed = head.version == Version::HTTP_2
        || head.headers.contains_key(header::CONTENT_LENGTH)
        || head.headers.contains_key(header::TRANSFER_ENCODING);
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            too_long()
        } else {
            SourceError::Unavailable("the connection broke within the answer".into())
        }
    })?;
    let content_type = text(header::CONTENT_TYPE)
        .and_then(|value| value.split(';').next().map(|essence| essence.trim().to_ascii_lowercase()));
    Ok(Reply {
        path: uri.path().to_owned(),
        status: head.status,
        content_type,
        location: text(header::LOCATION).map(str::to_owned),
        challenge: text(header::WWW_AUTHENTICATE).map(str::to_owned),
        date: text(header::DATE).and_then(http_date),
        cookies: head.headers.get_all(header::SET_COOKIE).iter().take(MAX_COOKIES).cloned().collect(),
        body_is_framed,
        body: body.to_bytes(),
    })
}

fn first(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn http_date(text: &str) -> Option<UnixTime> {
    let moment = httpdate::parse_http_date(text).ok()?;
    let since_epoch = moment.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(UnixTime::from_secs(since_epoch.as_secs()))
}

fn too_long() -> SourceError {
    SourceError::Nonsense(format!("an answer longer than {MAX_ANSWER_BYTES} bytes"))
}

/// Why no answer came: the address without its query, and the innermost cause, which names TLS faults and never a
/// request's content.
fn unsent(uri: &Uri, error: &legacy::Error) -> SourceError {
    let mut innermost = if error.is_connect() { "no connection" } else { "no answer" }.to_owned();
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(http) = inner.downcast_ref::<hyper::Error>()
            && http.is_parse()
        {
            return SourceError::Nonsense("an answer that is not HTTP, or with too long a header".into());
        }
        innermost = plain(inner);
        cause = inner.source();
    }
    SourceError::Unavailable(format!("{}: {innermost}", bare(uri)))
}

/// A cause in words: "connection refused", not "Connection refused (os error 111)".
fn plain(cause: &(dyn Error + 'static)) -> String {
    if let Some(fault) = TlsFault::of(cause)
        && fault != TlsFault::Other
    {
        return fault.to_string();
    }
    match cause.downcast_ref::<io::Error>() {
        Some(io) if io.raw_os_error().is_some() => io.kind().to_string(),
        _ => cause.to_string(),
    }
}

/// An address without user, password and query.
pub(crate) fn bare(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{}://{host}{}", uri.scheme_str().unwrap_or_default(), uri.path())
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::{bare, is_safe_to_send_to};

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        for (address, shown) in [
            ("https://user:pass@sso.example:8443/whoami?key=1", "https://sso.example:8443/whoami"),
            ("http://127.0.0.1:9/", "http://127.0.0.1:9/"),
        ] {
            assert_eq!(bare(&Uri::from_static(address)), shown);
        }
    }

    #[test]
    fn plain_http_goes_to_this_machine_only() {
        for good in ["https://sso.example/a", "http://127.0.0.1:9/", "http://[::1]/", "http://localhost:80/"]
        {
            assert!(is_safe_to_send_to(&Uri::from_static(good)), "{good}");
        }
        for bad in [
            "http://sso.example/",
            "http://127.0.0.1.evil.example/",
            "http://localhost.example/",
            "http://0.0.0.0/",
            "/a",
            "ftp://127.0.0.1/",
        ] {
            assert!(!is_safe_to_send_to(&Uri::from_static(bad)), "{bad}");
        }
    }
}
