//! What is revoked: read by everybody, written by one [`Keeper`](super::Keeper).

mod again;
mod alone;
mod enforce;
mod events;
mod faults;
mod late;
mod logouts;
mod prolong;
mod why;

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use countersign::{
    Issuer, Revocable, Revocations as _, SessionId, Standing, TokenId, UnixTime,
    revocation::{Cursor, Epoch, Revoked, Target},
};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Concerned, Demand, Recorded, Unrecorded,
    follow::Numberings,
    keeper::{Keeper, Request, Wish},
    state::State,
};
use crate::{
    clock::Clock,
    observe::Observer,
    store::{Change, Store, StoreError, StoredRevocations, Terms},
};

pub use self::again::FoundGood;
pub(crate) use self::events::SessionChange;
pub use self::events::{CannotContinue, Snapshot};
pub(super) use self::prolong::Prolonging;
use self::{alone::Alone, enforce::is_of_tokens};

/// What is revoked. Shared by all workers; outlives every reload.
pub struct Ledger {
    issuer: Issuer,
    /// Stands where no token is meant.
    no_token: TokenId,
    /// What the gateway itself refuses.
    sessions: Revoked,
    /// What services refuse.
    tokens: Revoked,
    /// What services refuse of a session that goes on: the part of `tokens` that a token is looked up in that was signed
    /// for it before.
    kept: Revoked,
    /// Records of the store's log that could not be read.
    unreadable: AtomicUsize,
    /// Records of other gateways, and demands that nobody waited for, for which there was no room.
    unenforced: AtomicUsize,
    lost: u64,
    /// Counts the changes of `sessions`, and of `tokens`.
    generation: AtomicU64,
    #[cfg(test)]
    does_not_count: std::sync::atomic::AtomicBool,
    /// What has expired by then was forgotten.
    forgotten: AtomicU64,
    lifetimes: [AtomicU64; 2],
    spread: Duration,
    is_shared: bool,
    /// Of a store that others write too.
    alone: Option<Alone>,
    /// Revocations that the store could not write yet.
    pending: AtomicUsize,
    state: Mutex<State>,
    newest: watch::Sender<u64>,
    requests: mpsc::Sender<Request>,
}

/// How long what is revoked can live, by the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Of a token.
    pub token: Duration,
    /// Of a session whose end is not known.
    pub session: Duration,
    /// How long another gateway may go on signing after a revocation: until it has read of it.
    pub spread: Duration,
}

impl Lifetimes {
    /// The spread among gateways that share a store: they look at it every quarter of a second, and their clocks
    /// differ.
    pub const SPREAD: Duration = Duration::from_secs(2);
}

impl Ledger {
    /// The most entries of each record: two million.
    pub const MAX_ENTRIES: usize = Revoked::DEFAULT_MAX_ENTRIES;
    /// The most revocations that wait to be written.
    pub const MAX_REQUESTS: usize = 1024;
    /// How many events are kept for those who go on from a cursor.
    pub const KEPT_EVENTS: usize = 16_384;
    /// The most events [`Self::after`] gives at once.
    pub const EVENTS_AT_ONCE: usize = 256;
    /// So long after its end a record stays in the store: a gateway whose clock is ahead by no more destroys none.
    pub const KEPT_AFTER_END: Duration = Duration::from_secs(24 * 3600);
    /// The longest token a configuration allows. So long lives a token that was signed before this process began.
    pub const LONGEST_TOKEN: Duration = Duration::from_secs(3600);

    /// Reads what the store knows. The keeper must run for anything to be written. `fresh` is a name that no other process
    /// has had.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be used. A gateway that does not know what is revoked must not start.
    pub fn open(
        store: Arc<dyn Store>,
        fresh: &Epoch,
        issuer: Issuer,
        lifetimes: Lifetimes,
        clock: Arc<dyn Clock>,
        observer: Observer,
    ) -> Result<(Arc<Self>, Keeper), StoreError> {
        let epoch = store.begin_epoch(fresh)?;
        let now = clock.now().wall;
        store.forget_expired(now.saturating_sub(Self::KEPT_AFTER_END))?;
        let stored = StoredRevocations { epoch, ..store.revocations(0)? };
        let unreadable = stored.unreadable;
        let lost = store.lost_changes()?;
        let (ledger, requests) = Self::new(issuer, lifetimes, stored, now);
        let is_shared = store.is_shared();
        let alone = is_shared.then(|| Alone::new(Arc::clone(&clock)));
        let ledger = Self { is_shared, alone, lost, ..ledger };
        ledger.fill(&ledger.state(), &[], now).map_err(|_| StoreError::Overfull)?;
        let ledger = Arc::new(ledger);
        let keeper =
            Keeper::new(Arc::clone(&ledger), store, requests, clock, observer, Numberings::of(fresh.clone()));
        keeper.note_unreadable(unreadable);
        keeper.tell_of_lost();
        Ok((ledger, keeper))
    }

