use std::{collections::BTreeSet, time::Duration};

use countersign::{KeyId, UnixTime};
use proptest::prelude::*;

use super::super::{ChangeFault, KEY_LEAD, Policy, ROTATION, Schedule, phase};
use crate::{config::resolved::RingAlgorithm, observe::KeyPhase};

const START: u64 = 1_800_000_000;
const DAY: u64 = 24 * 60 * 60;

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

fn policy() -> Policy {
    Policy::new(KEY_LEAD, Duration::from_secs(300), ROTATION)
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Adopt(RingAlgorithm),
    Import,
    Retire(usize),
    RetireSigner,
    Rotate,
    RotateIfDue,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        prop_oneof![Just(RingAlgorithm::Ed25519), Just(RingAlgorithm::Es256)].prop_map(Step::Adopt),
        Just(Step::Import),
        (0..6_usize).prop_map(Step::Retire),
        Just(Step::RetireSigner),
        Just(Step::Rotate),
        Just(Step::RotateIfDue),
    ]
}

/// Steps, and the seconds from the one before.
fn steps(most: usize, apart: u64) -> impl Strategy<Value = Vec<(u64, Step)>> {
    proptest::collection::vec((0..apart, step()), 0..most)
}

/// What comes of a schedule, and when the last step was. New keys have names that begin with `mark`.
fn played(begin: &Schedule, from: u64, mark: &str, steps: &[(u64, Step)]) -> (Schedule, u64) {
    let (mut schedule, mut now, mut made) = (begin.clone(), from, 0);
    for (wait, step) in steps {
        now += wait;
        let mut make = || {
            made += 1;
            Ok::<_, ChangeFault>(KeyId::from(format!("{mark}{made}")))
        };
        let moment = at(now);
        let next = match step {
            Step::Adopt(algorithm) => schedule.adopt(*algorithm, moment, &policy(), make),
            Step::Import => {
                let kid = make().unwrap();
                Ok(schedule.import(kid, schedule.algorithm().unwrap(), moment, &policy()).ok())
            }
            Step::Retire(place) => {
                let kid = schedule.keys()[place % schedule.keys().len()].kid.clone();
                Ok(schedule.retire(&kid, moment, &policy(), make).ok())
            }
            Step::RetireSigner => {
                let kid = schedule.signer(moment).unwrap().kid.clone();
                Ok(schedule.retire(&kid, moment, &policy(), make).ok())
            }
            Step::Rotate => Ok(schedule.rotate(moment, &policy(), make).ok()),
            Step::RotateIfDue => schedule.rotate_if_due(ROTATION, moment, &policy(), make),
        };
        schedule = next.unwrap().unwrap_or(schedule);
    }
    (schedule, now)
}

fn retired(schedule: &Schedule) -> BTreeSet<&KeyId> {
    schedule.keys().iter().filter(|key| key.times.retired.is_some()).map(|key| &key.kid).collect()
}

fn published(schedule: &Schedule, now: u64) -> BTreeSet<&KeyId> {
    let is_there = |key: &&super::ScheduledKey| phase(&key.times, at(now), &policy()) != KeyPhase::Gone;
    schedule.keys().iter().filter(is_there).map(|key| &key.kid).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn two_that_came_of_one_are_merged_and_nothing_that_was_said_is_taken_back(
        before in steps(6, 3 * DAY), one in steps(4, 3_600), other in steps(4, 3_600),
    ) {
        let begin = Schedule::begin("a".into(), "b".into(), RingAlgorithm::Es256, at(START));
        let (common, forked) = played(&begin, START, "common", &before);
        let (one, one_ends) = played(&common, forked, "one", &one);
        let (other, other_ends) = played(&common, forked, "other", &other);
        let now = one_ends.max(other_ends) + 5;
        let mut made = 0;
        let merged = one.merge(&other, at(now), &policy(), || {
            made += 1;
            Ok::<_, ChangeFault>(KeyId::from(format!("merged{made}")))
        }).unwrap();

        let read = Schedule::new(merged.keys().to_vec(), merged.changed());
        prop_assert_eq!(read.as_ref(), Ok(&merged), "one key signs at every moment");
        let all_retired: BTreeSet<_> = retired(&one).union(&retired(&other)).copied().collect();
        prop_assert!(retired(&merged).is_superset(&all_retired), "what is retired stays retired");
        for schedule in [&one, &other] {
            for key in schedule.keys().iter().filter(|key| key.times.is_signer() && key.times.signs_from <= Some(at(now))) {
                let is_needed = published(schedule, now).contains(&key.kid) && !all_retired.contains(&key.kid);
                prop_assert!(
                    published(&merged, now).contains(&key.kid) || !is_needed,
                    "{:?} has signed and is no longer published", key.kid
                );
            }
            let signer = &schedule.signer(at(now)).unwrap().kid;
            let last_token_ends = now + 300 + 60;
            prop_assert!(
                published(&merged, last_token_ends).contains(signer) || all_retired.contains(signer),
                "a token of {:?} that was signed just now does not verify", signer
            );
        }
        let signer = merged.signer(at(now)).unwrap();
        prop_assert!(!all_retired.contains(&signer.kid));
        prop_assert!(merged.keys().iter().any(|key| key.times.is_standby()));
        for key in merged.keys().iter().filter(|key| key.times.signs_from > Some(at(now)) && key.times.is_signer()) {
            // Who takes the place of a retired key does not wait.
            let known = |schedule: &Schedule| schedule.keys().iter().any(|known| known.kid == key.kid);
            let leads = key.times.signs_from >= Some(at(now + policy().lead.as_secs()));
            prop_assert!(known(&one) && known(&other) || leads || !all_retired.is_empty(), "{:?} signs before all had it for the lead", key);
        }
    }
}

#[test]
fn a_retirement_and_a_rotation_at_once_are_both_kept() {
    let begin = Schedule::begin("a".into(), "b".into(), RingAlgorithm::Es256, at(START));
    let (retiring, rotating) = (Step::Retire(0), Step::Rotate);
    let (one, _) = played(&begin, START, "one", &[(100, retiring)]);
    let (other, _) = played(&begin, START, "other", &[(100, rotating)]);
    for (theirs, ours) in [(&one, &other), (&other, &one)] {
        let merged = theirs.merge(ours, at(START + 105), &policy(), || Err(ChangeFault::Unknown("x".into())));
        let merged = merged.unwrap();
        assert_eq!(merged.signer(at(START + 105)).unwrap().kid, "b");
        assert!(!published(&merged, START + 105).contains(&KeyId::from("a")));
    }
}
