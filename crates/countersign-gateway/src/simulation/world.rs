//! What happens, by chance.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign::{
    UnixTime,
    revocation::{Cursor, Target},
};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep},
};

use super::{
    SPREAD,
    judge::{Issued, LogOut, Retirement, SKEW},
    mutation::Mutation,
    power::Owed,
    random::Random,
    replica::{BEGIN, Replica, Served, stale_if_error},
    server::{Health, Link, ROLES, Server, Session},
    service::Service,
    store::{Copy, SharedStore, StoreLink},
};
use crate::{
    clock::Clock,
    keyring::Seen,
    revocation::{Demand, RevocationReason},
};

pub(super) const GATEWAYS: usize = 3;
pub(super) const SERVICES: usize = 2;
/// Time moves in such steps; in between everybody who follows something looks.
pub(super) const SLICE: Duration = Duration::from_millis(250);
/// And in such steps when much of it passes.
pub(super) const LONG_SLICE: Duration = Duration::from_secs(1);
/// Gateways read the ring of a shared store this often.
const RING_FOLLOWED_EVERY: Duration = Duration::from_secs(5);
/// A machine that stops is started again after this long at most.
const LONGEST_DOWN: u64 = 20_000;

/// What a store has lost is in it again so soon after a gateway that knows it reaches it.
const PUT_BACK: Duration = Duration::from_secs(5);
/// Longer than a revocation that one has forgotten already is held by another: seconds.
const LASTS: u64 = 60;

/// What happened, for the reader of a result.
pub(super) type Counts = BTreeMap<&'static str, u64>;

/// The machine of a gateway.
pub(super) struct Machine {
    /// The process, if one runs.
    pub(super) process: Option<Replica>,
    /// The ring that was seen last: on its disk.
    seen: Option<Seen>,
    /// Up to where its changes of sessions are noted.
    pub(super) changes_seen: Option<Cursor>,
    start_at: Instant,
    store_cut: Arc<AtomicBool>,
    pub(super) server_cut: Arc<AtomicBool>,
}

/// A request that waits for its answer.
pub(super) struct Waiting {
    pub(super) id: u64,
    pub(super) gateway: usize,
    /// Which process of it.
    pub(super) process: u64,
    pub(super) cookie: String,
    pub(super) began: Instant,
    pub(super) task: AbortHandle,
}

impl Waiting {
    pub(super) fn is_answered(&self) -> bool {
        self.task.is_finished()
    }
}

pub(super) struct World {
    pub(super) random: Arc<Random>,
    pub(super) began: Instant,
    pub(super) server: Arc<Server>,
    pub(super) store: Arc<SharedStore>,
    /// What the store may go back to.
    pub(super) copy: Option<Copy>,
    pub(super) machines: Vec<Machine>,
    processes: u64,
    pub(super) services: Vec<Service>,
    /// What each browser sends; of those who have logged in.
    pub(super) cookies: Vec<String>,
    /// Cookies that were replaced, which a browser may send still.
    pub(super) old_cookies: Vec<String>,
    /// Cookies of those who have not logged in yet, and of those who did later.
    pub(super) visitors: Vec<String>,
    pub(super) was_visitor: BTreeSet<String>,
    mutation: Option<Mutation>,
    pub(super) running: JoinSet<(u64, Served)>,
    pub(super) waiting: Vec<Waiting>,
    /// What was issued to these sessions until then is revoked, as some gateway tells.
    pub(super) changed: BTreeMap<String, u64>,
    /// Tokens that are revoked by name.
    pub(super) named: BTreeSet<String>,
    pub(super) owed: Vec<Owed>,
    /// Ended at the authorization server, and when.
    pub(super) ended: Vec<(String, Instant)>,
    /// When which process was told last that a session is over, by the cookie it came with.
    pub(super) denied: BTreeMap<(u64, String), Instant>,
    pub(super) log_outs: Vec<LogOut>,
    /// Every session that somebody wanted logged out, acknowledged or not: it may be.
    pub(super) perhaps_out: BTreeSet<String>,
    /// Whoever logs in in the same moment may be taken for one who was logged in before.
    pub(super) revoked_users: Vec<(String, Instant)>,
    /// Keys that somebody wanted retired.
    pub(super) retired: BTreeMap<String, Retirement>,
    pub(super) issued: Vec<Issued>,
    ring_followed: Instant,
    pub(super) counts: Counts,
    story: Vec<String>,
    pub(super) broken: Option<String>,
}

