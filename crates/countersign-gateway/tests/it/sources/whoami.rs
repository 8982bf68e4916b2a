//! What old applications answer to "who am I", and what becomes of it.

use countersign_gateway::{
    config::resolved::{ClaimPath, ClaimRoot, SaysNo, SourceConfig, WhoamiConfig},
    credential::CredentialKind,
    error::SourceError,
    session::source::{Reply, Source, Verdict, process_whoami},
};
use http::{Method, StatusCode, Uri};
use serde_json::{Value, json};

use super::{
    Is, NOW, TOKEN, ask, basic, both, credential, fake, fake::Fake, given, introspection, is, live, reply,
    says_no, server, text, userinfo, whoami,
};

fn judged_with(reply: &Reply, no: &SaysNo) -> Result<Verdict, SourceError> {
    process_whoami(reply, &Uri::from_static("http://old.example/app/whoami"), no, NOW)
}

fn judged(status: u16, body: impl AsRef<[u8]>) -> Result<Verdict, SourceError> {
    judged_with(&reply(status, body), &says_no())
}

#[test]
fn the_body_of_a_200() {
    let rows: &[(Is, Value)] = &[
        (Is::Live, json!({"id": 7, "roles": "ADMIN USER"})),
        (Is::Live, json!({"user": null})),
        (
            Is::Live,
            json!({"user_name": "alice", "authorities": [{"authority": "ROLE_USER"}], "exp": 1_800_000_060}),
        ),
        // Kratos.
        (
            Is::Live,
            json!({"id": "s", "active": true, "expires_at": "2027-01-15T08:01:00.5Z", "identity": {"id": "u"}}),
        ),
        (Is::No, json!({"id": "s", "expires_at": "2027-01-15T07:59:59.5Z"})),
        (Is::No, json!({"id": "s", "exp": 1_800_000_000})),
        (Is::No, json!(null)),
        (Is::No, json!({})),
        (Is::No, json!([])),
        (Is::Nonsense, json!(false)),
        (Is::Nonsense, json!("alice")),
        (Is::Nonsense, json!(7)),
        // Glewlwyd.
        (Is::Live, json!([{"username": "ann", "scope": ["g_profile"]}])),
        (Is::No, json!([{"id": "s", "exp": 1_800_000_000}])),
        (Is::Nonsense, json!([{}])),
        (Is::Nonsense, json!([{"id": 7}, {"id": 8}])),
        (Is::Nonsense, json!([[{"id": 7}]])),
        (Is::Nonsense, json!([null])),
        (Is::Nonsense, json!({"id": 7, "expires_at": "soon"})),
        (Is::Nonsense, json!({"id": 7, "exp": false})),
    ];
    for (expected, body) in rows {
        assert_eq!(is(&judged(200, text(body))), *expected, "{body}");
    }
    for page in ["<!doctype html>", "  <html>", "Please log in", r#"{"id":1,"id":2}"#, "callback({})"] {
        assert_eq!(is(&judged(200, page)), Is::Nonsense, "{page}");
    }
}

#[test]
fn an_empty_body_is_no_only_if_it_was_meant() {
    let mut empty = reply(200, "");
    assert_eq!(is(&judged_with(&empty, &says_no())), Is::No);
    empty.body_is_framed = false;
    assert_eq!(is(&judged_with(&empty, &says_no())), Is::Nonsense);
    assert_eq!(is(&judged(204, "")), Is::No);
}

#[test]
fn statuses() {
    let rows = [
        (Is::No, 401),
        (Is::RefusesUs, 403),
        (Is::Nonsense, 400),
        (Is::Nonsense, 404),
        (Is::Nonsense, 302),
        (Is::Nonsense, 201),
        (Is::Unavailable, 408),
        (Is::Unavailable, 429),
        (Is::Unavailable, 500),
        (Is::Unavailable, 503),
    ];
    for (expected, status) in rows {
        assert_eq!(is(&judged(status, "")), expected, "{status}");
    }
    let other = SaysNo {
        status: vec![StatusCode::FORBIDDEN, StatusCode::NOT_FOUND],
        redirect_to: None,
        unless: None,
    };
    for (expected, status) in [(Is::No, 403), (Is::No, 404), (Is::Nonsense, 401)] {
        assert_eq!(is(&judged_with(&reply(status, ""), &other)), expected, "{status}");
    }
}

