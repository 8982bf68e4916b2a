//! The authorization server cannot be asked: nobody is logged out, no cookie is touched, and it is said when to come
//! again.

use crate::{
    client::Answer,
    counterpart::authorization_server::{AuthorizationServer, BASIC_SECRET, COOKIE},
    gateway::{Gateway, Setting},
    job::ISSUER,
    local_server::LocalServer,
};

/// A gateway with an authorization server of its own, and the service behind it.
async fn gateway(server: &AuthorizationServer) -> (Gateway, LocalServer) {
    let service = LocalServer::recording().await;
    let mut setting = Setting::new();
    let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    let config = format!(
        "issuer = \"{ISSUER}\"\n{session}timeout = \"3s\"\nrecheck = \"1h\"\n\
         [[route]]\npath = \"/orders/\"\nupstream = \"{}\"\naudience = \"orders\"\n",
        service.origin()
    );
    (Gateway::start(setting, &config), service)
}

/// An answer that leaves the caller logged in.
fn untouched(answer: Answer) {
    let answer = answer.expect_refusal(503, "source_unavailable");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{answer:?}");
    assert!(
        answer.header("set-cookie").is_none() && answer.header("www-authenticate").is_none(),
        "{answer:?}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn failing_hanging_then_well_again() {
    let server = AuthorizationServer::start();
    let (mut gateway, service) = gateway(&server).await;
    let warm = server.log_in("ada", "legacy-app").await;
    let cold = server.log_in("bob", "legacy-app").await;
    gateway.get("/orders/", COOKIE, &warm).await.expect(200);
    for mode in ["failing", "hanging"] {
        server.answer(mode).await;
        untouched(gateway.get("/orders/", COOKIE, &cold).await);
        gateway.get("/orders/", COOKIE, &warm).await.expect(200);
    }
    assert_eq!(service.count(), 3);
    assert_eq!(server.calls("introspection").await, 3, "one for each session and each failure");
    server.answer("well").await;
    gateway.get("/orders/", COOKIE, &cold).await.expect(200);
    gateway.stop().await;
}

#[tokio::test]
async fn gone() {
    let mut server = AuthorizationServer::start();
    let (mut gateway, service) = gateway(&server).await;
    let warm = server.log_in("ada", "legacy-app").await;
    let cold = server.log_in("bob", "legacy-app").await;
    gateway.get("/orders/", COOKIE, &warm).await.expect(200);
    server.kill();
    untouched(gateway.get("/orders/", COOKIE, &cold).await);
    gateway.get("/orders/", COOKIE, &warm).await.expect(200);
    assert_eq!(service.count(), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn a_stale_session_waits_for_the_server_and_is_not_logged_out() {
    let server = AuthorizationServer::start();
    let service = LocalServer::recording().await;
    let mut setting = Setting::new();
    let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    let config = format!(
        "issuer = \"{ISSUER}\"\n{session}timeout = \"3s\"\nrecheck = \"1s\"\n\
         [[route]]\npath = \"/orders/\"\nupstream = \"{}\"\naudience = \"orders\"\n",
        service.origin()
    );
    let mut gateway = Gateway::start(setting, &config);
    let session = server.log_in("ada", "legacy-app").await;
    gateway.get("/orders/", COOKIE, &session).await.expect(200);
    server.answer("failing").await;
    let stale = loop {
        let answer = gateway.get("/orders/", COOKIE, &session).await;
        if answer.status != 200 {
            break answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    untouched(stale);
    server.answer("well").await;
    gateway.get("/orders/", COOKIE, &session).await.expect(200);
    gateway.stop().await;
}
