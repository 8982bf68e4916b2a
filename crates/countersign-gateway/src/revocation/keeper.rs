//! Writes what is asked of the [`Ledger`]: one at a time, on the control thread, because the store blocks.

mod batch;

use std::{ops::Range, sync::Arc, time::Duration};

use countersign::{
    UnixTime,
    revocation::{Cursor, Target},
};
use tokio::{
    select,
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};

use self::batch::Batch;
use super::{
    Demand, Ledger, Unrecorded,
    compare::Comparison,
    follow::{FOLLOW_EVERY, Numberings, goes_on, is_complete},
    ledger::Prolonging,
    logouts::LogoutWish,
};
use crate::{
    clock::{Clock, Now},
    observe::{Observation, Observer, RevocationEvent, Revoking},
    store::{Change, RevocationRecord, Store, StoreError},
};

/// The most requests written in one transaction.
const BATCH: usize = 256;
/// What the store could not write is tried again this often.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// What is over is forgotten this often.
const FORGET_EVERY: Duration = Duration::from_secs(30);
/// A clock that is further ahead than it can be is not believed for so long: what is forgotten does not come back with
/// the right time.
const DISBELIEVED: Duration = Duration::from_secs(24 * 3600);
/// So much may a clock be set at once.
const SET_AT_ONCE: Duration = Duration::from_secs(60);
/// The most changes that wait for a store that cannot write.
const MAX_UNWRITTEN: usize = 10_000;

/// The code of a record that cannot be read.
pub const UNREADABLE: &str = "revocation_unreadable";
/// The code of a store of one gateway that lost what was revoked.
pub const WENT_BACK: &str = "revocations_went_back";
/// The code of a revocation that there is no room for.
pub const UNENFORCED: &str = "revocations_unenforced";

/// What is asked.
#[derive(Debug)]
pub(super) enum Wish {
    KeysChanged(UnixTime),
    Lift(Target, UnixTime),
    /// No change of what is revoked: a log-out token is used once.
    Logout(LogoutWish),
    Prolong(Target, Prolonging),
    Revoke(Demand, UnixTime),
    /// Nothing: to know whether everything before it is durable.
    Settle,
}

/// A wish, and who waits for it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) wish: Wish,
    pub(super) reply: Option<oneshot::Sender<Result<Cursor, Unrecorded>>>,
}

/// The one writer of a [`Ledger`].
#[derive(Debug)]
pub struct Keeper {
    pub(super) ledger: Arc<Ledger>,
    pub(super) store: Arc<dyn Store>,
    requests: mpsc::Receiver<Request>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Observer,
    pub(super) unwritten: Vec<Change>,
    pub(super) failing: bool,
    pub(super) numberings: Numberings,
    /// Something that others wrote is not in the log any more.
    pub(super) is_incomplete: bool,
    pub(super) comparison: Comparison,
    /// The last moment that was believed.
    believed: Now,
}

impl Keeper {
    pub(super) fn new(
        ledger: Arc<Ledger>,
        store: Arc<dyn Store>,
        requests: mpsc::Receiver<Request>,
        clock: Arc<dyn Clock>,
        observer: Observer,
        numberings: Numberings,
    ) -> Self {
        Self {
            believed: clock.now(),
            ledger,
            store,
            requests,
            clock,
            observer,
            unwritten: Vec::new(),
            failing: false,
            numberings,
            is_incomplete: false,
            comparison: Comparison::default(),
        }
    }

