//! Heads that could be read in two ways: the service hears of none of them.

use crate::{
    proxy::house::{House, who},
    server::recorder::{OK, Recorder},
    wire::{ALICE, OURS, exchange, exchange_in_parts, refused, statuses},
};

/// What follows a bad head, and would be a second request to somebody.
const SMUGGLED: &str =
    "GET /orders/smuggled HTTP/1.1\r\nHost: shop.example\r\nCookie: SESSION=alice-session\r\n\r\n";

/// A `POST` of ours with these further lines.
fn post(lines: &str) -> String {
    format!("POST /orders/ HTTP/1.1\r\nHost: shop.example\r\n{ALICE}\r\n{OURS}\r\n{lines}\r\n\r\n")
}

/// A `GET` of ours with these further lines.
fn get(lines: &str) -> String {
    format!("GET /orders/ HTTP/1.1\r\nHost: shop.example\r\n{ALICE}\r\n{lines}\r\n\r\n")
}

async fn refuses(house: &House, request: impl AsRef<[u8]>, status: &str, code: &str) {
    let request = request.as_ref();
    let shown = request.escape_ascii().to_string();
    let good = format!("GET /orders/good HTTP/1.1\r\nHost: shop.example\r\n{ALICE}\r\n\r\n");
    let before = house.received().len();
    let alone = exchange(house.address, &[request, SMUGGLED.as_bytes()].concat()).await;
    assert_eq!((statuses(&alone), refused(&alone)), (vec![status], Some(code)), "{shown}: {alone}");
    assert!(alone.contains("\r\nconnection: close\r\n"), "{shown}: {alone}");
    assert!(alone.contains("\r\ncountersign-forwarded: 0\r\n"), "{shown}: {alone}");
    let second = exchange(house.address, &[good.as_bytes(), request, SMUGGLED.as_bytes()].concat()).await;
    assert_eq!((statuses(&second), refused(&second)), (vec!["200", status], Some(code)), "{shown}: {second}");
    let received = house.received();
    assert_eq!(received.len(), before + 1, "{shown}: {received:?}");
    assert!(received[before].starts_with("GET /orders/good HTTP/1.1\r\n"), "{shown}: {received:?}");
}

#[tokio::test]
async fn p01_both_lengths() {
    let house = House::new().await;
    let (length, chunked) = ("Content-Length: 5", "Transfer-Encoding: chunked");
    for lines in [format!("{length}\r\n{chunked}"), format!("{chunked}\r\n{length}")] {
        refuses(&house, post(&lines) + "0\r\n\r\n", "400", "framing").await;
    }
}

#[tokio::test]
async fn p02_obfuscated_transfer_encoding() {
    let house = House::new().await;
    for (field, code) in [
        ("Transfer-Encoding : chunked", "header_malformed"),
        (" Transfer-Encoding: chunked", "header_malformed"),
        ("Transfer-Encoding\t:\tchunked", "header_malformed"),
        ("Transfer Encoding: chunked", "header_malformed"),
        ("Transfer-Encoding: \u{b}chunked", "header_malformed"),
        ("Transfer-Encoding: chunked\0", "header_malformed"),
        ("Transfer-Encoding:\r\n chunked", "framing"),
        ("Transfer-Encoding:\n chunked", "header_malformed"),
        ("Foo: bar\r\n\rTransfer-Encoding: chunked", "header_malformed"),
        ("Foo: bar\nTransfer-Encoding: chunked", "header_malformed"),
        ("Transfer\r-Encoding: chunked", "header_malformed"),
        ("Transf\u{e9}r-Encoding: chunked", "header_malformed"),
        ("Transfer_Encoding: chunked", "framing"),
        ("Transfer.Encoding: chunked", "framing"),
        ("Transfer-Encoding: xchunked", "framing"),
        ("Transfer-Encoding: Chunked", "framing"),
        ("TRANSFER-ENCODING: CHUNKED", "framing"),
        ("Transfer-Encoding: chunk", "framing"),
        ("Transfer-Encoding: \"chunked\"", "framing"),
        ("Transfer-Encoding: 'chunked'", "framing"),
        ("Transfer-Encoding: chunked, identity", "framing"),
        ("Transfer-Encoding: identity, chunked", "framing"),
        ("Transfer-Encoding: gzip, chunked", "framing"),
        ("Transfer-Encoding: chunked;x=y", "framing"),
        ("Transfer-Encoding: ", "framing"),
        ("Transfer-Encoding:\u{a0}chunked", "framing"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "framing"),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "framing"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "framing"),
    ] {
        refuses(&house, post(field) + "0\r\n\r\n", "400", code).await;
    }
}

