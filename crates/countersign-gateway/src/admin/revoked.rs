//! `POST /revoked` of the control socket: what refuses a session or a token. Changes nothing.

use axum::{Json, extract::State};
use bytes::Bytes;
use countersign::{SessionId, Subject, TokenId, UnixTime, revocation::Target};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Admin;
use crate::credential::{CredentialKind, OwnedCredential};

/// What is asked about. It goes over the control socket alone, which the gateway's own user can use.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Question {
    /// A session.
    Session(AskedSession),
    /// A token.
    Token(AskedToken),
}

/// A session, by its credential and by what the authorization server says of it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedSession {
    /// Whether it came as a bearer token.
    pub bearer: bool,
    /// The credential.
    pub credential: String,
    /// Whose it is.
    pub subject: Subject,
    /// Whose data it opens.
    pub organisation: Option<String>,
    /// What the server calls it.
    pub server_sid: Option<String>,
    /// When it began, as the server says.
    pub began: Option<UnixTime>,
}

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
pub struct AskedToken {
    /// `jti`.
    pub jti: TokenId,
    /// `derived_from`.
    #[serde(default)]
    pub derived_from: Vec<TokenId>,
    /// `sid`.
    pub sid: Option<SessionId>,
    /// `sub`.
    pub sub: Subject,
    /// `organisation`.
    pub organisation: Option<String>,
    /// `iat`.
    pub iat: UnixTime,
}

/// What is answered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Answer {
    /// What is revoked, if it is.
    pub(super) kind: Option<String>,
    pub(super) id: Option<String>,
    pub(super) error: Option<String>,
}

impl std::fmt::Debug for AskedSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AskedSession").field("subject", &self.subject).finish_non_exhaustive()
    }
}

impl AskedSession {
    /// Its credential.
    #[must_use]
    pub fn credential(&self) -> OwnedCredential {
        let kind = if self.bearer { CredentialKind::Bearer } else { CredentialKind::Cookie };
        OwnedCredential { kind, value: countersign::Secret::new(self.credential.clone()) }
    }
}

impl Answer {
    pub(super) fn target(&self) -> Option<Target> {
        Target::from_parts(self.kind.as_deref()?, self.id.as_deref()?)
    }
}

pub(super) async fn revoked(State(admin): State<Admin>, body: Bytes) -> (StatusCode, Json<Answer>) {
    match serde_json::from_slice::<Question>(&body) {
        Ok(question) => {
            let target = admin.0.control.refusing(&question);
            let (kind, id) = target.map(|target| (target.kind().to_owned(), target.id().to_owned())).unzip();
            (StatusCode::OK, Json(Answer { kind, id, error: None }))
        }
        Err(error) => {
            let error = format!("the question is not understood at column {}", error.column());
            (StatusCode::BAD_REQUEST, Json(Answer { error: Some(error), ..Answer::default() }))
        }
    }
}
