//! §5: sets of keys.

use countersign::{JwkError, KeySet, KeySetError, jws::Algorithm, testkit::TestKey};
use serde_json::{Map, Value, json};

use super::{good, with};

fn read(keys: &[Map<String, Value>]) -> Result<KeySet, KeySetError> {
    KeySet::parse(json!({"keys": keys, "more": {"is": "ignored"}}).to_string().as_bytes())
}

#[test]
fn a_set_is_one_strict_json_object() {
    for bad in [
        "",
        "[]",
        "{}",
        "null",
        r#"{"keys":{}}"#,
        r#"{"keys":[[]]}"#,
        r#"{"keys":["x"]}"#,
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[]} x"#,
        r#"{"keys":[{"kty":"EC","kty":"RSA"}]}"#,
        "\u{feff}{\"keys\":[]}",
        "<html></html>",
    ] {
        assert_eq!(KeySet::parse(bad.as_bytes()).unwrap_err(), KeySetError::Malformed, "{bad}");
    }
    assert!(KeySet::parse(br#"{"keys":[]}"#).unwrap().is_empty());
}

#[test]
fn a_set_is_bounded() {
    let long = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(KeySet::MAX_BYTES));
    assert_eq!(KeySet::parse(long.as_bytes()).unwrap_err(), KeySetError::TooLarge);
    let many = vec![with(TestKey::Es256, "use", json!("enc")); KeySet::MAX_KEYS + 1];
    assert_eq!(read(&many).unwrap_err(), KeySetError::TooLarge);
}

#[test]
fn one_private_key_spoils_the_set() {
    let set = [good(TestKey::Rs256), with(TestKey::Es256, "d", json!("AA"))];
    assert_eq!(read(&set).unwrap_err(), KeySetError::Private);
    let secret = json!({"kty": "oct", "k": "AA"}).as_object().unwrap().clone();
    assert_eq!(read(&[good(TestKey::Rs256), secret]).unwrap_err(), KeySetError::Private);
}

#[test]
fn two_keys_of_one_name_spoil_the_set() {
    let set = [good(TestKey::Rs256), with(TestKey::Es256, "kid", good(TestKey::Rs256)["kid"].clone())];
    assert_eq!(read(&set).unwrap_err(), KeySetError::DuplicateKeyId);
    assert_eq!(read(&[good(TestKey::Es256), good(TestKey::Es256)]).unwrap_err(), KeySetError::DuplicateKeyId);
}

#[test]
fn a_key_that_cannot_be_used_is_left_out_with_its_reason() {
    let set = read(&[
        with(TestKey::Es256, "use", json!("enc")),
        good(TestKey::Ed25519),
        with(TestKey::Es384, "kty", json!("new")),
        with(TestKey::Rs256, "alg", Value::Null),
        good(TestKey::Ps256),
    ])
    .unwrap();
    let skipped: Vec<_> = set.skipped().iter().map(|key| (key.index, key.reason)).collect();
    assert_eq!(
        skipped,
        [(0, JwkError::OtherUse), (2, JwkError::TypeUnsupported), (3, JwkError::AlgorithmMissing)]
    );
    assert_eq!(set.len(), 2);
    assert!(set.find(TestKey::Ed25519.key_id().unwrap().as_str()).is_some());
    assert!(set.find(TestKey::Es256.key_id().unwrap().as_str()).is_none());
    assert!(set.only().is_none());
}

#[test]
fn an_algorithm_can_be_assumed_for_keys_that_name_none() {
    let keys = [
        with(TestKey::Rs256, "alg", Value::Null),
        good(TestKey::Ps256),
        with(TestKey::Es256, "alg", Value::Null),
    ];
    let text = json!({ "keys": keys }).to_string();
    let set = KeySet::parse_assuming(text.as_bytes(), Algorithm::Rs512).unwrap();
    let algorithms: Vec<_> = set.iter().map(|key| key.jwk().algorithm()).collect();
    assert_eq!(algorithms, [Algorithm::Rs512, Algorithm::Ps256, Algorithm::Es256]);
}

#[test]
fn a_key_without_name_is_called_by_its_thumbprint() {
    let set = read(&[with(TestKey::Es256, "kid", Value::Null)]).unwrap();
    assert!(set.find(TestKey::Es256.key_id().unwrap().as_str()).is_some());
    assert_eq!(set.only().unwrap().jwk().key_id(), None);
}
