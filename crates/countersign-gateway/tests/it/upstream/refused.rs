//! What a service says over HTTP/2 it has not looked at is sent once more (RFC 9113 §8.7), and nothing else is.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use countersign_gateway::config::resolved::UpstreamProtocol;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    http2::frames::{DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, frame},
    server::harness::{Gateway, Plan, exchange, origin, rest, soon},
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";

const NO_ERROR: u32 = 0;
pub(super) const REFUSED_STREAM: u32 = 7;

/// What the service does with a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// 204.
    Answer,
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY without an error, which names this stream as the last.
    Leave(u32),
    /// The same with the stream of the request as the last, and then the end of the connection.
    LeaveWithIt,
    /// The beginning of an answer without a length, and then RST_STREAM with this code.
    Cut(u32),
    /// The same, and then GOAWAY without an error and the end of the connection.
    CutByLeaving,
    /// The end of the connection.
    Close,
    /// What is no HTTP/2.
    Garbage,
    /// Nothing, however long.
    Hang,
    /// A whole answer without a length.
    Whole,
    /// A whole answer with trailers, and then RST_STREAM without an error.
    Trailers,
}

/// A service that does with each request what is next in its list, and counts what it gets.
pub(super) struct Scripted {
    pub(super) address: SocketAddr,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    /// Bytes of bodies.
    data: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Scripted {
    pub(super) async fn start(script: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, connections) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let data = Arc::<AtomicUsize>::default();
        let script = Arc::new(Mutex::new(script.into_iter()));
        let mut serving = JoinSet::new();
        let (asked, opened, read) = (Arc::clone(&requests), Arc::clone(&connections), Arc::clone(&data));
        serving.spawn(async move {
            let mut each = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                opened.fetch_add(1, Ordering::SeqCst);
                let (asked, script) = (Arc::clone(&asked), Arc::clone(&script));
                let next = move || {
                    asked.fetch_add(1, Ordering::SeqCst);
                    script.lock().unwrap().next().expect("a request too many")
                };
                each.spawn(serve(socket, next, Arc::clone(&read)));
            }
        });
        Self { address, requests, connections, data, _serving: serving }
    }

    fn gateway(&self) -> Gateway {
        Plan::default().start(&[origin(UpstreamProtocol::Http2PriorKnowledge, self.address)])
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Bytes of bodies so far.
    pub(super) fn data(&self) -> usize {
        self.data.load(Ordering::SeqCst)
    }
}

/// One connection, until the gateway ends it.
async fn serve(mut socket: TcpStream, next: impl Fn() -> Act, data: Arc<AtomicUsize>) {
    let mut preface = [0; 24];
    socket.read_exact(&mut preface).await.unwrap();
    socket.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    loop {
        let mut head = [0; 9];
        if socket.read_exact(&mut head).await.is_err() {
            return;
        }
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        socket.read_exact(&mut payload).await.unwrap();
        let stream = u32::from_be_bytes(stream);
        let leave = |last: u32| frame(GOAWAY, 0, 0, &[last.to_be_bytes(), NO_ERROR.to_be_bytes()].concat());
        let said = match kind {
            SETTINGS if flags == 0 => frame(SETTINGS, 1, 0, &[]),
            PING if flags == 0 => frame(PING, 1, 0, &payload),
            HEADERS => match next() {
                // 204 is in the static table (RFC 7541 §A).
                Act::Answer => frame(HEADERS, END_HEADERS | END_STREAM, stream, &[0x89]),
                Act::Reset(code) => frame(RST_STREAM, 0, stream, &code.to_be_bytes()),
                Act::Leave(last) => leave(last),
                Act::Close => return,
                Act::Garbage => b"220 smtp.example ESMTP\r\n\r\n".to_vec(),
                Act::Hang => continue,
                Act::LeaveWithIt => {
                    socket.write_all(&leave(stream)).await.unwrap();
                    return;
                }
                Act::Cut(code) => {
                    [begun(stream, 0), frame(RST_STREAM, 0, stream, &code.to_be_bytes())].concat()
                }
                Act::CutByLeaving => {
                    socket.write_all(&[begun(stream, 0), leave(stream)].concat()).await.unwrap();
                    return;
                }
                Act::Whole => begun(stream, END_STREAM),
                Act::Trailers => {
                    // A literal field with a new name (RFC 7541 §6.2.2): `a: b`.
                    let trailers = frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\x00\x01a\x01b");
                    [begun(stream, 0), trailers, frame(RST_STREAM, 0, stream, &NO_ERROR.to_be_bytes())]
                        .concat()
                }
            },
            DATA => {
                data.fetch_add(payload.len(), Ordering::SeqCst);
                continue;
            }
            _ => continue,
        };
        // The gateway may have left.
        let _ = socket.write_all(&said).await;
    }
}

/// 200 (in the static table), and a piece of its body.
fn begun(stream: u32, flags: u8) -> Vec<u8> {
    [frame(HEADERS, END_HEADERS, stream, &[0x88]), frame(DATA, flags, stream, b"partial")].concat()
}

/// What a client over HTTP/1.1 gets until the connection ends.
async fn got(service: &Scripted, request: &[u8]) -> String {
    let gateway = service.gateway();
    let mut client = gateway.connect().await;
    client.write_all(request).await.unwrap();
    String::from_utf8(soon(rest(&mut client)).await).unwrap()
}

