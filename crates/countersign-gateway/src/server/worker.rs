//! A data worker: one thread, one runtime, its connections.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{
    net::TcpStream,
    select,
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{
    Handler,
    accept::Accepted,
    connection::{self, Shared},
    drain::Gate,
};
use crate::{config::resolved::Limits, upstream::Registry};

/// How often idle upstream connections are looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// For the last bytes of what is cut at the end of the drain.
const CUT: Duration = Duration::from_secs(1);

/// Runs until the accept loop is gone and every connection has ended, or the drain has lasted too long. Returns how
/// many connections were cut.
pub(super) async fn run<H: Handler>(
    mut accepted: mpsc::UnboundedReceiver<Accepted>,
    shared: Arc<Shared<H>>,
    gate: Arc<Gate>,
    limits: Arc<ArcSwap<Limits>>,
    registry: Arc<Registry>,
) -> usize {
    let index = shared.worker.index;
    let mut sweeps = interval(SWEEP_EVERY);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        select! {
            biased;
            next = accepted.recv() => {
                let Some(Accepted { socket, peer, ticket }) = next else { break };
                match TcpStream::from_std(socket) {
                    Ok(socket) => {
                        let limits = **limits.load();
                        tokio::spawn(connection::serve(Arc::clone(&shared), socket, peer, ticket, limits));
                    }
                    Err(error) => tracing::error!(%peer, %error, "connection lost"),
                }
            }
            _ = sweeps.tick() => registry.sweep(index, Instant::now()),
        }
    }
    let upstreams = &shared.worker.upstreams;
    let limit = limits.load().drain;
    if timeout(limit, gate.wait_empty()).await.is_err() {
        upstreams.close_tunnels();
        let _ = timeout(CUT, gate.wait_empty()).await;
    }
    gate.unanswered()
}
