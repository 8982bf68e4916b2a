//! The gateway's own pages for operators: a read-only listener, and a socket for what changes state.
//!
//! | listener | who reaches it | what |
//! |---|---|---|
//! | `admin_listen` (TCP) | whoever reaches the address | `/metrics`, `/healthz`, `/readyz`, `/.well-known/jwks.json` |
//! | `state_dir/control.sock` (mode 0600) | the gateway's own user | the same, `/status`, `/keys`, `/keys/public`, `POST /revoked` (a question), `POST /reload`, `POST /revoke`, `POST /keys/rotate`, `/keys/retire`, `/keys/import` |
//!
//! 1. Nothing on the read-only listener changes anything, and nothing on either shows a secret.
//! 2. `/healthz` says that the process runs and answers: restart it when it does not. `/readyz` says whether it
//!    can serve, and if not, why: send it no requests meanwhile.
//! 3. Both serve one request for each connection, at most 64 at once, a head within 10 s, all within 30 s.

pub mod client;
mod pages;
mod revoke;
mod revoked;
mod serve;
mod socket;

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use axum::{
    Router,
    routing::{get, post},
};
use countersign::{
    Clock, KeyId, Secret, UnixTime,
    revocation::{Cursor, Target},
};

use crate::{
    keyring::KeyRingHandle,
    metadata::{KEY_SET_PATH, MetadataHandle},
    observe::{
        Gauges, GuardGauges, KeyPhase, Losses, Metrics, ReloadOutcome, RevocationGauges,
        requests::RequestLosses,
    },
    revocation::Unrecorded,
};

pub use revoked::{AskedSession, AskedToken, Question};
pub use serve::serve;
pub use socket::{ControlSocket, SOCKET};

/// What an operator does to the key ring.
#[derive(Debug)]
pub enum KeyChange {
    /// A key from elsewhere, in PEM or as a JWK, becomes the standby key.
    Import(Secret<String>),
    /// A key is gone at once; the next one signs, if it did.
    Retire(KeyId),
    /// The standby key takes over as soon as it has led.
    Rotate,
}

/// Why the key ring was not changed. The text holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChangeError {
    /// It cannot be done as asked.
    Refused(String),
    /// The store cannot be read or written now.
    Store(String),
}

/// The future of one reload: how it went, or what is wrong with the configuration.
pub type Reloading<'a> = Pin<Box<dyn Future<Output = Result<ReloadOutcome, String>> + Send + 'a>>;

/// The future of one command to revoke.
pub type RevokingNow<'a> = Pin<Box<dyn Future<Output = Result<RevokeReport, Unrecorded>> + Send + 'a>>;

/// What an operator wants revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeCommand {
    /// What.
    pub target: Target,
    /// What is done.
    pub act: RevokeAct,
}

/// What is done with a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokeAct {
    /// Nothing: it is counted what would be concerned.
    Count,
    /// Its revocation is taken back.
    Lift,
    /// It is revoked.
    Revoke,
}

/// What a command came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeReport {
    /// Sessions in this gateway's memory that are concerned.
    pub sessions: u64,
    /// Those of them whose beginning the authorization server does not tell: they stay refused until a lift.
    pub unproven: u64,
    /// Whether it was revoked before.
    pub was_revoked: bool,
    /// The place of the change in the log; `None`: nothing was changed.
    pub cursor: Option<Cursor>,
}

/// Something that the gateway leans on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependence {
    /// Where it is, without credentials.
    pub at: String,
    /// Since when it is away. `None`: it was there when it was asked last.
    pub away: Option<Away>,
}

/// It is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// The first failure after the last success.
    pub since: UnixTime,
    /// What the last failure was.
    pub reason: Option<String>,
}

/// What the pages ask of the running gateway.
pub trait Control: Send + Sync + fmt::Debug {
    /// Why requests should not be sent here now (`starting`, `draining`, …); `None`: they may.
    fn not_ready(&self) -> Option<&'static str>;

    /// How many sessions are in the cache.
    fn cached_sessions(&self) -> u64;

    /// Whether the authorization server is taken for failed.
    fn source_is_failing(&self) -> bool;

    /// Reads the configuration again. An error holds no secret.
    fn reload(&self) -> Reloading<'_>;

