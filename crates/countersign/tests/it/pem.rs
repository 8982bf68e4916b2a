//! Keys as other tools write them.

use countersign::{
    SigningKey,
    jws::{self, Algorithm, KeyError, VerifyingKey},
    testkit::TestKey,
};

/// `openssl ecparam -name prime256v1 -genkey`: parameters, then RFC 5915.
const TRADITIONAL_EC: &str = include_str!("pem/ec_traditional.pem");
/// `openssl genrsa -traditional 2048`: PKCS #1.
const TRADITIONAL_RSA: &str = include_str!("pem/rsa_traditional.pem");
/// `openssl pkey -in es256.pem -pubout`, and so on.
const PUBLIC: [(TestKey, &str); 4] = [
    (TestKey::Es256, include_str!("pem/es256.pub.pem")),
    (TestKey::Es512, include_str!("pem/es512.pub.pem")),
    (TestKey::Ed25519, include_str!("pem/ed25519.pub.pem")),
    (TestKey::Rs256, include_str!("pem/rsa.pub.pem")),
];

#[test]
fn a_public_key_in_pem_verifies_what_its_private_half_signs() {
    for (key, pem) in PUBLIC {
        let verifying = VerifyingKey::from_pem(key.algorithm(), pem).unwrap();
        assert_eq!(Some(verifying.key_id()), key.key_id());
        let token = key.signing_key().sign("at+jwt", &"x").unwrap();
        jws::verify(token.as_bytes(), &verifying).unwrap();
    }
}

#[test]
fn older_forms_of_private_keys_are_read() {
    for (algorithm, pem) in [
        (Algorithm::Es256, TRADITIONAL_EC),
        (Algorithm::Rs256, TRADITIONAL_RSA),
        (Algorithm::Ps384, TRADITIONAL_RSA),
    ] {
        let key = SigningKey::from_pem(algorithm, pem).unwrap();
        let token = key.sign("at+jwt", &"x").unwrap();
        jws::verify(token.as_bytes(), &key.verifying_key().unwrap()).unwrap();
    }
}

#[test]
fn a_key_of_another_kind_or_no_key_is_refused() {
    let public = PUBLIC[0].1;
    for algorithm in [Algorithm::Es384, Algorithm::Rs256, Algorithm::Ed25519, Algorithm::Hs256] {
        let refusal = VerifyingKey::from_pem(algorithm, public).unwrap_err();
        assert_eq!(refusal, KeyError::AlgorithmMismatch, "{algorithm}");
    }
    assert!(SigningKey::from_pem(Algorithm::Es256, public).is_err());
    assert!(VerifyingKey::from_pem(Algorithm::Es256, TestKey::Es256.pem().unwrap()).is_err());
    for text in [
        String::new(),
        "-----BEGIN PUBLIC KEY-----".to_owned(),
        public.replace("END PUBLIC", "END PRIVATE"),
        public.replace("-----BEGIN PUBLIC KEY-----\n", "-----BEGIN PUBLIC KEY-----\nA"),
        public.replace("-----END", "!\n-----END"),
    ] {
        assert_eq!(
            VerifyingKey::from_pem(Algorithm::Es256, &text).unwrap_err(),
            KeyError::Malformed,
            "{text}"
        );
    }
}

#[test]
fn der_that_is_not_one_whole_public_key_is_refused() {
    let good = VerifyingKey::from_pem(Algorithm::Rs256, PUBLIC[3].1).unwrap();
    let body: String = PUBLIC[3].1.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap();
    assert_eq!(VerifyingKey::from_spki_der(Algorithm::Rs256, &der).unwrap().jwk(), good.jwk());
    for end in 0..der.len() {
        assert!(VerifyingKey::from_spki_der(Algorithm::Rs256, &der[..end]).is_err(), "{end}");
    }
    let longer = [der.as_slice(), &[0]].concat();
    assert!(VerifyingKey::from_spki_der(Algorithm::Rs256, &longer).is_err());
    // No flipped bit makes it panic, and no flipped bit leaves it the same key.
    for at in 0..der.len() {
        let mut other = der.clone();
        other[at] ^= 0x10;
        if let Ok(key) = VerifyingKey::from_spki_der(Algorithm::Rs256, &other) {
            assert_ne!(key.jwk(), good.jwk(), "{at}");
        }
    }
}
