//! Look-ups and what is remembered of them, through the whole gateway.

use std::time::Duration;

use crate::{
    proxy::house::{House, claims_in, who},
    server::recorder::{OK, Recorder},
    sources::fake::{Act, Arrived, answer, json},
};

const ALICE: &str = "Cookie: SESSION=alice-session";
const BOB: &str = "Cookie: SESSION=bob-session";

fn code(answer: &str) -> &str {
    let field = answer.lines().find_map(|line| line.strip_prefix("countersign-refused: "));
    field.unwrap_or_default()
}

#[tokio::test]
async fn an_identity_is_never_used_for_another_credential() {
    let house = House::new().await;
    for _ in 0..3 {
        for (cookie, subject) in [(ALICE, "alice"), (BOB, "bob")] {
            // Other fields of the client are not asked with, and change nothing.
            for more in ["X-Tenant: globex", "X-Tenant: acme", "Accept-Language: fi"] {
                assert!(house.send("GET /orders/", &[cookie, more]).await.starts_with("HTTP/1.1 200 "));
                assert_eq!(claims_in(house.received().last().unwrap())["sub"], subject);
            }
        }
    }
    assert_eq!(house.server.arrived().len(), 2);
    for asked in house.server.arrived() {
        assert!(!asked.head.to_ascii_lowercase().contains("tenant"), "{}", asked.head);
    }
}

