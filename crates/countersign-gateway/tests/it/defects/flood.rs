//! Ten thousand random cookies from one address, and a server that hangs over each of them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::Instant,
};

use crate::{
    proxy::house::{House, who},
    server::recorder::{OK, Recorder},
    sources::fake::{Act, Arrived, json},
};

const CONNECTIONS: usize = 250;
const COOKIES: usize = 10_000;
/// So long a look-up that hangs is waited for.
const TIMEOUT: Duration = Duration::from_secs(6);

/// A connection from another address of this machine.
async fn connect_from(last: u8, gateway: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
    socket.connect(gateway).await.unwrap()
}

/// One request on a connection that stays open; status and `Retry-After`.
async fn ask(socket: &mut TcpStream, cookie: &str) -> (u16, bool) {
    let request = format!("GET /orders/ HTTP/1.1\r\nHost: shop.example\r\nCookie: SESSION={cookie}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        socket.read_buf(&mut answer).await.unwrap();
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= length.parse().unwrap() {
            return (head[9..12].parse().unwrap(), head.contains("retry-after: "));
        }
    }
}

#[tokio::test]
async fn a_flood_of_random_cookies_leaves_warm_sessions_alone_and_lets_new_log_ins_through() {
    let respond = |asked: &Arrived| {
        if asked.body.contains("random") {
            Act::Hang
        } else if asked.body.contains("newcomer") {
            json(200, r#"{"active":true,"sub":"new","org":{"id":"acme"}}"#)
        } else {
            who(asked)
        }
    };
    let service = Recorder::answering(OK).await;
    let limits =
        format!("timeout = \"{}s\"\nmax_lookups = 8\nmax_lookups_per_client = 4\n", TIMEOUT.as_secs());
    let house = House::asking(&limits, "", "", service, respond).await;
    let gateway = house.address;
    let mut warm = connect_from(1, gateway).await;
    assert_eq!(ask(&mut warm, "alice-session").await.0, 200);

    let over = Arc::new(AtomicBool::new(false));
    let mut flood = JoinSet::new();
    let sent = Arc::new(AtomicUsize::new(0));
    for _ in 0..CONNECTIONS {
        let sent = Arc::clone(&sent);
        flood.spawn(async move {
            let mut socket = connect_from(66, gateway).await;
            loop {
                let n = sent.fetch_add(1, SeqCst);
                if n >= COOKIES {
                    return;
                }
                let (status, retry) = ask(&mut socket, &format!("random-{n}")).await;
                // Never a verdict: nobody asked, or nobody answered.
                assert!(matches!(status, 429 | 503) && retry, "{status}");
            }
        });
    }
    let guests = tokio::spawn({
        let over = Arc::clone(&over);
        async move {
            let (mut slowest, mut count) = (Duration::ZERO, 0);
            while !over.load(SeqCst) {
                let began = Instant::now();
                assert_eq!(ask(&mut warm, "alice-session").await.0, 200, "a warm session");
                slowest = slowest.max(began.elapsed());
                let mut newcomer = connect_from(100 + (count % 100) as u8, gateway).await;
                let (status, _) = ask(&mut newcomer, &format!("newcomer-{count}")).await;
                assert_eq!(status, 200, "a new log-in from another address");
                count += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            (slowest, count)
        }
    });
    while let Some(outcome) = flood.join_next().await {
        outcome.unwrap();
    }
    over.store(true, SeqCst);
    let (slowest, count) = guests.await.unwrap();
    assert!(count >= 5, "{count} new log-ins during the flood");
    // A warm session waits for no look-up; what remains is a busy machine.
    assert!(slowest < TIMEOUT, "{slowest:?}");
}
