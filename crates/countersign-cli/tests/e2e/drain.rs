//! SIGTERM under load: every request that is open is answered, then the gateway ends by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    client::Call,
    counterpart::authorization_server::{AuthorizationServer, BASIC_SECRET, COOKIE},
    gateway::{Gateway, Setting},
    job::ISSUER,
    local_server::LocalServer,
};

const OPEN: usize = 1_000;

/// Of one HTTP/2 connection.
const STREAMS: usize = 100;

/// A gateway that drains for 40 s at most, the service behind it, and a session that it knows.
async fn warm() -> (Gateway, LocalServer, String) {
    let server = AuthorizationServer::shared();
    let service = LocalServer::recording().await;
    let mut setting = Setting::new();
    let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    let config = format!(
        "issuer = \"{ISSUER}\"\n{session}[limits]\ndrain = \"40s\"\n\
         [[route]]\npath = \"/orders/\"\nupstream = \"{}\"\naudience = \"orders\"\n",
        service.origin()
    );
    let mut gateway = Gateway::start(setting, &config);
    let session = server.log_in("ada", "legacy-app").await;
    gateway.get("/orders/", COOKIE, &session).await.expect(200);
    (gateway, service, session)
}

#[tokio::test]
async fn every_open_request_is_answered() {
    let (mut gateway, service, session) = warm().await;
    let mut callers = JoinSet::new();
    for _ in 0..OPEN {
        let call =
            Call::get(gateway.url("/orders/slow?after=4000")).header("cookie", format!("{COOKIE}={session}"));
        callers.spawn(call.send());
    }
    service.wait_for(1 + OPEN).await;
    gateway.terminate();
    let answers = callers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), OPEN);
    assert!(answers.iter().all(|answer| answer.json()["service"] == "recording"));

    let status = gateway.ended().await;
    assert!(status.success(), "{status}");
    assert!(Call::get(gateway.url("/orders/")).try_send().await.is_err(), "somebody still listens");
    gateway.stop().await;
}

/// As a browser or a client of gRPC has them: many streams on one connection, which is told to take no more (RFC 9113
/// §6.8).
#[tokio::test]
async fn every_open_stream_is_answered_and_no_new_one_is_taken() {
    let (mut gateway, service, session) = warm().await;
    let request = |path: &str| {
        let request = Request::get(gateway.url(path)).header("cookie", format!("{COOKIE}={session}"));
        request.body(Empty::<Bytes>::new()).unwrap()
    };
    let socket = TcpStream::connect(gateway.address()).await.unwrap();
    let (mut client, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    let connection = tokio::spawn(connection);
    let answered = Arc::new(AtomicUsize::new(0));
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        // Long enough for all that follows on a busy machine.
        let answer = client.send_request(request("/orders/slow?after=15000"));
        let answered = Arc::clone(&answered);
        streams.spawn(async move {
            let answer = answer.await.unwrap();
            answered.fetch_add(1, Ordering::SeqCst);
            let status = answer.status();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            (status.as_u16(), String::from_utf8_lossy(&body).into_owned())
        });
    }
    service.wait_for(1 + STREAMS).await;
    gateway.terminate();
    let until_refused = async {
        while client.ready().await.is_ok() {
            if client.send_request(request("/nowhere/")).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(60), until_refused).await.expect("new streams are taken");
    assert_eq!(answered.load(Ordering::SeqCst), 0, "it is told while the others are open");
    let answers = streams.join_all().await;
    assert_eq!(answers.len(), STREAMS);
    for (status, body) in answers {
        assert_eq!((status, body.as_str()), (200, r#"{"service":"recording"}"#));
    }
    drop(client);
    connection.await.unwrap().unwrap();
    let status = gateway.ended().await;
    assert!(status.success(), "{status}");
    assert_eq!(service.count(), 1 + STREAMS);
    gateway.stop().await;
}
