//! The start: what the configuration names is opened, put together and served, in this order.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{SystemClock as WallClock, revocation::Epoch};
use tokio::sync::Notify;

use super::{
    Gateway, Lines, StartError, Surroundings,
    compose::Household,
    control::{self, ControlRoom, Doors, InternalDoor},
};
use crate::{
    admin,
    clock::Clock,
    config::resolved::Config,
    entropy::{Entropy, NoEntropy},
    entry::{decision_id::DecisionIds, proxy::Proxy},
    guard::TrustedIssuer,
    internal::{Internal, OwnTokens, clients::ClientTable, exchange::DerivedTokens, feed::Feed},
    keyring::{KeyRingHandle, RingKeeper, RingSettings, encryption_key::EncryptionKeySource},
    metadata::{Metadata, MetadataHandle},
    observe::{
        LinesGuard, Metrics, Observer,
        audit::{self, AuditLimits, AuditLog},
        requests::RequestLog,
    },
    revocation::{Keeper, Ledger, Lifetimes},
    server::{self, Certificates},
    session::{Memory, gate::Places, shared::SharedCache},
    store::{StateDirectory, embedded::EmbeddedAnswers},
    tasks::Tasks,
    translate::PageIndex,
    upstream::Registry,
};

#[cfg(feature = "valkey")]
use crate::store::valkey::ValkeyAnswers;

impl Gateway {
    /// Starts it: when this returns, requests are answered.
    ///
    /// # Errors
    /// [`StartError`]. Nothing runs then.
    pub fn start(config: &Config, surroundings: Surroundings) -> Result<Self, StartError> {
        let Surroundings { clock, entropy, listeners, reload, signals, log_losses } = surroundings;
        let directory = Arc::new(StateDirectory::enter(&config.state_dir)?);
        let keeper = ring_keeper(config, &directory, &entropy, &clock)?;
        let started = clock.now().wall;
        let ring = keeper.open(&RingSettings::from(&config.token), started)?;
        let metadata = Arc::new(MetadataHandle::new(Metadata::render(&config.issuer, &ring, started)?));
        let watching = Watching::open(config, &directory)?;
        let (household, ledger) = open_household(
            (config, &directory),
            &keeper,
            KeyRingHandle::new(ring),
            watching.own.clone(),
            (&clock, &entropy),
        )?;
        let internal = internal_pages(config, &household);
        let trusted = household.guard.load_full();
        let snapshot = Arc::new(ArcSwap::from_pointee(household.compose(config, trusted.as_ref())?));
        let limits = Arc::new(ArcSwap::from_pointee(config.limits));
        let trusted_proxies = Arc::new(ArcSwap::from_pointee(config.trusted_proxies.clone()));
        let certificates = config.tls.as_ref().map(Certificates::load).transpose()?.map(Arc::new);
        let sockets = Sockets::bind(config, listeners)?;
        let (admin_address, internal_address) = sockets.addresses()?;

        let ids = DecisionIds::for_workers(config.workers.get(), &*entropy)?;
        let told = watching.workers.clone();
        let proxy = Proxy::new(Arc::clone(&snapshot), Arc::clone(&metadata), clock, ids, told);
        let settings = server::Settings {
            workers: config.workers,
            limits: Arc::clone(&limits),
            trusted_proxies: Arc::clone(&trusted_proxies),
            registry: Arc::clone(&household.registry),
            certificates: certificates.clone(),
            observers: watching.workers,
            acceptor: watching.own,
        };
        let running = server::serve(sockets.data, settings, Arc::new(proxy)).map_err(StartError::Thread)?;

        let stop = Arc::new(Notify::new());
        let ring = Arc::clone(&household.keyring);
        let room = Arc::new(ControlRoom {
            household,
            keeper,
            watch: Mutex::default(),
            published: Mutex::default(),
            clients: Arc::clone(&internal.clients),
            derived: Arc::clone(&internal.derived),
            feed: Arc::clone(&internal.feed),
            metadata: Arc::clone(&metadata),
            snapshot: Arc::clone(&snapshot),
            limits,
            trusted_proxies,
            drainer: running.drainer(),
            present: Mutex::new(config.clone()),
            reader: reload,
            stop: Arc::clone(&stop),
        });
        let pages = admin::Admin::new(admin::Parts {
            control: room.clone(),
            ring,
            metadata,
            metrics: watching.metrics,
            log: log_losses,
            audit: watching.audit.losses(),
            requests: watching.requests.as_ref().map(RequestLog::losses),
            clock: Arc::new(WallClock),
            started,
        });
        let logout = config.backchannel_logout.clone();
        let internal = sockets.internal.map(|listener| InternalDoor {
            listener,
            certificates,
            logout,
            internal,
            snapshot,
        });
        let doors = Doors { admin: sockets.admin, internal, directory, signals, ledger };
        let control = Some(control::start(room, pages, doors)?);
        let lines = Lines { _audit: watching.audit_guard, _requests: watching.requests };
        Ok(Self { running, internal: internal_address, admin: admin_address, control, stop, lines })
    }
}

/// Who is told what happens.
struct Watching {
    audit: AuditLog,
    audit_guard: LinesGuard,
    metrics: Metrics,
    requests: Option<RequestLog>,
    /// One for each data worker.
    workers: Vec<Observer>,
    /// Everybody else's.
    own: Observer,
}

