//! The issuer's revocations, as they are followed now.

use arc_swap::ArcSwapOption;
use countersign::{
    Issuer, Revocable, Revocations, Standing,
    remote::{ClientAuthentication, OnFeedLoss, ProofError, RemoteKeys, RevocationFeed},
};

use crate::{
    config::resolved::{FeedProof, GuardFeed},
    gateway::StartError,
    session::source::signing_key,
};

/// A feed and the settings it is followed by.
#[derive(Debug)]
pub(super) struct FollowedFeed {
    settings: GuardFeed,
    /// `None`: not followed yet.
    feed: Option<RevocationFeed>,
    /// What was followed by other settings: it counts until the feed itself is current, so that a reload forgets no
    /// revocation and refuses no good token.
    before: ArcSwapOption<RevocationFeed>,
}

impl FollowedFeed {
    /// Nothing is known by it.
    pub(super) fn to_be_followed(settings: GuardFeed) -> Self {
        Self { settings, feed: None, before: ArcSwapOption::empty() }
    }

    /// Follows, within the tokio runtime that does it.
    pub(super) fn start(
        settings: GuardFeed,
        (issuer, keys): (&Issuer, &RemoteKeys),
        insecure_http: bool,
        before: Option<&Self>,
    ) -> Result<Self, StartError> {
        let client = authentication(&settings)?;
        let builder = RevocationFeed::builder(issuer.clone(), settings.location.to_string(), client);
        let builder = if insecure_http { builder.insecure_http() } else { builder };
        let choice = if settings.refuse_on_loss { OnFeedLoss::Refuse } else { OnFeedLoss::Keep };
        let feed = builder.keys(keys.clone()).on_feed_loss(choice).start()?;
        let before = before.and_then(|before| before.feed.clone()).map(std::sync::Arc::new);
        Ok(Self { settings, feed: Some(feed), before: ArcSwapOption::from(before) })
    }

    pub(super) const fn settings(&self) -> &GuardFeed {
        &self.settings
    }

    pub(super) const fn feed(&self) -> Option<&RevocationFeed> {
        self.feed.as_ref()
    }

    /// Lets go of what was followed before, if it is not needed any more.
    pub(super) fn settle(&self) {
        if self.feed.as_ref().is_some_and(RevocationFeed::is_current) {
            self.before.store(None);
        }
    }

    pub(super) fn standing(&self, token: &Revocable<'_>) -> Standing {
        let Some(feed) = &self.feed else {
            return if self.settings.refuse_on_loss { Standing::Unknown } else { Standing::Good };
        };
        let standing = feed.standing(token);
        if standing == Standing::Revoked || feed.is_current() {
            return standing;
        }
        match &*self.before.load() {
            Some(before) if before.standing(token) == Standing::Revoked => Standing::Revoked,
            Some(before) if before.is_current() => Standing::Good,
            _ => standing,
        }
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
