//! Every order of events in the life of keys: two gateways that read one ring, one of them with a clock that is ahead,
//! and a service that keeps the key set as long as it may.
//!
//! Schedule, phases and signer are those of the product; a second stands for a minute. What must hold at every moment:
//! 1. One key signs at each gateway.
//! 2. As long as keys only rotate, the service has the key of every token that lives, without having to ask for one.
//! 3. A service that read the key set after a retirement takes no token of the retired key, and has the key that signs.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use countersign::{KeyId, UnixTime};

use super::{ChangeFault, Policy, Schedule, phase};
use crate::{
    config::resolved::RingAlgorithm,
    exhaustive::{Machine, Seen, Violation, explore},
    observe::KeyPhase,
};

const BEGIN: u64 = 1_000;
const HORIZON: u64 = 12;
/// A key set may be so old.
const MAX_AGE: u64 = 2;
/// And a token.
const LIFE: u64 = 2;
/// A gateway reads the ring at least so often.
const READ_EVERY: u64 = 1;
/// How far ahead the clock of the second gateway is.
const SKEW: u64 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The standby key signs as soon as it is published.
    SignsWithoutLead,
    /// A key is gone as soon as it no longer signs.
    KeepsNoKey,
    /// The service keeps the key set it has.
    NeverAsksAgain,
    /// A retired key stays in the key set.
    PublishesTheRetired,
}

struct Cluster(Fault);

#[derive(Debug, Clone)]
struct Ring {
    version: u32,
    schedule: Schedule,
}

#[derive(Debug, Clone)]
struct State {
    second: u64,
    stored: Ring,
    gateways: [(Ring, u64); 2],
    keys: BTreeSet<KeyId>,
    asked_at: u64,
    /// The ring that the service's keys are of.
    asked_of: u32,
    /// The end of the last token of each key.
    tokens: BTreeMap<KeyId, u64>,
    retired: Option<(KeyId, u32)>,
    made: u32,
    rotations_left: u8,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Tick,
    Read(usize),
    Rotate(usize),
    Retire(usize),
    AskForKeys(usize),
}

fn key(number: u32) -> KeyId {
    format!("key{number:02}").as_str().into()
}

impl Cluster {
    fn policy(&self) -> Policy {
        let seconds = Duration::from_secs;
        let lead = if self.0 == Fault::SignsWithoutLead { 0 } else { MAX_AGE + READ_EVERY + SKEW };
        let keep = if self.0 == Fault::KeepsNoKey { 0 } else { LIFE + READ_EVERY + SKEW };
        Policy { lead: seconds(lead), keep: seconds(keep), rotation: seconds(6) }
    }

    fn published(&self, schedule: &Schedule, now: UnixTime) -> BTreeSet<KeyId> {
        let is_published = |key: &&super::ScheduledKey| {
            self.0 == Fault::PublishesTheRetired && key.times.retired.is_some()
                || phase(&key.times, now, &self.policy()) != KeyPhase::Gone
        };
        schedule.keys().iter().filter(is_published).map(|key| key.kid.clone()).collect()
    }

    /// Reads the ring, changes it, and writes it.
    fn change(
        state: &mut State,
        gateway: usize,
        change: impl FnOnce(&Schedule, UnixTime, &mut u32) -> Option<Schedule>,
    ) {
        let now = state.clock(gateway);
        if let Some(changed) = change(&state.stored.schedule, now, &mut state.made) {
            state.stored = Ring { version: state.stored.version + 1, schedule: changed };
        }
        state.gateways[gateway] = (state.stored.clone(), state.second);
    }
}

impl State {
    fn clock(&self, gateway: usize) -> UnixTime {
        UnixTime::from_secs(BEGIN + self.second + SKEW * gateway as u64)
    }

    /// Every gateway signs in every second.
    fn sign(&mut self) {
        for gateway in 0..self.gateways.len() {
            if let Some(signer) = self.gateways[gateway].0.schedule.signer(self.clock(gateway)) {
                self.tokens.insert(signer.kid.clone(), self.second + LIFE);
            }
        }
        let second = self.second;
        self.tokens.retain(|_, ends| *ends > second);
    }
}

fn made(count: &mut u32) -> KeyId {
    *count += 1;
    key(*count)
}

impl Machine for Cluster {
    type State = State;
    type Action = Action;

