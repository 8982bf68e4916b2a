//! `session` and `renew`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{PAGE, body, field, house, verdict};
use crate::{
    proxy::house::{House, who},
    server::{
        harness::PATIENCE,
        recorder::{OK, Recorder},
    },
    sources::fake::{Arrived, json},
    wire::ALICE,
};

const FORM: &str = "Content-Length: 0";

#[tokio::test]
async fn both_tell_who_is_logged_in() {
    let house = house("").await;
    for line in ["GET /.countersign/session", "POST /.countersign/renew"] {
        let answer = house.send(line, &[&PAGE[..], &[ALICE, FORM]].concat()).await;
        assert_eq!(verdict(&answer), ("200", None), "{answer}");
        assert_eq!(field(&answer, "cache-control"), Some("no-store"));
        assert_eq!(field(&answer, "vary"), Some("Cookie, Origin, Sec-Fetch-Site"));
        assert_eq!(field(&answer, "content-type"), Some("application/json"));
        assert_eq!(field(&answer, "x-content-type-options"), Some("nosniff"));
        assert_eq!(field(&answer, "access-control-allow-origin"), None);
        assert!(field(&answer, "countersign-decision").is_some());
        assert!(field(&answer, "set-cookie").is_none());
        let said = body(&answer);
        let user = serde_json::json!({
            "sub": "alice", "name": "al", "email": "al@acme.example", "organisation": "acme", "roles": ["editor"]
        });
        assert_eq!(said["user"], user);
        let (now, exp, ends) = (
            said["now"].as_u64().unwrap(),
            said["exp"].as_u64().unwrap(),
            said["session_ends"].as_u64().unwrap(),
        );
        assert_eq!(exp, now + 300);
        assert!(ends > exp);
        assert_eq!(said["draft_key"].as_str().unwrap().len(), 43);
        assert!(said.get("token").is_none(), "{said}");
        assert!(!answer.contains("alice-session"), "{answer}");
    }
    assert_eq!(house.server.arrived().len(), 1);
    assert_eq!(house.received().len(), 0);
}

#[tokio::test]
async fn another_user_has_another_draft_key() {
    let house = house("").await;
    let mut keys = std::collections::BTreeSet::new();
    for cookie in [ALICE, ALICE, "Cookie: SESSION=bob-session"] {
        let answer = house.send("GET /.countersign/session", &[&PAGE[..], &[cookie]].concat()).await;
        keys.insert(body(&answer)["draft_key"].as_str().unwrap().to_owned());
    }
    assert_eq!(keys.len(), 2);
}

#[tokio::test]
async fn no_session_is_a_401_that_names_its_reason() {
    let house = house("").await;
    for (cookie, status, code) in [
        ("X: y", "401", "credential_missing"),
        ("Cookie: SESSION=nobody", "401", "session_ended"),
        ("Cookie: SESSION=a; SESSION=b", "400", "ambiguous_credential"),
        ("Authorization: Bearer alice-session", "401", "credential_missing"),
    ] {
        for line in ["GET /.countersign/session", "POST /.countersign/renew"] {
            let answer = house.send(line, &[&PAGE[..], &[cookie, FORM]].concat()).await;
            assert_eq!(verdict(&answer), (status, Some(code)), "{line} {cookie}");
            assert_eq!(field(&answer, "cache-control"), Some("no-store"));
            assert_eq!(field(&answer, "vary"), Some("Cookie, Origin, Sec-Fetch-Site"));
            assert_eq!(field(&answer, "countersign-forwarded"), Some("0"));
        }
    }
}

