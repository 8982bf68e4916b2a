//! Sessions that are known, and credentials that are known to be none.
//!
//! Entries are immutable and replaced whole. Reading takes no exclusive lock. Writers of one session take turns, so
//! that at most one token is signed for a session, audience and second.

mod entry;
mod names;

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign::SessionId;
use quick_cache::{
    Lifecycle, UnitWeighter,
    sync::{Cache, DefaultLifecycle},
};

pub use self::entry::{Entry, Freshness, KeptToken};
pub(crate) use self::names::Place;
use self::names::{Known, Names, Putting, TakesNames};
use super::key::{SessionKey, SessionKeyHasher};
use crate::{clock::Moment, error::Refusal};

/// How long "not a session" is remembered.
pub const NEGATIVE_MEMORY: Duration = Duration::from_secs(2);

/// Writers take turns by shard of the key.
const WRITER_SHARDS: usize = 64;

/// A credential that is known to be no session.
#[derive(Debug, Clone, Copy)]
struct No {
    refusal: Refusal,
    until: Moment,
}

/// All sessions of the process.
pub struct SessionCache {
    live: Cache<SessionKey, Arc<Entry>, UnitWeighter, SessionKeyHasher, TakesNames>,
    names: Arc<Names>,
    /// Apart, so that a flood of unknown credentials cannot push out a live session.
    negative: Cache<SessionKey, No, UnitWeighter, SessionKeyHasher>,
    /// How long "not a session" is remembered.
    remembered: Duration,
    writers: Box<[Mutex<()>]>,
}

impl fmt::Debug for SessionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCache").field("live", &self.live.len()).finish_non_exhaustive()
    }
}

/// The right to write one session.
#[derive(Debug)]
pub struct Writer<'a> {
    cache: &'a SessionCache,
    key: SessionKey,
    _turn: MutexGuard<'a, ()>,
}

impl SessionCache {
    /// At most `entries` live sessions, and a tenth as many known refusals.
    #[must_use]
    pub fn new(entries: NonZeroUsize) -> Self {
        let refusals = (entries.get() / 10).max(1);
        let names = Arc::new(Names::new());
        Self {
            live: cache(entries.get(), TakesNames(Arc::clone(&names))),
            names,
            negative: cache(refusals, DefaultLifecycle::default()),
            remembered: NEGATIVE_MEMORY,
            writers: (0..WRITER_SHARDS).map(|_| Mutex::new(())).collect(),
        }
    }

    /// One that remembers refusals for another time than is right.
    #[cfg(test)]
    pub(crate) fn remembering(self, refusals: Duration) -> Self {
        Self { remembered: refusals, ..self }
    }

    /// The session of a key, however old.
    #[must_use]
    pub fn find(&self, key: &SessionKey) -> Option<Arc<Entry>> {
        self.live.get(key)
    }

    /// Why a key is known to be no session, if that is not too long ago.
    #[must_use]
    pub fn refusal(&self, key: &SessionKey, now: Moment) -> Option<Refusal> {
        let no = self.negative.get(key)?;
        (now < no.until).then_some(no.refusal)
    }

    /// The sessions that `wanted` picks, in no order. Looks at every one: for rare events, beside requests.
    #[must_use]
    pub fn select(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        self.live.iter().map(|(_, entry)| entry).filter(|entry| wanted(entry)).collect()
    }

    /// The sessions that have that name among theirs, in no order.
    #[must_use]
    pub fn find_named(&self, name: &SessionId) -> Vec<(SessionKey, Arc<Entry>)> {
        let kept = self.names.keys(name).into_iter().filter_map(|key| Some((key, self.live.get(&key)?)));
        kept.filter(|(_, entry)| entry.names().any(|other| other == name)).collect()
    }

    /// Some of the sessions behind a place, and where to go on, if there are more. From the first place to the last, every
    /// session comes once that is kept all the while. None is kept any longer because it is looked at.
    #[must_use]
    pub(crate) fn some_behind(&self, place: Place, most: usize) -> (Vec<Arc<Entry>>, Option<Place>) {
        let (known, next) = self.names.some_behind(place, most);
        // Each under the name that is its own.
        let find = |known: Known| self.live.peek(&known.key).filter(|entry| entry.sid == known.name);
        (known.into_iter().filter_map(find).collect(), next)
    }

    /// Sessions kept at present.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether no session is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Takes the turn to write a session. Short: nothing is awaited while it is held.
    #[must_use]
    pub fn writer(&self, key: &SessionKey) -> Writer<'_> {
        // INVARIANT: `shard` is below `WRITER_SHARDS`, the length of `writers`.
        #[expect(clippy::indexing_slicing, reason = "the index is taken modulo the length")]
        let lock = &self.writers[key.shard(WRITER_SHARDS)];
        // A panic of another writer leaves nothing half-written: entries are replaced whole.
        let turn = lock.lock().unwrap_or_else(PoisonError::into_inner);
        Writer { cache: self, key: *key, _turn: turn }
    }
}

