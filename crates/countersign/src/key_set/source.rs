//! Where a verifier finds the present keys of an issuer.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;

use super::KeySet;
use crate::{KeyId, UnixTime};

/// Holds the key set of one issuer, and may replace it at any time.
///
/// A verifier asks on every token; nothing here may block.
pub trait KeySource: Send + Sync + fmt::Debug {
    /// The keys as they are now.
    fn published(&self) -> &PublishedKeys;

    /// A well-formed token named a key that is not in the set. A source that can look for newer keys starts to do so
    /// in the background, within limits that no flood of invented names can exceed. The token is refused all the
    /// same.
    fn handle_unknown_key(&self, id: &KeyId) {
        let _ = id;
    }

    /// The issuer says that its keys have changed, by its revocation feed. A source that can look for newer keys does
    /// so at once, in the background and within limits.
    fn handle_keys_changed(&self) {}
}

/// The slot from which verifiers read the keys, and the only way to replace them.
///
/// Reading takes no lock. Each change of the keys gives them another [generation](Self::generation), by which a
/// verifier sees that what it remembers must be looked at again.
#[derive(Debug)]
pub struct PublishedKeys {
    current: ArcSwapOption<KeySet>,
    generation: AtomicU64,
    /// The first second at which the keys may no longer be used.
    end: AtomicU64,
}

impl PublishedKeys {
    /// A slot without keys: every token is refused as
    /// [`KeysUnavailable`](crate::TokenRefusal::KeysUnavailable).
    #[must_use]
    pub const fn empty() -> Self {
        Self { current: ArcSwapOption::const_empty(), generation: AtomicU64::new(0), end: AtomicU64::new(0) }
    }

    /// Puts `keys` in the place of all others, usable before `end`; without an end, until they are replaced.
    pub fn publish(&self, keys: KeySet, end: Option<UnixTime>) {
        let same = self.current.load().as_ref().is_some_and(|current| current.same_keys(&keys));
        self.current.store(Some(Arc::new(keys)));
        if !same {
            // After the store: who sees the new generation sees the new keys. Who sees new keys with the old
            // generation looks once more than needed.
            self.generation.fetch_add(1, Ordering::Release);
        }
        self.keep_until(end);
    }

    /// The keys were found to be unchanged: moves their end.
    pub fn keep_until(&self, end: Option<UnixTime>) {
        self.end.store(end.map_or(u64::MAX, UnixTime::as_secs), Ordering::Release);
    }

    /// Changes whenever the keys do.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// True if the keys, whichever they are, may be used at that moment.
    #[must_use]
    pub fn is_usable(&self, now: UnixTime) -> bool {
        now.as_secs() < self.end.load(Ordering::Acquire)
    }

    /// The keys at that moment; `None` if there is no key or their end has come.
    #[must_use]
    pub fn current(&self, now: UnixTime) -> Option<Arc<KeySet>> {
        if !self.is_usable(now) {
            return None;
        }
        self.current.load_full().filter(|keys| !keys.is_empty())
    }
}

/// Keys that do not change: from a file, or given in code.
#[derive(Debug)]
pub struct StaticKeys(PublishedKeys);

impl StaticKeys {
    /// Holds that set for good.
    #[must_use]
    pub fn new(keys: KeySet) -> Self {
        let published = PublishedKeys::empty();
        published.publish(keys, None);
        Self(published)
    }
}

impl From<KeySet> for StaticKeys {
    fn from(keys: KeySet) -> Self {
        Self::new(keys)
    }
}

impl KeySource for StaticKeys {
    fn published(&self) -> &PublishedKeys {
        &self.0
    }
}

impl KeySource for PublishedKeys {
    fn published(&self) -> &PublishedKeys {
        self
    }
}

impl<S: KeySource + ?Sized> KeySource for Arc<S> {
    fn published(&self) -> &PublishedKeys {
        (**self).published()
    }

    fn handle_unknown_key(&self, id: &KeyId) {
        (**self).handle_unknown_key(id);
    }

    fn handle_keys_changed(&self) {
        (**self).handle_keys_changed();
    }
}
