//! Floods: cheap for the client, and they must be cheap for the gateway (RFC 9113 §10.5).

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, End, Field, GOAWAY, HEADERS, PING, RST_STREAM, Raw,
    SETTINGS, field, frame, section,
};
use crate::{
    proxy::house::{House, who},
    server::{
        harness::soon,
        recorder::{OK, Recorder},
    },
    sources::fake::Act,
};

fn request() -> Vec<Field> {
    vec![
        field(":method", "GET"),
        field(":scheme", "http"),
        field(":authority", "shop.example"),
        field(":path", "/orders/1"),
        field("cookie", "SESSION=alice-session"),
    ]
}

/// A flood on one connection leaves the others alone.
async fn still_serves(house: &House) {
    let mut raw = Raw::open(house.address).await;
    raw.headers(1, END_STREAM, &request()).await;
    assert_eq!(raw.end(1).await, End::Status(200));
}

/// The code of the GOAWAY that the gateway ends the connection with, if it says one.
async fn ended(raw: &mut Raw) -> Option<u32> {
    let mut code = None;
    while let Some(frame) = raw.next().await {
        if frame.kind == GOAWAY {
            code = Some(u32::from_be_bytes(frame.payload[4..8].try_into().unwrap()));
        }
    }
    code
}

const ENHANCE_YOUR_CALM: u32 = 11;

/// CVE-2023-44487.
#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let house = House::new().await;
    let mut raw = Raw::open(house.address).await;
    let head = section(&request());
    let mut flood = Vec::new();
    for stream in (1..20_000).step_by(2) {
        flood.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &head));
        flood.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    raw.write(&flood).await;
    assert_eq!(ended(&mut raw).await.unwrap_or(ENHANCE_YOUR_CALM), ENHANCE_YOUR_CALM);
    assert!(house.received().len() < 1_000, "most of 10,000 requests never reach a service");
    still_serves(&house).await;
}

/// What one client of a proxy aborts ends nobody else's requests; what nobody aborts by accident ends the connection.
#[tokio::test]
async fn a_trusted_proxy_may_abort_more() {
    let head = section(&request());
    for (top, aborts, is_served) in [
        ("", 200, false),
        ("trusted_proxies = [\"127.0.0.1\"]", 200, true),
        ("trusted_proxies = [\"127.0.0.1\"]", 10_000, false),
    ] {
        let house = House::with(top, "", Recorder::answering(OK).await, who).await;
        let mut raw = Raw::open(house.address).await;
        let mut flood = Vec::new();
        for stream in (1..2 * aborts).step_by(2) {
            flood.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &head));
            flood.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        }
        raw.write(&flood).await;
        let next = 2 * aborts + 1;
        raw.headers(next, END_STREAM, &request()).await;
        let expected = if is_served { End::Status(200) } else { End::Connection };
        assert_eq!(raw.end(next).await, expected, "{top} {aborts}");
    }
}

