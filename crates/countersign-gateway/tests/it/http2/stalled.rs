//! Clients that take an answer slowly, and ones that take none of it (RFC 9113 §10.5).

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    time::Instant,
};

use super::frames::{
    ACK, DATA, END_STREAM, End, Field, HEADERS, RST_STREAM, Raw, SETTINGS, WINDOW_UPDATE, field,
};
use crate::{
    proxy::house::{House, who},
    server::{
        harness::{Plan, http1, soon},
        recorder::Recorder,
    },
    upstream::early,
};

fn get(path: &str) -> Vec<Field> {
    vec![
        field(":method", "GET"),
        field(":scheme", "http"),
        field(":authority", "shop.example"),
        field(":path", path),
        field("cookie", "SESSION=alice-session"),
    ]
}

/// A house with this `body_timeout` before a service that answers with so many bytes, and a word for each connection that
/// ends before them.
async fn house(limit: Duration, length: usize) -> (House, mpsc::UnboundedReceiver<()>) {
    let (ended, ends) = mpsc::unbounded_channel();
    let service = Recorder::start(move |mut socket, _, record| {
        let ended = ended.clone();
        async move {
            while record.take(&mut socket).await.is_some() {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                socket.write_all(head.as_bytes()).await.unwrap();
                let mut left = length;
                while left > 0 {
                    let piece = left.min(65_536);
                    if socket.write_all(&vec![b'x'; piece]).await.is_err() {
                        let _ = ended.send(());
                        return;
                    }
                    left -= piece;
                }
            }
        }
    })
    .await;
    let limits = format!("[limits]\nbody_timeout = \"{}ms\"\n", limit.as_millis());
    (House::with("", &limits, service, who).await, ends)
}

/// A connection whose streams begin without a window.
async fn without_windows(house: &House) -> Raw {
    let mut raw = Raw::open(house.address).await;
    assert!(raw.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).await);
    raw
}

/// A service that answers before it has read, and a client that opens no window for the answer while it sends.
#[tokio::test]
async fn an_upload_goes_on_while_nothing_of_the_answer_is_taken() {
    const PIECE: usize = 10_000;
    const PIECES: usize = 5;
    let (read, mut all_read) = mpsc::unbounded_channel();
    let service = Recorder::start(move |mut socket, _, _| {
        let read = read.clone();
        async move {
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await.unwrap();
            socket.write_all(&vec![b'x'; 500_000]).await.unwrap();
            let (mut taken, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
            while taken.iter().filter(|byte| **byte == b'U').count() < PIECE * PIECES {
                let length = socket.read(&mut buffer).await.unwrap();
                assert_ne!(length, 0, "cut off");
                taken.extend_from_slice(&buffer[..length]);
            }
            read.send(()).unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut raw = Raw::open(gateway.address).await;
    assert!(raw.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).await);
    let head = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", "/")];
    raw.headers(1, 0, &head.map(|(name, value)| field(name, value))).await;
    while raw.next().await.expect("an answer begins").kind != HEADERS {}
    for _ in 0..PIECES {
        assert!(raw.frame(DATA, 0, 1, &[b'U'; PIECE]).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    soon(all_read.recv()).await.unwrap();
}

/// A service that answers and takes no more of the request: what passes it on waits for a window that never opens.
#[tokio::test]
async fn a_request_ends_with_its_answer_although_its_service_takes_no_more_of_it() {
    let (address, _service) = early::service(|_, mut body, mut respond| async move {
        let mut taken = 0;
        while taken < early::WINDOW {
            taken += body.data().await.unwrap().unwrap().len();
        }
        respond.send_response(http::Response::new(()), true).unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let gateway = early::gateway(address);
    let mut raw = Raw::open(gateway.address).await;
    // The gateway's own window is the larger one as soon as that is acknowledged.
    while raw.next().await.expect("settings").kind != SETTINGS {}
    assert!(raw.frame(SETTINGS, ACK, 0, &[]).await);
    let head = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", "/")];
    raw.headers(1, 0, &head.map(|(name, value)| field(name, value))).await;
    for _ in 0..8 {
        assert!(raw.frame(DATA, 0, 1, &[b'U'; 10_000]).await);
    }
    assert_eq!(raw.end(1).await, End::Status(200));
    assert_eq!(raw.end(1).await, End::Reset, "no more of it is wanted");
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_reset_and_its_service_let_go() {
    const LIMIT: Duration = Duration::from_millis(300);
    let (house, mut ends) = house(LIMIT, 100_000_000).await;
    let mut raw = without_windows(&house).await;
    let started = Instant::now();
    for stream in [1, 3, 5] {
        raw.headers(stream, END_STREAM, &get("/orders/1")).await;
    }
    let mut reset = Vec::new();
    while reset.len() < 3 {
        let frame = raw.next().await.expect("the connection stays open");
        assert_ne!(frame.kind, DATA, "there is no window");
        if frame.kind == RST_STREAM {
            reset.push(frame.stream);
        }
    }
    reset.sort_unstable();
    assert_eq!(reset, [1, 3, 5]);
    assert!(started.elapsed() >= LIMIT);
    for _ in 0..3 {
        soon(ends.recv()).await.unwrap();
    }
    let metrics = house.metrics().await;
    assert!(metrics.contains("connection_events_total{event=\"protocol_error\"} 3\n"), "{metrics}");
    // The connection itself did nothing wrong.
    raw.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]).await;
    raw.headers(7, END_STREAM, &get("/nowhere/")).await;
    assert_eq!(raw.end(7).await, End::Status(404));
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_arrives_whole() {
    // A busy machine may keep the test itself from running for a while.
    const LIMIT: Duration = Duration::from_secs(2);
    const LENGTH: usize = 200_000;
    const TAKEN: u32 = 20_000;
    let (house, _ends) = house(LIMIT, LENGTH).await;
    let mut raw = without_windows(&house).await;
    assert!(raw.frame(WINDOW_UPDATE, 0, 0, &1_000_000_u32.to_be_bytes()).await);
    raw.headers(1, END_STREAM, &get("/orders/1")).await;
    let (started, mut arrived) = (Instant::now(), 0);
    for _ in 0..LENGTH / 20_000 {
        tokio::time::sleep(LIMIT / 4).await;
        assert!(raw.frame(WINDOW_UPDATE, 0, 1, &TAKEN.to_be_bytes()).await);
    }
    while arrived < LENGTH {
        let frame = raw.next().await.expect("the connection stays open");
        assert_ne!(frame.kind, RST_STREAM, "cut after {arrived} bytes");
        if frame.kind == DATA {
            arrived += frame.payload.len();
        }
    }
    assert_eq!(arrived, LENGTH);
    assert!(started.elapsed() > 2 * LIMIT, "not slow enough to say anything");
}
