use std::sync::atomic::Ordering;

use http::Request;

use super::{End, Explained};
use crate::{
    clock::Clock,
    decision::Decision,
    http::Parts,
    testing,
    translate::{
        Warm,
        tests::{CLIENT, House, house},
    },
};

fn parts(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(path).header("host", "shop.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0.into()
}

async fn decide(house: &House, parts: &Parts) -> Decision {
    match house.translation.warm(parts, CLIENT, house.clock.now()) {
        Warm::Decided(decision) | Warm::Refresh(decision, _) => decision,
        Warm::Cold(ask) => house.translation.cold(*ask).await,
    }
}

/// What happens to a request, in one word for both.
fn word(decision: &Decision) -> String {
    match decision {
        Decision::Forward(_) => "forwarded".to_owned(),
        Decision::Pass(_) => "passed".to_owned(),
        Decision::Refuse(refuse) => refuse.refusal.code().to_owned(),
    }
}

fn explained_word(explained: &Explained) -> String {
    match &explained.end {
        End::Answered(status) => status.as_u16().to_string(),
        End::Forwarded(_) => "forwarded".to_owned(),
        End::Guarded(_) => "guarded".to_owned(),
        End::Passed => "passed".to_owned(),
        End::Refused(refusal) => refusal.code().to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_explained_is_what_is_decided() {
    let mut ends = std::collections::BTreeSet::new();
    for down in [false, true] {
        for method in ["GET", "POST", "OPTIONS", "CONNECT", "TRACE"] {
            for path in [
                "/orders/",
                "/orders/7?x=1",
                "/edit/",
                "/public/",
                "/old",
                "/orders//7",
                "/orders/%2e%2e/",
                "*",
            ] {
                for headers in [
                    &[][..],
                    &[("cookie", "S=alice")],
                    &[("cookie", "S=bob"), ("sec-fetch-site", "same-origin")],
                    &[("cookie", "S=nobody")],
                    &[("cookie", "S=short"), ("origin", "https://shop.example")],
                    &[("cookie", "S=alice"), ("origin", "https://other.example")],
                    &[("cookie", "S=alice; S=bob")],
                    &[("cookie", "S=")],
                    &[("cookie", "S=alice"), ("upgrade", "websocket")],
                    &[("cookie", "S=alice"), ("host", "other.example")],
                ] {
                    // Each on its own: what is decided must not depend on what was asked before.
                    let house = house();
                    house.server.down.store(down, Ordering::SeqCst);
                    let parts = parts(method, path, headers);
                    let explained = house.translation.explain(&parts, None).await;
                    let decided = word(&decide(&house, &parts).await);
                    assert_eq!(
                        explained_word(&explained),
                        decided,
                        "{method} {path} {headers:?} {explained:#?}"
                    );
                    let last = explained.steps.last().unwrap();
                    assert_eq!(
                        last.refusal
                            .map(|refusal| refusal.code().to_owned())
                            .unwrap_or_else(|| decided.clone()),
                        decided
                    );
                    assert!(explained.steps.iter().rev().skip(1).all(|step| step.refusal.is_none()));
                    ends.insert(decided);
                }
            }
        }
    }
    let all = [
        "ambiguous_credential",
        "credential_missing",
        "csrf",
        "forwarded",
        "passed",
        "role_missing",
        "session_ended",
    ];
    assert!(all.iter().all(|end| ends.contains(*end)), "{ends:?}");
}

#[tokio::test(start_paused = true)]
async fn every_stage_says_what_it_decided() {
    let house = house();
    let explained =
        house.translation.explain(&parts("GET", "/orders/7", &[("cookie", "S=alice")]), None).await;
    let said: Vec<(&str, &str)> =
        explained.steps.iter().map(|step| (step.stage, step.says.as_str())).collect();
    let [route, credential, origin, session, identity, permit, token] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert_eq!(route, &("route", "`/orders/` (route 1): session in, token for `orders` out"));
    assert_eq!(credential, &("credential", "cookie `S`, 5 characters"));
    assert_eq!(origin, &("origin", "GET changes nothing: no proof needed"));
    assert_eq!(session, &("session", "live, without an end: at most 8 h from first sight"));
    assert_eq!(identity, &("identity", "subject alice, roles editor, no organisation"));
    assert_eq!(permit, &("permit", "every caller with a session may"));
    assert!(token.0 == "token" && token.1.starts_with("for `orders`, "), "{token:?}");
    let End::Forwarded(token) = explained.end else { panic!("forwarded") };
    assert_eq!((token.claims.sub.as_str(), token.claims.aud.as_str()), ("alice", "orders"));
}

#[tokio::test(start_paused = true)]
async fn there_is_one_sample_for_each_audience() {
    let house = house();
    let samples = house.translation.samples(&testing::identity("alice", &["editor"]));
    let [(route, Ok(sample))] = samples.as_slice() else { panic!("{samples:?}") };
    assert_eq!((route.config.path.as_str(), sample.claims.aud.as_str()), ("/orders/", "orders"));
    assert!(sample.bytes > 300 && sample.bytes < sample.budget);
    let many: Vec<String> = (0..2000).map(|n| format!("role-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let samples = house.translation.samples(&testing::identity("alice", &many));
    assert!(matches!(samples.as_slice(), [(_, Err(crate::error::Refusal::TokenTooLarge))]));
}
