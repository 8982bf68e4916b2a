//! The control thread: the admin listener, the control socket, the key schedule, reloads and signals.

use std::{
    io,
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::Router;
use countersign::{KeyId, UnixTime, remote::RemoteKeys, revocation::Target};
use ipnet::IpNet;
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
    time::sleep,
};

use super::{ReadConfig, StartError, compose::Household, revoking};
use crate::{
    admin::{
        self, Admin, Control, ControlSocket, Dependence, KeyChange, KeyChangeError, Question, Reloading,
        RevokeCommand, RevokingNow,
    },
    config::{
        resolved::{BackchannelLogout, Config, Endpoint, Limits, StoreConfig},
        secret,
    },
    entry::proxy::Snapshot,
    guard::GuardReport,
    internal::{
        self, Internal, Listening, LogoutReceiver, clients::ClientTable, exchange::DerivedTokens, feed::Feed,
    },
    keyring::{KeyRing, PhaseWatch, RingKeeper, RingSettings},
    metadata::{Metadata, MetadataHandle},
    observe::{ConnectionEvent, GuardGauges, Observation, ReloadOutcome, RevocationGauges},
    revocation::{ExpectedLogout, Keeper, Lifetimes, SeenLogouts},
    server::{Certificates, Drainer},
    session::Sessions,
    store::StateDirectory,
};

/// The ring in a shared store is read this often.
const FOLLOW_RING_EVERY: Duration = Duration::from_secs(5);
/// The key schedule is looked at this often, or when it says that it changes, if that is sooner.
const SCHEDULE_EVERY: Duration = Duration::from_secs(60);

/// What the control thread looks after.
#[derive(Debug)]
pub(super) struct ControlRoom {
    pub(super) household: Household,
    pub(super) keeper: RingKeeper,
    pub(super) watch: Mutex<PhaseWatch>,
    /// The keys that were published when it was last looked.
    pub(super) published: Mutex<Option<Vec<KeyId>>>,
    pub(super) clients: Arc<ClientTable>,
    pub(super) derived: Arc<ArcSwap<DerivedTokens>>,
    pub(super) feed: Arc<Feed>,
    pub(super) metadata: Arc<MetadataHandle>,
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) limits: Arc<ArcSwap<Limits>>,
    pub(super) trusted_proxies: Arc<ArcSwap<Vec<IpNet>>>,
    pub(super) drainer: Drainer,
    pub(super) present: Mutex<Config>,
    pub(super) reader: Option<Arc<dyn ReadConfig>>,
    pub(super) stop: Arc<Notify>,
}

impl Control for ControlRoom {
    fn not_ready(&self) -> Option<&'static str> {
        let is_starting = || self.guard_report().is_some_and(|report| report.is_starting());
        let draining = self.drainer.has_begun().then_some("draining");
        draining.or_else(|| is_starting().then_some("starting"))
    }

    fn cached_sessions(&self) -> u64 {
        u64::try_from(self.household.memory.cache.len()).unwrap_or(u64::MAX)
    }

    fn source_is_failing(&self) -> bool {
        self.snapshot.load().translation.sessions.source_is_failing()
    }

    fn reload(&self) -> Reloading<'_> {
        Box::pin(async move { self.reload_now() })
    }

    fn revocations(&self) -> RevocationGauges {
        let (ledger, usage) = (self.household.memory.ledger(), self.feed.usage());
        RevocationGauges {
            held: u64::try_from(ledger.len()).unwrap_or(u64::MAX),
            newest: ledger.cursor().seq,
            streams: usage.streams,
            lag: usage.lag,
            cut: usage.cut,
            unreadable: u64::try_from(ledger.unreadable()).unwrap_or(u64::MAX),
            pending: u64::try_from(ledger.pending()).unwrap_or(u64::MAX),
        }
    }

    fn authorization_server(&self) -> Option<Dependence> {
        self.asked_now()
    }

    fn store(&self) -> Option<Dependence> {
        self.store_now()
    }

    fn faults(&self) -> Vec<&'static str> {
        let of_guard = self.guard_report();
        let of_guard = of_guard.iter().flat_map(GuardReport::faults);
        let of_log = self.household.memory.ledger().faults().into_iter();
        of_log.chain(self.outages()).chain(of_guard).collect()
    }

    fn guard(&self) -> Option<GuardGauges> {
        self.guard_gauges()
    }

    fn revoke(&self, command: RevokeCommand) -> RevokingNow<'_> {
        Box::pin(revoking::carry_out(&self.household, command))
    }

    fn refusing(&self, question: &Question) -> Option<Target> {
        let sessions = &self.snapshot.load().translation.sessions;
        revoking::refusing(sessions, self.household.clock.now().wall, question)
    }

    fn change_keys(&self, change: KeyChange) -> Result<(), KeyChangeError> {
        self.change_keys_now(change)
    }
}

