//! What must hold.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    KeyId, TokenRefusal,
    remote::{HEARTBEAT_TIMEOUT, OnFeedLoss},
    revocation::Target,
};
use http::StatusCode;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    SPREAD,
    replica::{BEGIN, MAX_WAITERS, RECHECK, Served, TIMEOUT, stale_if_error},
    service::Service,
    store::LONGEST_FIND,
    world::{GATEWAYS, SERVICES, Waiting, World},
};
use crate::{error::Refusal, keyring::schedule::KEY_SET_MAX_AGE, store::RingVersion};

/// How far apart the clocks of two machines are at most.
pub(super) const SKEW: u64 = 2;
/// What the library allows a clock to be off.
const LEEWAY: u64 = 5;
/// A gateway that read the ring so long ago has read of every key that is not brand-new.
const RING_IS_READ: Duration = Duration::from_secs(10);
/// A retirement that somebody knows of who can reach the store is known to all who can after this long: each looks at
/// the ring every five seconds, one to put it back and another to read it.
const RING_IS_TOLD: Duration = Duration::from_secs(16);
/// The time of a look-up, and what clocks differ by.
const LOOK_UP: Duration = Duration::from_secs(3);
/// Longer than this nobody is let in whom the server has logged out and can tell: the time of a recheck, and that of a
/// look-up.
const RECHECKED: Duration = RECHECK.saturating_add(LOOK_UP);
/// A service follows so soon after nothing is in the way any more: a request that got lost, and the longest waits
/// before others, of which one brings a gap and one the snapshot.
pub(super) const CAUGHT_UP: Duration = Duration::from_secs(25);
/// A visitor who logs in with the cookie that was no session so shortly before may be told so once more.
const LOGGED_IN: u64 = 2 + SKEW;

/// A token that was issued.
pub(super) struct Issued {
    token: String,
    kid: String,
    pub(super) jti: String,
    pub(super) sid: String,
    pub(super) cookie: String,
    /// The session at the server.
    pub(super) session: String,
    pub(super) user: String,
    /// How many roles it says.
    pub(super) power: usize,
    pub(super) iat: u64,
    pub(super) exp: u64,
    pub(super) at: Instant,
    /// The process that handed it out.
    pub(super) process: u64,
    /// The ring of the gateway that signed, and how long ago it had been read.
    ring: RingVersion,
    ring_age: Duration,
}

/// A key that somebody wanted retired.
#[derive(Default)]
pub(super) struct Retirement {
    /// Otherwise it may have happened, or not.
    pub(super) acknowledged: bool,
    /// Since when each gateway can read of it, from one that knows.
    pub(super) readable_since: [Option<Instant>; GATEWAYS],
}

/// What was revoked at a gateway.
pub(super) struct LogOut {
    pub(super) target: Target,
    /// Otherwise only that gateway must keep to it.
    pub(super) acknowledged: bool,
    at: Instant,
    /// What was issued to a session until then is meant, if that is the target.
    pub(super) issued_until: u64,
    /// Since when each gateway must refuse.
    pub(super) known_since: [Option<Instant>; GATEWAYS],
    /// Since when each gateway must have it in its feed: when it is in the store.
    pub(super) told_since: [Option<Instant>; GATEWAYS],
    /// Since when each gateway can read of it.
    pub(super) readable_since: [Option<Instant>; GATEWAYS],
    /// Since when each gateway knows of it, reaches a store that does not, and leaves it so.
    pub(super) kept_back_since: [Option<Instant>; GATEWAYS],
    /// What was acknowledged may be lost with the store and everybody who had read of it.
    pub(super) store_went_back: bool,
}

impl LogOut {
    pub(super) fn new(target: Target, acknowledged: bool) -> Self {
        let nowhere = [None; GATEWAYS];
        Self {
            target,
            acknowledged,
            at: Instant::now(),
            issued_until: 0,
            known_since: nowhere,
            told_since: nowhere,
            readable_since: nowhere,
            kept_back_since: nowhere,
            store_went_back: false,
        }
    }

    /// What a process of a gateway knew is gone with it.
    pub(super) const fn forgets(&mut self, gateway: usize) {
        self.known_since[gateway] = None;
        self.told_since[gateway] = None;
        self.readable_since[gateway] = None;
    }

