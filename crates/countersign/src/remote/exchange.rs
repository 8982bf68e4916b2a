//! Calls to other services in the caller's name: token exchange
//! ([RFC 8693](https://www.rfc-editor.org/rfc/rfc8693)) at the gateway.
//!
//! 1. A token is for one service. To call the next, the one who calls exchanges the caller's token for one of the next
//!    service's audience; who the caller is stays in it, and who acts for them is added (`act`).
//! 2. The caller's token itself is passed on only to its own audience. It goes to the gateway and nowhere else. A token
//!    that is bound to a key goes nowhere ([`ExchangeError::Bound`]): only who has the key could prove it.
//! 3. Exchanged tokens are kept, by SHA-256 of the caller's token and the audience, until 10 s before their end (or a
//!    tenth of their life, if that is less): at most [`ExchangeBuilder::max_cached`] of them.
//! 4. For one token and audience there is one exchange at a time, whose outcome all share who wait; it goes on if they
//!    leave. At most [`MAX_UNDER_WAY`] at once; each takes at most [`EXCHANGE_TIMEOUT`]; none is tried again.
//! 5. An answer counts only with status 200, as JSON of at most 64 KiB, with `access_token`, `issued_token_type` of an
//!    access token, `token_type` `Bearer` and `expires_in`
//!    ([§2.2.1](https://www.rfc-editor.org/rfc/rfc8693#section-2.2.1)).
//!
//! ```no_run
//! # async fn start(keys: countersign::remote::RemoteKeys) -> Result<(), Box<dyn std::error::Error>> {
//! use countersign::{Secret, remote::{ClientAuthentication, Exchange, OnBehalfOfCaller}};
//! let client = ClientAuthentication::basic("orders", Secret::new(std::fs::read_to_string("/run/secrets/orders")?))?;
//! let exchange = Exchange::builder("https://shop.example", "https://gateway.internal:8082", client).build()?;
//! // A layer for the HTTP client that calls the notes service, and only that.
//! let layer = OnBehalfOfCaller::new(exchange, "notes", "https://notes.internal")?;
//! # Ok(())
//! # }
//! ```

mod answer;
mod layer;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::Full;
use quick_cache::sync::Cache;
use tokio::{sync::watch, time::timeout};
use zeroize::Zeroize;

use self::answer::{ACCESS_TOKEN, Granted};
use super::{
    ClientAuthentication, LocationError, client::Place, form, http_client::HttpClient, location::Location,
};
use crate::{Audience, Clock, Issuer, SystemClock, UnixTime, tower::CallerToken};

pub use self::layer::{CallError, OnBehalfOf, OnBehalfOfCaller};

/// Longest time for one exchange: 5 s.
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(5);
/// Exchanges under way at once: 1,024.
pub const MAX_UNDER_WAY: usize = 1_024;
/// Exchanged tokens that are kept, unless told otherwise.
const DEFAULT_MAX_CACHED: usize = 10_000;
/// A token with less time left is not handed out again.
const LEAST_LEFT: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const MAX_ANSWER: usize = 64 << 10;

/// Exchanges callers' tokens at the gateway. A clone is cheap and shares everything.
#[derive(Clone)]
pub struct Exchange {
    shared: Arc<Shared>,
}

/// How to exchange. See the documentation of [`Exchange`].
#[derive(Debug, Clone)]
#[must_use = "nothing is exchanged before it was built"]
pub struct ExchangeBuilder {
    issuer: Issuer,
    gateway: String,
    client: ClientAuthentication,
    max_cached: usize,
    insecure_http: bool,
    clock: Arc<dyn Clock>,
}

/// Why there is nothing to exchange with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeSetupError {
    /// The location of the gateway, or of the service that is called, cannot be used.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// An `https` location, and the machine has no root certificates.
    #[error("the machine's root certificates cannot be read")]
    RootCertificates(#[source] std::io::Error),
}

