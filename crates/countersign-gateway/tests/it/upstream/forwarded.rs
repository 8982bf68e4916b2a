//! `Countersign-Forwarded`: whether a service may have seen a request that was refused.

use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::refused::{Act, REFUSED_STREAM, Scripted};
use crate::{
    port::Port,
    proxy::house::{House, who},
    server::{
        harness::{answer, rest, soon},
        recorder::{OK, Recorder},
    },
    wire::{ALICE, OURS},
};

/// Code and `Countersign-Forwarded` of a refusal.
fn told(answer: &str) -> (&str, &str) {
    let field = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name));
    (field("countersign-refused: ").unwrap_or(answer), field("countersign-forwarded: ").unwrap_or("none"))
}

/// A service that does with a request what the end of its path says.
async fn service() -> Recorder {
    Recorder::start(|mut socket, _, record| async move {
        while let Some((head, _)) = record.take(&mut socket).await {
            let path = head.split(' ').nth(1).unwrap();
            let said = match path.rsplit('/').next().unwrap() {
                "closes" => return,
                "breaks-off" => "HTTP/1.1 200 OK\r\nContent-Le",
                "garbage" => "220 smtp.example ESMTP\r\n\r\n",
                "hangs" => {
                    rest(&mut socket).await;
                    return;
                }
                _ => OK,
            };
            socket.write_all(said.as_bytes()).await.unwrap();
            if said.ends_with("Le") {
                return;
            }
        }
    })
    .await
}

/// A gateway with one more route, `/more/`.
async fn house(more: &str, limits: &str) -> House {
    let route = format!("[[route]]\npath = \"/more/\"\naudience = \"orders\"\n{more}\n[limits]\n{limits}");
    House::with("", &route, service().await, who).await
}

fn h2c(service: &Scripted) -> String {
    format!("upstream = \"h2c://{}\"", service.address)
}

#[tokio::test]
async fn a_service_that_got_the_request_and_gave_no_answer_may_have_acted_on_it() {
    let nobody = "upstream = \"http://127.0.0.1:9\"";
    let house = house(nobody, "first_byte_timeout = \"300ms\"").await;
    for (path, code) in [
        ("closes", "upstream_closed"),
        ("breaks-off", "upstream_closed"),
        ("garbage", "upstream_malformed"),
        ("hangs", "upstream_timeout"),
    ] {
        let before = house.received().len();
        let answer = house.send(&format!("GET /orders/{path}"), &[ALICE]).await;
        assert_eq!(told(&answer), (code, "1"), "{answer}");
        assert_eq!(house.received().len(), before + 1, "{path}");
    }
}

#[tokio::test]
async fn so_may_one_over_http2() {
    for (act, code) in [
        (Act::Close, "upstream_closed"),
        (Act::Garbage, "upstream_closed"),
        (Act::Hang, "upstream_timeout"),
        (Act::Reset(8), "upstream_closed"),
        (Act::LeaveWithIt, "upstream_closed"),
    ] {
        let service = Scripted::start(vec![act]).await;
        let house = house(&h2c(&service), "first_byte_timeout = \"300ms\"").await;
        let answer = house.send("GET /more/", &[ALICE]).await;
        assert_eq!(told(&answer), (code, "1"), "{act:?}: {answer}");
        assert_eq!(service.requests(), 1, "{act:?}");
    }
}