    /// Whether it concerns what began then: of a user, what is told apart from it by all clocks.
    fn concerns(&self, sid: &str, user: &str, began: Instant) -> bool {
        match &self.target {
            Target::Session(session) => session.as_str() == sid,
            Target::Subject(subject) => {
                subject.as_str() == user && began + Duration::from_secs(SKEW + 1) <= self.at
            }
            // Another rule is about what it says.
            Target::IssuedTo(_) => false,
            other => panic!("nobody revokes {other:?}"),
        }
    }

    /// Whether services must refuse that token because of it.
    fn forbids(&self, issued: &Issued) -> bool {
        match &self.target {
            Target::IssuedTo(session) => session.as_str() == issued.sid && issued.iat <= self.issued_until,
            _ => self.concerns(&issued.sid, &issued.user, issued.at),
        }
    }
}

impl Service {
    /// Whether nothing was in its way for long enough.
    fn can_follow(&self) -> bool {
        self.calm_since.is_some_and(|since| since.elapsed() >= CAUGHT_UP)
    }
}

impl World {
    /// Nobody waits longer than for one look-up, nor more requests than may. Where a session was found to be another
    /// meanwhile, there is a second one.
    pub(super) fn judge_waiting(&mut self) {
        let slack = Duration::from_millis(10);
        let late = self.waiting.iter().find(|one| {
            let is_answered = one.is_answered();
            let look_ups = if self.changed.is_empty() { 1 } else { 2 };
            !is_answered && one.began.elapsed() > (TIMEOUT + LONGEST_FIND) * look_ups + slack
        });
        let late =
            late.map(|one| format!("a request for {} waits for longer than a look-up takes", one.cookie));
        let crowd = self.waiting.iter().find(|one| {
            let same = |other: &&Waiting| other.gateway == one.gateway && other.cookie == one.cookie;
            let revoked = !self.changed.is_empty() || !self.log_outs.is_empty();
            let most = if revoked { 2 * MAX_WAITERS } else { MAX_WAITERS };
            self.waiting.iter().filter(same).filter(|other| !other.is_answered()).count() > most
        });
        let crowd = crowd.map(|one| format!("too many wait at gateway {} for {}", one.gateway, one.cookie));
        if let Some(rule) = late.or(crowd) {
            self.break_rule(rule);
        }
    }

    pub(super) fn judge_answer(&mut self, request: &Waiting, served: Served) {
        match served.answer {
            Ok(token) => {
                let keys = (served.published_before, served.ring);
                self.judge_token(request, token, (keys, served.finished));
            }
            Err(refusal) => self.judge_refusal(request, refusal, served.finished),
        }
    }

    fn judge_token(
        &mut self,
        request: &Waiting,
        token: String,
        ((published_before, ring), finished): ((Vec<KeyId>, RingVersion), Instant),
    ) {
        let Waiting { gateway, cookie, .. } = request;
        let part = |index: usize| -> Value {
            let text = token.split('.').nth(index).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
        };
        let (header, claims) = (part(0), part(1));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let number = |claim: &str| claims[claim].as_u64().unwrap();
        let (sid, exp) = (text(&claims["sid"]), number("exp"));
        let Some(session) = self.server.session(cookie) else {
            return self.break_rule(format!("{cookie}, who never logged in, got a token"));
        };
        self.tell(format!("gateway {gateway}: {cookie} gets a token until {exp}"));
        self.count("tokens");
        if claims["sub"] != *session.user || claims["organisation"] != *session.organisation {
            self.break_rule(format!("{cookie} of {} got a token of {}", session.user, claims["sub"]));
        }
        if exp > session.ends.as_secs() {
            self.break_rule(format!("a token of {cookie} outlives its session"));
        }
        let logged_in = self.began + Duration::from_secs(session.began.as_secs() - BEGIN);
        let told = self.log_outs.iter().any(|log_out| {
            log_out.concerns(&sid, &session.user, logged_in)
                && log_out.known_since[*gateway].is_some_and(|since| since < finished)
        });
        if told {
            self.break_rule(format!("gateway {gateway} lets {cookie} in after its log-out"));
        }
        // Who was told that it is over does not serve what is left of it in an outage.
        let denied = self.denied.get(&(request.process, cookie.clone()));
        let was_told = denied.is_some_and(|denied| *denied < request.began);
        let longest = if was_told { RECHECKED } else { self.longest_served() };
        let dead = |(ended, at): &(String, Instant)| *ended == session.name && finished - *at > longest;
        let over = |(ended, at): &(String, Instant)| *ended == session.name && finished - *at > RECHECKED;
        if self.ended.iter().any(over) {
            self.count("tokens by an answer that is old, in an outage");
        }
        if self.ended.iter().any(dead) {
            self.break_rule(format!("gateway {gateway} lets {cookie} in long after the server ended it"));
        }
        if BEGIN + (finished - self.began).as_secs() >= session.ends.as_secs() + SKEW {
            self.break_rule(format!("gateway {gateway} lets {cookie} in after its end"));
        }
        let kid = text(&header["kid"]);
        let was_published = published_before.iter().any(|published| published.as_str() == kid);
        if self.retired.contains_key(&kid) && !was_published {
            self.break_rule(format!("gateway {gateway} hands out a token of a retired key"));
        }
        let process = self.machines[*gateway].process.as_ref().unwrap();
        let issued = Issued {
            kid,
            jti: text(&claims["jti"]),
            sid,
            cookie: cookie.clone(),
            session: session.name,
            user: session.user,
            power: claims["roles"].as_array().map_or(0, Vec::len),
            iat: number("iat"),
            exp,
            at: finished,
            process: process.number,
            ring,
            ring_age: process.ring_read.elapsed(),
            token,
        };
        self.judge_power(request, &issued);
        self.issued.push(issued);
    }

