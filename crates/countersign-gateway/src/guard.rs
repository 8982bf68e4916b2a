//! Routes behind which a service in any language stands: access tokens of another issuer are verified here and sent on.
//!
//! 1. A token is judged by the library's [`Verifier`]: the issuer of `[guard]`, the `audience` of the route, the issuer's
//!    published keys. Nobody is asked about a token; one that names an unknown key waits once for the newer keys.
//! 2. With `guard.revocations` the issuer's feed is followed, and a revoked token is refused within a second of it. Without
//!    it a token is good until its end.
//! 3. What the route demands is checked: role, scope, organisation. The token goes on as it came, alone in
//!    `Authorization`, or what it says in headers of their own, or both: those of the client's own never arrive.
//! 4. A stream that such a request opens ends with its token, and when that is revoked.
//!
//! Keys and feed are followed on the control thread, and read here without a lock.

mod feed;
mod headers;
mod report;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use countersign::{
    Audience, Issuer, KeyId, KeySource, PublishedKeys, Revocable, Revocations, SessionId, SkippedKey,
    Standing, UnixTime, VerifiedClaims, Verifier, remote::RemoteKeys,
};

use crate::{
    config::resolved::{Endpoint, GuardConfig, GuardFeed, IdentityHeader, Requirements},
    gateway::StartError,
    keyring::SignedToken,
    revocation::{Concern, Ledger},
};

use self::feed::FollowedFeed;
pub use self::{
    headers::{IdentityHeaders, IdentityTooLarge, MAX_IDENTITY_BYTES},
    report::{FeedReport, GuardReport},
};

/// The issuer whose tokens are let through, its keys and what it has revoked. Outlives every reload that names the same
/// issuer and keys.
pub struct TrustedIssuer {
    issuer: Issuer,
    place: Endpoint,
    insecure_http: bool,
    /// Stands for the keys until they are followed.
    none: PublishedKeys,
    keys: OnceLock<RemoteKeys>,
    /// `None`: a token is good until its end.
    feed: ArcSwapOption<FollowedFeed>,
}

/// What a guarded route demands.
#[derive(Debug)]
pub struct Guard {
    /// Judges its tokens.
    pub verifier: Verifier,
    /// Whose they are.
    pub issuer: Arc<TrustedIssuer>,
    /// Whom they are for.
    pub audience: Audience,
    /// What they must say besides.
    pub require: Requirements,
    /// What the service is told in headers of their own.
    pub headers: Arc<[IdentityHeader]>,
    /// Whether the service gets the token itself.
    pub forward_token: bool,
}

/// Another feed in the place of the present one, ready to be put there.
#[derive(Debug)]
pub(crate) struct FeedChange(Option<Arc<FollowedFeed>>);

impl TrustedIssuer {
    /// That issuer. Nothing is known of its keys before [`Self::follow`].
    #[must_use]
    pub fn new(config: &GuardConfig) -> Self {
        let feed = config.feed.clone().map(|settings| Arc::new(FollowedFeed::to_be_followed(settings)));
        Self {
            issuer: config.issuer.clone(),
            place: config.keys.clone(),
            insecure_http: config.insecure_http,
            none: PublishedKeys::empty(),
            keys: OnceLock::new(),
            feed: ArcSwapOption::from(feed),
        }
    }

    /// Whose tokens are let through.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Whether that configuration means this issuer and these keys.
    pub(crate) fn is_of(&self, config: &GuardConfig) -> bool {
        self.issuer == config.issuer
            && self.place == config.keys
            && self.insecure_http == config.insecure_http
    }

    /// Begins to follow keys and feed, within the tokio runtime that does it. Called again, it does nothing.
    ///
    /// # Errors
    /// [`StartError`]: never because the issuer cannot be reached.
    pub fn follow(&self) -> Result<(), StartError> {
        if self.keys.get().is_some() {
            return Ok(());
        }
        let keys = RemoteKeys::builder();
        let keys = match &self.place {
            Endpoint::Discovered(issuer) => keys.discover(issuer.clone()),
            Endpoint::Given(url) => keys.key_set(url.to_string()),
        };
        let keys = if self.insecure_http { keys.insecure_http() } else { keys };
        let keys = keys.start().map_err(StartError::Guard)?;
        if let Some(wanted) = self.feed.load_full() {
            let settings = wanted.settings().clone();
            let feed = FollowedFeed::start(settings, (&self.issuer, &keys), self.insecure_http, None)?;
            self.feed.store(Some(Arc::new(feed)));
        }
        // Set once, here.
        let _ = self.keys.set(keys);
        Ok(())
    }

    /// Begins to follow a feed by other settings; `None` if they are the present ones.
    ///
    /// # Errors
    /// [`StartError`]: never because the issuer cannot be reached.
    pub(crate) fn follow_by(&self, wanted: Option<&GuardFeed>) -> Result<Option<FeedChange>, StartError> {
        let present = self.feed.load_full();
        if present.as_ref().map(|feed| feed.settings()) == wanted {
            return Ok(None);
        }
        let next = match (wanted, self.keys.get()) {
            (Some(wanted), Some(keys)) => {
                let keys = (&self.issuer, keys);
                FollowedFeed::start(wanted.clone(), keys, self.insecure_http, present.as_deref()).map(Some)?
            }
            (Some(wanted), None) => Some(FollowedFeed::to_be_followed(wanted.clone())),
            (None, _) => None,
        };
        Ok(Some(FeedChange(next.map(Arc::new))))
    }

