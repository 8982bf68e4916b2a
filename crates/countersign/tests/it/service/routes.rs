use axum::{Router, body::Body, http::Request, routing::get};
use countersign::{
    Caller, KeySet, Verifier,
    axum::{OpenRoutes, ProtectedRouter},
    tower::Authenticate,
};
use tower::ServiceExt;

use super::{Answer, Service, routes};

fn authenticate() -> Authenticate {
    let builder = Verifier::builder().issuer("https://shop.example").audience("orders");
    Authenticate::new(builder.key_set(KeySet::default()).build().unwrap())
}

#[test]
fn open_routes_are_listed() {
    assert_eq!(routes().open_routes(), ["/healthz"]);
    assert_eq!(routes().protected_routes(), ["/hello", "/orders", "/orders/{id}", "/orders/{id}/removal"]);
}

#[test]
fn an_open_route_that_is_not_named_public_does_not_start() {
    let refused = routes().public_route("/debug", get(async || "")).build(&authenticate(), &["/healthz"]);
    assert_eq!(refused.map(|_| ()), Err(OpenRoutes { unnamed: vec!["/debug".to_owned()], missing: vec![] }));
}

#[test]
fn a_name_of_no_open_route_does_not_start() {
    let refused = routes().build(&authenticate(), &["/healthz", "/orders"]);
    assert_eq!(refused.map(|_| ()), Err(OpenRoutes { unnamed: vec![], missing: vec!["/orders".to_owned()] }));
}

#[tokio::test]
async fn a_public_route_is_open_and_a_method_nobody_has_is_not() {
    let service = Service::start().await;
    assert_eq!(service.ask("GET", "/healthz", &[], "").await.body, "ok");
    assert_eq!(service.ask("DELETE", "/orders", &[], "").await.status, 401);
    assert_eq!(service.ask_as(("acme", &[]), "DELETE", "/orders", "").await.status, 405);
    assert_eq!(service.ask("GET", "/nowhere", &[], "").await.status, 404);
}

#[tokio::test]
async fn a_caller_where_nothing_verifies_is_refused() {
    async fn handler(caller: Caller) -> String {
        caller.subject().to_string()
    }
    let unprotected: Router = Router::new().route("/", get(handler));
    let token = Service::start().await.token("acme", &[]);
    let request =
        Request::get("/").header("Authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
    let answer = Answer::of(unprotected.oneshot(request).await.unwrap()).await;
    assert_eq!(answer.refused(), (401, "token_missing".to_owned()));
}

#[tokio::test]
async fn without_keys_the_answer_is_503_and_not_401() {
    let router: Router =
        ProtectedRouter::new().route("/", get(async |_: Caller| "in")).build(&authenticate(), &[]).unwrap();
    let token = Service::start().await.token("acme", &[]);
    let request =
        Request::get("/").header("Authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.headers().get("Retry-After").unwrap(), "5");
    let answer = Answer::of(response).await;
    assert_eq!(answer.refused(), (503, "keys_unavailable".to_owned()));
    assert_eq!(answer.challenge, None);
}
