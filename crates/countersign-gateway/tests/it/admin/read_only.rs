use std::{future::pending, net::SocketAddr};

use countersign_gateway::{admin::serve, observe::RouteLabel};
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{Bench, bench};

async fn start(bench: &Bench) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, tokio::spawn(serve(listener, bench.admin.read_only(), pending())))
}

/// Sends bytes and reads until the server closes.
async fn raw(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String, String) {
    let answer = raw(address, &format!("{method} {path} HTTP/1.1\r\nhost: admin\r\n\r\n")).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn health_and_readiness_are_different_questions() {
    let bench = bench();
    let (address, _server) = start(&bench).await;
    assert_eq!(ask(address, "GET", "/readyz").await.2, r#"{"ready":true}"#);
    *bench.gateway.faults.lock().unwrap() = vec!["revocation_unreadable"];
    let (status, _, body) = ask(address, "GET", "/readyz").await;
    assert_eq!((status, body.as_str()), (200, r#"{"ready":true,"faults":["revocation_unreadable"]}"#));
    bench.gateway.faults.lock().unwrap().clear();
    *bench.gateway.not_ready.lock().unwrap() = Some("draining");
    let (status, _, body) = ask(address, "GET", "/readyz").await;
    assert_eq!((status, body.as_str()), (503, r#"{"ready":false,"reason":"draining"}"#));
    assert!(ask(address, "GET", "/metrics").await.2.contains("countersign_ready 0"));
    let (status, _, body) = ask(address, "GET", "/healthz").await;
    assert_eq!((status, body.as_str()), (200, "ok\n"));
}

#[tokio::test]
async fn metrics_are_of_all_workers() {
    let bench = bench();
    let (address, _server) = start(&bench).await;
    for worker in 0..2 {
        bench.metrics.worker(worker).request(RouteLabel::Translate);
        bench.metrics.worker(worker).answered(RouteLabel::Translate, StatusCode::OK);
    }
    let (status, head, body) = ask(address, "GET", "/metrics").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    for line in [
        "countersign_requests_total{route=\"translate\",status=\"2xx\"} 2",
        "countersign_sessions_cached 42",
        "countersign_keys{phase=\"signing\"} 1",
        "countersign_keys{phase=\"published\"} 1",
        "countersign_ready 1",
    ] {
        assert!(body.lines().any(|found| found == line), "{line}\n{body}");
    }
}

#[tokio::test]
async fn the_key_set_is_the_one_in_force() {
    let bench = bench();
    let (address, _server) = start(&bench).await;
    let (status, head, body) = ask(address, "GET", "/.well-known/jwks.json").await;
    assert_eq!(status, 200);
    assert!(head.contains("cache-control: public, max-age=300") && head.contains("etag: "), "{head}");
    assert_eq!(body.as_bytes(), &bench.metadata.load().key_set().body()[..]);
    assert_eq!(body.matches("\"kid\"").count(), 2);
    assert_eq!(ask(address, "HEAD", "/.well-known/jwks.json").await.2, "");
}

#[tokio::test]
async fn nothing_here_changes_anything() {
    let bench = bench();
    let (address, _server) = start(&bench).await;
    for path in ["/healthz", "/metrics", "/readyz", "/.well-known/jwks.json"] {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            assert_eq!(ask(address, method, path).await.0, 405, "{method} {path}");
        }
    }
    for (method, path) in [("POST", "/reload"), ("GET", "/keys"), ("GET", "/status"), ("GET", "/keys/public")]
    {
        assert_eq!(ask(address, method, path).await.0, 404, "{method} {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_no_whole_head_is_let_go() {
    let bench = bench();
    let (address, _server) = start(&bench).await;
    let begun = tokio::time::Instant::now();
    let answer = raw(address, "GET /metrics HTTP/1.1\r\nhost: adm").await;
    assert_eq!(answer, "");
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let bench = bench();
    let (address, _server) = start(&bench).await;
    let head = format!("GET /metrics HTTP/1.1\r\nhost: admin\r\nx: {}\r\n\r\n", "y".repeat(14 * 1024));
    assert!(raw(address, &head).await.starts_with("HTTP/1.1 200 "));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET /metrics HTTP/1.1\r\nhost: admin\r\nx: {}", "y".repeat(64 * 1024));
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    // The server may reset the connection after its answer; what counts is that it gives no page.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn open_requests_end_after_the_shutdown() {
    let bench = bench();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, bench.admin.read_only(), async {
        let _ = stopped.await;
    }));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    // A whole exchange on another connection proves that the first one was accepted.
    assert_eq!(ask(address, "GET", "/healthz").await.0, 200);
    stop.send(()).unwrap();
    stream.write_all(b"host: admin\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("ok\n"), "{answer}");
    server.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