/// Express, Next and PHP sites answer so to whoever is not logged in.
#[test]
fn an_answer_about_nobody_is_a_no_where_it_is_known_how_it_looks() {
    let unless = |steps: &[&str]| {
        let steps = steps.iter().map(ToString::to_string).collect();
        let path = ClaimPath { root: ClaimRoot::Session, steps };
        SaysNo { status: vec![StatusCode::UNAUTHORIZED], redirect_to: None, unless: Some(path) }
    };
    for (expected, steps, body) in [
        (Is::No, &["user"][..], r#"{"user":null}"#),
        (Is::No, &["user"], r#"{"csrf":"x"}"#),
        (Is::No, &["user", "id"], r#"{"user":null}"#),
        (Is::No, &["user", "id"], r#"{"user":{}}"#),
        (Is::No, &["user", "id"], r#"{"user":"guest"}"#),
        (Is::No, &["authenticated"], r#"{"authenticated":false,"name":"guest"}"#),
        (Is::Live, &["user"], r#"{"user":{"id":7}}"#),
        (Is::Live, &["user"], r#"{"user":0}"#),
        (Is::Live, &["authenticated"], r#"{"authenticated":true}"#),
    ] {
        let verdict = judged_with(&reply(200, body), &unless(steps));
        assert_eq!(is(&verdict), expected, "{steps:?} {body}");
    }
    assert_eq!(is(&judged(200, r#"{"user":null}"#)), Is::Live);
}

#[test]
fn an_outage_is_never_a_no_even_if_somebody_lists_it() {
    let careless =
        SaysNo { status: vec![StatusCode::INTERNAL_SERVER_ERROR], redirect_to: None, unless: None };
    assert_eq!(is(&judged_with(&reply(500, ""), &careless)), Is::Unavailable);
}

#[test]
fn only_the_redirect_to_the_log_in_page_is_a_no() {
    let no =
        SaysNo { status: vec![StatusCode::UNAUTHORIZED], redirect_to: Some("/login".into()), unless: None };
    let redirected = |location: Option<&str>, status| {
        let mut reply = reply(status, "");
        reply.location = location.map(str::to_owned);
        is(&judged_with(&reply, &no))
    };
    for to in [
        "/login",
        "/login?next=/app/whoami",
        "/login#form",
        "/login/sso",
        "/login;jsessionid=5",
        "http://old.example/login",
        "https://sso.example/login?next=x",
        "//sso.example/login",
    ] {
        for status in [301, 302, 303, 307, 308] {
            assert_eq!(redirected(Some(to), status), Is::No, "{to} {status}");
        }
    }
    for to in [
        "/",
        "/login-failed",
        "/loginx",
        "/maintenance?from=/login",
        "/app/login",
        "login",
        "https://login/",
        "https://login",
        "https://sso.example?/login",
        "https://sso.example",
        "/LOGIN",
        "",
    ] {
        assert_eq!(redirected(Some(to), 302), Is::Nonsense, "{to}");
    }
    assert_eq!(redirected(None, 302), Is::Nonsense);

    let relative = SaysNo { status: vec![], redirect_to: Some("/app/login".into()), unless: None };
    let mut beside = reply(302, "");
    beside.location = Some("login?next=whoami".into());
    assert_eq!(is(&judged_with(&beside, &relative)), Is::No);
}

#[test]
fn a_redirect_that_is_no_no_says_what_was_asked_and_what_is_to_be_set() {
    let said = |redirect_to: Option<&str>, location: &str| {
        let no = SaysNo { status: vec![], redirect_to: redirect_to.map(str::to_owned), unless: None };
        let mut reply = reply(302, "");
        reply.location = Some(location.to_owned());
        judged_with(&reply, &no).unwrap_err().to_string()
    };
    assert_eq!(
        said(None, "/login;jsessionid=planted"),
        "gives no usable answer: a redirect (status 302) at `/me`; if it leads to the log-in page, set \
         `session.no.redirect_to` to that page's path, and it means \"no\""
    );
    assert_eq!(
        said(Some("/login"), "/maintenance?id=planted"),
        "gives no usable answer: a redirect (status 302) at `/me`, which does not lead to \
         `session.no.redirect_to`, `/login`, and is not followed"
    );
}

#[tokio::test]
async fn a_redirect_of_any_source_names_the_path_that_was_asked() {
    let fake = Fake::always(fake::answer(302, "location: /login?s=planted\r\n", "")).await;
    let at = |path: &str| fake.url(&format!("{path}?key=planted"));
    for (source, path) in [
        (whoami(&at("/who")), "/who"),
        (userinfo(given(&at("/user"))), "/user"),
        (introspection(given(&at("/introspect")), basic()), "/introspect"),
        (both(given(&at("/introspect")), given(&at("/user"))), "/introspect"),
    ] {
        let error = ask(&server(source)).await.unwrap_err().to_string();
        assert!(error.contains(&format!("a redirect (status 302) at `{path}`")), "{error}");
        assert!(!error.contains("planted"), "{error}");
    }
}

#[tokio::test]
async fn the_cookie_is_sent_and_nothing_else() {
    let fake = Fake::always(fake::json(200, r#"{"id":7}"#)).await;
    let server = server(whoami(&fake.url("/whoami?full=1")));
    let answer = live(ask(&server).await);
    assert_eq!(answer.session.get("id"), Some(&json!(7)));
    let sent = fake.only();
    assert_eq!(sent.line(), "GET /whoami?full=1");
    assert_eq!(sent.header("cookie"), Some(format!("SESSION={TOKEN}").as_str()));
    assert_eq!(sent.header_names(), ["accept", "cookie", "host", "user-agent"]);
}

#[tokio::test]
async fn a_bearer_token_goes_where_bearer_tokens_go() {
    let fake = Fake::always(fake::json(200, r#"{"id":7}"#)).await;
    let SourceConfig::Whoami(config) = whoami(&fake.url("/whoami")) else { unreachable!() };
    let server = server(SourceConfig::Whoami(WhoamiConfig { method: Method::POST, ..config }));
    let verdict = server.ask(&credential(CredentialKind::Bearer), NOW).await;
    assert_eq!(is(&verdict), Is::Live);
    let sent = fake.only();
    assert_eq!(sent.line(), "POST /whoami");
    assert_eq!(sent.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(sent.header("cookie"), None);
    assert_eq!(sent.header("content-length"), Some("0"));
}

#[tokio::test]
async fn a_value_that_would_be_two_cookies_or_two_headers_is_not_sent() {
    let fake = Fake::always(fake::json(200, r#"{"id":7}"#)).await;
    let server = server(whoami(&fake.url("/whoami")));
    for value in ["a; ROLE=admin", "a\r\nX-User: admin", "a\0", "a\nb"] {
        for kind in [CredentialKind::Cookie, CredentialKind::Bearer] {
            if kind == CredentialKind::Bearer && value.contains(';') {
                continue;
            }
            let bad = std::sync::Arc::new(countersign_gateway::credential::OwnedCredential {
                kind,
                value: countersign::Secret::new(value.into()),
            });
            assert_eq!(server.ask(&bad, NOW).await, Ok(Verdict::No(None)), "{value:?}");
        }
    }
    assert!(fake.arrived().is_empty());
}
