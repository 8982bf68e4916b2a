//! G05, G17, G18: what is decided is what is sent, and what no route names is sent nowhere.

use crate::{
    proxy::house::{House, who},
    server::recorder::{OK, Recorder},
    wire::{ALICE, exchange, refused, statuses},
};

#[tokio::test]
async fn g05_no_path_leads_past_a_route() {
    let house = House::new().await;
    for path in [
        "//edit/",
        "/orders//edit/",
        "/orders/../edit/",
        "/orders/./x",
        "/orders/..",
        "/orders/.",
        "/orders/%2e%2e/edit/",
        "/orders/%2E./edit/",
        "/orders/.%2e/edit/",
        "/orders/..%2fedit/",
        "/orders%2fx",
        "/orders/%2F",
        "/orders/%5c..%5cedit",
        "/orders/..\\edit\\",
        "/orders/..;/edit/",
        "/orders/;x=1/edit/",
        "/orders/x;v=1",
        "/orders/x%3bv=1",
        "/orders/%00",
        "/orders/x%0d%0aX-User:%20root",
        "/orders/%252e%252e/edit/",
        "/orders/%252fedit",
        "/orders/%25%32%66edit",
        "/orders/%25252fedit",
        "/orders/%c0%ae%c0%ae/edit/",
        "/orders/%c0%afedit",
        "/orders/%e0%80%af",
        "/orders/%u002e%u002e/",
        "/orders/%",
        "/orders/%2",
        "/orders/%zz",
        "/%65dit/",
        "/ed%69t/",
        "/e%64it/x",
        "/%2565dit/",
    ] {
        let answer = house.send(&format!("GET {path}"), &["Cookie: SESSION=bob-session"]).await;
        assert_eq!(
            (statuses(&answer), refused(&answer)),
            (vec!["400"], Some("path_not_canonical")),
            "{path}"
        );
    }
    for (path, code) in [
        ("/Orders/", "no_route"),
        ("/ORDERS/", "no_route"),
        ("/orders", "no_route"),
        ("/orders./", "no_route"),
        ("/ordersx/", "no_route"),
        ("/", "no_route"),
        ("/edit", "no_route"),
        ("/edit/", "role_missing"),
        ("/edit/?/../orders/", "role_missing"),
        ("*", "request_line_malformed"),
        ("/orders/#/../edit/", "request_line_malformed"),
    ] {
        let answer = house.send(&format!("GET {path}"), &["Cookie: SESSION=bob-session"]).await;
        assert_eq!(refused(&answer), Some(code), "{path}: {answer}");
    }
    assert_eq!((house.received().len(), house.server.arrived().len()), (0, 1));
}

#[tokio::test]
async fn what_is_decided_is_sent_byte_for_byte() {
    let house = House::new().await;
    let targets = [
        "/orders/",
        "/orders/?",
        "/orders/7?a=%2F..%2f&b=//c;d&e='|'",
        "/orders/caf%C3%A9/%E2%82%AC",
        "/orders/caf%c3%a9",
        "/orders/a%20b/100%25/%3F%23%2B",
        "/orders/.../a.b/..c/d../~(e)!$&'*+,=:@[1]|^",
        "/orders/?x=%00&y=%zz",
    ];
    for target in targets {
        let answer = house.send(&format!("GET {target}"), &[ALICE]).await;
        assert_eq!(statuses(&answer), ["200"], "{target}: {answer}");
    }
    let received = house.received();
    let lines: Vec<_> = received.iter().map(|head| head.lines().next().unwrap()).collect();
    assert_eq!(lines, targets.map(|target| format!("GET {target} HTTP/1.1")));
}

