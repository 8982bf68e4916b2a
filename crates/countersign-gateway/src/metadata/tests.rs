use std::{sync::Arc, time::Duration};

use countersign::{Audience, Secret, UnixTime};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::{KEY_SET_PATH, Metadata, MetadataError, OPENID_PATH, SERVER_PATH};
use crate::{
    config::resolved::RingAlgorithm,
    entropy::SystemEntropy,
    error::Refusal,
    http::Fields,
    keyring::{
        KeyRing, RingKeeper, RingSettings, Witness,
        schedule::{KEY_LEAD, KEY_SET_MAX_AGE, Policy, ROTATION},
        seal::Sealer,
    },
    store::memory::MemoryStore,
    testing,
};

const START: UnixTime = UnixTime::from_secs(1_800_000_000);
const ISSUER: &str = "https://shop.example";

fn keeper() -> RingKeeper {
    let sealer = Sealer::new(&Secret::new([1; 32])).unwrap();
    RingKeeper::new(Arc::new(MemoryStore::new()), sealer, Witness::memory(), Arc::new(SystemEntropy))
}

fn ring(keeper: &RingKeeper, algorithm: RingAlgorithm, now: UnixTime) -> KeyRing {
    let policy = Policy::new(KEY_LEAD, Duration::from_secs(300), ROTATION);
    let shared_secrets = vec![(Audience::from("reports"), Secret::new((0..32).collect()))];
    keeper.open(&RingSettings { algorithm, policy, shared_secrets }, now).unwrap()
}

