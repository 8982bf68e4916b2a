//! The flow without a gateway around it: for `check` and `explain`.

use std::sync::Arc;

use countersign::Secret;

use super::{StartError, compose::Household, start::memory};
use crate::{
    clock::Clock,
    config::resolved::Config,
    entropy::Entropy,
    keyring::{
        KeyRingHandle, RingFault, RingKeeper, RingSettings, Witness,
        seal::{KEY_BYTES, Sealer},
    },
    observe::Observer,
    store::memory::MemoryStore,
    translate::{PageIndex, Translation},
    upstream::Registry,
};

/// Everything a decision depends on, as this configuration makes it, with keys that are made for it and published
/// nowhere. Touches no state directory and opens no listener.
///
/// # Errors
/// [`StartError`] if no keys can be made or the authorization server cannot be set up.
pub fn rehearse(
    config: &Config,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<Translation, StartError> {
    let mut key = [0; KEY_BYTES];
    entropy.fill(&mut key)?;
    let sealer = Sealer::new(&Secret::new(key)).map_err(RingFault::from)?;
    let keeper =
        RingKeeper::new(Arc::new(MemoryStore::new()), sealer, Witness::memory(), Arc::clone(&entropy));
    let ring = keeper.open(&RingSettings::from(&config.token), clock.now().wall)?;
    let household = Household {
        memory: Arc::new(memory(config)),
        keyring: Arc::new(KeyRingHandle::new(ring)),
        pages: Arc::new(PageIndex::new(config.session.cache_entries)),
        registry: Arc::new(Registry::new(config.workers)),
        observer: Observer::without_files(),
        clock,
        entropy,
    };
    Ok(household.compose(config)?.translation)
}