impl ControlRoom {
    /// Reads the configuration and puts it in force. Whatever is wrong with it, the present one stays.
    fn reload_now(&self) -> Result<ReloadOutcome, String> {
        let result = self.try_reload();
        let (outcome, detail) = match &result {
            Ok(outcome) => (*outcome, None),
            Err(report) => (ReloadOutcome::Refused, Some(report.as_str())),
        };
        self.household.observer.observe(Observation::Reloaded { outcome, detail });
        result
    }

    fn try_reload(&self) -> Result<ReloadOutcome, String> {
        let reader = self.reader.as_ref().ok_or("this gateway was not started from a file")?;
        let config = reader.read()?;
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = needs_a_restart(&present, &config) {
            return Err(format!("`{key}` cannot be changed while the gateway runs: restart it"));
        }
        let now = self.household.clock.now().wall;
        let settings = RingSettings::from(&config.token);
        let ring = self.keeper.open(&settings, now).map_err(|fault| {
            self.observe_ring_fault(&fault);
            fault.while_running()
        })?;
        let metadata = Metadata::render(&config.issuer, &ring, now).map_err(|error| error.to_string())?;
        let guard = self.household.next_guard(config.guard.as_ref()).map_err(|error| error.to_string())?;
        let snapshot = self.household.compose(&config, guard.issuer.as_ref());
        let snapshot = snapshot.map_err(|error| error.to_string())?;
        // Whatever can fail has been done: from here on all of it is put in force.
        self.household.keyring.replace(ring);
        self.metadata.replace(metadata);
        self.household.memory.ledger().settle(Lifetimes::from(&config));
        self.clients.replace(&config.clients);
        self.derived.store(Arc::new(DerivedTokens::from(&config.token)));
        self.limits.store(Arc::new(config.limits));
        self.trusted_proxies.store(Arc::new(config.trusted_proxies.clone()));
        self.household.trust(guard);
        self.snapshot.store(Arc::new(snapshot));
        self.tell_of_keys(&self.household.keyring.load_full(), now);
        *present = config;
        Ok(ReloadOutcome::Applied)
    }

    /// Keys change their phase with time alone: the published documents follow.
    pub(super) fn follow_schedule(&self) -> Duration {
        let now = self.household.clock.now().wall;
        let ring = self.household.keyring.load_full();
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        watch.tell(&ring, now, &self.household.observer);
        drop(watch);
        self.tell_of_keys(&ring, now);
        let issuer = self.present.lock().unwrap_or_else(PoisonError::into_inner).issuer.clone();
        match Metadata::render(&issuer, &ring, now) {
            Ok(metadata) => self.metadata.replace(metadata),
            Err(error) => {
                let detail = error.to_string();
                self.household
                    .observer
                    .observe(Observation::Store { failure: Some("metadata"), detail: &detail });
            }
        }
        let until_change = ring.next_change(now).map(|at| at.saturating_since(now));
        until_change.map_or(SCHEDULE_EVERY, |wait| wait.clamp(Duration::from_secs(1), SCHEDULE_EVERY))
    }

    /// Other gateways change the ring too, and a shared store can lose it: what is in memory is used meanwhile.
    fn follow_ring(&self) {
        let now = self.household.clock.now().wall;
        let settings = {
            let present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
            RingSettings::from(&present.token)
        };
        let in_force = self.household.keyring.load().version();
        match self.keeper.follow(&settings, now, in_force) {
            Ok(Some(ring)) => self.household.keyring.replace(ring),
            Ok(None) => {}
            Err(fault) => self.observe_ring_fault(&fault),
        }
        self.tell_of_mended_ring();
    }

