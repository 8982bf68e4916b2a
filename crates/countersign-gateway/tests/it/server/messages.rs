//! Messages of HTTP/1.1 in their odd forms, in bytes.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
};

use super::{
    harness::{Gateway, PATIENCE, Plan, answer, exchange, http1, rest, soon},
    recorder::{OK, Recorder},
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const BAD: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n";
const LAST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// All that is answered to these bytes, after which the client waits for the end.
async fn all(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut client = gateway.connect().await;
    client.write_all(bytes).await.unwrap();
    String::from_utf8(rest(&mut client).await).unwrap()
}

fn statuses(answers: &str) -> Vec<&str> {
    answers.match_indices("HTTP/1.").map(|(at, _)| &answers[at + 9..at + 12]).collect()
}

#[tokio::test]
async fn requests_in_one_packet_are_answered_in_their_order() {
    let service = Recorder::start(|mut socket, _, record| async move {
        while let Some((head, body)) = record.take(&mut socket).await {
            let (start, _) = head.split_once(" HTTP/1.1\r\n").unwrap();
            let said = format!("{start} {}.", String::from_utf8(body).unwrap());
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{said}", said.len());
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let one = b"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    let two = b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n";
    let three =
        b"POST /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nd\r\n2\r\nef\r\n0\r\n\r\n";
    let answers = all(&gateway, &[&one[..], two, three, LAST].concat()).await;
    assert_eq!(statuses(&answers), ["200"; 4]);
    let places = ["POST /1 abc.", "GET /2 .", "POST /3 1\r\nd\r\n2\r\nef\r\n0\r\n\r\n.", "GET / ."]
        .map(|said| answers.find(said).unwrap_or_else(|| panic!("{said}: {answers}")));
    assert!(places.is_sorted(), "{answers}");
    assert!(answers.contains("\r\nconnection: close\r\n"), "{answers}");
}

#[tokio::test]
async fn a_bad_head_is_answered_in_its_turn_and_is_the_last() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let answers = all(&gateway, &[GET, GET, BAD, GET].concat()).await;
    assert_eq!(statuses(&answers), ["200", "200", "400"]);
    assert!(answers.contains("countersign-refused: header_malformed"), "{answers}");
    assert!(answers.ends_with("connection: close\r\n\r\n"), "{answers}");
    assert_eq!(service.record.requests().len(), 2);
}

/// The client would otherwise get a reset in place of the answer (RFC 9112 §9.6).
#[tokio::test]
async fn what_comes_behind_a_bad_head_is_read_away() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    for _ in 0..5 {
        let answers = all(&gateway, &[BAD, &[0; 20_000]].concat()).await;
        assert_eq!(statuses(&answers), ["400"]);
    }
}

#[tokio::test]
async fn after_a_refused_upgrade_the_next_request_is_one() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let upgrade = b"GET /socket HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    let answers = all(&gateway, &[&upgrade[..], GET, LAST].concat()).await;
    assert_eq!(statuses(&answers), ["200"; 3]);
    let answers = all(&gateway, &[&upgrade[..], b"\x81\x05hello"].concat()).await;
    assert_eq!(statuses(&answers), ["200", "400"], "{answers}");
}

#[tokio::test]
async fn http_1_0_is_answered_in_kind() {
    let service = Recorder::start(|mut socket, number, record| async move {
        let long = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        while record.take(&mut socket).await.is_some() {
            socket.write_all(if number == 0 { OK } else { long }.as_bytes()).await.unwrap();
        }
    })
    .await;
    let gateway = Plan::limits(|limits| limits.upstream_idle = 0).start(&[http1(service.address)]);
    let kept = b"GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n";
    let old = b"GET / HTTP/1.0\r\nHost: x\r\n\r\n";
    let answers = all(&gateway, &[&kept[..], old].concat()).await;
    assert_eq!(statuses(&answers), ["200", "200"], "{answers}");
    let (first, second) = answers.split_at(answers.rfind("HTTP/1.0").unwrap());
    assert!(
        first.starts_with("HTTP/1.0 200 OK\r\n") && first.contains("connection: keep-alive\r\n"),
        "{first}"
    );
    // It knows no chunks: the end of the connection is the end of the answer.
    assert!(second.ends_with("\r\n\r\nabc") && !second.contains("transfer-encoding"), "{second}");
}

#[tokio::test]
async fn what_only_announces_an_answer_is_none() {
    let service = Recorder::answering(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 201 Made It\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    for _ in 0..2 {
        let (head, body) = exchange(&mut client, GET).await;
        assert!(head.starts_with("HTTP/1.1 201 Made It\r\n") && !head.contains("link"), "{head}");
        assert_eq!(body, b"ok");
    }
    assert_eq!(service.record.connections(), 1);
}

#[tokio::test]
async fn a_service_that_only_announces_is_not_listened_to_for_ever() {
    let hint = "HTTP/1.1 103 Early Hints\r\n\r\n";
    for (hints, expected) in [(100, "HTTP/1.1 200 OK\r\n"), (101, "HTTP/1.1 502 Bad Gateway\r\n")] {
        let answer = format!("{}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", hint.repeat(hints));
        let service = Recorder::answering(answer.leak()).await;
        let gateway = Plan::default().start(&[http1(service.address)]);
        let (head, _) = exchange(&mut gateway.connect().await, GET).await;
        assert!(head.starts_with(expected), "{hints}: {head}");
    }
}

/// They would be taken for the answer to the next request, another user's.
#[tokio::test]
async fn a_connection_with_bytes_behind_the_answer_is_not_used_again() {
    for (answered, body) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
            "ok",
        ),
        ("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", ""),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nevil",
            "2\r\nok\r\n0\r\n\r\n",
        ),
    ] {
        let service = Recorder::answering(answered).await;
        let gateway = Plan::default().start(&[http1(service.address)]);
        let mut client = gateway.connect().await;
        for number in 1..4 {
            assert_eq!(exchange(&mut client, GET).await.1, body.as_bytes());
            assert_eq!(service.record.connections(), number);
        }
    }
}

