//! One gateway of the cluster, below HTTP.

use std::{
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
use tokio::{task::JoinHandle, time::Instant};

use super::{random::Random, server::Link, store::SharedStore};
use crate::{
    clock::{Clock, Moment, Now},
    config::resolved::{ClaimPath, ClaimRoot, ClaimsConfig, RingAlgorithm},
    credential::CredentialRules,
    decision::Decision,
    error::Refusal,
    identity::Mapping,
    keyring::{
        KeyRingHandle, RingKeeper, RingSettings, Witness,
        schedule::{KEY_LEAD, Policy, ROTATION},
        seal::Sealer,
    },
    metadata::Metadata,
    observe::{Observer, SourceLabel},
    revocation::{Ledger, Lifetimes},
    route::RouteTable,
    session::{Memory, Parts, Rules, Sessions, gate::Places, key::SessionKeyer},
    tasks::Tasks,
    testing,
    translate::{Translation, Warm},
};

/// When the simulation begins.
pub(super) const BEGIN: u64 = 1_800_000_000;
pub(super) const ISSUER: &str = "https://shop.example";
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

impl Clock for MachineClock {
    fn now(&self) -> Now {
        let elapsed = self.began.elapsed();
        let wall = (BEGIN + elapsed.as_secs()).saturating_add_signed(self.off_seconds.load(Ordering::SeqCst));
        let monotonic = Moment::from_millis(3_600_000 + u64::try_from(elapsed.as_millis()).unwrap());
        Now { wall: UnixTime::from_secs(wall), monotonic }
    }
}

/// A gateway. Dropped, it is gone with everything it knew.
pub(super) struct Replica {
    pub(super) translation: Arc<Translation>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) clock: Arc<MachineClock>,
    keeper: RingKeeper,
    keyring: Arc<KeyRingHandle>,
    writing: JoinHandle<()>,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.writing.abort();
    }
}

fn settings() -> RingSettings {
    let policy = Policy::new(KEY_LEAD, Duration::from_secs(300), ROTATION);
    RingSettings { algorithm: RingAlgorithm::Ed25519, policy, shared_secrets: Vec::new() }
}

impl Replica {
    /// Starts a gateway on the store; `None` when the store is away.
    pub(super) fn start(
        link: Link,
        store: &Arc<SharedStore>,
        began: Instant,
        random: &Arc<Random>,
    ) -> Option<Self> {
        let n = |n| NonZeroUsize::new(n).unwrap();
        let off = i64::try_from(random.below(3)).unwrap() - 1;
        let clock = MachineClock::new(began, off);
        let sealer = Sealer::new(&Secret::new([7; 32])).unwrap();
        let keeper = RingKeeper::new(store.clone(), sealer, Witness::memory(), random.clone());
        let ring = keeper.open(&settings(), clock.now().wall).ok()?;
        let lifetimes = Lifetimes { token: Duration::from_secs(300), session: Duration::from_secs(8 * 3600) };
        let epoch = Epoch::new("simulated").unwrap();
        let (ledger, writer) = Ledger::open(
            store.clone(),
            &epoch,
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
                timeout: Duration::from_secs(2),
                max_waiters: n(64),
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
        Some(Self { translation: Arc::new(translation), ledger, clock, keeper, keyring, writing })
    }

    /// What the gateway decides about a request with this cookie: the token, or why not.
    pub(super) fn request(&self, cookie: &str) -> impl Future<Output = Result<String, Refusal>> + use<> {
        let (translation, clock) = (self.translation.clone(), self.clock.clone());
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
            match decision {
                Decision::Forward(forward) => {
                    let value = forward.authorization();
                    Ok(value.to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned())
                }
                Decision::Refuse(refuse) => Err(refuse.refusal),
                Decision::Pass(_) => panic!("no route lets pass"),
            }
        }
    }

    /// Takes over what others changed about the keys.
    pub(super) fn follow_ring(&self) {
        if let Ok(Some(ring)) = self.keeper.follow(&settings(), self.clock.now().wall) {
            self.keyring.replace(ring);
        }
    }

    /// Retires the key that signs; its name, if the store could be written.
    pub(super) fn retire_signer(&self) -> Option<KeyId> {
        let now = self.clock.now().wall;
        let ring = self.keyring.load_full();
        let kid = ring.signer_for(&"orders".into(), now).unwrap().key_id().unwrap().clone();
        let ring = self.keeper.retire(&settings(), now, &kid).ok()?;
        self.keyring.replace(ring);
        Some(kid)
    }

    /// The standby key signs as soon as it has led, if the store can be written and no other is planned.
    pub(super) fn rotate(&self) -> bool {
        let ring = self.keeper.rotate(&settings(), self.clock.now().wall);
        ring.map(|ring| self.keyring.replace(ring)).is_ok()
    }

    /// The published key set.
    pub(super) fn key_set(&self) -> KeySet {
        let ring = self.keyring.load_full();
        let metadata = Metadata::render(&ISSUER.into(), &ring, self.clock.now().wall).unwrap();
        KeySet::parse(metadata.key_set().body()).unwrap()
    }
}
