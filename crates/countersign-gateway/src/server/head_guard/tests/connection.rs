//! The guard under hyper.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

use crate::{
    config::resolved::Limits,
    error::Refusal,
    http::problem,
    server::head_guard::{FRAMING_NAME, Guarded, Phase, refusal_from, violation_in},
};

const GOOD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";

fn guarded() -> (DuplexStream, Guarded<DuplexStream>) {
    let (client, server) = duplex(1 << 16);
    (client, Guarded::new(server, &Limits::DEFAULT))
}

/// One read of at most `size` bytes. `None`: nothing yet.
fn read_now(guarded: &mut Guarded<DuplexStream>, size: usize) -> Option<std::io::Result<Vec<u8>>> {
    let mut space = vec![0; size];
    let mut out = ReadBuf::new(&mut space);
    match Pin::new(guarded).poll_read(&mut Context::from_waker(Waker::noop()), &mut out) {
        Poll::Ready(Ok(())) => Some(Ok(out.filled().to_vec())),
        Poll::Ready(Err(error)) => Some(Err(error)),
        Poll::Pending => None,
    }
}

/// Answers as the proxy does: refusals from heads and bodies, otherwise the body back.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let refusal = match refusal_from(request.headers()) {
        Some(refusal) => Err(refusal),
        None => match request.into_body().collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) => Err(violation_in(&error).unwrap_or(Refusal::Bug)),
        },
    };
    Ok(match refusal {
        Ok(body) => Response::new(Full::new(body)),
        Err(refusal) => problem::respond(refusal, "d").map(Full::new),
    })
}

/// The answers to a stream, after which the client waits for the end.
async fn exchange(stream: &[u8]) -> String {
    let (mut client, guarded) = guarded();
    let connection = http1::Builder::new().serve_connection(TokioIo::new(guarded), service_fn(answer));
    let client = async {
        client.write_all(stream).await.unwrap();
        let mut answers = Vec::new();
        client.read_to_end(&mut answers).await.unwrap();
        String::from_utf8(answers).unwrap()
    };
    tokio::join!(connection, client).1
}

fn statuses(answers: &str) -> Vec<&str> {
    answers.match_indices("HTTP/1.1 ").map(|(at, _)| answers.get(at + 9..at + 12).unwrap()).collect()
}

#[tokio::test]
async fn a_bad_head_is_answered_in_its_turn_and_closes() {
    let stream = [GOOD, GOOD, b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", GOOD].concat();
    let answers = exchange(&stream).await;
    assert_eq!(statuses(&answers), ["200", "200", "400"]);
    assert!(answers.contains("countersign-refused: header_malformed"), "{answers}");
    assert!(answers.contains("connection: close"), "{answers}");
}

#[tokio::test]
async fn each_kind_of_bad_head_has_its_status() {
    for (stream, status, code) in [
        ("GET /\r\n", "400", "request_line_malformed"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505", "version_not_supported"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "405", "method_not_allowed"),
        ("GET / HTTP/1.1\r\n\r\n", "400", "host_invalid"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "400", "framing"),
        ("GET / HTTP/1.1\r\nHost: a\r\nCountersign-Framing: bug\r\n\r\n", "400", "header_malformed"),
        (&format!("GET /{} HTTP/1.1\r\n", "a".repeat(9000)), "414", "uri_too_long"),
        (&format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(33_000)), "431", "header_too_large"),
    ] {
        let answers = exchange(stream.as_bytes()).await;
        assert_eq!(statuses(&answers), [status], "{stream}");
        assert!(answers.contains(&format!("countersign-refused: {code}")), "{answers}");
    }
}

#[tokio::test]
async fn a_bad_body_is_told_to_who_reads_it() {
    let bad = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0x3\r\nabc\r\n0\r\n\r\n";
    let answers = exchange(&[GOOD, bad, GOOD].concat()).await;
    assert_eq!(statuses(&answers), ["200", "400"]);
    assert!(answers.contains("countersign-refused: framing"), "{answers}");
}

#[tokio::test]
async fn an_upgrade_gets_every_byte_as_it_came() {
    for frames in [&b"\x81\x05hello\r\n\r\n\x00"[..], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b""] {
        let (mut client, guarded) = guarded();
        let service = service_fn(|request: Request<Incoming>| async move {
            let upgraded = hyper::upgrade::on(request);
            tokio::spawn(async move {
                let parts = upgraded.await.unwrap().downcast::<TokioIo<Guarded<DuplexStream>>>().unwrap();
                let (mut io, leftover) = parts.io.into_inner().into_parts();
                let mut rest = Vec::new();
                io.read_to_end(&mut rest).await.unwrap();
                io.write_all(&[&parts.read_buf, &leftover, &rest[..]].concat()).await.unwrap();
            });
            let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
            let answer = answer.header(header::CONNECTION, "upgrade").header(header::UPGRADE, "echo");
            Ok::<_, Infallible>(answer.body(Full::new(Bytes::new())).unwrap())
        });
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(guarded), service).with_upgrades();
        let client = async {
            let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
            client.write_all(&[head, frames].concat()).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\n") {
                answer.push(client.read_u8().await.unwrap());
            }
            answer.clear();
            client.write_all(b"later").await.unwrap();
            client.shutdown().await.unwrap();
            client.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let (served, answer) = tokio::join!(connection, client);
        served.unwrap();
        assert_eq!(answer, [frames, b"later"].concat(), "{}", answer.escape_ascii());
    }
}

