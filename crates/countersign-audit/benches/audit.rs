//! 200 operations × the whole catalogue against a service in the same process: time, CPU and memory.

use std::{error::Error, fs, sync::Arc};

use axum::{Json, extract::Path, http::StatusCode, routing::get};
use countersign::{
    HasRole, InOrganisation, KeySet, RoleName, Verifier, axum::ProtectedRouter, tower::Authenticate,
};
use countersign_audit::{ISSUER, Keys, Options, Quiet, Settings, Supply, parse_routes};
use serde_json::{Value, json};

/// Paths; each has two operations.
const PATHS: usize = 100;

struct Editor;

impl RoleName for Editor {
    const NAME: &'static str = "editor";
}

async fn list(of: InOrganisation) -> Json<Value> {
    Json(json!([{ "organisation": of.organisation().as_str() }]))
}

async fn read(_: InOrganisation, Path(_): Path<u64>) -> StatusCode {
    StatusCode::NOT_FOUND
}

async fn create(_: HasRole<Editor>, body: Json<Value>) -> StatusCode {
    if body.get("name").is_some() { StatusCode::CREATED } else { StatusCode::UNPROCESSABLE_ENTITY }
}

async fn remove(_: HasRole<Editor>, Path(_): Path<u64>) -> StatusCode {
    StatusCode::NOT_FOUND
}

/// A number of `/proc/self/status`, in KiB.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// Seconds of CPU that this process has used, in hundredths.
fn cpu() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    after.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let keys = Keys::generate()?;
    let verifier = Verifier::builder()
        .issuer(ISSUER)
        .audience("bench")
        .key_set(KeySet::parse(keys.key_set_json().as_bytes())?)
        .build()?;
    let (mut router, mut routes) = (ProtectedRouter::new(), String::new());
    for number in 0..PATHS / 2 {
        router = router
            .route(&format!("/things{number}"), get(list).post(create))
            .route(&format!("/things{number}/{{id}}"), get(read).delete(remove));
        routes.push_str(&format!(
            "GET /things{number}\nPOST /things{number} editor\nGET /things{number}/{{id}}\nDELETE /things{number}/{{id}} editor\n"
        ));
    }
    let app: axum::Router = router.build(&Authenticate::new(verifier), &[])?.with_state(());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let target = format!("http://{}", listener.local_addr()?);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let document = parse_routes("routes.txt", &routes)?;
    let operations = document.operations.len();
    let bodies: String =
        (0..PATHS / 2).map(|number| format!("\"POST /things{number}\" = {{ name = \"x\" }}\n")).collect();
    let settings = Settings::parse(
        "audit.toml",
        &format!("[organisations.a]\nid = \"acme\"\n[organisations.b]\nid = \"globex\"\n[bodies]\n{bodies}"),
    )?;
    let mut options = Options::for_target(&target).document(document).settings(settings).audience("bench");
    options.supply = Supply::OwnKey { keys: Some(keys), listen: None };
    options.destructive = countersign_audit::Destructive::Full;
    let clock = Arc::clone(&options.clock);
    let (before, began, cpu_before) = (memory("VmRSS"), clock.now(), cpu());
    let report = countersign_audit::run(options, &mut Quiet).await?;
    let seconds = clock.now().saturating_since(began).as_secs();
    server.abort();
    println!(
        "{}",
        json!({
            "operations": operations, "requests": report.requests, "cells": report.coverage.cells,
            "decided": report.coverage.decided, "findings": report.findings.len(), "wall_seconds": seconds,
            "cpu_seconds": (cpu() - cpu_before) / 100, "memory_before_kib": before, "memory_peak_kib": memory("VmHWM"),
        })
    );
    Ok(())
}
