//! New ids: rising with time, never twice in a process, and not to be guessed from one another.

use std::sync::Mutex;

/// Bits below the milliseconds: room for a random start and many ids in one millisecond.
const LOW_BITS: u32 = 21;

/// Makes ids.
#[derive(Default)]
pub(super) struct Ids {
    last: Mutex<i64>,
}

impl Ids {
    /// A new id; `now_ms` is Unix time.
    pub fn next(&self, now_ms: i64) -> i64 {
        let low: u32 = rand::random::<u32>() >> (32 - (LOW_BITS - 1));
        let fresh = (now_ms << LOW_BITS) | i64::from(low);
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Within one millisecond, or after the clock went back, it counts on from the last one.
        *last = if fresh > *last { fresh } else { *last + 1 };
        *last & i64::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_also_when_the_clock_goes_back() {
        let ids = Ids::default();
        let mut last = 0;
        for now in [1_700_000_000_000, 1_700_000_000_000, 1_600_000_000_000, 1_700_000_000_001] {
            for _ in 0..1000 {
                let id = ids.next(now);
                assert!(id > last);
                last = id;
            }
        }
    }
}
