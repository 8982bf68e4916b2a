//! Tells the old application that its user is still there.
//!
//! A look-up by introspection does not count as use of the session, and most requests cause no look-up at all: a user who
//! works only with new services is idle to the old server, and is logged out by its idle time-out. `keep_alive` names a page
//! of it that is asked for with the cookie, as the browser would, once after each recheck that a user's request caused: for
//! each session once in three fifths of `recheck` at most. What it answers does not matter, and an answer that does not come
//! neither. Our own pages, and what else runs without the user, ask for nothing.

use bytes::Bytes;
use countersign::Secret;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::Full;
use tokio::time::Instant;

use super::client::HttpClient;
use crate::{
    credential::{CredentialKind, OwnedCredential},
    error::SourceError,
};

/// Asks for the page.
#[derive(Debug)]
pub(super) struct KeepAlive {
    pub(super) http: HttpClient,
    pub(super) endpoint: Uri,
    /// The session cookie's name.
    pub(super) cookie: String,
}

impl KeepAlive {
    /// One request; sessions that come in no cookie have no idle time-out that it could extend.
    pub(super) async fn touch(
        &self,
        credential: &OwnedCredential,
        deadline: Instant,
    ) -> Result<(), SourceError> {
        if credential.kind != CredentialKind::Cookie {
            return Ok(());
        }
        let pair = Secret::new(format!("{}={}", self.cookie, credential.value.expose()));
        let Ok(mut value) = HeaderValue::from_str(pair.expose()) else { return Ok(()) };
        value.set_sensitive(true);
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = self.endpoint.clone();
        request.headers_mut().insert(header::COOKIE, value);
        self.http.send(request, deadline).await.map(drop)
    }
}
