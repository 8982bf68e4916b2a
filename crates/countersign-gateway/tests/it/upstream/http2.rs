//! HTTP/2 services, and HTTP/2 clients of HTTP/1.1 services.

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::BodyExt;
use hyper::body::Frame;
use tokio::io::AsyncWriteExt;

use crate::server::{
    frames::{Echo, Frames, connect},
    harness::{Plan, answer, exchange, http1, origin, soon},
    recorder::{OK, Recorder},
};
use countersign_gateway::config::resolved::{UpstreamOrigin, UpstreamProtocol};

fn h2c(echo: &Echo) -> UpstreamOrigin {
    origin(UpstreamProtocol::Http2PriorKnowledge, echo.address)
}

#[tokio::test]
async fn a_stream_flows_both_ways_at_once_with_trailers_at_its_end() {
    let echo = Echo::start().await;
    let gateway = Plan::default().start(&[h2c(&echo)]);
    let mut client = connect(gateway.connect().await).await;
    let (sender, frames) = Frames::channel();
    let request = Request::post("http://api.example/pkg.Service/Method").header("te", "trailers");
    let response = soon(client.send_request(request.body(frames).unwrap())).await.unwrap();
    let about = response.headers()["x-about"].to_str().unwrap().to_owned();
    assert!(about.starts_with("POST http://api.example/pkg.Service/Method; te=trailers"), "{about}");
    let mut body = response.into_body();
    for text in ["one", "two", "three"] {
        sender.send(Frame::data(Bytes::from_static(text.as_bytes()))).await.unwrap();
        let frame = soon(body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), text, "comes back before the next is sent");
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("3"));
    sender.send(Frame::trailers(trailers)).await.unwrap();
    drop(sender);
    let frame = soon(body.frame()).await.unwrap().unwrap();
    let trailers = frame.into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(trailers["x-sum"], "3");
}

#[tokio::test]
async fn a_burst_shares_one_connection() {
    let echo = Echo::start().await;
    let gateway = Plan::default().start(&[h2c(&echo)]);
    let client = connect(gateway.connect().await).await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..50 {
        let mut client = client.clone();
        calls.spawn(async move {
            let request = Request::get(format!("http://x/{number}")).body(Frames::none()).unwrap();
            client.send_request(request).await.unwrap().into_body().collect().await.unwrap();
        });
    }
    soon(async { while calls.join_next().await.transpose().unwrap().is_some() {} }).await;
    assert_eq!(echo.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_http1_client_reaches_an_http2_service() {
    let echo = Echo::start().await;
    let gateway = Plan::default().start(&[h2c(&echo)]);
    let mut client = gateway.connect().await;
    let request =
        b"POST /up HTTP/1.1\r\nHost: api.example:81\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    for _ in 0..2 {
        let (head, body) = exchange(&mut client, request).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("x-about: POST http://api.example:81/up\r\n"), "no host, no framing: {head}");
        assert!(body.starts_with(b"2\r\nhi\r\n"));
    }
}

#[tokio::test]
async fn an_http2_client_reaches_an_http1_service() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = connect(gateway.connect().await).await;
    for _ in 0..2 {
        let request = Request::get("http://api.example:81/a?b").body(Frames::none()).unwrap();
        let response = soon(client.send_request(request)).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    }
    let (sender, frames) = Frames::channel();
    let sending = tokio::spawn(async move {
        sender.send(Frame::data(Bytes::from_static(b"hi"))).await.unwrap();
    });
    let response = soon(client.send_request(Request::post("http://api.example:81/b").body(frames).unwrap()));
    response.await.unwrap();
    sending.await.unwrap();
    let requests = service.record.requests();
    assert!(requests[0].0.starts_with("GET /a?b HTTP/1.1\r\n"), "{}", requests[0].0);
    assert!(requests[0].0.contains("\r\nhost: api.example:81\r\n"), "{}", requests[0].0);
    assert_eq!(requests[2].1, b"2\r\nhi\r\n0\r\n\r\n", "a body of unknown length is chunked");
    assert_eq!(service.record.connections(), 1);
}

#[tokio::test]
async fn a_client_that_resets_its_stream_ends_the_request_upstream() {
    let (gone, went) = tokio::sync::oneshot::channel();
    let gone = std::sync::Mutex::new(Some(gone));
    let service = Recorder::start(move |mut socket, _, record| {
        let gone = gone.lock().unwrap().take();
        async move {
            record.take(&mut socket).await;
            crate::server::harness::rest(&mut socket).await;
            if let Some(gone) = gone {
                gone.send(()).unwrap();
            }
        }
    })
    .await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut client = connect(gateway.connect().await).await;
    let call = client.send_request(Request::get("http://x/").body(Frames::none()).unwrap());
    tokio::select! {
        _ = call => panic!("never answered"),
        () = async {
            while service.record.requests().is_empty() {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    soon(went).await.unwrap();
}

#[tokio::test]
async fn a_body_that_stops_is_408_over_http2_as_well() {
    let echo = Echo::start().await;
    let service = Recorder::answering(OK).await;
    let short = || Plan::limits(|limits| limits.body_timeout = Duration::from_millis(200));
    let gateway = short().start(&[http1(service.address)]);
    let mut client = connect(gateway.connect().await).await;
    let (_sender, frames) = Frames::channel();
    let request = Request::post("http://x/").body(frames).unwrap();
    let response = soon(client.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 408);

    // The service has begun its answer: the stream is broken off.
    let gateway = short().start(&[h2c(&echo)]);
    let mut client = gateway.connect().await;
    client.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhi").await.unwrap();
    let broken = crate::server::harness::rest(&mut client).await;
    assert!(!broken.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&broken));
}

#[tokio::test]
async fn a_service_that_closes_its_connection_gets_another() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (cut, told) = tokio::sync::oneshot::channel();
    let mut told = Some(told);
    let (closed, noticed) = tokio::sync::oneshot::channel();
    let mut closed = Some(closed);
    let serving = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut socket, _) = listener.accept().await.unwrap();
            let (mut relay, end) = tokio::io::duplex(65536);
            crate::server::frames::serve_echo(end);
            let copy = tokio::io::copy_bidirectional(&mut socket, &mut relay);
            let Some(told) = told.take() else {
                let _ = copy.await;
                return;
            };
            tokio::select! {
                _ = copy => panic!("the gateway ended it"),
                _ = told => {}
            }
            socket.shutdown().await.unwrap();
            // The gateway closes its side when it notices.
            crate::server::harness::rest(&mut socket).await;
            closed.take().unwrap().send(()).unwrap();
        }
    });
    let gateway = Plan::default().start(&[origin(UpstreamProtocol::Http2PriorKnowledge, address)]);
    let mut client = gateway.connect().await;
    let get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    assert!(exchange(&mut client, get).await.0.starts_with("HTTP/1.1 200 "));
    cut.send(()).unwrap();
    soon(noticed).await.unwrap();
    client.write_all(get).await.unwrap();
    assert!(answer(&mut client).await.unwrap().0.starts_with("HTTP/1.1 200 "));
    serving.abort();
}
