//! Used log-out tokens on a real server.

use std::{sync::Barrier, thread};

use countersign_gateway::store::{LOGOUT_REMEMBERED, LogoutOutcome::Used, LogoutStanding as Standing, Store};
use redis::Value;

use super::{Server, store};
use crate::store::logouts::{NOW, flood, name, rules, standing};

fn number(value: &Value) -> i64 {
    let Value::Int(number) = value else { panic!("{value:?}") };
    *number
}

#[test]
fn a_shared_store_keeps_the_rules_whatever_the_clocks_of_its_gateways_say() {
    let server = Server::start();
    let store = store(&server);
    rules(&store, Standing::Held);
    let ahead = NOW.saturating_add(LOGOUT_REMEMBERED);
    assert_eq!(store.hold_logouts(&[name("a")], ahead).unwrap(), [Standing::Used]);
    let left = number(&server.command(&["PTTL", "test:logouts"]));
    assert!((1..=720_000).contains(&left), "{left} ms");
    // As after ten seconds, in which the gateway that holds it has died.
    assert_eq!(standing(&store, "held"), Standing::Fresh);
    assert_eq!(standing(&store, "held"), Standing::Held);
    let lapse = "for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('ZADD', KEYS[1], 1, name) end";
    server.command(&["EVAL", lapse, "1", "test:logouts-held"]);
    assert_eq!(standing(&store, "held"), Standing::Fresh, "a hold lapses");
    server.command(&["FLUSHALL"]);
    flood(&store);
    assert_eq!(number(&server.command(&["ZCARD", "test:logouts"])), 100_000);
}

#[test]
fn of_many_gateways_one_uses_a_token() {
    let server = Server::start();
    let names: Vec<_> = (0..50).map(|n| name(&n.to_string())).collect();
    let begin = Barrier::new(8);
    let fresh = thread::scope(|threads| {
        let gateways: Vec<_> = (0..8)
            .map(|_| {
                threads.spawn(|| {
                    let store = store(&server);
                    store.ping().unwrap();
                    begin.wait();
                    let mut fresh = Vec::new();
                    for name in &names {
                        if store.hold_logouts(&[*name], NOW).unwrap() == [Standing::Fresh] {
                            store.end_logouts(&[(*name, Used)], NOW).unwrap();
                            fresh.push(*name);
                        }
                    }
                    fresh
                })
            })
            .collect();
        gateways.into_iter().flat_map(|gateway| gateway.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(fresh.len(), 50, "each by one of them");
    let once: std::collections::BTreeSet<_> = fresh.into_iter().collect();
    assert_eq!(once.len(), 50);
}

#[test]
fn nothing_readable_of_a_token_is_in_the_store() {
    let server = Server::with("rdbcompression no\n");
    let store = store(&server);
    for id in ["planted-used", "planted-held"] {
        standing(&store, id);
    }
    store.end_logouts(&[(name("planted-used"), Used)], NOW).unwrap();
    server.command(&["SAVE"]);
    let dump = std::fs::read(server.folder.path().join("dump.rdb")).unwrap();
    let has = |text: &[u8]| dump.windows(text.len()).any(|part| part == text);
    assert!(has(name("planted-used").as_bytes()) && has(b"test:logouts-held"));
    assert!(!has(b"planted") && !has(b"sso.example"));
}
