//! What introspection answers, and what becomes of it (RFC 7662).

use countersign::{Issuer, UnixTime};
use countersign_gateway::{
    error::SourceError,
    session::source::{Expected, Verdict, process_introspection},
};
use serde_json::{Value, json};

use super::{
    Is, NOW, TOKEN, ask, basic, fake, fake::Fake, given, introspection, is, live, reply, server, text,
};

fn judged(status: u16, body: impl AsRef<[u8]>) -> Result<Verdict, SourceError> {
    let issuer = Issuer::from("https://sso.example");
    process_introspection(&reply(status, body), Expected { issuer: Some(&issuer), token_type: false }, NOW)
}

#[test]
fn the_body_of_a_200() {
    let past = NOW.as_secs();
    let ahead = NOW.as_secs() + 1;
    let rows: &[(Is, Value)] = &[
        (Is::Live, json!({"active": true})),
        (Is::Live, json!({"active": true, "sub": "alice", "exp": ahead})),
        (Is::Live, json!({"active": true, "exp": null, "iss": null, "cnf": null, "token_type": null})),
        (
            Is::Live,
            json!({"active": true, "token_type": "Bearer", "typ": "Bearer", "token_use": "access_token"}),
        ),
        (Is::Live, json!({"active": true, "token_type": "urn:ietf:params:oauth:token-type:access_token"})),
        (Is::Live, json!({"active": true, "typ": "JWT", "iss": "https://sso.example"})),
        // No, whatever else stands there.
        (Is::No, json!({"active": false})),
        (Is::No, json!({"active": false, "sub": "alice", "exp": ahead, "roles": ["admin"]})),
        (Is::No, json!({"active": false, "exp": "nonsense", "iss": 5})),
        (Is::No, json!({"active": true, "exp": past})),
        (Is::No, json!({"active": true, "exp": 0})),
        (Is::No, json!({"active": true, "expires_in": 0})),
        // Live, but no session.
        (Is::OtherKind, json!({"active": true, "token_use": "refresh_token"})),
        (Is::OtherKind, json!({"active": true, "token_use": "id"})),
        (Is::OtherKind, json!({"active": true, "typ": "Refresh"})),
        (Is::OtherKind, json!({"active": true, "typ": "Offline"})),
        (Is::OtherKind, json!({"active": true, "typ": "ID"})),
        (Is::OtherKind, json!({"active": true, "typ": "logout+jwt"})),
        (Is::OtherKind, json!({"active": true, "token_type": "refresh_token"})),
        (Is::OtherKind, json!({"active": true, "token_type": "urn:ietf:params:oauth:token-type:id_token"})),
        (Is::OtherKind, json!({"active": true, "token_type": "Bearer", "token_use": "refresh_token"})),
        (Is::BoundToKey, json!({"active": true, "token_type": "DPoP"})),
        (
            Is::BoundToKey,
            json!({"active": true, "cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}),
        ),
        (
            Is::BoundToKey,
            json!({"active": true, "cnf": {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}}),
        ),
        // Not "no": the server does not say that.
        (Is::Nonsense, json!({})),
        (Is::Nonsense, json!({"sub": "alice"})),
        (Is::Nonsense, json!({"active": null})),
        (Is::Nonsense, json!({"active": "true"})),
        (Is::Nonsense, json!({"active": "false"})),
        (Is::Nonsense, json!({"active": 1})),
        (Is::Nonsense, json!({"active": 0})),
        (Is::Nonsense, json!({"Active": true})),
        (Is::Nonsense, json!({"active": [true]})),
        (Is::Nonsense, json!(null)),
        (Is::Nonsense, json!([])),
        (Is::Nonsense, json!([{"active": true}])),
        (Is::Nonsense, json!("active")),
        (Is::Nonsense, json!(true)),
        (Is::Nonsense, json!({"error": "invalid_token"})),
        (Is::Nonsense, json!({"active": true, "exp": "soon"})),
        (Is::Nonsense, json!({"active": true, "nbf": ahead + 60})),
        (Is::Nonsense, json!({"active": true, "iss": "https://other.example"})),
        (Is::Nonsense, json!({"active": true, "iss": "https://sso.example/"})),
        (Is::Nonsense, json!({"active": true, "iss": ["https://sso.example"]})),
        (Is::Nonsense, json!({"active": true, "token_type": 1})),
        (Is::Nonsense, json!({"active": true, "typ": ["Refresh"]})),
    ];
    for (expected, body) in rows {
        assert_eq!(is(&judged(200, text(body))), *expected, "{body}");
    }
}

#[test]
fn a_kind_that_is_not_told_can_be_refused() {
    let required = |body: Value| {
        let expected = Expected { issuer: None, token_type: true };
        is(&process_introspection(&reply(200, text(&body)), expected, NOW))
    };
    // oidc-provider and Spring Authorization Server answer so about a refresh token.
    assert_eq!(required(json!({"active": true, "sub": "alice", "client_id": "app"})), Is::OtherKind);
    assert_eq!(required(json!({"active": true, "token_type": null})), Is::OtherKind);
    for told in
        [json!({"token_type": "Bearer"}), json!({"typ": "Bearer"}), json!({"token_use": "access_token"})]
    {
        let mut body = told.clone();
        body["active"] = json!(true);
        assert_eq!(required(body), Is::Live, "{told}");
    }
    assert_eq!(required(json!({"active": true, "typ": "Refresh"})), Is::OtherKind);
    assert_eq!(required(json!({"active": false})), Is::No);
}

#[test]
fn text_that_is_not_strict_json_is_nonsense() {
    let deep = format!("{{\"active\":true,\"a\":{}1{}}}", "[".repeat(100), "]".repeat(100));
    for body in [
        "",
        " ",
        "active=true",
        "<!doctype html><title>Log in</title>",
        "<Response><active>true</active></Response>",
        "{\"active\":true",
        "{\"active\":true} {\"active\":true}",
        "{\"active\":true,\"active\":true}",
        "{\"active\":true,\"sub\":\"alice\",\"sub\":\"admin\"}",
        "{\"active\":false,\"active\":true}",
        "{\"active\":true,\"\\u0061ctive\":false}",
        "{\"active\":true,}",
        "{'active':true}",
        &deep,
    ] {
        assert_eq!(is(&judged(200, body)), Is::Nonsense, "{body}");
    }
    assert_eq!(is(&judged(200, b"{\"active\":true,\"sub\":\"\xff\"}")), Is::Nonsense);
}

#[test]
fn statuses() {
    let inactive = r#"{"active":false}"#;
    let active = r#"{"active":true}"#;
    let rows: &[(Is, u16, &str)] = &[
        // Spring's `check_token` for a token it does not know.
        (Is::No, 400, r#"{"error":"invalid_token","error_description":"Token was not recognised"}"#),
        // oidc-provider for a token that is a JWT.
        (Is::OtherKind, 400, r#"{"error":"unsupported_token_type"}"#),
        (Is::RefusesUs, 400, r#"{"error":"invalid_client"}"#),
        (Is::RefusesUs, 400, r#"{"error":"unauthorized_client"}"#),
        (Is::RefusesUs, 401, r#"{"error":"invalid_client"}"#),
        // With a bearer token of our own, this says that *ours* is invalid.
        (Is::RefusesUs, 401, r#"{"error":"invalid_token"}"#),
        (Is::RefusesUs, 401, inactive),
        (Is::RefusesUs, 401, ""),
        (Is::RefusesUs, 403, ""),
        (Is::RefusesUs, 403, inactive),
        (Is::Nonsense, 400, r#"{"error":"invalid_request"}"#),
        (Is::Nonsense, 400, inactive),
        (Is::Nonsense, 400, ""),
        (Is::Nonsense, 404, inactive),
        (Is::Nonsense, 405, ""),
        (Is::Nonsense, 410, inactive),
        (Is::Nonsense, 201, active),
        (Is::Nonsense, 204, ""),
        (Is::Nonsense, 206, active),
        (Is::Nonsense, 301, inactive),
        (Is::Nonsense, 302, ""),
        (Is::Nonsense, 304, ""),
        (Is::Unavailable, 408, ""),
        (Is::Unavailable, 429, inactive),
        (Is::Unavailable, 500, inactive),
        (Is::Unavailable, 502, "<html>"),
        (Is::Unavailable, 503, ""),
        (Is::Unavailable, 504, active),
    ];
    for (expected, status, body) in rows {
        assert_eq!(is(&judged(*status, body)), *expected, "{status} {body}");
    }
}

#[test]
fn a_signed_answer_is_refused_by_name() {
    for kind in ["application/token-introspection+jwt", "application/jwt"] {
        let mut signed = reply(200, "eyJhbGciOiJFUzI1NiJ9.e30.c2ln");
        signed.content_type = Some(kind.into());
        let Err(SourceError::Nonsense(why)) = process_introspection(&signed, Expected::default(), NOW) else {
            panic!("{kind}");
        };
        assert!(why.contains("JWT"), "{why}");
    }
}

#[test]
fn the_label_does_not_make_json_a_page() {
    for kind in [None, Some("text/html"), Some("text/plain"), Some("application/vnd.sso.v1+json")] {
        let mut labelled = reply(200, r#"{"active":true}"#);
        labelled.content_type = kind.map(str::to_owned);
        assert_eq!(is(&process_introspection(&labelled, Expected::default(), NOW)), Is::Live, "{kind:?}");
    }
}

#[test]
fn the_end_of_the_session_is_read() {
    let end = |body: Value| live(judged(200, text(&body))).ends.map(UnixTime::as_secs);
    let soon = NOW.as_secs() + 60;
    assert_eq!(end(json!({"active": true, "exp": soon})), Some(soon));
    assert_eq!(end(json!({"active": true, "exp": soon.to_string()})), Some(soon));
    assert_eq!(end(json!({"active": true, "exp": soon + 9, "expires_in": 60})), Some(soon));
    assert_eq!(end(json!({"active": true})), None);
}

#[test]
fn without_a_known_issuer_any_text_is_taken() {
    let any = reply(200, r#"{"active":true,"iss":"https://other.example"}"#);
    assert_eq!(is(&process_introspection(&any, Expected::default(), NOW)), Is::Live);
}

#[tokio::test]
async fn what_is_sent_and_nothing_else() {
    let fake = Fake::always(fake::json(200, r#"{"active":true,"sub":"alice","exp":1800000060}"#)).await;
    let server = server(introspection(given(&fake.url("/oauth2/introspect?tenant=a")), basic()));
    let answer = live(ask(&server).await);
    assert_eq!(answer.session.get("sub"), Some(&json!("alice")));
    assert_eq!(answer.ends, Some(UnixTime::from_secs(1_800_000_060)));
    assert!(answer.userinfo.is_none());

    let sent = fake.only();
    assert_eq!(sent.line(), "POST /oauth2/introspect?tenant=a");
    assert_eq!(sent.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(sent.header("accept"), Some("application/json"));
    assert_eq!(
        sent.header_names(),
        ["accept", "authorization", "content-length", "content-type", "host", "user-agent"]
    );
    let expected = [("token", TOKEN), ("token_type_hint", "access_token")];
    assert_eq!(sent.form(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}
