//! `countersign explain`.

use std::fs;

use serde_json::Value;

use crate::{
    check::stable,
    command::{Ran, countersign, expect},
    server::{GOOD, LIVE, prepare, server},
};

fn explain(answer: &'static str, arguments: &[&str], input: &str) -> Ran {
    explain_with(answer, "", arguments, input)
}

/// With more lines at the end of the configuration.
fn explain_with(answer: &'static str, more: &str, arguments: &[&str], input: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let port = server(answer);
    prepare(folder.path(), port);
    let file = folder.path().join("gateway.toml");
    // No gateway runs there.
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("state_dir = \"state\"", "state_dir = \"/nowhere/state\"");
    fs::write(&file, format!("{text}{more}")).unwrap();
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

const BROWSER: &str = "[browser]\nlogin_url = \"https://sso.example/login?next={return}\"\n\
    logout_url = \"https://sso.example/logout\"\nallowed_origins = [\"https://app.example\"]\n";
const PAGE: [&str; 4] = ["--header", "Countersign: 1", "--header", "Sec-Fetch-Site: same-origin"];
const COOKIE: [&str; 2] = ["--cookie-file", "cookie"];

#[test]
fn what_a_page_asks_the_gateway_itself_is_told_stage_by_stage() {
    let arguments = [&["--url", "/.countersign/session"][..], &PAGE, &COOKIE].concat();
    let ran = explain_with(GOOD, BROWSER, &arguments, "");
    assert_eq!(ran.code, 0, "{ran:?}");
    expect("explain-session.txt", &ran.output);
    let bearer = format!("{BROWSER}mode = \"bearer\"\naudiences = [\"orders\"]\n");
    for (path, more, says) in [
        ("/.countersign/renew", &["--method", "POST"][..], "good for 5 min"),
        ("/.countersign/renew?audience=orders", &["--method", "POST"], "a token for `orders`"),
        (
            "/.countersign/logout",
            &["--method", "POST"],
            "would be revoked, and the page goes on to https://sso.example/logout",
        ),
        ("/.countersign/session", &["--header", "Origin: https://app.example"], "who is logged in"),
        (
            "/.countersign/login?display=popup&return=/a",
            &[],
            "https://sso.example/login?next=https%3A%2F%2Fshop.example%2F.countersign%2Fdone",
        ),
        ("/.countersign/done?return=/a", &[], "where a log-in ends"),
        ("/.countersign/client.js", &[], "sha384-"),
        ("/.countersign/banner.js", &[], "sha384-"),
        (
            "/.countersign/renew",
            &[
                "--method",
                "OPTIONS",
                "--header",
                "Origin: https://app.example",
                "--header",
                "Access-Control-Request-Method: POST",
            ],
            "a preflight for POST",
        ),
        ("/.well-known/jwks.json", &[], "its key set"),
        ("/.well-known/openid-configuration", &[], "its metadata"),
    ] {
        let ran = explain_with(GOOD, &bearer, &[&["--url", path], more, &PAGE, &COOKIE].concat(), "");
        assert!(ran.code == 0 && ran.output.contains(says), "{path} {ran:?}");
        assert!(ran.output.contains("answered by the gateway itself"), "{ran:?}");
    }
    // What is no session needs no log-out, and is told so.
    let arguments = [&["--url", "/.countersign/logout", "--method", "POST"][..], &PAGE, &COOKIE].concat();
    let ran = explain_with("{\"active\":false}", BROWSER, &arguments, "");
    assert!(ran.code == 0 && ran.output.contains("says no"), "{ran:?}");
}

#[test]
fn what_the_gateway_itself_refuses_is_told_with_stage_and_code() {
    let post = ["--method", "POST"];
    let session = ["--url", "/.countersign/session"];
    let foreign = ["--header", "Origin: https://evil.example"];
    let preflight =
        [&["--method", "OPTIONS", "--header", "Access-Control-Request-Method: POST"], &foreign[..]].concat();
    for (answer, arguments, stage, code) in [
        (GOOD, vec![&["--url", "/.countersign/nothing"][..], &PAGE], "endpoint", "no_route"),
        (GOOD, vec![&session, &post, &PAGE], "endpoint", "method_not_allowed"),
        (GOOD, vec![&session, &PAGE, &["--header", "Content-Length: 5000"]], "endpoint", "body_too_large"),
        (GOOD, vec![&session, &PAGE[..2], &COOKIE], "origin", "csrf"),
        (GOOD, vec![&session, &PAGE, &COOKIE, &foreign], "origin", "csrf"),
        (GOOD, vec![&session, &PAGE[2..], &COOKIE], "origin", "countersign_header_missing"),
        (GOOD, vec![&session, &preflight], "origin", "csrf"),
        (GOOD, vec![&session, &PAGE], "credential", "credential_missing"),
        ("{\"active\":false}", vec![&session, &PAGE, &COOKIE], "session", "session_ended"),
        ("<html>", vec![&session, &PAGE, &COOKIE], "session", "source_nonsense"),
        (
            GOOD,
            vec![&["--url", "/.countersign/session?audience=orders"], &PAGE, &COOKIE],
            "token",
            "audience_not_allowed",
        ),
        (GOOD, vec![&["--url", "/.countersign/login?return=//evil.example"]], "log-in", "parameter_invalid"),
        (GOOD, vec![&["--url", "/.well-known/jwks.json"], &post], "document", "method_not_allowed"),
    ] {
        let arguments = [&arguments.concat()[..], &["--json"]].concat();
        let ran = explain_with(answer, BROWSER, &arguments, "");
        assert_eq!(ran.code, 1, "{arguments:?} {ran:?}");
        let said: Value = serde_json::from_str(&ran.output).unwrap();
        let last = said["steps"].as_array().unwrap().last().unwrap();
        assert_eq!((last["stage"].as_str(), last["refusal"].as_str()), (Some(stage), Some(code)), "{ran:?}");
        assert_eq!(said["end"]["code"], code);
    }
    // Without the table there are none.
    let ran = explain(GOOD, &[&session[..], &PAGE, &COOKIE].concat(), "");
    assert!(ran.code == 1 && ran.output.contains("without `[browser]`"), "{ran:?}");
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
