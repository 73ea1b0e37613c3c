//! How many connections may be open: in all, and from one network.
//!
//! Invariant: every open connection holds a [`Ticket`]; dropping it frees the place.

use crate::model::bounds;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Counts open connections; cheap to clone.
#[derive(Clone)]
pub struct Admission {
    inner: Arc<Mutex<Counts>>,
    total_limit: usize,
    /// Places beyond those, for this machine alone.
    reserve: usize,
    network_limit: usize,
}

#[derive(Default)]
struct Counts {
    total: usize,
    networks: HashMap<Network, usize>,
}

/// What counts as one origin: an IPv4 address, or the /64 that one customer line has in IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(u64, bool);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(u64::from(u32::from(v4)), false),
            IpAddr::V6(v6) => Self((u128::from(v6) >> 64) as u64, true),
        }
    }
}

/// A connection's place; frees it when dropped.
pub struct Ticket {
    inner: Arc<Mutex<Counts>>,
    network: Network,
}

impl Admission {
    /// Bounds from [`bounds`]; connections from loopback count only in all, since a
    /// webmail or proxy on this machine stands for many people.
    pub fn new(total_limit: usize) -> Self {
        Self { inner: Arc::default(), total_limit, reserve: 0, network_limit: bounds::CONNECTIONS_PER_NETWORK }
    }

    /// The same, with places that only connections from loopback get once all others are taken: whoever looks after
    /// this machine gets in while it is flooded.
    pub fn with_reserve(total_limit: usize, reserve: usize) -> Self {
        Self { reserve, ..Self::new(total_limit) }
    }

    /// A place for a connection from `peer`, if there is one.
    pub fn admit(&self, peer: IpAddr) -> Option<Ticket> {
        let network = Network::from(peer);
        let mut counts = self.inner.lock();
        let of_network = counts.networks.get(&network).copied().unwrap_or(0);
        let own = peer.to_canonical().is_loopback();
        let limit = if own { self.total_limit + self.reserve } else { self.total_limit };
        if counts.total >= limit || (of_network >= self.network_limit && !own) {
            return None;
        }
        counts.total += 1;
        counts.networks.insert(network, of_network + 1);
        Some(Ticket { inner: Arc::clone(&self.inner), network })
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.inner.lock().total
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.inner.lock();
        counts.total -= 1;
        if let Some(of_network) = counts.networks.get_mut(&self.network) {
            *of_network -= 1;
            if *of_network == 0 {
                counts.networks.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_bounded_and_freed() {
        let admission = Admission::new(1000);
        let peer = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 7, 0, 0, 0, last]);
        let held: Vec<_> =
            (0..bounds::CONNECTIONS_PER_NETWORK as u16).map(|i| admission.admit(peer(i)).unwrap()).collect();
        assert!(admission.admit(peer(9999)).is_none(), "one /64 is one network");
        assert!(admission.admit(IpAddr::from([192, 0, 2, 1])).is_some());
        drop(held);
        assert_eq!(admission.open(), 0);
        assert!(admission.admit(peer(9999)).is_some());
    }

    #[test]
    fn all_connections_are_bounded() {
        let admission = Admission::new(2);
        let _held = [
            admission.admit(IpAddr::from([127, 0, 0, 1])).unwrap(),
            admission.admit(IpAddr::from([192, 0, 2, 1])).unwrap(),
        ];
        assert!(admission.admit(IpAddr::from([192, 0, 2, 2])).is_none());
    }

    #[test]
    fn this_machine_gets_in_while_others_have_all_places() {
        let admission = Admission::with_reserve(2, 1);
        let peer = |last| IpAddr::from([192, 0, 2, last]);
        let held = [admission.admit(peer(1)).unwrap(), admission.admit(peer(2)).unwrap()];
        assert!(admission.admit(peer(3)).is_none());
        let own = IpAddr::from([127, 0, 0, 1]);
        let reserved = admission.admit(own).unwrap();
        assert!(admission.admit(own).is_none(), "the reserve has an end, too");
        drop(held);
        assert!(admission.admit(peer(3)).is_some());
        drop(reserved);
        assert_eq!(admission.open(), 0);
    }
}
