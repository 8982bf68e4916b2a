//! Starting the threads, and ending them.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    sync::Arc,
    thread::{self, JoinHandle},
};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use tokio::{
    runtime::{Builder, Runtime},
    sync::{Semaphore, mpsc},
};

use super::{
    Certificates, Handler, Worker,
    accept::{self, Door, Entrance},
    connection::Shared,
    drain::{Drain, Gate},
    worker,
};
use crate::{config::resolved::Limits, observe::Observer, upstream::Registry};

/// What the server needs besides listeners and a handler.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Data worker threads. [`Registry`] was made for as many.
    pub workers: NonZeroUsize,
    /// Bounds. A new connection takes those that are stored then; `connections` is read once.
    pub limits: Arc<ArcSwap<Limits>>,
    /// Peers with any number of connections: those of the proxies that are believed.
    pub trusted_proxies: Arc<ArcSwap<Vec<IpNet>>>,
    /// The upstream connections of all workers.
    pub registry: Arc<Registry>,
    /// Certificate and key; `None` speaks in clear.
    pub certificates: Option<Arc<Certificates>>,
    /// One for each worker.
    pub observers: Vec<Observer>,
    /// The accept loop's.
    pub acceptor: Observer,
}

/// Starts the workers and the accept loop.
///
/// # Errors
/// When a listener cannot be used, the machine gives no thread, or a worker has no observer.
#[expect(clippy::needless_pass_by_value, reason = "the server keeps the handler; its callers do not")]
pub fn serve<H: Handler>(
    listeners: Vec<TcpListener>,
    settings: Settings,
    handler: Arc<H>,
) -> io::Result<Running> {
    let Settings { workers, limits, trusted_proxies, registry, certificates, observers, acceptor } = settings;
    if observers.len() != workers.get() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "one observer for each worker"));
    }
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
    let drain = Arc::new(Drain::default());
    let mut running = Running {
        addresses,
        drain: Arc::clone(&drain),
        acceptor: None,
        workers: Vec::new(),
        gates: Vec::new(),
    };
    let permits = Arc::new(Semaphore::new(limits.load().connections.min(Semaphore::MAX_PERMITS)));
    let mut doors = Vec::new();
    for (index, observer) in observers.into_iter().enumerate() {
        let (sender, accepted) = mpsc::unbounded_channel();
        let gate = Arc::new(Gate::new(observer.clone()));
        doors.push(Door { accepted: sender, gate: Arc::clone(&gate) });
        running.gates.push(Arc::clone(&gate));
        let shared = Arc::new(Shared {
            handler: Arc::clone(&handler),
            worker: Arc::new(Worker::new(index, observer)),
            drain: Arc::clone(&drain),
            certificates: certificates.clone(),
        });
        let (limits, registry) = (Arc::clone(&limits), Arc::clone(&registry));
        let runtime = runtime()?;
        running.workers.push(spawn(format!("worker-{index}"), move || {
            runtime.block_on(worker::run(accepted, shared, gate, limits, registry))
        })?);
    }
    let entrance =
        Entrance { doors, permits, clients: Arc::default(), limits, trusted_proxies, observer: acceptor };
    let runtime = runtime()?;
    running.acceptor = Some(spawn("accept".to_owned(), move || {
        runtime.block_on(accept::run(listeners, entrance, drain, certificates))
    })?);
    Ok(running)
}

/// A server that runs. Dropping it begins the drain and does not wait for it.
pub struct Running {
    addresses: Vec<SocketAddr>,
    drain: Arc<Drain>,
    acceptor: Option<JoinHandle<io::Result<()>>>,
    workers: Vec<JoinHandle<usize>>,
    gates: Vec<Arc<Gate>>,
}

/// Begins the drain from elsewhere.
#[derive(Debug, Clone)]
pub struct Drainer(Arc<Drain>);

impl Drainer {
    /// See [`Running::drain`].
    pub fn drain(&self) {
        self.0.begin();
    }

    /// Whether the drain has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.has_begun()
    }
}

/// How the drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because the drain lasted too long. 0: nobody noticed.
    pub cut: usize,
}

impl Running {
    /// Where it listens, in the order of the listeners.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Open connections, tunnels included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.gates.iter().map(|gate| gate.open()).sum()
    }

    /// Begins the end: no connection is accepted any more, open answers complete and close their connection
    /// (`Connection: close`, GOAWAY), and what is still open after `drain` is cut.
    pub fn drain(&self) {
        self.drain.begin();
    }

    /// Begins the drain from elsewhere, for instance from a signal.
    #[must_use]
    pub fn drainer(&self) -> Drainer {
        Drainer(Arc::clone(&self.drain))
    }

    /// Blocks until the drain has begun and ended.
    ///
    /// # Errors
    /// When accepting had ended by itself, or a worker panicked.
    pub fn wait(mut self) -> io::Result<Drained> {
        let mut outcome = Ok(());
        if let Some(acceptor) = self.acceptor.take() {
            outcome = joined(acceptor.join()).flatten();
        }
        self.drain.begin();
        let mut cut = 0;
        for worker in self.workers.drain(..) {
            match joined(worker.join()) {
                Ok(more) => cut += more,
                Err(error) => outcome = Err(error),
            }
        }
        outcome.map(|()| Drained { cut })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.drain.begin();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

fn joined<T>(outcome: thread::Result<T>) -> io::Result<T> {
    outcome.map_err(|_| io::Error::other("a thread of the server panicked"))
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn spawn<T: Send + 'static>(
    name: String,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name).spawn(run)
}
