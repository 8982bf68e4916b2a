//! The job: a session goes in, the service gets a token.

use super::house::{House, claims_in, who};
use crate::{
    server::recorder::{OK, Recorder},
    sources::fake::json,
};

const ALICE: &str = "Cookie: theme=dark; SESSION=alice-session";

#[tokio::test]
async fn the_service_gets_a_token_in_place_of_the_session() {
    let house = House::new().await;
    let answer =
        house.send("GET /orders/7?x=%2F1", &[ALICE, "Authorization: Bearer forged", "X-User: root"]).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\ncountersign-decision: "), "{answer}");
    let received = house.received();
    let head = &received[0];
    assert!(head.starts_with("GET /orders/7?x=%2F1 HTTP/1.1\r\n"), "{head}");
    for absent in ["alice-session", "forged", "root"] {
        assert!(!head.contains(absent), "{head}");
    }
    assert!(head.contains("\r\ncookie: theme=dark\r\n"), "{head}");
    let claims = claims_in(head);
    assert_eq!((claims["sub"].as_str(), claims["organisation"].as_str()), (Some("alice"), Some("acme")));
    assert_eq!(
        (claims["aud"].as_str(), claims["iss"].as_str()),
        (Some("orders"), Some("https://shop.example"))
    );
    assert_eq!(claims["client_id"], "shop");
}

#[tokio::test]
async fn one_session_is_asked_for_once() {
    let house = House::new().await;
    for _ in 0..5 {
        house.send("GET /orders/", &[ALICE]).await;
    }
    assert_eq!((house.received().len(), house.server.arrived().len()), (5, 1));
}