/// A reset without an error is none of a body: the service is never told that it has all of it.
#[tokio::test]
async fn a_body_whose_stream_is_reset_is_never_whole() {
    let house = House::new().await;
    for code in [0_u32, 8] {
        let mut raw = Raw::open(house.address).await;
        let mut post = request();
        post[0] = field(":method", "POST");
        post.push(field("origin", "https://shop.example"));
        raw.headers(1, 0, &post).await;
        raw.frame(DATA, 0, 1, format!("amount={code}00").as_bytes()).await;
        let amount = format!("amount={code}00");
        let has_begun = |bytes: &Vec<u8>| bytes.windows(amount.len()).any(|part| part == amount.as_bytes());
        soon(async {
            while !house.service.record.begun().iter().any(has_begun) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
        raw.frame(RST_STREAM, 0, 1, &code.to_be_bytes()).await;
        raw.headers(3, END_STREAM, &request()).await;
        assert_eq!(raw.end(3).await, End::Status(200));
    }
    still_serves(&house).await;
    let whole = house.received();
    assert!(whole.iter().all(|head| head.starts_with("GET ")), "{whole:?}");
}

/// RUSTSEC-2024-0332: a header section that never ends.
#[tokio::test]
async fn continuations_without_end_end_the_connection() {
    let house = House::new().await;
    let mut raw = Raw::open(house.address).await;
    raw.frame(HEADERS, END_STREAM, 1, &section(&request())).await;
    let filler = frame(CONTINUATION, 0, 1, &section(&[field("x-filler", vec![b'a'; 8_000])]));
    let mut sent = 0;
    while sent < 64 * 1024 * 1024 && raw.write(&filler).await {
        sent += filler.len();
    }
    assert!(sent < 64 * 1024 * 1024, "the gateway took {sent} bytes of one header section");
    assert!(house.received().is_empty());
    still_serves(&house).await;
}

/// The same with empty frames, which add nothing to a size.
#[tokio::test]
async fn empty_continuations_without_end_end_the_connection() {
    let house = House::new().await;
    let mut raw = Raw::open(house.address).await;
    raw.frame(HEADERS, END_STREAM, 1, &section(&request())).await;
    let filler = frame(CONTINUATION, 0, 1, b"").repeat(1_000);
    let mut rounds = 0;
    while rounds < 1_000 && raw.write(&filler).await {
        rounds += 1;
    }
    assert!(rounds < 1_000, "the gateway took a million empty frames");
    still_serves(&house).await;
}

#[tokio::test]
async fn a_header_section_over_the_limit_is_431() {
    let house = House::new().await;
    let mut raw = Raw::open(house.address).await;
    let mut fields = request();
    fields.extend((0..9).map(|n| field(format!("x-filler-{n}"), vec![b'a'; 8_000])));
    let bytes = section(&fields);
    let mut pieces = bytes.chunks(16_000);
    raw.frame(HEADERS, END_STREAM, 1, pieces.next().unwrap()).await;
    let rest: Vec<_> = pieces.collect();
    for (at, piece) in rest.iter().enumerate() {
        let flags = if at + 1 == rest.len() { END_HEADERS } else { 0 };
        raw.frame(CONTINUATION, flags, 1, piece).await;
    }
    assert_eq!(raw.end(1).await, End::Status(431));
    assert!(house.received().is_empty());
    still_serves(&house).await;
}

/// RUSTSEC-2026-0258: frames that use up no window. The request waits for a look-up, so that nobody reads its body.
#[tokio::test]
async fn empty_data_frames_without_end_end_the_connection() {
    const FRAMES: usize = 5_000_000;
    let house = House::with("", "", Recorder::answering(OK).await, |_| Act::Hang).await;
    let mut raw = Raw::open(house.address).await;
    let mut fields = request();
    fields[0] = field(":method", "POST");
    fields.push(field("origin", "https://shop.example"));
    raw.headers(1, 0, &fields).await;
    let flood = frame(DATA, 0, 1, b"").repeat(10_000);
    let mut sent = 0;
    while sent < FRAMES && raw.write(&flood).await {
        sent += 10_000;
    }
    assert!(sent < FRAMES, "the gateway took {sent} empty frames");
    assert_eq!(ended(&mut raw).await.unwrap_or(ENHANCE_YOUR_CALM), ENHANCE_YOUR_CALM);
}

/// Answers that the client never reads: the gateway stops reading, or closes the connection. What the kernel holds of
/// them is less than a tenth of what is sent.
#[tokio::test]
async fn pings_and_settings_whose_answers_nobody_reads_do_not_pile_up() {
    let house = House::new().await;
    for flood in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])] {
        let mut raw = Raw::open(house.address).await;
        let many = flood.repeat(10_000);
        let mut taken = 0;
        while taken < 1_000 {
            let took = tokio::time::timeout(std::time::Duration::from_secs(1), raw.write(&many)).await;
            if took != Ok(true) {
                break;
            }
            taken += 1;
        }
        assert!(taken < 1_000, "the gateway took ten million frames");
        still_serves(&house).await;
    }
}

#[tokio::test]
async fn more_streams_than_allowed_are_refused_and_the_rest_is_served() {
    let house = House::new().await;
    let mut raw = Raw::open(house.address).await;
    let mut fields = request();
    fields[0] = field(":method", "POST");
    fields.push(field("origin", "https://shop.example"));
    // Bodies that do not end keep their streams open.
    for stream in (1..2_001).step_by(2) {
        if !raw.headers(stream, 0, &fields).await {
            break;
        }
    }
    let mut refused = 0;
    while refused < 100 {
        match raw.next().await {
            Some(frame) if frame.kind == RST_STREAM => refused += 1,
            Some(frame) if frame.kind == GOAWAY => break,
            Some(_) => {}
            None => break,
        }
    }
    still_serves(&house).await;
}

#[tokio::test]
async fn the_number_of_streams_is_the_one_of_the_configuration() {
    let service = Recorder::answering(OK).await;
    let house = House::with("", "[limits]\nhttp2_streams = 2\n", service, who).await;
    let mut raw = Raw::open(house.address).await;
    let settings = raw.next().await.unwrap();
    assert_eq!(settings.kind, SETTINGS);
    assert!(settings.payload.chunks(6).any(|setting| setting == [0, 3, 0, 0, 0, 2]), "{settings:?}");
    let mut fields = request();
    fields[0] = field(":method", "POST");
    fields.push(field("origin", "https://shop.example"));
    for stream in [1, 3, 5] {
        raw.headers(stream, 0, &fields).await;
    }
    assert_eq!(raw.end(5).await, End::Reset, "two are open");
    raw.frame(DATA, END_STREAM, 1, b"end").await;
    assert_eq!(raw.end(1).await, End::Status(200));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_answered_413() {
    let service = Recorder::answering(OK).await;
    let house = House::with("", "[limits]\nbody_bytes = \"5B\"\n", service, who).await;
    let mut fields = request();
    fields[0] = field(":method", "POST");
    fields.push(field("origin", "https://shop.example"));
    for (stream, body, end) in [(1, "abcde", End::Status(200)), (3, "abcdef", End::Status(413))] {
        let mut raw = Raw::open(house.address).await;
        raw.headers(stream, 0, &fields).await;
        for (at, byte) in body.bytes().enumerate() {
            let flags = if at + 1 == body.len() { END_STREAM } else { 0 };
            raw.frame(DATA, flags, stream, &[byte]).await;
        }
        assert_eq!(raw.end(stream).await, end, "{body}");
    }
    assert_eq!(house.received().len(), 1);
    fields.push(field("content-length", "6"));
    let mut raw = Raw::open(house.address).await;
    raw.headers(1, 0, &fields).await;
    assert_eq!(raw.end(1).await, End::Status(413), "before a byte of it has come");
}
