//! What browsers do: requests, cookies that are replaced, and whole stories that chance alone would seldom tell.

use std::{sync::atomic::Ordering, time::Duration};

use countersign::revocation::Target;
use tokio::time::{Instant, sleep};

use super::{
    judge::Issued,
    replica::{MAX_WAITERS, RECHECK, Served},
    world::{GATEWAYS, LONG_SLICE, SLICE, Waiting, World},
};
use crate::{
    keyring::schedule::{CLOCK_SKEW, KEY_SET_MAX_AGE},
    revocation::{Demand, RevocationReason},
};

impl World {
    /// Some requests at once, at any gateway, often with the same cookie. Some are waited for; others are under way
    /// while other things happen.
    pub(super) async fn requests(&mut self) {
        let many = if self.random.once_in(8) { 3 * MAX_WAITERS } else { 6 };
        let (count, favourite) = (1 + self.random.below(many), self.any_cookie());
        let (place, spread) = (self.random.below(GATEWAYS), self.random.once_in(2));
        for _ in 0..count {
            let cookie = if self.random.once_in(3) { self.any_cookie() } else { favourite.clone() };
            let gateway = if spread { self.random.below(GATEWAYS) } else { place };
            self.request(gateway, cookie, "requests");
        }
        if self.random.once_in(2) {
            while let Some(done) = self.running.join_next().await {
                self.take(done.ok());
            }
        } else {
            sleep(Duration::from_millis(1)).await;
            self.judge_waiting();
        }
    }

    /// Takes the answers that have come.
    pub(super) fn collect(&mut self) {
        while let Some(done) = self.running.try_join_next() {
            self.take(done.ok());
        }
    }

    /// An answer; none of one whose gateway crashed.
    fn take(&mut self, done: Option<(u64, Served)>) {
        let Some((id, served)) = done else { return };
        let Some(place) = self.waiting.iter().position(|one| one.id == id) else { return };
        let request = self.waiting.remove(place);
        if let Some(next) = &served.new_cookie {
            self.take_cookie(&request.cookie, next);
        }
        self.judge_answer(&request, served);
    }

    /// The browser sends the new cookie from now on.
    fn take_cookie(&mut self, old: &str, next: &str) {
        let [is, was] = [next, old].map(|cookie| self.server.session(cookie).map(|session| session.name));
        if is.is_none() || is != was {
            return self.break_rule(format!("{old} is given {next}, which is somebody else's"));
        }
        if let Some(mine) = self.cookies.iter_mut().find(|mine| *mine == old) {
            next.clone_into(mine);
            self.old_cookies.push(old.to_owned());
            self.count("cookies replaced");
        }
    }

    /// Somebody comes who has not logged in.
    pub(super) fn visit(&mut self) {
        let gateway = self.random.below(GATEWAYS);
        let cookie = format!("visitor{}", self.was_visitor.len());
        self.visitors.push(cookie.clone());
        self.was_visitor.insert(cookie.clone());
        self.request(gateway, cookie, "visits");
    }

    /// Somebody who can write the store tries to make one session another.
    pub(super) fn mix_up_answers(&mut self) {
        if self.store.mix_up_answers(&self.random) {
            self.tell("the answers for two sessions take each other's place in the store");
            self.count("answers in the wrong place");
        }
    }

    fn request(&mut self, gateway: usize, cookie: String, what: &'static str) {
        let Some(process) = &self.machines[gateway].process else { return };
        let (id, answer) = (self.random.number(), process.request(&cookie, self.random.below(2)));
        let (process, began) = (process.number, Instant::now());
        let task = self.running.spawn(async move { (id, answer.await) });
        self.waiting.push(Waiting { id, gateway, process, cookie, began, task });
        self.count(what);
    }

    /// Somebody works on at two gateways while what they may do changes.
    pub(super) async fn work_while_power_changes(&mut self) {
        let number = self.random.below(self.cookies.len());
        let first = self.random.below(GATEWAYS);
        let changes_in = 2 + self.random.below(3);
        for round in 0..8 {
            let cookie = self.cookies[number].clone();
            let gateway = (first + self.random.below(2)) % GATEWAYS;
            self.request(gateway, cookie.clone(), "requests");
            self.pass(self.random.millis(2_000..9_000), SLICE).await;
            if round == changes_in {
                self.change_the_power_of(&cookie);
            }
        }
        // Who has copied the tokens goes on with them.
        for place in self.issued.len().saturating_sub(6)..self.issued.len() {
            self.present_token(place);
        }
    }

