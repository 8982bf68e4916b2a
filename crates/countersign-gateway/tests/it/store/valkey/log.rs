//! The log of revocations in a shared store.

use countersign::{
    UnixTime,
    revocation::{Cursor, Epoch, Target},
};
use countersign_gateway::store::{Change, Store, Terms, in_force};

use super::{Server, sealed_under, store};
use crate::store::revocations::{epoch, revoked, session};

const fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

#[test]
fn what_one_gateway_appends_all_read_in_one_order() {
    let server = Server::start();
    let (one, other) = (store(&server), store(&server));
    assert_eq!(one.revocations(0).unwrap_err().code(), "store_empty");
    assert_eq!(one.append(&[revoked(session("a"), 1, 2, 3)]).unwrap_err().code(), "store_empty");
    assert_eq!(one.begin_epoch(&epoch("one")).unwrap(), epoch("one"));
    assert_eq!(other.begin_epoch(&epoch("two")).unwrap(), epoch("one"), "there is one already");
    std::thread::scope(|scope| {
        for gateway in [&one, &other] {
            scope.spawn(move || {
                for n in 0..50 {
                    gateway.append(&[revoked(session(&format!("s{n}")), 100 + n, 400, 900)]).unwrap();
                }
            });
        }
    });
    let all = one.revocations(0).unwrap();
    assert_eq!((all.newest, all.records.len()), (100, 100));
    assert!(all.records.iter().zip(1..).all(|(record, seq)| record.seq == seq));
    assert_eq!(other.revocations(0).unwrap(), all);
    assert_eq!(other.revocations(98).unwrap().records.len(), 2);
    assert_eq!(one.forget_expired(at(899)).unwrap(), 0);
    assert_eq!(one.forget_expired(at(900)).unwrap(), 100);
    let rest = other.revocations(0).unwrap();
    assert_eq!((rest.newest, rest.records.len()), (100, 0), "numbers are never used again");
}

/// It could fill numbers that were read with something else in them, and nobody would look there again.
#[test]
fn a_server_that_comes_back_is_numbered_anew_before_anything_is_written() {
    let mut server = Server::start();
    let store = store(&server);
    store.begin_epoch(&epoch("one")).unwrap();
    store.append(&[revoked(session("kept"), 100, 400, 900)]).unwrap();
    server.command(&["SAVE"]);
    store.append(&[revoked(session("lost"), 100, 400, 900)]).unwrap();
    let seen = Cursor { epoch: epoch("one"), seq: 2 };
    assert_eq!(store.renumber(&seen, &epoch("two")).unwrap(), epoch("one"), "nothing has happened");
    server.kill();
    server.restart();
    // After a failure it is not tried for a while.
    let store = self::store(&server);
    assert_eq!(store.append(&[revoked(session("new"), 100, 400, 900)]).unwrap_err().code(), "store_empty");
    assert_eq!(store.revocations(0).unwrap_err().code(), "store_empty");
    assert_eq!(store.renumber(&seen, &epoch("two")).unwrap(), epoch("two"));
    assert_eq!(store.renumber(&seen, &epoch("three")).unwrap(), epoch("two"), "the first is in force");
    assert_eq!(store.begin_epoch(&epoch("four")).unwrap(), epoch("two"));
    assert_eq!(store.append(&[revoked(session("new"), 100, 400, 900)]).unwrap().seq, 2);
    let all = store.revocations(0).unwrap();
    assert_eq!((all.epoch, all.newest), (epoch("two"), 2));
    assert_eq!(in_force(&all.records).keys().collect::<Vec<_>>(), [&session("kept"), &session("new")]);
}

#[test]
fn a_long_log_is_read_whole() {
    let server = Server::start();
    let store = store(&server);
    store.begin_epoch(&epoch("one")).unwrap();
    for chunk in 0..13 {
        let changes: Vec<_> =
            (0..1000).map(|n| revoked(session(&format!("s{chunk}-{n}")), 100, 400, 900)).collect();
        store.append(&changes).unwrap();
    }
    assert_eq!(store.revocations(0).unwrap().records.len(), 13_000);
}

#[test]
fn what_is_lifted_does_not_come_back_when_the_lift_is_forgotten() {
    let server = Server::start();
    let store = store(&server);
    store.begin_epoch(&epoch("one")).unwrap();
    let everybody = Target::All;
    let terms = Terms { at: at(100), tokens_until: at(400), sessions_until: UnixTime::MAX };
    let forever =
        Change::Revoked { target: everybody.clone(), name_of: None, terms, reason: "operator".to_owned() };
    store.append(&[forever.clone(), revoked(session("a"), 100, 400, 900), forever]).unwrap();
    store.append(&[Change::Lifted { target: everybody, until: at(500) }]).unwrap();
    store.forget_expired(at(600)).unwrap();
    let left = in_force(&store.revocations(0).unwrap().records);
    assert_eq!(left.keys().collect::<Vec<_>>(), [&session("a")]);
}

