//! Ledgers of several gateways on one server that is killed, frozen and flushed.

use std::{sync::Arc, time::Duration};

use countersign::{Clock as _, SessionId, Standing, Subject, SystemClock as WallClock, revocation::Target};
use countersign_gateway::{
    clock::SystemClock,
    observe::Observer,
    revocation::{Concerned, Demand, Ledger, Lifetimes, RevocationReason, Unrecorded},
    store::Store,
};
use tokio::time::{Instant, sleep};

use super::{Server, server::FROZEN, store};
use crate::{revocation::until, store::revocations::epoch};

/// The ledger of one gateway, kept by a thread of its own.
fn gateway(server: &Server, name: &str) -> Arc<Ledger> {
    let lifetimes = Lifetimes {
        token: Duration::from_secs(300),
        session: Duration::from_secs(3600),
        spread: Duration::ZERO,
    };
    let store: Arc<dyn Store> = Arc::new(store(server));
    let clock = Arc::new(SystemClock::start());
    let issuer = "https://shop.example".into();
    let (ledger, keeper) =
        Ledger::open(store, &epoch(name), issuer, lifetimes, clock, Observer::without_files()).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(keeper.run());
    });
    ledger
}

fn is_revoked(ledger: &Ledger, session: &str) -> bool {
    let (session, subject) = (SessionId::from(session), Subject::from("alice"));
    let concerned =
        Concerned { session: &session, others: &[], subject: &subject, organisation: None, began: None };
    ledger.check(&concerned) == Standing::Revoked
}

async fn log_out(ledger: &Ledger, session: &str) -> Result<(), Unrecorded> {
    let demand = Demand::new(Target::Session(session.into()), RevocationReason::LogOut);
    ledger.revoke(demand, WallClock.now()).await.map(|_| ())
}

/// Waits until every gateway refuses a session; answers how long that took, as [`until`] does.
async fn everywhere(gateways: &[Arc<Ledger>], session: &str) -> Duration {
    until(|| gateways.iter().all(|ledger| is_revoked(ledger, session))).await
}

fn three(server: &Server) -> Vec<Arc<Ledger>> {
    ["one", "two", "three"].map(|name| gateway(server, name)).to_vec()
}

