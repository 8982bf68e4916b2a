//! What we accept, `jsonwebtoken` accepts and reads alike; what it accepts and we refuse, we refuse by a rule that is
//! stricter on purpose.
//!
//! The input is a header, a line break and a payload. They are signed with a secret that both sides know, so that
//! nothing but the reading is compared.

use std::sync::LazyLock;

use countersign::{
    Clock as _, TokenRefusal, Verifier,
    testkit::{Setup, TestIssuer, TestKey},
};
use jsonwebtoken as oracle;
use serde_json::Value;

static ISSUER: LazyLock<TestIssuer> = LazyLock::new(|| TestIssuer::new("orders"));
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| Setup::SharedSecret.verifier(&ISSUER));
static SIGNING: LazyLock<oracle::EncodingKey> =
    LazyLock::new(|| oracle::EncodingKey::from_secret(TestKey::secret().expose()));
static VERIFYING: LazyLock<oracle::DecodingKey> =
    LazyLock::new(|| oracle::DecodingKey::from_secret(TestKey::secret().expose()));

/// As strict as it can be told to be, but for the time, which it takes from the machine.
static VALIDATION: LazyLock<oracle::Validation> = LazyLock::new(|| {
    let mut validation = oracle::Validation::new(oracle::Algorithm::HS256);
    validation.validate_exp = false;
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_audience(&["orders"]);
    validation.set_issuer(&[TestIssuer::ISSUER]);
    validation
});

/// Compares the verdicts.
pub fn run(input: &[u8]) {
    let Some(at) = input.iter().position(|byte| *byte == b'\n') else { return };
    let (header, payload) = (&input[..at], &input[at + 1..]);
    let signed = format!("{}.{}", encode(header), encode(payload));
    let signature = oracle::crypto::sign(signed.as_bytes(), &SIGNING, oracle::Algorithm::HS256).unwrap();
    let token = format!("{signed}.{signature}");
    let ours = VERIFIER.verify_at(token.as_bytes(), ISSUER.clock().now());
    let theirs = oracle::decode::<Value>(&token, &VERIFYING, &VALIDATION).map(|decoded| decoded.claims);
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!(theirs["sub"].as_str(), Some(ours.subject().as_str()));
            assert_eq!(theirs["iss"].as_str(), Some(ours.issuer().as_str()));
            assert_eq!(theirs["exp"].as_f64().map(|exp| exp as u64), Some(ours.expires().as_secs()));
            let organisation = ours.organisation().map(|organisation| organisation.as_str());
            assert_eq!(theirs["organisation"].as_str(), organisation);
            let roles = theirs["roles"].as_array().map_or(0, Vec::len);
            assert_eq!(roles, ours.roles().len());
        }
        (Ok(_), Err(error)) => {
            // It reads members that we do not, and wants them to have their type.
            let is_unread = header_has_unread_members(header);
            assert!(is_unread, "we accept what the oracle refuses: {error}");
        }
        (Err(refusal), Ok(_)) => {
            assert!(is_stricter(refusal), "we refuse as {refusal} what the oracle accepts")
        }
        (Err(_), Err(_)) => {}
    }
}

/// The header parameters that we leave unread, because a token cannot bring or point to its own key.
fn header_has_unread_members(header: &[u8]) -> bool {
    let header: Value = serde_json::from_slice(header).unwrap_or_default();
    header.as_object().is_some_and(|header| {
        header.keys().any(|name| !["alg", "cty", "kid", "typ", "crit", "b64"].contains(&name.as_str()))
    })
}

/// What the other implementation cannot be told to check.
fn is_stricter(refusal: TokenRefusal) -> bool {
    use TokenRefusal::{
        ClaimMalformed, ClaimMissing, CriticalHeader, HeaderMalformed, OrganisationInvalid, PayloadMalformed,
        TokenBound, TokenExpired, TokenIssuedInFuture, TokenLivesTooLong, TokenNotYetValid, TokenOfOtherType,
        TokenTooLarge,
    };
    matches!(
        refusal,
        ClaimMalformed(_)
            | ClaimMissing(_)
            | CriticalHeader
            | HeaderMalformed
            | OrganisationInvalid
            | PayloadMalformed
            | TokenBound
            | TokenExpired
            | TokenIssuedInFuture
            | TokenLivesTooLong
            | TokenNotYetValid
            | TokenOfOtherType
            | TokenTooLarge
    )
}

fn encode(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(bytes)
}
