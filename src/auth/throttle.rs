//! Failed logins, counted once for all protocols and the API, per network and per mailbox.
//!
//! Time comes in. Memory is bounded: the oldest entries go first; it is this node's and ends with the process.
//! Invariant: a mailbox's owner at a network that has signed in before is not locked out by others' guesses, be they
//! on the mailbox from elsewhere or on other mailboxes from the same network (an office, a webmail's address).

use crate::model::bounds;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Notify;

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

/// What is known of a network.
#[derive(Debug, Clone, Copy, Default)]
struct OfNetwork {
    minute: Window,
    day: Window,
    /// Attempts whose outcome is not known yet.
    pending: u32,
}

/// What is known of a mailbox or user at networks that never signed in to it, or at one network that did.
#[derive(Debug, Clone, Copy, Default)]
struct OfSubject {
    hour: Window,
    pending: u32,
}

impl OfSubject {
    fn place(&self, now: i64) -> Place {
        let hour = self.hour.count(now, HOUR_MS);
        match (hour, hour + self.pending) {
            (failed, _) if failed >= bounds::FAILED_LOGINS_PER_MAILBOX_HOUR => Place::Refused,
            (_, at_most) if at_most >= bounds::FAILED_LOGINS_PER_MAILBOX_HOUR => Place::Wait,
            _ => Place::Free,
        }
    }

    fn resolve(&mut self, failed: bool, now: i64) {
        self.pending = self.pending.saturating_sub(1);
        if failed {
            self.hour.add(now, HOUR_MS);
        }
    }
}

impl OfNetwork {
    fn place(&self, now: i64) -> Place {
        let (minute, day) = (self.minute.count(now, MINUTE_MS), self.day.count(now, DAY_MS));
        let full = |more: u32| {
            minute + more >= bounds::FAILED_LOGINS_PER_MINUTE || day + more >= bounds::FAILED_LOGINS_PER_DAY
        };
        match (full(0), full(self.pending)) {
            (true, _) => Place::Refused,
            (_, true) => Place::Wait,
            _ => Place::Free,
        }
    }

    fn resolve(&mut self, failed: bool, now: i64) {
        self.pending = self.pending.saturating_sub(1);
        if failed {
            self.minute.add(now, MINUTE_MS);
            self.day.add(now, DAY_MS);
        }
    }
}

/// A network that has signed in to a subject.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// When it last did.
    at: i64,
    /// What failed there since, and what is under way: it counts against this pair alone.
    of: OfSubject,
}

#[derive(Default)]
struct State {
    networks: HashMap<Network, OfNetwork>,
    subjects: HashMap<String, OfSubject>,
    known: HashMap<(String, Network), Known>,
}

/// Whether an attempt may begin; of two answers the later one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Free,
    /// Attempts under way could take the last places: wait for their outcome.
    Wait,
    Refused,
}

/// Counts failed logins; cheap to clone.
#[derive(Clone, Default)]
pub struct Throttle {
    state: Arc<Mutex<State>>,
    resolved: Arc<Notify>,
}

/// An attempt under way: it counts as failed unless it is said to have succeeded, also when its
/// task is dropped, so that hanging up early or trying many at once buys no guesses.
pub struct Attempt {
    throttle: Throttle,
    subject: String,
    network: Network,
    now: i64,
    /// Whether it took its place among those of a network that had signed in before.
    known: bool,
    counts: bool,
}

impl Throttle {
    /// Begins a login on `subject` (a canonical address or a user's name) from `peer`; none when it may
    /// not be tried now. Waits while the attempts under way could use up what is left.
    pub async fn begin(&self, subject: &str, peer: IpAddr, now: i64) -> Option<Attempt> {
        let network = Network::from(peer);
        let known = loop {
            let mut resolved = std::pin::pin!(self.resolved.notified());
            resolved.as_mut().enable();
            match self.take(subject, network, now) {
                (Place::Free, known) => break known,
                (Place::Refused, _) => return None,
                (Place::Wait, _) => resolved.await,
            }
        };
        Some(Attempt { throttle: self.clone(), subject: subject.to_owned(), network, now, known, counts: true })
    }

    /// Takes a place if there is one; also whether it is one of a network that had signed in before.
    fn take(&self, subject: &str, network: Network, now: i64) -> (Place, bool) {
        let mut state = self.state.lock();
        if let Some(known) = state.known.get_mut(&(subject.to_owned(), network)) {
            let place = known.of.place(now);
            known.of.pending += u32::from(place == Place::Free);
            return (place, true);
        }
        let of_network = state.networks.get(&network).copied().unwrap_or_default().place(now);
        let of_subject = state.subjects.get(subject).copied().unwrap_or_default().place(now);
        let place = of_network.max(of_subject);
        if place == Place::Free {
            state.networks.entry(network).or_default().pending += 1;
            state.subjects.entry(subject.to_owned()).or_default().pending += 1;
        }
        (place, false)
    }
}

impl Attempt {
    /// The password was right: this network has signed in to the subject.
    pub fn succeeded(mut self) {
        self.counts = false;
        let pair = (self.subject.clone(), self.network);
        self.throttle.state.lock().known.entry(pair).or_default().at = self.now;
    }