#[tokio::test]
async fn a_cookie_that_became_a_session_is_one_at_once() {
    let logged_in = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&logged_in);
    let browser = "[browser]\nlogin_url = \"https://sso.example/{return}\"\n";
    let house = House::with("", browser, Recorder::answering(OK).await, move |arrived| {
        if flag.load(Ordering::SeqCst) { who(arrived) } else { json(200, r#"{"active":false}"#) }
    })
    .await;
    let ask = async |line: &str| house.send(line, &[&PAGE[..], &[ALICE]].concat()).await;
    assert_eq!(verdict(&ask("GET /.countersign/session").await), ("401", Some("session_ended")));
    logged_in.store(true, Ordering::SeqCst);
    // A route remembers for two seconds that it was none.
    assert_eq!(verdict(&ask("GET /orders/").await), ("401", Some("session_ended")));
    assert_eq!(verdict(&ask("GET /.countersign/session").await), ("200", None));
    assert_eq!(verdict(&ask("GET /orders/").await), ("200", None));
}

#[tokio::test]
async fn fifty_renewals_at_once_ask_once() {
    let house = house("").await;
    let lines = [&PAGE[..], &[ALICE, FORM]].concat();
    let mut asking = Vec::new();
    for _ in 0..50 {
        asking.push(house.send("POST /.countersign/renew", &lines));
    }
    let answers = join_all(asking).await;
    assert!(answers.iter().all(|answer| verdict(answer) == ("200", None)));
    assert_eq!(house.server.arrived().len(), 1);
}

async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        waiting.retain_mut(|future| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => {
                done.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

#[tokio::test]
async fn hostile_names_stay_text() {
    let browser = "[browser]\nlogin_url = \"https://sso.example/{return}\"\n";
    let house = House::with("", browser, Recorder::answering(OK).await, |_| {
        json(
            200,
            r#"{"active":true,"sub":"</script><img src=x onerror=alert(1)>","username":"\"},\"user\":{\"sub\":\"root\"",
            "email":"a\u2028b\r\nSet-Cookie: x=y","roles":["a\"b"],"org":{"id":"acme"},"client_id":"shop"}"#,
        )
    })
    .await;
    let answer = house.send("GET /.countersign/session", &[&PAGE[..], &[ALICE]].concat()).await;
    // A name may be refused where it is understood; what gets through is quoted.
    match verdict(&answer) {
        ("200", None) => {
            let said = body(&answer);
            assert_eq!(said["user"]["sub"], "</script><img src=x onerror=alert(1)>");
            assert_eq!(said["user"]["name"], r#""},"user":{"sub":"root""#);
        }
        other => assert_eq!(other, ("403", Some("claim_invalid")), "{answer}"),
    }
    assert!(!answer.to_ascii_lowercase().contains("\r\nset-cookie"), "{answer}");
}

#[tokio::test]
async fn without_the_table_there_are_no_endpoints() {
    let house = House::new().await;
    for line in ["GET /.countersign/session", "POST /.countersign/renew", "GET /.countersign/login"] {
        let answer = house.send(line, &[&PAGE[..], &[ALICE, FORM]].concat()).await;
        assert_eq!(verdict(&answer), ("404", Some("no_route")), "{line}");
    }
}

#[tokio::test]
async fn a_server_with_only_a_page_that_knows_its_cookie_will_do() {
    let respond = |arrived: &Arrived| match arrived.header("cookie") {
        Some("SESSION=alice-session") => json(200, r#"{"sub":"alice","org":{"id":"acme"}}"#),
        _ => json(401, "{}"),
    };
    let browser = "[browser]\nlogin_url = \"https://sso.example/{return}\"\n";
    let service = Recorder::answering(OK).await;
    let house = House::asking("whoami = \"WHOAMI\"", "", browser, service, respond).await;
    let answer = house.send("GET /.countersign/session", &[&PAGE[..], &[ALICE]].concat()).await;
    assert_eq!((verdict(&answer), &body(&answer)["user"]["sub"]), (("200", None), &"alice".into()));
    let answer =
        house.send("GET /.countersign/session", &[&PAGE[..], &["Cookie: SESSION=nobody"]].concat()).await;
    assert_eq!(verdict(&answer), ("401", Some("session_ended")));
    let answer = house.send("POST /.countersign/logout", &[&PAGE[..], &[ALICE, FORM]].concat()).await;
    assert_eq!(body(&answer)["server_session"], "alive");
    assert_eq!(verdict(&house.send("GET /orders/", &[ALICE]).await), ("401", Some("revoked")));
}

/// What a page is told while the authorization server fails: never that its user is logged out.
#[tokio::test]
async fn while_the_server_is_away_pages_are_told_so_and_a_log_out_holds() {
    let fails = Arc::new(AtomicBool::new(false));
    let of_server = Arc::clone(&fails);
    let respond = move |arrived: &Arrived| match of_server.load(Ordering::SeqCst) {
        true => json(500, "{}"),
        false => who(arrived),
    };
    let service = Recorder::answering(OK).await;
    let house = House::asking("recheck = \"1s\"", "", super::BROWSER, service, respond).await;
    let pages = ["GET /.countersign/session", "POST /.countersign/renew"];
    let send =
        async |line: &str, cookie: &str| house.send(line, &[&PAGE[..], &[cookie, FORM]].concat()).await;
    assert_eq!(verdict(&send(pages[0], ALICE).await), ("200", None));
    fails.store(true, Ordering::SeqCst);
    for line in pages.into_iter().chain(["POST /.countersign/logout"]) {
        let answer = send(line, "Cookie: SESSION=bob-session").await;
        assert_eq!(verdict(&answer), ("503", Some("source_unavailable")), "{line}: {answer}");
        assert!(
            field(&answer, "retry-after").is_some() && field(&answer, "set-cookie").is_none(),
            "{answer}"
        );
    }
    let begin = tokio::time::Instant::now();
    for line in pages {
        while verdict(&send(line, ALICE).await) == ("200", None) {
            assert!(begin.elapsed() < PATIENCE, "{line}: it is served for ever");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let answer = send(line, ALICE).await;
        assert_eq!(verdict(&answer), ("503", Some("source_unavailable")), "{line}: {answer}");
        assert!(field(&answer, "set-cookie").is_none(), "{answer}");
    }
    // The session is known here, so it can be ended here.
    let answer = send("POST /.countersign/logout", ALICE).await;
    assert_eq!((verdict(&answer), &body(&answer)["server_session"]), (("200", None), &"unknown".into()));
    fails.store(false, Ordering::SeqCst);
    let begin = tokio::time::Instant::now();
    while verdict(&send(pages[0], ALICE).await) != ("401", Some("revoked")) {
        assert!(begin.elapsed() < PATIENCE, "the server is back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