/// What a server that is out of order does.
fn faults() -> Vec<(&'static str, Act)> {
    let page = "<html><title>Log in</title></html>";
    let mut faults: Vec<_> = [500, 501, 502, 503, 504, 429, 408, 425, 404, 301, 302, 418, 401, 403, 204]
        .into_iter()
        .map(|status| ("a status", answer(status, "content-type: text/html\r\n", page)))
        .collect();
    faults.extend([
        ("a page", answer(200, "content-type: text/html\r\n", page)),
        ("half of an object", json(200, r#"{"active":tr"#)),
        ("another kind", json(200, r#"["active"]"#)),
        ("no verdict", json(200, r#"{"sub":"alice"}"#)),
        ("a verdict as text", json(200, r#"{"active":"true","sub":"alice"}"#)),
        ("a member twice", json(200, r#"{"active":false,"active":true,"sub":"alice"}"#)),
        ("a broken connection", Act::SendAndClose(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec())),
        ("nothing", Act::SendAndClose(Vec::new())),
        ("silence", Act::Hang),
        (
            "a cookie that is deleted",
            answer(
                500,
                "set-cookie: SESSION=; Max-Age=0; Path=/\r\nlocation: /login\r\ncontent-type: text/plain\r\n",
                "sorry",
            ),
        ),
    ]);
    faults
}

#[tokio::test]
async fn no_fault_of_the_server_is_a_401_or_touches_a_cookie() {
    for (what, act) in faults() {
        let respond = move |asked: &Arrived| match asked.body.contains("bob-session") {
            true => act.clone(),
            false => who(asked),
        };
        let service = Recorder::answering(OK).await;
        // Long enough for Alice's look-up on a machine that is busy with others.
        let house = House::asking("timeout = \"3s\"", "", "", service, respond).await;
        for _ in 0..2 {
            let answer = house.send("GET /orders/", &[BOB]).await;
            assert!(answer.starts_with("HTTP/1.1 503 "), "{what}: {answer}");
            let lower = answer.to_ascii_lowercase();
            assert!(lower.contains("\r\nretry-after: ") && !lower.contains("set-cookie"), "{what}: {answer}");
            assert!(!lower.contains("www-authenticate"), "{what}: {answer}");
        }
        // Nobody else's session suffers.
        assert!(house.send("GET /orders/", &[ALICE]).await.starts_with("HTTP/1.1 200 "), "{what}");
    }
}

#[tokio::test]
async fn a_bearer_token_of_the_clients_own_reaches_no_service() {
    let house = House::new().await;
    for path in ["/orders/", "/edit/", "/public/", "/nowhere/"] {
        for cookies in [&[][..], &[BOB], &["Cookie: SESSION=nobody"]] {
            let mut headers = vec!["Authorization: Bearer the.clients.own"];
            headers.extend(cookies);
            house.send(&format!("GET {path}"), &headers).await;
        }
    }
    let received = house.received();
    assert_eq!(received.len(), 4, "three public requests and one with a session");
    assert!(received.iter().all(|head| !head.contains("the.clients.own")));
}

#[tokio::test]
async fn credentials_and_headers_of_every_size_are_read_whole_or_refused() {
    let respond = |asked: &Arrived| {
        let token = asked.form().into_iter().find_map(|(name, value)| (name == "token").then_some(value));
        let token = token.unwrap_or_default();
        json(200, &format!(r#"{{"active":true,"sub":"long-{}","org":{{"id":"acme"}}}}"#, token.len()))
    };
    let house = House::with("", "", Recorder::answering(OK).await, respond).await;
    for size in [1, 63, 1024, 4096, 8191, 8192, 8193, 16_384, 30_000, 64 * 1024] {
        let cookie = format!("Cookie: SESSION={}", "x".repeat(size));
        let before = house.received().len();
        let answer = house.send("GET /orders/", &[&cookie]).await;
        let received = house.received();
        if size <= 8192 {
            assert!(answer.starts_with("HTTP/1.1 200 "), "{size}: {answer}");
            assert_eq!(claims_in(received.last().unwrap())["sub"], format!("long-{size}"));
        } else {
            assert!(answer.starts_with("HTTP/1.1 431 "), "{size}: {answer}");
            assert_eq!(received.len(), before, "{size}");
        }
    }
    for count in [0, 19, 20, 21, 90, 120, 200] {
        let names: Vec<String> = (0..count).map(|n| format!("X-F{n}: {n}")).collect();
        let mut headers: Vec<&str> = names.iter().map(String::as_str).collect();
        headers.push("Cookie: SESSION=one");
        let answer = house.send("GET /orders/", &headers).await;
        if count <= 90 {
            assert!(answer.starts_with("HTTP/1.1 200 "), "{count}: {answer}");
            let received = house.received();
            let head = received.last().unwrap();
            assert!((0..count).all(|n| head.contains(&format!("x-f{n}: {n}\r\n"))), "{count}: {head}");
        } else {
            assert!(answer.starts_with("HTTP/1.1 431 "), "{count}: {answer}");
        }
    }
}

#[tokio::test]
async fn two_session_cookies_are_refused_and_never_remembered() {
    let house = House::new().await;
    for pair in [
        "Cookie: SESSION=alice-session; SESSION=bob-session",
        "Cookie: SESSION=bob-session; SESSION=alice-session",
        "Cookie: SESSION=bob-session; SESSION=",
    ] {
        let answer = house.send("GET /orders/", &[pair]).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && code(&answer) == "ambiguous_credential", "{answer}");
    }
    let two_fields = house.send("GET /orders/", &[ALICE, BOB]).await;
    assert_eq!(code(&two_fields), "ambiguous_credential");
    assert_eq!(house.server.arrived().len(), 0);
    for (cookie, subject) in [(ALICE, "alice"), (BOB, "bob")] {
        house.send("GET /orders/", &[cookie]).await;
        assert_eq!(claims_in(house.received().last().unwrap())["sub"], subject);
    }
}

/// The unit of a time-out is read from the configuration, not set by a test in a type that has one.
#[tokio::test]
async fn a_hanging_server_is_waited_for_as_long_as_the_configuration_says() {
    let service = Recorder::answering(OK).await;
    let house = House::asking("timeout = \"500ms\"", "", "", service, |_| Act::Hang).await;
    let begin = tokio::time::Instant::now();
    let answer = house.send("GET /orders/", &[ALICE]).await;
    let took = begin.elapsed();
    assert_eq!(code(&answer), "source_unavailable", "{answer}");
    assert!(took >= Duration::from_millis(450) && took < Duration::from_secs(20), "{took:?}");
}
