//! How the server is reached, and what becomes of a call when it is not.

use std::{sync::Arc, time::Duration};

use countersign::Secret;
use countersign_gateway::{
    clock::SystemClock,
    config::resolved::{StoreConfig, StoreServer},
    entropy::SystemEntropy,
    keyring::seal::Sealer,
    store::{Store, valkey::ValkeyStore},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::time::Instant;

use super::{Server, store};
use crate::store::revocations::epoch;

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
        "the store cannot be reached: it answers NOAUTH"
    );
    with(StoreConfig { password: password("planted-password"), ..server.config() }).ping().unwrap();
    let acl = StoreConfig { username: Some("gateway".to_owned()), ..server.config() };
    with(StoreConfig { password: password("planted-password"), ..acl.clone() }).ping().unwrap();
    let wrong = with(StoreConfig { password: password("planted-wrong-one"), ..acl });
    let error = wrong.ping().unwrap_err();
    assert_eq!(error.code(), "store_unavailable");
    assert!(!format!("{error} {error:?} {wrong:?}").contains("planted"), "{error:?}");
}

#[test]
fn tls_is_checked_against_the_given_roots() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    std::fs::write(&certificate, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let server = Server::with(&format!(
        "tls-port {{port}}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {0}\ntls-auth-clients no\n",
        certificate.display(),
        key.display()
    ));
    let servers = |host: &str| vec![StoreServer { host: host.to_owned(), port: server.port }];
    let tls = StoreConfig { tls: true, timeout: Duration::from_secs(2), ..server.config() };
    let own_roots = Some(cert.pem().into_bytes());
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

#[test]
fn a_frozen_server_is_given_up_in_time_and_left_alone_for_a_second() {
    let server = Server::start();
    let store = store(&server);
    store.begin_epoch(&epoch("one")).unwrap();
    server.signal("STOP");
    let began = Instant::now();
    assert_eq!(store.revocations(0).unwrap_err().code(), "store_unavailable");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let again = Instant::now();
    for _ in 0..100 {
        store.revocations(0).unwrap_err();
    }
    assert!(again.elapsed() < Duration::from_millis(300), "{:?}", again.elapsed());
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
#[expect(clippy::disallowed_methods, reason = "the pause is one of real time: a store blocks")]
fn after_the_pause() {
    std::thread::sleep(Duration::from_millis(1_100));
}
