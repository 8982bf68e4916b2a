//! What it is that refuses a session or a token, for a person who asks why.

use countersign::{Revocable, UnixTime, revocation::Target};

use super::{Ledger, prolong::refuses};
use crate::revocation::Concerned;

impl Ledger {
    /// Why the gateway refuses a session, where [`Self::check`] does.
    #[must_use]
    pub fn refusing_session(&self, concerned: &Concerned<'_>) -> Option<Target> {
        let refuses = |target: &Target| {
            self.terms_of(target).is_some_and(|(terms, _)| refuses(target, terms, concerned))
        };
        concerned.targets().find(refuses)
    }

    /// Why services refuse a token, where [`Self::standing_at_services`] does.
    #[must_use]
    pub fn refusing_token(&self, token: &Revocable<'_>, now: UnixTime) -> Option<Target> {
        let tokens = std::iter::once(token.token).chain(token.derived_from).cloned().map(Target::Token);
        let sessions = token.session.into_iter();
        let sessions = sessions.flat_map(|sid| [Target::Session(sid.clone()), Target::IssuedTo(sid.clone())]);
        let others = [Target::Subject(token.subject.clone()), Target::All].into_iter();
        let organisation = token.organisation.cloned().map(Target::Organisation);
        let refuses = |target: &Target| {
            self.terms_of(target).is_some_and(|(terms, _)| {
                let is_exact = matches!(target, Target::Session(_) | Target::Token(_));
                terms.tokens_until > now
                    && (is_exact || token.issued_at <= terms.tokens_at(target, self.spread))
            })
        };
        tokens.chain(sessions).chain(others).chain(organisation).find(refuses)
    }
}
