//! How long a revoked token lives is measured, and a revocation without effect is found.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::routing::{get, post};
use countersign::{
    Caller, Revocable, Revocations, Standing, Verifier, axum::ProtectedRouter, testkit::TestKey,
    tower::Authenticate,
};
use countersign_audit::{Options, Quiet, Report, Settings, parse_routes};

/// The audit's own session ends when somebody says so.
#[derive(Debug)]
struct Ended(Arc<AtomicBool>);

impl Revocations for Ended {
    fn standing(&self, token: &Revocable<'_>) -> Standing {
        let concerned = token.session.is_some_and(|session| *session == "countersign-audit-log-out");
        if concerned && self.0.load(Ordering::SeqCst) { Standing::Revoked } else { Standing::Good }
    }
}

async fn read(_: Caller) -> &'static str {
    "ok"
}

async fn measured(effective: bool) -> Report {
    let ended = Arc::new(AtomicBool::new(false));
    let verifier = Verifier::builder()
        .issuer(countersign_audit::ISSUER)
        .audience("notes")
        .key_set(TestKey::set(&TestKey::PUBLISHED))
        .revocations(Ended(Arc::clone(&ended)))
        .build()
        .unwrap();
    let revoke = move || async move { ended.store(effective, Ordering::SeqCst) };
    let app: axum::Router = ProtectedRouter::new()
        .route("/a", get(read))
        .public_route("/revoke/countersign-audit-log-out", post(revoke))
        .build(&Authenticate::new(verifier), &["/revoke/countersign-audit-log-out"])
        .unwrap()
        .with_state(());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let settings = format!("[logout]\nurl = \"{target}/revoke/{{session}}\"\nwithin = 30.0\ngive_up = 1.0\n");
    let options = Options::for_target(&target)
        .document(parse_routes("routes.txt", "GET /a\n").unwrap())
        .settings(Settings::parse("audit.toml", &settings).unwrap())
        .audience("notes");
    countersign_audit::run(options, &mut Quiet).await.unwrap()
}

#[tokio::test]
async fn a_revocation_that_works_is_measured() {
    let report = measured(true).await;
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(
        matches!(&report.log_out[..], [entry] if entry.operation == "GET /a" && entry.milliseconds.is_some())
    );
}

#[tokio::test]
async fn a_revocation_without_effect_is_found() {
    let report = measured(false).await;
    let ids: Vec<&str> = report.findings.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(ids, ["logout-not-effective"]);
    assert_eq!(report.log_out[0].milliseconds, None);
}
