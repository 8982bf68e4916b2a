//! What happened, told once by value: log, metrics and audit log are three readers of one closed enum.
//!
//! 1. A stage builds an [`Observation`] and hands it to its worker's [`Observer`]; it never writes a log line or
//!    a metric's text itself.
//! 2. The hot path emits no observation. It adds to its worker's [`WorkerMetrics`]: relaxed atomic additions to
//!    memory that no other worker writes.
//! 3. Nothing secret is in an observation: no credential, token, key, client secret, header value or query
//!    string. Sessions go by our own [`SessionId`], a keyed hash.
//! 4. Every writer has a bounded queue and its own thread. A full queue loses lines, never time, and the lost
//!    lines are counted.
//! 5. Metric labels are closed sets: no value of a request is a label.

pub mod audit;
mod exposition;
pub mod faults;
mod labels;
mod lines;
pub mod log;
mod metrics;
mod outages;
#[cfg(test)]
mod reference;
mod repeated;
pub mod requests;
mod timestamp;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use countersign::{
    Audience, Clock, Issuer, KeyId, OrganisationId, SessionId, Subject, SystemClock, TokenId, UnixTime,
    revocation::Target,
};

use crate::error::Refusal;

pub use exposition::{CONTENT_TYPE, FeedGauges, Gauges, GuardGauges, RevocationGauges};
pub use labels::{
    BreakerEvent, CacheResult, ConnectionEvent, GuardEvent, KeepAliveResult, KeyPhase, LookupOutcome,
    ReloadOutcome, RevocationEvent, RevocationReason, RouteLabel, SessionEvent, SourceLabel, UpstreamEvent,
};
pub use lines::{LinesGuard, Losses};
pub use metrics::{Histogram, Metrics, WorkerMetrics};
pub use outages::{Outage, Outages};

pub(crate) use timestamp::Timestamp;

use self::{audit::AuditLog, requests::RequestLines};

/// One thing that happened. Closed: whoever reads it looks at a new variant when there is one.
#[derive(Debug, Clone, Copy)]
pub enum Observation<'a> {
    /// The breaker before a source opened or closed.
    Breaker {
        /// What is asked.
        source: SourceLabel,
        /// What happened.
        event: BreakerEvent,
        /// How long nothing is asked now.
        pause: Option<Duration>,
    },
    /// Something happened to a connection from a client, or to the listener itself.
    Connection {
        /// What.
        event: ConnectionEvent,
        /// The peer, where there is one.
        client: Option<IpAddr>,
        /// Why, without anything the client sent.
        detail: Option<&'a str>,
    },
    /// Keys or revocations of the issuer that guarded routes trust got worse or better.
    Guard(GuardSeen<'a>),
    /// A key changed its place in the ring.
    Key {
        /// Which.
        kid: &'a KeyId,
        /// Where it is now.
        phase: KeyPhase,
        /// From when it signs, if that is planned.
        signs_from: Option<UnixTime>,
    },
    /// The authorization server was asked, or could not be.
    LookedUp(LookedUp<'a>),
    /// A shared store lost something, and has it again.
    Mended {
        /// Code of the fault.
        code: &'a str,
        /// What was lost, and how it was put back.
        detail: &'a str,
    },
    /// A request was turned away.
    Refused(Refused<'a>),
    /// The configuration was read again.
    Reloaded {
        /// How it went.
        outcome: ReloadOutcome,
        /// What is wrong with it, without any secret of it.
        detail: Option<&'a str>,
    },
    /// Something was revoked, or a revocation was taken back.
    Revoking(Revoking<'a>),
    /// A session began, changed or ended.
    Session(SessionSeen<'a>),
    /// The store failed, or works again.
    Store {
        /// Code of the failure; `None`: it works again.
        failure: Option<&'a str>,
        /// What the store says.
        detail: &'a str,
    },
    /// A token was signed.
    TokenSigned(TokenSigned<'a>),
    /// Something happened to an upstream.
    Upstream {
        /// What.
        event: UpstreamEvent,
        /// Scheme, host and port.
        origin: &'a str,
        /// Why.
        detail: Option<&'a str>,
    },
}

/// What happened to keys or revocations of the issuer that guarded routes trust.
#[derive(Debug, Clone, Copy)]
pub struct GuardSeen<'a> {
    /// What.
    pub event: GuardEvent,
    /// Whose.
    pub issuer: &'a Issuer,
    /// Since they were last known to be right; `None`: they never were.
    pub age: Option<Duration>,
}

/// One look-up that ended.
#[derive(Debug, Clone, Copy)]
pub struct LookedUp<'a> {
    /// What was asked.
    pub source: SourceLabel,
    /// What came of it.
    pub outcome: LookupOutcome,
    /// How long it took.
    pub duration: Duration,
    /// Requests that waited for it besides the one that began it.
    pub coalesced: u64,
    /// What went wrong, without credential or answer.
    pub detail: Option<&'a str>,
}

/// One request that was turned away.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// Why.
    pub refusal: Refusal,
    /// The decision id that the client got.
    pub decision: &'a str,
    /// Path prefix of the route, if one matched.
    pub route: Option<&'a str>,
    /// Our name for the session, if one was found.
    pub session: Option<&'a SessionId>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The precise reason, without any value of request or session.
    pub detail: Option<&'a str>,
}

/// A revocation, or the end of one.
#[derive(Debug, Clone, Copy)]
pub struct Revoking<'a> {
    /// What happened to it.
    pub event: RevocationEvent,
    /// What is revoked.
    pub target: &'a Target,
    /// Why, by the label of a [`RevocationReason`].
    pub reason: Option<&'a str>,
}

/// A session that began, changed or ended.
#[derive(Debug, Clone, Copy)]
pub struct SessionSeen<'a> {
    /// Which of the three.
    pub event: SessionEvent,
    /// Our name for it.
    pub session: &'a SessionId,
    /// Whose it is, if known.
    pub subject: Option<&'a Subject>,
    /// Its organisation.
    pub organisation: Option<&'a OrganisationId>,
    /// What changed, or why it ended: names of claims or a code, never a value.
    pub reason: Option<&'a str>,
}