#[tokio::test]
async fn g05_g17_a_target_names_no_other_host() {
    let house = House::new().await;
    let request = |target: &str, host: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{ALICE}\r\nConnection: close\r\n\r\n")
    };
    for (target, host, code) in [
        ("http://evil.example/orders/", "shop.example", "host_invalid"),
        ("http://shop.example:81/orders/", "shop.example", "host_invalid"),
        ("http://shop.example/orders/", "evil.example", "host_invalid"),
        ("http://shop.example@evil.example/orders/", "shop.example", "request_line_malformed"),
        ("http://169.254.169.254/latest/meta-data/", "169.254.169.254", "no_route"),
        ("//evil.example/orders/", "shop.example", "path_not_canonical"),
        ("/http://evil.example/", "shop.example", "path_not_canonical"),
        ("file:///etc/passwd", "shop.example", "request_line_malformed"),
        ("http://shop.example/orders/../edit/", "shop.example", "path_not_canonical"),
    ] {
        let answer = exchange(house.address, request(target, host).as_bytes()).await;
        assert_eq!(refused(&answer), Some(code), "{target} {host}: {answer}");
    }
    assert_eq!(house.received().len(), 0);
    for (target, host) in [
        ("http://shop.example/orders/7?x", "shop.example"),
        ("HTTP://Shop.Example/orders/7?x", "shop.example:80"),
    ] {
        let answer = exchange(house.address, request(target, host).as_bytes()).await;
        assert_eq!(statuses(&answer), ["200"], "{answer}");
    }
    // Whatever the host is called, the request goes where the configuration says.
    let answer = exchange(house.address, request("/orders/7?x", "127.0.0.1:22").as_bytes()).await;
    assert_eq!(statuses(&answer), ["200"], "{answer}");
    let received = house.received();
    assert!(received.iter().all(|head| head.starts_with("GET /orders/7?x HTTP/1.1\r\n")), "{received:?}");
    assert_eq!(received.len(), 3);
}

#[tokio::test]
async fn g18_what_no_route_names_is_refused_with_and_without_session() {
    let house = House::new().await;
    for path in
        ["/", "/admin/", "/orders-internal/", "/.well-known/", "/.countersign/", "/metrics", "/healthz"]
    {
        for lines in [&[][..], &[ALICE]] {
            let answer = house.send(&format!("GET {path}"), lines).await;
            assert_eq!((statuses(&answer), refused(&answer)), (vec!["404"], Some("no_route")), "{path}");
        }
    }
    assert_eq!((house.received().len(), house.server.arrived().len()), (0, 0));
}

/// A Java application writes `;jsessionid=…` into its links. Only the route that says so takes such paths, as they are.
#[tokio::test]
async fn a_path_that_is_not_canonical_goes_as_it_is_where_the_route_says_so() {
    let service = Recorder::answering(OK).await;
    let old = format!("[[route]]\npath = \"/\"\nupstream = \"http://{}\"\nlegacy = true\n", service.address);
    let passes = [
        "/x;jsessionid=1",
        "/x;jsessionid=1?y=/orders/..;/",
        "/a//b",
        "//orders/7",
        "/a/../orders/7",
        "/a/..;/b",
        "/%6frders/7",
        "/orders%2f7",
        "/a%5cb%00%zz",
        "/a%252e",
    ];
    // Below a route that says nothing nothing changes, and our own paths are ours.
    let refused_still = [
        ("/orders/..;/", "path_not_canonical"),
        ("/orders/../x", "path_not_canonical"),
        ("/orders/;jsessionid=1", "path_not_canonical"),
        ("/orders/7;jsessionid=1", "path_not_canonical"),
        ("/orders//7", "path_not_canonical"),
        ("/orders/%2e%2e/x", "path_not_canonical"),
        ("/edit/..%2fx", "path_not_canonical"),
        ("/public/..\\x", "path_not_canonical"),
        ("/.countersign/..;/x", "no_route"),
    ];
    for (flag, status) in [("insecure_path = true\n", "200"), ("", "400")] {
        let house = House::with("", &format!("{old}{flag}"), Recorder::answering(OK).await, who).await;
        let before = service.record.requests().len();
        for path in passes {
            let answer = house.send(&format!("GET {path}"), &[ALICE]).await;
            assert_eq!(statuses(&answer), [status], "{flag}{path}: {answer}");
        }
        for (path, code) in refused_still {
            let answer = house.send(&format!("GET {path}"), &[ALICE]).await;
            assert_eq!(refused(&answer), Some(code), "{flag}{path}: {answer}");
        }
        let received = service.record.requests();
        let lines: Vec<_> = received[before..].iter().map(|(head, _)| head.lines().next().unwrap()).collect();
        let expected =
            if flag.is_empty() { vec![] } else { passes.map(|path| format!("GET {path} HTTP/1.1")).to_vec() };
        assert_eq!(lines, expected, "{flag}");
        assert!(
            received[before..].iter().all(|(head, _)| !head.contains("Bearer")),
            "the old application gets no token"
        );
        assert_eq!((house.received().len(), house.server.arrived().len()), (0, 0), "{flag}");
    }
}
