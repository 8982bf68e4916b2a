//! The key ring: how it begins, what it signs, and what it refuses to read.

mod faults;
mod first_start;
mod signing;
mod watch;

use std::{sync::Arc, time::Duration};

use countersign::{Audience, Secret, UnixTime};
use countersign_gateway::{
    config::resolved::RingAlgorithm,
    entropy::{Entropy, SystemEntropy},
    keyring::{
        RingKeeper, RingSettings, Witness,
        schedule::{KEY_LEAD, Policy, ROTATION},
        seal::Sealer,
    },
    store::{Store, memory::MemoryStore},
};

const START: UnixTime = UnixTime::from_secs(1_800_000_000);

fn settings(algorithm: RingAlgorithm) -> RingSettings {
    let policy = Policy::new(KEY_LEAD, Duration::from_secs(300), ROTATION);
    RingSettings { algorithm, policy, shared_secrets: Vec::new() }
}

fn with_secret(audience: &str, first: u8) -> RingSettings {
    let shared_secrets = vec![(Audience::from(audience), secret(first))];
    RingSettings { shared_secrets, ..settings(RingAlgorithm::Es256) }
}

/// 32 bytes that differ from one another.
fn secret(first: u8) -> Secret<Vec<u8>> {
    Secret::new((first..first + 32).collect())
}

fn sealer(key: u8) -> Sealer {
    Sealer::new(&Secret::new([key; 32])).unwrap()
}

fn entropy() -> Arc<dyn Entropy> {
    Arc::new(SystemEntropy)
}

/// A keeper with no memory of an earlier ring.
fn keeper(store: Arc<dyn Store>) -> RingKeeper {
    RingKeeper::new(store, sealer(1), Witness::memory(), entropy())
}

fn memory() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new())
}
