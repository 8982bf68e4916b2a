//! A gateway that forwards everything, started in the test's process.

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use countersign::SystemClock;
use countersign_gateway::{
    config::resolved::{Limits, UpstreamOrigin, UpstreamProtocol},
    error::Refusal,
    http::{Answer, Parts},
    observe::{Gauges, Metrics, Observer, audit::AuditLog},
    server::{
        Certificates, Connection, Drained, Handler, Outbound, Running, Settings, Upgrading, Worker, bind,
        serve,
    },
    upstream::{Inbound, Registry, Target, UpstreamRequest},
};
use http::{Response, header};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::port::Port;

/// Forwards every request to one target, with as little else as possible.
#[derive(Debug)]
pub(crate) struct Forward(pub(crate) Arc<Target>);

impl Handler for Forward {
    async fn handle(
        &self,
        parts: &mut Parts,
        body: &mut Inbound,
        _connection: &Arc<Connection>,
        worker: &Arc<Worker>,
    ) -> Answer<Outbound> {
        if let Some(authority) = parts.uri.authority().cloned() {
            parts.fields.set(&header::HOST, &authority.as_str().parse().unwrap());
        }
        let outcome = if let Some(client) = Upgrading::take(&mut parts.extensions) {
            *body = body.emptied();
            worker
                .upstreams
                .upgrade(
                    &self.0,
                    UpstreamRequest { parts, forwarded: None, authorization: None, body },
                    client,
                    None,
                )
                .await
        } else {
            parts.fields.remove(b"connection");
            worker
                .upstreams
                .send(&self.0, UpstreamRequest { parts, forwarded: None, authorization: None, body })
                .await
        };
        match outcome {
            Ok(mut answer) => {
                answer.body.withhold("Bearer TOKEN".parse().unwrap());
                if answer.head.status != http::StatusCode::SWITCHING_PROTOCOLS {
                    answer.head.fields.remove(b"connection");
                }
                answer.map(Outbound::from)
            }
            Err(error) => refusal(error.into()),
        }
    }

    fn now(&self) -> countersign::UnixTime {
        countersign::UnixTime::from_secs(0)
    }

    fn refuse(&self, refused: Refusal, _: &Arc<Connection>, _: &Arc<Worker>) -> Answer<Outbound> {
        refusal(refused)
    }
}

pub(crate) fn refusal(refusal: Refusal) -> Answer<Outbound> {
    let row = refusal.row();
    let mut response = Response::new(Outbound::Empty);
    *response.status_mut() = row.status;
    response.headers_mut().insert("countersign-refused", row.code.parse().unwrap());
    response.into()
}

/// What a gateway under test is made of.
pub(crate) struct Plan {
    pub(crate) limits: Limits,
    pub(crate) workers: usize,
    pub(crate) certificates: Option<Arc<Certificates>>,
    pub(crate) roots: Option<rustls::RootCertStore>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { limits: Limits::DEFAULT, workers: 1, certificates: None, roots: None }
    }
}

impl Plan {
    /// The defaults, changed.
    pub(crate) fn limits(change: impl FnOnce(&mut Limits)) -> Self {
        let mut plan = Self::default();
        change(&mut plan.limits);
        plan
    }

    /// Starts a gateway before these origins.
    pub(crate) fn start(self, origins: &[UpstreamOrigin]) -> Gateway {
        self.start_with(origins, Forward)
    }

    /// Starts a gateway with another handler before these origins.
    pub(crate) fn start_with<H: Handler>(
        mut self,
        origins: &[UpstreamOrigin],
        handler: impl FnOnce(Arc<Target>) -> H,
    ) -> Gateway {
        let workers = NonZeroUsize::new(self.workers).unwrap();
        let mut registry = Registry::new(workers);
        if let Some(roots) = self.roots.take() {
            registry = registry.with_roots(roots);
        }
        let target = registry.target(origins, &self.limits);
        self.serve_with(registry, Arc::new(handler(target)))
    }

    /// Starts a gateway with another handler.
    pub(crate) fn serve<H: Handler>(self, handler: Arc<H>) -> Gateway {
        let registry = Registry::new(NonZeroUsize::new(self.workers).unwrap());
        self.serve_with(registry, handler)
    }

    fn serve_with<H: Handler>(&self, registry: Registry, handler: Arc<H>) -> Gateway {
        let metrics = Metrics::new(self.workers);
        let observer = |counters| Observer::new(counters, AuditLog::none(), None, Arc::new(SystemClock));
        let settings = Settings {
            workers: NonZeroUsize::new(self.workers).unwrap(),
            limits: Arc::new(ArcSwap::from_pointee(self.limits)),
            trusted_proxies: Arc::default(),
            registry: Arc::new(registry),
            certificates: self.certificates.clone(),
            observers: (0..self.workers).map(|worker| observer(metrics.worker(worker))).collect(),
            acceptor: observer(metrics.control()),
        };
        let port = Arc::new(Port::reserved());
        let listener = bind(port.address).unwrap();
        let running = serve(vec![listener], settings, handler).unwrap();
        Gateway { address: port.address, running: Some(running), metrics, port }
    }
}

/// A running gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    metrics: Metrics,
    running: Option<Running>,
    /// Kept by a test that looks whether somebody listens still.
    pub(crate) port: Arc<Port>,
}

impl Gateway {
    /// Waits until the metrics count so many: an event may be counted a moment after its peer has seen it.
    pub(crate) async fn counts(&self, family: &str, event: &str, expected: u64) {
        let line = format!("\ncountersign_{family}_events_total{{event=\"{event}\"}} {expected}\n");
        let counted = async {
            while !self.metrics.text(&Gauges::default()).contains(&line) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let counted = tokio::time::timeout(PATIENCE, counted).await;
        assert!(counted.is_ok(), "no {line} in {}", self.metrics.text(&Gauges::default()));
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Drains it and waits for its end.
    pub(crate) async fn drained(mut self) -> Drained {
        let running = self.running.take().unwrap();
        running.drain();
        tokio::task::spawn_blocking(|| running.wait()).await.unwrap().unwrap()
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// `http://` to a local port.
pub(crate) fn http1(address: SocketAddr) -> UpstreamOrigin {
    origin(UpstreamProtocol::Http1, address)
}

/// A local origin.
pub(crate) fn origin(protocol: UpstreamProtocol, address: SocketAddr) -> UpstreamOrigin {
    UpstreamOrigin { protocol, host: address.ip().to_string().into(), port: address.port() }
}

/// Long enough for anything on loopback on a machine that is busy with others, short enough for a test that fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Does not wait for ever.
pub(crate) async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(PATIENCE, what).await.expect("in time")
}

/// Sends bytes and reads one answer with a `Content-Length`; its head and body.
pub(crate) async fn exchange(socket: &mut TcpStream, request: &[u8]) -> (String, Vec<u8>) {
    socket.write_all(request).await.unwrap();
    answer(socket).await.expect("an answer")
}

/// Reads one answer: by `Content-Length`, or whole chunks.
pub(crate) async fn answer(socket: &mut (impl AsyncReadExt + Unpin)) -> Option<(String, Vec<u8>)> {
    soon(super::recorder::message(socket)).await
}

/// Everything until the other side closes.
pub(crate) async fn rest(socket: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = soon(socket.read_to_end(&mut bytes)).await;
    bytes
}
