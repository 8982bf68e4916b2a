//! A request on its way to a service.

use std::fmt;

use http::{HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::Inbound;
use crate::http::Parts;

/// What the gateway says besides: the caller's address, host and scheme.
pub type Added = SmallVec<[(HeaderName, HeaderValue); 4]>;

/// A request on its way to a service. It lies where it was read; its fields and its body are taken when they are sent.
pub struct UpstreamRequest<'a> {
    /// Path and query it is to be sent with, a `Host` field, and what else of the client's fields goes on. Scheme,
    /// authority, version and what HTTP/2 wants otherwise is seen to when it is sent.
    pub parts: &'a mut Parts,
    /// Fields of the gateway's own, none of which is in `parts`: over HTTP/1.1 they are written behind those, and never
    /// enter a map.
    pub added: &'a [(HeaderName, HeaderValue)],
    /// The `Authorization` of the gateway's own, in place of the client's: where there is one, `parts` has none.
    pub authorization: Option<&'a HeaderValue>,
    /// The body.
    pub body: &'a mut Inbound,
}

impl UpstreamRequest<'_> {
    /// The same, for one more attempt.
    pub(super) const fn again(&mut self) -> UpstreamRequest<'_> {
        let Self { parts, added, authorization, body } = self;
        UpstreamRequest { parts, added, authorization: *authorization, body }
    }
}

impl fmt::Debug for UpstreamRequest<'_> {
    /// Without its fields: there are cookies and a token among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamRequest").field("method", &self.parts.method).finish_non_exhaustive()
    }
}
