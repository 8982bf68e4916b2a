//! Routes behind which a service in any language stands: access tokens of another issuer are verified here and sent on.
//!
//! 1. A token is judged by the library's [`Verifier`]: the issuer of `[guard]`, the `audience` of the route, the issuer's
//!    published keys. Nobody is asked about a token; one that names an unknown key waits once for the newer keys.
//! 2. With `guard.revocations` the issuer's feed is followed, and a revoked token is refused within a second of it. Without
//!    it a token is good until its end.
//! 3. The role that the route demands is checked, and the token goes on as it came, alone in `Authorization`: identity
//!    headers of the client's own never arrive.
//! 4. A stream that such a request opens ends with its token, and when that is revoked.
//!
//! Keys and feed are followed on the control thread, and read here without a lock.

mod headers;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use countersign::{
    Audience, KeyId, KeySource, PublishedKeys, Revocable, Revocations, Standing, VerifiedClaims, Verifier,
    remote::{ClientAuthentication, OnFeedLoss, ProofError, RemoteKeys, RevocationFeed},
};

use crate::{
    config::resolved::{Endpoint, FeedProof, GuardConfig, GuardFeed, IdentityHeader, Requirements},
    gateway::StartError,
    revocation::{Concern, Ledger},
    session::source::signing_key,
};

pub use self::headers::{IdentityHeaders, IdentityTooLarge, MAX_IDENTITY_BYTES};

/// The issuer whose tokens are let through, its keys and what it has revoked. Outlives every reload.
pub struct TrustedIssuer {
    config: GuardConfig,
    /// Stands for the keys until they are followed.
    none: PublishedKeys,
    keys: OnceLock<RemoteKeys>,
    feed: OnceLock<RevocationFeed>,
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

impl TrustedIssuer {
    /// That issuer. Nothing is known of its keys before [`Self::follow`].
    #[must_use]
    pub fn new(config: GuardConfig) -> Self {
        Self { config, none: PublishedKeys::empty(), keys: OnceLock::new(), feed: OnceLock::new() }
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
        let keys = match &self.config.keys {
            Endpoint::Discovered(issuer) => keys.discover(issuer.clone()),
            Endpoint::Given(url) => keys.key_set(url.to_string()),
        };
        let keys = if self.config.insecure_http { keys.insecure_http() } else { keys };
        let keys = keys.start().map_err(StartError::Guard)?;
        if let Some(feed) = &self.config.feed {
            let client = authentication(feed)?;
            let builder =
                RevocationFeed::builder(self.config.issuer.clone(), feed.location.to_string(), client);
            let builder = if self.config.insecure_http { builder.insecure_http() } else { builder };
            let choice = if feed.refuse_on_loss { OnFeedLoss::Refuse } else { OnFeedLoss::Keep };
            let started = builder.keys(keys.clone()).on_feed_loss(choice).start()?;
            // Set once, here.
            let _ = self.feed.set(started);
        }
        let _ = self.keys.set(keys);
        Ok(())
    }

    /// What services are told in headers of their own.
    #[must_use]
    pub fn headers(&self) -> Arc<[IdentityHeader]> {
        Arc::clone(&self.config.headers)
    }

    /// Waits for the first keys, at most so long; true if they are there.
    pub async fn ready(&self, at_most: Duration) -> bool {
        match self.keys.get() {
            Some(keys) => keys.ready(at_most).await,
            None => false,
        }
    }

    /// Judges tokens for that audience.
    ///
    /// # Errors
    /// [`countersign::VerifierError`] if the issuer or the audience is no name.
    pub fn verifier(self: &Arc<Self>, audience: Audience) -> Result<Verifier, countersign::VerifierError> {
        Verifier::builder()
            .issuer(self.config.issuer.clone())
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
        match (self.feed.get(), &self.config.feed) {
            (Some(feed), _) => feed.standing(token),
            (None, Some(wanted)) if wanted.refuse_on_loss => Standing::Unknown,
            (None, _) => Standing::Good,
        }
    }

    /// What ends the streams of a token.
    #[must_use]
    pub fn watch(self: &Arc<Self>, claims: VerifiedClaims) -> Arc<dyn Concern> {
        Arc::new(Watched { issuer: Arc::clone(self), claims })
    }
}

/// How we prove to the issuer which of its clients we are.
fn authentication(feed: &GuardFeed) -> Result<ClientAuthentication, ProofError> {
    let client = feed.client.clone();
    match &feed.proof {
        FeedProof::Basic(secret) => ClientAuthentication::basic(client, secret.clone()),
        FeedProof::PrivateKeyJwt(key) => {
            let key = signing_key(key.expose()).map_err(|_| ProofError)?;
            ClientAuthentication::private_key_jwt(client, key)
        }
    }
}

impl fmt::Debug for TrustedIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedIssuer").field("issuer", &self.config.issuer).finish_non_exhaustive()
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
}

impl Concern for Watched {
    fn is_revoked(&self, _: Option<&Ledger>) -> bool {
        let claims = &self.claims;
        let mut token =
            Revocable::new(claims.issuer(), claims.token_id(), claims.subject(), claims.issued_at());
        token.derived_from = claims.derived_from();
        token.session = claims.session();
        token.organisation = claims.organisation();
        self.issuer.standing(&token) == Standing::Revoked
    }
}
