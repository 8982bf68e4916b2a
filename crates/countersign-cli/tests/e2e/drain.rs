//! SIGTERM under load: every request that is open is answered, then the gateway ends by itself.

use tokio::task::JoinSet;

use crate::{
    client::Call,
    counterpart::authorization_server::{AuthorizationServer, BASIC_SECRET, COOKIE},
    gateway::{Gateway, Setting},
    job::ISSUER,
    local_server::LocalServer,
};

const OPEN: usize = 1_000;

#[tokio::test]
async fn every_open_request_is_answered() {
    let server = AuthorizationServer::shared();
    let service = LocalServer::recording().await;
    let mut setting = Setting::new();
    let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    let config = format!(
        "issuer = \"{ISSUER}\"\n{session}[limits]\ndrain = \"40s\"\n\
         [[route]]\npath = \"/orders/\"\nupstream = \"{}\"\naudience = \"orders\"\n",
        service.origin()
    );
    let mut gateway = Gateway::start(setting, &config);
    let session = server.log_in("ada", "legacy-app").await;
    gateway.get("/orders/", COOKIE, &session).await.expect(200);

    let mut callers = JoinSet::new();
    for _ in 0..OPEN {
        let call =
            Call::get(gateway.url("/orders/slow?after=4000")).header("cookie", format!("{COOKIE}={session}"));
        callers.spawn(call.send());
    }
    service.wait_for(1 + OPEN).await;
    gateway.terminate();
    let answers = callers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), OPEN);
    assert!(answers.iter().all(|answer| answer.json()["service"] == "recording"));

    let status = gateway.ended().await;
    assert!(status.success(), "{status}");
    assert!(Call::get(gateway.url("/orders/")).try_send().await.is_err(), "somebody still listens");
    gateway.stop().await;
}
