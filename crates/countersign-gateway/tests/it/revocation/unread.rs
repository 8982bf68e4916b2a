//! Uploads that go on while nothing of their answer is taken: they end as every stream does.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{CLIENTS, INTERNAL, command};
use crate::{
    http2::frames::{DATA, Raw, SETTINGS, field},
    proxy::house::{House, who},
    server::{
        frames::Frames,
        harness::PATIENCE,
        recorder::{OK, Recorder},
    },
};

const PIECE: usize = 10_000;
/// Long enough for what a busy machine does before it.
const LONGEST: Duration = Duration::from_secs(3);
const STEP: Duration = Duration::from_millis(20);
/// Nothing was taken for so many steps: nothing will be.
const STEPS: usize = 15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Revoked,
    MaxStream,
}

/// What a service has seen.
#[derive(Debug, Default)]
struct Seen {
    uploaded: AtomicUsize,
    answered: AtomicUsize,
    is_over: AtomicBool,
}

impl Seen {
    fn uploaded(&self) -> usize {
        self.uploaded.load(Ordering::SeqCst)
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}

/// A service that answers at once, without end, and reads all the while.
struct Service {
    address: SocketAddr,
    seen: Arc<Seen>,
    _accepting: JoinSet<()>,
}

impl Service {
    async fn start(version: Version) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Seen::default()));
        let (mut accepting, of_service) = (JoinSet::new(), Arc::clone(&seen));
        accepting.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let seen = Arc::clone(&of_service);
                match version {
                    Version::Http1 => drop(tokio::spawn(over_http1(socket, seen))),
                    Version::Http2 => {
                        let answer = service_fn(move |request| over_http2(request, Arc::clone(&seen)));
                        tokio::spawn(
                            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                                .serve_connection(TokioIo::new(socket), answer),
                        );
                    }
                }
            }
        });
        Self { address, seen, _accepting: accepting }
    }
}

async fn over_http1(mut socket: TcpStream, seen: Arc<Seen>) {
    let (mut reading, mut writing) = socket.split();
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        reading.read_buf(&mut head).await.unwrap();
    }
    let answer = async {
        let _ = writing.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let piece = [b"2710\r\n", &[b'x'; PIECE][..], b"\r\n"].concat();
        while writing.write_all(&piece).await.is_ok() {
            seen.answered.fetch_add(PIECE, Ordering::SeqCst);
        }
    };
    let read = async {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = reading.read(&mut buffer).await {
            let uploaded = buffer[..length].iter().filter(|byte| **byte == b'U').count();
            seen.uploaded.fetch_add(uploaded, Ordering::SeqCst);
        }
        seen.is_over.store(true, Ordering::SeqCst);
    };
    tokio::join!(answer, read);
}

async fn over_http2(request: Request<Incoming>, seen: Arc<Seen>) -> Result<Response<Frames>, Infallible> {
    let (sender, frames) = Frames::channel();
    let (mut body, of_answer) = (request.into_body(), Arc::clone(&seen));
    tokio::spawn(async move {
        while sender.send(Frame::data(Bytes::from_static(&[b'x'; PIECE]))).await.is_ok() {
            of_answer.answered.fetch_add(PIECE, Ordering::SeqCst);
        }
    });
    tokio::spawn(async move {
        while let Some(Ok(frame)) = body.frame().await {
            let uploaded = frame.data_ref().map_or(0, Bytes::len);
            seen.uploaded.fetch_add(uploaded, Ordering::SeqCst);
        }
        seen.is_over.store(true, Ordering::SeqCst);
    });
    Ok(Response::new(frames))
}

/// A client that sends, and never reads.
enum Client {
    Http1(TcpStream),
    Http2(Raw),
}

impl Client {
    async fn begin(version: Version, address: SocketAddr) -> Self {
        match version {
            Version::Http1 => {
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_recv_buffer_size(4096).unwrap();
                let mut socket = socket.connect(address).await.unwrap();
                let head = "POST /upload/ HTTP/1.1\r\nHost: shop.example\r\nSec-Fetch-Site: same-origin\r\n\
                            Cookie: SESSION=alice-session\r\nTransfer-Encoding: chunked\r\n\r\n";
                socket.write_all(head.as_bytes()).await.unwrap();
                Self::Http1(socket)
            }
            Version::Http2 => {
                let mut raw = Raw::open(address).await;
                assert!(raw.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).await);
                let head = [
                    (":method", "POST"),
                    (":scheme", "http"),
                    (":authority", "shop.example"),
                    (":path", "/upload/"),
                    ("sec-fetch-site", "same-origin"),
                    ("cookie", "SESSION=alice-session"),
                ];
                assert!(raw.headers(1, 0, &head.map(|(name, value)| field(name, value))).await);
                Self::Http2(raw)
            }
        }
    }

    /// One more byte, if it is taken.
    async fn drip(&mut self) {
        match self {
            Self::Http1(socket) => drop(socket.write_all(b"1\r\nU\r\n").await),
            Self::Http2(raw) => drop(raw.frame(DATA, 0, 1, b"U").await),
        }
        sleep(STEP).await;
    }
}

async fn an_upload_ends(client: Version, service: Version, cause: Cause) {
    let case = format!("{client:?} to {service:?}, {cause:?}");
    let scheme = if service == Version::Http1 { "http" } else { "h2c" };
    let service = Service::start(service).await;
    let longest = if cause == Cause::MaxStream { LONGEST } else { 100 * LONGEST };
    let more = format!(
        "{}[[route]]\npath = \"/upload/\"\nupstream = \"{scheme}://{}\"\naudience = \"orders\"\n\
         [limits]\nbody_timeout = \"1h\"\nmax_stream = \"{}s\"\n",
        CLIENTS.replace("SERVICE", "127.0.0.1:9"),
        service.address,
        longest.as_secs(),
    );
    let house = House::with(INTERNAL, &more, Recorder::answering(OK).await, who).await;
    let (begin, seen) = (Instant::now(), &service.seen);
    let mut client = Client::begin(client, house.address).await;
    let (mut answered, mut unchanged) = (0, 0);
    while unchanged < STEPS && !seen.is_over() {
        assert!(begin.elapsed() < PATIENCE, "{case}: no answer, or one without end");
        client.drip().await;
        unchanged = if seen.answered() == answered && answered > 0 { unchanged + 1 } else { 0 };
        answered = seen.answered();
    }
    let uploaded = seen.uploaded();
    while seen.uploaded() < uploaded + 5 && !seen.is_over() {
        assert!(begin.elapsed() < PATIENCE, "{case}: the upload does not go on");
        client.drip().await;
    }
    if cause == Cause::Revoked {
        assert!(!seen.is_over(), "{case}: over before");
        let (status, told) = command(&house, json!({ "subject": "alice" })).await;
        assert_eq!(status, 200, "{case}: {told}");
    }
    let since = Instant::now();
    while !seen.is_over() {
        assert!(since.elapsed() < PATIENCE, "{case}: the upload goes on");
        client.drip().await;
    }
    assert!(seen.uploaded() > 0, "{case}: nothing was uploaded");
    assert!(cause == Cause::Revoked || begin.elapsed() >= LONGEST, "{case}: {:?}", begin.elapsed());
}

#[tokio::test]
async fn an_upload_whose_answer_nobody_takes_ends_with_its_session_and_its_time() {
    for cause in [Cause::Revoked, Cause::MaxStream] {
        for client in [Version::Http1, Version::Http2] {
            for service in [Version::Http1, Version::Http2] {
                an_upload_ends(client, service, cause).await;
            }
        }
    }
}
