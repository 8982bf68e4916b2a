//! The layer of a gRPC server.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response, header::WWW_AUTHENTICATE};
use tonic::Status;
use tower_layer::Layer;
use tower_service::Service;

use crate::tower;

/// Verifies the token of each call, and answers a refused one as gRPC does. A clone is cheap.
#[derive(Debug, Clone)]
pub struct Authenticate(tower::Authenticate);

impl Authenticate {
    /// Verifies as that layer does, with all it was told.
    #[must_use]
    pub const fn new(authenticate: tower::Authenticate) -> Self {
        Self(authenticate)
    }
}

impl<S> Layer<S> for Authenticate {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticated { inner, authenticate: self.0.clone() }
    }
}

/// A gRPC service that is called for verified callers only.
#[derive(Debug, Clone)]
pub struct Authenticated<S> {
    inner: S,
    authenticate: tower::Authenticate,
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<S, Body, Answer> Service<Request<Body>> for Authenticated<S>
where
    S: Service<Request<Body>, Response = Response<Answer>> + Clone + Send + 'static,
    S::Future: Send,
    Body: Send + 'static,
    Answer: Default,
{
    type Response = Response<Answer>;
    type Error = S::Error;
    type Future = Boxed<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let authenticate = self.authenticate.clone();
        // The one that said it is ready is the one that is called.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let sent = tower::Sent::of(request.headers());
            let admitted = authenticate.admit(&mut request).await;
            #[cfg_attr(not(feature = "dpop"), expect(unused_mut, reason = "only a nonce is added"))]
            let mut response = match &admitted {
                Ok(_) => inner.call(request).await?,
                Err(refusal) => {
                    tower::record(*refusal);
                    let mut response = Status::from(*refusal).into_http();
                    if let Some(challenge) = authenticate.challenge(*refusal, sent) {
                        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                    }
                    response
                }
            };
            #[cfg(feature = "dpop")]
            authenticate.give_nonce(response.headers_mut(), admitted);
            Ok(response)
        })
    }
}
