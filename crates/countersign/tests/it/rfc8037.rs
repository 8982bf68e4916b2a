//! Ed25519 in JOSE (RFC 8037), Appendix A.

use countersign::{
    Jwk, JwkError,
    jws::{self, Algorithm, JwsError, VerifyingKey},
};

const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn jwk(algorithm: &str) -> Jwk {
    Jwk::parse(format!(r#"{{"kty":"OKP","crv":"Ed25519"{algorithm},"x":"{X}"}}"#).as_bytes()).unwrap()
}

#[test]
fn a_1_the_private_key_is_not_for_a_verifier() {
    let private = format!(
        r#"{{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"{X}"}}"#
    );
    assert_eq!(Jwk::parse(private.as_bytes()).unwrap_err(), JwkError::Private);
}

#[test]
fn a_2_the_public_key() {
    let key = VerifyingKey::from_jwk(jwk("")).unwrap();
    assert_eq!(key.key_id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert!(serde_json::to_string(key.jwk()).unwrap().contains(X));
}

#[test]
fn a_3_thumbprint() {
    assert_eq!(jwk("").thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn a_5_the_older_name_verifies_with_a_key_that_asks_for_it() {
    let key = VerifyingKey::from_jwk(jwk(r#","alg":"EdDSA""#)).unwrap();
    let verified = jws::verify(TOKEN.as_bytes(), &key).unwrap();
    assert_eq!(verified.payload(), b"Example of Ed25519 signing");
}

#[test]
fn a_6_and_a_7_keys_for_agreement_sign_nothing() {
    for (curve, x) in [
        ("X25519", "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"),
        ("X448", "mwj3zDG34-Z9ItWuoSEHSic70rg94Jxj-qc9LCLF2bvINmRyQdlT1AxbEtqIEg1TF3-A5TLEH6A"),
    ] {
        let text = format!(r#"{{"kty":"OKP","crv":"{curve}","x":"{x}"}}"#);
        assert_eq!(Jwk::parse(text.as_bytes()).unwrap_err(), JwkError::TypeUnsupported, "{curve}");
    }
}

#[test]
fn a_key_without_algorithm_has_the_fully_specified_one() {
    let jwk = jwk("");
    assert_eq!(jwk.algorithm(), Algorithm::Ed25519);
    let key = VerifyingKey::from_jwk(jwk).unwrap();
    assert_eq!(jws::verify(TOKEN.as_bytes(), &key).unwrap_err(), JwsError::AlgorithmMismatch);
}
