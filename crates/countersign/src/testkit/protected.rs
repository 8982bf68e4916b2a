//! Tries the whole catalogue on every route of an axum router.

use std::{fmt, future::poll_fn};

use axum::{
    Router,
    body::{Body, to_bytes},
    response::Response,
};
use http::{HeaderValue, Method, Request, StatusCode, header};
use serde_json::Value;
use tower_service::Service;

use super::{BadToken, Setup, TestIssuer, TestKey, bad_tokens};
use crate::{
    TokenRefusal,
    axum::{OpenRoutes, ProtectedRouter},
    tower::Authenticate,
};

/// What was tried, all of it with the right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protected {
    /// Each route and method, as `GET /orders/1`.
    pub endpoints: Vec<String>,
    /// How many requests had to be refused, and were.
    pub cells: usize,
}

/// The first answer that was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unprotected {
    /// `GET /orders/1`.
    pub endpoint: String,
    /// The row of the catalogue, or what else was tried.
    pub tried: String,
    /// What would have been right.
    pub expected: String,
    /// What came.
    pub found: String,
}

impl fmt::Display for Unprotected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, tried, expected, found } = self;
        write!(f, "{endpoint} with {tried}: expected {expected}, found {found}")
    }
}

impl std::error::Error for Unprotected {}

/// As [`check_protected`].
///
/// # Panics
/// At the first answer that is wrong, naming route, method, row, what was expected and what was found.
#[expect(clippy::panic, reason = "this is how a test fails")]
pub async fn assert_protected<Path: AsRef<str>>(
    issuer: &TestIssuer,
    router: &Router,
    routes: impl IntoIterator<Item = Path>,
) -> Protected {
    check_protected(issuer, router, routes).await.unwrap_or_else(|cell| panic!("{cell}"))
}

/// Tries every bad token of the catalogue on every method of these routes, and that a good one is not refused.
///
/// `router` verifies with [`TestIssuer::verifier`]; `routes` are paths as they were declared, those of
/// [`ProtectedRouter::protected_routes`](crate::axum::ProtectedRouter::protected_routes): `/orders/{id}` is asked as
/// `/orders/1`. The methods are those the router names in `Allow`; a route that answers to any, or asks for a role first,
/// is asked with GET, HEAD, POST, PUT, PATCH and DELETE. Requests have no body, and reach no handler unless something is wrong, or a good token is
/// tried: that is done first, for each endpoint, so use a router whose state is a test's.
///
/// For each endpoint:
/// 1. a good token of a caller without roles and organisation: anything but 400, 401 and 5xx;
/// 2. no token: 401 `token_missing`; so it is for a good token in the query;
/// 3. two `Authorization`, or one and a token in the query: 400 `token_ambiguous`;
/// 4. every row of [`bad_tokens`](super::bad_tokens) for a single issuer: its status and code, and a challenge with a
///    401.
///
/// A service that takes bound tokens only (feature `dpop`, `bound_only`) refuses the good token, too, so that
/// nothing can be said of it here.
///
/// # Errors
/// [`Unprotected`], the first answer that is wrong.
pub async fn check_protected<Path: AsRef<str>>(
    issuer: &TestIssuer,
    router: &Router,
    routes: impl IntoIterator<Item = Path>,
) -> Result<Protected, Unprotected> {
    let routes: Vec<String> = routes.into_iter().map(|route| route.as_ref().to_owned()).collect();
    let bad: Vec<_> = issuer.bad_tokens().collect();
    try_all(router, &routes, &issuer.token().sign(), bad).await
}

/// As [`check_protected_router`].
///
/// # Panics
/// At the first answer that is wrong, naming route, method, row, what was expected and what was found.
#[expect(clippy::panic, reason = "this is how a test fails")]
pub async fn assert_protected_router<S>(
    issuer: &TestIssuer,
    routes: &ProtectedRouter<S>,
    state: &S,
    public: &[&str],
) -> Protected
where
    S: Clone + Send + Sync + 'static,
{
    check_protected_router(issuer, routes, state, public).await.unwrap_or_else(|cell| panic!("{cell}"))
}

