//! What was found good is looked up again after whatever could have changed it.

use super::*;
use crate::revocation::FoundGood;

/// One way to change what a ledger refuses.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// By a record: the ledger's own, or one that was read.
    Enforced(u8, u8, u64),
    /// By everything that is in the store, with this in it.
    Rebased(u8, u8, u64),
    Lifted(u8, u8),
    Expired(u64),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let one = (0_u8..6, 0_u8..2, 0_u64..6);
    prop::collection::vec(
        prop_oneof![
            3 => one.clone().prop_map(|(kind, name, at)| Change::Enforced(kind, name, at)),
            2 => one.prop_map(|(kind, name, at)| Change::Rebased(kind, name, at)),
            2 => (0_u8..6, 0_u8..2).prop_map(|(kind, name)| Change::Lifted(kind, name)),
            1 => (0_u64..20_000).prop_map(Change::Expired),
        ],
        0..12,
    )
}

fn any_target(kind: u8, name: u8) -> Target {
    if kind == 5 { Target::Token(["x", "y"][usize::from(name % 2)].into()) } else { target(kind, name) }
}

fn terms(at: u64) -> Terms {
    let at = UnixTime::from_secs(BEGIN + at);
    let until = at.saturating_add(Duration::from_secs(400));
    Terms { at, tokens_until: until, sessions_until: until }
}

fn change(ledger: &Ledger, change: Change, seq: u64) {
    let revoked = |kind, name, at| crate::store::Change::Revoked {
        target: any_target(kind, name),
        name_of: None,
        terms: terms(at),
        reason: "operator".to_owned(),
    };
    match change {
        Change::Enforced(kind, name, at) => {
            ledger.take_in([RevocationRecord { seq, change: revoked(kind, name, at) }]);
        }
        Change::Rebased(kind, name, at) => {
            let records = vec![RevocationRecord { seq, change: revoked(kind, name, at) }];
            let epoch = Epoch::new("other").unwrap();
            ledger
                .rebase(StoredRevocations { epoch, newest: seq, records, unreadable: 0 }, &[], now())
                .unwrap();
        }
        Change::Lifted(kind, name) => ledger.release(&any_target(kind, name)),
        Change::Expired(after) => ledger.forget_expired(UnixTime::from_secs(BEGIN + after)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_answer_is_the_same_as_that_of_a_look(
        changes in changes(), spread in prop_oneof![Just(Duration::ZERO), Just(Lifetimes::SPREAD)],
    ) {
        let ledger = alone(Lifetimes { spread, ..LIFETIMES });
        let whose = [who("x", "x", Some("x"), None), who("y", "z", None, Some(BEGIN + 3)), who("z", "z", Some("z"), None)];
        let token: TokenId = "y".into();
        let issued_at = UnixTime::from_secs(BEGIN + 3);
        let found: Vec<_> = whose.iter().map(|_| (FoundGood::never(), FoundGood::never())).collect();
        for (seq, one) in (1..).zip(changes) {
            change(&ledger, one, seq);
            for (who, (session, of_token)) in whose.iter().zip(&found) {
                let concerned = who.concerned();
                for _ in 0..2 {
                    prop_assert_eq!(ledger.check_again(|| who.concerned(), session), ledger.check(&concerned));
                    prop_assert_eq!(
                        ledger.refuses_kept_token_again(|| who.concerned(), &token, issued_at, of_token),
                        ledger.refuses_kept_token(&concerned, &token, issued_at)
                    );
                }
            }
        }
    }
}

#[test]
fn what_changes_while_it_is_looked_up_is_looked_up_again() {
    let ledger = alone(LIFETIMES);
    let (alice, found) = (who("x", "alice", None, None), FoundGood::never());
    let before = ledger.generation();
    // Somebody has read the generation, and looked, when this comes; and notes what they saw when it is over.
    change(&ledger, Change::Enforced(2, 0, 0), 1);
    found.note(before);
    assert_eq!(ledger.check_again(|| alice.concerned(), &found), Standing::Revoked);
}

/// Whoever copies an entry is about to make another of it.
#[test]
fn a_copy_has_yet_to_be_looked_up() {
    let ledger = alone(LIFETIMES);
    let (alice, found) = (who("a", "alice", None, None), FoundGood::never());
    assert!(!found.at(ledger.generation()));
    assert_eq!(ledger.check_again(|| alice.concerned(), &found), Standing::Good);
    assert!(found.at(ledger.generation()));
    assert!(!found.clone().at(ledger.generation()));
}

/// Sessions for which there is no room are refused none the less, as far as the tables have got.
#[test]
fn a_change_that_was_made_in_part_is_looked_at() {
    let ledger = Ledger { sessions: Revoked::with_max_entries("issuer", 0), ..alone(LIFETIMES) };
    let (alice, found) = (who("a", "alice", None, None), FoundGood::never());
    let (token, issued_at) = (TokenId::from("t"), now());
    assert!(!ledger.refuses_kept_token_again(|| alice.concerned(), &token, issued_at, &found));
    let full = ledger.enforce(&Target::Token(token.clone()), terms(0));
    assert_eq!(full, Err(Unrecorded::Full));
    assert!(ledger.refuses_kept_token_again(|| alice.concerned(), &token, issued_at, &found));
}
