//! Against another implementation, `jsonwebtoken`: what we accept it accepts, what it signs we accept, and whatever is
//! done to a token, we never accept what it refuses.

use countersign::{
    Jwk, TokenRefusal,
    jws::{self, Algorithm, VerifyingKey},
    testkit::{Setup, TestIssuer, TestKey, TestToken, bad_tokens, odd_tokens},
};
use jsonwebtoken as oracle;
use proptest::{prelude::*, sample::Index, test_runner::Config};
use serde_json::{Value, json};

use crate::support::encode;

/// The algorithms both have, with our key for each.
const SHARED: [TestKey; 5] = [TestKey::Es256, TestKey::Es384, TestKey::Rs256, TestKey::Ps256, TestKey::Hs256];

fn algorithm(key: TestKey) -> oracle::Algorithm {
    key.algorithm().name().parse().unwrap()
}

fn decoding_key(key: TestKey) -> oracle::DecodingKey {
    match key.signing_key().public_jwk() {
        Some(jwk) => oracle::DecodingKey::from_jwk(
            &serde_json::from_value(serde_json::to_value(jwk).unwrap()).unwrap(),
        )
        .unwrap(),
        None => oracle::DecodingKey::from_secret(TestKey::secret().expose()),
    }
}

/// The oracle's verdict on signature and claims, apart from time.
fn oracle_accepts(key: TestKey, token: &str) -> bool {
    let mut validation = oracle::Validation::new(algorithm(key));
    validation.validate_exp = false;
    validation.set_audience(&["orders"]);
    validation.set_issuer(&[TestIssuer::ISSUER]);
    oracle::decode::<Value>(token, &decoding_key(key), &validation).is_ok()
}

fn verify(key: TestKey, issuer: &TestIssuer, token: &str) -> Result<(), TokenRefusal> {
    let setup = if key == TestKey::Hs256 { Setup::SharedSecret } else { Setup::Keys };
    setup.verifier(issuer).verify(token).map(drop)
}

/// The key of a token, by its header.
fn key_of(token: &str) -> Option<TestKey> {
    let header = oracle::decode_header(token).ok()?;
    SHARED.into_iter().find(|key| algorithm(*key) == header.alg)
}

fn full(token: TestToken<'_>) -> String {
    token.subject("ada").organisation("acme").roles(["a", "b"]).scope("x y").sign()
}

#[test]
fn the_oracle_accepts_what_we_sign() {
    for key in SHARED {
        let issuer = TestIssuer::new("orders").signing_with(key);
        assert!(oracle_accepts(key, &full(issuer.token())), "{key:?}");
    }
}

#[test]
fn we_accept_what_the_oracle_signs() {
    for key in SHARED {
        let issuer = TestIssuer::new("orders");
        let header = oracle::Header {
            typ: Some("at+jwt".to_owned()),
            kid: key.key_id().map(ToString::to_string),
            ..oracle::Header::new(algorithm(key))
        };
        let signing = match key {
            TestKey::Hs256 => oracle::EncodingKey::from_secret(TestKey::secret().expose()),
            TestKey::Rs256 | TestKey::Ps256 => {
                oracle::EncodingKey::from_rsa_pem(key.pem().unwrap().as_bytes()).unwrap()
            }
            _ => oracle::EncodingKey::from_ec_pem(key.pem().unwrap().as_bytes()).unwrap(),
        };
        let now = countersign::Clock::now(issuer.clock()).as_secs();
        let claims = json!({
            "iss": TestIssuer::ISSUER, "aud": ["orders"], "sub": "ada", "client_id": "web", "jti": "t",
            "iat": now, "exp": now + 60,
        });
        let token = oracle::encode(&header, &claims, &signing).unwrap();
        verify(key, &issuer, &token).unwrap();
    }
}

