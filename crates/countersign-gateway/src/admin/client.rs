//! Asks the running gateway over its control socket, for the command line.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use countersign::revocation::Target;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, time::timeout};

use super::{Question, SOCKET, revoked::Answer};

/// For the whole exchange: as long as the gateway gives itself.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer, in bytes.
const ANSWER_BYTES: usize = 1024 * 1024;

/// What the gateway answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Whether it was done.
    pub status: StatusCode,
    /// JSON, except for `/metrics` and `/healthz`.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The exchange broke off, or the answer was too long.
    #[error("the gateway broke off: {0}")]
    BrokeOff(String),
    /// The socket may not be used by this user.
    #[error("`{}` may be used by the gateway's own user only", .0.display())]
    NotAllowed(PathBuf),
    /// No gateway listens there.
    #[error("no gateway runs on `{}`", .0.display())]
    NotRunning(PathBuf),
    /// The path is no request target.
    #[error("`{0}` is not a path")]
    Path(String),
    /// No answer within 30 s.
    #[error("the gateway did not answer within 30 seconds")]
    Timeout,
}

/// Sends one request to the gateway that runs on `state_dir`; a body is JSON.
///
/// # Errors
/// [`CallError`]. An answer that says "no" is a [`Reply`] with its status.
pub async fn call(
    state_dir: &Path,
    method: Method,
    path: &str,
    body: impl Into<Bytes>,
) -> Result<Reply, CallError> {
    timeout(TIMEOUT, exchange(state_dir, method, path, body.into())).await.map_err(|_| CallError::Timeout)?
}

/// Asks the gateway that runs on `state_dir` what it is that refuses a session or a token, if anything does.
///
/// # Errors
/// [`CallError`].
pub async fn refusing(state_dir: &Path, question: &Question) -> Result<Option<Target>, CallError> {
    let body = serde_json::to_vec(question).map_err(|error| CallError::BrokeOff(error.to_string()))?;
    let reply = call(state_dir, Method::POST, "/revoked", body).await?;
    let answer: Answer = serde_json::from_slice(&reply.body)
        .map_err(|_| CallError::BrokeOff(format!("it answers {}", reply.status)))?;
    match answer.error {
        None if reply.status.is_success() => Ok(answer.target()),
        error => Err(CallError::BrokeOff(error.unwrap_or_default())),
    }
}

/// The words for a revocation that [`refusing`] has found, with the command that takes it back.
#[must_use]
pub fn told(target: &Target, state_dir: &Path) -> String {
    let directory = state_dir.display();
    let lift = |option: &str| format!("countersign revoke --state-dir {directory} {option} --lift");
    match target {
        Target::All => format!("everything of that time is revoked: {}", lift("--all")),
        // A session that goes on: its next token is good.
        Target::IssuedTo(_) => {
            "what was issued to its session until then is revoked: it gets another".to_owned()
        }
        Target::Organisation(_) | Target::Session(_) | Target::Subject(_) | Target::Token(_) => {
            let (kind, id) = (target.kind(), target.id());
            format!("{kind} {id} is revoked: {}", lift(&format!("--{kind} {id}")))
        }
    }
}

async fn exchange(state_dir: &Path, method: Method, path: &str, body: Bytes) -> Result<Reply, CallError> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .map_err(|_| CallError::Path(path.to_owned()))?;
    let stream = UnixStream::connect(state_dir.join(SOCKET)).await.map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => CallError::NotAllowed(state_dir.join(SOCKET)),
        _ => CallError::NotRunning(state_dir.to_owned()),
    })?;
    let broke_off = |error: &dyn std::error::Error| CallError::BrokeOff(error.to_string());
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broke_off(&error))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|error| broke_off(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| broke_off(&*error))?.to_bytes();
        Ok(Reply { status, body })
    };
    // The connection is driven beside the exchange and ends with it.
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => return answer,
        _ = connection => {}
    }
    answer.await
}
