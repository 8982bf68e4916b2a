//! A cookie that the authorization server replaces reaches the browser, and no cache.

use super::house::{House, claims_in};
use crate::{
    server::recorder::Recorder,
    sources::fake::{Arrived, answer},
};

/// A server that replaces `first` by `second`, and knows both afterwards for nobody else.
fn replacing(asked: &Arrived) -> crate::sources::fake::Act {
    let cookie = asked.header("cookie").unwrap_or_default();
    let alice = r#"{"sub":"alice","org":{"id":"acme"},"roles":[]}"#;
    let json = "content-type: application/json\r\n";
    match cookie {
        "SESSION=first" => {
            let fields =
                format!("{json}set-cookie: theme=dark\r\nset-cookie: SESSION=second; Path=/; HttpOnly\r\n");
            answer(200, &fields, alice)
        }
        "SESSION=second" => answer(200, json, alice),
        _ => answer(401, "set-cookie: SESSION=; Max-Age=0\r\n", ""),
    }
}

#[tokio::test]
async fn a_replaced_cookie_goes_to_the_browser_and_the_session_moves_along() {
    const CACHEABLE: &str = "HTTP/1.1 200 OK\r\nCache-Control: public, max-age=60\r\nSet-Cookie: SESSION=forged\r\n\
        Content-Length: 2\r\n\r\nok";
    let service = Recorder::answering(CACHEABLE).await;
    let house = House::asking("whoami = \"WHOAMI\"", "", "", service, replacing).await;
    let first = house.send("GET /orders/", &["Cookie: SESSION=first"]).await;
    assert!(first.starts_with("HTTP/1.1 200 "), "{first}");
    let cookies: Vec<&str> = first.lines().filter(|line| line.starts_with("set-cookie: ")).collect();
    assert_eq!(cookies, ["set-cookie: SESSION=second; Path=/; HttpOnly"], "the server's, and nobody else's");
    assert!(first.contains("\r\ncache-control: private, no-store\r\n"), "{first}");
    let second = house.send("GET /orders/", &["Cookie: SESSION=second"]).await;
    assert!(second.starts_with("HTTP/1.1 200 ") && !second.contains("set-cookie"), "{second}");
    assert_eq!(house.server.arrived().len(), 1, "the server was not asked anew");
    let received = house.received();
    assert_eq!(claims_in(&received[0])["sid"], claims_in(&received[1])["sid"]);
    // What a "no" deletes is the server's business with its browser.
    let gone = house.send("GET /orders/", &["Cookie: SESSION=nobody"]).await;
    assert!(gone.starts_with("HTTP/1.1 401 ") && !gone.contains("set-cookie"), "{gone}");
}
