//! Introspection and userinfo together: both must speak of the same user.

use countersign::UnixTime;
use countersign_gateway::{
    error::{Half, Refusal, SourceError},
    observe::LookupOutcome,
    session::source::{Answer, Verdict, combine},
};
use serde_json::{Map, Value, json};

use super::{
    Is, TOKEN, ask, both, fake,
    fake::{Act, Fake},
    given, impatient_server, is, live, server,
};

fn members(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!("an object") };
    members
}

fn together(introspected: Value, userinfo: Value) -> Result<Answer, SourceError> {
    combine(
        Answer { session: members(introspected), userinfo: None, ends: None, new_cookie: None },
        Answer { session: Map::new(), userinfo: Some(members(userinfo)), ends: None, new_cookie: None },
    )
}

#[test]
fn both_must_name_the_same_subject() {
    for (introspected, userinfo) in [
        (json!({"sub": "alice"}), json!({"sub": "alice"})),
        (json!({"sub": 42}), json!({"sub": "42"})),
        (json!({"sub": "42"}), json!({"sub": 42})),
        (json!({"sub": u64::MAX}), json!({"sub": "18446744073709551615"})),
        // django-oauth-toolkit names no `sub` in introspection.
        (json!({}), json!({"sub": "alice"})),
        (json!({"sub": null}), json!({"sub": "alice"})),
        (json!({}), json!({"id": 7})),
    ] {
        assert!(together(introspected.clone(), userinfo.clone()).is_ok(), "{introspected} {userinfo}");
    }
    for (introspected, userinfo) in [
        (json!({"sub": "alice"}), json!({"sub": "bob"})),
        (json!({"sub": "alice"}), json!({"sub": "Alice"})),
        (json!({"sub": "alice"}), json!({"sub": "alice "})),
        (json!({"sub": "alice"}), json!({})),
        (json!({"sub": "alice"}), json!({"sub": null})),
        (json!({"sub": ""}), json!({"sub": "bob"})),
        (json!({"sub": 42}), json!({"sub": 42.0})),
        (json!({"sub": 1e16}), json!({"sub": 1e16})),
        (json!({"sub": true}), json!({"sub": true})),
        (json!({"sub": ["alice"]}), json!({"sub": ["alice"]})),
        (json!({"sub": 9_007_199_254_740_993_u64}), json!({"sub": "9007199254740992"})),
    ] {
        let error = together(introspected.clone(), userinfo.clone());
        assert!(matches!(error, Err(SourceError::Nonsense(_))), "{introspected} {userinfo}");
    }
}

#[test]
fn the_earlier_end_counts() {
    let at = |ends| Answer { session: Map::new(), userinfo: Some(Map::new()), ends, new_cookie: None };
    let (early, late) = (Some(UnixTime::from_secs(5)), Some(UnixTime::from_secs(9)));
    for (one, other, expected) in
        [(early, late, early), (late, early, early), (None, late, late), (late, None, late)]
    {
        assert_eq!(combine(at(one), at(other)).unwrap().ends, expected);
    }
}

async fn fake(introspection: &'static str, userinfo: (u16, &'static str)) -> Fake {
    Fake::start(move |request| {
        if request.line() == "POST /introspect" {
            fake::json(200, introspection)
        } else {
            fake::json(userinfo.0, userinfo.1)
        }
    })
    .await
}

async fn asked(fake: &Fake) -> Result<Verdict, SourceError> {
    ask(&server(both(given(&fake.url("/introspect")), given(&fake.url("/userinfo"))))).await
}

