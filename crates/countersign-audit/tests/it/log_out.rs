//! How long a revoked token lives is measured at every service, and a revocation without effect is found.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::routing::{get, post};
use countersign::{
    Caller, KeySet, Revocable, Revocations, Standing, Verifier, axum::ProtectedRouter, tower::Authenticate,
};
use countersign_audit::{Keys, Options, Quiet, Report, Settings, Supply, parse_routes, report::terminal};

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

/// A service that reads whether the session has ended there; what is posted says that it has, that much later.
async fn service(audience: &str, keys: &Keys, ended: &Arc<AtomicBool>, after: Duration) -> SocketAddr {
    let verifier = Verifier::builder()
        .issuer(countersign_audit::ISSUER)
        .audience(audience)
        .key_set(KeySet::parse(keys.key_set_json().as_bytes()).unwrap())
        .revocations(Ended(Arc::clone(ended)))
        .build()
        .unwrap();
    let ended = Arc::clone(ended);
    let revoke = move || async move {
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            ended.store(true, Ordering::SeqCst);
        });
    };
    let app: axum::Router = ProtectedRouter::new()
        .route("/a", get(read))
        .public_route("/revoke/countersign-audit-log-out", post(revoke))
        .build(&Authenticate::new(verifier), &["/revoke/countersign-audit-log-out"])
        .unwrap()
        .with_state(());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// The target refuses at once, `slow` two seconds later, `never` not at all; `wrong` takes no token of the audit.
async fn measured(logout: &str) -> Report {
    let keys = Keys::generate().unwrap();
    let (at_once, late, deaf) = (Arc::default(), Arc::default(), Arc::default());
    let target = service("notes", &keys, &at_once, Duration::ZERO).await;
    let slow = service("slow", &keys, &late, Duration::ZERO).await;
    let never = service("never", &keys, &deaf, Duration::ZERO).await;
    let wrong = service("another", &keys, &deaf, Duration::ZERO).await;
    let relay = Arc::clone(&late);
    tokio::spawn(async move {
        while !at_once.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        relay.store(true, Ordering::SeqCst);
    });
    let settings = logout
        .replace("TARGET", &format!("http://{target}"))
        .replace("SLOW", &format!("http://{slow}/a"))
        .replace("NEVER", &format!("http://{never}/a"))
        .replace("WRONG", &format!("http://{wrong}/a"));
    let options = Options::for_target(&format!("http://{target}"))
        .document(parse_routes("routes.txt", "GET /a\n").unwrap())
        .settings(Settings::parse("audit.toml", &settings).unwrap())
        .supply(Supply::OwnKey { keys: Some(keys), listen: None })
        .audience("notes");
    countersign_audit::run(options, &mut Quiet).await.unwrap()
}

fn ids(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.id.as_str()).collect()
}

#[tokio::test]
async fn a_revocation_that_works_is_measured_at_each_service() {
    let report = measured(
        "[logout]\nurl = \"TARGET/revoke/{session}\"\nwithin = 30.0\n[logout.services.slow]\nurl = \"SLOW\"\n",
    )
    .await;
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    let [target, slow] = &report.log_out[..] else { panic!("{:?} {:?}", report.log_out, report.notes) };
    assert_eq!((&*target.service, &*slow.service), ("GET /a", "slow"));
    let (first, second) = (target.milliseconds.unwrap(), slow.milliseconds.unwrap());
    assert!(second >= 1_900 && second > first, "{first} and {second} ms");
    let told = terminal(&report, false);
    assert!(told.contains("log-out: refused after the revocation (30000 ms are allowed)"), "{told}");
    assert!(told.contains(&format!("{second} ms  slow  http://")), "{told}");
}

#[tokio::test]
async fn a_service_that_is_late_or_never_hears_of_it_is_found() {
    let report = measured(
        "[logout]\nurl = \"TARGET/revoke/{session}\"\nwithin = 1.5\ngive_up = 10.0\n\
         [logout.services]\nslow = { url = \"SLOW\" }\nnever = { url = \"NEVER\" }\nwrong = { url = \"WRONG\" }\n",
    )
    .await;
    assert_eq!(ids(&report), ["logout-not-effective", "logout-slow"], "{:?}", report.findings);
    assert_eq!(report.findings[0].path, "never:/a");
    assert!(report.findings[0].reason.contains("never refused within 10 s"), "{:?}", report.findings);
    assert!(report.findings[1].reason.ends_with("1500 ms are allowed"), "{:?}", report.findings);
    let took: Vec<(&str, bool)> =
        report.log_out.iter().map(|entry| (&*entry.service, entry.milliseconds.is_some())).collect();
    assert_eq!(took, [("GET /a", true), ("never", false), ("slow", true)]);
    assert!(terminal(&report, false).contains("never within 10 s  never  http://"));
    let unasked = "log-out was not measured at wrong: the token was not accepted before (401)";
    assert!(report.notes.iter().any(|note| note == unasked), "{:?}", report.notes);
}

#[tokio::test]
async fn what_cannot_be_revoked_is_said() {
    let report = measured("[logout.services.slow]\nurl = \"SLOW\"\n").await;
    assert!(report.log_out.is_empty());
    assert!(
        report.notes.iter().any(|note| note.contains("nothing says how to revoke")),
        "{:?}",
        report.notes
    );
    let report = measured("[logout]\ncommand = [\"/bin/false\", \"{session}\"]\n").await;
    assert!(report.log_out.is_empty() && report.findings.is_empty());
    assert!(report.notes.iter().any(|note| note.contains("the command ends with")), "{:?}", report.notes);
}
