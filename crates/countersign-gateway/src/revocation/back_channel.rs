//! Log-out tokens of the authorization server (OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6). Pure.
//!
//! A token is believed when all of this holds; otherwise nothing is ended:
//!
//! 1. It is a compact JWS of the issuer's key set, with the algorithm of its key; `typ` is `logout+jwt`. Without `typ`
//!    it is believed only where the operator says so.
//! 2. `iss` is the configured issuer, `aud` is our client or names it among others.
//! 3. `iat` is at most ten minutes old and not ahead of our clock by more than one; `exp`, if there is one, is not past.
//! 4. `jti` is there and was not used before; `nonce` is not there.
//! 5. `events` has the member `http://schemas.openid.net/event/backchannel-logout`, an object.
//! 6. `sub`, `sid` or both are there.
//!
//! A token that is believed again says nothing new where it names the session. Without `sid` it ends what the user began
//! meanwhile. So the store remembers for all gateways which were used ([`LogoutName`]), and each remembers its own, which
//! has to do while the store is away.
//!
//! What an attacker can do if this is wrong: log others out.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign::{
    ClientId, Issuer, KeySet, UnixTime,
    jws::{MAX_BYTES, Unverified},
};
use serde_json::{Map, Value};

use crate::store::{LOGOUT_REMEMBERED, LogoutName, RememberedLogouts};

/// The event that ends sessions.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How old a token may be.
const OLDEST: Duration = Duration::from_secs(600);
/// How far the server's clock may be ahead of ours.
const LEEWAY: Duration = Duration::from_secs(60);
/// The longest name, in bytes.
const MAX_NAME: usize = 255;

/// What a log-out token must say.
#[derive(Debug, Clone)]
pub struct ExpectedLogout {
    /// `iss`.
    pub issuer: Issuer,
    /// `aud`.
    pub client: ClientId,
    /// Tokens without `typ` are believed.
    pub any_type: bool,
}

/// Whose sessions end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedOut {
    /// Which token says so.
    pub name: LogoutName,
    /// The server's name for the user.
    pub subject: Option<String>,
    /// The server's name for the session. Without it, every session of the user.
    pub session: Option<String>,
}

/// Why a log-out token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LogoutRefused {
    /// It is for another client.
    #[error("`aud` is another client")]
    Audience,
    /// It is too old, of the future, or has ended.
    #[error("`iat` or `exp` is not of this time")]
    Time,
    /// A claim is missing or of another type.
    #[error("`{0}` is missing or malformed")]
    Claim(&'static str),
    /// It tells of something else.
    #[error("`events` does not tell of a log-out")]
    Event,
    /// It is another server's.
    #[error("`iss` is another server")]
    Issuer,
    /// Not a JWS, or not signed by a key of the issuer.
    #[error("it is not signed by the issuer")]
    Signature,
    /// It has `nonce`: it is an ID token.
    #[error("it has `nonce`")]
    Nonce,
    /// It was used before.
    #[error("it was used before")]
    Replayed,
    /// It names neither a user nor a session.
    #[error("it has neither `sub` nor `sid`")]
    Nobody,
    /// It is another kind of token.
    #[error("`typ` is not `logout+jwt`")]
    Type,
}

/// The tokens that this process has believed, so that it believes none twice.
#[derive(Debug, Default)]
pub struct SeenLogouts(Mutex<RememberedLogouts>);

impl SeenLogouts {
    /// Notes a token; false if it is known already.
    fn note(&self, name: LogoutName, now: UnixTime) -> bool {
        let mut seen = self.locked();
        let is_new = !seen.knows(&name, now);
        if is_new {
            seen.note(name, LOGOUT_REMEMBERED, now);
        }
        is_new
    }

    /// To be kept while a token that was believed is obeyed.
    pub const fn using(&self, name: LogoutName) -> Using<'_> {
        Using { seen: self, name, is_used: false }
    }

    fn locked(&self) -> MutexGuard<'_, RememberedLogouts> {
        // What a panic leaves half done is a token that is forgotten too early or too late.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token that was believed. Dropped before it was used, also because whoever sent it waits no longer, it may come again.
#[derive(Debug)]
#[must_use = "a token that is dropped at once may be used again"]
pub struct Using<'a> {
    seen: &'a SeenLogouts,
    name: LogoutName,
    is_used: bool,
}

impl Using<'_> {
    /// It was used, here or elsewhere.
    pub fn is_used(mut self) {
        self.is_used = true;
    }
}

