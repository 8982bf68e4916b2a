//! G15, G16 at the session endpoints: who may call them, from where, and how.

use super::{PAGE, field, house, verdict};
use crate::wire::ALICE;

const OWN: &str = "https://shop.example";
const ALLOWED: &str = "https://app.example";

#[tokio::test]
async fn g15_every_combination_of_method_site_origin_header_and_endpoint() {
    let house = house("").await;
    let sites = [
        None,
        Some("same-origin"),
        Some("same-site"),
        Some("cross-site"),
        Some("none"),
        Some("same-origin, none"),
    ];
    let origins = [
        None,
        Some(OWN),
        Some(ALLOWED),
        Some("https://evil.example"),
        Some("null"),
        Some("https://sub.shop.example"),
    ];
    let headers = [None, Some("1"), Some("0")];
    let (mut let_in, mut asked) = (0, 0);
    for (endpoint, methods) in [("session", &["GET", "HEAD"][..]), ("renew", &["POST"])] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "get"] {
            for site in sites {
                for origin in origins {
                    for header in headers {
                        asked += 1;
                        let mut lines = vec![ALICE.to_owned(), "Content-Length: 0".to_owned()];
                        lines.extend(site.map(|site| format!("Sec-Fetch-Site: {site}")));
                        lines.extend(origin.map(|origin| format!("Origin: {origin}")));
                        lines.extend(header.map(|header| format!("Countersign: {header}")));
                        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                        let answer = house.send(&format!("{method} /.countersign/{endpoint}"), &lines).await;
                        let from_us = match origin {
                            Some(origin) => origin == OWN || origin == ALLOWED,
                            None => site == Some("same-origin"),
                        };
                        let expected = match (methods.contains(&method), from_us, header) {
                            (false, _, _) => ("405", Some("method_not_allowed")),
                            (true, false, _) => ("403", Some("csrf")),
                            (true, true, Some("1")) => ("200", None),
                            (true, true, _) => ("403", Some("countersign_header_missing")),
                        };
                        let case = format!("{method} {endpoint} {site:?} {origin:?} {header:?}");
                        assert_eq!(verdict(&answer), expected, "{case}");
                        let readable = (origin == Some(ALLOWED)).then_some(ALLOWED);
                        assert_eq!(field(&answer, "access-control-allow-origin"), readable, "{case}");
                        assert_eq!(field(&answer, "cache-control"), Some("no-store"), "{case}");
                        assert!(field(&answer, "vary").is_some(), "{case}");
                        let_in += usize::from(expected.0 == "200");
                    }
                }
            }
        }
    }
    assert_eq!(asked, 2 * 7 * 6 * 6 * 3);
    assert_eq!(let_in, 3 * (6 * 2 + 1));
}

