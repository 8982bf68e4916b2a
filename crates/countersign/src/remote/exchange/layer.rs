//! A layer for outgoing requests.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Uri, header, uri::Authority};
use tower_layer::Layer;
use tower_service::Service;

use super::{Exchange, ExchangeError, ExchangeSetupError};
use crate::{
    Audience,
    remote::{LocationError, location::Location},
    tower::CallerToken,
};

/// Sends requests to one service in the name of the caller whose [`CallerToken`] is in their extensions.
///
/// 1. A request without a [`CallerToken`] is not sent ([`CallError::NoCaller`]): never as nobody, never as this
///    service itself.
/// 2. A request to another scheme, host or port than the service's is not sent ([`CallError::OtherOrigin`]): a token
///    goes to the service it is for and to nobody else. Do not put a client below it that follows redirects.
/// 3. `Authorization` is set, in the place of whatever was there.
#[derive(Debug, Clone)]
pub struct OnBehalfOfCaller {
    exchange: Exchange,
    audience: Audience,
    origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: String,
    authority: Authority,
}

impl Origin {
    fn of(uri: &Uri) -> Option<Self> {
        Some(Self { scheme: uri.scheme_str()?.to_owned(), authority: uri.authority()?.clone() })
    }
}

impl OnBehalfOfCaller {
    /// Calls the service of that audience, which is at that origin (its path does not matter).
    ///
    /// # Errors
    /// [`ExchangeSetupError::Location`] if `service` is no `https` URL, nor a `http` one of the own machine.
    pub fn new(
        exchange: Exchange,
        audience: impl Into<Audience>,
        service: &str,
    ) -> Result<Self, ExchangeSetupError> {
        Self::at(exchange, audience.into(), &Location::parse(service, false)?)
    }

    /// The same over plain `http` to another machine: whoever is on the way there can be the caller, at that service.
    ///
    /// # Errors
    /// [`ExchangeSetupError::Location`] if `service` is no `http` or `https` URL.
    pub fn insecure_http(
        exchange: Exchange,
        audience: impl Into<Audience>,
        service: &str,
    ) -> Result<Self, ExchangeSetupError> {
        Self::at(exchange, audience.into(), &Location::parse(service, true)?)
    }

    fn at(exchange: Exchange, audience: Audience, service: &Location) -> Result<Self, ExchangeSetupError> {
        let malformed = || LocationError::Malformed(service.uri().to_string());
        let origin = Origin::of(service.uri()).ok_or_else(malformed)?;
        Ok(Self { exchange, audience, origin })
    }
}

impl<S> Layer<S> for OnBehalfOfCaller {
    type Service = OnBehalfOf<S>;

    fn layer(&self, inner: S) -> OnBehalfOf<S> {
        OnBehalfOf { inner, layer: self.clone() }
    }
}

/// A client that sends requests in their caller's name. Made by [`OnBehalfOfCaller`].
#[derive(Debug, Clone)]
pub struct OnBehalfOf<S> {
    inner: S,
    layer: OnBehalfOfCaller,
}

/// Why a call in a caller's name failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError<E> {
    /// The token was not exchanged, so nothing was sent.
    Exchange(ExchangeError),
    /// The request says for nobody that it is made: nothing was sent.
    NoCaller,
    /// The request is for another place than the service's: nothing was sent.
    OtherOrigin,
    /// The client below failed.
    Service(E),
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange(error) => error.fmt(f),
            Self::NoCaller => f.write_str("the request has no caller to be made for"),
            Self::OtherOrigin => f.write_str("the request is for another place than the service's"),
            Self::Service(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for CallError<E> {}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<S, Body> Service<Request<Body>> for OnBehalfOf<S>
where
    S: Service<Request<Body>> + Clone + Send + 'static,
    S::Future: Send,
    Body: Send + 'static,
{
    type Response = S::Response;
    type Error = CallError<S::Error>;
    type Future = Boxed<Result<S::Response, CallError<S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(CallError::Service)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The one that said it is ready is the one that is called.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let OnBehalfOfCaller { exchange, audience, origin } = self.layer.clone();
        Box::pin(async move {
            let caller = request.extensions_mut().remove::<CallerToken>().ok_or(CallError::NoCaller)?;
            if Origin::of(request.uri()).as_ref() != Some(&origin) {
                return Err(CallError::OtherOrigin);
            }
            let authorization =
                exchange.authorization(&caller, &audience).await.map_err(CallError::Exchange)?;
            request.headers_mut().insert(header::AUTHORIZATION, authorization);
            inner.call(request).await.map_err(CallError::Service)
        })
    }
}
