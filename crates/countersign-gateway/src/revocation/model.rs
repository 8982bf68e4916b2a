//! Every order of events of a small cluster: two gateways on a store that can go back to a copy, and a service that
//! follows one of them.
//!
//! The gateways' memory, the store, what goes on and what is missing are those of the product; the order of calls to the
//! store is that of the keeper, and other things happen between any two of them.
//!
//! What must hold in every state:
//! 1. A revocation that was acknowledged is known to the store or to a gateway, unless the store went back and every
//!    gateway that knew of it was started again.
//! 2. When everybody who has a connection has looked, every gateway refuses what was acknowledged, and so does the
//!    service: over crashes, fail-overs and another epoch.
//! 3. A service that hears a heartbeat and takes its feed for complete refuses everything that its gateway refuses.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use countersign::{
    UnixTime,
    revocation::{Cursor, Epoch, Target, What},
};

use super::{
    follow::{goes_on, missing},
    state::State as Memory,
};
use crate::{
    exhaustive::Machine,
    store::{
        Change, RevocationRecord, Store, StoreError, Terms, in_force,
        memory::{Copy, MemoryStore},
    },
};

const GATEWAYS: usize = 2;
const NOW: UnixTime = UnixTime::from_secs(1_000);

/// What is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// A server that takes over goes on with the numbering it finds.
    GoesOnWithAnyServer,
    /// A number is taken for a place whatever the epoch.
    IgnoresTheEpoch,
    /// What the store has lost is not put back.
    PutsNothingBack,
    /// A gap in the numbers of a stream is passed over.
    PassesOverGaps,
    /// What could not be written is acknowledged.
    AcknowledgesAnything,
}

struct Cluster(Fault, Budget);

/// How often what happens at most.
#[derive(Debug, Clone, Copy)]
struct Budget {
    revocations: u8,
    lifts: u8,
    crashes: u8,
    cuts: u8,
    copies: u8,
    fail_overs: u8,
    losses: u8,
    moves: u8,
    /// How often the service connects.
    connections: u8,
}

/// Everything once, and two revocations.
const ALL: Budget = Budget {
    revocations: 2,
    lifts: 1,
    crashes: 1,
    cuts: 1,
    copies: 1,
    fail_overs: 1,
    losses: 1,
    moves: 1,
    connections: 2,
};
/// A store that goes back, and gateways that crash.
const STORE: Budget = Budget { cuts: 0, losses: 0, moves: 0, connections: 0, lifts: 0, ..ALL };
/// Gateways that are cut off.
const CUT: Budget = Budget { cuts: 1, crashes: 0, ..STORE };
/// What happens on the way to a service, while the store goes back.
const FEED: Budget = Budget { crashes: 0, cuts: 0, copies: 0, revocations: 1, lifts: 0, ..ALL };
/// And while gateways crash and revocations are lifted.
const FEED_OF_THE_RESTARTED: Budget = Budget { fail_overs: 0, crashes: 1, lifts: 1, losses: 0, ..FEED };

struct State {
    store: MemoryStore,
    copy: Option<Copy>,
    gateways: [Option<Gateway>; GATEWAYS],
    service: Service,
    acknowledged: BTreeSet<Target>,
    /// Acknowledged when the store went back the last time: they may have been lost.
    endangered: BTreeSet<Target>,
    forgotten: Option<Target>,
    starts: u8,
    left: Budget,
}

#[derive(Clone)]
struct Gateway {
    memory: Memory,
    unwritten: Vec<Change>,
    uniting: Uniting,
    has_store: bool,
}

#[derive(Debug, Clone)]
enum Uniting {
    No,
    Numbered,
    PutBack,
}

#[derive(Clone)]
struct Service {
    gateway: usize,
    /// The place of the newest event that was handled.
    cursor: Option<Cursor>,
    /// The place that the connection has come to; none without one.
    sent: Option<Cursor>,
    refuses: BTreeSet<Target>,
    /// It takes its feed for complete.
    is_current: bool,
    /// It did so when it was not.
    is_mistaken: bool,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Revoke(usize, usize),
    Lift(usize, usize),
    Retry(usize),
    Follow(usize),
    Crash(usize),
    Start(usize),
    CutOrJoin(usize),
    CopyStore,
    FailOver,
    FailOverToNothing,
    Connect,
    Disconnect,
    Deliver,
    Lose,
    Heartbeat,
    Move,
}

