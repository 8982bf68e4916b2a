//! The authorization server: knows the sessions, and fails in every way.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use countersign::UnixTime;
use serde_json::json;
use tokio::time::sleep;

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
    pub(super) ends: UnixTime,
    pub(super) alive: bool,
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) sessions: Mutex<BTreeMap<String, Session>>,
    pub(super) health: Mutex<Health>,
    /// Look-ups under way, by gateway and cookie.
    asking: Mutex<BTreeMap<(usize, String), usize>>,
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
        let answer =
            json!({ "sub": session.user, "organisation": session.organisation, "roles": ["editor"] });
        let serde_json::Value::Object(answer) = answer else { panic!("an object was written") };
        let ends = Some(session.ends);
        Ok(Verdict::Live(Box::new(Answer { session: answer, userinfo: None, ends, new_cookie: None })))
    }
}

/// One gateway's way to the server.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) server: Arc<Server>,
    pub(super) gateway: usize,
}

/// A look-up under way; counted until it ends, however it ends.
struct UnderWay<'a>(&'a Link, String);

impl<'a> UnderWay<'a> {
    fn begin(link: &'a Link, cookie: &str) -> Self {
        let mut asking = link.server.asking.lock().unwrap();
        let count = asking.entry((link.gateway, cookie.to_owned())).or_default();
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
        *asking.get_mut(&(self.0.gateway, self.1.clone())).unwrap() -= 1;
    }
}

impl Source for Link {
    fn ask<'a>(&'a self, credential: &'a Arc<OwnedCredential>, _: UnixTime) -> Asking<'a> {
        Box::pin(async move {
            let cookie = credential.value.expose();
            let _under_way = UnderWay::begin(self, cookie);
            let health = *self.server.health.lock().unwrap();
            let takes = self.server.random.millis(1..400);
            match health {
                Health::Down => Err(SourceError::Unavailable("refused".to_owned())),
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
        })
    }
}
