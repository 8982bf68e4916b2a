//! Host and path → route. Pure.
//!
//! 1. A route with a host is preferred to one without.
//! 2. Among those, the longest path prefix wins.
//! 3. `/orders/` matches `/orders/` and everything below it; `/orders` is another path.
//! 4. No route: nothing is forwarded.

use std::{collections::HashMap, hash::BuildHasher, sync::Arc};

use foldhash::fast::FixedState;

use http::{HeaderName, HeaderValue, Method};

use crate::{
    config::resolved::{
        GuardedConfig, Requirements, RouteConfig, RouteKind, TranslateConfig, UpstreamOrigin,
    },
    guard::Guard,
    http::problem,
    issue::TokenPolicy,
};

/// A route as requests see it.
#[derive(Debug)]
pub struct Route {
    /// Its configuration.
    pub config: RouteConfig,
    /// Kind, with what translation needs.
    pub kind: Kind,
    /// Place in the configuration, from 0: the route's name in metrics and logs.
    pub index: usize,
    /// Says which scope is needed, where one is (RFC 6750 §3.1).
    pub(crate) scope_challenge: Option<HeaderValue>,
}

/// What happens to a request on a route.
#[derive(Debug)]
pub enum Kind {
    /// A token of the trusted issuer in, the same out; `None`: there is no trusted issuer, and nothing passes.
    Guard(Option<Guard>),
    /// Cookie and `Authorization` pass untouched.
    Legacy,
    /// No look-up, the credential is removed.
    Public,
    /// Session in, access token out.
    Translate(Demands),
}

/// What a translate route demands of the caller, and what it gives.
#[derive(Debug)]
pub struct Demands {
    /// What a caller must have.
    pub require: Requirements,
    /// What its tokens say.
    pub policy: Arc<TokenPolicy>,
}

impl Route {
    fn new(
        config: RouteConfig,
        index: usize,
        policy: impl FnOnce(&TranslateConfig) -> TokenPolicy,
        guard: impl FnOnce(&GuardedConfig) -> Option<Guard>,
    ) -> Self {
        let kind = match &config.kind {
            RouteKind::Guard(guarded) => Kind::Guard(guard(guarded)),
            RouteKind::Legacy => Kind::Legacy,
            RouteKind::Public => Kind::Public,
            RouteKind::Translate(translate) => Kind::Translate(Demands {
                require: translate.require.clone(),
                policy: Arc::new(policy(translate)),
            }),
        };
        let require = match &config.kind {
            RouteKind::Guard(guarded) => Some(&guarded.require),
            RouteKind::Translate(translate) => Some(&translate.require),
            RouteKind::Legacy | RouteKind::Public => None,
        };
        let scope_challenge = require.and_then(|require| problem::insufficient_scope(&require.scope));
        Self { config, kind, index, scope_challenge }
    }

    /// Whether the route lets this method through. CONNECT and TRACE never are.
    #[must_use]
    pub fn allows(&self, method: &Method) -> bool {
        *method != Method::CONNECT
            && *method != Method::TRACE
            && (self.config.methods.is_empty() || self.config.methods.contains(method))
    }

    /// The methods it lets through, as `Allow` and its likes say them.
    #[must_use]
    pub fn methods(&self) -> HeaderValue {
        let names: Vec<&str> = self.config.methods.iter().map(Method::as_str).collect();
        let all = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        if names.is_empty() { all } else { HeaderValue::try_from(names.join(", ")).unwrap_or(all) }
    }

    /// Where its requests go.
    #[must_use]
    pub fn upstreams(&self) -> &[UpstreamOrigin] {
        &self.config.upstreams
    }

    /// Header names with `_` or `.` that pass.
    #[must_use]
    pub fn allowed_headers(&self) -> &[HeaderName] {
        &self.config.allow_headers
    }
}

/// All routes, found by host and the first path segment.
#[derive(Debug, Default)]
pub struct RouteTable {
    by_host: HashMap<Box<str>, Segments>,
    any_host: Segments,
    all: Vec<Arc<Route>>,
}

/// Routes by the first segment of their prefix, longest prefix first.
///
/// Operators name the keys, and requests add none: the hash need not resist anybody.
#[derive(Debug, Default)]
struct Segments(HashMap<u64, Vec<Arc<Route>>, FixedState>);

impl RouteTable {
    /// Builds the table; `policy` says what the tokens of a translate route say.
    #[must_use]
    pub fn new(routes: &[RouteConfig], policy: impl Fn(&TranslateConfig) -> TokenPolicy) -> Self {
        Self::with_guards(routes, policy, |_| None)
    }

