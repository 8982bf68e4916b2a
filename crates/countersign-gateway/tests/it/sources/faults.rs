//! A server that is down, silent, slow, endless or lying. Never a "no", never longer than the time-out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use countersign_gateway::{
    config::resolved::{ClientAuth, SourceConfig},
    error::{Refusal, SourceError},
    session::source::{MAX_ANSWER_BYTES, MAX_ANSWER_HEADER_BYTES, Verdict},
};
use tokio::time::Instant;

use super::{
    Is, ask, fake,
    fake::{Act, Fake},
    given, impatient_server, introspection, is, server, userinfo, whoami,
};
use crate::port::Port;

/// By far more than the time-out of an impatient one: a busy machine is late.
const PATIENT: Duration = Duration::from_secs(10);

const ACTIVE: &str = r#"{"active":true,"sub":"alice"}"#;

fn asked_of(url: &str) -> SourceConfig {
    introspection(given(url), ClientAuth::None)
}

/// Asks each kind of source the same faulty server; what comes back must be an outage on the wire. One that will never
/// answer is given up after a short time.
async fn every_source(act: Act) -> Vec<Result<Verdict, SourceError>> {
    let patience = if matches!(act, Act::Hang | Act::Drip(..)) { impatient_server } else { server };
    let fake = Fake::always(act).await;
    let mut verdicts = Vec::new();
    for source in [asked_of(&fake.url("/")), userinfo(given(&fake.url("/"))), whoami(&fake.url("/"))] {
        let verdict = ask(&patience(source)).await;
        let refusal = Refusal::from(verdict.as_ref().unwrap_err());
        assert_eq!(refusal.row().status, 503, "{verdict:?}");
        assert!(refusal.row().retry_after.is_some());
        verdicts.push(verdict);
    }
    verdicts
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let nobody = Port::reserved();
    let url = format!("http://{}/", nobody.address);
    let Err(SourceError::Unavailable(why)) = ask(&server(asked_of(&url))).await else {
        panic!("unavailable")
    };
    assert_eq!(why, format!("{url}: connection refused"));
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_time() {
    let begun = Instant::now();
    for verdict in every_source(Act::Hang).await {
        assert_eq!(verdict, Err(SourceError::Timeout));
    }
    let each = begun.elapsed() / 3;
    assert!((Duration::from_millis(280)..PATIENT).contains(&each), "{each:?}");
}

#[tokio::test]
async fn a_dripping_server_is_given_up_in_time() {
    let whole = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ACTIVE}", ACTIVE.len());
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", ACTIVE.len());
    for drip in [whole, format!("{head}{}", &ACTIVE[..10])] {
        let begun = Instant::now();
        for verdict in every_source(Act::Drip(drip.into_bytes(), Duration::from_millis(10))).await {
            assert_eq!(verdict, Err(SourceError::Timeout));
        }
        assert!(begun.elapsed() < 3 * PATIENT);
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let piece = vec![b' '; 16 * 1024];
    let stated = Act::Flood {
        head: b"HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n".to_vec(),
        piece: piece.clone(),
    };
    let until_close = Act::Flood { head: b"HTTP/1.1 200 OK\r\n\r\n{".to_vec(), piece: piece.clone() };
    let mut chunk = b"4000\r\n".to_vec();
    chunk.extend_from_slice(&piece);
    chunk.extend_from_slice(b"\r\n");
    let chunked =
        Act::Flood { head: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(), piece: chunk };
    for flood in [stated, until_close, chunked] {
        let fake = Fake::always(flood).await;
        let verdict = ask(&server(asked_of(&fake.url("/")))).await;
        let Err(SourceError::Nonsense(why)) = verdict else { panic!("{verdict:?}") };
        assert!(why.contains("65536"), "{why}");
    }
}

#[tokio::test]
async fn the_longest_answer_is_read_and_one_byte_more_is_not() {
    let mut body = ACTIVE.to_owned();
    body.push_str(&" ".repeat(MAX_ANSWER_BYTES - body.len()));
    for (expected, body) in [(Is::Live, body.clone()), (Is::Nonsense, body + " ")] {
        let fake = Fake::always(fake::json(200, &body)).await;
        assert_eq!(is(&ask(&server(asked_of(&fake.url("/")))).await), expected);
    }
}

#[tokio::test]
async fn an_endless_header_is_cut_off() {
    let line = format!("x: {}\r\n", "y".repeat(1000));
    let endless = Act::Flood { head: b"HTTP/1.1 200 OK\r\n".to_vec(), piece: line.clone().into_bytes() };
    let long = fake::answer(200, &line.repeat(MAX_ANSWER_HEADER_BYTES / 1000 + 1), ACTIVE);
    let many = fake::answer(200, &"x: y\r\n".repeat(200), ACTIVE);
    for act in [endless, long, many] {
        let fake = Fake::always(act).await;
        assert_eq!(is(&ask(&server(asked_of(&fake.url("/")))).await), Is::Nonsense);
    }
}

#[tokio::test]
async fn bytes_that_are_not_http() {
    for garbage in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "\0\0\0\0\0\0\0\0\r\n\r\n",
        "<html></html>\r\n\r\n",
    ] {
        for verdict in every_source(Act::SendAndClose(garbage.into())).await {
            assert_eq!(is(&verdict), Is::Nonsense, "{garbage:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off() {
    for part in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"active\":true",
    ] {
        for verdict in every_source(Act::SendAndClose(part.into())).await {
            assert_eq!(is(&verdict), Is::Unavailable, "{part:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_without_length_is_judged_when_the_server_closes() {
    let half = r#"{"active":true,"sub":"al"#;
    for (expected, body) in [(Is::Live, ACTIVE), (Is::Nonsense, half)] {
        let act = Act::SendAndClose(format!("HTTP/1.1 200 OK\r\n\r\n{body}").into_bytes());
        let fake = Fake::always(act).await;
        assert_eq!(is(&ask(&server(asked_of(&fake.url("/")))).await), expected, "{body}");
    }
    // A crash after the header must not look like "nobody is logged in".
    let fake = Fake::always(Act::SendAndClose(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())).await;
    assert_eq!(is(&ask(&server(whoami(&fake.url("/")))).await), Is::Nonsense);
    let fake = Fake::always(fake::answer(200, "", "")).await;
    assert_eq!(is(&ask(&server(whoami(&fake.url("/")))).await), Is::No);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Fake::always(fake::json(200, ACTIVE)).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: {}\r\n", elsewhere.url("/"));
        for verdict in every_source(fake::answer(status, &location, ACTIVE)).await {
            assert_eq!(is(&verdict), Is::Nonsense);
        }
    }
    assert_eq!(elsewhere.connections(), 0, "the credential went to another server");
}

#[tokio::test]
async fn a_compressed_answer_is_nonsense_by_name() {
    for verdict in every_source(fake::answer(200, "content-encoding: gzip\r\n", ACTIVE)).await {
        let Err(SourceError::Nonsense(why)) = verdict else { panic!("nonsense") };
        assert!(why.contains("compressed"), "{why}");
    }
}

#[tokio::test]
async fn a_connection_that_closed_while_unused_costs_nothing() {
    let fake = Fake::always(Act::SendAndClose(
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ACTIVE}", ACTIVE.len()).into_bytes(),
    ))
    .await;
    let server = server(asked_of(&fake.url("/")));
    for _ in 0..20 {
        assert_eq!(is(&ask(&server).await), Is::Live);
    }
    assert_eq!(fake.arrived().len(), 20, "each question was asked once");
}

#[tokio::test]
async fn a_question_that_was_sent_is_not_asked_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let fake = Fake::start({
        let asked = Arc::clone(&asked);
        move |_| match asked.fetch_add(1, Ordering::SeqCst) {
            0 => fake::json(200, ACTIVE),
            _ => Act::SendAndClose(Vec::new()),
        }
    })
    .await;
    let server = server(asked_of(&fake.url("/")));
    assert_eq!(is(&ask(&server).await), Is::Live);
    assert_eq!(is(&ask(&server).await), Is::Unavailable, "on the kept connection, after it was read");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(fake.connections(), 1);
}
