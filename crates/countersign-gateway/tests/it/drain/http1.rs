//! Draining HTTP/1.1 connections and tunnels.

use std::{sync::Arc, time::Duration};

use countersign_gateway::{config::resolved::Limits, server::Certificates};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use crate::server::{
    harness::{Plan, answer, exchange, http1, rest, soon},
    recorder::{OK, Recorder},
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// Answers each request when told to.
async fn waiting(go: Arc<Notify>) -> Recorder {
    Recorder::start(move |mut socket, _, record| {
        let go = Arc::clone(&go);
        async move {
            while record.take(&mut socket).await.is_some() {
                go.notified().await;
                socket.write_all(OK.as_bytes()).await.unwrap();
            }
        }
    })
    .await
}

#[tokio::test]
async fn an_open_answer_completes_and_says_close() {
    let go = Arc::new(Notify::new());
    let service = waiting(Arc::clone(&go)).await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    client.write_all(GET).await.unwrap();
    while service.record.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    gateway.running().drain();
    let draining = tokio::spawn(gateway.drained());
    go.notify_one();
    let (head, body) = answer(&mut client).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("connection: close"), "{head}");
    assert_eq!(body, b"ok");
    assert_eq!(rest(&mut client).await, b"");
    assert_eq!(soon(draining).await.unwrap().cut, 0);
}

/// It may have been opened for a request that nobody makes, as browsers do.
#[tokio::test]
async fn a_connection_on_which_nothing_came_ends_soon() {
    let service = Recorder::answering(OK).await;
    for (secure, first) in [(false, &b""[..]), (false, b"PRI"), (true, b""), (true, b"\x16\x03")] {
        let mut plan = Plan::limits(|limits| {
            (limits.header_timeout, limits.drain) = (Duration::from_secs(3600), Duration::from_secs(3600));
        });
        let folder = tempfile::tempdir().unwrap();
        if secure {
            let (files, _) = crate::server::tls::renew(folder.path());
            plan.certificates = Some(Arc::new(Certificates::load(&files).unwrap()));
        }
        let gateway = plan.start(&[http1(service.address)]);
        let mut client = gateway.connect().await;
        client.write_all(first).await.unwrap();
        while gateway.running().connections() == 0 {
            tokio::task::yield_now().await;
        }
        let drained = soon(gateway.drained()).await;
        assert_eq!(drained.cut, 0, "{secure} {first:?}");
        assert_eq!(rest(&mut client).await, b"");
    }
}

/// Half of each answer has been sent when the drain begins.
#[tokio::test]
async fn answers_that_are_half_sent_complete() {
    const ANSWERS: usize = 100;
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let service = Recorder::start({
        let go = Arc::clone(&go);
        move |mut socket, _, record| {
            let go = Arc::clone(&go);
            async move {
                record.take(&mut socket).await;
                socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf").await.unwrap();
                go.acquire().await.unwrap().forget();
                socket.write_all(b"rest").await.unwrap();
            }
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut clients = Vec::new();
    for _ in 0..ANSWERS {
        let mut client = gateway.connect().await;
        client.write_all(GET).await.unwrap();
        let mut begun = Vec::new();
        while !begun.ends_with(b"\r\n\r\nhalf") {
            begun.push(soon(client.read_u8()).await.unwrap());
        }
        clients.push(client);
    }
    let draining = tokio::spawn(gateway.drained());
    go.add_permits(ANSWERS);
    for client in &mut clients {
        assert_eq!(rest(client).await, b"rest");
    }
    assert_eq!(soon(draining).await.unwrap().cut, 0);
}

#[tokio::test]
async fn idle_connections_end_at_once_and_no_new_one_begins() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let address = gateway.address;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = gateway.connect().await;
        exchange(&mut client, GET).await;
        clients.push(client);
    }
    let _held = Arc::clone(&gateway.port);
    let started = tokio::time::Instant::now();
    assert_eq!(soon(gateway.drained()).await.cut, 0);
    assert!(started.elapsed() < Limits::DEFAULT.drain, "{:?}", started.elapsed());
    for mut client in clients {
        assert_eq!(rest(&mut client).await, b"");
    }
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_request_that_is_on_its_way_on_a_new_connection_is_answered() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut accepted = gateway.connect().await;
    // Connections the gateway has not accepted yet wait in the kernel.
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(gateway.connect().await);
    }
    gateway.running().drain();
    for client in waiting.iter_mut().chain([&mut accepted]) {
        let (head, _) = exchange(client, GET).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(rest(client).await, b"");
    }
    assert_eq!(soon(gateway.drained()).await.cut, 0);
}

#[tokio::test]
async fn a_tunnel_stays_until_the_drain_is_over() {
    const DRAIN: Duration = Duration::from_secs(2);
    let service = Recorder::start(|mut socket, _, record| async move {
        record.take(&mut socket).await;
        let agree = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        socket.write_all(agree).await.unwrap();
        let mut buffer = [0; 64];
        while let Ok(length @ 1..) = socket.read(&mut buffer).await {
            socket.write_all(&buffer[..length]).await.unwrap();
        }
    })
    .await;
    let gateway = Plan::limits(|limits| limits.drain = DRAIN).start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    let ask = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    exchange(&mut client, ask).await;
    let started = tokio::time::Instant::now();
    let draining = tokio::spawn(gateway.drained());
    client.write_all(b"still here").await.unwrap();
    let mut echoed = [0; 10];
    soon(client.read_exact(&mut echoed)).await.unwrap();
    assert_eq!(&echoed, b"still here");
    assert_eq!(rest(&mut client).await, b"");
    assert!(started.elapsed() >= DRAIN, "{:?}", started.elapsed());
    assert_eq!(soon(draining).await.unwrap().cut, 0, "closed, not cut");
}

#[tokio::test]
async fn an_answer_that_never_comes_is_cut() {
    const DRAIN: Duration = Duration::from_millis(300);
    let service = waiting(Arc::new(Notify::new())).await;
    let gateway = Plan::limits(|limits| limits.drain = DRAIN).start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    client.write_all(GET).await.unwrap();
    while service.record.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(soon(gateway.drained()).await.cut, 1);
    assert_eq!(rest(&mut client).await, b"");
}

/// It has its answer, and only does not close.
#[tokio::test]
async fn a_client_that_has_all_its_answers_is_not_cut() {
    let service = Recorder::answering(OK).await;
    let plan = Plan::limits(|limits| limits.drain = Duration::from_millis(300));
    let gateway = plan.start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(answer(&mut client).await.unwrap().0.starts_with("HTTP/1.1 200 "));
    gateway.running().drain();
    assert_eq!(soon(gateway.drained()).await.cut, 0);
    drop(client);
}
