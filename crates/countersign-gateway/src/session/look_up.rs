//! One look-up: who may wait for it, whether it may start, what comes of the answer.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::timeout;

use super::{
    Sessions,
    admission::{Admitted, Former, Found},
    breaker::{Blame, Change},
    cache::{Entry, Freshness},
    flight::{Boarding, Outcome, Takeoff, Waiter},
    key::SessionKey,
    shared::Shared,
    sharing::{Kept, When},
    source::{self, Answer, Verdict},
};
use crate::{
    client_network::network_of,
    clock::Now,
    credential::{CredentialKind, OwnedCredential},
    error::{Half, Refusal, SourceError},
    observe::{BreakerEvent, CacheResult, KeepAliveResult, LookedUp, LookupOutcome, Observation},
};

/// What a look-up is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// A page of ours, which a script asks for by itself.
    OwnPage,
    /// A request for a service.
    UserRequest,
}

/// After a refresh that failed, the next one for any session of this source waits this long.
const REFRESH_PAUSE: Duration = Duration::from_secs(1);

impl Sessions {
    /// The session of a credential, asked for if need be.
    ///
    /// # Errors
    /// The refusal that the server's answer, or the lack of one, amounts to.
    pub async fn resolve(
        self: &Arc<Self>,
        key: SessionKey,
        credential: OwnedCredential,
        client: IpAddr,
    ) -> Result<Arc<Entry>, Refusal> {
        if let Some(refusal) = self.memory.cache.refusal(&key, self.clock.now().monotonic) {
            return Err(refusal);
        }
        self.look_for(key, credential, client, Cause::UserRequest).await
    }

