//! JWT profile for access tokens (RFC 9068) and what it rests on: each rule has rows in the catalogue, which this
//! crate's unit tests hold the verifier to.

use std::collections::BTreeSet;

use countersign::testkit::{TestIssuer, bad_tokens};
use http::StatusCode;

/// Sections that demand a refusal, as the catalogue cites them.
const SECTIONS: [&str; 36] = [
    "RFC 4648 §3.5",
    "RFC 6750 §2",
    "RFC 7515 §2",
    "RFC 7515 §4.1.1",
    "RFC 7515 §4.1.11",
    "RFC 7515 §4.1.4",
    "RFC 7515 §4.1.10",
    "RFC 7515 §5.2",
    "RFC 7515 §7.1",
    "RFC 7515 §7.2.1",
    "RFC 7515 §7.2.2",
    "RFC 7516 §3.1",
    "RFC 7518 §3.2",
    "RFC 7518 §3.4",
    "RFC 7519 §2",
    "RFC 7519 §4.1.1",
    "RFC 7519 §4.1.3",
    "RFC 7519 §4.1.4",
    "RFC 7519 §4.1.5",
    "RFC 7519 §4.1.6",
    "RFC 7519 §7.2",
    "RFC 7797 §3",
    "RFC 7800 §3",
    "RFC 8017 §8.2.2",
    "RFC 8032 §5.1.7",
    "RFC 8259 §8.1",
    "RFC 8693 §4.1",
    "RFC 8725 §2.1",
    "RFC 8725 §3.1",
    "RFC 8725 §3.10",
    "RFC 8725 §3.11",
    "RFC 8725 §3.7",
    "RFC 8725 §3.8",
    "RFC 9068 §2.2",
    "RFC 9068 §4",
    "RFC 9864 §2.2",
];

#[test]
fn every_section_has_a_row() {
    let cited: BTreeSet<&str> =
        bad_tokens().flat_map(|row| row.source().split([',', ';', ':'])).map(str::trim).collect();
    for section in SECTIONS {
        let found =
            cited.iter().any(|source| *source == section || source.starts_with(&format!("{section} ")));
        assert!(found, "no row is about {section}");
    }
}

/// Section 4: "MUST be rejected" is 401 with `invalid_token` (RFC 6750 §3.1), and says nothing of the token.
#[test]
fn section_4_a_bad_token_is_answered_as_such() {
    let issuer = TestIssuer::new("orders");
    for row in bad_tokens() {
        let refusal = row.refusal();
        assert_eq!(refusal.status(), StatusCode::UNAUTHORIZED, "{}", row.name());
        let challenge = refusal.www_authenticate(None).unwrap();
        // RFC 6750 §3.1: where nothing was presented, nothing is said to be wrong with it.
        let expected = if row.name() == "form/empty" { "Bearer" } else { r#"Bearer error="invalid_token""# };
        assert_eq!(challenge, expected, "{}", row.name());
        let (body, token) = (refusal.problem(), row.token(&issuer));
        for segment in token.split('.').filter(|segment| segment.len() > 8) {
            assert!(!body.contains(segment) && !refusal.to_string().contains(segment), "{}", row.name());
        }
        assert!(!body.contains("ada") && !body.contains("acme"), "{body}");
    }
}
