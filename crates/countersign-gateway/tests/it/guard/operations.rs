//! What an operator sees of a guard, and what a reload changes about it.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use countersign::{
    Clock as _, SystemClock,
    testkit::{TestIssuer, TestKey},
};
use countersign_gateway::admin::client::call;
use http::Method;
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{guarded, refused, status, until_revoked};
use crate::{
    proxy::house::{House, claims_in, who},
    server::{
        harness::PATIENCE,
        recorder::{OK, Recorder},
    },
    sources::fake::{Fake, answer},
    wire::ALICE,
};

/// Waits until the metrics have every one of these lines.
async fn until_metrics_say(house: &House, lines: &[&str]) {
    let begin = Instant::now();
    loop {
        let metrics = house.metrics().await;
        if lines.iter().all(|line| metrics.lines().any(|found| found == *line)) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "not all of {lines:?} in\n{metrics}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn readiness(house: &House) -> String {
    let reply = call(&house.state.path().join("state"), Method::GET, "/readyz", "").await.unwrap();
    String::from_utf8(reply.body.to_vec()).unwrap()
}

#[tokio::test]
async fn refusals_have_their_own_codes_in_the_metrics_and_keys_their_age() {
    let guarded = guarded(&TestKey::PUBLISHED).await;
    let other = guarded.issuer.token().audience("notes").sign();
    guarded.get("/guarded/", &other).await;
    guarded.get("/guarded/", "no-token").await;
    guarded.house.send("GET /guarded/", &[]).await;
    let count = TestKey::PUBLISHED.len();
    until_metrics_say(
        &guarded.house,
        &[
            "countersign_refusals_total{code=\"audience_mismatch\"} 1",
            "countersign_refusals_total{code=\"token_malformed\"} 1",
            "countersign_refusals_total{code=\"token_missing\"} 1",
            "countersign_refusals_total{code=\"token_invalid\"} 0",
            &format!("countersign_guard_keys {count}"),
            "countersign_guard_key_fetch_failures_total 0",
            "countersign_guard_events_total{event=\"keys_fetched\"} 1",
        ],
    )
    .await;
    let metrics = guarded.house.metrics().await;
    assert!(metrics.contains("\ncountersign_guard_keys_age_seconds "), "{metrics}");
    assert!(!metrics.contains("countersign_guard_feed"), "there is none: {metrics}");
    assert_eq!(readiness(&guarded.house).await, r#"{"ready":true}"#);
}

#[tokio::test]
async fn keys_that_never_came_are_told_everywhere_and_stop_nothing_else() {
    let away = Fake::start(|_| answer(500, "", "")).await;
    let more = format!(
        "[guard]\nissuer = \"{}\"\nkeys = \"{}\"\n\
         [[route]]\npath = \"/guarded/\"\nupstream = \"http://127.0.0.1:9\"\naudience = \"orders\"\nguard = true\n",
        TestIssuer::ISSUER,
        away.url("/keys"),
    );
    let house = House::with("", &more, Recorder::answering(OK).await, who).await;
    until_metrics_say(
        &house,
        &["countersign_guard_keys 0", "countersign_guard_events_total{event=\"keys_missing\"} 1"],
    )
    .await;
    let metrics = house.metrics().await;
    assert!(!metrics.contains("countersign_guard_keys_age_seconds"), "{metrics}");
    assert_eq!(readiness(&house).await, r#"{"ready":true,"faults":["guard_keys_missing"]}"#);
    let line = format!(r#""event":"guard","outcome":"keys_missing","issuer":"{}""#, TestIssuer::ISSUER);
    house.audit_holds(&line).await;
    assert_eq!(status(&house.send("GET /orders/", &[ALICE]).await), "200");
}

/// A guard whose secret is wrong; then its private key, which is right; then another secret that is wrong.
#[tokio::test]
async fn a_reload_notices_another_proof_and_loses_neither_keys_nor_revocations() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let clients = format!(
        "[[client]]\nid = \"orders\"\npublic_key_file = \"{}\"\naudience = \"orders\"\n",
        write("public.pem", &pair.public_key_pem())
    );
    let signer =
        House::with("internal_listen = \"127.0.0.1:0\"", &clients, Recorder::answering(OK).await, who).await;
    let internal = signer.gateway.as_ref().unwrap().internal_address().unwrap();
    let proof = write("proof", "a-wrong-secret-of-some-length");
    let (service, method) = (Recorder::answering(OK).await, "client_auth = \"basic\"");
    let more = format!(
        "[guard]\nissuer = \"https://shop.example\"\nkeys = \"http://{}/.well-known/jwks.json\"\n\
         revocations = \"http://{internal}\"\nclient_id = \"orders\"\n{method}\n\
         client_secret_file = \"{proof}\"\non_feed_loss = \"refuse\"\n\
         [[route]]\npath = \"/guarded/\"\nupstream = \"http://{}\"\naudience = \"orders\"\nguard = true\n",
        signer.admin, service.address,
    );
    let guard = House::named("https://guard.example", ("", "", &more), service, who).await;
    signer.send("GET /orders/", &[ALICE]).await;
    let head = signer.received().remove(0);
    let sid = claims_in(&head)["sid"].clone();
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:")).unwrap();
    let get = async || {
        let answer = guard.send("GET /guarded/", &[line]).await;
        refused(&answer).unwrap_or_else(|| status(&answer)).to_owned()
    };
    until_metrics_say(
        &guard,
        &["countersign_guard_feed_current 0", "countersign_guard_events_total{event=\"feed_lost\"} 1"],
    )
    .await;
    assert_eq!(get().await, "revocations_unavailable");
    assert_eq!(readiness(&guard).await, r#"{"ready":true,"faults":["guard_feed_lost"]}"#);

    write("proof", &pair.serialize_pem());
    guard.rewrite(method, "client_auth = \"private_key_jwt\"").await;
    until_metrics_say(
        &guard,
        &["countersign_guard_feed_current 1", "countersign_guard_events_total{event=\"feed_current\"} 1"],
    )
    .await;
    assert_eq!(get().await, "200");
    // The keys are the ones that were there.
    until_metrics_say(&guard, &["countersign_guard_events_total{event=\"keys_fetched\"} 1"]).await;

    // The same file with another secret in it: what is followed counts until something better is.
    write("proof", "another-wrong-secret-of-some-length");
    guard.rewrite("client_auth = \"private_key_jwt\"", method).await;
    assert_eq!(get().await, "200");
    let command = json!({ "session": sid }).to_string();
    let state = signer.state.path().join("state");
    assert_eq!(call(&state, Method::POST, "/revoke", command).await.unwrap().status, 200);
    until_revoked(&async || guard.send("GET /guarded/", &[line]).await).await;
}

#[tokio::test]
async fn a_reload_can_trust_another_issuer_and_name_other_headers() {
    let guarded = guarded(&TestKey::PUBLISHED).await;
    let other = TestIssuer::new("orders").named("https://other.example");
    other.clock().set(SystemClock.now());
    let token = other.token().subject("ada").sign();
    assert_eq!(refused(&guarded.get("/guarded/", &token).await), Some("issuer_unknown"));
    let headers = "headers = { subject = \"X-User-Id\" }";
    let issuer = format!("issuer = \"{}\"", TestIssuer::ISSUER);
    guarded.house.rewrite(&issuer, &format!("issuer = \"https://other.example\"\n{headers}")).await;
    let begin = Instant::now();
    loop {
        let answer = guarded.get("/guarded/", &token).await;
        if status(&answer) == "200" {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "{answer}");
        assert_eq!(refused(&answer), Some("keys_unavailable"), "{answer}");
        sleep(Duration::from_millis(10)).await;
    }
    let head = guarded.house.received().pop().unwrap();
    assert!(head.to_ascii_lowercase().contains("\r\nx-user-id: ada\r\n"), "{head}");
    let before = guarded.issuer.token().sign();
    assert_eq!(refused(&guarded.get("/guarded/", &before).await), Some("issuer_unknown"));
}
