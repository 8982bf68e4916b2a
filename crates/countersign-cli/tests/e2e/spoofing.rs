//! What a caller says about itself never reaches a service.

use serde_json::json;

use crate::{
    client::{Call, raw},
    counterpart::authorization_server::{AuthorizationServer, BASIC_SECRET, COOKIE},
    gateway::{Gateway, Setting},
    job::{ISSUER, verified},
    local_server::LocalServer,
};

/// Headers that services believe, in the spellings that reach them.
const CLAIMED: &[&str] = &[
    "X-User",
    "X-User-Id",
    "X-Roles",
    "X-Role",
    "X-Auth-Request-User",
    "X-Forwarded-User",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Original-URL",
    "X-Rewrite-Url",
    "X-Real-IP",
    "X-Envoy-Original-Path",
    "Txn-Token",
    "Countersign-Subject",
    "X-Countersign-Subject",
    "Proxy-Authorization",
    "Forwarded",
];

#[tokio::test]
async fn identity_headers_are_removed_on_every_kind_of_route() {
    let server = AuthorizationServer::shared();
    let service = LocalServer::recording().await;
    let mut setting = Setting::new();
    let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    let origin = service.origin();
    let mut config = format!("issuer = \"{ISSUER}\"\n{session}");
    for (path, kind) in
        [("/orders/", "audience = \"orders\""), ("/open/", "public = true"), ("/", "legacy = true")]
    {
        config.push_str(&format!("[[route]]\npath = \"{path}\"\nupstream = \"{origin}\"\n{kind}\n"));
    }
    let mut gateway = Gateway::start(setting, &config);
    let session = server.log_in("bob", "legacy-app").await;
    gateway.keep_secret(&session);
    for path in ["/orders/", "/open/", "/page"] {
        let mut call =
            Call::get(gateway.url(path)).header("cookie", format!("theme=dark; {COOKIE}={session}; lang=en"));
        for name in CLAIMED {
            call = call.header(name, "mallory").header(&name.replace('-', "_"), "mallory");
        }
        call.send().await.expect(200);
        let seen = service.last();
        for (name, value) in &seen.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            assert!(!value.contains("mallory"), "{path}: `{name}: {value}` reached the service");
        }
        let cookie = seen.header("cookie").unwrap_or_default();
        assert_eq!(cookie.contains(&session), path == "/page", "{path}: {cookie}");
        assert!(cookie.contains("theme=dark") && cookie.contains("lang=en"), "{path}: {cookie}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_bearer_token_of_the_caller_is_not_ours() {
    let server = AuthorizationServer::shared();
    let service = LocalServer::recording().await;
    let mut setting = Setting::new();
    let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    let config = format!(
        "issuer = \"{ISSUER}\"\n{session}[[route]]\npath = \"/orders/\"\nupstream = \"{}\"\naudience = \"orders\"\n",
        service.origin()
    );
    let mut gateway = Gateway::start(setting, &config);
    let session = server.log_in("bob", "legacy-app").await;
    gateway.keep_secret(&session);
    let call = Call::get(gateway.url("/orders/")).header("authorization", "Bearer token-of-mallory");
    call.header("cookie", format!("{COOKIE}={session}")).send().await.expect(200);
    let authorization = service.last().header("authorization").unwrap().to_owned();
    assert_eq!(verified(&mut gateway, &authorization, "orders")["sub"], json!("bob"));
    gateway.stop().await;
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_reaches_nobody() {
    let server = AuthorizationServer::shared();
    let service = LocalServer::recording().await;
    let mut setting = Setting::new();
    let session = server.introspection(&setting.secret_file("secret", BASIC_SECRET));
    let config = format!(
        "issuer = \"{ISSUER}\"\n{session}[[route]]\npath = \"/orders/\"\nupstream = \"{}\"\naudience = \"orders\"\n",
        service.origin()
    );
    let mut gateway = Gateway::start(setting, &config);
    let (ada, bob) = (server.log_in("ada", "legacy-app").await, server.log_in("bob", "legacy-app").await);
    gateway.keep_secret(&ada);
    gateway.keep_secret(&bob);
    let good = format!(
        "Host: shop.example\r\nCookie: {COOKIE}={ada}\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n"
    );
    let other = format!("Cookie: {COOKIE}={bob}\r\n");
    for (name, request, code) in [
        ("two sessions", format!("GET /orders/ HTTP/1.1\r\n{good}{other}\r\n"), "ambiguous_credential"),
        (
            "two lengths",
            format!(
                "POST /orders/ HTTP/1.1\r\n{good}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
            "framing",
        ),
        ("dot segments", format!("GET /orders/../admin HTTP/1.1\r\n{good}\r\n"), "path_not_canonical"),
        ("an encoded slash", format!("GET /orders/%2fadmin HTTP/1.1\r\n{good}\r\n"), "path_not_canonical"),
        ("two hosts", format!("GET /orders/ HTTP/1.1\r\nHost: a\r\n{good}\r\n"), "host_invalid"),
    ] {
        let answer = raw(gateway.address().parse().unwrap(), request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{name}: {answer}");
        let header = format!("countersign-refused: {code}");
        assert!(answer.lines().any(|line| line.eq_ignore_ascii_case(&header)), "{name}: {answer}");
    }
    assert_eq!(service.count(), 0);
    // the same without the fault is let through
    let request = format!("GET /orders/ HTTP/1.1\r\n{good}\r\n");
    let answer = raw(gateway.address().parse().unwrap(), request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    gateway.stop().await;
}