#[tokio::test]
async fn p03_odd_lengths() {
    let house = House::new().await;
    for length in ["+5", "-5", "0x5", "5_0", "05", "5, 5", "5,6", "5 5", "", "five", "18446744073709551621"] {
        refuses(&house, post(&format!("Content-Length: {length}")) + "hello", "400", "framing").await;
    }
    for lines in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 0",
        "Content_Length: 5",
        "Content-Length: 5\r\ncontent.length: 0",
    ] {
        refuses(&house, post(lines) + "hello", "400", "framing").await;
    }
}

#[tokio::test]
async fn p05_to_p08_and_p11_malformed_fields() {
    let house = House::new().await;
    for field in [
        "X : y",
        "X\t: y",
        " X: y",
        "X",
        ": y",
        "X: y\r\n folded",
        "X: y\r\n\tfolded",
        "X: a\0b",
        "X: a\rb",
        "X: a\u{7f}",
        "X: a\nY: b",
        "X\0: y",
        "X\u{e9}: y",
        "X(y): z",
        "X y: z",
        "X: y\r",
    ] {
        refuses(&house, get(field), "400", "header_malformed").await;
    }
    refuses(
        &house,
        format!("GET /orders/ HTTP/1.1\r\n Host: shop.example\r\n{ALICE}\r\n\r\n"),
        "400",
        "header_malformed",
    )
    .await;
    refuses(
        &house,
        format!("GET /orders/ HTTP/1.1\nHost: shop.example\n{ALICE}\n\n"),
        "400",
        "request_line_malformed",
    )
    .await;
}

