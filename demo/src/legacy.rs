//! A service as it was before the library: everything written by hand, and right, until a [`Fault`] is switched on.
//!
//! It is what `countersign audit` is proved with. Without a fault it is correct in everything. Each fault takes one
//! rule away and nothing else, as a tired team would: a check that is missing, a filter that was forgotten, a route
//! that nobody remembers.
//!
//! 1. Two kinds of things belong to an organisation: projects (listed, searched, read, created, changed, deleted) and
//!    invoices (listed, read, created). `GET /v2/reports/usage` is for admins. `GET /health` is public.
//! 2. Everybody of an organisation may read; editors and admins may change.
//! 3. What belongs to another organisation is answered as if it were not there.
//! 4. Whoever has no good token learns nothing: 401 comes before 404, 405 and 422, whatever the path.

mod answer;
mod asked;
mod document;
mod fault;
mod forgotten;
mod keys;
mod people;
mod records;
mod service;
mod signature;
mod token;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use axum::{Router, body::Body, extract::State, http::Request};
use countersign::{Audience, Clock, Issuer, SystemClock};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};

use self::service::Service;
use crate::DemoError;

pub use self::{
    fault::{Fault, Faults, NoSuchFault},
    keys::JwksSource,
};

/// Whose tokens the service accepts.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Who signs.
    pub issuer: Issuer,
    /// What the service is called in `aud`.
    pub audience: Audience,
    /// Where the issuer's keys are.
    pub jwks: JwksSource,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl Trust {
    /// Goes by the machine's clock.
    #[must_use]
    pub fn new(issuer: impl Into<Issuer>, audience: impl Into<Audience>, jwks: JwksSource) -> Self {
        Self { issuer: issuer.into(), audience: audience.into(), jwks, clock: Arc::new(SystemClock) }
    }
}

/// A service that runs. Dropped, it ends.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its OpenAPI 3.1 document, which it also serves at `/openapi.json`.
    pub openapi: String,
    folder: TempDir,
    _server: JoinSet<io::Result<()>>,
}

impl Running {
    /// `http://` and the address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// A folder that is gone with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// What the audit has to be told about this service: roles, the two organisations and how to create.
pub const AUDIT_CONFIG: &str = include_str!("legacy/audit.toml");

/// Starts the service on a free port of the loopback interface. Must be called in a tokio runtime, which it runs in.
///
/// # Errors
/// [`DemoError`] if it cannot listen, or if the trust makes no verifier.
pub async fn start(faults: Faults, trust: Trust) -> Result<Running, DemoError> {
    start_at((Ipv4Addr::LOCALHOST, 0).into(), faults, trust).await
}

/// The same, on an address of the loopback interface that is given.
///
/// # Errors
/// [`DemoError`] if it cannot listen, or if the trust makes no verifier.
pub async fn start_at(listen: SocketAddr, faults: Faults, trust: Trust) -> Result<Running, DemoError> {
    if !listen.ip().is_loopback() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it has holes: only on loopback").into());
    }
    let folder = tempfile::Builder::new().prefix("countersign-legacy-").tempdir()?;
    let listener = TcpListener::bind(listen).await?;
    let addr = listener.local_addr()?;
    let service = Arc::new(Service::new(faults, trust, folder.path())?);
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, router(service)).await });
    Ok(Running { addr, openapi: document::TEXT.to_owned(), folder, _server: server })
}

/// One handler for everything: the service reads its paths itself.
fn router(service: Arc<Service>) -> Router {
    let handle = |State(service): State<Arc<Service>>, request: Request<Body>| async move {
        service.handle(request).await
    };
    Router::new().fallback(handle).with_state(service)
}

#[cfg(test)]
mod tests;
