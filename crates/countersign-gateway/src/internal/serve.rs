//! Serves the listener within bounds.

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::DefaultBodyLimit};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::server::Certificates;

/// Connections at once; more wait in the listener's own queue.
const CONNECTIONS: usize = 1024;
/// For the TLS handshake, and for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest head, in bytes.
const HEAD_BYTES: usize = 32 * 1024;
/// The largest form, in bytes.
const FORM_BYTES: usize = 64 * 1024;
/// Accepting failed: no file descriptors, most likely.
const PAUSE: Duration = Duration::from_millis(100);

/// Where, and with which certificate.
#[derive(Debug)]
pub struct Listening {
    /// The socket.
    pub listener: TcpListener,
    /// Without one, plain HTTP.
    pub certificates: Option<Arc<Certificates>>,
}

/// Serves `pages` until it is dropped.
pub async fn serve(listening: Listening, pages: Router) {
    let Listening { listener, certificates } = listening;
    let pages = pages.layer(DefaultBodyLimit::max(FORM_BYTES));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // The semaphore is never closed, so a place is always given in the end.
        let place = Arc::clone(&places).acquire_owned().await.ok();
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::error!(%error, "internal_listen cannot accept");
                sleep(PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let (pages, certificates) = (pages.clone(), certificates.clone());
        connections.spawn(async move {
            let _place = place;
            // Small events must not wait for more of them.
            let _ = socket.set_nodelay(true);
            let Some(certificates) = certificates else { return connection(socket, pages).await };
            let mut config = (*certificates.current()).clone();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            let handshake = TlsAcceptor::from(Arc::new(config)).accept(socket);
            if let Ok(Ok(stream)) = timeout(HEAD_TIMEOUT, handshake).await {
                connection(stream, pages).await;
            }
        });
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, pages: Router) {
    // A client that breaks off or is too slow is its own affair.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(pages))
        .await;
}
