//! Connections that do not keep their time, and too many of them.

use std::time::Duration;

use countersign_gateway::config::resolved::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    harness::{Plan, answer, exchange, http1, rest, soon},
    recorder::{OK, Recorder},
};

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_head_that_drips_is_answered_408_and_closed() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::limits(|limits| limits.header_timeout = SHORT).start(&[http1(service.address)]);
    let started = tokio::time::Instant::now();
    let mut client = gateway.connect().await;
    let (mut reading, mut writing) = client.split();
    let drip = async {
        for byte in b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ".iter().chain(std::iter::repeat(&b'a')) {
            if writing.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // What was answered before the connection closed is still to be read.
        std::future::pending::<()>().await;
    };
    let mut answer = [0; 28];
    let read = async { reading.read_exact(&mut answer).await.map(drop) };
    tokio::select! {
        () = drip => {}
        read = soon(read) => read.unwrap(),
    }
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    assert!(started.elapsed() >= SHORT, "{:?}", started.elapsed());
    assert_eq!(service.record.connections(), 0);
}

#[tokio::test]
async fn a_second_head_that_drips_is_closed_too() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::limits(|limits| limits.header_timeout = SHORT).start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    exchange(&mut client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.write_all(b"GET / HT").await.unwrap();
    assert!(rest(&mut client).await.starts_with(b"HTTP/1.1 408 "));
    gateway.counts("connection", "protocol_error", 1).await;
}

