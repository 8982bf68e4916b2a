//! Appendices A and B: the examples.

use countersign::{Jwk, JwkError, KeySet, KeySetError, jws::Algorithm};

const EC: &str = r#""kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1""#;
const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

fn rsa() -> String {
    format!(r#""kty":"RSA","n":"{N}","e":"AQAB","alg":"RS256","kid":"2011-04-29""#)
}

#[test]
fn a_1_public_keys() {
    let set = KeySet::parse(format!(r#"{{"keys":[{{{EC}}},{{{}}}]}}"#, rsa()).as_bytes()).unwrap();
    assert_eq!(set.len(), 1);
    assert_eq!(set.find("2011-04-29").unwrap().jwk().algorithm(), Algorithm::Rs256);
    // The first is for encryption.
    assert_eq!((set.skipped()[0].index, set.skipped()[0].reason), (0, JwkError::OtherUse));
}

#[test]
fn a_2_private_keys_are_not_for_a_verifier() {
    let private = format!(r#"{{{EC},"d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}}"#);
    assert_eq!(Jwk::parse(private.as_bytes()).unwrap_err(), JwkError::Private);
    let set = format!(r#"{{"keys":[{private},{{{}}}]}}"#, rsa());
    assert_eq!(KeySet::parse(set.as_bytes()).unwrap_err(), KeySetError::Private);
}

#[test]
fn a_3_symmetric_keys_are_not_published() {
    let set = br#"{"keys":[{"kty":"oct","alg":"A128KW","k":"GawgguFyGrWKav7AX4VKUg"},{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow","kid":"HMAC key used in JWS spec Appendix A.1 example"}]}"#;
    assert_eq!(KeySet::parse(set).unwrap_err(), KeySetError::Private);
}

#[test]
fn b_a_certificate_chain_is_not_read() {
    // The RSA key of the example has `x5c` and no `alg`.
    let key = format!(
        r#"{{"keys":[{{"kty":"RSA","use":"sig","kid":"1b94c","n":"{N}","e":"AQAB","x5c":["MIIDQjCC"]}}]}}"#
    );
    let set = KeySet::parse(key.as_bytes()).unwrap();
    assert_eq!(set.skipped()[0].reason, JwkError::AlgorithmMissing);
    let set = KeySet::parse_assuming(key.as_bytes(), Algorithm::Ps256).unwrap();
    assert_eq!(set.only().unwrap().jwk().algorithm(), Algorithm::Ps256);
    assert!(!serde_json::to_string(&set).unwrap().contains("x5c"));
}
