//! `POST logout`: the session is over here and at the services; what is left to do at the old server is said.

use std::net::IpAddr;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde::Serialize;

use super::{SessionEndpoints, session::json};
use crate::{
    error::Refusal,
    http::Fields,
    translate::{ServerSession, Translation},
};

#[derive(Serialize)]
struct Body<'a> {
    server_session: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    logout_url: Option<&'a str>,
    /// Only this gateway knows of it yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pending: bool,
}

/// 200 when the revocation is durable, 202 when only this gateway knows of it yet. The cookie is the old server's: it
/// is left alone unless that server has just replaced it, and where the server's session lives on, the page must send
/// its user to `logout_url`.
pub(super) async fn answer(
    endpoints: &SessionEndpoints,
    translation: &Translation,
    fields: &Fields,
    client: IpAddr,
) -> Result<Response<Bytes>, Refusal> {
    let done = translation.log_out(fields, client).await?;
    let server_session = match done.server_session {
        ServerSession::Alive => "alive",
        ServerSession::Ended => "ended",
        ServerSession::Unknown => "unknown",
    };
    let logout_url = endpoints.config.logout_url.as_deref();
    let mut response = json(&Body { server_session, logout_url, pending: !done.is_durable })?;
    if !done.is_durable {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    if let Some(cookie) = done.set_cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
