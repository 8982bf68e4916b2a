//! Requirements as arguments.

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::request::Parts;

use crate::{
    AnyRole, Caller, CustomClaim, HasAnyRole, HasClaim, HasRole, HasScope, InOrganisation, NoOrganisation,
    RoleMissing, RoleName, ScopeMissing, ScopeName, TokenRefusal,
    tower::{CallerToken, answer, answer_naming_scope},
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

/// Names the scope that would have been needed (RFC 6750 §3.1).
impl IntoResponse for ScopeMissing {
    fn into_response(self) -> Response {
        answer_naming_scope(self.into(), Some(self.needed))
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

impl<N: ScopeName, S: Sync> FromRequestParts<S> for HasScope<N> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let caller = caller(parts).map_err(IntoResponse::into_response)?;
        Self::check(caller).map_err(IntoResponse::into_response)
    }
}

impl<C: CustomClaim, S: Sync> FromRequestParts<S> for HasClaim<C> {
    type Rejection = TokenRefusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, TokenRefusal> {
        Self::check(caller(parts)?)
    }
}

/// There only where the layer was told to keep tokens: [`Authenticate::keep_token`](crate::tower::Authenticate).
impl<S: Sync> FromRequestParts<S> for CallerToken {
    type Rejection = TokenRefusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, TokenRefusal> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!(
                target: "countersign::refused",
                path = parts.uri.path(),
                "a handler needs the caller's token, but `Authenticate` was not told to keep it"
            );
            TokenRefusal::TokenMissing
        })
    }
}
