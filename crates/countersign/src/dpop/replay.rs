//! Remembers which proofs have come, for as long as they could come again (RFC 9449 §11.1).
//!
//! 1. A proof is known by the SHA-256 of its key and its `jti`, cut to 128 bits: who can find two proofs that share it
//!    has only made one of his own useless. Where in a table it stands, a fast hash with a random seed decides.
//! 2. It is remembered until its window has ended, whatever comes after it: nothing is pushed out.
//! 3. When there is no room, a proof is refused. What has ended is cleared away first, at most once a second.
//! 4. One caller, whatever keys he has, takes an eighth of the room at most: who sends too many is refused alone. Callers
//!    are told apart by 1,024 numbers under a random seed, so that nobody can choose with whom he shares one.
//! 5. A clock that was set ahead and is set right again brings no proof back: what could have been forgotten meanwhile is
//!    refused. What such a clock let in from a time that has not come does not keep the room until then.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    hash::BuildHasher as _,
    ops::RangeInclusive,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest;

use crate::{Issuer, KeyId, Subject, UnixTime};

/// The proofs that have come.
pub(super) struct Replays {
    parts: Box<[Mutex<Part>]>,
    /// Of each part.
    room: usize,
    /// Of each part, for one caller.
    share: usize,
    /// How far ahead the end of a window can be.
    window: Duration,
    callers: foldhash::quality::RandomState,
}

/// A proof that is good in every other respect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proof<'a> {
    /// For whom its token speaks.
    pub(super) caller: (&'a Issuer, &'a Subject),
    pub(super) key: &'a KeyId,
    /// Its `jti`.
    pub(super) id: &'a str,
    /// The last moment at which it can come again.
    pub(super) until: UnixTime,
}

/// What a proof is known by.
type Fingerprint = [u8; 16];

struct Part {
    known: HashMap<Fingerprint, Kept, foldhash::fast::RandomState>,
    /// How many proofs each caller has here.
    of_caller: Box<[u32]>,
    cleared: Option<UnixTime>,
    forgotten: Forgotten,
}

/// When the windows ended of the proofs that were forgotten. With a clock that only goes forward, no proof that is good
/// ends then.
#[derive(Debug, Default)]
struct Forgotten {
    /// The latest of those that had ended.
    past: Option<UnixTime>,
    /// The first and the latest of those from a time that had not come.
    ahead: Option<RangeInclusive<UnixTime>>,
}

/// The last moment at which a proof could come again, and whose it is, in eight bytes.
#[derive(Debug, Clone, Copy)]
struct Kept(u64);

/// Why a proof was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// There is no room for it, or it could be one that was forgotten.
    Full,
    Replayed,
}

/// How many parts a memory has, so that threads seldom wait for each other.
const PARTS: usize = 16;
/// A smaller memory has one part, and no shares.
const LEAST_IN_PARTS: usize = 1024;
/// One caller takes so much of the room.
const SHARES: usize = 8;
/// By so many numbers callers are told apart.
const CALLERS: usize = 1 << CALLER_BITS;
const CALLER_BITS: u32 = 10;

impl Replays {
    /// Room for about that many proofs, and none of it taken yet. No window ends later than `window` from now.
    pub(super) fn new(proofs: usize, window: Duration) -> Self {
        let parts = if proofs < LEAST_IN_PARTS { 1 } else { PARTS };
        let room = proofs.div_ceil(parts);
        let share = if parts == 1 { room } else { room.div_ceil(SHARES) };
        let callers = foldhash::quality::RandomState::default();
        Self { parts: (0..parts).map(|_| Mutex::new(Part::new())).collect(), room, share, window, callers }
    }

    /// Takes a proof, unless it has come before.
    pub(super) fn take(&self, proof: Proof<'_>, now: UnixTime) -> Result<(), NotTaken> {
        let fingerprint = fingerprint(proof.key, proof.id);
        let kept = Kept::new(proof.until, self.callers.hash_one(proof.caller));
        let mut part = self.part(&fingerprint).ok_or(NotTaken::Full)?;
        if !self.has_room(&part, kept) && part.cleared != Some(now) {
            part.clear(now, self.window);
            part.cleared = Some(now);
        }
        let has_room = self.has_room(&part, kept);
        part.take(fingerprint, kept, has_room, now)
    }

