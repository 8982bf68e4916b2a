//! JSON Web Key (RFC 7517) and its algorithms' keys (RFC 7518 §6).

mod appendix_a;
mod section_4;
mod section_5;

use countersign::testkit::TestKey;
use serde_json::{Map, Value};

/// A good public key, as JSON that can be changed.
pub(crate) fn good(key: TestKey) -> Map<String, Value> {
    match serde_json::to_value(key.signing_key().public_jwk().unwrap()).unwrap() {
        Value::Object(members) => members,
        other => panic!("{other}"),
    }
}

/// The key with one member changed, or left out where the value is null.
pub(crate) fn with(key: TestKey, member: &str, value: Value) -> Map<String, Value> {
    let mut members = good(key);
    members.remove(member);
    if !value.is_null() {
        members.insert(member.to_owned(), value);
    }
    members
}
