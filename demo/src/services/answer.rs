//! Answers of the services.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use countersign::scope::{ReasonInvalid, ScopeError};
use serde_json::json;

/// Why a service does not do what it was asked.
#[derive(Debug)]
pub(super) enum Problem {
    /// Another row has this value.
    Conflict,
    /// What was sent makes no sense.
    Invalid(&'static str),
    /// No such row, or a foreign one: the same answer, to the byte.
    NotFound,
    /// Ours.
    Unexpected,
}

impl From<ScopeError> for Problem {
    fn from(error: ScopeError) -> Self {
        if let ScopeError::Conflict { .. } = error {
            return Self::Conflict;
        }
        tracing::error!(target: "countersign::demo", error = &error as &dyn std::error::Error, "a statement failed");
        Self::Unexpected
    }
}

impl From<ReasonInvalid> for Problem {
    fn from(_: ReasonInvalid) -> Self {
        Self::Invalid("say why: ?reason=…")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, detail) = match self {
            Self::Conflict => (StatusCode::CONFLICT, "conflict", "there is one like it already"),
            Self::Invalid(detail) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "there is none with this number"),
            Self::Unexpected => (StatusCode::INTERNAL_SERVER_ERROR, "unexpected", "the service failed"),
        };
        let body = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": detail,
            "code": code,
        });
        let kind = [("content-type", "application/problem+json")];
        (status, kind, body.to_string()).into_response()
    }
}
