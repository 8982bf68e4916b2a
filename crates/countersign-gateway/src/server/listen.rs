//! Listening sockets: bound here, or handed over.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use listenfd::ListenFd;
use socket2::{Domain, Socket, Type};

/// Connections the kernel keeps until they are accepted. The kernel's own bound (`somaxconn`) applies too.
pub const BACKLOG: i32 = 4096;

/// Binds one address. Port 0 takes a free one.
///
/// # Errors
/// When the address is not ours or taken, or the port needs a privilege.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(address.ip().is_loopback())?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The TCP listeners that a service manager handed over (socket activation), in its order. Empty without one.
///
/// # Errors
/// When what was handed over is not a TCP listener.
pub fn activated(handed: &mut ListenFd) -> io::Result<Vec<TcpListener>> {
    (0..handed.len()).filter_map(|place| handed.take_tcp_listener(place).transpose()).collect()
}