#[tokio::test]
async fn bytes_that_come_while_a_connection_is_idle_close_it() {
    let (go, said) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let service = Recorder::start({
        let (said, go) = (Arc::clone(&said), Arc::clone(&go));
        move |mut socket, _, record| {
            let (said, go) = (Arc::clone(&said), Arc::clone(&go));
            async move {
                while record.take(&mut socket).await.is_some() {
                    socket.write_all(OK.as_bytes()).await.unwrap();
                    go.acquire().await.unwrap().forget();
                    let late = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";
                    socket.write_all(late).await.unwrap();
                    said.add_permits(1);
                }
            }
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    for number in 1..4 {
        let (head, _) = exchange(&mut client, GET).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(service.record.connections(), number);
        // Only after the answer: what comes before its end is another case.
        go.add_permits(1);
        soon(said.acquire()).await.unwrap().forget();
    }
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let service = Recorder::start(|mut socket, _, record| async move {
        while let Some((head, _)) = record.take(&mut socket).await {
            let answer = match head.split(' ').nth(1).unwrap() {
                "/head" => "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
                _ => "HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n",
            };
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let head = b"HEAD /head HTTP/1.1\r\nHost: x\r\n\r\n";
    let not_modified = b"GET /304 HTTP/1.1\r\nHost: x\r\n\r\n";
    let answers = all(&gateway, &[&head[..], not_modified, LAST].concat()).await;
    assert_eq!(statuses(&answers), ["200", "304", "204"], "{answers}");
    assert_eq!(answers.matches("content-length: 7\r\n").count(), 2, "{answers}");
    assert_eq!(service.record.connections(), 1);
}

/// Neither side waits for the other's end: what comes in one direction goes on while the other is still open.
#[tokio::test]
async fn a_body_is_echoed_while_it_is_sent() {
    const PIECES: usize = 200;
    let service = Recorder::start(|mut socket, _, _| async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = socket.read(&mut buffer).await {
            if socket.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    client.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(client.read_u8()).await.unwrap());
    }
    for number in 0..PIECES {
        let piece = format!("{number:08}").repeat(100);
        client.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).await.unwrap();
        let mut echoed = vec![0; piece.len() + 7];
        soon(client.read_exact(&mut echoed)).await.unwrap();
        assert!(echoed.ends_with(format!("{piece}\r\n").as_bytes()), "{number}");
    }
    client.write_all(b"0\r\n\r\n").await.unwrap();
    let mut end = [0; 5];
    soon(client.read_exact(&mut end)).await.unwrap();
    assert_eq!(&end, b"0\r\n\r\n");
    assert!(exchange_again(&mut client).await, "the connection goes on");
}

/// Whether another request is taken.
async fn exchange_again(client: &mut tokio::net::TcpStream) -> bool {
    client.write_all(b"GET http://x/ HTTP/1.0\r\nHost: x\r\n\r\n").await.unwrap();
    let mut first = [0; 5];
    soon(client.read_exact(&mut first)).await.is_ok() && &first == b"HTTP/"
}

/// An answer is cut off as it came: it never looks whole.
#[tokio::test]
async fn an_answer_that_breaks_off_is_cut_off() {
    for (answered, whole) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "abc"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "3\r\nabc\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx\r\n", "3\r\nabc\r\n"),
    ] {
        let service = Recorder::start(move |mut socket, _, record| async move {
            record.take(&mut socket).await;
            socket.write_all(answered.as_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        })
        .await;
        let gateway = Plan::default().start(&[http1(service.address)]);
        let answers = all(&gateway, GET).await;
        let (head, body) = answers.split_once("\r\n\r\n").unwrap();
        assert_eq!((statuses(head), body), (vec!["200"], whole), "{answered}");
    }
}

#[tokio::test]
async fn a_client_that_has_gone_leaves_no_answer_to_the_next() {
    let service = Recorder::start(|mut socket, number, record| async move {
        while record.take(&mut socket).await.is_some() {
            tokio::time::sleep(Duration::from_millis(if number == 0 { 100 } else { 0 })).await;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
            if socket.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut first = gateway.connect().await;
    first.write_all(GET).await.unwrap();
    let asked = async {
        while service.record.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap();
    drop(first);
    let mut second = gateway.connect().await;
    second.write_all(GET).await.unwrap();
    assert_eq!(answer(&mut second).await.unwrap().1, b"1");
}
