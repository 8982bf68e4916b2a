//! What pages ask for themselves, under `/.countersign/`: the same stages, without a route.

use std::{net::IpAddr, sync::Arc};

use countersign::Standing;
use http::HeaderMap;

use super::Translation;
use crate::{
    error::Refusal,
    session::{
        cache::{Entry, Freshness},
        key::SessionKey,
    },
};

/// The session of a page.
#[derive(Debug)]
pub struct PageSession {
    /// Under which it is remembered.
    pub key: SessionKey,
    /// The session.
    pub entry: Arc<Entry>,
}

impl Translation {
    /// The session of the cookie: as known if it is fresh, asked for if it is not, even if it was none a moment ago.
    ///
    /// # Errors
    /// [`Refusal::CredentialMissing`] without the cookie, and what a look-up can come to.
    pub async fn page_session(&self, headers: &HeaderMap, client: IpAddr) -> Result<PageSession, Refusal> {
        let credential = self.credentials.find_cookie(headers)?.ok_or(Refusal::CredentialMissing)?;
        let key = self.sessions.keyer.key(&credential);
        let known = self.sessions.cache().find(&key);
        let known =
            known.filter(|entry| self.sessions.freshness(entry, self.clock.now()) != Freshness::Stale);
        let entry = match known {
            Some(entry) => entry,
            None => self.sessions.resolve_anew(key, credential.to_owned(), client).await?,
        };
        if self.sessions.ledger().check(&entry.concerned()) == Standing::Revoked {
            self.sessions.drop_revoked(&key, self.clock.now());
            return Err(Refusal::Revoked);
        }
        Ok(PageSession { key, entry })
    }
}
