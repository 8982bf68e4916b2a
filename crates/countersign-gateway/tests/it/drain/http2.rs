//! Draining HTTP/2 connections: GOAWAY (RFC 9113 §6.8).

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{
    frames::{Echo, Frames, connect},
    harness::{Plan, http1, origin, soon},
    recorder::{OK, Recorder},
};
use countersign_gateway::config::resolved::UpstreamProtocol;

#[tokio::test]
async fn an_open_stream_completes_and_no_new_one_begins() {
    let echo = Echo::start().await;
    let gateway = Plan::default().start(&[origin(UpstreamProtocol::Http2PriorKnowledge, echo.address)]);
    let mut client = connect(gateway.connect().await).await;
    let (sender, frames) = Frames::channel();
    let request = Request::post("http://x/").body(frames).unwrap();
    let mut body = soon(client.send_request(request)).await.unwrap().into_body();
    let draining = tokio::spawn(gateway.drained());
    for text in ["one", "two"] {
        sender.send(Frame::data(Bytes::from_static(text.as_bytes()))).await.unwrap();
        assert_eq!(soon(body.frame()).await.unwrap().unwrap().into_data().unwrap(), text);
    }
    // Meanwhile the GOAWAY has come.
    soon(async {
        while client.ready().await.is_ok() {
            let more = Request::get("http://x/").body(Frames::none()).unwrap();
            if client.send_request(more).await.is_err() {
                break;
            }
        }
    })
    .await;
    drop(sender);
    let trailers = soon(body.frame()).await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(soon(draining).await.unwrap().cut, 0);
}

#[tokio::test]
async fn an_idle_connection_gets_goaway() {
    let service = Recorder::answering(OK).await;
    let gateway = Plan::default().start(&[http1(service.address)]);
    let mut raw = gateway.connect().await;
    raw.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await.unwrap();
    // The server's SETTINGS and its acknowledgement of ours.
    frame(&mut raw, 4).await;
    let draining = tokio::spawn(gateway.drained());
    frame(&mut raw, 7).await;
    drop(raw);
    assert_eq!(soon(draining).await.unwrap().cut, 0);
}

/// Reads frames until one of this type.
async fn frame(raw: &mut tokio::net::TcpStream, wanted: u8) {
    loop {
        let mut head = [0; 9];
        soon(raw.read_exact(&mut head)).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        raw.read_exact(&mut payload).await.unwrap();
        if head[3] == wanted {
            return;
        }
    }
}
