//! G08: one session cookie, or none, or a refusal.

use crate::{
    proxy::house::{House, claims_in},
    wire::{refused, statuses},
};

#[tokio::test]
async fn two_sessions_are_none() {
    let house = House::new().await;
    for lines in [
        &["Cookie: SESSION=alice-session; SESSION=bob-session"][..],
        &["Cookie: SESSION=alice-session", "Cookie: SESSION=bob-session"],
        &["Cookie: SESSION=alice-session; theme=x; SESSION=bob-session"],
    ] {
        let answer = house.send("GET /orders/", lines).await;
        let verdict = (statuses(&answer), refused(&answer));
        assert_eq!(verdict, (vec!["400"], Some("ambiguous_credential")), "{lines:?}");
    }
    assert_eq!((house.received().len(), house.server.arrived().len()), (0, 0));
    house.send("GET /orders/", &["Cookie: SESSION=alice-session; SESSION=alice-session"]).await;
    let received = house.received();
    assert_eq!(claims_in(&received[0])["sub"], "alice");
    assert!(!received[0].contains("alice-session"), "{}", received[0]);
}

#[tokio::test]
async fn what_is_no_session_cookie_is_none() {
    let house = House::new().await;
    for (line, code) in [
        ("Cookie: session=alice-session", "credential_missing"),
        ("Cookie: XSESSION=alice-session", "credential_missing"),
        ("Cookie: theme=\"SESSION=alice-session\"", "credential_missing"),
        ("Cookie: a=b, SESSION=alice-session", "credential_missing"),
        ("Cookie: $Version=1, SESSION=alice-session", "credential_missing"),
        ("Cookie_: SESSION=alice-session", "credential_missing"),
        ("Cookie: SESSION=", "credential_malformed"),
        ("Cookie: SESSION=\"alice-session\"", "credential_malformed"),
        ("Cookie: SESSION=alice session", "credential_malformed"),
        ("Cookie: SESSION=alice,session", "credential_malformed"),
        ("Cookie: SESSION=alice\\session", "credential_malformed"),
        ("Cookie: SESSION=caf\u{e9}", "credential_malformed"),
        ("Cookie: SESSION=alice\tsession", "credential_malformed"),
        ("Cookie: SESSION=alice-session\u{1}", "header_malformed"),
        (&format!("Cookie: SESSION={}", "a".repeat(8193)), "credential_too_large"),
    ] {
        let answer = house.send("GET /orders/", &[line]).await;
        assert_eq!(refused(&answer), Some(code), "{line}");
    }
    assert_eq!((house.received().len(), house.server.arrived().len()), (0, 0));
}

#[tokio::test]
async fn the_other_cookies_arrive_as_they_were() {
    let house = House::new().await;
    let line = "Cookie: theme=dark; SESSION=alice-session; $Path=/; empty=; token=SESSION=x; session=y";
    house.send("GET /orders/", &[line, "Cookie: more=1"]).await;
    house.send("GET /public/", &[line]).await;
    house.send("GET /legacy/", &[line]).await;
    let received = house.received();
    let cookie = |at: usize| received[at].lines().find_map(|line| line.strip_prefix("cookie: ")).unwrap();
    assert_eq!(cookie(0), "theme=dark; $Path=/; empty=; token=SESSION=x; session=y; more=1");
    assert_eq!(cookie(1), "theme=dark; $Path=/; empty=; token=SESSION=x; session=y");
    assert_eq!(format!("Cookie: {}", cookie(2)), line);
}
