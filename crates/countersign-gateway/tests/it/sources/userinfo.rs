//! What userinfo answers, and what becomes of it (OpenID Connect Core §5.3).

use countersign::UnixTime;
use countersign_gateway::{
    error::SourceError,
    session::source::{Verdict, process_userinfo},
};
use serde_json::json;

use super::{Is, NOW, TOKEN, ask, fake, fake::Fake, given, is, live, reply, server, text, userinfo};

fn judged(status: u16, body: impl AsRef<[u8]>) -> Result<Verdict, SourceError> {
    process_userinfo(&reply(status, body), NOW)
}

#[test]
fn answers() {
    let alice = text(&json!({"sub": "alice"}));
    let rows: &[(Is, u16, &str)] = &[
        (Is::Live, 200, &alice),
        (Is::Live, 200, r#"{"id":7}"#),
        (Is::Live, 200, r#"{"sub":"alice","expires_at":"when the subscription ends"}"#),
        (Is::No, 200, r#"{"sub":"alice","exp":1800000000}"#),
        (Is::No, 401, ""),
        (Is::No, 401, r#"{"error":"invalid_token"}"#),
        (Is::No, 400, r#"{"error":"invalid_token"}"#),
        (Is::Nonsense, 400, r#"{"error":"invalid_request"}"#),
        (Is::Nonsense, 400, ""),
        (Is::RefusesUs, 403, r#"{"error":"insufficient_scope"}"#),
        (Is::RefusesUs, 403, ""),
        (Is::Nonsense, 200, "null"),
        (Is::Nonsense, 200, "[]"),
        (Is::Nonsense, 200, ""),
        (Is::Nonsense, 200, "<html>"),
        (Is::Nonsense, 200, r#"{"sub":"alice","sub":"bob"}"#),
        (Is::Nonsense, 200, r#"{"sub":"alice","exp":"soon"}"#),
        (Is::Nonsense, 204, ""),
        (Is::Nonsense, 302, ""),
        (Is::Nonsense, 404, ""),
        (Is::Unavailable, 429, ""),
        (Is::Unavailable, 500, &alice),
        (Is::Unavailable, 503, ""),
    ];
    for (expected, status, body) in rows {
        assert_eq!(is(&judged(*status, body)), *expected, "{status} {body}");
    }
}

#[test]
fn the_challenge_counts_where_the_body_says_nothing() {
    let mut bad = reply(400, "");
    bad.challenge = Some(r#"Bearer realm="sso", error="invalid_token", error_description="expired""#.into());
    assert_eq!(is(&process_userinfo(&bad, NOW)), Is::No);
    let mut scope = reply(403, "");
    scope.challenge = Some(r#"Bearer error="insufficient_scope", scope="openid""#.into());
    let Err(SourceError::RefusesUs(why)) = process_userinfo(&scope, NOW) else { panic!("refuses us") };
    assert!(why.contains("insufficient_scope"), "{why}");
    let mut odd = reply(403, r#"{"error":"<script>\u001b[31m"}"#);
    odd.challenge = Some(r#"Bearer error="UPPER""#.into());
    assert_eq!(
        process_userinfo(&odd, NOW),
        Err(SourceError::RefusesUs("status 403".into())),
        "only plain words"
    );
}

#[test]
fn a_signed_answer_is_refused_by_name() {
    let mut signed = reply(200, "eyJhbGciOiJFUzI1NiJ9.e30.c2ln");
    signed.content_type = Some("application/jwt".into());
    let Err(SourceError::Nonsense(why)) = process_userinfo(&signed, NOW) else { panic!("nonsense") };
    assert!(why.contains("JWT"), "{why}");
}

#[tokio::test]
async fn what_is_sent_and_nothing_else() {
    let fake = Fake::always(fake::json(200, r#"{"sub":"alice","exp":1800000060}"#)).await;
    let answer = live(ask(&server(userinfo(given(&fake.url("/me"))))).await);
    assert!(answer.session.is_empty());
    assert_eq!(answer.userinfo.unwrap().get("sub"), Some(&json!("alice")));
    assert_eq!(answer.ends, Some(UnixTime::from_secs(1_800_000_060)));
    let sent = fake.only();
    assert_eq!(sent.line(), "GET /me");
    assert_eq!(sent.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(sent.header_names(), ["accept", "authorization", "host", "user-agent"]);
}
