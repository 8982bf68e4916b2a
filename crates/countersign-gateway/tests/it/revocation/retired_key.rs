//! A key that is retired in an emergency: what becomes of its tokens, here, at another gateway and at a service.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _, time::Duration};

use super::{ALICE, CLIENTS, INTERNAL, SECRET, house, internal, token_in, until};
use crate::{
    proxy::house::{House, who},
    server::{
        harness::PATIENCE,
        recorder::{OK, Recorder},
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    Secret, TokenRefusal, Verifier,
    remote::{ClientAuthentication, RemoteKeys, RevocationFeed},
};
use countersign_gateway::admin::client::call;
use http::Method;
use serde_json::{Value, json};

/// A service that fetches keys and follows the feed, as the library makes one.
struct Service {
    verifier: Verifier,
    _feed: RevocationFeed,
}

impl Service {
    async fn start(house: &House) -> Self {
        let keys = RemoteKeys::builder().key_set(format!("http://{}/.well-known/jwks.json", house.address));
        let keys = keys.start().unwrap();
        assert!(keys.ready(PATIENCE).await);
        let client = ClientAuthentication::basic("orders", Secret::new(SECRET.to_owned())).unwrap();
        let gateway = format!("http://{}", internal(house));
        let feed = RevocationFeed::builder("https://shop.example", gateway, client);
        let feed = feed.keys(keys.clone()).start().unwrap();
        assert!(feed.ready(PATIENCE).await, "{:?}", feed.counters());
        let verifier = Verifier::builder().issuer("https://shop.example").audience("orders").keys(keys);
        Self { verifier: verifier.revocations(feed.clone()).build().unwrap(), _feed: feed }
    }

    /// How long it takes until the token is refused because nobody knows its key.
    async fn forgets_the_key_of(&self, token: &str) -> Duration {
        let took = until(|| self.verifier.verify(token).is_err()).await;
        assert_eq!(self.verifier.verify(token).err(), Some(TokenRefusal::KeyUnknown));
        took
    }
}

fn kid_of(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

/// The token of the next request.
async fn token(house: &House) -> String {
    let answer = house.send("GET /orders/", &[ALICE]).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    token_in(house.received().last().unwrap())
}

async fn retire(house: &House, kid: &str) {
    let state = house.state.path().join("state");
    let reply = call(&state, Method::POST, "/keys/retire", json!({ "kid": kid }).to_string()).await.unwrap();
    assert_eq!(reply.status.as_u16(), 200);
}

#[tokio::test]
async fn the_next_token_has_another_key_and_services_refuse_the_old_one_within_a_second() {
    let house = house(Recorder::answering(OK).await).await;
    let service = Service::start(&house).await;
    let old = token(&house).await;
    service.verifier.verify(&old).unwrap();
    retire(&house, &kid_of(&old)).await;
    let new = token(&house).await;
    assert_ne!(kid_of(&new), kid_of(&old), "a kept token of a retired key is not handed out");
    let took = service.forgets_the_key_of(&old).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    service.verifier.verify(&new).unwrap();
}

/// Each gateway reads the ring of a shared store every five seconds; here over TLS and with a password.
#[cfg(feature = "valkey")]
#[tokio::test]
async fn another_gateway_and_its_services_follow_within_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let secret = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    };
    let key = secret("kek", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let password = secret("password", "planted-password");
    let (server, certificate) =
        crate::store::valkey::Server::with_tls(folder.path(), "requirepass planted-password\n");
    let top = format!("{INTERNAL}\nencryption_key_file = \"{}\"", key.display());
    let mut houses = Vec::new();
    for _ in 0..2 {
        let service = Recorder::answering(OK).await;
        let store = format!(
            "[store]\nurl = \"valkeys://localhost:{}\"\npassword_file = \"{}\"\nca_file = \"{}\"\ntimeout = \"10s\"\n",
            server.port,
            password.display(),
            certificate.display()
        );
        let more = format!("{}{store}", CLIENTS.replace("SERVICE", &service.address.to_string()));
        houses.push(House::with(&top, &more, service, who).await);
    }
    let [one, other] = houses.as_slice() else { panic!("two gateways") };
    let service = Service::start(other).await;
    let old = token(other).await;
    assert_eq!(kid_of(&token(one).await), kid_of(&old), "one ring");
    service.verifier.verify(&old).unwrap();
    retire(one, &kid_of(&old)).await;
    let took = service.forgets_the_key_of(&old).await;
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_ne!(kid_of(&token(other).await), kid_of(&old));
}
