//! Every order of events in the life of keys: two gateways that read one ring, one of them with a clock that is ahead,
//! and a service that keeps the key set as long as it may.
//!
//! Schedule, phases and signer are those of the product; a second stands for a minute. What must hold at every moment:
//! 1. One key signs at each gateway.
//! 2. As long as keys only rotate, the service has the key of every token that lives, without having to ask for one.
//! 3. A service that read the key set after a retirement takes no token of the retired key, and has the key that signs.
//! 4. Also if the store fails over and has lost the newest change, whatever was changed first then: the gateway that
//!    acknowledged a retirement never signs with that key again, and the other one not after both have read the ring.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use countersign::{KeyId, UnixTime};

use super::{ChangeFault, Policy, Schedule, phase};
use crate::{
    config::resolved::RingAlgorithm,
    exhaustive::{Machine, Seen, Violation, explore},
    keyring::lineage::{ChangeId, Lineage},
    observe::KeyPhase,
};

const BEGIN: u64 = 1_000;
const HORIZON: u64 = 12;
/// A fail-over makes many more states: they are seen for so long.
const HORIZON_WITH_A_FAIL_OVER: u64 = 5;
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
    /// Of two rings the one with the higher number is believed.
    HighestNumberWins,
}

/// The fault, and how often the store fails over.
struct Cluster(Fault, u8);

#[derive(Debug, Clone)]
struct Ring {
    version: u32,
    lineage: Lineage,
    schedule: Schedule,
}

#[derive(Debug, Clone)]
struct State {
    second: u64,
    stored: Ring,
    /// What a server holds that lags one change behind.
    lagging: Option<Ring>,
    fail_overs_left: u8,
    gateways: [(Ring, u64); 2],
    keys: BTreeSet<KeyId>,
    asked_at: u64,
    /// The ring that the service's keys are of.
    asked_of: Lineage,
    /// The end of the last token of each key.
    tokens: BTreeMap<KeyId, u64>,
    /// The key, who acknowledged it, and the change that did it.
    retired: Option<(KeyId, usize, ChangeId)>,
    /// By then everybody knows of the retirement.
    told_by: u64,
    made: u32,
    changes: u32,
    rotations_left: u8,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Tick,
    Read(usize),
    Rotate(usize),
    Retire(usize),
    AskForKeys(usize),
    FailOver,
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
        &self,
        state: &mut State,
        gateway: usize,
        change: impl FnOnce(&Schedule, UnixTime, &mut u32) -> Option<Schedule>,
    ) {
        let now = state.clock(gateway);
        let found = self.put_right(state, gateway);
        if let Some(schedule) = change(&found.schedule, now, &mut state.made) {
            let lineage = found.lineage.next(state.name());
            state.stored = Ring { version: found.version + 1, lineage, schedule };
            state.lagging = Some(found);
        }
        state.gateways[gateway] = (state.stored.clone(), state.second);
    }
}

impl Cluster {
    /// The ring as it is in the store, with what this gateway knows in it.
    fn put_right(&self, state: &mut State, gateway: usize) -> Ring {
        let (known, found) = (state.gateways[gateway].0.clone(), state.stored.clone());
        let is_later = match self.0 {
            Fault::HighestNumberWins => found.version >= known.version,
            _ => found.lineage.has(known.lineage.change()),
        };
        let is_earlier = self.0 == Fault::HighestNumberWins || known.lineage.has(found.lineage.change());
        if is_later {
            return found;
        }
        state.stored = if is_earlier {
            known
        } else {
            let (now, policy) = (state.clock(gateway), self.policy());
            let make = || Ok::<_, ChangeFault>(made(&mut state.made));
            let schedule = found.schedule.merge(&known.schedule, now, &policy, make).unwrap();
            let lineage = found.lineage.joined(&known.lineage, state.name());
            Ring { version: found.version.max(known.version) + 1, lineage, schedule }
        };
        state.stored.clone()
    }
}

