//! What a running gateway counts and writes down about requests, connections and services.

use std::{collections::BTreeMap, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::house::{House, who};
use crate::{
    http2::frames::{END_STREAM, RST_STREAM, Raw, field},
    port::Port,
    revocation::until,
    server::{
        harness::{exchange, soon},
        recorder::{OK, Recorder},
    },
};

const ALICE: &str = "Cookie: SESSION=alice-session";
const BOB: &str = "Cookie: SESSION=bob-session";

/// The lines of `/metrics`, without `countersign_`.
async fn metrics(admin: SocketAddr) -> BTreeMap<String, String> {
    let mut socket = TcpStream::connect(admin).await.unwrap();
    socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let lines = answer.lines().filter_map(|line| line.strip_prefix("countersign_")?.rsplit_once(' '));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A house whose route `/down/` leads to a port nobody listens on.
async fn house() -> (House, Port) {
    let nobody = Port::reserved();
    let down =
        format!("[[route]]\npath = \"/down/\"\nupstream = \"http://{}\"\npublic = true\n", nobody.address);
    (House::with("", &down, Recorder::answering(OK).await, who).await, nobody)
}

#[tokio::test]
async fn requests_connections_and_services_are_counted() {
    let (house, _nobody) = house().await;
    let mut open = TcpStream::connect(house.address).await.unwrap();
    for path in ["/orders/", "/legacy/"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\n{ALICE}\r\n\r\n");
        let (head, _) = exchange(&mut open, request.as_bytes()).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    }
    for (line, headers) in [
        ("GET /orders/", &[][..]),
        ("GET /edit/", &[BOB]),
        ("GET /edit/", &[BOB]),
        ("POST /orders/", &[ALICE, "Content-Length: 0"]),
        ("GET /orders/../edit/", &[ALICE]),
        ("TRACE /public/", &[]),
        ("GET /nowhere/", &[]),
        ("GET /down/", &[]),
        ("GET /down/", &[]),
        ("GET /down/", &[]),
        ("GET /down/", &[]),
    ] {
        house.send(line, headers).await;
    }
    // A closed connection may be counted a moment after its client has seen the end.
    let counted = soon(async {
        loop {
            let counted = metrics(house.admin).await;
            if counted["connections_open"] == "1" {
                return counted;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    for (name, expected) in [
        ("requests_total{route=\"translate\",status=\"2xx\"}", "1"),
        ("requests_total{route=\"legacy\",status=\"2xx\"}", "1"),
        ("requests_total{route=\"translate\",status=\"4xx\"}", "5"),
        ("requests_total{route=\"public\",status=\"4xx\"}", "1"),
        ("requests_total{route=\"public\",status=\"5xx\"}", "4"),
        ("requests_total{route=\"none\",status=\"4xx\"}", "1"),
        ("requests_in_flight", "0"),
        ("refusals_total{code=\"role_missing\"}", "2"),
        ("refusals_total{code=\"upstream_unreachable\"}", "4"),
        ("connection_events_total{event=\"accepted\"}", "12"),
        ("connection_events_total{event=\"listening\"}", "1"),
        ("connection_events_total{event=\"protocol_error\"}", "0"),
        ("upstream_events_total{event=\"connected\"}", "1"),
        ("upstream_events_total{event=\"connect_failed\"}", "4"),
        ("upstream_events_total{event=\"ejected\"}", "1"),
        ("upstream_events_total{event=\"recovered\"}", "0"),
    ] {
        assert_eq!(counted[name], expected, "{name} in {counted:#?}");
    }
}

#[tokio::test]
async fn the_audit_log_names_the_route_of_a_refusal_and_the_session_if_one_was_found() {
    let (mut house, _nobody) = house().await;
    for _ in ["cold", "warm"] {
        house.send("GET /edit/", &[BOB]).await;
    }
    house.send("POST /orders/", &[ALICE, "Content-Length: 0"]).await;
    let gateway = house.gateway.take().unwrap();
    gateway.drain();
    tokio::task::spawn_blocking(|| gateway.wait()).await.unwrap().unwrap();
    let text = std::fs::read_to_string(house.state.path().join("state/audit.jsonl")).unwrap();
    let refused: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|line| line["event"] == "refused")
        .map(|line| (line["code"].clone(), line["route"].clone(), line["session"].is_string()))
        .collect();
    let line = |code: &str, route: &str, session| (code.into(), route.into(), session);
    assert_eq!(
        refused,
        [
            line("role_missing", "/edit/", true),
            line("role_missing", "/edit/", true),
            line("csrf", "/orders/", false)
        ]
    );
}

/// Over HTTP/1.1 and HTTP/2, before a service that never answers.
#[tokio::test]
async fn a_request_whose_client_leaves_is_under_way_no_longer() {
    let service = Recorder::start(|mut socket, _, record| async move {
        record.take(&mut socket).await;
        std::future::pending::<()>().await;
    })
    .await;
    let house = House::with("", "", service, who).await;
    let admin = house.admin;
    for number in 1..=4 {
        let arrived = house.received().len();
        if number % 2 == 0 {
            let mut client = Raw::open(house.address).await;
            let head = [
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "shop.example"),
                (":path", "/orders/"),
                ("cookie", "SESSION=alice-session"),
            ];
            client.headers(1, END_STREAM, &head.map(|(name, value)| field(name, value))).await;
            until(|| house.received().len() > arrived).await;
            assert_eq!(metrics(admin).await["requests_in_flight"], "1");
            // One resets its stream, the other closes its connection.
            if number == 2 {
                client.frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()).await;
                gone(admin, number).await;
            }
        } else {
            let mut client = TcpStream::connect(house.address).await.unwrap();
            let request = format!("GET /orders/ HTTP/1.1\r\nHost: shop.example\r\n{ALICE}\r\n\r\n");
            client.write_all(request.as_bytes()).await.unwrap();
            until(|| house.received().len() > arrived).await;
            assert_eq!(metrics(admin).await["requests_in_flight"], "1");
        }
        gone(admin, number).await;
    }
}

/// Waits until so many requests are given up and none is under way.
async fn gone(admin: SocketAddr, expected: usize) {
    soon(async {
        loop {
            let counted = metrics(admin).await;
            let is_so = counted["requests_given_up_total"] == expected.to_string();
            if is_so && counted["requests_in_flight"] == "0" {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}
