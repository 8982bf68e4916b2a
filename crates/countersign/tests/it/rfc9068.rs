//! JWT profile for access tokens (RFC 9068).

use countersign::testkit::{TestIssuer, bad_tokens};
use http::StatusCode;

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
