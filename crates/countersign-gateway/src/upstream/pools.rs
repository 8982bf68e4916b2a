//! Sending a request to a target over the connections of one worker.

use std::{sync::Arc, time::Duration};

use http::{StatusCode, Uri, Version, header, uri};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    Body, Target, UpstreamError, UpstreamRequest,
    body::{Outstanding, Source, Stream, Terms},
    connect::{self, Alpn},
    error::Unreachable,
    http1::{self, Failure},
    http2,
    origin::{Negotiated, Origin, Pool},
    tunnel::Tunnels,
};
use crate::{
    http::{Answer, Parts},
    observe::{Observer, UpstreamEvent},
};

/// How many connect time-outs a request waits for its turn to connect.
pub const PATIENCE: u32 = 15;

/// The way of one worker to every upstream.
///
/// 1. A request is sent once. It is sent again, and only once more, when the connection hands it back unsent, or when
///    a service says over HTTP/2 that it has not looked at it (RFC 9113 §8.7) and it has no body: then on a fresh
///    connection (over HTTP/2 on any that takes requests), or at another origin if none could be opened.
/// 2. A connection that is closed by the service after bytes of the request were written is an error
///    ([`UpstreamError::Closed`]): the service may have acted on it.
/// 3. Dropping the future or the body of the answer ends the exchange: HTTP/1.1 closes the connection, HTTP/2
///    resets the stream.
#[derive(Debug)]
pub struct Pools {
    worker: usize,
    observer: Observer,
    pub(super) tunnels: Arc<Tunnels>,
}

/// An open connection.
enum Connection {
    Http1(Box<http1::Client>),
    Http2(http2::Client),
}

/// An attempt that gave no answer. Unless it is final, the request is whole again.
enum Missed {
    /// Unsent on an open connection: a fresh one may do.
    Again(UpstreamError),
    /// No connection: another origin may do.
    Elsewhere(UpstreamError),
    /// The request may have been received.
    Final(UpstreamError),
}

impl Pools {
    /// The connections of worker number `worker`, told to its `observer`.
    #[must_use]
    pub fn new(worker: usize, observer: Observer) -> Self {
        Self { worker, observer, tunnels: Arc::default() }
    }

    /// Sends the request and waits for the head of the answer.
    ///
    /// # Errors
    /// [`UpstreamError`] when there is no answer. Nothing of the request is in it.
    pub async fn send(
        &self,
        target: &Target,
        mut request: UpstreamRequest<'_>,
    ) -> Result<Answer<Body>, UpstreamError> {
        let now = Instant::now();
        let mut origin = target.choose(self.worker, now, None)?;
        let mut retry = false;
        loop {
            match self.attempt(target, origin, request.again(), now, retry).await {
                Ok(answer) => return Ok(answer),
                Err(Missed::Again(_)) if !retry => {}
                Err(Missed::Elsewhere(_)) if !retry && target.len() > 1 => {
                    origin = target.choose(self.worker, now, Some(origin))?;
                }
                Err(Missed::Again(error) | Missed::Elsewhere(error) | Missed::Final(error)) => {
                    return Err(self.failed(error));
                }
            }
            self.observer.metrics().upstream(UpstreamEvent::Retried);
            retry = true;
        }
    }

    /// Counts a failed exchange. A connection that could not be made was counted when it was tried.
    pub(super) fn failed(&self, error: UpstreamError) -> UpstreamError {
        let event = match error {
            UpstreamError::FirstByteTimeout => UpstreamEvent::TimedOut,
            UpstreamError::Malformed => UpstreamEvent::Malformed,
            UpstreamError::Body(_)
            | UpstreamError::Closed
            | UpstreamError::ConnectTimeout
            | UpstreamError::Unreachable(_) => return error,
        };
        self.observer.metrics().upstream(event);
        error
    }

    async fn attempt(
        &self,
        target: &Target,
        origin: &Arc<Origin>,
        request: UpstreamRequest<'_>,
        now: Instant,
        fresh: bool,
    ) -> Result<Answer<Body>, Missed> {
        let limits = &target.limits;
        let Some(pool) = origin.pool(self.worker) else {
            return Err(Missed::Final(UpstreamError::Unreachable(Unreachable::NoOrigin)));
        };
        let outstanding = (target.len() > 1).then(|| Outstanding::new(pool));
        let connection = match self.ready(pool, origin, now, fresh) {
            Some(connection) => connection,
            None => {
                let opening = self.open_in_turn(pool, origin, limits.connect_timeout, fresh);
                Box::pin(opening).await.map_err(Missed::Elsewhere)?
            }
        };
        let deadline = Arc::clone(request.body.deadline());
        let until = now + limits.max_stream;
        let answer = match connection {
            Connection::Http1(mut client) => {
                into_origin_form(request.parts).map_err(Missed::Final)?;
                client.keep(limits.upstream_idle);
                let limit = limits.first_byte_timeout;
                let head = client.exchange(request, &deadline, limit, now, until).await;
                head.map(|head| Answer { head, body: Source::Http1(client) })
            }
            Connection::Http2(mut client) => {
                http2::with_pseudo_headers(request.parts, origin).map_err(Missed::Final)?;
                request.body.detach();
                let sending = Arc::clone(request.body.deadline());
                let waits = http2::Waits { first_byte: limits.first_byte_timeout, now, last: until };
                // Apart, so that the future of a request over HTTP/1.1 stays small.
                let exchange = Box::pin(client.exchange(request, &deadline, &sending, waits)).await;
                exchange.map(|response| {
                    let source = |incoming| Source::Http2(Box::new(Stream::new(incoming, sending, client)));
                    Answer::from(response).map(source)
                })
            }
        };
        match answer {
            // A switch of protocols nobody asked for.
            Ok(answer) if answer.head.status == StatusCode::SWITCHING_PROTOCOLS => {
                Err(Missed::Final(UpstreamError::Malformed))
            }
            Ok(answer) => Ok(answer.map(|source| {
                Body::new(source, Terms::new(limits.body_timeout, until, deadline, outstanding))
            })),
            Err(Failure::Sent(error)) => Err(Missed::Final(error)),
            Err(Failure::Unsent) => Err(Missed::Again(UpstreamError::Closed)),
        }
    }