    /// Services learn of a change of the key set at once, by the feed.
    fn tell_of_keys(&self, ring: &KeyRing, now: UnixTime) {
        let kids: Vec<KeyId> = ring.published(now).map(|key| key.scheduled.kid.clone()).collect();
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        // What cannot be told now, because too much waits to be written, is told at the next look.
        let is_news = published.as_ref().is_some_and(|before| *before != kids);
        if !is_news || self.household.memory.ledger().keys_changed(now).is_ok() {
            *published = Some(kids);
        }
    }

    fn drain(&self) {
        self.drainer.drain();
        let event = ConnectionEvent::Draining;
        self.household.observer.observe(Observation::Connection { event, client: None, detail: None });
    }

    async fn tend(&self) {
        loop {
            self.look_after_keys();
            let mut wait = self.follow_schedule();
            while self.keeper.store().is_shared() && wait > FOLLOW_RING_EVERY {
                sleep(FOLLOW_RING_EVERY).await;
                self.follow_ring();
                wait = wait.saturating_sub(FOLLOW_RING_EVERY).min(self.follow_schedule());
            }
            sleep(wait).await;
        }
    }

    /// Sessions that another gateway found to be others than before are asked about anew here.
    async fn follow_changed_sessions(&self) {
        let present = || Arc::clone(&self.snapshot.load().translation.sessions);
        let (ledger, clock) = (self.household.memory.ledger(), &*self.household.clock);
        Sessions::follow_changes(ledger, clock, present).await;
    }

    async fn obey(&self, signals: Option<Signals>) {
        let Some(mut signals) = signals else { return std::future::pending().await };
        loop {
            tokio::select! {
                biased;
                _ = signals.terminate.recv() => self.drain(),
                _ = signals.interrupt.recv() => self.drain(),
                // What is wrong is observed; the present configuration stays in force.
                _ = signals.hang_up.recv() => drop(self.reload_now()),
            }
        }
    }
}

/// Those that are obeyed. Without this each of them ends the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

/// The first setting that differs and is read only at the start.
fn needs_a_restart(present: &Config, next: &Config) -> Option<&'static str> {
    [
        ("listen", present.listen != next.listen),
        ("admin_listen", present.admin_listen != next.admin_listen),
        ("internal_listen", present.internal_listen != next.internal_listen),
        (
            "backchannel_logout",
            format!("{:?}", present.backchannel_logout) != format!("{:?}", next.backchannel_logout),
        ),
        ("state_dir", present.state_dir != next.state_dir),
        ("encryption_key", key_place(present) != key_place(next)),
        ("store", !is_same_store(present.store.as_deref(), next.store.as_deref())),
        ("workers", present.workers != next.workers),
        ("tls", present.tls != next.tls),
        ("session.cache_entries", present.session.cache_entries != next.session.cache_entries),
        ("session.max_lookups", present.session.max_lookups != next.session.max_lookups),
        (
            "session.max_lookups_per_client",
            present.session.max_lookups_per_client != next.session.max_lookups_per_client,
        ),
        ("log", present.log != next.log),
        ("limits.connections", present.limits.connections != next.limits.connections),
    ]
    .into_iter()
    .find_map(|(key, differs)| differs.then_some(key))
}

/// Also its password, which no text shows.
fn is_same_store(present: Option<&StoreConfig>, next: Option<&StoreConfig>) -> bool {
    let password = |store: Option<&StoreConfig>| store.and_then(|store| store.password.clone());
    let same_password = match (password(present), password(next)) {
        (Some(present), Some(next)) => secret::is_same(&present, &next),
        (present, next) => present.is_none() && next.is_none(),
    };
    same_password && format!("{present:?}") == format!("{next:?}")
}

fn key_place(config: &Config) -> Option<&str> {
    config.encryption_key.as_ref().map(|key| key.place.as_str())
}

