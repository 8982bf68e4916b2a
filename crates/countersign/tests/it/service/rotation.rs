//! Keys that were not announced, and a key set that cannot be fetched, over real HTTP.

use std::time::Duration;

use axum::{Router, body::Body, http::Request, routing::get};
use countersign::{
    Caller, Verifier,
    axum::ProtectedRouter,
    remote::RemoteKeys,
    testkit::{ServedIssuer, TestIssuer, TestKey, TestToken},
    tower::Authenticate,
};
use tower::ServiceExt;

use super::Answer;

fn router(issuer: &ServedIssuer, keys: &RemoteKeys) -> Router {
    let verifier = Verifier::builder()
        .issuer(issuer.issuer().clone())
        .audience("orders")
        .keys(keys.clone())
        .clock(issuer.clock().clone())
        .build()
        .unwrap();
    let layer = Authenticate::new(verifier).wait_for_rotation(keys.clone());
    ProtectedRouter::new().route("/", get(async |_: Caller| "in")).build(&layer, &[]).unwrap()
}

async fn status(router: &Router, token: TestToken<'_>) -> (u16, String) {
    let bearer = format!("Bearer {}", token.sign());
    let request = Request::get("/").header("Authorization", bearer).body(Body::empty()).unwrap();
    Answer::of(router.clone().oneshot(request).await.unwrap()).await.refused()
}

#[tokio::test]
async fn the_first_token_of_a_new_key_passes_and_a_forged_one_does_not() {
    let issuer = TestIssuer::new("orders").serve().await;
    issuer.publish(&[TestKey::Es256]);
    let keys = issuer.remote_keys().start().unwrap();
    assert!(keys.ready(Duration::from_secs(60)).await);
    let router = router(&issuer, &keys);

    assert_eq!(status(&router, issuer.token()).await.0, 200);
    issuer.publish(&[TestKey::Ed25519]);
    assert_eq!(status(&router, issuer.token().key(TestKey::Ed25519)).await.0, 200);
    let withdrawn = status(&router, issuer.token()).await;
    assert_eq!(withdrawn, (401, "key_unknown".to_owned()));
    for _ in 0..20 {
        let forged = status(&router, issuer.token().key(TestKey::Es256OfOther)).await;
        assert_eq!(forged, (401, "key_unknown".to_owned()));
    }
    assert!(issuer.fetches() <= 4, "{}", issuer.fetches());
}

#[tokio::test]
async fn an_outage_costs_no_good_token_until_the_keys_are_too_old() {
    let issuer = TestIssuer::new("orders").serve().await;
    let hour = Duration::from_secs(60 * 60);
    let keys = RemoteKeys::builder().key_set(issuer.key_set_url()).max_stale(hour);
    let keys = keys.clock(std::sync::Arc::new(issuer.clock().clone())).start().unwrap();
    assert!(keys.ready(Duration::from_secs(60)).await);
    let router = router(&issuer, &keys);

    issuer.go_down();
    assert_eq!(status(&router, issuer.token()).await.0, 200);
    let before = issuer.fetches();
    let unknown = status(&router, issuer.token().key(TestKey::Es256OfOther)).await;
    assert_eq!(unknown, (401, "key_unknown".to_owned()));
    assert_eq!(issuer.fetches(), before + 1, "it was looked for, in vain");
    issuer.clock().advance(hour - Duration::from_secs(60));
    assert_eq!(status(&router, issuer.token()).await.0, 200);
    issuer.clock().advance(Duration::from_secs(61));
    assert_eq!(status(&router, issuer.token()).await, (503, "keys_unavailable".to_owned()));
}

#[tokio::test]
async fn a_service_that_starts_in_an_outage_blames_no_token_and_serves_when_it_is_over() {
    let issuer = TestIssuer::new("orders").serve().await;
    issuer.go_down();
    let keys = issuer.remote_keys().start().unwrap();
    let router = router(&issuer, &keys);
    assert!(!keys.ready(Duration::from_millis(50)).await);
    assert_eq!(status(&router, issuer.token()).await, (503, "keys_unavailable".to_owned()));
    issuer.come_back();
    assert!(keys.ready(Duration::from_secs(60)).await);
    assert_eq!(status(&router, issuer.token()).await.0, 200);
}
