//! A [`tower_layer::Layer`] that verifies the token of every request once.
//!
//! 1. The token is the one `Authorization: Bearer` of the request
//!    ([RFC 6750 §2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)). A token in the query, the body or a cookie
//!    lets nobody in.
//! 2. No such header, another scheme, or a scheme without a token: 401 with the bare challenge. Two such headers, or
//!    the header and `access_token` in the query: 400 ([§2](https://www.rfc-editor.org/rfc/rfc6750#section-2)). A form
//!    body with an `access_token` is the handler's: the layer reads no body. A verifier that checks proofs (feature
//!    `dpop`) takes `Authorization: DPoP` with a `DPoP` header too.
//! 3. A good token's [`Caller`] is put into the request's extensions; the service behind is called only then.
//!    The same layer a second time, further in, takes the same proof of the same request for one.
//! 4. Everything else is answered here, from the one table of [`TokenRefusal`]: status, `WWW-Authenticate`,
//!    `Retry-After` and a problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)), never to be cached.
//!
//! ```
//! use countersign::{KeySet, TokenRefusal, Verifier, tower::Authenticate};
//! # fn key_set() -> KeySet { KeySet::default() }
//! let verifier =
//!     Verifier::builder().issuer("https://shop.example").audience("orders").key_set(key_set()).build()?;
//! let layer = Authenticate::new(verifier);
//! # Ok::<(), countersign::VerifierError>(())
//! ```

mod caller_token;
mod credential;
#[cfg(feature = "dpop")]
mod proof;

use self::credential::{Accepted, Presented};
pub use self::{caller_token::CallerToken, credential::has_access_token};

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, header};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Caller, KeyId, TokenRefusal, Verifier, jws};

/// A future without a name.
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Looks for a key that is not in the set. What a token with such a key waits for, before it is refused.
pub trait LookForKey: Send + Sync + fmt::Debug {
    /// True if the key is in the set when this ends. Bounded in time and in how often it causes a fetch.
    fn look_for(&self, id: KeyId) -> Boxed<bool>;
}

/// Verifies the token of each request. See the [module](self) for the rules. A clone is cheap.
#[derive(Debug, Clone)]
pub struct Authenticate {
    verifier: Verifier,
    rotation: Option<Arc<dyn LookForKey>>,
    keep_token: bool,
    /// `resource_metadata="…"`, as it stands in a challenge.
    resource_metadata: Option<Arc<str>>,
}

/// No absolute `https` URL, or one that cannot stand in a challenge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the resource's metadata is at an https URL without quotes or spaces")]
pub struct InvalidMetadataUrl;

impl Authenticate {
    /// Verifies with this verifier.
    #[must_use]
    pub const fn new(verifier: Verifier) -> Self {
        Self { verifier, rotation: None, keep_token: false, resource_metadata: None }
    }