    /// How old an answer may be that is served.
    pub(super) fn longest_served(&self) -> Duration {
        RECHECKED.max(stale_if_error(&self.random).map_or(Duration::ZERO, |stale| stale + LOOK_UP))
    }

    /// What was retired for sure is gone at every gateway that could read the ring for so long, whatever became of the
    /// store meanwhile: where one that knows could reach the store, and one that was started again knows.
    pub(super) fn judge_retirements(&mut self, now: Instant) {
        let mut broken = None;
        for (kid, retired) in &mut self.retired {
            let is_gone = |machine: &super::world::Machine| {
                machine.process.as_ref().is_some_and(|process| !process.published().contains(kid))
            };
            let has_store = |machine: &super::world::Machine| {
                machine.process.as_ref().is_some_and(super::replica::Replica::has_store)
            };
            let is_told = self.machines.iter().any(|machine| is_gone(machine) && has_store(machine));
            for (gateway, machine) in self.machines.iter().enumerate() {
                let since = &mut retired.readable_since[gateway];
                *since = if is_told && has_store(machine) { since.or(Some(now)) } else { None };
                let must_know = since.is_some_and(|since| now - since >= RING_IS_TOLD);
                if retired.acknowledged && must_know && !is_gone(machine) {
                    broken = Some(format!("gateway {gateway} goes on with {kid}, which was retired"));
                }
            }
        }
        if let Some(rule) = broken {
            self.break_rule(rule);
        }
    }

    fn judge_refusal(&mut self, request: &Waiting, refusal: Refusal, finished: Instant) {
        let Waiting { gateway, cookie, .. } = request;
        self.tell(format!("gateway {gateway}: {cookie} is refused: {}", refusal.code()));
        let is_no = refusal.row().status == StatusCode::UNAUTHORIZED;
        self.count(if is_no { "answers 401" } else { "answers 503" });
        let Some(session) = self.server.session(cookie) else { return };
        let over = self.wall() + SKEW >= session.ends.as_secs();
        let logged_out = self.perhaps_out.contains(&session.name);
        let is_replaced = !self.server.accepts(cookie);
        let was_visitor = self.was_visitor.contains(cookie)
            && BEGIN + (finished - self.began).as_secs() <= session.began.as_secs() + LOGGED_IN;
        if is_no && !session.alive && !over {
            self.denied.insert((request.process, cookie.clone()), finished);
        }
        if is_no && session.alive && !over && !logged_out && !is_replaced && !was_visitor {
            self.break_rule(format!("{cookie} lives and is told to log in: {}", refusal.code()));
        }
    }

    /// Somebody shows a service a token from any time.
    pub(super) fn present_a_token(&mut self) {
        if self.issued.is_empty() {
            return;
        }
        self.present_token(self.random.below(self.issued.len()));
    }

