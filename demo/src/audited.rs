//! The two services by themselves, trusting any issuer: what `countersign audit` is proved with, and what tests put
//! behind a gateway of their own.

use std::{io, time::Duration};

use countersign::remote::RemoteKeys;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{
    DemoError, serve,
    services::{self, Parts},
};

/// The services `orders` and `notes`. Dropped, they stop.
#[derive(Debug)]
pub struct Services {
    orders: String,
    notes: String,
    keys: RemoteKeys,
    _folder: TempDir,
    _servers: JoinSet<io::Result<()>>,
}

impl Services {
    /// Starts both on ports of their own on the loopback interface. They accept tokens of that issuer, whose key set is
    /// fetched from there, also if it is served later. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn start(issuer: &str, key_set: &str) -> Result<Self, DemoError> {
        let folder = tempfile::Builder::new().prefix("countersign-services-").tempdir()?;
        let keys = RemoteKeys::builder().key_set(key_set).start()?;
        let parts = Parts { issuer, keys: &keys, feed: None, folder: folder.path() };
        let (orders, notes) = (services::orders(&parts).await?, services::notes(&parts).await?);
        let mut servers = JoinSet::new();
        let orders = serve(&mut servers, orders).await?;
        let notes = serve(&mut servers, notes).await?;
        Ok(Self { orders, notes, keys, _folder: folder, _servers: servers })
    }

    /// Waits until they have the issuer's keys; false if that takes longer.
    pub async fn has_keys(&self, at_most: Duration) -> bool {
        self.keys.ready(at_most).await
    }

    /// Where `orders` is.
    #[must_use]
    pub fn orders(&self) -> &str {
        &self.orders
    }

    /// Where `notes` is.
    #[must_use]
    pub fn notes(&self) -> &str {
        &self.notes
    }
}
