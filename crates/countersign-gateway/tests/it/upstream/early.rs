//! An HTTP/1.1 client before an HTTP/2 service: the body of its request is read by another task than its connection's.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};

use crate::server::harness::{Gateway, Plan, origin, soon};
use countersign_gateway::config::resolved::UpstreamProtocol;

/// What a stream may carry before its receiver says more.
pub(crate) const WINDOW: usize = 65_535;

/// Runs `each` for every request, with its number from 0.
pub(crate) async fn service<F, R>(each: F) -> (SocketAddr, JoinSet<()>)
where
    F: Fn(usize, RecvStream, SendResponse<Bytes>) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(socket).await.unwrap();
        let mut requests = JoinSet::new();
        let mut number = 0;
        while let Some(Ok((request, respond))) = connection.accept().await {
            requests.spawn(each(number, request.into_body(), respond));
            number += 1;
        }
    });
    (address, tasks)
}

pub(crate) fn gateway(address: SocketAddr) -> Gateway {
    let patient = Plan::limits(|limits| {
        limits.first_byte_timeout = Duration::from_secs(600);
        limits.body_timeout = Duration::from_secs(600);
    });
    patient.start(&[origin(UpstreamProtocol::Http2PriorKnowledge, address)])
}

/// All of a short body.
async fn read(body: &mut RecvStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        bytes.extend_from_slice(&data);
    }
    bytes
}

/// A frame: its type, flags and stream, and what is in it.
async fn frame(socket: &mut TcpStream) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    socket.read_exact(&mut head).await.ok()?;
    let [a, b, c, kind, flags, stream @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    socket.read_exact(&mut payload).await.ok()?;
    Some((kind, flags, u32::from_be_bytes(stream), payload))
}

async fn put(socket: &mut TcpStream, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let frame = [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
    socket.write_all(&frame).await.unwrap();
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
/// `:status: 200` in HPACK.
const OK: [u8; 1] = [0x88];

/// What came on a stream, and whether it came to its end.
type Streams = BTreeMap<u32, (Vec<u8>, bool)>;

/// Answers the first request when its window is full, and opens it again at the first piece of the second request.
async fn early_service(mut socket: TcpStream, told: mpsc::UnboundedSender<Streams>) {
    let mut preface = [0; 24];
    socket.read_exact(&mut preface).await.unwrap();
    put(&mut socket, SETTINGS, 0, 0, &[]).await;
    let (mut streams, mut window) = (Streams::new(), 0);
    while let Some((kind, flags, stream, payload)) = frame(&mut socket).await {
        match kind {
            SETTINGS if flags == 0 => put(&mut socket, SETTINGS, 1, 0, &[]).await,
            RESET => streams.entry(stream).or_default().1 = false,
            DATA => {
                let (bytes, is_whole) = streams.entry(stream).or_default();
                bytes.extend_from_slice(&payload);
                *is_whole = flags & END_STREAM != 0;
                if stream == 1 && window == 0 && bytes.len() == WINDOW {
                    window = 1_000_000_u32;
                    put(&mut socket, HEADERS, 4 | END_STREAM, 1, &OK).await;
                    // For the second request.
                    put(&mut socket, WINDOW_UPDATE, 0, 0, &window.to_be_bytes()).await;
                }
                if stream == 3 {
                    put(&mut socket, WINDOW_UPDATE, 0, 1, &window.to_be_bytes()).await;
                    if flags & END_STREAM != 0 {
                        put(&mut socket, HEADERS, 4 | END_STREAM, 3, &OK).await;
                        told.send(std::mem::take(&mut streams)).unwrap();
                    }
                }
            }
            _ => {}
        }
    }
}

/// The rest of a body that the service did not wait for is held by a task that still wants to send it. It gets nothing of
/// the next request, another user's, on the same connection.
#[tokio::test]
async fn what_is_left_of_a_body_is_never_the_next_requests() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (told, mut streams) = mpsc::unbounded_channel();
    let gateway = gateway(listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { early_service(listener.accept().await.unwrap().0, told).await });
    let mut client = gateway.connect().await;
    let chunk = |byte: &str, length: usize| format!("{length:x}\r\n{}\r\n", byte.repeat(length));
    let head = |path: &str| format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    let first = [head("/one"), chunk("A", WINDOW), chunk("A", 20_000), "0\r\n\r\n".to_owned()].concat();
    client.write_all(first.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(soon(client.read_u8()).await.unwrap());
    }
    client.write_all([head("/two"), chunk("B", 1_000)].concat().as_bytes()).await.unwrap();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        client.write_all(chunk("B", 100).as_bytes()).await.unwrap();
    }
    client.write_all(b"0\r\n\r\n").await.unwrap();
    let streams = soon(streams.recv()).await.unwrap();
    let (second, is_whole) = &streams[&3];
    assert_eq!((second, is_whole), (&vec![b'B'; 3_000], &true));
    let (first, is_whole) = &streams[&1];
    assert!(first.iter().all(|byte| *byte == b'A'), "the other's bytes among {}", first.len());
    assert!(!is_whole, "a part of the first body looks whole: {}", first.len());
}

/// Not only when a time-out fires: each such client would hold its place for a minute.
#[tokio::test]
async fn a_client_that_goes_away_is_noticed_although_another_task_has_read_its_body() {
    for request in [
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    ] {
        let (told, mut reset) = mpsc::unbounded_channel();
        let (address, _tasks) = service(move |_, mut body, mut respond| {
            let told = told.clone();
            async move {
                let bytes = read(&mut body).await;
                told.send(bytes.len()).unwrap();
                let _ = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
                told.send(usize::MAX).unwrap();
            }
        })
        .await;
        let gateway = gateway(address);
        let mut client = gateway.connect().await;
        client.write_all(request.as_bytes()).await.unwrap();
        if !request.ends_with("\r\n\r\nab") {
            assert_eq!(soon(reset.recv()).await, Some(3));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(client);
        while soon(reset.recv()).await.unwrap() != usize::MAX {}
    }
}