/// What the control thread opens itself.
pub(super) struct Doors {
    pub(super) admin: TcpListener,
    pub(super) directory: Arc<StateDirectory>,
    pub(super) signals: bool,
    pub(super) ledger: Keeper,
    pub(super) internal: Option<InternalDoor>,
}

/// The listener for clients that prove who they are.
pub(super) struct InternalDoor {
    pub(super) listener: TcpListener,
    pub(super) certificates: Option<Arc<Certificates>>,
    pub(super) logout: Option<BackchannelLogout>,
    pub(super) internal: Internal,
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
}

impl InternalDoor {
    /// To be called within a tokio runtime.
    fn open(self) -> Result<(Listening, Router), StartError> {
        self.listener.set_nonblocking(true).map_err(StartError::Thread)?;
        let listener = tokio::net::TcpListener::from_std(self.listener).map_err(StartError::Thread)?;
        if let Some(logout) = self.logout {
            let keys = RemoteKeys::builder();
            let keys = match &logout.keys {
                Endpoint::Discovered(issuer) => keys.discover(issuer.clone()),
                Endpoint::Given(url) => keys.key_set(url.to_string()),
            };
            let keys = if logout.insecure_http { keys.insecure_http() } else { keys };
            let receiver = LogoutReceiver {
                expected: ExpectedLogout {
                    issuer: logout.issuer,
                    client: logout.client,
                    any_type: logout.any_type,
                },
                keys: keys.start()?,
                seen: SeenLogouts::default(),
                snapshot: self.snapshot,
            };
            // Set once, here.
            let _ = self.internal.logout.set(receiver);
        }
        Ok((Listening { listener, certificates: self.certificates }, self.internal.pages()))
    }
}

/// Starts the control thread; returns when it answers.
pub(super) fn start(
    room: Arc<ControlRoom>,
    pages: Admin,
    doors: Doors,
) -> Result<JoinHandle<()>, StartError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
    let (opened, outcome) = mpsc::sync_channel(1);
    let thread = thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || run(&runtime, &room, &pages, doors, &opened))
        .map_err(StartError::Thread)?;
    match outcome.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(StartError::Thread(io::Error::other("the control thread ended at once"))),
    }
}

fn run(
    runtime: &Runtime,
    room: &ControlRoom,
    pages: &Admin,
    doors: Doors,
    opened: &mpsc::SyncSender<Result<(), StartError>>,
) {
    runtime.block_on(async {
        let Doors { admin, internal, directory, signals, ledger } = doors;
        let bound = async {
            admin.set_nonblocking(true).map_err(StartError::Thread)?;
            let admin = tokio::net::TcpListener::from_std(admin).map_err(StartError::Thread)?;
            let (socket, listener) = ControlSocket::bind(&directory)?;
            let internal = internal.map(InternalDoor::open).transpose()?;
            if let Some(issuer) = &*room.household.guard.load() {
                issuer.follow()?;
            }
            // Before anybody hears that the gateway is ready, and sends one.
            let signals = signals.then(Signals::listen).transpose().map_err(StartError::Thread)?;
            Ok((admin, socket, listener, internal, signals))
        };
        let (admin, _socket, control, internal, signals) = match bound.await {
            Ok(bound) => bound,
            Err(error) => return drop(opened.send(Err(error))),
        };
        // Whoever started this thread waits for the message.
        drop(opened.send(Ok(())));
        let stopped = room.stop.notified();
        let serve_internal = async {
            match internal {
                Some((listening, pages)) => internal::serve(listening, pages).await,
                None => std::future::pending().await,
            }
        };
        let serve_pages = async {
            tokio::join!(
                admin::serve(admin, pages.read_only(), std::future::pending()),
                admin::serve(control, pages.control(), std::future::pending()),
            );
        };
        tokio::select! {
            biased;
            () = stopped => {}
            () = serve_pages => {}
            () = room.obey(signals) => {}
            () = ledger.run() => {}
            () = serve_internal => {}
            () = room.tend() => {}
            () = room.follow_changed_sessions() => {}
            () = room.watch_guard() => {}
        }
    });
}
