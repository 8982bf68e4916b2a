//! One address cannot take the connections of all.

use std::net::SocketAddr;

use tokio::{
    io::AsyncReadExt,
    net::{TcpSocket, TcpStream},
};

use crate::{
    proxy::house::{House, who},
    server::recorder::{OK, Recorder},
};

const TWO: &str = "[limits]\nconnections_per_client = 2\n";

async fn from(last: u8, gateway: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
    socket.connect(gateway).await.unwrap()
}

/// Whether the gateway has closed a connection that sent nothing.
async fn is_closed(socket: &mut TcpStream) -> bool {
    let read = tokio::time::timeout(std::time::Duration::from_millis(300), socket.read(&mut [0; 1])).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

async fn metric(house: &House) -> String {
    let mut socket = TcpStream::connect(house.admin).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut socket, request).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer.lines().find(|line| line.contains("over_client_limit")).unwrap().to_owned()
}

#[tokio::test]
async fn a_connection_too_many_of_one_address_is_closed_and_counted_and_others_are_not() {
    let house = House::with("", TWO, Recorder::answering(OK).await, who).await;
    let (mut one, mut two) = (from(66, house.address).await, from(66, house.address).await);
    assert!(is_closed(&mut from(66, house.address).await).await);
    assert!(!is_closed(&mut from(67, house.address).await).await);
    assert!(!is_closed(&mut one).await && !is_closed(&mut two).await);
    assert!(metric(&house).await.ends_with(" 1"));
    drop(one);
    let mut waited = 0;
    while is_closed(&mut from(66, house.address).await).await {
        waited += 1;
        assert!(waited < 100, "a place is given back");
    }
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
        assert!(!is_closed(socket).await);
    }
}
