//! What happens, by chance, and what must hold.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{UnixTime, revocation::Target};
use http::StatusCode;
use serde_json::Value;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    SPREAD,
    random::Random,
    replica::{BEGIN, Replica},
    server::{Health, Link, Server, Session},
    service::Service,
    store::SharedStore,
};
use crate::{
    error::Refusal,
    revocation::{Demand, RevocationReason},
};

const GATEWAYS: usize = 3;
const SERVICES: usize = 2;
/// Time moves in such steps; in between everybody who follows something looks.
const SLICE: Duration = Duration::from_millis(250);
/// Gateways read the ring of a shared store this often.
const RING_FOLLOWED_EVERY: Duration = Duration::from_secs(5);
/// How far apart the clocks of two machines are at most.
const SKEW: u64 = 2;
/// What the library allows a clock to be off.
const LEEWAY: u64 = 5;

/// A token that was issued.
struct Issued {
    token: String,
    kid: String,
    sid: String,
    cookie: String,
    exp: u64,
}

/// A log-out at a gateway.
struct LogOut {
    sid: String,
    gateway: usize,
    /// `None`: not acknowledged, so that only that gateway must keep to it.
    acknowledged: Option<Instant>,
    /// Since when everybody must have read it.
    known_since: Option<Instant>,
}

/// The link from a service to the gateway it follows.
struct Following {
    service: Service,
    gateway: usize,
    since: Option<Instant>,
}

