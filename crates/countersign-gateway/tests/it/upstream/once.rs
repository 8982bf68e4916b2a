//! A request reaches a service once, or not at all.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{
    harness::{Plan, exchange, http1, rest, soon},
    recorder::{OK, Recorder},
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test]
async fn a_pooled_connection_that_the_service_closed_is_not_used() {
    let closed = Arc::new(tokio::sync::Notify::new());
    let service = Recorder::start({
        let closed = Arc::clone(&closed);
        move |mut socket, number, record| {
            let closed = Arc::clone(&closed);
            async move {
                while record.take(&mut socket).await.is_some() {
                    socket.write_all(OK.as_bytes()).await.unwrap();
                    if number == 0 {
                        socket.shutdown().await.unwrap();
                        // The gateway closes its side when it notices.
                        rest(&mut socket).await;
                        closed.notify_one();
                    }
                }
            }
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    assert!(exchange(&mut client, POST).await.0.starts_with("HTTP/1.1 200 "));
    soon(closed.notified()).await;
    assert!(exchange(&mut client, POST).await.0.starts_with("HTTP/1.1 200 "));
    assert_eq!(service.record.connections(), 2);
    assert_eq!(service.record.requests().len(), 2, "each request once");
}

#[tokio::test]
async fn a_request_whose_pooled_connection_closes_at_that_moment_is_sent_once_at_most() {
    const ROUNDS: usize = 300;
    // Answers one request and closes at once, while the gateway may be about to send the next.
    let service = Recorder::start(|mut socket, _, record| async move {
        if record.take(&mut socket).await.is_some() {
            socket.write_all(OK.as_bytes()).await.unwrap();
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    let mut answered = 0;
    for number in 0..ROUNDS {
        let (head, _) = exchange(&mut client, marked(number).as_bytes()).await;
        match &head[9..12] {
            "200" => answered += 1,
            "502" => assert!(head.contains("upstream_closed"), "{head}"),
            _ => panic!("{head}"),
        }
    }
    assert_eq!(received_once(&service), answered, "a request that was received was answered");
    // Each 502 has used up a connection that was there; the next one is new.
    assert!(answered >= ROUNDS / 2, "{answered} of {ROUNDS}");
}

/// Every other connection is closed before a byte is read. A request that lost its connection is either handed back
/// unsent and gets the next, or it is refused: so each second connection has brought an answer, and there are as many
/// connections as requests and retries.
#[tokio::test]
async fn a_connection_closed_between_accept_and_first_byte_costs_no_second_sending() {
    const ROUNDS: usize = 200;
    let service = Recorder::start(|mut socket, number, record| async move {
        if number % 2 == 0 {
            return;
        }
        if record.take(&mut socket).await.is_some() {
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    let mut answered = 0;
    for number in 0..ROUNDS {
        let (head, _) = exchange(&mut client, marked(number).as_bytes()).await;
        if head.starts_with("HTTP/1.1 200 ") {
            answered += 1;
        } else {
            assert!(head.contains("upstream_closed"), "{head}");
        }
    }
    assert_eq!(received_once(&service), answered, "a request that was received was answered");
    let connections = service.record.connections();
    assert_eq!(answered, connections / 2, "{connections}");
    gateway.counts("upstream", "retried", (connections - ROUNDS) as u64).await;
}

/// The end of the connection was there before the next request: that one finds it, and loses nothing.
#[tokio::test]
async fn a_service_that_closes_after_each_answer_loses_no_request() {
    const ROUNDS: usize = 50;
    let closed = Arc::new(tokio::sync::Notify::new());
    let service = Recorder::start({
        let closed = Arc::clone(&closed);
        move |mut socket, _, record| {
            let closed = Arc::clone(&closed);
            async move {
                if record.take(&mut socket).await.is_some() {
                    socket.write_all(OK.as_bytes()).await.unwrap();
                    socket.shutdown().await.unwrap();
                    closed.notify_one();
                    rest(&mut socket).await;
                }
            }
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    for number in 0..ROUNDS {
        let (head, _) = exchange(&mut client, marked(number).as_bytes()).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{number}: {head}");
        soon(closed.notified()).await;
    }
    assert_eq!(received_once(&service), ROUNDS);
    assert_eq!(service.record.connections(), ROUNDS);
    gateway.counts("upstream", "retried", 0).await;
}

/// The service reads the second request of each connection, and closes.
#[tokio::test]
async fn a_request_that_was_received_on_a_pooled_connection_is_not_sent_again() {
    const ROUNDS: usize = 40;
    let service = Recorder::start(|mut socket, _, record| async move {
        if record.take(&mut socket).await.is_some() {
            socket.write_all(OK.as_bytes()).await.unwrap();
            record.take(&mut socket).await;
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    for number in 0..ROUNDS {
        let (head, _) = exchange(&mut client, marked(number).as_bytes()).await;
        let is_first = number % 2 == 0;
        assert_eq!(head.starts_with("HTTP/1.1 200 "), is_first, "{number}: {head}");
        assert_eq!(head.contains("upstream_closed"), !is_first, "{number}: {head}");
    }
    assert_eq!(received_once(&service), ROUNDS);
    assert_eq!(service.record.connections(), ROUNDS / 2);
    gateway.counts("upstream", "retried", 0).await;
}

/// A request with a mark of its own: every third has a body.
fn marked(number: usize) -> String {
    match number % 3 {
        0 => format!("POST /{number} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"),
        1 => format!("DELETE /{number} HTTP/1.1\r\nHost: x\r\n\r\n"),
        _ => format!("GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n"),
    }
}

/// How many requests the service got, none of them twice.
fn received_once(service: &Recorder) -> usize {
    let requests = service.record.requests();
    let mut lines: Vec<_> = requests.iter().map(|(head, _)| head.lines().next().unwrap()).collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), requests.len(), "no request twice");
    lines.len()
}

#[tokio::test]
async fn a_request_that_was_received_is_not_sent_again() {
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Le"] {
        let service = Recorder::start(move |mut socket, _, record| async move {
            record.take(&mut socket).await;
            socket.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let gateway = Plan::default().start(&[http1(service.address)]);
        let mut client = gateway.connect().await;
        let (head, _) = exchange(&mut client, GET).await;
        assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
        assert!(head.contains("upstream_closed"), "{head}");
        assert_eq!(service.record.requests().len(), 1);
        assert_eq!(service.record.connections(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_said_to_be_so() {
    let service = Recorder::answering("220 smtp.example ESMTP\r\n\r\n").await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let (head, _) = exchange(&mut gateway.connect().await, GET).await;
    assert!(head.contains("upstream_malformed"), "{head}");
    gateway.counts("upstream", "malformed", 1).await;
}

#[tokio::test]
async fn an_answer_with_too_many_fields_is_refused() {
    for (fields, status) in [(100, "200"), (101, "502")] {
        let more: String = (1..fields).map(|n| format!("x-{n}: 1\r\n")).collect();
        let answer: &str = format!("HTTP/1.1 200 OK\r\n{more}Content-Length: 2\r\n\r\nok").leak();
        let service = Recorder::answering(answer).await;
        let gateway = Plan::default().start(&[http1(service.address)]);
        let (head, _) = exchange(&mut gateway.connect().await, GET).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{fields}: {head}");
        assert_eq!(head.contains("upstream_malformed"), status == "502", "{head}");
    }
}

#[tokio::test]
async fn an_answer_cut_short_is_cut_short_for_the_client_too() {
    let service = Recorder::start(|mut socket, _, record| async move {
        record.take(&mut socket).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    client.write_all(GET).await.unwrap();
    assert!(rest(&mut client).await.ends_with(b"half"));
    assert_eq!(client.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn what_follows_an_answer_never_reaches_the_next_request() {
    let service = Recorder::start(|mut socket, number, record| async move {
        while record.take(&mut socket).await.is_some() {
            let answer = if number == 0 {
                format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            } else {
                OK.to_owned()
            };
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    for _ in 0..3 {
        let (head, body) = exchange(&mut client, GET).await;
        assert!(head.starts_with("HTTP/1.1 200 ") || head.starts_with("HTTP/1.1 502 "), "{head}");
        assert_ne!(body, b"evil");
    }
}

#[tokio::test]
async fn a_switch_of_protocols_nobody_asked_for_is_refused() {
    let service = Recorder::answering(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    )
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let (head, _) = exchange(&mut gateway.connect().await, GET).await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
}

#[tokio::test]
async fn an_early_answer_to_a_long_body_arrives() {
    let service = Recorder::start(|mut socket, _, _| async move {
        let mut head = [0; 64];
        let _ = socket.read(&mut head).await;
        let _ = socket
            .write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .await;
        rest(&mut socket).await;
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    let request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbegin";
    let (head, _) = exchange(&mut client, request).await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
}

/// The length that an answer says is that of its body, whatever the service has said besides (RFC 9112 §6.3).
#[tokio::test]
async fn an_answer_has_one_length() {
    for (framing, body, length) in [
        ("Content-Length: 5, 5", "hello", Some("5")),
        ("Content-Length: 5\r\nContent-Length: 5", "hello", Some("5")),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3", "5\r\nhello\r\n0\r\n\r\n", None),
    ] {
        let answer: &str = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{body}").leak();
        let service = Recorder::answering(answer).await;
        let gateway = Plan::default().start(&[http1(service.address)]);
        let (head, body) = exchange(&mut gateway.connect().await, GET).await;
        let head = head.to_ascii_lowercase();
        let lengths: Vec<_> = head.lines().filter_map(|line| line.strip_prefix("content-length: ")).collect();
        assert_eq!(lengths, length.into_iter().collect::<Vec<_>>(), "{framing}: {head}");
        assert!(String::from_utf8(body).unwrap().contains("hello"), "{framing}");
    }
    for framing in [
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: xchunked",
        "Content-Length: 5, 6",
        "Content-Length: 5\r\nContent-Length: 6",
    ] {
        let answer: &str = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n5\r\nhello\r\n0\r\n\r\n").leak();
        let service = Recorder::answering(answer).await;
        let gateway = Plan::default().start(&[http1(service.address)]);
        let (head, _) = exchange(&mut gateway.connect().await, GET).await;
        assert!(
            head.starts_with("HTTP/1.1 502 ") && head.contains("upstream_malformed"),
            "{framing}: {head}"
        );
    }
}
