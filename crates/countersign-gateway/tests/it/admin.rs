//! The operators' pages, over the sockets they are reached by.

mod control_socket;
mod read_only;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign::{Audience, Clock, Secret, UnixTime};
use countersign_gateway::{
    admin::{Admin, Control, KeyChange, KeyChangeError, Parts, Reloading},
    config::resolved::RingAlgorithm,
    entropy::SystemEntropy,
    keyring::{
        KeyRingHandle, RingKeeper, RingSettings, Witness,
        schedule::{KEY_LEAD, Policy, ROTATION},
        seal::Sealer,
    },
    metadata::{Metadata, MetadataHandle},
    observe::{Metrics, ReloadOutcome},
    store::memory::MemoryStore,
};

const START: UnixTime = UnixTime::from_secs(1_800_000_000);

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> UnixTime {
        START.saturating_add(Duration::from_secs(90))
    }
}

#[derive(Debug)]
struct Gateway {
    not_ready: Mutex<Option<&'static str>>,
    faults: Mutex<Vec<&'static str>>,
    reload: Mutex<Result<ReloadOutcome, String>>,
}

impl Control for Gateway {
    fn not_ready(&self) -> Option<&'static str> {
        *self.not_ready.lock().unwrap()
    }

    fn faults(&self) -> Vec<&'static str> {
        self.faults.lock().unwrap().clone()
    }

    fn cached_sessions(&self) -> u64 {
        42
    }

    fn source_is_failing(&self) -> bool {
        false
    }

    fn reload(&self) -> Reloading<'_> {
        Box::pin(async { self.reload.lock().unwrap().clone() })
    }

    fn change_keys(&self, _: KeyChange) -> Result<(), KeyChangeError> {
        Err(KeyChangeError::Refused("not here".to_owned()))
    }
}

struct Bench {
    gateway: Arc<Gateway>,
    ring: Arc<KeyRingHandle>,
    metadata: Arc<MetadataHandle>,
    metrics: Metrics,
    admin: Admin,
}

fn bench() -> Bench {
    let sealer = Sealer::new(&Secret::new([1; 32])).unwrap();
    let keeper =
        RingKeeper::new(Arc::new(MemoryStore::new()), sealer, Witness::memory(), Arc::new(SystemEntropy));
    let settings = RingSettings {
        algorithm: RingAlgorithm::Es256,
        policy: Policy::new(KEY_LEAD, Duration::from_secs(300), ROTATION),
        shared_secrets: vec![(Audience::from("reports"), Secret::new((1..33).collect()))],
    };
    let ring = keeper.open(&settings, START).unwrap();
    let metadata = Metadata::render(&"https://shop.example".into(), &ring, START).unwrap();
    let gateway = Arc::new(Gateway {
        not_ready: Mutex::new(None),
        faults: Mutex::default(),
        reload: Mutex::new(Ok(ReloadOutcome::Applied)),
    });
    let ring = Arc::new(KeyRingHandle::new(ring));
    let metadata = Arc::new(MetadataHandle::new(metadata));
    let metrics = Metrics::new(2);
    let admin = Admin::new(Parts {
        control: gateway.clone(),
        ring: Arc::clone(&ring),
        metadata: Arc::clone(&metadata),
        metrics: metrics.clone(),
        log: None,
        audit: None,
        requests: None,
        clock: Arc::new(Noon),
        started: START,
    });
    Bench { gateway, ring, metadata, metrics, admin }
}
