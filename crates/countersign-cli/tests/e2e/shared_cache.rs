//! nginx with `proxy_cache` in front, its key without the cookie: nobody sees another's page.

use serde_json::Value;

use crate::{
    client::{Answer, Call},
    counterpart::{
        authorization_server::{AuthorizationServer, BASIC_SECRET, COOKIE},
        nginx::Nginx,
    },
    gateway::{Gateway, Setting},
    job::{ISSUER, verified},
};

#[tokio::test]
async fn nobody_sees_the_page_of_another() {
    let server = AuthorizationServer::shared();
    let service = Nginx::service().await;
    let mut setting = Setting::new();
    let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    let origin = service.origin();
    let config = format!(
        r#"
issuer = "{ISSUER}"
{session}
[[route]]
path = "/orders/"
upstream = "{origin}"
audience = "orders"
[[route]]
path = "/catalogue/"
upstream = "{origin}"
public = true
"#
    );
    let mut gateway = Gateway::start(setting, &config);
    let front = Nginx::shared_cache(gateway.address()).await;

    // the cache does cache: what is for everybody comes out of it the second time
    for status in ["MISS", "HIT"] {
        let answer = Call::get(format!("{}/catalogue/1", front.origin())).send().await.expect(200);
        assert_eq!(answer.header("cache-status"), Some(status), "{answer:?}");
    }

    let (ada, bob) = (server.log_in("ada", "legacy-app").await, server.log_in("bob", "legacy-app").await);
    gateway.keep_secret(&ada);
    gateway.keep_secret(&bob);
    // nor one that the service itself gives to everybody
    for path in ["/orders/mine", "/orders/kept"] {
        for (user, session) in [("ada", &ada), ("bob", &bob), ("ada", &ada)] {
            let page = through(&front, path, session).await.expect(200);
            assert_ne!(page.header("cache-status"), Some("HIT"), "{path}: {page:?}");
            let seen: Value = page.json();
            assert_eq!(
                verified(&mut gateway, seen["authorization"].as_str().unwrap(), "orders")["sub"],
                user
            );
        }
    }
    let nobody = Call::get(format!("{}/orders/mine", front.origin())).send().await;
    nobody.expect_refusal(401, "credential_missing");
    // and a refusal is not kept for those who may
    through(&front, "/orders/mine", &bob).await.expect(200);
    gateway.stop().await;
}

async fn through(front: &Nginx, path: &str, session: &str) -> Answer {
    Call::get(format!("{}{path}", front.origin()))
        .header("cookie", format!("{COOKIE}={session}"))
        .send()
        .await
}