/// Tries the whole catalogue on every route of a [`ProtectedRouter`] that is not built yet, none of which can be
/// forgotten: it is built here, as it would be at start, with each verifier that a row of the catalogue is about
/// ([`Setup`]), and each is asked for what [`check_protected`] asks for. An issuer with keys of its own is asked for
/// [`Setup::Keys`] alone.
///
/// ```
/// use axum::routing::get;
/// use countersign::{Caller, axum::ProtectedRouter, testkit::{TestIssuer, assert_protected_router}};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let routes = ProtectedRouter::new()
///     .route("/hello", get(async |caller: Caller| caller.subject().to_string()))
///     .public_route("/healthz", get(async || "ok"));
/// assert_protected_router(&TestIssuer::new("orders"), &routes, &(), &["/healthz"]).await;
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// [`Unprotected`], the first answer that is wrong; or that other routes are open than `public` names.
pub async fn check_protected_router<S>(
    issuer: &TestIssuer,
    routes: &ProtectedRouter<S>,
    state: &S,
    public: &[&str],
) -> Result<Protected, Unprotected>
where
    S: Clone + Send + Sync + 'static,
{
    let mut all = Protected { endpoints: Vec::new(), cells: 0 };
    for setup in Setup::ALL {
        if setup != Setup::Keys && issuer.has_own_keys() {
            continue;
        }
        let token = issuer.token();
        let (verifier, token) = match setup {
            Setup::Keys => (issuer.verifier(), token),
            Setup::OneKey => (setup.verifier(issuer), token.key(TestKey::Ed25519)),
            Setup::SharedSecret => (setup.verifier(issuer), token.key(TestKey::Hs256)),
            Setup::Revoked | Setup::TwoIssuers => (setup.verifier(issuer), token),
        };
        let router = routes.clone().build(&Authenticate::new(verifier), public).map_err(not_as_named)?;
        let rows = bad_tokens().filter(|row| row.setup() == setup).map(|row| (row, row.token(issuer)));
        let paths = routes.protected_routes();
        let done = try_all(&router.with_state(state.clone()), paths, &token.sign(), rows.collect()).await?;
        all.cells += done.cells;
        all.endpoints = done.endpoints;
    }
    Ok(all)
}

#[expect(clippy::needless_pass_by_value, reason = "as an error is mapped")]
fn not_as_named(open: OpenRoutes) -> Unprotected {
    Unprotected {
        endpoint: "the router".to_owned(),
        tried: "no token".to_owned(),
        expected: "exactly the routes that are named public to be open".to_owned(),
        found: open.to_string(),
    }
}

async fn try_all(
    router: &Router,
    routes: &[String],
    good: &str,
    bad: Vec<(&BadToken, String)>,
) -> Result<Protected, Unprotected> {
    let mut done = Protected { endpoints: Vec::new(), cells: 0 };
    // White space at the end of a header is no part of it, and what no header can hold never reaches a service.
    let can_be_sent = |token: &str| token.trim() == token && HeaderValue::from_str(token).is_ok();
    let bad: Vec<_> = bad.into_iter().filter(|(_, token)| can_be_sent(token)).collect();
    for route in routes {
        let path = filled(route);
        for method in methods(router, &path, good).await? {
            let endpoint = Endpoint { router, method, path: &path };
            endpoint.control(good).await?;
            endpoint.refuses("no token", None, &[], TokenRefusal::TokenMissing).await?;
            let query = format!("?access_token={good}");
            endpoint.refuses("a token in the query", Some(&query), &[], TokenRefusal::TokenMissing).await?;
            let both = "a token in the header and the query";
            endpoint.refuses(both, Some(&query), &[good], TokenRefusal::TokenAmbiguous).await?;
            endpoint.refuses("two tokens", None, &[good, good], TokenRefusal::TokenAmbiguous).await?;
            for (row, token) in &bad {
                endpoint.refuses(row.name(), None, &[token], row.refusal()).await?;
            }
            done.cells += 4 + bad.len();
            done.endpoints.push(endpoint.name());
        }
    }
    Ok(done)
}

struct Endpoint<'a> {
    router: &'a Router,
    method: Method,
    path: &'a str,
}