#[tokio::test]
async fn a_log_out_at_one_gateway_is_refused_by_all_within_a_second() {
    let server = Server::start();
    let gateways = three(&server);
    for n in 0..20 {
        let session = format!("s{n}");
        log_out(&gateways[n % 3], &session).await.unwrap();
        assert!(is_revoked(&gateways[n % 3], &session), "here at once");
        let took = everywhere(&gateways, &session).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    let late = gateway(&server, "four");
    assert!((0..20).all(|n| is_revoked(&late, &format!("s{n}"))), "who starts later knows all of it");
    assert_eq!(late.cursor().epoch, epoch("one"), "and goes on with the numbering there is");
}

#[tokio::test]
async fn a_log_out_without_the_store_holds_here_is_not_acknowledged_and_is_written_later() {
    for outage in ["killed", "frozen"] {
        let mut server = Server::start();
        server.timeout = FROZEN;
        let gateways = three(&server);
        log_out(&gateways[0], "before").await.unwrap();
        everywhere(&gateways, "before").await;
        if outage == "killed" {
            server.kill();
        } else {
            server.signal("STOP");
        }
        let outcome = log_out(&gateways[0], "during").await;
        assert!(matches!(outcome, Err(Unrecorded::Store(_))), "{outage}: {outcome:?}");
        assert!(is_revoked(&gateways[0], "during"), "{outage}: it holds here");
        assert!(!is_revoked(&gateways[1], "during") && !is_revoked(&gateways[1], "nobody"), "{outage}");
        assert!(gateways.iter().all(|ledger| is_revoked(ledger, "before")), "{outage}: each goes on alone");
        if outage == "killed" {
            server.restart();
        } else {
            server.signal("CONT");
        }
        everywhere(&gateways, "during").await;
        everywhere(&gateways, "before").await;
    }
}

#[tokio::test]
async fn a_store_that_was_emptied_is_told_everything_again_by_every_gateway() {
    let server = Server::start();
    let gateways = three(&server);
    for n in 0..30 {
        log_out(&gateways[n % 3], &format!("s{n}")).await.unwrap();
    }
    everywhere(&gateways, "s29").await;
    let before = gateways[0].cursor();
    server.command(&["FLUSHALL"]);
    // A new gateway learns of it from the store alone.
    until(|| store(&server).revocations(0).is_ok_and(|known| known.records.len() >= 30)).await;
    let late = gateway(&server, "four");
    assert!((0..30).all(|n| is_revoked(&late, &format!("s{n}"))));
    assert!((0..30).all(|n| gateways.iter().all(|ledger| is_revoked(ledger, &format!("s{n}")))));
    log_out(&late, "afterwards").await.unwrap();
    everywhere(&gateways, "afterwards").await;
    // Several may have begun a numbering each: the store's is the one that all come to.
    until(|| gateways.iter().all(|ledger| ledger.cursor().epoch == late.cursor().epoch)).await;
    assert_ne!(late.cursor().epoch, before.epoch, "who follows has to take a snapshot");
}

#[tokio::test]
async fn a_store_that_lost_the_newest_entries_gets_them_back() {
    let server = Server::start();
    let gateways = three(&server);
    for name in ["old", "new"] {
        log_out(&gateways[0], name).await.unwrap();
        everywhere(&gateways, name).await;
    }
    // As after a fail-over to a replica that was behind.
    server.command(&["ZREMRANGEBYSCORE", "test:changes", "2", "2"]);
    server.command(&["HSET", "test:log", "newest", "1"]);
    until(|| gateways.iter().all(|ledger| ledger.cursor().epoch != epoch("one"))).await;
    let late = gateway(&server, "four");
    assert!(is_revoked(&late, "old") && is_revoked(&late, "new"));
}

#[tokio::test]
async fn what_nobody_can_read_in_the_log_stops_no_revocation_and_is_told_of() {
    let server = Server::start();
    let gateways = three(&server);
    log_out(&gateways[0], "before").await.unwrap();
    everywhere(&gateways, "before").await;
    // Under the next number, as a gateway with another key would write it.
    server.command(&["ZADD", "test:changes", "2", "junk"]);
    server.command(&["HSET", "test:log", "newest", "2"]);
    log_out(&gateways[0], "behind").await.unwrap();
    let took = everywhere(&gateways, "behind").await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    for ledger in &gateways {
        assert_eq!((ledger.unreadable(), ledger.cursor().seq), (1, 3));
    }
    let late = gateway(&server, "four");
    assert!(is_revoked(&late, "before") && is_revoked(&late, "behind"));
    assert_eq!(late.unreadable(), 1, "it says so, and starts");
    sleep(Duration::from_millis(600)).await;
    assert_eq!(late.unreadable(), 1, "it is counted once");
}

#[tokio::test]
async fn a_gateway_notices_how_long_it_has_not_read_the_server() {
    let mut server = Server::start();
    let ledger = gateway(&server, "one");
    ledger.limit_alone(Duration::from_secs(3));
    let becomes = async |is_too_long: bool| {
        let began = Instant::now();
        while ledger.is_alone_too_long() != is_too_long {
            assert!(began.elapsed() < Duration::from_secs(20), "never {is_too_long}");
            sleep(Duration::from_millis(20)).await;
        }
    };
    becomes(false).await;
    server.kill();
    becomes(true).await;
    server.restart();
    becomes(false).await;
}

/// Beyond 2^53 the server's arithmetic adds nothing: what is put back would stand under another number than it was sealed
/// for.
#[tokio::test]
async fn who_empties_the_log_again_and_again_and_moves_its_number_undoes_no_log_out() {
    let server = Server::start();
    let gateways = three(&server);
    log_out(&gateways[0], "before").await.unwrap();
    everywhere(&gateways, "before").await;
    for round in 0..40 {
        server.command(&["DEL", "test:changes", "test:until"]);
        let epoch = format!("x{round}");
        if round % 2 == 0 {
            server.command(&["HSET", "test:log", "newest", "9007199254740992", "epoch", &epoch]);
        } else {
            server.command(&["HSET", "test:log", "newest", "7", "epoch", &epoch]);
        }
        sleep(Duration::from_millis(50)).await;
        assert!(gateways.iter().all(|ledger| is_revoked(ledger, "before")), "round {round}");
    }
    server.command(&["HSET", "test:log", "newest", "9007199254740992"]);
    log_out(&gateways[0], "meanwhile").await.expect_err("what nobody can read is not acknowledged");
    assert!(is_revoked(&gateways[0], "meanwhile"));
    // An operator removes what makes no sense.
    server.command(&["DEL", "test:log"]);
    everywhere(&gateways, "meanwhile").await;
    let began = Instant::now();
    while !["before", "meanwhile"].iter().all(|session| is_revoked(&gateway(&server, "late"), session)) {
        assert!(began.elapsed() < Duration::from_secs(10), "it was not put back");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn who_takes_out_a_log_out_before_others_read_it_hides_it_from_nobody() {
    let server = Server::start();
    let gateways = three(&server);
    for round in 0..5 {
        let session = format!("s{round}");
        log_out(&gateways[round % 3], &session).await.unwrap();
        server.command(&["ZREMRANGEBYRANK", "test:changes", "-1", "-1"]);
        everywhere(&gateways, &session).await;
    }
}
