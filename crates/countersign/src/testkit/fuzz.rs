//! What must hold for any bytes: the bodies of the fuzz targets, replayed over their corpora by the tests.
//!
//! Each function panics if the library is wrong.

use std::sync::LazyLock;

use crate::{
    Audience, ClaimPaths, Issuer, Jwk, KeyId, KeySet, Organisations, TokenId, UnixTime, Verifier,
    json::{self, Json},
    jws::{self, JwsError, Unverified, VerifyingKey},
    revocation::{Event, FeedReader, FeedWriter, Revoked, SnapshotPage, Stamp, Target, What},
    testkit::{Setup, TestIssuer, TestKey},
    verifier::{Expected, judge},
};

#[cfg(feature = "dpop")]
pub use super::fuzz_proof::dpop_proof;

/// A compact JWS: what is taken apart is the one spelling of what it holds, and what is accepted was signed with a
/// test key.
pub fn compact_jws(bytes: &[u8]) {
    // Made once: reading keys would take most of a fuzzer's time.
    static VERIFIERS: LazyLock<[Verifier; 5]> =
        LazyLock::new(|| Setup::ALL.map(|setup| setup.verifier(&TestIssuer::new("orders"))));
    static KEYS: LazyLock<Vec<VerifyingKey>> =
        LazyLock::new(|| TestKey::PUBLISHED.into_iter().filter_map(TestKey::verifying_key).collect());
    for verifier in &*VERIFIERS {
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
    for key in &*KEYS {
        match jws::verify(bytes, key) {
            Ok(_) => assert_eq!(algorithm, jws::Key::algorithm(key).name()),
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
    let expected = Expected {
        issuer: &issuer,
        audience: &audience,
        max_lifetime,
        leeway,
        now,
        takes_proofs: false,
        ignores_status: false,
        needs_session: false,
        needs_organisation: false,
        organisations: &Organisations::Any,
        paths: &ClaimPaths::default(),
        usual: None,
    };
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
    // Payloads of the usual form have a reader of their own.
    assert_eq!(member("jti"), Some(claims.jti.as_str()));
    assert_eq!(member("client_id"), Some(claims.client_id.as_str()));
    assert_eq!(member("sid"), claims.sid.as_ref().map(|session| session.as_str()));
    assert_eq!(member("scope"), claims.scope.as_deref());
    let list = theirs.as_ref().and_then(|theirs| theirs.get("roles")).and_then(|roles| roles.as_array());
    let roles: Vec<_> = list.into_iter().flatten().map(|role| role.as_str().unwrap_or_default()).collect();
    assert!(claims.roles.iter().map(|role| role.as_str()).eq(roles), "another reader finds other roles");
}

/// One public key: what is read can be written and read again as the same, its thumbprint is the same, and it is as
/// good a key as before.
pub fn jwk(bytes: &[u8]) {
    let Ok(jwk) = Jwk::parse(bytes) else { return };
    assert!(!jwk.algorithm().is_symmetric());
    let again = Jwk::parse(&serde_json::to_vec(&jwk).unwrap_or_default());
    assert_eq!(again.as_ref(), Ok(&jwk), "not read again");
    assert_eq!(jwk.thumbprint().as_str().len(), 43);
    if let Ok(key) = VerifyingKey::from_jwk(jwk.clone()) {
        assert_eq!(key.jwk(), &jwk);
        let der = key.to_spki_der().unwrap_or_default();
        let from_der = VerifyingKey::from_spki_der(jwk.algorithm(), &der).map(|key| key.jwk().thumbprint());
        assert_eq!(from_der, Ok(jwk.thumbprint()), "another key as SubjectPublicKeyInfo");
    }
}

/// A message of a revocation feed, and the payload of one, signed: what is believed can be written and read again,
/// means the same to another reader of JSON, and does to a table what it says.
pub fn revocation_event(bytes: &[u8]) {
    static KEYS: LazyLock<KeySet> = LazyLock::new(|| TestKey::set(&[TestKey::Ed25519]));
    static HEADER: LazyLock<String> = LazyLock::new(|| {
        let id = TestKey::Ed25519.key_id().map_or("", KeyId::as_str);
        jws::encode(format!(r#"{{"alg":"Ed25519","typ":"secevent+jwt","kid":"{id}"}}"#).as_bytes())
    });
    static READER: LazyLock<FeedReader> = LazyLock::new(|| FeedReader::new(TestIssuer::ISSUER));
    if READER.read_event(bytes, &KEYS).is_ok() || READER.read_page(bytes, &KEYS).is_ok() {
        return;
    }
    // Nothing that is not JSON is worth a signature.
    if json::object(bytes).is_err() {
        return;
    }
    let signed = format!("{}.{}", *HEADER, jws::encode(bytes));
    let signature = TestKey::Ed25519.signing_key().sign_as(jws::Algorithm::Ed25519, signed.as_bytes());
    let message = format!("{signed}.{}", jws::encode(&signature.unwrap_or_default()));
    let stamp_id = TokenId::from("again");
    let key = TestKey::Ed25519.signing_key();
    let event = READER.read_event(message.as_bytes(), &KEYS);
    let page = READER.read_page(message.as_bytes(), &KEYS);
    assert!(event.is_err() || page.is_err(), "one message is an event and a page");
    let writer = FeedWriter::new(TestIssuer::ISSUER);
    if let Ok(event) = event {
        let stamp = Stamp { issued_at: event.issued_at, token_id: &stamp_id, reason: None };
        let again = writer.event(&event.content, &stamp, key).unwrap_or_default();
        let again = READER.read_event(again.as_bytes(), &KEYS).map(|again| again.content);
        assert_eq!(again.as_ref(), Ok(&event.content), "not read again");
        does_what_it_says(&event.content);
    }
    if let Ok(page) = page {
        assert!(page.content.entries.len() <= SnapshotPage::MAX_ENTRIES);
        let stamp = Stamp { issued_at: page.issued_at, token_id: &stamp_id, reason: None };
        let again = writer.page(&page.content, &stamp, key).unwrap_or_default();
        let again = READER.read_page(again.as_bytes(), &KEYS).map(|again| again.content);
        assert_eq!(again.as_ref(), Ok(&page.content), "not read again");
        let table = Revoked::new(TestIssuer::ISSUER);
        assert!(table.replace(page.content.entries.clone()).is_ok());
        assert!(table.len() <= page.content.entries.len());
        for entry in &page.content.entries {
            assert!(
                table.lift(&entry.target)
                    || page.content.entries.iter().filter(|other| other.target == entry.target).count() > 1
            );
        }
        assert!(table.is_empty());
    }
}

fn does_what_it_says(event: &Event) {
    let table = Revoked::new(TestIssuer::ISSUER);
    assert!(table.apply(event).is_ok());
    match &event.what {
        What::Heartbeat | What::KeysChanged | What::Lifted(_) => assert!(table.is_empty()),
        What::Revoked(revocation) => {
            assert!(revocation.at <= revocation.expires);
            let target = &revocation.target;
            assert_eq!(Target::from_parts(target.kind(), target.id()).as_ref(), Some(target));
            assert_eq!(table.len(), 1);
            assert!(table.lift(target) && table.is_empty());
        }
    }
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
