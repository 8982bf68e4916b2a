use std::collections::BTreeSet;

use countersign::{
    Audience, Claims, KeySet, Secret, UnixTime,
    jws::{self, Algorithm, Key, SharedSecret},
};
use countersign_gateway::{
    config::resolved::RingAlgorithm,
    keyring::{KeyRing, SignedToken},
    metadata::Metadata,
};

use super::{START, keeper, memory, secret, settings, with_secret};

const DAY: u64 = 24 * 60 * 60;

fn claims(audience: &str, now: UnixTime) -> Claims {
    Claims {
        iss: "https://shop.example".into(),
        aud: audience.into(),
        sub: "ada".into(),
        client_id: "shop".into(),
        iat: now,
        exp: UnixTime::from_secs(now.as_secs() + 300),
        jti: format!("t{now}").into(),
        sid: Some("session-1".into()),
        roles: vec!["editor".into()],
        organisation: None,
        scope: None,
        username: None,
        email: None,
    }
}

fn token(signed: &SignedToken) -> String {
    signed.header_value().to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned()
}

fn key_set(ring: &KeyRing, now: UnixTime) -> KeySet {
    let metadata = Metadata::render(&"https://shop.example".into(), ring, now).unwrap();
    let set = KeySet::parse(metadata.key_set().body()).unwrap();
    assert_eq!(set.skipped(), []);
    set
}

/// The token verifies with the one key of the set that its header names.
fn verify(token: &str, set: &KeySet) -> String {
    let parsed = jws::Unverified::parse(token.as_bytes(), 8192).unwrap();
    let kid = parsed.header().key_id().unwrap().to_string();
    let verified = jws::verify(token.as_bytes(), &**set.find(&kid).unwrap()).unwrap();
    assert!(verified.header().is_type("at+jwt"));
    kid
}

#[test]
fn every_token_verifies_with_the_published_key_of_its_kid_through_changes_of_algorithm() {
    let keeper = keeper(memory());
    let changes = [
        (0, RingAlgorithm::Es256),
        (2, RingAlgorithm::Rs256),
        (5, RingAlgorithm::Ed25519),
        (6, RingAlgorithm::Es256),
    ];
    let mut kids = BTreeSet::new();
    let mut algorithms = Vec::new();
    let mut before: Option<(String, UnixTime)> = None;
    for hour in 0..9 * 24 {
        let now = UnixTime::from_secs(START.as_secs() + hour * 3600);
        let (_, algorithm) = changes.iter().rev().find(|(day, _)| day * DAY <= hour * 3600).unwrap();
        let ring = keeper.open(&settings(*algorithm), now).unwrap();
        let signed = ring.sign(&claims("orders", now), now).unwrap();
        let set = key_set(&ring, now);
        let token = token(&signed);
        let kid = verify(&token, &set);
        assert_eq!(signed.kid().unwrap().as_str(), kid);
        assert!(ring.verifies(signed.kid().unwrap(), now));
        // A verifier that fetched its set up to a day ago knows the key, and the last token still verifies.
        if let Some((token, signed_at)) = &before {
            assert!(now.saturating_since(*signed_at).as_secs() <= 3600);
            verify(token, &set);
        }
        algorithms.push(set.find(&kid).unwrap().algorithm());
        kids.insert(kid);
        before = Some((token, now));
    }
    algorithms.dedup();
    assert_eq!(algorithms, [Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa, Algorithm::Es256]);
    assert_eq!(kids.len(), 4);
}

#[test]
fn a_verifier_with_a_day_old_key_set_knows_every_signer() {
    let keeper = keeper(memory());
    let at = |hour: u64| UnixTime::from_secs(START.as_secs() + hour * 3600);
    keeper.open(&settings(RingAlgorithm::Es256), START).unwrap();
    keeper.open(&settings(RingAlgorithm::Ed25519), at(5)).unwrap();
    for hour in 5..80 {
        let ring = keeper.open(&settings(RingAlgorithm::Ed25519), at(hour)).unwrap();
        let old_set = key_set(&ring, at(hour.max(29) - 24));
        verify(&token(&ring.sign(&claims("orders", at(hour)), at(hour)).unwrap()), &old_set);
    }
}

#[test]
fn a_shared_secret_signs_for_its_audience_alone_and_is_in_no_key_set() {
    let ring = keeper(memory()).open(&with_secret("legacy-reports", 7), START).unwrap();
    let signed = ring.sign(&claims("legacy-reports", START), START).unwrap();
    assert_eq!(signed.kid(), None);
    let shared = SharedSecret::new(Algorithm::Hs256, secret(7)).unwrap();
    jws::verify(token(&signed).as_bytes(), &shared).unwrap();

    let other = ring.sign(&claims("orders", START), START).unwrap();
    assert!(jws::verify(token(&other).as_bytes(), &shared).is_err());
    let set = key_set(&ring, START);
    verify(&token(&other), &set);
    assert_eq!(set.len(), 2);
    assert!(set.iter().all(|key| !key.algorithm().is_symmetric()));

    // A reload that takes the secret away needs no store.
    let without = ring.with_settings(&settings(RingAlgorithm::Es256)).unwrap();
    let audience = Audience::from("legacy-reports");
    assert!(without.signer_for(&audience, START).unwrap().key_id().is_some());
    let short = with_secret("legacy-reports", 7);
    let short =
        short.shared_secrets.iter().map(|(audience, _)| (audience.clone(), Secret::new((7..38).collect())));
    let short = countersign_gateway::keyring::RingSettings {
        shared_secrets: short.collect(),
        ..settings(RingAlgorithm::Es256)
    };
    assert_eq!(ring.with_settings(&short).unwrap_err().code(), "keyring_key");
}

#[test]
fn only_rsa_is_slow() {
    let audience = Audience::from("orders");
    for (algorithm, slow) in
        [(RingAlgorithm::Es256, false), (RingAlgorithm::Ed25519, false), (RingAlgorithm::Rs256, true)]
    {
        let ring = keeper(memory()).open(&settings(algorithm), START).unwrap();
        assert_eq!(ring.is_slow(&audience, START), slow);
    }
}

#[test]
fn a_signed_token_shows_everything_but_itself() {
    let ring = keeper(memory()).open(&settings(RingAlgorithm::Es256), START).unwrap();
    let signed = ring.sign(&claims("orders", START), START).unwrap();
    assert!(signed.header_value().is_sensitive());
    let shown = format!("{signed:?}");
    assert!(shown.contains("Sensitive") && shown.contains("t1800000000"), "{shown}");
    assert!(!shown.contains("eyJ"), "{shown}");
    assert_eq!(signed.exp().as_secs() - signed.iat().as_secs(), 300);
}
