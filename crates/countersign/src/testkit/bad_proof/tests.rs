use std::collections::HashSet;

use super::{BadProof, OddProof, ProofSetup, bad_proofs, odd_proofs};
use crate::{rule::Rule, testkit::TestIssuer};

fn fault(row: &BadProof, issuer: &TestIssuer) -> Option<String> {
    match row.request(issuer).verdict(&row.setup().verifier(issuer)) {
        Err(refusal) if refusal == row.refusal() => None,
        Err(other) => Some(format!("{}: refused as {other}, not as {}", row.name(), row.refusal())),
        Ok(_) => Some(format!("{}: accepted, not refused as {}", row.name(), row.refusal())),
    }
}

#[test]
fn every_bad_proof_is_refused_for_its_reason_and_its_twin_is_good() {
    let issuer = TestIssuer::new("orders");
    let mut faults: Vec<String> = bad_proofs().filter_map(|row| fault(row, &issuer)).collect();
    for row in bad_proofs() {
        let twin = row.twin(&issuer);
        if let Err(refusal) = twin.verdict(&row.setup().verifier(&issuer)) {
            faults.push(format!("{}: the twin is refused as {refusal}", row.name()));
        }
        if twin == row.request(&issuer) {
            faults.push(format!("{}: the twin is the bad request itself", row.name()));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(bad_proofs().count() >= 80, "{}", bad_proofs().count());
}

#[test]
fn every_odd_proof_is_good() {
    let issuer = TestIssuer::new("orders");
    let verdict = |row: &OddProof| row.request(&issuer).verdict(&row.setup().verifier(&issuer)).err();
    let faults: Vec<String> = odd_proofs()
        .filter_map(|row| verdict(row).map(|refusal| format!("{}: refused as {refusal}", row.name())))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// That the token was seen before spares nobody the proof.
#[test]
fn a_token_that_is_remembered_changes_no_verdict() {
    let issuer = TestIssuer::new("orders");
    for row in bad_proofs() {
        let verifier = row.setup().verifier(&issuer);
        let bad = row.request(&issuer);
        // Judged once without a proof, so that it is remembered.
        drop(verifier.verify(&bad.token));
        assert_eq!(bad.verdict(&verifier).err(), Some(row.refusal()), "{}", row.name());
    }
}

#[test]
fn names_are_distinct_and_every_setup_is_asked() {
    let mut names = HashSet::new();
    for name in bad_proofs().map(BadProof::name).chain(odd_proofs().map(OddProof::name)) {
        assert!(names.insert(name), "{name} is there twice");
        let well_formed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/-".contains(&byte);
        assert!(name.bytes().all(well_formed) && name.starts_with("proof/"), "{name}");
    }
    for setup in ProofSetup::ALL {
        assert!(bad_proofs().any(|row| row.setup() == setup), "{setup:?}");
    }
}

/// The mutation check: without any one rule, some bad proof is accepted.
#[test]
fn no_rule_can_be_switched_off_unnoticed() {
    let issuer = TestIssuer::new("orders");
    let of_every_jws = [
        Rule::Algorithm,
        Rule::CanonicalEncoding,
        Rule::Critical,
        Rule::DuplicateMember,
        Rule::Signature,
        Rule::Size,
        Rule::ThreeSegments,
    ];
    for rule in Rule::OF_PROOFS.iter().chain(&of_every_jws) {
        let is_accepted = |row: &BadProof| {
            let (verifier, request) = (row.setup().verifier(&issuer), row.request(&issuer));
            rule.switched_off(|| request.verdict(&verifier)).is_ok()
        };
        assert!(bad_proofs().any(is_accepted), "nothing notices that {rule:?} is gone");
    }
}