#[test]
fn the_oracle_accepts_ed25519_under_its_older_name() {
    let key = TestKey::Ed25519.signing_key();
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA",
        "x": serde_json::to_value(key.public_jwk().unwrap()).unwrap()["x"]});
    let signing = oracle::EncodingKey::from_ed_pem(TestKey::Ed25519.pem().unwrap().as_bytes()).unwrap();
    let token =
        oracle::encode(&oracle::Header::new(oracle::Algorithm::EdDSA), &json!({"a": 1}), &signing).unwrap();
    let verifying = VerifyingKey::from_jwk(Jwk::parse(jwk.to_string().as_bytes()).unwrap()).unwrap();
    assert_eq!(jws::verify(token.as_bytes(), &verifying).unwrap().payload(), br#"{"a":1}"#);
    assert_eq!(verifying.jwk().algorithm(), Algorithm::EdDsa);
}

#[test]
fn every_good_token_of_the_catalogue_is_good_for_the_oracle() {
    let issuer = TestIssuer::new("orders");
    let good = odd_tokens()
        .filter(|row| row.setup() != Setup::TwoIssuers)
        .map(|row| (row.name(), row.token(&issuer)))
        .chain(
            bad_tokens()
                .filter(|row| row.setup() != Setup::TwoIssuers)
                .map(|row| (row.name(), row.twin(&issuer))),
        );
    // The oracle wants header parameters it knows to have their type, even those that we do not read.
    let stricter = ["good/key-url-of-wrong-type-that-is-not-read"];
    let mut compared = 0;
    for (name, token) in good {
        if let Some(key) = key_of(&token).filter(|_| !stricter.contains(&name)) {
            assert!(oracle_accepts(key, &token), "{name}");
            compared += 1;
        }
    }
    assert!(compared > 50, "{compared}");
}

proptest! {
    #![proptest_config(Config { cases: 256, failure_persistence: None, ..Config::default() })]

    /// Whatever bytes of a good token are changed, we accept it only if the oracle does.
    #[test]
    fn we_never_accept_what_the_oracle_refuses(
        key in prop::sample::select(&SHARED[..]),
        changes in prop::collection::vec((any::<Index>(), prop::sample::select(b"AQgw.-_=+/ Zz09".to_vec())), 0..4),
        cut in 0_usize..3,
    ) {
        let issuer = TestIssuer::new("orders").signing_with(key);
        let mut bytes = full(issuer.token()).into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len() - cut);
        let token = String::from_utf8(bytes).unwrap();
        if verify(key, &issuer, &token).is_ok() {
            prop_assert!(oracle_accepts(key, &token), "{}", token);
        }
    }

    /// Any claims that we accept mean the same to the oracle.
    #[test]
    fn accepted_claims_are_read_alike(subject in ".{1,20}", roles in prop::collection::vec(".{0,8}", 0..4), more in any::<f64>()) {
        let issuer = TestIssuer::new("orders").signing_with(TestKey::Hs256);
        let token = issuer.token().subject(&subject).roles(roles.clone()).claim("more", more).sign();
        let claims = Setup::SharedSecret.verifier(&issuer).verify(&token).unwrap();
        prop_assert_eq!(claims.subject().as_str(), &subject);
        prop_assert_eq!(claims.roles().iter().map(|role| role.as_str().to_owned()).collect::<Vec<_>>(), roles);
        let mut validation = oracle::Validation::new(oracle::Algorithm::HS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        let theirs = oracle::decode::<Value>(&token, &decoding_key(TestKey::Hs256), &validation).unwrap().claims;
        prop_assert_eq!(theirs["sub"].as_str(), Some(subject.as_str()));
        prop_assert_eq!(claims.claim("more"), theirs.get("more"));
    }

    /// No bytes make the verifier panic or accept.
    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let issuer = TestIssuer::new("orders");
        prop_assert!(issuer.verifier().verify(&bytes).is_err());
        let wrapped = format!("{}.{}.{}", encode(br#"{"alg":"HS256"}"#), encode(&bytes), encode(&bytes));
        prop_assert!(Setup::SharedSecret.verifier(&issuer).verify(wrapped).is_err());
    }
}