    /// Somebody works on at a gateway that cannot ask the server, and their session ends: there, at another gateway, or
    /// before, so that the gateway has been told.
    pub(super) async fn work_through_an_outage(&mut self) {
        let (cookie, gateway) = (self.any_cookie(), self.random.below(GATEWAYS));
        self.request(gateway, cookie.clone(), "requests");
        self.pass(Duration::from_secs(2), SLICE).await;
        let (ends_in, how) = (self.random.below(6), self.random.below(4));
        if how == 2 {
            self.end_at_the_server(&cookie);
            self.pass(RECHECK, LONG_SLICE).await;
            self.request(gateway, cookie.clone(), "requests");
            self.pass(Duration::from_secs(3), SLICE).await;
        }
        self.machines[gateway].server_cut.store(true, Ordering::SeqCst);
        self.tell(format!("gateway {gateway} is cut off from the server while {cookie} is at work"));
        self.count("outages that somebody works through");
        for round in 0..8 {
            self.pass(self.random.millis(5_000..25_000), LONG_SLICE).await;
            match how {
                0 if round == ends_in => self.end_at_the_server(&cookie),
                1 if round == ends_in => self.log_out_elsewhere(&cookie, (gateway + 1) % GATEWAYS).await,
                _ => {}
            }
            self.request(gateway, cookie.clone(), "requests");
        }
        self.machines[gateway].server_cut.store(false, Ordering::SeqCst);
    }

    async fn log_out_elsewhere(&mut self, cookie: &str, gateway: usize) {
        let session = self.server.session(cookie).unwrap();
        let Some(issued) = self.issued.iter().rev().find(|issued| issued.session == session.name) else {
            return;
        };
        let demand = Demand::of_session(issued.sid.as_str().into(), session.ends, RevocationReason::LogOut);
        self.perhaps_out.insert(session.name);
        self.revoke_at(gateway, demand).await;
    }

    /// Somebody works on while the next key begins to sign; services see their tokens.
    pub(super) async fn work_through_a_rotation(&mut self) {
        let gateway = self.random.below(GATEWAYS);
        let Some(process) = &mut self.machines[gateway].process else { return };
        if !process.rotate() {
            return;
        }
        self.tell(format!("gateway {gateway} rotates"));
        self.count("rotations planned by hand");
        self.pass(KEY_SET_MAX_AGE + CLOCK_SKEW - Duration::from_secs(20), LONG_SLICE).await;
        for _ in 0..4 {
            self.requests().await;
            self.pass(self.random.millis(5_000..15_000), LONG_SLICE).await;
            self.present_a_token();
            self.present_a_token();
        }
    }

    /// The server ends a session, or all of a user, and tells one gateway, which may never have heard of them.
    pub(super) async fn log_out_over_the_back_channel(&mut self) {
        let session = self.server.session(&self.any_cookie()).unwrap();
        let gateway = self.random.below(GATEWAYS);
        let Some(process) = &self.machines[gateway].process else { return };
        let target = if self.random.once_in(2) {
            Target::Session(process.session_named(&session.name))
        } else {
            Target::Subject(session.user.as_str().into())
        };
        let of_user = matches!(target, Target::Subject(_));
        let ended = self
            .server
            .end(|other| if of_user { other.user == session.user } else { other.name == session.name });
        self.tell(format!("the server ends {ended:?}, and tells gateway {gateway}"));
        self.count("log-outs over the back channel");
        let now = Instant::now();
        self.perhaps_out.extend(ended.iter().cloned());
        self.ended.extend(ended.into_iter().map(|name| (name, now)));
        if of_user {
            self.revoked_users.push((session.user, now));
        }
        self.revoke_at(gateway, Demand::new(target, RevocationReason::BackChannel)).await;
    }

    /// A log-out is acknowledged by a store whose successor does not know of it, and another gateway writes there before
    /// anybody has looked.
    pub(super) async fn log_out_in_a_fail_over(&mut self) {
        if self.issued.len() < 2 {
            return;
        }
        self.copy = Some(self.store.copy());
        let first = self.random.below(GATEWAYS);
        for gateway in [first, (first + 1) % GATEWAYS] {
            let Issued { sid, cookie, .. } = &self.issued[self.random.below(self.issued.len())];
            let (sid, session) = (sid.clone(), self.server.session(cookie).unwrap());
            let demand = Demand::of_session(sid.as_str().into(), session.ends, RevocationReason::LogOut);
            self.perhaps_out.insert(session.name);
            self.revoke_at(gateway, demand).await;
            if gateway == first {
                self.fail_over();
            }
        }
    }
}
