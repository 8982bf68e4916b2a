use serde_json::{Value, json};

use super::{SignError, SigningKey};
use crate::{
    KeySet, KeySetError, Secret,
    jws::{self, Algorithm, JwsError, KeyError, SharedSecret, VerifyingKey},
};

fn secret(len: u8) -> Secret<Vec<u8>> {
    Secret::new((0..len).collect())
}

fn json(token: &str, segment: usize) -> Value {
    let text = jws::decode(token.split('.').nth(segment).unwrap().as_bytes()).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn what_is_signed_verifies_and_nothing_else_does() {
    for &algorithm in Algorithm::ALL.iter().filter(|algorithm| !algorithm.is_symmetric()) {
        let key = SigningKey::generate(algorithm).unwrap();
        let token = key.sign("at+jwt", &json!({"sub": "ada"})).unwrap();
        let id = key.key_id().unwrap().as_str();
        assert_eq!(json(&token, 0), json!({"alg": algorithm.name(), "typ": "at+jwt", "kid": id}));
        let verifying = key.verifying_key().unwrap();
        let verified = jws::verify(token.as_bytes(), &verifying).unwrap();
        assert_eq!(verified.payload(), br#"{"sub":"ada"}"#);
        assert!(verified.header().is_type("at+jwt"));

        let dot = token.rfind('.').unwrap();
        let mut broken = token.clone().into_bytes();
        broken[dot + 5] = if broken[dot + 5] == b'A' { b'B' } else { b'A' };
        assert_eq!(jws::verify(&broken, &verifying).unwrap_err(), JwsError::SignatureInvalid, "{algorithm}");
        let stripped = format!("{}.", token.rsplit_once('.').unwrap().0);
        assert_eq!(jws::verify(stripped.as_bytes(), &verifying).unwrap_err(), JwsError::SignatureInvalid);

        let again = SigningKey::from_pkcs8_der(algorithm, key.to_pkcs8_der().unwrap().expose()).unwrap();
        assert_eq!(again.key_id(), key.key_id());
        jws::verify(again.sign("x", &1).unwrap().as_bytes(), &verifying).unwrap();
    }
}

#[test]
fn a_shared_secret_signs_without_a_name() {
    for (algorithm, least) in [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)] {
        let key = SigningKey::shared_secret(algorithm, secret(least)).unwrap();
        assert!(key.key_id().is_none() && key.public_jwk().is_none() && key.verifying_key().is_none());
        assert_eq!(key.to_pkcs8_der().unwrap_err(), SignError::NoPkcs8);
        let token = key.sign("at+jwt", &json!({})).unwrap();
        assert_eq!(json(&token, 0), json!({"alg": algorithm.name(), "typ": "at+jwt"}));
        let verifying = SharedSecret::new(algorithm, secret(least)).unwrap();
        jws::verify(token.as_bytes(), &verifying).unwrap();
        assert_eq!(SharedSecret::new(algorithm, secret(least - 1)).unwrap_err(), KeyError::Weak);
        let (signed, tag) = token.rsplit_once('.').unwrap();
        let tag = jws::decode(tag.as_bytes()).unwrap();
        let cut = format!("{signed}.{}", jws::encode(&tag[..16]));
        assert_eq!(jws::verify(cut.as_bytes(), &verifying).unwrap_err(), JwsError::SignatureInvalid);
    }
    assert_eq!(SharedSecret::new(Algorithm::Es256, secret(64)).unwrap_err(), KeyError::AlgorithmMismatch);
    assert!(matches!(
        SigningKey::generate(Algorithm::Hs256),
        Err(SignError::Key(KeyError::AlgorithmMismatch))
    ));
}

#[test]
fn a_public_key_is_no_secret() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let jwk = serde_json::to_vec(&key.public_jwk().unwrap()).unwrap();
    let pem =
        b" \n-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n";
    let ssh = b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDJ7 ada@acme";
    for public in [jwk, pem.to_vec(), ssh.to_vec(), vec![7; 64]] {
        assert_eq!(SharedSecret::new(Algorithm::Hs256, Secret::new(public)).unwrap_err(), KeyError::Weak);
    }
}

#[test]
fn a_published_set_is_read_back_and_holds_nothing_private() {
    let keys: Vec<SigningKey> = [Algorithm::Es256, Algorithm::Ed25519, Algorithm::Rs256, Algorithm::Es512]
        .into_iter()
        .map(|algorithm| SigningKey::generate(algorithm).unwrap())
        .collect();
    let set = KeySet::new(keys.iter().map(|key| key.verifying_key().unwrap())).unwrap();
    let text = serde_json::to_string(&set).unwrap();
    for private in ["\"d\"", "\"p\"", "\"q\"", "\"k\"", "\"dp\"", "\"dq\"", "\"qi\""] {
        assert!(!text.contains(private), "{private}");
    }
    let read = KeySet::parse(text.as_bytes()).unwrap();
    assert!(read.same_keys(&set) && read.skipped().is_empty());
    assert_eq!(read.len(), 4);
    let twice = [keys[0].verifying_key().unwrap(), keys[0].verifying_key().unwrap()];
    assert_eq!(KeySet::new(twice).unwrap_err(), KeySetError::DuplicateKeyId);
}