    /// The outcome is no guess: a fault of ours, or a password whose outcome was known before.
    pub fn forgiven(mut self) {
        self.counts = false;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let (failed, now) = (self.counts, self.now);
        let mut state = self.throttle.state.lock();
        if self.known {
            if let Some(known) = state.known.get_mut(&(self.subject.clone(), self.network)) {
                known.of.resolve(failed, now);
            }
        } else {
            if let Some(of_network) = state.networks.get_mut(&self.network) {
                of_network.resolve(failed, now);
            }
            if let Some(of_subject) = state.subjects.get_mut(&self.subject) {
                of_subject.resolve(failed, now);
            }
        }
        state.forget(now);
        drop(state);
        self.throttle.resolved.notify_waiters();
    }
}

impl State {
    fn forget(&mut self, now: i64) {
        if self.networks.len() > REMEMBERED {
            self.networks.retain(|_, of| of.pending > 0 || of.day.count(now, DAY_MS) > 0);
            shrink(&mut self.networks, |of| if of.pending > 0 { i64::MAX } else { of.minute.start });
        }
        if self.subjects.len() > REMEMBERED {
            self.subjects.retain(|_, of| of.pending > 0 || of.hour.count(now, HOUR_MS) > 0);
            shrink(&mut self.subjects, |of| if of.pending > 0 { i64::MAX } else { of.hour.start });
        }
        if self.known.len() > REMEMBERED {
            shrink(&mut self.known, |known| if known.of.pending > 0 { i64::MAX } else { known.at });
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

    #[tokio::test]
    async fn a_network_is_held_back_for_a_minute_then_for_a_day() {
        let throttle = Throttle::default();
        let mut now = 0;
        let mut tried = 0;
        while now < DAY_MS - MINUTE_MS {
            if throttle.begin(&format!("subject{tried}"), ip(1), now).await.is_some() {
                tried += 1;
            }
            now += 1000;
        }
        assert_eq!(tried, bounds::FAILED_LOGINS_PER_DAY);
        assert!(throttle.begin("a", ip(2), now).await.is_some(), "other networks go on");
        assert!(throttle.begin("a", ip(1), now + DAY_MS).await.is_some(), "and so does this one a day later");
    }

    #[tokio::test]
    async fn a_mailbox_is_guarded_without_locking_its_owner_out() {
        let throttle = Throttle::default();
        throttle.begin("owner", ip(200), 0).await.unwrap().succeeded();
        let mut reached = 0;
        for last in 0..100 {
            reached += u32::from(throttle.begin("owner", ip(last), 1).await.is_some());
        }
        assert_eq!(reached, bounds::FAILED_LOGINS_PER_MAILBOX_HOUR);
        throttle.begin("owner", ip(200), 1).await.unwrap().succeeded();
        assert!(throttle.begin("owner", ip(201), 1).await.is_none());
        assert!(throttle.begin("owner", ip(201), 1 + HOUR_MS).await.is_some());
    }

    #[tokio::test]
    async fn guesses_of_a_network_do_not_lock_out_who_has_signed_in_there() {
        let throttle = Throttle::default();
        throttle.begin("owner", ip(1), 0).await.unwrap().succeeded();
        while throttle.begin("other", ip(1), 1).await.is_some() {}
        assert!(throttle.begin("third", ip(1), 1).await.is_none(), "the network is held back");
        throttle.begin("owner", ip(1), 1).await.expect("the owner is not").succeeded();
        let mut tried = 0;
        while throttle.begin("owner", ip(1), 2).await.is_some() {
            tried += 1;
        }
        assert_eq!(tried, bounds::FAILED_LOGINS_PER_MAILBOX_HOUR, "guesses there are bounded as well");
        assert!(throttle.begin("owner", ip(2), 2).await.is_some(), "and count there alone");
    }

    #[tokio::test]
    async fn many_at_once_are_no_more_guesses_and_right_ones_only_wait() {
        let throttle = Throttle::default();
        let guess = |i: u32| {
            let throttle = throttle.clone();
            tokio::spawn(async move {
                let attempt = throttle.begin(&format!("s{i}"), ip(1), 0).await;
                // The hash is computed here.
                tokio::task::yield_now().await;
                attempt.is_some()
            })
        };
        let guesses: Vec<_> = (0..200).map(guess).collect();
        let mut admitted = 0;
        for guess in guesses {
            admitted += u32::from(guess.await.unwrap());
        }
        assert_eq!(admitted, bounds::FAILED_LOGINS_PER_MINUTE);

        let right = |_| {
            let throttle = throttle.clone();
            tokio::spawn(async move {
                let attempt = throttle.begin("owner", ip(2), 0).await.expect("only waits");
                tokio::task::yield_now().await;
                attempt.succeeded();
            })
        };
        for login in (0..200).map(right).collect::<Vec<_>>() {
            login.await.unwrap();
        }
        throttle.begin("owner", ip(2), 0).await.unwrap().forgiven();
    }
}
