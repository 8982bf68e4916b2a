use std::{convert::Infallible, time::Duration};

use countersign::{KeyId, UnixTime};
use proptest::prelude::*;

use super::{super::KEY_LEAD, ChangeFault, MAX_KEYS, Policy, Schedule, phase};
use crate::{
    config::resolved::RingAlgorithm,
    keyring::schedule::{LEAST_KEEP, ROTATION},
    observe::KeyPhase,
};

const START: u64 = 1_800_000_000;
const DAY: u64 = 24 * 60 * 60;

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

fn policy() -> Policy {
    Policy::new(KEY_LEAD, Duration::from_secs(300), ROTATION)
}

/// Makes names `k1`, `k2`, …
#[derive(Default)]
struct Names(u32);

impl Names {
    fn make<E>(&mut self) -> Result<KeyId, E> {
        self.0 += 1;
        Ok(KeyId::from(format!("k{}", self.0)))
    }
}

fn begun(names: &mut Names) -> Schedule {
    let (first, standby) = (names.make::<Infallible>().unwrap(), names.make::<Infallible>().unwrap());
    Schedule::begin(first, standby, RingAlgorithm::Es256, at(START))
}

fn signer(schedule: &Schedule, now: u64) -> &str {
    schedule.signer(at(now)).unwrap().kid.as_str()
}

fn phase_of(schedule: &Schedule, kid: &str, now: u64) -> KeyPhase {
    let key = schedule.keys().iter().find(|key| key.kid == *kid).unwrap();
    phase(&key.times, at(now), &policy())
}

#[test]
fn keys_rotate_when_they_are_due_with_a_day_of_notice() {
    let mut names = Names::default();
    let schedule = begun(&mut names);
    let mut tick = |schedule: &Schedule, now: u64| {
        schedule.rotate_if_due(ROTATION, at(now), &policy(), || names.make::<Infallible>()).unwrap()
    };
    let due = START + 30 * DAY;
    assert_eq!(tick(&schedule, due - DAY - 1), None, "not yet");
    let next = tick(&schedule, due - DAY).unwrap();
    assert_eq!((signer(&next, due - 1), signer(&next, due)), ("k1", "k2"));
    assert_eq!(phase_of(&next, "k3", due), KeyPhase::Published, "another stands by");
    assert_eq!(tick(&next, due - 10), None, "it is planned already");
    assert_eq!(tick(&next, due), None);
    assert_eq!(phase_of(&next, "k1", due + LEAST_KEEP.as_secs() - 1), KeyPhase::VerifyingOnly);
    assert_eq!(phase_of(&next, "k1", due + LEAST_KEEP.as_secs()), KeyPhase::Gone);
    // The gateway was off when it was due: the standby key has led for long.
    let late = tick(&next, due + 90 * DAY).unwrap();
    assert_eq!((signer(&late, due + 90 * DAY - 1), signer(&late, due + 90 * DAY)), ("k2", "k3"));
}

#[test]
fn an_operator_rotates_as_soon_as_the_standby_key_has_led() {
    let mut names = Names::default();
    let young = begun(&mut names);
    let rotate = |schedule: &Schedule, now: u64, names: &mut Names| {
        schedule.rotate(at(now), &policy(), || names.make::<ChangeFault>())
    };
    let planned = rotate(&young, START + 10, &mut names).unwrap();
    assert_eq!((signer(&planned, START + DAY - 1), signer(&planned, START + DAY)), ("k1", "k2"));
    let again = rotate(&planned, START + 20, &mut names).unwrap_err();
    assert_eq!(again, ChangeFault::AlreadyPlanned { kid: "k2".into(), at: at(START + DAY) });
    let old = rotate(&planned, START + 3 * DAY, &mut names).unwrap();
    assert_eq!(signer(&old, START + 3 * DAY), "k3", "at once");
}

#[test]
fn a_retired_signer_is_gone_at_once_even_if_the_clock_goes_back() {
    let mut names = Names::default();
    let schedule = begun(&mut names);
    let now = START + 3 * DAY;
    let after = schedule.retire(&"k1".into(), at(now), &policy(), || names.make::<ChangeFault>()).unwrap();
    for moment in [0, START, now - 1, now, now + 100 * DAY] {
        assert_eq!(signer(&after, moment), "k2");
        assert_eq!(phase_of(&after, "k1", moment), KeyPhase::Gone);
    }
    assert_eq!(phase_of(&after, "k3", now), KeyPhase::Published, "another stands by");
    let again = after.retire(&"k1".into(), at(now), &policy(), || names.make::<ChangeFault>());
    assert_eq!(again.unwrap_err(), ChangeFault::AlreadyRetired("k1".into()));
    let none = after.retire(&"k9".into(), at(now), &policy(), || names.make::<ChangeFault>());
    assert_eq!(none.unwrap_err(), ChangeFault::Unknown("k9".into()));
}

