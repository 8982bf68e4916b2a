//! A router in which an open route is visible.

use axum::{Router, extract::FromRequestParts, middleware::from_extractor, routing::MethodRouter};

use crate::tower::Authenticate;

/// Collects routes, each either for verified callers or named public.
///
/// There is no way to add a route that is neither, and [`build`](Self::build) refuses to start with a public route
/// that is not named a second time, in the list that a reviewer reads.
#[derive(Debug, Clone)]
#[must_use = "a router answers only when it was built"]
pub struct ProtectedRouter<S = ()> {
    protected: Router<S>,
    public: Router<S>,
    protected_paths: Vec<String>,
    open_paths: Vec<String>,
}

/// The public routes are not those that were named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("open but not named public: {unnamed:?}; named public but not open: {missing:?}")]
pub struct OpenRoutes {
    /// Routes that anybody may call and that were not named.
    pub unnamed: Vec<String>,
    /// Names of routes that do not exist, or are not public.
    pub missing: Vec<String>,
}

impl<S: Clone + Send + Sync + 'static> ProtectedRouter<S> {
    /// No routes.
    pub fn new() -> Self {
        Self {
            protected: Router::new(),
            public: Router::new(),
            protected_paths: Vec::new(),
            open_paths: Vec::new(),
        }
    }

    /// A route for callers with a good token. What else they need is said by the handlers' arguments.
    ///
    /// # Panics
    /// As [`Router::route`], for a path that is malformed or there already.
    pub fn route(mut self, path: &str, methods: MethodRouter<S>) -> Self {
        self.protected = self.protected.route(path, methods);
        self.protected_paths.push(path.to_owned());
        self
    }

    /// A route for callers who satisfy `R`, which is decided before the arguments of any handler.
    ///
    /// # Panics
    /// As [`Router::route`].
    pub fn route_requiring<R>(self, path: &str, methods: MethodRouter<S>) -> Self
    where
        R: FromRequestParts<()> + Send + 'static,
    {
        self.route(path, methods.layer(from_extractor::<R>()))
    }

    /// A route for everybody. Its handlers see no caller, not even if there is a token.
    ///
    /// # Panics
    /// As [`Router::route`].
    pub fn public_route(mut self, path: &str, methods: MethodRouter<S>) -> Self {
        self.public = self.public.route(path, methods);
        self.open_paths.push(path.to_owned());
        self
    }

    /// All routes of another router too.
    ///
    /// # Panics
    /// As [`Router::merge`], for a path that is there already.
    pub fn merge(mut self, other: Self) -> Self {
        self.protected = self.protected.merge(other.protected);
        self.public = self.public.merge(other.public);
        self.protected_paths.extend(other.protected_paths);
        self.open_paths.extend(other.open_paths);
        self
    }

    /// The paths that anybody may call.
    #[must_use]
    pub fn open_routes(&self) -> &[String] {
        &self.open_paths
    }

    /// The paths that need a good token.
    #[must_use]
    pub fn protected_routes(&self) -> &[String] {
        &self.protected_paths
    }

    /// The router, if exactly the routes named in `public` are open.
    ///
    /// # Errors
    /// [`OpenRoutes`] names the others.
    pub fn build(self, authenticate: &Authenticate, public: &[&str]) -> Result<Router<S>, OpenRoutes> {
        let is_named = |path: &String| public.contains(&path.as_str());
        let unnamed: Vec<String> = self.open_paths.iter().filter(|path| !is_named(path)).cloned().collect();
        let is_open = |path: &str| self.open_paths.iter().any(|open| open == path);
        let missing: Vec<String> =
            public.iter().filter(|path| !is_open(path)).map(|&path| path.to_owned()).collect();
        if !unnamed.is_empty() || !missing.is_empty() {
            return Err(OpenRoutes { unnamed, missing });
        }
        let protected = if self.protected_paths.is_empty() {
            self.protected
        } else {
            // Around the methods and not the whole router: a path that nobody has is no secret.
            self.protected.route_layer(authenticate.clone())
        };
        Ok(protected.merge(self.public))
    }
}

impl<S: Clone + Send + Sync + 'static> Default for ProtectedRouter<S> {
    fn default() -> Self {
        Self::new()
    }
}
