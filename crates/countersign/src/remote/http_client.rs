//! The HTTP client below keys, feed and exchange.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::FetchError;

type Body = Full<Bytes>;

/// Follows no redirect and keeps no idle connection.
pub(super) struct HttpClient {
    plain: Client<HttpConnector, Body>,
    tls: Option<Client<HttpsConnector<HttpConnector>, Body>>,
}

impl HttpClient {
    /// # Errors
    /// If TLS is needed and there are no root certificates.
    pub(super) fn new(needs_tls: bool) -> Result<Self, std::io::Error> {
        let client = || {
            let mut builder = Client::builder(TokioExecutor::new());
            // Requests are rare: an idle connection would only be found closed.
            builder.pool_max_idle_per_host(0);
            builder
        };
        let tls = match HttpsConnectorBuilder::new().with_native_roots() {
            Ok(connector) => Some(client().build(connector.https_only().enable_http1().build())),
            Err(error) if needs_tls => return Err(error),
            Err(_) => None,
        };
        Ok(Self { plain: client().build_http(), tls })
    }

    /// Sends a request. The caller bounds the time.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, FetchError> {
        let answer = if request.uri().scheme_str() == Some("https") {
            self.tls.as_ref().ok_or(FetchError::NoRootCertificates)?.request(request)
        } else {
            self.plain.request(request)
        };
        answer.await.map_err(FetchError::Unreachable)
    }

    /// Sends a request and reads the whole answer, of at most so many bytes.
    pub(super) async fn exchange(
        &self,
        request: Request<Body>,
        max_bytes: usize,
    ) -> Result<(StatusCode, HeaderMap, Bytes), FetchError> {
        let (parts, body) = self.send(request).await?.into_parts();
        let body = Limited::new(body, max_bytes).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { FetchError::TooLarge } else { FetchError::Body }
        })?;
        Ok((parts.status, parts.headers, body.to_bytes()))
    }
}
