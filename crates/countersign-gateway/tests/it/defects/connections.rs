//! One address cannot take the connections of all.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::{
    proxy::house::{House, who},
    server::{
        harness::{answer, soon},
        recorder::{OK, Recorder},
    },
};

const TWO: &str = "[limits]\nconnections_per_client = 2\n";

async fn from(last: u8, gateway: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
    socket.connect(gateway).await.unwrap()
}

/// Whether a request is answered; if not, the gateway has closed the connection.
async fn is_served(socket: &mut TcpStream) -> bool {
    let request = b"GET /public/ HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    // What is closed may say so at either.
    socket.write_all(request).await.is_ok() && answer(socket).await.is_some()
}

async fn metric(house: &House) -> String {
    let mut socket = TcpStream::connect(house.admin).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    socket.write_all(request).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer.lines().find(|line| line.contains("over_client_limit")).unwrap().to_owned()
}

#[tokio::test]
async fn a_connection_too_many_of_one_address_is_closed_and_counted_and_others_are_not() {
    let house = House::with("", TWO, Recorder::answering(OK).await, who).await;
    let (mut one, mut two) = (from(66, house.address).await, from(66, house.address).await);
    assert!(!is_served(&mut from(66, house.address).await).await);
    assert!(is_served(&mut from(67, house.address).await).await);
    assert!(is_served(&mut one).await && is_served(&mut two).await);
    assert!(metric(&house).await.ends_with(" 1"));
    drop(one);
    // A place is given back.
    soon(async { while !is_served(&mut from(66, house.address).await).await {} }).await;
}

#[tokio::test]
async fn a_trusted_proxy_has_as_many_as_it_needs() {
    let top = "trusted_proxies = [\"127.0.0.66\"]";
    let house = House::with(top, TWO, Recorder::answering(OK).await, who).await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(from(66, house.address).await);
    }
    for socket in &mut all {
        assert!(is_served(socket).await);
    }
}
