//! Failed logins, counted once for all protocols and the API, per network and per mailbox.
//!
//! Time comes in. Memory is bounded: the oldest entries go first. Invariant: a mailbox's
//! owner at a network that has signed in before is not locked out by others' guesses.

use crate::model::bounds;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Networks, mailboxes and pairs that are remembered at once.
const REMEMBERED: usize = 100_000;

/// An IPv4 address, or an IPv6 /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Network(u64, bool);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(u64::from(u32::from(v4)), false),
            IpAddr::V6(v6) => Self((u128::from(v6) >> 64) as u64, true),
        }
    }
}

/// Failures in one window of time.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    start: i64,
    failures: u32,
}

impl Window {
    fn count(&self, now: i64, length: i64) -> u32 {
        if now - self.start < length { self.failures } else { 0 }
    }

    fn add(&mut self, now: i64, length: i64) {
        if now - self.start >= length {
            *self = Self { start: now, failures: 0 };
        }
        self.failures += 1;
    }
}

#[derive(Default)]
struct State {
    networks: HashMap<Network, (Window, Window)>,
    subjects: HashMap<String, Window>,
    known: HashMap<(String, Network), i64>,
}

/// Counts failed logins; cheap to clone.
#[derive(Clone, Default)]
pub struct Throttle {
    state: Arc<Mutex<State>>,
}

impl Throttle {
    /// Whether a login on `subject` (a canonical address or a user's name) from `peer` may be tried now.
    pub fn admits(&self, subject: &str, peer: IpAddr, now: i64) -> bool {
        let network = Network::from(peer);
        let state = self.state.lock();
        let of_network = state.networks.get(&network).copied().unwrap_or_default();
        if of_network.0.count(now, MINUTE_MS) >= bounds::FAILED_LOGINS_PER_MINUTE
            || of_network.1.count(now, DAY_MS) >= bounds::FAILED_LOGINS_PER_DAY
        {
            return false;
        }
        let of_subject = state.subjects.get(subject).map_or(0, |window| window.count(now, HOUR_MS));
        of_subject < bounds::FAILED_LOGINS_PER_MAILBOX_HOUR || state.known.contains_key(&(subject.to_owned(), network))
    }

    /// Counts a failure.
    pub fn failed(&self, subject: &str, peer: IpAddr, now: i64) {
        let network = Network::from(peer);
        let mut state = self.state.lock();
        let windows = state.networks.entry(network).or_default();
        windows.0.add(now, MINUTE_MS);
        windows.1.add(now, DAY_MS);
        if !state.known.contains_key(&(subject.to_owned(), network)) {
            state.subjects.entry(subject.to_owned()).or_default().add(now, HOUR_MS);
        }
        state.forget(now);
    }

    /// Remembers that this network has signed in to `subject`.
    pub fn succeeded(&self, subject: &str, peer: IpAddr, now: i64) {
        let mut state = self.state.lock();
        state.known.insert((subject.to_owned(), Network::from(peer)), now);
        state.forget(now);
    }
}

impl State {
    fn forget(&mut self, now: i64) {
        if self.networks.len() > REMEMBERED {
            self.networks.retain(|_, (_, day)| day.count(now, DAY_MS) > 0);
            shrink(&mut self.networks, |(minute, _)| minute.start);
        }
        if self.subjects.len() > REMEMBERED {
            self.subjects.retain(|_, window| window.count(now, HOUR_MS) > 0);
            shrink(&mut self.subjects, |window| window.start);
        }
        if self.known.len() > REMEMBERED {
            shrink(&mut self.known, |at| *at);
        }
    }
}

/// Drops the older half when there are still too many.
fn shrink<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, V>, age: impl Fn(&V) -> i64) {
    if map.len() <= REMEMBERED {
        return;
    }
    let mut ages: Vec<i64> = map.values().map(&age).collect();
    let middle = ages.len() / 2;
    let cut = *ages.select_nth_unstable(middle).1;
    map.retain(|_, value| age(value) > cut);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_network_is_held_back_for_a_minute_then_for_a_day() {
        let throttle = Throttle::default();
        let mut now = 0;
        let mut tried = 0;
        while now < DAY_MS - MINUTE_MS {
            if throttle.admits("a", ip(1), now) {
                throttle.failed(&format!("subject{tried}"), ip(1), now);
                tried += 1;
            }
            now += 1000;
        }
        assert_eq!(tried, bounds::FAILED_LOGINS_PER_DAY);
        assert!(throttle.admits("a", ip(2), now), "other networks go on");
        assert!(throttle.admits("a", ip(1), now + DAY_MS), "and so does this one a day later");
    }

    #[test]
    fn a_mailbox_is_guarded_without_locking_its_owner_out() {
        let throttle = Throttle::default();
        throttle.succeeded("owner", ip(200), 0);
        let reached = (0..100).filter(|i| {
            let admitted = throttle.admits("owner", ip(*i), 1);
            if admitted {
                throttle.failed("owner", ip(*i), 1);
            }
            admitted
        });
        assert_eq!(reached.count() as u32, bounds::FAILED_LOGINS_PER_MAILBOX_HOUR);
        assert!(throttle.admits("owner", ip(200), 1));
        assert!(!throttle.admits("owner", ip(201), 1));
        assert!(throttle.admits("owner", ip(201), 1 + HOUR_MS));
    }
}
