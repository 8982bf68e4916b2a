//! The authorization server: knows the sessions, changes them, and fails in every way.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign::UnixTime;
use http::HeaderValue;
use serde_json::json;
use tokio::{select, sync::watch, time::Instant, time::sleep};

use super::{mutation::Mutation, random::Random};
use crate::{
    credential::OwnedCredential,
    error::SourceError,
    session::source::{Answer, Asking, Source, Verdict, new_cookie},
};

/// What a user may do, by power: so many of them, from the first on.
pub(super) const ROLES: [&str; 2] = ["editor", "admin"];
/// A cookie that was replaced is good for so long, for the requests that are under way.
pub(super) const GRACE: Duration = Duration::from_secs(60);

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Down,
    Hangs,
    Nonsense,
    Up,
}

/// One session, as the server knows it.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Its first cookie.
    pub(super) name: String,
    pub(super) user: String,
    pub(super) organisation: String,
    pub(super) began: UnixTime,
    pub(super) ends: UnixTime,
    pub(super) alive: bool,
    /// How many of [`ROLES`] its user has, since when; the last is the present.
    pub(super) powers: Vec<(Instant, usize)>,
}

impl Session {
    pub(super) fn power(&self) -> usize {
        self.powers.last().unwrap().1
    }

    /// The most its user could do at any time from then on.
    pub(super) fn most_power(&self, since: Instant) -> usize {
        let ends = self.powers.iter().skip(1).map(|(at, _)| *at).chain([Instant::now()]);
        let during = self.powers.iter().zip(ends).filter(|(_, ends)| *ends >= since);
        during.map(|((_, power), _)| *power).max().unwrap()
    }
}

/// A cookie that a browser was given.
#[derive(Debug)]
struct Cookie {
    session: String,
    /// By which other, and when.
    replaced: Option<(String, Instant)>,
}

#[derive(Debug)]
pub(super) struct Server {
    sessions: Mutex<BTreeMap<String, Session>>,
    cookies: Mutex<BTreeMap<String, Cookie>>,
    /// Whether it replaces cookies while it is asked.
    rotates: bool,
    /// Whether it says its names of sessions, and tells of log-outs by them.
    pub(super) names_sessions: bool,
    pub(super) health: Mutex<Health>,
    /// Look-ups under way, by the process that asks and cookie.
    asking: Mutex<BTreeMap<(u64, String), usize>>,
    /// Look-ups there were.
    pub(super) asked: Mutex<u64>,
    /// A gateway asked twice at once.
    pub(super) asked_twice: Mutex<Option<String>>,
    random: Arc<Random>,
}

impl Server {
    pub(super) fn new(random: Arc<Random>) -> Arc<Self> {
        Arc::new(Self {
            sessions: Mutex::default(),
            cookies: Mutex::default(),
            rotates: random.seed() % 3 == 2,
            names_sessions: random.seed() % 5 == 1,
            health: Mutex::new(Health::Up),
            asking: Mutex::default(),
            asked: Mutex::default(),
            asked_twice: Mutex::default(),
            random,
        })
    }

    pub(super) fn log_in(&self, session: Session) {
        let cookie = Cookie { session: session.name.clone(), replaced: None };
        self.cookies.lock().unwrap().insert(session.name.clone(), cookie);
        self.sessions.lock().unwrap().insert(session.name.clone(), session);
    }

    /// The session of a cookie, past or present; none of a visitor's who has never logged in.
    pub(super) fn session(&self, cookie: &str) -> Option<Session> {
        let cookies = self.cookies.lock().unwrap();
        let name = &cookies.get(cookie)?.session;
        self.sessions.lock().unwrap().get(name).cloned()
    }

    /// Changes the session of a cookie.
    pub(super) fn change(&self, cookie: &str, change: impl FnOnce(&mut Session)) {
        let name = self.session(cookie).unwrap().name;
        change(self.sessions.lock().unwrap().get_mut(&name).unwrap());
    }

    /// Ends the sessions that are to end; their names.
    pub(super) fn end(&self, is_meant: impl Fn(&Session) -> bool) -> Vec<String> {
        let mut sessions = self.sessions.lock().unwrap();
        let meant = sessions.values_mut().filter(|session| is_meant(session));
        let ended = meant.map(|session| {
            session.alive = false;
            session.name.clone()
        });
        ended.collect()
    }

    /// Whether there is another in the place of this cookie.
    pub(super) fn has_replaced(&self, cookie: &str) -> bool {
        self.cookies.lock().unwrap().get(cookie).is_some_and(|cookie| cookie.replaced.is_some())
    }

    /// Whether the cookie stands for its session at this moment.
    pub(super) fn accepts(&self, cookie: &str) -> bool {
        let cookies = self.cookies.lock().unwrap();
        let known = cookies.get(cookie);
        known.is_some_and(|one| one.replaced.as_ref().is_none_or(|(_, at)| at.elapsed() < GRACE))
    }