#[test]
fn a_key_of_another_kind_is_refused() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let der = key.to_pkcs8_der().unwrap();
    for other in [Algorithm::Es384, Algorithm::Rs256, Algorithm::Ed25519, Algorithm::Hs256] {
        assert!(SigningKey::from_pkcs8_der(other, der.expose()).is_err(), "{other}");
    }
    assert!(VerifyingKey::from_jwk(key.public_jwk().unwrap()).is_ok());
}

#[test]
fn debug_shows_no_key() {
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let shown = format!("{key:?}");
    assert!(
        shown.starts_with("SigningKey { id: Some(") && shown.ends_with("algorithm: Ed25519, .. }"),
        "{shown}"
    );
}

/// RFC 8037 §A.1.
const ED25519_JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// RFC 7515 §A.3.1.
const P256_JWK: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

#[test]
fn a_private_jwk_is_a_signing_key() {
    for (algorithm, text) in [(Algorithm::EdDsa, ED25519_JWK), (Algorithm::Es256, P256_JWK)] {
        let key = SigningKey::from_jwk(algorithm, text.as_bytes()).unwrap();
        let token = key.sign("at+jwt", &json!({})).unwrap();
        let mut public: Value = serde_json::from_str(text).unwrap();
        public.as_object_mut().unwrap().remove("d");
        let public = crate::Jwk::parse(public.to_string().as_bytes()).unwrap();
        assert_eq!(Some(&public.thumbprint()), key.key_id());
        jws::verify(token.as_bytes(), &key.verifying_key().unwrap()).unwrap();
        let again = SigningKey::from_pkcs8_der(algorithm, key.to_pkcs8_der().unwrap().expose()).unwrap();
        assert_eq!(again.key_id(), key.key_id());
    }
    // RFC 8037 §A.3.
    let key = SigningKey::from_jwk(Algorithm::EdDsa, ED25519_JWK.as_bytes()).unwrap();
    assert_eq!(key.key_id().unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn a_private_rsa_jwk_is_a_signing_key() {
    use aws_lc_rs::rsa::KeyPair;
    let der = SigningKey::generate(Algorithm::Rs256).unwrap().to_pkcs8_der().unwrap();
    KeyPair::from_pkcs8(der.expose()).unwrap();
    // RSAPrivateKey: the last octet string of PKCS #8.
    let at = der.expose().windows(4).position(|window| window == [2, 1, 0, 2]).unwrap();
    let mut rest = &der.expose()[at + 3..];
    let mut jwk = serde_json::Map::from_iter([("kty".to_owned(), json!("RSA"))]);
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        let (length, begin) = match rest[1] {
            0x82 => (usize::from(rest[2]) << 8 | usize::from(rest[3]), 4),
            0x81 => (usize::from(rest[2]), 3),
            short => (usize::from(short), 2),
        };
        let number = &rest[begin..begin + length];
        let number = if number[0] == 0 { &number[1..] } else { number };
        jwk.insert(name.to_owned(), json!(jws::encode(number)));
        rest = &rest[begin + length..];
    }
    let read = |jwk: &serde_json::Map<String, Value>| {
        SigningKey::from_jwk(Algorithm::Rs256, serde_json::to_string(jwk).unwrap().as_bytes())
    };
    let key = read(&jwk).unwrap();
    let expected = SigningKey::from_pkcs8_der(Algorithm::Rs256, der.expose()).unwrap();
    assert_eq!(key.key_id(), expected.key_id());
    let token = key.sign("at+jwt", &json!({})).unwrap();
    jws::verify(token.as_bytes(), &expected.verifying_key().unwrap()).unwrap();
    for member in ["n", "d", "p", "qi"] {
        let mut broken = jwk.clone();
        broken.remove(member);
        assert_eq!(read(&broken).unwrap_err(), SignError::Key(KeyError::Malformed), "{member}");
        broken.insert(member.to_owned(), json!("AQAB"));
        assert!(read(&broken).is_err(), "{member}");
    }
}

#[test]
fn a_private_jwk_that_says_two_things_is_refused() {
    let other_x = P256_JWK.replace("\"x\":\"f", "\"x\":\"g");
    let named = P256_JWK.replace("{\"kty\"", "{\"alg\":\"ES384\",\"kty\"");
    let twice = P256_JWK.replace("{\"kty\"", "{\"kty\":\"RSA\",\"kty\"");
    let seed_of_another = ED25519_JWK.replace("\"d\":\"n", "\"d\":\"m");
    for (algorithm, text) in [
        (Algorithm::Es256, &*other_x),
        (Algorithm::Es256, &named),
        (Algorithm::Es256, &twice),
        (Algorithm::Es384, P256_JWK),
        (Algorithm::Rs256, P256_JWK),
        (Algorithm::Es256, ED25519_JWK),
        (Algorithm::EdDsa, &seed_of_another),
        (Algorithm::Hs256, r#"{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#),
        (Algorithm::Es256, "{}"),
        (Algorithm::Es256, ""),
    ] {
        assert!(SigningKey::from_jwk(algorithm, text.as_bytes()).is_err(), "{algorithm}: {text}");
    }
}
