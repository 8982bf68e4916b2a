//! The running gateway: everything put together, and what happens beside requests.
//!
//! Data workers and the accept loop are [`server`]'s. One control thread runs the admin listener, the
//! control socket, the key schedule, reloads and signals.

mod compose;
mod control;
mod keys;
mod rehearsal;
mod revoking;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{SystemClock as WallClock, revocation::Epoch};
use tokio::sync::Notify;

use crate::{
    admin,
    clock::Clock,
    config::resolved::Config,
    entropy::{Entropy, NoEntropy},
    entry::{decision_id::DecisionIds, proxy::Proxy},
    internal::{Internal, clients::ClientTable, exchange::DerivedTokens, feed::Feed},
    keyring::{KeyRingHandle, RingFault, RingKeeper, RingSettings, encryption_key::EncryptionKeySource},
    metadata::{Metadata, MetadataError, MetadataHandle},
    observe::{
        LinesGuard, Losses, Metrics, Observer,
        audit::{self, AuditLimits, AuditLog},
        requests::RequestLog,
    },
    revocation::{Ledger, Lifetimes},
    server::{self, CertificateError, Certificates, Drained, Drainer, Running},
    session::{Memory, gate::Places, shared::SharedCache, source::SourceSetupError},
    store::{StateDirectory, StoreError},
    tasks::Tasks,
    translate::PageIndex,
    upstream::Registry,
};

#[cfg(feature = "valkey")]
use crate::store::valkey::ValkeyAnswers;

use self::{
    compose::Household,
    control::{ControlRoom, Doors, InternalDoor},
};

pub use rehearsal::rehearse;

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
    /// Starts it: when this returns, requests are answered.
    ///
    /// # Errors
    /// [`StartError`]. Nothing runs then.
    pub fn start(config: &Config, surroundings: Surroundings) -> Result<Self, StartError> {
        let Surroundings { clock, entropy, listeners, reload, signals, log_losses } = surroundings;
        let directory = Arc::new(StateDirectory::enter(&config.state_dir)?);
        let keeper = ring_keeper(config, &directory, &entropy, &clock)?;
        let now = clock.now().wall;
        let ring = keeper.open(&RingSettings::from(&config.token), now)?;
        let metadata = Arc::new(MetadataHandle::new(Metadata::render(&config.issuer, &ring, now)?));
        let keyring = Arc::new(KeyRingHandle::new(ring));

        let (audit, audit_guard) = open_audit(&directory)?;
        let metrics = Metrics::new(config.workers.get());
        let requests = open_requests(config)?;
        let observer = |counters, lines| Observer::new(counters, audit.clone(), lines, Arc::new(WallClock));
        let observers: Vec<_> = (0..config.workers.get())
            .map(|index| observer(metrics.worker(index), requests.as_ref().map(|log| log.worker(index))))
            .collect();

        let own = observer(metrics.control(), None);
        let (ledger, ledger_keeper) = Ledger::open(
            Arc::clone(keeper.store()),
            &fresh_epoch(&*entropy)?,
            config.issuer.clone(),
            Lifetimes::from(config),
            Arc::clone(&clock),
            own.clone(),
        )?;
        let household = Household {
            memory: Arc::new(memory(config).with_ledger(ledger).with_shared(shared_answers(config, &clock)?)),
            keyring: Arc::clone(&keyring),
            pages: Arc::new(PageIndex::new(config.session.cache_entries)),
            registry: Arc::new(Registry::new(config.workers)),
            observer: own,
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
        };
        let clients = Arc::new(ClientTable::new(config.issuer.clone(), &config.clients));
        let feed = Arc::new(Feed::new(
            Arc::clone(household.memory.ledger()),
            Arc::clone(&keyring),
            Arc::new(WallClock),
            Arc::clone(&entropy),
        ));
        let derived = Arc::new(ArcSwap::from_pointee(DerivedTokens::from(&config.token)));
        let internal = Internal {
            clients: Arc::clone(&clients),
            feed: Arc::clone(&feed),
            ledger: Arc::clone(household.memory.ledger()),
            keyring: Arc::clone(&keyring),
            logout: Arc::default(),
            derived: Arc::clone(&derived),
            observer: household.observer.clone(),
            entropy: Arc::clone(&entropy),
            clock: Arc::new(WallClock),
        };
        let snapshot = Arc::new(ArcSwap::from_pointee(household.compose(config)?));
        let limits = Arc::new(ArcSwap::from_pointee(config.limits));
        let trusted_proxies = Arc::new(ArcSwap::from_pointee(config.trusted_proxies.clone()));
        let certificates = match &config.tls {
            Some(files) => Some(Arc::new(Certificates::load(files)?)),
            None => None,
        };

        let admin_listener = bind(config.admin_listen)?;
        let admin_address = admin_listener.local_addr().map_err(StartError::Thread)?;
        let internal_listener = config.internal_listen.map(bind).transpose()?;
        let internal_address = internal_listener.as_ref().map(TcpListener::local_addr).transpose();
        let internal_address = internal_address.map_err(StartError::Thread)?;
        let internal_certificates = certificates.clone();
        let listeners = if listeners.is_empty() { vec![bind(config.listen)?] } else { listeners };
        let logout_snapshot = Arc::clone(&snapshot);
        let ids = DecisionIds::for_workers(config.workers.get(), &*entropy)?;
        let told = observers.clone();
        let proxy = Proxy::new(Arc::clone(&snapshot), Arc::clone(&metadata), Arc::clone(&clock), ids, told);
        let settings = server::Settings {
            workers: config.workers,
            limits: Arc::clone(&limits),
            trusted_proxies: Arc::clone(&trusted_proxies),
            registry: Arc::clone(&household.registry),
            certificates,
            observers,
            acceptor: household.observer.clone(),
        };
        let running = server::serve(listeners, settings, Arc::new(proxy)).map_err(StartError::Thread)?;

        let stop = Arc::new(Notify::new());
        let room = Arc::new(ControlRoom {
            household,
            keeper,
            watch: Mutex::default(),
            published: Mutex::default(),
            clients,
            derived,
            feed,
            metadata: Arc::clone(&metadata),
            snapshot,
            limits,
            trusted_proxies,
            drainer: running.drainer(),
            present: Mutex::new(config.clone()),
            reader: reload,
            stop: Arc::clone(&stop),
        });
        let pages = admin::Admin::new(admin::Parts {
            control: room.clone(),
            ring: keyring,
            metadata,
            metrics,
            log: log_losses,
            audit: audit.losses(),
            requests: requests.as_ref().map(RequestLog::losses),
            clock: Arc::new(WallClock),
            started: now,
        });
        let internal = internal_listener.map(|listener| InternalDoor {
            listener,
            certificates: internal_certificates,
            logout: config.backchannel_logout.clone(),
            internal,
            snapshot: Arc::clone(&logout_snapshot),
        });
        let doors = Doors { admin: admin_listener, internal, directory, signals, ledger: ledger_keeper };
        let control = control::start(room, pages, doors)?;
        let lines = Lines { _audit: audit_guard, _requests: requests };
        Ok(Self {
            running,
            internal: internal_address,
            admin: admin_address,
            control: Some(control),
            stop,
            lines,
        })
    }

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

