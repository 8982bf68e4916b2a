//! Remembers which proofs have come, for as long as they could come again (RFC 9449 §11.1).
//!
//! 1. A proof is known by the SHA-256 of its key and its `jti`, cut to 128 bits: who can find two proofs that share it
//!    has only made one of his own useless. Where in a table it stands, a fast hash with a random seed decides.
//! 2. It is remembered until its window has ended, whatever comes after it: nothing is pushed out.
//! 3. When there is no room, a proof is refused. What has ended is cleared away first, at most once a second.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::digest;

use crate::{KeyId, UnixTime};

/// The proofs that have come.
pub(super) struct Replays {
    parts: Box<[Mutex<Part>]>,
    /// Of each part.
    room: usize,
}

/// What a proof is known by.
type Fingerprint = [u8; 16];

struct Part {
    /// The last moment at which each could come again.
    until: HashMap<Fingerprint, UnixTime, foldhash::fast::RandomState>,
    cleared: UnixTime,
}

/// Why a proof was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    Full,
    Replayed,
}

/// How many parts a memory has, so that threads seldom wait for each other.
const PARTS: usize = 16;
/// A smaller memory has one part.
const LEAST_IN_PARTS: usize = 1024;

impl Replays {
    /// Room for about that many proofs, and none of it taken yet.
    pub(super) fn new(proofs: usize) -> Self {
        let parts = if proofs < LEAST_IN_PARTS { 1 } else { PARTS };
        let empty = || Mutex::new(Part { until: HashMap::default(), cleared: UnixTime::from_secs(0) });
        Self { parts: (0..parts).map(|_| empty()).collect(), room: proofs.div_ceil(parts) }
    }

    /// Takes a proof that can come again until then, unless it has come before.
    pub(super) fn take(&self, key: &KeyId, id: &str, until: UnixTime, now: UnixTime) -> Result<(), NotTaken> {
        let fingerprint = fingerprint(key, id);
        let mut part = self.part(&fingerprint).ok_or(NotTaken::Full)?;
        if part.until.len() >= self.room && part.cleared < now {
            part.until.retain(|_, until| *until >= now);
            part.cleared = now;
        }
        let is_full = part.until.len() >= self.room;
        match part.until.entry(fingerprint) {
            Entry::Occupied(known) if *known.get() >= now => Err(NotTaken::Replayed),
            Entry::Occupied(mut over) => {
                over.insert(until);
                Ok(())
            }
            Entry::Vacant(_) if is_full => Err(NotTaken::Full),
            Entry::Vacant(place) => {
                place.insert(until);
                Ok(())
            }
        }
    }

    fn part(&self, fingerprint: &Fingerprint) -> Option<MutexGuard<'_, Part>> {
        let [first, ..] = *fingerprint;
        let part = self.parts.get(usize::from(first) % self.parts.len().max(1))?;
        // Nothing that can panic happens between two states of a part.
        Some(part.lock().unwrap_or_else(PoisonError::into_inner))
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
    use proptest::prelude::*;

    use super::{NotTaken, Replays};
    use crate::{KeyId, UnixTime};

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    #[test]
    fn a_proof_is_taken_once_in_its_window() {
        for size in [10, 100_000] {
            let replays = Replays::new(size);
            let (one, other): (KeyId, KeyId) = ("one".into(), "two".into());
            assert_eq!(replays.take(&one, "a", at(60), at(10)), Ok(()));
            for now in [10, 11, 60] {
                assert_eq!(replays.take(&one, "a", at(60), at(now)), Err(NotTaken::Replayed), "{now}");
            }
            assert_eq!(replays.take(&one, "b", at(60), at(10)), Ok(()), "another proof");
            assert_eq!(replays.take(&other, "a", at(60), at(10)), Ok(()), "another key");
            assert_eq!(replays.take(&one, "a", at(120), at(61)), Ok(()), "its window has ended");
            assert_eq!(replays.take(&one, "a", at(120), at(61)), Err(NotTaken::Replayed));
        }
    }

    #[test]
    fn a_full_memory_takes_nothing_until_something_has_ended() {
        let replays = Replays::new(3);
        let key = "key".into();
        for (id, until) in [("a", 60), ("b", 70), ("c", 70)] {
            assert_eq!(replays.take(&key, id, at(until), at(10)), Ok(()));
        }
        assert_eq!(replays.take(&key, "d", at(70), at(60)), Err(NotTaken::Full), "nothing has ended yet");
        assert_eq!(replays.take(&key, "a", at(60), at(60)), Err(NotTaken::Replayed), "known all the same");
        assert_eq!(replays.take(&key, "d", at(70), at(61)), Ok(()));
        assert_eq!(replays.take(&key, "e", at(70), at(61)), Err(NotTaken::Full));
        assert_eq!(
            replays.take(&key, "b", at(70), at(61)),
            Err(NotTaken::Replayed),
            "nothing was pushed out"
        );
    }

    proptest! {
        /// Against a list of everything that ever came.
        #[test]
        fn it_forgets_nothing_too_early(asked in prop::collection::vec((0_u64..5, 0_u64..40), 0..80)) {
            let replays = Replays::new(2_000);
            let mut taken: Vec<(u64, u64)> = Vec::new();
            let mut now = 0;
            for (id, later) in asked {
                now += later;
                let is_known = taken.iter().any(|(known, until)| *known == id && *until >= now);
                let expected = if is_known { Err(NotTaken::Replayed) } else { Ok(()) };
                prop_assert_eq!(replays.take(&"key".into(), &id.to_string(), at(now + 60), at(now)), expected);
                if !is_known {
                    taken.push((id, now + 60));
                }
            }
        }
    }
}
