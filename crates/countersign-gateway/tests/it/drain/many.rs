//! A thousand open answers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::{
    io::AsyncWriteExt,
    sync::{Semaphore, watch},
    task::JoinSet,
};

use crate::server::{
    frames::{Frames, connect},
    harness::{Plan, answer, refusal, soon},
};
use countersign_gateway::{
    error::Refusal,
    http::{Answer, Parts},
    server::{Connection, Handler, Outbound, Worker},
    upstream::Inbound,
};

/// Over 100 HTTP/1.1 connections and 9 of HTTP/2: as many open answers as asked for, few file descriptors.
const HTTP1: usize = 100;
const HTTP2: usize = 9;
const STREAMS: usize = 100;

/// Answers everyone at once, when told to.
#[derive(Debug)]
struct Late {
    open: AtomicUsize,
    go: watch::Receiver<bool>,
}

impl Handler for Late {
    async fn handle(
        &self,
        _: &mut Parts,
        _: &mut Inbound,
        _: &Arc<Connection>,
        _: &Arc<Worker>,
    ) -> Answer<Outbound> {
        self.open.fetch_add(1, Ordering::SeqCst);
        let mut go = self.go.clone();
        go.wait_for(|go| *go).await.unwrap();
        Response::new(bytes::Bytes::from_static(b"ok").into()).into()
    }

    fn now(&self) -> countersign::UnixTime {
        countersign::UnixTime::from_secs(0)
    }

    fn refuse(&self, refused: Refusal, _: &Arc<Connection>, _: &Arc<Worker>) -> Answer<Outbound> {
        refusal(refused)
    }
}

#[tokio::test]
async fn a_thousand_open_answers_complete() {
    let (go, told) = watch::channel(false);
    let late = Arc::new(Late { open: AtomicUsize::new(0), go: told });
    let gateway = Plan { workers: 2, ..Plan::default() }.serve(Arc::clone(&late));
    let mut calls = JoinSet::new();
    let answered = Arc::new(Semaphore::new(0));
    for _ in 0..HTTP1 {
        let mut client = gateway.connect().await;
        let answered = Arc::clone(&answered);
        calls.spawn(async move {
            client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let (head, body) = answer(&mut client).await.expect("an answer");
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            assert_eq!(body, b"ok");
            answered.add_permits(1);
        });
    }
    for _ in 0..HTTP2 {
        let client = connect(gateway.connect().await).await;
        for _ in 0..STREAMS {
            let mut client = client.clone();
            let answered = Arc::clone(&answered);
            calls.spawn(async move {
                let request = Request::get("http://x/").body(Frames::none()).unwrap();
                let response = client.send_request(request).await.unwrap();
                assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
                answered.add_permits(1);
            });
        }
    }
    let all = HTTP1 + HTTP2 * STREAMS;
    soon(async {
        while late.open.load(Ordering::SeqCst) < all {
            tokio::task::yield_now().await;
        }
    })
    .await;
    gateway.running().drain();
    let draining = tokio::spawn(gateway.drained());
    go.send(true).unwrap();
    soon(async { while calls.join_next().await.transpose().unwrap().is_some() {} }).await;
    assert_eq!(answered.available_permits(), all);
    assert_eq!(soon(draining).await.unwrap().cut, 0);
}
