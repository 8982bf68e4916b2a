//! Connections that leave HTTP.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::server::{
    harness::{Gateway, Plan, exchange, http1, rest, soon},
    recorder::{OK, Recorder},
};

const ASK: &[u8] = b"GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const AGREE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Agrees to switch, says hello in the same breath, and then sends everything back.
async fn echoing() -> Recorder {
    Recorder::start(|mut socket, _, record| async move {
        record.take(&mut socket).await;
        socket.write_all(&[AGREE, b"hello"].concat()).await.unwrap();
        let mut buffer = [0; 1024];
        while let Ok(length @ 1..) = socket.read(&mut buffer).await {
            socket.write_all(&buffer[..length]).await.unwrap();
        }
    })
    .await
}

async fn switch(gateway: &Gateway, more: &[u8]) -> TcpStream {
    let mut client = gateway.connect().await;
    client.write_all(&[ASK, more].concat()).await.unwrap();
    let (head, _) = crate::server::harness::answer(&mut client).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.to_lowercase().contains("\r\nupgrade: websocket\r\n"), "{head}");
    client
}

async fn expect(client: &mut TcpStream, text: &[u8]) {
    let mut got = vec![0; text.len()];
    soon(client.read_exact(&mut got)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(text));
}

#[tokio::test]
async fn bytes_go_both_ways_after_the_switch() {
    let service = echoing().await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = switch(&gateway, b"").await;
    expect(&mut client, b"hello").await;
    for text in [&b"\x00GET / HTTP/1.1\r\n\r\n"[..], b"more"] {
        client.write_all(text).await.unwrap();
        expect(&mut client, text).await;
    }
    let (head, _) = &service.record.requests()[0];
    assert!(head.to_lowercase().contains("\r\nupgrade: websocket\r\n"), "{head}");
    assert_eq!(gateway.running().connections(), 1, "a tunnel counts as a connection");
    drop(client);
    soon(async {
        while gateway.running().connections() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn bytes_sent_before_the_switch_arrive_after_it() {
    let service = echoing().await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = switch(&gateway, b"\x81early").await;
    expect(&mut client, b"hello\x81early").await;
}

#[tokio::test]
async fn an_end_on_one_side_reaches_the_other() {
    let service = echoing().await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = switch(&gateway, b"").await;
    client.write_all(b"last").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, b"hellolast");
}

#[tokio::test]
async fn a_service_that_does_not_agree_answers_as_usual() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    for _ in 0..2 {
        let (head, body) = exchange(&mut client, ASK).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(body, b"ok");
    }
}

#[tokio::test]
async fn another_protocol_than_asked_for_is_refused() {
    let service = Recorder::answering(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    )
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let (head, _) = exchange(&mut gateway.connect().await, ASK).await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
}

#[tokio::test]
async fn an_idle_tunnel_is_closed_and_one_that_moves_is_not() {
    const IDLE: Duration = Duration::from_secs(2);
    let service = echoing().await;
    let gateway = Plan::limits(|limits| limits.idle_timeout = IDLE).start(&[http1(service.address)]);
    let mut client = switch(&gateway, b"").await;
    expect(&mut client, b"hello").await;
    let started = tokio::time::Instant::now();
    while started.elapsed() < 2 * IDLE {
        client.write_all(b"x").await.unwrap();
        expect(&mut client, b"x").await;
        tokio::time::sleep(IDLE / 8).await;
    }
    assert_eq!(rest(&mut client).await, b"");
}

#[tokio::test]
async fn a_tunnel_ends_at_its_last_moment_although_it_moves() {
    const LAST: Duration = Duration::from_secs(2);
    let service = echoing().await;
    let gateway = Plan::limits(|limits| limits.max_stream = LAST).start(&[http1(service.address)]);
    let started = tokio::time::Instant::now();
    let mut client = switch(&gateway, b"").await;
    let (mut reading, mut writing) = client.split();
    let write = async {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(LAST / 10).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = write => {}
        _ = rest(&mut reading) => {}
    }
    assert!(started.elapsed() >= LAST, "{:?}", started.elapsed());
}
