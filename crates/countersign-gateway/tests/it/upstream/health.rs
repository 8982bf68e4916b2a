//! Several origins: turns, and leaving out the one that cannot be reached.

use tokio::net::TcpListener;

use crate::{
    port::Port,
    server::{
        harness::{Plan, exchange, http1, origin},
        recorder::{OK, Recorder},
    },
};
use countersign_gateway::{config::resolved::UpstreamProtocol, upstream::EJECT_FAILURES};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn origins_take_turns() {
    let (one, two) = (Recorder::answering(OK).await, Recorder::answering(OK).await);
    let gateway = Plan::default().start(&[http1(one.address), http1(two.address)]);
    let mut client = gateway.connect().await;
    for _ in 0..10 {
        exchange(&mut client, GET).await;
    }
    assert_eq!(one.record.requests().len(), 5);
    assert_eq!(two.record.requests().len(), 5);
    assert_eq!(one.record.connections() + two.record.connections(), 2);
}

#[tokio::test]
async fn the_origin_with_fewer_requests_under_way_is_taken() {
    let (busy, free) = (
        Recorder::start(|mut socket, _, record| async move {
            record.take(&mut socket).await;
            std::future::pending::<()>().await;
        })
        .await,
        Recorder::answering(OK).await,
    );
    let gateway = Plan::default().start(&[http1(busy.address), http1(free.address)]);
    let mut waiting = gateway.connect().await;
    tokio::io::AsyncWriteExt::write_all(&mut waiting, GET).await.unwrap();
    while busy.record.requests().is_empty() && free.record.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    let mut client = gateway.connect().await;
    for _ in 0..6 {
        assert!(exchange(&mut client, GET).await.0.starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(busy.record.requests().len(), 1);
    assert_eq!(free.record.requests().len(), 6);
}

#[tokio::test]
async fn an_origin_that_refuses_costs_no_request_and_is_left_out() {
    // Counts attempts: the TLS handshake fails because the connection is closed.
    let dead = Recorder::start(|socket, _, _| async move { drop(socket) }).await;
    let alive = Recorder::answering(OK).await;
    let gateway = Plan::default().start(&[origin(UpstreamProtocol::Tls, dead.address), http1(alive.address)]);
    let mut client = gateway.connect().await;
    for _ in 0..40 {
        let (head, _) = exchange(&mut client, GET).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    }
    assert_eq!(dead.record.connections(), EJECT_FAILURES, "then it is left out");
    assert_eq!(alive.record.requests().len(), 40);
    let connected = alive.record.connections().try_into().unwrap();
    for (event, count) in [("connect_failed", 3), ("retried", 3), ("ejected", 1), ("connected", connected)] {
        gateway.counts("upstream", event, count).await;
    }
}

#[tokio::test]
async fn the_last_one_is_tried_even_when_it_is_out() {
    let port = Port::reserved();
    let address = port.address;
    let gateway = Plan::default().start(&[http1(address)]);
    let mut client = gateway.connect().await;
    for _ in 0..EJECT_FAILURES + 2 {
        assert!(exchange(&mut client, GET).await.0.contains("upstream_unreachable"));
    }
    let listener = TcpListener::bind(address).await.unwrap();
    let back = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        crate::server::recorder::message(&mut socket).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut socket, OK.as_bytes()).await.unwrap();
    });
    assert!(exchange(&mut client, GET).await.0.starts_with("HTTP/1.1 200 "));
    back.await.unwrap();
    for (event, count) in [("connect_failed", 5), ("ejected", 1), ("recovered", 1), ("retried", 0)] {
        gateway.counts("upstream", event, count).await;
    }
}

/// Two that are both out are both still tried, and the first that is there again answers.
#[tokio::test]
async fn of_two_that_are_out_one_is_still_tried() {
    let ports = [Port::reserved(), Port::reserved()];
    let addresses = ports.each_ref().map(|port| port.address);
    let gateway = Plan::default().start(&addresses.map(http1));
    let mut client = gateway.connect().await;
    for _ in 0..EJECT_FAILURES {
        assert!(exchange(&mut client, GET).await.0.contains("upstream_unreachable"));
    }
    gateway.counts("upstream", "ejected", 2).await;
    let listener = TcpListener::bind(addresses[1]).await.unwrap();
    let back = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        crate::server::recorder::message(&mut socket).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut socket, OK.as_bytes()).await.unwrap();
    });
    let (head, _) = exchange(&mut client, GET).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    back.await.unwrap();
    gateway.counts("upstream", "recovered", 1).await;
}
