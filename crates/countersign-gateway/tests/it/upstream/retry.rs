//! Over HTTP/2: what was never sent is sent once more, and nothing else is.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use countersign_gateway::{
    config::resolved::UpstreamProtocol,
    error::Refusal,
    http::{Answer, Parts},
    server::{Connection, Handler, Outbound, Worker},
    upstream::{Inbound, Target, UpstreamRequest},
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpListener, sync::Notify, task::yield_now};

use crate::server::harness::{Plan, exchange, origin, refusal, soon};

/// Takes one request at a time on a connection. The first connection is ended while `/slow` is open.
struct OneAtATime {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    received: Arc<Mutex<Vec<String>>>,
    /// The first connection is to end.
    end: Arc<Notify>,
}

impl OneAtATime {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            received: Arc::default(),
            end: Arc::default(),
        };
        let (connections, received, end) =
            (Arc::clone(&service.connections), Arc::clone(&service.received), Arc::clone(&service.end));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let is_first = connections.fetch_add(1, Ordering::SeqCst) == 0;
                let (received, end) = (Arc::clone(&received), Arc::clone(&end));
                let ending = Arc::new(Notify::new());
                let answer = {
                    let ending = Arc::clone(&ending);
                    service_fn(move |request: Request<Incoming>| {
                        received.lock().unwrap().push(request.uri().path().to_owned());
                        let (is_slow, ending) = (request.uri().path() == "/slow", Arc::clone(&ending));
                        async move {
                            if is_slow {
                                ending.notified().await;
                            }
                            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok"))))
                        }
                    })
                };
                let mut http = Box::pin(
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .max_concurrent_streams(1)
                        .serve_connection(TokioIo::new(socket), answer),
                );
                tokio::spawn(async move {
                    if is_first {
                        tokio::select! {
                            _ = &mut http => return,
                            () = end.notified() => {}
                        }
                        http.as_mut().graceful_shutdown();
                        ending.notify_one();
                    }
                    let _ = http.await;
                });
            }
        });
        service
    }
}

/// Sends requests of its own: one for the settings to arrive, one that stays open, and two that wait behind it.
struct Behind {
    target: Arc<Target>,
    end: Arc<Notify>,
}

impl Handler for Behind {
    fn now(&self) -> countersign::UnixTime {
        countersign::UnixTime::from_secs(0)
    }

    fn refuse(&self, refused: Refusal, _: &Arc<Connection>, _: &Arc<Worker>) -> Answer<Outbound> {
        refusal(refused)
    }

    async fn handle(
        &self,
        _: &mut Parts,
        body: &mut Inbound,
        _: &Arc<Connection>,
        worker: &Arc<Worker>,
    ) -> Answer<Outbound> {
        let send = async |path: &str, turns: usize| {
            // One after the other, and all before the connection ends.
            for _ in 0..turns {
                yield_now().await;
            }
            let own = Request::post(path).header("host", "x").body(body.emptied()).unwrap();
            let (parts, mut body) = own.into_parts();
            let mut parts = Parts::from(parts);
            match worker
                .upstreams
                .send(
                    &self.target,
                    UpstreamRequest {
                        parts: &mut parts,
                        forwarded: None,
                        authorization: None,
                        body: &mut body,
                    },
                )
                .await
            {
                Ok(answer) => answer.body.collect().await.map_or("cut", |_| "ok"),
                Err(_) => "failed",
            }
        };
        let first = send("/first", 0).await;
        let end = async {
            for _ in 0..60 {
                yield_now().await;
            }
            self.end.notify_one();
        };
        let (slow, opened, queued, ()) =
            tokio::join!(send("/slow", 0), send("/opened", 20), send("/queued", 40), end);
        Response::new(Bytes::from(format!("{first} {slow} {opened} {queued}")).into()).into()
    }
}

#[tokio::test]
async fn a_request_that_waits_on_a_connection_that_ends_goes_to_another() {
    let service = OneAtATime::start().await;
    let (end, h2c) =
        (Arc::clone(&service.end), origin(UpstreamProtocol::Http2PriorKnowledge, service.address));
    let gateway = Plan::default().start_with(&[h2c], |target| Behind { target, end });
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let (_, said) = soon(exchange(&mut gateway.connect().await, request)).await;
    let said = String::from_utf8(said).unwrap();
    // What hyper has taken may have been sent, and is not repeated; what it gives back is.
    assert!(said == "ok ok failed ok" || said == "ok ok ok ok", "{said}");
    let mut received = service.received.lock().unwrap().clone();
    received.sort_unstable();
    let whole = received.len();
    received.dedup();
    assert_eq!(received.len(), whole, "none twice: {received:?}");
    assert!(received.iter().any(|path| path == "/queued"));
    assert_eq!(service.connections.load(Ordering::SeqCst), 2);
    gateway.counts("upstream", "retried", if said.contains("failed") { 1 } else { 2 }).await;
}
