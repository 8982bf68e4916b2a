//! One gateway of the cluster, below HTTP.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use countersign::{KeyId, KeySet, Secret, UnixTime, revocation::Epoch};
use http::Request;
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use super::{random::Random, server::Link, store::StoreLink};
use crate::{
    clock::{Clock, Moment, Now},
    config::resolved::{ClaimPath, ClaimRoot, ClaimsConfig, RingAlgorithm},
    credential::CredentialRules,
    decision::Decision,
    error::Refusal,
    identity::Mapping,
    keyring::{
        KeyRing, KeyRingHandle, RingKeeper, RingSettings, Seen, Witness,
        schedule::{CLOCK_SKEW, KEY_SET_MAX_AGE, Policy},
        seal::Sealer,
    },
    metadata::Metadata,
    observe::{Observer, SourceLabel},
    revocation::{Ledger, Lifetimes},
    route::RouteTable,
    session::{Memory, Parts, Rules, Sessions, gate::Places, key::SessionKeyer},
    store::RingVersion,
    tasks::Tasks,
    testing,
    translate::{Translation, Warm},
};

/// When the simulation begins.
pub(super) const BEGIN: u64 = 1_800_000_000;
pub(super) const ISSUER: &str = "https://shop.example";
/// How long a token lives.
pub(super) const TOKEN_LIFE: Duration = Duration::from_secs(300);
/// Requests that may wait for one look-up.
pub(super) const MAX_WAITERS: usize = 4;
/// The longest wait for a look-up.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The time of one machine: that of the simulation, a little off.
#[derive(Debug)]
pub(super) struct MachineClock {
    began: Instant,
    off_seconds: AtomicI64,
}

impl MachineClock {
    pub(super) fn new(began: Instant, off_seconds: i64) -> Arc<Self> {
        Arc::new(Self { began, off_seconds: AtomicI64::new(off_seconds) })
    }
}

impl MachineClock {
    /// Somebody sets it.
    pub(super) fn set(&self, off_seconds: i64) {
        self.off_seconds.store(off_seconds, Ordering::SeqCst);
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Now {
        let elapsed = self.began.elapsed();
        let wall = (BEGIN + elapsed.as_secs()).saturating_add_signed(self.off_seconds.load(Ordering::SeqCst));
        let monotonic = Moment::from_millis(3_600_000 + u64::try_from(elapsed.as_millis()).unwrap());
        Now { wall: UnixTime::from_secs(wall), monotonic }
    }
}

/// What a token is signed with and by whom, at the moment of the answer.
pub(super) struct Served {
    pub(super) answer: Result<String, Refusal>,
    /// The ring of the gateway, and when it was read.
    pub(super) ring: RingVersion,
    pub(super) finished: Instant,
}

/// One process of a gateway. Dropped, it is gone with everything it knew, and nothing of it arrives anywhere.
pub(super) struct Replica {
    pub(super) translation: Arc<Translation>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) clock: Arc<MachineClock>,
    keeper: RingKeeper,
    keyring: Arc<KeyRingHandle>,
    /// The names of the keys that were told to those who follow.
    told_keys: Vec<KeyId>,
    /// When the ring was read last.
    pub(super) ring_read: Instant,
    writing: JoinHandle<()>,
    store: Arc<StoreLink>,
    dead: watch::Sender<bool>,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.writing.abort();
        self.store.dead.store(true, Ordering::SeqCst);
        self.dead.send_replace(true);
    }
}

/// As short as the rules of the schedule allow, so that keys rotate in minutes.
fn settings() -> RingSettings {
    let lead = KEY_SET_MAX_AGE + CLOCK_SKEW;
    let policy = Policy { lead, keep: TOKEN_LIFE + CLOCK_SKEW, rotation: 2 * lead };
    RingSettings { algorithm: RingAlgorithm::Ed25519, policy, shared_secrets: Vec::new() }
}

