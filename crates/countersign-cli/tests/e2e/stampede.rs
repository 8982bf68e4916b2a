//! Everybody comes at once: one call for one session.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Barrier, Mutex},
    task::JoinSet,
};

use crate::{
    counterpart::authorization_server::COOKIE,
    gateway::{Gateway, Setting},
    job::ISSUER,
    local_server::{LocalServer, Reply},
};

const REQUESTS: usize = 10_000;
/// One after the other: each has ten thousand sockets open, and as many again where they are answered, in one process.
static TURN: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn ten_thousand_requests_of_one_cold_session_are_one_call() {
    let _turn = TURN.lock().await;
    // long enough for every request to be under way
    let everybody = Duration::from_secs(3);
    let answer = json!({ "active": true, "sub": "ada", "client_id": "web" });
    let server = LocalServer::start(move |_| Reply::json(&answer).after(everybody)).await;
    let service = LocalServer::recording().await;
    let mut setting = Setting::new();
    let file = setting.secret_file("secret", "secret-of-the-gateway");
    let config = format!(
        r#"
issuer = "{ISSUER}"
[session]
cookie = "{COOKIE}"
introspect = "{server}/introspect"
client_id = "gateway"
client_secret_file = "{file}"
timeout = "1m"
[limits]
connections = {connections}
connections_per_client = {connections}
connect_timeout = "1m"
header_timeout = "5m"
[[route]]
path = "/orders/"
upstream = "{service}"
audience = "orders"
"#,
        server = server.origin(),
        connections = REQUESTS + 100,
        service = service.origin()
    );
    let mut gateway = Gateway::start(setting, &config);
    let session = "session-of-everybody-at-once";
    gateway.keep_secret(session);

    let ready = Arc::new(Barrier::new(REQUESTS));
    let mut callers = JoinSet::new();
    for _ in 0..REQUESTS {
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap_or_else(|error| {
            panic!("{error}; are {} open files allowed? (`ulimit -n`)", REQUESTS * 2)
        });
        let ready = Arc::clone(&ready);
        callers.spawn(async move {
            ready.wait().await;
            let request =
                format!("GET /orders/ HTTP/1.1\r\nHost: shop.example\r\nCookie: {COOKIE}={session}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut status = [0; 12];
            stream.read_exact(&mut status).await.unwrap();
            status
        });
    }
    let statuses = callers.join_all().await;
    let well = statuses.iter().filter(|status| *status == b"HTTP/1.1 200").count();
    assert_eq!((well, server.count(), service.count()), (REQUESTS, 1, REQUESTS));
    gateway.stop().await;
}

/// A thousand people at once, whom nobody knows yet, ten times each: everybody gets an answer of their own.
#[tokio::test]
async fn ten_thousand_requests_of_a_thousand_cold_sessions_are_never_mixed_up() {
    const PEOPLE: usize = 1_000;
    let _turn = TURN.lock().await;
    let server = LocalServer::start(|seen| {
        let form = String::from_utf8(seen.body.to_vec()).unwrap();
        let who = form.split('&').find_map(|field| field.strip_prefix("token=session-of-")).unwrap();
        Reply::json(&json!({ "active": true, "sub": who, "client_id": "web" }))
    })
    .await;
    let service = LocalServer::forgetful(|seen| {
        let authorization = seen.header("authorization").unwrap_or_default();
        let payload = authorization.split('.').nth(1).unwrap_or_default();
        let claims = URL_SAFE_NO_PAD.decode(payload).unwrap();
        Reply::json(&json!({ "sub": serde_json::from_slice::<Value>(&claims).unwrap()["sub"] }))
    })
    .await;
    let mut setting = Setting::new();
    let file = setting.secret_file("secret", "secret-of-the-gateway");
    let config = format!(
        r#"
issuer = "{ISSUER}"
[session]
cookie = "{COOKIE}"
introspect = "{server}/introspect"
client_id = "gateway"
client_secret_file = "{file}"
timeout = "1m"
max_lookups = {PEOPLE}
max_lookups_per_client = {PEOPLE}
[limits]
connections = {connections}
connections_per_client = {connections}
connect_timeout = "1m"
header_timeout = "5m"
[[route]]
path = "/orders/"
upstream = "{service}"
audience = "orders"
"#,
        server = server.origin(),
        connections = REQUESTS + 100,
        service = service.origin()
    );
    let gateway = Gateway::start(setting, &config);
    let ready = Arc::new(Barrier::new(REQUESTS));
    let mut callers = JoinSet::new();
    for number in 0..REQUESTS {
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        let ready = Arc::clone(&ready);
        callers.spawn(async move {
            let who = format!("person-{}", number % PEOPLE);
            ready.wait().await;
            let request = format!(
                "GET /orders/ HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\
                Cookie: {COOKIE}=session-of-{who}\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let is_good =
                answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&format!(r#"{{"sub":"{who}"}}"#));
            (!is_good).then(|| format!("{who}: {answer}"))
        });
    }
    let wrong: Vec<String> = callers.join_all().await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} of {REQUESTS}, the first {}", wrong.len(), wrong[0]);
    assert_eq!(server.count(), PEOPLE, "each is asked about once");
    gateway.stop().await;
}
