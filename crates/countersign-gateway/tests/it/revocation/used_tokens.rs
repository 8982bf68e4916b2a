//! A log-out token is used once: also by another gateway, and after a restart.

use super::log_out_tokens::{LogoutIssuer, house, is_revoked, is_served, post, send};

fn is_refused(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 400 ")
}

#[tokio::test]
async fn a_used_token_is_refused_after_a_restart() {
    let issuer = LogoutIssuer::start().await;
    let mut house = house(&issuer, true).await;
    let of_user = issuer.about("planted-jti", Some("alice"), None);
    assert!(is_served(&post(&house, &of_user).await));
    house.restart().await;
    assert!(is_revoked(&send(&house, "alice-1").await));
    assert!(is_refused(&post(&house, &of_user).await), "it was used before the restart");
    assert!(is_served(&post(&house, &issuer.about("another", Some("alice"), None)).await));
    for file in std::fs::read_dir(house.state.path().join("state")).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            let bytes = std::fs::read(file.path()).unwrap();
            assert!(!bytes.windows(11).any(|part| part == b"planted-jti"), "{file:?}");
        }
    }
}

/// The disk is full when it comes first.
#[tokio::test]
async fn a_token_whose_log_out_was_not_recorded_is_believed_again_also_after_a_restart() {
    let issuer = LogoutIssuer::start().await;
    let mut house = house(&issuer, true).await;
    let of_user = issuer.about("1", Some("alice"), None);
    let file = house.state.path().join("state").join("countersign.db");
    let elsewhere = rusqlite::Connection::open(file).unwrap();
    let full = "CREATE TRIGGER full_disk BEFORE INSERT ON revocation BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END";
    elsewhere.execute_batch(full).unwrap();
    for _ in 0..2 {
        let answer = post(&house, &of_user).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
    house.restart().await;
    elsewhere.execute_batch("DROP TRIGGER full_disk").unwrap();
    assert!(is_served(&post(&house, &of_user).await), "it was never recorded");
    assert!(is_refused(&post(&house, &of_user).await));
    assert!(is_revoked(&send(&house, "alice-1").await));
}

#[cfg(feature = "valkey")]
mod shared {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::{
        proxy::house::House,
        revocation::{log_out_tokens::person, on_one_store},
        server::recorder::OK,
        sources::fake::{Arrived, Fake},
        store::valkey::server::{FROZEN, Server},
    };

    async fn gateways(issuer: &LogoutIssuer, store: &Server) -> [House; 2] {
        let server = Fake::start(|arrived: &Arrived| person(arrived, true)).await;
        on_one_store(server, store, ["", ""], &issuer.lines(), OK).await
    }

    #[tokio::test]
    async fn a_token_that_one_gateway_used_is_refused_by_the_others() {
        let (issuer, store) = (LogoutIssuer::start().await, Server::start());
        let [first, second] = gateways(&issuer, &store).await;
        let of_user = issuer.about("1", Some("alice"), None);
        assert!(is_served(&post(&first, &of_user).await));
        let log = || store.command(&["HGET", "countersign:log", "newest"]);
        let recorded = log();
        for house in [&second, &first, &second] {
            let answer = post(house, &of_user).await;
            assert!(is_refused(&answer), "{answer}");
        }
        assert_eq!(log(), recorded, "and nothing more was ended");
        assert!(is_revoked(&send(&first, "alice-1").await));
        // At the same time, again and again: one of them believes it.
        for n in 0..20 {
            let token = issuer.about(&format!("at-once-{n}"), None, Some(&format!("server-{n}")));
            let answers = tokio::join!(post(&first, &token), post(&second, &token));
            let believed = [&answers.0, &answers.1].into_iter().filter(|answer| is_served(answer)).count();
            assert_eq!(believed, 1, "{answers:?}");
        }
    }

    #[tokio::test]
    async fn while_the_store_is_away_a_log_out_holds_here_and_its_token_is_believed_until_it_is_recorded() {
        let (issuer, mut store) = (LogoutIssuer::start().await, Server::start());
        store.timeout = FROZEN;
        let [first, second] = gateways(&issuer, &store).await;
        assert!(is_served(&send(&first, "alice-1").await));
        let of_user = issuer.about("1", Some("alice"), None);
        store.signal("STOP");
        for _ in 0..2 {
            let answer = post(&first, &of_user).await;
            assert!(answer.starts_with("HTTP/1.1 503 "), "the server is asked to send it again: {answer}");
            assert!(is_revoked(&send(&first, "alice-1").await), "it holds here already");
        }
        store.signal("CONT");
        let begin = Instant::now();
        while !is_served(&post(&second, &of_user).await) {
            assert!(begin.elapsed() < Duration::from_secs(20), "an honest log-out is lost");
            sleep(Duration::from_millis(100)).await;
        }
        assert!(is_refused(&post(&first, &of_user).await), "and then it is used");
        assert!(is_revoked(&send(&second, "alice-1").await));
    }
}