    /// Nothing is revoked and nothing can be: for rehearsals and for tests of other things.
    #[must_use]
    pub fn idle() -> Arc<Self> {
        // INVARIANT: the text is an epoch.
        #[expect(clippy::expect_used, reason = "a constant that is an epoch")]
        let epoch = Epoch::new("idle").expect("an epoch");
        let stored = StoredRevocations { epoch, newest: 0, records: Vec::new(), unreadable: 0 };
        let lifetimes =
            Lifetimes { token: Self::LONGEST_TOKEN, session: Duration::ZERO, spread: Duration::ZERO };
        Arc::new(Self::new("".into(), lifetimes, stored, UnixTime::from_secs(0)).0)
    }

    fn new(
        issuer: Issuer,
        lifetimes: Lifetimes,
        stored: StoredRevocations,
        now: UnixTime,
    ) -> (Self, mpsc::Receiver<Request>) {
        let (requests, receiver) = mpsc::channel(Self::MAX_REQUESTS);
        let over = now.saturating_sub(Self::REFUSED_AFTER_END);
        let state = State::new(stored, over, Self::KEPT_EVENTS, lifetimes.spread);
        let ledger = Self {
            no_token: "".into(),
            sessions: Revoked::new(issuer.clone()),
            tokens: Revoked::new(issuer.clone()),
            kept: Revoked::new(issuer.clone()),
            issuer,
            unreadable: AtomicUsize::new(0),
            unenforced: AtomicUsize::new(0),
            lost: 0,
            generation: AtomicU64::new(0),
            #[cfg(test)]
            does_not_count: false.into(),
            forgotten: AtomicU64::new(now.as_secs()),
            lifetimes: [0; 2].map(AtomicU64::new),
            spread: lifetimes.spread,
            is_shared: false,
            alone: None,
            pending: AtomicUsize::new(0),
            newest: watch::Sender::new(state.newest),
            state: Mutex::new(state),
            requests,
        };
        ledger.settle(lifetimes);
        (ledger, receiver)
    }

    /// Takes over the lifetimes of a configuration. A lifetime that becomes shorter concerns new tokens and sessions
    /// alone, so the longest ever seen counts.
    pub fn settle(&self, lifetimes: Lifetimes) {
        let [token, session] = &self.lifetimes;
        token.fetch_max(lifetimes.token.as_secs(), Ordering::Relaxed);
        session.fetch_max(lifetimes.session.as_secs(), Ordering::Relaxed);
    }

    /// How a session stands now. Takes no lock and allocates nothing.
    #[must_use]
    pub fn check(&self, concerned: &Concerned<'_>) -> Standing {
        if self.sessions.is_empty() {
            return Standing::Good;
        }
        // What is not proven to have begun later began in the beginning.
        let began = concerned.began.unwrap_or(UnixTime::from_secs(0));
        let mut revocable = self.revocable(concerned, &self.no_token, began);
        let mut standing = self.sessions.standing(&revocable);
        for other in concerned.others {
            if standing == Standing::Revoked {
                break;
            }
            revocable.session = Some(other);
            standing = self.sessions.standing(&revocable);
        }
        standing
    }

    /// Whether the gateway refuses what has that name, whosever it is.
    #[must_use]
    pub(crate) fn refuses_session(&self, name: &SessionId, now: UnixTime) -> bool {
        self.terms_of(&Target::Session(name.clone())).is_some_and(|(terms, _)| terms.sessions_until > now)
    }

    /// Whether a token that was signed for a session before may not be handed out any more, where [`Self::check`] has
    /// found the session good.
    #[must_use]
    pub fn refuses_kept_token(
        &self,
        concerned: &Concerned<'_>,
        token: &TokenId,
        issued_at: UnixTime,
    ) -> bool {
        !self.kept.is_empty()
            && self.kept.standing(&self.revocable(concerned, token, issued_at)) == Standing::Revoked
    }

    /// The same for a token that a service was given, under whichever of the session's names it was signed.
    #[must_use]
    pub fn refuses_used_token(
        &self,
        concerned: &Concerned<'_>,
        token: &TokenId,
        issued_at: UnixTime,
    ) -> bool {
        let names = std::iter::once(concerned.session).chain(concerned.others);
        let under = |name| Concerned { session: name, ..*concerned };
        names.map(under).any(|concerned| self.refuses_kept_token(&concerned, token, issued_at))
    }

