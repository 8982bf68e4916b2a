//! How the server is reached, and what becomes of a call when it is not.

use std::{sync::Arc, time::Duration};

use countersign::{Secret, UnixTime, revocation::Cursor};
use countersign_gateway::{
    clock::SystemClock,
    config::resolved::{StoreConfig, StoreServer},
    entropy::SystemEntropy,
    keyring::seal::Sealer,
    session::shared::SharedCache,
    store::{
        Change, LogoutName, LogoutOutcome, Store,
        valkey::{ValkeyAnswers, ValkeyStore},
    },
};
use tokio::time::Instant;

use super::{Server, server::FROZEN, store};
use crate::store::revocations::{epoch, revoked, session};

fn with(config: StoreConfig) -> ValkeyStore {
    let sealer = Sealer::new(&Secret::new([7; 32])).unwrap();
    ValkeyStore::new(&Arc::new(config), sealer, Arc::new(SystemEntropy), Arc::new(SystemClock::start()))
}

#[test]
fn user_and_password_are_sent_and_never_shown() {
    let server = Server::with("requirepass planted-password\nuser gateway on >planted-password ~* +@all\n");
    let password = |text: &str| Some(Secret::new(text.to_owned()));
    assert_eq!(
        with(server.config()).ping().unwrap_err().to_string(),
        format!(
            "the store cannot be reached: 127.0.0.1:{} refuses user `default` (`store.username`, `store.password_file`)",
            server.port
        )
    );
    with(StoreConfig { password: password("planted-password"), ..server.config() }).ping().unwrap();
    let acl = StoreConfig { username: Some("gateway".to_owned()), ..server.config() };
    with(StoreConfig { password: password("planted-password"), ..acl.clone() }).ping().unwrap();
    let wrong = with(StoreConfig { password: password("planted-wrong-one"), ..acl });
    let error = wrong.ping().unwrap_err();
    assert_eq!(error.code(), "store_unavailable");
    assert!(!format!("{error} {error:?} {wrong:?}").contains("planted"), "{error:?}");
}

/// As `docs/operations.md` has it, for another name.
const COMMANDS: &str = "+ping +select +info +time +eval +exists +hget +hset +hsetnx +hmget +zadd +zrem +zrangebyscore \
     +zremrangebyscore +zremrangebyrank +zscore +pexpire +get +set +del";

#[test]
fn the_documented_commands_are_enough() {
    let operations = include_str!("../../../../../../docs/operations.md");
    let line = operations.lines().find(|line| line.starts_with("user gateway ")).unwrap();
    assert!(line.ends_with(COMMANDS), "{line}");
    let server = Server::with(&format!("user gateway on >planted-password ~test:* {COMMANDS}\n"));
    let password = Some(Secret::new("planted-password".to_owned()));
    let config = StoreConfig { username: Some("gateway".to_owned()), password, ..server.config() };
    let store = with(config.clone());
    store.ping().unwrap();
    store.begin_epoch(&epoch("one")).unwrap();
    let lifted = Change::Lifted { target: session("a"), until: UnixTime::MAX };
    store.append(&[revoked(session("a"), 100, 200, 300), lifted]).unwrap();
    store.renumber(&Cursor { epoch: epoch("one"), seq: 9 }, &epoch("two")).unwrap();
    assert_eq!(store.revocations(0).unwrap().epoch, epoch("two"));
    store.forget_expired(UnixTime::MAX).unwrap();
    let first = store.create_ring(&[]).unwrap();
    let second = store.replace_ring(first, &[]).unwrap();
    store.restore_ring(Some(second), &store.ring().unwrap().unwrap()).unwrap();
    let token = LogoutName::new(&"https://sso.example".into(), "1");
    store.hold_logouts(&[token], UnixTime::MAX).unwrap();
    store.end_logouts(&[(token, LogoutOutcome::Used)], UnixTime::MAX).unwrap();
    let answers = ValkeyAnswers::start(&Arc::new(config), Arc::new(SystemClock::start())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        answers.keep("a".to_owned(), b"x".to_vec(), Duration::from_secs(60));
        assert!(answers.find("a").await.unwrap().is_some());
        answers.forget("a".to_owned());
        assert!(answers.find("a").await.unwrap().is_none());
    });
}

/// Otherwise a fail-over would go unnoticed.
#[test]
fn a_server_that_does_not_say_which_one_it_is_is_not_used() {
    let server = Server::with("user gateway on nopass ~test:* +@all -info\n");
    let config = StoreConfig {
        username: Some("gateway".to_owned()),
        password: Some(Secret::new("any".to_owned())),
        ..server.config()
    };
    let error = with(config).begin_epoch(&epoch("one")).unwrap_err();
    assert_eq!(error.code(), "store_unavailable");
    assert!(error.to_string().ends_with("allow its user `INFO` (`+info`)"), "{error}");
}

