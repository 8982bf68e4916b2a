use std::{num::NonZeroU32, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign::{Secret, SigningKey, UnixTime, jws::Algorithm};
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use super::{Assertion, ClientTable, FormProof, JWT_BEARER, NotProven};
use crate::config::resolved::{ClientConfig, ClientKnownBy};
use crate::http::form::decoded;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

struct Bench {
    table: ClientTable,
    key: SigningKey,
}

fn bench() -> Bench {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let client = |id: &str, known_by| ClientConfig {
        id: id.into(),
        known_by,
        audience: Some(id.into()),
        exchange: Vec::new(),
        exchanges_per_second: NonZeroU32::MIN,
    };
    let clients = [
        client("orders", ClientKnownBy::Secret(Secret::new("p w%:0123456789ab".to_owned()))),
        client("notes", ClientKnownBy::Key(Arc::new(key.verifying_key().unwrap()))),
    ];
    Bench { table: ClientTable::new("https://shop.example".into(), &clients), key }
}

impl Bench {
    fn header(&self, value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        self.table.prove(&headers, None, NOW).ok().map(|client| client.id.to_string())
    }

    fn basic(&self, pair: &str) -> Option<String> {
        self.header(&format!("Basic {}", STANDARD.encode(pair)))
    }

    fn assertion(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({
            "iss": "notes", "sub": "notes", "aud": "https://shop.example", "jti": "1",
            "iat": 1_800_000_000, "exp": 1_800_000_060,
        });
        change(&mut claims);
        self.key.sign("client-authentication+jwt", &claims).unwrap()
    }

    fn bearer(&self, change: impl FnOnce(&mut Value)) -> Option<String> {
        self.header(&format!("Bearer {}", self.assertion(change)))
    }
}

#[test]
fn a_secret_proves_its_own_client_alone() {
    let bench = bench();
    assert_eq!(bench.basic("orders:p+w%25%3A0123456789ab").as_deref(), Some("orders"));
    for wrong in [
        "orders:p+w%25%3A0123456789ac",
        "orders:",
        "orders",
        "notes:p+w%25%3A0123456789ab",
        "notes:",
        "nobody:",
        ":",
        "orders:%",
        "orders:%zz",
    ] {
        assert_eq!(bench.basic(wrong), None, "{wrong}");
    }
    assert_eq!(bench.header("Basic ???"), None);
    assert_eq!(bench.header("Digest x"), None);
    assert_eq!(bench.header("x"), None);
}

#[test]
fn an_assertion_proves_its_client_once() {
    let bench = bench();
    assert_eq!(bench.bearer(|_| {}).as_deref(), Some("notes"));
    assert_eq!(bench.bearer(|_| {}), None, "used");
    assert_eq!(bench.bearer(|claims| claims["jti"] = json!("2")).as_deref(), Some("notes"));
}

#[test]
fn an_assertion_that_is_not_for_us_or_not_of_now_proves_nothing() {
    let bench = bench();
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 14] = [
        ("iss", |claims| claims["iss"] = json!("orders")),
        ("unknown iss", |claims| claims["iss"] = json!("nobody")),
        ("sub", |claims| claims["sub"] = json!("orders")),
        ("aud", |claims| claims["aud"] = json!("https://other.example")),
        ("two aud", |claims| claims["aud"] = json!(["https://shop.example", "https://other.example"])),
        ("no aud", |claims| claims["aud"] = json!([])),
        ("past", |claims| claims["exp"] = json!(1_800_000_000)),
        ("long", |claims| claims["exp"] = json!(1_800_000_361)),
        ("text exp", |claims| claims["exp"] = json!("1800000060")),
        ("ahead", |claims| claims["iat"] = json!(1_800_000_061)),
        ("nbf", |claims| claims["nbf"] = json!(1_800_000_061)),
        ("no jti", |claims| drop(claims.as_object_mut().unwrap().remove("jti"))),
        ("empty jti", |claims| claims["jti"] = json!("")),
        ("no exp", |claims| drop(claims.as_object_mut().unwrap().remove("exp"))),
    ];
    for (name, change) in changes {
        assert_eq!(bench.bearer(change), None, "{name}");
    }
    let access_token = bench.key.sign("at+jwt", &json!({ "iss": "notes" })).unwrap();
    assert_eq!(bench.header(&format!("Bearer {access_token}")), None);
    let mut of_other_key = super::tests::bench();
    of_other_key.key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    assert_eq!(of_other_key.bearer(|_| {}), None);
    assert_eq!(bench.bearer(|_| {}).as_deref(), Some("notes"), "nothing above was taken for a use");
}

