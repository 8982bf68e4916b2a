use serde_json::{Map, Value, json};

use super::KeySet;
use crate::{
    Secret,
    jws::{self, Algorithm, SharedSecret},
    rule::Rule,
    testkit::TestKey,
};

/// A key that only this rule keeps out, or that something behind it keeps out too, for another reason.
fn bad_keys() -> Vec<(Rule, Vec<Map<String, Value>>)> {
    let with = |key: TestKey, member: &str, value: Value| {
        let mut members = members(key);
        members.insert(member.to_owned(), value);
        members
    };
    let n = jws::decode(members(TestKey::Rs256)["n"].as_str().unwrap().as_bytes()).unwrap();
    let mut even = n.clone();
    *even.last_mut().unwrap() &= 0xfe;
    let of_rsa = |member: &str, bytes: &[u8]| vec![with(TestKey::Rs256, member, jws::encode(bytes).into())];
    vec![
        (Rule::KeyExponent, of_rsa("e", &[1])),
        (Rule::KeyLength, of_rsa("n", &n[128..])),
        (Rule::KeyModulus, of_rsa("n", &even)),
        (
            Rule::KeyNamesDistinct,
            [TestKey::Es256, TestKey::Es384].map(|key| with(key, "kid", json!("a"))).to_vec(),
        ),
        (Rule::KeyOperations, vec![with(TestKey::Es256, "key_ops", json!(["encrypt"]))]),
        (Rule::KeyPrivate, vec![with(TestKey::Es256, "d", json!("AA"))]),
        (Rule::KeyRoca, of_rsa("n", &roca())),
        (Rule::KeySmallOrder, vec![with(TestKey::Ed25519, "x", jws::encode(&[0; 32]).into())]),
        (Rule::KeyUse, vec![with(TestKey::Es256, "use", json!("enc"))]),
    ]
}

/// As good as any to a reader that does not know the generator's fingerprint (CVE-2017-15361).
fn roca() -> Vec<u8> {
    let tail = jws::decode(b"pnThwPaTQQ7G0gOxxOU4d6FDCPLJ9h96aW_i9xQaJkgRx90").unwrap();
    let mut n = vec![0; 256];
    n[0] = 0x80;
    n[256 - tail.len()..].copy_from_slice(&tail);
    n
}

fn members(key: TestKey) -> Map<String, Value> {
    match serde_json::to_value(key.signing_key().public_jwk().unwrap()).unwrap() {
        Value::Object(members) => members,
        other => panic!("{other}"),
    }
}

fn verdict(keys: &[Map<String, Value>]) -> String {
    let set = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes());
    match set {
        Ok(set) if set.skipped().is_empty() => "good".to_owned(),
        Ok(set) => format!("{:?}", set.skipped()),
        Err(error) => format!("{error:?}"),
    }
}

/// The mutation check of keys: without any one rule, some bad key is taken, or refused for another reason.
#[test]
fn no_rule_of_keys_can_be_switched_off_unnoticed() {
    let secrets: [(Rule, Vec<u8>); 2] = [
        (Rule::SecretIsSecret, b"-----BEGIN PUBLIC KEY----- and so on".to_vec()),
        (Rule::SecretLength, b"shorter than the hash is".to_vec()),
    ];
    let shared = |secret: &[u8]| SharedSecret::new(Algorithm::Hs256, Secret::new(secret.to_vec())).is_ok();
    for (rule, secret) in &secrets {
        assert!(!shared(secret), "{rule:?}");
        assert!(rule.switched_off(|| shared(secret)), "{rule:?} is not what keeps it out");
    }
    // The library below takes no such number either.
    let backed_up = [Rule::KeyExponent, Rule::KeyLength, Rule::KeyModulus];
    let keys = bad_keys();
    for (rule, keys) in &keys {
        let (on, off) = (verdict(keys), rule.switched_off(|| verdict(keys)));
        assert_ne!(on, "good", "{rule:?}");
        assert!(off == "good" || backed_up.contains(rule) && off != on, "{rule:?}: {on}, without it {off}");
    }
    for rule in Rule::OF_KEYS {
        let is_tried =
            keys.iter().any(|(tried, _)| tried == rule) || secrets.iter().any(|(tried, _)| tried == rule);
        assert!(is_tried, "{rule:?}");
    }
}
