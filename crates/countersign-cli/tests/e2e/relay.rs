//! A link between two programs that a test can cut.

use std::{net::SocketAddr, sync::Mutex};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// How the link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// What is sent does not arrive, and nobody is told.
    Cut,
    /// Connections are refused, and those that were open are closed: nobody is there.
    Dead,
    Well,
}

/// Forwards what comes to it. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    to: SocketAddr,
    state: watch::Sender<State>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Relay {
    pub(crate) async fn to(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let relay = Self { address, to, state: watch::Sender::new(State::Well), accepting: Mutex::default() };
        relay.accept(listener);
        relay
    }

    pub(crate) async fn set(&self, state: State) {
        if state == State::Dead {
            self.state.send_replace(state);
            let accepting = self.accepting.lock().unwrap().take();
            if let Some(accepting) = accepting {
                accepting.abort();
                let _ = accepting.await;
            }
            return;
        }
        self.state.send_replace(state);
        if self.accepting.lock().unwrap().is_none() {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind(self.address).unwrap();
            self.accept(socket.listen(1_024).unwrap());
        }
    }

    fn accept(&self, listener: TcpListener) {
        let (state, to) = (self.state.clone(), self.to);
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else { continue };
                tokio::spawn(forward(socket, to, state.subscribe()));
            }
        });
        *self.accepting.lock().unwrap() = Some(accepting);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.send_replace(State::Dead);
        if let Some(accepting) = self.accepting.get_mut().unwrap().take() {
            accepting.abort();
        }
    }
}

/// Until one side closes it, or nobody is there any more.
async fn forward(mut from: TcpStream, to: SocketAddr, mut state: watch::Receiver<State>) {
    if *state.borrow_and_update() == State::Cut {
        let _ = state.wait_for(|state| *state != State::Cut).await;
        return;
    }
    let Ok(mut onward) = TcpStream::connect(to).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut from, &mut onward) => {}
        _ = state.wait_for(|state| *state != State::Well) => {}
    }
    // What was open when the link was cut stays open and silent.
    let _ = state.wait_for(|state| *state != State::Cut).await;
}
