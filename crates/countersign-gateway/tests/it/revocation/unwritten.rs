//! A store that cannot write: whoever revokes is not told that it was done, at whichever door.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    ALICE, CLIENTS, FORM, INTERNAL, ask, basic, command,
    log_out_tokens::{LogoutIssuer, post},
    token_in,
};
use crate::{
    browser::{PAGE, body, verdict},
    proxy::house::{House, claims_in, who},
    server::{
        harness::PATIENCE,
        recorder::{OK, Recorder},
    },
};

const BROWSER: &str = "[browser]\nlogin_url = \"https://sso.example/login?next={return}\"\n";

#[tokio::test]
async fn what_cannot_be_written_is_acknowledged_at_no_door_and_holds_all_the_same() {
    let issuer = LogoutIssuer::start().await;
    let more = format!("{}{}{BROWSER}", CLIENTS.replace("SERVICE", "127.0.0.1:9"), issuer.lines());
    let house = House::with(INTERNAL, &more, Recorder::answering(OK).await, who).await;
    house.send("GET /orders/", &[ALICE]).await;
    let head = house.received().remove(0);
    let (token, claims) = (token_in(&head), claims_in(&head));
    let logout_token = issuer.about("1", Some("alice"), None);
    let page = async || {
        let lines = [&PAGE[..], &[ALICE, "Content-Length: 0"]].concat();
        house.send("POST /.countersign/logout", &lines).await
    };
    let operator = async || command(&house, json!({ "session": claims["sid"] })).await;
    let service = async || {
        let headers = format!("{}{FORM}", basic("orders"));
        ask(&house, "POST /revoke", &headers, &format!("token={token}")).await
    };
    let authorization_server = async || post(&house, &logout_token).await;

    let file = house.state.path().join("state").join("countersign.db");
    let elsewhere = rusqlite::Connection::open(file).unwrap();
    // Each write fails as it does on a full disk, and everything can be read.
    elsewhere
        .execute_batch(
            "CREATE TRIGGER full_disk BEFORE INSERT ON revocation BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END",
        )
        .unwrap();
    for _ in 0..2 {
        let page = page().await;
        assert_eq!(verdict(&page), ("503", Some("revocation_unsettled")), "{page}");
        assert!(page.contains("\r\nretry-after: ") && !page.contains("set-cookie"), "{page}");
        let (status, told) = operator().await;
        assert_eq!(status, 503, "{told}");
        assert!(told["error"].as_str().unwrap().contains("it holds at this gateway"), "{told}");
        for answer in [service().await, authorization_server().await] {
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            assert!(answer.contains("temporarily_unavailable"), "{answer}");
        }
        let refused = house.send("GET /orders/", &[ALICE]).await;
        assert_eq!(verdict(&refused), ("401", Some("revoked")), "it holds here");
    }
    elsewhere.execute_batch("DROP TRIGGER full_disk").unwrap();
    // What was revoked meanwhile is written without anybody's asking.
    let begin = Instant::now();
    let written =
        || -> u32 { elsewhere.query_row("SELECT count(*) FROM revocation", [], |row| row.get(0)).unwrap() };
    while written() < 3 {
        assert!(begin.elapsed() < PATIENCE, "{} are written", written());
        sleep(Duration::from_millis(20)).await;
    }
    let page = page().await;
    assert_eq!((verdict(&page), body(&page).get("pending")), (("200", None), None), "{page}");
    assert_eq!(operator().await.0, 200);
    for answer in [service().await, authorization_server().await] {
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}
