//! Sessions that were revoked: for as long as they live.

use std::{sync::Arc, time::Duration};

use countersign::revocation::{Epoch, Target};

use super::{House, live, live_until};
use crate::{
    clock::{Clock, ManualClock},
    error::Refusal,
    observe::Observer,
    revocation::{Demand, Ledger, Lifetimes, RevocationReason},
    session::Memory,
    store::{Store, memory::MemoryStore},
    testing,
};

const BEGIN: u64 = 1_000_000;
const MINUTE: Duration = Duration::from_secs(60);

/// One gateway, in whose configuration `max_age` is a minute, and its ledger.
struct Gateway {
    house: House,
    ledger: Arc<Ledger>,
    clock: Arc<ManualClock>,
}

impl Gateway {
    fn start(store: &Arc<MemoryStore>, at: u64) -> Self {
        let clock = Arc::new(ManualClock::at(BEGIN + at));
        let lifetimes = Lifetimes { token: MINUTE, session: MINUTE, spread: Duration::ZERO };
        let (store, epoch) = (Arc::clone(store) as Arc<dyn Store>, Epoch::new("e").unwrap());
        let issuer = "https://shop.example".into();
        let observer = Observer::without_files();
        let (ledger, keeper) =
            Ledger::open(store, &epoch, issuer, lifetimes, clock.clone(), observer).unwrap();
        tokio::spawn(keeper.run());
        let equip = |memory: Memory| memory.with_ledger(Arc::clone(&ledger));
        let rules = |rules: &mut super::Rules| rules.max_age = MINUTE;
        let house = House::built(vec![live("alice", "x")], Duration::ZERO, rules, b"settings", equip);
        house.clock.advance(Duration::from_secs(at));
        Self { house, ledger, clock }
    }

    /// So much later. Whatever the ledger does by itself meanwhile is done.
    async fn pass(&self, seconds: u64) {
        let by = Duration::from_secs(seconds);
        self.house.clock.advance(by);
        self.clock.advance(by);
        tokio::time::sleep(by).await;
    }

    fn server_moves_the_end(&self, seconds: u64) {
        let ends = self.house.clock.now().wall.as_secs() + seconds;
        self.house.server(live_until("alice", "x", Some(ends)));
    }
}

async fn log_out(gateway: &Gateway) {
    let entry = gateway.house.resolve("c").await.unwrap();
    let (now, reason) = (gateway.house.clock.now(), RevocationReason::LogOut);
    let demand = Demand::of_session(entry.sid.clone(), entry.ends, reason);
    gateway.ledger.revoke(demand, now.wall).await.unwrap();
    gateway.house.sessions.drop_revoked(&gateway.house.ask("c").0, now);
}

#[tokio::test(start_paused = true)]
async fn a_log_out_wears_off_for_no_session_that_the_server_keeps_alive() {
    for moves in [false, true] {
        let store = Arc::new(MemoryStore::new());
        let gateway = Gateway::start(&store, 0);
        log_out(&gateway).await;
        for second in (0..600).step_by(5) {
            gateway.pass(5).await;
            if moves {
                gateway.server_moves_the_end(90);
            }
            assert_eq!(
                gateway.house.resolve("c").await.unwrap_err(),
                Refusal::Revoked,
                "{second} s, {moves}"
            );
        }
        let records = gateway.ledger.cursor().seq;
        assert!((10..=1 + 600 / 30).contains(&records), "{records}");
        // After a restart, and at another gateway, which have never seen it: past every end that was known at first.
        let next = Gateway::start(&store, 620);
        if moves {
            next.server_moves_the_end(90);
        }
        assert_eq!(next.house.resolve("c").await.unwrap_err(), Refusal::Revoked);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_arrives_just_when_a_revocation_has_ended_lets_nobody_in() {
    let gateway = Gateway::start(&Arc::new(MemoryStore::new()), 0);
    log_out(&gateway).await;
    // Asked before the end, answered after it, and what is over was forgotten in between.
    gateway.pass(61).await;
    gateway.pass(31).await;
    assert_eq!(gateway.house.resolve("c").await.unwrap_err(), Refusal::Revoked);
    gateway.pass(190).await;
    assert_eq!(gateway.house.resolve("c").await.unwrap_err(), Refusal::Revoked, "and it was prolonged");
}

#[tokio::test(start_paused = true)]
async fn a_lifted_log_out_is_not_put_back_by_a_look_up() {
    let gateway = Gateway::start(&Arc::new(MemoryStore::new()), 0);
    log_out(&gateway).await;
    gateway.pass(40).await;
    gateway.house.resolve("c").await.unwrap_err();
    let alice = testing::identity("alice", &[]);
    let name = gateway.house.sessions.own_name(&alice, &gateway.house.ask("c").0);
    gateway.ledger.lift(Target::Session(name), gateway.house.clock.now().wall).await.unwrap();
    gateway.pass(3).await;
    assert!(gateway.house.resolve("c").await.is_ok());
}