#[tokio::test]
async fn refusals_are_problems_with_a_code() {
    let house = House::new().await;
    for (line, headers, status, code) in [
        ("GET /orders/", &[][..], "401", "credential_missing"),
        ("GET /orders/", &["Cookie: SESSION=nobody"], "401", "session_ended"),
        ("GET /orders/", &["Cookie: SESSION=a; SESSION=b"], "400", "ambiguous_credential"),
        ("GET /edit/", &["Cookie: SESSION=bob-session"], "403", "role_missing"),
        ("POST /orders/", &[ALICE, "Content-Length: 0"], "403", "csrf"),
        ("GET /nowhere/", &[ALICE], "404", "no_route"),
        ("GET /orders/../edit/", &[ALICE], "400", "path_not_canonical"),
        ("TRACE /orders/", &[ALICE], "405", "method_not_allowed"),
    ] {
        let answer = house.send(line, headers).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line} {headers:?}: {answer}");
        assert!(answer.contains(&format!("\r\ncountersign-refused: {code}\r\n")), "{line}: {answer}");
        assert!(answer.contains("\r\ncountersign-forwarded: 0\r\n"), "{line}: {answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
    assert_eq!(house.received(), Vec::<String>::new());
}

/// Behind a body that nobody reads, the next request cannot be found (RFC 9112 §9.6).
#[tokio::test]
async fn a_refusal_says_whether_it_is_the_last() {
    let house = House::new().await;
    let head = |length| {
        format!("POST /orders/ HTTP/1.1\r\nHost: shop.example\r\n{ALICE}\r\nContent-Length: {length}\r\n")
    };
    let last = house.raw(format!("{}\r\n", head(3)).as_bytes()).await;
    assert!(last.starts_with("HTTP/1.1 403 ") && last.contains("\r\nconnection: close\r\n"), "{last}");
    let both = format!("{}\r\nabc{}Connection: close\r\n\r\n", head(3), head(0));
    let answers = house.raw(both.as_bytes()).await;
    assert_eq!(answers.matches("HTTP/1.1 403 ").count(), 2, "{answers}");
    assert_eq!(answers.matches("connection: close").count(), 1, "{answers}");
    // Who waits to be asked for the body is not asked.
    let unasked = house.raw(format!("{}Expect: 100-continue\r\n\r\n", head(3)).as_bytes()).await;
    assert!(unasked.starts_with("HTTP/1.1 403 ") && unasked.contains("connection: close"), "{unasked}");
}

#[tokio::test]
async fn public_routes_lose_the_credential_and_legacy_routes_keep_it() {
    let house = House::new().await;
    house.send("GET /public/", &[ALICE, "Authorization: Basic old", "X-Roles: admin"]).await;
    house.send("GET /legacy/", &[ALICE, "Authorization: Basic old", "X-Roles: admin"]).await;
    let received = house.received();
    assert!(!received[0].contains("alice-session") && !received[0].contains("Basic old"), "{}", received[0]);
    assert!(
        received[1].contains("SESSION=alice-session") && received[1].contains("Basic old"),
        "{}",
        received[1]
    );
    assert!(received.iter().all(|head| !head.contains("admin")));
    assert_eq!(house.server.arrived().len(), 0);
}

#[tokio::test]
async fn the_key_set_is_served_before_every_route() {
    let house = House::new().await;
    for path in [
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        let answer = house.send(&format!("GET {path}"), &[]).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\r\ncache-control: public, max-age=300\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn what_a_route_removes_besides_is_gone_from_headers_and_trailers() {
    let more = "remove_headers = [\"X-Tenant\"]\n";
    let house = House::with("", more, Recorder::answering(OK).await, who).await;
    // The last route is the one the line is behind.
    let request = "POST /legacy/ HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nX-TENANT: globex\r\nX-Kept: 1\r\n\
        Trailer: x-tenant, x-sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-tenant: globex\r\nx-sum: 7\r\n\r\n";
    let answer = house.raw(request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let (head, body) = house.service.record.requests().into_iter().next().unwrap();
    let body = String::from_utf8(body).unwrap();
    assert!(head.contains("x-kept: 1") && body.contains("x-sum: 7"), "{head}{body}");
    assert!(!head.contains("globex") && !body.contains("globex"), "{head}{body}");
}

/// The body would be left over on the connection to the service, in front of the next caller's request.
#[tokio::test]
async fn an_upgrade_with_a_body_is_refused() {
    use super::house::who;
    use crate::server::recorder::{OK, Recorder};

    let service = Recorder::answering(OK).await;
    let more = format!(
        "[[route]]\npath = \"/socket/\"\nupstream = \"http://{}\"\npublic = true\nupgrade = true\n",
        service.address
    );
    let house = House::with("", &more, service, who).await;
    let upgrade =
        "GET /socket/ HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    for body in ["Content-Length: 300\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] {
        let mut socket = tokio::net::TcpStream::connect(house.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut socket, format!("{upgrade}{body}").as_bytes())
            .await
            .unwrap();
        let mut answer = [0; 12];
        tokio::io::AsyncReadExt::read_exact(&mut socket, &mut answer).await.unwrap();
        assert_eq!(std::str::from_utf8(&answer), Ok("HTTP/1.1 400"), "{body}");
    }
    assert_eq!(house.received(), Vec::<String>::new());
}

/// The token's name is one, and a warm request has its token already.
#[tokio::test]
async fn no_warm_request_asks_for_a_random_number() {
    let house = House::new().await;
    let cold = house.draws.count();
    house.send("GET /orders/", &[ALICE]).await;
    let warm = house.draws.count();
    assert_eq!(warm, cold + 1, "a token was signed");
    for _ in 0..100 {
        for (path, headers) in
            [("/orders/7", &[ALICE][..]), ("/edit/", &[ALICE]), ("/public/", &[]), ("/legacy/", &[ALICE])]
        {
            let answer = house.send(&format!("GET {path}"), headers).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        }
        for (path, headers) in [("/orders/", &[][..]), ("/nowhere/", &[ALICE]), ("/edit/..;/", &[ALICE])] {
            let answer = house.send(&format!("GET {path}"), headers).await;
            assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
        }
    }
    assert_eq!(house.draws.count(), warm);
}

/// As many roles as a session may have, with long names, fit in no header.
#[tokio::test]
async fn a_session_whose_token_is_too_large_reaches_no_service() {
    let roles = (0..256).map(|n| format!("\"a-role-with-a-long-name-{n}\"")).collect::<Vec<_>>().join(",");
    let burdened = format!(
        r#"{{"active":true,"sub":"alice","roles":[{roles}],"org":{{"id":"acme"}},"client_id":"shop"}}"#
    );
    let house = House::with("", "", Recorder::answering(OK).await, move |_| json(200, &burdened)).await;
    for _ in 0..3 {
        let answer = house.send("GET /orders/", &[ALICE]).await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(answer.contains("\r\ncountersign-refused: token_too_large\r\n"), "{answer}");
        assert!(answer.contains("\r\ncountersign-forwarded: 0\r\n"), "{answer}");
    }
    assert_eq!((house.service.record.connections(), house.server.arrived().len()), (0, 1), "asked once");
    house.send("GET /orders/", &["Cookie: SESSION=a; SESSION=b"]).await;
    let audit = house.audit_holds("ambiguous_credential").await;
    assert!(!audit.contains("token_signed"), "{audit}");
    // Where no token goes, the session is as good as any.
    assert!(house.send("GET /legacy/", &[ALICE]).await.starts_with("HTTP/1.1 200 "));
}
