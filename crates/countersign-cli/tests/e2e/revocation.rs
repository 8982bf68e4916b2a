//! The revocation feed as another language follows it, and a gateway that cannot write what it is told to revoke.

use std::{
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    KeySet, Secret, StaticKeys, TokenRefusal, Verifier,
    remote::{ClientAuthentication, RevocationFeed},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    client::Call,
    counterpart::{bare_python, node},
    gateway::{Gateway, Setting},
    job::ISSUER,
    local_server::{LocalServer, Reply},
    port::Port,
    process::Process,
};

const SECRET: &str = "a-client-secret+of/the test";
/// So long a busy machine may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service in Node.js, and one with the library, behind a gateway whose server says what the test says.
struct Followed {
    gateway: Gateway,
    service: LocalServer,
    /// What the server answers about the session of that name.
    answers: Arc<Mutex<Vec<(&'static str, Value)>>>,
    library: Verifier,
    feed: RevocationFeed,
    follower: Process,
    _server: LocalServer,
    _port: Port,
}

fn person(name: &str, roles: &[&str]) -> Value {
    json!({ "active": true, "sub": name, "roles": roles, "org": { "id": "acme" } })
}

const SESSIONS: [&str; 4] = [
    "a-cookie-that-is-of-ada",
    "a-cookie-that-is-of-ben",
    "a-cookie-that-is-of-cyd",
    "a-cookie-that-is-of-dan",
];

impl Followed {
    async fn start() -> Self {
        let names = ["ada", "ben", "cyd", "dan"];
        let answers = SESSIONS.into_iter().zip(names.map(|name| person(name, &["editor", "reader"])));
        let answers = Arc::new(Mutex::new(answers.collect::<Vec<_>>()));
        let server = LocalServer::start({
            let answers = Arc::clone(&answers);
            move |seen| {
                let form = String::from_utf8_lossy(&seen.body);
                let answers = answers.lock().unwrap();
                let found = answers.iter().find(|(session, _)| form.contains(session));
                Reply::json(&found.map_or_else(|| json!({ "active": false }), |(_, answer)| answer.clone()))
            }
        })
        .await;
        let service = LocalServer::recording().await;
        let port = Port::reserved();
        let internal = port.address.to_string();
        let mut setting = Setting::new();
        let secret = setting.secret_file("secret", SECRET);
        let config = format!(
            "issuer = \"{ISSUER}\"\ninternal_listen = \"{internal}\"\n[session]\ncookie = \"SESSION\"\n\
             introspect = \"{}/introspect\"\nclient_id = \"gateway\"\nclient_secret_file = \"{secret}\"\nrecheck = \"1s\"\n\
             [claims]\norganisation = \"session.org.id\"\n\
             [browser]\nlogin_url = \"https://sso.example/login?return={{return}}\"\n\
             [[client]]\nid = \"orders\"\nsecret_file = \"{secret}\"\naudience = \"orders\"\n\
             [[route]]\npath = \"/orders/\"\nupstream = \"{}\"\naudience = \"orders\"\n",
            server.origin(),
            service.origin()
        );
        let mut gateway = Gateway::start(setting, &config);
        SESSIONS.iter().for_each(|session| gateway.keep_secret(session));
        let key_set = gateway.url("/.well-known/jwks.json");
        let keys = Call::get(&key_set).send().await.expect(200);
        let keys = Arc::new(StaticKeys::new(KeySet::parse(&keys.body).unwrap()));
        let client = ClientAuthentication::basic("orders", Secret::new(SECRET.to_owned())).unwrap();
        let internal = format!("http://{internal}");
        let feed = RevocationFeed::builder(ISSUER, internal.clone(), client);
        let feed = feed.keys(Arc::clone(&keys)).start().unwrap();
        let library = Verifier::builder().issuer(ISSUER).audience("orders").keys(keys);
        let library = library.revocations(feed.clone()).build().unwrap();
        assert!(feed.ready(PATIENCE).await, "{:?}", feed.counters());
        let mut command = node("revocation_follower.mjs");
        command.args([ISSUER, &internal, &key_set, "orders", SECRET]);
        let follower = Process::start(command);
        Self { gateway, service, answers, library, feed, follower, _server: server, _port: port }
    }