#[tokio::test]
async fn silence_from_the_start_and_between_requests_closes() {
    let service = Recorder::answering(OK).await;
    let set: [fn(&mut Limits); 2] =
        [|limits| limits.header_timeout = SHORT, |limits| limits.idle_timeout = SHORT];
    for (has_asked, set) in [false, true].into_iter().zip(set) {
        let gateway = Plan::limits(set).start(&[http1(service.address)]);
        let started = tokio::time::Instant::now();
        let mut client = gateway.connect().await;
        if has_asked {
            exchange(&mut client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        }
        assert_eq!(rest(&mut client).await, b"");
        assert!(started.elapsed() >= SHORT);
        gateway.counts("connection", "accepted", 1).await;
        gateway.counts("connection", "protocol_error", 0).await;
    }
}

#[tokio::test]
async fn a_body_that_stops_is_answered_408() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::limits(|limits| limits.body_timeout = SHORT).start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    client.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc").await.unwrap();
    let answer = rest(&mut client).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("countersign-refused: body_timeout"), "{answer}");
    assert_eq!(service.record.requests(), [], "not one whole request");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_answered_413() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::limits(|limits| limits.body_bytes = 5).start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    let request =
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    let (head, _) = exchange(&mut client, request).await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    assert_eq!(service.record.requests(), [], "not one whole request");
    let mut client = gateway.connect().await;
    let request =
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert!(exchange(&mut client, request).await.0.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed() {
    let (ended, end) = tokio::sync::oneshot::channel();
    let ended = std::sync::Mutex::new(Some(ended));
    let service = Recorder::start(move |mut socket, _, record| {
        let ended = ended.lock().unwrap().take();
        async move {
            record.take(&mut socket).await;
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await.unwrap();
            while socket.write_all(&[0; 65536]).await.is_ok() {}
            if let Some(ended) = ended {
                ended.send(()).unwrap();
            }
        }
    })
    .await;
    let gateway = Plan::limits(|limits| limits.body_timeout = SHORT).start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    soon(end).await.unwrap();
    drop(client);
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_everything() {
    // Long enough for a machine that is busy with others.
    const LIMIT: Duration = Duration::from_secs(2);
    const LENGTH: usize = 24 * 1024 * 1024;
    let service = Recorder::start(|mut socket, _, record| async move {
        record.take(&mut socket).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&vec![b'x'; LENGTH]).await.unwrap();
        rest(&mut socket).await;
    })
    .await;
    let gateway = Plan::limits(|limits| limits.body_timeout = LIMIT).start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let started = tokio::time::Instant::now();
    let (mut read, mut buffer) = (0, vec![0; 256 * 1024]);
    while read < LENGTH {
        tokio::time::sleep(LIMIT / 40).await;
        let more = soon(client.read(&mut buffer)).await.unwrap();
        assert_ne!(more, 0, "cut after {read} bytes");
        read += more;
    }
    assert!(started.elapsed() > 2 * LIMIT, "not slow enough to say anything");
}

/// What a client sends to a socket that is closed resets the connection, and takes away what it has not read yet.
#[tokio::test]
async fn an_answer_arrives_though_the_client_goes_on_sending() {
    const LENGTH: usize = 1024 * 1024;
    let service = Recorder::start(|mut socket, _, record| async move {
        while record.take(&mut socket).await.is_some() {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.write_all(&vec![b'x'; LENGTH]).await.unwrap();
        }
    })
    .await;
    let gateway = Plan::limits(|limits| limits.body_bytes = 5).start(&[http1(service.address)]);
    for last in [
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n",
        "GET / HTTP/1.1\r\nbad line\r\n\r\n",
        "GET /\r\n\r\n",
    ] {
        let mut client = gateway.connect().await;
        let both = format!("GET / HTTP/1.1\r\nHost: x\r\n\r\n{last}");
        client.write_all(both.as_bytes()).await.unwrap();
        let (mut read, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
        loop {
            // The rest of the request that is refused, a little at a time.
            let _ = client.write_all(b"bbbb").await;
            match soon(client.read(&mut buffer)).await {
                Ok(0) => break,
                Ok(length) => read.extend_from_slice(&buffer[..length]),
                Err(error) => panic!("{error} after {} bytes", read.len()),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let answers = String::from_utf8_lossy(&read);
        assert!(read.len() > LENGTH, "{} bytes before {last}", read.len());
        assert!(answers.contains("HTTP/1.1 4"), "the refusal of {last}");
    }
}

/// A service that answers before it has read, and a client that sends before it reads.
#[tokio::test]
async fn an_upload_goes_on_while_the_client_takes_nothing_of_the_answer() {
    const LENGTH: usize = 16 * 1024 * 1024;
    let service = Recorder::start(|mut socket, _, _| async move {
        let (mut reading, mut writing) = socket.split();
        let answer = async {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
            writing.write_all(head.as_bytes()).await.unwrap();
            writing.write_all(&vec![b'x'; LENGTH]).await.unwrap();
        };
        let (mut taken, mut buffer) = (0, vec![0; 64 * 1024]);
        let take = async {
            while taken < LENGTH {
                taken += reading.read(&mut buffer).await.unwrap();
            }
        };
        tokio::join!(answer, take);
        rest(&mut socket).await;
    })
    .await;
    let gateway = Plan::limits(|limits| limits.body_bytes = 0).start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {LENGTH}\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    soon(client.write_all(&vec![b'y'; LENGTH])).await.unwrap();
    let (head, body) = soon(answer(&mut client)).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(body.len(), LENGTH);
}

#[tokio::test]
async fn an_answer_that_ends_its_unfinished_request_says_that_it_is_the_last() {
    for length in [0, 3] {
        let service = Recorder::start(move |mut socket, _, _| async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            let answer =
                format!("HTTP/1.1 413 Too Large\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length));
            socket.write_all(answer.as_bytes()).await.unwrap();
            rest(&mut socket).await;
        })
        .await;
        let gateway = Plan::default().start(&[http1(service.address)]);
        let mut client = gateway.connect().await;
        client.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n").await.unwrap();
        let (head, body) = soon(answer(&mut client)).await.unwrap();
        assert!(head.starts_with("HTTP/1.1 413 ") && head.contains("\r\nconnection: close\r\n"), "{head}");
        assert_eq!(body.len(), length);
        assert_eq!(soon(rest(&mut client)).await, b"");
    }
}

#[tokio::test]
async fn a_malformed_head_gets_an_answer() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::limits(|limits| limits.header_bytes = 2048).start(&[http1(service.address)]);
    let mut client = gateway.connect().await;
    client.write_all(b"GET /\r\n\r\n").await.unwrap();
    assert!(rest(&mut client).await.starts_with(b"HTTP/1.1 400 "));
    let mut client = gateway.connect().await;
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(4096));
    client.write_all(long.as_bytes()).await.unwrap();
    assert!(rest(&mut client).await.starts_with(b"HTTP/1.1 431 "));
    assert_eq!(service.record.connections(), 0);
}

#[tokio::test]
async fn beyond_the_limit_a_connection_waits_for_another_to_end() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::limits(|limits| limits.connections = 1).start(&[http1(service.address)]);
    let mut first = gateway.connect().await;
    exchange(&mut first, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut second = gateway.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let early = tokio::time::timeout(SHORT, second.read_u8()).await;
    assert!(early.is_err(), "the second waits");
    gateway.counts("connection", "over_limit", 1).await;
    drop(first);
    assert!(answer(&mut second).await.is_some());
}

#[tokio::test]
async fn connections_are_spread_over_the_workers() {
    #[derive(Debug, Default)]
    struct Which(std::sync::Mutex<Vec<usize>>);
    impl countersign_gateway::server::Handler for Which {
        async fn handle(
            &self,
            _: &mut countersign_gateway::http::Parts,
            _: &mut countersign_gateway::upstream::Inbound,
            _: &std::sync::Arc<countersign_gateway::server::Connection>,
            worker: &std::sync::Arc<countersign_gateway::server::Worker>,
        ) -> countersign_gateway::http::Answer<countersign_gateway::server::Outbound> {
            self.0.lock().unwrap().push(worker.index);
            http::Response::new(bytes::Bytes::from_static(b"ok").into()).into()
        }

        fn now(&self) -> countersign::UnixTime {
            countersign::UnixTime::from_secs(0)
        }

        fn refuse(
            &self,
            refused: countersign_gateway::error::Refusal,
            _: &std::sync::Arc<countersign_gateway::server::Connection>,
            _: &std::sync::Arc<countersign_gateway::server::Worker>,
        ) -> countersign_gateway::http::Answer<countersign_gateway::server::Outbound> {
            super::harness::refusal(refused)
        }
    }
    let which = std::sync::Arc::new(Which::default());
    let gateway = Plan { workers: 3, ..Plan::default() }.serve(std::sync::Arc::clone(&which));
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = gateway.connect().await;
        exchange(&mut client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        clients.push(client);
    }
    let mut seen = which.0.lock().unwrap().clone();
    seen.sort_unstable();
    assert_eq!(seen, [0, 0, 1, 1, 2, 2]);
    assert_eq!(gateway.running().connections(), 6);
}

#[tokio::test]
async fn the_number_of_fields_is_the_one_of_the_limits() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::limits(|limits| limits.header_count = 10).start(&[http1(service.address)]);
    for (fields, status) in [(10, "200"), (11, "431")] {
        let more: String = (1..fields).map(|n| format!("X-{n}: 1\r\n")).collect();
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{more}\r\n");
        let (head, _) = exchange(&mut gateway.connect().await, request.as_bytes()).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{fields}: {head}");
    }
}

/// So many requests at once use as many connections; of those only so many are kept for later ones.
#[tokio::test]
async fn no_more_idle_connections_are_kept_than_the_limits_say() {
    const AT_ONCE: usize = 4;
    for (kept, later) in [(0, AT_ONCE), (1, AT_ONCE - 1), (AT_ONCE, 0)] {
        let together = std::sync::Arc::new(tokio::sync::Barrier::new(AT_ONCE));
        let service = Recorder::start(move |mut socket, _, record| {
            let together = std::sync::Arc::clone(&together);
            async move {
                while record.take(&mut socket).await.is_some() {
                    together.wait().await;
                    socket.write_all(OK.as_bytes()).await.unwrap();
                }
            }
        })
        .await;
        let gateway = Plan::limits(|limits| limits.upstream_idle = kept).start(&[http1(service.address)]);
        for round in 1..=2 {
            let mut clients = Vec::new();
            for _ in 0..AT_ONCE {
                let mut client = gateway.connect().await;
                client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
                clients.push(client);
            }
            for client in &mut clients {
                answer(client).await.unwrap();
            }
            let connections = AT_ONCE + (round - 1) * later;
            assert_eq!(service.record.connections(), connections, "{kept} kept, round {round}");
        }
    }
}