/// Why a token was not exchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The caller's token is bound to a key (RFC 9449 §6), which this service does not have: wherever it went, it would
    /// be refused.
    #[error("the caller's token is bound to a key, and can be sent by its caller only")]
    Bound,
    /// There are [`MAX_UNDER_WAY`] exchanges under way.
    #[error("too many exchanges are under way")]
    Busy,
    /// The gateway said no (RFC 6749 §5.2, RFC 8693 §2.2.2): `invalid_target` for an audience this service may not ask
    /// for, `invalid_request` or `invalid_grant` for a token that is no longer good.
    #[error("the gateway refused the exchange: {0}")]
    Refused(Box<str>),
    /// The gateway could not be asked, or answered nonsense.
    #[error("the gateway cannot be asked for an exchange")]
    Unavailable,
}

/// A token made for one audience.
#[derive(Clone)]
pub(super) struct Exchanged {
    /// `Bearer` and the token, marked as sensitive.
    header: HeaderValue,
    /// When it is not handed out any more.
    until: UnixTime,
}

type Outcome = Result<Exchanged, ExchangeError>;

#[derive(Clone, PartialEq, Eq, Hash)]
struct CacheKey {
    token: [u8; 32],
    audience: Audience,
}

struct Shared {
    http: HttpClient,
    endpoint: Location,
    issuer: Issuer,
    client: ClientAuthentication,
    clock: Arc<dyn Clock>,
    cache: Cache<CacheKey, Exchanged>,
    under_way: Mutex<HashMap<CacheKey, watch::Receiver<Option<Outcome>>>>,
}

impl ExchangeBuilder {
    /// How many exchanged tokens are kept. Default 10,000.
    pub const fn max_cached(mut self, tokens: usize) -> Self {
        self.max_cached = tokens;
        self
    }

    /// Allows plain `http` to other machines: whoever is on the way there can become any caller.
    pub const fn insecure_http(mut self) -> Self {
        self.insecure_http = true;
        self
    }

    /// Tells the time of day. Default [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Ready to exchange. Asks nobody yet.
    ///
    /// # Errors
    /// [`ExchangeSetupError`].
    pub fn build(self) -> Result<Exchange, ExchangeSetupError> {
        let gateway = Location::parse(self.gateway.trim_end_matches('/'), self.insecure_http)?;
        let shared = Shared {
            http: HttpClient::new(gateway.is_https()).map_err(ExchangeSetupError::RootCertificates)?,
            endpoint: gateway.below("token")?,
            issuer: self.issuer,
            client: self.client,
            clock: self.clock,
            cache: Cache::new(self.max_cached),
            under_way: Mutex::default(),
        };
        Ok(Exchange { shared: Arc::new(shared) })
    }
}

impl Exchange {
    /// Begins with what has no default: whose tokens, where the gateway's `internal_listen` is, and as which of its
    /// clients.
    pub fn builder(
        issuer: impl Into<Issuer>,
        gateway: impl Into<String>,
        client: ClientAuthentication,
    ) -> ExchangeBuilder {
        ExchangeBuilder {
            issuer: issuer.into(),
            gateway: gateway.into(),
            client,
            max_cached: DEFAULT_MAX_CACHED,
            insecure_http: false,
            clock: Arc::new(SystemClock),
        }
    }

    /// The `Authorization` for a call to `audience` in the caller's name: the caller's own token if it is for that
    /// very audience, otherwise an exchanged one.
    ///
    /// # Errors
    /// [`ExchangeError`]; [`ExchangeError::Bound`] before anything is sent.
    pub async fn authorization(
        &self,
        caller: &CallerToken,
        audience: &Audience,
    ) -> Result<HeaderValue, ExchangeError> {
        if caller.claims().bound_to().is_some() {
            return Err(ExchangeError::Bound);
        }
        if caller.audience() == audience {
            return bearer(caller.expose()).ok_or(ExchangeError::Unavailable);
        }
        let key = CacheKey { token: sha256(caller.expose()), audience: audience.clone() };
        if let Some(known) = self.shared.cache.get(&key) {
            if self.shared.clock.now() < known.until {
                return Ok(known.header);
            }
            self.shared.cache.remove(&key);
        }
        let mut outcome = self.shared.join(key, caller)?;
        // The one who would answer is gone only if it panicked.
        let outcome = outcome.wait_for(Option::is_some).await.map_err(|_| ExchangeError::Unavailable)?;
        outcome.clone().unwrap_or(Err(ExchangeError::Unavailable)).map(|exchanged| exchanged.header)
    }
}

