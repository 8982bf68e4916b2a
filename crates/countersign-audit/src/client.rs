//! Sends requests: bounded in time, number, rate and size; follows no redirect.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::AuditError;

/// Longest wait for a whole answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Most bytes of an answer that are looked at.
pub(crate) const MAX_BODY: usize = 256 << 10;
/// Longest pause that a `Retry-After` may ask for.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// How often a request is sent again because the service asked for a pause.
const PAUSES: usize = 3;

/// What goes out.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) took: Duration,
}

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The run's number of requests is used up.
    Budget,
    /// The connection failed, in words.
    Connection(String),
    TimedOut,
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Budget => f.write_str("the number of requests is used up"),
            Self::Connection(reason) => f.write_str(reason),
            Self::TimedOut => write!(f, "no answer within {} s", PATIENCE.as_secs()),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    sent: AtomicUsize,
    most: usize,
    interval: Option<Duration>,
    next: Mutex<Option<Instant>>,
    run: HeaderValue,
}

impl Client {
    pub(crate) fn new(
        with_tls: bool,
        most: usize,
        rate: Option<u32>,
        run: &str,
    ) -> Result<Arc<Self>, AuditError> {
        let builder = HttpsConnectorBuilder::new();
        let builder = if with_tls {
            builder.with_native_roots().map_err(|source| AuditError::Io {
                what: "the machine's root certificates cannot be read".to_owned(),
                source,
            })?
        } else {
            builder.with_tls_config(
                rustls::ClientConfig::builder()
                    .with_root_certificates(rustls::RootCertStore::empty())
                    .with_no_client_auth(),
            )
        };
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(5))
            .build(builder.https_or_http().enable_http1().build());
        Ok(Arc::new(Self {
            pool,
            sent: AtomicUsize::new(0),
            most,
            interval: rate.map(|rate| Duration::from_secs(1) / rate.max(1)),
            next: Mutex::new(None),
            run: HeaderValue::from_str(run).unwrap_or(HeaderValue::from_static("audit")),
        }))
    }

    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed).min(self.most)
    }

    /// Sends, and once more if the connection was reset and the method allows it. Waits where it is told to.
    pub(crate) async fn send(&self, request: &Sent) -> Result<Answer, NoAnswer> {
        let mut resets = 0_usize;
        let mut pauses = 0_usize;
        loop {
            if self.sent.fetch_add(1, Ordering::Relaxed) >= self.most {
                return Err(NoAnswer::Budget);
            }
            self.keep_rate().await;
            match timeout(PATIENCE, self.once(request)).await {
                Err(_) => return Err(NoAnswer::TimedOut),
                Ok(Err(reason)) => {
                    if resets > 0 || !request.method.is_idempotent() {
                        return Err(NoAnswer::Connection(reason));
                    }
                    resets += 1;
                }
                Ok(Ok(answer)) if answer.status == 429 && pauses < PAUSES => {
                    pauses += 1;
                    sleep(pause(&answer)).await;
                }
                Ok(Ok(answer)) => return Ok(answer),
            }
        }
    }

    async fn keep_rate(&self) {
        let Some(interval) = self.interval else { return };
        let turn = {
            let mut next = self.next.lock().await;
            let turn = next.unwrap_or_else(now).max(now());
            *next = Some(turn + interval);
            turn
        };
        sleep_until(turn).await;
    }

    async fn once(&self, sent: &Sent) -> Result<Answer, String> {
        let mut request = Request::new(Full::new(sent.body.clone()));
        *request.method_mut() = sent.method.clone();
        *request.uri_mut() = sent.uri.clone();
        *request.headers_mut() = sent.headers.clone();
        request.headers_mut().insert(HeaderName::from_static("x-countersign-audit"), self.run.clone());
        let began = now();
        let answer = self.pool.request(request).await.map_err(|error| innermost(&error))?;
        let (parts, mut body) = answer.into_parts();
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| innermost(&error))?;
            if let Some(data) = frame.data_ref() {
                let room = MAX_BODY.saturating_sub(read.len());
                read.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
                if room <= data.len() {
                    break;
                }
            }
        }
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: read.into(),
            took: now() - began,
        })
    }
}

/// Durations, and when a request may go out: the only use of a clock that is not the caller's.
fn now() -> Instant {
    Instant::now()
}

fn pause(answer: &Answer) -> Duration {
    let asked = answer.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(asked.unwrap_or(1)).min(MAX_PAUSE)
}

/// "Connection refused" says more than "client error".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
