//! Servers inside the test process: a service that records what reaches it, and an authorization server that
//! answers what the test says.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, Response, body::Bytes, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    task::AbortHandle,
    time::{sleep, timeout},
};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Its method.
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Bytes,
}

impl Seen {
    /// A header that is there at most once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "`{name}` twice in {self:?}");
        Some(value.to_str().unwrap())
    }
}

/// What a local server says.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// How long it takes its time.
    pub(crate) after: Duration,
    /// Status.
    pub(crate) status: u16,
    /// Headers.
    pub(crate) headers: Vec<(String, String)>,
    /// Body.
    pub(crate) body: String,
}

impl Reply {
    /// 200 with JSON.
    pub(crate) fn json(value: &Value) -> Self {
        Self {
            after: Duration::ZERO,
            status: 200,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: value.to_string(),
        }
    }

    /// The same, later.
    pub(crate) fn after(mut self, time: Duration) -> Self {
        self.after = time;
        self
    }
}

/// A server in this process; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct LocalServer {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    accepting: AbortHandle,
}

impl LocalServer {
    /// A service that records every request and answers `{"service": "recording"}`; with the query `after=N` it
    /// answers after N milliseconds.
    pub(crate) async fn recording() -> Self {
        Self::start(|seen| {
            let after = seen.target.split("after=").nth(1).map_or(0, |number| number.parse().unwrap());
            Reply::json(&json!({ "service": "recording" })).after(Duration::from_millis(after))
        })
        .await
    }

    /// A server that answers what the function says, and remembers what it was asked.
    pub(crate) async fn start(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(reply, true).await
    }

    /// The same for more requests than there is memory for: it forgets each at once.
    pub(crate) async fn forgetful(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(reply, false).await
    }

    async fn with(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static, remembers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let reply = Arc::new(reply);
        let record = remembers.then(|| Arc::clone(&seen));
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (reply, record) = (Arc::clone(&reply), record.clone());
                let service = service_fn(move |request| answer(request, Arc::clone(&reply), record.clone()));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, seen, accepting: accepting.abort_handle() }
    }

    /// `http://address`.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests came.
    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The last request.
    pub(crate) fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().expect("no request reached the server")
    }

    /// Waits until so many requests came.
    pub(crate) async fn wait_for(&self, count: usize) {
        let reached = async {
            while self.count() < count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(60), reached)
            .await
            .unwrap_or_else(|_| panic!("{} of {count} requests", self.count()));
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Records a request and answers it.
async fn answer(
    request: Request<hyper::body::Incoming>,
    reply: Arc<impl Fn(&Seen) -> Reply>,
    record: Option<Arc<Mutex<Vec<Seen>>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let seen = Seen { method: parts.method.to_string(), target, headers: parts.headers, body };
    if let Some(record) = record {
        record.lock().unwrap().push(seen.clone());
    }
    let reply = reply(&seen);
    if !reply.after.is_zero() {
        sleep(reply.after).await;
    }
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(reply.body.into())).unwrap())
}
