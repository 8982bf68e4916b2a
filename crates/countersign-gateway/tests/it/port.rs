//! Ports that are known before anybody listens on them.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A port of 127.0.0.1 that is bound and not listened on: connections are refused, the system gives it to nobody else, and
/// whoever is told of it can listen on it (with `SO_REUSEADDR`, as servers do), as often as it likes.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    _held: TcpSocket,
}

impl Port {
    /// Free again when it is dropped.
    pub(crate) fn reserved() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self { address: socket.local_addr().unwrap(), _held: socket }
    }
}