impl World {
    /// A world; one in which something is wrong, if that is to be noticed.
    pub(super) fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let (random, began) = (Arc::new(Random::new(seed)), Instant::now());
        let machine = || Machine {
            process: None,
            seen: None,
            changes_seen: None,
            start_at: began,
            store_cut: Arc::default(),
            server_cut: Arc::default(),
        };
        let mut world = Self {
            server: Server::new(random.clone()),
            random,
            began,
            store: Arc::new(SharedStore::new(mutation)),
            copy: None,
            machines: (0..GATEWAYS).map(|_| machine()).collect(),
            processes: 0,
            services: Vec::new(),
            cookies: Vec::new(),
            old_cookies: Vec::new(),
            visitors: Vec::new(),
            was_visitor: BTreeSet::new(),
            mutation,
            changed: BTreeMap::new(),
            named: BTreeSet::new(),
            owed: Vec::new(),
            running: JoinSet::new(),
            waiting: Vec::new(),
            ended: Vec::new(),
            denied: BTreeMap::new(),
            log_outs: Vec::new(),
            perhaps_out: BTreeSet::new(),
            revoked_users: Vec::new(),
            retired: BTreeMap::new(),
            issued: Vec::new(),
            ring_followed: began,
            counts: Counts::new(),
            story: Vec::new(),
            broken: None,
        };
        (0..GATEWAYS).for_each(|gateway| world.start(gateway));
        for number in 0..SERVICES {
            let gateway = world.machines[number].process.as_ref().unwrap();
            let service = Service::start(number, gateway, &world.random, mutation);
            world.services.push(service);
        }
        for _ in 0..4 {
            world.log_in();
        }
        world
    }

    pub(super) const fn broken(&self) -> Option<&String> {
        self.broken.as_ref()
    }

    pub(super) fn told(mut self) -> (Vec<String>, Option<String>, Counts) {
        self.counts.insert("look-ups", *self.server.asked.lock().unwrap());
        for service in &self.services {
            let counters = service.feed.feed().counters();
            *self.counts.entry("snapshots taken by services").or_default() += counters.snapshots;
            *self.counts.entry("feeds that services took for lost").or_default() += counters.losses;
        }
        self.counts.insert("simulated seconds", self.began.elapsed().as_secs());
        (self.story, self.broken, self.counts)
    }

    pub(super) async fn step(&mut self) {
        // Time passes while requests wait, too.
        self.look();
        match self.random.below(36) {
            0 => self.log_in(),
            1 => self.end_at_the_server(&self.any_cookie()),
            2 => self.log_out_of_a_session().await,
            3 => self.revoke_or_lift_a_user().await,
            4 => self.change_the_server(),
            5 => self.change_the_store(),
            6 => self.crash(),
            7 => self.change_the_keys(),
            8 => self.cut_or_join_a_service(),
            9 => self.cut_or_join_a_gateway(),
            10 => self.set_a_clock(),
            11..15 => self.pass(self.random.millis(1..3_000), SLICE).await,
            15 => self.pass(self.random.millis(3_000..90_000), SLICE).await,
            16 => self.pass(self.random.millis(60_000..400_000), LONG_SLICE).await,
            17..24 => self.requests().await,
            24 | 25 => self.change_a_power(),
            26 => self.visit(),
            27 => self.mix_up_answers(),
            28 | 29 => self.work_while_power_changes().await,
            30 if self.random.once_in(2) => self.work_through_a_rotation().await,
            31 => self.log_out_in_a_fail_over().await,
            32 if self.server.names_sessions => self.log_out_over_the_back_channel().await,
            33 if stale_if_error(&self.random).is_some() => self.work_through_an_outage().await,
            _ => self.present_a_token(),
        }
        if let Some(twice) = self.server.asked_twice.lock().unwrap().take() {
            self.broken.get_or_insert(twice);
        }
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(super) fn tell(&mut self, what: impl Into<String>) {
        let at = self.began.elapsed().as_millis();
        self.story.push(format!("{at:>8} ms  {}", what.into()));
    }

    pub(super) fn break_rule(&mut self, rule: impl Into<String>) {
        if self.broken.is_none() {
            let rule = rule.into();
            self.tell(format!("BROKEN: {rule}"));
            self.broken = Some(rule);
        }
    }

    pub(super) fn wall(&self) -> u64 {
        BEGIN + self.began.elapsed().as_secs()
    }

    /// That of some browser, now and then one it had before.
    pub(super) fn any_cookie(&self) -> String {
        if !self.old_cookies.is_empty() && self.random.once_in(6) {
            return self.old_cookies[self.random.below(self.old_cookies.len())].clone();
        }
        self.cookies[self.random.below(self.cookies.len())].clone()
    }

    fn log_in(&mut self) {
        let number = self.cookies.len();
        let user = format!("user{}", self.random.below(4));
        let cookie = self.visitors.pop().unwrap_or_else(|| format!("cookie{number}"));
        let began = UnixTime::from_secs(self.wall());
        let ends = self.wall() + 60 + self.random.number() % 3_000;
        let organisation = format!("org-of-{user}");
        self.server.log_in(Session {
            name: cookie.clone(),
            user: user.clone(),
            organisation,
            began,
            ends: UnixTime::from_secs(ends),
            alive: true,
            powers: vec![(Instant::now(), self.random.below(ROLES.len() + 1))],
        });
        let just_now = |(revoked, at): &(String, Instant)| {
            *revoked == user && at.elapsed() <= Duration::from_secs(SKEW + 1)
        };
        if self.revoked_users.iter().any(just_now) {
            self.perhaps_out.insert(cookie.clone());
        }
        self.tell(format!("{user} logs in: {cookie}, until {ends}"));
        self.cookies.push(cookie);
    }

    pub(super) fn end_at_the_server(&mut self, cookie: &str) {
        self.server.change(cookie, |session| session.alive = false);
        self.tell(format!("the server ends {cookie}"));
        let name = self.server.session(cookie).unwrap().name;
        self.ended.push((name, Instant::now()));
        self.count("sessions ended by the server");
    }

    async fn log_out_of_a_session(&mut self) {
        if self.issued.is_empty() {
            return;
        }
        let Issued { sid, cookie, .. } = &self.issued[self.random.below(self.issued.len())];
        let (sid, session) = (sid.clone(), self.server.session(cookie).unwrap());
        let ends = session.ends;
        self.perhaps_out.insert(session.name);
        self.revoke(Demand::of_session(sid.as_str().into(), ends, RevocationReason::LogOut)).await;
    }

    async fn revoke_or_lift_a_user(&mut self) {
        let user = format!("user{}", self.random.below(4));
        let target = Target::Subject(user.as_str().into());
        if self.log_outs.iter().any(|log_out| log_out.target == target) {
            let gateway = self.random.below(GATEWAYS);
            let Some(replica) = &self.machines[gateway].process else { return };
            let (ledger, now) = (replica.ledger.clone(), replica.clock.now().wall);
            let lifted = ledger.lift(target.clone(), now).await.is_ok();
            self.log_outs.retain(|log_out| log_out.target != target);
            self.tell(format!("gateway {gateway} lifts the revocation of {user}: {lifted}"));
            self.count("lifted revocations");
        } else if self.random.once_in(2) {
            let sessions = self.cookies.iter().map(|cookie| self.server.session(cookie).unwrap());
            let theirs = sessions.filter(|session| session.user == user).map(|session| session.name);
            let theirs: Vec<String> = theirs.collect();
            self.perhaps_out.extend(theirs);
            self.revoked_users.push((user, Instant::now()));
            self.revoke(Demand::new(target, RevocationReason::Operator)).await;
        }
    }

    async fn revoke(&mut self, demand: Demand) {
        let gateway = self.random.below(GATEWAYS);
        self.revoke_at(gateway, demand).await;
    }

    pub(super) async fn revoke_at(&mut self, gateway: usize, demand: Demand) {
        let Some(replica) = &self.machines[gateway].process else { return };
        let (ledger, now) = (replica.ledger.clone(), replica.clock.now().wall);
        let target = demand.target.clone();
        let recorded = ledger.revoke(demand, now).await;
        self.tell(format!("gateway {gateway} revokes {target:?}: {recorded:?}"));
        let acknowledged = recorded.is_ok();
        self.count(if acknowledged { "revocations" } else { "revocations that wait for the store" });
        let mut log_out = LogOut::new(target, acknowledged);
        log_out.known_since[gateway] = Some(Instant::now());
        log_out.told_since[gateway] = acknowledged.then(Instant::now);
        self.log_outs.push(log_out);
    }

    fn change_the_server(&mut self) {
        let all = [Health::Up, Health::Up, Health::Down, Health::Hangs, Health::Nonsense];
        let health = all[self.random.below(all.len())];
        *self.server.health.lock().unwrap() = health;
        self.tell(format!("the server: {health:?}"));
        if health != Health::Up {
            self.count("outages of the server");
        }
    }

    fn change_the_store(&mut self) {
        match self.random.below(8) {
            0 => {
                self.copy = Some(self.store.copy());
                self.tell("the store is copied");
            }
            1 if self.copy.is_some() => self.fail_over(),
            2 if self.random.once_in(3) => {
                self.copy = Some(Copy::default());
                self.fail_over();
            }
            _ => {
                let away = !self.store.away.load(Ordering::SeqCst) && self.random.once_in(2);
                self.store.away.store(away, Ordering::SeqCst);
                self.tell(if away { "the store is away" } else { "the store is there" });
                if away {
                    self.count("outages of the store");
                }
            }
        }
    }

    /// Another server takes over, with what the last copy holds.
    pub(super) fn fail_over(&mut self) {
        // Somebody must be there to put the ring back: a store and all gateways lost at once is the end of a cluster.
        if self.machines.iter().all(|machine| machine.process.is_none()) {
            return;
        }
        self.store.put_back(self.copy.clone().unwrap());
        self.tell("the store goes back to its copy");
        self.count("fail-overs of the store");
        self.log_outs.iter_mut().for_each(|log_out| log_out.store_went_back = true);
    }

    fn crash(&mut self) {
        let gateway = self.random.below(GATEWAYS);
        let (down, now) = (self.random.millis(0..LONGEST_DOWN), Instant::now());
        let machine = &mut self.machines[gateway];
        let Some(process) = machine.process.take() else { return };
        machine.seen = process.seen();
        machine.start_at = now + down;
        drop(process);
        let (lost, kept) =
            std::mem::take(&mut self.waiting).into_iter().partition(|one| one.gateway == gateway);
        self.waiting = kept;
        let lost: Vec<Waiting> = lost;
        lost.iter().for_each(|one| one.task.abort());
        for log_out in &mut self.log_outs {
            log_out.forgets(gateway);
        }
        for service in self.services.iter_mut().filter(|service| service.gateway == gateway) {
            service.turn_to(gateway);
        }
        self.tell(format!("gateway {gateway} crashes, and with it {} requests", lost.len()));
        self.count("crashes");
        if !lost.is_empty() {
            self.count("crashes with requests under way");
        }
    }

    fn start(&mut self, gateway: usize) {
        self.processes += 1;
        let machine = &self.machines[gateway];
        let (dead, ended) = watch::channel(false);
        let link = Link {
            server: self.server.clone(),
            gateway,
            process: self.processes,
            cut: machine.server_cut.clone(),
            dead: ended,
            mutation: self.mutation,
        };
        let store = StoreLink::new(&self.store, &self.random, &machine.store_cut);
        let started = Replica::start(link, dead, &store, self.began, &self.random, machine.seen.clone());
        if let Some(process) = started {
            self.machines[gateway].process = Some(process);
            self.machines[gateway].changes_seen = None;
            self.tell(format!("gateway {gateway} starts"));
        }
    }

    fn change_the_keys(&mut self) {
        let gateway = self.random.below(GATEWAYS);
        // In half of all worlds keys only rotate: then nobody ever has to ask for a key.
        let may_retire = self.random.seed().is_multiple_of(2);
        let Some(process) = &mut self.machines[gateway].process else { return };
        if may_retire && self.random.once_in(3) {
            let (kid, ring) = process.retire_signer();
            self.tell(format!("gateway {gateway} retires its key: {ring:?}"));
            let retirement = Retirement { acknowledged: ring.is_some(), ..Retirement::default() };
            self.retired.insert(kid.to_string(), retirement);
            self.count("keys retired");
        } else if process.rotate() {
            self.tell(format!("gateway {gateway} rotates"));
            self.count("rotations planned by hand");
        }
    }

    fn cut_or_join_a_service(&mut self) {
        let number = self.random.below(SERVICES);
        let gateway = self.random.below(GATEWAYS);
        let service = &mut self.services[number];
        service.cut = !service.cut;
        service.turn_to(gateway);
        let how = if service.cut { "is cut off from" } else { "follows" };
        self.tell(format!("service {number} {how} gateway {gateway}"));
        self.count("links of services cut or joined");
    }

    fn cut_or_join_a_gateway(&mut self) {
        let gateway = self.random.below(GATEWAYS);
        let from_store = self.random.once_in(2);
        let machine = &self.machines[gateway];
        let (link, name) =
            if from_store { (&machine.store_cut, "store") } else { (&machine.server_cut, "server") };
        let cut = !link.fetch_xor(true, Ordering::SeqCst);
        self.tell(format!(
            "gateway {gateway} {} the {name}",
            if cut { "is cut off from" } else { "reaches" }
        ));
        if cut {
            self.count("partitions");
        }
    }

    fn set_a_clock(&mut self) {
        let off = i64::try_from(self.random.below(3)).unwrap() - 1;
        if self.random.once_in(3) {
            let number = self.random.below(SERVICES);
            self.services[number].set_clock(off);
            self.tell(format!("the clock of service {number} is {off} s off"));
        } else {
            let gateway = self.random.below(GATEWAYS);
            let Some(process) = &self.machines[gateway].process else { return };
            process.clock.set(off);
            self.tell(format!("the clock of gateway {gateway} is {off} s off"));
        }
        self.count("clocks set");
    }

    pub(super) async fn pass(&mut self, time: Duration, slice: Duration) {
        let until = Instant::now() + time;
        self.tell(format!("{} ms pass", time.as_millis()));
        while Instant::now() < until {
            sleep(slice.min(until - Instant::now())).await;
            self.look();
            self.judge_waiting();
        }
    }

    /// Everybody who follows something looks.
    fn look(&mut self) {
        let now = Instant::now();
        for gateway in 0..GATEWAYS {
            if self.machines[gateway].process.is_none() && now >= self.machines[gateway].start_at {
                self.start(gateway);
            }
        }
        if now - self.ring_followed >= RING_FOLLOWED_EVERY {
            self.ring_followed = now;
            self.machines
                .iter_mut()
                .filter_map(|machine| machine.process.as_mut())
                .for_each(Replica::follow_ring);
        }
        self.note_changes();
        self.judge_owed();
        self.see_who_knows(now);
        self.judge_retirements(now);
        let wall = self.wall();
        for service in &mut self.services {
            let process = self.machines[service.gateway].process.as_ref();
            let lost = service.follow(process, wall, now).lost;
            *self.counts.entry("messages to services that got lost").or_default() += lost;
        }
        self.judge_feeds(now);
        self.collect();
    }

    /// Who must know of which log-out by now.
    fn see_who_knows(&mut self, now: Instant) {
        if self.log_outs.is_empty() {
            return;
        }
        let stored = self.store.in_force();
        let (mut lost, mut left) = (None, None);
        let (machines, wall) = (&self.machines, self.wall());
        let processes: Vec<_> = machines
            .iter()
            .map(|machine| machine.process.as_ref().map(|process| (process, process.has_store())))
            .collect();
        self.log_outs.retain_mut(|log_out| {
            let is_stored = stored.contains(&log_out.target);
            let mut is_held = is_stored;
            for (gateway, process) in processes.iter().enumerate() {
                let Some((process, has_store)) = *process else { continue };
                let held = process.ledger.terms_of(&log_out.target);
                let is_lasting =
                    held.as_ref().is_some_and(|(terms, _)| terms.until().as_secs() > wall + LASTS);
                is_held |= held.is_some();
                let is_kept_back = is_lasting && !is_stored && has_store;
                let since = &mut log_out.kept_back_since[gateway];
                *since = if is_kept_back { since.or(Some(now)) } else { None };
                if since.is_some_and(|since| now - since >= PUT_BACK) {
                    left = Some(format!("gateway {gateway} does not put back {:?}", log_out.target));
                }
                let readable = is_stored && has_store;
                let since = &mut log_out.readable_since[gateway];
                *since = if readable { since.or(Some(now)) } else { None };
                if since.is_some_and(|since| now - since >= SPREAD) {
                    log_out.known_since[gateway].get_or_insert(now);
                    log_out.told_since[gateway].get_or_insert(now);
                }
            }
            // What no store could write waits in the memory of a gateway.
            let is_held = is_held || !log_out.acknowledged && log_out.known_since.iter().any(Option::is_some);
            if !is_held && log_out.acknowledged && !log_out.store_went_back {
                lost = Some(log_out.target.clone());
            }
            is_held
        });
        if let Some(left) = left {
            self.break_rule(left);
        }
        if let Some(target) = lost {
            self.break_rule(format!("nobody knows any more that {target:?} is revoked"));
        }
    }
}
