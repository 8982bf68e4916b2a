//! The shared store, on a real server (Debian's `redis-server`).

mod answers;
mod gateways;
mod log;
mod logouts;
mod ring;
pub(crate) mod server;
mod ways;

use std::sync::Arc;

use countersign::Secret;
use countersign_gateway::{
    clock::SystemClock, entropy::SystemEntropy, keyring::seal::Sealer, store::valkey::ValkeyStore,
};

pub(crate) use self::server::Server;

/// A store on that server, as one gateway opens it.
fn store(server: &Server) -> ValkeyStore {
    sealed_under(server, 7)
}

fn sealed_under(server: &Server, key: u8) -> ValkeyStore {
    let sealer = Sealer::new(&Secret::new([key; 32])).unwrap();
    let config = Arc::new(server.config());
    ValkeyStore::new(&config, sealer, Arc::new(SystemEntropy), Arc::new(SystemClock::start()))
}
