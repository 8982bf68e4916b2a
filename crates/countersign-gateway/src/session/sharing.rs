//! The second level: answers found in a cache that other gateways fill too, or that outlives this process, and put there.
//!
//! An answer is kept for as long as a token may live that was signed because of it. From three fifths of `recheck` on it
//! is not served any more: it is what the next answer is compared with, so that less power is noticed by whoever asks
//! next, after whatever restart, and what was issued before is revoked. It is replaced or dropped when that is durable,
//! and only by who has read it.

use std::{sync::Arc, time::Duration};

use super::{
    Sessions,
    admission::Former,
    cache::Entry,
    key::SessionKey,
    shared::{Shared, Unread},
    source::Answer,
};
use crate::{clock::Now, credential::OwnedCredential};

/// What the second level knows of a session.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// An answer that may be served.
    pub(super) fresh: Option<Shared>,
    /// What tokens may say that were signed before.
    pub(super) former: Option<Former>,
    /// There may be more: it is left as it is.
    pub(super) unread: bool,
}

impl Sessions {
    /// An answer that another gateway got since we asked last, as long as it would not be asked about again; and what was
    /// known before.
    pub(super) async fn find_shared(
        &self,
        key: &SessionKey,
        credential: &OwnedCredential,
        known: Option<&Entry>,
    ) -> Kept {
        let Some(cache) = &self.memory.shared else { return Kept::default() };
        let sealed = match cache.find(&key.name()).await {
            Ok(Some(sealed)) => sealed,
            Ok(None) => return Kept::default(),
            Err(Unread) => return Kept { unread: true, ..Kept::default() },
        };
        let now = self.clock.now();
        let Some(opened) = self.keyer.answers.open(key, credential, &sealed, now) else {
            return Kept::default();
        };
        let former = self.mapping.explain(&opened.answer).ok().map(|identity| Former {
            identity,
            sid: opened.sid.clone(),
            ends: opened.answer.ends,
        });
        let is_outdated = self.ledger().is_outdated(&opened.sid, opened.asked_at);
        let fresh = opened.aged(self.rules.recheck / 5 * 3, now).filter(|shared| {
            !is_outdated && known.is_none_or(|known| shared.asked_at.monotonic > known.asked_at)
        });
        Kept { fresh, former, unread: false }
    }

    pub(super) fn share(
        self: &Arc<Self>,
        key: &SessionKey,
        credential: &OwnedCredential,
        (answer, entry): (&Answer, &Entry),
        (asked_at, now): (Now, Now),
        when: When,
    ) {
        if self.memory.shared.is_none() {
            return;
        }
        let Some(sealed) = self.keyer.answers.seal(key, credential, answer, entry, asked_at.wall) else {
            return;
        };
        let (name, life) = (key.name(), self.evidence_life(now));
        self.when(when, move |sessions| {
            if let Some(cache) = &sessions.memory.shared {
                cache.keep(name, sealed, life);
            }
        });
    }

    pub(super) fn forget_shared(&self, key: &SessionKey) {
        if let Some(cache) = &self.memory.shared {
            cache.forget(key.name());
        }
    }

    /// When no token can be alive any more that was signed because of an answer of now.
    fn evidence_life(&self, now: Now) -> Duration {
        let served = self.rules.recheck.max(self.rules.stale_if_error.unwrap_or_default());
        served.saturating_add(self.ledger().last_token_ends(now.wall).saturating_since(now.wall))
    }

    /// Does something now, or as soon as everything that was revoked is durable. If that fails, it is not done: the
    /// evidence stays.
    pub(super) fn when(self: &Arc<Self>, when: When, act: impl FnOnce(&Self) + Send + 'static) {
        match when {
            When::Now => act(self),
            When::Durable => {
                let sessions = Arc::clone(self);
                self.memory.tasks.spawn(async move {
                    if sessions.ledger().settled().await.is_ok() {
                        act(&sessions);
                    }
                });
            }
        }
    }
}

/// When something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// When all revocations are durable.
    Durable,
    /// At once.
    Now,
}

impl When {
    pub(super) const fn after_revoking(revoked: bool) -> Self {
        if revoked { Self::Durable } else { Self::Now }
    }
}
