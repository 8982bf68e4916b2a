//! Proofs of possession as a service's clients see them (RFC 9449).

use axum::{Router, body::Body, routing::get};
use countersign::{
    Caller, Clock as _, HasRole, HasScope, ScopeName, Secret,
    axum::ProtectedRouter,
    dpop::DpopPolicy,
    testkit::{TestIssuer, TestKey, bad_proofs, check_protected, odd_proofs},
    tower::Authenticate,
};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

countersign::roles! {
    Editor = "editor";
}

struct Write;
impl ScopeName for Write {
    const NAME: &'static str = "orders:write";
}

const ORIGIN: &str = "https://orders.test";

fn router(issuer: &TestIssuer, policy: DpopPolicy) -> Router {
    let verifier = issuer.verifier_builder().dpop(policy).build().unwrap();
    ProtectedRouter::new()
        .route("/orders/{id}", get(async |caller: Caller| caller.subject().to_string()))
        .route("/edit", get(async |_: HasRole<Editor>| "edited"))
        .route("/write", get(async |_: HasScope<Write>| "written"))
        .public_route("/healthz", get(async || "ok"))
        .build(&Authenticate::new(verifier), &["/healthz"])
        .unwrap()
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn challenge(&self) -> &str {
        self.header("www-authenticate").unwrap_or_default()
    }
}

