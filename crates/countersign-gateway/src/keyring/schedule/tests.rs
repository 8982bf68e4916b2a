use std::{convert::Infallible, time::Duration};

use countersign::{KeyId, UnixTime};
use proptest::prelude::*;

use super::{KEY_LEAD, KeyTimes, LEAST_KEEP, Policy, ROTATION, Schedule, ScheduleFault, ScheduledKey, phase};
use crate::{config::resolved::RingAlgorithm, observe::KeyPhase};

const START: u64 = 1_800_000_000;
const DAY: u64 = 24 * 60 * 60;

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

fn policy() -> Policy {
    Policy::new(KEY_LEAD, Duration::from_secs(300), ROTATION)
}

/// A ring begun at `START`, then given `algorithms` at `moments`.
fn planned(steps: &[(u64, RingAlgorithm)]) -> Vec<Schedule> {
    let mut made = 0;
    let mut make = || {
        made += 1;
        Ok::<_, Infallible>(KeyId::from(format!("k{made}")))
    };
    let (first, standby) = (make().unwrap(), make().unwrap());
    let mut all = vec![Schedule::begin(first, standby, RingAlgorithm::Es256, at(START))];
    for (moment, algorithm) in steps {
        let last = all.last().unwrap();
        let next = last.adopt(*algorithm, at(*moment), &policy(), &mut make).unwrap();
        all.extend(next);
    }
    all
}

fn algorithms() -> impl Strategy<Value = RingAlgorithm> {
    prop_oneof![Just(RingAlgorithm::Ed25519), Just(RingAlgorithm::Es256), Just(RingAlgorithm::Rs256)]
}

fn steps() -> impl Strategy<Value = Vec<(u64, RingAlgorithm)>> {
    // Moments go back and forth: clocks do.
    proptest::collection::vec((START - 10 * DAY..START + 30 * DAY, algorithms()), 0..8)
}

