//! The authorization server: knows the sessions, and fails in every way.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use countersign::UnixTime;
use serde_json::json;
use tokio::{select, sync::watch, time::sleep};

use super::random::Random;
use crate::{
    credential::OwnedCredential,
    error::SourceError,
    session::source::{Answer, Asking, Source, Verdict},
};

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
    pub(super) user: String,
    pub(super) organisation: String,
    pub(super) began: UnixTime,
    pub(super) ends: UnixTime,
    pub(super) alive: bool,
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) sessions: Mutex<BTreeMap<String, Session>>,
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
            health: Mutex::new(Health::Up),
            asking: Mutex::default(),
            asked: Mutex::default(),
            asked_twice: Mutex::default(),
            random,
        })
    }

    pub(super) fn session(&self, cookie: &str) -> Option<Session> {
        self.sessions.lock().unwrap().get(cookie).cloned()
    }

    fn verdict(&self, cookie: &str) -> Result<Verdict, SourceError> {
        let Some(session) = self.session(cookie).filter(|session| session.alive) else {
            return Ok(Verdict::No);
        };
        let answer = json!({
            "sub": session.user,
            "organisation": session.organisation,
            "roles": ["editor"],
            "auth_time": session.began.as_secs(),
        });
        let serde_json::Value::Object(answer) = answer else { panic!("an object was written") };
        let ends = Some(session.ends);
        Ok(Verdict::Live(Box::new(Answer { session: answer, userinfo: None, ends, new_cookie: None })))
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
    async fn answer(&self, cookie: &str) -> Result<Verdict, SourceError> {
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
                self.server.verdict(cookie)
            }
        }
    }
}

impl Source for Link {
    fn ask<'a>(&'a self, credential: &'a Arc<OwnedCredential>, _: UnixTime) -> Asking<'a> {
        Box::pin(async move {
            let cookie = credential.value.expose();
            let _under_way = UnderWay::begin(self, cookie);
            let mut dead = self.dead.clone();
            select! {
                biased;
                _ = dead.wait_for(|dead| *dead) => Err(SourceError::Unavailable("no more".to_owned())),
                answer = self.answer(cookie) => answer,
            }
        })
    }
}
