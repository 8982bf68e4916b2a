//! Log-out tokens of the authorization server, posted to the internal listener.

use countersign::{Clock as _, KeySet, SigningKey, SystemClock, jws::Algorithm};
use serde_json::{Value, json};

use super::{CLIENTS, FORM, INTERNAL, ask, command};
use crate::{
    proxy::house::{House, claims_in},
    server::recorder::{OK, Recorder},
    sources::fake::{Act, Arrived, Fake, json as answer},
};

/// An authorization server as far as it signs log-out tokens.
pub(super) struct LogoutIssuer {
    key: SigningKey,
    keys: Fake,
}

impl LogoutIssuer {
    pub(super) async fn start() -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let set = serde_json::to_string(&KeySet::new(key.verifying_key()).unwrap()).unwrap();
        Self { key, keys: Fake::start(move |_| answer(200, &set)).await }
    }

    /// The lines of a gateway that believes it.
    pub(super) fn lines(&self) -> String {
        let keys = self.keys.url("/jwks.json");
        format!("[backchannel_logout]\nissuer = \"https://sso.example\"\nkeys = \"{keys}\"\n")
    }

    /// A token that names Alice and her session, changed.
    pub(super) fn token(&self, typ: &str, change: &dyn Fn(&mut Value)) -> String {
        let now = SystemClock.now().as_secs();
        let mut claims = json!({
            "iss": "https://sso.example", "aud": "gateway", "iat": now, "exp": now + 120, "jti": "1",
            "sub": "alice", "sid": "server-alice",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        change(&mut claims);
        self.key.sign(typ, &claims).unwrap()
    }

    /// A good one about somebody; what is not there is left out.
    pub(super) fn about(&self, jti: &str, sub: Option<&str>, sid: Option<&str>) -> String {
        self.token("logout+jwt", &|claims| {
            claims["jti"] = json!(jti);
            for (name, value) in [("sub", sub), ("sid", sid)] {
                match value {
                    Some(value) => claims[name] = json!(value),
                    None => drop(claims.as_object_mut().unwrap().remove(name)),
                }
            }
        })
    }
}

pub(super) async fn post(house: &House, token: &str) -> String {
    ask(house, "POST /backchannel-logout", FORM, &format!("logout_token={token}")).await
}

pub(super) async fn send(house: &House, cookie: &str) -> String {
    house.send("GET /orders/", &[&format!("Cookie: SESSION={cookie}")]).await
}

pub(super) fn is_revoked(answer: &str) -> bool {
    answer.contains("\r\ncountersign-refused: revoked\r\n")
}

pub(super) fn is_served(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 200 ")
}

/// Cookies are `NAME-NUMBER`; the server calls the session of all of a user's `server-NAME`, if it calls it anything.
pub(super) fn person(arrived: &Arrived, names_sessions: bool) -> Act {
    let token = arrived.form().into_iter().find(|(name, _)| name == "token").unwrap().1;
    let name = token.split('-').next().unwrap();
    let mut person = json!({ "active": true, "sub": name, "roles": ["editor"], "org": { "id": "acme" } });
    if names_sessions {
        person["sid"] = json!(format!("server-{name}"));
    }
    answer(200, &person.to_string())
}

pub(super) async fn house(issuer: &LogoutIssuer, names_sessions: bool) -> House {
    let more = format!("{}{}", CLIENTS.replace("SERVICE", "127.0.0.1:9"), issuer.lines());
    let respond = move |arrived: &Arrived| person(arrived, names_sessions);
    House::with(INTERNAL, &more, Recorder::answering(OK).await, respond).await
}

#[tokio::test]
async fn l01_a_log_out_at_the_authorization_server_ends_its_session_and_no_other_token_does() {
    let issuer = LogoutIssuer::start().await;
    let house = house(&issuer, true).await;
    let send = async |cookie: &str| send(&house, cookie).await;
    let token = |typ: &str, change: &dyn Fn(&mut Value)| issuer.token(typ, change);
    let post = async |token: &str| post(&house, token).await;
    for cookie in ["alice-1", "bob-1"] {
        assert!(send(cookie).await.starts_with("HTTP/1.1 200 "));
    }
    let bad = [
        token("JWT", &|_| {}),
        token("logout+jwt", &|claims| claims["aud"] = json!("another")),
        token("logout+jwt", &|claims| claims["nonce"] = json!("n")),
        "x.y.z".to_owned(),
        String::new(),
    ];
    for token in &bad {
        let answer = post(token).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let by_get = ask(&house, "GET /backchannel-logout?logout_token=x", "", "").await;
    assert!(by_get.starts_with("HTTP/1.1 405 "), "{by_get}");
    assert!(send("alice-1").await.starts_with("HTTP/1.1 200 "), "nothing has ended");

    let good = token("logout+jwt", &|_| {});
    let answer = post(&good).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("cache-control: no-store"), "{answer}");
    assert!(post(&good).await.starts_with("HTTP/1.1 400 "), "it was used");
    for cookie in ["alice-1", "alice-2"] {
        let answer = send(cookie).await;
        assert!(answer.contains("\r\ncountersign-refused: revoked\r\n"), "{cookie}: {answer}");
    }
    assert!(send("bob-1").await.starts_with("HTTP/1.1 200 "));

    // By the server's name alone: of one that is known here, and of one that is seen later.
    let names_of_bob = claims_in(house.received().last().unwrap());
    for (jti, sid) in [("4", "server-bob"), ("5", "server-later")] {
        let by_name = token("logout+jwt", &|claims| {
            claims["jti"] = json!(jti);
            claims["sid"] = json!(sid);
            drop(claims.as_object_mut().unwrap().remove("sub"));
        });
        assert!(post(&by_name).await.starts_with("HTTP/1.1 200 "));
    }
    let (_, known) = command(&house, json!({ "session": names_of_bob["sid"], "dry_run": true })).await;
    assert_eq!(known["was_revoked"], true, "services know it by the name in its tokens");
    for cookie in ["bob-1", "bob-2", "later-1"] {
        let answer = send(cookie).await;
        assert!(answer.contains("\r\ncountersign-refused: revoked\r\n"), "{cookie}: {answer}");
    }

    // Of a session that this gateway does not know, and of all of a user's.
    let unknown = token("logout+jwt", &|claims| {
        claims["jti"] = json!("2");
        claims["sub"] = json!("nobody");
        claims["sid"] = json!("unknown");
    });
    assert!(post(&unknown).await.starts_with("HTTP/1.1 200 "));
    let of_user = token("logout+jwt", &|claims| {
        claims["jti"] = json!("3");
        claims["sub"] = json!("dora");
        drop(claims.as_object_mut().unwrap().remove("sid"));
    });
    assert!(post(&of_user).await.starts_with("HTTP/1.1 200 "));
    assert!(send("dora-1").await.contains("\r\ncountersign-refused: revoked\r\n"));
    assert!(send("emil-1").await.starts_with("HTTP/1.1 200 "));
}

/// RFC 7662 knows no `sid`: a token that has one must end the user's sessions all the same.
#[tokio::test]
async fn where_answers_name_no_session_a_log_out_ends_those_of_the_user_and_without_a_user_is_refused() {
    let issuer = LogoutIssuer::start().await;
    let house = house(&issuer, false).await;
    for cookie in ["alice-1", "alice-2", "bob-1"] {
        assert!(is_served(&send(&house, cookie).await));
    }
    let by_name = issuer.about("1", None, Some("server-alice"));
    let refused = post(&house, &by_name).await;
    assert!(refused.starts_with("HTTP/1.1 400 "), "it would end nothing: {refused}");
    assert!(is_served(&send(&house, "alice-1").await));
    let both = issuer.about("2", Some("alice"), Some("server-alice"));
    assert!(is_served(&post(&house, &both).await));
    for cookie in ["alice-1", "alice-2", "alice-3"] {
        assert!(is_revoked(&send(&house, cookie).await), "{cookie}");
    }
    assert!(is_served(&send(&house, "bob-1").await));
}

#[tokio::test]
async fn a_gateway_that_has_seen_no_answer_yet_ends_both_the_session_and_the_sessions_of_the_user() {
    for names_sessions in [true, false] {
        let issuer = LogoutIssuer::start().await;
        let house = house(&issuer, names_sessions).await;
        let both = issuer.about("1", Some("alice"), Some("server-alice"));
        assert!(is_served(&post(&house, &both).await));
        let by_name = issuer.about("2", None, Some("server-carol"));
        assert!(is_served(&post(&house, &by_name).await));
        assert!(is_revoked(&send(&house, "alice-1").await), "names sessions: {names_sessions}");
        assert_eq!(is_revoked(&send(&house, "carol-1").await), names_sessions);
        assert!(is_served(&send(&house, "bob-1").await));
    }
}
