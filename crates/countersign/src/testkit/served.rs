//! A test issuer whose key set is fetched over HTTP, for tests of rotations and outages.

use std::{
    convert::Infallible,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::AbortHandle};

use super::{TestIssuer, TestKey};
use crate::{
    KeySet,
    remote::{RemoteKeys, RemoteKeysBuilder},
};

/// A [`TestIssuer`] with a real key set endpoint and metadata, on a free port of the loopback interface. It ends with
/// this value.
///
/// ```
/// use std::time::Duration;
/// use countersign::{TokenRefusal, Verifier, testkit::{TestIssuer, TestKey}};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let issuer = TestIssuer::new("orders").serve().await;
/// let keys = issuer.remote_keys().start()?;
/// assert!(keys.ready(Duration::from_secs(10)).await);
/// let verifier = Verifier::builder()
///     .issuer(issuer.issuer().clone())
///     .audience("orders")
///     .keys(keys)
///     .clock(issuer.clock().clone())
///     .build()?;
///
/// issuer.go_down();
/// assert!(verifier.verify(issuer.token().sign()).is_ok()); // with the keys it has
/// issuer.clock().advance(Duration::from_secs(25 * 60 * 60)); // which are good for a day
/// assert_eq!(verifier.verify(issuer.token().sign()).unwrap_err(), TokenRefusal::KeysUnavailable);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ServedIssuer {
    issuer: TestIssuer,
    endpoint: Arc<Endpoint>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Endpoint {
    metadata: Bytes,
    key_set: Mutex<Bytes>,
    is_down: AtomicBool,
    fetches: AtomicU64,
}

const KEY_SET: &str = "/jwks.json";

impl TestIssuer {
    /// Serves its key set, and metadata that lead there. Its `iss` becomes the address of the endpoint, an
    /// `http://127.0.0.1` one, as discovery demands.
    ///
    /// # Panics
    /// If no port of the loopback interface can be listened on.
    #[expect(clippy::expect_used, reason = "an endpoint that cannot be served must stop the test")]
    pub async fn serve(self) -> ServedIssuer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port of the loopback interface");
        let origin = format!("http://{}", listener.local_addr().expect("it is bound"));
        let metadata =
            serde_json::json!({ "issuer": origin, "jwks_uri": format!("{origin}{KEY_SET}") }).to_string();
        let endpoint = Arc::new(Endpoint {
            metadata: metadata.into(),
            key_set: Mutex::new(json_of(&self.key_set())),
            is_down: AtomicBool::new(false),
            fetches: AtomicU64::new(0),
        });
        let task = tokio::spawn(Arc::clone(&endpoint).run(listener)).abort_handle();
        ServedIssuer { issuer: self.named(origin), endpoint, task }
    }
}

impl ServedIssuer {
    /// What a service that trusts this issuer starts: keys found by discovery, on the issuer's clock.
    pub fn remote_keys(&self) -> RemoteKeysBuilder {
        RemoteKeys::builder()
            .discover(self.issuer.issuer().clone())
            .clock(Arc::new(self.issuer.clock().clone()))
    }

    /// Where the key set is.
    #[must_use]
    pub fn key_set_url(&self) -> String {
        format!("{}{KEY_SET}", self.issuer.issuer())
    }

    /// Serves these keys from now on, and no others: a rotation. What signs is chosen by
    /// [`TestToken::key`](super::TestToken::key).
    ///
    /// # Panics
    /// If a key is there twice.
    #[expect(clippy::expect_used, reason = "a set that cannot be made must stop the test")]
    pub fn publish(&self, keys: &[TestKey]) {
        let keys = keys.iter().filter_map(|key| self.issuer.signing_key(*key).verifying_key());
        *self.endpoint.key_set() = json_of(&KeySet::new(keys).expect("each key is there once"));
    }

    /// Answers every request with 503 until [`come_back`](Self::come_back).
    pub fn go_down(&self) {
        self.endpoint.is_down.store(true, Ordering::SeqCst);
    }

    /// Ends an outage.
    pub fn come_back(&self) {
        self.endpoint.is_down.store(false, Ordering::SeqCst);
    }

    /// How often the key set was asked for, in vain or not.
    #[must_use]
    pub fn fetches(&self) -> u64 {
        self.endpoint.fetches.load(Ordering::SeqCst)
    }
}

impl Deref for ServedIssuer {
    type Target = TestIssuer;

    fn deref(&self) -> &TestIssuer {
        &self.issuer
    }
}

impl Drop for ServedIssuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Endpoint {
    fn key_set(&self) -> MutexGuard<'_, Bytes> {
        // It is replaced whole.
        self.key_set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>, listener: TcpListener) {
        while let Ok((socket, _)) = listener.accept().await {
            let endpoint = Arc::clone(&self);
            let answer = service_fn(move |request: Request<Incoming>| {
                std::future::ready(Ok::<_, Infallible>(endpoint.answer(request.uri().path())))
            });
            // A client that leaves ends only its own connection.
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
        }
    }

    fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        let is_key_set = path == KEY_SET;
        self.fetches.fetch_add(u64::from(is_key_set), Ordering::SeqCst);
        let (status, body) = if self.is_down.load(Ordering::SeqCst) {
            (StatusCode::SERVICE_UNAVAILABLE, Bytes::new())
        } else if is_key_set {
            (StatusCode::OK, self.key_set().clone())
        } else if path == "/.well-known/openid-configuration" {
            (StatusCode::OK, self.metadata.clone())
        } else {
            (StatusCode::NOT_FOUND, Bytes::new())
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        let json = header::HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

fn json_of(keys: &KeySet) -> Bytes {
    serde_json::to_vec(keys).unwrap_or_default().into()
}