async fn ask(router: &Router, path: &str, authorization: &str, proofs: &[&str]) -> Answer {
    let mut request = Request::get(path).header(header::HOST, "evil.test");
    if !authorization.is_empty() {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    for proof in proofs {
        request = request.header("DPoP", *proof);
    }
    let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

#[tokio::test]
async fn a_token_of_each_kind_counts_in_its_own_way() {
    let issuer = TestIssuer::new("orders");
    let router = router(&issuer, DpopPolicy::new(ORIGIN));
    let bound = issuer.token().subject("ada").bound_to(TestKey::CLIENT).sign();
    let plain = issuer.token().subject("bob").sign();
    let proof = || issuer.proof("GET", "https://orders.test/orders/7", &bound).sign();

    let good = ask(&router, "/orders/7?page=2", &format!("DPoP {bound}"), &[&proof()]).await;
    assert_eq!((good.status, &*good.body), (StatusCode::OK, "ada"));
    let good = ask(&router, "/orders/7", &format!("dpop {bound}"), &[&proof()]).await;
    assert_eq!((good.status, &*good.body), (StatusCode::OK, "ada"));
    let good = ask(&router, "/orders/7", &format!("Bearer {plain}"), &[]).await;
    assert_eq!((good.status, &*good.body), (StatusCode::OK, "bob"));
    let good = ask(&router, "/orders/7", &format!("Bearer {plain}"), &[&proof()]).await;
    assert_eq!(good.status, StatusCode::OK, "a proof that nobody asked for");

    let used = proof();
    ask(&router, "/orders/7", &format!("DPoP {bound}"), &[&used]).await;
    for (authorization, proofs, code, challenge) in [
        (String::new(), vec![], "token_missing", "Bearer, DPoP algs="),
        (
            format!("Bearer {bound}"),
            vec![proof()],
            "token_needs_proof",
            r#"Bearer error="invalid_token", DPoP algs="#,
        ),
        (format!("DPoP {plain}"), vec![proof()], "token_not_bound", r#"DPoP error="invalid_token", algs="#),
        (format!("DPoP {bound}"), vec![], "proof_missing", r#"DPoP error="invalid_dpop_proof", algs="#),
        (format!("DPoP {bound}"), vec![used], "proof_replayed", r#"DPoP error="invalid_dpop_proof", algs="#),
        (
            format!("DPoP {bound}"),
            vec![proof(), proof()],
            "proof_ambiguous",
            r#"DPoP error="invalid_dpop_proof", algs="#,
        ),
        (
            format!("DPoP {bound}"),
            vec![issuer.proof("GET", "https://evil.test/orders/7", &bound).sign()],
            "proof_for_other_uri",
            r#"DPoP error="invalid_dpop_proof", algs="#,
        ),
        (
            format!("DPoP {bound}"),
            vec![issuer.proof("GET", "https://orders.test/orders/7", &bound).key(TestKey::Es384).sign()],
            "proof_of_other_key",
            r#"DPoP error="invalid_token", algs="#,
        ),
        ("DPoP".to_owned(), vec![proof()], "token_missing", "Bearer, DPoP algs="),
        ("DPoP rubbish".to_owned(), vec![proof()], "token_malformed", r#"DPoP error="invalid_token", algs="#),
    ] {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let refused = ask(&router, "/orders/7", &authorization, &proofs).await;
        assert_eq!((refused.status, &*refused.code()), (StatusCode::UNAUTHORIZED, code), "{code}");
        assert!(refused.challenge().starts_with(challenge), "{code}: {}", refused.challenge());
        assert!(refused.challenge().contains(r#"algs="ES256 ES384 "#), "{}", refused.challenge());
        assert_eq!(refused.header("cache-control"), Some("no-store"));
        assert_eq!(refused.header("dpop-nonce"), None);
    }
}

/// RFC 9449 §11.1: what is remembered is the proof's `jti`, and not its bytes, of which ECDSA gives others each time.
#[tokio::test]
async fn a_proof_signed_anew_under_the_same_name_is_the_same_proof() {
    let issuer = TestIssuer::new("orders");
    let router = router(&issuer, DpopPolicy::new(ORIGIN));
    let bound = issuer.token().subject("ada").bound_to(TestKey::CLIENT).sign();
    let proof = issuer.proof("GET", "https://orders.test/orders/7", &bound).claim("jti", "once");
    let (first, second) = (proof.clone().sign(), proof.clone().sign());
    assert_ne!(first, second);
    let good = ask(&router, "/orders/7", &format!("DPoP {bound}"), &[&first]).await;
    assert_eq!(good.status, StatusCode::OK);
    for again in [second, proof.claim("iat", issuer.clock().now().as_secs() + 1).sign()] {
        let refused = ask(&router, "/orders/7", &format!("DPoP {bound}"), &[&again]).await;
        assert_eq!((refused.status, &*refused.code()), (StatusCode::UNAUTHORIZED, "proof_replayed"));
    }
}

#[tokio::test]
async fn what_a_handler_asks_for_is_refused_in_the_scheme_of_the_request() {
    let issuer = TestIssuer::new("orders");
    let router = router(&issuer, DpopPolicy::new(ORIGIN));
    let bound = issuer.token().bound_to(TestKey::CLIENT).sign();
    let plain = issuer.token().sign();
    for (path, scope) in [("/edit", ""), ("/write", r#", scope="orders:write""#)] {
        let proof = issuer.proof("GET", &format!("{ORIGIN}{path}"), &bound).sign();
        let refused = ask(&router, path, &format!("DPoP {bound}"), &[&proof]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let start = format!(r#"DPoP error="insufficient_scope"{scope}, algs="ES256"#);
        assert!(refused.challenge().starts_with(&start), "{}", refused.challenge());
        let refused = ask(&router, path, &format!("Bearer {plain}"), &[]).await;
        assert_eq!(refused.challenge(), format!(r#"Bearer error="insufficient_scope"{scope}"#));
    }
}

#[tokio::test]
async fn a_client_gets_its_nonce_and_a_new_one_in_time() {
    let issuer = TestIssuer::new("orders");
    let policy = || DpopPolicy::new(ORIGIN).require_nonce(Secret::new(vec![3; 32])).bound_only();
    // Two replicas, which share nothing but the key.
    let (router, replica) = (router(&issuer, policy()), router(&issuer, policy()));
    let token = issuer.token().bound_to(TestKey::CLIENT).sign();
    let authorization = format!("DPoP {token}");
    let proof = || issuer.proof("GET", "https://orders.test/orders/7", &token);

    let first = ask(&router, "/orders/7", &authorization, &[&proof().sign()]).await;
    assert_eq!((first.status, &*first.code()), (StatusCode::UNAUTHORIZED, "proof_nonce_required"));
    assert!(first.challenge().starts_with(r#"DPoP error="use_dpop_nonce", algs="#), "{}", first.challenge());
    let nonce = first.header("dpop-nonce").unwrap();
    for router in [&router, &replica] {
        let good = ask(router, "/orders/7", &authorization, &[&proof().nonce(nonce).sign()]).await;
        assert_eq!((good.status, good.header("dpop-nonce")), (StatusCode::OK, None));
    }
    issuer.clock().advance(std::time::Duration::from_secs(120));
    let good = ask(&replica, "/orders/7", &authorization, &[&proof().nonce(nonce).sign()]).await;
    let fresh = good.header("dpop-nonce").unwrap();
    assert_eq!((good.status, good.header("cache-control")), (StatusCode::OK, Some("no-store")));
    assert_ne!(fresh, nonce);
    let good = ask(&router, "/orders/7", &authorization, &[&proof().nonce(fresh).sign()]).await;
    assert_eq!((good.status, good.header("dpop-nonce")), (StatusCode::OK, None));
    // A token that is bound to nothing has no use for a nonce.
    let refused = ask(&router, "/orders/7", &format!("Bearer {}", issuer.token().sign()), &[]).await;
    assert_eq!((&*refused.code(), refused.header("dpop-nonce")), ("token_not_bound", None));
}

#[tokio::test]
async fn below_a_router_that_takes_a_prefix_off_the_whole_address_counts() {
    let issuer = TestIssuer::new("orders");
    let token = issuer.token().subject("ada").bound_to(TestKey::CLIENT).sign();
    let outer = Router::new().nest("/api", router(&issuer, DpopPolicy::new(ORIGIN)));
    let proof = issuer.proof("GET", "https://orders.test/api/orders/7", &token).sign();
    let good = ask(&outer, "/api/orders/7", &format!("DPoP {token}"), &[&proof]).await;
    assert_eq!((good.status, &*good.body), (StatusCode::OK, "ada"));
    let short = issuer.proof("GET", "https://orders.test/orders/7", &token).sign();
    let refused = ask(&outer, "/api/orders/7", &format!("DPoP {token}"), &[&short]).await;
    assert_eq!(refused.code(), "proof_for_other_uri");
}

/// A layer of a whole application and the one of a router in it may be the same.
#[tokio::test]
async fn the_same_layer_twice_takes_a_proof_once() {
    let issuer = TestIssuer::new("orders");
    let verifier = issuer.verifier_builder().dpop(DpopPolicy::new(ORIGIN)).build().unwrap();
    let authenticate = Authenticate::new(verifier);
    let inner: Router = ProtectedRouter::new()
        .route("/orders/{id}", get(async |caller: Caller| caller.subject().to_string()))
        .build(&authenticate, &[])
        .unwrap();
    let router = Router::new().nest("/api", inner).layer(authenticate);
    let token = issuer.token().subject("ada").bound_to(TestKey::CLIENT).sign();
    let proof = issuer.proof("GET", "https://orders.test/api/orders/7", &token).sign();
    let authorization = format!("DPoP {token}");
    let good = ask(&router, "/api/orders/7", &authorization, &[&proof]).await;
    assert_eq!((good.status, &*good.body), (StatusCode::OK, "ada"));
    let again = ask(&router, "/api/orders/7", &authorization, &[&proof]).await;
    assert_eq!(again.code(), "proof_replayed", "another request is another use");
}

/// What a layer in between has changed is another request.
#[tokio::test]
async fn a_request_that_was_changed_in_between_is_proved_again() {
    let issuer = TestIssuer::new("orders");
    let verifier = issuer.verifier_builder().dpop(DpopPolicy::new(ORIGIN)).build().unwrap();
    let authenticate = Authenticate::new(verifier);
    let [ada, bob] = ["ada", "bob"].map(|name| issuer.token().subject(name).bound_to(TestKey::CLIENT).sign());
    let proof = issuer.proof("GET", "https://orders.test/orders/7", &ada).sign();
    let swapped: http::HeaderValue = format!("DPoP {bob}").parse().unwrap();
    let inner: Router = ProtectedRouter::new()
        .route("/orders/{id}", get(async |caller: Caller| caller.subject().to_string()))
        .build(&authenticate, &[])
        .unwrap();
    let router = inner
        .layer(axum::middleware::map_request(move |mut request: Request<Body>| {
            request.headers_mut().insert(header::AUTHORIZATION, swapped.clone());
            std::future::ready(request)
        }))
        .layer(authenticate);
    let refused = ask(&router, "/orders/7", &format!("DPoP {ada}"), &[&proof]).await;
    assert_eq!(refused.code(), "proof_for_other_token");
}

/// Without a policy a service speaks of nothing it did not speak of before.
#[tokio::test]
async fn a_service_without_a_policy_does_not_know_the_scheme() {
    let issuer = TestIssuer::new("orders");
    let router: Router = ProtectedRouter::new()
        .route("/orders/{id}", get(async |_: Caller| "in"))
        .build(&Authenticate::new(issuer.verifier()), &[])
        .unwrap();
    let token = issuer.token().bound_to(TestKey::CLIENT).sign();
    let proof = issuer.proof("GET", "https://orders.test/orders/7", &token).sign();
    let refused = ask(&router, "/orders/7", &format!("DPoP {token}"), &[&proof]).await;
    assert_eq!((&*refused.code(), refused.challenge()), ("token_missing", "Bearer"));
    let refused = ask(&router, "/orders/7", &format!("Bearer {token}"), &[&proof]).await;
    assert_eq!((&*refused.code(), refused.challenge()), ("token_bound", r#"Bearer error="invalid_token""#));
}

/// The whole catalogue over HTTP, and the catalogue of tokens against a service that checks proofs.
#[tokio::test]
async fn the_catalogues_hold_over_http() {
    let issuer = TestIssuer::new("orders");
    for row in bad_proofs().filter(|row| row.setup() == countersign::testkit::ProofSetup::Both) {
        let request = row.request(&issuer);
        let path = request.uri.strip_prefix(ORIGIN).unwrap();
        let proofs: Vec<&str> = request.proofs.iter().map(String::as_str).collect();
        if request.method != "GET" || proofs.iter().any(|proof| proof.trim() != *proof) {
            continue;
        }
        let router = router(&issuer, DpopPolicy::new(ORIGIN));
        let authorization = format!("{} {}", request.scheme, request.token);
        if request.sent_before {
            ask(&router, path, &authorization, &proofs).await;
        }
        let answer = ask(&router, path, &authorization, &proofs).await;
        let row_code = row.refusal().code();
        assert_eq!((answer.status, &*answer.code()), (row.refusal().status(), row_code), "{}", row.name());
    }
    assert!(odd_proofs().count() >= 25);
    let router = router(&issuer, DpopPolicy::new(ORIGIN));
    check_protected(&issuer, &router, ["/orders/{id}"]).await.unwrap();
}