fn target(number: usize) -> Target {
    Target::Session(format!("s{number}").as_str().into())
}

fn revoked(number: usize) -> Change {
    let until = UnixTime::from_secs(2_000);
    let terms = Terms { at: NOW, tokens_until: until, sessions_until: until };
    Change::Revoked { target: target(number), name_of: None, terms, reason: "logout".to_owned() }
}

impl Clone for State {
    fn clone(&self) -> Self {
        Self {
            store: self.store.duplicate(),
            copy: self.copy.clone(),
            gateways: self.gateways.clone(),
            service: self.service.clone(),
            acknowledged: self.acknowledged.clone(),
            endangered: self.endangered.clone(),
            forgotten: self.forgotten.clone(),
            starts: self.starts,
            left: self.left,
        }
    }
}

impl Gateway {
    fn start(store: &MemoryStore, fresh: &Epoch) -> Self {
        store.begin_epoch(fresh).unwrap();
        let memory = Memory::new(store.revocations(0).unwrap(), NOW, 8, Duration::ZERO);
        Self { memory, unwritten: Vec::new(), uniting: Uniting::No, has_store: true }
    }

    fn holds(&self, target: &Target) -> bool {
        let waits =
            |change: &Change| matches!(change, Change::Revoked { target: other, .. } if other == target);
        self.memory.held(target).is_some() || self.unwritten.iter().any(waits)
    }

    /// Appends; true if it is durable.
    fn append(&mut self, store: &MemoryStore, change: &Change) -> bool {
        if !self.has_store {
            return false;
        }
        match store.append(std::slice::from_ref(change)) {
            Ok(newest) => {
                let known = self.memory.newest;
                let is_same = newest.epoch == self.memory.epoch;
                let records = if is_same && newest.seq != known + 1 {
                    store.revocations(known).unwrap().records
                } else {
                    // In another numbering, which the next look finds.
                    vec![RevocationRecord { seq: known + 1, change: change.clone() }]
                };
                records.into_iter().for_each(|record| self.memory.add(record, false));
                true
            }
            Err(_) => false,
        }
    }

    /// One call to the store of those that the keeper makes.
    fn follow(&mut self, store: &MemoryStore, fault: Fault) {
        match self.uniting {
            Uniting::No => match store.revocations(self.memory.newest) {
                Ok(stored) if goes_on(&self.memory.cursor(), &stored) => {
                    stored.records.into_iter().for_each(|record| self.memory.add(record, false));
                }
                Ok(_) | Err(StoreError::Empty) => {
                    let seen = self.memory.cursor();
                    store.renumber(&seen, &another_epoch(&seen)).unwrap();
                    self.uniting = Uniting::Numbered;
                }
                Err(error) => panic!("{error}"),
            },
            Uniting::Numbered => {
                // The store may have gone back once more between the calls: begin again.
                let Ok(stored) = store.revocations(0) else { return self.uniting = Uniting::No };
                let lost = missing(&self.memory, &in_force(&stored.records), NOW);
                if fault != Fault::PutsNothingBack && !lost.is_empty() && store.append(&lost).is_err() {
                    return self.uniting = Uniting::No;
                }
                self.uniting = Uniting::PutBack;
            }
            Uniting::PutBack => {
                self.uniting = Uniting::No;
                if let Ok(stored) = store.revocations(0) {
                    let mut read = Memory::new(stored, NOW, 8, Duration::ZERO);
                    read.keep_what_is_held_by(&self.memory, NOW);
                    self.memory = read;
                }
            }
        }
    }
}

/// A name that is used once, because the store goes back once.
fn another_epoch(seen: &Cursor) -> Epoch {
    Epoch::new(&format!("{}-{}", seen.epoch.as_str(), seen.seq)).unwrap()
}

impl Service {
    fn disconnect(&mut self) {
        (self.sent, self.is_current) = (None, false);
    }

