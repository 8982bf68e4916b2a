//! Bodies: the service gets the bytes and no more, and never half a one that looks whole.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    proxy::house::{House, who},
    server::{
        harness::{answer, rest, soon},
        recorder::{OK, Recorder},
    },
    wire::{ALICE, OURS, exchange, exchange_in_parts, refused, statuses},
};

const AFTER: &str = "GET /orders/after HTTP/1.1\r\nHost: shop.example\r\nCookie: SESSION=alice-session\r\nConnection: close\r\n\r\n";

fn post(lines: &str, body: &str) -> String {
    format!("POST /orders/ HTTP/1.1\r\nHost: shop.example\r\n{ALICE}\r\n{OURS}\r\n{lines}\r\n\r\n{body}")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked", body)
}

#[tokio::test]
async fn whole_bodies_arrive_and_the_next_request_follows() {
    let house = House::new().await;
    let inner = "GET /orders/inner HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    let streams = [
        post(&format!("Content-Length: {}", inner.len()), inner),
        chunked(&format!("{:x};a=\"b\"\r\n{inner}\r\n0\r\n\r\n", inner.len())),
        chunked(&format!("1\r\nG\r\n00{:X}\r\n{}\r\n0\r\n\r\n", inner.len() - 1, &inner[1..])),
    ];
    for stream in &streams {
        let answers = exchange(house.address, (stream.clone() + AFTER).as_bytes()).await;
        assert_eq!(statuses(&answers), ["200", "200"], "{stream}: {answers}");
    }
    let requests = house.service.record.requests();
    assert_eq!(requests.len(), 6);
    for pair in requests.chunks(2) {
        assert!(pair[0].0.starts_with("POST /orders/ HTTP/1.1\r\n"), "{}", pair[0].0);
        let body = String::from_utf8(pair[0].1.clone()).unwrap();
        let whole = if body == inner { body } else { unchunked(&body) };
        assert_eq!(whole, inner);
        assert!(pair[1].0.starts_with("GET /orders/after HTTP/1.1\r\n"), "{}", pair[1].0);
    }
}

/// The chunks of a body that is known to be well-formed and without extensions.
fn unchunked(body: &str) -> String {
    let mut rest = body;
    let mut whole = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.push_str(&after[..size]);
        rest = after[size..].strip_prefix("\r\n").unwrap();
    }
}

#[tokio::test]
async fn p04_bad_chunks_never_make_a_whole_request() {
    let house = House::new().await;
    for body in [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "5_\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\nX : y\r\n\r\n",
        "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
        "5\r\nhello\r\nzz\r\n",
    ] {
        let answers = exchange(house.address, (chunked(body) + AFTER).as_bytes()).await;
        assert_eq!(statuses(&answers), ["400"], "{body:?}: {answers}");
        assert!(matches!(refused(&answers), Some("framing" | "header_malformed")), "{body:?}: {answers}");
        assert_eq!(house.received().len(), 0, "{body:?}");
        no_second_request(&house, "POST /orders/ ", body);
    }
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(300));
    let answers = exchange(house.address, (chunked(&long) + AFTER).as_bytes()).await;
    assert_eq!((statuses(&answers), refused(&answers)), (vec!["400"], Some("framing")));
    assert_eq!(house.received().len(), 0);
}

#[tokio::test]
async fn p14_trailers_stay_trailers_and_carry_no_identity() {
    let house = House::new().await;
    let body = "5\r\nhello\r\n0\r\nChecksum: 7\r\nAuthorization: Bearer forged\r\nX-User: root\r\nx_roles: admin\r\n\
        Cookie: SESSION=bob-session\r\n\r\n";
    let lines = "Transfer-Encoding: chunked\r\nTE: trailers\r\n\
        Trailer: checksum, authorization, x-user, x_roles, cookie\r\nConnection: close";
    let answers = exchange(house.address, post(lines, body).as_bytes()).await;
    assert_eq!(statuses(&answers), ["200"], "{answers}");
    let requests = house.service.record.requests();
    let (head, body) = &requests[0];
    let body = String::from_utf8(body.clone()).unwrap();
    assert!(!head.contains("\r\nchecksum: 7"), "{head}");
    for absent in ["forged", "root", "admin", "bob-session"] {
        assert!(!head.contains(absent) && !body.contains(absent), "{head}{body}");
    }
    assert_eq!(body.to_ascii_lowercase(), "5\r\nhello\r\n0\r\nchecksum: 7\r\n\r\n");
}

