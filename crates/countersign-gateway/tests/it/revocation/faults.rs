//! What is wrong with the log of revocations, as `/readyz` tells it: the gateway serves on.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep},
};

use super::{ALICE, command, house};
use crate::{
    proxy::house::House,
    server::recorder::{OK, Recorder},
};

/// By the admin listener.
async fn readyz(house: &House) -> Value {
    let mut socket = TcpStream::connect(house.admin).await.unwrap();
    socket.write_all(b"GET /readyz HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    serde_json::from_str(body).unwrap()
}

async fn until_told(house: &House, fault: &str) {
    let (begin, expected) = (Instant::now(), json!({ "ready": true, "faults": [fault] }));
    while readyz(house).await != expected {
        assert!(begin.elapsed() < Duration::from_secs(10), "{}", readyz(house).await);
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_database_that_was_put_back_from_a_backup_is_told_until_an_operator_has_seen_to_it() {
    let mut house = house(Recorder::answering(OK).await).await;
    assert_eq!(command(&house, json!({ "session": "before" })).await.0, 200);
    let state = house.state.path().join("state");
    let [database, backup] = [state.join("countersign.db"), house.state.path().join("backup.db")];
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    drop(connection);
    assert_eq!(command(&house, json!({ "session": "since" })).await.0, 200);
    assert_eq!(readyz(&house).await, json!({ "ready": true }));
    house.stop().await;
    // The file keeps its permissions.
    fs::write(&database, fs::read(&backup).unwrap()).unwrap();
    house.start();
    until_told(&house, "revocations_went_back").await;
    assert!(house.send("GET /orders/", &[ALICE]).await.starts_with("HTTP/1.1 200 "));
    house.stop().await;
    fs::remove_file(state.join("revocations-seen")).unwrap();
    house.start();
    assert_eq!(readyz(&house).await, json!({ "ready": true }));
}

#[cfg(feature = "valkey")]
#[tokio::test]
async fn a_record_that_nobody_can_read_is_told_by_every_gateway() {
    use crate::{
        proxy::house::who, revocation::on_one_store, sources::fake::Fake, store::valkey::server::Server,
    };

    let store = Server::start();
    let gateways = on_one_store(Fake::start(who).await, &store, ["", ""], "", OK).await;
    assert_eq!(command(&gateways[0], json!({ "session": "before" })).await.0, 200);
    for house in &gateways {
        assert_eq!(readyz(house).await, json!({ "ready": true }));
    }
    store.command(&["ZADD", "countersign:changes", "2", "junk"]);
    store.command(&["HSET", "countersign:log", "newest", "2"]);
    for house in &gateways {
        until_told(house, "revocation_unreadable").await;
    }
}
