//! From an origin to an open connection.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::pki_types::ServerName;
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{Stream, UpstreamError, error::Unreachable, origin::Origin};
use crate::{
    config::resolved::UpstreamProtocol,
    observe::{Observation, Observer, UpstreamEvent},
    tls_fault::TlsFault,
};

/// How long the addresses of a name are used before it is resolved again. A failed connection forgets them at once.
pub const NAMES_TTL: Duration = Duration::from_secs(30);

/// The addresses of one origin's name.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<Option<Resolved>>);

#[derive(Debug)]
struct Resolved {
    addresses: Arc<[SocketAddr]>,
    until: Instant,
}

/// An open connection and what was agreed on it.
pub(super) struct Dialled {
    pub(super) stream: Stream,
    pub(super) http2: bool,
}

/// What ALPN may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alpn {
    /// HTTP/2 or HTTP/1.1.
    Any,
    /// HTTP/1.1 alone.
    Http1,
}

/// Opens a connection until `by`. Counts in the metrics and for the origin's health on this worker.
pub(super) async fn dial(
    origin: &Origin,
    worker: usize,
    observer: &Observer,
    by: Instant,
    alpn: Alpn,
) -> Result<Dialled, UpstreamError> {
    let limit = by.saturating_duration_since(Instant::now());
    let outcome = timeout_at(by, attempt(origin, limit, alpn)).await;
    let outcome = outcome.unwrap_or(Err(UpstreamError::ConnectTimeout));
    let pool = origin.pool(worker);
    match &outcome {
        Ok(_) => {
            observer.metrics().upstream(UpstreamEvent::Connected);
            if pool.is_some_and(|pool| pool.note_success()) {
                tell(observer, UpstreamEvent::Recovered, origin, None);
            }
        }
        Err(error) => {
            observer.metrics().upstream(UpstreamEvent::ConnectFailed);
            if pool.is_some_and(|pool| pool.note_failure(Instant::now())) {
                tell(observer, UpstreamEvent::Ejected, origin, Some(error));
            }
            origin.names.forget();
        }
    }
    outcome
}

fn tell(observer: &Observer, event: UpstreamEvent, origin: &Origin, error: Option<&UpstreamError>) {
    let (origin, detail) = (origin.key.to_string(), error.map(ToString::to_string));
    observer.observe(Observation::Upstream { event, origin: &origin, detail: detail.as_deref() });
}

async fn attempt(origin: &Origin, limit: Duration, alpn: Alpn) -> Result<Dialled, UpstreamError> {
    let addresses = origin.names.resolve(&origin.key.host, origin.key.port).await?;
    let tcp = connect(&addresses, limit).await?;
    match origin.key.protocol {
        UpstreamProtocol::Http1 => Ok(Dialled { stream: Stream::Plain(tcp), http2: false }),
        UpstreamProtocol::Http2PriorKnowledge => Ok(Dialled { stream: Stream::Plain(tcp), http2: true }),
        UpstreamProtocol::Tls => secure(origin, tcp, alpn).await,
    }
}

async fn secure(origin: &Origin, tcp: TcpStream, alpn: Alpn) -> Result<Dialled, UpstreamError> {
    let failed = |fault| UpstreamError::Unreachable(Unreachable::Tls(fault));
    let configs = origin.tls.as_ref().ok_or_else(|| failed(TlsFault::Other))?;
    let config = match alpn {
        Alpn::Any => &configs.any,
        Alpn::Http1 => &configs.http1,
    };
    let name = ServerName::try_from(origin.key.host.to_string())
        .map_err(|_| UpstreamError::Unreachable(Unreachable::Name))?;
    let connecting = TlsConnector::from(Arc::clone(config)).connect(name, tcp);
    let tls = connecting.await.map_err(|error| failed(TlsFault::of_io(&error)))?;
    let http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
    if alpn == Alpn::Any {
        origin.note_negotiated(http2);
    }
    Ok(Dialled { stream: Stream::Tls(Box::new(tls.into())), http2 })
}

/// The first address that answers; each gets an equal share of the time.
async fn connect(addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, UpstreamError> {
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = UpstreamError::Unreachable(Unreachable::Name);
    for address in addresses {
        last = match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Err(_) => UpstreamError::ConnectTimeout,
            Ok(Err(error)) => unreachable(&error),
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(|error| unreachable(&error))?;
                return Ok(stream);
            }
        };
    }
    Err(last)
}

fn unreachable(error: &io::Error) -> UpstreamError {
    UpstreamError::Unreachable(Unreachable::Connect(error.kind()))
}

impl Names {
    async fn resolve(&self, host: &str, port: u16) -> Result<Arc<[SocketAddr]>, UpstreamError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok([SocketAddr::new(address, port)].into());
        }
        let now = Instant::now();
        if let Some(known) = self.known(now) {
            return Ok(known);
        }
        let found = lookup_host((host, port)).await;
        let addresses: Arc<[_]> = found.map_err(|_| UpstreamError::Unreachable(Unreachable::Name))?.collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Resolved { addresses: Arc::clone(&addresses), until: now + NAMES_TTL });
        Ok(addresses)
    }

    fn known(&self, now: Instant) -> Option<Arc<[SocketAddr]>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|known| known.until > now).map(|known| Arc::clone(&known.addresses))
    }

    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
