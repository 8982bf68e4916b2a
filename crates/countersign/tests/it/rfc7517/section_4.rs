//! §4: one key.

use countersign::{
    Jwk, JwkError,
    jws::{Algorithm, KeyError, VerifyingKey},
    testkit::TestKey,
};
use serde_json::{Map, Value, json};

use super::{good, with};
use crate::support::{decode, encode};

fn read(members: &Map<String, Value>) -> Result<VerifyingKey, JwkError> {
    Ok(VerifyingKey::from_jwk(Jwk::parse(serde_json::to_string(members).unwrap().as_bytes())?)?)
}

#[test]
fn what_is_published_is_read() {
    for key in TestKey::PUBLISHED {
        assert_eq!(read(&good(key)).unwrap().jwk(), &key.signing_key().public_jwk().unwrap());
    }
}

#[test]
fn members_of_the_wrong_kind_are_refused() {
    for (member, value) in [
        ("kty", json!(7)),
        ("kty", Value::Null),
        ("crv", Value::Null),
        ("crv", json!(["P-256"])),
        ("x", Value::Null),
        ("x", json!(1)),
        ("x", json!("!!!")),
        ("x", json!("AA==")),
        ("kid", json!(1)),
        ("alg", json!(["ES256"])),
        ("use", json!(["sig"])),
        ("key_ops", json!("verify")),
        ("key_ops", json!(["verify", "verify"])),
        ("key_ops", json!([1])),
    ] {
        assert_eq!(
            read(&with(TestKey::Es256, member, value.clone())).unwrap_err(),
            JwkError::Malformed,
            "{member} {value}"
        );
    }
}

#[test]
fn a_key_for_something_else_is_refused() {
    for (member, value) in [
        ("use", json!("enc")),
        ("use", json!("SIG")),
        ("use", json!("")),
        ("key_ops", json!(["encrypt"])),
        ("key_ops", json!(["sign"])),
        ("key_ops", json!(["verify", "encrypt"])),
        ("key_ops", json!([])),
    ] {
        assert_eq!(
            read(&with(TestKey::Es256, member, value.clone())).unwrap_err(),
            JwkError::OtherUse,
            "{member} {value}"
        );
    }
    read(&with(TestKey::Es256, "key_ops", json!(["verify"]))).unwrap();
    read(&with(TestKey::Es256, "use", Value::Null)).unwrap();
}

#[test]
fn the_algorithm_is_for_the_kind_of_key() {
    for (key, algorithm) in [
        (TestKey::Es256, "ES384"),
        (TestKey::Es256, "RS256"),
        (TestKey::Es256, "HS256"),
        (TestKey::Es256, "none"),
        (TestKey::Es256, "es256"),
        (TestKey::Es256, "ECDH-ES"),
        (TestKey::Rs256, "ES256"),
        (TestKey::Rs256, "RSA-OAEP"),
        (TestKey::Rs256, "HS256"),
        (TestKey::Ed25519, "ES256"),
        (TestKey::Ed25519, "Ed448"),
    ] {
        let refusal = read(&with(key, "alg", json!(algorithm))).unwrap_err();
        assert_eq!(refusal, JwkError::AlgorithmUnsupported, "{key:?} {algorithm}");
    }
    assert_eq!(
        read(&with(TestKey::Ed25519, "alg", json!("EdDSA"))).unwrap().jwk().algorithm(),
        Algorithm::EdDsa
    );
}

#[test]
fn a_key_without_algorithm_has_at_most_one() {
    assert_eq!(read(&with(TestKey::Es384, "alg", Value::Null)).unwrap().jwk().algorithm(), Algorithm::Es384);
    assert_eq!(
        read(&with(TestKey::Ed25519, "alg", Value::Null)).unwrap().jwk().algorithm(),
        Algorithm::Ed25519
    );
    assert_eq!(read(&with(TestKey::Rs256, "alg", Value::Null)).unwrap_err(), JwkError::AlgorithmMissing);
}

#[test]
fn unknown_kinds_and_curves_are_refused() {
    for (key, member, value) in [
        (TestKey::Es256, "kty", "ec"),
        (TestKey::Es256, "kty", "AKP"),
        (TestKey::Es256, "crv", "secp256k1"),
        (TestKey::Es256, "crv", "p-256"),
        (TestKey::Ed25519, "crv", "X25519"),
        (TestKey::Ed25519, "crv", "Ed448"),
    ] {
        assert_eq!(
            read(&with(key, member, json!(value))).unwrap_err(),
            JwkError::TypeUnsupported,
            "{member} {value}"
        );
    }
}

#[test]
fn a_private_key_is_refused_as_such() {
    for member in ["d", "dp", "dq", "k", "oth", "p", "priv", "q", "qi"] {
        assert_eq!(
            read(&with(TestKey::Es256, member, json!("AA"))).unwrap_err(),
            JwkError::Private,
            "{member}"
        );
    }
    let secret = json!({"kty": "oct"});
    assert_eq!(read(secret.as_object().unwrap()).unwrap_err(), JwkError::Private);
}

