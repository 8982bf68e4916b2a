//! Demonstrating proof of possession (RFC 9449) §4.3: each of its twelve checks, by its number.

use std::collections::BTreeSet;

use countersign::testkit::{BadProof, TestIssuer, bad_proofs};

/// What a row about the check may be refused as. A proof of two headers in one is no longer a JWS, and a claim of the wrong
/// type is one that is not there.
const CHECKS: [&[&str]; 12] = [
    &["proof_ambiguous", "proof_malformed"],
    &["proof_malformed"],
    &["proof_claim_malformed"],
    &["proof_malformed", "proof_of_other_type"],
    &["proof_algorithm_unsupported", "proof_malformed"],
    &["proof_signature_invalid"],
    &["proof_key_invalid"],
    &["proof_for_other_method"],
    &["proof_for_other_uri"],
    &["proof_claim_malformed", "proof_nonce_required"],
    &["proof_claim_malformed", "proof_expired", "proof_issued_in_future"],
    &["proof_claim_malformed", "proof_for_other_token", "proof_of_other_key"],
];

fn rows_of(check: usize) -> Vec<&'static BadProof> {
    let cites = |row: &&BadProof| {
        let numbers = row.source().split("RFC 9449 §4.3, ").skip(1);
        numbers
            .filter_map(|rest| rest.split([',', ':', ' ']).next())
            .any(|number| number == check.to_string())
    };
    bad_proofs().filter(cites).collect()
}

#[test]
fn section_4_3_each_check_is_made() {
    let issuer = TestIssuer::new("orders");
    for (number, codes) in (1..).zip(CHECKS) {
        let rows = rows_of(number);
        let found: BTreeSet<&str> = rows.iter().map(|row| row.refusal().code()).collect();
        assert_eq!(found, codes.iter().copied().collect(), "check {number}");
        for row in rows {
            let verify = |request: countersign::testkit::ProvedRequest| {
                request.verdict(&row.setup().verifier(&issuer))
            };
            assert_eq!(verify(row.request(&issuer)).err(), Some(row.refusal()), "{}", row.name());
            assert_eq!(verify(row.twin(&issuer)).err(), None, "{}", row.name());
        }
    }
}
