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

use countersign::{KeyId, KeySet, Secret, SessionId, UnixTime, revocation::Epoch};
use http::Request;
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use super::{mutation::Mutation, random::Random, server::Link, store::StoreLink};
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
/// How long an answer of the server is fresh.
pub(super) const RECHECK: Duration = Duration::from_secs(30);
/// How long it is served in an outage, in worlds where it is at all.
pub(super) const STALE_IF_ERROR: Duration = Duration::from_secs(120);
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
    /// The cookie that the browser gets instead of its own.
    pub(super) new_cookie: Option<String>,
    /// The keys that the gateway published when the request came.
    pub(super) published_before: Vec<KeyId>,
    /// Its ring when it was answered.
    pub(super) ring: RingVersion,
    pub(super) finished: Instant,
}

/// One process of a gateway. Dropped, it is gone with everything it knew, and nothing of it arrives anywhere.
pub(super) struct Replica {
    /// One; or two that do not know of each other, if that is what is to be noticed.
    translations: Vec<Arc<Translation>>,
    /// Which process of all.
    pub(super) number: u64,
    pub(super) ledger: Arc<Ledger>,
    pub(super) clock: Arc<MachineClock>,
    keeper: RingKeeper,
    keyring: Arc<KeyRingHandle>,
    /// The names of the keys that were told to those who follow.
    told_keys: Vec<KeyId>,
    /// When the ring was read last.
    pub(super) ring_read: Instant,
    settings: RingSettings,
    tasks: Vec<JoinHandle<()>>,
    store: Arc<StoreLink>,
    dead: watch::Sender<bool>,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.store.dead.store(true, Ordering::SeqCst);
        self.dead.send_replace(true);
    }
}

