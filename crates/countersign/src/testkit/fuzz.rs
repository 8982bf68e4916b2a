//! What must hold for any bytes: the bodies of the fuzz targets, replayed over their corpora by the tests.
//!
//! Each function panics if the library is wrong.

use crate::{
    Audience, Issuer, KeySet, UnixTime, Verifier,
    json::{self, Json},
    jws::{self, JwsError, Unverified},
    testkit::{Setup, TestIssuer, TestKey},
    verifier::{Expected, judge},
};

/// A compact JWS: what is taken apart is the one spelling of what it holds, and what is accepted was signed with a
/// test key.
pub fn compact_jws(bytes: &[u8]) {
    let issuer = TestIssuer::new("orders");
    for setup in Setup::ALL {
        let verifier = setup.verifier(&issuer);
        let first = verifier.verify(bytes).map(|claims| claims.claims().clone());
        let again = verifier.verify(bytes).map(|claims| claims.claims().clone());
        assert_eq!(first, again, "a token seen before gets another verdict");
    }
    let Ok(unverified) = Unverified::parse(bytes, jws::MAX_BYTES) else { return };
    let segments: Vec<&[u8]> = bytes.split(|&byte| byte == b'.').collect();
    let [_, payload, signature] = segments.as_slice() else { unreachable_shape() };
    assert_eq!(
        jws::encode(unverified.dangerous_payload()).as_bytes(),
        *payload,
        "another spelling of the payload"
    );
    let (decoded, algorithm) = (jws::decode(signature), unverified.header().algorithm().to_owned());
    assert!(
        decoded.is_some_and(|decoded| jws::encode(&decoded).as_bytes() == *signature),
        "another spelling"
    );
    for key in TestKey::PUBLISHED.into_iter().filter_map(TestKey::verifying_key) {
        match jws::verify(bytes, &key) {
            Ok(_) => assert_eq!(algorithm, jws::Key::algorithm(&key).name()),
            Err(error) => {
                assert!(matches!(error, JwsError::AlgorithmMismatch | JwsError::SignatureInvalid), "{error}");
            }
        }
    }
}

/// A key set: what is read can be written and read again, and holds nothing private.
pub fn key_set(bytes: &[u8]) {
    let Ok(set) = KeySet::parse(bytes) else { return };
    assert!(set.len() + set.skipped().len() <= KeySet::MAX_KEYS);
    assert!(set.iter().all(|key| !key.jwk().algorithm().is_symmetric()));
    let text = serde_json::to_vec(&set).unwrap_or_default();
    let again = KeySet::parse(&text);
    assert!(again.is_ok_and(|again| again.same_keys(&set) && again.skipped().is_empty()), "not read again");
}

/// The claims of a payload whose signature holds: what is accepted is for us and valid now, and every reader of JSON
/// reads it alike.
pub fn claims(bytes: &[u8]) {
    let now = UnixTime::from_secs(1_800_000_000);
    let (issuer, audience) = (Issuer::from(TestIssuer::ISSUER), Audience::from("orders"));
    let (leeway, max_lifetime) = (Verifier::DEFAULT_LEEWAY, Verifier::DEFAULT_MAX_LIFETIME);
    let expected = Expected { issuer: &issuer, audience: &audience, max_lifetime, leeway, now };
    let Ok(judged) = judge(bytes, &expected) else { return };
    let claims = judged.claims;
    assert!(claims.iss == issuer && claims.aud == audience);
    assert!(claims.exp.saturating_add(leeway) > now && claims.iat <= now.saturating_add(leeway));
    assert!(!claims.sub.as_str().is_empty() && !claims.jti.as_str().is_empty());
    let theirs: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let member =
        |name: &str| theirs.as_ref().and_then(|theirs| theirs.get(name)).and_then(|value| value.as_str());
    assert_eq!(member("sub"), Some(claims.sub.as_str()), "another reader finds another subject");
    assert_eq!(
        member("organisation"),
        claims.organisation.as_ref().map(|organisation| organisation.as_str())
    );
    assert!(member("cnf").is_none());
}

/// JSON: what we read, `serde_json` reads as the same, but for the names that it keeps for itself.
pub fn strict_json(bytes: &[u8]) {
    let Ok(ours) = json::object(bytes) else { return };
    if format!("{ours:?}").contains("$serde_json::private::") {
        return;
    }
    let theirs: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    assert_eq!(Some(Json::Object(ours).into_value()), theirs, "another reader reads something else");
}

#[expect(clippy::panic, reason = "the fuzzer has found a token of another shape")]
fn unreachable_shape() -> ! {
    panic!("a token that was taken apart does not have three segments")
}
