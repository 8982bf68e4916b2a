//! What other gateways have asked: answers found in the shared cache, and put there.

use super::{Sessions, cache::Entry, key::SessionKey, shared::Shared, source::Answer};
use crate::{clock::Now, credential::OwnedCredential};

impl Sessions {
    /// An answer that another gateway got since we asked last, as long as it would not be asked about again.
    pub(super) async fn find_shared(
        &self,
        key: &SessionKey,
        credential: &OwnedCredential,
        known: Option<&Entry>,
    ) -> Option<Shared> {
        let cache = self.memory.shared.as_ref()?;
        let sealed = cache.find(&key.name()).await?;
        let oldest = self.rules.recheck / 5 * 3;
        let shared = self.keyer.answers.open(key, credential, &sealed, oldest, self.clock.now())?;
        known.is_none_or(|known| shared.asked_at.monotonic > known.asked_at).then_some(shared)
    }

    pub(super) fn share(
        &self,
        key: &SessionKey,
        credential: &OwnedCredential,
        answer: &Answer,
        entry: &Entry,
        asked_at: Now,
    ) {
        let Some(cache) = &self.memory.shared else { return };
        if let Some(sealed) = self.keyer.answers.seal(key, credential, answer, entry, asked_at.wall) {
            cache.keep(key.name(), sealed, self.rules.recheck);
        }
    }

    pub(super) fn forget_shared(&self, key: &SessionKey) {
        if let Some(cache) = &self.memory.shared {
            cache.forget(key.name());
        }
    }
}
