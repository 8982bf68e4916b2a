use std::{net::IpAddr, time::Duration};

use countersign::Secret;

use super::{Blame, Breaker, Change, MAX_REMEMBERED, OPENS_AFTER, PROBATION, pause};
use crate::{
    clock::Moment,
    credential::{CredentialKind, OwnedCredential},
    session::key::SessionKeyer,
};

const TIMEOUT: Duration = Duration::from_secs(2);

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn from(n: u8) -> Blame {
    Blame { network: IpAddr::from([192, 0, 2, n]), known: None }
}

/// A session that is known, from that address.
fn session(n: u32, from: u8) -> Blame {
    let (secret, value) = (Secret::new([7; 32]), n.to_string());
    let credential = OwnedCredential { kind: CredentialKind::Cookie, value: Secret::new(value) };
    let key = SessionKeyer::new(&secret, b"").key(&credential.as_credential());
    Blame { network: IpAddr::from([192, 0, 2, from]), known: Some(key) }
}

/// Somebody who has not failed yet.
fn fresh() -> Blame {
    from(200)
}

/// Opened by 1, 2, 3, 4 and 99.
fn opened() -> Breaker {
    let breaker = Breaker::new(TIMEOUT);
    for n in 1..OPENS_AFTER {
        assert_eq!(breaker.failed(from(n as u8), 0, at(0)), Change::None);
        assert!(breaker.lets_through(from(n as u8), at(0)));
    }
    assert_eq!(breaker.failed(from(99), 0, at(0)), Change::Opened(Duration::from_secs(1)));
    breaker
}

#[test]
fn an_open_breaker_lets_one_probe_through_after_each_pause() {
    let breaker = opened();
    assert!(!breaker.lets_through(fresh(), at(999)));
    assert!(breaker.lets_through(fresh(), at(1000)));
    assert!(!breaker.lets_through(from(201), at(1000)), "one probe");
    assert_eq!(breaker.failed(fresh(), 0, at(1500)), Change::Opened(Duration::from_secs(2)));
    assert!(!breaker.lets_through(from(201), at(3499)));
    assert!(breaker.lets_through(from(201), at(3500)));
    assert_eq!(breaker.succeeded(from(201), at(3500)), Change::Closed);
    assert!(breaker.lets_through(fresh(), at(3500)) && !breaker.is_open());
    assert_eq!(breaker.succeeded(fresh(), at(3500)), Change::None);
}

#[test]
fn a_probe_that_never_ends_is_followed_by_another() {
    let breaker = opened();
    assert!(breaker.lets_through(fresh(), at(1000)));
    assert!(!breaker.lets_through(fresh(), at(4999)));
    assert!(breaker.lets_through(fresh(), at(5000)));
}

#[test]
fn a_late_failure_prolongs_nothing() {
    let breaker = opened();
    for late in [from(1), fresh()] {
        assert_eq!(breaker.failed(late, 0, at(900)), Change::None);
    }
    assert!(breaker.lets_through(fresh(), at(1000)));
    assert_eq!(breaker.failed(from(77), 0, at(1001)), Change::None, "it is not the probe's");
    assert!(!breaker.lets_through(from(201), at(1002)));
}

#[test]
fn where_all_who_ask_have_failed_they_are_probes_a_second_later() {
    let breaker = opened();
    assert!(!breaker.lets_through(from(1), at(1999)));
    assert!(breaker.lets_through(from(1), at(2000)));
    assert!(!breaker.lets_through(from(2), at(2000)), "one of them at a time");
    assert_eq!(breaker.failed(from(1), 0, at(2100)), Change::None);
    assert!(!breaker.lets_through(from(2), at(4099)));
    assert!(breaker.lets_through(from(2), at(4100)));
    assert_eq!(breaker.succeeded(from(2), at(4200)), Change::Closed, "the server is back");
}

/// Every ten milliseconds each of five attackers sends what the server chokes on; one other user asks every hundred, and
/// is answered at once. When that user was refused in two minutes.
fn attacked(attackers: impl IntoIterator<Item = Blame>) -> Vec<u64> {
    let breaker = Breaker::new(TIMEOUT);
    let (mut refused_at, mut under_way) = (Vec::new(), Vec::<(Moment, Blame)>::new());
    let attackers: Vec<_> = attackers.into_iter().collect();
    let mut attackers = attackers.iter().cycle();
    for millis in (0..120_000).step_by(10) {
        let now = at(millis);
        under_way.retain(|(ends, attacker)| {
            let goes_on = *ends > now;
            if !goes_on {
                breaker.failed(*attacker, 0, now);
            }
            goes_on
        });
        for attacker in attackers.by_ref().take(OPENS_AFTER as usize) {
            if breaker.lets_through(*attacker, now) {
                under_way.push((at(millis + 2000), *attacker));
            }
        }
        if millis % 100 == 50 {
            if breaker.lets_through(fresh(), now) {
                breaker.succeeded(fresh(), now);
            } else {
                refused_at.push(millis);
            }
        }
    }
    refused_at
}

/// Opened after two seconds, and once more when the probation is over.
fn assert_two_pauses(refused_at: &[u64]) {
    assert!((10..=24).contains(&refused_at.len()), "{refused_at:?}");
}

#[test]
fn a_handful_of_addresses_cannot_hold_it_open() {
    assert_two_pauses(&attacked((0..OPENS_AFTER).map(|n| from(n as u8))));
}

