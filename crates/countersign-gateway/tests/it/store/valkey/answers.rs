//! Sealed answers in a real server.

use std::{sync::Arc, time::Duration};

use countersign_gateway::{
    clock::SystemClock,
    session::shared::{SharedCache, Unread},
    store::valkey::ValkeyAnswers,
};
use tokio::time::{Instant, sleep};

use super::{Server, server::FROZEN};
use crate::server::harness::PATIENCE;

fn answers(server: &Server) -> ValkeyAnswers {
    ValkeyAnswers::start(&Arc::new(server.config()), Arc::new(SystemClock::start())).unwrap()
}

#[tokio::test]
async fn what_one_gateway_keeps_another_finds_until_its_time_is_over() {
    let server = Server::start();
    let (one, other) = (answers(&server), answers(&server));
    assert_eq!(other.find("a").await, Ok(None));
    one.keep("a".to_owned(), b"\0sealed\r\n".to_vec(), Duration::from_secs(60));
    one.keep("b".to_owned(), b"short".to_vec(), Duration::from_millis(50));
    assert_eq!(one.find("a").await.unwrap().as_deref(), Some(b"\0sealed\r\n".as_slice()));
    assert_eq!(other.find("a").await.unwrap().as_deref(), Some(b"\0sealed\r\n".as_slice()));
    sleep(Duration::from_millis(100)).await;
    assert_eq!(other.find("b").await, Ok(None));
    other.forget("a".to_owned());
    assert_eq!(other.find("a").await, Ok(None));
    assert_eq!(one.find("a").await, Ok(None));
}

#[tokio::test]
async fn a_server_that_is_away_is_an_empty_cache_and_costs_one_time_out() {
    let mut server = Server::start();
    server.timeout = FROZEN;
    let cache = Arc::new(answers(&server));
    cache.keep("a".to_owned(), b"x".to_vec(), Duration::from_secs(60));
    assert!(cache.find("a").await.unwrap().is_some());
    server.signal("STOP");
    let began = Instant::now();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..5_000 {
        let cache = Arc::clone(&cache);
        waiting.spawn(async move { cache.find("a").await });
    }
    while let Some(found) = waiting.join_next().await {
        assert_eq!(found.unwrap(), Err(Unread));
    }
    // Not one time-out for each, whatever the driver waits for; the rest is a busy machine.
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    server.signal("CONT");
    let began = Instant::now();
    while cache.find("a").await.is_err() {
        assert!(began.elapsed() < PATIENCE, "it is not used again");
        sleep(Duration::from_millis(100)).await;
    }
}
