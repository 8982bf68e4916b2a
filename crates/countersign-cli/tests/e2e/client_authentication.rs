//! How the gateway proves to the authorization server who it is (RFC 6749 §2.3, RFC 7523).

use serde_json::json;

use crate::{
    counterpart::authorization_server::{AuthorizationServer, BASIC_SECRET, COOKIE, POST_SECRET},
    gateway::{Gateway, Setting},
    job::ISSUER,
    local_server::{LocalServer, Reply},
};

/// A configuration that asks `introspect` with what `client` says.
fn config(introspect: &str, client: &str, service: &LocalServer) -> String {
    format!(
        r#"
issuer = "{ISSUER}"
[session]
cookie = "{COOKIE}"
introspect = "{introspect}"
{client}
[claims]
organisation = "session.org.id"
[[route]]
path = "/orders/"
upstream = "{}"
audience = "orders"
"#,
        service.origin()
    )
}

/// The main job with one way of authentication at the certified provider, and a refusal with a wrong secret.
async fn at_the_provider(client: &str, secret: &str, wrong: &str) {
    let server = AuthorizationServer::shared();
    let service = LocalServer::recording().await;
    let session = server.log_in("ada", "legacy-app").await;
    for (secret, right) in [(secret, true), (wrong, false)] {
        let mut setting = Setting::new();
        let file = setting.secret_file("secret", secret);
        let client = format!("{client}\nclient_secret_file = \"{file}\"");
        let config = config(&server.url("/token/introspection"), &client, &service);
        let mut gateway = Gateway::start(setting, &config);
        let answer = gateway.get("/orders/", COOKIE, &session).await;
        if right {
            answer.expect(200);
        } else {
            // we are refused, not the caller: nobody is logged out
            let answer = answer.expect_refusal(503, "source_refuses_us");
            assert!(
                answer.header("retry-after").is_some() && answer.header("set-cookie").is_none(),
                "{answer:?}"
            );
        }
        gateway.stop().await;
    }
    assert_eq!(service.count(), 1);
}

#[tokio::test]
async fn basic_with_a_secret_that_needs_encoding() {
    at_the_provider("client_id = \"gateway-basic\"", BASIC_SECRET, "another secret of the gateway").await;
}

#[tokio::test]
async fn post() {
    at_the_provider(
        "client_auth = \"post\"\nclient_id = \"gateway-post\"",
        POST_SECRET,
        "another-secret-of-the-gateway",
    )
    .await;
}

#[tokio::test]
async fn private_key_jwt() {
    let right = AuthorizationServer::shared().private_key();
    let wrong = rcgen::KeyPair::generate().unwrap().serialize_pem();
    at_the_provider("client_auth = \"private_key_jwt\"\nclient_id = \"gateway-key\"", right, &wrong).await;
}

/// The provider does not know this way, but RFC 7662 §2.1 does.
#[tokio::test]
async fn bearer() {
    let answer = json!({ "active": true, "sub": "ada", "client_id": "web", "org": { "id": "acme" } });
    let server = LocalServer::start(move |_| Reply::json(&answer)).await;
    let service = LocalServer::recording().await;
    let mut setting = Setting::new();
    let file = setting.secret_file("secret", "access-token-of-the-gateway");
    let client = format!("client_auth = \"bearer\"\nclient_secret_file = \"{file}\"");
    let mut gateway =
        Gateway::start(setting, &config(&format!("{}/introspect", server.origin()), &client, &service));
    gateway.get("/orders/", COOKIE, "opaque-session-token").await.expect(200);
    let asked = server.last();
    assert_eq!(asked.header("authorization"), Some("Bearer access-token-of-the-gateway"));
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/introspect"));
    let body = String::from_utf8(asked.body.to_vec()).unwrap();
    assert!(body.split('&').any(|pair| pair == "token=opaque-session-token"), "{body}");
    gateway.stop().await;
}