#[test]
fn nor_can_a_handful_of_known_sessions_wherever_they_are() {
    assert_two_pauses(&attacked((0..OPENS_AFTER).map(|n| session(n, 1))));
    assert_two_pauses(&attacked((0..995).map(|n| session(n % OPENS_AFTER, (n % 199) as u8))));
}

#[test]
fn nor_can_one_address_with_any_number_of_known_sessions() {
    assert_two_pauses(&attacked((0..1000).map(|n| session(n, 1))));
    assert_two_pauses(&attacked((0..1000).flat_map(|n| [session(n, 1), from(1)])));
}

#[test]
fn whose_own_fault_it_was_opens_nothing_for_a_minute() {
    let breaker = opened();
    assert!(breaker.lets_through(fresh(), at(1000)));
    assert_eq!(breaker.succeeded(fresh(), at(1000)), Change::Closed);
    let again = |at_millis| {
        (1..OPENS_AFTER as u8).chain([99]).map(|n| breaker.failed(from(n), 0, at(at_millis))).last()
    };
    assert_eq!(again(1001), Some(Change::None));
    let known = (0..100).map(|n| breaker.failed(session(n, 1), 0, at(1002)));
    assert!(known.last() == Some(Change::None), "nor what is known there");
    assert_eq!(again(999 + PROBATION.as_millis() as u64), Some(Change::None));
    assert!(matches!(again(1000 + PROBATION.as_millis() as u64), Some(Change::Opened(_))));
    // A suspect that is answered itself is not at fault.
    let breaker = opened();
    assert!(breaker.lets_through(from(1), at(2000)));
    assert_eq!(breaker.succeeded(from(1), at(2000)), Change::Closed);
    for n in [1, 11, 12, 13] {
        assert_eq!(breaker.failed(from(n), 0, at(2001)), Change::None);
    }
    assert!(matches!(breaker.failed(from(14), 0, at(2001)), Change::Opened(_)));
}

/// Where all come from one address, an outage is found by their sessions, and found to be over; those that failed before
/// it was over count for nothing for a minute, the others at that address do.
#[test]
fn an_address_that_all_share_is_not_at_fault_when_one_there_is_answered() {
    let breaker = Breaker::new(TIMEOUT);
    let fail = |whose: std::ops::Range<u32>, millis| {
        whose.fold(Change::None, |_, n| breaker.failed(session(n, 1), 0, at(millis)))
    };
    assert!(matches!(fail(0..OPENS_AFTER, 0), Change::Opened(_)));
    assert!(!breaker.lets_through(session(50, 1), at(1999)), "it is a suspect as well");
    assert!(breaker.lets_through(session(50, 1), at(2000)));
    assert_eq!(breaker.succeeded(session(50, 1), at(2000)), Change::Closed);
    assert_eq!(fail(0..OPENS_AFTER, 2001), Change::None);
    assert!(matches!(fail(10..10 + OPENS_AFTER, 2001), Change::Opened(_)));
}

#[test]
fn a_real_outage_is_found_over_and_what_is_remembered_is_bounded() {
    let breaker = opened();
    let mut now = 0;
    for n in 0..1000_u32 {
        let [_, _, high, low] = n.to_be_bytes();
        let user = Blame { network: IpAddr::from([10, 0, high, low]), known: None };
        now += 5000;
        assert!(breaker.lets_through(user, at(now)), "{n}");
        assert!(matches!(breaker.failed(user, 0, at(now)), Change::Opened(_)));
    }
    assert_eq!(breaker.state().open.as_ref().unwrap().suspects.len(), MAX_REMEMBERED);
    assert!(breaker.lets_through(fresh(), at(now + 5000)));
    assert_eq!(breaker.succeeded(fresh(), at(now + 5000)), Change::Closed);
    assert_eq!(breaker.state().probation.len(), MAX_REMEMBERED);
}

#[test]
fn one_address_cannot_open_the_breaker_with_credentials_nobody_knows() {
    let breaker = Breaker::new(TIMEOUT);
    for _ in 0..1000 {
        assert_eq!(breaker.failed(from(1), 0, at(0)), Change::None);
    }
    assert!(breaker.lets_through(fresh(), at(0)));
}

#[test]
fn addresses_that_take_turns_count_once_each() {
    let breaker = Breaker::new(TIMEOUT);
    for n in 0..1000_u32 {
        let blame = from((n % (OPENS_AFTER - 1)) as u8);
        assert_eq!(breaker.failed(blame, 0, at(0)), Change::None);
    }
    assert!(breaker.lets_through(fresh(), at(0)));
}

#[test]
fn a_verdict_in_between_begins_the_count_anew() {
    let breaker = Breaker::new(TIMEOUT);
    for n in 0..100 {
        assert_eq!(breaker.failed(from(n), 0, at(0)), Change::None);
        assert_eq!(breaker.succeeded(fresh(), at(0)), Change::None);
    }
}

#[test]
fn pauses_double_up_to_a_bound_and_chance_adds_less_than_a_quarter() {
    let seconds = |probes, chance| pause(probes, chance).as_secs_f64();
    assert_eq!([0, 1, 2, 3, 99].map(|probes| seconds(probes, 0)), [1.0, 2.0, 4.0, 5.0, 5.0]);
    assert!(seconds(99, 255) > 6.0 && seconds(99, 255) < 6.25);
}
