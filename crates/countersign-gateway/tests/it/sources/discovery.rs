//! Endpoints out of the server's metadata (OpenID Connect Discovery, RFC 8414).

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign::Issuer;
use countersign_gateway::{
    config::resolved::{ClientAuth, Endpoint},
    error::SourceError,
    session::source::{AuthorizationServer, Metadata, process_metadata},
};
use serde_json::{Value, json};

use super::{Is, ask, both, fake, fake::Fake, impatient_server, introspection, is, reply, server, text};

const ISSUER: &str = "https://sso.example/realms/a";

fn judged(document: &Value) -> Result<Metadata, SourceError> {
    process_metadata(&reply(200, text(document)), &Issuer::from(ISSUER))
}

#[test]
fn the_issuer_must_be_repeated_byte_for_byte() {
    assert!(judged(&json!({"issuer": ISSUER})).is_ok());
    for issuer in [
        json!("https://sso.example/realms/a/"),
        json!("https://sso.example/realms/A"),
        json!("https://SSO.example/realms/a"),
        json!("https://sso.example:443/realms/a"),
        json!("http://sso.example/realms/a"),
        json!("https://evil.example"),
        json!(""),
        json!(null),
        json!([ISSUER]),
    ] {
        assert!(matches!(judged(&json!({"issuer": issuer})), Err(SourceError::Nonsense(_))), "{issuer}");
    }
    assert!(matches!(judged(&json!({})), Err(SourceError::Nonsense(_))));
}

#[test]
fn a_credential_is_sent_only_to_a_safe_endpoint() {
    let with = |endpoint: Value| judged(&json!({"issuer": ISSUER, "introspection_endpoint": endpoint}));
    for good in ["https://sso.example/i", "https://other.example/i", "http://127.0.0.1:8080/i"] {
        assert_eq!(with(json!(good)).unwrap().introspection.unwrap().to_string(), good);
    }
    assert_eq!(with(json!(null)).unwrap().introspection, None);
    for bad in [
        json!("http://sso.example/i"),
        json!("/i"),
        json!("ftp://sso.example/i"),
        json!(""),
        json!(7),
        json!("a b"),
    ] {
        assert!(matches!(with(bad.clone()), Err(SourceError::Nonsense(_))), "{bad}");
    }
    // The operator named plain http for the issuer: its own host is then as good.
    let plain =
        json!({"issuer": "http://sso.internal:80/a", "introspection_endpoint": "http://sso.internal:80/i"});
    assert!(process_metadata(&reply(200, text(&plain)), &Issuer::from("http://sso.internal:80/a")).is_ok());
    let elsewhere =
        json!({"issuer": "http://sso.internal", "introspection_endpoint": "http://other.internal/i"});
    assert!(process_metadata(&reply(200, text(&elsewhere)), &Issuer::from("http://sso.internal")).is_err());
}

#[test]
fn what_is_no_document() {
    for (expected, status, body) in [
        (Is::Nonsense, 404, ""),
        (Is::Nonsense, 302, ""),
        (Is::Nonsense, 200, "<html>"),
        (Is::Nonsense, 200, "null"),
        (
            Is::Nonsense,
            200,
            "{\"issuer\":\"https://sso.example/realms/a\",\"issuer\":\"https://sso.example/realms/a\"}",
        ),
        (Is::Unavailable, 500, ""),
    ] {
        let error = process_metadata(&reply(status, body), &Issuer::from(ISSUER)).unwrap_err();
        assert_eq!(is(&Err(error)), expected, "{status} {body}");
    }
}