proptest! {
    #[test]
    fn exactly_one_key_signs_at_every_moment(steps in steps(), now in prop_oneof![0..UnixTime::MAX.as_secs(), START - DAY..START + 40 * DAY]) {
        for schedule in planned(&steps) {
            let signing = schedule.keys().iter()
                .filter(|key| phase(&key.times, at(now), &policy()) == KeyPhase::Signing)
                .collect::<Vec<_>>();
            prop_assert_eq!(signing.len(), 1);
            prop_assert_eq!(schedule.signer(at(now)), Some(signing[0]));
        }
    }

    #[test]
    fn at_every_seam_one_key_takes_over_from_one(steps in steps()) {
        for schedule in planned(&steps) {
            let seams: Vec<_> = schedule.keys().iter().filter_map(|key| key.times.signs_from).collect();
            for seam in seams {
                for now in [seam.as_secs().saturating_sub(1), seam.as_secs(), seam.as_secs() + 1] {
                    let signing = schedule.keys().iter()
                        .filter(|key| phase(&key.times, at(now), &policy()) == KeyPhase::Signing).count();
                    prop_assert_eq!(signing, 1);
                }
            }
        }
    }

    #[test]
    fn a_key_signs_only_after_the_lead(steps in steps()) {
        for schedule in planned(&steps) {
            for key in schedule.keys().iter().skip(1).filter(|key| key.times.is_signer()) {
                let from = key.times.signs_from.unwrap();
                prop_assert!(from >= key.times.published.saturating_add(policy().lead));
            }
        }
    }

    #[test]
    fn what_signed_stays_published_for_as_long_as_a_token_may_live(steps in steps(), later in 0..2 * DAY) {
        let all = planned(&steps);
        // Whoever signs now is in the key set of every schedule that comes after, until its last token ended.
        let mut shown = START;
        for (place, schedule) in all.iter().enumerate() {
            shown = shown.max(schedule.changed().as_secs());
            let signer = schedule.signer(at(shown)).unwrap().kid.clone();
            for after in all.iter().skip(place).filter(|after| after.changed() <= at(shown + 300)) {
                let key = after.keys().iter().find(|key| key.kid == signer);
                prop_assert!(key.is_some(), "a key that signed was removed");
                let now = at(shown + later.min(policy().keep.as_secs() - 1));
                prop_assert_ne!(phase(&key.unwrap().times, now, &policy()), KeyPhase::Gone);
            }
        }
    }

    #[test]
    fn a_clock_that_jumps_destroys_no_key(steps in steps(), jump in 0..UnixTime::MAX.as_secs(), algorithm in algorithms()) {
        let all = planned(&steps);
        let before = all.last().unwrap();
        let now = before.changed();
        let phases = |schedule: &Schedule| schedule.keys().iter()
            .map(|key| (key.kid.clone(), phase(&key.times, now, &policy()))).collect::<Vec<_>>();
        let mut made = 100;
        let after = before.adopt(algorithm, at(jump), &policy(), || {
            made += 1;
            Ok::<_, Infallible>(KeyId::from(format!("k{made}")))
        }).unwrap();
        if at(jump) < now {
            prop_assert!(after.is_none());
        }
        let after = after.as_ref().unwrap_or(before);
        for (kid, was) in phases(before) {
            let is = phases(after).into_iter().find(|(other, _)| *other == kid).map(|(_, is)| is);
            // A plan can change; a key that verifiers may need cannot disappear, nor lose its turn.
            prop_assert!(is.is_some());
            if matches!(was, KeyPhase::Signing | KeyPhase::VerifyingOnly) {
                prop_assert_eq!(is, Some(was));
            }
        }
    }

    #[test]
    fn to_adopt_twice_is_to_adopt_once(steps in steps(), algorithm in algorithms(), moment in START..START + 30 * DAY) {
        let mut steps = steps;
        steps.push((moment, algorithm));
        let once = planned(&steps).last().unwrap().clone();
        steps.push((moment, algorithm));
        let twice = planned(&steps).last().unwrap().clone();
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn stored_moments_are_a_schedule_again(steps in steps()) {
        for schedule in planned(&steps) {
            let read = Schedule::new(schedule.keys().to_vec(), schedule.changed());
            prop_assert_eq!(read.as_ref(), Ok(&schedule));
        }
    }
}

#[test]
fn a_new_algorithm_signs_after_its_lead_and_the_old_keys_verify_on() {
    let all = planned(&[(START + DAY, RingAlgorithm::Rs256)]);
    let schedule = all.last().unwrap();
    let switch = START + 2 * DAY;
    let phases = |now: u64| {
        let phases = schedule.keys().iter().map(|key| phase(&key.times, at(now), &policy()).label());
        phases.collect::<Vec<_>>()
    };
    // the first signer, its standby, the new signer, the new standby
    assert_eq!(phases(switch - 1), ["signing", "published", "published", "published"]);
    assert_eq!(phases(switch), ["verifying_only", "verifying_only", "signing", "published"]);
    let gone = switch + LEAST_KEEP.as_secs();
    assert_eq!(phases(gone - 1), ["verifying_only", "verifying_only", "signing", "published"]);
    assert_eq!(phases(gone), ["gone", "gone", "signing", "published"]);
    assert_eq!(schedule.next_change(at(START), &policy()), Some(at(switch)));
    assert_eq!(schedule.next_change(at(switch), &policy()), Some(at(gone)));
    assert_eq!(schedule.next_change(at(gone), &policy()), None);
}

#[test]
fn a_plan_that_is_taken_back_never_signs() {
    let all = planned(&[(START + 10, RingAlgorithm::Rs256), (START + 20, RingAlgorithm::Es256)]);
    let schedule = all.last().unwrap();
    for day in 0..60 {
        assert_eq!(schedule.signer(at(START + day * DAY)).unwrap().algorithm, RingAlgorithm::Es256);
    }
    // No key was made for coming back: the old standby is the standby again.
    assert_eq!(schedule.keys().len(), 4);
    assert!(schedule.keys()[1].times.is_standby());
}

#[test]
fn the_lead_is_never_shorter_than_an_old_key_set() {
    assert_eq!(Policy::new(Duration::ZERO, Duration::ZERO, ROTATION).lead, Duration::from_secs(360));
    assert_eq!(Policy::new(KEY_LEAD, Duration::ZERO, ROTATION).lead, KEY_LEAD);
    let long = Duration::from_secs(100 * 3600);
    assert_eq!(Policy::new(KEY_LEAD, long, ROTATION).keep, long + Duration::from_secs(60));
}

#[test]
fn moments_that_leave_a_gap_or_overlap_are_refused() {
    let key = |name: &str, from: Option<u64>, until: Option<u64>| ScheduledKey {
        kid: name.into(),
        algorithm: RingAlgorithm::Es256,
        times: KeyTimes {
            published: at(START),
            signs_from: from.map(at),
            signs_until: until.map(at),
            retired: None,
        },
    };
    let new = |keys: &[ScheduledKey]| Schedule::new(keys.to_vec(), at(START)).map(|_| ());
    assert_eq!(new(&[key("a", Some(0), Some(9)), key("b", Some(9), None)]), Ok(()));
    for broken in [
        vec![],
        vec![key("a", None, None)],
        vec![key("a", Some(1), None)],
        vec![key("a", Some(0), Some(9))],
        vec![key("a", Some(0), Some(9)), key("b", Some(10), None)],
        vec![key("a", Some(0), Some(9)), key("b", Some(8), None)],
        vec![key("a", Some(0), None), key("b", Some(0), None)],
        vec![key("a", Some(0), None), key("b", Some(9), Some(8))],
        vec![key("a", Some(0), None), key("b", None, Some(8))],
        vec![key("a", Some(0), None), key("b", Some(9), None)],
    ] {
        assert_eq!(new(&broken), Err(ScheduleFault::Broken), "{broken:?}");
    }
    assert_eq!(new(&[key("a", Some(0), None), key("a", None, None)]), Err(ScheduleFault::Twice));
}
