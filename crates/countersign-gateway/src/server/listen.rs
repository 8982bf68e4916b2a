//! Listening sockets: bound here, or handed over.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::AsRawFd as _,
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
    let mut listeners = Vec::with_capacity(handed.len());
    for place in 0..handed.len() {
        let Some(listener) = handed.take_tcp_listener(place)? else { continue };
        if !listens(&listener)? {
            let what = format!("fd {} does not listen", listener.as_raw_fd());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Whether anybody can connect to it: a socket that is merely bound, or connected, has the same type. Only Linux, where
/// there is systemd, is asked.
fn listens(socket: &TcpListener) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    let listens = socket2::SockRef::from(socket).is_listener();
    #[cfg(not(target_os = "linux"))]
    let listens = socket.local_addr().map(|_| true);
    listens
}