impl Endpoint<'_> {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn wrong(&self, tried: &str, expected: impl Into<String>, found: impl Into<String>) -> Unprotected {
        let (expected, found) = (expected.into(), found.into());
        Unprotected { endpoint: self.name(), tried: tried.to_owned(), expected, found }
    }

    /// Without this a route that refuses everything would seem protected.
    async fn control(&self, good: &str) -> Result<(), Unprotected> {
        let tried = "a good token";
        let answer = ask(self.router, &self.method, self.path, &[good]).await;
        let answer = answer.ok_or_else(|| self.wrong(tried, "an answer", "a request that cannot be made"))?;
        let status = answer.status();
        let refused = matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
        if refused || status.is_server_error() {
            return Err(self.wrong(tried, "anything but 400, 401 and 5xx", status.as_str()));
        }
        Ok(())
    }

    async fn refuses(
        &self,
        tried: &str,
        query: Option<&str>,
        tokens: &[&str],
        refusal: TokenRefusal,
    ) -> Result<(), Unprotected> {
        let row = refusal.row();
        let path = format!("{}{}", self.path, query.unwrap_or_default());
        let expected = format!("{} {}", row.status.as_str(), row.code);
        let answer = ask(self.router, &self.method, &path, tokens).await;
        let answer = answer.ok_or_else(|| self.wrong(tried, &*expected, "a request that cannot be made"))?;
        let challenged = answer.headers().contains_key(header::WWW_AUTHENTICATE);
        let status = answer.status();
        let found = format!("{} {}", status.as_str(), code(answer, &self.method, row.code).await);
        // A service that checks proofs knows what is missing.
        let needs_proof = refusal == TokenRefusal::TokenBound && found == "401 token_needs_proof";
        if expected != found && !needs_proof {
            return Err(self.wrong(tried, expected, found));
        }
        if status == StatusCode::UNAUTHORIZED && !challenged {
            return Err(self.wrong(tried, "a `WWW-Authenticate`", "none"));
        }
        Ok(())
    }
}

/// The problem's code. The answer to HEAD has no body to look into.
async fn code(answer: Response, method: &Method, expected: &str) -> String {
    const LONGEST: usize = 64 << 10;
    if method == Method::HEAD {
        return expected.to_owned();
    }
    let body = to_bytes(answer.into_body(), LONGEST).await.unwrap_or_default();
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    problem.get("code").and_then(Value::as_str).unwrap_or("without a code").to_owned()
}

