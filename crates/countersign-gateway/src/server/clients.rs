//! How many connections each client address has open.
//!
//! One address cannot use up what all clients share: a connection beyond its bound is closed as soon as it is accepted,
//! and counted. An IPv6 /64 counts as one address. Connections of trusted proxies, which carry many clients, are not
//! counted here.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::client_network::network_of;

/// Counts open connections by address. Holds no address without a connection.
#[derive(Debug, Default)]
pub(super) struct Clients {
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One open connection of an address; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    clients: Arc<Clients>,
    client: IpAddr,
}

impl Clients {
    /// A seat, unless the address has `bound` of them.
    pub(super) fn enter(self: &Arc<Self>, client: IpAddr, bound: usize) -> Option<Seat> {
        let client = network_of(client);
        let mut open = self.open();
        let count = open.entry(client).or_default();
        if *count >= bound {
            return None;
        }
        *count += 1;
        Some(Seat { clients: Arc::clone(self), client })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.clients.open();
        if let Some(count) = open.get_mut(&self.client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, sync::Arc};

    use super::Clients;

    #[test]
    fn each_address_has_its_own_bound_and_a_seat_is_given_back() {
        let clients = Arc::new(Clients::default());
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut seats: Vec<_> = (0..3).map(|_| clients.enter(one, 3).unwrap()).collect();
        assert!(clients.enter(one, 3).is_none());
        assert!(clients.enter(other, 3).is_some());
        seats.pop();
        seats.push(clients.enter(one, 3).unwrap());
        assert!(clients.enter(one, 3).is_none());
        drop(seats);
        assert!(clients.open().is_empty(), "nothing is kept of an address without a connection");
    }

    #[test]
    fn addresses_of_one_ipv6_customer_are_one_client() {
        let clients = Arc::new(Clients::default());
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let _one = clients.enter(address("2001:db8::1"), 1).unwrap();
        assert!(clients.enter(address("2001:db8::2"), 1).is_none());
        assert!(clients.enter(address("2001:db8:0:1::1"), 1).is_some());
    }
}
