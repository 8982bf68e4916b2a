//! `countersign explain`.

use std::fs;

use serde_json::Value;

use crate::{
    check::stable,
    command::{Ran, countersign, expect},
    server::{GOOD, LIVE, prepare, server},
};

fn explain(answer: &'static str, arguments: &[&str], input: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let port = server(answer);
    prepare(folder.path(), port);
    let arguments = [&["explain", "--config", "gateway.toml"][..], arguments].concat();
    let mut ran = countersign(folder.path(), &arguments, input);
    assert!(!format!("{ran:?}").contains("planted") && !ran.output.contains("eyJ"), "{ran:?}");
    assert!(!folder.path().join("state").exists() && fs::read_dir(folder.path()).unwrap().count() == 3);
    ran.output = stable(&ran.output, port);
    ran
}

#[test]
fn a_request_that_is_let_in_is_told_stage_by_stage() {
    let ran = explain(GOOD, &["--url", "/orders/7?page=2", "--cookie-file", "cookie"], "");
    assert_eq!(ran.code, 0, "{ran:?}");
    expect("explain.txt", &ran.output);
    let by_input = explain(GOOD, &["--url", "https://shop.example/orders/7?page=2", "--cookie-stdin"], LIVE);
    assert_eq!(by_input.output, ran.output);
}

#[test]
fn a_request_that_is_turned_away_is_1_with_stage_and_code() {
    let viewer = r#"{"active":true,"sub":"u-1002","authorities":["viewer"],"org":{"id":"acme"}}"#;
    let cookie = ["--cookie-file", "cookie"];
    for (answer, arguments, stage, code) in [
        (GOOD, &["--url", "/"][..], "route", "no_route"),
        (GOOD, &["--url", "/orders//7"], "route", "path_not_canonical"),
        (GOOD, &["--url", "/orders/", "--method", "TRACE"], "route", "method_not_allowed"),
        (GOOD, &["--url", "/orders/", "--header", "Host: a, b"], "route", "host_invalid"),
        (GOOD, &["--url", "/orders/"], "credential", "credential_missing"),
        (GOOD, &["--url", "/orders/", "--method", "POST", cookie[0], cookie[1]], "origin", "csrf"),
        ("{\"active\":false}", &["--url", "/orders/", cookie[0], cookie[1]], "session", "session_ended"),
        ("<html>", &["--url", "/orders/", cookie[0], cookie[1]], "session", "source_nonsense"),
        (
            r#"{"active":true,"sub":"a"}"#,
            &["--url", "/orders/", cookie[0], cookie[1]],
            "identity",
            "organisation_missing",
        ),
        (viewer, &["--url", "/orders/", cookie[0], cookie[1]], "permit", "role_missing"),
    ] {
        let ran = explain(answer, &[arguments, &["--json"]].concat(), "");
        assert_eq!(ran.code, 1, "{ran:?}");
        let said: Value = serde_json::from_str(&ran.output).unwrap();
        let last = said["steps"].as_array().unwrap().last().unwrap();
        assert_eq!((last["stage"].as_str(), last["refusal"].as_str()), (Some(stage), Some(code)), "{ran:?}");
        assert_eq!(said["end"]["code"], code);
        let text = explain(answer, arguments, "");
        assert!(text.output.contains(&format!("FAIL  {stage}")) && text.output.contains(code), "{text:?}");
    }
}

#[test]
fn an_own_page_may_send_unsafe_methods() {
    let arguments = [
        "--url",
        "/orders/",
        "--method",
        "POST",
        "--cookie-file",
        "cookie",
        "--header",
        "Sec-Fetch-Site: same-origin",
    ];
    assert_eq!(explain(GOOD, &arguments, "").code, 0);
}

#[test]
fn what_cannot_be_a_request_is_2() {
    for arguments in [
        &["--url", "ftp://shop.example/"][..],
        &["--url", "orders/"],
        &["--url", "/orders/", "--header", "planted without colon"],
        &["--url", "/orders/", "--header", "a b: planted"],
        &["--url", "/orders/", "--method", "a b"],
        &["--url", "/orders/", "--cookie-stdin"],
        &["--url", "/orders/", "--token-file", "cookie"],
    ] {
        let ran = explain(GOOD, arguments, "");
        assert_eq!((ran.code, ran.output.as_str()), (2, ""), "{ran:?}");
    }
}