    /// What the library's follower does with an event: see `remote::feed::position`.
    fn handle(&mut self, at: &Cursor, what: &What, fault: Fault) {
        let Some(position) = &self.cursor else { return };
        let is_same = position.epoch == at.epoch || fault == Fault::IgnoresTheEpoch;
        let step = at.seq.checked_sub(position.seq).filter(|_| is_same);
        let passes = fault == Fault::PassesOverGaps;
        match (what, step) {
            (What::Heartbeat, Some(0)) => self.is_current = true,
            (What::Heartbeat, Some(_)) if passes => self.is_current = true,
            (What::Heartbeat, _) | (_, None) => {
                self.disconnect();
                self.cursor = None;
            }
            (_, Some(0)) => {}
            (what, Some(step)) if step == 1 || passes => {
                match what {
                    What::Revoked(revocation) => drop(self.refuses.insert(revocation.target.clone())),
                    What::Lifted(target) => drop(self.refuses.remove(target)),
                    What::Heartbeat | What::KeysChanged => {}
                }
                self.cursor = Some(at.clone());
            }
            _ => {
                self.disconnect();
                self.cursor = None;
            }
        }
    }

    /// Connects: from its place if the gateway can go on from there, else with a snapshot.
    fn connect(&mut self, memory: &Memory, fault: Fault) {
        let can_go_on = self.cursor.as_ref().filter(|cursor| {
            (cursor.epoch == memory.epoch || fault == Fault::IgnoresTheEpoch)
                && memory.after(cursor.seq, 8).is_some()
        });
        if can_go_on.is_none() {
            let (records, _) = memory.token_records(None, usize::MAX, NOW);
            self.refuses = records.into_iter().map(|revocation| revocation.target).collect();
            self.cursor = Some(memory.cursor());
        }
        self.sent = self.cursor.clone();
    }

    /// The next event of the connection. The gateway ends a connection that it cannot go on with.
    fn receive(&mut self, memory: &Memory, arrives: bool, fault: Fault) {
        let Some(sent) = self.sent.clone() else { return };
        let is_same = sent.epoch == memory.epoch || fault == Fault::IgnoresTheEpoch;
        let Some(events) = memory.after(sent.seq, 1).filter(|_| is_same) else {
            self.disconnect();
            return;
        };
        if let Some(published) = events.first() {
            self.sent = Some(published.event.cursor.clone());
            if arrives {
                self.handle(&published.event.cursor, &published.event.what, fault);
            }
        }
    }

    /// A heartbeat tells the place of the newest event, after all that came before it.
    fn hear(&mut self, memory: &Memory, fault: Fault) {
        let is_same = |sent: &Cursor| sent.epoch == memory.epoch || fault == Fault::IgnoresTheEpoch;
        match self.sent.clone() {
            Some(sent) if !is_same(&sent) || memory.after(sent.seq, 1).is_none() => self.disconnect(),
            Some(sent) if sent.seq == memory.newest => {
                self.is_current = false;
                self.handle(&memory.cursor(), &What::Heartbeat, fault);
                let knows = |(target, _)| self.refuses.contains(target);
                self.is_mistaken |= self.is_current && !memory.all().all(knows);
            }
            _ => {}
        }
    }
}

impl Machine for Cluster {
    type State = State;
    type Action = Action;

    fn begins(&self) -> Vec<State> {
        let store = MemoryStore::new();
        let first = Epoch::new("e").unwrap();
        let gateways = [(); GATEWAYS].map(|()| Some(Gateway::start(&store, &first)));
        let (gateway, refuses) = (0, BTreeSet::new());
        let service =
            Service { gateway, cursor: None, sent: None, refuses, is_current: false, is_mistaken: false };
        vec![State {
            store,
            copy: None,
            gateways,
            service,
            acknowledged: BTreeSet::new(),
            endangered: BTreeSet::new(),
            forgotten: None,
            starts: 0,
            left: self.1,
        }]
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let (left, service) = (&state.left, &state.service);
        let mut actions = Vec::new();
        for (number, gateway) in state.gateways.iter().enumerate() {
            let Some(gateway) = gateway else {
                actions.push(Action::Start(number));
                continue;
            };
            if left.revocations > 0 {
                // Which of the two sessions comes first makes no difference.
                actions.push(Action::Revoke(number, usize::from(2 - left.revocations)));
            }
            let lifted = state.acknowledged.first().filter(|_| left.lifts > 0 && gateway.has_store);
            if lifted.is_some_and(|target| gateway.memory.held(target).is_some()) {
                actions.push(Action::Lift(number, usize::from(lifted == Some(&target(1)))));
            }
            if gateway.has_store {
                actions.push(Action::Follow(number));
                if !gateway.unwritten.is_empty() {
                    actions.push(Action::Retry(number));
                }
            }
            if left.crashes > 0 {
                actions.push(Action::Crash(number));
            }
            if left.cuts > 0 || !gateway.has_store {
                actions.push(Action::CutOrJoin(number));
            }
        }
        if left.copies > 0 {
            actions.push(Action::CopyStore);
        }
        // Without anybody who knows there is nothing that could be put back.
        if left.fail_overs > 0 && state.gateways.iter().any(Option::is_some) {
            actions.push(Action::FailOverToNothing);
            actions.extend(state.copy.as_ref().map(|_| Action::FailOver));
        }
        if state.gateways[service.gateway].is_some() {
            match &service.sent {
                None if left.connections == 0 => {}
                None => actions.push(Action::Connect),
                Some(_) => actions.extend([Action::Deliver, Action::Heartbeat, Action::Disconnect]),
            }
            if service.sent.is_some() && left.losses > 0 {
                actions.push(Action::Lose);
            }
        }
        if left.moves > 0 {
            actions.push(Action::Move);
        }
        actions
    }

