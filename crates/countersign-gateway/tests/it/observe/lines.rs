use std::time::Duration;

use countersign_gateway::{
    error::{Half, Refusal},
    observe::{
        LookedUp, LookupOutcome, Observation, Observer, RouteLabel, SourceLabel, log,
        requests::{RequestLine, RequestLog},
    },
};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tracing::Level;

use super::{Kept, NOW, TIME, began, refused};

/// What the log says of what `tell` tells.
fn logged(json: bool, level: Level, tell: impl FnOnce(&Observer)) -> String {
    let kept = Kept::default();
    let (dispatch, guard) = log::dispatch(json, level, kept.clone()).unwrap();
    tracing::dispatcher::with_default(&dispatch, || tell(&Observer::without_files()));
    drop(dispatch);
    drop(guard);
    kept.text()
}

fn looked_up(outcome: LookupOutcome) -> Observation<'static> {
    Observation::LookedUp(LookedUp {
        source: SourceLabel::Introspection,
        outcome,
        duration: Duration::from_millis(12),
        coalesced: 3,
        detail: (outcome == LookupOutcome::Nonsense).then_some("not JSON"),
    })
}

#[test]
fn events_are_json_lines_with_flat_members() {
    let text = logged(true, Level::INFO, |observer| {
        observer.observe(refused(Refusal::RoleMissing, &"s-1".into()));
        observer.observe(looked_up(LookupOutcome::Nonsense));
    });
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (member, value) in [
        ("level", json!("INFO")),
        ("message", json!("refused")),
        ("code", json!("role_missing")),
        ("decision", json!("d-17")),
        ("route", json!("/orders/")),
        ("session", json!("s-1")),
        ("client", json!("192.0.2.7")),
        ("detail", json!("needs editor")),
    ] {
        assert_eq!(lines[0][member], value, "{text}");
    }
    assert_eq!(lines[1]["level"], "WARN");
    assert_eq!(lines[1]["outcome"], "nonsense");
    assert_eq!(lines[1]["millis"], 12);
    assert!(lines[1]["timestamp"].is_string());
}

#[test]
fn what_simply_works_is_not_logged_unless_asked_for() {
    let tell = |observer: &Observer| {
        observer.observe(looked_up(LookupOutcome::Live));
        observer.observe(looked_up(LookupOutcome::No));
        observer.observe(began(&"s-1".into()));
    };
    assert_eq!(logged(true, Level::INFO, tell), "");
    assert_eq!(logged(true, Level::DEBUG, tell).lines().count(), 3);
}

/// Where two are asked, whoever was refused will want to know which of them to ask about it.
#[test]
fn a_no_that_has_a_reason_is_told_with_it() {
    let text = logged(true, Level::INFO, |observer| {
        let Observation::LookedUp(looked_up) = looked_up(LookupOutcome::No) else { panic!() };
        let detail = Some(Half::Userinfo.said_no());
        observer.observe(Observation::LookedUp(LookedUp { detail, ..looked_up }));
    });
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["level"], &line["outcome"]), (&json!("INFO"), &json!("no")));
    assert_eq!(line["detail"], "userinfo says no; introspection calls the session live");
}

/// Only the operator can mend the mapping, and nobody else says what is wrong with it.
#[test]
fn a_session_that_is_of_no_use_is_told_with_the_reason() {
    let text = logged(true, Level::INFO, |observer| {
        let Observation::LookedUp(looked_up) = looked_up(LookupOutcome::Live) else { panic!() };
        let detail = Some("the list of roles is of the wrong kind");
        observer.observe(Observation::LookedUp(LookedUp { detail, ..looked_up }));
    });
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["level"], &line["outcome"]), (&json!("WARN"), &json!("live")), "{text}");
    assert_eq!(line["detail"], "the list of roles is of the wrong kind");
}

#[test]
fn other_crates_are_heard_only_when_something_is_wrong() {
    let text = logged(true, Level::TRACE, |_| {
        tracing::trace!(target: "h2::codec", "authorization: Bearer abc");
        tracing::info!(target: "hyper::proto", "cookie: SESSION=abc");
        tracing::debug!(target: "countersign_demo::orders", "kept");
        tracing::warn!(target: "rustls::check", "kept");
    });
    let messages: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["message"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(messages, ["kept", "kept"]);
}

#[test]
fn text_for_people_stays_one_line_for_each_event() {
    let text = logged(false, Level::INFO, |observer| {
        observer.observe(Observation::Upstream {
            event: countersign_gateway::observe::UpstreamEvent::Ejected,
            origin: "http://127.0.0.1:9001",
            detail: Some("broken\nINFO forged line \u{1b}[31m"),
        });
    });
    assert_eq!(text.lines().count(), 1, "{text:?}");
    assert!(text.contains("ejected") && !text.contains('\u{1b}'), "{text:?}");
}

fn request(path: &str) -> RequestLine<'_> {
    RequestLine {
        time: NOW,
        decision: "d-17",
        client: Some([192, 0, 2, 7].into()),
        method: &Method::GET,
        path,
        kind: RouteLabel::Translate,
        route: Some("/orders/"),
        session: None,
        status: StatusCode::OK,
        bytes: 17,
        duration: Duration::from_millis(3),
    }
}

#[test]
fn request_lines_of_all_workers_are_written() {
    let kept = Kept::default();
    let log = RequestLog::start(2, kept.clone()).unwrap();
    log.worker(0).push(&request("/orders/1"));
    log.worker(1).push(&request("/orders/\"\n2"));
    drop(log);
    let text = kept.text();
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.sort_by_key(|line| line["path"].to_string());
    assert_eq!(
        lines[0],
        json!({"time": TIME, "decision": "d-17", "client": "192.0.2.7", "method": "GET", "path": "/orders/1",
               "kind": "translate", "route": "/orders/", "status": 200, "bytes": 17, "millis": 3})
    );
    assert_eq!(lines[1]["path"], "/orders/\"\n2");
    assert_eq!(lines.len(), 2);
}

#[test]
fn request_lines_beyond_the_bound_are_counted() {
    let kept = Kept::default();
    let log = RequestLog::start(1, kept.clone()).unwrap();
    let (worker, losses) = (log.worker(0), log.losses());
    let path = format!("/{}", "x".repeat(4_000));
    // More at once than a buffer holds, while the sink is held up.
    let held = kept.0.lock().unwrap();
    for _ in 0..1_000 {
        worker.push(&request(&path));
    }
    drop(held);
    drop(log);
    let written = kept.text().lines().count() as u64;
    assert!(losses.lost() > 0);
    assert_eq!(written + losses.lost(), 1_000);
}
