//! The whole way: an authorization server that others wrote, the gateway, and services that are built with our library
//! and keep rows of several organisations in SQLite.

use std::time::Duration;

use countersign_demo::audited::Services;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Call},
    counterpart::{
        authorization_server::{AuthorizationServer, BASIC_SECRET, COOKIE},
        session_application::{self, SessionApplication},
    },
    gateway::{Gateway, Setting},
    job::ISSUER,
    port::Port,
};

/// Longest wait for the services' keys.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ada is an editor of `acme`, Bob reads what `globex` has; both services have rows of both.
struct House {
    gateway: Gateway,
    services: Services,
    cookie: &'static str,
    _port: Port,
}

impl House {
    /// `session` and `claims` are those tables of the configuration.
    async fn start(setting: Setting, cookie: &'static str, session: &str, claims: &str) -> Self {
        let port = Port::reserved();
        let key_set = format!("http://{}/.well-known/jwks.json", port.address);
        let services = Services::start(ISSUER, &key_set).await.unwrap();
        let config = format!(
            r#"listen = "{}"
issuer = "{ISSUER}"
{session}
[claims]
{claims}
[[route]]
path = "/orders/"
upstream = "{}"
audience = "orders"
[[route]]
path = "/notes/"
upstream = "{}"
audience = "notes"
"#,
            port.address,
            services.orders(),
            services.notes()
        );
        let gateway = Gateway::start(setting, &config);
        assert!(services.has_keys(PATIENCE).await, "the services have no keys");
        Self { gateway, services, cookie, _port: port }
    }

    async fn get(&mut self, session: &str, path: &str) -> Answer {
        self.gateway.get(path, self.cookie, session).await
    }

    /// As a page of ours does.
    async fn write(&mut self, session: &str, method: &str, path: &str, body: &Value) -> Answer {
        self.gateway.keep_secret(session);
        let call = Call::new(method, self.gateway.url(path)).header("origin", ISSUER);
        let call = call.header("cookie", format!("{}={session}", self.cookie));
        call.header("content-type", "application/json").body(&body.to_string()).send().await
    }

    /// What the rows of a list are called.
    async fn listed(&mut self, session: &str, path: &str, name: &str) -> Vec<String> {
        let list = self.get(session, path).await.expect(200).json();
        list.as_array().unwrap().iter().map(|row| row[name].as_str().unwrap().to_owned()).collect()
    }

    /// Everything that must be so, whoever says who Ada and Bob are.
    async fn tell(&mut self, ada: &str, bob: &str) {
        self.tokens_are_for_one_service(ada).await;
        self.everybody_reads_their_own(ada, bob).await;
        self.an_editor_writes(ada, bob).await;
        self.nobody_else_gets_in(ada).await;
    }

    async fn tokens_are_for_one_service(&mut self, ada: &str) {
        let published = Call::get(self.gateway.url("/.well-known/jwks.json")).send().await.expect(200).json();
        for service in ["orders", "notes"] {
            let seen = self.get(ada, &format!("/{service}/received")).await.expect(200).json();
            let token = &seen["token"];
            assert_eq!((&token["issuer"], &token["audience"]), (&json!(ISSUER), &json!(service)), "{seen}");
            assert_eq!(token["organisation"], "acme");
            assert_eq!(token["roles"], json!(["editor", "viewer"]));
            let keys = published["keys"].as_array().unwrap();
            assert!(keys.iter().any(|key| key["kid"] == token["key"]), "{published} {seen}");
            assert!(!seen["header_names"].as_array().unwrap().contains(&json!("cookie")), "{seen}");
        }
    }

    async fn everybody_reads_their_own(&mut self, ada: &str, bob: &str) {
        let acme = ["Anvil", "Rocket skates", "Giant magnet"];
        let globex = ["Reactor coolant", "Hammock", "Lab coat"];
        assert_eq!(self.listed(ada, "/orders/", "item").await, acme);
        assert_eq!(self.listed(bob, "/orders/", "item").await, globex);
        assert_eq!(self.listed(ada, "/notes/", "title").await, ["Delivery"]);
        assert_eq!(self.listed(bob, "/notes/", "title").await, ["Delivery", "Holidays"]);

        for (session, path, foreign, absent) in [
            (ada, "/orders/1", "/orders/4", "/orders/400"),
            (bob, "/orders/4", "/orders/1", "/orders/400"),
            (ada, "/notes/1", "/notes/2", "/notes/400"),
            (bob, "/notes/2", "/notes/1", "/notes/400"),
        ] {
            self.get(session, path).await.expect(200);
            let foreign = self.get(session, foreign).await.expect(404);
            let absent = self.get(session, absent).await.expect(404);
            assert_eq!(foreign.json()["code"], "not_found");
            assert_eq!(foreign.body, absent.body, "a foreign row is told from one that is not there");
        }
    }

