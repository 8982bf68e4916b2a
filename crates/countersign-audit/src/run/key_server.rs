//! Serves the key set while an audit runs.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::AbortHandle};

use crate::{AuditError, ISSUER, Keys, tokens};

/// Ends the server when it is dropped.
#[derive(Debug)]
pub(crate) struct KeyServer {
    address: SocketAddr,
    fetched: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl KeyServer {
    /// Where its key set is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/jwks.json", self.address)
    }

    /// How often anybody asked for it.
    pub(crate) fn fetched(&self) -> usize {
        self.fetched.load(Ordering::Relaxed)
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The key set of the audit's issuer.
pub(crate) async fn serve(address: SocketAddr, keys: &Keys) -> Result<KeyServer, AuditError> {
    serve_set(address, keys.key_set_json()).await
}

/// A key set that tokens point to, on a free port of the loopback interface: a service that follows such an address
/// finds a key there that fits.
pub(crate) async fn serve_attacker() -> Result<KeyServer, AuditError> {
    let key_set = serde_json::to_string(&tokens::of_attacker()).unwrap_or_default();
    serve_set((Ipv4Addr::LOCALHOST, 0).into(), key_set).await
}

async fn serve_set(address: SocketAddr, key_set: String) -> Result<KeyServer, AuditError> {
    let listener = TcpListener::bind(address).await.map_err(|source| AuditError::Io {
        what: format!("cannot serve the key set on {address}"),
        source,
    })?;
    let address = listener.local_addr().unwrap_or(address);
    let key_set = Bytes::from(key_set);
    let metadata = serde_json::json!({ "issuer": ISSUER, "jwks_uri": format!("http://{address}/jwks.json") });
    let metadata = Bytes::from(metadata.to_string());
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fetched);
    let task = tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (key_set, metadata, count) = (key_set.clone(), metadata.clone(), Arc::clone(&count));
            let answer = service_fn(move |request: Request<Incoming>| {
                let body = match request.uri().path() {
                    "/jwks.json" | "/.well-known/jwks.json" => {
                        count.fetch_add(1, Ordering::Relaxed);
                        Some(key_set.clone())
                    }
                    path if path.starts_with("/.well-known/") => Some(metadata.clone()),
                    _ => None,
                };
                let mut response = Response::new(Full::new(body.clone().unwrap_or_default()));
                response
                    .headers_mut()
                    .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
                if body.is_none() {
                    *response.status_mut() = StatusCode::NOT_FOUND;
                }
                async move { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    Ok(KeyServer { address, fetched, task: task.abort_handle() })
}
