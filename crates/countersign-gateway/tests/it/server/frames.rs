//! HTTP/2 for tests: bodies made of frames that are sent one by one, a client, and an echoing service.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::{
    body::{Frame, Incoming},
    client::conn::http2::SendRequest,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::mpsc,
    task::JoinSet,
};

/// A body whose frames come from a channel.
pub(crate) struct Frames(mpsc::Receiver<Frame<Bytes>>);

pub(crate) type Sender = mpsc::Sender<Frame<Bytes>>;

impl Frames {
    pub(crate) fn channel() -> (Sender, Self) {
        let (sender, receiver) = mpsc::channel(1);
        (sender, Self(receiver))
    }

    pub(crate) fn none() -> Self {
        Self::channel().1
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_closed() && self.0.is_empty()
    }
}

/// An HTTP/2 connection to the gateway.
pub(crate) async fn connect(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> SendRequest<Frames> {
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A service over HTTP/2 in clear: sends each frame of the body back as it comes, then the trailers it got and
/// `grpc-status`. Says in `x-about` what was asked.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    _accepting: JoinSet<()>,
}

impl Echo {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let mut accepting = JoinSet::new();
        let count = Arc::clone(&connections);
        accepting.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                serve_echo(socket);
            }
        });
        Self { address, connections, _accepting: accepting }
    }
}

/// Serves one connection as [`Echo`] does.
pub(crate) fn serve_echo(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    tokio::spawn(
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(1_000)
            .serve_connection(TokioIo::new(io), service_fn(echo)),
    );
}

async fn echo(request: Request<Incoming>) -> Result<Response<Frames>, Infallible> {
    let mut about = format!("{} {}", request.method(), request.uri());
    for (name, value) in request.headers() {
        about += &format!("; {name}={}", value.to_str().unwrap());
    }
    let (sender, frames) = Frames::channel();
    let mut body = request.into_body();
    tokio::spawn(async move {
        let mut trailers = HeaderMap::new();
        while let Some(Ok(frame)) = body.frame().await {
            match frame.into_data() {
                Ok(data) => {
                    if sender.send(Frame::data(data)).await.is_err() {
                        return;
                    }
                }
                Err(frame) => trailers = frame.into_trailers().unwrap(),
            }
        }
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let _ = sender.send(Frame::trailers(trailers)).await;
    });
    let mut response = Response::new(frames);
    response.headers_mut().insert("x-about", HeaderValue::from_str(&about).unwrap());
    Ok(response)
}
