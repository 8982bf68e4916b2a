//! A small HTTP client: one call, one connection.

use std::{fmt, net::SocketAddr, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, StatusCode, body::Bytes, http::request};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request that is being put together.
#[derive(Debug)]
pub(crate) struct Call {
    builder: request::Builder,
    body: Bytes,
}

impl Call {
    /// Any method.
    pub(crate) fn new(method: &str, url: impl fmt::Display) -> Self {
        Self { builder: Request::builder().method(method).uri(url.to_string()), body: Bytes::new() }
    }

    /// GET.
    pub(crate) fn get(url: impl fmt::Display) -> Self {
        Self::new("GET", url)
    }

    /// POST of a form.
    pub(crate) fn post_form(url: impl fmt::Display, form: &str) -> Self {
        Self::new("POST", url).header("content-type", "application/x-www-form-urlencoded").body(form)
    }

    /// Sends that along.
    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = body.to_owned().into();
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.builder = self.builder.header(name, value.to_string());
        self
    }

    /// Sends it and reads the whole answer.
    pub(crate) async fn send(self) -> Answer {
        self.try_send().await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// Sends it and reads the whole answer, if one comes.
    pub(crate) async fn try_send(self) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let request = self.builder.body(Full::new(self.body))?;
        let response = timeout(PATIENCE, client.request(request)).await??;
        let (parts, body) = response.into_parts();
        let body = timeout(PATIENCE, body.collect()).await??.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header that is there at most once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "`{name}` twice in {self:?}");
        Some(value.to_str().unwrap())
    }

    /// Demands a status.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }

    /// Demands a refusal: status and stable code.
    pub(crate) fn expect_refusal(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.header("countersign-refused"), Some(code), "{answer:?}");
        assert_eq!(
            (&answer.json()["code"], &answer.json()["status"]),
            (&code.into(), &status.into()),
            "{answer:?}"
        );
        answer
    }
}

/// Writes bytes and reads until the other side closes.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(Ok(length @ 1..)) = timeout(PATIENCE, stream.read(&mut piece)).await {
        answer.extend_from_slice(&piece[..length]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}
