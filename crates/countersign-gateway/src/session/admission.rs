//! What an answer, or the lack of one, makes of the session in the cache.

use std::sync::Arc;

use countersign::{SessionId, Standing, UnixTime, revocation::Target};

use super::{Sessions, cache::Entry, flight::Outcome, key::SessionKey};
use crate::{
    clock::Now,
    error::Refusal,
    identity::Identity,
    observe::{Observation, SessionEvent, SessionSeen},
    revocation::RevocationReason,
};

impl Sessions {
    /// What an outage comes to: the session as it was last known where that is allowed, else the refusal.
    pub(super) fn without_an_answer(&self, key: &SessionKey, refusal: Refusal, now: Now) -> Outcome {
        if self.stale(key, now).is_none() {
            return Err(refusal);
        }
        let writer = self.memory.cache.writer(key);
        let current = writer.current().ok_or(refusal)?;
        let entry = Arc::new(current.after_failed_recheck());
        writer.put(Arc::clone(&entry));
        Ok(entry)
    }

    /// The session, if it may be served in an outage: its last good answer is younger than `stale_if_error` (than
    /// `recheck` in any case), and its end has not come. A cookie that was replaced is not served longer.
    pub(super) fn stale(&self, key: &SessionKey, now: Now) -> Option<Arc<Entry>> {
        self.memory.cache.find(key).filter(|entry| {
            let longer = self.rules.stale_if_error.filter(|_| !entry.is_superseded);
            let ceiling = longer.unwrap_or(self.rules.recheck);
            now.monotonic.saturating_since(entry.asked_at) < ceiling && now.wall < entry.ends
        })
    }

    /// A session that the server once said "no" about lives, it says: its tokens are good again.
    pub(super) async fn settle_no(
        &self,
        key: &SessionKey,
        identity: &Identity,
        now: Now,
    ) -> Result<(), Refusal> {
        let target = Target::Session(self.own_name(identity, key));
        if self.ledger().rests_on_a_no(&target) {
            self.ledger().lift(target, now.wall).await?;
        }
        Ok(())
    }

    /// Remembers a live session. Another subject under the same credential is another session: the old one ends.
    pub(super) fn admit(
        &self,
        key: &SessionKey,
        identity: Identity,
        (began, ends): (Option<UnixTime>, Option<UnixTime>),
        (asked_at, sid): (Now, Option<SessionId>),
        now: Now,
    ) -> Result<Arc<Entry>, Refusal> {
        let writer = self.memory.cache.writer(key);
        let current = writer.current();
        let end = |entry: Option<&Arc<Entry>>, reason| {
            writer.end(Refusal::SessionEnded, now.monotonic);
            if let Some(entry) = entry {
                self.observe_session(entry, SessionEvent::Ended, Some(reason));
            }
            Err(Refusal::SessionEnded)
        };
        let first_seen = current.as_ref().map_or(asked_at.wall, |entry| entry.first_seen);
        let assumed_end = first_seen.saturating_add(self.rules.max_age);
        let (first_seen, ends) = match ends {
            Some(ends) => (first_seen, ends),
            None if assumed_end > now.wall => (first_seen, assumed_end),
            // The end was ours to assume; the server says that the session lives, and it knows better.
            // Counted from the answer: the clock may have been set since the question.
            None => (now.wall, now.wall.saturating_add(self.rules.max_age)),
        };
        if ends <= now.wall {
            return end(current.as_ref(), "its end has come");
        }
        let entry = match current {
            Some(entry) if entry.identity.subject != identity.subject => {
                self.revoke_session(&entry, RevocationReason::Changed, now);
                return end(Some(&entry), "another subject");
            }
            Some(entry) => {
                let changed = *entry.identity != identity;
                if identity.has_less_than(&entry.identity) {
                    self.revoke_tokens(&entry, now);
                }
                let mut entry = entry.rechecked(identity, asked_at.monotonic, ends);
                entry.first_seen = first_seen;
                entry.spread = spread(key, asked_at);
                entry.at_server = self.at_server(&entry.identity);
                // A later beginning than was told before would be no proof.
                entry.began = began.map(|began| entry.began.map_or(began, |before| before.min(began)));
                let entry = Arc::new(entry);
                if changed {
                    self.observe_session(&entry, SessionEvent::Changed, None);
                }
                entry
            }
            None => {
                let own = self.own_name(&identity, key);
                let sid = sid.unwrap_or_else(|| own.clone());
                let mut entry = Entry::new(Arc::new(identity), sid, asked_at, ends);
                entry.also_named(own);
                entry.spread = spread(key, asked_at);
                entry.at_server = self.at_server(&entry.identity);
                entry.began = began;
                let entry = Arc::new(entry);
                self.observe_session(&entry, SessionEvent::Began, None);
                entry
            }
        };
        if self.ledger().check(&entry.concerned()) == Standing::Revoked {
            self.spread_revocation(&entry, now);
            writer.end(Refusal::Revoked, now.monotonic);
            self.observe_session(&entry, SessionEvent::Ended, Some(Refusal::Revoked.code()));
            return Err(Refusal::Revoked);
        }
        writer.put(Arc::clone(&entry));
        Ok(entry)
    }

    fn at_server(&self, identity: &Identity) -> Option<SessionId> {
        identity.server_sid.as_deref().map(|name| self.keyer.at_server(name))
    }

    pub(super) fn end(&self, key: &SessionKey, refusal: Refusal, now: Now) -> Refusal {
        self.forget_shared(key);
        let ended = self.memory.cache.writer(key).end(refusal, now.monotonic);
        // One that goes on under another cookie has not ended.
        if let Some(entry) = ended.filter(|entry| !entry.is_superseded) {
            self.observe_session(&entry, SessionEvent::Ended, Some(refusal.code()));
        }
        refusal
    }

    pub(super) fn observe_session(&self, entry: &Entry, event: SessionEvent, reason: Option<&str>) {
        self.observer.observe(Observation::Session(SessionSeen {
            event,
            session: &entry.sid,
            subject: Some(&entry.identity.subject),
            organisation: entry.identity.organisation.as_ref(),
            reason,
        }));
    }
}

/// Sessions that were asked about together, after an outage for example, are not asked about together again: another
/// number for each session and each time.
fn spread(key: &SessionKey, asked_at: Now) -> u8 {
    let [low, ..] = (asked_at.monotonic.as_millis() / 1000).to_le_bytes();
    key.chance().wrapping_add(low.wrapping_mul(97))
}