    fn next(&self, state: &State, action: &Action) -> State {
        let mut next = state.clone();
        next.act(*action, self.0);
        next.see_what_is_forgotten();
        next
    }

    fn identity(&self, state: &State) -> String {
        let mut text = String::new();
        let memory = |text: &mut String, memory: &Memory| {
            let held: Vec<_> = memory.all().map(|(target, _)| target).collect();
            let tail = memory.after(memory.newest, 8).is_some();
            let events: Vec<_> =
                (0..=memory.newest).find_map(|from| memory.after(from, 8)).unwrap_or_default();
            let events: Vec<_> = events.iter().map(|published| &published.event).collect();
            write!(text, "{:?}{held:?}{tail}{events:?};", memory.cursor()).unwrap();
        };
        let (store, is_put_back) = (&state.store.copy().log, state.store.revocations(0).is_err());
        write!(text, "{store:?}{is_put_back}{:?};", state.copy.as_ref().map(|copy| &copy.log)).unwrap();
        for gateway in &state.gateways {
            let Some(gateway) = gateway else {
                text.push('-');
                continue;
            };
            memory(&mut text, &gateway.memory);
            write!(text, "{:?}{:?}{}", gateway.unwritten, gateway.uniting, gateway.has_store).unwrap();
        }
        let Service { gateway, cursor, sent, refuses, is_current, is_mistaken } = &state.service;
        write!(text, "{gateway}{cursor:?}{sent:?}{refuses:?}{is_current}{is_mistaken}").unwrap();
        write!(text, "{:?}{:?}{:?}", state.acknowledged, state.endangered, state.forgotten).unwrap();
        write!(text, "{}{:?}", state.starts, state.left).unwrap();
        text
    }

    fn broken(&self, state: &State) -> Option<String> {
        if let Some(target) = &state.forgotten {
            return Some(format!("nobody knows of {target:?}"));
        }
        if state.service.is_mistaken {
            return Some("the service takes an incomplete feed for complete".to_owned());
        }
        let settled = state.settled(self.0);
        let told = state.can_be_told();
        let unknown = |gateway: &Option<Gateway>| {
            let gateway = gateway.as_ref().filter(|gateway| gateway.has_store)?;
            told.iter().find(|target| !gateway.holds(target))
        };
        if let Some(target) = settled.gateways.iter().find_map(unknown) {
            return Some(format!("a gateway that has looked does not refuse {target:?}"));
        }
        let is_up =
            settled.gateways[settled.service.gateway].as_ref().is_some_and(|gateway| gateway.has_store);
        let accepted = told.iter().find(|target| !settled.service.refuses.contains(*target));
        accepted.filter(|_| is_up).map(|target| format!("a service that has looked accepts {target:?}"))
    }
}