/// As short as the rules of the schedule allow, so that keys rotate in minutes.
fn settings(mutation: Option<Mutation>) -> RingSettings {
    let lead = KEY_SET_MAX_AGE + CLOCK_SKEW;
    let drops = mutation == Some(Mutation::DropsKeysAtOnce);
    let keep = if drops { Duration::ZERO } else { TOKEN_LIFE + CLOCK_SKEW };
    let policy = Policy { lead, keep, rotation: 2 * lead };
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
        let (mutation, number) = (link.mutation, link.process);
        let settings = settings(mutation);
        let off = i64::try_from(random.below(3)).unwrap() - 1;
        let clock = MachineClock::new(began, off);
        let sealer = Sealer::new(&Secret::new([7; 32])).unwrap();
        let keeper = RingKeeper::new(store.clone(), sealer, Witness::remembering(seen), random.clone());
        let ring = keeper.open(&settings, clock.now().wall).ok()?;
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
        let keyring = Arc::new(KeyRingHandle::new(ring));
        let source = Arc::new(link);
        let halves = if mutation == Some(Mutation::AsksInHalves) { 2 } else { 1 };
        let parts = (store, &source, &ledger, &clock, &keyring, random);
        let translations: Vec<_> = (0..halves).map(|_| translation(mutation, parts)).collect();
        let mut tasks = vec![tokio::spawn(writer.run())];
        if mutation != Some(Mutation::IgnoresChanges) {
            let sessions: Vec<_> = translations.iter().map(|one| one.sessions.clone()).collect();
            tasks.extend(sessions.into_iter().map(|sessions| {
                let (ledger, clock) = (ledger.clone(), clock.clone());
                tokio::spawn(async move {
                    Sessions::follow_changes(&ledger, &*clock, || sessions.clone()).await;
                })
            }));
        }
        let ring_read = Instant::now();
        let store = store.clone();
        Some(Self {
            translations,
            number,
            ledger,
            clock,
            keeper,
            keyring,
            told_keys,
            ring_read,
            settings,
            tasks,
            store,
            dead,
        })
    }

    /// What the gateway decides about a request with this cookie: the token, or why not.
    pub(super) fn request(&self, cookie: &str, half: usize) -> impl Future<Output = Served> + use<> {
        let translation = self.translations[half % self.translations.len()].clone();
        let clock = self.clock.clone();
        let keyring = self.keyring.clone();
        let request = Request::get("/orders/1").header("host", "shop.example");
        let (parts, ()) = request.header("cookie", format!("S={cookie}")).body(()).unwrap().into_parts();
        let parts = parts.into();
        async move {
            let published_before = names(&keyring.load(), clock.now().wall);
            let decision = match translation.warm(&parts, CLIENT, clock.now()) {
                Warm::Decided(decision) => decision,
                Warm::Refresh(decision, ask) => {
                    translation.refresh(*ask);
                    decision
                }
                Warm::Cold(ask) => translation.cold(*ask).await,
            };
            let mut new_cookie = None;
            let answer = match decision {
                Decision::Forward(forward) => {
                    let value = forward.set.header_value();
                    new_cookie = forward.set_cookie.as_ref().map(|field| {
                        let field = field.to_str().unwrap().strip_prefix("S=").unwrap();
                        field.split(';').next().unwrap().to_owned()
                    });
                    Ok(value.to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned())
                }
                Decision::Refuse(refuse) => Err(refuse.refusal),
                Decision::Pass(_) => panic!("no route lets pass"),
            };
            Served {
                answer,
                new_cookie,
                published_before,
                ring: keyring.load().version(),
                finished: Instant::now(),
            }
        }
    }

    /// Takes over what others changed about the keys, and tells those who follow.
    pub(super) fn follow_ring(&mut self) {
        let now = self.clock.now().wall;
        let in_force = self.ring_version();
        match self.keeper.follow(&self.settings, now, in_force) {
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

    /// Our name for a session that the server calls so.
    pub(super) fn session_named(&self, name: &str) -> SessionId {
        self.translations[0].sessions.keyer.named_session_id(name)
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
        let retired = self.keeper.retire(&self.settings, now, &kid).ok().map(|ring| {
            let version = ring.version();
            self.keyring.replace(ring);
            version
        });
        self.follow_ring();
        (kid, retired)
    }

    /// The standby key signs as soon as it has led, if the store can be written and no other is planned.
    pub(super) fn rotate(&mut self) -> bool {
        let ring = self.keeper.rotate(&self.settings, self.clock.now().wall);
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

/// In a quarter of all worlds answers are served in an outage for longer than a recheck.
pub(super) fn stale_if_error(random: &Random) -> Option<Duration> {
    random.seed().is_multiple_of(4).then_some(STALE_IF_ERROR)
}

type TranslationParts<'a> = (
    &'a Arc<StoreLink>,
    &'a Arc<Link>,
    &'a Arc<Ledger>,
    &'a Arc<MachineClock>,
    &'a Arc<KeyRingHandle>,
    &'a Arc<Random>,
);

fn translation(
    mutation: Option<Mutation>,
    (store, source, ledger, clock, keyring, random): TranslationParts<'_>,
) -> Arc<Translation> {
    let n = |n| NonZeroUsize::new(n).unwrap();
    let places = Places { all: n(256), per_client: n(256) };
    let asked = if mutation == Some(Mutation::ServesRevoked) { Ledger::idle() } else { ledger.clone() };
    if mutation == Some(Mutation::BelievesForEver) {
        ledger.stop_counting();
    }
    let memory = Memory::new(n(1000), places, Tasks::default()).with_ledger(asked);
    let mut memory = memory.with_shared(Some(store.clone()));
    if mutation == Some(Mutation::RemembersForEver) {
        memory = memory.remembering(Duration::MAX);
    }
    let mut keyer = SessionKeyer::new(keyring.load().session_secret(), b"settings");
    if mutation == Some(Mutation::AnswersForAnybody) {
        keyer = keyer.for_anybody();
    }
    let max_waiters = if mutation == Some(Mutation::UnboundedWaiters) { usize::MAX } else { MAX_WAITERS };
    let organisation = ClaimPath { root: ClaimRoot::Session, steps: vec!["organisation".to_owned()] };
    let claims = ClaimsConfig { organisation: Some(organisation), ..ClaimsConfig::default() };
    let sessions = Sessions::new(Parts {
        rules: Rules {
            recheck: RECHECK,
            max_age: Duration::from_secs(8 * 3600),
            timeout: TIMEOUT,
            max_waiters: n(max_waiters),
            stale_if_error: if mutation == Some(Mutation::ServesForEver) {
                Some(Duration::from_secs(3600))
            } else {
                stale_if_error(random)
            },
        },
        keyer,
        memory: Arc::new(memory),
        source: source.clone(),
        mapping: Mapping::new(&claims),
        clock: clock.clone(),
        observer: Observer::without_files(),
        label: SourceLabel::Introspection,
    });
    Arc::new(Translation {
        routes: RouteTable::new(&[testing::route("/orders/")], testing::policy),
        credentials: CredentialRules::new(Some("S"), false),
        own_origin: ISSUER.to_owned(),
        sessions: Arc::new(sessions),
        page_tokens: None,
        keyring: keyring.clone(),
        clock: clock.clone(),
        entropy: random.clone(),
        observer: Observer::without_files(),
    })
}

fn names(ring: &KeyRing, now: UnixTime) -> Vec<KeyId> {
    ring.published(now).map(|key| key.scheduled.kid.clone()).collect()
}
