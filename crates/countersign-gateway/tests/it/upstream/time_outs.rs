//! Services that are slow, or not there.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::{
    port::Port,
    server::{
        harness::{Plan, exchange, http1, rest},
        recorder::Recorder,
    },
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const SHORT: Duration = Duration::from_millis(300);
/// What a machine that is busy with others keeps all the same.
const LONG: Duration = Duration::from_secs(2);

#[tokio::test]
async fn no_first_byte_in_time_is_504_and_closes_the_upstream_connection() {
    let service = Recorder::start(|mut socket, _, record| async move {
        record.take(&mut socket).await;
        rest(&mut socket).await;
    })
    .await;
    let gateway = Plan::limits(|limits| limits.first_byte_timeout = SHORT).start(&[http1(service.address)]);
    let started = tokio::time::Instant::now();
    let mut client = gateway.connect().await;
    let (head, _) = exchange(&mut client, GET).await;
    assert!(head.starts_with("HTTP/1.1 504 ") && head.contains("upstream_timeout"), "{head}");
    assert!(started.elapsed() >= SHORT);
    let (head, _) = exchange(&mut client, GET).await;
    assert!(head.starts_with("HTTP/1.1 504 "), "the client's connection lives on: {head}");
    assert_eq!(service.record.connections(), 2);
    gateway.counts("upstream", "timed_out", 2).await;
}

#[tokio::test]
async fn a_long_upload_is_not_the_services_silence() {
    let service = Recorder::start(|mut socket, _, record| async move {
        while record.take(&mut socket).await.is_some() {
            socket.write_all(crate::server::recorder::OK.as_bytes()).await.unwrap();
        }
    })
    .await;
    let gateway = Plan::limits(|limits| limits.first_byte_timeout = LONG).start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    client.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n").await.unwrap();
    for _ in 0..8 {
        tokio::time::sleep(LONG / 5).await;
        client.write_all(b"x").await.unwrap();
    }
    let (head, _) = crate::server::harness::answer(&mut client).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[tokio::test]
async fn a_body_that_stops_is_cut() {
    let service = Recorder::start(|mut socket, _, record| async move {
        record.take(&mut socket).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n").await.unwrap();
        rest(&mut socket).await;
    })
    .await;
    let gateway = Plan::limits(|limits| limits.body_timeout = SHORT).start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    client.write_all(GET).await.unwrap();
    let answer = rest(&mut client).await;
    assert!(answer.ends_with(b"2\r\nok\r\n"), "no last chunk: {}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_stream_ends_after_its_longest_life_although_it_moves() {
    let service = Recorder::start(|mut socket, _, record| async move {
        record.take(&mut socket).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        while socket.write_all(b"2\r\nok\r\n").await.is_ok() {
            tokio::time::sleep(SHORT / 6).await;
        }
    })
    .await;
    let gateway = Plan::limits(|limits| limits.max_stream = LONG).start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    let started = tokio::time::Instant::now();
    client.write_all(GET).await.unwrap();
    let answer = rest(&mut client).await;
    assert!(answer.ends_with(b"2\r\nok\r\n"));
    assert!(started.elapsed() >= LONG);
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let nobody = Port::reserved();
    let gateway = Plan::default().start(&[http1(nobody.address)]);
    let (head, _) = exchange(&mut gateway.connect().await, GET).await;
    assert!(head.starts_with("HTTP/1.1 502 ") && head.contains("upstream_unreachable"), "{head}");
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_is_given_up() {
    // A TLS handshake that is never answered.
    let service = Recorder::start(|mut socket, _, _| async move {
        rest(&mut socket).await;
    })
    .await;
    let origin = crate::server::harness::origin(
        countersign_gateway::config::resolved::UpstreamProtocol::Tls,
        service.address,
    );
    let gateway = Plan::limits(|limits| limits.connect_timeout = SHORT).start(&[origin]);
    let started = tokio::time::Instant::now();
    let (head, _) = exchange(&mut gateway.connect().await, GET).await;
    assert!(head.contains("upstream_unreachable"), "{head}");
    assert!(started.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_name_is_resolved_and_one_that_does_not_resolve_is_unreachable() {
    let service = Recorder::answering(crate::server::recorder::OK).await;
    let mut origin = http1(service.address);
    origin.host = "localhost".into();
    let gateway = Plan::default().start(&[origin.clone()]);
    assert!(exchange(&mut gateway.connect().await, GET).await.0.starts_with("HTTP/1.1 200 "));
    origin.host = "no-such-host.invalid".into();
    let gateway = Plan::default().start(&[origin]);
    assert!(exchange(&mut gateway.connect().await, GET).await.0.contains("upstream_unreachable"));
}
