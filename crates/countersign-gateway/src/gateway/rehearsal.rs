//! The flow without a gateway around it: for `check` and `explain`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use countersign::Secret;
use http::StatusCode;

use super::{
    StartError,
    compose::Household,
    start::{memory, trusted},
};
use crate::{
    clock::Clock,
    config::resolved::Config,
    entropy::Entropy,
    entry::own::{self, SessionEndpoints},
    error::Refusal,
    guard::TrustedIssuer,
    http::Parts,
    keyring::{
        KeyRingHandle, RingFault, RingKeeper, RingSettings, Witness,
        seal::{KEY_BYTES, Sealer},
    },
    metadata::{KEY_SET_PATH, Metadata},
    observe::Observer,
    store::memory::MemoryStore,
    translate::{
        PageIndex, Translation,
        explain::{End, Explained, Step},
    },
    upstream::Registry,
};

/// For the keys of the guard's issuer.
const KEYS_TIMEOUT: Duration = Duration::from_secs(5);

/// What decides about requests under one configuration, without a listener.
#[derive(Debug)]
pub struct Rehearsal {
    /// How requests for services are decided.
    pub translation: Translation,
    browser: Option<SessionEndpoints>,
    metadata: Metadata,
    guard: Option<Arc<TrustedIssuer>>,
    state_dir: PathBuf,
}

impl Rehearsal {
    /// Says for one request which stage decides what, in the order of the proxy: our own documents, our own
    /// endpoints, the routes. Asks the authorization server if the request gets that far, and the gateway that runs, if
    /// one does, what is revoked.
    pub async fn explain(&self, parts: &Parts) -> Explained {
        // Without its keys every token is answered 503, which is what is said then.
        if let Some(issuer) = &self.guard
            && issuer.follow().is_ok()
        {
            issuer.ready(KEYS_TIMEOUT).await;
        }
        let path = parts.uri.path();
        if let Some(document) = self.metadata.at(path) {
            let name = if path == KEY_SET_PATH { "key set" } else { "metadata" };
            let end = document.answer(&parts.method, &parts.fields).map(|_| End::Answered(StatusCode::OK));
            let end = end
                .map_err(|refusal| ("document", refusal, format!("{} is not among GET, HEAD", parts.method)));
            let says = format!("the gateway's own: its {name}, for everybody");
            let steps = if end.is_ok() { vec![Step::passed("document", says)] } else { Vec::new() };
            return Explained::new(steps, end);
        }
        if let Some(endpoints) = &self.browser
            && own::is_own(path)
        {
            return endpoints.explain(&self.translation, parts, &self.state_dir).await;
        }
        let mut explained = self.translation.explain(parts, Some(&self.state_dir)).await;
        if let Some(step) = explained.steps.last_mut()
            && step.refusal == Some(Refusal::NoRoute)
            && own::is_own(path)
        {
            step.says.push_str("; without `[browser]` the gateway has no endpoints of its own there");
        }
        explained
    }
}

/// Everything a decision depends on, as this configuration makes it, with keys that are made for it and published
/// nowhere. Touches no state directory and opens no listener.
///
/// # Errors
/// [`StartError`] if no keys can be made or the authorization server cannot be set up.
pub fn rehearse(
    config: &Config,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<Rehearsal, StartError> {
    let mut key = [0; KEY_BYTES];
    entropy.fill(&mut key)?;
    let sealer = Sealer::new(&Secret::new(key)).map_err(RingFault::from)?;
    let keeper =
        RingKeeper::new(Arc::new(MemoryStore::new()), sealer, Witness::memory(), Arc::clone(&entropy));
    let now = clock.now().wall;
    let ring = keeper.open(&RingSettings::from(&config.token), now)?;
    let metadata = Metadata::render(&config.issuer, &ring, now)?;
    let trusted = trusted(config);
    let household = Household {
        memory: Arc::new(memory(config)),
        keyring: Arc::new(KeyRingHandle::new(ring)),
        pages: Arc::new(PageIndex::new(config.session.cache_entries)),
        guard: ArcSwapOption::from(trusted.clone()),
        registry: Arc::new(Registry::new(config.workers)),
        observer: Observer::without_files(),
        clock,
        entropy,
    };
    let snapshot = household.compose(config, trusted.as_ref())?;
    let (translation, browser) = (snapshot.translation, snapshot.browser);
    let state_dir = config.state_dir.clone();
    Ok(Rehearsal { translation, browser, metadata, guard: trusted, state_dir })
}
