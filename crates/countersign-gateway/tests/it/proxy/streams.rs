//! Streams end with their session.

use std::time::Duration;

use countersign::{Clock as _, SystemClock};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

use super::house::House;
use crate::{
    http2::frames::{DATA, END_STREAM, RST_STREAM, Raw, field},
    server::{
        harness::{rest, soon},
        recorder::Recorder,
    },
    sources::fake::json,
    wire::ALICE,
};

/// From the one look-up to the session's end, which is in whole seconds.
const LEFT: u64 = 5;
/// Before anything else would end them, on a machine that is busy with others.
const LATEST: Duration = Duration::from_secs(45);

/// Says something ten times a second, in events or on a WebSocket, for as long as it is listened to.
async fn talkative() -> Recorder {
    Recorder::start(|mut socket, _, record| async move {
        let Some((head, _)) = record.take(&mut socket).await else { return };
        let (opening, piece) = if head.to_ascii_lowercase().contains("\r\nupgrade: websocket") {
            ("101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket", "hello")
        } else {
            ("200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked", "5\r\n:ok\n\n\r\n")
        };
        let opening = format!("HTTP/1.1 {opening}\r\n\r\n");
        let mut said = socket.write_all(opening.as_bytes()).await;
        while said.is_ok() {
            sleep(Duration::from_millis(100)).await;
            said = socket.write_all(piece.as_bytes()).await;
        }
    })
    .await
}

#[tokio::test]
async fn events_a_websocket_and_an_http2_stream_end_with_their_session() {
    let service = talkative().await;
    let route = format!(
        "[[route]]\npath = \"/socket/\"\nupstream = \"http://{}\"\naudience = \"orders\"\nupgrade = true\n",
        service.address
    );
    let house = House::with("", &route, service, move |_| {
        let ends = SystemClock.now().as_secs() + LEFT;
        let claims = r#""roles":["editor"],"org":{"id":"acme"},"client_id":"shop""#;
        json(200, &format!(r#"{{"active":true,"sub":"alice","exp":{ends},{claims}}}"#))
    })
    .await;
    let started = Instant::now();
    let events = async {
        let mut socket = TcpStream::connect(house.address).await.unwrap();
        let ask = format!("GET /orders/events HTTP/1.1\r\nHost: shop.example\r\n{ALICE}\r\n\r\n");
        socket.write_all(ask.as_bytes()).await.unwrap();
        let all = String::from_utf8(rest(&mut socket).await).unwrap();
        assert!(all.starts_with("HTTP/1.1 200 ") && all.contains(":ok"), "{all}");
        assert!(!all.ends_with("0\r\n\r\n"), "the client is told that it is not the end: {all}");
        started.elapsed()
    };
    let websocket = async {
        let mut socket = TcpStream::connect(house.address).await.unwrap();
        let ask = format!(
            "GET /socket/ HTTP/1.1\r\nHost: shop.example\r\n{ALICE}\r\nOrigin: https://shop.example\r\n\
            Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        );
        socket.write_all(ask.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        let _ = soon(socket.read_to_end(&mut all)).await;
        let all = String::from_utf8(all).unwrap();
        assert!(all.starts_with("HTTP/1.1 101 ") && all.contains("hello"), "{all}");
        started.elapsed()
    };
    let stream = async {
        let mut raw = Raw::open(house.address).await;
        let fields = [
            field(":method", "GET"),
            field(":scheme", "http"),
            field(":authority", "shop.example"),
            field(":path", "/orders/events"),
            field("cookie", "SESSION=alice-session"),
        ];
        raw.headers(1, END_STREAM, &fields).await;
        let mut pieces = 0;
        loop {
            let frame = raw.next().await.expect("the connection stays");
            pieces += usize::from(frame.kind == DATA);
            if frame.kind == RST_STREAM {
                break;
            }
        }
        assert!(pieces > 0);
        started.elapsed()
    };
    let (events, websocket, stream) = tokio::join!(events, websocket, stream);
    for (name, lasted) in [("events", events), ("websocket", websocket), ("stream", stream)] {
        assert!(lasted >= Duration::from_secs(LEFT - 1) && lasted < LATEST, "{name}: {lasted:?}");
    }
}
