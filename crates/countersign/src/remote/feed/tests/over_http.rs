//! Real HTTP from start to refused token.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

use super::fake::{ISSUER, Keys, is_revoked, session};
use crate::{
    Clock, Secret, SystemClock,
    remote::{ClientAuthentication, FeedStartError, RevocationFeed},
    revocation::{Event, FeedWriter, Revocation, SnapshotPage, Stamp, What},
    testkit::TestKey,
};

fn client() -> ClientAuthentication {
    ClientAuthentication::basic("orders", Secret::new("s3cret".to_owned())).unwrap()
}

fn revocation(name: &str) -> Revocation {
    let at = SystemClock.now();
    Revocation { target: session(name), at, expires: at.saturating_add(Duration::from_secs(300)) }
}

#[tokio::test]
async fn a_revocation_comes_over_http() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = format!("http://{}/base/", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        let key = TestKey::Ed25519.signing_key();
        let (writer, name) = (FeedWriter::new(ISSUER), "m".into());
        let stamp = Stamp { issued_at: SystemClock.now(), token_id: &name, reason: None };
        let page = SnapshotPage::pages(&"e.1".parse().unwrap(), [revocation("before")]);
        let page = writer.page(&page[0], &stamp, key).unwrap();
        let event = |cursor: &str, what| {
            writer.event(&Event { cursor: cursor.parse().unwrap(), what }, &stamp, key).unwrap()
        };
        let events = format!(
            "event: revocation\ndata: {}\n\nevent: heartbeat\ndata: {}\n\n",
            event("e.2", What::Revoked(revocation("now"))),
            event("e.2", What::Heartbeat)
        );
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = socket.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let answer = if request.starts_with("GET /base/revocations/snapshot?page=0 ") {
                let length = page.len();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/secevent+jwt\r\nConnection: close";
                format!("{head}\r\nContent-Length: {length}\r\n\r\n{page}")
            } else {
                format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n{events}")
            };
            seen.lock().unwrap().push(request);
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let feed =
        RevocationFeed::builder(ISSUER, gateway, client()).keys(Keys::new(&[TestKey::Ed25519])).start();
    let feed = feed.unwrap();
    assert!(timeout(Duration::from_secs(20), feed.ready(Duration::from_secs(10))).await.unwrap());
    assert!(is_revoked(&feed, &session("before")) && is_revoked(&feed, &session("now")));
    let requests = requests.lock().unwrap();
    assert!(requests[0].contains("\r\nauthorization: Basic b3JkZXJzOnMzY3JldA==\r\n"), "{}", requests[0]);
    assert!(requests[1].starts_with("GET /base/revocations/stream HTTP/1.1\r\n"), "{}", requests[1]);
    assert!(requests[1].contains("\r\nlast-event-id: e.1\r\n"), "{}", requests[1]);
}

#[test]
fn a_gateway_that_cannot_be_trusted_is_refused_at_start() {
    let start = |gateway: &str| {
        RevocationFeed::builder(ISSUER, gateway, client())
            .keys(Keys::new(&[TestKey::Ed25519]))
            .start()
            .map(|_| ())
    };
    assert!(matches!(start("http://gateway.example:8082"), Err(FeedStartError::Location(_))));
    assert!(matches!(start("http://127.0.0.1:1/?a=b"), Err(FeedStartError::Location(_))));
    assert!(matches!(start("http://127.0.0.1:1"), Err(FeedStartError::NoRuntime)));
    let without_keys = RevocationFeed::builder(ISSUER, "http://127.0.0.1:1", client()).start();
    assert!(matches!(without_keys, Err(FeedStartError::NoKeys)));
}
