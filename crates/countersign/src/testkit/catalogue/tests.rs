use std::{collections::HashSet, time::Duration};

use super::{BadToken, Setup, bad_tokens, odd_tokens};
use crate::{rule::Rule, testkit::TestIssuer};

fn verdict(row: &BadToken, issuer: &TestIssuer) -> Result<(), String> {
    match row.setup().verifier(issuer).verify(row.token(issuer)) {
        Err(refusal) if refusal == row.refusal() => Ok(()),
        Err(other) => Err(format!("{}: refused as {other}, not as {}", row.name(), row.refusal())),
        Ok(_) => Err(format!("{}: accepted, not refused as {}", row.name(), row.refusal())),
    }
}

#[test]
fn every_bad_token_is_refused_for_its_reason() {
    let issuer = TestIssuer::new("orders");
    let faults: Vec<String> = bad_tokens().filter_map(|row| verdict(row, &issuer).err()).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(bad_tokens().count() >= 300, "{}", bad_tokens().count());
}

#[test]
fn every_twin_is_good_and_another_token() {
    let issuer = TestIssuer::new("orders");
    let mut faults = Vec::new();
    for row in bad_tokens() {
        let twin = row.twin(&issuer);
        if let Err(refusal) = row.setup().verifier(&issuer).verify(&twin) {
            faults.push(format!("{}: the twin is refused as {refusal}", row.name()));
        }
        if twin == row.token(&issuer) {
            faults.push(format!("{}: the twin is the bad token itself", row.name()));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_odd_token_is_good() {
    let issuer = TestIssuer::new("orders");
    let faults: Vec<String> = odd_tokens()
        .filter_map(|row| {
            let refusal = row.setup().verifier(&issuer).verify(row.token(&issuer)).err()?;
            Some(format!("{}: refused as {refusal}", row.name()))
        })
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// A verifier that has seen good tokens remembers them, and how their header reads.
#[test]
fn what_a_verifier_remembers_changes_no_verdict() {
    let issuer = TestIssuer::new("orders");
    for setup in Setup::ALL {
        let verifier = setup.verifier(&issuer);
        for row in bad_tokens().filter(|row| row.setup() == setup) {
            verifier.verify(row.twin(&issuer)).unwrap();
            for _ in 0..2 {
                assert_eq!(verifier.verify(row.token(&issuer)).err(), Some(row.refusal()), "{}", row.name());
            }
            verifier.verify(row.twin(&issuer)).unwrap();
        }
    }
}

#[test]
fn names_are_distinct_and_well_formed() {
    let mut names = HashSet::new();
    for name in bad_tokens().map(BadToken::name).chain(odd_tokens().map(super::OddToken::name)) {
        assert!(names.insert(name), "{name} is there twice");
        let well_formed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/-_".contains(&byte);
        assert!(name.bytes().all(well_formed) && name.split('/').count() == 2, "{name}");
    }
}

#[test]
fn the_catalogue_works_for_any_audience_and_any_later_moment() {
    let issuer = TestIssuer::new("notes");
    issuer.clock().advance(Duration::from_secs(1_000_000));
    let verifier = issuer.verifier();
    for (row, token) in issuer.bad_tokens() {
        assert_eq!(verifier.verify(token).err(), Some(row.refusal()), "{}", row.name());
    }
}

/// The mutation check: without any one rule, some bad token is accepted.
#[test]
fn no_rule_can_be_switched_off_unnoticed() {
    let issuer = TestIssuer::new("orders");
    // About a token that was good before: `a_token_seen_before_dies_with_its_key` fails without it.
    let proved_elsewhere = [Rule::KeyStillPublished];
    // Another rule stands behind: the token is refused all the same, for another reason.
    let backed_up = [Rule::AlgorithmKind, Rule::DateRange, Rule::KeyIdLength];
    let rows: Vec<_> = bad_tokens().map(|row| (row, row.token(&issuer))).collect();
    for &rule in Rule::ALL.iter().filter(|rule| !proved_elsewhere.contains(rule)) {
        // A verifier of its own for each: one that remembers would carry a verdict on to the next rule.
        let verdicts = rows.iter().map(|(row, token)| {
            let verifier = row.setup().verifier(&issuer);
            (row, rule.switched_off(|| verifier.verify(token)).err())
        });
        let mut noticed: Vec<_> = verdicts.filter(|(row, refusal)| *refusal != Some(row.refusal())).collect();
        if !backed_up.contains(&rule) {
            noticed.retain(|(_, refusal)| refusal.is_none());
        }
        assert!(!noticed.is_empty(), "nothing notices that {rule:?} is gone");
    }
}

#[test]
fn every_setup_is_asked() {
    for setup in Setup::ALL {
        assert!(bad_tokens().any(|row| row.setup() == setup), "{setup:?}");
    }
}
