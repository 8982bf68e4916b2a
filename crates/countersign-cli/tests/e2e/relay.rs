//! A link between two programs that a test can cut.

use std::{net::SocketAddr, thread};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};

use crate::port::Port;

/// How the link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// What is sent does not arrive, and nobody is told.
    Cut,
    /// Connections are refused, and those that were open are closed: nobody is there.
    Dead,
    Well,
}

/// Forwards what comes to it, on a thread of its own: a test may wait for a program that uses it. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    state: watch::Sender<State>,
    /// While nobody is there, too.
    _port: Port,
}

impl Relay {
    pub(crate) fn to(to: SocketAddr) -> Self {
        let port = Port::reserved();
        let address = port.address;
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (state, following) = watch::channel(State::Well);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { serve(TcpListener::from_std(listener).unwrap(), to, following).await });
        });
        Self { address, state, _port: port }
    }

    pub(crate) fn set(&self, state: State) {
        self.state.send_replace(state);
    }
}

/// Until the relay is dropped.
async fn serve(mut listener: TcpListener, to: SocketAddr, mut state: watch::Receiver<State>) {
    let address = listener.local_addr().unwrap();
    loop {
        if *state.borrow_and_update() == State::Dead {
            drop(listener);
            if state.wait_for(|state| *state != State::Dead).await.is_err() {
                return;
            }
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind(address).unwrap();
            listener = socket.listen(1_024).unwrap();
        }
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((socket, _)) = accepted {
                    tokio::spawn(forward(socket, to, state.clone()));
                }
            }
            changed = state.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Until one side closes it, or nobody is there any more. What is open when the link is cut stays open and silent.
async fn forward(mut from: TcpStream, to: SocketAddr, mut state: watch::Receiver<State>) {
    if *state.borrow_and_update() == State::Well {
        let Ok(mut onward) = TcpStream::connect(to).await else { return };
        tokio::select! {
            _ = copy_bidirectional(&mut from, &mut onward) => return,
            _ = state.wait_for(|state| *state != State::Well) => {}
        }
    }
    let _ = state.wait_for(|state| *state != State::Cut).await;
}
