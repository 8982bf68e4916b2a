//! What the other tests take for granted about the counterparts.

use crate::{
    client::Call,
    counterpart::{
        authorization_server::{AuthorizationServer, POST_SECRET},
        nginx::Nginx,
        session_application::{COOKIE, SessionApplication},
        verifier::Verifier,
    },
};

/// What oidc-provider says about a token.
async fn introspect(server: &AuthorizationServer, token: &str) -> serde_json::Value {
    let form = format!("client_id=gateway-post&client_secret={POST_SECRET}&token={token}");
    Call::post_form(server.url("/token/introspection"), &form).send().await.expect(200).json()
}

#[tokio::test]
async fn the_authorization_server_tells_claims_for_one_application_only() {
    let server = AuthorizationServer::shared();
    let told = introspect(server, &server.log_in("ada", "legacy-app").await).await;
    assert_eq!((&told["active"], &told["org"]["id"]), (&true.into(), &"acme".into()), "{told}");
    let told = introspect(server, &server.log_in("bob", "bare-app").await).await;
    assert_eq!((&told["sub"], &told["org"]), (&"bob".into(), &serde_json::Value::Null), "{told}");
}

#[tokio::test]
async fn the_authorization_server_says_inactive_with_200_after_a_log_out() {
    let server = AuthorizationServer::shared();
    let token = server.log_in("ada", "legacy-app").await;
    server.revoke(&token).await;
    assert_eq!(introspect(server, &token).await, serde_json::json!({ "active": false }));
}

#[tokio::test]
async fn the_session_application_redirects_whoever_is_not_logged_in() {
    let application = SessionApplication::shared();
    let session = application.log_in("ada").await;
    let whoami =
        || Call::get(application.url("/whoami")).header("cookie", format!("{COOKIE}={session}")).send();
    assert_eq!(whoami().await.expect(200).json()["groups"], "editor viewer");
    application.log_out(&session).await;
    assert_eq!(whoami().await.expect(302).header("location"), Some("/login?next=/whoami"));
}

#[tokio::test]
async fn nginx_serves_and_caches() {
    let service = Nginx::service().await;
    let front = Nginx::shared_cache(&service.address().to_string()).await;
    for status in ["MISS", "HIT"] {
        let answer = Call::get(format!("{}/catalogue/", front.origin())).send().await.expect(200);
        assert_eq!(answer.header("cache-status"), Some(status));
    }
}

#[tokio::test]
async fn the_verifiers_refuse_what_is_no_token() {
    for verifier in Verifier::all() {
        let answer = verifier.verify("no token", "http://127.0.0.1:9/", "https://shop.example", "orders");
        assert!(answer["refused"].is_string(), "{}: {answer}", verifier.name);
    }
}
