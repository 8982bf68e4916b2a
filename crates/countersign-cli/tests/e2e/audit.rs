//! `countersign audit` against services that know nothing of our library.
//!
//! The correct ones are clean but for what their libraries are known to let through: that stands, with the reason, in
//! a baseline file beside each. What is wrong with the faulty ones is found beyond it.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    counterpart::foreign_service::ForeignService,
    local_server::{LocalServer, Reply},
};

/// The audit's keys, and their public halves, served for as long as the test runs.
struct Keys {
    folder: TempDir,
    served: LocalServer,
}

impl Keys {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (key, written) = (folder.path().join("audit.key"), folder.path().join("jwks.json"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let output =
            command.args(["audit", "--key"]).arg(&key).arg("--write-jwks").arg(&written).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let mode = fs::metadata(&key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "the private keys are their owner's alone");
        let keys: Value = serde_json::from_slice(&fs::read(written).unwrap()).unwrap();
        Self { folder, served: LocalServer::start(move |_| Reply::json(&keys)).await }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("audit.key")
    }

    fn origin(&self) -> String {
        self.served.origin()
    }
}

/// Runs the audit with the service's baseline; the report is the second.
async fn audit(service: &ForeignService, keys: &Keys) -> (Output, Value) {
    let report = service.file("report.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["audit", "--target", service.url(), "--spec"]).arg(service.file("openapi.json"));
    command.arg("--config").arg(service.settings()).arg("--baseline").arg(service.baseline());
    command.arg("--key").arg(keys.file());
    command.arg("--json").arg(&report).args(["--fail-on", "note", "--min-coverage", "99"]);
    command.stdin(Stdio::null());
    // The key set is served by this thread in the meantime.
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = fs::read(&report).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output, serde_json::from_slice(&text).unwrap())
}

/// `id METHOD path` of each finding, those in the baseline or those beyond it.
fn findings(report: &Value, known: bool) -> BTreeSet<String> {
    let all = report["findings"].as_array().unwrap().iter();
    all.filter(|finding| finding["known"].as_bool().unwrap_or_default() == known).map(named).collect()
}

fn named(finding: &Value) -> String {
    let part = |name: &str| finding[name].as_str().unwrap();
    format!("{} {} {}", part("id"), part("method"), part("path"))
}

/// Nothing is found but the baseline, and all of that: what a library has fixed must leave it.
async fn is_clean(service: ForeignService, keys: &Keys) {
    let (output, report) = audit(&service, keys).await;
    assert_eq!(findings(&report, false), BTreeSet::new(), "{}", service.url());
    let baseline: Value = serde_json::from_slice(&fs::read(service.baseline()).unwrap()).unwrap();
    let baseline = baseline["findings"].as_array().unwrap();
    assert!(baseline.iter().all(|finding| finding["why"].as_str().unwrap().len() > 20));
    assert_eq!(findings(&report, true), baseline.iter().map(named).collect());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(report["coverage"]["decided"], report["coverage"]["cells"], "{}", report["coverage"]);
}

async fn is_found(service: ForeignService, keys: &Keys, expected: &[&str]) {
    let (output, report) = audit(&service, keys).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let expected: BTreeSet<String> = expected.iter().map(|&finding| finding.to_owned()).collect();
    assert_eq!(findings(&report, false), expected);
}

#[tokio::test]
async fn a_correct_express_service_is_clean() {
    let keys = Keys::start().await;
    is_clean(ForeignService::express(&keys.origin(), false), &keys).await;
}

#[tokio::test]
async fn a_correct_fastapi_service_is_clean() {
    let keys = Keys::start().await;
    is_clean(ForeignService::fastapi(&keys.origin(), false), &keys).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_faulty_express_service_is_found() {
    let keys = Keys::start().await;
    let expected = [
        // the report reads tokens without verifying them, and fails where they are not as it thinks
        "any-token-accepted GET /report",
        "bad-token-crashes GET /report",
        "filter-crosses-organisations GET /notes",
        "foreign-object-writable DELETE /notes/{note}",
    ];
    is_found(ForeignService::express(&keys.origin(), true), &keys, &expected).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_faulty_fastapi_service_is_found() {
    let keys = Keys::start().await;
    let operations = [
        "GET /report",
        "GET /tickets",
        "POST /tickets",
        "DELETE /tickets/{ticket}",
        "GET /tickets/{ticket}",
        "PUT /tickets/{ticket}",
    ];
    let mut expected = vec!["foreign-object-readable GET /tickets/{ticket}".to_owned()];
    for operation in operations {
        expected.push(format!("audience-not-checked {operation}"));
        expected.push(format!("expiry-not-required {operation}"));
        let needs_role = !operation.starts_with("GET /tickets");
        let roles = if needs_role { "role-compared-loosely" } else { "role-string-accepted" };
        expected.push(format!("{roles} {operation}"));
    }
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    is_found(ForeignService::fastapi(&keys.origin(), true), &keys, &expected).await;
}
