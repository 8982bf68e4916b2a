//! An operator's command to revoke.

use std::collections::BTreeSet;

use countersign::{OrganisationId, Revocable, SessionId, UnixTime, revocation::Target};
use tokio::task::yield_now;

use super::compose::Household;
use crate::{
    admin::{Question, RevokeAct, RevokeCommand, RevokeReport},
    revocation::{Concerned, Demand, RevocationReason, Unrecorded},
    session::{
        AT_ONCE, Sessions,
        cache::{Entry, Place, SessionCache},
    },
};

/// Counts what is concerned, and does what is wanted.
pub(super) async fn carry_out(
    household: &Household,
    command: RevokeCommand,
) -> Result<RevokeReport, Unrecorded> {
    let RevokeCommand { target, act } = command;
    let (ledger, now) = (household.memory.ledger(), household.clock.now().wall);
    let found = find(&household.memory.cache, &target, now).await;
    let mut report = RevokeReport {
        sessions: found.sessions,
        unproven: found.unproven,
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
            let session_ends = found.end;
            if let Target::Session(session) = &target {
                let others = found.names.into_iter().map(Target::Session).filter(|other| *other != target);
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

/// What is known of the sessions that a target concerns.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    sessions: u64,
    /// Those of which nobody has said when they began.
    unproven: u64,
    /// When the last of them ends.
    end: Option<UnixTime>,
    /// All names of the session that is the target.
    names: BTreeSet<SessionId>,
}

impl Found {
    fn add(&mut self, entry: &Entry) {
        self.sessions = self.sessions.saturating_add(1);
        self.unproven = self.unproven.saturating_add(u64::from(entry.began.is_none()));
        self.end = self.end.max(Some(entry.ends));
    }
}

/// Finds a session by its name. For any other target all have to be looked at.
async fn find(cache: &SessionCache, target: &Target, now: UnixTime) -> Found {
    match target {
        Target::IssuedTo(name) | Target::Session(name) => named(cache, name),
        Target::All => among_all(cache, |_| true).await,
        Target::Organisation(organisation) => {
            among_all(cache, |entry| entry.identity.organisation.as_ref() == Some(organisation)).await
        }
        Target::Subject(subject) => among_all(cache, |entry| entry.identity.subject == *subject).await,
        Target::Token(token) => {
            among_all(cache, |entry| entry.living_tokens(now).any(|living| living == token)).await
        }
    }
}

fn named(cache: &SessionCache, name: &SessionId) -> Found {
    let mut found = Found::default();
    for (_, entry) in cache.find_named(name) {
        found.add(&entry);
        found.names.extend(entry.names().cloned());
    }
    found
}

/// Looks at some at a time, because whoever shares this thread must not wait.
async fn among_all(cache: &SessionCache, is_concerned: impl Fn(&Entry) -> bool + Send) -> Found {
    let mut found = Found::default();
    let mut next = Some(Place::default());
    while let Some(place) = next {
        let (some, behind) = cache.some_behind(place, AT_ONCE);
        some.iter().filter(|entry| is_concerned(entry)).for_each(|entry| found.add(entry));
        next = behind;
        yield_now().await;
    }
    found
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

#[cfg(test)]
mod tests {
    use std::{
        num::NonZeroUsize,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use countersign::{Secret, SessionId, UnixTime, revocation::Target};
    use tokio::task::yield_now;

    use super::{Found, find};
    use crate::{
        clock::{Moment, Now},
        session::{
            AT_ONCE,
            cache::{Entry, SessionCache},
            key::SessionKeyer,
        },
        testing,
    };

    const NOW: Now = Now { wall: UnixTime::from_secs(1_000), monotonic: Moment::from_millis(0) };

    /// So many sessions; every tenth is Bob's, of which the last ends last. Each has a name beside its own.
    fn cache(count: usize) -> (SessionCache, Vec<[SessionId; 2]>) {
        let cache = SessionCache::new(NonZeroUsize::new(2 * count).unwrap());
        let keyer = SessionKeyer::new(&Secret::new([1; 32]), b"");
        let [alice, bob] = ["alice", "bob"].map(|user| Arc::new(testing::identity(user, &[])));
        let names = (0..count).map(|number| {
            let names = [number, number + count].map(|name| keyer.named_session_id(&name.to_string()));
            let identity = Arc::clone(if number % 10 == 0 { &bob } else { &alice });
            let ends = UnixTime::from_secs(2_000 + number as u64);
            let mut entry = Entry::new(identity, names[0].clone(), NOW, ends);
            entry.also_named(names[1].clone());
            cache.writer(&keyer.handle(&names[0])).put(Arc::new(entry));
            names
        });
        let names = names.collect();
        (cache, names)
    }

    #[tokio::test]
    async fn whoever_shares_the_thread_goes_on_while_all_sessions_are_looked_at() {
        const COUNT: usize = 10 * AT_ONCE;
        let (cache, names) = cache(COUNT);
        let turns = Arc::new(AtomicUsize::new(0));
        let other = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move {
                loop {
                    turns.fetch_add(1, Ordering::SeqCst);
                    yield_now().await;
                }
            }
        });
        let count = COUNT as u64;
        let end = |number| Some(UnixTime::from_secs(2_000 + number));
        for (target, sessions, end) in [
            (Target::All, count, end(count - 1)),
            (Target::Subject("bob".into()), count / 10, end(count - 10)),
            (Target::Subject("nobody".into()), 0, None),
            (Target::Token("unknown".into()), 0, None),
        ] {
            let before = turns.load(Ordering::SeqCst);
            let found = find(&cache, &target, NOW.wall).await;
            let expected = Found { sessions, unproven: sessions, end, names: [].into() };
            assert_eq!(found, expected, "{target:?}");
            assert!(turns.load(Ordering::SeqCst) >= before + COUNT / AT_ONCE, "{target:?}");
        }
        other.abort();
        for name in &names[7] {
            let names = names[7].iter().cloned().collect();
            let expected = Found { sessions: 1, unproven: 1, end: end(7), names };
            assert_eq!(find(&cache, &Target::Session(name.clone()), NOW.wall).await, expected);
        }
    }
}