#[test]
fn tls_is_checked_against_the_given_roots() {
    let folder = tempfile::tempdir().unwrap();
    let (server, certificate) = Server::with_tls(folder.path(), "");
    let servers = |host: &str| vec![StoreServer { host: host.to_owned(), port: server.port }];
    let tls = StoreConfig { tls: true, ..server.config() };
    let own_roots = Some(std::fs::read(certificate).unwrap());
    with(StoreConfig { ca: own_roots.clone(), servers: servers("localhost"), ..tls.clone() }).ping().unwrap();
    with(StoreConfig { ca: own_roots, servers: servers("127.0.0.1"), ..tls.clone() })
        .ping()
        .expect_err("another name");
    with(StoreConfig { servers: servers("localhost"), ..tls.clone() }).ping().expect_err("unknown roots");
    with(StoreConfig { tls: false, servers: servers("localhost"), ..tls }).ping().expect_err("in clear");
}

#[test]
fn sentinels_name_the_primary_and_one_of_them_is_enough() {
    let primary = Server::start();
    let sentinel = Server::sentinel(primary.port);
    let at = |port| StoreServer { host: "127.0.0.1".to_owned(), port };
    let config = |name: &str| StoreConfig {
        // The first one is not there.
        servers: vec![at(9), at(sentinel.port)],
        sentinel: Some(name.to_owned()),
        ..primary.config()
    };
    let store = with(config("shop"));
    store.begin_epoch(&epoch("one")).unwrap();
    assert_eq!(super::store(&primary).revocations(0).unwrap().epoch, epoch("one"));
    assert_eq!(with(config("other")).ping().unwrap_err().code(), "store_unavailable");
}

/// A primary dies, and a sentinel puts its replica in its place: it is found, and it is another server.
#[test]
fn a_replica_that_a_sentinel_promotes_is_found_and_known_for_another_server() {
    let mut primary = Server::start();
    let replica = Server::with(&format!("replicaof 127.0.0.1 {}\n", primary.port));
    let sentinel = Server::sentinel(primary.port);
    let store = with(StoreConfig {
        servers: vec![StoreServer { host: "127.0.0.1".to_owned(), port: sentinel.port }],
        sentinel: Some("shop".to_owned()),
        ..primary.config()
    });
    store.begin_epoch(&epoch("one")).unwrap();
    store.append(&[revoked(session("a"), 1, 2, 3)]).unwrap();
    store.create_ring(&[]).unwrap();
    let until = |what: &str, is_so: &mut dyn FnMut() -> bool| {
        for _ in 0..240 {
            if is_so() {
                return;
            }
            after(Duration::from_millis(500));
        }
        panic!("never: {what}");
    };
    let text = |server: &Server, parts: &[&str]| format!("{:?}", server.command(parts));
    until("the replica has it all", &mut || text(&replica, &["EXISTS", "test:ring"]).contains('1'));
    until("the sentinel knows the replica", &mut || {
        text(&sentinel, &["SENTINEL", "REPLICAS", "shop"]).contains(&replica.port.to_string())
    });
    primary.kill();
    until("another server is found", &mut || store.ring().is_ok());
    assert!(text(&replica, &["ROLE"]).contains("master"));
    assert!(store.ring().unwrap().unwrap().is_of_earlier_life);
    assert_eq!(store.revocations(0).unwrap_err().code(), "store_empty", "it is numbered anew first");
    store.renumber(&Cursor { epoch: epoch("one"), seq: 1 }, &epoch("two")).unwrap();
    let stored = store.revocations(0).unwrap();
    assert_eq!((stored.epoch, stored.records.len()), (epoch("two"), 1));
}

#[test]
fn a_frozen_server_is_given_up_in_time_and_left_alone_for_a_second() {
    let mut server = Server::start();
    server.timeout = FROZEN;
    let store = store(&server);
    store.begin_epoch(&epoch("one")).unwrap();
    server.signal("STOP");
    let began = Instant::now();
    assert_eq!(store.revocations(0).unwrap_err().code(), "store_unavailable");
    // The rest is a busy machine.
    assert!(began.elapsed() < 10 * FROZEN, "{:?}", began.elapsed());
    let again = Instant::now();
    for _ in 0..100 {
        store.revocations(0).unwrap_err();
    }
    assert!(again.elapsed() < 10 * FROZEN, "{:?}", again.elapsed());
    server.signal("CONT");
    after_the_pause();
    assert_eq!(store.revocations(0).unwrap().epoch, epoch("one"));
}

#[test]
fn a_server_that_was_restarted_is_found_again() {
    let mut server = Server::start();
    let store = store(&server);
    store.begin_epoch(&epoch("one")).unwrap();
    server.kill();
    assert_eq!(store.revocations(0).unwrap_err().code(), "store_unavailable");
    server.restart();
    after_the_pause();
    assert_eq!(
        store.revocations(0).unwrap_err().code(),
        "store_empty",
        "it is there, and has lost everything"
    );
}

/// A store that did not answer is left alone for a second.
fn after_the_pause() {
    after(Duration::from_millis(1_100));
}

#[expect(clippy::disallowed_methods, reason = "the pause is one of real time: a store blocks")]
fn after(time: Duration) {
    std::thread::sleep(time);
}
