//! What an answer, or the lack of one, makes of the session in the cache.

use std::{collections::BTreeSet, sync::Arc};

use countersign::{SessionId, Standing, UnixTime};

use super::{Sessions, cache::Entry, flight::Outcome, key::SessionKey};
use crate::{
    clock::Now,
    error::Refusal,
    identity::Identity,
    observe::{Observation, SessionEvent, SessionSeen},
    revocation::RevocationReason,
};

/// What the server says of a session that lives.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) identity: Identity,
    pub(super) began: Option<UnixTime>,
    pub(super) ends: Option<UnixTime>,
    pub(super) asked_at: Now,
    /// Our name for the session, if another gateway has asked.
    pub(super) shared: Option<SessionId>,
    pub(super) former: Option<Former>,
    /// What is kept of it elsewhere could not be read, and stays.
    pub(super) unread: bool,
}

/// What was known of a session by whoever asked last, and is too old to be served.
#[derive(Debug)]
pub(super) struct Former {
    pub(super) identity: Identity,
    pub(super) sid: SessionId,
    pub(super) ends: Option<UnixTime>,
}

/// What became of a session in the cache.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) outcome: Outcome,
    /// Tokens were revoked because of what the server said.
    pub(super) changed: bool,
}

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
        // What is known to say too much is not served at all.
        self.memory.cache.find(key).filter(|entry| entry.outdated.is_none()).filter(|entry| {
            let longer = self.rules.stale_if_error.filter(|_| !entry.is_superseded);
            let ceiling = longer.unwrap_or(self.rules.recheck);
            now.monotonic.saturating_since(entry.asked_at) < ceiling && now.wall < entry.ends
        })
    }

    /// Remembers a live session. Another subject under the same credential is another session: the old one ends. Where
    /// tokens that were issued say more than the answer does, or something else, they are revoked.
    pub(super) fn admit(&self, key: &SessionKey, found: Found, now: Now) -> Admitted {
        let Found { identity, began, ends, asked_at, shared, former, unread: _ } = found;
        if identity.server_sid.is_some() {
            self.memory.note_server_name();
        }
        let writer = self.memory.cache.writer(key);
        let current = writer.current();
        let before = current.as_deref().map(|entry| &*entry.identity).into_iter();
        let mut before = before.chain(former.as_ref().map(|former| &former.identity));
        // What another gateway has asked for because of a change it has compared itself.
        let is_compared = shared.is_some() && current.as_ref().is_some_and(|entry| entry.outdated.is_some());
        let is_less =
            |before: &Identity| before.subject != identity.subject || identity.has_less_than(before);
        let renamed = current.as_ref().is_some_and(|entry| !self.is_named(entry, &identity));
        let changed = before.any(is_less) && !is_compared || renamed;
        if changed {
            let names = current.iter().flat_map(|entry| entry.names());
            let names: BTreeSet<_> = names.chain(former.as_ref().map(|former| &former.sid)).collect();
            self.revoke_issued(names, RevocationReason::Changed, now);
            if let Some(entry) = &current {
                self.revoke_living(entry, RevocationReason::Changed, now);
            }
        }
        let end = |entry: Option<&Arc<Entry>>, refusal: Refusal, reason| {
            writer.end(refusal, now.monotonic);
            if let Some(entry) = entry {
                self.observe_session(entry, SessionEvent::Ended, Some(reason));
            }
            Admitted { outcome: Err(refusal), changed }
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
            return end(current.as_ref(), Refusal::SessionEnded, "its end has come");
        }
        // Somebody else's question may be older than what is known to have changed since.
        let is_ours_to_judge = current.is_some() && shared.is_none();
        let (mut entry, event) = match current {
            Some(entry) if entry.identity.subject != identity.subject => {
                return end(Some(&entry), Refusal::SessionEnded, "another subject");
            }
            Some(entry) => {
                let event = (*entry.identity != identity).then_some(SessionEvent::Changed);
                let learned = entry.outdated.filter(|learned| asked_at.monotonic <= *learned);
                let mut entry = entry.rechecked(identity, asked_at.monotonic, ends);
                entry.outdated = learned.filter(|_| is_ours_to_judge);
                entry.first_seen = first_seen;
                // A later beginning than was told before would be no proof.
                entry.began = began.map(|began| entry.began.map_or(began, |before| before.min(began)));
                if renamed {
                    let name = self.own_name(&entry.identity, key);
                    let old = std::mem::replace(&mut entry.sid, name);
                    entry.also_named(old);
                }
                (entry, event)
            }
            None => {
                let own = self.own_name(&identity, key);
                let sid = shared.filter(|_| identity.server_sid.is_none()).unwrap_or_else(|| own.clone());
                let mut entry = Entry::new(Arc::new(identity), sid, asked_at, ends);
                entry.also_named(own);
                entry.began = began;
                (entry, Some(SessionEvent::Began))
            }
        };
        entry.spread = spread(key, asked_at);
        if changed {
            entry.changed_at = Some(now.wall);
        }
        let mut entry = Arc::new(entry);
        if let Some(event) = event {
            self.observe_session(&entry, event, None);
        }
        if self.ledger().check(&entry.concerned()) == Standing::Revoked {
            self.spread_revocation(&entry, now);
            self.prolong_revocation(&entry, now);
            return end(Some(&entry), Refusal::Revoked, Refusal::Revoked.code());
        }
        writer.put(Arc::clone(&entry));
        // After it is there to be found: whoever learns of a change later finds it.
        if !is_ours_to_judge && !changed && self.ledger().is_outdated(&entry.sid, asked_at.wall) {
            entry = Arc::new(entry.outdated(now.monotonic));
            writer.put(Arc::clone(&entry));
        }
        Admitted { outcome: Ok(entry), changed }
    }

    /// Whether tokens of this session have the name that follows from what the server calls it now.
    fn is_named(&self, entry: &Entry, identity: &Identity) -> bool {
        let name = identity.server_sid.as_deref().map(|sid| self.keyer.named_session_id(sid));
        name.is_none_or(|name| name == entry.sid)
    }

    /// The end of a session, here and for those who share answers.
    pub(super) fn end(&self, key: &SessionKey, refusal: Refusal, now: Now) -> Refusal {
        self.forget_shared(key);
        self.end_here(key, refusal, now)
    }

    pub(super) fn end_here(&self, key: &SessionKey, refusal: Refusal, now: Now) -> Refusal {
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
