//! `mode = "bearer"`: a token in memory that only the gateway takes.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{PAGE, body, field, house, verdict};
use crate::{
    proxy::house::{House, claims_in},
    wire::{ALICE, OURS},
};

const BEARER: &str = "mode = \"bearer\"\naudiences = [\"orders\"]\n";
const BOB: &str = "Cookie: SESSION=bob-session";
const FORM: &str = "Content-Length: 0";

/// The token that a page with this cookie gets.
async fn token(house: &House, cookie: &str) -> String {
    let answer = house.send("POST /.countersign/renew", &[&PAGE[..], &[cookie, FORM]].concat()).await;
    assert_eq!(verdict(&answer), ("200", None), "{answer}");
    body(&answer)["token"].as_str().unwrap().to_owned()
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn authorization(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

#[tokio::test]
async fn a_page_gets_a_token_for_the_gateway_alone() {
    let house = house(BEARER).await;
    let answer = house.send("GET /.countersign/session", &[&PAGE[..], &[ALICE]].concat()).await;
    let said = body(&answer);
    let claims = claims(said["token"].as_str().unwrap());
    assert_eq!(claims["aud"], "https://shop.example/browser");
    assert_eq!(
        (&claims["sub"], &claims["sid"], &claims["exp"]),
        (&said["user"]["sub"], &said["sid"], &said["exp"])
    );
    for absent in ["roles", "organisation", "scope", "email", "preferred_username"] {
        assert!(claims.get(absent).is_none(), "{claims}");
    }
    // Asking again gives the same: nothing rotates.
    assert_eq!(token(&house, ALICE).await, said["token"].as_str().unwrap());
    assert_ne!(token(&house, BOB).await, said["token"].as_str().unwrap());
    assert_eq!(house.server.arrived().len(), 2);
}

#[tokio::test]
async fn the_services_token_is_derived_from_the_session() {
    let house = house(BEARER).await;
    let token = token(&house, ALICE).await;
    let presented = authorization(&token);
    for lines in [&[presented.as_str()][..], &[presented.as_str(), ALICE]] {
        for line in ["GET /orders/", "POST /orders/", "GET /edit/"] {
            let answer = house.send(line, &[lines, &[FORM]].concat()).await;
            assert_eq!(verdict(&answer), ("200", None), "{line} {lines:?} {answer}");
            assert_eq!(field(&answer, "vary"), Some("Cookie, Authorization"));
            let received = house.received();
            let head = received.last().unwrap();
            assert!(!head.contains(&token) && !head.contains("alice-session"), "{head}");
            let derived = claims_in(head);
            assert_eq!((&derived["aud"], &derived["sub"]), (&Value::from("orders"), &Value::from("alice")));
            assert_eq!(derived["roles"], serde_json::json!(["editor"]));
            assert_eq!(derived["organisation"], "acme");
            assert_eq!(derived["exp"], claims(&token)["exp"]);
        }
    }
    assert_eq!(house.server.arrived().len(), 1);
    // The cookie alone is a credential still, with the proofs a cookie needs.
    assert_eq!(verdict(&house.send("POST /orders/", &[ALICE, FORM]).await), ("403", Some("csrf")));
    assert_eq!(verdict(&house.send("POST /orders/", &[ALICE, FORM, OURS]).await), ("200", None));
}

#[tokio::test]
async fn token_and_cookie_of_two_sessions_are_ambiguous() {
    let house = house(BEARER).await;
    let alice = authorization(&token(&house, ALICE).await);
    token(&house, BOB).await;
    for (line, lines) in [
        ("GET /orders/", &[alice.as_str(), BOB][..]),
        ("GET /.countersign/session", &[alice.as_str(), BOB, PAGE[0], PAGE[1]]),
        ("POST /.countersign/renew", &[alice.as_str(), BOB, PAGE[0], PAGE[1], FORM]),
    ] {
        assert_eq!(verdict(&house.send(line, lines).await), ("400", Some("ambiguous_credential")), "{line}");
    }
    let twice = [alice.as_str(), alice.as_str()];
    assert_eq!(verdict(&house.send("GET /orders/", &twice).await), ("400", Some("ambiguous_credential")));
    assert_eq!(house.received().len(), 0);
}

#[tokio::test]
async fn no_other_token_is_a_credential() {
    let house = house(BEARER).await;
    let good = token(&house, ALICE).await;
    house.send("GET /orders/", &[ALICE]).await;
    let received = house.received();
    let line =
        received[0].lines().find(|line| line.to_ascii_lowercase().starts_with("authorization: ")).unwrap();
    let of_service = line.rsplit(' ').next().unwrap().to_owned();
    let answer =
        house.send("POST /.countersign/renew?audience=orders", &[&PAGE[..], &[ALICE, FORM]].concat()).await;
    let for_service = body(&answer)["token"].as_str().unwrap().to_owned();
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
    let mut forged = claims(&good);
    forged["sub"] = "bob".into();
    let forged = URL_SAFE_NO_PAD.encode(forged.to_string());
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    for bad in [
        of_service,
        for_service,
        format!("{header}.{forged}.{signature}"),
        format!("{none}.{payload}."),
        format!("{header}.{payload}."),
        "alice-session".to_owned(),
        "a.b.c".to_owned(),
    ] {
        for lines in [&[][..], &[ALICE]] {
            let presented = authorization(&bad);
            let answer = house.send("GET /orders/", &[lines, &[presented.as_str()]].concat()).await;
            assert_eq!(verdict(&answer), ("401", Some("token_invalid")), "{bad}");
            assert!(field(&answer, "www-authenticate").unwrap().contains("invalid_token"));
        }
    }
    assert_eq!(house.received().len(), 1);
}

#[tokio::test]
async fn only_the_cookie_renews() {
    let house = house(BEARER).await;
    let alice = authorization(&token(&house, ALICE).await);
    for line in ["GET /.countersign/session", "POST /.countersign/renew", "POST /.countersign/logout"] {
        let answer = house.send(line, &[&PAGE[..], &[alice.as_str(), FORM]].concat()).await;
        assert_eq!(verdict(&answer), ("401", Some("credential_missing")), "{line}");
    }
    assert_eq!(verdict(&house.send("GET /orders/", &[&alice]).await), ("200", None));
}

#[tokio::test]
async fn a_page_gets_tokens_of_listed_audiences() {
    let house = house(BEARER).await;
    let ask = async |query: &str| {
        let line = format!("POST /.countersign/renew{query}");
        house.send(&line, &[&PAGE[..], &[ALICE, FORM]].concat()).await
    };
    let said = body(&ask("?audience=orders").await);
    let claims = claims(said["token"].as_str().unwrap());
    assert_eq!((&claims["aud"], &claims["exp"]), (&Value::from("orders"), &said["exp"]));
    assert_eq!(claims["roles"], serde_json::json!(["editor"]));
    for (query, expected) in [
        ("?audience=notes", ("403", Some("audience_not_allowed"))),
        ("?audience=", ("403", Some("audience_not_allowed"))),
        ("?audience=https%3A%2F%2Fshop.example%2Fbrowser", ("403", Some("audience_not_allowed"))),
        ("?audience=orders&audience=orders", ("400", Some("parameter_invalid"))),
    ] {
        assert_eq!(verdict(&ask(query).await), expected, "{query}");
    }
}

#[tokio::test]
async fn in_cookie_mode_no_token_reaches_a_page_and_none_is_taken() {
    let house = house("").await;
    let line = "POST /.countersign/renew?audience=orders";
    let answer = house.send(line, &[&PAGE[..], &[ALICE, FORM]].concat()).await;
    assert_eq!(verdict(&answer), ("403", Some("audience_not_allowed")));
    assert!(!answer.contains("eyJ"), "{answer}");
    let answer = house.send("GET /orders/", &["Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.e30.AA"]).await;
    assert_eq!(verdict(&answer), ("401", Some("credential_missing")));
}

#[tokio::test]
async fn log_out_ends_a_copied_token_at_once() {
    let house = house(BEARER).await;
    let alice = authorization(&token(&house, ALICE).await);
    let bob = authorization(&token(&house, BOB).await);
    assert_eq!(verdict(&house.send("GET /orders/", &[&alice]).await), ("200", None));
    let answer = house.send("POST /.countersign/logout", &[&PAGE[..], &[ALICE, FORM]].concat()).await;
    assert_eq!(verdict(&answer), ("200", None), "{answer}");
    for lines in [&[alice.as_str()][..], &[ALICE], &[alice.as_str(), ALICE]] {
        assert_eq!(verdict(&house.send("GET /orders/", lines).await), ("401", Some("revoked")), "{lines:?}");
    }
    assert_eq!(verdict(&house.send("GET /orders/", &[&bob]).await), ("200", None));
}

#[tokio::test]
async fn a_session_that_is_not_known_any_more_is_renewed_with_the_cookie() {
    let house = super::house_with("cache_entries = 64\n", BEARER).await;
    let alice = authorization(&token(&house, ALICE).await);
    for n in 0..400 {
        token(&house, &format!("Cookie: SESSION=user-{n}")).await;
    }
    assert_eq!(verdict(&house.send("GET /orders/", &[&alice]).await), ("401", Some("session_ended")));
    let renewed = authorization(&token(&house, ALICE).await);
    assert_eq!(verdict(&house.send("GET /orders/", &[&renewed]).await), ("200", None));
}
