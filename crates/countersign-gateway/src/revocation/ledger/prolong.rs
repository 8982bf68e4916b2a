//! Revocations of sessions that live longer than was known when they were revoked.
//!
//! A revocation ends with what was known of the session's end, or `max_age` later. A server that tells no end, or moves
//! it with each use, lets the session live on. So whenever it is asked about a session that is refused and says a later
//! end, what refuses the session is prolonged to that end: under the same reason, in the store, and for the services as
//! long as another gateway might sign for it.
//!
//! What an attacker could do if this were wrong: wait until a log-out has worn off, and use the cookie that they copied.

use std::time::Duration;

use countersign::{UnixTime, revocation::Target};

use super::Ledger;
use crate::{
    revocation::{Concerned, Unrecorded, keeper::Wish},
    store::{Change, InForce, Terms},
};

/// That what refuses a session is to do so until its end, as far as that is known now.
#[derive(Debug, Clone, Copy)]
pub(in crate::revocation) struct Prolonging {
    ends: UnixTime,
    /// What lacks no more than this is left as it is.
    slack: Duration,
    now: UnixTime,
}

impl Prolonging {
    fn is_needed_for(self, terms: Terms) -> bool {
        terms.sessions_until.saturating_add(self.slack) < self.ends
    }
}

impl Ledger {
    /// So long what is over is refused still: a look-up that began before the end of a revocation finds it. The longest
    /// `session.timeout` is a minute, and a look-up may ask twice.
    pub(super) const REFUSED_AFTER_END: Duration = Duration::from_secs(180);

    /// Prolongs whatever refuses this session until its end, at most once in `pause` and sixteen times in its life. Does
    /// not wait.
    ///
    /// # Errors
    /// [`Unrecorded`] when it could not even be handed over; what refuses it does so until its own end.
    pub(crate) fn prolong(
        &self,
        concerned: &Concerned<'_>,
        ends: UnixTime,
        pause: Duration,
        now: UnixTime,
    ) -> Result<(), Unrecorded> {
        let left = ends.saturating_since(now);
        let slack = pause.max(left / 16).min(left / 2);
        let prolonging = Prolonging { ends, slack, now };
        for target in concerned.targets() {
            let terms = self.terms_of(&target).map(|(terms, _)| terms);
            if terms
                .is_some_and(|terms| refuses(&target, terms, concerned) && prolonging.is_needed_for(terms))
            {
                self.hand_over(Wish::Prolong(target, prolonging), None)?;
            }
        }
        Ok(())
    }

    /// What is to be written: nothing if it was lifted, or prolonged, meanwhile.
    pub(in crate::revocation) fn prolonged(&self, target: &Target, wanted: Prolonging) -> Option<Change> {
        let held = self.state().held(target).filter(|held| wanted.is_needed_for(held.terms)).cloned()?;
        let InForce { terms, reason, name_of } = held;
        let sessions_until = wanted.ends;
        let tokens_until = terms.tokens_until.max(self.tokens_until(target, sessions_until, wanted.now));
        let terms = Terms { at: terms.at, tokens_until, sessions_until };
        Some(Change::Revoked { target: target.clone(), name_of, terms, reason })
    }
}

/// Whether the gateway refuses the session because of that.
pub(super) fn refuses(target: &Target, terms: Terms, concerned: &Concerned<'_>) -> bool {
    let is_of_sessions = terms.sessions_until > terms.at;
    let began = concerned.began.unwrap_or(UnixTime::from_secs(0));
    is_of_sessions && (matches!(target, Target::Session(_)) || began <= terms.at)
}
