//! `login`, `done`, and navigations without a session.

use super::{field, house, verdict};
use crate::wire::ALICE;

#[tokio::test]
async fn the_browser_is_sent_to_the_old_servers_page_and_back() {
    let house = house("").await;
    let answer =
        house.send("GET /.countersign/login?display=popup&return=%2Forders%2F%3Fa%3Db%2520c%26d", &[]).await;
    assert_eq!(verdict(&answer), ("303", None), "{answer}");
    let expected = "https://sso.example/login?next=https%3A%2F%2Fshop.example%2F.countersign%2Fdone%3Fdisplay%3D\
        popup%26return%3D%252Forders%252F%253Fa%253Db%252520c%2526d";
    assert_eq!(field(&answer, "location"), Some(expected));
    assert_eq!(field(&answer, "cache-control"), Some("no-store"));
    let answer = house.send("GET /.countersign/done?display=popup&return=%2Forders%2F", &[]).await;
    assert_eq!(verdict(&answer), ("200", None));
    assert!(answer.contains("postMessage({t:'login'})"), "{answer}");
    assert_eq!(field(&answer, "x-frame-options"), Some("DENY"));
    assert_eq!(field(&answer, "x-content-type-options"), Some("nosniff"));
    assert_eq!(field(&answer, "cache-control"), Some("no-store"));
}

#[tokio::test]
async fn nobody_is_sent_to_another_site() {
    let house = house("").await;
    for bad in [
        "//evil.example",
        "%2F%2Fevil.example",
        "/%5Cevil.example",
        "%5C%5Cevil.example",
        "https://evil.example",
        "https%3A%2F%2Fevil.example",
        "javascript:alert(1)",
        "/%09/evil.example",
        "/%0A/evil.example",
        "/%00",
        "%20//evil.example",
        "",
        "orders",
        "/%ff",
        "/%zz",
        "/a&return=//evil.example",
        "/.countersign/session",
    ] {
        for endpoint in ["login", "done"] {
            let answer =
                house.send(&format!("GET /.countersign/{endpoint}?display=redirect&return={bad}"), &[]).await;
            assert_eq!(verdict(&answer), ("400", Some("parameter_invalid")), "{endpoint} {bad}");
            assert!(!answer.contains("evil"), "{answer}");
        }
    }
}

const PAGE_LOAD: [&str; 2] = ["Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"];

#[tokio::test]
async fn only_a_navigation_is_sent_to_the_log_in() {
    let house = house("redirect = true\n").await;
    let target = "/.countersign/login?display=redirect&return=%2Forders%2F%3Fa%3D1";
    for (line, lines, expected) in [
        ("GET /orders/?a=1", &PAGE_LOAD[..], Some(target)),
        ("HEAD /orders/?a=1", &PAGE_LOAD, Some(target)),
        ("GET /orders/?a=1", &["Accept: text/html,application/xhtml+xml;q=0.9"], Some(target)),
        ("GET /orders/?a=1", &[PAGE_LOAD[0], PAGE_LOAD[1], "Cookie: SESSION=nobody"], Some(target)),
        ("GET /orders/?a=1", &["Sec-Fetch-Mode: cors", "Accept: text/html"], None),
        ("GET /orders/?a=1", &["Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"], None),
        ("GET /orders/?a=1", &["Accept: application/json"], None),
        ("GET /orders/?a=1", &[], None),
        ("POST /orders/?a=1", &[PAGE_LOAD[0], PAGE_LOAD[1], "Content-Length: 0"], None),
        // It was just there: going again would go round for ever.
        (
            "GET /orders/?a=1",
            &[PAGE_LOAD[0], PAGE_LOAD[1], "Referer: https://shop.example/.countersign/done?display=redirect"],
            None,
        ),
    ] {
        let answer = house.send(line, lines).await;
        let status = if expected.is_some() { "303" } else { "401" };
        assert_eq!(verdict(&answer).0, status, "{line} {lines:?}");
        assert_eq!(field(&answer, "location"), expected);
        assert_eq!(field(&answer, "countersign-forwarded"), Some("0"));
        assert_eq!(field(&answer, "cache-control"), Some("no-store"));
    }
    // Other refusals are answers.
    let answer = house.send("GET /edit/", &[&PAGE_LOAD[..], &["Cookie: SESSION=bob-session"]].concat()).await;
    assert_eq!(verdict(&answer), ("403", Some("role_missing")));
    assert_eq!(
        verdict(&house.send("GET /orders/", &[&PAGE_LOAD[..], &[ALICE]].concat()).await),
        ("200", None)
    );
    assert_eq!(verdict(&house.send("GET /nowhere", &PAGE_LOAD).await), ("404", Some("no_route")));
}

#[tokio::test]
async fn unless_the_operator_says_so_a_navigation_is_an_answer() {
    let house = house("").await;
    let answer = house.send("GET /orders/", &PAGE_LOAD).await;
    assert_eq!(verdict(&answer), ("401", Some("credential_missing")));
}