impl Drop for Using<'_> {
    fn drop(&mut self) {
        if !self.is_used {
            self.seen.locked().forget(&self.name);
        }
    }
}

/// Judges a log-out token.
///
/// # Errors
/// [`LogoutRefused`].
pub fn judge_logout(
    token: &str,
    keys: &KeySet,
    expected: &ExpectedLogout,
    seen: &SeenLogouts,
    now: UnixTime,
) -> Result<LoggedOut, LogoutRefused> {
    let unverified = Unverified::parse(token.as_bytes(), MAX_BYTES).map_err(|_| LogoutRefused::Signature)?;
    check_type(unverified.header().typ(), expected.any_type)?;
    let key = match unverified.header().key_id() {
        Some(kid) => keys.find(kid.as_str()),
        None => keys.only(),
    };
    let key = key.ok_or(LogoutRefused::Signature)?;
    let verified = unverified.verify(&**key).map_err(|_| LogoutRefused::Signature)?;
    let claims: Map<String, Value> =
        serde_json::from_slice(verified.payload()).map_err(|_| LogoutRefused::Claim("payload"))?;
    if claims.get("iss").and_then(Value::as_str) != Some(expected.issuer.as_str()) {
        return Err(LogoutRefused::Issuer);
    }
    let is_us = |aud: &Value| aud.as_str() == Some(expected.client.as_str());
    match claims.get("aud") {
        Some(Value::Array(all)) if all.iter().all(Value::is_string) && all.iter().any(is_us) => {}
        Some(aud) if is_us(aud) => {}
        _ => return Err(LogoutRefused::Audience),
    }
    check_time(&claims, now)?;
    if claims.contains_key("nonce") {
        return Err(LogoutRefused::Nonce);
    }
    let event = claims.get("events").and_then(Value::as_object).and_then(|events| events.get(EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err(LogoutRefused::Event);
    }
    let (subject, session) = (name(&claims, "sub")?, name(&claims, "sid")?);
    if subject.is_none() && session.is_none() {
        return Err(LogoutRefused::Nobody);
    }
    let id = name(&claims, "jti")?.ok_or(LogoutRefused::Claim("jti"))?;
    let name = LogoutName::new(&expected.issuer, &id);
    if seen.note(name, now) { Ok(LoggedOut { name, subject, session }) } else { Err(LogoutRefused::Replayed) }
}

fn check_type(typ: Option<&str>, any_type: bool) -> Result<(), LogoutRefused> {
    let is_logout = |typ: &str| {
        let typ = typ.to_ascii_lowercase();
        typ.strip_prefix("application/").unwrap_or(&typ) == "logout+jwt"
    };
    match typ {
        Some(typ) if is_logout(typ) => Ok(()),
        None if any_type => Ok(()),
        _ => Err(LogoutRefused::Type),
    }
}

fn check_time(claims: &Map<String, Value>, now: UnixTime) -> Result<(), LogoutRefused> {
    let iat = claims.get("iat").and_then(Value::as_u64).ok_or(LogoutRefused::Claim("iat"))?;
    let iat = UnixTime::from_secs(iat);
    let too_old = now.saturating_since(iat) > OLDEST.saturating_add(LEEWAY);
    if too_old || iat > now.saturating_add(LEEWAY) {
        return Err(LogoutRefused::Time);
    }
    match claims.get("exp") {
        None => Ok(()),
        Some(exp) => {
            let exp = exp.as_u64().map(UnixTime::from_secs).ok_or(LogoutRefused::Claim("exp"))?;
            if exp.saturating_add(LEEWAY) > now { Ok(()) } else { Err(LogoutRefused::Time) }
        }
    }
}

/// A name, if there is one: a text that is not empty.
fn name(claims: &Map<String, Value>, member: &'static str) -> Result<Option<String>, LogoutRefused> {
    match claims.get(member) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && text.len() <= MAX_NAME => Ok(Some(text.clone())),
        Some(_) => Err(LogoutRefused::Claim(member)),
    }
}

#[cfg(test)]
mod tests {
    use countersign::{KeySet, SigningKey, UnixTime, jws::Algorithm};
    use serde_json::{Value, json};

    use super::{EVENT, ExpectedLogout, LoggedOut, LogoutRefused, SeenLogouts, judge_logout};
    use crate::store::{LogoutName, MAX_USED_LOGOUTS};

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    struct Server {
        key: SigningKey,
        keys: KeySet,
        seen: SeenLogouts,
        expected: ExpectedLogout,
    }