    /// What the service is sent for a session.
    async fn token(&mut self, session: usize) -> String {
        self.gateway.get("/orders/", "SESSION", SESSIONS[session]).await.expect(200);
        let seen = self.service.last();
        let token = seen.header("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned();
        self.gateway.keep_secret(&token);
        token
    }

    fn says(&self, session: usize, answer: Value) {
        self.answers.lock().unwrap()[session].1 = answer;
    }

    /// What the library and what the follower say of a token.
    fn refused(&mut self, token: &str) -> [bool; 2] {
        let library = match self.library.verify(token).err() {
            None => false,
            Some(TokenRefusal::TokenRevoked) => true,
            Some(other) => panic!("{other:?}"),
        };
        let theirs = self.follower.ask(&json!({ "token": token }));
        [library, theirs["refused"].as_bool().unwrap()]
    }

    /// Waits until both say so of each token; where one of them never does, that is told.
    async fn agree(&mut self, what: &str, tokens: &[&String], expected: &[bool]) {
        let begin = Instant::now();
        loop {
            let said: Vec<_> = tokens.iter().map(|token| self.refused(token)).collect();
            if said.iter().zip(expected).all(|(said, expected)| *said == [*expected; 2]) {
                return;
            }
            let log = self.follower.output();
            assert!(begin.elapsed() < PATIENCE, "{what}: {said:?}, not {expected:?}\n{log}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Requests until a recheck has found what the server says now.
    async fn until_the_recheck(&mut self, session: usize, is_found: impl Fn(u16, &str) -> bool) {
        let begin = Instant::now();
        loop {
            let answer = self.gateway.get("/orders/", "SESSION", SESSIONS[session]).await;
            let token = self.service.last().header("authorization").unwrap_or_default().to_owned();
            if is_found(answer.status.as_u16(), &token) {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "there is no recheck");
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn state_dir(&self) -> PathBuf {
        self.gateway.control_socket().parent().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.arg("revoke").args(arguments).arg("--state-dir").arg(self.state_dir());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[tokio::test]
async fn a_follower_that_was_written_from_the_page_alone_knows_what_the_library_knows() {
    let mut followed = Followed::start().await;
    let mut tokens = Vec::new();
    for session in 0..SESSIONS.len() {
        tokens.push(followed.token(session).await);
    }
    let all: Vec<_> = tokens.iter().collect();
    followed.agree("nothing is revoked", &all, &[false; 4]).await;

    // What is issued in the second of a change is revoked by name; the others are to go by the session's name.
    sleep(Duration::from_millis(1100)).await;
    let page = Call::new("POST", followed.gateway.url("/.countersign/logout"))
        .header("cookie", format!("SESSION={}", SESSIONS[0]))
        .header("host", "shop.example")
        .header("sec-fetch-site", "same-origin")
        .header("countersign", "1");
    page.send().await.expect(200);
    followed.agree("ada logs out", &all, &[true, false, false, false]).await;

    followed.says(1, person("ben", &["reader"]));
    let old = tokens[1].clone();
    followed.until_the_recheck(1, |_, token| !token.ends_with(&old)).await;
    followed.agree("ben loses a role", &all, &[true, true, false, false]).await;
    sleep(Duration::from_millis(1100)).await;
    let next = followed.token(1).await;
    followed.agree("ben goes on with another token", &[&tokens[1], &next], &[true, false]).await;

    followed.says(2, json!({ "active": false }));
    followed.until_the_recheck(2, |status, _| status == 401).await;
    followed.agree("the server says no about cyd", &all, &[true, true, true, false]).await;

    assert_eq!(followed.command(&["--subject", "dan"]).0, Some(0));
    followed.agree("an operator ends dan's sessions", &all, &[true; 4]).await;
    assert_eq!(followed.command(&["--subject", "dan", "--lift"]).0, Some(0));
    followed.agree("that is lifted", &all, &[true, true, true, false]).await;
    let said = followed.follower.ask(&json!({ "token": tokens[3] }));
    assert_eq!(said["blind"], false, "it hears the heartbeats");
    for target in ["--organisation", "--all"] {
        let arguments = if target == "--all" { vec![target] } else { vec![target, "acme"] };
        assert_eq!(followed.command(&[&arguments[..], &["--yes"]].concat()).0, Some(0));
        followed.agree(target, &[&tokens[3], &next], &[true; 2]).await;
        assert_eq!(followed.command(&[&arguments[..], &["--lift"]].concat()).0, Some(0));
        followed.agree(target, &[&tokens[3], &next], &[false; 2]).await;
    }

    // By name; and what a session gets instead is good.
    let jti = claims_of(&tokens[3])["jti"].as_str().unwrap().to_owned();
    assert_eq!(followed.command(&["--token", &jti]).0, Some(0));
    followed.agree("an operator ends one token", &[&tokens[3]], &[true]).await;
    let instead = followed.token(3).await;
    followed.agree("the session gets another", &[&instead], &[false]).await;
    assert!(followed.feed.ready(PATIENCE).await);
    followed.gateway.stop().await;
}

fn claims_of(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[tokio::test]
async fn a_command_to_revoke_that_cannot_be_written_fails_and_says_that_it_holds() {
    let mut followed = Followed::start().await;
    let token = followed.token(0).await;
    let database = followed.state_dir().join("countersign.db");
    let sql = |statement: &str| {
        let status = bare_python("run_sql.py").arg(&database).arg(statement).status().unwrap();
        assert!(status.success(), "{statement}");
    };
    sql("CREATE TRIGGER full_disk BEFORE INSERT ON revocation BEGIN SELECT RAISE(FAIL, 'full'); END");
    let sid = claims_of(&token)["sid"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        let (code, complaint) = followed.command(&["--session", &sid]);
        assert_eq!(code, Some(1), "{complaint}");
        assert!(complaint.contains("it holds at this gateway, and is tried again"), "{complaint}");
    }
    let answer = followed.gateway.get("/orders/", "SESSION", SESSIONS[0]).await;
    answer.expect_refusal(401, "revoked");
    sql("DROP TRIGGER full_disk");
    let (code, complaint) = followed.command(&["--session", &sid]);
    assert_eq!(code, Some(0), "{complaint}");
    followed.agree("it is written", &[&token], &[true]).await;
    followed.gateway.stop().await;
}
