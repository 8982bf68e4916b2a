//! One GET, for a person who waits: bounded in time and size, follows no redirect, sends no credential.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

/// Longest wait for the whole answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer.
const MAX_BYTES: usize = 1 << 20;

/// What came back.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Gets a page over HTTP or HTTPS; the machine's root certificates are trusted.
///
/// # Errors
/// Why there is no answer, for a person.
pub(crate) async fn get(uri: &Uri) -> Result<Fetched, String> {
    get_at_most(uri, MAX_BYTES).await
}

/// The same, of an answer that may be longer.
pub(crate) async fn get_at_most(uri: &Uri, most: usize) -> Result<Fetched, String> {
    let roots = || -> io::Result<_> {
        let connector = hyper_rustls::HttpsConnectorBuilder::new();
        let builder = if uri.scheme_str() == Some("https") {
            connector.with_native_roots()?
        } else {
            connector.with_tls_config(without_roots())
        };
        Ok(builder.https_or_http().enable_http1().build())
    };
    let connector = roots().map_err(|error| format!("has no root certificates ({error})"))?;
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
    let request = Request::get(uri.clone())
        .header("accept", "application/json, text/html, */*")
        .header("user-agent", concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .body(Empty::new())
        .map_err(|_| "is not a URL that can be asked".to_owned())?;
    let answer = async {
        let answer = client.request(request).await.map_err(|error| reason(&error))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, most).collect().await.map_err(|_| "answers too much".to_owned())?;
        Ok(Fetched { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    };
    tokio::time::timeout(PATIENCE, answer)
        .await
        .unwrap_or_else(|_| Err("does not answer within 5 s".to_owned()))
}

fn without_roots() -> rustls::ClientConfig {
    rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

/// The innermost reason: "connection refused" says more than "client error".
fn reason(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    format!("cannot be asked ({innermost})")
}

/// Runs one future to its end on this thread.
///
/// # Errors
/// The machine gives no runtime.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(future))
}