    /// Writes until the end of the process. Dropped, it answers nobody any more.
    pub async fn run(mut self) {
        let mut retries = interval(RETRY_EVERY);
        let mut forgetting = interval(FORGET_EVERY);
        retries.set_missed_tick_behavior(MissedTickBehavior::Delay);
        forgetting.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut following = interval(FOLLOW_EVERY);
        following.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let is_shared = self.store.is_shared();
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            select! {
                biased;
                count = self.requests.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    self.look_after_logouts(&mut batch);
                    self.write(&mut batch);
                }
                _ = retries.tick() => {
                    self.recall();
                    self.retry();
                    if is_shared {
                        self.compare();
                    }
                }
                _ = forgetting.tick() => self.forget(),
                _ = following.tick(), if is_shared => self.follow(),
            }
        }
    }

    /// Writes what is asked in one transaction, and answers.
    fn write(&mut self, batch: &mut Vec<Request>) {
        let batch = self.collect(batch);
        if batch.is_empty() {
            self.unwritten = batch.changes;
            batch.settling.into_iter().for_each(|reply| answer(reply, Ok(self.ledger.cursor())));
            return;
        }
        let Batch { changes: all, earlier, waiting, settling } = batch;
        match self.append(&all) {
            Ok(first) => {
                self.tell(&all, RevocationEvent::Recorded);
                for (place, reply) in waiting {
                    let place = u64::try_from(place).unwrap_or(u64::MAX);
                    let seq = first.seq.saturating_add(place);
                    answer(reply, Ok(Cursor { epoch: first.epoch.clone(), seq }));
                }
                settling.into_iter().for_each(|reply| answer(reply, Ok(self.ledger.cursor())));
            }
            Err(code) => {
                self.tell(all.get(earlier..).unwrap_or_default(), RevocationEvent::Unrecorded);
                self.keep_unwritten(all);
                for reply in waiting.into_iter().map(|(_, reply)| reply).chain(settling) {
                    answer(reply, Err(Unrecorded::Store(code)));
                }
            }
        }
    }

    /// Appends to the store and takes it into memory; answers the place of the first.
    pub(super) fn append(&mut self, changes: &[Change]) -> Result<Cursor, &'static str> {
        let mut appended = self.store.append(changes);
        if matches!(appended, Err(StoreError::Empty)) {
            // What waits while something else is written holds as well.
            let waiting = [changes, &self.unwritten].concat();
            self.unite(&waiting);
            appended = self.store.append(changes);
        }
        match appended.and_then(|newest| self.take_in_appended(newest, changes)) {
            Ok(first) => {
                self.ledger.note_pending(self.unwritten.len());
                self.works();
                Ok(first)
            }
            Err(error) => {
                self.fails(&error);
                Err(error.code())
            }
        }
    }

    /// Takes in what was just appended, and on the way what others wrote before it.
    fn take_in_appended(&mut self, newest: Cursor, changes: &[Change]) -> Result<Cursor, StoreError> {
        let count = u64::try_from(changes.len()).unwrap_or(u64::MAX);
        let first = newest.seq.saturating_sub(count).saturating_add(1);
        let (seen, next) = (self.ledger.cursor(), self.ledger.cursor().seq.saturating_add(1));
        if newest.epoch == seen.epoch && first != next {
            let stored = self.store.revocations(seen.seq)?;
            if goes_on(&newest, &stored) {
                self.is_incomplete |= !is_complete(&seen, &stored);
                self.note_unreadable(stored.unreadable);
                self.take_in(stored.records, first..first.saturating_add(count));
                return Ok(Cursor { seq: first, ..newest });
            }
        }
        // Our own are held whatever has become of the log: a lift, too, has happened.
        let numbered = (next..).zip(changes.iter().cloned());
        let own = numbered.map(|(seq, change)| RevocationRecord { seq, change }).collect();
        self.take_in(own, next..next.saturating_add(count));
        if newest.epoch != seen.epoch || first != next {
            // Another gateway has begun to number anew since this one looked: what else is in the log is not known here.
            self.unite_with_unwritten();
        }
        Ok(Cursor { seq: first, ..newest })
    }

    /// A lift that was not written has not happened; everything else holds and is written later.
    fn keep_unwritten(&mut self, changes: Vec<Change>) {
        self.unwritten = changes;
        self.unwritten.retain(|change| !matches!(change, Change::Lifted { .. }));
        if self.unwritten.len() > MAX_UNWRITTEN {
            self.unwritten.truncate(MAX_UNWRITTEN);
            let detail =
                "more than 10,000 revocations wait for it; later ones hold until the next restart only";
            self.observer.observe(Observation::Store { failure: Some("revocations_dropped"), detail });
        }
        let revoked = self.unwritten.iter().filter(|change| matches!(change, Change::Revoked { .. }));
        self.ledger.note_pending(revoked.count());
    }

    /// What could not be written, as it is to be written now: gateways that did not know of it have signed meanwhile, so
    /// it must be known for a token's life from now on.
    fn take_unwritten(&mut self) -> Vec<Change> {
        let tokens_until = self.ledger.last_token_ends(self.clock.now().wall);
        let mut changes = std::mem::take(&mut self.unwritten);
        for change in &mut changes {
            if let Change::Revoked { terms, .. } = change
                && terms.tokens_until > terms.at
            {
                terms.tokens_until = terms.tokens_until.max(tokens_until);
            }
        }
        changes
    }

    fn retry(&mut self) {
        if self.unwritten.is_empty() {
            return;
        }
        let changes = self.take_unwritten();
        match self.append(&changes) {
            Ok(_) => self.tell(&changes, RevocationEvent::Recorded),
            Err(_) => self.unwritten = changes,
        }
    }

    fn tell(&self, changes: &[Change], event: RevocationEvent) {
        for change in changes {
            let revoking = match change {
                Change::KeysChanged { .. } => continue,
                Change::Lifted { .. } if event == RevocationEvent::Unrecorded => continue,
                Change::Lifted { target, .. } => {
                    Revoking { event: RevocationEvent::Lifted, target, reason: None }
                }
                Change::Revoked { target, reason, .. } => Revoking { event, target, reason: Some(reason) },
            };
            self.observer.observe(Observation::Revoking(revoking));
        }
    }

    /// The time, as far as something may be forgotten because of it.
    pub(super) fn believed_time(&mut self) -> UnixTime {
        let now = self.clock.now();
        let elapsed = now.monotonic.saturating_since(self.believed.monotonic);
        let expected = self.believed.wall.saturating_add(elapsed);
        if now.wall > expected.saturating_add(SET_AT_ONCE) && elapsed < DISBELIEVED {
            return expected;
        }
        self.believed = now;
        now.wall
    }

    fn forget(&mut self) {
        let now = self.believed_time();
        self.ledger.forget_expired(now);
        match self.store.forget_expired(now.saturating_sub(Ledger::KEPT_AFTER_END)) {
            Ok(_) => self.works(),
            Err(error) => self.fails(&error),
        }
    }

    /// A clock that was believed and is set back had made us forget too early: the store has it still.
    fn recall(&mut self) {
        let now = self.clock.now();
        if now.wall.saturating_add(SET_AT_ONCE) >= self.ledger.forgotten() {
            return;
        }
        let unwritten = std::mem::take(&mut self.unwritten);
        match self.read_again(now.wall, &unwritten) {
            Ok(()) => {
                self.believed = now;
                let detail = "the clock was set back; what is revoked was read again";
                self.observer.observe(Observation::Store { failure: None, detail });
            }
            Err(error) => self.fails_once(&error),
        }
        self.unwritten = unwritten;
    }

    /// Something in the log cannot be read: it may be a revocation. What stands behind it is obeyed all the same.
    pub(super) fn note_unreadable(&self, count: usize) {
        if count > 0 {
            self.ledger.note_unreadable(count);
            let detail =
                format!("{count} records of the log of revocations cannot be read, and were passed over");
            self.observer.observe(Observation::Store { failure: Some(UNREADABLE), detail: &detail });
        }
    }

    /// A backup was put back, or somebody removed what was written.
    pub(super) fn tell_of_lost(&self) {
        let lost = self.ledger.lost();
        if lost > 0 {
            let detail = format!(
                "the store is older than it was: its last {lost} changes of what is revoked are missing; revoke again what `audit.jsonl` tells of since the backup, then delete `state_dir/revocations-seen`"
            );
            self.observer.observe(Observation::Store { failure: Some(WENT_BACK), detail: &detail });
        }
    }

    /// Takes in what was read or written, and tells of what there was no room for.
    pub(super) fn take_in(&self, records: Vec<RevocationRecord>, own: Range<u64>) {
        let before = self.ledger.unenforced();
        self.ledger.take_in_with_own(records, own);
        let more = self.ledger.unenforced().saturating_sub(before);
        if more > 0 {
            let detail = format!(
                "{more} revocations of other gateways are not obeyed: more is revoked than there is room for"
            );
            self.observer.observe(Observation::Store { failure: Some(UNENFORCED), detail: &detail });
        }
    }

    pub(super) fn works(&mut self) {
        if std::mem::take(&mut self.failing) {
            let detail = "revocations are written again";
            self.observer.observe(Observation::Store { failure: None, detail });
        }
    }

    pub(super) fn fails(&mut self, error: &StoreError) {
        self.failing = true;
        let detail = error.to_string();
        self.observer.observe(Observation::Store { failure: Some(error.code()), detail: &detail });
    }
}

fn answer(reply: Option<oneshot::Sender<Result<Cursor, Unrecorded>>>, outcome: Result<Cursor, Unrecorded>) {
    // Whoever does not wait any more does not want to know.
    if let Some(reply) = reply {
        let _ = reply.send(outcome);
    }
}

#[cfg(test)]
mod tests;
