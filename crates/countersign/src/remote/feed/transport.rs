//! Pages and the stream over HTTP.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use super::{FeedError, FeedStartError};
use crate::{
    Clock, Issuer,
    remote::{ClientAuthentication, FetchError, client::Place, http_client::HttpClient, location::Location},
    revocation::{Cursor, MAX_PAGE_BYTES},
};

/// Where snapshots and events come from.
pub(super) trait Transport: Send + 'static {
    /// An open stream.
    type Pieces: Pieces;

    /// One page of the snapshot, as a compact JWS.
    fn page(&mut self, number: u32) -> impl Future<Output = Result<Bytes, FeedError>> + Send;

    /// Everything after a place.
    fn stream(&mut self, after: &Cursor) -> impl Future<Output = Result<Self::Pieces, FeedError>> + Send;
}

/// A stream as it comes.
pub(super) trait Pieces: Send {
    /// The next piece; `None` at the end.
    fn next(&mut self) -> impl Future<Output = Option<Result<Bytes, FeedError>>> + Send;
}

/// The gateway's `internal_listen`.
pub(super) struct HttpTransport {
    http: HttpClient,
    snapshot: String,
    stream: Location,
    issuer: Issuer,
    client: ClientAuthentication,
    clock: Arc<dyn Clock>,
}

impl HttpTransport {
    pub(super) fn new(
        gateway: &Location,
        issuer: &Issuer,
        client: ClientAuthentication,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, FeedStartError> {
        Ok(Self {
            http: HttpClient::new(gateway.is_https()).map_err(FeedStartError::RootCertificates)?,
            snapshot: gateway.below("revocations/snapshot")?.uri().to_string(),
            stream: gateway.below("revocations/stream")?,
            issuer: issuer.clone(),
            client,
            clock,
        })
    }

    fn request(&self, uri: &str, accept: &str) -> Result<http::request::Builder, FeedError> {
        let proven = self.client.prove(&self.issuer, self.clock.now(), Place::Header)?;
        let mut request = Request::get(uri).header(header::ACCEPT, accept);
        if let Some(proof) = proven.header {
            request = request.header(header::AUTHORIZATION, proof);
        }
        Ok(request)
    }
}

impl Transport for HttpTransport {
    type Pieces = Incoming;

    async fn page(&mut self, number: u32) -> Result<Bytes, FeedError> {
        let request = self.request(&format!("{}?page={number}", self.snapshot), PAGE)?;
        let request = request.body(Full::default()).map_err(|_| FetchError::Metadata)?;
        let (status, headers, body) = self.http.exchange(request, MAX_PAGE_BYTES).await?;
        check(status, &headers, PAGE)?;
        Ok(body)
    }

    async fn stream(&mut self, after: &Cursor) -> Result<Incoming, FeedError> {
        let request =
            self.request(&self.stream.uri().to_string(), STREAM)?.header("Last-Event-ID", after.to_string());
        let request = request.body(Full::default()).map_err(|_| FetchError::Metadata)?;
        let answer = self.http.send(request).await?;
        check(answer.status(), answer.headers(), STREAM)?;
        Ok(answer.into_body())
    }
}

impl Pieces for Incoming {
    async fn next(&mut self) -> Option<Result<Bytes, FeedError>> {
        loop {
            match self.frame().await? {
                // Trailers say nothing here.
                Ok(frame) => match frame.into_data() {
                    Ok(data) => return Some(Ok(data)),
                    Err(_) => continue,
                },
                Err(_) => return Some(Err(FetchError::Body.into())),
            }
        }
    }
}

const PAGE: &str = "application/secevent+jwt";
const STREAM: &str = "text/event-stream";

fn check(status: StatusCode, headers: &HeaderMap, wanted: &str) -> Result<(), FeedError> {
    if status != StatusCode::OK {
        return Err(FetchError::Status(status).into());
    }
    let found = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = found.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(wanted) { Ok(()) } else { Err(FeedError::ContentType) }
}