    /// How services take a token: also whether one that is signed now would be refused by them.
    #[must_use]
    pub fn standing_of_token(
        &self,
        concerned: &Concerned<'_>,
        token: Option<&TokenId>,
        issued_at: UnixTime,
    ) -> Standing {
        self.tokens.standing(&self.revocable(concerned, token.unwrap_or(&self.no_token), issued_at))
    }

    /// How services take a token that says that.
    #[must_use]
    pub fn standing_at_services(&self, token: &Revocable<'_>) -> Standing {
        self.tokens.standing(token)
    }

    fn revocable<'a>(
        &'a self,
        concerned: &Concerned<'a>,
        token: &'a TokenId,
        issued_at: UnixTime,
    ) -> Revocable<'a> {
        let mut revocable = Revocable::new(&self.issuer, token, concerned.subject, issued_at);
        revocable.session = Some(concerned.session);
        revocable.organisation = concerned.organisation;
        revocable
    }

    /// Grows whenever [`Self::check`], [`Self::refuses_kept_token`] or [`Self::refuses_used_token`] could answer otherwise
    /// than before: as soon as they do, and before the change is acknowledged.
    #[must_use]
    pub fn generation(&self) -> u64 {
        #[cfg(test)]
        if self.does_not_count.load(Ordering::Relaxed) {
            return 0;
        }
        self.generation.load(Ordering::Acquire)
    }

    /// One whose changes nobody notices who has looked before.
    #[cfg(test)]
    pub(crate) fn stop_counting(&self) {
        self.does_not_count.store(true, Ordering::Relaxed);
    }

    /// Revokes, and answers when it is durable; at once where nothing new is said.
    ///
    /// # Errors
    /// [`Unrecorded`]: it is not acknowledged.
    pub async fn revoke(&self, demand: Demand, now: UnixTime) -> Result<Recorded, Unrecorded> {
        self.ask(Wish::Revoke(demand, now)).await.map(|cursor| Recorded { cursor })
    }

    /// Revokes without waiting: for what happens beside a request. A failure is counted and logged.
    ///
    /// # Errors
    /// [`Unrecorded`] when it could not even be handed over.
    pub fn revoke_later(&self, demand: Demand, now: UnixTime) -> Result<(), Unrecorded> {
        self.hand_over(Wish::Revoke(demand, now), None)
    }

    /// Takes a revocation back, and answers when that is durable. What is not revoked needs no record.
    ///
    /// # Errors
    /// [`Unrecorded`]: it is revoked still.
    pub async fn lift(&self, target: Target, now: UnixTime) -> Result<Recorded, Unrecorded> {
        self.ask(Wish::Lift(target, now)).await.map(|cursor| Recorded { cursor })
    }

    /// Answers when everything that was revoked here before is durable.
    ///
    /// # Errors
    /// [`Unrecorded`]: something of it holds at this gateway alone.
    pub async fn settled(&self) -> Result<(), Unrecorded> {
        self.ask(Wish::Settle).await.map(drop)
    }

    /// Everything that is revoked as one session with this target, under its other names; the target is the last.
    #[must_use]
    pub fn names_of(&self, target: &Target) -> Vec<Target> {
        let mut names = Vec::new();
        if let Target::Session(session) = target {
            let all = self.state().names_of(session).into_iter();
            names.extend(all.filter(|name| name != session).map(Target::Session));
        }
        names.push(target.clone());
        names
    }

    /// Whether other gateways read what is revoked here.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// How many records of the store's log could not be read since it was read from its beginning. Each may be a
    /// revocation.
    #[must_use]
    pub fn unreadable(&self) -> usize {
        self.unreadable.load(Ordering::Relaxed)
    }

    pub(super) fn note_unreadable(&self, count: usize) {
        self.unreadable.fetch_add(count, Ordering::Relaxed);
    }

    /// The log is read from its beginning again.
    pub(super) fn forget_unreadable(&self) {
        self.unreadable.store(0, Ordering::Relaxed);
    }

    /// How many changes the store has lost since they were written: a backup was put back.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// How many revocations are not obeyed because more is revoked than there is room for: those that another gateway
    /// wrote, and those of [`Self::revoke_later`].
    #[must_use]
    pub fn unenforced(&self) -> usize {
        self.unenforced.load(Ordering::Relaxed)
    }

    pub(super) fn note_unenforced(&self) {
        self.unenforced.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells those who follow that the published keys are others than before.
    ///
    /// # Errors
    /// [`Unrecorded`] when it could not even be handed over.
    pub fn keys_changed(&self, now: UnixTime) -> Result<(), Unrecorded> {
        self.hand_over(Wish::KeysChanged(now), None)
    }

    async fn ask(&self, wish: Wish) -> Result<Cursor, Unrecorded> {
        let (reply, answer) = oneshot::channel();
        self.hand_over(wish, Some(reply))?;
        answer.await.unwrap_or(Err(Unrecorded::Stopped))
    }

    fn hand_over(
        &self,
        wish: Wish,
        reply: Option<oneshot::Sender<Result<Cursor, Unrecorded>>>,
    ) -> Result<(), Unrecorded> {
        self.requests.try_send(Request { wish, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unrecorded::Busy,
            mpsc::error::TrySendError::Closed(_) => Unrecorded::Stopped,
        })
    }

    /// Since when, until when and why a target is revoked.
    #[must_use]
    pub fn terms_of(&self, target: &Target) -> Option<(Terms, String)> {
        self.state().held(target).map(|held| (held.terms, held.reason.clone()))
    }

    /// Whether an answer about a session that was asked for then is older than a change of it that was found: its tokens
    /// until then are revoked.
    #[must_use]
    pub(crate) fn is_outdated(&self, session: &SessionId, asked_at: UnixTime) -> bool {
        let target = || Target::IssuedTo(session.clone());
        !self.kept.is_empty() && self.state().held(&target()).is_some_and(|held| asked_at <= held.terms.at)
    }

    /// How many targets are revoked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().len()
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whose tokens it is about.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The place of the newest change.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.state().cursor()
    }

    /// Tells the number of the newest change whenever there is another.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// What has expired by then was forgotten.
    pub(super) fn forgotten(&self) -> UnixTime {
        UnixTime::from_secs(self.forgotten.load(Ordering::Acquire))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A writer that panicked has added a whole record or none.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was written to the store, or read from it, into memory, in the order of the numbers. For the keeper
    /// and for measurements.
    pub fn take_in(&self, records: impl IntoIterator<Item = crate::store::RevocationRecord>) {
        self.take_in_with_own(records, 0..0);
    }

    /// The same; those of these numbers this process has written.
    pub(super) fn take_in_with_own(
        &self,
        records: impl IntoIterator<Item = crate::store::RevocationRecord>,
        own: Range<u64>,
    ) {
        let mut state = self.state();
        for record in records {
            match &record.change {
                Change::KeysChanged { .. } => {}
                Change::Lifted { target, until } if state.is_stale_lift(target, *until) => {}
                Change::Lifted { target, .. } => self.release(target),
                Change::Revoked { target, terms, .. } => {
                    // For one of our own there is room: it was made before the record was written.
                    if self.enforce(target, *terms).is_err() {
                        self.note_unenforced();
                    }
                }
            }
            let is_own = own.contains(&record.seq);
            state.add(record, is_own);
        }
        let newest = state.newest;
        drop(state);
        self.newest.send_replace(newest);
    }

    /// Goes on under another numbering, with everything that is in it, what waits to be, and what is held here whatever the
    /// store says: who writes it could have taken away what was put back a moment ago.
    pub(super) fn rebase(
        &self,
        stored: StoredRevocations,
        waiting: &[Change],
        now: UnixTime,
    ) -> Result<(), Unrecorded> {
        let over = now.saturating_sub(Self::REFUSED_AFTER_END);
        let mut state = State::new(stored, over, Self::KEPT_EVENTS, self.spread);
        state.keep_what_is_held_by(&self.state(), over);
        let newest = state.newest;
        self.fill(&state, waiting, now)?;
        *self.state() = state;
        self.forgotten.store(now.as_secs(), Ordering::Release);
        self.unenforced.store(0, Ordering::Relaxed);
        self.newest.send_replace(newest);
        Ok(())
    }

    /// Forgets what concerns nothing any more; what is refused here, a while after its end.
    pub(super) fn forget_expired(&self, now: UnixTime) {
        self.forgotten.fetch_max(now.as_secs(), Ordering::AcqRel);
        self.tokens.forget_expired(now);
        self.kept.forget_expired(now);
        let over = now.saturating_sub(Self::REFUSED_AFTER_END);
        self.sessions.forget_expired(over);
        self.state().forget_expired(over);
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("sessions", &self.sessions.len())
            .field("tokens", &self.tokens.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
