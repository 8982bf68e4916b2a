//! What holds for how long, and the tables in which it is looked up.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use countersign::{
    UnixTime, Verifier,
    revocation::{Revocation, Revoked, Target},
};

use super::Ledger;
use crate::{
    revocation::{Demand, RevocationReason, Unrecorded},
    store::{Change, Terms},
};

impl Ledger {
    /// When no service accepts a token any more that was signed by `now`.
    pub(crate) fn last_token_ends(&self, now: UnixTime) -> UnixTime {
        let [token, _] = &self.lifetimes;
        let life = Duration::from_secs(token.load(Ordering::Relaxed));
        now.saturating_add(self.spread).saturating_add(life).saturating_add(Verifier::MAX_LEEWAY)
    }

    /// The terms of a revocation at `now`.
    pub(in crate::revocation) fn terms(&self, demand: &Demand, now: UnixTime) -> Terms {
        let [_, session] = &self.lifetimes;
        let of = |secs: &AtomicU64| now.saturating_add(Duration::from_secs(secs.load(Ordering::Relaxed)));
        let tokens_until = self.last_token_ends(now);
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
        // What the session gets instead is signed in this second; what was signed in it is revoked by name.
        let at = match &demand.target {
            Target::IssuedTo(_) => now.saturating_sub(Duration::from_secs(1)),
            _ => now,
        };
        Terms { at, tokens_until, sessions_until }
    }

    /// Puts a revocation into the tables that are read. One that is full keeps it from no other.
    pub(in crate::revocation) fn enforce(&self, target: &Target, terms: Terms) -> Result<(), Unrecorded> {
        let put_into = |table: &Revoked, at, expires| {
            let record = Revocation { target: target.clone(), at, expires };
            let put = (expires > terms.at).then(|| table.revoke(&record));
            put.transpose().map_err(|_| Unrecorded::Full)
        };
        let of_tokens = put_into(&self.tokens, terms.tokens_at(target, self.spread), terms.tokens_until);
        if is_of_tokens(target) && matches!(of_tokens, Ok(Some(()))) {
            self.of_tokens.fetch_add(1, Ordering::Release);
        }
        let of_sessions = put_into(&self.sessions, terms.at, terms.sessions_until);
        self.generation.fetch_add(1, Ordering::Release);
        of_tokens.and(of_sessions).map(drop)
    }

    /// Takes a revocation out of the tables that are read.
    pub(in crate::revocation) fn release(&self, target: &Target) {
        self.tokens.lift(target);
        self.sessions.lift(target);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Fills the tables from what is held, and what waits to be.
    pub(super) fn fill(&self, waiting: &[Change], now: UnixTime) -> Result<(), Unrecorded> {
        let state = self.state();
        let waiting = || {
            waiting.iter().filter_map(|change| match change {
                Change::Revoked { target, terms, .. } => Some((target, terms)),
                Change::KeysChanged { .. } | Change::Lifted { .. } => None,
            })
        };
        let living = |at: fn(&Terms, &Target, Duration) -> UnixTime, until: fn(&Terms) -> UnixTime| {
            let all = state.all().map(|(target, held)| (target, &held.terms)).chain(waiting());
            all.filter(move |(_, terms)| until(terms) > now).map(move |(target, terms)| Revocation {
                target: target.clone(),
                at: at(terms, target, self.spread),
                expires: until(terms),
            })
        };
        let of_tokens =
            living(|terms, target, spread| terms.tokens_at(target, spread), |terms| terms.tokens_until);
        self.tokens.replace(of_tokens).map_err(|_| Unrecorded::Full)?;
        let of_sessions = living(|terms, _, _| terms.at, |terms| terms.sessions_until);
        self.sessions.replace(of_sessions).map_err(|_| Unrecorded::Full)?;
        let of_tokens = state.all().map(|(target, _)| target).chain(waiting().map(|(target, _)| target));
        let of_tokens = of_tokens.filter(|target| is_of_tokens(target)).count();
        self.of_tokens.store(of_tokens, Ordering::Release);
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

/// Whether the gateway has to look at it only before it hands out a token that was signed before.
pub(super) const fn is_of_tokens(target: &Target) -> bool {
    matches!(target, Target::IssuedTo(_) | Target::Token(_))
}
