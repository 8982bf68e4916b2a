//! An operator's command to revoke.

use std::collections::BTreeSet;

use countersign::{OrganisationId, Revocable, UnixTime, revocation::Target};

use super::compose::Household;
use crate::{
    admin::{Question, RevokeAct, RevokeCommand, RevokeReport},
    revocation::{Concerned, Demand, RevocationReason, Unrecorded},
    session::{Sessions, cache::Entry},
};

/// Counts what is concerned, and does what is wanted.
pub(super) async fn carry_out(
    household: &Household,
    command: RevokeCommand,
) -> Result<RevokeReport, Unrecorded> {
    let RevokeCommand { target, act } = command;
    let (ledger, now) = (household.memory.ledger(), household.clock.now().wall);
    let concerned = household.memory.cache.select(|entry| concerns(&target, entry, now));
    let unproven = concerned.iter().filter(|entry| entry.began.is_none()).count();
    let mut report = RevokeReport {
        sessions: u64::try_from(concerned.len()).unwrap_or(u64::MAX),
        unproven: u64::try_from(unproven).unwrap_or(u64::MAX),
        was_revoked: ledger.terms_of(&target).is_some(),
        cursor: None,
    };
    let recorded = match act {
        RevokeAct::Count => return Ok(report),
        RevokeAct::Lift if !report.was_revoked => return Ok(report),
        RevokeAct::Lift => {
            // The target last: as long as one of its names is revoked, the others are found by it.
            for name in ledger.names_of(&target).into_iter().filter(|name| *name != target) {
                ledger.lift(name, now).await?;
            }
            ledger.lift(target, now).await?
        }
        RevokeAct::Revoke => {
            let session_ends = concerned.iter().map(|entry| entry.ends).max();
            if let Target::Session(session) = &target {
                let names = concerned.iter().flat_map(|entry| entry.names()).cloned().map(Target::Session);
                let others: BTreeSet<Target> = names.filter(|other| *other != target).collect();
                for other in others {
                    let demand = Demand { session_ends, ..Demand::new(other, RevocationReason::Operator) };
                    ledger.revoke(demand.as_name_of(session), now).await?;
                }
            }
            let demand = Demand { session_ends, ..Demand::new(target, RevocationReason::Operator) };
            ledger.revoke(demand, now).await?
        }
    };
    report.cursor = Some(recorded.cursor);
    Ok(report)
}

/// What refuses that session or token, if anything does. Asks nobody and changes nothing.
pub(super) fn refusing(sessions: &Sessions, now: UnixTime, question: &Question) -> Option<Target> {
    let ledger = sessions.ledger();
    let named = |organisation: &Option<String>| OrganisationId::new(organisation.as_deref()?).ok();
    match question {
        Question::Session(asked) => {
            let key = sessions.keyer.key(&asked.credential().as_credential());
            let known = sessions.cache().find(&key);
            let of_known = known.as_ref().and_then(|entry| ledger.refusing_session(&entry.concerned()));
            let own = sessions.keyer.session_id(&asked.subject, asked.server_sid.as_deref(), &key);
            let organisation = named(&asked.organisation);
            let concerned = Concerned {
                session: &own,
                others: &[],
                subject: &asked.subject,
                organisation: organisation.as_ref(),
                began: asked.began,
            };
            of_known.or_else(|| ledger.refusing_session(&concerned))
        }
        Question::Token(asked) => {
            let mut token = Revocable::new(ledger.issuer(), &asked.jti, &asked.sub, asked.iat);
            token.derived_from = &asked.derived_from;
            let organisation = named(&asked.organisation);
            (token.session, token.organisation) = (asked.sid.as_ref(), organisation.as_ref());
            ledger.refusing_token(&token, now)
        }
    }
}

/// Whether a session, or a living token of it, is the target.
fn concerns(target: &Target, entry: &Entry, now: UnixTime) -> bool {
    match target {
        Target::All => true,
        Target::Organisation(organisation) => entry.identity.organisation.as_ref() == Some(organisation),
        Target::IssuedTo(session) | Target::Session(session) => entry.names().any(|name| name == session),
        Target::Subject(subject) => entry.identity.subject == *subject,
        Target::Token(token) => entry.living_tokens(now).any(|living| living == token),
    }
}
