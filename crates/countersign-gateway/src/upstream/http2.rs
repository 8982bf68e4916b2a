//! The HTTP/2 connections of one worker to one origin, shared by its requests.

use std::{
    error::Error as _,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use http::{HeaderValue, Request, Response, Uri, header::AUTHORIZATION, uri};
use http_body::Body as _;
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http2::{Builder, SendRequest},
    },
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::Instant;

use super::{
    Deadline, Forwarded, Inbound, Stream, UpstreamError, UpstreamRequest, error::Unreachable, http1::Failure,
    origin::Origin,
};
use crate::{
    config::resolved::{UpstreamOrigin, UpstreamProtocol},
    http::{Fields, Parts},
};

/// Connections of one worker to one origin, at most.
const CONNECTIONS: usize = 4;
/// Streams on one connection before another is opened: the number a server allows at least (RFC 9113 §6.5.2).
const STREAMS: usize = 100;
/// A ping after so long without a frame while requests are open.
const PING_AFTER: Duration = Duration::from_secs(20);
/// ...and the connection is given up when it is not answered for so long.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Shared {
    open: Mutex<Vec<Client>>,
    /// Held while a connection is opened, so that a burst opens one.
    pub(super) opening: tokio::sync::Mutex<()>,
}

/// A handle to a shared connection. Each clone counts as a stream.
#[derive(Debug, Clone)]
pub(super) struct Client {
    sender: SendRequest<Inbound>,
    streams: Arc<Streams>,
}

/// What the handles to one connection share.
#[derive(Debug, Default)]
struct Streams {
    /// The service has said that it takes no more.
    is_leaving: AtomicBool,
}

impl Shared {
    /// The connection with the fewest streams, if it should take one more.
    pub(super) fn take(&self) -> Option<Client> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|client| {
            !client.sender.is_closed() && !client.streams.is_leaving.load(Ordering::Relaxed)
        });
        let full = open.len() >= CONNECTIONS;
        let client = open.iter().min_by_key(|client| Arc::strong_count(&client.streams))?;
        (full || Arc::strong_count(&client.streams) <= STREAMS).then(|| client.clone())
    }

    pub(super) async fn open(&self, stream: Stream) -> Result<Client, UpstreamError> {
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_AFTER)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| UpstreamError::Unreachable(Unreachable::Protocol))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "HTTP/2 connection to a service ended");
            }
        });
        let client = Client { sender, streams: Arc::default() };
        self.open.lock().unwrap_or_else(PoisonError::into_inner).push(client.clone());
        Ok(client)
    }
}

/// How long an exchange waits for the head of the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    /// From the moment the last piece of the request was passed on.
    pub(super) first_byte: Duration,
    pub(super) now: Instant,
    /// In no case longer: a body that drips is not endless.
    pub(super) last: Instant,
}

impl Client {
    pub(super) async fn exchange(
        &mut self,
        UpstreamRequest { parts, forwarded, authorization, body }: UpstreamRequest<'_>,
        deadline: &Deadline,
        body_deadline: &Deadline,
        waits: Waits,
    ) -> Result<Response<Incoming>, Failure> {
        let Waits { first_byte, now, last } = waits;
        body.count(self);
        let sent = take(parts, (forwarded, authorization), body);
        let copy = copy(&sent);
        let mut answer = pin!(self.sender.try_send_request(sent));
        let outcome = poll_fn(|cx| {
            if let Poll::Ready(outcome) = answer.as_mut().poll(cx) {
                return Poll::Ready(Some(outcome));
            }
            let late = (body_deadline.body_progress_since(now) + first_byte).min(last);
            deadline.poll(cx, Instant::now(), late).map(|()| None)
        })
        .await;
        let failure = outcome.as_ref().and_then(|outcome| outcome.as_ref().err());
        let untaken = failure.and_then(|failure| untaken(failure.error()));
        if untaken == Some(Untaken::Connection) {
            self.streams.is_leaving.store(true, Ordering::Relaxed);
        }
        let (sorted, returned) = sort(outcome, body_deadline);
        let returned = match (&sorted, untaken) {
            (Err(Failure::Sent(_)), Some(_)) => copy,
            _ => returned,
        };
        match returned {
            Some(returned) => {
                put_back(returned, parts, (forwarded, authorization), body);
                Err(Failure::Unsent)
            }
            None => sorted,
        }
    }
}

/// What became of a request; `None` when the time was over.
type Outcome = Option<Result<Response<Incoming>, TrySendError<Request<Inbound>>>>;