#[test]
fn points_are_on_their_curve_and_of_full_length() {
    let malformed = JwkError::Key(KeyError::Malformed);
    let x = decode(good(TestKey::Es256)["x"].as_str().unwrap());
    let longer = [&[0], x.as_slice()].concat();
    for value in [encode(&x[1..]), encode(longer), encode([0; 32]), encode([0xff; 32]), String::new()] {
        assert_eq!(read(&with(TestKey::Es256, "x", json!(value))).unwrap_err(), malformed, "{value}");
    }
    // The same bytes in a row, parted elsewhere: another spelling of the key, with another thumbprint.
    let y = decode(good(TestKey::Es256)["y"].as_str().unwrap());
    let mut parted = with(TestKey::Es256, "x", json!(encode(&x[..31])));
    parted.insert("y".to_owned(), json!(encode([&x[31..], &y].concat())));
    assert_eq!(read(&parted).unwrap_err(), malformed);
    let other = good(TestKey::Es256OfOther)["y"].clone();
    assert_eq!(read(&with(TestKey::Es256, "y", other)).unwrap_err(), malformed);
    assert_eq!(read(&with(TestKey::Ed25519, "x", json!(encode([1; 31])))).unwrap_err(), malformed);
    assert_eq!(read(&with(TestKey::Ed25519, "x", json!(encode([1; 33])))).unwrap_err(), malformed);
}

#[test]
fn weak_keys_are_refused() {
    let weak = JwkError::Key(KeyError::Weak);
    let n = decode(good(TestKey::Rs256)["n"].as_str().unwrap());
    let mut even = n.clone();
    *even.last_mut().unwrap() &= 0xfe;
    for value in
        [encode(&n[n.len() - 128..]), encode(&n[n.len() - 255..]), encode(even), encode([0xff; 1025])]
    {
        assert_eq!(read(&with(TestKey::Rs256, "n", json!(value))).unwrap_err(), weak, "{value}");
    }
    for exponent in ["AQ", "Ag", "AQAA", "BAAAAAE"] {
        assert_eq!(read(&with(TestKey::Rs256, "e", json!(exponent))).unwrap_err(), weak, "{exponent}");
    }
    // RFC 7518 §6.3.1: no leading zero.
    let zero = encode([&[0], n.as_slice()].concat());
    assert_eq!(
        read(&with(TestKey::Rs256, "n", json!(zero))).unwrap_err(),
        JwkError::Key(KeyError::Malformed)
    );
    assert_eq!(
        read(&with(TestKey::Rs256, "e", json!("AAEAAQ"))).unwrap_err(),
        JwkError::Key(KeyError::Malformed)
    );
}

/// CVE-2017-15361: the private key of such a modulus can be computed.
#[test]
fn a_modulus_of_the_roca_generator_is_refused() {
    // 2048 bits, and a power of 65537 modulo each of the 39 primes.
    let tail = decode("pnThwPaTQQ7G0gOxxOU4d6FDCPLJ9h96aW_i9xQaJkgRx90");
    let mut n = vec![0; 256];
    n[0] = 0x80;
    n[256 - tail.len()..].copy_from_slice(&tail);
    let of = |n: &[u8]| read(&with(TestKey::Rs256, "n", json!(encode(n))));
    assert_eq!(of(&n).unwrap_err(), JwkError::Key(KeyError::Weak));
    // Two more is as long and as odd, and no such power.
    *n.last_mut().unwrap() += 2;
    of(&n).unwrap();
}

/// RFC 8032 §5.1.3: the points of order 1, 2, 4 and 8, under which a signature can hold for every message, in each of
/// their encodings, with the sign bit and without.
#[test]
fn points_of_small_order_are_refused() {
    let mut points = vec![
        [0; 32],
        first(1),
        first_and_rest(0xec, 0xff, 0x7f),
        first_and_rest(0xed, 0xff, 0x7f),
        first_and_rest(0xee, 0xff, 0x7f),
    ];
    let order_8 =
        ["JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU", "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o"];
    points.extend(order_8.map(|point| <[u8; 32]>::try_from(decode(point)).unwrap()));
    for mut x in points {
        for sign in [0, 0x80] {
            x[31] = x[31] & 0x7f | sign;
            let refusal = read(&with(TestKey::Ed25519, "x", json!(encode(x)))).unwrap_err();
            assert_eq!(refusal, JwkError::Key(KeyError::Weak), "{x:x?}");
        }
    }
    let good = decode(good(TestKey::Ed25519)["x"].as_str().unwrap());
    read(&with(TestKey::Ed25519, "x", json!(encode(good)))).unwrap();
}

fn first(byte: u8) -> [u8; 32] {
    first_and_rest(byte, 0, 0)
}

fn first_and_rest(first: u8, rest: u8, last: u8) -> [u8; 32] {
    let mut bytes = [rest; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}
