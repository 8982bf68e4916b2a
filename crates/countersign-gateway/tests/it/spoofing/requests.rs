//! What a client says about itself, and what the service hears.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    proxy::house::{House, claims_in, who},
    server::recorder::{OK, Recorder},
    wire::{ALICE, OURS, refused, statuses},
};

/// The fields of a head: names in lower case.
fn fields(head: &str) -> Vec<(String, &str)> {
    let lines = head
        .trim_end()
        .lines()
        .skip(1)
        .map(|line| line.split_once(": ").unwrap_or_else(|| (line.trim_end_matches(':'), "")));
    lines.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    fields(head).into_iter().filter(|(field, _)| field == name).map(|(_, value)| value).collect()
}

/// A token that looks as if we had signed it.
fn forged() -> String {
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let payload =
        r#"{"iss":"https://shop.example","aud":"orders","sub":"root","roles":["admin"],"exp":9999999999}"#;
    format!("{}.{}.{}", part(r#"{"alg":"none","typ":"at+jwt"}"#), part(payload), part("signature"))
}

#[tokio::test]
async fn g01_a_token_of_the_clients_own_goes_nowhere() {
    let house = House::new().await;
    let forged = forged();
    let lines = [format!("Authorization: Bearer {forged}"), format!("AUTHORIZATION: bearer {forged}")];
    for line in &lines {
        let answer = house.send("GET /orders/", &[line]).await;
        assert_eq!(
            (statuses(&answer), refused(&answer)),
            (vec!["401"], Some("credential_missing")),
            "{answer}"
        );
    }
    assert_eq!(house.received().len(), 0);
    house.send("GET /orders/", &[ALICE, &lines[0], &lines[1]]).await;
    house.send("GET /public/", &[&lines[0], &lines[1]]).await;
    let received = house.received();
    assert_eq!(values(&received[0], "authorization").len(), 1);
    assert_eq!(claims_in(&received[0])["sub"], "alice");
    assert_eq!(values(&received[1], "authorization").len(), 0);
    assert!(received.iter().all(|head| !head.contains(&forged)));
}

#[tokio::test]
async fn g02_no_spelling_of_an_identity_header_arrives() {
    let house = House::new().await;
    let names = [
        "X-User",
        "x-user",
        "X_User",
        "x.user",
        "X-USER-ID",
        "X_USER_ID",
        "X-Roles",
        "X_Roles",
        "x.roles",
        "X-Role",
        "X-Forwarded-User",
        "X_Forwarded_User",
        "x-forwarded_email",
        "X-Auth-Request-User",
        "X_Auth_Token",
        "X-Authenticated",
        "Txn-Token",
        "TXN_TOKEN",
        "txn.token",
        "X-Countersign-Subject",
        "X_Countersign_Subject",
        "Countersign-Decision",
        "Countersign_Subject",
        "Proxy-Authorization",
        "Proxy_Authorization",
        "Authorization_",
        "authori_zation",
        "X-Real-IP",
        "X_Real_IP",
        "Forwarded",
        "X-Original-URL",
        "X_Original_URL",
        "X-Rewrite-URL",
        "X-Envoy-Original-Path",
        "X-Envoy-Peer-Metadata",
        "Remote-User",
        "REMOTE_USER",
        "X-Remote-User",
        "SSL-Client-S-DN",
        "Client-Cert",
        "X-WebAuth-User",
        "HTTP_X_USER",
        "Cookie_",
        "Host_",
        "Proxy",
        "x!user",
        "x~user",
        "X'Roles",
    ];
    let lines: Vec<_> =
        names.iter().flat_map(|name| [format!("{name}: root-a"), format!("{name}: root-b")]).collect();
    for route in ["/orders/", "/public/", "/legacy/"] {
        for half in lines.chunks(60) {
            let mut request: Vec<_> = half.iter().map(String::as_str).collect();
            request.push(ALICE);
            let answer = house.send(&format!("GET {route}"), &request).await;
            assert_eq!(statuses(&answer), ["200"], "{answer}");
        }
    }
    let received = house.received();
    assert_eq!(received.len(), 6);
    for head in &received {
        assert!(!head.contains("root-"), "{head}");
    }
}

#[tokio::test]
async fn g03_connection_cannot_take_our_token_away() {
    let house = House::new().await;
    for lines in [
        &["Connection: authorization"][..],
        &["Connection: close, Authorization, x-forwarded-for, X-Forwarded-Host, host"],
        &["Connection: authorization", "Connection: close"],
        &[
            "Connection: \"authorization\", keep-alive",
            "Keep-Alive: authorization",
            "TE: authorization;q=1, trailers",
        ],
        &["Proxy-Connection: authorization", "Connection: cookie, countersign-decision"],
    ] {
        let before = house.received().len();
        house.send("GET /orders/", &[&[ALICE][..], lines].concat()).await;
        let received = house.received();
        assert_eq!(received.len(), before + 1, "{lines:?}");
        let head = &received[before];
        assert_eq!(claims_in(head)["sub"], "alice", "{lines:?}");
        for name in ["connection", "keep-alive", "proxy-connection"] {
            assert!(
                !values(head, name).iter().any(|value| value.to_ascii_lowercase().contains("auth")),
                "{head}"
            );
        }
        assert_eq!(values(head, "host"), ["shop.example"], "{head}");
        assert_eq!(values(head, "x-forwarded-host"), ["shop.example"], "{head}");
        assert_eq!(values(head, "x-forwarded-for"), ["127.0.0.1"], "{head}");
    }
    let lines = ["Connection: close, X-Trace", "X-Trace: 1", ALICE];
    house.send("GET /orders/", &lines).await;
    assert_eq!(values(house.received().last().unwrap(), "x-trace").len(), 0);
}

#[tokio::test]
async fn g04_the_way_of_a_request_is_not_the_clients_to_tell() {
    let house = House::new().await;
    let spoofed = [
        "X-Forwarded-Uri: /public/",
        "X-Forwarded-Method: GET",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Prefix: /x",
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Port: 1",
        "X-Original-URL: /public/",
        "X-Original-Method: GET",
        "X-Rewrite-URL: /public/",
        "Forwarded: for=6.6.6.6;host=evil.example",
    ];
    // The path of the request line alone decides: this route needs a session.
    let answer = house.send("GET /orders/", &spoofed).await;
    assert_eq!(refused(&answer), Some("credential_missing"));
    let answer = house.send("POST /orders/", &[&spoofed[..], &[ALICE, "Content-Length: 0"]].concat()).await;
    assert_eq!(refused(&answer), Some("csrf"));
    assert_eq!(house.received().len(), 0);
    house.send("GET /orders/", &[&spoofed[..], &[ALICE]].concat()).await;
    let received = house.received();
    let head = &received[0];
    // The token is made of chance, which spells anything in the long run.
    let said = head.lines().filter(|line| !line.starts_with("authorization: "));
    let said: Vec<_> = said.collect();
    for absent in ["evil", "6.6.6.6", "/public/", "x-original", "x-rewrite", "forwarded: for"] {
        assert!(!said.iter().any(|line| line.contains(absent)), "{absent}: {head}");
    }
    let forwarded: Vec<_> =
        fields(head).into_iter().filter(|(name, _)| name.starts_with("x-forwarded")).collect();
    let mut expected = vec![
        ("x-forwarded-for".to_owned(), "127.0.0.1"),
        ("x-forwarded-host".to_owned(), "shop.example"),
        ("x-forwarded-proto".to_owned(), "http"),
    ];
    expected.retain(|field| !forwarded.contains(field));
    assert!(expected.is_empty() && forwarded.len() == 3, "{forwarded:?}");
}

#[tokio::test]
async fn g06_roles_are_not_a_list_the_client_can_lengthen() {
    let house = House::new().await;
    let lines = [
        "Cookie: SESSION=bob-session",
        "X-Roles: viewer, editor",
        "X-Roles: editor",
        "Role: editor",
        "Roles: editor",
    ];
    let answer = house.send("GET /edit/", &lines).await;
    assert_eq!((statuses(&answer), refused(&answer)), (vec!["403"], Some("role_missing")));
    assert_eq!(house.received().len(), 0);
    house.send("GET /orders/", &lines).await;
    assert_eq!(claims_in(&house.received()[0])["roles"], serde_json::json!(["viewer"]));
}

#[tokio::test]
async fn g07_the_method_is_the_one_that_was_judged() {
    let service = Recorder::answering(OK).await;
    let route = format!(
        "[[route]]\npath = \"/read/\"\nupstream = \"http://{}\"\naudience = \"read\"\nmethods = [\"GET\", \"HEAD\"]\n",
        service.address
    );
    let house = House::with("", &route, service, who).await;
    for (line, lines, expected) in [
        ("POST /read/", &[OURS, "Content-Length: 0"][..], "method_not_allowed"),
        ("DELETE /read/", &[OURS], "method_not_allowed"),
        ("OPTIONS /read/", &[], "method_not_allowed"),
        ("get /read/", &[OURS], "method_not_allowed"),
        ("TRACE /orders/", &[], "method_not_allowed"),
        ("trace /orders/", &[], "csrf"),
        ("get /orders/", &[], "csrf"),
        ("PROPFIND /orders/", &[], "csrf"),
    ] {
        let answer = house.send(line, &[&[ALICE][..], lines].concat()).await;
        assert_eq!(refused(&answer), Some(expected), "{line}: {answer}");
    }
    assert_eq!(house.received().len(), 0);
    let overrides =
        ["X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X_Method_Override: DELETE", ALICE];
    house.send("GET /read/", &overrides).await;
    house.send("HEAD /read/", &[ALICE]).await;
    let received = house.received();
    assert!(
        received[0].starts_with("GET /read/ HTTP/1.1\r\n") && !received[0].contains("DELETE"),
        "{}",
        received[0]
    );
    assert!(received[1].starts_with("HEAD /read/ HTTP/1.1\r\n"), "{}", received[1]);
}

#[tokio::test]
async fn g20_no_header_opens_a_way_past_the_gateway() {
    let house = House::new().await;
    let lines = [
        "X-Countersign-Bypass: 1",
        "X-Internal: true",
        "X-Router-Key: secret",
        "Countersign: 1",
        "Countersign-Internal: 1",
        "X-Countersign-Key: planted-client-secret",
        "Authorization: Basic Z2F0ZXdheTpwbGFudGVkLWNsaWVudC1zZWNyZXQ=",
        "Authorization: Bearer planted-client-secret",
    ];
    let answer = house.send("GET /orders/", &lines).await;
    assert_eq!((statuses(&answer), refused(&answer)), (vec!["401"], Some("credential_missing")));
    assert_eq!((house.received().len(), house.server.arrived().len()), (0, 0));
}

/// A proxy that ended TLS says so, and nobody else can.
#[tokio::test]
async fn a_trusted_proxy_names_the_scheme() {
    for (top, scheme) in [("", "http"), ("trusted_proxies = [\"127.0.0.0/8\"]", "https")] {
        let house = House::with(top, "", Recorder::answering(OK).await, who).await;
        house.send("GET /orders/", &[ALICE, "X-Forwarded-Proto: https"]).await;
        let received = house.received();
        assert_eq!(values(&received[0], "x-forwarded-proto"), [scheme], "{received:?}");
    }
}