    /// Puts it in force, for open streams too.
    pub(crate) fn change_feed(&self, FeedChange(feed): FeedChange) {
        self.feed.store(feed);
    }

    /// Lets go of what a change of the feed left behind.
    pub(crate) fn settle(&self) {
        if let Some(feed) = &*self.feed.load() {
            feed.settle();
        }
    }

    /// Waits for the first keys, at most so long; true if they are there.
    pub async fn ready(&self, at_most: Duration) -> bool {
        match self.keys.get() {
            Some(keys) => keys.ready(at_most).await,
            None => false,
        }
    }

    /// Why the last fetch of the keys brought none, for people; `None` if it did, or none has ended yet.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.keys.get()?.failure()
    }

    /// The keys of its set that tokens cannot be verified with, and why.
    #[must_use]
    pub fn skipped(&self, now: UnixTime) -> Vec<SkippedKey> {
        let keys = self.keys.get().and_then(|keys| keys.published().current(now));
        keys.map_or_else(Vec::new, |keys| keys.skipped().to_vec())
    }

    /// Waits until the feed is current, at most so long; `None`: there is no feed.
    pub async fn feed_ready(&self, at_most: Duration) -> Option<bool> {
        let followed = self.feed.load_full()?;
        match followed.feed() {
            Some(feed) => Some(feed.ready(at_most).await),
            None => Some(false),
        }
    }

    /// How keys and feed are doing.
    #[must_use]
    pub fn report(&self, now: UnixTime) -> GuardReport {
        let followed = self.feed.load();
        let feed = followed.as_ref().and_then(|followed| followed.feed());
        let keys = self.keys.get();
        GuardReport {
            usable_keys: keys.and_then(|keys| keys.published().current(now)).map_or(0, |keys| keys.len()),
            fetches: keys.map(RemoteKeys::fetches).unwrap_or_default(),
            feed: feed.map(|feed| FeedReport {
                is_current: feed.is_current(),
                last_heartbeat: feed.last_heartbeat(),
                counters: feed.counters(),
                held: feed.revoked().len(),
            }),
        }
    }

    /// Judges tokens for that audience.
    ///
    /// # Errors
    /// [`countersign::VerifierError`] if the issuer or the audience is no name.
    pub fn verifier(self: &Arc<Self>, audience: Audience) -> Result<Verifier, countersign::VerifierError> {
        Verifier::builder()
            .issuer(self.issuer.clone())
            .audience(audience)
            .keys(Followed(Arc::clone(self)))
            .revocations(Followed(Arc::clone(self)))
            .build()
    }

    /// Looks for a key that is not known, within the bounds of [`RemoteKeys`]; true if it is known then.
    pub async fn look_for(&self, key: &KeyId) -> bool {
        match self.keys.get() {
            Some(keys) => keys.look_for(key).await,
            None => false,
        }
    }

    fn standing(&self, token: &Revocable<'_>) -> Standing {
        self.feed.load().as_ref().map_or(Standing::Good, |feed| feed.standing(token))
    }

    /// What ends the streams of a token.
    #[must_use]
    pub fn watch(self: &Arc<Self>, claims: VerifiedClaims) -> Arc<dyn Concern> {
        let session = session_of(&claims);
        Arc::new(Watched { issuer: Arc::clone(self), claims, session })
    }
}

/// What a token's session is called: as the token, where it names none.
pub(crate) fn session_of(claims: &VerifiedClaims) -> SessionId {
    claims.session().map_or_else(|| claims.token_id().as_str().into(), SessionId::clone)
}

impl fmt::Debug for TrustedIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedIssuer").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// Keys and revocations, as far as they are followed.
#[derive(Debug)]
struct Followed(Arc<TrustedIssuer>);

impl KeySource for Followed {
    fn published(&self) -> &PublishedKeys {
        self.0.keys.get().map_or(&self.0.none, KeySource::published)
    }

    fn handle_unknown_key(&self, id: &KeyId) {
        if let Some(keys) = self.0.keys.get() {
            keys.handle_unknown_key(id);
        }
    }
}

impl Revocations for Followed {
    fn standing(&self, token: &Revocable<'_>) -> Standing {
        self.0.standing(token)
    }
}

/// A token that was let through.
#[derive(Debug)]
struct Watched {
    issuer: Arc<TrustedIssuer>,
    claims: VerifiedClaims,
    /// As [`session_of`] says.
    session: SessionId,
}

impl Concern for Watched {
    fn session(&self) -> &SessionId {
        &self.session
    }

    fn is_revoked(&self, _: Option<&Ledger>, _: Option<&SignedToken>) -> bool {
        let claims = &self.claims;
        let mut token =
            Revocable::new(claims.issuer(), claims.token_id(), claims.subject(), claims.issued_at());
        token.derived_from = claims.derived_from();
        token.session = claims.session();
        token.organisation = claims.organisation();
        self.issuer.standing(&token) == Standing::Revoked
    }
}
