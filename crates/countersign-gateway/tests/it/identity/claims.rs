//! Each claim and each kind of value: coerced, absent or refused.

use countersign::ClientId;
use countersign_gateway::{
    config::resolved::{BoundedRole, ClaimsConfig},
    error::Refusal,
    identity::{Claim, ClaimFault, MAX_ROLES, MAX_VALUE_BYTES, Mapping, Why},
};
use serde_json::{Value, json};

use super::{defaults, path, roles, session, with_userinfo};

fn fault(claims: &ClaimsConfig, answer: Value) -> ClaimFault {
    let answer = session(answer);
    let mapping = Mapping::new(claims);
    let fault = mapping.explain(&answer).unwrap_err();
    assert_eq!(mapping.identity(&answer), Err(fault.into()));
    fault
}

/// Texts that no claim may hold.
fn bad_texts() -> Vec<(Why, String)> {
    vec![
        (Why::Characters, "a\r\nSet-Cookie: x=y".into()),
        (Why::Characters, "a\nb".into()),
        (Why::Characters, "a\0b".into()),
        (Why::Characters, "a\u{7f}".into()),
        (Why::Characters, "a\u{85}b".into()),
        (Why::Characters, "a\tb".into()),
        (Why::Characters, " a".into()),
        (Why::Characters, "a\u{a0}".into()),
        (Why::TooLong, "a".repeat(MAX_VALUE_BYTES + 1)),
    ]
}

#[test]
fn subject() {
    for (value, expected) in [
        (json!("alice"), "alice"),
        (json!("a b"), "a b"),
        (json!("Ünï"), "Ünï"),
        (json!(7), "7"),
        (json!(0), "0"),
        (json!(-7), "-7"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!(i64::MIN), "-9223372036854775808"),
        (json!(9_007_199_254_740_993_u64), "9007199254740993"),
    ] {
        let identity = Mapping::new(&defaults()).identity(&session(json!({ "sub": value }))).unwrap();
        assert_eq!(identity.subject, *expected);
    }
    for (refusal, why, value) in [
        (Refusal::SubjectMissing, Why::Missing, json!(null)),
        (Refusal::SubjectMissing, Why::Empty, json!("")),
        (Refusal::ClaimInvalid, Why::WrongKind, json!(7.0)),
        (Refusal::ClaimInvalid, Why::WrongKind, json!(1e20)),
        (Refusal::ClaimInvalid, Why::WrongKind, json!(true)),
        (Refusal::ClaimInvalid, Why::WrongKind, json!(["alice"])),
        (Refusal::ClaimInvalid, Why::WrongKind, json!({"id": "alice"})),
    ] {
        let fault = fault(&defaults(), json!({ "sub": value }));
        assert_eq!(fault, ClaimFault { claim: Claim::Subject, why });
        assert_eq!(Refusal::from(fault), refusal);
    }
    for (why, text) in bad_texts() {
        assert_eq!(fault(&defaults(), json!({ "sub": text })), ClaimFault { claim: Claim::Subject, why });
    }
    assert_eq!(Refusal::from(fault(&defaults(), json!({}))), Refusal::SubjectMissing);
}