    fn has_room(&self, part: &Part, kept: Kept) -> bool {
        part.known.len() < self.room && part.count(kept) < self.share
    }

    fn part(&self, fingerprint: &Fingerprint) -> Option<MutexGuard<'_, Part>> {
        let [first, ..] = *fingerprint;
        let part = self.parts.get(usize::from(first) % self.parts.len().max(1))?;
        // Nothing that can panic happens between two states of a part.
        Some(part.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Part {
    fn new() -> Self {
        let of_caller = std::iter::repeat_n(0, CALLERS).collect();
        Self { known: HashMap::default(), of_caller, cleared: None, forgotten: Forgotten::default() }
    }

    fn take(
        &mut self,
        fingerprint: Fingerprint,
        kept: Kept,
        has_room: bool,
        now: UnixTime,
    ) -> Result<(), NotTaken> {
        let could_be_forgotten = self.forgotten.could_be(kept.until());
        match self.known.entry(fingerprint) {
            Entry::Occupied(known) if known.get().until() >= now => return Err(NotTaken::Replayed),
            _ if could_be_forgotten || !has_room => return Err(NotTaken::Full),
            Entry::Occupied(mut over) => {
                let old = over.insert(kept);
                self.forgotten.note(old.until(), now);
                uncount(&mut self.of_caller, old);
            }
            Entry::Vacant(place) => {
                place.insert(kept);
            }
        }
        if let Some(count) = self.of_caller.get_mut(kept.caller()) {
            *count = count.saturating_add(1);
        }
        Ok(())
    }

    /// Forgets what has ended, and what ends so late that it is from a time that has not come.
    fn clear(&mut self, now: UnixTime, window: Duration) {
        let live = now..=now.saturating_add(window);
        let Self { known, of_caller, forgotten, .. } = self;
        forgotten.pass(now);
        known.retain(|_, kept| {
            let stays = live.contains(&kept.until());
            if !stays {
                forgotten.note(kept.until(), now);
                uncount(of_caller, *kept);
            }
            stays
        });
    }

    fn count(&self, kept: Kept) -> usize {
        self.of_caller.get(kept.caller()).map_or(0, |&count| count as usize)
    }
}

fn uncount(of_caller: &mut [u32], kept: Kept) {
    if let Some(count) = of_caller.get_mut(kept.caller()) {
        *count = count.saturating_sub(1);
    }
}

impl Forgotten {
    fn note(&mut self, until: UnixTime, now: UnixTime) {
        if until < now {
            self.past = self.past.max(Some(until));
        } else {
            let (from, to) = self.ahead.take().map_or((until, until), RangeInclusive::into_inner);
            self.ahead = Some(from.min(until)..=to.max(until));
        }
    }

    /// What was ahead may have come and gone.
    fn pass(&mut self, now: UnixTime) {
        if let Some(ahead) = self.ahead.take_if(|ahead| *ahead.end() < now) {
            self.past = self.past.max(Some(*ahead.end()));
        }
    }

    fn could_be(&self, until: UnixTime) -> bool {
        self.past.is_some_and(|past| until <= past)
            || self.ahead.as_ref().is_some_and(|ahead| ahead.contains(&until))
    }
}

impl Kept {
    /// INVARIANT: a [`UnixTime`] is at most [`UnixTime::MAX`], which has 38 bits.
    const fn new(until: UnixTime, caller: u64) -> Self {
        Self((until.as_secs() << CALLER_BITS) | (caller % CALLERS as u64))
    }

    const fn until(self) -> UnixTime {
        UnixTime::from_secs(self.0 >> CALLER_BITS)
    }

    const fn caller(self) -> usize {
        (self.0 % CALLERS as u64) as usize
    }
}

fn fingerprint(key: &KeyId, id: &str) -> Fingerprint {
    let mut hashed = digest::Context::new(&digest::SHA256);
    // INVARIANT: a thumbprint has 43 characters, so that key and id cannot be cut in another place.
    hashed.update(key.as_str().as_bytes());
    hashed.update(id.as_bytes());
    let hash = hashed.finish();
    hash.as_ref().first_chunk().copied().unwrap_or_default()
}

impl fmt::Debug for Replays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replays").field("room", &(self.room * self.parts.len())).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{CALLERS, Kept, NotTaken, Proof, Replays};
    use crate::UnixTime;

    const WINDOW: Duration = Duration::from_secs(65);

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    /// A proof of `key`, in a token of `caller`.
    fn take_of(
        replays: &Replays,
        [caller, key, id]: [&str; 3],
        until: u64,
        now: u64,
    ) -> Result<(), NotTaken> {
        let (issuer, subject) = ("https://issuer.test".into(), caller.into());
        let proof = Proof { caller: (&issuer, &subject), key: &key.into(), id, until: at(until) };
        replays.take(proof, at(now))
    }

    fn take(replays: &Replays, id: &str, until: u64, now: u64) -> Result<(), NotTaken> {
        take_of(replays, ["ada", "key", id], until, now)
    }

    #[test]
    fn a_proof_is_taken_once_in_its_window() {
        for size in [10, 100_000] {
            let replays = Replays::new(size, WINDOW);
            assert_eq!(take(&replays, "a", 60, 10), Ok(()));
            for now in [10, 11, 60] {
                assert_eq!(take(&replays, "a", 60, now), Err(NotTaken::Replayed), "{now}");
            }
            assert_eq!(take(&replays, "b", 60, 10), Ok(()), "another proof");
            assert_eq!(take_of(&replays, ["ada", "other", "a"], 60, 10), Ok(()), "another key");
            let other = take_of(&replays, ["bob", "key", "a"], 60, 10);
            assert_eq!(other, Err(NotTaken::Replayed), "whoever the token is for");
            assert_eq!(take(&replays, "a", 120, 61), Ok(()), "its window has ended");
            assert_eq!(take(&replays, "a", 120, 61), Err(NotTaken::Replayed));
        }
    }

    #[test]
    fn a_full_memory_takes_nothing_until_something_has_ended() {
        let replays = Replays::new(3, WINDOW);
        for (id, until) in [("a", 60), ("b", 70), ("c", 70)] {
            assert_eq!(take(&replays, id, until, 10), Ok(()));
        }
        assert_eq!(take(&replays, "d", 70, 60), Err(NotTaken::Full), "nothing has ended yet");
        assert_eq!(take(&replays, "a", 60, 60), Err(NotTaken::Replayed), "known all the same");
        assert_eq!(take(&replays, "d", 70, 61), Ok(()));
        assert_eq!(take(&replays, "e", 70, 61), Err(NotTaken::Full));
        assert_eq!(take(&replays, "b", 70, 61), Err(NotTaken::Replayed), "nothing was pushed out");
    }

    #[test]
    fn a_flood_of_one_caller_leaves_room_for_others() {
        const ROOM: usize = 8_192;
        let replays = Replays::new(ROOM, WINDOW);
        // With another key for each proof.
        let flood = |from: usize, now: u64| {
            let one = |n: &usize| take_of(&replays, ["eve", &format!("key {n}"), "x"], now + 60, now).is_ok();
            (from..from + 2 * ROOM).filter(one).count()
        };
        let taken = flood(0, 10);
        assert!((ROOM / 16..=ROOM / 8).contains(&taken), "{taken} of one caller");
        assert_eq!(take_of(&replays, ["eve", "key 0", "x"], 70, 10), Err(NotTaken::Replayed), "known");
        let others =
            (0..200).filter(|n| take_of(&replays, [&format!("caller {n}"), "key", "x"], 70, 10).is_ok());
        // Whoever shares a number with a flood is refused with it; by chance that is one of a thousand. All have one
        // key and one `jti` here, so the first alone is taken.
        assert_eq!(others.count(), 1);
        let others = (0..200)
            .filter(|n| take_of(&replays, [&format!("caller {n}"), &format!("k{n}"), "x"], 70, 10).is_ok());
        let others = others.count();
        assert!(others >= 190, "{others} of 200");
        // What has ended is no longer counted.
        let taken = flood(2 * ROOM, 71);
        assert!((ROOM / 16..=ROOM / 8).contains(&taken), "{taken} of one caller, later");
    }

    #[test]
    fn a_clock_that_was_set_ahead_brings_nothing_back() {
        // Cleared, and taken once more, while it was ahead.
        for ahead in ["b", "a"] {
            let replays = Replays::new(1, WINDOW);
            assert_eq!(take(&replays, "a", 70, 10), Ok(()));
            assert_eq!(take(&replays, ahead, 1_060, 1_000), Ok(()));
            assert_eq!(take(&replays, "a", 70, 11).map_err(|_| ()), Err(()), "{ahead}");
            assert_eq!(take(&replays, "c", 70, 11), Err(NotTaken::Full), "it could have been forgotten");
            assert_eq!(take(&replays, "c", 71, 11), Ok(()), "one that is newer than all of those");
            assert_eq!(take(&replays, "d", 71, 11), Err(NotTaken::Full), "full");
            assert_eq!(take(&replays, "d", 131, 72), Ok(()));
        }
    }

    #[test]
    fn a_full_memory_is_cleared_also_when_the_clock_was_set_back() {
        let replays = Replays::new(1, WINDOW);
        assert_eq!(take(&replays, "a", 1_060, 1_000), Ok(()));
        assert_eq!(take(&replays, "b", 1_060, 1_000), Err(NotTaken::Full));
        assert_eq!(take(&replays, "b", 80, 20), Ok(()), "what ends in a thousand seconds holds up nothing");
        assert_eq!(take(&replays, "c", 80, 20), Err(NotTaken::Full));
        assert_eq!(take(&replays, "c", 141, 81), Ok(()));
    }

    #[test]
    fn eight_bytes_hold_both() {
        let kept = Kept::new(UnixTime::MAX, u64::MAX);
        assert_eq!((kept.until(), kept.caller()), (UnixTime::MAX, CALLERS - 1));
        assert_eq!(size_of::<Kept>(), 8);
    }

    proptest! {
        /// Against a list of everything that ever came.
        #[test]
        fn it_forgets_nothing_too_early(asked in prop::collection::vec((0_u64..5, 0_u64..40), 0..80)) {
            let replays = Replays::new(2_000, WINDOW);
            let mut taken: Vec<(u64, u64)> = Vec::new();
            let mut now = 0;
            for (id, later) in asked {
                now += later;
                let is_known = taken.iter().any(|(known, until)| *known == id && *until >= now);
                let expected = if is_known { Err(NotTaken::Replayed) } else { Ok(()) };
                prop_assert_eq!(take(&replays, &id.to_string(), now + 60, now), expected);
                if !is_known {
                    taken.push((id, now + 60));
                }
            }
        }

        /// Whatever the clock says meanwhile, no proof is taken twice while it is good.
        #[test]
        fn no_clock_brings_a_proof_back(asked in prop::collection::vec((0_u64..4, 0_u64..200), 0..60)) {
            let replays = Replays::new(3, WINDOW);
            let mut taken: Vec<(u64, u64)> = Vec::new();
            for (issued, now) in asked {
                // The proof made at that time, if it is good now.
                let (issued, until) = (issued * 40, issued * 40 + 60);
                if issued <= now + 5 && now <= until && take(&replays, &issued.to_string(), until, now).is_ok() {
                    let again = taken.iter().any(|(known, _)| *known == issued);
                    prop_assert!(!again, "{issued} at {now}");
                    taken.push((issued, until));
                }
            }
        }
    }
}
