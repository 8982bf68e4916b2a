//! G15, G16: a request that another site makes with our user's cookie.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    proxy::house::{House, who},
    server::recorder::{OK, Recorder},
    wire::{ALICE, refused, statuses},
};

const BODY: &str = "Content-Length: 0";

#[tokio::test]
async fn g15_another_site_changes_nothing() {
    let house = House::new().await;
    for lines in [
        &[][..],
        &["Content-Type: text/plain"],
        &["Content-Type: application/x-www-form-urlencoded", "Referer: https://shop.example/"],
        &["Origin: null"],
        &["Origin: https://evil.example"],
        &["Origin: https://evil.shop.example"],
        &["Origin: https://shop.example.evil.example"],
        &["Origin: http://shop.example"],
        &["Origin: https://shop.example:444"],
        &["Origin: https://shop.example", "Origin: https://evil.example"],
        &["Origin: https://shop.example https://evil.example"],
        &["Sec-Fetch-Site: cross-site"],
        &["Sec-Fetch-Site: same-site"],
        &["Sec-Fetch-Site: none"],
        &["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"],
        &["Sec-Fetch-Site: cross-site", "Origin: null"],
        &["Countersign: 1"],
        &["X-Forwarded-Host: evil.example", "Origin: https://evil.example"],
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "post", "QUERY"] {
            let answer =
                house.send(&format!("{method} /orders/"), &[&[ALICE, BODY][..], lines].concat()).await;
            assert_eq!(
                (statuses(&answer), refused(&answer)),
                (vec!["403"], Some("csrf")),
                "{method} {lines:?}"
            );
        }
    }
    // Our origin is the issuer's, whatever `Host` says.
    let request = format!(
        "POST /orders/ HTTP/1.1\r\nHost: evil.example\r\nOrigin: https://evil.example\r\n{ALICE}\r\n{BODY}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(refused(&house.raw(request.as_bytes()).await), Some("csrf"));
    assert_eq!((house.received().len(), house.server.arrived().len()), (0, 0));
}

#[tokio::test]
async fn g15_our_own_pages_do() {
    let house = House::new().await;
    for lines in [
        &["Origin: https://shop.example"][..],
        &["Sec-Fetch-Site: same-origin"],
        &["Sec-Fetch-Site: same-origin", "Origin: https://shop.example"],
        &["Sec-Fetch-Site: same-origin", "Origin: null"],
    ] {
        let answer = house.send("POST /orders/", &[&[ALICE, BODY][..], lines].concat()).await;
        assert_eq!(statuses(&answer), ["200"], "{lines:?}");
    }
    // A navigation from anywhere reads, and changes nothing.
    let answer = house.send("GET /orders/", &[ALICE, "Sec-Fetch-Site: cross-site"]).await;
    assert_eq!(statuses(&answer), ["200"]);
}

#[tokio::test]
async fn a_route_can_allow_other_sites_and_demand_our_header() {
    let service = Recorder::answering(OK).await;
    let route = format!(
        "[[route]]\npath = \"/partner/\"\nupstream = \"http://{0}\"\naudience = \"orders\"\n\
        allowed_origins = [\"https://partner.example\"]\n\
        [[route]]\npath = \"/strict/\"\nupstream = \"http://{0}\"\naudience = \"orders\"\n\
        require_countersign_header = true\n",
        service.address
    );
    let house = House::with("", &route, service, who).await;
    let partner = ["Origin: https://partner.example", "Sec-Fetch-Site: cross-site"];
    for (line, lines, verdict) in [
        ("POST /partner/", &partner[..], None),
        ("POST /orders/", &partner, Some("csrf")),
        ("POST /partner/", &["Origin: https://other.example"], Some("csrf")),
        ("POST /strict/", &["Origin: https://shop.example"], Some("countersign_header_missing")),
        ("POST /strict/", &["Origin: https://shop.example", "Countersign: 1"], None),
        ("POST /strict/", &["Countersign: 1"], Some("csrf")),
        ("GET /strict/", &[], None),
    ] {
        let answer = house.send(line, &[&[ALICE, BODY][..], lines].concat()).await;
        assert_eq!(refused(&answer), verdict, "{line} {lines:?}: {answer}");
    }
}