#[test]
fn a_form_may_hold_the_assertion_and_there_is_one_proof_only() {
    let bench = bench();
    let assertion = bench.assertion(|_| {});
    let form = FormProof { client: Some("notes"), kind: Some(JWT_BEARER), assertion: Some(&assertion) };
    let none = HeaderMap::new();
    let mut both = HeaderMap::new();
    both.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic b3JkZXJzOng="));
    assert!(bench.table.prove(&both, Some(form), NOW).is_err());
    assert!(bench.table.prove(&none, Some(FormProof { kind: Some("other"), ..form }), NOW).is_err());
    assert!(bench.table.prove(&none, None, NOW).is_err());
    assert_eq!(bench.table.prove(&none, Some(form), NOW).unwrap().id, "notes");
    let other = bench.assertion(|claims| claims["jti"] = json!("2"));
    let named = FormProof { client: Some("orders"), assertion: Some(&other), ..form };
    assert!(bench.table.prove(&none, Some(named), NOW).is_err(), "`client_id` is another's");
}

#[test]
fn a_client_that_is_taken_out_is_one_no_longer() {
    let bench = bench();
    bench.table.replace(&[]);
    assert_eq!(bench.basic("orders:p+w%25%3A0123456789ab"), None);
    assert_eq!(bench.bearer(|_| {}), None);
}

/// What an assertion says, after its signature.
fn judged(table: &ClientTable, client: &str, jti: &str, (exp, now): (u64, u64)) -> Result<(), NotProven> {
    let claims =
        json!({ "iss": client, "sub": client, "aud": "https://shop.example", "jti": jti, "exp": exp });
    let said: Assertion = serde_json::from_value(claims).unwrap();
    let client = ClientConfig {
        id: client.into(),
        known_by: ClientKnownBy::Secret(Secret::new(String::new())),
        audience: None,
        exchange: Vec::new(),
        exchanges_per_second: NonZeroU32::MIN,
    };
    table.judge(&client, said, UnixTime::from_secs(now))
}

#[test]
fn a_client_that_uses_too_many_assertions_is_refused_alone() {
    let table = ClientTable::new("https://shop.example".into(), &[]);
    let now = NOW.as_secs();
    for number in 0..10_000 {
        judged(&table, "evil", &number.to_string(), (now + 300, now)).unwrap();
    }
    assert_eq!(judged(&table, "evil", "one more", (now + 300, now)), Err(NotProven));
    assert_eq!(judged(&table, "evil", "7", (now + 300, now)), Err(NotProven));
    assert_eq!(judged(&table, "good", "7", (now + 300, now)), Ok(()), "another's");
    assert_eq!(judged(&table, "good", "7", (now + 300, now)), Err(NotProven), "used");
    assert_eq!(judged(&table, "evil", "one more", (now + 600, now + 300)), Ok(()), "those before are over");
    assert_eq!(judged(&table, "evil", "7", (now + 300, now)), Err(NotProven), "the clock is set back");
}

#[test]
fn form_encoding_is_undone() {
    assert_eq!(decoded("a+b%3A%c3%a9").as_deref(), Some("a b:é"));
    for bad in ["%", "%4", "%zz", "%ff"] {
        assert_eq!(decoded(bad), None, "{bad}");
    }
}
