//! Ordinary routes, called by pages of other origins.

use super::{field, verdict};
use crate::{
    proxy::house::{House, who},
    server::recorder::Recorder,
    wire::ALICE,
};

const APP: &str = "Origin: https://app.example";
/// A service that lets everybody read everything, in the gateway's name too.
const GENEROUS: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: https://evil.example\r\n\
    Access-Control-Allow-Credentials: true\r\nAccess-Control-Expose-Headers: X-Total\r\n\
    Countersign-Refused: session_ended\r\nCountersign-Forwarded: 0\r\n\r\nok";

async fn house() -> House {
    let service = Recorder::answering(GENEROUS).await;
    let routes = format!(
        "[[route]]\npath = \"/partner/\"\nupstream = \"http://{0}\"\naudience = \"orders\"\n\
         methods = [\"GET\", \"PUT\"]\nrequire = {{ roles = [\"editor\"] }}\nallowed_origins = [\"https://app.example\"]\n\
         [[route]]\npath = \"/gone/\"\nupstream = \"http://127.0.0.1:9\"\naudience = \"orders\"\n\
         allowed_origins = [\"https://app.example\"]\n",
        service.address
    );
    House::with("", &routes, service, who).await
}

#[tokio::test]
async fn the_gateway_answers_preflights_of_allowed_origins() {
    let house = house().await;
    let ask =
        ["Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: countersign,x-request-id"];
    let answer = house.send("OPTIONS /partner/7", &[&ask[..], &[APP]].concat()).await;
    assert_eq!(verdict(&answer), ("204", None), "{answer}");
    assert_eq!(field(&answer, "access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(field(&answer, "access-control-allow-credentials"), Some("true"));
    assert_eq!(field(&answer, "access-control-allow-methods"), Some("GET, PUT"));
    assert_eq!(field(&answer, "access-control-allow-headers"), Some("countersign,x-request-id"));
    let long = format!("Access-Control-Request-Headers: {}", "x,".repeat(600));
    let answer = house.send("OPTIONS /partner/7", &[APP, ask[0], &long]).await;
    assert_eq!(verdict(&answer), ("400", Some("parameter_invalid")));
    // Of others it is a request without a credential, and nothing lets their pages read that.
    for (path, origin) in
        [("/partner/7", "Origin: https://evil.example"), ("/orders/", APP), ("/partner/7", "Origin: null")]
    {
        let answer = house.send(&format!("OPTIONS {path}"), &[&ask[..], &[origin]].concat()).await;
        assert_eq!(field(&answer, "access-control-allow-origin"), None, "{path} {origin}");
        assert!(["401", "405"].contains(&verdict(&answer).0), "{answer}");
    }
    assert_eq!(house.received().len(), 0);
    // A public route's service decides itself.
    assert_eq!(verdict(&house.send("OPTIONS /public/", &[&ask[..], &[APP]].concat()).await), ("200", None));
    assert_eq!(house.received().len(), 1);
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_reads_refusals_too() {
    let house = house().await;
    for (line, cookie, expected, forwarded) in [
        ("GET /partner/", "X: y", ("401", Some("credential_missing")), Some("0")),
        ("GET /partner/", "Cookie: SESSION=nobody", ("401", Some("session_ended")), Some("0")),
        ("GET /partner/", "Cookie: SESSION=bob-session", ("403", Some("role_missing")), Some("0")),
        ("DELETE /partner/", ALICE, ("405", Some("method_not_allowed")), Some("0")),
        ("GET /gone/", ALICE, ("502", Some("upstream_unreachable")), Some("0")),
        ("GET /partner/", ALICE, ("200", None), None),
        ("PUT /partner/", ALICE, ("200", None), None),
    ] {
        let answer = house.send(line, &[APP, cookie, "Content-Length: 0"]).await;
        assert_eq!(verdict(&answer), expected, "{line} {cookie}");
        assert_eq!(field(&answer, "access-control-allow-origin"), Some("https://app.example"), "{answer}");
        assert_eq!(field(&answer, "access-control-allow-credentials"), Some("true"));
        assert!(answer.contains("Countersign-Refused") || expected.1.is_none());
        assert!(field(&answer, "vary").unwrap().contains("Origin"), "{answer}");
        assert_eq!(field(&answer, "countersign-forwarded"), forwarded);
        assert!(!answer.contains("evil.example"), "{answer}");
    }
}

#[tokio::test]
async fn g16_no_service_lets_another_site_read_with_the_cookie() {
    let house = house().await;
    for (path, origin) in [
        ("/partner/", "Origin: https://evil.example"),
        ("/orders/", "Origin: https://evil.example"),
        ("/orders/", "Origin: null"),
        ("/orders/", APP),
    ] {
        let answer = house.send(&format!("GET {path}"), &[ALICE, origin]).await;
        assert_eq!(verdict(&answer).0, "200");
        assert_eq!(field(&answer, "access-control-allow-credentials"), None, "{path} {origin}");
    }
    for path in ["/nowhere", "/orders/"] {
        let answer = house.send(&format!("GET {path}"), &["Origin: https://evil.example"]).await;
        assert_eq!(field(&answer, "access-control-allow-origin"), None, "{answer}");
    }
}

#[tokio::test]
async fn no_service_speaks_in_the_gateways_name() {
    let house = house().await;
    for path in ["/orders/", "/public/", "/legacy/", "/partner/"] {
        let answer = house.send(&format!("GET {path}"), &[ALICE, APP]).await;
        assert_eq!(verdict(&answer), ("200", None), "{path}");
        assert_eq!(field(&answer, "countersign-forwarded"), None, "{path}");
        assert!(field(&answer, "countersign-decision").is_some());
    }
}