impl Writer<'_> {
    /// The session as it is now.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Entry>> {
        self.cache.live.get(&self.key)
    }

    /// Replaces the session.
    pub fn put(&self, entry: Arc<Entry>) {
        self.cache.negative.remove(&self.key);
        let mut putting = Putting { key: Some(self.key), replaced: None };
        let heir = Arc::clone(&entry);
        self.cache.live.insert_with_lifecycle(self.key, entry, &mut putting);
        self.cache.names.add(&self.key, &heir);
        if let Some(replaced) = putting.replaced {
            self.cache.names.remove(&self.key, &replaced, Some(&heir));
        }
    }

    /// Drops the session without a word about its credential: whoever sends it is asked about anew.
    pub fn forget(&self) {
        self.take();
    }

    /// Ends the session, and remembers why for [`NEGATIVE_MEMORY`]. Gives back what was alive.
    pub fn end(&self, refusal: Refusal, now: Moment) -> Option<Arc<Entry>> {
        let until = u64::try_from(self.cache.remembered.as_millis()).unwrap_or(u64::MAX);
        let until = Moment::from_millis(now.as_millis().saturating_add(until));
        self.cache.negative.insert(self.key, No { refusal, until });
        self.take()
    }

    fn take(&self) -> Option<Arc<Entry>> {
        let (_, entry) = self.cache.live.remove(&self.key)?;
        self.cache.names.remove(&self.key, &entry, None);
        Some(entry)
    }
}