#[test]
fn an_imported_key_stands_by_and_signs_after_its_lead() {
    let mut names = Names::default();
    let schedule = begun(&mut names);
    let now = START + 3 * DAY;
    let with = schedule.import("theirs".into(), RingAlgorithm::Es256, at(now), &policy()).unwrap();
    assert_eq!(phase_of(&with, "theirs", now), KeyPhase::Published);
    let next = with.rotate(at(now), &policy(), || names.make::<ChangeFault>()).unwrap();
    assert_eq!((signer(&next, now + DAY - 1), signer(&next, now + DAY)), ("k1", "theirs"));
    let twice = next.import("theirs".into(), RingAlgorithm::Es256, at(now), &policy());
    assert_eq!(twice.unwrap_err(), ChangeFault::Known("theirs".into()));
    let other = next.import("rsa".into(), RingAlgorithm::Rs256, at(now), &policy());
    assert_eq!(other.unwrap_err(), ChangeFault::WrongAlgorithm);
}

#[test]
fn a_ring_keeps_a_bounded_number_of_keys_and_one_signs_all_the_while() {
    let mut names = Names::default();
    let mut schedule = begun(&mut names);
    let mut now = START;
    for _ in 0..200 {
        now += 30 * DAY;
        schedule = schedule
            .rotate_if_due(ROTATION, at(now), &policy(), || names.make::<Infallible>())
            .unwrap()
            .unwrap();
        assert!(schedule.keys().len() <= MAX_KEYS);
        assert!(schedule.signer(at(0)).is_some() && schedule.signer(at(now)).is_some());
        assert_eq!(Schedule::new(schedule.keys().to_vec(), schedule.changed()).as_ref(), Ok(&schedule));
    }
    assert_eq!(schedule.keys().len(), MAX_KEYS);
}

/// What may happen to a ring.
#[derive(Debug, Clone)]
enum Step {
    Adopt(RingAlgorithm),
    Import(RingAlgorithm),
    Retire(usize),
    Rotate,
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    let algorithm = prop_oneof![Just(RingAlgorithm::Es256), Just(RingAlgorithm::Ed25519)];
    prop_oneof![
        algorithm.clone().prop_map(Step::Adopt),
        algorithm.prop_map(Step::Import),
        (0_usize..12).prop_map(Step::Retire),
        Just(Step::Rotate),
        Just(Step::Tick),
    ]
}

proptest! {
    /// Whatever operators, configurations and clocks do: exactly one key signs at every moment, a standby key of
    /// its algorithm is published, what is retired never comes back, and what is stored can be read again.
    #[test]
    fn one_key_signs_and_one_stands_by_whatever_happens(
        steps in proptest::collection::vec((0..400 * DAY, step()), 0..24),
        looks in proptest::collection::vec(0..500 * DAY, 4),
    ) {
        let mut names = Names::default();
        let mut schedule = begun(&mut names);
        let mut retired: Vec<KeyId> = Vec::new();
        for (offset, step) in steps {
            let now = at(START + offset);
            let changed = match step {
                Step::Adopt(algorithm) => {
                    schedule.adopt(algorithm, now, &policy(), || names.make::<ChangeFault>()).unwrap()
                }
                Step::Import(algorithm) => {
                    let kid = names.make::<Infallible>().unwrap();
                    schedule.import(kid, algorithm, now, &policy()).ok()
                }
                Step::Retire(place) => {
                    let kid = schedule.keys()[place % schedule.keys().len()].kid.clone();
                    let changed = schedule.retire(&kid, now, &policy(), || names.make::<ChangeFault>()).ok();
                    if changed.is_some() { retired.push(kid); }
                    changed
                }
                Step::Rotate => schedule.rotate(now, &policy(), || names.make::<ChangeFault>()).ok(),
                Step::Tick => {
                    schedule.rotate_if_due(ROTATION, now, &policy(), || names.make::<ChangeFault>()).unwrap()
                }
            };
            if let Some(changed) = changed { schedule = changed; }
            let read = Schedule::new(schedule.keys().to_vec(), schedule.changed());
            prop_assert_eq!(read.as_ref(), Ok(&schedule));
            let algorithm = schedule.algorithm().unwrap();
            let standing_by = schedule.keys().iter()
                .filter(|key| key.algorithm == algorithm && key.times.signs_from.is_none()).count();
            prop_assert!(standing_by >= 1);
            for moment in looks.iter().map(|offset| at(START + offset)).chain([at(0), now]) {
                let signing: Vec<_> = schedule.keys().iter()
                    .filter(|key| phase(&key.times, moment, &policy()) == KeyPhase::Signing).collect();
                prop_assert_eq!(signing.len(), 1);
                for key in schedule.keys().iter().filter(|key| retired.contains(&key.kid)) {
                    prop_assert_eq!(phase(&key.times, moment, &policy()), KeyPhase::Gone);
                }
            }
        }
    }
}