impl Shared {
    fn under_way(&self) -> MutexGuard<'_, HashMap<CacheKey, watch::Receiver<Option<Outcome>>>> {
        // The map is sound after every single change of it.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the exchange that is under way, or begins it.
    fn join(
        self: &Arc<Self>,
        key: CacheKey,
        caller: &CallerToken,
    ) -> Result<watch::Receiver<Option<Outcome>>, ExchangeError> {
        let mut under_way = self.under_way();
        if let Some(waiting) = under_way.get(&key) {
            return Ok(waiting.clone());
        }
        if under_way.len() >= MAX_UNDER_WAY {
            return Err(ExchangeError::Busy);
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(key.clone(), receiver.clone());
        drop(under_way);
        let flight = Flight { shared: Arc::clone(self), key };
        let caller = caller.clone();
        tokio::spawn(async move {
            let shared = &flight.shared;
            let asked = timeout(EXCHANGE_TIMEOUT, shared.ask(&caller, &flight.key.audience)).await;
            let outcome = asked.unwrap_or(Err(ExchangeError::Unavailable));
            match &outcome {
                Ok(exchanged) => shared.cache.insert(flight.key.clone(), exchanged.clone()),
                Err(error) => tracing::warn!(
                    target: "countersign::exchange",
                    audience = %flight.key.audience,
                    %error,
                    "a token was not exchanged"
                ),
            }
            // Before those who wait are told: whoever comes after finds the token, or begins anew.
            drop(flight);
            // Everybody who waited may have left.
            let _ = sender.send(Some(outcome));
        });
        Ok(receiver)
    }

    async fn ask(&self, caller: &CallerToken, audience: &Audience) -> Outcome {
        let unavailable = |_| ExchangeError::Unavailable;
        let now = self.clock.now();
        let proven =
            self.client.prove(&self.issuer, now, Place::Form).map_err(|_| ExchangeError::Unavailable)?;
        let mut fields = String::new();
        form::append_pair(&mut fields, "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
        form::append_pair(&mut fields, "subject_token", caller.expose());
        form::append_pair(&mut fields, "subject_token_type", ACCESS_TOKEN);
        form::append_pair(&mut fields, "requested_token_type", ACCESS_TOKEN);
        form::append_pair(&mut fields, "audience", audience.as_str());
        for (name, value) in &proven.pairs {
            form::append_pair(&mut fields, name, value.expose());
        }
        let mut request = Request::post(self.endpoint.uri().clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        if let Some(proof) = proven.header {
            request = request.header(header::AUTHORIZATION, proof);
        }
        let body = Full::new(Bytes::from(fields));
        let request = request.body(body).map_err(|_| ExchangeError::Unavailable)?;
        let (status, _, body) = self.http.exchange(request, MAX_ANSWER).await.map_err(unavailable)?;
        let Granted { mut token, expires_in } = answer::read(status, &body)?;
        let header = bearer(&token);
        token.zeroize();
        let header = header.ok_or(ExchangeError::Unavailable)?;
        // Never longer than the token it was made of.
        let end = now.saturating_add(expires_in).min(caller.claims().expires());
        let spare = LEAST_LEFT.min(end.saturating_since(now) / 10);
        Ok(Exchanged { header, until: end.saturating_sub(spare) })
    }
}

/// Takes itself off the list however its exchange ends.
struct Flight {
    shared: Arc<Shared>,
    key: CacheKey,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.shared.under_way().remove(&self.key);
    }
}

fn sha256(token: &str) -> [u8; 32] {
    digest(&SHA256, token.as_bytes()).as_ref().try_into().unwrap_or_default()
}

fn bearer(token: &str) -> Option<HeaderValue> {
    let mut text = format!("Bearer {token}");
    let value = HeaderValue::from_str(&text).ok();
    text.zeroize();
    value.map(|mut value| {
        value.set_sensitive(true);
        value
    })
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("issuer", &self.shared.issuer)
            .field("client", &self.shared.client)
            .field("cached", &self.shared.cache.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "testkit")]
mod tests;
