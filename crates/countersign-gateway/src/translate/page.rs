//! What pages ask for themselves, under `/.countersign/`: the same stages, without a route.

use std::{net::IpAddr, sync::Arc};

use countersign::Standing;
use http::HeaderValue;
use tokio::time::timeout;

use super::{
    Translation,
    signing::{Until, Wanted, Whom},
};
use crate::{
    error::Refusal,
    http::Fields,
    keyring::SignedToken,
    observe::RevocationReason,
    revocation::{Demand, Unrecorded},
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

/// What a log-out came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedOut {
    /// What is known of the session at the authorization server.
    pub server_session: ServerSession,
    /// The revocation is durable. If it is not, it holds at this gateway, and at the others when the store is back.
    pub is_durable: bool,
    /// The authorization server replaced the cookie meanwhile: with the old one its own session could not be ended.
    pub set_cookie: Option<HeaderValue>,
}

/// A session at the authorization server after a log-out here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerSession {
    /// It lived a moment ago, and nobody told the server.
    Alive,
    /// The server says that it is none.
    Ended,
    /// The server was not asked lately.
    Unknown,
}

impl Translation {
    /// The session of the cookie: as known if it is fresh, asked for if it is not, even if it was none a moment ago.
    /// A token beside the cookie must be of the same session.
    ///
    /// # Errors
    /// [`Refusal::CredentialMissing`] without the cookie, and what a look-up can come to.
    pub async fn page_session(&self, fields: &Fields, client: IpAddr) -> Result<PageSession, Refusal> {
        let credential = self.credentials.find_cookie(fields)?.ok_or(Refusal::CredentialMissing)?;
        let key = self.sessions.keyer.key(&credential);
        let known = self.sessions.cache().find(&key);
        let known =
            known.filter(|entry| self.sessions.freshness(entry, self.clock.now()) != Freshness::Stale);
        let entry = match known {
            Some(entry) => entry,
            None => self.sessions.resolve_anew(key, credential.to_owned(), client).await?,
        };
        let now = self.clock.now();
        if self.sessions.ledger().check(&entry.concerned()) == Standing::Revoked {
            self.sessions.drop_revoked(&key, now);
            return Err(Refusal::Revoked);
        }
        // One that has come to its end is what a page renews with; it proves nothing, and contradicts nothing.
        let ring = self.keyring.load_full();
        let presented = self.page_tokens.as_ref().map(|tokens| tokens.presented(fields, &ring, now));
        if let Some(Ok(Some(presented))) = presented
            && !presented.is_of(&entry)
        {
            return Err(Refusal::AmbiguousCredential);
        }
        Ok(PageSession { key, entry })
    }

    /// A token for a page: one it presents here, or one of an audience it may call itself. Most of its life is left,
    /// unless the session ends before.
    ///
    /// # Errors
    /// [`Refusal::AudienceNotAllowed`] and what signing can come to.
    pub async fn page_token(
        &self,
        session: &PageSession,
        audience: Option<&str>,
    ) -> Result<Arc<SignedToken>, Refusal> {
        let tokens = self.page_tokens.as_ref().ok_or(Refusal::AudienceNotAllowed)?;
        let whom = match audience {
            None => Whom::Page(Arc::clone(&tokens.own)),
            Some(audience) => Whom::PageAtService(Arc::clone(tokens.of_service(audience)?)),
        };
        let wanted = Wanted { whom, until: Until::MostOfLifetime };
        let now = self.clock.now();
        let signed = self.sign_when_settled(&wanted, session.key, &session.entry, now).await?;
        if audience.is_none() {
            tokens.index.remember(self.sessions.keyer.handle(&session.entry.sid), session.key);
        }
        Ok(signed)
    }

    /// Whether a page may ask for a token of that audience.
    ///
    /// # Errors
    /// [`Refusal::AudienceNotAllowed`].
    pub fn allows_page_token(&self, audience: &str) -> Result<(), Refusal> {
        let tokens = self.page_tokens.as_ref().ok_or(Refusal::AudienceNotAllowed)?;
        tokens.of_service(audience).map(|_| ())
    }

    /// Revokes the session of the cookie, here and at the services. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`Refusal::CredentialMissing`] without the cookie; [`Refusal::RevocationUnsettled`] if it cannot be recorded in
    /// time; an outage, if the session is not known here.
    pub async fn log_out(&self, fields: &Fields, client: IpAddr) -> Result<LoggedOut, Refusal> {
        let credential = self.credentials.find_cookie(fields)?.ok_or(Refusal::CredentialMissing)?;
        let key = self.sessions.keyer.key(&credential);
        let done =
            |server_session, is_durable| Ok(LoggedOut { server_session, is_durable, set_cookie: None });
        let (entry, server_session) = match self.sessions.cache().find(&key) {
            Some(entry) if self.sessions.freshness(&entry, self.clock.now()) == Freshness::Stale => {
                (entry, ServerSession::Unknown)
            }
            Some(entry) => (entry, ServerSession::Alive),
            None => match self.sessions.resolve_anew(key, credential.to_owned(), client).await {
                Ok(entry) => (entry, ServerSession::Alive),
                Err(Refusal::Revoked) => return done(ServerSession::Unknown, self.is_settled().await?),
                // What was signed for it before may be revoked because of that very answer.
                Err(Refusal::SessionEnded) => return done(ServerSession::Ended, self.is_settled().await?),
                Err(refusal) => return Err(refusal),
            },
        };
        let now = self.clock.now();
        let revoking = async {
            let mut is_durable = Ok(true);
            for name in entry.names() {
                let demand = Demand::of_session(name.clone(), entry.ends, RevocationReason::LogOut);
                if let Err(fault) =
                    self.sessions.ledger().revoke(demand.as_name_of(&entry.sid), now.wall).await
                {
                    // The other names are revoked all the same.
                    is_durable = is_durable.and_then(|_| self.while_unwritten(fault));
                }
            }
            is_durable
        };
        let is_durable = timeout(self.sessions.rules.timeout, revoking)
            .await
            .unwrap_or(Err(Refusal::RevocationUnsettled))?;
        self.sessions.drop_revoked(&key, now);
        Ok(LoggedOut { server_session, is_durable, set_cookie: entry.new_cookie(client) })
    }

    /// Whether all that was revoked here before is durable: a session that is revoked already may be so here alone.
    async fn is_settled(&self) -> Result<bool, Refusal> {
        match timeout(self.sessions.rules.timeout, self.sessions.ledger().settled()).await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(fault)) => self.while_unwritten(fault),
            Err(_) => Err(Refusal::RevocationUnsettled),
        }
    }

    /// What is told of a revocation that is not durable: that it is not, where other gateways are told later. A gateway
    /// that is alone would forget it at its end, so there it is no log-out.
    fn while_unwritten(&self, fault: Unrecorded) -> Result<bool, Refusal> {
        match fault {
            Unrecorded::Store(_) if self.sessions.ledger().is_shared() => Ok(false),
            _ => Err(fault.into()),
        }
    }
}