#[tokio::test]
async fn both_answers_are_kept_apart() {
    let fake = fake(
        r#"{"active":true,"client_id":"shop","scope":"openid","exp":1800000060}"#,
        (200, r#"{"sub":"alice","roles":["editor"]}"#),
    )
    .await;
    let answer = live(asked(&fake).await);
    assert_eq!(answer.session.get("client_id"), Some(&json!("shop")));
    assert_eq!(answer.userinfo.unwrap().get("roles"), Some(&json!(["editor"])));
    assert_eq!(answer.ends, Some(UnixTime::from_secs(1_800_000_060)));
    let arrived = fake.arrived();
    assert_eq!(
        arrived.iter().map(fake::Arrived::line).collect::<Vec<_>>(),
        ["POST /introspect", "GET /userinfo"]
    );
    assert_eq!(arrived[1].header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(fake.connections(), 1, "the connection is used again");
}

#[tokio::test]
async fn userinfo_is_not_asked_about_a_dead_token() {
    let fake = fake(r#"{"active":false}"#, (200, r#"{"sub":"alice"}"#)).await;
    assert_eq!(is(&asked(&fake).await), Is::No);
    assert_eq!(fake.only().line(), "POST /introspect");
}

#[tokio::test]
async fn either_can_end_or_fail_it() {
    let active = r#"{"active":true,"sub":"alice"}"#;
    for (expected, introspection, userinfo) in [
        (Is::No, active, (401, "")),
        (Is::RefusesUs, active, (403, r#"{"error":"insufficient_scope"}"#)),
        (Is::Unavailable, active, (503, "")),
        (Is::Nonsense, active, (200, "null")),
        (Is::Nonsense, active, (200, r#"{"sub":"bob"}"#)),
        (Is::OtherKind, r#"{"active":true,"token_use":"refresh_token"}"#, (200, r#"{"sub":"alice"}"#)),
        (Is::Nonsense, "{}", (200, r#"{"sub":"alice"}"#)),
    ] {
        let fake = fake(introspection, userinfo).await;
        assert_eq!(is(&asked(&fake).await), expected, "{introspection} {userinfo:?}");
    }
}

#[tokio::test]
async fn a_no_and_an_error_tell_whose_they_are() {
    let active = r#"{"active":true,"sub":"alice"}"#;
    for (introspection, userinfo, half) in
        [(r#"{"active":false}"#, (200, "{}"), Half::Introspection), (active, (401, ""), Half::Userinfo)]
    {
        let verdict = asked(&fake(introspection, userinfo).await).await;
        assert_eq!(verdict, Ok(Verdict::No(Some(half))), "{introspection} {userinfo:?}");
    }
    for (introspection, userinfo, said) in [
        (
            active,
            (403, r#"{"error":"insufficient_scope"}"#),
            "refuses us: status 403 with `insufficient_scope` (userinfo; introspection calls the session live)",
        ),
        (active, (503, ""), "cannot be asked: status 503 (userinfo; introspection calls the session live)"),
        (
            "[]",
            (200, "{}"),
            "gives no usable answer: JSON, but not an object (introspection; userinfo was not asked)",
        ),
    ] {
        let error = asked(&fake(introspection, userinfo).await).await.unwrap_err();
        assert_eq!(error.to_string(), said);
        let SourceError::OfHalf { error: inner, .. } = &error else { panic!("{error:?}") };
        assert_eq!(Refusal::from(&error), Refusal::from(&**inner));
        assert_eq!(LookupOutcome::from(&error), LookupOutcome::from(&**inner));
    }
}

/// One time-out covers both, and it is told at which of them it came.
#[tokio::test]
async fn a_time_out_tells_whose_it_is() {
    for (path, said) in [
        ("POST /introspect", "no answer within the time-out (introspection; userinfo was not asked)"),
        ("GET /userinfo", "no answer within the time-out (userinfo; introspection calls the session live)"),
    ] {
        let fake = Fake::start(move |request| match request.line() {
            line if line == path => Act::Hang,
            _ => fake::json(200, r#"{"active":true,"sub":"alice"}"#),
        })
        .await;
        let server = impatient_server(both(given(&fake.url("/introspect")), given(&fake.url("/userinfo"))));
        assert_eq!(ask(&server).await.unwrap_err().to_string(), said);
    }
}