    /// The same; `guard` says what a guarded route demands.
    #[must_use]
    pub fn with_guards(
        routes: &[RouteConfig],
        policy: impl Fn(&TranslateConfig) -> TokenPolicy,
        guard: impl Fn(&GuardedConfig) -> Option<Guard>,
    ) -> Self {
        let mut table = Self::default();
        for (index, config) in routes.iter().enumerate() {
            let route = Arc::new(Route::new(config.clone(), index, &policy, &guard));
            let segments = match &config.host {
                Some(host) => table.by_host.entry(host.as_str().into()).or_default(),
                None => &mut table.any_host,
            };
            segments.insert(Arc::clone(&route));
            table.all.push(route);
        }
        table
    }

    /// The route of a request; `host` is lower case and without port.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Option<&Arc<Route>> {
        let of_host = if self.by_host.is_empty() { None } else { self.by_host.get(host) };
        of_host.and_then(|segments| segments.find(path)).or_else(|| self.any_host.find(path))
    }

    /// Every route, in the order of the configuration.
    #[must_use]
    pub fn all(&self) -> &[Arc<Route>] {
        &self.all
    }
}

impl Segments {
    fn insert(&mut self, route: Arc<Route>) {
        let bucket = self.0.entry(hash_of_first_segment(&route.config.path)).or_default();
        let at = bucket.partition_point(|other| other.config.path.len() >= route.config.path.len());
        bucket.insert(at, route);
    }

    fn find(&self, path: &str) -> Option<&Arc<Route>> {
        self.find_in(hash_of_first_segment(path), path)
            .or_else(|| self.find_in(hash_of_first_segment("/"), path))
    }

    fn find_in(&self, segment: u64, path: &str) -> Option<&Arc<Route>> {
        self.0.get(&segment)?.iter().find(|route| path.starts_with(&route.config.path))
    }
}

/// Two segments of one hash share a bucket, which is only slower: the whole prefix is compared.
fn hash_of_first_segment(path: &str) -> u64 {
    let segment = path.as_bytes().get(1..).and_then(|rest| {
        let end = memchr::memchr(b'/', rest)?;
        rest.get(..end)
    });
    FixedState::default().hash_one(segment.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::RouteTable;
    use crate::testing::{policy, route};

    fn path_of<'a>(table: &'a RouteTable, host: &str, path: &str) -> Option<&'a str> {
        table.find(host, path).map(|route| route.config.path.as_str())
    }

    #[test]
    fn the_longest_prefix_wins() {
        let table = RouteTable::new(&[route("/"), route("/a/"), route("/a/b/"), route("/b/")], policy);
        assert_eq!(path_of(&table, "x", "/a/b/c"), Some("/a/b/"));
        assert_eq!(path_of(&table, "x", "/a/b"), Some("/a/"));
        assert_eq!(path_of(&table, "x", "/a/"), Some("/a/"));
        assert_eq!(path_of(&table, "x", "/a"), Some("/"));
        assert_eq!(path_of(&table, "x", "/"), Some("/"));
        assert_eq!(path_of(&table, "x", "/bb/"), Some("/"));
    }

    #[test]
    fn a_prefix_ends_at_its_slash() {
        let table = RouteTable::new(&[route("/orders/")], policy);
        for other in ["/orders", "/ordersx/", "/order/", "/", "/Orders/"] {
            assert_eq!(path_of(&table, "x", other), None, "{other}");
        }
    }

    #[test]
    fn a_route_with_a_host_is_preferred() {
        let mut shop = route("/a/");
        shop.host = Some("shop.example".to_owned());
        let table = RouteTable::new(&[route("/a/b/"), shop, route("/c/")], policy);
        assert_eq!(path_of(&table, "shop.example", "/a/b/"), Some("/a/"));
        assert_eq!(path_of(&table, "other.example", "/a/b/"), Some("/a/b/"));
        assert_eq!(path_of(&table, "shop.example", "/c/"), Some("/c/"));
    }

    #[test]
    fn a_route_with_a_host_is_for_no_other_name() {
        let mut shop = route("/a/");
        shop.host = Some("shop.example".to_owned());
        let table = RouteTable::new(&[shop], policy);
        assert_eq!(path_of(&table, "shop.example", "/a/"), Some("/a/"));
        for other in ["evil.shop.example", "shop.example.evil", "", "localhost"] {
            assert_eq!(path_of(&table, other, "/a/"), None, "{other}");
        }
    }
}
