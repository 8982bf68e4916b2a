use std::{
    future::pending,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::PathBuf,
    sync::Arc,
};

use countersign_gateway::{
    admin::{
        ControlSocket,
        client::{CallError, call},
        serve,
    },
    observe::ReloadOutcome,
    store::StateDirectory,
};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Bench, bench};

struct Running {
    _outer: TempDir,
    path: PathBuf,
    _socket: ControlSocket,
}

fn start(bench: &Bench) -> Running {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("state");
    let directory = Arc::new(StateDirectory::enter(&path).unwrap());
    let (socket, listener) = ControlSocket::bind(&directory).unwrap();
    tokio::spawn(serve(listener, bench.admin.control(), pending()));
    Running { _outer: outer, path, _socket: socket }
}

async fn ask(running: &Running, method: Method, path: &str) -> (u16, Value) {
    let reply = call(&running.path, method, path, "").await.unwrap();
    (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap())
}

#[tokio::test]
async fn keys_are_listed_and_exported_without_their_private_halves() {
    let bench = bench();
    let running = start(&bench);
    let (status, listed) = ask(&running, Method::GET, "/keys").await;
    assert_eq!(status, 200);
    let ring = bench.ring.load();
    let kids: Vec<_> = ring.keys(super::START).map(|key| key.scheduled.kid.to_string()).collect();
    assert_eq!(
        listed,
        json!({"version": 1, "keys": [
            {"kid": kids[0], "algorithm": "ES256", "phase": "signing", "published": "2027-01-15T08:00:00Z",
             "signs_from": "2027-01-15T08:00:00Z", "signs_until": null},
            {"kid": kids[1], "algorithm": "ES256", "phase": "published", "published": "2027-01-15T08:00:00Z",
             "signs_from": null, "signs_until": null},
        ]})
    );
    let (status, exported) = ask(&running, Method::GET, "/keys/public").await;
    assert_eq!(status, 200);
    for key in exported["keys"].as_array().unwrap() {
        assert!(key.get("d").is_none() && key.get("k").is_none(), "{key}");
        assert!(kids.contains(&key["kid"].as_str().unwrap().to_owned()));
    }
    assert_eq!(exported["keys"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_status_is_told() {
    let bench = bench();
    let running = start(&bench);
    *bench.gateway.not_ready.lock().unwrap() = Some("starting");
    bench.metrics.worker(0).connection_opened();
    let (status, told) = ask(&running, Method::GET, "/status").await;
    assert_eq!(status, 200);
    assert_eq!(
        told,
        json!({
            "version": env!("CARGO_PKG_VERSION"), "started": "2027-01-15T08:00:00Z", "uptime_seconds": 90,
            "ready": false, "reason": "starting", "revocations_pending": 0, "ring_version": 1, "sessions_cached": 42,
            "connections_open": 1, "requests_in_flight": 0, "audit_failing": false, "audit_lines_lost": 0,
            "log_lines_lost": 0, "request_lines_lost": 0,
        })
    );
}

#[tokio::test]
async fn a_reload_is_asked_for_and_its_outcome_told() {
    let bench = bench();
    let running = start(&bench);
    assert_eq!(ask(&running, Method::POST, "/reload").await, (200, json!({"outcome": "applied"})));
    *bench.gateway.reload.lock().unwrap() = Ok(ReloadOutcome::Unchanged);
    assert_eq!(ask(&running, Method::POST, "/reload").await, (200, json!({"outcome": "unchanged"})));
    *bench.gateway.reload.lock().unwrap() = Err("line 3: no such key".into());
    assert_eq!(
        ask(&running, Method::POST, "/reload").await,
        (422, json!({"outcome": "refused", "error": "line 3: no such key"}))
    );
    assert_eq!(call(&running.path, Method::GET, "/reload", "").await.unwrap().status, 405);
    assert_eq!(call(&running.path, Method::GET, "/none", "").await.unwrap().status, 404);
    assert_eq!(call(&running.path, Method::GET, "/readyz", "").await.unwrap().status, 200);
}

#[tokio::test]
async fn the_socket_is_the_owners_and_ends_with_the_gateway() {
    let bench = bench();
    let running = start(&bench);
    let path = running.path.join("control.sock");
    let metadata = std::fs::metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.mode() & 0o7777, 0o600);
    let Running { _outer, path: folder, _socket } = running;
    drop(_socket);
    assert!(!path.exists());
    let missing = call(&folder, Method::GET, "/status", "").await.unwrap_err();
    assert!(matches!(missing, CallError::NotRunning(_)), "{missing}");
    let bad = call(&folder, Method::GET, "no path", "").await.unwrap_err();
    assert!(matches!(bad, CallError::Path(_)), "{bad}");
}

#[tokio::test]
async fn a_socket_left_by_a_crash_is_replaced() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("state");
    let directory = Arc::new(StateDirectory::enter(&path).unwrap());
    drop(std::os::unix::net::UnixListener::bind(path.join("control.sock")).unwrap());
    assert!(matches!(call(&path, Method::GET, "/status", "").await, Err(CallError::NotRunning(_))));
    let (_socket, listener) = ControlSocket::bind(&directory).unwrap();
    tokio::spawn(serve(listener, bench().admin.control(), pending()));
    assert_eq!(call(&path, Method::GET, "/status", "").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_path_that_is_too_long_is_named() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("x".repeat(120));
    let directory = Arc::new(StateDirectory::enter(&path).unwrap());
    let error = ControlSocket::bind(&directory).unwrap_err();
    assert_eq!(error.code(), "store_file");
    assert!(error.to_string().contains("control.sock"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_does_not_answer_is_waited_for_30_seconds() {
    let outer = tempfile::tempdir().unwrap();
    let _deaf = std::os::unix::net::UnixListener::bind(outer.path().join("control.sock")).unwrap();
    let begun = tokio::time::Instant::now();
    let error = call(outer.path(), Method::GET, "/status", "").await.unwrap_err();
    assert!(matches!(error, CallError::Timeout), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 30);
}
