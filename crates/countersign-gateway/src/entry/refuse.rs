//! A refusal as the proxy answers it.

use bytes::Bytes;
use countersign::TokenRefusal;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::decision_id::DecisionId;
use crate::{
    error::Refusal,
    http::{
        csrf,
        problem::{self, FORWARDED},
    },
    route::Route,
    server::Outbound,
    upstream::UpstreamError,
};

/// Whether anything of the request may have reached a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// Nothing: the request may be sent again without doing anything twice.
    Nothing,
    /// Some of it, perhaps all.
    Perhaps,
}

impl Reached {
    /// What a service may have seen of a request that got no answer.
    #[must_use]
    pub const fn before(error: UpstreamError) -> Self {
        match error {
            UpstreamError::ConnectTimeout | UpstreamError::Unreachable(_) => Self::Nothing,
            UpstreamError::Body(_)
            | UpstreamError::Closed
            | UpstreamError::FirstByteTimeout
            | UpstreamError::Malformed => Self::Perhaps,
        }
    }
}

/// The answer to a refused request.
#[must_use]
pub fn answer(refusal: Refusal, id: DecisionId, method: &Method, reached: Reached) -> Response<Outbound> {
    let mut response = problem::respond(refusal, id.as_str());
    if reached == Reached::Perhaps {
        response.headers_mut().insert(FORWARDED.clone(), HeaderValue::from_static("1"));
    }
    without_body_for_head(response, method).map(Outbound::from)
}

/// What the log says more than the code: what a page would have needed, and which service gave no answer.
#[must_use]
pub fn detail(
    refusal: Refusal,
    route: Option<&Route>,
    error: Option<&UpstreamError>,
    own_origin: &str,
) -> Option<String> {
    let Some(error) = error else { return (refusal == Refusal::Csrf).then(|| csrf::missing(own_origin)) };
    match route.map(|route| route.config.upstreams.as_slice()) {
        Some([only]) => Some(format!("{only}: {error}")),
        // Which of them it was, the line of the upstream says.
        _ => Some(error.to_string()),
    }
}

/// Tells a caller whose scope is too small which one the route needs.
pub fn name_scope(headers: &mut HeaderMap, refusal: Refusal, route: &Route) {
    if let (Refusal::ScopeMissing | Refusal::Token(TokenRefusal::ScopeMissing), Some(challenge)) =
        (refusal, &route.scope_challenge)
    {
        headers.insert(header::WWW_AUTHENTICATE, challenge.clone());
    }
}

/// A navigation goes to the log-in in place of the refusal, which its headers still name.
#[must_use]
pub fn answer_elsewhere(refusal: Refusal, id: DecisionId, location: HeaderValue) -> Response<Outbound> {
    let mut response = problem::respond(refusal, id.as_str()).map(|_| Outbound::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    headers.remove(header::WWW_AUTHENTICATE);
    headers.insert(header::LOCATION, location);
    response
}

/// For `HEAD`, the length of the body in its place (RFC 9110 §9.3.2).
#[must_use]
pub fn without_body_for_head(mut response: Response<Bytes>, method: &Method) -> Response<Bytes> {
    if *method == Method::HEAD {
        let length = HeaderValue::from(response.body().len());
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
        *response.body_mut() = Bytes::new();
    }
    response
}

/// The same, and the connection is closed after it: what follows on it cannot be trusted to be a request.
#[must_use]
pub fn answer_and_close(refusal: Refusal, id: DecisionId, method: &Method) -> Response<Outbound> {
    let mut response = answer(refusal, id, method, Reached::Nothing);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
