//! `countersign audit` measures a log-out at a real gateway and at services that follow its feed of revocations.

use std::{
    process::Command,
    sync::{Arc, OnceLock},
    time::Duration,
};

use countersign::{
    KeySet, Secret, StaticKeys, Verifier,
    remote::{ClientAuthentication, RevocationFeed},
};
use serde_json::{Value, json};

use crate::{
    client::Call,
    gateway::{Gateway, Setting},
    job::ISSUER,
    local_server::{LocalServer, Reply},
    port::Port,
};

const SESSION: &str = "session-of-the-test-user-0001";
const SECRET: &str = "planted-client-secret-of-services";

/// A service whose verifier is given to it later: it needs the keys of a gateway that needs its address.
struct Service {
    server: LocalServer,
    verifier: Arc<OnceLock<Verifier>>,
}

impl Service {
    async fn start() -> Self {
        let verifier: Arc<OnceLock<Verifier>> = Arc::default();
        let own = Arc::clone(&verifier);
        let server = LocalServer::start(move |seen| {
            let token = seen.header("authorization").and_then(|field| field.strip_prefix("Bearer "));
            let accepted =
                token.zip(own.get()).is_some_and(|(token, verifier)| verifier.verify(token).is_ok());
            let mut reply = Reply::json(&json!({ "accepted": accepted }));
            if !accepted {
                reply.status = 401;
                reply.headers.push(("www-authenticate".to_owned(), "Bearer".to_owned()));
            }
            reply
        })
        .await;
        Self { server, verifier }
    }

    /// Trusts the gateway, and follows its feed if there is one.
    fn trust(&self, audience: &str, keys: &Arc<StaticKeys>, feed: Option<&RevocationFeed>) {
        let builder = Verifier::builder().issuer(ISSUER).audience(audience).keys(Arc::clone(keys));
        let verifier = match feed {
            Some(feed) => builder.revocations(feed.clone()).build(),
            None => builder.build(),
        };
        self.verifier.set(verifier.unwrap()).unwrap();
    }
}

fn config(introspect: &str, internal: &str, secret: &str, orders: &str, notes: &str) -> String {
    format!(
        r#"
issuer = "{ISSUER}"
internal_listen = "{internal}"
[session]
cookie = "SESSION"
introspect = "{introspect}"
client_id = "gateway"
client_secret_file = "{secret}"
[claims]
organisation = "session.org.id"
[browser]
login_url = "/login?next={{return}}"
mode = "bearer"
audiences = ["orders", "notes"]
[[client]]
id = "orders"
secret_file = "{secret}"
audience = "orders"
[[client]]
id = "notes"
secret_file = "{secret}"
audience = "notes"
[[route]]
path = "/orders/"
upstream = "{orders}"
audience = "orders"
[[route]]
path = "/notes/"
upstream = "{notes}"
audience = "notes"
"#
    )
}

#[tokio::test]
async fn each_service_is_told_with_its_own_time_and_the_one_without_a_feed_is_found() {
    let server = LocalServer::start(|asked| {
        let is_alive = String::from_utf8_lossy(&asked.body).contains(SESSION);
        Reply::json(&json!({ "active": is_alive, "sub": "user-1", "org": { "id": "acme" } }))
    })
    .await;
    let (orders, notes, deaf) = (Service::start().await, Service::start().await, Service::start().await);
    let port = Port::reserved();
    let internal = port.address.to_string();
    let mut setting = Setting::new();
    let secret = setting.secret_file("secret", SECRET);
    let config = config(
        &format!("{}/introspect", server.origin()),
        &internal,
        &secret,
        &orders.server.origin(),
        &notes.server.origin(),
    );
    let mut gateway = Gateway::start(setting, &config);
    gateway.keep_secret(SESSION);

    let keys = Call::get(gateway.url("/.well-known/jwks.json")).send().await.expect(200);
    let keys = Arc::new(StaticKeys::new(KeySet::parse(&keys.body).unwrap()));
    for (service, name) in [(&orders, "orders"), (&notes, "notes")] {
        let client = ClientAuthentication::basic(name, Secret::new(SECRET.to_owned())).unwrap();
        let feed = RevocationFeed::builder(ISSUER, format!("http://{internal}"), client);
        let feed = feed.keys(Arc::clone(&keys)).start().unwrap();
        assert!(feed.ready(Duration::from_secs(60)).await, "{:?}", feed.counters());
        service.trust(name, &keys, Some(&feed));
    }
    deaf.trust("orders", &keys, None);

    let report = audit(&gateway, &orders, &notes, &deaf).await;
    let entries = report["log_out"].as_array().unwrap();
    let names: Vec<&str> = entries.iter().map(|entry| entry["service"].as_str().unwrap()).collect();
    assert_eq!(names, ["GET /orders/", "deaf", "notes", "orders"], "{}", report["notes"]);
    for entry in entries {
        let took = entry["milliseconds"].as_u64();
        assert_eq!(took.is_none(), entry["service"] == "deaf", "{entry}");
        assert!(took.is_none_or(|took| took <= 10_000), "{entry}");
    }
    let findings: Vec<String> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| format!("{} {}", finding["id"].as_str().unwrap(), finding["path"].as_str().unwrap()))
        .collect();
    assert_eq!(findings, ["logout-not-effective deaf:/"]);
    let kept = report.to_string();
    assert!(!kept.contains(SESSION), "the report keeps the cookie");
    // The gateway itself knows the session no more.
    let after = gateway.get("/orders/", "SESSION", SESSION).await;
    after.expect_refusal(401, "revoked");
    gateway.stop().await;
}

/// The report of an audit as the test user, with the gateway's control socket.
async fn audit(gateway: &Gateway, orders: &Service, notes: &Service, deaf: &Service) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let settings = format!(
        "[token]\nsupply = \"gateway\"\n[organisations.a]\nid = \"acme\"\n\
         [gateway]\norigin = \"{ISSUER}\"\n[gateway.users.ann]\norganisation = \"a\"\ncookie_file = \"ann.cookie\"\n\
         [logout]\nwithin = 10.0\ngive_up = 10.0\n[logout.services]\n\
         orders = {{ url = \"{}/\" }}\nnotes = {{ url = \"{}/\" }}\ndeaf = {{ url = \"{}/\", audience = \"orders\" }}\n",
        orders.server.origin(),
        notes.server.origin(),
        deaf.server.origin()
    );
    std::fs::write(place("audit.toml"), settings).unwrap();
    std::fs::write(place("ann.cookie"), SESSION).unwrap();
    std::fs::write(place("routes.txt"), "GET /orders/\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["audit", "--target", &gateway.url(""), "--routes"]).arg(place("routes.txt"));
    command.arg("--config").arg(place("audit.toml")).arg("--json").arg(place("report.json"));
    command.arg("--control-socket").arg(gateway.control_socket());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = std::fs::read(place("report.json")).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("never within 10 s  deaf"), "{told}");
    serde_json::from_slice(&text).unwrap()
}