/// Every byte of a kept change, changed; and changes that change places.
#[test]
fn who_writes_the_store_can_make_no_revocation_and_change_none() {
    let server = Server::start();
    let store = store(&server);
    store.begin_epoch(&epoch("one")).unwrap();
    store.append(&[revoked(session("a"), 100, 400, 900), revoked(session("b"), 100, 400, 900)]).unwrap();
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", server.port)).unwrap();
    let mut connection = client.get_connection().unwrap();
    let kept: Vec<(Vec<u8>, u64)> = redis::cmd("ZRANGE")
        .arg("test:changes")
        .arg(0)
        .arg(-1)
        .arg("WITHSCORES")
        .query(&mut connection)
        .unwrap();
    assert!(kept.iter().all(|(bytes, _)| !String::from_utf8_lossy(bytes).contains("session")), "sealed");
    let mut write = |entries: &[(Vec<u8>, u64)]| {
        redis::cmd("DEL").arg("test:changes").exec(&mut connection).unwrap();
        for (bytes, seq) in entries {
            redis::cmd("ZADD")
                .arg("test:changes")
                .arg(*seq)
                .arg(bytes.as_slice())
                .exec(&mut connection)
                .unwrap();
        }
    };
    for at in 0..kept[0].0.len() {
        let mut changed = kept.clone();
        changed[0].0[at] ^= 1;
        write(&changed);
        let read = store.revocations(0).unwrap();
        assert_eq!(read.unreadable, 1, "byte {at}");
        let changes: Vec<_> = read.records.into_iter().map(|record| record.change).collect();
        assert_eq!(changes, [Change::UNREADABLE, revoked(session("b"), 100, 400, 900)], "byte {at}");
    }
    write(&[(kept[1].0.clone(), 1), (kept[0].0.clone(), 2)]);
    let swapped = store.revocations(0).unwrap();
    assert_eq!((swapped.unreadable, in_force(&swapped.records).len()), (2, 0), "swapped");
    write(&kept);
    assert_eq!(store.revocations(0).unwrap().records.len(), 2);
    let otherwise = sealed_under(&server, 8).revocations(0).unwrap();
    assert_eq!((otherwise.unreadable, in_force(&otherwise.records).len()), (2, 0), "another key");
    // Beside a record of its number, between two numbers, behind the newest: each is passed over.
    for (score, beside) in [("1", 1), ("1.5", 1), ("7", 0), ("+inf", 0), ("-inf", 0)] {
        write(&kept);
        server.command(&["ZADD", "test:changes", score, "junk"]);
        let read = store.revocations(0).unwrap();
        assert_eq!((read.unreadable, in_force(&read.records).len()), (beside, 2), "{score}");
        assert_eq!((read.newest, read.records.len()), (2, 2), "{score}");
    }
}

#[test]
fn a_log_that_went_back_gets_another_epoch_and_what_was_read_is_kept() {
    let server = Server::start();
    let store = store(&server);
    store.begin_epoch(&epoch("one")).unwrap();
    store.append(&[revoked(session("a"), 100, 400, 900)]).unwrap();
    let seen = |seq| Cursor { epoch: epoch("one"), seq };
    let again = |seq, name: &str| store.renumber(&seen(seq), &Epoch::new(name).unwrap()).unwrap();
    assert_eq!(again(1, "two"), epoch("one"), "it is not behind");
    assert_eq!(again(5, "two"), epoch("two"), "it is");
    assert_eq!(again(5, "three"), epoch("two"), "another gateway was quicker");
    let all = store.revocations(0).unwrap();
    assert_eq!((all.epoch, all.records.len()), (epoch("two"), 1), "what was written before is read still");
    server.command(&["FLUSHALL"]);
    assert_eq!(store.revocations(0).unwrap_err().code(), "store_empty");
    assert_eq!(again(5, "four"), epoch("four"));
}

/// They are no numbers of the log, and there is no end of them between any two.
#[test]
fn entries_that_somebody_puts_between_the_numbers_keep_nobody_from_the_end_of_the_log() {
    let server = Server::start();
    let store = store(&server);
    store.begin_epoch(&epoch("one")).unwrap();
    store.append(&[revoked(session("a"), 100, 400, 900), revoked(session("b"), 100, 400, 900)]).unwrap();
    let fill = "for i = 1, 12000 do redis.call('ZADD', 'test:changes', 1 + i / 20000, 'junk' .. i) end";
    server.command(&["EVAL", fill, "0"]);
    let (mut records, mut from, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let (page, next) = store.page_of_revocations(from.as_deref()).unwrap();
        records.extend(page.records);
        pages += 1;
        assert!(pages < 10, "it goes on for ever");
        if next.is_none() {
            break;
        }
        from = next;
    }
    let found = in_force(&records);
    assert_eq!(found.keys().collect::<Vec<_>>(), [&session("a"), &session("b")]);
    assert_eq!(store.revocations(0).unwrap_err().code(), "store_damaged", "more than can be honest");
}