    /// The cookie that is to take the place of this one, if one is.
    fn successor(&self, cookie: &str) -> Option<String> {
        let mut cookies = self.cookies.lock().unwrap();
        let known = cookies.get_mut(cookie)?;
        if known.replaced.is_none() && self.rotates && self.random.once_in(6) {
            let session = known.session.clone();
            let next = format!("{cookie}+");
            known.replaced = Some((next.clone(), Instant::now()));
            cookies.insert(next, Cookie { session, replaced: None });
        }
        cookies.get(cookie)?.replaced.as_ref().map(|(by, _)| by.clone())
    }

    fn verdict(&self, cookie: &str, now: UnixTime) -> Result<Verdict, SourceError> {
        let session = self.session(cookie).filter(|session| session.alive && self.accepts(cookie));
        let Some(session) = session else { return Ok(Verdict::No(None)) };
        let mut answer = json!({
            "sub": session.user,
            "organisation": session.organisation,
            "roles": ROLES[..session.power()],
            "auth_time": session.began.as_secs(),
        });
        if self.names_sessions {
            answer["sid"] = session.name.into();
        }
        let serde_json::Value::Object(answer) = answer else { panic!("an object was written") };
        let ends = Some(session.ends);
        let next = self.successor(cookie);
        let field = next.map(|next| HeaderValue::from_str(&format!("S={next}; Path=/")).unwrap());
        let new_cookie = field.and_then(|field| new_cookie(&[field], "S", now));
        Ok(Verdict::Live(Box::new(Answer { session: answer, userinfo: None, ends, new_cookie })))
    }
}

/// The way of one process of a gateway to the server.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) server: Arc<Server>,
    pub(super) gateway: usize,
    /// Which process: a gateway that is started again is another.
    pub(super) process: u64,
    pub(super) cut: Arc<AtomicBool>,
    /// Turns true when the process is no more: nothing that it asked for arrives.
    pub(super) dead: watch::Receiver<bool>,
    pub(super) mutation: Option<Mutation>,
}

/// A look-up under way; counted until it ends, however it ends.
struct UnderWay<'a>(&'a Link, String);

impl<'a> UnderWay<'a> {
    fn begin(link: &'a Link, cookie: &str) -> Self {
        *link.server.asked.lock().unwrap() += 1;
        let mut asking = link.server.asking.lock().unwrap();
        let count = asking.entry((link.process, cookie.to_owned())).or_default();
        *count += 1;
        if *count > 1 {
            let twice = format!("gateway {} asks twice at once about {cookie}", link.gateway);
            *link.server.asked_twice.lock().unwrap() = Some(twice);
        }
        Self(link, cookie.to_owned())
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut asking = self.0.server.asking.lock().unwrap();
        *asking.get_mut(&(self.0.process, self.1.clone())).unwrap() -= 1;
    }
}

impl Link {
    async fn answer(&self, cookie: &str, now: UnixTime) -> Result<Verdict, SourceError> {
        let refused = || Err(SourceError::Unavailable("refused".to_owned()));
        let health = *self.server.health.lock().unwrap();
        let takes = self.server.random.millis(1..400);
        if self.cut.load(Ordering::SeqCst) {
            return refused();
        }
        match health {
            Health::Down => refused(),
            Health::Hangs => std::future::pending().await,
            Health::Nonsense => {
                sleep(takes).await;
                Err(SourceError::Nonsense("not JSON".to_owned()))
            }
            Health::Up => {
                sleep(takes).await;
                self.server.verdict(cookie, now)
            }
        }
    }

    /// As it is understood: wrongly, if that is what is to be noticed.
    fn understood(&self, verdict: Result<Verdict, SourceError>) -> Result<Verdict, SourceError> {
        match (self.mutation, verdict) {
            (Some(Mutation::TakesOutagesForNo), Err(_)) => Ok(Verdict::No(None)),
            (Some(Mutation::OutlivesSessions), Ok(Verdict::Live(mut answer))) => {
                answer.ends = answer.ends.map(|ends| ends.saturating_add(Duration::from_secs(3600)));
                Ok(Verdict::Live(answer))
            }
            (_, verdict) => verdict,
        }
    }
}

impl Source for Link {
    fn ask<'a>(&'a self, credential: &'a Arc<OwnedCredential>, now: UnixTime) -> Asking<'a> {
        Box::pin(async move {
            let cookie = credential.value.expose();
            let _under_way = UnderWay::begin(self, cookie);
            let mut dead = self.dead.clone();
            let verdict = select! {
                biased;
                _ = dead.wait_for(|dead| *dead) => return Err(SourceError::Unavailable("no more".to_owned())),
                verdict = self.answer(cookie, now) => verdict,
            };
            self.understood(verdict)
        })
    }
}