fn cache<T: Clone, L>(items: usize, lifecycle: L) -> Cache<SessionKey, T, UnitWeighter, SessionKeyHasher, L>
where
    L: Lifecycle<SessionKey, T> + Clone,
{
    Cache::with(items, items as u64, UnitWeighter, SessionKeyHasher::default(), lifecycle)
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, sync::Arc, time::Duration};

    use countersign::{Secret, UnixTime};

    use super::{Entry, Freshness, Place, SessionCache};
    use crate::{
        clock::{Moment, Now},
        credential::CredentialRules,
        error::Refusal,
        issue,
        permit::permit,
        session::key::{SessionKey, SessionKeyer},
        store::RingVersion,
        testing,
    };

    fn now(seconds: u64) -> Now {
        Now { wall: UnixTime::from_secs(1000 + seconds), monotonic: Moment::from_millis(seconds * 1000) }
    }

    fn key(cookie: &str) -> SessionKey {
        let fields = testing::fields(&[("cookie", &format!("S={cookie}"))]);
        let rules = CredentialRules::new(Some("S"), false);
        let credential = rules.find(&fields).unwrap().unwrap();
        SessionKeyer::new(&Secret::new([1; 32]), b"").key(&credential)
    }

    fn entry(ends: u64) -> Entry {
        let identity = Arc::new(testing::identity("alice", &[]));
        Entry::new(identity, "sid".into(), now(0), UnixTime::from_secs(1000 + ends))
    }

    #[test]
    fn an_answer_ages_at_four_fifths_and_is_stale_at_the_whole() {
        let recheck = Duration::from_secs(30);
        for (age, expected) in
            [(0, Freshness::Fresh), (23, Freshness::Fresh), (24, Freshness::Aging), (30, Freshness::Stale)]
        {
            assert_eq!(entry(1000).freshness(recheck, now(age)), expected, "{age}");
        }
        assert_eq!(entry(10).freshness(recheck, now(10)), Freshness::Stale);
    }

    #[test]
    fn rechecks_are_spread_over_a_fifth_of_the_time() {
        let recheck = Duration::from_secs(30);
        let begins = |spread| {
            let mut entry = entry(1000);
            entry.spread = spread;
            (0..30).find(|age| entry.freshness(recheck, now(*age)) == Freshness::Aging)
        };
        assert_eq!([0, 128, 255].map(begins), [Some(24), Some(21), Some(19)]);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_answer_fresh() {
        let set_back = Now { wall: UnixTime::from_secs(0), monotonic: Moment::from_millis(30_000) };
        assert_eq!(entry(1000).freshness(Duration::from_secs(30), set_back), Freshness::Stale);
    }

    #[test]
    fn a_token_is_not_served_once_its_key_ring_changed() {
        let (policy, version) = (Arc::new(testing::token_policy("orders")), RingVersion::FIRST);
        let ring = testing::keyring(now(0).wall).load_full();
        let seen = entry(1000);
        let claims = issue::claims(
            &permit(&seen.identity, &testing::demands(&[])).unwrap(),
            &policy,
            &seen.sid,
            seen.ends,
            "jti".into(),
            now(0).wall,
        );
        let signed = Arc::new(ring.sign(&claims, now(0).wall).unwrap());
        let entry = seen.with_token(&policy, version, signed, now(0).wall);
        assert!(entry.token(&policy, version, now(1).wall).is_some());
        assert!(entry.token(&policy, version.next(), now(1).wall).is_none());
    }

    fn named(names: &[&str]) -> Arc<Entry> {
        let mut entry = entry(100);
        entry.sid = names[0].into();
        names.iter().for_each(|name| entry.also_named((*name).into()));
        Arc::new(entry)
    }

    #[test]
    fn a_session_is_found_by_each_of_its_names_as_long_as_it_is_kept_and_has_them() {
        let cache = SessionCache::new(NonZeroUsize::new(100).unwrap());
        let found =
            |name: &str| cache.find_named(&name.into()).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        let (one, two) = (key("one"), key("two"));
        cache.writer(&one).put(named(&["a", "b"]));
        cache.writer(&two).put(named(&["b", "c"]));
        assert_eq!((found("a"), found("c"), found("d")), (vec![one], vec![two], vec![]));
        assert_eq!(found("b").len(), 2);
        for _ in 0..2 {
            cache.writer(&one).put(named(&["d", "b"]));
            assert_eq!((found("a"), found("d"), found("b").len()), (vec![], vec![one], 2));
        }
        cache.writer(&two).end(Refusal::Revoked, now(0).monotonic);
        assert_eq!((found("b"), found("c")), (vec![one], vec![]));
        cache.writer(&one).forget();
        assert_eq!((found("b"), cache.names.len()), (vec![], 0));
    }

    #[test]
    fn the_names_of_sessions_that_are_pushed_out_go_with_them() {
        let cache = SessionCache::new(NonZeroUsize::new(100).unwrap());
        for n in 0..10_000 {
            let name = n.to_string();
            cache.writer(&key(&name)).put(named(&[&name, &format!("other-{name}")]));
            // One that is put again and again is not pushed out, and loses no name.
            cache.writer(&key("kept")).put(named(&["kept"]));
            assert_eq!(cache.find_named(&"kept".into()).len(), 1);
        }
        let kept: Vec<_> = (0..10_000).filter(|n| cache.find(&key(&n.to_string())).is_some()).collect();
        assert!(kept.len() > 50 && kept.len() < 100);
        assert_eq!(cache.names.len(), 2 * kept.len() + 1);
        assert!(kept.iter().all(|n| cache.find_named(&format!("other-{n}").into()).len() == 1));
    }

    #[test]
    fn a_look_in_pieces_comes_to_every_session_once() {
        let cache = SessionCache::new(NonZeroUsize::new(2_000).unwrap());
        let keyer = SessionKeyer::new(&Secret::new([1; 32]), b"");
        for n in 0..1_000 {
            let [own, other] = [n, n + 5_000].map(|n| keyer.named_session_id(&n.to_string()));
            cache.writer(&keyer.handle(&own)).put(named(&[own.as_str(), other.as_str()]));
        }
        for most in [1, 7, 100, 10_000] {
            let (mut names, mut place) = (Vec::new(), Some(Place::default()));
            while let Some(here) = place {
                let (some, next) = cache.some_behind(here, most);
                assert!(some.len() <= most);
                names.extend(some.iter().map(|entry| entry.sid.clone()));
                place = next;
            }
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!((names.len(), count), (1_000, 1_000), "{most} at once");
        }
    }

    #[test]
    fn refusals_never_push_out_a_session() {
        let cache = SessionCache::new(NonZeroUsize::new(100).unwrap());
        cache.writer(&key("live")).put(Arc::new(entry(100)));
        for n in 0..10_000 {
            cache.writer(&key(&format!("r{n}"))).end(Refusal::SessionEnded, now(0).monotonic);
        }
        assert!(cache.find(&key("live")).is_some());
    }

    #[test]
    fn a_session_is_no_longer_refused_and_a_refusal_is_no_longer_a_session() {
        let cache = SessionCache::new(NonZeroUsize::new(100).unwrap());
        let writer = cache.writer(&key("one"));
        assert!(writer.end(Refusal::SessionEnded, now(0).monotonic).is_none());
        assert_eq!(cache.refusal(&key("one"), now(1).monotonic), Some(Refusal::SessionEnded));
        assert_eq!(cache.refusal(&key("one"), now(2).monotonic), None);
        writer.put(Arc::new(entry(100)));
        assert_eq!(cache.refusal(&key("one"), now(1).monotonic), None);
        assert!(writer.end(Refusal::SessionEnded, now(0).monotonic).is_some());
        assert!(cache.find(&key("one")).is_none());
    }
}
