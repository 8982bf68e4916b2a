//! What holds for how long, and the tables in which it is looked up.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use countersign::{
    UnixTime, Verifier,
    revocation::{Revocation, Revoked, Target},
};

use super::{Ledger, again::Changing};
use crate::{
    revocation::{Demand, RevocationReason, Unrecorded, state::State},
    store::{Change, Terms},
};

impl Ledger {
    /// When no service accepts a token any more that was signed by `now`.
    pub(crate) fn last_token_ends(&self, now: UnixTime) -> UnixTime {
        let [token, _] = &self.lifetimes;
        let life = Duration::from_secs(token.load(Ordering::Relaxed));
        self.has_passed_for_all(now.saturating_add(life))
    }

    /// When a moment has passed for every gateway and service.
    fn has_passed_for_all(&self, moment: UnixTime) -> UnixTime {
        moment.saturating_add(self.spread).saturating_add(Verifier::MAX_LEEWAY)
    }

    /// The terms of a revocation at `now`.
    pub(in crate::revocation) fn terms(&self, demand: &Demand, now: UnixTime) -> Terms {
        let [_, session] = &self.lifetimes;
        let of = |secs: &AtomicU64| now.saturating_add(Duration::from_secs(secs.load(Ordering::Relaxed)));
        let known = demand.session_ends.unwrap_or(now);
        let sessions_until = match (&demand.target, demand.reason) {
            // The server refuses the credential itself, and a token is not a session.
            (_, RevocationReason::Changed | RevocationReason::ServerSaidNo)
            | (Target::IssuedTo(_) | Target::Token(_), _) => UnixTime::from_secs(0),
            (Target::Session(_), _) => of(session).max(known),
            // A session of theirs that nothing is proven of never becomes one that began later.
            (Target::All | Target::Organisation(_) | Target::Subject(_), RevocationReason::Operator) => {
                UnixTime::MAX
            }
            (Target::All | Target::Organisation(_) | Target::Subject(_), _) => of(session).max(known),
        };
        let tokens_until = match (&demand.target, demand.token_ends) {
            // What it was exchanged for ends no later.
            (Target::Token(_), Some(ends)) => self.has_passed_for_all(ends),
            (target, _) => self.tokens_until(target, sessions_until, now),
        };
        // What the session gets instead is signed in this second; what was signed in it is revoked by name.
        let at = match &demand.target {
            Target::IssuedTo(_) => now.saturating_sub(Duration::from_secs(1)),
            _ => now,
        };
        Terms { at, tokens_until, sessions_until }
    }

    /// Until when services refuse its tokens.
    pub(super) fn tokens_until(&self, target: &Target, sessions_until: UnixTime, now: UnixTime) -> UnixTime {
        match target {
            // A gateway that cannot reach the store goes on signing for a session that it does not know to be over.
            Target::Session(_) if self.is_shared => {
                self.last_token_ends(now).max(self.has_passed_for_all(sessions_until))
            }
            _ => self.last_token_ends(now),
        }
    }

    /// Puts a revocation into the tables that are read. One that is full keeps it from no other.
    pub(in crate::revocation) fn enforce(&self, target: &Target, terms: Terms) -> Result<(), Unrecorded> {
        let _changing = Changing::of(&self.generation);
        let put_into = |table: &Revoked, at, expires| {
            let record = Revocation { target: target.clone(), at, expires };
            let put = (expires > terms.at).then(|| table.revoke(&record));
            put.transpose().map_err(|_| Unrecorded::Full)
        };
        let tokens_at = terms.tokens_at(target, self.spread);
        let of_tokens = put_into(&self.tokens, tokens_at, terms.tokens_until);
        let of_kept = match self.is_of_kept_tokens(target, &terms) {
            true => put_into(&self.kept, tokens_at, terms.tokens_until),
            false => Ok(None),
        };
        let of_sessions = put_into(&self.sessions, terms.at, terms.sessions_until);
        of_tokens.and(of_kept).and(of_sessions).map(drop)
    }

    /// Whether services refuse a token because of that which the gateway has, of a session that [`Ledger::check`] finds
    /// good.
    fn is_of_kept_tokens(&self, target: &Target, terms: &Terms) -> bool {
        match target {
            Target::IssuedTo(_) | Target::Token(_) => true,
            // `check` finds the session refused until then.
            Target::Session(_) => {
                terms.sessions_until.saturating_add(Self::REFUSED_AFTER_END) < terms.tokens_until
            }
            // What this gateway signed before it had read what another had written, for a session that began after it.
            Target::All | Target::Organisation(_) | Target::Subject(_) => self.spread > Duration::ZERO,
        }
    }

    /// Takes a revocation out of the tables that are read.
    pub(in crate::revocation) fn release(&self, target: &Target) {
        let _changing = Changing::of(&self.generation);
        self.tokens.lift(target);
        self.kept.lift(target);
        self.sessions.lift(target);
    }

    /// Fills the tables from what is held, and what waits to be.
    pub(super) fn fill(&self, state: &State, waiting: &[Change], now: UnixTime) -> Result<(), Unrecorded> {
        let _changing = Changing::of(&self.generation);
        let waiting = || {
            waiting.iter().filter_map(|change| match change {
                Change::Revoked { target, terms, .. } => Some((target, terms)),
                Change::KeysChanged { .. } | Change::Lifted { .. } => None,
            })
        };
        let all = || state.all().map(|(target, held)| (target, &held.terms)).chain(waiting());
        let of_tokens = |(target, terms): (&Target, &Terms)| Revocation {
            target: target.clone(),
            at: terms.tokens_at(target, self.spread),
            expires: terms.tokens_until,
        };
        let live = || all().filter(|(_, terms)| terms.tokens_until > now);
        self.tokens.replace(live().map(of_tokens)).map_err(|_| Unrecorded::Full)?;
        let kept = live().filter(|(target, terms)| self.is_of_kept_tokens(target, terms));
        self.kept.replace(kept.map(of_tokens)).map_err(|_| Unrecorded::Full)?;
        let over = now.saturating_sub(Self::REFUSED_AFTER_END);
        let of_sessions = all().filter(|(_, terms)| terms.sessions_until > over);
        let of_sessions = of_sessions.map(|(target, terms)| Revocation {
            target: target.clone(),
            at: terms.at,
            expires: terms.sessions_until,
        });
        self.sessions.replace(of_sessions).map_err(|_| Unrecorded::Full)
    }
}

/// Whether the gateway has to look at it only before it hands out a token that was signed before.
pub(super) const fn is_of_tokens(target: &Target) -> bool {
    matches!(target, Target::IssuedTo(_) | Target::Token(_))
}