    /// As [`Self::resolve`], and asks even if the credential was no session a moment ago: it may have become one. For our
    /// own pages, which say nothing about whether the user is still there.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub async fn resolve_anew(
        self: &Arc<Self>,
        key: SessionKey,
        credential: OwnedCredential,
        client: IpAddr,
    ) -> Result<Arc<Entry>, Refusal> {
        self.look_for(key, credential, client, Cause::OwnPage).await
    }

    async fn look_for(
        self: &Arc<Self>,
        key: SessionKey,
        credential: OwnedCredential,
        client: IpAddr,
        cause: Cause,
    ) -> Result<Arc<Entry>, Refusal> {
        let now = self.clock.now();
        // Its last look-up failed: nobody waits for the next one to fail too.
        if let Some(entry) = self.stale(&key, now).filter(|entry| entry.recheck_failed) {
            self.observer.metrics().cache(CacheResult::Stale);
            self.refresh(key, credential, client);
            return Ok(entry);
        }
        let outcome = self.join(key, credential, client, cause)?.outcome().await;
        let served = |entry: &Arc<Entry>| entry.freshness(self.rules.recheck, now) == Freshness::Stale;
        if outcome.as_ref().is_ok_and(|entry| entry.recheck_failed && served(entry)) {
            self.observer.metrics().cache(CacheResult::Stale);
        }
        outcome
    }

    /// Asks again for a session that is still served meanwhile. After a failure, refreshes pause for a second.
    pub fn refresh(self: &Arc<Self>, key: SessionKey, credential: OwnedCredential, client: IpAddr) {
        let now = self.clock.now().monotonic.as_millis();
        if now >= self.refresh_not_before.load(Ordering::Relaxed)
            && let Boarding::Lead(takeoff) = self.memory.flights.board(key, self.rules.max_waiters)
        {
            self.take_off(takeoff, key, credential, (client, Cause::UserRequest));
        }
    }

    fn join(
        self: &Arc<Self>,
        key: SessionKey,
        credential: OwnedCredential,
        client: IpAddr,
        cause: Cause,
    ) -> Result<Waiter, Refusal> {
        match self.memory.flights.board(key, self.rules.max_waiters) {
            Boarding::Full => Err(Refusal::TooManyLookups),
            Boarding::Wait(waiter) => {
                self.observer.metrics().cache(CacheResult::Coalesced);
                Ok(waiter)
            }
            Boarding::Lead(takeoff) => {
                let waiter = takeoff.waiter();
                self.take_off(takeoff, key, credential, (client, cause));
                Ok(waiter)
            }
        }
    }

    fn take_off(
        self: &Arc<Self>,
        takeoff: Takeoff,
        key: SessionKey,
        credential: OwnedCredential,
        (client, cause): (IpAddr, Cause),
    ) {
        let now = self.clock.now();
        let is_known = self.memory.cache.find(&key).is_some();
        if !self.breaker.lets_through(blame_of(is_known, key, client), now.monotonic) {
            self.observer.metrics().breaker(BreakerEvent::Held);
            return takeoff.land(self.without_an_answer(&key, Refusal::SourceUnavailable, now));
        }
        let sessions = Arc::clone(self);
        self.memory.tasks.spawn(async move {
            let credential = Arc::new(credential);
            let look_up = |is_known| {
                sessions.look_up(key, Arc::clone(&credential), (client, is_known), takeoff.others_waiting())
            };
            let mut outcome = look_up(is_known).await;
            // Another has found meanwhile that the session is another than it was when this was asked.
            if outcome.as_ref().is_ok_and(|entry| entry.outdated.is_some()) {
                outcome = look_up(true).await;
            }
            let is_good = outcome.as_ref().is_ok_and(|entry| !entry.recheck_failed);
            let is_in_use = is_known && cause == Cause::UserRequest && is_good;
            takeoff.land(outcome);
            if is_in_use {
                sessions.keep_alive(&credential, client).await;
            }
        });
    }

    async fn look_up(
        self: &Arc<Self>,
        key: SessionKey,
        credential: Arc<OwnedCredential>,
        (client, is_known): (IpAddr, bool),
        others_waiting: u64,
    ) -> Outcome {
        let asked_at = self.clock.now();
        let known = self.memory.cache.find(&key);
        let Kept { fresh, former, unread } = self.find_shared(&key, &credential, known.as_deref()).await;
        if let Some(shared) = fresh
            && let Ok(identity) = self.mapping.explain(&shared.answer)
        {
            let Shared { answer, asked_at, sid } = shared;
            self.observer.metrics().cache(CacheResult::Shared);
            let began = source::session_began(&answer.session);
            let (ends, shared) = (answer.ends, Some(sid));
            let found = Found { identity, began, ends, asked_at, shared, former: None, unread };
            return self.admit(&key, found, self.clock.now()).outcome;
        }
        let verdict = self.ask(is_known, &credential, client, asked_at).await;
        let now = self.clock.now();
        self.report(&verdict, blame_of(is_known, key, client), key.chance(), now);
        let observe = |outcome, detail: Option<&str>| {
            self.observer.observe(Observation::LookedUp(LookedUp {
                source: self.label,
                outcome,
                duration: now.monotonic.saturating_since(asked_at.monotonic),
                coalesced: others_waiting,
                detail,
            }));
        };
        match verdict {
            Err(error) => {
                observe(LookupOutcome::from(&error), Some(&error.to_string()));
                let pause = u64::try_from(REFRESH_PAUSE.as_millis()).unwrap_or(u64::MAX);
                let until = now.monotonic.as_millis().saturating_add(pause);
                self.refresh_not_before.store(until, Ordering::Relaxed);
                self.without_an_answer(&key, Refusal::from(&error), now)
            }
            Ok(Verdict::No(half)) => {
                observe(LookupOutcome::No, half.map(Half::said_no));
                Err(self.is_over(key, Refusal::SessionEnded, former.as_ref(), unread, now))
            }
            Ok(Verdict::Refused(refusal)) => {
                observe(LookupOutcome::No, Some(refusal.code()));
                Err(self.is_over(key, refusal, former.as_ref(), unread, now))
            }
            Ok(Verdict::Live(answer)) => match self.mapping.explain(&answer) {
                Ok(identity) => {
                    observe(LookupOutcome::Live, None);
                    let began = source::session_began(&answer.session);
                    let (ends, shared) = (answer.ends, None);
                    let found = Found { identity, began, ends, asked_at, shared, former, unread };
                    self.lives(&key, &credential, &answer, found, (client, now))
                }
                // Names the claim and what is wrong with it, never its value. What was issued before says more than an
                // answer that is about nobody, or about somebody without what must be there.
                Err(fault) => {
                    observe(LookupOutcome::Live, Some(&fault.to_string()));
                    Err(self.is_over(key, Refusal::from(fault), former.as_ref(), unread, now))
                }
            },
        }
    }

    /// The server says that there is no such session any more, or none that can be served.
    fn is_over(
        self: &Arc<Self>,
        key: SessionKey,
        refusal: Refusal,
        former: Option<&Former>,
        unread: bool,
        now: Now,
    ) -> Refusal {
        let entry = self.memory.cache.find(&key);
        let revoked = self.said_no(entry.as_deref(), former, now);
        if !unread {
            self.when(When::after_revoking(revoked), move |sessions| sessions.forget_shared(&key));
        }
        self.end_here(&key, refusal, now)
    }

    /// The server says that the session lives, and under which cookie.
    fn lives(
        self: &Arc<Self>,
        key: &SessionKey,
        credential: &OwnedCredential,
        answer: &Answer,
        found: Found,
        (client, now): (IpAddr, Now),
    ) -> Outcome {
        let (asked_at, unread) = (found.asked_at, found.unread);
        let Admitted { outcome, changed } = self.admit(key, found, now);
        let when = When::after_revoking(changed);
        let entry = outcome.inspect_err(|_| {
            let key = *key;
            if !unread {
                self.when(when, move |sessions| sessions.forget_shared(&key));
            }
        })?;
        if !unread {
            self.share(key, credential, (answer, &entry), (asked_at, now), when);
        }
        match &answer.new_cookie {
            Some(new) if credential.kind == CredentialKind::Cookie => {
                let next = new.credential();
                let new_key = self.keyer.key(&next.as_credential());
                self.share(&new_key, &next, (answer, &entry), (asked_at, now), when);
                self.rotate(key, &entry, new, client, now)
            }
            _ => Ok(entry),
        }
    }

    /// Lets the server know that its user is still there, if it is to be told. Nobody waits for it.
    async fn keep_alive(&self, credential: &OwnedCredential, client: IpAddr) {
        let Some(touching) = self.source.keep_alive(credential) else { return };
        let touched = timeout(self.rules.timeout, async {
            let _place = self.memory.known.enter(client).await.map_err(|_| SourceError::TooMany)?;
            touching.await
        });
        let result = match touched.await {
            Ok(Ok(())) => KeepAliveResult::Answered,
            Ok(Err(_)) | Err(_) => KeepAliveResult::Failed,
        };
        self.observer.metrics().keep_alive(result);
    }

    /// Waits at the gate and asks, together within the time-out.
    async fn ask(
        &self,
        is_known: bool,
        credential: &Arc<OwnedCredential>,
        client: IpAddr,
        asked_at: Now,
    ) -> Result<Verdict, SourceError> {
        let gate = if is_known { &self.memory.known } else { &self.memory.unknown };
        let mut entered = false;
        let asking = async {
            let _place = gate.enter(client).await.map_err(|_| SourceError::TooMany)?;
            entered = true;
            self.source.ask(credential, asked_at.wall).await
        };
        match timeout(self.rules.timeout, asking).await {
            Ok(verdict) => verdict,
            Err(_) if entered => Err(SourceError::Timeout),
            Err(_) => Err(SourceError::TooMany),
        }
    }

    /// Tells the breaker how a look-up ended. A queue of ours that is full says nothing about the server.
    fn report(&self, verdict: &Result<Verdict, SourceError>, blame: Blame, chance: u8, now: Now) {
        let change = match verdict {
            Ok(_) => self.breaker.succeeded(blame, now.monotonic),
            Err(SourceError::TooMany) => Change::None,
            Err(_) => self.breaker.failed(blame, chance, now.monotonic),
        };
        let (event, pause) = match change {
            Change::None => return,
            Change::Closed => (BreakerEvent::Closed, None),
            Change::Opened(pause) => (BreakerEvent::Opened, Some(pause)),
        };
        self.observer.observe(Observation::Breaker { source: self.label, event, pause });
    }
}

/// Whose look-up it is.
fn blame_of(is_known: bool, key: SessionKey, client: IpAddr) -> Blame {
    Blame { network: network_of(client), known: is_known.then_some(key) }
}
