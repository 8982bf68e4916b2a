//! One table, cut into shards that a writer replaces whole, behind a filter that knows most of what is not in it.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwapOption;

use super::filter::Filter;
use crate::UnixTime;

/// Until when, and from which second back, something is revoked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since {
    pub(super) at: UnixTime,
    pub(super) expires: UnixTime,
}

impl Since {
    pub(super) fn or_later(self, other: Option<Self>) -> Self {
        other.map_or(self, |other| self.merged(other))
    }
}

/// What is known of one name.
pub(super) trait Entry: Copy {
    fn expires(self) -> UnixTime;
    /// Both in one: the later of everything.
    fn merged(self, other: Self) -> Self;
}

impl Entry for UnixTime {
    fn expires(self) -> UnixTime {
        self
    }

    fn merged(self, other: Self) -> Self {
        self.max(other)
    }
}

impl Entry for Since {
    fn expires(self) -> UnixTime {
        self.expires
    }

    fn merged(self, other: Self) -> Self {
        Self { at: self.at.max(other.at), expires: self.expires.max(other.expires) }
    }
}

/// The keys under which names are hashed: another pair in every table.
#[derive(Default)]
pub(super) struct NameKeys(foldhash::quality::RandomState, foldhash::quality::RandomState);

impl NameKeys {
    pub(super) fn name(&self, name: &str) -> Name {
        self.name_at(self.place(name), name)
    }

    fn place(&self, name: &str) -> u64 {
        self.0.hash_one(name)
    }

    fn name_at(&self, place: u64, name: &str) -> Name {
        Name { place, check: self.1.hash_one(name) }
    }
}

/// A name, hashed twice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    place: u64,
    check: u64,
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.place);
    }
}

/// A [`Name`] is a hash already.
#[derive(Default, Clone, Copy)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Shard<E> = HashMap<Name, E, BuildHasherDefault<AsItIs>>;

/// How many pieces a table is cut into. A write copies one of them: a thousandth of a million entries.
const SHARDS: usize = 1024;

type Slot<E> = ArcSwapOption<Shard<E>>;

pub(super) struct Shards<E> {
    /// Made with the first entry: most tables of a service never have one.
    shards: OnceLock<Box<[Slot<E>]>>,
    filter: Filter,
    len: AtomicUsize,
    /// Nothing expires before that second; the end of time if there is nothing.
    soonest: AtomicU64,
}

/// The same, before it is published.
pub(super) struct Built<E>(Vec<Option<Shard<E>>>);

impl<E: Entry> Default for Built<E> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<E: Entry> Built<E> {
    pub(super) fn add(&mut self, name: Name, entry: E) {
        if self.0.is_empty() {
            self.0.resize_with(SHARDS, || None);
        }
        if let Some(shard) = self.0.get_mut(shard_of(name)) {
            add_to(shard.get_or_insert_default(), name, entry);
        }
    }
}

fn add_to<E: Entry>(shard: &mut Shard<E>, name: Name, entry: E) {
    shard.entry(name).and_modify(|known| *known = known.merged(entry)).or_insert(entry);
}

/// By bits that the table within the shard looks at last.
const fn shard_of(name: Name) -> usize {
    (name.check % SHARDS as u64) as usize
}

impl<E: Entry> Shards<E> {
    pub(super) fn new() -> Self {
        Self {
            shards: OnceLock::new(),
            filter: Filter::default(),
            len: AtomicUsize::new(0),
            soonest: AtomicU64::new(u64::MAX),
        }
    }

    fn slots(&self) -> &[Slot<E>] {
        self.shards.get_or_init(|| (0..SHARDS).map(|_| ArcSwapOption::const_empty()).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Acquire) == 0
    }

    /// What is known of that name.
    pub(super) fn find(&self, keys: &NameKeys, name: &str) -> Option<E> {
        if self.is_empty() {
            return None;
        }
        let place = keys.place(name);
        if !self.filter.may_have(place) {
            return None;
        }
        self.entry(keys.name_at(place, name))
    }

