//! Bounds the look-ups under way, fairly between client addresses.
//!
//! Whoever sends many unknown credentials waits in a queue of their own: the queues are served in turn, so one
//! address cannot keep another's log-in waiting for longer than one turn. A full gate is an outage (503), never a
//! verdict on the credential.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    net::IpAddr,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::client_network::network_of;

/// Look-ups that may wait for a place, for each place there is.
const QUEUED_PER_PLACE: usize = 16;

/// Bounds of a gate.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// Look-ups at once.
    pub all: NonZeroUsize,
    /// Look-ups at once for one client address.
    pub per_client: NonZeroUsize,
}

/// Hands out places.
pub struct Gate {
    places: Places,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    active: usize,
    queued: usize,
    clients: HashMap<IpAddr, Client>,
    /// Clients with somebody in their queue, the next one first.
    turns: VecDeque<IpAddr>,
}

#[derive(Default)]
struct Client {
    active: usize,
    queue: VecDeque<oneshot::Sender<Place>>,
}

/// A place, given back when dropped.
pub struct Place {
    /// `None`: given back already.
    gate: Option<Arc<Gate>>,
    client: IpAddr,
}

/// There is no place, and no room to wait for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Gate {
    /// A gate with that many places.
    #[must_use]
    pub fn new(places: Places) -> Arc<Self> {
        Arc::new(Self { places, state: Mutex::default() })
    }

    /// Takes a place, or waits for one.
    ///
    /// # Errors
    /// [`Full`] when 16 look-ups wait for each place already, and no other client has more of them than this one.
    pub async fn enter(self: &Arc<Self>, client: IpAddr) -> Result<Place, Full> {
        let client = network_of(client);
        let waiting = {
            let mut state = self.state();
            if state.has_place_for(&client, self.places) {
                state.active += 1;
                state.clients.entry(client).or_default().active += 1;
                return Ok(Place { gate: Some(Arc::clone(self)), client });
            }
            let most = self.places.all.get().saturating_mul(QUEUED_PER_PLACE);
            if state.queued >= most && !state.make_room_for(&client) {
                return Err(Full);
            }
            state.queue(client)
        };
        waiting.await.map_err(|_| Full)
    }

    /// Gives a place back, and on to whoever waits for it. Those that gave up waiting are passed over one after the
    /// other, outside the lock.
    fn leave(self: &Arc<Self>, mut client: IpAddr) {
        loop {
            let granted = {
                let mut state = self.state();
                state.active = state.active.saturating_sub(1);
                if let Some(of_client) = state.clients.get_mut(&client) {
                    of_client.active = of_client.active.saturating_sub(1);
                }
                let granted = state.next(self.places);
                state.forget_if_idle(client);
                granted
            };
            let Some((next, sender)) = granted else { return };
            match sender.send(Place { gate: Some(Arc::clone(self)), client: next }) {
                Ok(()) => return,
                Err(mut given_up) => {
                    given_up.gate = None;
                    client = next;
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_place_for(&self, client: &IpAddr, places: Places) -> bool {
        let of_client = self.clients.get(client);
        self.active < places.all.get()
            && of_client.is_none_or(|of| of.queue.is_empty() && of.active < places.per_client.get())
    }

    /// Puts a client at the end of its own queue.
    fn queue(&mut self, client: IpAddr) -> oneshot::Receiver<Place> {
        let (sender, receiver) = oneshot::channel();
        let of_client = self.clients.entry(client).or_default();
        of_client.queue.push_back(sender);
        if of_client.queue.len() == 1 {
            self.turns.push_back(client);
        }
        self.queued += 1;
        receiver
    }

    /// Turns away the newest of the longest queue for a client that has a shorter one: whoever floods waits behind
    /// their own flood, and is turned away first.
    fn make_room_for(&mut self, client: &IpAddr) -> bool {
        let own = self.clients.get(client).map_or(0, |of| of.queue.len());
        // Of equals the address decides, so that the same happens again under the same circumstances.
        let longest = self.clients.iter_mut().max_by_key(|(address, of)| (of.queue.len(), **address));
        let longest = longest.map(|(_, of)| of);
        let Some(longest) = longest.filter(|of| of.queue.len() > own + 1) else { return false };
        let made = longest.queue.pop_back().is_some();
        self.queued -= usize::from(made);
        made
    }

    /// Grants a free place to the client whose turn it is; clients at their bound are passed over.
    fn next(&mut self, places: Places) -> Option<(IpAddr, oneshot::Sender<Place>)> {
        if self.active >= places.all.get() {
            return None;
        }
        let at = self.turns.iter().position(|client| {
            self.clients.get(client).is_some_and(|of| of.active < places.per_client.get())
        })?;
        let client = self.turns.remove(at)?;
        let of_client = self.clients.get_mut(&client)?;
        let sender = of_client.queue.pop_front()?;
        of_client.active += 1;
        if !of_client.queue.is_empty() {
            self.turns.push_back(client);
        }
        self.active += 1;
        self.queued = self.queued.saturating_sub(1);
        Some((client, sender))
    }

    fn forget_if_idle(&mut self, client: IpAddr) {
        if self.clients.get(&client).is_some_and(|of| of.active == 0 && of.queue.is_empty()) {
            self.clients.remove(&client);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.leave(self.client);
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("places", &self.places).finish_non_exhaustive()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::IpAddr,
        num::NonZeroUsize,
        sync::Arc,
        task::{Context, Poll, Waker},
    };

    use super::{Full, Gate, Places};

    fn gate(all: usize, per_client: usize) -> Arc<Gate> {
        let n = |n| NonZeroUsize::new(n).unwrap();
        Gate::new(Places { all: n(all), per_client: n(per_client) })
    }

    fn client(n: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, n])
    }

    #[tokio::test]
    async fn queues_are_served_in_turn() {
        let gate = gate(1, 1);
        let place = gate.enter(client(1)).await.unwrap();
        let mut order = Vec::new();
        let mut waiting: Vec<_> = [2, 2, 2, 3]
            .iter()
            .map(|n| {
                (
                    *n,
                    Box::pin({
                        let gate = Arc::clone(&gate);
                        async move { gate.enter(client(*n)).await }
                    }),
                )
            })
            .collect();
        let mut poll_all = |order: &mut Vec<u8>, held: &mut Vec<_>| {
            waiting.retain_mut(|(n, future)| {
                match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(place) => {
                        order.push(*n);
                        held.push(place.unwrap());
                        false
                    }
                    Poll::Pending => true,
                }
            });
        };
        let mut held = Vec::new();
        poll_all(&mut order, &mut held);
        drop(place);
        for _ in 0..4 {
            poll_all(&mut order, &mut held);
            held.clear();
        }
        assert_eq!(order, [2, 3, 2, 2]);
        assert!(gate.state().clients.is_empty());
    }

    #[tokio::test]
    async fn who_gave_up_waiting_gets_no_place() {
        let gate = gate(1, 1);
        let place = gate.enter(client(1)).await.unwrap();
        let mut given_up = Box::pin(gate.enter(client(2)));
        assert!(given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(given_up);
        drop(place);
        assert_eq!(gate.state().active, 0);
        drop(gate.enter(client(3)).await.unwrap());
    }

    #[tokio::test]
    async fn one_client_is_bounded_and_the_queue_is_bounded() {
        let gate = gate(2, 1);
        let _first = gate.enter(client(1)).await.unwrap();
        let mut waiting: Vec<_> = (0..32).map(|_| Box::pin(gate.enter(client(1)))).collect();
        for future in &mut waiting {
            assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(gate.enter(client(1)).await.unwrap_err(), Full);
        let _other = gate.enter(client(2)).await.unwrap();
    }

    #[tokio::test]
    async fn a_flood_is_turned_away_before_a_newcomer() {
        let gate = gate(1, 1);
        let place = gate.enter(client(1)).await.unwrap();
        let mut flood: Vec<_> = (0..16).map(|_| Box::pin(gate.enter(client(1)))).collect();
        let mut context = Context::from_waker(Waker::noop());
        for future in &mut flood {
            assert!(future.as_mut().poll(&mut context).is_pending());
        }
        let mut newcomer = Box::pin(gate.enter(client(2)));
        assert!(newcomer.as_mut().poll(&mut context).is_pending());
        assert!(matches!(flood[15].as_mut().poll(&mut context), Poll::Ready(Err(Full))));
        drop(flood);
        drop(place);
        assert!(matches!(newcomer.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
        drop(newcomer);
        drop(gate.enter(client(3)).await.unwrap());
        assert!(gate.state().clients.is_empty());
    }
}
