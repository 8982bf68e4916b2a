//! A cookie that the authorization server replaces while a page asks about itself.

use super::{PAGE, body, field, verdict};
use crate::{
    proxy::house::{House, claims_in},
    server::recorder::{OK, Recorder},
    sources::fake::{Act, Arrived, answer},
};

const BEHIND_A_PROXY: &str = "trusted_proxies = [\"127.0.0.0/8\"]\n";
const TABLE: &str =
    "[browser]\nlogin_url = \"/login?next={return}\"\nallowed_origins = [\"https://app.example\"]\n";
const FORM: &str = "Content-Length: 0";
const FIRST: &str = "Cookie: SESSION=first";
const SECOND: &str = "Cookie: SESSION=second";
const NEW: &str = "SESSION=second; Path=/; HttpOnly";
/// Whose request leads to the exchange, and somebody else who holds the cookie.
const HERE: &str = "X-Forwarded-For: 192.0.2.7";
const ELSEWHERE: &str = "X-Forwarded-For: 198.51.100.1";

/// Replaces `first` by `second`.
fn replacing(asked: &Arrived) -> Act {
    let alice = r#"{"sub":"alice","org":{"id":"acme"},"roles":[]}"#;
    let json = "content-type: application/json\r\n";
    match asked.header("cookie").unwrap_or_default() {
        "SESSION=first" => answer(200, &format!("{json}set-cookie: {NEW}\r\n"), alice),
        "SESSION=second" => answer(200, json, alice),
        _ => answer(401, "", ""),
    }
}

async fn house() -> House {
    House::asking("whoami = \"WHOAMI\"", BEHIND_A_PROXY, TABLE, Recorder::answering(OK).await, replacing)
        .await
}

async fn ask(house: &House, line: &str, lines: &[&str]) -> String {
    house.send(line, &[&PAGE[..], &[FORM], lines].concat()).await
}

#[tokio::test]
async fn a_page_that_asks_about_itself_gets_it_at_once() {
    for line in ["GET /.countersign/session", "POST /.countersign/renew", "HEAD /.countersign/session"] {
        let house = house().await;
        let first = ask(&house, line, &[FIRST, HERE]).await;
        assert_eq!(verdict(&first), ("200", None), "{first}");
        let cookies: Vec<&str> = first.lines().filter_map(|line| line.strip_prefix("set-cookie: ")).collect();
        assert_eq!(cookies, [NEW], "{line}");
        assert_eq!(field(&first, "cache-control"), Some("no-store"));
        // The browser goes on with the new one: the same session, and nobody is asked anew.
        let second = ask(&house, "POST /.countersign/renew", &[SECOND, HERE]).await;
        assert_eq!((verdict(&second), field(&second, "set-cookie")), (("200", None), None), "{line}");
        let service = house.send("GET /orders/", &[SECOND, HERE]).await;
        assert_eq!((verdict(&service), field(&service, "set-cookie")), (("200", None), None), "{line}");
        assert_eq!(claims_in(&house.received()[0])["sid"], body(&second)["sid"], "{line}");
        assert_eq!(house.server.arrived().len(), 1, "{line}");
    }
}

#[tokio::test]
async fn who_stole_the_old_one_does_not() {
    let house = house().await;
    let first = ask(&house, "POST /.countersign/renew", &[FIRST, HERE]).await;
    assert_eq!(field(&first, "set-cookie"), Some(NEW));
    for line in ["POST /.countersign/renew", "GET /.countersign/session"] {
        let stolen = ask(&house, line, &[FIRST, ELSEWHERE]).await;
        assert_eq!((verdict(&stolen), field(&stolen, "set-cookie")), (("200", None), None), "{line}");
    }
    // A tab that had asked already, with the old one.
    let late = ask(&house, "GET /.countersign/session", &[FIRST, HERE]).await;
    assert_eq!(field(&late, "set-cookie"), Some(NEW));
    let stolen = ask(&house, "POST /.countersign/logout", &[FIRST, ELSEWHERE]).await;
    assert_eq!((verdict(&stolen), field(&stolen, "set-cookie")), (("200", None), None));
}

#[tokio::test]
async fn what_is_refused_before_the_session_is_known_carries_none() {
    let house = house().await;
    ask(&house, "POST /.countersign/renew", &[FIRST, HERE]).await;
    for (line, lines, expected) in [
        ("POST /.countersign/renew", &[HERE, FIRST, "Countersign: 1"][..], ("403", Some("csrf"))),
        (
            "GET /.countersign/session",
            &[HERE, FIRST, "Countersign: 1", "Origin: https://evil.example"],
            ("403", Some("csrf")),
        ),
        (
            "POST /.countersign/logout",
            &[HERE, FIRST, "Sec-Fetch-Site: same-origin"],
            ("403", Some("countersign_header_missing")),
        ),
    ] {
        let answer = house.send(line, &[lines, &[FORM]].concat()).await;
        assert_eq!((verdict(&answer), field(&answer, "set-cookie")), (expected, None), "{line} {lines:?}");
    }
}

#[tokio::test]
async fn a_log_out_leaves_the_browser_with_the_cookie_that_the_server_knows() {
    // Whether the exchange happens for the log-out itself or a moment before it.
    for asked_before in [false, true] {
        let house = house().await;
        if asked_before {
            ask(&house, "POST /.countersign/renew", &[FIRST, HERE]).await;
        }
        let answer = ask(&house, "POST /.countersign/logout", &[FIRST, HERE]).await;
        assert_eq!(verdict(&answer), ("200", None), "{answer}");
        assert_eq!(field(&answer, "set-cookie"), Some(NEW), "the server's own log-out needs it");
        for cookie in [FIRST, SECOND] {
            let answer = ask(&house, "POST /.countersign/renew", &[cookie, HERE]).await;
            assert_eq!(verdict(&answer), ("401", Some("revoked")), "{cookie}");
            assert_eq!(field(&answer, "set-cookie"), None);
        }
    }
}
