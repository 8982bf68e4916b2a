//! Examples of protecting content using JOSE (RFC 7520).

use countersign::{
    Jwk, JwkError, KeySet, Secret,
    jws::{self, Algorithm, JwsError, SharedSecret, VerifyingKey},
};

use crate::support::decode;

const PAYLOAD: &str = "It\u{2019}s a dangerous business, Frodo, going out your door. You step onto the road, and if you don't keep your feet, there\u{2019}s no knowing where you might be swept off to.";
const PAYLOAD_SEGMENT: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";
const RSA_MODULUS: &str = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw";

fn verify(header: &str, signature: &str, key: &impl jws::Key) {
    let token = format!("{header}.{PAYLOAD_SEGMENT}.{signature}");
    assert_eq!(jws::verify(token.as_bytes(), key).unwrap().payload(), PAYLOAD.as_bytes());
}

fn key(jwk: &str) -> VerifyingKey {
    VerifyingKey::from_jwk(Jwk::parse(jwk.as_bytes()).unwrap()).unwrap()
}

fn rsa(algorithm: &str) -> VerifyingKey {
    key(&format!(
        r#"{{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","alg":"{algorithm}","n":"{RSA_MODULUS}","e":"AQAB"}}"#
    ))
}

#[test]
fn section_4_1_rsa_v15() {
    verify(
        "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
        "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg",
        &rsa("RS256"),
    );
}

#[test]
fn section_4_2_rsa_pss() {
    verify(
        "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
        "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw",
        &rsa("PS384"),
    );
}

#[test]
fn section_4_3_ecdsa() {
    verify(
        "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
        "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2",
        &key(
            r#"{"kty":"EC","kid":"bilbo.baggins@hobbiton.example","use":"sig","crv":"P-521","x":"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt","y":"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"}"#,
        ),
    );
}

#[test]
fn section_4_4_hmac() {
    let secret = Secret::new(decode("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"));
    verify(
        "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9",
        "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0",
        &SharedSecret::new(Algorithm::Hs256, secret).unwrap(),
    );
}

#[test]
fn section_3_1_and_3_3_public_keys_for_signing() {
    for (text, algorithm) in [
        (
            r#"{"kty":"EC","kid":"bilbo.baggins@hobbiton.example","use":"sig","crv":"P-521","x":"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt","y":"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"}"#
                .to_owned(),
            Algorithm::Es512,
        ),
        (
            format!(
                r#"{{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","n":"{RSA_MODULUS}","e":"AQAB"}}"#
            ),
            Algorithm::Rs256,
        ),
    ] {
        let set = KeySet::parse_assuming(format!(r#"{{"keys":[{text}]}}"#).as_bytes(), Algorithm::Rs256).unwrap();
        let key = set.only().unwrap();
        assert_eq!((key.key_id().as_str(), key.jwk().algorithm()), ("bilbo.baggins@hobbiton.example", algorithm));
    }
}

#[test]
fn section_3_2_3_4_and_3_5_private_and_symmetric_keys_are_not_for_a_verifier() {
    for member in
        [r#""kty":"EC","crv":"P-521","d":"AA""#, r#""kty":"RSA","d":"AA""#, r#""kty":"oct","k":"AA""#]
    {
        assert_eq!(
            Jwk::parse(format!("{{{member}}}").as_bytes()).unwrap_err(),
            JwkError::Private,
            "{member}"
        );
    }
}

#[test]
fn section_4_5_detached_content_is_not_put_back() {
    let secret = Secret::new(decode("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"));
    let token = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9..s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0";
    let key = SharedSecret::new(Algorithm::Hs256, secret).unwrap();
    assert_eq!(jws::verify(token.as_bytes(), &key).unwrap_err(), JwsError::SignatureInvalid);
}

#[test]
fn sections_4_6_to_4_8_the_json_forms_are_not_accepted() {
    let secret = Secret::new(decode("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"));
    let key = SharedSecret::new(Algorithm::Hs256, secret).unwrap();
    let signature = "bWUSVaxorn7bEF1djytBd0kHv70Ly5pvbomzMWSOr20";
    for protected in [r#""protected":"eyJhbGciOiJIUzI1NiJ9","#, ""] {
        let one = format!(r#"{{{protected}"header":{{"alg":"HS256"}},"signature":"{signature}"}}"#);
        for token in [
            format!(r#"{{"payload":"{PAYLOAD_SEGMENT}",{protected}"signature":"{signature}"}}"#),
            format!(r#"{{"payload":"{PAYLOAD_SEGMENT}","signatures":[{one},{one}]}}"#),
        ] {
            assert_eq!(jws::verify(token.as_bytes(), &key).unwrap_err(), JwsError::Segments, "{token}");
        }
    }
}
