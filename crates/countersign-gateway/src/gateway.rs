//! The running gateway: everything put together, and what happens beside requests.
//!
//! Data workers and the accept loop are [`crate::server`]'s. One control thread runs the admin listener, the
//! control socket, the key schedule, reloads and signals.

mod compose;
mod control;
mod guarding;
mod keys;
mod outages;
mod rehearsal;
mod revoking;
mod start;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
};

use tokio::sync::Notify;

use crate::{
    clock::Clock,
    config::resolved::Config,
    entropy::{Entropy, NoEntropy},
    keyring::RingFault,
    metadata::MetadataError,
    observe::{LinesGuard, Losses, requests::RequestLog},
    server::{CertificateError, Drained, Drainer, Running},
    session::source::SourceSetupError,
    store::StoreError,
};

pub use rehearsal::{Rehearsal, rehearse};

/// What the gateway takes from its surroundings.
#[derive(Debug)]
pub struct Surroundings {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Sockets that are bound already, in place of `listen`.
    pub listeners: Vec<TcpListener>,
    /// Reads the configuration again; without it a reload is refused.
    pub reload: Option<Arc<dyn ReadConfig>>,
    /// SIGTERM and SIGINT drain, SIGHUP reloads.
    pub signals: bool,
    /// What the process's log lost, for the metrics.
    pub log_losses: Option<Arc<Losses>>,
}

/// Reads the configuration again.
pub trait ReadConfig: Send + Sync + std::fmt::Debug {
    /// The configuration as it is now, or what is wrong with it, without any secret.
    ///
    /// # Errors
    /// A report for people.
    fn read(&self) -> Result<Config, String>;
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The state directory cannot be used.
    #[error("cannot use the state directory: {0}")]
    State(#[from] StoreError),
    /// There is no key ring.
    #[error(transparent)]
    Ring(#[from] RingFault),
    /// The documents cannot be rendered.
    #[error("cannot render the metadata: {0}")]
    Metadata(#[from] MetadataError),
    /// The authorization server cannot be set up.
    #[error(transparent)]
    Source(#[from] SourceSetupError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The keys that log-out tokens are believed by cannot be followed.
    #[error("cannot follow the keys of `[backchannel_logout]`: {0}")]
    Logout(#[from] countersign::remote::StartError),
    /// The keys of the guard's issuer cannot be followed.
    #[error("cannot follow the keys of `[guard]`: {0}")]
    Guard(#[source] countersign::remote::StartError),
    /// Its revocations cannot be followed.
    #[error("cannot follow the revocations of `[guard]`: {0}")]
    GuardFeed(#[from] countersign::remote::FeedStartError),
    /// Its client cannot be proven.
    #[error("cannot use the client of `[guard]`: {0}")]
    GuardClient(#[from] countersign::remote::ProofError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// The audit log cannot be written.
    #[error("cannot write the audit log `{}`: {error}", path.display())]
    Audit {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start: {0}")]
    Thread(io::Error),
    /// `[store]` is configured, and this binary was built without the feature `valkey`.
    #[error("`[store]` needs a binary that was built with the feature `valkey`")]
    WithoutValkey,
}

/// A gateway that runs. Dropped, it drains.
#[derive(Debug)]
pub struct Gateway {
    running: Running,
    internal: Option<SocketAddr>,
    admin: SocketAddr,
    control: Option<JoinHandle<()>>,
    stop: Arc<Notify>,
    lines: Lines,
}

/// Writers that end, with what is queued, when the gateway does.
#[derive(Debug)]
struct Lines {
    _audit: LinesGuard,
    _requests: Option<RequestLog>,
}

impl Gateway {
    /// Where requests are answered.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        self.running.addresses()
    }

    /// Where clients that prove who they are are answered.
    #[must_use]
    pub const fn internal_address(&self) -> Option<SocketAddr> {
        self.internal
    }

    /// Where the read-only pages are.
    #[must_use]
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Stops accepting and lets open requests complete. Returns at once.
    pub fn drain(&self) {
        self.running.drain();
    }

    /// Lets another thread drain.
    #[must_use]
    pub fn drainer(&self) -> Drainer {
        self.running.drainer()
    }

    /// Waits until it has drained.
    ///
    /// # Errors
    /// When a thread of the server failed.
    pub fn wait(self) -> io::Result<Drained> {
        let Self { running, control, stop, lines, .. } = self;
        let drained = running.wait();
        stop.notify_one();
        if let Some(control) = control
            && control.join().is_err()
        {
            return Err(io::Error::other("the control thread panicked"));
        }
        drop(lines);
        drained
    }
}
