//! `logout`: over here and at once; what is left at the old server is said.

use super::{PAGE, body, field, house, verdict};
use crate::{
    proxy::house::{House, who},
    server::recorder::{OK, Recorder},
    wire::ALICE,
};

const FORM: &str = "Content-Length: 0";

async fn log_out(house: &House, cookie: &str) -> String {
    house.send("POST /.countersign/logout", &[&PAGE[..], &[cookie, FORM]].concat()).await
}

#[tokio::test]
async fn the_session_is_over_at_once() {
    let house = house("").await;
    assert_eq!(verdict(&house.send("GET /orders/", &[ALICE]).await), ("200", None));
    let answer = log_out(&house, ALICE).await;
    assert_eq!(verdict(&answer), ("200", None), "{answer}");
    let expected =
        serde_json::json!({ "server_session": "alive", "logout_url": "https://sso.example/logout" });
    assert_eq!(body(&answer), expected);
    assert_eq!(field(&answer, "cache-control"), Some("no-store"));
    assert_eq!(field(&answer, "set-cookie"), None);
    // A command line that was copied before.
    assert_eq!(verdict(&house.send("GET /orders/", &[ALICE]).await), ("401", Some("revoked")));
    for line in ["GET /.countersign/session", "POST /.countersign/renew"] {
        let answer = house.send(line, &[&PAGE[..], &[ALICE, FORM]].concat()).await;
        assert_eq!(verdict(&answer), ("401", Some("revoked")), "{line}");
    }
    assert_eq!(verdict(&house.send("GET /orders/", &["Cookie: SESSION=bob-session"]).await), ("200", None));
    // A second click changes nothing.
    let again = log_out(&house, ALICE).await;
    assert_eq!(body(&again)["server_session"], "unknown", "{again}");
    assert_eq!(house.received().len(), 2);
}

#[tokio::test]
async fn a_log_out_that_cannot_be_written_is_not_acknowledged_and_holds_all_the_same() {
    let house = house("").await;
    let file = house.state.path().join("state").join("countersign.db");
    let elsewhere = rusqlite::Connection::open(file).unwrap();
    let rename = |from: &str, to: &str| {
        elsewhere.execute_batch(&format!("ALTER TABLE {from} RENAME TO {to}")).unwrap();
    };
    rename("revocation", "away");
    for _ in 0..3 {
        let answer = log_out(&house, ALICE).await;
        assert_eq!(verdict(&answer), ("503", Some("revocation_unsettled")), "{answer}");
        assert_eq!(field(&answer, "set-cookie"), None);
        assert!(field(&answer, "retry-after").is_some(), "{answer}");
        assert_eq!(verdict(&house.send("GET /orders/", &[ALICE]).await), ("401", Some("revoked")));
    }
    rename("away", "revocation");
    let answer = log_out(&house, ALICE).await;
    assert_eq!((verdict(&answer), body(&answer).get("pending")), (("200", None), None), "{answer}");
}

#[tokio::test]
async fn a_session_not_seen_before_is_over_too() {
    let house = house("").await;
    assert_eq!(body(&log_out(&house, ALICE).await)["server_session"], "alive");
    assert_eq!(verdict(&house.send("GET /orders/", &[ALICE]).await), ("401", Some("revoked")));
}

#[tokio::test]
async fn what_is_no_session_has_ended() {
    let house = house("").await;
    assert_eq!(body(&log_out(&house, "Cookie: SESSION=nobody").await)["server_session"], "ended");
    assert_eq!(verdict(&log_out(&house, "X: y").await), ("401", Some("credential_missing")));
    let two = "Cookie: SESSION=a; SESSION=b";
    assert_eq!(verdict(&log_out(&house, two).await), ("400", Some("ambiguous_credential")));
}

#[tokio::test]
async fn without_a_page_to_go_to_the_answer_says_that_the_session_lives() {
    let browser = "[browser]\nlogin_url = \"/legacy/login?next={return}\"\n";
    let house = House::with("", browser, Recorder::answering(OK).await, who).await;
    assert_eq!(body(&log_out(&house, ALICE).await), serde_json::json!({ "server_session": "alive" }));
    let answer = house.send("GET /.countersign/login", &[]).await;
    assert!(field(&answer, "location").unwrap().starts_with("/legacy/login?next=https%3A%2F%2Fshop.example"));
}

#[tokio::test]
async fn g15_nobody_else_logs_a_user_out() {
    let house = house("").await;
    for (line, lines, expected) in [
        ("POST /.countersign/logout", &["Countersign: 1"][..], ("403", Some("csrf"))),
        (
            "POST /.countersign/logout",
            &["Origin: https://evil.example", "Countersign: 1"],
            ("403", Some("csrf")),
        ),
        (
            "POST /.countersign/logout",
            &["Sec-Fetch-Site: same-origin", "Content-Type: text/plain"],
            ("403", Some("countersign_header_missing")),
        ),
        ("GET /.countersign/logout", &PAGE, ("405", Some("method_not_allowed"))),
    ] {
        let answer = house.send(line, &[lines, &[ALICE, FORM]].concat()).await;
        assert_eq!(verdict(&answer), expected, "{line} {lines:?}");
    }
    assert_eq!(verdict(&house.send("GET /orders/", &[ALICE]).await), ("200", None));
}