fn rendered(issuer: &str) -> Metadata {
    Metadata::render(&issuer.into(), &ring(&keeper(), RingAlgorithm::Es256, START), START).unwrap()
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

#[test]
fn the_key_set_has_public_members_only_and_every_one_a_verifier_needs() {
    for (algorithm, name, members) in [
        (RingAlgorithm::Es256, "ES256", &["alg", "crv", "kid", "kty", "use", "x", "y"][..]),
        (RingAlgorithm::Ed25519, "EdDSA", &["alg", "crv", "kid", "kty", "use", "x"]),
        (RingAlgorithm::Rs256, "RS256", &["alg", "e", "kid", "kty", "n", "use"]),
    ] {
        let ring = ring(&keeper(), algorithm, START);
        let metadata = Metadata::render(&ISSUER.into(), &ring, START).unwrap();
        let set = json(metadata.key_set().body());
        let keys = set["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 2);
        for (key, view) in keys.iter().zip(ring.keys(START)) {
            let mut found: Vec<_> = key.as_object().unwrap().keys().collect();
            found.sort();
            assert_eq!(found, members);
            assert_eq!(key["alg"], name);
            assert_eq!(key["use"], "sig");
            assert_eq!(key["kid"], view.scheduled.kid.as_str());
        }
    }
}

#[test]
fn the_signer_stands_first_and_keys_go_when_they_are_gone() {
    let keeper = keeper();
    ring(&keeper, RingAlgorithm::Es256, START);
    let ring = ring(&keeper, RingAlgorithm::Ed25519, START);
    let set = |days: u64| {
        let now = START.saturating_add(Duration::from_secs(days * 24 * 3600));
        let metadata = Metadata::render(&ISSUER.into(), &ring, now).unwrap();
        let keys = json(metadata.key_set().body())["keys"].as_array().unwrap().clone();
        let signer = ring.signer_for(&"orders".into(), now).unwrap().key_id().unwrap().clone();
        assert_eq!(keys[0]["kid"], signer.as_str());
        (keys.len(), json(metadata.openid.body())["id_token_signing_alg_values_supported"].clone())
    };
    assert_eq!(set(0), (4, json!(["ES256", "EdDSA"])));
    assert_eq!(set(1), (4, json!(["ES256", "EdDSA"])));
    assert_eq!(set(2), (2, json!(["EdDSA"])));
}

#[test]
fn the_metadata_says_what_is_true() {
    let metadata = rendered(ISSUER);
    let jwks_uri = "https://shop.example/.well-known/jwks.json";
    assert_eq!(
        json(metadata.server.body()),
        json!({"issuer": ISSUER, "jwks_uri": jwks_uri, "response_types_supported": ["none"]})
    );
    assert_eq!(
        json(metadata.openid.body()),
        json!({
            "issuer": ISSUER, "jwks_uri": jwks_uri, "response_types_supported": ["none"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
        })
    );
}

#[test]
fn documents_are_where_the_issuer_says() {
    let plain = rendered(ISSUER);
    for (path, found) in [
        (KEY_SET_PATH, true),
        ("/.well-known/oauth-authorization-server", true),
        ("/.well-known/openid-configuration", true),
        ("/.well-known/openid-configuration/", false),
        ("/.well-known/oauth-authorization-server/x", false),
        ("/x/.well-known/openid-configuration", false),
        ("/.well-known/jwks.json/", false),
        ("/", false),
    ] {
        assert_eq!(plain.at(path).is_some(), found, "{path}");
    }
    let below = rendered("https://shop.example:8443/auth/eu/");
    let jwks_uri = "https://shop.example:8443/.well-known/jwks.json";
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/auth/eu",
        "/.well-known/openid-configuration/auth/eu",
        "/auth/eu/.well-known/openid-configuration",
    ] {
        let document = json(below.at(path).unwrap().body());
        assert_eq!(document["issuer"], "https://shop.example:8443/auth/eu/");
        assert_eq!(document["jwks_uri"], jwks_uri);
    }
    assert!(below.at("/auth/.well-known/openid-configuration").is_none());
    let ring = ring(&keeper(), RingAlgorithm::Es256, START);
    for issuer in ["", "shop", "/shop"] {
        let rendered = Metadata::render(&issuer.into(), &ring, START);
        assert!(matches!(rendered, Err(MetadataError::Issuer)), "{issuer}");
    }
}

#[test]
fn no_document_is_where_none_may_be() {
    for issuer in [ISSUER, "https://shop.example/tenants/acme"] {
        let metadata = rendered(issuer);
        let path = issuer.trim_start_matches("https://shop.example");
        for (known, place) in [
            (KEY_SET_PATH, KEY_SET_PATH.to_owned()),
            (SERVER_PATH, format!("{SERVER_PATH}{path}")),
            (OPENID_PATH, format!("{path}{OPENID_PATH}")),
            (OPENID_PATH, format!("{OPENID_PATH}{path}")),
        ] {
            assert!(metadata.at(&place).is_some() && Metadata::may_be_at(&place), "{known} at {place}");
        }
        assert!(!Metadata::may_be_at("/orders/7") && !Metadata::may_be_at("/"));
    }
}

#[test]
fn answers_are_cacheable_and_conditional() {
    let metadata = rendered(ISSUER);
    let document = metadata.at(KEY_SET_PATH).unwrap();
    let get = document.answer(&Method::GET, &Fields::default()).unwrap();
    assert_eq!(get.status(), StatusCode::OK);
    assert_eq!(get.body(), document.body());
    let age = format!("public, max-age={}", KEY_SET_MAX_AGE.as_secs());
    assert_eq!(get.headers()[header::CACHE_CONTROL], age);
    assert_eq!(get.headers()[header::CONTENT_TYPE], "application/jwk-set+json");
    assert_eq!(get.headers()[header::CONTENT_LENGTH], document.body().len().to_string());

    let head = document.answer(&Method::HEAD, &Fields::default()).unwrap();
    assert!(head.body().is_empty());
    assert_eq!(head.headers(), get.headers());

    let etag = get.headers()[header::ETAG].to_str().unwrap().to_owned();
    for (condition, status) in [
        (etag.clone(), 304),
        (format!("W/{etag}"), 304),
        (format!("\"other\", {etag}"), 304),
        ("*".to_owned(), 304),
        ("\"other\"".to_owned(), 200),
        (etag.trim_matches('"').to_owned(), 200),
    ] {
        let fields = testing::fields(&[("if-none-match", &condition)]);
        let answer = document.answer(&Method::GET, &fields).unwrap();
        assert_eq!(answer.status(), status, "{condition}");
        assert_eq!(answer.body().is_empty(), status == 304);
        assert_eq!(answer.headers()[header::CACHE_CONTROL], age);
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        assert_eq!(document.answer(&method, &Fields::default()).unwrap_err(), Refusal::MethodNotAllowed);
    }
}