#[tokio::test]
async fn doubled_fields_prove_nothing() {
    let house = house("").await;
    for lines in [
        &["Countersign: 1", "Countersign: 1", "Sec-Fetch-Site: same-origin"][..],
        &["Countersign: 1", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: same-origin"],
        &["Countersign: 1", "Origin: https://shop.example", "Origin: https://shop.example"],
        &["Countersign: 1", "Origin: https://shop.example https://evil.example"],
    ] {
        let answer = house.send("GET /.countersign/session", &[lines, &[ALICE]].concat()).await;
        assert_eq!(verdict(&answer).0, "403", "{lines:?}");
    }
}

#[tokio::test]
async fn a_name_that_resolves_to_us_is_not_ours() {
    let house = house("").await;
    for (host, expected) in [
        ("shop.example", ("200", None)),
        ("SHOP.example:443", ("200", None)),
        ("app.example", ("200", None)),
        ("evil.example", ("403", Some("csrf"))),
        ("sub.shop.example", ("403", Some("csrf"))),
        ("shop.example:8443", ("403", Some("csrf"))),
        ("a b", ("400", Some("host_invalid"))),
    ] {
        let request = format!(
            "GET /.countersign/session HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{ALICE}\r\n{}\r\n\r\n",
            PAGE.join("\r\n")
        );
        assert_eq!(verdict(&house.raw(request.as_bytes()).await), expected, "{host}");
    }
}

#[tokio::test]
async fn preflights_are_answered_for_allowed_origins_alone() {
    let house = house("").await;
    let ask = |origin: &str, method: &str| {
        [format!("Origin: {origin}"), format!("Access-Control-Request-Method: {method}")]
    };
    for (endpoint, methods) in [("session", "GET, HEAD"), ("renew", "POST")] {
        let line = format!("OPTIONS /.countersign/{endpoint}");
        let [origin, method] = ask(ALLOWED, "POST");
        let answer =
            house.send(&line, &[&origin, &method, "Access-Control-Request-Headers: countersign"]).await;
        assert_eq!(verdict(&answer), ("204", None), "{answer}");
        assert_eq!(field(&answer, "access-control-allow-origin"), Some(ALLOWED));
        assert_eq!(field(&answer, "access-control-allow-credentials"), Some("true"));
        assert_eq!(field(&answer, "access-control-allow-methods"), Some(methods));
        assert_eq!(
            field(&answer, "access-control-allow-headers"),
            Some("Authorization, Content-Type, Countersign")
        );
        assert_eq!(field(&answer, "access-control-max-age"), Some("600"));
        assert!(field(&answer, "vary").unwrap().starts_with("Origin, "));
        for origin in
            [OWN, "null", "https://evil.example", "https://app.example.evil.example", "http://app.example"]
        {
            let [origin, method] = ask(origin, "POST");
            let answer = house.send(&line, &[&origin, &method]).await;
            assert_eq!(verdict(&answer), ("403", Some("csrf")), "{origin}");
            assert_eq!(field(&answer, "access-control-allow-origin"), None, "{origin}");
        }
    }
    // Neither is called by scripts.
    let [origin, method] = ask(ALLOWED, "GET");
    for endpoint in ["login", "done"] {
        let answer = house.send(&format!("OPTIONS /.countersign/{endpoint}"), &[&origin, &method]).await;
        assert_eq!(verdict(&answer), ("405", Some("method_not_allowed")));
    }
    assert_eq!(house.server.arrived().len(), 0);
}

#[tokio::test]
async fn what_a_page_may_read_is_named() {
    let house = house("").await;
    let lines = ["Countersign: 1", "Origin: https://app.example", "Sec-Fetch-Site: cross-site"];
    for (cookie, status) in [(ALICE, "200"), ("X: y", "401")] {
        let answer = house.send("GET /.countersign/session", &[&lines[..], &[cookie]].concat()).await;
        assert_eq!(verdict(&answer).0, status);
        assert_eq!(field(&answer, "access-control-allow-origin"), Some(ALLOWED));
        assert_eq!(field(&answer, "access-control-allow-credentials"), Some("true"));
        let exposed = field(&answer, "access-control-expose-headers").unwrap();
        for name in [
            "Countersign-Refused",
            "Countersign-Forwarded",
            "Countersign-Decision",
            "WWW-Authenticate",
            "Retry-After",
        ] {
            assert!(exposed.contains(name), "{exposed}");
        }
    }
}

#[tokio::test]
async fn what_is_there_and_how_it_is_called() {
    let house = house("").await;
    for (endpoint, allow) in
        [("session", "GET, HEAD"), ("login", "GET, HEAD"), ("done", "GET, HEAD"), ("renew", "POST")]
    {
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
            let lines = [&PAGE[..], &[ALICE, "Content-Length: 0"]].concat();
            let answer = house.send(&format!("{method} /.countersign/{endpoint}"), &lines).await;
            assert_eq!(verdict(&answer), ("405", Some("method_not_allowed")), "{method} {endpoint}");
            assert_eq!(field(&answer, "allow"), Some(allow), "{method} {endpoint}");
        }
    }
    for path in ["", "nothing", "session/", "session/x", "Session", "%73ession", "../orders/"] {
        let answer = house.send(&format!("GET /.countersign/{path}"), &[&PAGE[..], &[ALICE]].concat()).await;
        assert_eq!(verdict(&answer), ("404", Some("no_route")), "{path}");
    }
    let head = house.send("HEAD /.countersign/session", &[&PAGE[..], &[ALICE]].concat()).await;
    assert!(
        head.ends_with("\r\n\r\n") && field(&head, "content-length").is_some_and(|length| length != "0"),
        "{head}"
    );
    assert_eq!(house.received().len(), 0);
}

#[tokio::test]
async fn bodies_are_small_and_not_read() {
    let house = house("").await;
    let lines = [&PAGE[..], &[ALICE]].concat();
    for (more, expected) in [
        ("Content-Length: 0", ("200", None)),
        ("Content-Length: 4097", ("413", Some("body_too_large"))),
        ("Content-Length: 99999999999", ("413", Some("body_too_large"))),
        ("Transfer-Encoding: chunked", ("413", Some("body_too_large"))),
    ] {
        let answer = house.send("POST /.countersign/renew", &[&lines[..], &[more]].concat()).await;
        assert_eq!(verdict(&answer), expected, "{more}");
    }
    let request = format!(
        "POST /.countersign/renew HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 2\r\nConnection: close\r\n{}\r\n\r\n{{}}",
        lines.join("\r\n")
    );
    assert_eq!(verdict(&house.raw(request.as_bytes()).await), ("200", None));
}