/// A service that agrees to every upgrade and sends back what it hears.
async fn echoing() -> Recorder {
    Recorder::start(|mut socket, _, record| async move {
        if record.take(&mut socket).await.is_some() {
            let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Accept: x\r\nCountersign-Refused: forged\r\n\r\n";
            socket.write_all(answer).await.unwrap();
            let (mut receiving, mut sending) = socket.split();
            let _ = tokio::io::copy(&mut receiving, &mut sending).await;
        }
    })
    .await
}

async fn websocket_house() -> House {
    let service = echoing().await;
    let route = format!(
        "[[route]]\npath = \"/socket/\"\nupstream = \"http://{0}\"\naudience = \"orders\"\nupgrade = true\n\
        [[route]]\npath = \"/legacy-socket/\"\nupstream = \"http://{0}\"\nlegacy = true\nupgrade = true\n",
        service.address
    );
    House::with("", &route, service, who).await
}

fn handshake(path: &str, lines: &[&str]) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n{}\r\n\r\n",
        lines.join("\r\n")
    )
}

#[tokio::test]
async fn g16_another_site_opens_no_websocket() {
    let house = websocket_house().await;
    for (path, lines, code) in [
        ("/socket/", &[ALICE][..], "csrf"),
        ("/socket/", &[ALICE, "Origin: https://evil.example"], "csrf"),
        ("/socket/", &[ALICE, "Origin: null", "Sec-Fetch-Site: cross-site"], "csrf"),
        ("/socket/", &["Origin: https://shop.example"], "credential_missing"),
        ("/orders/", &[ALICE, "Origin: https://shop.example"], "upgrade_not_allowed"),
        ("/public/", &["Origin: https://shop.example"], "upgrade_not_allowed"),
    ] {
        let lines = [lines, &["X-Padding: 1"]].concat();
        let mut socket = TcpStream::connect(house.address).await.unwrap();
        socket.write_all(handshake(path, &lines).as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            answer.push(socket.read_u8().await.unwrap());
        }
        assert_eq!(refused(&String::from_utf8(answer).unwrap()), Some(code), "{path} {lines:?}");
    }
    assert_eq!(house.received().len(), 0);
}

#[tokio::test]
async fn g16_our_own_page_does_and_every_byte_passes() {
    let house = websocket_house().await;
    let mut socket = TcpStream::connect(house.address).await.unwrap();
    let lines = [ALICE, "Origin: https://shop.example", "X-User: root"];
    socket.write_all(handshake("/socket/", &lines).as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(socket.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
    assert!(
        answer.to_ascii_lowercase().contains("\r\nupgrade: websocket\r\n") && !answer.contains("forged"),
        "{answer}"
    );
    // Not HTTP, and some that looks like it.
    let bytes =
        [&b"\x81\x05hello\n\n\x00\xff"[..], b"GET /orders/ HTTP/1.1\r\nHost : x\r\n\r\n", &[0x0d; 100]]
            .concat();
    socket.write_all(&bytes).await.unwrap();
    let mut echo = vec![0; bytes.len()];
    socket.read_exact(&mut echo).await.unwrap();
    assert_eq!(echo, bytes);
    let received = house.received();
    let head = received[0].to_ascii_lowercase();
    assert_eq!(received.len(), 1);
    assert!(
        head.contains("\r\nconnection: upgrade\r\n") && head.contains("\r\nupgrade: websocket\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nauthorization: bearer ")
            && !head.contains("root")
            && !head.contains("alice-session")
    );
}

/// What another site sends there reaches it as it did before there was a gateway: cookie and `Origin` included.
#[tokio::test]
async fn g16_a_legacy_route_leaves_the_decision_to_the_old_application() {
    let house = websocket_house().await;
    let mut socket = TcpStream::connect(house.address).await.unwrap();
    let lines = [ALICE, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"];
    socket.write_all(handshake("/legacy-socket/", &lines).as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 101");
    let head = house.received().pop().unwrap().to_ascii_lowercase();
    for line in
        ["cookie: session=alice-session", "origin: https://evil.example", "sec-fetch-site: cross-site"]
    {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}: {head}");
    }
    assert!(!head.contains("\r\nauthorization:"), "{head}");
    assert!(house.server.arrived().is_empty(), "nobody is asked");
}
