//! HTTP/2 towards clients.
//!
//! Against floods of resets hyper and h2 close the connection: more than 20 streams that were reset before they were
//! accepted (`max_pending_accept_reset_streams`; 1,000 from a trusted proxy, whose clients share it), or more than 1,024
//! that we had to reset (`max_local_error_reset_streams`). Extended CONNECT (RFC 8441) is not offered.
//!
//! A header section holds at most `header_bytes`, frames that add nothing to it end the connection, and it comes within
//! `header_timeout` ([`heads`]).

mod heads;
mod stream;

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use hyper::{body::Incoming, rt::Executor, server::conn::http2::Builder, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use self::{
    heads::{HeadClock, Heads, Watched},
    stream::{Bounds, Ended, Pieces, Turn},
};
use super::{
    Connection, Handler,
    answer::Open,
    connection::Scope,
    io::Io,
    watch::{Late, Situation, Watch},
};
use crate::{
    http::Parts,
    upstream::{Deadline, Inbound, Received},
};

/// Streams we had to reset for the client's errors.
const LOCAL_RESETS: usize = 1024;
/// What may wait for the client to take it, for each stream.
const SEND_BUFFER: usize = 64 * 1024;
/// For the last frames to a client that is sent away.
const GOODBYE: Duration = Duration::from_secs(1);

pub(super) async fn serve<H: Handler>(io: Io, scope: Arc<Scope<H>>) {
    let limits = scope.limits;
    let turn = Arc::new(Turn::default());
    let service = service_fn(|request| {
        let open = Open::begin(Arc::clone(&scope.connection));
        let (scope, turn) = (Arc::clone(&scope), Arc::clone(&turn));
        async move { Ok::<_, Infallible>(answer(&scope, request, open, turn).await) }
    });
    let header_bytes = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
    let heads = Arc::new(Heads::default());
    let io = Watched::new(io, Arc::clone(&heads));
    let streams = Streams { scope: Arc::clone(&scope), turn: Arc::clone(&turn) };
    let mut http = Builder::new(streams)
        .max_concurrent_streams(limits.http2_streams)
        .max_header_list_size(header_bytes)
        .max_pending_accept_reset_streams(scope.carrying.pending_resets())
        .max_local_error_reset_streams(LOCAL_RESETS)
        .max_send_buf_size(SEND_BUFFER)
        .serve_connection(TokioIo::new(io), service);

    let deadline = Deadline::default();
    let drain = &scope.shared.drain;
    let mut notified = pin!(drain.notified());
    let mut enabled = false;
    let mut stopping = false;
    let mut watch = Watch::new(&limits);
    let mut head_clock = HeadClock::new(limits.header_timeout);
    let outcome = poll_fn(|cx| {
        if !enabled {
            enabled = true;
            let _ = notified.as_mut().poll(cx);
        }
        let draining = drain.has_begun();
        if draining && !stopping {
            stopping = true;
            Pin::new(&mut http).graceful_shutdown();
        }
        if let outcome @ Poll::Ready(_) = Pin::new(&mut http).poll(cx) {
            return outcome.map(Ok);
        }
        let activity = &scope.connection.activity;
        if head_clock.poll(cx, &heads, &deadline, activity.is_blocked()).is_ready() {
            return Poll::Ready(Err(Late::Head));
        }
        let situation = Situation { head_begun: heads.under_way().is_some(), draining, received: 0 };
        watch.poll(cx, activity, &deadline, situation).map(Err)
    })
    .await;
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => scope.note_end(&error),
        Err(late) => {
            scope.note_late(late);
            Pin::new(&mut http).graceful_shutdown();
            let _ = timeout(GOODBYE, http).await;
        }
    }
}

async fn answer<H: Handler>(
    scope: &Scope<H>,
    request: http::Request<Incoming>,
    open: Open<Arc<Connection>>,
    turn: Arc<Turn>,
) -> http::Response<Pieces> {
    let Scope { shared, connection, limits, .. } = scope;
    let deadline = Arc::new(Deadline::default());
    let (parts, incoming) = request.into_parts();
    let mut parts = Parts::from(parts);
    let received = Arc::new(Received::new(incoming));
    if !received.is_over() {
        turn.receive(&received);
    }
    let mut body = Inbound::over_http2(received, limits.body_bytes, limits.body_timeout, deadline);
    let answer = shared.handler.handle(&mut parts, &mut body, connection, &shared.worker).await;
    answer.map(|outbound| Pieces::new(open.answer(outbound), turn)).into()
}

/// Runs streams as tasks of this worker.
struct Streams<H> {
    scope: Arc<Scope<H>>,
    turn: Arc<Turn>,
}

impl<H> Clone for Streams<H> {
    fn clone(&self) -> Self {
        Self { scope: Arc::clone(&self.scope), turn: Arc::clone(&self.turn) }
    }
}

impl<H, F> Executor<F> for Streams<H>
where
    H: Handler,
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let Self { scope, turn } = self.clone();
        tokio::spawn(async move {
            let bounds = Bounds { piece: scope.limits.body_timeout, whole: scope.limits.max_stream };
            if stream::run(stream, turn, bounds).await == Ended::Untaken {
                scope.note_untaken();
            }
        });
    }
}