#[tokio::test]
async fn a_small_buffer_gets_the_same_bytes() {
    tokio::task::unconstrained(reads_of_any_size()).await;
}

async fn reads_of_any_size() {
    let stream = [GOOD, b"\r\n", GOOD, b"GET /\r\n"].concat();
    for (piece, size) in [(1, 1), (1, 7), (5, 1), (1000, 1), (1000, 3), (7, 1000)] {
        let (mut client, mut guarded) = guarded();
        let mut got = Vec::new();
        for part in stream.chunks(piece) {
            client.write_all(part).await.unwrap();
            while let Some(read) = read_now(&mut guarded, size) {
                got.extend(read.unwrap());
            }
        }
        let stand_in = format!(
            "GET / HTTP/1.1\r\nhost: refused.invalid\r\n{FRAMING_NAME}: request_line_malformed\r\nconnection: close\r\n\r\n"
        );
        let expected = [GOOD, b"\r\n", GOOD, stand_in.as_bytes()].concat();
        assert_eq!(got.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}

#[tokio::test]
async fn the_end_of_the_stream_is_the_end() {
    for stream in [&b""[..], b"GET / HT", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na"] {
        let (mut client, mut guarded) = guarded();
        client.write_all(stream).await.unwrap();
        client.shutdown().await.unwrap();
        let mut got = Vec::new();
        loop {
            match read_now(&mut guarded, 100).unwrap().unwrap() {
                bytes if bytes.is_empty() => break,
                bytes => got.extend(bytes),
            }
        }
        assert!(stream.starts_with(&got));
    }
}

#[tokio::test]
async fn the_watch_tells_where_the_connection_is() {
    let (mut client, mut guarded) = guarded();
    let watch = guarded.watch();
    let mut step = async |bytes: &[u8]| {
        client.write_all(bytes).await.unwrap();
        while read_now(&mut guarded, 1000).is_some_and(|read| read.is_ok()) {}
        (watch.phase(), watch.heads(), watch.reads())
    };
    assert_eq!(step(b"").await, (Phase::Idle, 0, 0));
    assert_eq!(step(b"G").await, (Phase::Head, 0, 1));
    assert_eq!(step(b"ET / HTTP/1.1\r\nHost: a\r\n").await, (Phase::Head, 0, 2));
    assert_eq!(step(b"Content-Length: 3\r\n\r\n").await, (Phase::Body, 1, 3));
    assert_eq!(step(b"ab").await, (Phase::Body, 1, 4));
    assert_eq!(step(b"c").await, (Phase::Idle, 1, 5));
    assert_eq!(
        step(b"cPOST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await.0,
        Phase::Body
    );
    assert_eq!(step(b"0\r\n").await.0, Phase::Body);
    assert_eq!(step(b"\r\n").await.0, Phase::Idle);
    assert_eq!(step(b" ").await.0, Phase::Over);
}

#[tokio::test]
async fn what_was_not_read_is_read_away_at_the_end() {
    let (mut client, mut guarded) = guarded();
    client.write_all(b" bad").await.unwrap();
    assert!(read_now(&mut guarded, 1000).is_some());
    client.write_all(&[0; 50_000]).await.unwrap();
    guarded.shutdown().await.unwrap();
    let (mut server, _) = guarded.into_parts();
    let mut space = [0; 10];
    let mut out = ReadBuf::new(&mut space);
    let poll = Pin::new(&mut server).poll_read(&mut Context::from_waker(Waker::noop()), &mut out);
    assert!(poll.is_pending());
}
