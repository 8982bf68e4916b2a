//! How the gateway shows who it is: every method of RFC 6749 §2.3 and RFC 7523 §2.2, as it arrives.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use countersign::{ClientId, Secret, SigningKey, jws::Algorithm};
use countersign_gateway::{
    config::resolved::{ClientAuth, Endpoint},
    session::source::{SourceSetupError, from_config},
};
use serde_json::{Value, json};

use super::{
    CLIENT_SECRET, Is, NOW, ask, entropy, fake,
    fake::{Arrived, Fake},
    given, introspection, is, server, session,
};

const ACTIVE: &str = r#"{"active":true}"#;

fn client() -> ClientId {
    ClientId::from("gate way/1")
}

async fn sent_with(auth: ClientAuth) -> (Arrived, String) {
    let fake = Fake::always(fake::json(200, ACTIVE)).await;
    let url = fake.url("/introspect");
    assert_eq!(is(&ask(&server(introspection(given(&url), auth))).await), Is::Live);
    (fake.only(), url)
}

fn value<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = form.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str());
    let value = values.next();
    assert!(values.next().is_none(), "{name} twice");
    value
}

#[tokio::test]
async fn basic_encodes_id_and_secret_before_base64() {
    let (sent, _) = sent_with(ClientAuth::Basic(client(), Secret::new(CLIENT_SECRET.into()))).await;
    let pair = sent.header("authorization").unwrap().strip_prefix("Basic ").unwrap();
    let pair = String::from_utf8(STANDARD.decode(pair).unwrap()).unwrap();
    assert_eq!(pair, "gate+way%2F1:cl13nt+secret%3A%2F%2B%25%26");
    assert_eq!(value(&sent.form(), "client_id"), None);
    assert_eq!(value(&sent.form(), "client_secret"), None);
}

#[tokio::test]
async fn post_puts_both_in_the_form() {
    let (sent, _) = sent_with(ClientAuth::Post(client(), Secret::new(CLIENT_SECRET.into()))).await;
    let form = sent.form();
    assert_eq!(value(&form, "client_id"), Some("gate way/1"));
    assert_eq!(value(&form, "client_secret"), Some(CLIENT_SECRET));
    assert_eq!(sent.header("authorization"), None);
}

#[tokio::test]
async fn bearer_sends_our_own_token() {
    let (sent, _) = sent_with(ClientAuth::Bearer(Secret::new("our.own-token".into()))).await;
    assert_eq!(sent.header("authorization"), Some("Bearer our.own-token"));
}

#[tokio::test]
async fn none_sends_nothing() {
    let (sent, _) = sent_with(ClientAuth::None).await;
    assert_eq!(sent.header("authorization"), None);
    assert_eq!(sent.form().len(), 2);
}

fn pem(key: &SigningKey) -> Secret<String> {
    let der = STANDARD.encode(key.to_pkcs8_der().unwrap().expose());
    Secret::new(format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n"))
}

/// The claims of the assertion, after its signature was checked.
fn claims(sent: &Arrived, key: &SigningKey, name: &str) -> Value {
    let form = sent.form();
    assert_eq!(value(&form, "client_id"), Some("gate way/1"));
    assert_eq!(
        value(&form, "client_assertion_type"),
        Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    );
    let assertion = value(&form, "client_assertion").unwrap();
    let verified = countersign::jws::verify(assertion.as_bytes(), &key.verifying_key().unwrap()).unwrap();
    let header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(assertion.split('.').next().unwrap()).unwrap())
            .unwrap();
    assert_eq!(header, json!({"alg": name, "typ": "JWT"}), "no `kid`: the server has its own");
    serde_json::from_slice(verified.payload()).unwrap()
}

#[tokio::test]
async fn private_key_jwt_signs_an_assertion_for_this_server() {
    for (algorithm, name) in [
        (Algorithm::Es256, "ES256"),
        (Algorithm::EdDsa, "EdDSA"),
        (Algorithm::Rs256, "RS256"),
        (Algorithm::Es384, "ES384"),
    ] {
        let key = SigningKey::generate(algorithm).unwrap();
        let (sent, url) = sent_with(ClientAuth::PrivateKeyJwt(client(), pem(&key))).await;
        assert_eq!(sent.header("authorization"), None);
        let claims = claims(&sent, &key, name);
        assert_eq!(claims["iss"], "gate way/1");
        assert_eq!(claims["sub"], "gate way/1");
        assert_eq!(claims["aud"], url.as_str(), "one audience, as a text");
        assert_eq!(claims["iat"], NOW.as_secs());
        assert_eq!(claims["exp"], NOW.as_secs() + 60);
        assert_eq!(URL_SAFE_NO_PAD.decode(claims["jti"].as_str().unwrap()).unwrap().len(), 16);
    }
}

#[tokio::test]
async fn an_assertion_is_used_once() {
    let fake = Fake::always(fake::json(200, ACTIVE)).await;
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let auth = ClientAuth::PrivateKeyJwt(client(), pem(&key));
    let server = server(introspection(given(&fake.url("/introspect")), auth));
    for _ in 0..2 {
        assert_eq!(is(&ask(&server).await), Is::Live);
    }
    let ids: Vec<_> = fake.arrived().iter().map(|sent| claims(sent, &key, "ES256")["jti"].clone()).collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn the_assertion_is_for_the_issuer_where_it_is_known() {
    let base = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let fake = Fake::start({
        let base = std::sync::Arc::clone(&base);
        move |request| {
            let base = base.get().unwrap();
            if request.line().starts_with("GET") {
                fake::json(200, &format!(r#"{{"issuer":"{base}","introspection_endpoint":"{base}/i"}}"#))
            } else {
                fake::json(200, ACTIVE)
            }
        }
    })
    .await;
    base.set(fake.url("")).unwrap();
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let auth = ClientAuth::PrivateKeyJwt(client(), pem(&key));
    let server = server(introspection(Endpoint::Discovered(fake.url("").into()), auth));
    assert_eq!(is(&ask(&server).await), Is::Live);
    let arrived = fake.arrived();
    assert_eq!(claims(&arrived[1], &key, "ES256")["aud"], fake.url("").as_str());
}

#[test]
fn what_cannot_be_sent_is_found_before_the_start() {
    let with =
        |auth| from_config(&session(introspection(given("http://127.0.0.1:9/"), auth)), &entropy(), None);
    let line_break = ClientAuth::Bearer(Secret::new("a\r\nX-Evil: 1".into()));
    assert!(matches!(with(line_break), Err(SourceSetupError::ClientToken)));
    for text in ["", "secret", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        let error = with(ClientAuth::PrivateKeyJwt(client(), Secret::new(text.into()))).unwrap_err();
        assert!(matches!(error, SourceSetupError::ClientKey), "{error}");
    }
}