    /// Names the service's own metadata in the challenges of this layer
    /// ([RFC 9728 §5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1)), so that a client that has no token finds out
    /// who issues one. By default nothing is named. Serving the document is up to the service.
    ///
    /// ```
    /// # use countersign::{KeySet, Verifier, tower::Authenticate};
    /// # let builder = Verifier::builder().issuer("https://shop.example").audience("orders");
    /// # let verifier = builder.key_set(KeySet::default()).build()?;
    /// let layer = Authenticate::new(verifier)
    ///     .resource_metadata("https://orders.shop.example/.well-known/oauth-protected-resource")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidMetadataUrl`] for what is no `https` URL.
    pub fn resource_metadata(mut self, url: &str) -> Result<Self, InvalidMetadataUrl> {
        let uri: http::Uri = url.parse().map_err(|_| InvalidMetadataUrl)?;
        let can_be_quoted = url.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        if uri.scheme_str() != Some("https") || uri.authority().is_none() || !can_be_quoted {
            return Err(InvalidMetadataUrl);
        }
        self.resource_metadata = Some(format!(r#"resource_metadata="{url}""#).into());
        Ok(self)
    }

    /// Adds it to a challenge of ours, whose last scheme is followed by parameters or by nothing.
    fn name_metadata(&self, headers: &mut http::HeaderMap) {
        let Some(metadata) = &self.resource_metadata else { return };
        let Some(challenge) = headers.get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok())
        else {
            return;
        };
        let separator = if challenge.ends_with('"') { ", " } else { " " };
        if let Ok(value) = HeaderValue::try_from(format!("{challenge}{separator}{metadata}")) {
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
    }

    /// A token with a key that is not in the set waits until the set was fetched once more, instead of being refused
    /// at once: then not even the first token of an unannounced key fails. Give it the
    /// [`RemoteKeys`](crate::remote::RemoteKeys) of the verifier.
    #[cfg(feature = "remote")]
    #[must_use]
    pub fn wait_for_rotation(mut self, keys: crate::remote::RemoteKeys) -> Self {
        self.rotation = Some(Arc::new(keys));
        self
    }

    /// Puts the [`CallerToken`] beside the [`Caller`], for services that call others in the caller's name. By default
    /// the token goes no further than this layer: what is not there cannot leak.
    #[must_use]
    pub const fn keep_token(mut self) -> Self {
        self.keep_token = true;
        self
    }

    /// Verifies the token of a request and puts its [`Caller`] into the extensions.
    pub(crate) async fn admit<Body>(&self, request: &mut Request<Body>) -> Result<Admitted, TokenRefusal> {
        // Only this layer makes them.
        request.extensions_mut().remove::<CallerToken>();
        request.extensions_mut().remove::<Caller>();
        #[cfg(feature = "dpop")]
        let taken = request.extensions_mut().remove::<proof::Taken>();
        let presented = Presented::of(request, &self.verifier)?;
        #[cfg(feature = "dpop")]
        let accepted = match taken.and_then(|taken| taken.accepted(&self.verifier, &presented)) {
            Some(accepted) => accepted,
            None => self.judge(&presented).await?,
        };
        #[cfg(not(feature = "dpop"))]
        let accepted = self.judge(&presented).await?;
        #[cfg(feature = "dpop")]
        if let Some(taken) = proof::Taken::new(&self.verifier, &presented, &accepted.claims) {
            request.extensions_mut().insert(taken);
        }
        let caller = Caller::new(accepted.claims);
        if self.keep_token
            && let Some(token) = CallerToken::new(presented.token, caller.claims())
        {
            request.extensions_mut().insert(token);
        }
        request.extensions_mut().insert(caller);
        Ok(Admitted {
            #[cfg(feature = "dpop")]
            fresh_nonce: accepted.proved.fresh_nonce,
        })
    }

    /// What `WWW-Authenticate` says to a request that is refused and was sent so.
    #[cfg(feature = "tonic")]
    pub(crate) fn challenge(&self, refusal: TokenRefusal, sent: Sent) -> Option<HeaderValue> {
        #[cfg(feature = "dpop")]
        return self.verifier.challenge(refusal, None, sent.scheme);
        #[cfg(not(feature = "dpop"))]
        {
            let Sent {} = sent;
            refusal.www_authenticate(None)
        }
    }

    async fn judge(&self, presented: &Presented) -> Result<Accepted, TokenRefusal> {
        match presented.judge(&self.verifier) {
            Err(TokenRefusal::KeyUnknown) => {}
            decided => return decided,
        }
        let named = jws::Unverified::parse(&presented.token, jws::MAX_BYTES).ok();
        let named = named.and_then(|token| token.header().key_id().cloned());
        if let (Some(rotation), Some(id)) = (&self.rotation, named)
            && rotation.look_for(id).await
        {
            return presented.judge(&self.verifier);
        }
        Err(TokenRefusal::KeyUnknown)
    }
}

impl<S> Layer<S> for Authenticate {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticated { inner, authenticate: self.clone() }
    }
}

/// How the token of a request was sent.
#[cfg(any(feature = "dpop", feature = "tonic"))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    #[cfg(feature = "dpop")]
    scheme: crate::dpop::Scheme,
}

#[cfg(any(feature = "dpop", feature = "tonic"))]
impl Sent {
    pub(crate) fn of(headers: &http::HeaderMap) -> Self {
        #[cfg(not(feature = "dpop"))]
        let _ = headers;
        Self {
            #[cfg(feature = "dpop")]
            scheme: proof::sent_as(headers),
        }
    }
}

/// A request that was let in.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// The nonce that the answer has to bring.
    #[cfg(feature = "dpop")]
    fresh_nonce: Option<HeaderValue>,
}

/// A service that is called for verified callers only.
#[derive(Debug, Clone)]
pub struct Authenticated<S> {
    inner: S,
    authenticate: Authenticate,
}

impl<S, Body, Answer> Service<Request<Body>> for Authenticated<S>
where
    S: Service<Request<Body>, Response = Response<Answer>> + Clone + Send + 'static,
    S::Future: Send,
    Body: Send + 'static,
    Answer: From<String>,
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
            #[cfg(feature = "dpop")]
            let sent = Sent::of(request.headers());
            let admitted = authenticate.admit(&mut request).await;
            let response = match &admitted {
                Ok(_) => inner.call(request).await?,
                Err(refusal) => answer(*refusal),
            };
            let is_refused = admitted.is_err();
            #[cfg(feature = "dpop")]
            let response = authenticate.speak_of_proofs(response, sent, admitted);
            let mut response = response;
            if is_refused {
                authenticate.name_metadata(response.headers_mut());
            }
            Ok(response)
        })
    }
}

/// A line in the log that says why a request is refused.
pub(crate) fn record(refusal: TokenRefusal) {
    tracing::info!(
        target: "countersign::refused",
        code = refusal.code(),
        claim = refusal.claim().map(crate::ClaimName::name),
        "a request was refused"
    );
}

/// The answer to a request that is refused, and a line in the log that says why.
pub fn answer<Answer: From<String>>(refusal: TokenRefusal) -> Response<Answer> {
    answer_naming_scope(refusal, None)
}

/// The same, and the challenge names the scope that would have been needed (RFC 6750 §3.1).
pub fn answer_naming_scope<Answer: From<String>>(
    refusal: TokenRefusal,
    scope: Option<&str>,
) -> Response<Answer> {
    record(refusal);
    let row = refusal.row();
    let mut response = Response::new(Answer::from(refusal.problem()));
    *response.status_mut() = row.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(challenge) = refusal.www_authenticate(scope) {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(after) = row.retry_after {
        headers.insert(header::RETRY_AFTER, after.as_secs().into());
    }
    #[cfg(feature = "dpop")]
    response.extensions_mut().insert(proof::Refused::new(refusal, scope));
    response
}