    async fn an_editor_writes(&mut self, ada: &str, bob: &str) {
        let order = json!({ "item": "Tunnel paint", "quantity": 9 });
        let note = json!({ "title": "Cliff", "text": "Do not look down." });
        for (path, row) in [("/orders/", &order), ("/notes/", &note)] {
            let refused = self.write(bob, "POST", path, row).await.expect(403);
            assert_eq!(refused.json()["code"], "role_missing", "{refused:?}");
            assert_eq!(refused.header("countersign-refused"), None, "it is the service that refuses");
            let created = self.write(ada, "POST", path, row).await.expect(201).json();
            let own = format!("{path}{}", created["id"]);
            assert_eq!(self.get(ada, &own).await.expect(200).json(), created);
            self.get(bob, &own).await.expect(404);
        }
        assert_eq!(self.listed(ada, "/orders/", "item").await.last().unwrap(), "Tunnel paint");
        assert_eq!(self.listed(bob, "/orders/", "item").await.len(), 3);
        assert_eq!(self.listed(ada, "/notes/", "title").await, ["Cliff", "Delivery"]);
        assert_eq!(self.listed(bob, "/notes/", "title").await, ["Delivery", "Holidays"]);

        // An editor of one organisation is nobody in the other.
        let before = self.get(bob, "/notes/2").await.expect(200).body;
        self.write(ada, "PUT", "/notes/2", &note).await.expect(404);
        self.write(ada, "DELETE", "/notes/2", &Value::Null).await.expect(404);
        self.write(ada, "DELETE", "/orders/4", &Value::Null).await.expect(404);
        assert_eq!(self.get(bob, "/notes/2").await.expect(200).body, before);
        self.get(bob, "/orders/4").await.expect(200);
    }

    async fn nobody_else_gets_in(&mut self, ada: &str) {
        for path in ["/orders/", "/orders/1", "/notes/", "/notes/1"] {
            let refused = Call::get(self.gateway.url(path)).send().await;
            let refused = refused.expect_refusal(401, "credential_missing");
            assert_eq!(refused.header("countersign-forwarded"), Some("0"));
            let service =
                if path.starts_with("/orders/") { self.services.orders() } else { self.services.notes() };
            let with_session = Call::get(format!("{service}{path}"))
                .header("cookie", format!("{}={ada}", self.cookie))
                .header("x-user", "ada");
            for call in [Call::get(format!("{service}{path}")), with_session] {
                let refused = call.send().await.expect(401);
                assert_eq!(refused.json()["code"], "token_missing", "{refused:?}");
                assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
            }
            let opaque =
                Call::get(format!("{service}{path}")).header("authorization", format!("Bearer {ada}"));
            let refused = opaque.send().await.expect(401);
            assert_eq!(refused.json()["code"], "token_malformed", "{refused:?}");
        }
    }
}

#[tokio::test]
async fn behind_an_openid_provider() {
    let server = AuthorizationServer::shared();
    let mut setting = Setting::new();
    let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    let claims = "roles = \"session.roles\"\norganisation = \"session.org.id\"";
    let mut house = House::start(setting, COOKIE, &session, claims).await;
    let (ada, bob) = (server.log_in("ada", "legacy-app").await, server.log_in("bob", "legacy-app").await);
    house.tell(&ada, &bob).await;
    house.gateway.stop().await;
}

#[tokio::test]
async fn behind_a_django_application() {
    let application = SessionApplication::shared();
    let session = format!(
        "[session]\ncookie = \"{}\"\nwhoami = \"{}\"\nno = {{ redirect_to = \"/login\" }}\n",
        session_application::COOKIE,
        application.url("/whoami")
    );
    let claims =
        "subject = \"session.user.id\"\nroles = \"session.groups\"\norganisation = \"session.company.key\"";
    let mut house = House::start(Setting::new(), session_application::COOKIE, &session, claims).await;
    let (ada, bob) = (application.log_in("ada").await, application.log_in("bob").await);
    house.tell(&ada, &bob).await;
    house.gateway.stop().await;
}
