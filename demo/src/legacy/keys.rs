//! The issuer's keys, looked for again when a token names one that is not known.

use std::{path::PathBuf, sync::Arc, time::Duration};

use countersign::{KeySet, PublishedKeys};
use tokio::{sync::Mutex, time::Instant};

use crate::http_client::{Ask, HttpClient};

/// Shortest time between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// Where the issuer's keys are.
#[derive(Debug, Clone)]
pub enum JwksSource {
    /// In a file, read when it is needed.
    File(PathBuf),
    /// These.
    Keys(KeySet),
    /// At an address, `http` alone.
    Url(String),
}

/// The keys as they are known.
#[derive(Debug)]
pub(super) struct Keys {
    source: JwksSource,
    pub(super) published: Arc<PublishedKeys>,
    looked: Mutex<Option<Instant>>,
    http: HttpClient,
}

impl Keys {
    pub(super) fn new(source: JwksSource) -> Self {
        let published = Arc::new(PublishedKeys::empty());
        if let JwksSource::Keys(keys) = &source {
            published.publish(keys.clone(), None);
        }
        Self { source, published, looked: Mutex::new(None), http: HttpClient::new() }
    }

    /// Looks for newer keys, unless somebody just did.
    pub(super) async fn look_again(&self) {
        let mut looked = self.looked.lock().await;
        if looked.is_some_and(|looked| looked.elapsed() < PAUSE) {
            return;
        }
        let found = match &self.source {
            JwksSource::File(file) => std::fs::read(file).ok(),
            JwksSource::Keys(_) => None,
            JwksSource::Url(url) => self.fetch(url).await,
        };
        if let Some(keys) = found.and_then(|text| KeySet::parse(&text).ok()) {
            self.published.publish(keys, None);
        }
        *looked = Some(Instant::now());
    }

    /// The key set at an address.
    pub(super) async fn fetch(&self, url: &str) -> Option<Vec<u8>> {
        let reply = self.http.ask(Ask::get(url.to_owned())).await.ok()?;
        reply.status.is_success().then(|| reply.body.into_bytes())
    }
}
