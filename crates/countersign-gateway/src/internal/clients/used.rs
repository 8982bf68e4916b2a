//! The assertions that were used, for as long as they could come again.
//!
//! 1. One is known by the SHA-256 of its `jti`, cut to 128 bits: who can find two that share it has only made one of his
//!    own useless.
//! 2. Each client has room of its own. One that fills it is refused alone.
//! 3. What is forgotten was over. With a clock that was set ahead and is set right again, an assertion that ends no later
//!    than one that was forgotten is refused.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};
use countersign::{ClientId, UnixTime};

/// The most assertions of one client that are remembered.
pub(super) const MAX_OF_CLIENT: usize = 10_000;

/// What each client has used.
#[derive(Default)]
pub(super) struct Used(Mutex<BTreeMap<ClientId, OfClient>>);

#[derive(Default)]
struct OfClient {
    /// By the `jti`, until when it could come again.
    known: HashMap<[u8; 16], UnixTime>,
    /// No longer than that is anything of it good.
    latest: Option<UnixTime>,
    /// What has ended was cleared away then.
    cleared: Option<UnixTime>,
    /// The latest end of what was cleared away.
    forgotten: Option<UnixTime>,
}

impl Used {
    /// Takes note of an assertion that ends after `now`; false if it was used, or there is no room for it.
    pub(super) fn take(&self, client: &ClientId, jti: &str, exp: UnixTime, now: UnixTime) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_client) = used.get_mut(client) {
            return of_client.take(jti, exp, now);
        }
        // Of clients that a reload took out.
        used.retain(|_, of_client| of_client.latest > Some(now));
        used.entry(client.clone()).or_default().take(jti, exp, now)
    }
}

impl OfClient {
    fn take(&mut self, jti: &str, exp: UnixTime, now: UnixTime) -> bool {
        if self.known.len() >= MAX_OF_CLIENT && self.cleared != Some(now) {
            self.clear(now);
        }
        let is_full = self.known.len() >= MAX_OF_CLIENT;
        if is_full || self.forgotten.is_some_and(|forgotten| exp <= forgotten) {
            return false;
        }
        self.latest = self.latest.max(Some(exp));
        match self.known.entry(fingerprint(jti)) {
            Entry::Occupied(mut known) => {
                let longest = exp.max(*known.get());
                known.insert(longest);
                false
            }
            Entry::Vacant(place) => {
                place.insert(exp);
                true
            }
        }
    }

    fn clear(&mut self, now: UnixTime) {
        let Self { known, forgotten, .. } = self;
        known.retain(|_, exp| {
            let is_over = *exp <= now;
            if is_over {
                *forgotten = (*forgotten).max(Some(*exp));
            }
            !is_over
        });
        self.cleared = Some(now);
    }
}

fn fingerprint(jti: &str) -> [u8; 16] {
    let mut fingerprint = [0; 16];
    fingerprint.iter_mut().zip(digest(&SHA256, jti.as_bytes()).as_ref()).for_each(|(to, from)| *to = *from);
    fingerprint
}
