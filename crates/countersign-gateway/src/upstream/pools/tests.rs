use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::{Notify, mpsc},
    time::{Instant, timeout},
};

use super::Pools;
use crate::{
    config::resolved::{Limits, UpstreamOrigin, UpstreamProtocol},
    observe::{Gauges, Metrics, Observer, audit::AuditLog},
    upstream::{Inbound, Registry, Target, UpstreamError, UpstreamRequest},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A service that says what it got, resets a connection after one answer when told to, and resets at once what is
/// opened after the first `takes` connections.
async fn one_answer_each(close: Arc<Notify>, takes: usize) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (got, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for number in 0.. {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.set_zero_linger().unwrap();
            if number >= takes {
                got.send("nothing".to_owned()).unwrap();
                continue;
            }
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
            got.send(String::from_utf8(head).unwrap()).unwrap();
            close.notified().await;
        }
    });
    (port, received)
}

/// One worker's way to such a service.
struct Way {
    pools: Pools,
    target: Arc<Target>,
    metrics: Metrics,
    close: Arc<Notify>,
    received: mpsc::UnboundedReceiver<String>,
}

impl Way {
    async fn to_one_that_takes(connections: usize) -> Self {
        let close = Arc::new(Notify::new());
        let (port, received) = one_answer_each(Arc::clone(&close), connections).await;
        let metrics = Metrics::new(1);
        let observer =
            Observer::new(metrics.worker(0), AuditLog::none(), None, Arc::new(countersign::SystemClock));
        let registry = Registry::new(NonZeroUsize::MIN);
        let origin = UpstreamOrigin { protocol: UpstreamProtocol::Http1, host: "127.0.0.1".into(), port };
        let target = registry.target(&[origin], &Limits::DEFAULT);
        Self { pools: Pools::new(0, observer), target, metrics, close, received }
    }

    /// Sends a request without a body.
    async fn send(&self, method: Method, path: &str) -> Result<Bytes, UpstreamError> {
        let request = Request::builder().method(method).uri(path).header("host", "x");
        let (parts, mut body) = request.body(Inbound::none()).unwrap().into_parts();
        let mut parts = parts.into();
        let request =
            UpstreamRequest { parts: &mut parts, forwarded: None, authorization: None, body: &mut body };
        let answer = self.pools.send(&self.target, request).await?;
        Ok(answer.body.collect().await.unwrap().to_bytes())
    }

    /// The service resets the pooled connection, and this worker learns of it only while it sends.
    async fn reset_unnoticed(&self) {
        let pool = self.target.choose(0, Instant::now(), None).unwrap().pool(0).unwrap();
        self.close.notify_one();
        let noticed = async {
            while !pool.overlook() {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, noticed).await.expect("the end of the connection");
    }

    /// What the service got on its next connection.
    async fn got(&mut self) -> String {
        timeout(PATIENCE, self.received.recv()).await.expect("another connection").unwrap()
    }

    fn counts(&self, event: &str, count: usize) {
        let text = self.metrics.text(&Gauges::default());
        let line = format!("\ncountersign_upstream_events_total{{event=\"{event}\"}} {count}\n");
        assert!(text.contains(&line), "{text}");
    }
}

/// Not one byte was written: the request goes out on another connection.
#[tokio::test]
async fn what_comes_back_unsent_is_sent_once_more() {
    const ROUNDS: usize = 12;
    let mut way = Way::to_one_that_takes(ROUNDS).await;
    for round in 0..ROUNDS {
        if round > 0 {
            way.reset_unnoticed().await;
        }
        let method = [Method::POST, Method::GET, Method::DELETE][round % 3].clone();
        let line = format!("{method} /{round} ");
        assert_eq!(way.send(method, &format!("/{round}")).await.unwrap(), "ok", "{round}");
        assert!(way.got().await.starts_with(&line), "{round}");
        assert!(way.received.try_recv().is_err(), "{round}: once");
    }
    way.counts("retried", ROUNDS - 1);
    way.counts("connected", ROUNDS);
}

/// The second connection is no better.
#[tokio::test]
async fn and_not_a_third_time() {
    let mut way = Way::to_one_that_takes(1).await;
    assert_eq!(way.send(Method::GET, "/first").await.unwrap(), "ok");
    assert!(way.got().await.starts_with("GET /first "));
    way.reset_unnoticed().await;
    assert_eq!(way.send(Method::GET, "/second").await, Err(UpstreamError::Closed));
    assert_eq!(way.got().await, "nothing");
    assert!(way.received.try_recv().is_err(), "no third connection");
    way.counts("retried", 1);
    way.counts("connected", 2);
}
