//! How patient we are with a peer that is in the middle of something: a minimum data rate.
//!
//! It keeps no clock; the connection tells it what was waited and what came. Invariant: a peer
//! that sends [`bounds::SENDER_RATE`] on average is never cut off, and one that sends a little now
//! and then is, when it has used up its credit.

use crate::model::bounds;
use std::time::Duration;

/// What a peer may still be late.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    credit: Duration,
}

impl Pace {
    /// Of a peer that begins something. RFC 5321 §4.5.3.2.5: 3 minutes may pass between two blocks.
    pub(super) fn new() -> Self {
        Self { credit: bounds::SMTP_DATA_TIME }
    }

    /// How long to wait for more.
    pub(super) fn left(self) -> Duration {
        self.credit
    }

    /// Something came after a wait.
    pub(super) fn received(&mut self, octets: usize, waited: Duration) {
        let earned =
            u32::try_from(octets).map_or(Duration::MAX, |octets| octets * Duration::from_secs(1) / bounds::SENDER_RATE);
        self.credit = self.credit.saturating_sub(waited).saturating_add(earned).min(bounds::SMTP_DATA_TIME);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a peer lasts that sends so many octets every so often; `None` when it is for good.
    fn lasts(octets: usize, every: Duration) -> Option<Duration> {
        let (mut pace, mut time) = (Pace::new(), Duration::ZERO);
        while pace.left() > every {
            pace.received(octets, every);
            time += every;
            if time > Duration::from_secs(24 * 3600) {
                return None;
            }
        }
        Some(time)
    }

    #[test]
    fn a_trickle_ends_and_a_slow_line_does_not() {
        let seconds = Duration::from_secs;
        assert_eq!(lasts(500, seconds(1)), None, "a modem");
        assert_eq!(lasts(64 * 1024, seconds(100)), None, "blocks with long pauses");
        assert!(lasts(1, seconds(10)).is_some_and(|time| time <= bounds::SMTP_DATA_TIME), "an octet now and then");
        assert!(lasts(400, seconds(1)).is_some_and(|time| time <= 6 * bounds::SMTP_DATA_TIME), "a little too slow");
        assert!(lasts(usize::MAX, seconds(179)).is_none());
        assert!(lasts(usize::MAX, seconds(181)).is_some(), "much at once earns no more than the block time");
    }
}