    fn server() -> Server {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let keys = KeySet::new(key.verifying_key()).unwrap();
        let expected = ExpectedLogout {
            issuer: "https://sso.example".into(),
            client: "gateway".into(),
            any_type: false,
        };
        Server { key, keys, seen: SeenLogouts::default(), expected }
    }

    fn claims() -> Value {
        json!({
            "iss": "https://sso.example", "aud": "gateway", "iat": 1_800_000_000, "exp": 1_800_000_120,
            "jti": "1", "sub": "alice", "sid": "s1", "events": { EVENT: {} },
        })
    }

    impl Server {
        fn judge(&self, token: &str) -> Result<LoggedOut, LogoutRefused> {
            judge_logout(token, &self.keys, &self.expected, &self.seen, NOW)
        }

        fn judge_with(&self, change: impl FnOnce(&mut Value)) -> Result<LoggedOut, LogoutRefused> {
            let mut claims = claims();
            change(&mut claims);
            self.judge(&self.key.sign("logout+jwt", &claims).unwrap())
        }
    }

    #[test]
    fn l01_a_token_that_is_not_one_ends_nothing() {
        use LogoutRefused::{Audience, Claim, Event, Issuer, Nobody, Nonce, Time};
        let server = server();
        type Change = fn(&mut Value);
        let drop_member = |claims: &mut Value, name: &str| drop(claims.as_object_mut().unwrap().remove(name));
        let rows: [(&str, Change, LogoutRefused); 22] = [
            ("wrong aud", |c| c["aud"] = json!("other"), Audience),
            ("others' aud", |c| c["aud"] = json!(["other", "third"]), Audience),
            ("aud of numbers", |c| c["aud"] = json!(["gateway", 1]), Audience),
            ("wrong iss", |c| c["iss"] = json!("https://other.example"), Issuer),
            ("iss with a slash", |c| c["iss"] = json!("https://sso.example/"), Issuer),
            ("no event", |c| c["events"] = json!({}), Event),
            ("wrong event", |c| c["events"] = json!({ "http://schemas.openid.net/event/other": {} }), Event),
            ("event is no object", |c| c["events"][EVENT] = json!(true), Event),
            ("events is a text", |c| c["events"] = json!(EVENT), Event),
            ("with nonce", |c| c["nonce"] = json!("n"), Nonce),
            ("with a null nonce", |c| c["nonce"] = Value::Null, Nonce),
            ("old iat", |c| c["iat"] = json!(1_800_000_000 - 661), Time),
            ("a day old", |c| c["iat"] = json!(1_800_000_000 - 86_401), Time),
            ("iat ahead", |c| c["iat"] = json!(1_800_000_061), Time),
            ("iat is a text", |c| c["iat"] = json!("1800000000"), Claim("iat")),
            ("past exp", |c| c["exp"] = json!(1_800_000_000 - 60), Time),
            ("exp is a text", |c| c["exp"] = json!("x"), Claim("exp")),
            ("empty sub", |c| c["sub"] = json!(""), Claim("sub")),
            ("sid is a number", |c| c["sid"] = json!(1), Claim("sid")),
            ("empty jti", |c| c["jti"] = json!(""), Claim("jti")),
            ("jti is a number", |c| c["jti"] = json!(1), Claim("jti")),
            ("sub is null", |c| c["sub"] = Value::Null, Claim("sub")),
        ];
        for (name, change, refused) in rows {
            assert_eq!(server.judge_with(change), Err(refused), "{name}");
        }
        for (absent, refused) in [
            ("iss", Issuer),
            ("aud", Audience),
            ("iat", Claim("iat")),
            ("jti", Claim("jti")),
            ("events", Event),
        ] {
            assert_eq!(server.judge_with(|c| drop_member(c, absent)), Err(refused), "no {absent}");
        }
        let nobody = server.judge_with(|c| {
            drop_member(c, "sub");
            drop_member(c, "sid");
        });
        assert_eq!(nobody, Err(Nobody));
        assert!(server.judge_with(|_| {}).is_ok(), "none of them was taken for a use of its `jti`");
    }

