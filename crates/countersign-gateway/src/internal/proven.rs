//! A form whose client has proven who it is.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRequest, RawForm, Request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use countersign::UnixTime;
use http::StatusCode;
use tokio::time::timeout;

use super::{Internal, form::Form, invalid_client, refuse};
use crate::config::resolved::ClientConfig;

/// For a form as a whole, from its head on.
const FORM_TIMEOUT: Duration = Duration::from_secs(10);

/// The bytes of a form that came in time.
pub(super) struct Timely(pub(super) Bytes);

impl FromRequest<Internal> for Timely {
    type Rejection = Response;

    async fn from_request(request: Request, internal: &Internal) -> Result<Self, Response> {
        match timeout(FORM_TIMEOUT, RawForm::from_request(request, internal)).await {
            Ok(Ok(RawForm(form))) => Ok(Self(form)),
            Ok(Err(refused)) => Err(refused.into_response()),
            Err(_) => Err(refuse(StatusCode::REQUEST_TIMEOUT, "invalid_request")),
        }
    }
}

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
        let Timely(form) = Timely::from_request(request, internal).await?;
        let now = internal.clock.now();
        let form = Form::read(&form).ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "invalid_request"))?;
        let client = internal.clients.prove(&headers, Some(form.proof()), now);
        let client = client.map_err(|_| invalid_client())?;
        Ok(Self { form, client, now })
    }
}