#[tokio::test]
async fn p09_and_p10_request_lines() {
    let house = House::new().await;
    let rest = format!("Host: shop.example\r\n{ALICE}\r\n\r\n");
    for (line, status, code) in [
        ("GET /orders/", "400", "request_line_malformed"),
        ("GET /orders/ HTTP/1.32", "400", "request_line_malformed"),
        ("GET /orders/ HTTP/1.1 x", "400", "request_line_malformed"),
        ("GET  /orders/ HTTP/1.1", "400", "request_line_malformed"),
        ("GET\t/orders/ HTTP/1.1", "400", "request_line_malformed"),
        (" GET /orders/ HTTP/1.1", "400", "request_line_malformed"),
        ("G(T /orders/ HTTP/1.1", "400", "request_line_malformed"),
        ("G\u{e9}T /orders/ HTTP/1.1", "400", "request_line_malformed"),
        ("GET orders/ HTTP/1.1", "400", "request_line_malformed"),
        ("GET /orders/#x HTTP/1.1", "400", "request_line_malformed"),
        ("GET /orders/\0 HTTP/1.1", "400", "request_line_malformed"),
        ("GET ftp://shop.example/orders/ HTTP/1.1", "400", "request_line_malformed"),
        ("GET /orders/ HTTP/0.9", "505", "version_not_supported"),
        ("GET /orders/ HTTP/2.0", "505", "version_not_supported"),
        ("CONNECT shop.example:443 HTTP/1.1", "405", "method_not_allowed"),
    ] {
        refuses(&house, format!("{line}\r\n{rest}"), status, code).await;
    }
    let old = format!(
        "POST /orders/ HTTP/1.0\r\nHost: shop.example\r\n{ALICE}\r\n{OURS}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    );
    refuses(&house, old, "400", "framing").await;
}

#[tokio::test]
async fn p12_hosts() {
    let house = House::new().await;
    for hosts in [
        "",
        "Host: shop.example\r\nHost: shop.example\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a, b\r\n",
        "Host:\r\n",
    ] {
        refuses(&house, format!("GET /orders/ HTTP/1.1\r\n{hosts}{ALICE}\r\n\r\n"), "400", "host_invalid")
            .await;
    }
}

#[tokio::test]
async fn p13_nothing_is_read_after_close() {
    let house = House::new().await;
    let answers = exchange(house.address, (get("Connection: close") + SMUGGLED).as_bytes()).await;
    assert_eq!(statuses(&answers), ["200"]);
    assert_eq!(house.received().len(), 1);
}

#[tokio::test]
async fn p16_no_service_hears_of_h2c() {
    let house = House::new().await;
    for lines in [
        "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk",
        "Connection: close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk",
        "Connection: upgrade, close\r\nUpgrade: HTTP/2.0, h2c",
        "Connection: upgrade, close\r\nUpgrade: TLS/1.2",
        "Connection: upgrade, close\r\nUpgrade: h2c\r\nUpgrade: websocket",
    ] {
        let answer = exchange(house.address, get(lines).as_bytes()).await;
        assert_eq!(statuses(&answer), ["200"], "{answer}");
    }
    for head in house.received() {
        let head = head.to_ascii_lowercase();
        assert!(["upgrade", "http2", "h2c", "tls/"].iter().all(|word| !head.contains(word)), "{head}");
    }
    assert_eq!(house.received().len(), 5);
    let preface = exchange(house.address, b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").await;
    assert_eq!((statuses(&preface), refused(&preface)), (vec!["505"], Some("version_not_supported")));
}

#[tokio::test]
async fn p18_sizes() {
    let house = House::new().await;
    let many = vec!["X: y"; 100].join("\r\n");
    refuses(&house, get(&many), "431", "header_too_large").await;
    refuses(&house, get(&format!("X: {}", "y".repeat(33_000))), "431", "header_too_large").await;
    let endless = format!("GET /orders/ HTTP/1.1\r\nHost: shop.example\r\nX: {}", "y".repeat(900_000));
    let answer = exchange(house.address, endless.as_bytes()).await;
    assert_eq!((statuses(&answer), refused(&answer)), (vec!["431"], Some("header_too_large")));
    let long = format!("GET /orders/{} HTTP/1.1\r\nHost: shop.example\r\n\r\n", "a".repeat(8192));
    refuses(&house, long, "414", "uri_too_long").await;
    let most = vec!["X-Y: z"; 90].join("\r\n");
    let answer = exchange(house.address, get(&format!("{most}\r\nConnection: close")).as_bytes()).await;
    assert_eq!(statuses(&answer), ["200"]);
}

#[tokio::test]
async fn the_verdict_does_not_depend_on_packets() {
    let house = House::new().await;
    let good = get("X: y");
    let bad = get("X : y");
    let stream = [good.as_bytes(), bad.as_bytes(), SMUGGLED.as_bytes()].concat();
    for length in [1, 3, 50] {
        let parts: Vec<_> = stream.chunks(length).collect();
        let answers = exchange_in_parts(house.address, &parts).await;
        assert_eq!((statuses(&answers), refused(&answers)), (vec!["200", "400"], Some("header_malformed")));
    }
    assert_eq!(house.received().len(), 3);
}

/// P19: named, counted and with a decision of its own, as every refusal is.
#[tokio::test]
async fn p19_a_head_that_is_late() {
    let limits = "[limits]\nheader_timeout = \"300ms\"\n";
    let house = House::with("", limits, Recorder::answering(OK).await, who).await;
    let started = tokio::time::Instant::now();
    let answer = exchange(house.address, b"GET /orders/ HTTP/1.1\r\nHost: shop.exa").await;
    assert!(started.elapsed() >= std::time::Duration::from_millis(300));
    assert_eq!((statuses(&answer), refused(&answer)), (vec!["408"], Some("header_timeout")));
    let lower = answer.to_ascii_lowercase();
    for line in [
        "content-type: application/problem+json",
        "countersign-decision: ",
        "countersign-forwarded: 0",
        "connection: close",
    ] {
        assert!(lower.contains(&format!("\r\n{line}")), "{line}: {answer}");
    }
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["code"], &body["status"]), (&"header_timeout".into(), &408.into()));
    let metrics = house.metrics().await;
    assert!(metrics.contains("countersign_refusals_total{code=\"header_timeout\"} 1\n"), "{metrics}");
    assert_eq!((house.received().len(), house.server.arrived().len()), (0, 0));
}