impl Replica {
    /// Starts a gateway on the store, on a machine that has seen that ring; `None` when the store is away, or has lost
    /// the ring.
    pub(super) fn start(
        link: Link,
        dead: watch::Sender<bool>,
        store: &Arc<StoreLink>,
        began: Instant,
        random: &Arc<Random>,
        seen: Option<Seen>,
    ) -> Option<Self> {
        let n = |n| NonZeroUsize::new(n).unwrap();
        let off = i64::try_from(random.below(3)).unwrap() - 1;
        let clock = MachineClock::new(began, off);
        let sealer = Sealer::new(&Secret::new([7; 32])).unwrap();
        let keeper = RingKeeper::new(store.clone(), sealer, Witness::remembering(seen), random.clone());
        let ring = keeper.open(&settings(), clock.now().wall).ok()?;
        let told_keys = names(&ring, clock.now().wall);
        let fresh = Epoch::new(&format!("e{:x}", random.number())).unwrap();
        let lifetimes = Lifetimes {
            token: TOKEN_LIFE,
            session: Duration::from_secs(8 * 3600),
            spread: Lifetimes::SPREAD,
        };
        let (ledger, writer) = Ledger::open(
            store.clone(),
            &fresh,
            ISSUER.into(),
            lifetimes,
            clock.clone(),
            Observer::without_files(),
        )
        .ok()?;
        let places = Places { all: n(256), per_client: n(256) };
        let memory = Memory::new(n(1000), places, Tasks::default()).with_ledger(ledger.clone());
        let keyer = SessionKeyer::new(ring.session_secret(), b"settings");
        let keyring = Arc::new(KeyRingHandle::new(ring));
        let organisation = ClaimPath { root: ClaimRoot::Session, steps: vec!["organisation".to_owned()] };
        let claims = ClaimsConfig { organisation: Some(organisation), ..ClaimsConfig::default() };
        let sessions = Sessions::new(Parts {
            rules: Rules {
                recheck: Duration::from_secs(30),
                max_age: Duration::from_secs(8 * 3600),
                timeout: TIMEOUT,
                max_waiters: n(MAX_WAITERS),
                stale_if_error: None,
            },
            keyer,
            memory: Arc::new(memory),
            source: Arc::new(link),
            mapping: Mapping::new(&claims),
            clock: clock.clone(),
            observer: Observer::without_files(),
            label: SourceLabel::Introspection,
        });
        let translation = Translation {
            routes: RouteTable::new(&[testing::route("/orders/")], testing::policy),
            credentials: CredentialRules { cookie: Some("S".to_owned()), bearer: false },
            own_origin: ISSUER.to_owned(),
            sessions: Arc::new(sessions),
            page_tokens: None,
            keyring: keyring.clone(),
            clock: clock.clone(),
            entropy: random.clone(),
            observer: Observer::without_files(),
        };
        let writing = tokio::spawn(writer.run());
        Some(Self {
            translation: Arc::new(translation),
            ledger,
            clock,
            keeper,
            keyring,
            told_keys,
            ring_read: Instant::now(),
            writing,
            store: store.clone(),
            dead,
        })
    }

    /// What the gateway decides about a request with this cookie: the token, or why not.
    pub(super) fn request(&self, cookie: &str) -> impl Future<Output = Served> + use<> {
        let (translation, clock) = (self.translation.clone(), self.clock.clone());
        let keyring = self.keyring.clone();
        let request = Request::get("/orders/1").header("host", "shop.example");
        let (parts, ()) = request.header("cookie", format!("S={cookie}")).body(()).unwrap().into_parts();
        async move {
            let decision = match translation.warm(&parts, CLIENT, clock.now()) {
                Warm::Decided(decision) => decision,
                Warm::Refresh(decision, ask) => {
                    translation.refresh(*ask);
                    decision
                }
                Warm::Cold(ask) => translation.cold(*ask).await,
            };
            let answer = match decision {
                Decision::Forward(forward) => {
                    let value = forward.authorization();
                    Ok(value.to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned())
                }
                Decision::Refuse(refuse) => Err(refuse.refusal),
                Decision::Pass(_) => panic!("no route lets pass"),
            };
            Served { answer, ring: keyring.load().version(), finished: Instant::now() }
        }
    }

    /// Takes over what others changed about the keys, and tells those who follow.
    pub(super) fn follow_ring(&mut self) {
        let now = self.clock.now().wall;
        let in_force = self.ring_version();
        match self.keeper.follow(&settings(), now, in_force) {
            Ok(Some(ring)) => {
                self.keyring.replace(ring);
                self.ring_read = Instant::now();
            }
            Ok(None) => self.ring_read = Instant::now(),
            Err(_) => {}
        }
        let published = names(&self.keyring.load(), now);
        if published != self.told_keys && self.ledger.keys_changed(now).is_ok() {
            self.told_keys = published;
        }
    }

    /// Names of the keys that it publishes.
    pub(super) fn published(&self) -> BTreeSet<String> {
        let now = self.clock.now().wall;
        names(&self.keyring.load(), now).iter().map(ToString::to_string).collect()
    }

    /// The version of the ring it uses.
    pub(super) fn ring_version(&self) -> RingVersion {
        self.keyring.load().version()
    }

    /// The ring it saw last, as its machine remembers.
    pub(super) fn seen(&self) -> Option<Seen> {
        self.keeper.seen()
    }

    /// Whether it can reach the store.
    pub(super) fn has_store(&self) -> bool {
        self.store.is_up()
    }

    /// Retires the key that signs: its name, and the ring that says so. None if that is not sure: a retirement whose
    /// answer got lost may have happened.
    pub(super) fn retire_signer(&mut self) -> (KeyId, Option<RingVersion>) {
        let now = self.clock.now().wall;
        let ring = self.keyring.load_full();
        let kid = ring.signer_for(&"orders".into(), now).unwrap().key_id().unwrap().clone();
        let retired = self.keeper.retire(&settings(), now, &kid).ok().map(|ring| {
            let version = ring.version();
            self.keyring.replace(ring);
            version
        });
        self.follow_ring();
        (kid, retired)
    }

    /// The standby key signs as soon as it has led, if the store can be written and no other is planned.
    pub(super) fn rotate(&mut self) -> bool {
        let ring = self.keeper.rotate(&settings(), self.clock.now().wall);
        let planned = ring.map(|ring| self.keyring.replace(ring)).is_ok();
        self.follow_ring();
        planned
    }

    /// The published key set.
    pub(super) fn key_set(&self) -> KeySet {
        let ring = self.keyring.load_full();
        let metadata = Metadata::render(&ISSUER.into(), &ring, self.clock.now().wall).unwrap();
        KeySet::parse(metadata.key_set().body()).unwrap()
    }
}

fn names(ring: &KeyRing, now: UnixTime) -> Vec<KeyId> {
    ring.published(now).map(|key| key.scheduled.kid.clone()).collect()
}
