//! Header sections that drip in: nothing else can come by their connection meanwhile (RFC 9113 §6.10).

use std::{future::pending, time::Duration};

use tokio::time::{Instant, sleep};

use super::frames::{CONTINUATION, END_HEADERS, END_STREAM, End, Field, HEADERS, Raw, field, frame, section};
use crate::server::{
    harness::{Gateway, Plan, http1, soon},
    recorder::{OK, Recorder},
};

const SHORT: Duration = Duration::from_millis(300);

fn request() -> Vec<Field> {
    let pairs =
        [(":method", "POST"), (":scheme", "http"), (":authority", "shop.example"), (":path", "/orders/1")];
    pairs.into_iter().map(|(name, value)| field(name, value)).collect()
}

fn gateway(service: &Recorder, header_timeout: Duration) -> Gateway {
    Plan::limits(|limits| {
        limits.header_timeout = header_timeout;
        limits.idle_timeout = Duration::from_secs(300);
    })
    .start(&[http1(service.address)])
}

/// Sends bytes one by one until the gateway takes no more; how long that took.
async fn drip(raw: &mut Raw, bytes: &[u8]) -> Duration {
    let begin = Instant::now();
    let dripping = async {
        for byte in bytes {
            if !raw.write(&[*byte]).await {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
        pending().await
    };
    soon(dripping).await;
    begin.elapsed()
}

/// A section in one frame, which h2 looks at when it is complete.
fn long(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &[0; 16_000])
}

/// The same in two.
fn divided(stream: u32) -> Vec<u8> {
    let first = frame(HEADERS, END_STREAM, stream, &section(&request()));
    [first, frame(CONTINUATION, END_HEADERS, stream, &[0; 16_000])].concat()
}

#[tokio::test]
async fn a_second_head_that_drips_ends_the_connection() {
    let service = Recorder::answering(OK).await;
    let gateway = gateway(&service, SHORT);
    for (count, head) in [(1, long(3)), (2, divided(3))] {
        let mut raw = Raw::open(gateway.address).await;
        raw.headers(1, END_STREAM, &request()).await;
        assert_eq!(raw.end(1).await, End::Status(200));
        let took = drip(&mut raw, &head).await;
        assert!(took >= SHORT, "{took:?}");
        gateway.counts("connection", "protocol_error", count).await;
    }
    assert_eq!(service.record.requests().len(), 2);
}

#[tokio::test]
async fn a_head_that_drips_beside_an_open_stream_ends_the_connection_too() {
    let service = Recorder::start(|mut socket, _, record| async move {
        record.take(&mut socket).await;
        pending().await
    })
    .await;
    let gateway = gateway(&service, SHORT);
    let mut raw = Raw::open(gateway.address).await;
    raw.headers(1, END_STREAM, &request()).await;
    let took = drip(&mut raw, &divided(3)).await;
    assert!(took >= SHORT, "{took:?}");
    gateway.counts("connection", "protocol_error", 1).await;
}

#[tokio::test]
async fn trailers_that_drip_end_the_connection() {
    let service = Recorder::answering(OK).await;
    let gateway = gateway(&service, SHORT);
    let mut raw = Raw::open(gateway.address).await;
    raw.headers(1, 0, &request()).await;
    let took = drip(&mut raw, &long(1)).await;
    assert!(took >= SHORT, "{took:?}");
    gateway.counts("connection", "protocol_error", 1).await;
}

#[tokio::test]
async fn heads_that_come_slowly_and_in_time_are_served_however_many_there_are() {
    // A busy machine may keep the test itself from running for a while.
    const LIMIT: Duration = Duration::from_secs(2);
    let service = Recorder::answering(OK).await;
    let gateway = gateway(&service, LIMIT);
    let mut raw = Raw::open(gateway.address).await;
    let begin = Instant::now();
    for stream in [1, 3, 5, 7, 9] {
        let head = section(&request());
        let (first, rest) = head.split_at(10);
        let (second, third) = rest.split_at(1);
        raw.frame(HEADERS, END_STREAM, stream, first).await;
        for (flags, piece) in [(0, second), (END_HEADERS, third)] {
            sleep(LIMIT / 8).await;
            raw.frame(CONTINUATION, flags, stream, piece).await;
        }
        assert_eq!(raw.end(stream).await, End::Status(200), "{stream}");
    }
    assert!(begin.elapsed() > LIMIT, "not slow enough to say anything");
}