/// The methods of a route: what it says it allows, when asked with one that nobody has.
async fn methods(router: &Router, path: &str, good: &str) -> Result<Vec<Method>, Unprotected> {
    let nobodys = Method::from_bytes(b"COUNTERSIGN").unwrap_or(Method::TRACE);
    let wrong = |found: String| Unprotected {
        endpoint: path.to_owned(),
        tried: "a good token and a method nobody has".to_owned(),
        expected: "a route".to_owned(),
        found,
    };
    let answer = ask(router, &nobodys, path, &[good]).await;
    let answer = answer.ok_or_else(|| wrong("a path that cannot be asked for".to_owned()))?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Err(wrong("404".to_owned()));
    }
    let allowed = answer.headers().get(header::ALLOW).and_then(|value| value.to_str().ok());
    if let (StatusCode::METHOD_NOT_ALLOWED, Some(allowed)) = (answer.status(), allowed) {
        return Ok(allowed.split(',').filter_map(|method| method.trim().parse().ok()).collect());
    }
    Ok(vec![Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
}

/// `/orders/{id}/{*rest}` as somebody would ask for it.
fn filled(route: &str) -> String {
    let segments = route.split('/').map(|segment| match segment.split_once('{') {
        Some((before, parameter)) => {
            let after = parameter.split_once('}').map_or("", |(_, after)| after);
            format!("{before}1{after}")
        }
        None => segment.to_owned(),
    });
    segments.collect::<Vec<_>>().join("/")
}

async fn ask(router: &Router, method: &Method, path: &str, tokens: &[&str]) -> Option<Response> {
    let mut request = Request::builder().method(method).uri(path);
    for token in tokens {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).ok()?;
    let mut router = router.clone();
    let ready = poll_fn(|context| Service::<Request<Body>>::poll_ready(&mut router, context)).await;
    match ready {
        Ok(()) => {}
        Err(never) => match never {},
    }
    match router.call(request).await {
        Ok(answer) => Some(answer),
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        response::IntoResponse,
        routing::{any, get},
    };
    use http::StatusCode;

    use super::{check_protected, check_protected_router, filled};
    use crate::{
        Caller, HasRole,
        axum::ProtectedRouter,
        testkit::{TestIssuer, bad_tokens},
        tower::Authenticate,
    };

    crate::roles! {
        Editor = "editor";
    }

    async fn read(caller: Caller) -> String {
        caller.subject().to_string()
    }

    fn authenticate(issuer: &TestIssuer) -> Authenticate {
        Authenticate::new(issuer.verifier())
    }

    #[tokio::test]
    async fn a_protected_router_passes_every_cell() {
        let issuer = TestIssuer::new("orders");
        let routes = ProtectedRouter::new()
            .route("/orders", get(read).post(read))
            .route_requiring::<HasRole<Editor>>("/orders/{id}/lines/{*rest}", get(read))
            .public_route("/healthz", get(async || "ok"));
        let paths = routes.protected_routes().to_vec();
        let router = routes.build(&authenticate(&issuer), &["/healthz"]).unwrap();
        let done = check_protected(&issuer, &router, paths).await.unwrap();
        let mut found = done.endpoints.clone();
        found.sort();
        let any = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"]
            .map(|method| format!("{method} /orders/1/lines/1"));
        let mut expected = ["GET /orders", "HEAD /orders", "POST /orders"].map(str::to_owned).to_vec();
        expected.extend(any);
        expected.sort();
        assert_eq!(found, expected);
        assert!((90..bad_tokens().count() + 4).contains(&(done.cells / 9)), "{}", done.cells);
    }

    #[tokio::test]
    async fn each_hole_is_found_and_named() {
        let issuer = TestIssuer::new("orders");
        let protected = Router::new().route("/a", get(read)).route_layer(authenticate(&issuer));
        let fault = async |router: Router, routes: &[&str]| {
            check_protected(&issuer, &router, routes).await.unwrap_err().to_string()
        };
        let open = protected.clone().route("/b", get(async || "open"));
        assert_eq!(
            fault(open, &["/a", "/b"]).await,
            "GET /b with no token: expected 401 token_missing, found 200 without a code"
        );
        let one_open_method = protected.clone().route("/c", any(async || "open"));
        assert!(fault(one_open_method, &["/c"]).await.starts_with("GET /c with no token"));
        assert!(fault(protected.clone(), &["/nowhere"]).await.contains("found 404"));

        let closed = Router::new().route("/d", get(async || StatusCode::UNAUTHORIZED));
        assert!(fault(closed, &["/d"]).await.starts_with("GET /d with a good token"));

        // A verifier that is too kind in one point.
        let kind = issuer.verifier_builder().accept_type("JWT").build().unwrap();
        let kind = Router::new().route("/e", get(read)).route_layer(Authenticate::new(kind));
        let found = fault(kind, &["/e"]).await;
        assert!(found.contains("expected 401 token_of_other_type, found 200"), "{found}");

        let bare = get(async |caller: Option<axum::Extension<Caller>>| match caller {
            Some(_) => "in".into_response(),
            None => (StatusCode::UNAUTHORIZED, r#"{"code":"token_missing"}"#).into_response(),
        });
        let router = Router::new().route("/f", bare);
        assert!(fault(router, &["/f"]).await.contains("/f with a good token"));
    }

    #[tokio::test]
    async fn a_router_that_is_not_built_yet_is_tried_with_every_row_of_the_catalogue() {
        let issuer = TestIssuer::new("orders");
        let routes = || {
            ProtectedRouter::<u8>::new()
                .route("/orders", get(read))
                .public_route("/healthz", get(async || "ok"))
        };
        let done = check_protected_router(&issuer, &routes(), &7, &["/healthz"]).await.unwrap();
        assert_eq!(done.endpoints, ["GET /orders", "HEAD /orders"]);
        // But for what no header can hold.
        let rows = bad_tokens().count();
        assert!((rows - rows / 10..rows + 5 * 4).contains(&(done.cells / 2)), "{} of {rows}", done.cells);

        let unnamed = check_protected_router(&issuer, &routes(), &7, &[]).await.unwrap_err();
        assert!(unnamed.found.contains("/healthz"), "{unnamed}");
        let refuses_all = routes().route("/none", get(async || StatusCode::UNAUTHORIZED));
        let found = check_protected_router(&issuer, &refuses_all, &7, &["/healthz"]).await.unwrap_err();
        assert!(found.to_string().starts_with("GET /none with a good token"), "{found}");
    }

    #[test]
    fn parameters_are_filled_in() {
        for (route, path) in
            [("/", "/"), ("/a/{id}", "/a/1"), ("/{*rest}", "/1"), ("/a/v{n}.txt/b", "/a/v1.txt/b")]
        {
            assert_eq!(filled(route), path);
        }
    }
}
