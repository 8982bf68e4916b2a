//! Services in other languages verify from the published key set alone: jose and PyJWT.

use countersign::{Clock as _, SystemClock};
use serde_json::json;

use crate::{
    client::Call,
    counterpart::{
        authorization_server::{AuthorizationServer, BASIC_SECRET, COOKIE},
        verifier::Verifier,
    },
    gateway::{Gateway, Setting},
    job::ISSUER,
    local_server::LocalServer,
};

#[tokio::test]
async fn other_verifiers_accept_our_tokens_and_refuse_what_they_must() {
    for algorithm in ["ES256", "Ed25519", "RS256"] {
        with_algorithm(algorithm).await;
    }
}

async fn with_algorithm(algorithm: &str) {
    let server = AuthorizationServer::shared();
    let service = LocalServer::recording().await;
    let mut setting = Setting::new();
    let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    let config = format!(
        "issuer = \"{ISSUER}\"\n{session}[token]\nalgorithm = \"{algorithm}\"\n\
         [[route]]\npath = \"/orders/\"\nupstream = \"{}\"\naudience = \"orders\"\n",
        service.origin()
    );
    let mut gateway = Gateway::start(setting, &config);
    let session = server.log_in("ada", "legacy-app").await;
    gateway.get("/orders/", COOKIE, &session).await.expect(200);
    let authorization = service.last().header("authorization").unwrap().to_owned();
    let token = authorization.strip_prefix("Bearer ").unwrap();
    gateway.keep_secret(token);

    let published = Call::get(gateway.url("/.well-known/jwks.json")).send().await.expect(200);
    assert!(published.header("cache-control").unwrap().contains("max-age="), "{published:?}");
    let keys = published.json()["keys"].as_array().unwrap().clone();
    assert!(keys.len() >= 2, "the standby key is not published");
    for key in &keys {
        assert!(key.get("d").is_none() && key.get("p").is_none(), "a private key is published");
    }

    let keys = gateway.url("/.well-known/jwks.json");
    let changed = changed(token);
    for verifier in Verifier::all() {
        let good = verifier.verify(token, &keys, ISSUER, "orders");
        assert_eq!(good["claims"]["sub"], json!("ada"), "{}, {algorithm}: {good}", verifier.name);
        for (name, token, issuer, audience) in [
            ("another audience", token, ISSUER, "invoices"),
            ("another issuer", token, "https://other.example", "orders"),
            ("a changed claim", changed.as_str(), ISSUER, "orders"),
        ] {
            let answer = verifier.verify(token, &keys, issuer, audience);
            assert!(answer["refused"].is_string(), "{}, {algorithm}, {name}: {answer}", verifier.name);
        }
    }
    gateway.stop().await;
}

/// One secret for one audience: HS256. And the endpoint of the sessions is found in the server's metadata.
#[tokio::test]
async fn other_verifiers_accept_what_a_shared_secret_signs_for_a_discovered_session() {
    const SECRET: &str = "shared-with-orders-0123456789-abcdef";
    let server = AuthorizationServer::shared();
    let service = LocalServer::recording().await;
    let mut setting = Setting::new();
    let (client, shared) =
        (setting.secret_file("secret", BASIC_SECRET), setting.secret_file("orders", SECRET));
    let config = format!(
        "issuer = \"{ISSUER}\"\n[session]\ncookie = \"{COOKIE}\"\ndiscover = \"{}\"\n\
         client_id = \"gateway-basic\"\nclient_secret_file = \"{client}\"\n\
         [[token.shared_secret]]\naudience = \"orders\"\nsecret_file = \"{shared}\"\n\
         [[route]]\npath = \"/orders/\"\nupstream = \"{}\"\naudience = \"orders\"\n",
        server.url(""),
        service.origin()
    );
    let mut gateway = Gateway::start(setting, &config);
    let session = server.log_in("ada", "legacy-app").await;
    gateway.get("/orders/", COOKIE, &session).await.expect(200);
    let authorization = service.last().header("authorization").unwrap().to_owned();
    let token = authorization.strip_prefix("Bearer ").unwrap();
    gateway.keep_secret(token);

    let hexadecimal = |secret: &str| secret.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let now = SystemClock.now().as_secs();
    let changed = changed(token);
    for verifier in Verifier::all() {
        let ask = |token: &str, secret: &str, audience: &str| {
            let secret = hexadecimal(secret);
            verifier.ask(&json!({ "token": token, "secret": secret, "issuer": ISSUER, "audience": audience, "now": now }))
        };
        let good = ask(token, SECRET, "orders");
        assert_eq!(good["claims"]["sub"], json!("ada"), "{}: {good}", verifier.name);
        assert_eq!(good["header"]["alg"], json!("HS256"), "{}: {good}", verifier.name);
        for (name, answer) in [
            ("another secret", ask(token, "shared-with-nobody-0123456789-abcdef", "orders")),
            ("another audience", ask(token, SECRET, "invoices")),
            ("a changed claim", ask(&changed, SECRET, "orders")),
        ] {
            assert!(answer["refused"].is_string(), "{}, {name}: {answer}", verifier.name);
        }
    }
    gateway.stop().await;
}

/// The token with one letter of its payload changed.
fn changed(token: &str) -> String {
    let changed = token.find('.').unwrap() + 40;
    let other = |letter| if letter == 'A' { 'B' } else { 'A' };
    token.char_indices().map(|(at, letter)| if at == changed { other(letter) } else { letter }).collect()
}
