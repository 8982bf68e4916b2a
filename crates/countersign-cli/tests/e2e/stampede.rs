//! Everybody comes at once: one call for one session.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Barrier,
    task::JoinSet,
};

use crate::{
    counterpart::authorization_server::COOKIE,
    gateway::{Gateway, Setting},
    job::ISSUER,
    local_server::{LocalServer, Reply},
};

const REQUESTS: usize = 10_000;

#[tokio::test]
async fn ten_thousand_requests_of_one_cold_session_are_one_call() {
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
timeout = "60s"
[limits]
connections = {connections}
connections_per_client = {connections}
connect_timeout = "30s"
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