#[test]
fn a_number_too_long_to_be_exact_is_refused() {
    let answer: Value = serde_json::from_str(r#"{"sub":123456789012345678901234567890}"#).unwrap();
    assert_eq!(fault(&defaults(), answer).why, Why::WrongKind);
}

#[test]
fn roles_in_every_shape() {
    let found = |value: Value| {
        let answer = session(json!({"sub": "a", "roles": value}));
        let identity = Mapping::new(&defaults()).identity(&answer).unwrap();
        roles(&identity).join("|")
    };
    assert_eq!(found(json!(["editor", "viewer"])), "editor|viewer");
    assert_eq!(found(json!("editor viewer")), "editor|viewer");
    assert_eq!(found(json!("  editor   viewer ")), "editor|viewer");
    assert_eq!(found(json!("editor")), "editor");
    assert_eq!(found(json!(["b", "a", "b"])), "b|a", "the server's order, once each");
    assert_eq!(found(json!(["Content Editor", "a,b"])), "Content Editor|a,b", "a member is one role");
    assert_eq!(found(json!([{"authority": "ROLE_A"}, {"name": "b", "id": 5}, "c"])), "ROLE_A|b|c");
    for nothing in [json!(null), json!([]), json!(""), json!("  ")] {
        assert_eq!(found(nothing), "");
    }
    let most: Vec<_> = (0..MAX_ROLES).map(|n| format!("r{n}")).collect();
    assert_eq!(found(json!(most)), most.join("|"));
    let doubled: Vec<_> = most.iter().chain(&most).collect();
    assert_eq!(found(json!(doubled)), most.join("|"), "only different ones count");
}

#[test]
fn roles_that_are_refused() {
    let why = |value: Value| {
        let fault = fault(&defaults(), json!({"sub": "a", "roles": value}));
        assert_eq!((fault.claim, Refusal::from(fault)), (Claim::Roles, Refusal::ClaimInvalid));
        fault.why
    };
    for wrong in [
        json!(7),
        json!(true),
        json!({"admin": true}),
        json!([7]),
        json!([null]),
        json!([["admin"]]),
        json!([{"id": "admin"}]),
        json!([{"authority": 1, "name": "admin"}]),
        json!([{}]),
    ] {
        assert_eq!(why(wrong.clone()), Why::WrongKind, "{wrong}");
    }
    // One text with commas is a list to some and a distinguished name to others.
    assert_eq!(why(json!("editor,viewer")), Why::Comma);
    assert_eq!(why(json!("cn=admin,ou=groups")), Why::Comma);
    assert_eq!(why(json!([""])), Why::Empty);
    let many: Vec<_> = (0..=MAX_ROLES).map(|n| format!("r{n}")).collect();
    assert_eq!(why(json!(many)), Why::TooMany);
    assert_eq!(why(json!(many.join(" "))), Why::TooMany);
    for (expected, text) in bad_texts() {
        assert_eq!(why(json!([text])), expected, "{text:?}");
    }
    assert_eq!(why(json!("editor\nadmin")), Why::Characters, "only a space separates");
    assert_eq!(why(json!("editor\tadmin")), Why::Characters);
}

#[test]
fn organisation() {
    let claims = ClaimsConfig { organisation: path("session.org.id"), ..defaults() };
    let answer = |value: Value| json!({"sub": "a", "org": {"id": value}});
    for (value, expected) in
        [(json!("acme"), "acme"), (json!(7), "7"), (json!("7"), "7"), (json!("a b"), "a b")]
    {
        let identity = Mapping::new(&claims).identity(&session(answer(value))).unwrap();
        assert_eq!(identity.organisation.unwrap().as_str(), expected);
    }
    for value in [
        json!([]),
        json!(["acme"]),
        json!(["acme", "umbrella"]),
        json!(""),
        json!("*"),
        json!(" "),
        json!("acme "),
        json!("acme\n"),
        json!(true),
        json!(7.5),
        json!({"name": "acme"}),
        json!("a".repeat(256)),
    ] {
        assert_eq!(
            Refusal::from(fault(&claims, answer(value.clone()))),
            Refusal::OrganisationInvalid,
            "{value}"
        );
    }
    for missing in [
        json!({"sub": "a"}),
        json!({"sub": "a", "org": null}),
        json!({"sub": "a", "org": {}}),
        answer(json!(null)),
    ] {
        assert_eq!(Refusal::from(fault(&claims, missing.clone())), Refusal::OrganisationMissing, "{missing}");
    }
    let wrong = json!({"sub": "a", "org": "acme"});
    assert_eq!(
        Refusal::from(fault(&claims, wrong)),
        Refusal::OrganisationInvalid,
        "another shape than configured"
    );
    // Without a path there is no organisation, whatever the answer holds.
    let identity =
        Mapping::new(&defaults()).identity(&session(json!({"sub": "a", "organisation": "acme"}))).unwrap();
    assert_eq!(identity.organisation, None);
}

#[test]
fn username_and_email() {
    let found = |answer: Value| {
        let identity = Mapping::new(&defaults()).identity(&session(answer)).unwrap();
        (identity.username.map(String::from), identity.email.map(String::from))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(found(json!({"sub": "a", "username": "al", "preferred_username": "x"})), (some("al"), None));
    assert_eq!(
        found(json!({"sub": "a", "preferred_username": "x", "email": "a@b"})),
        (some("x"), some("a@b"))
    );
    assert_eq!(
        found(json!({"sub": "a", "username": "", "email": ""})),
        (None, None),
        "an empty text is none"
    );
    for (claim, name) in [(Claim::Username, "username"), (Claim::Email, "email")] {
        for wrong in [json!(7), json!(["a"]), json!({}), json!(false)] {
            let fault = fault(&defaults(), json!({"sub": "a", name: wrong}));
            assert_eq!(
                (fault, Refusal::from(fault)),
                (ClaimFault { claim, why: Why::WrongKind }, Refusal::ClaimInvalid)
            );
        }
        for (why, text) in bad_texts() {
            assert_eq!(fault(&defaults(), json!({"sub": "a", name: text})), ClaimFault { claim, why });
        }
    }
}

#[test]
fn scope() {
    let found = |value: Value| {
        let answer = session(json!({"sub": "a", "scope": value}));
        Mapping::new(&defaults()).identity(&answer).unwrap().scope.map(String::from)
    };
    assert_eq!(found(json!("openid email")).as_deref(), Some("openid email"));
    assert_eq!(found(json!(" openid  email ")).as_deref(), Some("openid email"));
    assert_eq!(found(json!(["read", "urn:x:write"])).as_deref(), Some("read urn:x:write"));
    for nothing in [json!(null), json!(""), json!([])] {
        assert_eq!(found(nothing), None);
    }
    for (why, value) in [
        (Why::WrongKind, json!(7)),
        (Why::WrongKind, json!({"read": true})),
        (Why::WrongKind, json!(["read", 7])),
        (Why::Empty, json!([""])),
        (Why::Characters, json!(["read write"])),
        (Why::Characters, json!("read\nwrite")),
        (Why::Characters, json!("\"")),
        (Why::Characters, json!("a\\b")),
        (Why::Characters, json!("größe")),
        (Why::TooLong, json!("a".repeat(5000))),
    ] {
        let expected = ClaimFault { claim: Claim::Scope, why };
        assert_eq!(fault(&defaults(), json!({"sub": "a", "scope": value.clone()})), expected, "{value}");
    }
}

#[test]
fn client_and_session_id() {
    let found = |answer: Value| {
        let identity = Mapping::new(&defaults()).identity(&session(answer)).unwrap();
        (identity.client.map(|client| client.to_string()), identity.server_sid.map(String::from))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        found(json!({"sub": "a", "client_id": "web", "azp": "x", "sid": "s"})),
        (some("web"), some("s"))
    );
    assert_eq!(found(json!({"sub": "a", "azp": "web", "sid": 7})), (some("web"), some("7")));
    assert_eq!(found(json!({"sub": "a", "aud": "api"})), (None, None));
    assert_eq!(fault(&defaults(), json!({"sub": "a", "client_id": ["web"]})).claim, Claim::Client);
    assert_eq!(fault(&defaults(), json!({"sub": "a", "client_id": "we\nb"})).claim, Claim::Client);
    assert_eq!(fault(&defaults(), json!({"sub": "a", "sid": {}})).claim, Claim::Sid);
}

#[test]
fn userinfo_first_where_it_describes_the_person() {
    let answer = with_userinfo(
        json!({"sub": "a", "username": "old", "email": "old@b", "roles": ["admin"], "scope": "openid", "client_id": "web"}),
        json!({"sub": "a", "preferred_username": "new", "email": "new@b", "roles": ["viewer"], "scope": "x", "client_id": "x"}),
    );
    let identity = Mapping::new(&defaults()).identity(&answer).unwrap();
    assert_eq!(identity.username.as_deref(), Some("new"));
    assert_eq!(identity.email.as_deref(), Some("new@b"));
    assert_eq!(roles(&identity), ["viewer"]);
    assert_eq!(identity.scope.as_deref(), Some("openid"));
    assert_eq!(identity.client.unwrap().as_str(), "web");

    let named = ClaimsConfig { roles: path("session.roles"), ..defaults() };
    assert_eq!(roles(&Mapping::new(&named).identity(&answer).unwrap()), ["admin"], "a path decides alone");
    let missing = ClaimsConfig { roles: path("userinfo.groups"), ..defaults() };
    assert!(Mapping::new(&missing).identity(&answer).unwrap().roles.is_empty(), "no other place is tried");
}

#[test]
fn paths() {
    let found = |text: &str, answer: Value| {
        let claims = ClaimsConfig { subject: path(text), ..defaults() };
        Mapping::new(&claims).explain(&session(answer)).map(|identity| identity.subject.to_string())
    };
    let missing = Err(ClaimFault { claim: Claim::Subject, why: Why::Missing });
    let wrong = Err(ClaimFault { claim: Claim::Subject, why: Why::WrongKind });
    let answer = json!({"a": {"b": [{"c": "deep"}], "0": "zero"}, "t": "text", "n": null});
    assert_eq!(found("session.a.b.0.c", answer.clone()), Ok("deep".into()));
    assert_eq!(found("session.a.0", answer.clone()), Ok("zero".into()));
    assert_eq!(found("session.a.b.1.c", answer.clone()), missing);
    assert_eq!(found("session.n.x", answer.clone()), missing);
    assert_eq!(found("session.x.y", answer.clone()), missing);
    assert_eq!(found("session.a.b.c", answer.clone()), wrong, "a name into an array");
    assert_eq!(found("session.a.b.-1", answer.clone()), wrong);
    assert_eq!(found("session.t.x", answer.clone()), wrong, "into a text");
    assert_eq!(found("userinfo.sub", answer), missing, "userinfo was not asked");
}

#[test]
fn which_clients_are_accepted() {
    let mapping = Mapping::new(&defaults()).accepting(&[ClientId::from("web"), ClientId::from("app")]);
    for accepted in [
        json!({"client_id": "web"}),
        json!({"azp": "app"}),
        json!({"client_id": "web", "azp": "other", "aud": "other"}),
        json!({"aud": "web"}),
        json!({"aud": ["api", "app"]}),
    ] {
        let mut answer = accepted.clone();
        answer["sub"] = json!("a");
        assert!(mapping.identity(&session(answer)).is_ok(), "{accepted}");
    }
    for refused in [
        json!({}),
        json!({"client_id": "other"}),
        json!({"client_id": "WEB"}),
        json!({"client_id": "web2"}),
        // A token for us as a service is not a session of ours.
        json!({"client_id": "other", "aud": "web"}),
        json!({"azp": "other", "aud": ["web"]}),
        json!({"aud": "api"}),
        json!({"aud": ["api", ["web"]]}),
        json!({"aud": {"web": true}}),
        json!({"aud": []}),
    ] {
        let mut answer = refused.clone();
        answer["sub"] = json!("a");
        assert_eq!(mapping.identity(&session(answer)), Err(Refusal::SessionOfOtherClient), "{refused}");
    }
    let any = Mapping::new(&defaults()).accepting(&[]);
    assert!(any.identity(&session(json!({"sub": "a", "client_id": "other"}))).is_ok());
}

#[test]
fn a_fault_names_the_claim_and_never_the_value() {
    let fault = fault(&defaults(), json!({"sub": "secret\nvalue"}));
    assert_eq!(fault.to_string(), "the subject has control characters or white space where none may be");
}

#[test]
fn a_bounded_role_reaches_no_further_than_the_scope() {
    let claims = ClaimsConfig {
        bounded_roles: [("editor", "orders:write"), ("admin", "all")]
            .map(|(role, scope)| BoundedRole { role: role.into(), scope: scope.into() })
            .into(),
        ..defaults()
    };
    let kept = |scope: Value| {
        let answer = session(json!({"sub": "a", "roles": ["viewer", "editor", "admin"], "scope": scope}));
        let identity = Mapping::new(&claims).identity(&answer).unwrap();
        roles(&identity).join(" ")
    };
    assert_eq!(kept(json!("all orders:write openid")), "viewer editor admin");
    assert_eq!(kept(json!("openid orders:write")), "viewer editor");
    assert_eq!(kept(json!(["orders:writer", "xall"])), "viewer", "a scope is compared whole");
    assert_eq!(kept(json!("ORDERS:WRITE")), "viewer", "and with its case");
    assert_eq!(kept(json!("")), "viewer");
    let none = session(json!({"sub": "a", "roles": ["editor"]}));
    assert_eq!(roles(&Mapping::new(&claims).identity(&none).unwrap()), [""; 0], "no scope holds none");
}