/// Tells the failures apart, and gives an unsent request back. When the request's body failed, that is the reason,
/// whatever the connection says.
fn sort(
    outcome: Outcome,
    body: &Deadline,
) -> (Result<Response<Incoming>, Failure>, Option<Request<Inbound>>) {
    match outcome {
        None => (Err(Failure::Sent(UpstreamError::FirstByteTimeout)), None),
        Some(Ok(response)) => (Ok(response), None),
        Some(Err(mut error)) => match error.take_message() {
            Some(request) => (Err(Failure::Unsent), Some(request)),
            None => {
                let failure = body.body_failure().map(UpstreamError::Body);
                let failure = failure.unwrap_or_else(|| UpstreamError::from_hyper(error.error()));
                (Err(Failure::Sent(failure)), None)
            }
        },
    }
}

/// The request as hyper wants it. Method and target stay where they are, too.
fn take(
    parts: &mut Parts,
    (forwarded, authorization): (Option<&Forwarded>, Option<&HeaderValue>),
    body: &mut Inbound,
) -> Request<Inbound> {
    let mut request = Request::new(body.take());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    *request.version_mut() = parts.version;
    *request.headers_mut() = std::mem::take(&mut parts.fields).into();
    if let Some(forwarded) = forwarded {
        forwarded.set(request.headers_mut(), parts.uri.authority().map(uri::Authority::as_str));
    }
    if let Some(authorization) = authorization {
        request.headers_mut().insert(AUTHORIZATION, authorization.clone());
    }
    request
}

fn put_back(
    request: Request<Inbound>,
    parts: &mut Parts,
    (forwarded, authorization): (Option<&Forwarded>, Option<&HeaderValue>),
    body: &mut Inbound,
) {
    let (mut head, unsent) = request.into_parts();
    if forwarded.is_some() {
        Forwarded::unset(&mut head.headers);
    }
    if authorization.is_some() {
        head.headers.remove(AUTHORIZATION);
    }
    parts.fields = head.headers.into();
    *body = unsent;
}

/// How a service says that it has not looked at a request, which may then be sent again (RFC 9113 §8.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Untaken {
    /// By a GOAWAY that names an earlier stream as the last: no stream of the connection after it is taken.
    Connection,
    /// By `REFUSED_STREAM`.
    Stream,
}

fn untaken(error: &hyper::Error) -> Option<Untaken> {
    let error = error.source()?.downcast_ref::<h2::Error>().filter(|error| error.is_remote())?;
    // A GOAWAY ends those streams alone with an error of its own that are behind the last one it names.
    if error.is_go_away() {
        return Some(Untaken::Connection);
    }
    (error.reason() == Some(h2::Reason::REFUSED_STREAM)).then_some(Untaken::Stream)
}

/// The request once more, if all of it is its head: of a body a part may have been read and gone.
fn copy(request: &Request<Inbound>) -> Option<Request<Inbound>> {
    if !request.body().is_end_stream() {
        return None;
    }
    let mut copy = Request::new(request.body().emptied());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

/// Puts the request into HTTP/2's form: scheme and authority are pseudo-headers, `Host` is not sent
/// (RFC 9113 §8.3.1).
pub(super) fn with_pseudo_headers(request: &mut Parts, origin: &Origin) -> Result<(), UpstreamError> {
    let malformed = |_| UpstreamError::Unreachable(Unreachable::Protocol);
    // Of a request that comes back unsent it is in the target already.
    let named = host(&mut request.fields).or_else(|| request.uri.authority().cloned());
    let authority = named.map_or_else(|| authority_of(&origin.key), Ok)?;
    let mut parts = std::mem::take(&mut request.uri).into_parts();
    parts.scheme = Some(if origin.key.protocol == UpstreamProtocol::Tls {
        uri::Scheme::HTTPS
    } else {
        uri::Scheme::HTTP
    });
    parts.authority = Some(authority);
    if parts.path_and_query.is_none() {
        parts.path_and_query = Some(uri::PathAndQuery::from_static("/"));
    }
    request.uri = Uri::from_parts(parts).map_err(malformed)?;
    request.version = http::Version::HTTP_2;
    Ok(())
}

fn host(fields: &mut Fields) -> Option<uri::Authority> {
    let host = fields.first(b"host").and_then(|host| uri::Authority::try_from(host).ok());
    fields.remove(b"host");
    host
}

fn authority_of(origin: &UpstreamOrigin) -> Result<uri::Authority, UpstreamError> {
    let text = if origin.host.contains(':') {
        format!("[{}]:{}", origin.host, origin.port)
    } else {
        format!("{}:{}", origin.host, origin.port)
    };
    text.parse().map_err(|_| UpstreamError::Unreachable(Unreachable::Name))
}
