//! What a service says, and what the client hears: never our token, never a session, never in our name.

use tokio::io::AsyncWriteExt;

use crate::{
    proxy::house::{House, who},
    server::recorder::Recorder,
    wire::ALICE,
};

/// A service that gives back the token it was sent in every way a header allows.
async fn talkative() -> Recorder {
    Recorder::start(|mut socket, _, record| async move {
        while let Some((head, _)) = record.take(&mut socket).await {
            let line = head.lines().find_map(|line| line.strip_prefix("authorization: Bearer "));
            let token = line.unwrap_or("no-token-at-all");
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAuthorization: Bearer {token}\r\nX-Echo: <{token}>\r\n\
                Location: https://shop.example/?t={token}\r\nSet-Cookie: jwt={token}\r\nSet-Cookie: SESSION=stolen; Path=/\r\n\
                Set-Cookie: =SESSION=stolen\r\nSet-Cookie: SESSION = stolen\r\nSet-Cookie: session=stolen-too\r\n\
                Clear-Site-Data: \"cookies\"\r\nSet-Cookie: theme=dark\r\n\
                Countersign-Refused: forged\r\ncountersign-decision: forged\r\nX-Countersign-Subject: forged\r\n\
                Connection: X-Internal\r\nX-Internal: secret\r\nKeep-Alive: timeout=1\r\n\
                Cache-Control: public, max-age=600\r\nX-Accel-Expires: 600\r\nVary: Accept\r\nVary: Origin\r\n\r\nok"
            );
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn g14_the_token_stays_behind_the_gateway() {
    let house = House::with("", "", talkative().await, who).await;
    let answer = house.send("GET /orders/", &[ALICE]).await;
    let head = answer.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200 ok\r\n"), "{answer}");
    for absent in [
        "eyj",
        "stolen",
        "clear-site-data",
        "forged",
        "x-internal",
        "keep-alive",
        "x-accel",
        "public",
        "location",
        "x-echo",
    ] {
        assert!(!head.contains(absent), "{absent}: {answer}");
    }
    assert!(head.contains("\r\ncache-control: private, no-cache\r\n"), "{answer}");
    assert!(head.contains("\r\nvary: accept, origin, cookie\r\n"), "{answer}");
    assert_eq!(head.matches("\r\nset-cookie: ").count(), 1, "{answer}");
    assert!(head.contains("\r\nset-cookie: theme=dark\r\n"), "{answer}");
    assert_eq!(head.matches("\r\ncountersign-decision: ").count(), 1);
}

/// HTTP/1.1 has one more place for a text than fields.
#[tokio::test]
async fn g14_a_reason_phrase_passes_but_for_the_token() {
    let service = Recorder::start(|mut socket, _, record| async move {
        while let Some((head, _)) = record.take(&mut socket).await {
            let line = head.lines().find_map(|line| line.strip_prefix("authorization: Bearer "));
            let reason = line.filter(|_| head.starts_with("GET /orders/echo ")).unwrap_or("Fine");
            let answer = format!("HTTP/1.1 200 So {reason}\r\nContent-Length: 2\r\n\r\nok");
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let house = House::with("", "", service, who).await;
    let answer = house.send("GET /orders/echo", &[ALICE]).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let answer = house.send("GET /orders/", &[ALICE]).await;
    assert!(answer.starts_with("HTTP/1.1 200 So Fine\r\n"), "{answer}");
}

#[tokio::test]
async fn a_public_answer_is_the_services_own_but_for_our_names() {
    let house = House::with("", "", talkative().await, who).await;
    let answer = house.send("GET /public/", &[]).await;
    assert!(answer.contains("\r\ncache-control: public, max-age=600\r\n"), "{answer}");
    assert!(answer.contains("\r\nset-cookie: theme=dark\r\n"), "{answer}");
    assert!(!answer.contains("stolen") && !answer.contains("forged"), "{answer}");
    assert!(!answer.contains("clear-site-data"), "{answer}");
    let answer = house.send("GET /legacy/", &[ALICE]).await;
    // The old application may set its own session.
    assert!(answer.contains("\r\nset-cookie: SESSION=stolen; Path=/\r\n"), "{answer}");
    assert!(answer.contains("\r\nclear-site-data: \"cookies\"\r\n"), "{answer}");
    assert!(!answer.contains("forged"), "{answer}");
}
