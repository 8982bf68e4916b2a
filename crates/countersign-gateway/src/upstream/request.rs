//! A request on its way to a service.

use std::fmt;

use http::HeaderValue;

use super::{Forwarded, Inbound};
use crate::http::Parts;

/// A request on its way to a service. It lies where it was read; its fields and its body are taken when they are sent.
pub struct UpstreamRequest<'a> {
    /// Path and query it is to be sent with, a `Host` field, and what else of the client's fields goes on. Scheme,
    /// authority, version and what HTTP/2 wants otherwise is seen to when it is sent.
    pub parts: &'a mut Parts,
    /// What the service is told of the client's connection, none of which is in `parts`.
    pub forwarded: Option<&'a Forwarded>,
    /// The `Authorization` of the gateway's own, in place of the client's: where there is one, `parts` has none.
    pub authorization: Option<&'a HeaderValue>,
    /// The body.
    pub body: &'a mut Inbound,
}

impl UpstreamRequest<'_> {
    /// The same, for one more attempt.
    pub(super) const fn again(&mut self) -> UpstreamRequest<'_> {
        let Self { parts, forwarded, authorization, body } = self;
        UpstreamRequest { parts, forwarded: *forwarded, authorization: *authorization, body }
    }
}

impl fmt::Debug for UpstreamRequest<'_> {
    /// Without its fields: there are cookies and a token among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamRequest").field("method", &self.parts.method).finish_non_exhaustive()
    }
}