/// A token that was signed: everything about it but the token.
#[derive(Debug, Clone, Copy)]
pub struct TokenSigned<'a> {
    /// Its name.
    pub jti: &'a TokenId,
    /// The key that signed.
    pub kid: Option<&'a KeyId>,
    /// Whose.
    pub subject: &'a Subject,
    /// Whose data it opens.
    pub organisation: Option<&'a OrganisationId>,
    /// Our name for the session.
    pub session: Option<&'a SessionId>,
    /// The service it is for.
    pub audience: &'a Audience,
    /// Path prefix of the route.
    pub route: &'a str,
    /// When it ends.
    pub expires: UnixTime,
    /// Length of the header value.
    pub bytes: usize,
}

/// One worker's way to tell what happened. Cheap to clone; each worker has its own metrics.
#[derive(Clone)]
pub struct Observer {
    metrics: Arc<WorkerMetrics>,
    audit: AuditLog,
    requests: Option<RequestLines>,
    clock: Arc<dyn Clock>,
}

impl Observer {
    /// An observer of one worker.
    #[must_use]
    pub fn new(
        metrics: Arc<WorkerMetrics>,
        audit: AuditLog,
        requests: Option<RequestLines>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { metrics, audit, requests, clock }
    }

    /// An observer that counts and logs but has no audit log and no request lines: for tests and one-shot
    /// commands.
    #[must_use]
    pub fn without_files() -> Self {
        Self::new(Arc::default(), AuditLog::none(), None, Arc::new(SystemClock))
    }

    /// The counters of this worker.
    #[must_use]
    pub fn metrics(&self) -> &WorkerMetrics {
        &self.metrics
    }

    /// Where request lines go, if they were asked for (`[log] requests = true`).
    #[must_use]
    pub fn requests(&self) -> Option<&RequestLines> {
        self.requests.as_ref()
    }

    /// Tells the three readers.
    pub fn observe(&self, observation: Observation<'_>) {
        self.metrics.read(&observation);
        self.metrics.outages().read(&observation, &*self.clock);
        let is_known = self.metrics.outages().is_known(&observation, &*self.clock);
        log::read(&observation, is_known);
        self.audit.read(&observation, self.clock.now());
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}
