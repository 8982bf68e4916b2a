//! A session that ends at its server ends here, at the next request after `recheck`.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::{
    client::Answer,
    counterpart::{
        authorization_server::{self, AuthorizationServer, BASIC_SECRET},
        session_application::{self, SessionApplication},
    },
    gateway::{Gateway, Setting},
    job::ISSUER,
    local_server::LocalServer,
};

/// Asks until the answer is not 200.
async fn until_refused(gateway: &mut Gateway, cookie: &str, session: &str) -> Answer {
    let refused = async {
        loop {
            let answer = gateway.get("/orders/", cookie, session).await;
            if answer.status != 200 {
                return answer;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(60), refused).await.expect("the session goes on")
}

/// What the caller of a session that has ended gets.
fn ended(answer: Answer) {
    let answer = answer.expect_refusal(401, "session_ended");
    assert!(answer.header("www-authenticate").unwrap().contains("error=\"invalid_token\""), "{answer:?}");
}

fn routes(session: &str, service: &LocalServer) -> String {
    format!(
        "issuer = \"{ISSUER}\"\n{session}recheck = \"1s\"\n[claims]\nsubject = \"session.SUBJECT\"\n\
         [[route]]\npath = \"/orders/\"\nupstream = \"{}\"\naudience = \"orders\"\n",
        service.origin()
    )
}

#[tokio::test]
async fn a_revoked_token() {
    let server = AuthorizationServer::shared();
    let service = LocalServer::recording().await;
    let mut setting = Setting::new();
    let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    let mut gateway = Gateway::start(setting, &routes(&session, &service).replace("SUBJECT", "sub"));
    let session = server.log_in("ada", "legacy-app").await;
    let other = server.log_in("ada", "legacy-app").await;
    gateway.get("/orders/", authorization_server::COOKIE, &session).await.expect(200);
    server.revoke(&session).await;
    ended(until_refused(&mut gateway, authorization_server::COOKIE, &session).await);
    gateway.get("/orders/", authorization_server::COOKIE, &other).await.expect(200);
    gateway.stop().await;
}

#[tokio::test]
async fn a_log_out_of_the_old_application() {
    let application = SessionApplication::shared();
    let service = LocalServer::recording().await;
    let session = format!(
        "[session]\ncookie = \"{}\"\nwhoami = \"{}\"\nno = {{ redirect_to = \"/login\" }}\n",
        session_application::COOKIE,
        application.url("/whoami")
    );
    let config = routes(&session, &service).replace("SUBJECT", "user.id");
    let mut gateway = Gateway::start(Setting::new(), &config);
    let session = application.log_in("bob").await;
    gateway.get("/orders/", session_application::COOKIE, &session).await.expect(200);
    application.log_out(&session).await;
    ended(until_refused(&mut gateway, session_application::COOKIE, &session).await);
    gateway.stop().await;
}