    fn begins(&self) -> Vec<State> {
        let schedule = Schedule::begin(key(1), key(2), RingAlgorithm::Ed25519, UnixTime::from_secs(BEGIN));
        let ring = Ring { version: 1, schedule };
        let mut state = State {
            second: 0,
            keys: self.published(&ring.schedule, UnixTime::from_secs(BEGIN)),
            gateways: [(ring.clone(), 0), (ring.clone(), 0)],
            stored: ring,
            asked_at: 0,
            asked_of: 1,
            tokens: BTreeMap::new(),
            retired: None,
            made: 2,
            rotations_left: 1,
        };
        state.sign();
        vec![state]
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let mut actions = Vec::new();
        for (number, (ring, read_at)) in state.gateways.iter().enumerate() {
            if *read_at < state.second || ring.version < state.stored.version {
                actions.push(Action::Read(number));
            }
            if state.asked_at < state.second || state.asked_of != ring.version {
                actions.push(Action::AskForKeys(number));
            }
            if state.rotations_left > 0 {
                actions.push(Action::Rotate(number));
            }
            if state.retired.is_none() {
                actions.push(Action::Retire(number));
            }
        }
        let has_read = state.gateways.iter().all(|(_, read_at)| state.second + 1 - read_at <= READ_EVERY);
        let has_asked = state.second + 1 - state.asked_at <= MAX_AGE || self.0 == Fault::NeverAsksAgain;
        if state.second < HORIZON && has_read && has_asked {
            actions.push(Action::Tick);
        }
        actions
    }

    fn next(&self, state: &State, action: &Action) -> State {
        let (mut next, policy) = (state.clone(), self.policy());
        match *action {
            Action::Tick => next.second += 1,
            Action::Read(gateway) => Self::change(&mut next, gateway, |schedule, now, count| {
                let rotated = schedule
                    .rotate_if_due(policy.rotation, now, &policy, || Ok::<_, ChangeFault>(made(count)));
                rotated.unwrap()
            }),
            Action::Rotate(gateway) => {
                next.rotations_left -= 1;
                Self::change(&mut next, gateway, |schedule, now, count| {
                    schedule.rotate(now, &policy, || Ok::<_, ChangeFault>(made(count))).ok()
                });
            }
            Action::Retire(gateway) => {
                let now = next.clock(gateway);
                let kid = next.gateways[gateway].0.schedule.signer(now).unwrap().kid.clone();
                Self::change(&mut next, gateway, |schedule, now, count| {
                    Some(schedule.retire(&kid, now, &policy, || Ok::<_, ChangeFault>(made(count))).unwrap())
                });
                next.retired = Some((kid, next.stored.version));
            }
            Action::AskForKeys(gateway) => {
                let (ring, _) = &next.gateways[gateway];
                (next.keys, next.asked_of) =
                    (self.published(&ring.schedule, next.clock(gateway)), ring.version);
                next.asked_at = next.second;
            }
        }
        next.sign();
        next
    }

    fn identity(&self, state: &State) -> String {
        format!("{state:?}")
    }

    fn broken(&self, state: &State) -> Option<String> {
        let mut signers = BTreeSet::new();
        for (number, (ring, _)) in state.gateways.iter().enumerate() {
            let now = state.clock(number);
            let signing = ring
                .schedule
                .keys()
                .iter()
                .filter(|key| phase(&key.times, now, &self.policy()) == KeyPhase::Signing);
            let signing: Vec<_> = signing.collect();
            let [signer] = signing.as_slice() else {
                return Some(format!("{} keys sign at gateway {number}", signing.len()));
            };
            signers.insert((signer.kid.clone(), ring.version));
        }
        match &state.retired {
            None => {
                let unknown = state.tokens.keys().find(|kid| !state.keys.contains(*kid));
                unknown.map(|kid| format!("the service has to ask for {}", kid.as_str()))
            }
            Some((kid, ring)) if state.asked_of >= *ring => {
                if state.keys.contains(kid) {
                    return Some("the service takes tokens of the retired key".to_owned());
                }
                let known = |(_, of): &&(KeyId, u32)| *of >= *ring && *of <= state.asked_of;
                let unknown = signers.iter().filter(known).find(|(signer, _)| !state.keys.contains(signer));
                unknown.map(|(signer, _)| format!("after asking the service lacks {}", signer.as_str()))
            }
            Some(_) => None,
        }
    }
}

fn check(fault: Fault) -> Result<Seen, Violation> {
    let seen = explore(&Cluster(fault));
    println!("{fault:?}: {seen:?}");
    seen
}

#[test]
fn no_token_is_refused_for_its_key_in_any_order_of_rotation_and_retirement() {
    let seen = check(Fault::None).unwrap();
    assert!(seen.states > 1_000, "{seen:?}");
}

#[test]
fn what_is_broken_on_purpose_is_found() {
    for fault in
        [Fault::SignsWithoutLead, Fault::KeepsNoKey, Fault::NeverAsksAgain, Fault::PublishesTheRetired]
    {
        let violation = check(fault).expect_err("it is broken");
        assert!(violation.way.len() > 1, "{violation:?}");
    }
}