    #[test]
    fn l01_another_signature_algorithm_or_type_ends_nothing() {
        let server = server();
        let good = server.key.sign("logout+jwt", &claims()).unwrap();
        let parts: Vec<&str> = good.split('.').collect();
        let none = "eyJhbGciOiJub25lIiwidHlwIjoibG9nb3V0K2p3dCJ9";
        for forged in [
            format!("{none}.{}.", parts[1]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}.{}", parts[0], parts[1], "A".repeat(86)),
            "x".to_owned(),
            String::new(),
        ] {
            assert_eq!(server.judge(&forged), Err(LogoutRefused::Signature), "{forged}");
        }
        for (name, other) in [("key", Algorithm::Es256), ("algorithm", Algorithm::EdDsa)] {
            let other = SigningKey::generate(other).unwrap();
            let token = other.sign("logout+jwt", &claims()).unwrap();
            assert_eq!(server.judge(&token), Err(LogoutRefused::Signature), "{name}");
            let unnamed = other.sign_without_key_id("logout+jwt", &claims()).unwrap();
            assert_eq!(server.judge(&unnamed), Err(LogoutRefused::Signature), "{name}, unnamed");
        }
        for typ in ["JWT", "at+jwt", "secevent+jwt", "id+jwt", "logout", ""] {
            let token = server.key.sign(typ, &claims()).unwrap();
            assert_eq!(server.judge(&token), Err(LogoutRefused::Type), "{typ}");
        }
        assert!(server.judge(&good).is_ok());
    }

    fn named(id: &str) -> LogoutName {
        LogoutName::new(&"https://sso.example".into(), id)
    }

    #[test]
    fn a_token_is_believed_once_and_names_user_session_or_both() {
        let server = server();
        let both =
            LoggedOut { name: named("1"), subject: Some("alice".to_owned()), session: Some("s1".to_owned()) };
        assert_eq!(server.judge_with(|_| {}), Ok(both.clone()));
        assert_eq!(server.judge_with(|_| {}), Err(LogoutRefused::Replayed));
        drop(server.seen.using(named("1")));
        assert_eq!(server.judge_with(|_| {}), Ok(both.clone()), "it could not be obeyed the first time");
        server.seen.using(named("1")).is_used();
        assert_eq!(server.judge_with(|_| {}), Err(LogoutRefused::Replayed));
        let among_others = server.judge_with(|c| {
            c["jti"] = json!("2");
            c["aud"] = json!(["other", "gateway"]);
        });
        assert_eq!(among_others, Ok(LoggedOut { name: named("2"), ..both }));
        let user = server.judge_with(|c| {
            c["jti"] = json!("3");
            drop(c.as_object_mut().unwrap().remove("sid"));
        });
        assert_eq!(
            user,
            Ok(LoggedOut { name: named("3"), subject: Some("alice".to_owned()), session: None })
        );
    }

    #[test]
    fn a_name_is_that_of_one_token_of_one_issuer_and_tells_nothing() {
        let name = |issuer: &str, id: &str| LogoutName::new(&issuer.into(), id);
        assert_eq!(name("https://a.example", "1"), name("https://a.example", "1"));
        let others = [("https://a.example", "2"), ("https://b.example", "1"), ("https://a.example1", "")];
        for (issuer, id) in others {
            assert_ne!(name("https://a.example", "1"), name(issuer, id), "{issuer} {id}");
        }
        assert_eq!(format!("{:?}", named("planted")), "LogoutName");
    }

    #[test]
    fn l02_however_many_tokens_come_each_is_believed_once_and_the_memory_is_bounded() {
        let seen = SeenLogouts::default();
        let at = |n: usize| UnixTime::from_secs(NOW.as_secs() + n as u64 / 1000);
        let note = |n: usize, now| seen.note(named(&n.to_string()), now);
        for n in 0..MAX_USED_LOGOUTS {
            assert!(note(n, at(n)));
        }
        assert!(!note(0, at(MAX_USED_LOGOUTS)), "the oldest is remembered as long as there is room");
        for n in MAX_USED_LOGOUTS..MAX_USED_LOGOUTS + 1000 {
            assert!(note(n, at(n)), "none is refused for want of room");
        }
        let last = at(MAX_USED_LOGOUTS + 1000);
        assert!(!note(MAX_USED_LOGOUTS, last) && !note(1000, last));
        assert_eq!(seen.locked().len(), (MAX_USED_LOGOUTS, MAX_USED_LOGOUTS));
        assert!(note(0, last), "the oldest made room");
        // All are too old to be believed by then.
        let later = UnixTime::from_secs(last.as_secs() + 721);
        assert!(note(1_000_000, later));
        assert_eq!(seen.locked().len(), (1, 1));
    }
}
