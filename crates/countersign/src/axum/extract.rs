//! Requirements as arguments.

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::request::Parts;

use crate::{
    AnyRole, Caller, HasAnyRole, HasRole, InOrganisation, NoOrganisation, RoleMissing, RoleName,
    TokenRefusal, tower::answer,
};

impl IntoResponse for TokenRefusal {
    fn into_response(self) -> Response {
        answer(self)
    }
}

impl IntoResponse for NoOrganisation {
    fn into_response(self) -> Response {
        TokenRefusal::from(self).into_response()
    }
}

impl IntoResponse for RoleMissing {
    fn into_response(self) -> Response {
        TokenRefusal::from(self).into_response()
    }
}

fn caller(parts: &Parts) -> Result<Caller, TokenRefusal> {
    parts.extensions.get::<Caller>().cloned().ok_or_else(|| {
        tracing::error!(
            target: "countersign::refused",
            path = parts.uri.path(),
            "a handler needs a caller, but nothing verifies the tokens of its route"
        );
        TokenRefusal::TokenMissing
    })
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = TokenRefusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, TokenRefusal> {
        caller(parts)
    }
}

impl<R: RoleName, S: Sync> FromRequestParts<S> for HasRole<R> {
    type Rejection = TokenRefusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, TokenRefusal> {
        Ok(Self::check(caller(parts)?)?)
    }
}

impl<R: AnyRole, S: Sync> FromRequestParts<S> for HasAnyRole<R> {
    type Rejection = TokenRefusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, TokenRefusal> {
        Ok(Self::check(caller(parts)?)?)
    }
}

impl<S: Sync> FromRequestParts<S> for InOrganisation {
    type Rejection = TokenRefusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, TokenRefusal> {
        Ok(Self::check(caller(parts)?)?)
    }
}