impl State {
    fn act(&mut self, action: Action, fault: Fault) {
        let service = &mut self.service;
        match action {
            Action::Revoke(number, session) => {
                self.left.revocations -= 1;
                let gateway = self.gateways[number].as_mut().unwrap();
                let is_durable = gateway.append(&self.store, &revoked(session));
                if is_durable || fault == Fault::AcknowledgesAnything {
                    self.acknowledged.insert(target(session));
                }
                if !is_durable {
                    gateway.unwritten.push(revoked(session));
                }
            }
            Action::Lift(number, session) => {
                self.left.lifts -= 1;
                let change = Change::Lifted { target: target(session), until: UnixTime::from_secs(90_000) };
                // Whether it succeeds or not: nobody counts on the revocation any more.
                self.gateways[number].as_mut().unwrap().append(&self.store, &change);
                self.acknowledged.remove(&target(session));
            }
            Action::Retry(number) => {
                let gateway = self.gateways[number].as_mut().unwrap();
                let waiting = std::mem::take(&mut gateway.unwritten);
                gateway.unwritten =
                    waiting.into_iter().filter(|change| !gateway.append(&self.store, change)).collect();
            }
            Action::Follow(number) => self.gateways[number].as_mut().unwrap().follow(&self.store, fault),
            Action::Crash(number) => {
                self.left.crashes -= 1;
                self.gateways[number] = None;
                if service.gateway == number {
                    service.disconnect();
                }
            }
            Action::Start(number) => {
                self.starts += 1;
                let fresh = Epoch::new(&format!("start{}", self.starts)).unwrap();
                self.gateways[number] = Some(Gateway::start(&self.store, &fresh));
            }
            Action::CutOrJoin(number) => {
                let gateway = self.gateways[number].as_mut().unwrap();
                self.left.cuts -= u8::from(gateway.has_store);
                gateway.has_store = !gateway.has_store;
            }
            Action::CopyStore => {
                self.left.copies -= 1;
                self.copy = Some(self.store.copy());
            }
            Action::FailOver | Action::FailOverToNothing => {
                self.left.fail_overs -= 1;
                let copy =
                    self.copy.clone().filter(|_| matches!(action, Action::FailOver)).unwrap_or_default();
                if fault == Fault::GoesOnWithAnyServer && copy.log.is_some() {
                    self.store.put_back_unnoticed(copy);
                } else {
                    self.store.put_back(copy);
                }
                self.endangered = self.acknowledged.clone();
            }
            Action::Connect => {
                self.left.connections -= 1;
                let gateway = self.gateways[service.gateway].as_ref().unwrap();
                service.connect(&gateway.memory, fault);
            }
            Action::Disconnect => service.disconnect(),
            Action::Deliver | Action::Lose => {
                let arrives = matches!(action, Action::Deliver);
                self.left.losses -= u8::from(!arrives);
                let gateway = self.gateways[service.gateway].as_ref().unwrap();
                service.receive(&gateway.memory, arrives, fault);
            }
            Action::Heartbeat => {
                let gateway = self.gateways[service.gateway].as_ref().unwrap();
                service.hear(&gateway.memory, fault);
            }
            Action::Move => {
                self.left.moves -= 1;
                service.disconnect();
                service.gateway = 1 - service.gateway;
            }
        }
    }

    /// What nobody knows any more. That is as it must be only if the store went back since.
    fn see_what_is_forgotten(&mut self) {
        let stored = self.store.copy().log.map(|log| in_force(&log.records)).unwrap_or_default();
        let held = |target: &Target| {
            stored.contains_key(target) || self.gateways.iter().flatten().any(|gateway| gateway.holds(target))
        };
        let gone: Vec<Target> = self.acknowledged.iter().filter(|target| !held(target)).cloned().collect();
        for target in gone {
            self.acknowledged.remove(&target);
            if !self.endangered.contains(&target) {
                self.forgotten = Some(target);
            }
        }
    }

    /// What was acknowledged and is known to the store, or to a gateway that reaches it.
    fn can_be_told(&self) -> BTreeSet<Target> {
        let stored = self.store.revocations(0).map(|stored| in_force(&stored.records)).unwrap_or_default();
        let told = |target: &&Target| {
            let mut connected = self.gateways.iter().flatten().filter(|gateway| gateway.has_store);
            stored.contains_key(*target) || connected.any(|gateway| gateway.memory.held(target).is_some())
        };
        self.acknowledged.iter().filter(told).cloned().collect()
    }

    /// The same when everybody who has a connection has looked, and looked again.
    fn settled(&self, fault: Fault) -> Self {
        let mut settled = self.clone();
        for number in (0..GATEWAYS).cycle().take(8 * GATEWAYS) {
            if let Some(gateway) = settled.gateways[number].as_mut().filter(|gateway| gateway.has_store) {
                gateway.follow(&settled.store, fault);
            }
        }
        let service = &mut settled.service;
        if let Some(gateway) = &settled.gateways[service.gateway] {
            for _ in 0..8 {
                match service.sent {
                    None => service.connect(&gateway.memory, fault),
                    Some(_) => service.receive(&gateway.memory, true, fault),
                }
                service.hear(&gateway.memory, fault);
            }
        }
        settled
    }
}

mod tests;
