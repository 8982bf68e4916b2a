//! Serves a few operators within bounds.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use axum::{Router, serve::Listener};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

/// Connections at once; more wait in the listener's own queue.
const CONNECTIONS: usize = 64;
/// For the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// For everything: a reload is the longest.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// For open requests after the shutdown.
const ENDING_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest head, in bytes.
const HEAD_BYTES: usize = 16 * 1024;

/// Serves `pages` on `listener` until `shutdown`, then lets open requests end.
pub async fn serve<L>(mut listener: L, pages: Router, shutdown: impl Future<Output = ()>)
where
    L: Listener,
    L::Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut shutdown = pin!(shutdown);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            // The semaphore is never closed, so a place is always given in the end.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await.0)
        };
        let (place, io) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accepted => accepted,
        };
        while connections.try_join_next().is_some() {}
        let service = TowerToHyperService::new(pages.clone());
        connections.spawn(async move {
            let _place = place;
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(HEAD_BYTES)
                .keep_alive(false)
                .serve_connection(TokioIo::new(io), service);
            // A client that breaks off or is too slow is its own affair.
            let _ = timeout(CONNECTION_TIMEOUT, connection).await;
        });
    }
    let ending = async { while connections.join_next().await.is_some() {} };
    // What is still open after that is broken off.
    let _ = timeout(ENDING_TIMEOUT, ending).await;
}
