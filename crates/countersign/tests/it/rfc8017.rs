//! RSA signatures (RFC 8017) §8.2.2: the padding is compared, not read. Under a key whose exponent is 3, whoever reads it
//! takes signatures that nobody made with the private key.
//!
//! The rows `signature/rs256-*` and `signature/ps256-*` of the catalogue show each defect of a padding alone; here are the
//! forgeries as they would come.

use aws_lc_rs::digest::{SHA256, digest};
use countersign::{
    Jwk,
    jws::{self, JwsError, VerifyingKey},
};
use serde_json::Value;

use crate::support::decode;

fn vectors() -> Value {
    serde_json::from_str(include_str!("rfc8017/low_exponent.json")).unwrap()
}

#[test]
fn section_8_2_2_a_cube_that_looks_like_a_padding_is_no_signature() {
    let vectors = vectors();
    let jwk = Jwk::parse(vectors["jwk"].to_string().as_bytes()).unwrap();
    let key = VerifyingKey::from_jwk(jwk).unwrap();
    let verify = |token: &Value| jws::verify(token.as_str().unwrap().as_bytes(), &key);
    verify(&vectors["good"]).unwrap();
    for forged in vectors["forged"].as_array().unwrap() {
        assert_eq!(verify(&forged["token"]).unwrap_err(), JwsError::SignatureInvalid, "{}", forged["name"]);
    }
}

/// They are what they are said to be: each cube is the padding that `encoded` shows, smaller than the modulus, with the hash
/// of this very token in it.
#[test]
fn the_forgeries_are_forgeries() {
    let vectors = vectors();
    let forged = vectors["forged"].as_array().unwrap();
    assert_eq!(forged.len(), 3);
    for forged in forged {
        let token = forged["token"].as_str().unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let encoded = hex(forged["encoded"].as_str().unwrap());
        assert_eq!(cube(&decode(signature)), encoded, "{}", forged["name"]);
        let hash = digest(&SHA256, signed.as_bytes());
        assert!(encoded.starts_with(&[0, 1]), "{}", forged["name"]);
        assert!(encoded.windows(32).any(|window| window == hash.as_ref()), "{}", forged["name"]);
        let good = vectors["good"].as_str().unwrap();
        assert_eq!(good.rsplit_once('.').unwrap().0, signed, "{}", forged["name"]);
    }
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(byte).collect()
}

/// The third power of a big-endian number, in as many bytes: it must fit.
fn cube(number: &[u8]) -> Vec<u8> {
    let product = |left: &[u8], right: &[u8]| {
        let mut product = vec![0_u8; left.len() + right.len()];
        for (shift, &right) in right.iter().rev().enumerate() {
            let mut carry = 0_u8;
            for (place, left) in product.iter_mut().rev().skip(shift).zip(left.iter().rev().chain([&0; 1])) {
                let sum = u16::from(*left) * u16::from(right) + u16::from(*place) + u16::from(carry);
                [carry, *place] = sum.to_be_bytes();
            }
        }
        product.split_off(right.len())
    };
    product(&product(number, number), number)
}
