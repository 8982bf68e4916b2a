//! What the service answers.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign::TokenRefusal;
use serde::Serialize;
use serde_json::json;

use super::{Fault, Faults};

/// Why a request is not done.
#[derive(Debug)]
pub(super) enum Problem {
    /// Another organisation's: only a fault tells.
    Foreign,
    Full,
    Invalid,
    /// With the methods there are.
    MethodNotAllowed(&'static str),
    NotFound,
    Refused(TokenRefusal),
    TooLarge,
}

impl From<TokenRefusal> for Problem {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Refused(refusal)
    }
}

/// JSON for one caller.
pub(super) fn own(status: StatusCode, body: impl Serialize, faults: &Faults) -> Response {
    let mut answer = (status, Json(body)).into_response();
    let shared = faults.has(Fault::AnswerCacheable);
    let said = if shared { "public, max-age=60" } else { "no-store" };
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(said));
    answer
}

impl Problem {
    pub(super) fn answer(self, faults: &Faults) -> Response {
        let mut answer = match self {
            Self::Refused(refusal) => return refused(refusal, faults),
            Self::Foreign => plain(StatusCode::FORBIDDEN, "it belongs to another organisation"),
            Self::Full => plain(StatusCode::CONFLICT, "there are too many"),
            Self::Invalid => plain(
                StatusCode::UNPROCESSABLE_ENTITY,
                "it has a name, and perhaps a note, of at most 1,000 bytes each",
            ),
            Self::MethodNotAllowed(_) => plain(StatusCode::METHOD_NOT_ALLOWED, "not with this method"),
            Self::NotFound => plain(StatusCode::NOT_FOUND, "there is none"),
            Self::TooLarge => plain(StatusCode::PAYLOAD_TOO_LARGE, "at most 64 KiB"),
        };
        if let Self::MethodNotAllowed(methods) = self {
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        answer
    }
}

fn plain(status: StatusCode, detail: &str) -> Response {
    problem(status, json!({ "status": status.as_u16(), "detail": detail }).to_string())
}

fn problem(status: StatusCode, body: String) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}

fn refused(refusal: TokenRefusal, faults: &Faults) -> Response {
    let is_rubbish = matches!(
        refusal,
        TokenRefusal::TokenMalformed | TokenRefusal::HeaderMalformed | TokenRefusal::PayloadMalformed
    );
    if is_rubbish && faults.has(Fault::ErrorTellsMore) {
        let detail = format!("thread 'main' panicked at src/legacy/token.rs:42:17: {refusal}");
        return plain(StatusCode::INTERNAL_SERVER_ERROR, &detail);
    }
    if refusal.status() == StatusCode::UNAUTHORIZED && faults.has(Fault::RedirectNotRefusal) {
        return (StatusCode::SEE_OTHER, [(header::LOCATION, "/login")]).into_response();
    }
    let mut answer = problem(refusal.status(), refusal.problem());
    if let Some(challenge) = refusal.www_authenticate(None)
        && !faults.has(Fault::ChallengeMissing)
    {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    answer
}
