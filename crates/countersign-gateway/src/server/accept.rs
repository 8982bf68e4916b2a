//! One loop accepts every connection and gives it to the worker that has the fewest.

use std::{
    fmt::Display,
    io,
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use tokio::{
    net::TcpListener,
    select,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    clients::Clients,
    drain::{Drain, Gate, Ticket},
    tls::{Certificates, LOOK_EVERY},
};
use crate::{
    config::resolved::Limits,
    observe::{ConnectionEvent, Observation, Observer},
};

/// A pause after an error that does not concern one connection alone: no file descriptors, no memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// An accepted connection on its way to its worker.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) socket: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) ticket: Ticket,
}

/// Where a worker takes its connections from.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) accepted: mpsc::UnboundedSender<Accepted>,
    pub(super) gate: Arc<Gate>,
}

/// What every listener's loop needs.
#[derive(Debug, Clone)]
pub(super) struct Entrance {
    pub(super) doors: Vec<Door>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) clients: Arc<Clients>,
    pub(super) limits: Arc<ArcSwap<Limits>>,
    pub(super) trusted_proxies: Arc<ArcSwap<Vec<IpNet>>>,
    pub(super) observer: Observer,
}

/// Accepts until the drain begins; then takes what the kernel holds already, and closes the listeners.
///
/// When as many connections are open as the limit allows, it stops accepting until one ends: clients wait in the
/// kernel's backlog.
pub(super) async fn run(
    listeners: Vec<std::net::TcpListener>,
    entrance: Entrance,
    drain: Arc<Drain>,
    certificates: Option<Arc<Certificates>>,
) -> io::Result<()> {
    let observer = entrance.observer.clone();
    let mut loops = JoinSet::new();
    for listener in listeners {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        tell(&observer, ConnectionEvent::Listening, &listener.local_addr()?);
        loops.spawn(accept(listener, entrance.clone(), Arc::clone(&drain)));
    }
    drop(entrance);
    let watching = async {
        if let Some(certificates) = certificates {
            watch(&certificates, &observer).await;
        }
        std::future::pending::<()>().await;
    };
    select! {
        biased;
        () = watching => {}
        () = async { while loops.join_next().await.is_some() {} } => {}
    }
    Ok(())
}

async fn accept(listener: TcpListener, entrance: Entrance, drain: Arc<Drain>) {
    let Entrance { permits, observer, .. } = &entrance;
    loop {
        let permit = match Arc::clone(permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let why = "as many connections as allowed are open: accepting none until one ends";
                tell(observer, ConnectionEvent::OverLimit, &why);
                select! {
                    biased;
                    () = drain.wait() => break,
                    permit = Arc::clone(permits).acquire_owned() => match permit {
                        Ok(permit) => permit,
                        Err(_) => break,
                    },
                }
            }
        };
        let accepted = select! {
            biased;
            () = drain.wait() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted.and_then(|(socket, peer)| Ok((socket.into_std()?, peer))) {
            Ok((socket, peer)) => entrance.hand_over(socket, peer, permit),
            Err(error) if concerns_all(&error) => {
                tell(observer, ConnectionEvent::AcceptFailed, &error);
                sleep(EXHAUSTED_PAUSE).await;
            }
            Err(_) => {}
        }
    }
    match listener.into_std() {
        Ok(listener) => take_the_rest(&listener, &entrance),
        Err(error) => tracing::error!(%error, "waiting connections are lost"),
    }
}

/// Takes the connections that wait in the kernel, so that closing the listener resets none of them.
fn take_the_rest(listener: &std::net::TcpListener, entrance: &Entrance) {
    while let Ok(permit) = Arc::clone(&entrance.permits).try_acquire_owned() {
        match listener.accept() {
            Ok((socket, peer)) if socket.set_nonblocking(true).is_ok() => {
                entrance.hand_over(socket, peer, permit);
            }
            Ok(_) => {}
            Err(error) if concerns_all(&error) => return,
            Err(_) => {}
        }
    }
}

impl Entrance {
    /// Gives a connection to a worker. One of an address that has too many is closed and counted: a log line for
    /// each would be one more thing to flood.
    fn hand_over(&self, socket: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        let client = peer.ip().to_canonical();
        let is_proxy = self.trusted_proxies.load().iter().any(|net| net.contains(&client));
        let seat = if is_proxy {
            None
        } else {
            let bound = self.limits.load().connections_per_client;
            let Some(seat) = self.clients.enter(client, bound) else {
                self.observer.metrics().connection(ConnectionEvent::OverClientLimit);
                return;
            };
            Some(seat)
        };
        let Some(door) = self.doors.iter().min_by_key(|door| door.gate.open()) else { return };
        let ticket = Ticket::new(&door.gate, permit, seat);
        if door.accepted.send(Accepted { socket, peer, ticket }).is_err() {
            tracing::error!(%peer, "connection lost: its worker is gone");
        }
    }
}

/// Whether an error says something about us, not about the one connection.
fn concerns_all(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

fn tell(observer: &Observer, event: ConnectionEvent, detail: &dyn Display) {
    let detail = detail.to_string();
    observer.observe(Observation::Connection { event, client: None, detail: Some(&detail) });
}

async fn watch(certificates: &Certificates, observer: &Observer) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match certificates.refresh() {
            Ok(false) => {}
            Ok(true) => tell(observer, ConnectionEvent::TlsReloaded, &"certificate replaced"),
            Err(error) => tracing::error!(%error, "new certificate refused; the old one stays in use"),
        }
    }
}