    /// What is revoked and who follows it.
    fn revocations(&self) -> RevocationGauges {
        RevocationGauges::default()
    }

    /// How the issuer is doing that guarded routes trust, if there is one.
    fn guard(&self) -> Option<GuardGauges> {
        None
    }

    /// The authorization server, if one is asked.
    fn authorization_server(&self) -> Option<Dependence> {
        None
    }

    /// The store that several gateways share, if there is one.
    fn store(&self) -> Option<Dependence> {
        None
    }

    /// Codes of what is wrong though requests are served.
    fn faults(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Revokes, lifts, or only counts. A gateway that keeps no revocations can do none of it.
    fn revoke(&self, _: RevokeCommand) -> RevokingNow<'_> {
        Box::pin(std::future::ready(Err(Unrecorded::Stopped)))
    }

    /// What refuses the session or token that is asked about, if anything does.
    fn refusing(&self, _: &Question) -> Option<Target> {
        None
    }

    /// Changes the key ring.
    ///
    /// # Errors
    /// [`KeyChangeError`]; nothing is changed then.
    fn change_keys(&self, change: KeyChange) -> Result<(), KeyChangeError>;
}

/// The operators' pages. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Admin(Arc<Parts>);

/// What the pages are made of.
#[derive(Debug)]
pub struct Parts {
    /// The running gateway.
    pub control: Arc<dyn Control>,
    /// The ring in force.
    pub ring: Arc<KeyRingHandle>,
    /// The documents in force.
    pub metadata: Arc<MetadataHandle>,
    /// The counters of all workers.
    pub metrics: Metrics,
    /// What the log lost.
    pub log: Option<Arc<Losses>>,
    /// What the audit log lost.
    pub audit: Option<Arc<Losses>>,
    /// What the request lines lost.
    pub requests: Option<RequestLosses>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// When the gateway started.
    pub started: UnixTime,
}

impl Admin {
    /// The pages of that gateway.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The pages of `admin_listen`.
    pub fn read_only(&self) -> Router {
        Router::new()
            .route("/healthz", get(pages::healthz))
            .route("/metrics", get(pages::metrics))
            .route("/readyz", get(pages::readyz))
            .route(KEY_SET_PATH, get(pages::key_set))
            .with_state(self.clone())
    }

    /// The pages of the control socket.
    pub fn control(&self) -> Router {
        let more = Router::new()
            .route("/keys", get(pages::keys))
            .route("/keys/import", post(pages::import_key))
            .route("/keys/public", get(pages::key_set))
            .route("/keys/retire", post(pages::retire_key))
            .route("/keys/rotate", post(pages::rotate_keys))
            .route("/reload", post(pages::reload))
            .route("/revoke", post(revoke::revoke))
            .route("/revoked", post(revoked::revoked))
            .route("/status", get(pages::status))
            .with_state(self.clone());
        self.read_only().merge(more)
    }

    /// Why requests should not be sent here now.
    fn not_ready(&self) -> Option<&'static str> {
        let now = self.0.clock.now();
        let signs = self.0.ring.load().keys(now).any(|key| key.phase == KeyPhase::Signing);
        if signs { self.0.control.not_ready() } else { Some("no_signing_key") }
    }

    fn gauges(&self) -> Gauges {
        let now = self.0.clock.now();
        let ring = self.0.ring.load();
        let count = |phase| ring.keys(now).filter(|key| key.phase == phase).count() as u64;
        let lost = |losses: &Option<Arc<Losses>>| losses.as_ref().map_or(0, |losses| losses.lost());
        Gauges {
            cached_sessions: self.0.control.cached_sessions(),
            revocations: self.0.control.revocations(),
            guard: self.0.control.guard(),
            keys: [KeyPhase::Published, KeyPhase::Signing, KeyPhase::VerifyingOnly].map(count),
            log_lines_lost: lost(&self.0.log),
            request_lines_lost: self.0.requests.as_ref().map_or(0, RequestLosses::lost),
            audit_lines_lost: lost(&self.0.audit),
            audit_failing: self.0.audit.as_ref().is_some_and(|losses| losses.failing()),
            breaker_open: self.0.control.source_is_failing(),
            ready: self.not_ready().is_none(),
        }
    }
}
