//! `countersign check`: what is wrong with a configuration, and what the real server says.

use std::process::{Output, Stdio};

use crate::{
    counterpart::authorization_server::{AuthorizationServer, BASIC_SECRET},
    gateway::Setting,
    job::ISSUER,
};

const ROUTE: &str =
    "[[route]]\npath = \"/orders/\"\nupstream = \"http://127.0.0.1:9\"\naudience = \"orders\"\n";

/// Runs `countersign check`; its whole text holds no secret.
fn check(setting: &Setting, config: &str, arguments: &[&str], secret: &str) -> (Output, String) {
    let mut command = setting.command("check", config);
    let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains(secret), "the secret is printed:\n{text}");
    assert!(!text.contains("panicked"), "{text}");
    (output, text)
}

#[tokio::test]
async fn a_good_configuration_and_a_live_session_show_a_token_for_each_audience() {
    let server = AuthorizationServer::shared();
    let mut setting = Setting::new();
    let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    let config = format!("issuer = \"{ISSUER}\"\n{session}{ROUTE}");
    let live = server.log_in("ada", "legacy-app").await;
    let file = setting.secret_file("cookie", &live);
    let (output, text) = check(&setting, &config, &["--cookie-file", &file], &live);
    assert!(output.status.success(), "{text}");
    for part in ["orders", "bytes", "ada"] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
}

#[test]
fn a_refused_client_is_told_from_a_dead_session() {
    let server = AuthorizationServer::shared();
    let mut setting = Setting::new();
    let wrong = "another-secret-of-the-gateway";
    let session = server.introspection(&setting.secret_file("secret", wrong));
    let config = format!("issuer = \"{ISSUER}\"\n{session}{ROUTE}");
    let (output, text) = check(&setting, &config, &[], wrong);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("refuses"), "{text}");
}

#[test]
fn a_wrong_key_is_named_with_its_place_and_the_nearest_right_one() {
    let mut setting = Setting::new();
    let session = AuthorizationServer::shared().introspection(&setting.secret_file("secret", BASIC_SECRET));
    let config = format!("issuer = \"{ISSUER}\"\n{session}recheckk = \"5s\"\n{ROUTE}");
    let (output, text) = check(&setting, &config, &[], BASIC_SECRET);
    assert!(!output.status.success(), "{text}");
    for part in ["gateway.toml:", "recheckk", "`recheck`"] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
}