    pub(super) fn present_token(&mut self, place: usize) {
        let number = self.random.below(SERVICES);
        let wall = self.wall();
        let verdict = self.verify(number, place);
        let (service, issued) = (&self.services[number], &self.issued[place]);
        let is_current = service.feed.feed().is_current();
        let must_know = |log_out: &LogOut| {
            let told = |gateway: usize, bound: Duration| {
                log_out.told_since[gateway].is_some_and(|since| since.elapsed() >= SPREAD + bound)
            };
            let said = service.link.agreed.filter(|_| is_current);
            log_out.forbids(issued)
                && (said.is_some_and(|said| told(said.gateway, HEARTBEAT_TIMEOUT + said.delay))
                    || (service.can_follow() && told(service.gateway, service.link.delay)))
        };
        // Whether it must know is judged by the key set it has, and that by what its gateway must know.
        let is_retired = self.retired.contains_key(&issued.kid) && !service.published.contains(&issued.kid);
        let refuses_all = service.on_feed_loss == OnFeedLoss::Refuse && !is_current;
        let rule = match &verdict {
            Ok(()) if refuses_all => Some("accepts a token without a feed"),
            Err(TokenRefusal::RevocationsUnavailable) if !refuses_all => Some("refuses for a feed it has"),
            Err(TokenRefusal::RevocationsUnavailable) => None,
            Ok(()) if wall >= issued.exp + LEEWAY + SKEW => Some("accepts a token that is over"),
            Ok(()) if self.log_outs.iter().any(must_know) => Some("accepts a token after its log-out"),
            Ok(()) if is_retired => Some("accepts a token of a retired key"),
            Err(_) if wall + SKEW < issued.exp && self.must_be_good(number, issued) => {
                Some("refuses a token that is good")
            }
            _ => None,
        };
        let said = match &verdict {
            Ok(()) => "accepts".to_owned(),
            Err(refusal) => format!("refuses ({})", refusal.code()),
        };
        let (cookie, exp) = (issued.cookie.clone(), issued.exp);
        self.tell(format!("service {number} {said} a token of {cookie} until {exp}"));
        self.count(if verdict.is_ok() { "tokens accepted" } else { "tokens refused" });
        if let Some(rule) = rule {
            self.break_rule(format!("service {number} {rule}: {cookie}"));
        }
    }

    /// Who hears nothing says so, and who can follow does.
    pub(super) fn judge_feeds(&mut self, now: Instant) {
        let mut broken = None;
        for (number, service) in self.services.iter().enumerate() {
            let is_current = service.feed.feed().is_current();
            let is_silent = service.heard.is_none_or(|heard| now - heard >= HEARTBEAT_TIMEOUT);
            if is_current && is_silent {
                broken = Some(format!("service {number} hears nothing and takes its feed for current"));
            } else if !is_current && service.can_follow() {
                broken = Some(format!("service {number} takes its feed for lost and could follow it"));
            }
        }
        if let Some(broken) = broken {
            self.break_rule(broken);
        }
    }

    /// A service looks for a key it does not know where keys are retired, and may not when it does.
    fn verify(&mut self, number: usize, place: usize) -> Result<(), TokenRefusal> {
        let wall = self.wall();
        let service = &mut self.services[number];
        let token = &self.issued[place].token;
        let verdict = service.verify(token, wall).map(drop);
        let process = self.machines[service.gateway].process.as_ref();
        match process.filter(|_| service.calm_since.is_some()) {
            Some(process) if verdict == Err(TokenRefusal::KeyUnknown) && !self.retired.is_empty() => {
                service.fetch_keys(process);
                service.verify(token, wall).map(drop)
            }
            _ => verdict,
        }
    }

    /// Whether a service has no reason to refuse: nobody wanted it revoked or its key retired, and the keys were read
    /// in time by everybody on the way.
    fn must_be_good(&self, number: usize, issued: &Issued) -> bool {
        let service = &self.services[number];
        let ended = self.ended.iter().any(|(ended, _)| *ended == issued.session);
        // What came before a change of its session, or is called by its name because of one.
        let changed = self.named.contains(&issued.jti)
            || self.changed.get(&issued.sid).is_some_and(|until| issued.iat <= *until);
        let keys_are_read = service.keys_asked.elapsed() <= KEY_SET_MAX_AGE + Duration::from_secs(1)
            && service.ring_age <= RING_IS_READ
            && issued.ring_age <= RING_IS_READ;
        // After a retirement the next key signs at once: it is known where that ring is known.
        let knows = self.retired.is_empty() || service.ring >= issued.ring;
        !ended
            && !changed
            && !self.perhaps_out.contains(&issued.session)
            && !self.retired.contains_key(&issued.kid)
            && keys_are_read
            && knows
    }
}