    /// An open connection that takes a request now.
    fn ready(&self, pool: &Pool, origin: &Origin, now: Instant, fresh: bool) -> Option<Connection> {
        match origin.negotiated() {
            Negotiated::Http1 if fresh => None,
            Negotiated::Http1 => pool.take(now).map(Connection::Http1),
            Negotiated::Http2 => pool.shared.take().map(Connection::Http2),
            Negotiated::Unknown => None,
        }
    }

    /// Waits for a turn to connect, [`PATIENCE`] times the limit at most. What was given back to the pool meanwhile
    /// is taken instead, so that a burst does not become as many connections as it has requests.
    async fn open_in_turn(
        &self,
        pool: &Arc<Pool>,
        origin: &Origin,
        limit: Duration,
        fresh: bool,
    ) -> Result<Connection, UpstreamError> {
        let turn = timeout(limit.saturating_mul(PATIENCE), pool.turns.0.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(UpstreamError::ConnectTimeout) };
        match self.ready(pool, origin, Instant::now(), fresh) {
            Some(connection) => Ok(connection),
            None => self.open(pool, origin, limit).await,
        }
    }

    /// Opens a connection within `limit`; for HTTP/2 joins the one that is being opened.
    async fn open(
        &self,
        pool: &Arc<Pool>,
        origin: &Origin,
        limit: Duration,
    ) -> Result<Connection, UpstreamError> {
        let by = Instant::now() + limit;
        let opening = async {
            if origin.negotiated() != Negotiated::Http1 {
                let alone = pool.shared.opening.lock().await;
                if let Some(client) = pool.shared.take() {
                    return Ok(Connection::Http2(client));
                }
                if origin.negotiated() != Negotiated::Http1 {
                    let connection = self.dial(pool, origin, by).await;
                    drop(alone);
                    return connection;
                }
            }
            self.dial(pool, origin, by).await
        };
        timeout_at(by, opening).await.unwrap_or(Err(UpstreamError::ConnectTimeout))
    }

    async fn dial(
        &self,
        pool: &Arc<Pool>,
        origin: &Origin,
        by: Instant,
    ) -> Result<Connection, UpstreamError> {
        let dialled = connect::dial(origin, self.worker, &self.observer, by, Alpn::Any).await?;
        if dialled.http2 {
            pool.shared.open(dialled.stream).await.map(Connection::Http2)
        } else {
            Ok(Connection::Http1(http1::Client::new(dialled.stream, Arc::clone(pool))))
        }
    }

    /// A connection of its own for a request that wants to leave HTTP.
    pub(super) async fn dial_http1(&self, target: &Target) -> Result<Box<http1::Client>, UpstreamError> {
        let mut origin = target.choose(self.worker, Instant::now(), None)?;
        let limit = target.limits.connect_timeout;
        let dial =
            |origin| connect::dial(origin, self.worker, &self.observer, Instant::now() + limit, Alpn::Http1);
        let mut dialled = dial(origin).await;
        if dialled.is_err() && target.len() > 1 {
            origin = target.choose(self.worker, Instant::now(), Some(origin))?;
            self.observer.metrics().upstream(UpstreamEvent::Retried);
            dialled = dial(origin).await;
        }
        let dialled = dialled?;
        match origin.pool(self.worker) {
            Some(pool) if !dialled.http2 => Ok(http1::Client::new(dialled.stream, Arc::clone(pool))),
            _ => Err(UpstreamError::Unreachable(Unreachable::Protocol)),
        }
    }
}

/// Puts the request into HTTP/1.1's form (RFC 9112 §3.2.1); undoes [`http2::with_pseudo_headers`].
pub(super) fn into_origin_form(request: &mut Parts) -> Result<(), UpstreamError> {
    request.version = Version::HTTP_11;
    if request.uri.scheme().is_none() && request.uri.authority().is_none() {
        return Ok(());
    }
    let malformed = UpstreamError::Unreachable(Unreachable::Protocol);
    let parts = std::mem::take(&mut request.uri).into_parts();
    if let Some(authority) = parts.authority
        && !request.fields.has(b"host")
    {
        let host = header::HeaderValue::from_str(authority.as_str()).map_err(|_| malformed)?;
        request.fields.add(&header::HOST, &host);
    }
    let path = parts.path_and_query.unwrap_or_else(|| uri::PathAndQuery::from_static("/"));
    request.uri = Uri::from(path);
    Ok(())
}

#[cfg(test)]
mod tests;
