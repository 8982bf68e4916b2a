//! What is asked of the keeper at once, as it is to be written in one transaction.
//!
//! What says nothing new is not written: who asks for the same again and again costs nobody a record, an event of the
//! feed or a line of the audit log.

use countersign::{
    UnixTime,
    revocation::{Cursor, Target},
};
use tokio::sync::oneshot;

use super::{Keeper, Request, Wish, answer};
use crate::{
    observe::{Observation, RevocationEvent, Revoking},
    revocation::{Demand, Unrecorded, ledger::Prolonging},
    store::{Change, InForce, LIFT_MATTERS},
};

/// Where somebody waits for an answer.
type Reply = Option<oneshot::Sender<Result<Cursor, Unrecorded>>>;

/// What is to be written, and who waits for it.
pub(super) struct Batch {
    /// What could not be written before comes first.
    pub(super) changes: Vec<Change>,
    /// How many those are.
    pub(super) earlier: usize,
    /// Each with the place of the change that is waited for.
    pub(super) waiting: Vec<(usize, Reply)>,
    /// Who waits for everything.
    pub(super) settling: Vec<Reply>,
}

impl Batch {
    /// Nothing of it has to be written now.
    pub(super) fn is_empty(&self) -> bool {
        let is_new = self.changes.len() > self.earlier || !self.waiting.is_empty();
        !is_new && (self.settling.is_empty() || self.earlier == 0)
    }

    fn add(&mut self, change: Change, reply: Reply) {
        self.waiting.push((self.changes.len(), reply));
        self.changes.push(change);
    }

    /// The newest change that concerns a target, and its place.
    fn newest_of(&self, target: &Target) -> Option<(usize, &Change)> {
        let concerns = |change: &Change| match change {
            Change::KeysChanged { .. } => false,
            Change::Lifted { target: other, .. } | Change::Revoked { target: other, .. } => other == target,
        };
        self.changes.iter().enumerate().rev().find(|(_, change)| concerns(change))
    }
}

impl Keeper {
    /// Puts together what is to be written. Who asks for nothing new, or for what there is no room for, is answered.
    pub(super) fn collect(&mut self, requests: &mut Vec<Request>) -> Batch {
        let is_read = self.read_what_is_held(requests);
        let changes = self.take_unwritten();
        let earlier = changes.len();
        let mut batch = Batch { changes, earlier, waiting: Vec::new(), settling: Vec::new() };
        for Request { wish, reply } in requests.drain(..) {
            match wish {
                Wish::Settle => batch.settling.push(reply),
                Wish::KeysChanged(now) => {
                    batch.add(Change::KeysChanged { until: now.saturating_add(LIFT_MATTERS) }, reply);
                }
                Wish::Lift(target, now) => {
                    let is_waiting = matches!(batch.newest_of(&target), Some((_, Change::Revoked { .. })));
                    if is_waiting || self.ledger.terms_of(&target).is_some() {
                        batch.add(Change::Lifted { target, until: now.saturating_add(LIFT_MATTERS) }, reply);
                    } else {
                        answer(reply, Ok(self.ledger.cursor()));
                    }
                }
                Wish::Logout(_) => answer(reply, Ok(self.ledger.cursor())),
                Wish::Prolong(target, wanted) => self.collect_prolonging(&mut batch, &target, wanted, reply),
                Wish::Revoke(demand, now) => match self.hold(&demand, now) {
                    Ok(new) => self.collect_revocation(&mut batch, (demand.target, new), reply, is_read),
                    Err(fault) => {
                        if reply.is_none() {
                            self.tell_unenforced(&demand);
                        }
                        answer(reply, Err(fault));
                    }
                },
            }
        }
        batch
    }

    /// Here it holds at once, whatever becomes of the store.
    fn hold(&self, demand: &Demand, now: UnixTime) -> Result<InForce, Unrecorded> {
        let terms = self.ledger.terms(demand, now);
        self.ledger.enforce(&demand.target, terms)?;
        Ok(InForce { terms, reason: demand.reason.label().to_owned(), name_of: demand.name_of.clone() })
    }

    fn collect_revocation(
        &self,
        batch: &mut Batch,
        (target, new): (Target, InForce),
        reply: Reply,
        is_read: bool,
    ) {
        let state = self.ledger.state();
        let held = state.held(&target);
        let known = match batch.newest_of(&target) {
            Some((place, change)) => change.in_force().map(|known| (Some(place), known)),
            None => held.filter(|_| is_read).map(|known| (None, known.clone())),
        };
        match known.filter(|(_, known)| known.says(&target, &new)) {
            Some((Some(place), _)) => batch.waiting.push((place, reply)),
            Some((None, _)) => answer(reply, Ok(state.cursor())),
            None => {
                let merged = match held {
                    Some(held) => held.and_later(new),
                    None => new,
                };
                let InForce { terms, reason, name_of } = merged;
                batch.add(Change::Revoked { target, name_of, terms, reason }, reply);
            }
        }
    }

    /// What is lifted just now is not prolonged.
    fn collect_prolonging(&self, batch: &mut Batch, target: &Target, wanted: Prolonging, reply: Reply) {
        if matches!(batch.newest_of(target), Some((_, Change::Lifted { .. }))) {
            return answer(reply, Ok(self.ledger.cursor()));
        }
        let Some(change) = self.ledger.prolonged(target, wanted) else {
            return answer(reply, Ok(self.ledger.cursor()));
        };
        if let Change::Revoked { target, terms, .. } = &change
            && let Err(fault) = self.ledger.enforce(target, *terms)
        {
            return answer(reply, Err(fault));
        }
        batch.add(change, reply);
    }

    /// Whether what is held is what the store has. One that others write is read before: what another gateway has lifted
    /// meanwhile is not taken for revoked.
    fn read_what_is_held(&mut self, requests: &[Request]) -> bool {
        if !self.store.is_shared() {
            return true;
        }
        let is_held = |request: &Request| {
            matches!(&request.wish, Wish::Revoke(demand, _)
                if self.ledger.state().held(&demand.target).is_some())
        };
        if !requests.iter().any(is_held) {
            return false;
        }
        self.follow();
        !self.failing
    }

    /// Nobody waits for an answer, so nobody else tells of it.
    fn tell_unenforced(&self, demand: &Demand) {
        self.ledger.note_unenforced();
        let (event, reason) = (RevocationEvent::Unenforced, Some(demand.reason.label()));
        self.observer.observe(Observation::Revoking(Revoking { event, target: &demand.target, reason }));
    }
}
