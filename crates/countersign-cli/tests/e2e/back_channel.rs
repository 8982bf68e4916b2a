//! A log-out at a real OpenID provider, which tells the gateway of it.

use std::{net::TcpListener, sync::Arc, time::Duration};

use countersign::{
    KeySet, Secret, StaticKeys, TokenRefusal, Verifier,
    remote::{ClientAuthentication, RevocationFeed},
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    client::Call,
    counterpart::authorization_server::{AuthorizationServer, BASIC_SECRET, COOKIE},
    gateway::{Gateway, Setting},
    job::ISSUER,
    local_server::LocalServer,
};

const SECRET: &str = "a-client-secret-of-the-test";

/// A gateway that the provider tells of log-outs, and a service of the library behind it.
struct Told {
    server: AuthorizationServer,
    gateway: Gateway,
    service: LocalServer,
    verifier: Verifier,
    application: &'static str,
}

impl Told {
    /// About that application, and nothing else: the gateway would ask the provider again in an hour.
    async fn of(application: &'static str) -> Self {
        let internal = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let server = AuthorizationServer::telling(&format!("http://{internal}/backchannel-logout"));
        let service = LocalServer::recording().await;
        let mut setting = Setting::new();
        let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
        let secret = setting.secret_file("client", SECRET);
        let config = format!(
            "issuer = \"{ISSUER}\"\ninternal_listen = \"{internal}\"\n{session}recheck = \"1h\"\nmax_age = \"8h\"\n\
             [backchannel_logout]\nissuer = \"{}\"\nclient_id = \"{application}\"\n\
             [[client]]\nid = \"orders\"\nsecret_file = \"{secret}\"\naudience = \"orders\"\n\
             [[route]]\npath = \"/orders/\"\nupstream = \"{}\"\naudience = \"orders\"\n",
            server.url(""),
            service.origin()
        );
        let gateway = Gateway::start(setting, &config);
        let keys = Call::get(gateway.url("/.well-known/jwks.json")).send().await.expect(200);
        let keys = Arc::new(StaticKeys::new(KeySet::parse(&keys.body).unwrap()));
        let client = ClientAuthentication::basic("orders", Secret::new(SECRET.to_owned())).unwrap();
        let feed = RevocationFeed::builder(ISSUER, format!("http://{internal}"), client);
        let feed = feed.keys(Arc::clone(&keys)).start().unwrap();
        assert!(feed.ready(Duration::from_secs(10)).await, "{:?}", feed.counters());
        let verifier = Verifier::builder().issuer(ISSUER).audience("orders").keys(keys);
        let verifier = verifier.revocations(feed).build().unwrap();
        Self { server, gateway, service, verifier, application }
    }

    /// A user's session, and the token that the service got for it.
    async fn log_in(&mut self, user: &str) -> (String, String) {
        let session = self.server.log_in(user, self.application).await;
        self.is_served(&session).await;
        let token =
            self.service.last().header("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned();
        self.gateway.keep_secret(&token);
        assert_eq!(self.refusal(&token), None);
        (session, token)
    }

    /// At the provider, which must be told that the gateway has understood.
    async fn log_out(&self, session: &str) {
        let told = self.server.log_out(session).await;
        assert_eq!(told, json!([{ "client": self.application, "is": "believed" }]));
    }

    async fn is_served(&mut self, session: &str) {
        self.gateway.get("/orders/", COOKIE, session).await.expect(200);
    }

    async fn is_revoked(&mut self, session: &str) {
        self.gateway.get("/orders/", COOKIE, session).await.expect_refusal(401, "revoked");
    }

    fn refusal(&self, token: &str) -> Option<TokenRefusal> {
        self.verifier.verify(token).err()
    }

    /// The service learns of it by the feed.
    async fn is_refused(&self, token: &str) {
        let begin = Instant::now();
        while self.refusal(token) != Some(TokenRefusal::TokenRevoked) {
            assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", self.refusal(token));
            sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn a_log_out_at_the_provider_ends_that_session_at_the_gateway_and_its_services() {
    let mut told = Told::of("legacy-app").await;
    let (session, token) = told.log_in("ada").await;
    let (elsewhere, other) = told.log_in("ada").await;
    told.log_out(&session).await;
    told.is_revoked(&session).await;
    told.is_refused(&token).await;
    told.is_served(&elsewhere).await;
    assert_eq!(told.refusal(&other), None, "another session of the same user goes on");
    told.log_out(&elsewhere).await;
    told.is_revoked(&elsewhere).await;
    told.gateway.stop().await;
}

/// The provider tells no session of this application's log-outs, and none in its answers.
#[tokio::test]
async fn where_the_provider_names_the_user_alone_all_sessions_of_the_user_end() {
    let mut told = Told::of("bare-app").await;
    let (session, token) = told.log_in("ada").await;
    let (elsewhere, other) = told.log_in("ada").await;
    let (of_bob, bobs) = told.log_in("bob").await;
    told.log_out(&session).await;
    for session in [&session, &elsewhere] {
        told.is_revoked(session).await;
    }
    for token in [&token, &other] {
        told.is_refused(token).await;
    }
    told.is_served(&of_bob).await;
    assert_eq!(told.refusal(&bobs), None);
    told.gateway.stop().await;
}
