//! Raw bytes to a gateway, and what comes back.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A gateway that has not ended the connection by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// Alice's session.
pub(crate) const ALICE: &str = "Cookie: SESSION=alice-session";

/// What a browser adds to a request of one of our pages.
pub(crate) const OURS: &str = "Origin: https://shop.example";

/// Sends bytes as they are, and reads until the gateway ends the connection. It may do so before all is sent.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    exchange_in_parts(address, &[bytes]).await
}

/// The same with a pause after each part.
pub(crate) async fn exchange_in_parts(address: SocketAddr, parts: &[&[u8]]) -> String {
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (mut receiving, mut sending) = socket.into_split();
    let send = async {
        for part in parts {
            // The gateway may have ended the connection already, which is its right.
            if sending.write_all(part).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    let receive = async {
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        // A reset after the answer is an end like another.
        while let Ok(length @ 1..) = receiving.read(&mut piece).await {
            answer.extend_from_slice(&piece[..length]);
        }
        answer
    };
    let both = async { tokio::join!(send, receive).1 };
    let answer = timeout(PATIENCE, both).await.expect("the gateway ends the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The statuses of the answers, without interim ones.
pub(crate) fn statuses(answers: &str) -> Vec<&str> {
    answers
        .match_indices("HTTP/1.1 ")
        .map(|(at, start)| &answers[at + start.len()..at + start.len() + 3])
        .filter(|status| *status != "100")
        .collect()
}

/// The code of the last refusal.
pub(crate) fn refused(answers: &str) -> Option<&str> {
    answers.rsplit_once("\r\ncountersign-refused: ").and_then(|(_, rest)| rest.split("\r\n").next())
}
