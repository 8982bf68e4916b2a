//! HTTP/1.1 towards clients.
//!
//! 1. `max_headers` stays at hyper's default of 100: setting it costs an allocation for each request.
//! 2. `half_close` is off: a client that closes its sending side while it waits is taken as gone, as almost always
//!    it is; the request upstream is then ended too.
//! 3. `pipeline_flush` is off: it would suppress the automatic 400 and 431.
//! 4. What hyper reads has passed the head guard.
//! 5. Time-outs are ours ([`Watch`] and the bodies'), on one timer for each connection.
//! 6. A header section that is late is answered by the handler, as every refusal is. A connection on which nothing
//!    came is closed without a word: an answer would be taken for that to a request yet to be sent.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use hyper::{server::conn::http1::Builder, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::{
    Handler,
    answer::Open,
    connection::Scope,
    head_guard::{Guarded, Phase},
    io::Io,
    watch::{Late, Situation, Watch},
};
use crate::{
    error::Refusal,
    upstream::{Deadline, Inbound},
};

/// hyper's smallest buffer.
const SMALLEST_BUFFER: usize = 8 * 1024;
/// What a connection may hold of a body on its way, at least.
const BODY_BUFFER: usize = 64 * 1024;
/// For the last words to a client that was too slow.
const GOODBYE: Duration = Duration::from_secs(1);

pub(super) async fn serve<H: Handler>(io: Io, scope: Arc<Scope<H>>) {
    let limits = scope.limits;
    let deadline = Arc::new(Deadline::default());
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
        let open = Open::begin(&scope.connection);
        let scope = Arc::clone(&scope);
        let deadline = Arc::clone(&deadline);
        async move {
            let limits = &scope.limits;
            let request = request
                .map(|incoming| Inbound::new(incoming, limits.body_bytes, limits.body_timeout, deadline));
            let shared = &scope.shared;
            let response = shared.handler.handle(request, &scope.connection, &shared.worker).await;
            Ok::<_, Infallible>(open.answer(response))
        }
    });
    let io = Guarded::new(io, &limits);
    let guard = io.watch();
    let mut builder = Builder::new();
    builder
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes.max(BODY_BUFFER).max(SMALLEST_BUFFER))
        .max_header_size(limits.header_bytes);
    let mut http = builder.serve_connection(TokioIo::new(io), service).with_upgrades();

    let drain = &scope.shared.drain;
    let mut notified = pin!(drain.notified());
    let mut enabled = false;
    let mut stopping = false;
    let mut watch = Watch::new(&limits);
    let outcome = poll_fn(|cx| {
        if !enabled {
            enabled = true;
            let _ = notified.as_mut().poll(cx);
        }
        let draining = drain.has_begun();
        let activity = &scope.connection.activity;
        // Twice: before an answer's head is written, so that it says so; and after a first request was read.
        for _ in 0..2 {
            if draining && !stopping && activity.begun() > 0 {
                stopping = true;
                Pin::new(&mut http).graceful_shutdown();
            }
            if let outcome @ Poll::Ready(_) = Pin::new(&mut http).poll(cx) {
                return outcome.map(Ok);
            }
            if !draining || stopping {
                break;
            }
        }
        let situation = Situation { head_begun: guard.phase() == Phase::Head, draining };
        watch.poll(cx, activity, &deadline, situation).map(Err)
    })
    .await;
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => scope.note_end(&error),
        Err(late) => {
            scope.note_late(late);
            if late == Late::Head
                && guard.phase() == Phase::Head
                && let Some(parts) = http.into_parts()
            {
                let io = parts.io.into_inner().refused(Refusal::HeaderTimeout);
                let _ = timeout(GOODBYE, builder.serve_connection(TokioIo::new(io), parts.service)).await;
            }
        }
    }
}