impl Watching {
    fn open(config: &Config, directory: &StateDirectory) -> Result<Self, StartError> {
        let (audit, audit_guard) = open_audit(directory)?;
        let metrics = Metrics::new(config.workers.get());
        let requests = open_requests(config)?;
        let observer = |counters, lines| Observer::new(counters, audit.clone(), lines, Arc::new(WallClock));
        let workers = (0..config.workers.get())
            .map(|index| observer(metrics.worker(index), requests.as_ref().map(|log| log.worker(index))))
            .collect();
        let own = observer(metrics.control(), None);
        Ok(Self { audit, audit_guard, metrics, requests, workers, own })
    }
}

/// The sockets that are listened at.
struct Sockets {
    data: Vec<TcpListener>,
    admin: TcpListener,
    internal: Option<TcpListener>,
}

impl Sockets {
    /// `data` is used in place of `listen`, if there is any.
    fn bind(config: &Config, data: Vec<TcpListener>) -> Result<Self, StartError> {
        let admin = bind(config.admin_listen)?;
        let internal = config.internal_listen.map(bind).transpose()?;
        let data = if data.is_empty() { vec![bind(config.listen)?] } else { data };
        Ok(Self { data, admin, internal })
    }

    /// Those of the admin listener and of the internal one.
    fn addresses(&self) -> Result<(SocketAddr, Option<SocketAddr>), StartError> {
        let admin = self.admin.local_addr().map_err(StartError::Thread)?;
        let internal = self.internal.as_ref().map(TcpListener::local_addr).transpose();
        Ok((admin, internal.map_err(StartError::Thread)?))
    }
}

/// What outlives every configuration, and who keeps its ledger.
fn open_household(
    (config, directory): (&Config, &StateDirectory),
    keeper: &RingKeeper,
    keyring: KeyRingHandle,
    observer: Observer,
    (clock, entropy): (&Arc<dyn Clock>, &Arc<dyn Entropy>),
) -> Result<(Household, Keeper), StartError> {
    let (ledger, ledger_keeper) = Ledger::open(
        Arc::clone(keeper.store()),
        &fresh_epoch(&**entropy)?,
        config.issuer.clone(),
        Lifetimes::from(config),
        Arc::clone(clock),
        observer.clone(),
    )?;
    if let Some(longest) = config.store.as_ref().and_then(|store| store.max_alone) {
        ledger.limit_alone(longest);
    }
    let answers = shared_answers(config, directory, clock, &observer)?;
    let household = Household {
        memory: Arc::new(memory(config).with_ledger(ledger).with_shared(answers)),
        // One for each thread that serves: a storm of them takes half of the processors.
        keyring: Arc::new(keyring.signing_at_once(config.workers)),
        pages: Arc::new(PageIndex::new(config.session.cache_entries)),
        guard: ArcSwapOption::from(trusted(config)),
        registry: Arc::new(Registry::new(config.workers)),
        observer,
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
    };
    Ok((household, ledger_keeper))
}

/// What clients that prove who they are may ask for, whether there is a listener for them or not.
fn internal_pages(config: &Config, household: &Household) -> Internal {
    let (ledger, keyring, entropy) = (household.memory.ledger(), &household.keyring, &household.entropy);
    let feed = Feed::new(Arc::clone(ledger), Arc::clone(keyring), Arc::new(WallClock), Arc::clone(entropy));
    Internal {
        clients: Arc::new(ClientTable::new(config.issuer.clone(), &config.clients)),
        feed: Arc::new(feed),
        ledger: Arc::clone(ledger),
        keyring: Arc::clone(keyring),
        own: Arc::new(OwnTokens::new(Arc::clone(keyring), Arc::clone(ledger))),
        logout: Arc::default(),
        pace: Arc::default(),
        derived: Arc::new(ArcSwap::from_pointee(DerivedTokens::from(&config.token))),
        observer: household.observer.clone(),
        entropy: Arc::clone(entropy),
        clock: Arc::new(WallClock),
    }
}

/// The second-level cache: with other gateways, if it is wanted, or in a file.
fn shared_answers(
    config: &Config,
    directory: &StateDirectory,
    clock: &Arc<dyn Clock>,
    observer: &Observer,
) -> Result<Option<Arc<dyn SharedCache>>, StartError> {
    if config.store.is_none() {
        let (rows, clock) = (config.session.cache_entries, Arc::clone(clock));
        let answers = EmbeddedAnswers::start(directory, rows, clock, observer.clone());
        return Ok(Some(Arc::new(answers.map_err(StartError::Thread)?)));
    }
    #[cfg(feature = "valkey")]
    if let Some(store) = config.store.as_ref().filter(|store| store.cache) {
        let answers = ValkeyAnswers::start(store, Arc::clone(clock)).map_err(StartError::Thread)?;
        return Ok(Some(Arc::new(answers)));
    }
    Ok(None)
}

/// The issuer of `[guard]`.
pub(super) fn trusted(config: &Config) -> Option<Arc<TrustedIssuer>> {
    config.guard.as_ref().map(|guard| Arc::new(TrustedIssuer::new(guard)))
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

pub(super) fn memory(config: &Config) -> Memory {
    let session = &config.session;
    let places = Places { all: session.max_lookups, per_client: session.max_lookups_per_client };
    Memory::new(session.cache_entries, places, Tasks::default())
}

impl From<&Config> for Lifetimes {
    fn from(config: &Config) -> Self {
        let spread = if config.store.is_some() { Self::SPREAD } else { Duration::ZERO };
        Self { token: config.token.lifetime, session: config.session.max_age, spread }
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