#[tokio::test]
async fn p17_a_body_that_stops_is_no_request() {
    let house = House::new().await;
    for stream in
        [post("Content-Length: 50", "hello"), chunked("32\r\nhello"), chunked("5\r\nhello\r\n0\r\n")]
    {
        let mut socket = TcpStream::connect(house.address).await.unwrap();
        socket.write_all(stream.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{stream}");
        no_second_request(&house, "POST /orders/ ", &stream);
    }
    assert_eq!(house.received().len(), 0);
}

/// What arrived of requests that never became whole: of each a part, on a connection that had no other.
fn no_second_request(house: &House, first: &str, case: &str) {
    let begun = house.service.record.begun();
    for bytes in &begun {
        let text = String::from_utf8_lossy(bytes);
        assert!(text.starts_with(first) || first.starts_with(&*text), "{case:?}: {text}");
        assert_eq!(text.matches(" HTTP/1.1\r\n").count(), 1, "{case:?}: {text}");
        assert!(!text.contains("/orders/after"), "{case:?}: {text}");
    }
    assert!(begun.len() <= house.service.record.connections(), "{case:?}: a connection was used again");
}

/// The body is sent after the refusal was read: it must be taken for a body, or not at all.
#[tokio::test]
async fn p17_a_body_that_comes_after_its_refusal_is_no_request() {
    let house = House::new().await;
    let smuggled =
        "GET /orders/smuggled HTTP/1.1\r\nHost: shop.example\r\nCookie: SESSION=alice-session\r\n\r\n";
    let length = format!("Content-Length: {}", smuggled.len());
    let chunk = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    for (framing, body) in [(length.as_str(), smuggled), ("Transfer-Encoding: chunked", &chunk)] {
        for lines in [format!("{ALICE}\r\n"), format!("{OURS}\r\n")] {
            let mut socket = TcpStream::connect(house.address).await.unwrap();
            let head = format!("POST /orders/ HTTP/1.1\r\nHost: shop.example\r\n{lines}{framing}\r\n\r\n");
            socket.write_all(head.as_bytes()).await.unwrap();
            let (head, _) = answer(&mut socket).await.unwrap();
            assert!(matches!(statuses(&head)[..], ["401" | "403"]), "{head}");
            // The gateway may have closed the connection, and may do so while this is sent.
            let _ = socket.write_all(format!("{body}{AFTER}").as_bytes()).await;
            let answers = String::from_utf8(rest(&mut socket).await).unwrap();
            assert!(matches!(statuses(&answers)[..], [] | ["200"]), "{answers}");
        }
    }
    let received = house.received();
    assert!(received.iter().all(|head| head.starts_with("GET /orders/after ")), "{received:?}");
}

/// The service answers before the body has come, and keeps the connection: what follows there is the body, and no
/// request of anybody else stands in it.
#[tokio::test]
async fn p17_an_early_answer_leaves_its_body_where_it_belongs() {
    let service = Recorder::start(|mut socket, _, record| async move {
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            match socket.read_u8().await {
                Ok(byte) => seen.push(byte),
                Err(_) => return,
            }
        }
        let is_early = seen.starts_with(b"POST ");
        record.note(&seen);
        socket.write_all(OK.as_bytes()).await.unwrap();
        if is_early {
            let mut later = Vec::new();
            let _ = socket.read_to_end(&mut later).await;
            record.note(&later);
        }
    })
    .await;
    let house = House::with("", "", service, who).await;
    let body = "GET /orders/smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    let mut socket = TcpStream::connect(house.address).await.unwrap();
    socket.write_all(post(&format!("Content-Length: {}", body.len()), "").as_bytes()).await.unwrap();
    assert_eq!(statuses(&answer(&mut socket).await.unwrap().0), ["200"]);
    // Somebody else, while that body is not yet sent.
    let other = exchange(house.address, AFTER.as_bytes()).await;
    assert_eq!(statuses(&other), ["200"]);
    let _ = socket.write_all(body.as_bytes()).await;
    drop(socket);
    soon(async {
        while house.service.record.begun().len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let begun = house.service.record.begun();
    assert_eq!(house.service.record.connections(), 2, "none is shared with a body that is not at its end");
    for text in begun.iter().map(|bytes| String::from_utf8_lossy(bytes)) {
        let is_whole = text.starts_with("POST /orders/ ") || text.starts_with("GET /orders/after ");
        assert!(is_whole || body.starts_with(&*text), "{text}");
        assert!(text.matches("/orders/after").count() <= 1, "{text}");
    }
}

#[tokio::test]
async fn p17_a_body_of_a_get_is_its_own() {
    let house = House::new().await;
    let smuggled = "GET /orders/smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    let lines = format!(
        "GET /orders/ HTTP/1.1\r\nHost: shop.example\r\n{ALICE}\r\nContent-Length: {}",
        smuggled.len()
    );
    let answers = exchange(house.address, format!("{lines}\r\n\r\n{smuggled}{AFTER}").as_bytes()).await;
    assert_eq!(statuses(&answers), ["200", "200"]);
    let requests = house.service.record.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].1, smuggled.as_bytes());
    assert!(requests[1].0.starts_with("GET /orders/after "), "{}", requests[1].0);
}

