//! A store that several gateways share: it can be away, cut off from one of them, and go back to an earlier copy.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign::{
    UnixTime,
    revocation::{Cursor, Epoch, Target},
};
use tokio::time::{Instant, sleep};

use super::{mutation::Mutation, random::Random};
use crate::{
    session::shared::{Found, SharedCache, Unread},
    store::{
        Change, RingVersion, SealedRecord, SealedRing, Store, StoreError, StoredRevocations,
        memory::{self, MemoryStore},
    },
};

/// So long takes a look into the second-level cache at most.
pub(super) const LONGEST_FIND: Duration = Duration::from_millis(20);

/// Sealed answers by name, and until when they are kept.
type Answers = BTreeMap<String, (Vec<u8>, Instant)>;

#[derive(Debug, Default)]
pub(super) struct SharedStore {
    inner: MemoryStore,
    answers: Mutex<Answers>,
    pub(super) away: AtomicBool,
    in_force: Mutex<Targets>,
    mutation: Option<Mutation>,
}

/// What is revoked, and by which log.
#[derive(Debug, Default)]
struct Targets {
    log: Option<(Epoch, u64, usize)>,
    all: Arc<BTreeSet<Target>>,
}

/// What a store held at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Copy {
    inner: memory::Copy,
    answers: Answers,
}

impl SharedStore {
    pub(super) fn new(mutation: Option<Mutation>) -> Self {
        Self { mutation, ..Self::default() }
    }

    pub(super) fn copy(&self) -> Copy {
        Copy { inner: self.inner.copy(), answers: self.answers.lock().unwrap().clone() }
    }

    /// What is revoked by what it holds.
    pub(super) fn in_force(&self) -> Arc<BTreeSet<Target>> {
        let mut known = self.in_force.lock().unwrap();
        let log = self.inner.place_of_log();
        if known.log != log {
            *known = Targets { log, all: Arc::new(self.inner.in_force().into_keys().collect()) };
        }
        known.all.clone()
    }

    /// Another server takes over, with what was in a copy.
    pub(super) fn put_back(&self, copy: Copy) {
        *self.answers.lock().unwrap() = copy.answers;
        *self.in_force.lock().unwrap() = Targets::default();
        if self.mutation == Some(Mutation::UnnoticedFailOver) {
            self.inner.put_back_unnoticed(copy.inner);
        } else {
            self.inner.put_back(copy.inner);
        }
    }

    /// Somebody who writes the store gives the answers of two others each other's names; false if there are none.
    pub(super) fn mix_up_answers(&self, random: &Random) -> bool {
        let mut answers = self.answers.lock().unwrap();
        let names: Vec<String> = answers.keys().cloned().collect();
        if names.len() < 2 {
            return false;
        }
        let first = random.below(names.len());
        let second = (first + 1 + random.below(names.len() - 1)) % names.len();
        let taken = answers[&names[first]].clone();
        let other = answers.insert(names[second].clone(), taken).unwrap();
        answers.insert(names[first].clone(), other);
        true
    }
}

/// The way from one process of a gateway to the store.
#[derive(Debug)]
pub(super) struct StoreLink {
    store: Arc<SharedStore>,
    random: Arc<Random>,
    /// The process is no more, and nothing of it arrives.
    pub(super) dead: AtomicBool,
    pub(super) cut: Arc<AtomicBool>,
}

impl StoreLink {
    pub(super) fn new(store: &Arc<SharedStore>, random: &Arc<Random>, cut: &Arc<AtomicBool>) -> Arc<Self> {
        let (store, random, cut) = (store.clone(), random.clone(), cut.clone());
        Arc::new(Self { store, random, dead: AtomicBool::new(false), cut })
    }

    pub(super) fn is_up(&self) -> bool {
        [&self.store.away, &self.dead, &*self.cut].into_iter().all(|down| !down.load(Ordering::SeqCst))
    }

    fn reach(&self) -> Result<&MemoryStore, StoreError> {
        if self.is_up() { Ok(&self.store.inner) } else { Err(StoreError::Unavailable("refused".to_owned())) }
    }

    /// What was written is written, but its answer may get lost.
    fn answer<T>(&self, written: Result<T, StoreError>) -> Result<T, StoreError> {
        if written.is_ok() && self.random.once_in(60) {
            return Err(StoreError::Unavailable("the answer got lost".to_owned()));
        }
        written
    }

    /// The answers of others, if they can be reached, and none of this gets lost.
    fn answers(&self) -> Option<std::sync::MutexGuard<'_, Answers>> {
        (self.is_up() && !self.random.once_in(20)).then(|| self.store.answers.lock().unwrap())
    }
}

impl SharedCache for StoreLink {
    fn find<'a>(&'a self, name: &'a str) -> Found<'a> {
        Box::pin(async move {
            sleep(self.random.millis(0..20).min(LONGEST_FIND)).await;
            let now = Instant::now();
            let answers = self.answers().ok_or(Unread)?;
            Ok(answers.get(name).filter(|(_, until)| *until > now).map(|(value, _)| value.clone()))
        })
    }

    fn keep(&self, name: String, value: Vec<u8>, life: Duration) {
        if let Some(mut answers) = self.answers() {
            answers.insert(name, (value, Instant::now() + life));
        }
    }

    fn forget(&self, name: String) {
        if let Some(mut answers) = self.answers() {
            answers.remove(&name);
        }
    }
}

impl Store for StoreLink {
    fn ring(&self) -> Result<Option<SealedRing>, StoreError> {
        self.reach()?.ring()
    }

    fn create_ring(&self, records: &[SealedRecord]) -> Result<RingVersion, StoreError> {
        self.reach()?.create_ring(records)
    }

    fn replace_ring(
        &self,
        expected: RingVersion,
        records: &[SealedRecord],
    ) -> Result<RingVersion, StoreError> {
        self.answer(self.reach()?.replace_ring(expected, records))
    }

    fn begin_epoch(&self, fresh: &Epoch) -> Result<Epoch, StoreError> {
        self.reach()?.begin_epoch(fresh)
    }

    fn revocations(&self, after: u64) -> Result<StoredRevocations, StoreError> {
        self.reach()?.revocations(after)
    }

    fn append(&self, changes: &[Change]) -> Result<u64, StoreError> {
        self.answer(self.reach()?.append(changes))
    }

    fn forget_expired(&self, now: UnixTime) -> Result<usize, StoreError> {
        self.reach()?.forget_expired(now)
    }

    fn is_shared(&self) -> bool {
        self.store.mutation != Some(Mutation::Deaf)
    }

    fn restore_ring(&self, expected: Option<RingVersion>, ring: &SealedRing) -> Result<(), StoreError> {
        self.reach()?.restore_ring(expected, ring)
    }

    fn renumber(&self, seen: &Cursor, fresh: &Epoch) -> Result<Epoch, StoreError> {
        self.reach()?.renumber(seen, fresh)
    }
}
