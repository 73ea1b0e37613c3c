//! How often one may ask: a bucket a caller, and a bucket a network for those who are not known.
//!
//! It knows no HTTP. The buckets are governor's (GCRA: a burst of a whole minute's requests, then one after the
//! other); the table that holds them is bounded, and who asks often keeps its place there. Counts are this node's and
//! end with the process. Invariant: no network is exempt, loopback neither: behind a proxy everybody comes from there.

use super::admission::Network;
use crate::model::bounds;
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use moka::sync::Cache;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

/// Seconds of the window that a quota is told for.
pub const WINDOW_SECONDS: u64 = 60;

/// What is left of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Which policy counts: `caller` or `network`.
    pub policy: &'static str,
    /// Requests in the window.
    pub quota: u32,
    /// Requests that are left at once.
    pub remaining: u32,
    /// Seconds until more are: until all are, or, for who has to wait, until the next one is.
    pub reset: u64,
    /// False when this request was one too many.
    pub admitted: bool,
}

/// Counts requests; cheap to clone.
#[derive(Clone)]
pub struct Rates {
    callers: Option<Table<String>>,
    networks: Option<Table<Network>>,
}

impl Rates {
    /// With these many requests a minute for a caller and for a network; 0 counts nothing.
    pub fn new(caller: u32, network: u32) -> Self {
        let clock = MonotonicClock;
        Self { callers: Table::new("caller", caller, clock.clone()), networks: Table::new("network", network, clock) }
    }

    /// Counts a request of a known caller.
    pub fn of_caller(&self, caller: String) -> Option<Rate> {
        self.callers.as_ref().map(|callers| callers.take(caller))
    }

    /// Counts a request of nobody known.
    pub fn of_network(&self, address: IpAddr) -> Option<Rate> {
        self.networks.as_ref().map(|networks| networks.take(address.into()))
    }
}

type Bucket<C> = RateLimiter<NotKeyed, InMemoryState, C, StateInformationMiddleware>;

#[derive(Clone)]
struct Table<K, C: Clock = MonotonicClock> {
    policy: &'static str,
    quota: NonZeroU32,
    clock: C,
    buckets: Cache<K, Arc<Bucket<C>>>,
}

impl<K, C> Table<K, C>
where
    K: Hash + Eq + Send + Sync + 'static,
    C: Clock + Clone + Send + Sync + 'static,
{
    fn new(policy: &'static str, quota: u32, clock: C) -> Option<Self> {
        let buckets = Cache::builder()
            .max_capacity(bounds::RATE_BUCKETS)
            // By then it is full again.
            .time_to_idle(std::time::Duration::from_secs(WINDOW_SECONDS))
            .build();
        NonZeroU32::new(quota).map(|quota| Self { policy, quota, clock, buckets })
    }

    fn take(&self, key: K) -> Rate {
        let bucket = self.buckets.get_with(key, || {
            let bucket = RateLimiter::direct_with_clock(Quota::per_minute(self.quota), self.clock.clone());
            Arc::new(bucket.with_middleware::<StateInformationMiddleware>())
        });
        let quota = self.quota.get();
        let (remaining, reset, admitted) = match bucket.check() {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let taken = u64::from(quota.saturating_sub(remaining));
                (remaining, (taken * WINDOW_SECONDS).div_ceil(u64::from(quota)), true)
            }
            Err(until) => {
                let wait = until.wait_time_from(self.clock.now());
                (0, (wait.as_millis() as u64).div_ceil(1000).max(1), false)
            }
        };
        Rate { policy: self.policy, quota, remaining, reset, admitted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use std::time::Duration;

    #[test]
    fn a_minutes_requests_may_come_at_once_and_then_one_after_the_other() {
        let clock = FakeRelativeClock::default();
        let table: Table<u8, _> = Table::new("caller", 30, clock.clone()).unwrap();
        for left in (0..30).rev() {
            let rate = table.take(1);
            assert!(rate.admitted && rate.remaining == left, "{rate:?}");
            assert_eq!(rate.reset, 2 * u64::from(30 - left));
        }
        let refused = table.take(1);
        assert!(!refused.admitted && refused.reset == 2, "{refused:?}");
        assert!(table.take(2).admitted, "another one has its own");
        clock.advance(Duration::from_secs(2));
        assert!(table.take(1).admitted && !table.take(1).admitted);
        clock.advance(Duration::from_secs(60));
        assert_eq!(table.take(1).remaining, 29, "never more than a minute's");
    }

    #[test]
    fn a_line_in_ipv6_is_one_network_and_nought_is_no_limit() {
        let rates = Rates::new(0, 2);
        let take = |text: &str| rates.of_network(text.parse().unwrap()).unwrap().admitted;
        assert!(take("2001:db8::1") && take("2001:db8::2") && !take("2001:db8::3"));
        assert!(take("2001:db8:0:1::1") && take("127.0.0.1") && take("::ffff:127.0.0.1") && !take("127.0.0.1"));
        assert_eq!(rates.of_caller("usr_1".to_owned()), None);
    }
}
