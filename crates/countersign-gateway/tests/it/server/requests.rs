//! Requests that go through.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    harness::{Plan, answer, exchange, http1, rest, soon},
    recorder::{OK, Recorder},
};

#[tokio::test]
async fn a_request_goes_through_and_its_answer_comes_back() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    let (head, body) = exchange(&mut client, b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-One: 1\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(body, b"ok");
    let [(head, _)] = &service.record.requests()[..] else { panic!("one request") };
    assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nx-one: 1\r\n"), "{head}");
}

#[tokio::test]
async fn clients_share_one_upstream_connection_in_turn() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    for _ in 0..3 {
        let mut client = gateway.connect().await;
        for _ in 0..3 {
            exchange(&mut client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        }
    }
    assert_eq!(service.record.connections(), 1);
    assert_eq!(service.record.requests().len(), 9);
}

#[tokio::test]
async fn an_empty_answer_returns_the_connection_too() {
    let service = Recorder::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    for _ in 0..3 {
        client.write_all(b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let (head, _) = answer(&mut client).await.unwrap();
        assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
    }
    assert_eq!(service.record.connections(), 1);
}

#[tokio::test]
async fn chunks_stream_both_ways() {
    let service = Recorder::start(|mut socket, _, record| async move {
        while let Some((_, body)) = record.take(&mut socket).await {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            socket.write_all(head.as_bytes()).await.unwrap();
            for byte in &body {
                socket.write_all(&[b'1', b'\r', b'\n', *byte, b'\r', b'\n']).await.unwrap();
                tokio::task::yield_now().await;
            }
            socket.write_all(b"0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for _ in 0..2 {
        client.write_all(head).await.unwrap();
        for piece in ["3\r\nabc\r\n", "2\r\nde\r\n", "0\r\n\r\n"] {
            client.write_all(piece.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
        }
        let (head, body) = answer(&mut client).await.unwrap();
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        assert!(body.ends_with(b"0\r\n\r\n"));
    }
    assert_eq!(service.record.connections(), 1);
}

/// The client sends the next piece only when the service has the one before.
#[tokio::test]
async fn a_request_body_arrives_piece_by_piece() {
    let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let service = Recorder::start(move |mut socket, _, _| {
        let arrived = arrived.clone();
        async move {
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n0\r\n\r\n") {
                seen.push(socket.read_u8().await.unwrap());
                let _ = arrived.send(String::from_utf8(seen.clone()).unwrap());
            }
            socket.write_all(OK.as_bytes()).await.unwrap();
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    client.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    for (sent, expected) in
        [("3\r\nabc\r\n", "abc\r\n"), ("2\r\nde\r\n", "de\r\n"), ("0\r\n\r\n", "0\r\n\r\n")]
    {
        client.write_all(sent.as_bytes()).await.unwrap();
        while !soon(arrivals.recv()).await.unwrap().ends_with(expected) {}
    }
    assert!(answer(&mut client).await.unwrap().0.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_long_body_passes_whole_in_both_directions() {
    const LENGTH: usize = 3 * 1024 * 1024 + 17;
    let service = Recorder::start(|mut socket, _, record| async move {
        while let Some((_, body)) = record.take(&mut socket).await {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.write_all(&body).await.unwrap();
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let (mut reading, mut writing) = gateway.connect().await.into_split();
    let sent: Vec<u8> = (0..LENGTH).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let request = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {LENGTH}\r\n\r\n");
    let write = async {
        writing.write_all(request.as_bytes()).await.unwrap();
        writing.write_all(&sent).await.unwrap();
    };
    let ((), answered) = soon(async { tokio::join!(write, answer(&mut reading)) }).await;
    assert!(answered.unwrap().1 == sent, "the bytes that were sent");
}

#[tokio::test]
async fn trailers_pass_both_ways_by_the_rules_for_headers() {
    let service = Recorder::answering(
        "HTTP/1.1 200 OK\r\nTrailer: x-sum, x-leak, countersign-forwarded\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\nok\r\n0\r\nx-sum: 7\r\nx-leak: a TOKEN b\r\ncountersign-forwarded: 1\r\n\r\n",
    )
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    let request = b"POST / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nTrailer: x-mine, x-user-id\r\n\
        Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-mine: 3\r\nx-user-id: root\r\n\r\n";
    let (_, body) = exchange(&mut client, request).await;
    assert!(body.ends_with(b"0\r\nx-sum: 7\r\n\r\n"), "{}", String::from_utf8_lossy(&body));
    let requests = service.record.requests();
    assert!(requests[0].1.ends_with(b"0\r\nx-mine: 3\r\n\r\n"), "{requests:?}");
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_request_upstream() {
    let (gone, went) = tokio::sync::oneshot::channel();
    let gone = std::sync::Mutex::new(Some(gone));
    let service = Recorder::start(move |mut socket, _, record| {
        let gone = gone.lock().unwrap().take();
        async move {
            record.take(&mut socket).await;
            rest(&mut socket).await;
            if let Some(gone) = gone {
                gone.send(()).unwrap();
            }
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    while service.record.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(client);
    soon(went).await.unwrap();
}