/// Without an error a service may end a stream that it has answered on (RFC 9113 §8.1), and no other.
#[tokio::test]
async fn an_answer_that_is_cut_off_never_looks_whole() {
    let get = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    for act in [Act::Cut(NO_ERROR), Act::Cut(8), Act::CutByLeaving] {
        for request in [&get[..], post] {
            let service = Scripted::start(vec![act]).await;
            let answer = got(&service, request).await;
            // The end may be known before the beginning was read.
            let is_none = answer.starts_with("HTTP/1.1 502 ");
            let is_cut = answer.contains("partial") && !answer.contains("\r\n0\r\n");
            assert!(is_none || is_cut, "{act:?}: {answer}");
        }
    }
    for act in [Act::Whole, Act::Trailers] {
        for request in [&get[..], post] {
            let service = Scripted::start(vec![act]).await;
            let answer = got(&service, request).await;
            assert!(answer.contains("partial\r\n0\r\n"), "{act:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_refused_stream_is_sent_once_more() {
    let service = Scripted::start(vec![Act::Reset(REFUSED_STREAM), Act::Answer]).await;
    let gateway = service.gateway();
    let (head, _) = exchange(&mut gateway.connect().await, GET).await;
    assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
    assert_eq!((service.requests(), service.connections.load(Ordering::SeqCst)), (2, 1));
    gateway.counts("upstream", "retried", 1).await;
}

#[tokio::test]
async fn and_not_a_third_time() {
    let service =
        Scripted::start(vec![Act::Reset(REFUSED_STREAM), Act::Reset(REFUSED_STREAM), Act::Answer]).await;
    let gateway = service.gateway();
    let mut client = gateway.connect().await;
    let (head, _) = exchange(&mut client, GET).await;
    assert!(head.starts_with("HTTP/1.1 502 ") && head.contains("upstream_closed"), "{head}");
    assert_eq!(service.requests(), 2);
    gateway.counts("upstream", "retried", 1).await;
    assert!(exchange(&mut client, GET).await.0.starts_with("HTTP/1.1 204 "));
}

/// `NO_ERROR`, `PROTOCOL_ERROR`, `INTERNAL_ERROR`, `CANCEL`, `ENHANCE_YOUR_CALM`, `HTTP_1_1_REQUIRED`: the service may
/// have acted on the request.
#[tokio::test]
async fn what_was_reset_for_another_reason_is_not_sent_again() {
    for code in [NO_ERROR, 1, 2, 8, 11, 13] {
        let service = Scripted::start(vec![Act::Reset(code), Act::Answer]).await;
        let gateway = service.gateway();
        let (head, _) = exchange(&mut gateway.connect().await, GET).await;
        assert!(head.starts_with("HTTP/1.1 502 "), "{code}: {head}");
        assert_eq!(service.requests(), 1, "{code}");
        gateway.counts("upstream", "retried", 0).await;
    }
}

#[tokio::test]
async fn a_body_that_may_have_been_read_is_not_sent_again() {
    let service = Scripted::start(vec![Act::Reset(REFUSED_STREAM), Act::Answer]).await;
    let gateway = service.gateway();
    let (head, _) = exchange(&mut gateway.connect().await, POST).await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    assert_eq!(service.requests(), 1);
    gateway.counts("upstream", "retried", 0).await;
}

#[tokio::test]
async fn what_is_behind_the_last_stream_of_a_goaway_goes_to_another_connection() {
    let service = Scripted::start(vec![Act::Leave(0), Act::Answer]).await;
    let gateway = service.gateway();
    let (head, _) = exchange(&mut gateway.connect().await, GET).await;
    assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
    assert_eq!((service.requests(), service.connections.load(Ordering::SeqCst)), (2, 2));
    gateway.counts("upstream", "retried", 1).await;
}

#[tokio::test]
async fn what_a_goaway_names_as_taken_is_not_sent_again() {
    let service = Scripted::start(vec![Act::LeaveWithIt, Act::Answer]).await;
    let gateway = service.gateway();
    let (head, _) = exchange(&mut gateway.connect().await, GET).await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    assert_eq!(service.requests(), 1);
    gateway.counts("upstream", "retried", 0).await;
}

/// Who is asked for is asked for again: a service that serves several hosts would answer as another.
#[tokio::test]
async fn the_second_attempt_names_the_same_host() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let h2c = origin(UpstreamProtocol::Http2PriorKnowledge, listener.local_addr().unwrap());
    let hosts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&hosts);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connection = h2::server::handshake(listener.accept().await.unwrap().0).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let mut hosts = seen.lock().unwrap();
            hosts.push(request.uri().authority().unwrap().to_string());
            if hosts.len() == 1 {
                respond.send_reset(h2::Reason::REFUSED_STREAM);
            } else {
                respond.send_response(http::Response::new(()), true).unwrap();
            }
        }
    });
    let gateway = Plan::default().start(&[h2c]);
    let request = b"GET / HTTP/1.1\r\nHost: shop.example:8080\r\n\r\n";
    let (head, _) = exchange(&mut gateway.connect().await, request).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(*hosts.lock().unwrap(), ["shop.example:8080"; 2]);
}
