//! P19: uploads that drip are never idle for long, and are over all the same when `max_stream` is.

use std::{future::pending, net::SocketAddr, time::Duration};

use bytes::Bytes;
use countersign_gateway::config::resolved::UpstreamProtocol;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    select,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::refused::{Act, Scripted};
use crate::server::{
    harness::{Gateway, Plan, http1, origin, rest, soon},
    recorder::{OK, Recorder},
};

const DRIP: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);
/// Before anything else would end it: a body may pause for so long.
const LATEST: Duration = Duration::from_secs(30);

/// Whom the upload goes to.
enum Service {
    Http1(Recorder),
    Http2(Scripted),
}

impl Service {
    /// Reads the body for as long as it lasts; with `early`, answers before it.
    async fn http1(early: &'static str) -> Self {
        let service = Recorder::start(move |mut socket, _, record| async move {
            let _ = socket.write_all(early.as_bytes()).await;
            record.take(&mut socket).await;
        });
        Self::Http1(service.await)
    }

    async fn http2(act: Act) -> Self {
        Self::Http2(Scripted::start(vec![act]).await)
    }

    fn gateway(&self) -> Gateway {
        let plan = Plan::limits(|limits| limits.max_stream = LONGEST);
        plan.start(&[match self {
            Self::Http1(service) => http1(service.address),
            Self::Http2(service) => origin(UpstreamProtocol::Http2PriorKnowledge, service.address),
        }])
    }

    /// How much of the body it got.
    fn got(&self) -> usize {
        let drops = |bytes: &Vec<u8>| bytes.iter().filter(|byte| **byte == b'~').count();
        match self {
            Self::Http1(service) => service.record.begun().iter().map(drops).sum(),
            Self::Http2(service) => service.data(),
        }
    }
}

/// Drips over HTTP/1.1 until the gateway ends the connection; what it said, and after how long.
async fn drip_http1(address: SocketAddr, framing: &str, drop: &[u8]) -> (String, Duration) {
    let begin = Instant::now();
    let (mut receiving, mut sending) = TcpStream::connect(address).await.unwrap().into_split();
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n");
    sending.write_all(head.as_bytes()).await.unwrap();
    let drip = async {
        while sending.write_all(drop).await.is_ok() {
            sleep(DRIP).await;
        }
        pending().await
    };
    let said = select! {
        said = rest(&mut receiving) => said,
        never = drip => never,
    };
    (String::from_utf8(said).unwrap(), begin.elapsed())
}

/// The same over HTTP/2, until the stream ends: with this status, or without an answer.
async fn drip_http2(address: SocketAddr) -> (Option<u16>, Duration) {
    let begin = Instant::now();
    let socket = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(socket).await.unwrap();
    let mut driving = JoinSet::new();
    driving.spawn(async move { drop(connection.await) });
    let request = http::Request::post("http://x/").body(()).unwrap();
    let (answer, mut sending) = client.send_request(request, false).unwrap();
    let drip = async {
        while sending.send_data(Bytes::from_static(b"~"), false).is_ok() {
            sleep(DRIP).await;
        }
        pending().await
    };
    let answer = select! {
        answer = soon(answer) => answer,
        never = drip => never,
    };
    (answer.ok().map(|answer| answer.status().as_u16()), begin.elapsed())
}

const LENGTH: (&str, &[u8]) = ("Content-Length: 1000000", b"~");
const CHUNKS: (&str, &[u8]) = ("Transfer-Encoding: chunked", b"1\r\n~\r\n");

#[tokio::test]
async fn p19_an_upload_that_drips_over_http1_ends() {
    for (framing, drop) in [LENGTH, CHUNKS] {
        for service in [Service::http1("").await, Service::http2(Act::Hang).await] {
            let gateway = service.gateway();
            let (said, took) = drip_http1(gateway.address, framing, drop).await;
            assert!(said.starts_with("HTTP/1.1 504 ") && said.contains("upstream_timeout"), "{said}");
            assert!((LONGEST..LATEST).contains(&took), "{framing}: {took:?}");
            assert!(service.got() >= 2, "it moved: {}", service.got());
        }
    }
}

#[tokio::test]
async fn p19_an_upload_that_drips_over_http2_ends() {
    for service in [Service::http1("").await, Service::http2(Act::Hang).await] {
        let gateway = service.gateway();
        let (status, took) = drip_http2(gateway.address).await;
        assert!(matches!(status, None | Some(504)), "{status:?}");
        assert!((LONGEST..LATEST).contains(&took), "{took:?}");
        assert!(service.got() >= 2, "it moved: {}", service.got());
    }
}

/// What has not come of a request whose answer is whole is not waited for.
#[tokio::test]
async fn p19_an_upload_that_drips_ends_with_its_answer() {
    for (framing, drop) in [LENGTH, CHUNKS] {
        for service in [Service::http1(OK).await, Service::http2(Act::Answer).await] {
            let gateway = service.gateway();
            let (said, took) = drip_http1(gateway.address, framing, drop).await;
            assert!(said.starts_with("HTTP/1.1 20"), "{said}");
            assert!(took < LATEST, "{framing}: {took:?}");
        }
    }
}
