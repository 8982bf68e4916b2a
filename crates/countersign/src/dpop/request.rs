//! What a proof is compared with.

use http::{HeaderMap, HeaderValue, Method, Request, Uri};

/// A request as its sender sees it: method, path and the `DPoP` headers. The rest of its address is never taken from the
/// request.
#[derive(Clone, PartialEq, Eq)]
pub struct ProofRequest {
    pub(super) method: Method,
    pub(super) path: Box<str>,
    /// At most two: more would say no more.
    pub(super) proofs: Vec<HeaderValue>,
}

impl ProofRequest {
    /// Method, address and headers of a request. Of the address the path alone is looked at.
    #[must_use]
    pub fn new(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let proofs = headers.get_all(super::PROOF_HEADER).iter().take(2).cloned().collect();
        Self { method: method.clone(), path: uri.path().into(), proofs }
    }

    /// Those of this request; the address is the one that was asked for, also below a router of axum that has taken a
    /// prefix off (feature `axum`).
    #[must_use]
    pub fn of<Body>(request: &Request<Body>) -> Self {
        Self::new(request.method(), asked_for(request), request.headers())
    }
}

#[cfg(feature = "axum")]
fn asked_for<Body>(request: &Request<Body>) -> &Uri {
    let original = request.extensions().get::<::axum::extract::OriginalUri>();
    original.map_or_else(|| request.uri(), |original| &original.0)
}

#[cfg(not(feature = "axum"))]
fn asked_for<Body>(request: &Request<Body>) -> &Uri {
    request.uri()
}

impl std::fmt::Debug for ProofRequest {
    /// Not the proofs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProofRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
