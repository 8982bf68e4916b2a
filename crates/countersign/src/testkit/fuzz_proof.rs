//! What must hold for any proof of possession: the body of a fuzz target.

use std::sync::{LazyLock, Mutex, PoisonError};

use http::{HeaderValue, Request};
use serde_json::Value;

use super::{ProofSetup, TestIssuer, TestKey};
use crate::{
    Clock as _, TokenRefusal, Verifier,
    dpop::{ProofRequest, hash_of, one_spelling},
    jws,
};

/// The client's key: its signatures are the same each time.
const KEY: TestKey = TestKey::Ed25519OfOther;
const ADDRESS: &str = "https://orders.test/orders/7";

struct Service {
    issuer: TestIssuer,
    /// Another one when its memory of proofs is full: a fuzzer signs more of them than any caller may.
    verifier: Mutex<Verifier>,
    token: String,
}

static SERVICE: LazyLock<Service> = LazyLock::new(|| {
    let issuer = TestIssuer::new("orders").signing_with(TestKey::Ed25519);
    let verifier = Mutex::new(ProofSetup::Both.verifier(&issuer));
    let token = issuer.token().bound_to(KEY).sign();
    Service { issuer, verifier, token }
});

/// A proof: what is accepted was signed by the token's key, says what it has to say to another reader of JSON too, and
/// is not accepted again. The input is a proof as it stands in a header; or, where it has a line break, a header and a
/// payload, which are signed, with `{jwk}` for the key and `{ath}` for the token's hash.
pub fn dpop_proof(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check_address(text);
    }
    check(bytes);
    let mut halves = bytes.splitn(2, |byte| *byte == b'\n');
    if let (Some(header), Some(payload)) = (halves.next(), halves.next()) {
        check(&signed(&filled(header), &filled(payload)));
    }
}

fn filled(part: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(part) else { return part.to_vec() };
    let jwk = KEY.signing_key().public_jwk().map(|jwk| jwk.required_members());
    text.replace("{jwk}", &jwk.unwrap_or_default())
        .replace("{ath}", &hash_of(SERVICE.token.as_bytes()))
        .into_bytes()
}

fn signed(header: &[u8], payload: &[u8]) -> Vec<u8> {
    let signed = format!("{}.{}", jws::encode(header), jws::encode(payload));
    let signature = KEY.signing_key().sign_as(KEY.algorithm(), signed.as_bytes()).unwrap_or_default();
    format!("{signed}.{}", jws::encode(&signature)).into_bytes()
}

fn check(proof: &[u8]) {
    let Service { issuer, verifier, token } = &*SERVICE;
    let Ok(value) = HeaderValue::from_bytes(proof) else { return };
    let Ok(request) = Request::get("/orders/7").header("DPoP", value).body(()) else { return };
    let mut verifier = verifier.lock().unwrap_or_else(PoisonError::into_inner);
    let ask = |verifier: &Verifier| verifier.verify_with_proof(token, &ProofRequest::of(&request));
    let mut answer = ask(&verifier);
    if matches!(answer, Err(TokenRefusal::ProofMemoryFull)) {
        *verifier = ProofSetup::Both.verifier(issuer);
        answer = ask(&verifier);
    }
    match answer {
        Ok(claims) => assert_eq!(claims.bound_to(), KEY.thumbprint().as_ref()),
        Err(refusal) => {
            assert!(refusal.code().starts_with("proof_"), "a good token is refused as {refusal}");
            return;
        }
    }
    let again = ask(&verifier).err();
    assert_eq!(again, Some(TokenRefusal::ProofReplayed), "a proof counts twice");
    assert!(verifier.verify(token).is_err(), "the token counts without a proof");

    let mut parts = proof.split(|byte| *byte == b'.').map(|part| {
        jws::decode(part).and_then(|text| serde_json::from_slice::<Value>(&text).ok()).unwrap_or_default()
    });
    let (header, payload) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let typ = text(&header, "typ").map(|typ| typ.to_ascii_lowercase());
    assert!(typ.is_some_and(|typ| typ == "dpop+jwt" || typ == "application/dpop+jwt"));
    assert!(header.get("jwk").is_some_and(|jwk| jwk.get("d").is_none() && jwk.get("k").is_none()));
    assert_eq!(text(&payload, "htm").as_deref(), Some("GET"), "another method for another reader");
    let address = text(&payload, "htu").and_then(|address| one_spelling(&address));
    assert_eq!(address.as_deref(), Some(ADDRESS), "another address for another reader");
    assert_eq!(text(&payload, "ath"), Some(hash_of(token.as_bytes())));
    assert!(text(&payload, "jti").is_some_and(|id| (1..=256).contains(&id.len())));
    let issued = payload.get("iat").and_then(Value::as_f64).unwrap_or_default();
    let age = issuer.clock().now().as_secs() as f64 - issued;
    // A fraction of a second of `iat` is cut off.
    assert!((-6.0..=60.0).contains(&age), "{age} seconds old");
}

/// The one spelling of an address is its own one spelling, and keeps scheme and host where they were.
fn check_address(text: &str) {
    let Some(spelled) = one_spelling(text) else { return };
    assert_eq!(one_spelling(&spelled).as_ref(), Some(&spelled), "{text} has two spellings");
    assert!(spelled.starts_with("https://") || spelled.starts_with("http://"));
    assert!(!spelled.contains(['?', '#', ' ']));
    assert!(spelled.split('/').nth(2).is_some_and(|authority| !authority.contains('@')));
    let path = spelled.splitn(4, '/').nth(3).unwrap_or_default();
    assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")), "{spelled} has dot segments");
}
