//! A form whose client has proven who it is.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, RawForm, Request},
    response::{IntoResponse, Response},
};
use countersign::UnixTime;
use http::StatusCode;

use super::{Internal, form::Form, invalid_client, refuse};
use crate::config::resolved::ClientConfig;

/// What a client sent, and who it is.
pub(super) struct Proven {
    pub(super) form: Form,
    pub(super) client: Arc<ClientConfig>,
    /// When it came.
    pub(super) now: UnixTime,
}

impl FromRequest<Internal> for Proven {
    type Rejection = Response;

    async fn from_request(request: Request, internal: &Internal) -> Result<Self, Response> {
        let headers = request.headers().clone();
        let RawForm(form) =
            RawForm::from_request(request, internal).await.map_err(IntoResponse::into_response)?;
        let now = internal.clock.now();
        let form = Form::read(&form).ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "invalid_request"))?;
        let client = internal.clients.prove(&headers, Some(form.proof()), now);
        let client = client.map_err(|_| invalid_client())?;
        Ok(Self { form, client, now })
    }
}