/// The second-level cache, where there is one.
fn shared_answers(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<dyn SharedCache>>, StartError> {
    #[cfg(feature = "valkey")]
    if let Some(store) = config.store.as_ref().filter(|store| store.cache) {
        let answers = ValkeyAnswers::start(store, Arc::clone(clock)).map_err(StartError::Thread)?;
        return Ok(Some(Arc::new(answers)));
    }
    let _ = (config, clock);
    Ok(None)
}

/// The keeper of the ring where the configuration says it is kept.
fn ring_keeper(
    config: &Config,
    directory: &Arc<StateDirectory>,
    entropy: &Arc<dyn Entropy>,
    clock: &Arc<dyn Clock>,
) -> Result<RingKeeper, StartError> {
    let (source, entropy) = (EncryptionKeySource::from(config), Arc::clone(entropy));
    let Some(store) = &config.store else {
        return Ok(RingKeeper::embedded(directory, &source, entropy)?);
    };
    #[cfg(feature = "valkey")]
    return Ok(RingKeeper::shared(directory, &source, store, entropy, Arc::clone(clock))?);
    #[cfg(not(feature = "valkey"))]
    {
        let _ = (store, clock);
        Err(StartError::WithoutValkey)
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    server::bind(address).map_err(|error| StartError::Listen { address, error })
}

fn memory(config: &Config) -> Memory {
    let session = &config.session;
    let places = Places { all: session.max_lookups, per_client: session.max_lookups_per_client };
    Memory::new(session.cache_entries, places, Tasks::default())
}

impl From<&Config> for Lifetimes {
    fn from(config: &Config) -> Self {
        Self { token: config.token.lifetime, session: config.session.max_age }
    }
}

/// A name for the numbering of revocations that no other start has had.
fn fresh_epoch(entropy: &dyn Entropy) -> Result<Epoch, StartError> {
    let mut name = [0; 12];
    entropy.fill(&mut name)?;
    Epoch::new(&URL_SAFE_NO_PAD.encode(name)).map_err(|_| StartError::Entropy(NoEntropy))
}

fn open_audit(directory: &StateDirectory) -> Result<(AuditLog, LinesGuard), StartError> {
    let path = directory.file(audit::FILE);
    AuditLog::open(path.clone(), AuditLimits::DEFAULT).map_err(|error| StartError::Audit { path, error })
}

fn open_requests(config: &Config) -> Result<Option<RequestLog>, StartError> {
    let wanted = config.log.requests.then(|| RequestLog::start(config.workers.get(), io::stdout()));
    wanted.transpose().map_err(StartError::Thread)
}
