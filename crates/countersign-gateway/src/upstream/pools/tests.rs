use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use http::Request;
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::{Notify, mpsc},
    time::timeout,
};

use super::Pools;
use crate::{
    config::resolved::{Limits, UpstreamOrigin, UpstreamProtocol},
    observe::{Gauges, Metrics, Observer, audit::AuditLog},
    upstream::{Inbound, Registry, UpstreamRequest},
};

/// A service that answers one request on each connection, says what it got, and resets it when told to.
async fn one_answer_each(close: Arc<Notify>) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (got, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
            got.send(String::from_utf8(head).unwrap()).unwrap();
            close.notified().await;
            socket.set_zero_linger().unwrap();
        }
    });
    (port, received)
}

/// The service has reset the pooled connection, and this worker learns of it only while it sends: not one byte was
/// written, and the request goes out on another connection.
#[tokio::test]
async fn what_comes_back_unsent_is_sent_once_more() {
    let close = Arc::new(Notify::new());
    let (port, mut received) = one_answer_each(Arc::clone(&close)).await;
    let metrics = Metrics::new(1);
    let observer =
        Observer::new(metrics.worker(0), AuditLog::none(), None, Arc::new(countersign::SystemClock));
    let registry = Registry::new(NonZeroUsize::MIN);
    let origin = UpstreamOrigin { protocol: UpstreamProtocol::Http1, host: "127.0.0.1".into(), port };
    let target = registry.target(&[origin], &Limits::DEFAULT);
    let pools = Pools::new(0, observer);
    let send = async |path: &str| {
        let request = Request::post(path).header("host", "x").body(Inbound::none()).unwrap();
        let (parts, mut body) = request.into_parts();
        let mut parts = parts.into();
        let response = pools
            .send(
                &target,
                UpstreamRequest { parts: &mut parts, forwarded: None, authorization: None, body: &mut body },
            )
            .await
            .unwrap();
        assert_eq!(response.body.collect().await.unwrap().to_bytes(), "ok");
    };
    send("/first").await;
    assert!(received.recv().await.unwrap().starts_with("POST /first "));
    let pool = target.choose(0, tokio::time::Instant::now(), None).unwrap().pool(0).unwrap();
    close.notify_one();
    let noticed = async {
        while !pool.overlook() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), noticed).await.expect("the end of the connection");
    send("/second").await;
    assert!(received.recv().await.unwrap().starts_with("POST /second "));
    assert!(received.try_recv().is_err(), "once");
    let text = metrics.text(&Gauges::default());
    for line in ["{event=\"retried\"} 1", "{event=\"connected\"} 2"] {
        assert!(text.contains(&format!("\ncountersign_upstream_events_total{line}\n")), "{text}");
    }
}