#[tokio::test]
async fn p17_the_gateway_answers_expect_itself() {
    let house = House::new().await;
    let head = post("Content-Length: 5\r\nExpect: 100-continue\r\nConnection: close", "");
    let answers = exchange_in_parts(house.address, &[head.as_bytes(), b"hello"]).await;
    assert_eq!(statuses(&answers), ["200"], "{answers}");
    assert!(answers.starts_with("HTTP/1.1 100 Continue\r\n"), "{answers}");
    for odd in ["100-continue, x", "y 100-continue", "200-ok"] {
        let request = post(&format!("Content-Length: 5\r\nExpect: {odd}\r\nConnection: close"), "hello");
        let answers = exchange(house.address, request.as_bytes()).await;
        assert_eq!(statuses(&answers), ["200"], "{answers}");
    }
    let requests = house.service.record.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|(head, body)| !head.contains("100-continue") && body == b"hello"));
}

#[tokio::test]
async fn a_refused_request_with_a_body_leaves_no_rest_behind() {
    let house = House::new().await;
    let smuggled =
        "GET /orders/smuggled HTTP/1.1\r\nHost: shop.example\r\nCookie: SESSION=alice-session\r\n\r\n";
    for head in [
        format!("POST /orders/ HTTP/1.1\r\nHost: shop.example\r\n{ALICE}\r\n"),
        format!("POST /nowhere/ HTTP/1.1\r\nHost: shop.example\r\n{ALICE}\r\n{OURS}\r\n"),
        format!("POST /orders/ HTTP/1.1\r\nHost: shop.example\r\n{OURS}\r\n"),
    ] {
        let request = format!("{head}Content-Length: {}\r\n\r\n{smuggled}{AFTER}", smuggled.len());
        let answers = exchange(house.address, request.as_bytes()).await;
        let statuses = statuses(&answers);
        assert!(
            matches!(statuses[..], ["401" | "403" | "404"] | ["401" | "403" | "404", "200"]),
            "{answers}"
        );
    }
    assert!(
        house.received().iter().all(|head| head.starts_with("GET /orders/after ")),
        "{:?}",
        house.received()
    );
}

/// Some services are asked with a body in a `GET`. hyper leaves one of unknown length out, and a service that
/// answers a question without its condition answers another question.
#[tokio::test]
async fn a_body_of_unknown_length_is_sent_with_every_method() {
    let house = House::new().await;
    for method in ["GET", "HEAD", "POST"] {
        let request = chunked("4\r\nbody\r\n0\r\n\r\n").replacen("POST", method, 1);
        let request = request.replace("\r\n\r\n4", "\r\nConnection: close\r\n\r\n4");
        let answers = exchange(house.address, request.as_bytes()).await;
        assert_eq!(statuses(&answers), ["200"], "{method}: {answers}");
        let (head, body) = house.service.record.requests().pop().unwrap();
        assert!(head.starts_with(method), "{head}");
        assert_eq!(unchunked(&String::from_utf8(body).unwrap()), "body", "{method}");
    }
    let bare = format!("GET /orders/ HTTP/1.1\r\nHost: shop.example\r\n{ALICE}\r\nConnection: close\r\n\r\n");
    exchange(house.address, bare.as_bytes()).await;
    let (head, _) = house.service.record.requests().pop().unwrap();
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
}