    fn entry(&self, name: Name) -> Option<E> {
        self.shards.get()?.get(shard_of(name))?.load().as_ref()?.get(&name).copied()
    }

    /// Replaces one shard by what `change` makes of it. Only for the one who holds the writer's lock.
    fn change<T>(&self, shard: usize, change: impl FnOnce(&mut Shard<E>) -> T) -> Option<T> {
        let slot = self.slots().get(shard)?;
        let old = slot.load_full();
        let mut new = old.as_deref().cloned().unwrap_or_default();
        let result = change(&mut new);
        let len = self.len() - old.map_or(0, |old| old.len()) + new.len();
        slot.store((!new.is_empty()).then(|| Arc::new(new)));
        // After the store: who finds the table not empty finds what is in it.
        self.len.store(len, Ordering::Release);
        Some(result)
    }

    pub(super) fn add(&self, name: Name, entry: E) {
        self.filter.add(name.place);
        // Where the name has a later end already, that is too soon, and costs a look at nothing.
        self.soonest.fetch_min(entry.expires().as_secs(), Ordering::Relaxed);
        self.change(shard_of(name), |shard| add_to(shard, name, entry));
    }

    pub(super) fn remove(&self, name: Name) -> bool {
        self.entry(name).is_some()
            && self.change(shard_of(name), |shard| shard.remove(&name).is_some()).unwrap_or(false)
    }

    pub(super) fn publish(&self, new: Built<E>) {
        if new.0.is_empty() && self.is_empty() {
            return;
        }
        // What is in the table both before and after is found all the time.
        let shards = new.0.iter().flatten();
        shards.flat_map(Shard::keys).for_each(|name| self.filter.add(name.place));
        let mut new = new.0.into_iter();
        let (mut len, mut soonest) = (0, u64::MAX);
        for slot in self.slots() {
            let shard = new.next().flatten().map(Arc::new);
            if let Some(shard) = &shard {
                len += shard.len();
                soonest = soonest.min(soonest_of(shard.values()));
            }
            // To put nothing in the place of nothing costs more than a look.
            if shard.is_some() || slot.load().is_some() {
                slot.store(shard);
            }
        }
        self.tidy_filter();
        self.soonest.store(soonest, Ordering::Relaxed);
        self.len.store(len, Ordering::Release);
    }

    /// Looks at every entry, but when nothing has expired.
    pub(super) fn forget_expired(&self, now: UnixTime) {
        if now.as_secs() < self.soonest.load(Ordering::Relaxed) {
            return;
        }
        let before = self.len();
        let is_old = |entry: &E| entry.expires() <= now;
        let mut soonest = u64::MAX;
        for (index, slot) in self.slots().iter().enumerate() {
            let shard = slot.load();
            let Some(shard) = shard.as_deref() else { continue };
            soonest = soonest.min(soonest_of(shard.values().filter(|entry| !is_old(entry))));
            if shard.values().any(is_old) {
                self.change(index, |shard| {
                    shard.retain(|_, entry| !is_old(entry));
                    shard.shrink_to_fit();
                });
            }
        }
        self.soonest.store(soonest, Ordering::Relaxed);
        if self.len() < before {
            self.tidy_filter();
        }
    }

    /// Takes out of the filter what is not in the table any more.
    fn tidy_filter(&self) {
        let shards = self.slots().iter().map(ArcSwapOption::load_full);
        let names = shards.flatten().map(|shard| shard.keys().map(|name| name.place).collect::<Vec<_>>());
        self.filter.replace(names.flatten());
    }
}

fn soonest_of<'a, E: Entry + 'a>(entries: impl Iterator<Item = &'a E>) -> u64 {
    entries.map(|entry| entry.expires().as_secs()).min().unwrap_or(u64::MAX)
}