pub(super) struct World {
    random: Arc<Random>,
    began: Instant,
    server: Arc<Server>,
    store: Arc<SharedStore>,
    store_since: Option<Instant>,
    gateways: Vec<Replica>,
    services: Vec<Following>,
    cookies: Vec<String>,
    /// Ended at the authorization server, and when.
    ended: Vec<(String, Instant)>,
    log_outs: Vec<LogOut>,
    /// Every cookie that somebody wanted logged out, acknowledged or not: it may be.
    perhaps_out: BTreeSet<String>,
    retired: BTreeSet<String>,
    issued: Vec<Issued>,
    ring_followed: Instant,
    /// All gateways have read of the last retirement. Until then they do not publish the key that stands by now.
    all_know_the_keys: bool,
    story: Vec<String>,
    broken: Option<String>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self::on(SharedStore::default(), seed)
    }

    /// A world whose gateways do not follow what others write.
    pub(super) fn deaf(seed: u64) -> Self {
        Self::on(SharedStore::deaf(), seed)
    }

    fn on(store: SharedStore, seed: u64) -> Self {
        let (random, began, store) = (Arc::new(Random::new(seed)), Instant::now(), Arc::new(store));
        let server = Server::new(random.clone());
        let start = |gateway| {
            let link = Link { server: server.clone(), gateway };
            Replica::start(link, &store, began, &random).expect("the store is there")
        };
        let gateways: Vec<_> = (0..GATEWAYS).map(start).collect();
        let following = |gateway: usize| {
            let service = Service::start(&gateways[gateway]);
            Following { service, gateway, since: Some(began) }
        };
        let services = (0..SERVICES).map(following).collect();
        let mut world = Self {
            random,
            began,
            server,
            store,
            store_since: Some(began),
            gateways,
            services,
            cookies: Vec::new(),
            ended: Vec::new(),
            log_outs: Vec::new(),
            perhaps_out: BTreeSet::new(),
            retired: BTreeSet::new(),
            issued: Vec::new(),
            ring_followed: began,
            all_know_the_keys: true,
            story: Vec::new(),
            broken: None,
        };
        for _ in 0..4 {
            world.log_in();
        }
        world
    }

    pub(super) const fn broken(&self) -> Option<&String> {
        self.broken.as_ref()
    }

    pub(super) fn told(self) -> (Vec<String>, Option<String>) {
        (self.story, self.broken)
    }

    pub(super) async fn step(&mut self) {
        // Time passes while requests wait, too.
        self.look();
        match self.random.below(24) {
            0 => self.log_in(),
            1 => self.end_at_the_server(),
            2 | 3 => self.log_out().await,
            4 => self.change_the_server(),
            5 => self.change_the_store(),
            6 => self.restart(),
            7 => self.change_the_keys(),
            8 => self.cut_or_join_a_service(),
            9..13 => self.pass(self.random.millis(1..3_000)).await,
            13 => self.pass(self.random.millis(3_000..90_000)).await,
            14..20 => self.requests().await,
            _ => self.present_a_token(),
        }
        if let Some(twice) = self.server.asked_twice.lock().unwrap().take() {
            self.broken = Some(twice);
        }
    }

    fn tell(&mut self, what: impl Into<String>) {
        let at = self.began.elapsed().as_millis();
        self.story.push(format!("{at:>8} ms  {}", what.into()));
    }

    fn break_rule(&mut self, rule: impl Into<String>) {
        let rule = rule.into();
        self.tell(format!("BROKEN: {rule}"));
        self.broken.get_or_insert(rule);
    }

    fn wall(&self) -> u64 {
        BEGIN + self.began.elapsed().as_secs()
    }

    fn any_cookie(&self) -> String {
        self.cookies[self.random.below(self.cookies.len())].clone()
    }

    fn log_in(&mut self) {
        let number = self.cookies.len();
        let (user, cookie) = (format!("user{}", self.random.below(3)), format!("cookie{number}"));
        let ends = self.wall() + 60 + self.random.number() % 3_000;
        let organisation = format!("org-of-{user}");
        let session =
            Session { user: user.clone(), organisation, ends: UnixTime::from_secs(ends), alive: true };
        self.server.sessions.lock().unwrap().insert(cookie.clone(), session);
        self.tell(format!("{user} logs in: {cookie}, until {ends}"));
        self.cookies.push(cookie);
    }

    fn end_at_the_server(&mut self) {
        let cookie = self.any_cookie();
        self.server.sessions.lock().unwrap().get_mut(&cookie).unwrap().alive = false;
        self.tell(format!("the server ends {cookie}"));
        self.ended.push((cookie, Instant::now()));
    }

    async fn log_out(&mut self) {
        if self.issued.is_empty() {
            return;
        }
        let Issued { sid, cookie, .. } = &self.issued[self.random.below(self.issued.len())];
        let (sid, cookie) = (sid.clone(), cookie.clone());
        let gateway = self.random.below(GATEWAYS);
        let ends = self.server.session(&cookie).unwrap().ends;
        let demand = Demand::of_session(sid.as_str().into(), ends, RevocationReason::LogOut);
        let replica = &self.gateways[gateway];
        let now = crate::clock::Clock::now(&*replica.clock).wall;
        let recorded = replica.ledger.revoke(demand, now).await;
        let acknowledged = recorded.is_ok().then(Instant::now);
        self.tell(format!("gateway {gateway} logs {cookie} out: {recorded:?}"));
        self.perhaps_out.insert(cookie.clone());
        self.log_outs.push(LogOut { sid, gateway, acknowledged, known_since: None });
    }

    fn change_the_server(&mut self) {
        let all = [Health::Up, Health::Up, Health::Down, Health::Hangs, Health::Nonsense];
        let health = all[self.random.below(all.len())];
        *self.server.health.lock().unwrap() = health;
        self.tell(format!("the server: {health:?}"));
    }

    fn change_the_store(&mut self) {
        let away = self.store_since.is_some() && self.random.once_in(2);
        self.store.away.store(away, Ordering::SeqCst);
        self.store_since = if away { None } else { self.store_since.or_else(|| Some(Instant::now())) };
        self.tell(if away { "the store is away" } else { "the store is there" });
    }

    fn restart(&mut self) {
        let gateway = self.random.below(GATEWAYS);
        let link = Link { server: self.server.clone(), gateway };
        let Some(replica) = Replica::start(link, &self.store, self.began, &self.random) else { return };
        self.gateways[gateway] = replica;
        // What was not acknowledged may be lost with the process.
        self.log_outs.retain(|log_out| log_out.acknowledged.is_some() || log_out.gateway != gateway);
        for following in self.services.iter_mut().filter(|following| following.gateway == gateway) {
            following.since = following.since.map(|_| Instant::now());
        }
        self.tell(format!("gateway {gateway} restarts"));
    }

    fn change_the_keys(&mut self) {
        let gateway = self.random.below(GATEWAYS);
        if self.random.once_in(3) {
            if let Some(kid) = self.gateways[gateway].retire_signer() {
                self.retired.insert(kid.to_string());
                self.all_know_the_keys = false;
                self.tell(format!("gateway {gateway} retires its key"));
            }
        } else if self.gateways[gateway].rotate() {
            self.tell(format!("gateway {gateway} rotates"));
        }
    }

    fn cut_or_join_a_service(&mut self) {
        let number = self.random.below(SERVICES);
        let gateway = self.random.below(GATEWAYS);
        let following = &mut self.services[number];
        following.since = if following.since.is_some() { None } else { Some(Instant::now()) };
        following.gateway = gateway;
        let how = if following.since.is_some() { "follows" } else { "is cut off from" };
        self.tell(format!("service {number} {how} gateway {gateway}"));
    }

    async fn pass(&mut self, time: Duration) {
        let until = Instant::now() + time;
        self.tell(format!("{} ms pass", time.as_millis()));
        while Instant::now() < until {
            sleep(SLICE.min(until - Instant::now())).await;
            self.look();
        }
    }

    /// Everybody who follows something looks.
    fn look(&mut self) {
        let now = Instant::now();
        if now - self.ring_followed >= RING_FOLLOWED_EVERY {
            self.ring_followed = now;
            self.gateways.iter().for_each(Replica::follow_ring);
            self.all_know_the_keys |= self.store_since.is_some();
        }
        for log_out in &mut self.log_outs {
            let readable_since = self.store_since.zip(log_out.acknowledged).map(|(store, at)| store.max(at));
            if log_out.known_since.is_none() && readable_since.is_some_and(|since| now - since >= SPREAD) {
                log_out.known_since = Some(now);
            }
        }
        let wall = UnixTime::from_secs(self.wall());
        for following in self.services.iter_mut().filter(|following| following.since.is_some()) {
            following.service.follow(&self.gateways[following.gateway], wall);
        }
    }

    /// Some requests at once, at any gateway, often with the same cookie.
    async fn requests(&mut self) {
        let (count, favourite) = (1 + self.random.below(6), self.any_cookie());
        let mut running = JoinSet::new();
        for _ in 0..count {
            let cookie = if self.random.once_in(3) { self.any_cookie() } else { favourite.clone() };
            let gateway = self.random.below(GATEWAYS);
            let began = Instant::now();
            let answer = self.gateways[gateway].request(&cookie);
            running.spawn(async move { (gateway, cookie, began, answer.await) });
        }
        while let Some(done) = running.join_next().await {
            let (gateway, cookie, began, answer) = done.unwrap();
            match answer {
                Ok(token) => self.judge_token(gateway, cookie, began, token),
                Err(refusal) => self.judge_refusal(gateway, &cookie, refusal),
            }
        }
    }

    fn judge_token(&mut self, gateway: usize, cookie: String, began: Instant, token: String) {
        let part = |index: usize| -> Value {
            let text = token.split('.').nth(index).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
        };
        let (header, claims) = (part(0), part(1));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (sid, exp) = (text(&claims["sid"]), claims["exp"].as_u64().unwrap());
        let session = self.server.session(&cookie).unwrap();
        self.tell(format!("gateway {gateway}: {cookie} gets a token until {exp}"));
        if claims["sub"] != *session.user || claims["organisation"] != *session.organisation {
            self.break_rule(format!("{cookie} of {} got a token of {}", session.user, claims["sub"]));
        }
        if exp > session.ends.as_secs() {
            self.break_rule(format!("a token of {cookie} outlives its session"));
        }
        let told = self.log_outs.iter().any(|log_out| {
            let here = log_out.gateway == gateway;
            log_out.sid == sid && (here || log_out.known_since.is_some_and(|since| since < began))
        });
        if told {
            self.break_rule(format!("gateway {gateway} lets {cookie} in after its log-out"));
        }
        let dead =
            |(ended, at): &(String, Instant)| *ended == cookie && began - *at > Duration::from_secs(33);
        if self.ended.iter().any(dead) {
            self.break_rule(format!("gateway {gateway} lets {cookie} in long after the server ended it"));
        }
        self.issued.push(Issued { kid: text(&header["kid"]), token, sid, cookie, exp });
    }

    fn judge_refusal(&mut self, gateway: usize, cookie: &str, refusal: Refusal) {
        self.tell(format!("gateway {gateway}: {cookie} is refused: {}", refusal.code()));
        let session = self.server.session(cookie).unwrap();
        let over = self.wall() + SKEW >= session.ends.as_secs();
        let logged_out = self.perhaps_out.contains(cookie);
        if refusal.row().status == StatusCode::UNAUTHORIZED && session.alive && !over && !logged_out {
            self.break_rule(format!("{cookie} lives and is told to log in: {}", refusal.code()));
        }
    }

    /// Somebody shows a service a token from any time.
    fn present_a_token(&mut self) {
        if self.issued.is_empty() {
            return;
        }
        let (number, place) = (self.random.below(SERVICES), self.random.below(self.issued.len()));
        let wall = self.wall();
        let following = &mut self.services[number];
        // A service looks for a key it does not know, and may not when it does.
        following.service.fetch_keys(&self.gateways[following.gateway]);
        let Issued { token, kid, sid, cookie, exp } = &self.issued[place];
        let verdict = following.service.verify(token, UnixTime::from_secs(wall));
        let connected = following.since.is_some_and(|since| since.elapsed() >= SPREAD);
        let must_know = |log_out: &LogOut| {
            log_out.sid == *sid && log_out.known_since.is_some_and(|since| since.elapsed() >= SPREAD)
        };
        let ended = self.ended.iter().any(|(ended, _)| ended == cookie);
        let settled = self.all_know_the_keys;
        let revoked = ended || self.perhaps_out.contains(cookie);
        let rule = match &verdict {
            Ok(_) if wall >= exp + LEEWAY + SKEW => Some("accepts a token that is over"),
            Ok(_) if connected && self.log_outs.iter().any(must_know) => {
                Some("accepts a token after its log-out")
            }
            Err(_) if wall + SKEW < *exp && !revoked && settled && !self.retired.contains(kid) => {
                Some("refuses a token that is good")
            }
            _ => None,
        };
        let said = match &verdict {
            Ok(_) => "accepts".to_owned(),
            Err(refusal) => format!("refuses ({})", refusal.code()),
        };
        let what = format!("service {number} {said} a token of {cookie} until {exp}");
        let rule = rule.map(|rule| format!("service {number} {rule}: {cookie}"));
        self.tell(what);
        if let Some(rule) = rule {
            self.break_rule(rule);
        }
    }
}

/// A log-out names one session and no more.
#[test]
fn a_demand_of_a_log_out_names_the_session() {
    let demand = Demand::of_session("sid".into(), UnixTime::from_secs(BEGIN), RevocationReason::LogOut);
    assert_eq!(demand.target, Target::Session("sid".into()));
}