/// Where OpenID Connect has its document, a server that only knows OAuth has a page, or its log-in.
#[tokio::test]
async fn the_other_place_is_asked_whatever_the_first_says_that_is_no_document() {
    for (status, body) in [(404, ""), (302, ""), (200, "<html>log in</html>"), (200, "[]")] {
        let base = Arc::new(OnceLock::<String>::new());
        let fake = Fake::start({
            let base = Arc::clone(&base);
            move |request| match request.line() {
                "POST /i" => fake::json(200, r#"{"active":true,"sub":"alice"}"#),
                "GET /.well-known/oauth-authorization-server" => {
                    let base = base.get().unwrap();
                    fake::json(200, &format!(r#"{{"issuer":"{base}","introspection_endpoint":"{base}/i"}}"#))
                }
                _ => fake::json(status, body),
            }
        })
        .await;
        base.set(fake.url("")).unwrap();
        let issuer = Endpoint::Discovered(Issuer::from(fake.url("")));
        let server = server(introspection(issuer, ClientAuth::None));
        assert_eq!(is(&ask(&server).await), Is::Live, "{status} {body}");
    }
}

#[tokio::test]
async fn an_error_names_the_places_and_the_issuers() {
    let nowhere = Fake::start(|_| fake::json(404, "")).await;
    let issuer = Endpoint::Discovered(Issuer::from(nowhere.url("")));
    let error = ask(&server(introspection(issuer, ClientAuth::None))).await.unwrap_err().to_string();
    for place in ["/.well-known/openid-configuration)", "/.well-known/oauth-authorization-server)"] {
        assert!(error.contains(&nowhere.url(place)), "{error}");
    }
    let other = Fake::start(|_| fake::json(200, r#"{"issuer":"https://other.example"}"#)).await;
    let issuer = Endpoint::Discovered(Issuer::from(other.url("")));
    let error = ask(&server(introspection(issuer, ClientAuth::None))).await.unwrap_err().to_string();
    assert!(error.contains("those of `https://other.example`"), "{error}");
    assert!(error.contains(&format!("not of `{}`", other.url(""))), "{error}");
}

/// A server whose metadata can be switched off, at either place.
struct Issuing {
    fake: Fake,
    up: Arc<AtomicBool>,
}

impl Issuing {
    async fn start(place: &'static str) -> Self {
        let base = Arc::new(OnceLock::<String>::new());
        let up = Arc::new(AtomicBool::new(true));
        let fake = Fake::start({
            let (base, up) = (Arc::clone(&base), Arc::clone(&up));
            move |request| {
                let base = base.get().unwrap();
                match request.line() {
                    "POST /i" => fake::json(200, r#"{"active":true,"sub":"alice"}"#),
                    "GET /u" => fake::json(200, r#"{"sub":"alice"}"#),
                    line if !up.load(Ordering::SeqCst) && line.contains(".well-known") => fake::json(503, ""),
                    line if line == format!("GET {place}") => fake::json(
                        200,
                        &format!(
                            r#"{{"issuer":"{base}/a","introspection_endpoint":"{base}/i","userinfo_endpoint":"{base}/u"}}"#
                        ),
                    ),
                    _ => fake::json(404, ""),
                }
            }
        })
        .await;
        base.set(fake.url("")).unwrap();
        Self { fake, up }
    }

    fn issuer(&self) -> Endpoint {
        Endpoint::Discovered(Issuer::from(self.fake.url("/a")))
    }

    fn server(&self) -> Arc<AuthorizationServer> {
        server(introspection(self.issuer(), ClientAuth::None))
    }

    fn fetches(&self) -> usize {
        self.fake.arrived().iter().filter(|request| request.line().contains(".well-known")).count()
    }
}

/// Lets time pass without waiting for it.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn both_places_are_looked_at_and_remembered() {
    for (place, fetches) in
        [("/a/.well-known/openid-configuration", 1), ("/.well-known/oauth-authorization-server/a", 2)]
    {
        let issuing = Issuing::start(place).await;
        let server = issuing.server();
        assert_eq!(issuing.fetches(), 0, "nothing is fetched at the start");
        for _ in 0..3 {
            assert_eq!(is(&ask(&server).await), Is::Live);
        }
        assert_eq!(issuing.fetches(), fetches, "{place}");
    }
}

#[tokio::test]
async fn one_document_serves_both_endpoints() {
    let issuing = Issuing::start("/a/.well-known/openid-configuration").await;
    let server = server(both(issuing.issuer(), issuing.issuer()));
    assert_eq!(is(&ask(&server).await), Is::Live);
    assert_eq!(issuing.fetches(), 1);
}

#[tokio::test]
async fn a_hundred_first_lookups_fetch_once() {
    let issuing = Issuing::start("/a/.well-known/openid-configuration").await;
    let server = issuing.server();
    let verdicts = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (server, verdicts) = (Arc::clone(&server), Arc::clone(&verdicts));
        tasks.spawn(async move {
            let verdict = ask(&server).await;
            verdicts.lock().unwrap().push(is(&verdict));
        });
    }
    while tasks.join_next().await.is_some() {}
    assert_eq!(*verdicts.lock().unwrap(), vec![Is::Live; 100]);
    assert_eq!(issuing.fetches(), 1);
}

#[tokio::test]
async fn a_failure_is_not_asked_for_again_at_once() {
    let issuing = Issuing::start("/a/.well-known/openid-configuration").await;
    issuing.up.store(false, Ordering::SeqCst);
    let server = issuing.server();
    for _ in 0..5 {
        assert_eq!(ask(&server).await, Err(SourceError::Unavailable("status 503".into())));
    }
    assert_eq!(issuing.fetches(), 1, "four look-ups failed at once");
    pass(Duration::from_secs(1)).await;
    assert_eq!(is(&ask(&server).await), Is::Unavailable);
    assert_eq!(issuing.fetches(), 2);
    pass(Duration::from_secs(1)).await;
    assert_eq!(is(&ask(&server).await), Is::Unavailable);
    assert_eq!(issuing.fetches(), 2, "the second pause is 2 s");
    issuing.up.store(true, Ordering::SeqCst);
    pass(Duration::from_secs(1)).await;
    assert_eq!(is(&ask(&server).await), Is::Live);
}

#[tokio::test]
async fn what_is_known_outlives_a_failed_refresh() {
    let issuing = Issuing::start("/a/.well-known/openid-configuration").await;
    let server = issuing.server();
    assert_eq!(is(&ask(&server).await), Is::Live);
    issuing.up.store(false, Ordering::SeqCst);
    pass(Duration::from_secs(3600)).await;
    for _ in 0..3 {
        assert_eq!(is(&ask(&server).await), Is::Live);
    }
    assert_eq!(issuing.fetches(), 2, "one refresh, then a pause");
    issuing.up.store(true, Ordering::SeqCst);
    pass(Duration::from_secs(2)).await;
    assert_eq!(is(&ask(&server).await), Is::Live);
    assert_eq!(is(&ask(&server).await), Is::Live);
    assert_eq!(issuing.fetches(), 3, "refreshed, and fresh again");
}

#[tokio::test]
async fn waiters_on_silent_metadata_return_within_one_time_out() {
    let fake = Fake::always(fake::Act::Hang).await;
    let endpoint = Endpoint::Discovered(Issuer::from(fake.url("/a")));
    let server = impatient_server(introspection(endpoint, ClientAuth::None));
    let begun = tokio::time::Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let server = Arc::clone(&server);
        tasks.spawn(async move { ask(&server).await });
    }
    while let Some(verdict) = tasks.join_next().await {
        assert_eq!(verdict.unwrap(), Err(SourceError::Timeout));
    }
    // Not one after the other; the rest is a busy machine.
    assert!(begun.elapsed() < Duration::from_millis(300 * 20), "{:?}", begun.elapsed());
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn a_lookup_given_up_midway_counts_as_a_failure() {
    let fake = Fake::always(fake::Act::Hang).await;
    let endpoint = Endpoint::Discovered(Issuer::from(fake.url("/a")));
    let server = server(introspection(endpoint, ClientAuth::None));
    let has_begun = async {
        while fake.connections() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        verdict = ask(&server) => panic!("the server is silent: {verdict:?}"),
        () = has_begun => {}
    }
    assert_eq!(ask(&server).await, Err(SourceError::Timeout), "at once, not after the time-out");
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn metadata_without_the_endpoint_are_named() {
    let base = Arc::new(OnceLock::<String>::new());
    let fake = Fake::start({
        let base = Arc::clone(&base);
        move |_| fake::json(200, &format!(r#"{{"issuer":"{}"}}"#, base.get().unwrap()))
    })
    .await;
    base.set(fake.url("")).unwrap();
    let server = server(introspection(Endpoint::Discovered(Issuer::from(fake.url(""))), ClientAuth::None));
    let Err(SourceError::Nonsense(why)) = ask(&server).await else { panic!("nonsense") };
    assert!(why.contains("introspection_endpoint"), "{why}");
}