#[tokio::test]
async fn so_may_one_that_was_asked_for_another_protocol() {
    let service = service().await;
    let socket = format!("upstream = \"http://{}\"\nupgrade = true", service.address);
    let house = house(&socket, "").await;
    let mut client = TcpStream::connect(house.address).await.unwrap();
    let request = format!(
        "GET /more/closes HTTP/1.1\r\nHost: shop.example\r\n{ALICE}\r\n{OURS}\r\n\
        Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let (head, _) = answer(&mut client).await.unwrap();
    assert_eq!(told(&head), ("upstream_closed", "1"), "{head}");
    assert_eq!(service.record.requests().len(), 1);
}

/// How a body goes wrong after its first piece, `hello`.
enum Fault {
    /// The client closes its side.
    Ends,
    /// It says no more.
    Pauses,
    /// This follows.
    Says(&'static [u8]),
}

/// `POST` of a body that goes wrong once `arrived` says that a service has its beginning.
async fn broken(
    house: &House,
    path: &str,
    (framing, begin, fault): Case,
    arrived: impl Fn() -> bool,
) -> String {
    let mut client = TcpStream::connect(house.address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: shop.example\r\n{ALICE}\r\n{OURS}\r\n{framing}\r\n\r\n{begin}"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    soon(async {
        while !arrived() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    match fault {
        Fault::Ends => client.shutdown().await.unwrap(),
        Fault::Pauses => {}
        Fault::Says(more) => client.write_all(more).await.unwrap(),
    }
    let answer = soon(crate::server::recorder::message(&mut client)).await;
    answer.map_or_else(String::new, |(head, _)| head)
}

type Case = (&'static str, &'static str, Fault);

/// With the code of the refusal.
fn faults() -> Vec<(Case, &'static str)> {
    let chunked = "Transfer-Encoding: chunked";
    let piece = "5\r\nhello\r\n";
    vec![
        (("Content-Length: 9", "hello", Fault::Ends), "framing"),
        ((chunked, piece, Fault::Ends), "framing"),
        ((chunked, piece, Fault::Says(b"zz\r\n")), "framing"),
        ((chunked, piece, Fault::Says(b"6\r\n world\r\n")), "body_too_large"),
        (("Content-Length: 9", "hello", Fault::Pauses), "body_timeout"),
        ((chunked, piece, Fault::Pauses), "body_timeout"),
    ]
}

const SMALL: &str = "body_bytes = \"10B\"\nbody_timeout = \"2s\"";

#[tokio::test]
async fn a_body_that_goes_wrong_on_its_way_has_been_begun() {
    for (case, code) in faults() {
        let house = house("upstream = \"http://127.0.0.1:9\"", SMALL).await;
        let shown = format!("{} {:?}", case.0, case.1);
        let record = &house.service.record;
        let arrived = || record.begun().iter().any(|bytes| bytes.windows(5).any(|part| part == b"hello"));
        let answer = broken(&house, "/orders/", case, arrived).await;
        assert_eq!(told(&answer), (code, "1"), "{shown}: {answer}");
    }
}

/// Another task reads the body there: a client that closes its side is taken to have left, and gets no answer.
#[tokio::test]
async fn so_has_one_over_http2() {
    for (case, code) in faults().into_iter().filter(|((_, _, fault), _)| !matches!(fault, Fault::Ends)) {
        let service = Scripted::start(vec![Act::Hang]).await;
        let house = house(&h2c(&service), SMALL).await;
        let shown = format!("{} {:?}", case.0, case.1);
        let answer = broken(&house, "/more/", case, || service.data() == 5).await;
        assert_eq!(told(&answer), (code, "1"), "{shown}: {answer}");
    }
}

#[tokio::test]
async fn what_reached_no_service_may_be_sent_again() {
    let nobody = Port::reserved();
    for scheme in ["http", "h2c", "https"] {
        let house = house(&format!("upstream = \"{scheme}://{}\"", nobody.address), SMALL).await;
        for (line, headers, code) in [
            ("GET /more/", &[ALICE][..], "upstream_unreachable"),
            ("POST /more/", &[ALICE, OURS, "Content-Length: 0"], "upstream_unreachable"),
            ("GET /more/", &[], "credential_missing"),
            ("GET /nowhere/", &[ALICE], "no_route"),
            ("POST /orders/", &[ALICE, OURS, "Content-Length: 11"], "body_too_large"),
        ] {
            let answer = house.send(line, headers).await;
            assert_eq!(told(&answer), (code, "0"), "{scheme} {line}: {answer}");
        }
        assert_eq!(house.service.record.connections(), 0, "{scheme}");
    }
}

/// A connection that does not come about within its time carries nothing.
#[tokio::test]
async fn a_handshake_that_is_never_answered_has_told_the_service_nothing() {
    let mute = Recorder::start(|mut socket, _, _| async move {
        rest(&mut socket).await;
    })
    .await;
    let house =
        house(&format!("upstream = \"https://{}\"", mute.address), "connect_timeout = \"300ms\"").await;
    let answer = house.send("GET /more/", &[ALICE]).await;
    assert_eq!(told(&answer), ("upstream_unreachable", "0"), "{answer}");
}

/// An answer of a service has no such field: what was sent once more and answered is no refusal.
#[tokio::test]
async fn a_request_that_was_handed_back_is_told_of_by_its_last_attempt() {
    for (script, expected) in [
        (vec![Act::Reset(REFUSED_STREAM), Act::Answer], None),
        (vec![Act::Leave(0), Act::Answer], None),
        // Who has refused it twice has had it twice.
        (vec![Act::Reset(REFUSED_STREAM); 2], Some(("upstream_closed", "1"))),
        (vec![Act::Reset(REFUSED_STREAM), Act::Close], Some(("upstream_closed", "1"))),
        (vec![Act::Leave(0), Act::Close], Some(("upstream_closed", "1"))),
    ] {
        let service = Scripted::start(script.clone()).await;
        let house = house(&h2c(&service), "").await;
        let answer = house.send("GET /more/", &[ALICE]).await;
        match expected {
            None => {
                assert!(answer.starts_with("HTTP/1.1 204 "), "{script:?}: {answer}");
                assert!(!answer.contains("countersign-forwarded"), "{script:?}: {answer}");
            }
            Some(expected) => assert_eq!(told(&answer), expected, "{script:?}: {answer}"),
        }
        assert_eq!(service.requests(), 2, "{script:?}");
    }
}