impl State {
    fn name(&mut self) -> ChangeId {
        self.changes += 1;
        ChangeId::named(&self.changes.to_string())
    }

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
        let ring = Ring { version: 1, lineage: Lineage::begin(ChangeId::named("0")), schedule };
        let mut state = State {
            second: 0,
            keys: self.published(&ring.schedule, UnixTime::from_secs(BEGIN)),
            gateways: [(ring.clone(), 0), (ring.clone(), 0)],
            asked_of: ring.lineage.clone(),
            stored: ring,
            lagging: None,
            fail_overs_left: self.1,
            asked_at: 0,
            tokens: BTreeMap::new(),
            retired: None,
            told_by: 0,
            made: 2,
            changes: 0,
            rotations_left: 1,
        };
        state.sign();
        vec![state]
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let mut actions = Vec::new();
        for (number, (ring, read_at)) in state.gateways.iter().enumerate() {
            if *read_at < state.second || ring.lineage != state.stored.lineage {
                actions.push(Action::Read(number));
            }
            if state.asked_at < state.second || state.asked_of != ring.lineage {
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
        if state.fail_overs_left > 0 && state.lagging.is_some() {
            actions.push(Action::FailOver);
        }
        let horizon = if self.1 == 0 { HORIZON } else { HORIZON_WITH_A_FAIL_OVER };
        if state.second < horizon && has_read && has_asked {
            actions.push(Action::Tick);
        }
        actions
    }

    fn next(&self, state: &State, action: &Action) -> State {
        let (mut next, policy) = (state.clone(), self.policy());
        match *action {
            Action::Tick => next.second += 1,
            Action::Read(gateway) => self.change(&mut next, gateway, |schedule, now, count| {
                let rotated = schedule
                    .rotate_if_due(policy.rotation, now, &policy, || Ok::<_, ChangeFault>(made(count)));
                rotated.unwrap()
            }),
            Action::Rotate(gateway) => {
                next.rotations_left -= 1;
                self.change(&mut next, gateway, |schedule, now, count| {
                    schedule.rotate(now, &policy, || Ok::<_, ChangeFault>(made(count))).ok()
                });
            }
            Action::Retire(gateway) => {
                let now = next.clock(gateway);
                let kid = next.gateways[gateway].0.schedule.signer(now).unwrap().kid.clone();
                self.change(&mut next, gateway, |schedule, now, count| {
                    Some(schedule.retire(&kid, now, &policy, || Ok::<_, ChangeFault>(made(count))).unwrap())
                });
                next.retired = Some((kid, gateway, next.stored.lineage.change().clone()));
                next.told_by = next.second + 2 * READ_EVERY;
            }
            Action::AskForKeys(gateway) => {
                let (ring, _) = &next.gateways[gateway];
                (next.keys, next.asked_of) =
                    (self.published(&ring.schedule, next.clock(gateway)), ring.lineage.clone());
                next.asked_at = next.second;
            }
            Action::FailOver => {
                next.stored = next.lagging.take().unwrap();
                next.fail_overs_left -= 1;
                next.told_by = next.second + 2 * READ_EVERY;
            }
        }
        next.sign();
        next
    }

    fn identity(&self, state: &State) -> String {
        format!("{state:?}")
    }

    fn broken(&self, state: &State) -> Option<String> {
        let mut signers = Vec::new();
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
            if let Some((kid, by, _)) = &state.retired
                && signer.kid == *kid
                && (number == *by || state.second > state.told_by)
            {
                return Some(format!("gateway {number} signs with the retired key"));
            }
            signers.push((signer.kid.clone(), ring.lineage.clone()));
        }
        match &state.retired {
            None => {
                let unknown = state.tokens.keys().find(|kid| !state.keys.contains(*kid));
                unknown.map(|kid| format!("the service has to ask for {}", kid.as_str()))
            }
            Some((kid, _, change)) if state.asked_of.has(change) => {
                if state.keys.contains(kid) {
                    return Some("the service takes tokens of the retired key".to_owned());
                }
                let known = |(_, of): &&(KeyId, Lineage)| of.has(change) && state.asked_of.has(of.change());
                let unknown = signers.iter().filter(known).find(|(signer, _)| !state.keys.contains(signer));
                unknown.map(|(signer, _)| format!("after asking the service lacks {}", signer.as_str()))
            }
            Some(_) => None,
        }
    }
}

fn check(fault: Fault, fail_overs: u8) -> Result<Seen, Violation> {
    let seen = explore(&Cluster(fault, fail_overs));
    println!("{fault:?}, {fail_overs} fail-overs: {seen:?}");
    seen
}

#[test]
fn no_token_is_refused_for_its_key_in_any_order_of_rotation_and_retirement() {
    let seen = check(Fault::None, 0).unwrap();
    assert!(seen.states > 1_000, "{seen:?}");
}

#[test]
fn no_retirement_is_undone_by_a_fail_over_in_any_order() {
    let seen = check(Fault::None, 1).unwrap();
    assert!(seen.states > 1_000, "{seen:?}");
}

#[test]
fn what_is_broken_on_purpose_is_found() {
    for fault in
        [Fault::SignsWithoutLead, Fault::KeepsNoKey, Fault::NeverAsksAgain, Fault::PublishesTheRetired]
    {
        let violation = check(fault, 0).expect_err("it is broken");
        assert!(violation.way.len() > 1, "{violation:?}");
    }
    let violation = check(Fault::HighestNumberWins, 1).expect_err("it is broken");
    assert!(violation.way.iter().any(|action| action.contains("FailOver")), "{violation:?}");
}
